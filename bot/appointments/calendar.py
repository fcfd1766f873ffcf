"""Which visits a clinic can offer: opening hours ∩ clinicians' hours, less holidays and leave. Pure.

Hours are wall-clock times of the clinic; slots are instants in UTC. It knows nothing of what is taken.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from bot.clinic import WEEKDAYS, Clinic, Clinician, Hours

CELL_MINUTES = 5
"""The grain of the calendar: a visit occupies whole cells of five minutes."""


class SlotError(ValueError):
    """A stored slot cannot be read back. The message names the field."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A visit that could be booked. ``start`` is an aware instant in UTC."""

    start: dt.datetime
    clinician: str
    department: str
    minutes: int

    @property
    def cells(self) -> tuple[int, ...]:
        """The five-minute cells since 1970 (UTC) that the visit occupies, ascending."""
        first = int(self.start.timestamp()) // (CELL_MINUTES * 60)
        return tuple(range(first, first + -(-self.minutes // CELL_MINUTES)))

    def to_json(self) -> dict[str, Any]:
        """For a flow's state; :meth:`from_json` reads it back."""
        return {
            "start": self.start.isoformat(),
            "clinician": self.clinician,
            "department": self.department,
            "minutes": self.minutes,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Slot:
        """The inverse of :meth:`to_json`."""
        try:
            start = dt.datetime.fromisoformat(data["start"]).astimezone(dt.UTC)
            return cls(start, str(data["clinician"]), str(data["department"]), int(data["minutes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SlotError(f"slot: cannot be read ({type(error).__name__})") from None


def to_utc(day: dt.date, minute: int, zone: ZoneInfo) -> dt.datetime | None:
    """The instant of a wall-clock minute, or None where the clocks jump over it (spring forward).

    Of a minute that comes twice (autumn) the first is meant.
    """
    wall = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), tzinfo=zone)
    instant = wall.astimezone(dt.UTC)
    back = instant.astimezone(zone)
    return instant if (back.hour, back.minute, back.date()) == (wall.hour, wall.minute, day) else None


def local_minute(instant: dt.datetime, zone: ZoneInfo) -> tuple[dt.date, int]:
    """Local date and minute of the day of an instant."""
    local = instant.astimezone(zone)
    return local.date(), local.hour * 60 + local.minute


def _minutes(hours: Hours) -> tuple[int, int]:
    return hours.start.hour * 60 + hours.start.minute, hours.end.hour * 60 + hours.end.minute


def working_minutes(clinic: Clinic, clinician: Clinician, day: dt.date) -> tuple[tuple[int, int], ...]:
    """When this clinician sees patients on a day, as (from, to) minutes of the wall clock."""
    if day in clinic.holidays or day in clinician.leave:
        return ()
    weekday = WEEKDAYS[day.weekday()]
    out = []
    for own in clinician.hours.get(weekday, ()):  # type: ignore[call-overload]
        for opened in clinic.opening_hours.get(weekday, ()):  # type: ignore[call-overload]
            (a, b), (c, d) = _minutes(own), _minutes(opened)
            if max(a, c) < min(b, d):
                out.append((max(a, c), min(b, d)))
    return tuple(out)


def slots_on(clinic: Clinic, department: str, day: dt.date) -> Iterator[Slot]:
    """Every visit of a department that the timetable allows on a local day, in order of time per clinician."""
    found = clinic.department(department)
    if found is None:
        return
    step = -(-found.visit_minutes // CELL_MINUTES) * CELL_MINUTES
    for clinician in clinic.clinicians:
        if department not in clinician.departments:
            continue
        for begin, end in working_minutes(clinic, clinician, day):
            for minute in range(begin, end - found.visit_minutes + 1, step):
                start = to_utc(day, minute, clinic.zone)
                if start is not None:
                    yield Slot(start, clinician.id, department, found.visit_minutes)


def is_offered(clinic: Clinic, slot: Slot) -> bool:
    """Whether the timetable really has this visit (a slot that came back from outside is not believed)."""
    day, _ = local_minute(slot.start, clinic.zone)
    return slot in slots_on(clinic, slot.department, day)
