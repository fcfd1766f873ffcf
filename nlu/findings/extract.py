"""Message in, findings out: :func:`extract`. Never raises on any text, and takes time in proportion to its length.

It joins reading, assertion, numbers, profile and context; each of them is its own module. It knows no levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from nlu.findings.asserted import Asserted
from nlu.findings.assertion import judge, judge_place
from nlu.findings.context import MAX_ANSWER, Question, chosen, last_question, question_of, resolve
from nlu.findings.doses import doses
from nlu.findings.language import detect
from nlu.findings.lexicon import Knowledge, load_knowledge
from nlu.findings.modifiers import attach
from nlu.findings.numbers import UNIT, Measured, Number, durations, measure, numbers
from nlu.findings.profile import CHILDREN, aged_tokens, profiles
from nlu.findings.reading import CueHit, Reading, read
from nlu.findings.tokens import SOFT
from nlu.findings.types import (
    Cancelled,
    ContextTurn,
    Cue,
    Details,
    Extraction,
    Finding,
    Profile,
    Status,
    Subject,
    Time,
    Use,
)
from nlu.findings.uses import use_of

UNSUPPORTED = "unsupported_language"


class Extractor:
    """Understands messages with one :class:`Knowledge`. Holds no state between messages."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def extract(
        self,
        text: str,
        lang: str | None = None,
        context: Sequence[ContextTurn] = (),
        screened: Sequence[str] = (),
    ) -> Extraction:
        """Findings, profile and language of ``text``; see :func:`extract`."""
        detected = detect(text, lang, self.knowledge)
        reading = read(text, self.knowledge, detected.codes)
        question = self._question(context, screened)
        found = numbers(reading.tokens)
        aged = aged_tokens(reading, found)
        judged = judge(reading, self.knowledge.concepts)
        lasting = durations(reading, found, aged)
        attributes = attach(reading, judged, lasting)
        findings = [self._finding(reading, a, extra) for a, extra in zip(judged, attributes, strict=True)]
        findings += self._values(reading, measure(reading, found, question.measures, aged))
        findings += self._doses(reading, found)
        findings += self._answers(reading, question, findings)
        findings += self._counted(reading, question, found)
        findings += self._picked(reading, question)
        if not detected.supported:
            findings.append(_unsupported(len(text)))
        own, people = profiles(reading, found)
        findings = _derived(_joined(findings, reading, people))
        if question.age and own.age_years is None and not people:
            own = replace(own, age_years=_bare_age(reading, found))
        own, people = _of_unnamed(findings, own, people, reading)
        cancelled = tuple(
            Cancelled(k.id, reading.span(k.start, k.end), "idiom", reading.span(*k.by))
            for k in reading.killed
        )
        return Extraction(
            tuple(findings),
            own,
            detected.lang,
            detected.supported,
            _concerned(findings),
            people,
            cancelled,
            _details(reading, question, findings, lasting),
        )

    def _question(self, context: Sequence[ContextTurn], screened: Sequence[str]) -> Question:
        """What the assistant asked last."""
        text = last_question(context)
        if text is None:
            return question_of(None, (), screened)
        reading = read(text, self.knowledge, detect(text, None, self.knowledge).codes)
        judged = judge(reading, self.knowledge.concepts)
        attributes = attach(reading, judged, [])
        items = [
            (a.hit.id, a.status, a.hit.start, extra) for a, extra in zip(judged, attributes, strict=True)
        ]
        return question_of(reading, items, screened, text)

    def _values(self, reading: Reading, measured: Sequence[Measured]) -> list[Finding]:
        out = []
        for m in measured:
            a = judge_place(reading, m.id, m.start, m.end)
            finding = self._finding(reading, a, {})
            if finding.status is Status.NEGATED:
                finding = replace(finding, status=Status.PRESENT)
            if finding.time is Time.PAST and a.cue is not None and _set_off(reading, a.cue, m):
                finding = replace(finding, time=Time.NOW)
            out.append(replace(finding, kind="sign", value=m.value, unit=UNIT[m.id]))
        return out

    def _doses(self, reading: Reading, found: Sequence[Number]) -> list[Finding]:
        """Milligrams taken per person and substance: ``dose_paracetamol`` all that is told of, added up,
        ``single_paracetamol`` the most at one time."""
        out: dict[tuple[str, str], Finding] = {}
        for dose in doses(reading, found, self.knowledge.concepts):
            place = judge_place(reading, f"dose_{dose.substance}", dose.start, dose.end)
            finding = replace(self._finding(reading, place, {}), unit="mg", kind="sign")
            if not finding.counts:
                continue
            all_id, once_id = f"dose_{dose.substance}", f"single_{dose.substance}"
            before = out.get((finding.who, all_id), finding).value or 0.0
            most = out.get((finding.who, once_id), finding).value or 0.0
            out[finding.who, all_id] = replace(finding, value=before + dose.mg)
            out[finding.who, once_id] = replace(finding, id=once_id, value=max(most, dose.once))
        return list(out.values())

    def _answers(self, reading: Reading, question: Question, findings: Sequence[Finding]) -> list[Finding]:
        if not question.items:
            return []
        said = {c for f in findings for c in self.knowledge.closure(f.id)}
        out = []
        for answered in resolve(reading, question, frozenset(said)):
            concept = self.knowledge.concepts.get(answered.item.id)
            span = reading.span(answered.start, answered.end)
            finding = Finding(
                answered.item.id, answered.status, Subject.PATIENT, Time.NOW, span,
                cue=Cue("answer", span), kind=concept.kind if concept else "symptom", assumed=True, answered=True,
            )  # fmt: skip
            out.append(replace(finding, **answered.item.attributes))  # type: ignore[arg-type]
        return out

    def _counted(self, reading: Reading, question: Question, found: Sequence[Number]) -> list[Finding]:
        """ "How many did you take?" – "16 of the 500s", "all of them"."""
        if not question.count or not len(reading.tokens):
            return []
        many = [n for n in found if n.value >= MANY_TABLETS and n.value <= MAX_TABLETS]
        lot = reading.cues.any_between("answer_lot", 0, len(reading.tokens))
        if not many and lot is None:
            return []
        span = (
            reading.span(lot.start, lot.end) if lot is not None else reading.span(many[0].start, many[0].end)
        )
        finding = Finding("overdose", Status.PRESENT, Subject.PATIENT, Time.NOW, span, kind="event")
        return [replace(finding, assumed=True, answered=True)]

    def _picked(self, reading: Reading, question: Question) -> list[Finding]:
        """A choice between numbered answers says what its text says."""
        text = chosen(reading, question) if question.options else None
        if not text:
            return []
        option = read(text, self.knowledge, detect(text, None, self.knowledge).codes)
        judged = judge(option, self.knowledge.concepts)
        span = reading.span(0, min(3, len(reading.tokens)))
        return [
            replace(self._finding(option, a, extra), span=span, cue=None, assumed=True, answered=True)
            for a, extra in zip(judged, attach(option, judged, []), strict=True)
        ]

    def _finding(self, reading: Reading, a: Asserted, extra: dict[str, str | float]) -> Finding:
        cue = None if a.cue is None else Cue(_cue_kind(a), reading.span(a.cue.start, a.cue.end))
        finding = Finding(
            a.hit.id, a.status, a.subject, a.time, reading.span(a.hit.start, a.hit.end), person=a.person,
            cue=cue, kind=a.kind, assumed=a.assumed, use=_use(reading, a),
        )  # fmt: skip
        return replace(finding, **extra)  # type: ignore[arg-type]


