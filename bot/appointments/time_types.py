"""The pieces that a time wish is made of, the same for every language. Plain values without any rule.

A language's scanner turns words into these in the order they were said: "Thursday or Friday afternoon" gives
Day, OR, Day, Part.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

from bot.appointments.wish import Problem


class Mark(enum.Enum):
    """Words that join or turn round other items."""

    OR = enum.auto()
    NOT = enum.auto()
    NOT_PREVIOUS = enum.auto()
    BREAK = enum.auto()
    EARLIEST = enum.auto()
    ANY_DAY = enum.auto()
    TO = enum.auto()


class Rel(enum.Enum):
    """Relation to the clock time or day that follows (or, in Chinese, precedes)."""

    AFTER = enum.auto()
    BEFORE = enum.auto()
    UNTIL = enum.auto()
    AROUND = enum.auto()
    FROM = enum.auto()


@dataclass(frozen=True, slots=True)
class Day:
    """One day or several; ``alternatives`` are readings among which the patient has to choose."""

    dates: tuple[dt.date, ...] = ()
    alternatives: tuple[tuple[dt.date, ...], ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the day in minutes, e.g. afternoon = 720 to 1080."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock time in minutes; ``fixed`` when am or pm is known, else both halves of the day are open."""

    minutes: int
    fixed: bool


Item = Day | Part | Clock | Mark | Rel


@dataclass(frozen=True, slots=True)
class Frame:
    """What a wish is read against: the local date and minute, the clinic's usual hours, its date order."""

    today: dt.date
    minute: int = 0
    opens: int = 8 * 60
    closes: int = 18 * 60 + 30
    day_first: bool = True

    @property
    def monday(self) -> dt.date:
        """Monday of the current week."""
        return self.today - dt.timedelta(days=self.today.weekday())
