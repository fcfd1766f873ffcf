"""What a patient wishes about the time of a visit, as days and minutes of the clinic's wall clock.

Plain values. They know nothing of time zones, slots or languages; the calendar turns them into instants.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Starts that would suit: on ``day``, from minute ``start`` (inclusive) to ``end`` (exclusive), 0 to 1440."""

    day: dt.date
    start: int = 0
    end: int = DAY_MINUTES

    @property
    def whole_day(self) -> bool:
        """No time of day was said."""
        return self.start == 0 and self.end == DAY_MINUTES

    @property
    def exact(self) -> bool:
        """A clock time was said ("at half past three")."""
        return self.end - self.start == 1


class ProblemKind(enum.StrEnum):
    """Why a wished day cannot be had."""

    PAST = "past"
    IMPOSSIBLE = "impossible"
    HOLIDAY = "holiday"
    CLOSED = "closed"
    TOO_FAR = "too_far"


@dataclass(frozen=True, slots=True)
class Problem:
    """A day that was asked for and cannot be had. ``day`` is None where there is no such day (30 February);
    ``said`` is the day as numbers ("30/2") for the reply, never the patient's sentence."""

    kind: ProblemKind
    day: dt.date | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A read time wish. ``choices`` holds readings to choose between ("03/04"); then ``windows`` is empty.

    ``any_day`` : only a time of day was said ("in the afternoon"); ``windows`` then cover the next weeks.
    ``earliest``: "as early as possible". ``excluded`` are windows that do not suit ("any day but Wednesday").
    """

    windows: tuple[Window, ...] = ()
    choices: tuple[tuple[Window, ...], ...] = ()
    problems: tuple[Problem, ...] = ()
    earliest: bool = False
    any_day: bool = False
    excluded: tuple[Window, ...] = ()

    @property
    def understood(self) -> bool:
        """Whether anything about a time was said at all."""
        return bool(self.windows or self.choices or self.problems or self.earliest)
