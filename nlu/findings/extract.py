"""Message in, findings out: :func:`extract`. Never raises on any text, and takes time in proportion to its length.

It joins reading, assertion, numbers, profile and context; each of them is its own module. It knows no levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from nlu.findings.assertion import Asserted, judge
from nlu.findings.language import detect
from nlu.findings.lexicon import Knowledge, load_knowledge
from nlu.findings.modifiers import attach
from nlu.findings.reading import Reading, read
from nlu.findings.types import (
    Cancelled,
    ContextTurn,
    Cue,
    Extraction,
    Finding,
    Profile,
    Status,
    Subject,
    Time,
)

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
        judged = judge(reading, self.knowledge.concepts)
        attributes = attach(reading, judged)
        findings = [self._finding(reading, a, extra) for a, extra in zip(judged, attributes, strict=True)]
        if not detected.supported:
            findings.append(_unsupported(len(text)))
        cancelled = tuple(
            Cancelled(k.id, reading.span(k.start, k.end), "idiom", reading.span(*k.by))
            for k in reading.killed
        )
        others = [f.person for f in findings if f.subject is Subject.OTHER]
        return Extraction(
            tuple(findings), Profile(), detected.lang, detected.supported,
            others[0] if others and len(others) == len(findings) else None, {}, cancelled,
        )  # fmt: skip

    def _finding(self, reading: Reading, a: Asserted, extra: dict[str, str | float]) -> Finding:
        cue = None if a.cue is None else Cue(_cue_kind(a), reading.span(a.cue.start, a.cue.end))
        finding = Finding(
            a.hit.id, a.status, a.subject, a.time, reading.span(a.hit.start, a.hit.end), person=a.person,
            cue=cue, kind=a.kind, assumed=a.assumed,
        )  # fmt: skip
        return replace(finding, **extra)  # type: ignore[arg-type]


def _cue_kind(a: Asserted) -> str:
    if a.subject in (Subject.FAMILY, Subject.FICTION):
        return a.subject.value
    return a.status.value if a.status is not Status.PRESENT else a.time.value


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
