"""Which days a date or a weekday means, seen from today. Pure; it knows no words of any language."""

from __future__ import annotations

import calendar
import datetime as dt

from bot.appointments.time_types import Day, Frame
from bot.appointments.wish import Problem, ProblemKind

DATE_PREFERENCE_DAYS = 84
"""Of two readings of "3/12", one within this many days wins over one beyond: people rarely book further."""
JUST_PASSED_DAYS = 60
"""A date without a year that lies at most so far back is a slip ("3 November" said on the 23rd), not next year."""


def span(first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
    """Every day from first to last, both included."""
    return tuple(first + dt.timedelta(days=n) for n in range((last - first).days + 1))


def one(day: dt.date) -> Day:
    """A single day."""
    return Day((day,))


def week(frame: Frame, offset: int) -> Day:
    """The week ``offset`` weeks from this one; of this week only what is left."""
    monday = frame.monday + dt.timedelta(days=7 * offset)
    return Day(span(max(monday, frame.today), monday + dt.timedelta(days=6)))


def week_of(day: dt.date) -> Day:
    """The whole week around a day ("in two weeks")."""
    monday = day - dt.timedelta(days=day.weekday())
    return Day(span(monday, monday + dt.timedelta(days=6)))


def add_months(frame: Frame, months: int) -> tuple[int, int]:
    """Year and month, ``months`` after the current one."""
    index = frame.today.year * 12 + frame.today.month - 1 + months
    return index // 12, index % 12 + 1


def month_part(frame: Frame, year: int, month: int, part: str = "all") -> Day:
    """A month, or its ``early`` (1-10), ``mid`` (11-20) or ``late`` (21-) third; never days gone by."""
    last = calendar.monthrange(year, month)[1]
    low, high = {"early": (1, 10), "mid": (11, 20), "late": (21, last)}.get(part, (1, last))
    first, final = dt.date(year, month, low), dt.date(year, month, high)
    if final < frame.today:
        return Day(problem=Problem(ProblemKind.PAST, final))
    return Day(span(max(first, frame.today), final))


def coming(frame: Frame, weekday: int) -> dt.date:
    """The next day that is this weekday, today included."""
    return frame.today + dt.timedelta(days=(weekday - frame.today.weekday()) % 7)


def in_week(frame: Frame, offset: int, weekday: int) -> Day:
    """This weekday of the week ``offset`` weeks from now; a day gone by is a problem, not a guess."""
    day = frame.monday + dt.timedelta(days=7 * offset + weekday)
    if day < frame.today:
        return Day(problem=Problem(ProblemKind.PAST, day))
    return one(day)


def bare_weekday(frame: Frame, weekday: int) -> Day:
    """ "Monday" said on a Monday is today to some and next week to others: the patient chooses."""
    day = coming(frame, weekday)
    if day == frame.today:
        return Day(alternatives=((day,), (day + dt.timedelta(days=7),)))
    return one(day)


def calendar_date(frame: Frame, year: int | None, month: int, day: int) -> Day:
    """A date by numbers. "30 February" is impossible; without a year it is the next such day."""
    said = f"{day}/{month}" if year is None else f"{day}/{month}/{year}"
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return Day(problem=Problem(ProblemKind.IMPOSSIBLE, said=said))
    for candidate in (year,) if year is not None else (frame.today.year, frame.today.year + 1):
        try:
            found = dt.date(candidate, month, day)
        except ValueError:
            if year is None and candidate == frame.today.year and month < frame.today.month:
                continue
            return Day(problem=Problem(ProblemKind.IMPOSSIBLE, said=said))
        if found >= frame.today:
            return one(found)
        if year is not None or (frame.today - found).days <= JUST_PASSED_DAYS:
            return Day(problem=Problem(ProblemKind.PAST, found, said))
    return Day(problem=Problem(ProblemKind.PAST, said=said))


def numeric_date(frame: Frame, first: int, second: int, year: int | None) -> Day:
    """ "03/04": the country's order when only one reading is a near date, else the patient chooses."""
    order = ((second, first), (first, second)) if frame.day_first else ((first, second), (second, first))
    read = [calendar_date(frame, year, month, day) for month, day in order]
    good = [day for day in read if day.dates]
    if not good:
        return read[0]
    if len(good) == 1 or good[0].dates == good[1].dates:
        return good[0]
    near = [day for day in good if (day.dates[0] - frame.today).days <= DATE_PREFERENCE_DAYS]
    if len(near) == 1:
        return near[0]
    return Day(alternatives=tuple(day.dates for day in good))


def day_of_month(frame: Frame, day: int, months: int | None = None) -> Day:
    """ "the 15th": the next 15th. With ``months``: the 15th of that month from now ("下个月15号")."""
    if months is not None:
        year, month = add_months(frame, months)
        return calendar_date(frame, year, month, day)
    for ahead in range(3):
        year, month = add_months(frame, ahead)
        if day <= calendar.monthrange(year, month)[1]:
            found = dt.date(year, month, day)
            if found >= frame.today:
                return one(found)
    return Day(problem=Problem(ProblemKind.IMPOSSIBLE, said=str(day)))
