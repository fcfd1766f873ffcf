"""Picks which free visits to offer for a wish. Pure: what is taken is handed in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from bot.appointments.calendar import Slot, local_minute, slots_on
from bot.appointments.time_items import overlaps
from bot.appointments.wish import Window, Wish
from bot.clinic import Clinic

LEAD = dt.timedelta(minutes=15)
"""A visit cannot begin sooner than this after it is chosen: the patient has to get there."""
APART_MINUTES = 60
"""Offers should differ: where there is a choice they lie an hour apart, or on other days."""

Taken = Collection[tuple[str, int]]
"""(clinician, cell) pairs that are booked or held."""


def free_slots(
    clinic: Clinic,
    department: str,
    days: Iterable[dt.date],
    taken: Taken,
    now: dt.datetime,
    clinician: str | None = None,
) -> list[Slot]:
    """Every free visit on these local days, earliest first; one per instant (the first clinician who is free)."""
    out: dict[dt.datetime, Slot] = {}
    for day in days:
        for slot in sorted(slots_on(clinic, department, day)):
            if clinician is not None and slot.clinician != clinician:
                continue
            if slot.start < now + LEAD or any((slot.clinician, c) in taken for c in slot.cells):
                continue
            out.setdefault(slot.start, slot)
    return [out[start] for start in sorted(out)]


def suits(slot: Slot, wish: Wish, clinic: Clinic) -> bool:
    """Whether the visit starts inside a wished window and in none that does not suit."""
    day, minute = local_minute(slot.start, clinic.zone)
    at = Window(day, minute, minute + 1)
    return any(overlaps(at, w) for w in wish.windows) and not any(overlaps(at, w) for w in wish.excluded)


def choose(slots: Sequence[Slot], limit: int, *, earliest: bool) -> tuple[Slot, ...]:
    """``limit`` visits to offer: the very first ones, or ones that differ enough to be a choice."""
    if earliest or len(slots) <= limit:
        return tuple(slots[:limit])
    picked: list[Slot] = []
    gap = dt.timedelta(minutes=APART_MINUTES)
    for slot in slots:
        if all(abs(slot.start - other.start) >= gap for other in picked):
            picked.append(slot)
        if len(picked) == limit:
            return tuple(picked)
    rest = [slot for slot in slots if slot not in picked]
    return tuple(sorted(picked + rest[: limit - len(picked)]))


def nearest(slots: Sequence[Slot], wish: Wish, limit: int, clinic: Clinic) -> tuple[Slot, ...]:
    """The free visits closest to what was wished, for "that is taken, but …"."""
    if not wish.windows:
        return tuple(slots[:limit])

    def distance(slot: Slot) -> float:
        day, minute = local_minute(slot.start, clinic.zone)
        return min(
            abs((day - w.day).days) * 1440
            + (0 if w.start <= minute < w.end else min(abs(minute - w.start), abs(minute - w.end)))
            for w in wish.windows
        )

    allowed = [s for s in slots if not _excluded(s, wish, clinic)] or list(slots)
    return tuple(sorted(sorted(allowed, key=distance)[:limit]))


def _excluded(slot: Slot, wish: Wish, clinic: Clinic) -> bool:
    day, minute = local_minute(slot.start, clinic.zone)
    return any(overlaps(Window(day, minute, minute + 1), w) for w in wish.excluded)
