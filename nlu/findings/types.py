"""What understanding a message yields: findings, who they concern, and the profile of the patient.

Plain frozen values with a JSON form. Nothing here holds a patient's words: a finding points into the
original text by character positions, so that a log or a database row made from it stays free of them.
It knows nothing of rules, levels or dialogue.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


class Status(enum.StrEnum):
    """What the message says about a concept. "I have a fever" present; "no fever" negated;
    "it might be a fever" possible; "what if I get a fever" hypothetical; "the fever is gone" resolved."""

    PRESENT = "present"
    NEGATED = "negated"
    POSSIBLE = "possible"
    HYPOTHETICAL = "hypothetical"
    RESOLVED = "resolved"


class Subject(enum.StrEnum):
    """Whom a finding concerns. ``OTHER`` is somebody else who is the patient now ("my father collapsed");
    ``FAMILY`` is family history ("heart attacks run in my family"); ``FICTION`` a film, a book, an animal."""

    PATIENT = "patient"
    OTHER = "other"
    FAMILY = "family"
    FICTION = "fiction"


class Time(enum.StrEnum):
    """When. ``RECENT`` is days ago and still counts; ``PAST`` is an old, dated event and does not."""

    NOW = "now"
    RECENT = "recent"
    PAST = "past"


class Use(enum.StrEnum):
    """What is done with a medicine. "I'm on warfarin, can I take ibuprofen?": warfarin taken, ibuprofen asked.
    ``NAMED``: only spoken about ("how much paracetamol is in co-codamol")."""

    TAKEN = "taken"
    ASKED = "asked"
    STOPPED = "stopped"
    ALLERGIC = "allergic"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Cue:
    """The words that decided a status, e.g. kind ``negated`` for "no" in "no fever"; ``span`` in characters."""

    kind: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """One concept (or one measured value) found in a message. ``span`` is (start, end) in characters of the
    original text. ``value`` is in the unit named by ``unit`` (temperature C, glucose mmol/L, …). ``assumed``:
    nobody was named, so the writer is taken to be meant; ``answered``: it answers the assistant's question; ``use``:
    of a medicine, see :class:`Use`."""

    id: str
    status: Status
    subject: Subject
    time: Time
    span: tuple[int, int]
    person: str | None = None
    severity: str | None = None
    onset: str | None = None
    side: str | None = None
    course: str | None = None
    duration_hours: float | None = None
    cue: Cue | None = None
    value: float | None = None
    unit: str | None = None
    kind: str = "symptom"
    derived_from: str | None = None
    answered: bool = False
    assumed: bool = False
    use: Use | None = None

    @property
    def counts(self) -> bool:
        """True where a rule may use it: said of a patient, true or perhaps true, now or lately."""
        return (
            self.status in (Status.PRESENT, Status.POSSIBLE)
            and self.subject in (Subject.PATIENT, Subject.OTHER)
            and self.time is not Time.PAST
        )

    @property
    def who(self) -> str:
        """Key under which findings are put together: ``patient``, or the person, e.g. ``mother``."""
        return "patient" if self.subject is Subject.PATIENT else (self.person or "other")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready map without empty members; :func:`finding_from_json` reads it back."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "cue":
                value = None if value is None else {"kind": value.kind, "span": list(value.span)}
            elif f.name == "span":
                value = list(value)
            if value is not None and value is not False:
                out[f.name] = value
        return out


def finding_from_json(data: Mapping[str, Any]) -> Finding:
    """The inverse of :meth:`Finding.to_json`. Raises KeyError, TypeError or ValueError on foreign data."""
    values = dict(data)
    cue = values.pop("cue", None)
    use = values.pop("use", None)
    span = values.pop("span")
    return Finding(
        id=values.pop("id"),
        status=Status(values.pop("status")),
        subject=Subject(values.pop("subject")),
        time=Time(values.pop("time")),
        span=(int(span[0]), int(span[1])),
        use=None if use is None else Use(use),
        cue=None if cue is None else Cue(cue["kind"], (int(cue["span"][0]), int(cue["span"][1]))),
        **values,
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one person. ``age_years`` is exact ("3 week old" is 0.0575); ``age_min`` (inclusive)
    and ``age_max`` (exclusive) are bounds from a word ("my baby": below 2) where no age is said."""

    age_years: float | None = None
    age_min: float | None = None
    age_max: float | None = None
    sex: str | None = None
    pregnant: bool | None = None
    gestation_weeks: float | None = None
    postpartum: bool | None = None
    breastfeeding: bool | None = None

    def merged(self, newer: Profile) -> Profile:
        """Every member that ``newer`` knows replaces ours; an exact age drops bounds that came from a word."""
        changes = {f.name: getattr(newer, f.name) for f in fields(self) if getattr(newer, f.name) is not None}
        if newer.age_years is not None:
            changes["age_min"] = changes["age_max"] = None
        elif self.age_years is not None:
            changes.pop("age_min", None)
            changes.pop("age_max", None)
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Only what is known."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}


def profile_from_json(data: Mapping[str, Any]) -> Profile:
    """The inverse of :meth:`Profile.to_json`."""
    return Profile(**data)


@dataclass(frozen=True, slots=True)
class ContextTurn:
    """An earlier turn: ``role`` is ``assistant`` or ``user``; ``lang`` where it is known."""

    role: str
    text: str
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A concept whose words were there but that was dropped: an idiom ("heart broken") or a look-alike."""

    id: str
    span: tuple[int, int]
    reason: str
    by: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Details:
    """What an answer adds to the complaint that the question was about, in words that name no finding: "since
    Monday", "it was instant", "still there and worse". ``span`` is where it is said."""

    attributes: Mapping[str, str | float]
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that was understood in one message. ``profile`` is of the writer, ``people`` holds the profile of each
    other person, ``person`` is whom the message concerns (None: the writer)."""

    findings: tuple[Finding, ...]
    profile: Profile
    lang: str
    language_supported: bool = True
    person: str | None = None
    people: Mapping[str, Profile] = field(default_factory=dict)
    cancelled: tuple[Cancelled, ...] = ()
    details: Details | None = None
