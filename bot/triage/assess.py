"""Findings and case in, level with reasons out. Pure: same input and same rules, same answer.

``level`` is of this message together with the case; ``case_level`` of everything said so far. A rule that fired
in an earlier turn fires again as *new* only where a word of this message takes part, so that a later "thank you"
does not raise the alarm a second time (:attr:`Assessment.fresh`). It does no input or output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.triage.case import Case
from bot.triage.conditions import Fact, Facts
from bot.triage.level import Level
from bot.triage.rules import Rule, Ruleset
from nlu.findings.lexicon import Knowledge
from nlu.findings.types import Extraction, Finding, Profile, Status, Subject, Time

DEFAULT_LEVELS: Mapping[str, Level] = {
    "symptom": Level.ROUTINE,
    "sign": Level.ROUTINE,
    "event": Level.ROUTINE,
    "crisis": Level.URGENT,
    "exposure": Level.ROUTINE,
}
"""The level of a message that has a counting finding of this kind and fires no rule, unless the vocabulary's
``default_level`` says otherwise. Conditions, medicines, risks, contexts and bare values alone: none."""

LATELY_HOURS = 48.0
"""What has been over for longer needs no advice any more."""

PATH_ORDER = ("crisis", "abuse", "poisoning", "maternity")
"""Which fixed answer goes first where several rules of one level ask for one."""


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that holds. ``spans`` are places in this message (empty where earlier turns alone made it hold);
    ``new``: a finding of this message takes part; ``who`` the person; ``finding_ids`` what made it hold."""

    id: str
    level: Level
    source: str
    path: str | None
    reason: Mapping[str, str]
    spans: tuple[tuple[int, int], ...]
    new: bool
    who: str
    finding_ids: tuple[str, ...]
    source_url: str | None = None
    source_date: str | None = None
    basis: str = "background"
    review: str = "not_reviewed"


