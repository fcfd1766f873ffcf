"""An assessment written out for a person: the message with its words underlined, rules with reasons and sources,
what was considered and dropped and why. It decides nothing and shows the patient's words only to its caller."""

from __future__ import annotations

from bot.triage.assess import Assessment, RuleHit
from bot.triage.level import Level

RESET, BOLD, DIM, UNDER = "\033[0m", "\033[1m", "\033[2m", "\033[4m"
COLOURS = {
    Level.EMERGENCY: "\033[97;41m",
    Level.URGENT: "\033[30;43m",
    Level.ROUTINE: "\033[30;46m",
    Level.SELF_CARE: "\033[30;42m",
    Level.NONE: "\033[2m",
}


def explain_text(assessment: Assessment, text: str, colour: bool = True) -> str:
    """Several lines. ``text`` is the message that was assessed; control characters in it are not passed on."""

    def paint(code: str, what: str) -> str:
        return f"{code}{what}{RESET}" if colour else what

    level = paint(COLOURS[assessment.level] + BOLD, f" {assessment.level.code.upper()} ")
    lines = [level + (paint(DIM, "  nothing new in this message") if not assessment.fresh else "")]
    lines.append("  " + _marked(assessment, text, colour))
    for hit in assessment.hits:
        lines.extend(_hit_lines(hit, assessment.lang, paint))
    for finding in assessment.findings:
        if finding.counts:
            extra = "" if finding.value is None else f" = {finding.value:g} {finding.unit or ''}".rstrip()
            words = _printable(text[finding.span[0] : finding.span[1]])
            lines.append(
                f"  + {finding.id}{extra}  '{words}'  {finding.who}, {finding.status.value}, {finding.time.value}"
            )
    for c in assessment.considered:
        by = "" if c.by is None else f" by '{_printable(text[c.by[0] : c.by[1]])}'"
        lines.append(paint(DIM, f"  - {c.id}  '{_printable(text[c.span[0] : c.span[1]])}'  {c.reason}{by}"))
    lines.append(paint(DIM, f"  ruleset {assessment.ruleset[:12]}…"))
    return "\n".join(lines)


def _hit_lines(hit: RuleHit, lang: str, paint: object) -> list[str]:
    assert callable(paint)
    mark = "*" if hit.new else " "
    head = f"  {mark} {hit.id}  {hit.level.code}" + (f"  path {hit.path}" if hit.path else "")
    source = f"      {hit.source}" + (f"  {hit.source_url}" if hit.source_url else "")
    stamp = f"{source}  ({hit.source_date}, {hit.basis}, {hit.review})"
    return [paint(BOLD, head), f"      {hit.reason.get(lang) or hit.reason['en']}", paint(DIM, stamp)]


def _marked(assessment: Assessment, text: str, colour: bool) -> str:
    """The message, the words of new rules underlined (or in [brackets] without colour)."""
    spans = sorted({s for h in assessment.hits if h.new for s in h.spans})
    out, last = [], 0
    for start, end in spans:
        if start < last:
            continue
        piece = _printable(text[start:end])
        out.append(_printable(text[last:start]))
        out.append(f"{UNDER}{BOLD}{piece}{RESET}" if colour else f"[{piece}]")
        last = end
    out.append(_printable(text[last:]))
    return "".join(out)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
