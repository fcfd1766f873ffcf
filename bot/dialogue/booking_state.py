"""How a booking is remembered between messages: plain JSON, no patient text, no name (that lies sealed in SQL)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.appointments.calendar import Slot
from bot.appointments.wish import Window, Wish
from bot.clinic import Clinic
from bot.dialogue import booking_words as words
from bot.dialogue.flow import State

CHILD_BELOW_YEARS = 16
CHILD_DEPARTMENTS = frozenset({"paediatrics", "pediatrics", "children", "child_health"})
"""Department ids that see children; a clinic that has none sends children to its first department."""
GENERAL_WORDS = (
    "check-up", "check up", "checkup", "gp", "general", "doctor", "体检", "全科", "检查", "普通",
)  # fmt: skip
COMMON_WORDS = frozenset(
    {"clinic", "general", "practice", "health", "department", "medicine", "care", "centre", "center"}
)
_COUNTING = frozenset({"present", "possible"})


def wish_json(wish: Wish) -> dict[str, Any]:
    """A wish for the state; :func:`wish_from` reads it back."""
    return {
        "windows": [_window(w) for w in wish.windows],
        "choices": [[_window(w) for w in reading] for reading in wish.choices],
        "excluded": [_window(w) for w in wish.excluded],
        "earliest": wish.earliest,
        "any_day": wish.any_day,
    }


def wish_from(data: Mapping[str, Any] | None) -> Wish:
    """The inverse of :func:`wish_json`; nothing stored means "as early as possible"."""
    if not data:
        return Wish(earliest=True)
    return Wish(
        windows=windows_from(data["windows"]),
        choices=tuple(windows_from(rows) for rows in data["choices"]),
        excluded=windows_from(data["excluded"]),
        earliest=bool(data["earliest"]),
        any_day=bool(data["any_day"]),
    )


def windows_from(rows: Iterable[Sequence[Any]]) -> tuple[Window, ...]:
    """Windows from their JSON rows."""
    return tuple(Window(dt.date.fromisoformat(day), int(a), int(b)) for day, a, b in rows)


def _window(window: Window) -> list[Any]:
    return [window.day.isoformat(), window.start, window.end]


def offers(state: State) -> tuple[Slot, ...]:
    """The visits that were offered last."""
    return tuple(Slot.from_json(row) for row in state.get("offers", ()))


def counting(findings: Iterable[Mapping[str, Any] | str]) -> list[str]:
    """Concept ids that are true now of somebody who is the patient. Bare ids are taken as such."""
    return [f if isinstance(f, str) else str(f["id"]) for f in findings if isinstance(f, str) or _counts(f)]


def _counts(finding: Mapping[str, Any]) -> bool:
    return (
        finding.get("status", "present") in _COUNTING
        and finding.get("subject", "patient") in ("patient", "other")
        and finding.get("time", "now") != "past"
    )


def is_child(profile: Mapping[str, Any] | None) -> bool:
    """Whether the visit is for a child (by age, or by a word such as "my baby")."""
    if not profile:
        return False
    age = profile.get("age_years")
    limit = age if age is not None else profile.get("age_max")
    return limit is not None and float(limit) <= (
        CHILD_BELOW_YEARS - 0.01 if age is not None else CHILD_BELOW_YEARS
    )


def department_for(
    clinic: Clinic, findings: Sequence[str], profile: Mapping[str, Any] | None, text: str
) -> str | None:
    """导诊: the department named, else the one for a child, else by findings, else None (ask).

    "I'd like a check-up" → the first department; "my daughter is 4 and has a rash" → the children's clinic.
    """
    named = department_said(clinic, text)
    if named:
        return named
    if is_child(profile):
        child = next((d.id for d in clinic.departments if d.id in CHILD_DEPARTMENTS), None)
        if child:
            return child
    best = max(clinic.departments, key=lambda d: len(set(d.findings) & set(findings)))
    if set(best.findings) & set(findings):
        return best.id
    if findings or len(clinic.departments) == 1:
        return clinic.departments[0].id
    return None


def department_named(clinic: Clinic, text: str) -> str | None:
    """The department that the text itself names, also in the middle of a booking ("general practice", 全科).

    Unlike :func:`department_said` the words "doctor" and "check-up" name none here.
    """
    said = words.plain(text)
    spoken = set(re.findall(r"[a-z]+", said.replace("'s", "")))
    for department in clinic.departments:
        names = [words.plain(name) for name in department.name.values()]
        if any(name in said or _own_words(name) & spoken for name in names):
            return department.id
    return clinic.departments[0].id if "gp" in spoken or "全科" in said else None


def department_said(clinic: Clinic, text: str) -> str | None:
    """The department that the text names: whole ("Skin clinic", 皮肤科) or by its own word ("the skin doctor").

    Words like "check-up" or "GP" mean the first department; they count only where no other is named.
    """
    said = words.plain(text)
    spoken = set(re.findall(r"[a-z]+", said.replace("'s", "")))
    for department in clinic.departments:
        names = [words.plain(name) for name in department.name.values()]
        if any(name in said for name in names):
            return department.id
        if any(_own_words(name) & spoken for name in names):
            return department.id
    general = any(
        re.search(rf"\b{word}\b", said) if word.isascii() else word in said for word in GENERAL_WORDS
    )
    return clinic.departments[0].id if general else None


def _own_words(name: str) -> set[str]:
    """ "women's health" → {"women"}: the words that no other department's name could be about."""
    return set(re.findall(r"[a-z]{4,}", name.replace("'s", ""))) - COMMON_WORDS


def clinician_said(clinic: Clinic, text: str, department: str | None) -> str | None:
    """The clinician whose name is in the text, where that clinician works in the department."""
    for person in clinic.clinicians:
        works_there = department is None or department in person.departments
        if works_there and words.mentions(text, list(person.name.values())):
            return person.id
    return None