def _use(reading: Reading, a: Asserted) -> Use | None:
    return use_of(reading, a.hit.start, a.hit.end) if a.kind == "medicine" else None


MANY_TABLETS, MAX_TABLETS = 8, 300
"""From how many tablets an answer to "how many?" is taken for too many: more than a day's paracetamol."""
_OWN = frozenset(["symptom", "sign", "event", "crisis", "exposure"])


def _details(
    reading: Reading,
    question: Question,
    findings: Sequence[Finding],
    lasting: Sequence[tuple[float, int, int]],
) -> Details | None:
    """What the answer to a question about the complaint adds without naming it again; None where it adds nothing."""
    if not question.detail or not len(reading.tokens) or len(reading.tokens) > MAX_ANSWER:
        return None
    if any(f.kind in _OWN and f.counts for f in findings):
        return None
    said: dict[str, str | float] = {}
    for name, value, *_ in reading.modifiers:
        said.setdefault(name, value)
    if lasting:
        said.setdefault("duration_hours", round(lasting[0][0], 2))
    over = reading.cues.all("resolved") or said.get("course") == "better"
    if over or not (said or reading.cues.all("still")):
        return None
    return Details(said, reading.span(0, len(reading.tokens)))


def _set_off(reading: Reading, cue: CueHit, value: Measured) -> bool:
    """ "Kidney transplant, 14 months ago, temp 38.9": a comma stands between the past and what was measured."""
    low, high = min(cue.end, value.end), max(cue.start, value.start)
    return any(b >= SOFT for b in reading.tokens.breaks[low : high + 1])


def _cue_kind(a: Asserted) -> str:
    if a.subject in (Subject.FAMILY, Subject.FICTION):
        return a.subject.value
    return a.status.value if a.status is not Status.PRESENT else a.time.value