@dataclass(frozen=True, slots=True)
class Considered:
    """What was there but did not count, and why: ``reason`` negated | resolved | hypothetical | past | family |
    fiction | idiom; ``by`` the words that decided it."""

    id: str
    reason: str
    span: tuple[int, int]
    by: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Suspected:
    """What the second reader made of the message. ``score`` 0 to 1, calibrated; ``level`` the one it would raise
    to; ``step`` what followed (quiet, ask, raise); ``model`` and ``mode`` name exactly what judged (law 9)."""

    family: str
    score: float
    level: Level
    step: str
    model: str
    mode: str

    def to_json(self) -> dict[str, Any]:
        """For records; no patient text."""
        return {
            "family": self.family,
            "score": round(self.score, 4),
            "level": self.level.code,
            "step": self.step,
            "model": self.model,
            "mode": self.mode,
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer of the rule layer, with everything needed to explain and to record it."""

    level: Level
    case_level: Level
    hits: tuple[RuleHit, ...]
    considered: tuple[Considered, ...]
    findings: tuple[Finding, ...]
    ruleset: str
    lang: str
    language_supported: bool = True
    suspected: Suspected | None = None

    @property
    def fresh(self) -> bool:
        """Some rule holds that uses at least one finding of this message ("yes" to a question counts)."""
        return any(hit.new for hit in self.hits)

    @property
    def path(self) -> str | None:
        """The fixed answer asked for by the gravest new rules, or None for the usual one."""
        new = [h for h in self.hits if h.new]
        top = max((h.level for h in new), default=Level.NONE)
        asked = {h.path for h in new if h.level == top}
        return next((p for p in PATH_ORDER if p in asked), None)

    def to_json(self) -> dict[str, Any]:
        """For records: ids, positions, hashes; no patient text (law 9)."""
        return {
            "level": self.level.code,
            "case_level": self.case_level.code,
            "fresh": self.fresh,
            "path": self.path,
            "rules": [
                {
                    "id": h.id,
                    "level": h.level.code,
                    "source": h.source,
                    "path": h.path,
                    "spans": [list(s) for s in h.spans],
                    "new": h.new,
                    "who": h.who,
                    "findings": list(h.finding_ids),
                }
                for h in self.hits
            ],
            "considered": [
                {"id": c.id, "reason": c.reason, "span": list(c.span), "by": list(c.by) if c.by else None}
                for c in self.considered
            ],
            "findings": [f.to_json() for f in self.findings],
            "ruleset": self.ruleset,
            "lang": self.lang,
            **({} if self.suspected is None else {"suspected": self.suspected.to_json()}),
        }


def assess(
    case: Case, extraction: Extraction, knowledge: Knowledge, ruleset: Ruleset, profile: Profile | None = None
) -> Assessment:
    """Apply every rule to ``case``, which already holds ``extraction`` (see :func:`bot.triage.case.merge`).

    ``profile`` is what is known of the patient from elsewhere (a record, the command line).
    "My chest feels tight" then "and I'm sweating a lot" → emergency in the second turn, ``fresh``.
    """
    turn = case.turns - 1
    current = tuple(e.finding for e in case.entries if e.turn == turn)
    hits: list[RuleHit] = []
    for who in dict.fromkeys(e.finding.who for e in case.entries):
        facts = _facts(case, who, turn, knowledge, profile)
        for rule in ruleset.candidates(facts.by_id.keys()):
            hit = _apply(rule, facts, who)
            if hit is not None:
                hits.append(hit)
    hits.sort(key=lambda h: (-h.level, not h.new, h.id))
    new = max((h.level for h in hits if h.new), default=Level.NONE)
    old = max((h.level for h in hits), default=Level.NONE)
    return Assessment(
        level=max(new, _default(current, [h for h in hits if h.new], knowledge)),
        case_level=max(old, _default([e.finding for e in case.entries], hits, knowledge)),
        hits=tuple(hits),
        considered=_considered(current, extraction),
        findings=current,
        ruleset=f"{ruleset.rules_hash[:32]}{knowledge.content_hash[:32]}",
        lang=extraction.lang,
        language_supported=extraction.language_supported,
    )


def _facts(case: Case, who: str, turn: int, knowledge: Knowledge, given: Profile | None) -> Facts:
    by_id: dict[str, list[Fact]] = {}
    for entry in case.entries:
        finding = entry.finding
        if finding.who != who:
            continue
        fact = Fact(finding, entry.turn, entry.turn == turn)
        for concept_id in knowledge.closure(finding.id) if finding.counts else (finding.id,):
            by_id.setdefault(concept_id, []).append(fact)
    return Facts(by_id, _profile(case, who, given))


def _profile(case: Case, who: str, given: Profile | None) -> Profile:
    """What is known of ``who``. A given profile is the patient's; for "my baby" a given age of 40 is not."""
    known = case.people.get(who, Profile())
    if given is None:
        return known
    if who == "patient":
        return given.merged(known)
    age = given.age_years
    fits = age is None or (known.age_min or 0.0) <= age < (known.age_max or 200.0)
    return (
        given.merged(replace(known, age_min=None, age_max=None) if age is not None else known)
        if fits
        else known
    )


def _apply(rule: Rule, facts: Facts, who: str) -> RuleHit | None:
    if not rule.population.admits(facts.profile):
        return None
    evidence = rule.holds(facts)
    if not evidence:
        return None
    fresh = [f for f in evidence if f.fresh]
    return RuleHit(
        rule.id, rule.level, rule.source.name, rule.path, rule.reason,
        tuple(sorted({f.finding.span for f in fresh})), bool(fresh), who,
        tuple(dict.fromkeys(f.finding.id for f in evidence)),
        rule.source.url, rule.source.date.isoformat(), rule.basis, rule.review,
    )  # fmt: skip


def _default(findings: Sequence[Finding], hits: Sequence[RuleHit], knowledge: Knowledge) -> Level:
    """The level of counting findings that no rule speaks of: a rule that says ``self_care`` is the better judge."""
    level = Level.NONE
    judged = {(h.who, i) for h in hits for i in h.finding_ids}
    for finding in findings:
        if _just_over(finding):
            level = max(level, Level.SELF_CARE)
        if not finding.counts or finding.value is not None or (finding.who, finding.id) in judged:
            continue
        concept = knowledge.concepts.get(finding.id)
        if concept is not None and concept.default_level is not None:
            level = max(level, Level.from_code(concept.default_level))
        else:
            level = max(level, DEFAULT_LEVELS.get(finding.kind, Level.NONE))
    return level


def _just_over(finding: Finding) -> bool:
    """ "Nosebleed this morning, it stopped": over, but lately; advice on care at home still helps."""
    return (
        finding.status is Status.RESOLVED
        and finding.time is not Time.PAST
        and (finding.duration_hours is None or finding.duration_hours <= LATELY_HOURS)
        and finding.kind in ("symptom", "sign", "event")
        and finding.subject in (Subject.PATIENT, Subject.OTHER)
    )


def _considered(findings: Sequence[Finding], extraction: Extraction) -> tuple[Considered, ...]:
    out = []
    for f in findings:
        if f.counts:
            continue
        if f.subject in (Subject.FAMILY, Subject.FICTION):
            reason = f.subject.value
        elif f.status.value in ("negated", "resolved", "hypothetical"):
            reason = f.status.value
        else:
            reason = "past"
        out.append(Considered(f.id, reason, f.span, f.cue.span if f.cue else None))
    out.extend(Considered(c.id, c.reason, c.span, c.by) for c in extraction.cancelled)
    return tuple(out)
