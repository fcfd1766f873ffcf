"""The case: what a conversation has said so far, with turn, time, whom it concerns and what was taken back.

"Chest tightness" now and "and I'm sweating" a turn later stand in one case, so that a rule can read both. A case
is a frozen value with a JSON form of bounded size; it holds no patient text. It decides no level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlu.findings.lexicon import Concept
from nlu.findings.types import (
    Extraction,
    Finding,
    Profile,
    Status,
    Subject,
    finding_from_json,
    profile_from_json,
)

MAX_ENTRIES = 200
"""More findings than a person can say in one session; keeps the stored case below about 64 kB."""
MAX_PEOPLE = 8
_ATTRIBUTES = ("severity", "onset", "side", "course", "duration_hours")


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding, the turn (from 0) in which it was last said, and when (seconds since the epoch)."""

    finding: Finding
    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class Case:
    """All entries, oldest first. ``turns`` messages were merged; ``focus`` is the person whom the last explicit
    mention concerned (None: the writer); ``people`` what is known of each, the writer under ``patient``."""

    entries: tuple[Entry, ...] = ()
    turns: int = 0
    focus: str | None = None
    people: Mapping[str, Profile] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready map; :meth:`from_json` reads it back."""
        return {
            "v": 1,
            "turns": self.turns,
            "focus": self.focus,
            "people": {who: p.to_json() for who, p in self.people.items()},
            "entries": [{"f": e.finding.to_json(), "turn": e.turn, "at": e.at} for e in self.entries],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        """The inverse of :meth:`to_json`. Raises ValueError on anything else."""
        try:
            if data["v"] != 1:
                raise ValueError(f"case version {data['v']!r} is not known")
            return cls(
                tuple(
                    Entry(finding_from_json(e["f"]), int(e["turn"]), float(e["at"])) for e in data["entries"]
                ),
                int(data["turns"]),
                data["focus"],
                {who: profile_from_json(p) for who, p in data["people"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a stored case: {type(error).__name__}") from None


def merge(case: Case, extraction: Extraction, at: float, concepts: Mapping[str, Concept]) -> Case:
    """The case after one more message. A later "no fever" or "it's gone" takes a finding back, unless its
    concept is sticky ("the chest pain has gone" stays, phenomena rule 6)."""
    said = [_in_focus(f, case.focus) for f in extraction.findings]
    said += _detailed(case, extraction)
    kept = [e for e in case.entries if not _taken_back(e.finding, said, concepts)]
    for finding in said:
        older = next((e for e in kept if _same(e.finding, finding)), None)
        if older is not None:
            kept.remove(older)
            finding = _inherit(finding, older.finding)
        kept.append(Entry(finding, case.turns, at))
    return Case(
        tuple(_bounded(kept)), case.turns + 1, _focus(case, extraction, said), _people(case, extraction)
    )


_COMPLAINTS = frozenset(["symptom", "sign", "event", "crisis", "exposure"])


def _detailed(case: Case, extraction: Extraction) -> list[Finding]:
    """ "Still there and worse", "it was instant": said in answer to a question about the complaint, it says the
    complaint of the last turns once more, with what is new of it."""
    if extraction.details is None:
        return []
    told = [e for e in case.entries if e.finding.counts and e.finding.kind in _COMPLAINTS]
    last = max((e.turn for e in told), default=-1)
    return [
        replace(e.finding, **extraction.details.attributes, span=extraction.details.span, answered=True)  # type: ignore[arg-type]
        for e in told
        if e.turn == last and e.finding.value is None
    ]


def _in_focus(finding: Finding, focus: str | None) -> Finding:
    """ "And now a rash" or "he's been sick" after "my son has a fever" is the son's."""
    unsaid = finding.assumed and finding.subject is Subject.PATIENT
    pronoun = finding.subject is Subject.OTHER and finding.who == "other"
    if focus is None or not (unsaid or pronoun):
        return finding
    return replace(finding, subject=Subject.OTHER, person=focus)


def _taken_back(old: Finding, said: Iterable[Finding], concepts: Mapping[str, Concept]) -> bool:
    concept = concepts.get(old.id)
    if not old.counts or (concept is not None and concept.sticky):
        return False
    return any(
        f.id == old.id and f.who == old.who and f.status in (Status.NEGATED, Status.RESOLVED) for f in said
    )


def _same(old: Finding, new: Finding) -> bool:
    return (old.id, old.who, old.status, old.time, old.subject, old.use) == (
        new.id, new.who, new.status, new.time, new.subject, new.use,
    ) and (old.value is None) == (new.value is None)  # fmt: skip


def _inherit(new: Finding, old: Finding) -> Finding:
    """Said again without its attributes: they still hold ("sudden" two turns ago)."""
    known = {a: getattr(old, a) for a in _ATTRIBUTES if getattr(new, a) is None}
    return replace(new, **known)


def _bounded(entries: list[Entry]) -> list[Entry]:
    """At most :data:`MAX_ENTRIES`; what does not count goes first, then the oldest."""
    surplus = len(entries) - MAX_ENTRIES
    if surplus <= 0:
        return entries
    idle = {id(e) for e in [e for e in entries if not e.finding.counts][:surplus]}
    left = [e for e in entries if id(e) not in idle]
    return left[-MAX_ENTRIES:]


def _focus(case: Case, extraction: Extraction, said: Iterable[Finding]) -> str | None:
    explicit = [f for f in extraction.findings if f.counts and not f.assumed]
    if any(f.subject is Subject.PATIENT for f in explicit):
        return None
    others = [f.person for f in explicit if f.subject is Subject.OTHER]
    named = [person for person in others if person not in (None, "other")]
    if others:
        return named[-1] if named else case.focus or "other"
    if extraction.person is not None and (extraction.person != "other" or case.focus is None):
        return extraction.person
    return case.focus


def _people(case: Case, extraction: Extraction) -> dict[str, Profile]:
    known = dict(case.people)
    for who, profile in {**extraction.people, "patient": extraction.profile}.items():
        if profile != Profile() and (who in known or len(known) < MAX_PEOPLE):
            known[who] = known.get(who, Profile()).merged(profile)
    return known
