"""Appointments as values, and what a search gives. No storage in here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.appointments.calendar import Slot


@dataclass(frozen=True, slots=True)
class Appointment:
    """One visit, held, booked, cancelled or expired. ``name`` and ``token`` stay out of ``repr``."""

    id: str
    conversation: str
    department: str
    clinician: str
    starts_at: dt.datetime
    minutes: int
    status: str
    hold_expires_at: dt.datetime | None
    uid: str
    sequence: int
    lang: str
    updated_at: dt.datetime
    token: str = field(repr=False)
    name: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)

    @property
    def ends_at(self) -> dt.datetime:
        """End of the visit, UTC."""
        return self.starts_at + dt.timedelta(minutes=self.minutes)

    @property
    def slot(self) -> Slot:
        """The place in the calendar."""
        return Slot(self.starts_at, self.clinician, self.department, self.minutes)

    @property
    def ics_path(self) -> str:
        """Where the patient fetches the calendar file; the token cannot be guessed (256 bits)."""
        return f"/appointments/{self.token}.ics"


@dataclass(frozen=True, slots=True)
class Offers:
    """Free visits. ``matched`` is False where nothing is free as wished and these are the nearest instead."""

    slots: tuple[Slot, ...]
    matched: bool

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.slots)

    def __len__(self) -> int:
        return len(self.slots)