def _joined(
    findings: list[Finding], reading: Reading, people: Mapping[str, Profile] | None = None
) -> list[Finding]:
    """Findings said of nobody join the only other person of a message in which the writer says nothing of
    themselves: "bee sting then he fainted", 化疗病人体温38.4; that may be a child of whom only the age is told:
    三个月大，39度. A crisis stays the writer's."""
    others = {f.who for f in findings if f.subject is Subject.OTHER and f.counts}
    told = set(people or ()) & set(CHILDREN)
    if not others and len(people or ()) == 1 and told:
        others = told
    named = others - {"other"}
    if not others or len(named) > 1:
        return findings
    person = named.pop() if named else "other"
    own = _says_self(reading) or any(f.subject is Subject.PATIENT and not f.assumed for f in findings)
    out = []
    for f in findings:
        unsaid = f.subject is Subject.PATIENT and f.assumed and not own and f.kind != "crisis"
        if unsaid or (f.subject is Subject.OTHER and f.who == "other"):
            f = replace(f, subject=Subject.OTHER, person=person)
        out.append(f)
    return out


def _says_self(reading: Reading) -> bool:
    """Whether the writer says "I" or "my"; the 我 of 自我护理 is nobody."""
    words = reading.tokens.words
    return any(not c.start or words[c.start - 1] != "自" for c in reading.cues.all("self"))


def _of_unnamed(
    findings: Sequence[Finding], own: Profile, people: dict[str, Profile], reading: Reading
) -> tuple[Profile, dict[str, Profile]]:
    """The profiles, where an age or a word belongs to somebody whom no finding names: "boiling kettle over her
    chest, she's 1" is no writer aged one, 两岁的从床上摔下来 tells of the child. Where the writer says "I" an age
    stays theirs."""
    self_said = _says_self(reading)
    if _concerned(findings) == "other" and "other" not in people:
        if len(people) == 1 and (not self_said or next(iter(people)) in CHILDREN):
            return own, {**people, "other": next(iter(people.values()))}
        return own, people if people or self_said or own == Profile() else {"other": own}
    if self_said:
        return own, people
    unsaid = all(f.assumed and f.subject is Subject.PATIENT for f in findings if f.counts)
    if unsaid and len(people) == 1 and own.age_years is None:
        return next(iter(people.values())).merged(own), people
    return own, people


FEVER_FROM = 38.0
"""Degrees Celsius; NICE NG143 and NHS high-temperature pages, 2026-11-23."""
LOW_GLUCOSE_BELOW = 4.0
"""mmol/L; NHS low blood sugar page, 2026-11-23 (facts/red_flags.yaml, vitals.glucose)."""


def _derived(findings: list[Finding]) -> list[Finding]:
    """Concepts that a value says: 38.5 C is a fever, glucose 3.1 is low blood sugar."""
    out = list(findings)
    for f in findings:
        if f.value is None or not f.counts:
            continue
        if f.id == "temperature" and f.value >= FEVER_FROM:
            out.append(replace(f, id="fever", kind="symptom", value=None, unit=None, derived_from=f.id))
        elif f.id == "glucose" and f.value < LOW_GLUCOSE_BELOW:
            out.append(
                replace(f, id="low_blood_sugar", kind="symptom", value=None, unit=None, derived_from=f.id)
            )
    return out


def _bare_age(reading: Reading, found: Sequence[Number]) -> float | None:
    """The age in the answer to "how old are you?"."""
    if len(found) == 1 and len(reading.tokens) <= 6 and 0 <= found[0].value <= 120:
        return found[0].value
    return None


def _concerned(findings: Sequence[Finding]) -> str | None:
    """The one other person whom every counting finding concerns, or None."""
    whose = {f.who for f in findings if f.counts and not f.answered}
    return whose.pop() if len(whose) == 1 and "patient" not in whose else None


def _unsupported(length: int) -> Finding:
    return Finding(
        UNSUPPORTED, Status.PRESENT, Subject.PATIENT, Time.NOW, (0, length), kind="context", assumed=True
    )


@cache
def default_extractor(cache_dir: Path | None = None) -> Extractor:
    """The extractor over the lexicon that ships with the package, built on first use."""
    return Extractor(load_knowledge(cache_dir=cache_dir))


def extract(
    text: str,
    lang: str | None = None,
    context: Sequence[ContextTurn] = (),
    screened: Sequence[str] = (),
) -> Extraction:
    """Understand one message.

    ``lang`` is the patient's chosen language or None to go by script; mixed text is read with every lexicon.
    ``context`` are the earlier turns, oldest first: a short answer ("both", 没有) resolves against the last
    assistant turn. ``screened`` are the concept ids which that turn asked for, where the caller knows them.
    "no chest pain, just a runny nose" → chest_pain negated, runny_nose present.
    """
    return default_extractor().extract(text, lang, context, screened)
