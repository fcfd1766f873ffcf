"""The judgement on one hit, as a value. How it comes about is in :mod:`nlu.findings.assertion`."""

from __future__ import annotations

from dataclasses import dataclass

from nlu.findings.reading import CueHit, Hit
from nlu.findings.types import Status, Subject, Time

LASTING_KINDS = frozenset(["condition", "risk", "medicine", "context", "exposure"])
"""Kinds that an old date does not end: "diagnosed with diabetes in 2010" is diabetes now."""


@dataclass(slots=True)
class Asserted:
    """The judgement on one hit; ``cue`` the token range that decided it, with its kind."""

    hit: Hit
    status: Status = Status.PRESENT
    subject: Subject = Subject.PATIENT
    person: str | None = None
    time: Time = Time.NOW
    cue: CueHit | None = None
    assumed: bool = False
    kind: str = "symptom"
