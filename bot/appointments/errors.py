"""What can go wrong with a booking, by type. Messages hold ids and times, never a patient's words."""

from __future__ import annotations


class AppointmentError(Exception):
    """Base. ``retry``: the same call may succeed later, unchanged."""

    retry = False


class SlotTaken(AppointmentError):
    """Somebody else has this time now."""


class NotOffered(AppointmentError):
    """The timetable has no such visit, or it lies in the past or too near."""


class HoldExpired(AppointmentError):
    """The time was not confirmed while it was kept."""


class UnknownAppointment(AppointmentError):
    """This conversation has no such appointment. Somebody else's looks the same as none (law 7)."""


class TooMany(AppointmentError):
    """This conversation has as many appointments as one may book here."""
