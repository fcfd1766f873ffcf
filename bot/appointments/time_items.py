"""The pieces that a time wish is made of, and how they are joined; the same for every language.

A language's scanner turns words into items in the order they were said ("Thursday or Friday afternoon" gives
Day, OR, Day, Part); :func:`combine` joins them into windows. It knows no words of any language.
"""

from __future__ import annotations

import calendar
import datetime as dt
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.appointments.wish import DAY_MINUTES, Problem, ProblemKind, Window, Wish

ANY_DAY_SPAN = 28
"""Days looked at when no day was said: four weeks, so that every weekday comes up several times."""
AROUND_MINUTES = 30
DATE_PREFERENCE_DAYS = 84
"""Of two readings of "3/12", one within this many days wins over one beyond: people rarely book further."""
JUST_PASSED_DAYS = 60
"""A date without a year that lies at most so far back is a slip ("3 November" said on the 23rd), not next year."""


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
_Timed = Day | Part


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


# ---- days -----------------------------------------------------------------------------------------------


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


# ---- clock ----------------------------------------------------------------------------------------------


def _candidates(clock: Clock) -> tuple[int, ...]:
    if clock.fixed or clock.minutes >= 13 * 60:
        return (clock.minutes,)
    base = clock.minutes % 720
    return (base, base + 720)


def resolve(clock: Clock, part: Part | None, frame: Frame) -> int:
    """Minutes of the day. "at 3" is 15:00 where the clinic opens at 8; "3 in the morning" keeps its morning."""
    options = _candidates(clock)
    if part is not None:
        inside = [m for m in options if part.start <= m < part.end]
        if inside:
            return inside[0]
    inside = [m for m in options if frame.opens <= m < frame.closes]
    if inside:
        return inside[0]
    return options[0] if clock.minutes >= 7 * 60 else options[-1]


def _later(clock: Clock, after: int) -> int:
    return next((m for m in _candidates(clock) if m > after), _candidates(clock)[-1])


def _near_part(items: Sequence[Item], index: int) -> int | None:
    """The part of day that belongs to the clock time at ``index`` ("tomorrow afternoon at 3")."""
    for step in (-1, 1):
        at = index + step
        while 0 <= at < len(items) and items[at] not in (Mark.OR, Mark.BREAK, Mark.NOT):
            if isinstance(items[at], Part):
                return at
            at += step
    return None


def _related(rel: Rel | None, minute: int) -> Part:
    match rel:
        case Rel.AFTER | Rel.FROM:
            return Part(minute, DAY_MINUTES)
        case Rel.BEFORE | Rel.UNTIL:
            return Part(0, max(1, minute))
        case Rel.AROUND:
            return Part(max(0, minute - AROUND_MINUTES), min(DAY_MINUTES, minute + AROUND_MINUTES + 1))
        case _:
            return Part(minute, minute + 1)


def settle_clocks(items: Sequence[Item], frame: Frame) -> list[Item]:
    """Replace clock times (with their relation, range and part of day) by stretches of the day."""
    out = list(items)
    index = 0
    while index < len(out):
        item = out[index]
        if not isinstance(item, Clock):
            index += 1
            continue
        at = _near_part(out, index)
        part = out[at] if at is not None else None
        assert part is None or isinstance(part, Part)
        minute = resolve(item, part, frame)
        stop, begin = index + 1, index
        if stop + 1 < len(out) and out[stop] in (Mark.TO, Mark.OR) and isinstance(out[stop + 1], Clock):
            until = out[stop + 1]
            assert isinstance(until, Clock)
            if out[stop] is Mark.TO:
                settled, stop = Part(minute, max(minute + 1, _later(until, minute))), stop + 2
            else:
                settled = Part(minute, minute + 1)
        else:
            rel = out[index - 1] if index and isinstance(out[index - 1], Rel) else None
            settled = _related(rel if isinstance(rel, Rel) else None, minute)
            begin = index - 1 if rel is not None else index
        out[begin:stop] = [settled]
        if at is not None and part is not None and part.end - part.start > 1 and _fits(part, settled):
            out.pop(at if at < begin else at - (stop - begin - 1))
            begin -= at < begin
        index = begin + 1
    return out


def _fits(part: Part, settled: Part) -> bool:
    """Whether the part of day only explained the clock time ("afternoon" in "afternoon at 3")."""
    return part.start <= settled.start and settled.end <= part.end


def settle_days(items: Sequence[Item], frame: Frame) -> list[Item]:
    """Replace "Monday to Wednesday", "after Friday", "before the 3rd" by the days they mean."""
    out: list[Item] = []
    index = 0
    while index < len(items):
        item = items[index]
        after = items[index + 1] if index + 1 < len(items) else None
        if isinstance(item, Day) and after is Mark.TO and index + 2 < len(items):
            end = items[index + 2]
            if isinstance(end, Day) and _first(item) and _first(end):
                first, last = _first(item)[0], _first(end)[-1]
                out.append(Day(span(first, last if last >= first else last + dt.timedelta(days=7))))
                index += 3
                continue
        if isinstance(item, Rel) and isinstance(after, Day) and (after.dates or after.alternatives):
            out.append(_relative_day(item, after, frame))
            index += 2
            continue
        if not isinstance(item, Rel):
            out.append(item)
        index += 1
    return out


def _first(day: Day) -> tuple[dt.date, ...]:
    return day.dates or (day.alternatives[0] if day.alternatives else ())


def _relative_day(rel: Rel, day: Day, frame: Frame) -> Day:
    dates = _first(day)
    one_day = dt.timedelta(days=1)
    match rel:
        case Rel.AFTER:
            return Day(span(dates[-1] + one_day, dates[-1] + dt.timedelta(days=14)))
        case Rel.FROM:
            return Day(span(dates[0], dates[0] + dt.timedelta(days=13)))
        case Rel.BEFORE if dates[0] > frame.today:
            return Day(span(frame.today, dates[0] - one_day))
        case Rel.UNTIL:
            return Day(span(frame.today, dates[-1]))
        case _:
            return day


# ---- joining --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    days: list[Day]
    parts: list[Part]
    part_first: bool = False


def _signs(items: Iterable[Item]) -> list[tuple[Item, bool]]:
    """Each item with whether it is wanted: "any day but Wednesday" gives (Wednesday, False)."""
    out: list[tuple[Item, bool]] = []
    wanted = True
    for item in items:
        if item is Mark.NOT:
            wanted = False
        elif item is Mark.BREAK:
            wanted = True
            out.append((item, True))
        elif item is Mark.NOT_PREVIOUS:
            back = len(out) - 1
            while back >= 0 and out[back][0] is not Mark.BREAK:
                out[back] = (out[back][0], False)
                back -= 1
            wanted = True
        else:
            out.append((item, wanted))
    return out


def _groups(items: Sequence[Item]) -> list[_Group]:
    """Which times go with which days. "Thursday or Friday afternoon": the afternoon goes with both."""
    groups: list[_Group] = []
    current = _Group([], [])
    joined_by_or = False
    for index, item in enumerate(items):
        if item is Mark.OR:
            joined_by_or = True
        elif isinstance(item, Day):
            follows_part = any(isinstance(x, Part) for x in items[index + 1 :])
            if current.days and current.parts and not (current.part_first and not follows_part):
                groups.append(current)
                current = _Group([], [])
            current.days.append(item)
            joined_by_or = False
        elif isinstance(item, Part):
            current.part_first |= not current.days
            if current.parts and not joined_by_or:
                last = current.parts[-1]
                both = Part(max(last.start, item.start), min(last.end, item.end))
                current.parts[-1] = both if both.start < both.end else item
            else:
                current.parts.append(item)
            joined_by_or = False
    if current.days or current.parts:
        groups.append(current)
    return groups


def _windows(groups: Sequence[_Group], frame: Frame, pick: int) -> list[Window]:
    out: list[Window] = []
    for group in groups:
        dates = [d for day in group.days for d in _dates(day, pick)]
        if not group.days:
            dates = list(span(frame.today, frame.today + dt.timedelta(days=ANY_DAY_SPAN)))
        for date in dates:
            out += [Window(date, p.start, p.end) for p in group.parts] or [Window(date)]
    return list(dict.fromkeys(out))


def _dates(day: Day, pick: int) -> tuple[dt.date, ...]:
    if day.alternatives:
        return day.alternatives[min(pick, len(day.alternatives) - 1)]
    return day.dates


def is_past(window: Window, frame: Frame) -> bool:
    """Whether no start in it is still to come."""
    return window.day < frame.today or (window.day == frame.today and window.end <= frame.minute)


def overlaps(window: Window, other: Window) -> bool:
    """Whether some minute is in both."""
    return window.day == other.day and window.start < other.end and other.start < window.end


def _excluded(signed: Sequence[tuple[Item, bool]], frame: Frame) -> list[Window]:
    unwanted = [item for item, wanted in signed if not wanted]
    return _windows(_groups(unwanted), frame, 0) + [
        Window(d) for item in unwanted if isinstance(item, Day) for alt in item.alternatives for d in alt
    ]


def _subtract(windows: Iterable[Window], excluded: Sequence[Window]) -> list[Window]:
    out: list[Window] = []
    for window in windows:
        pieces = [window]
        for bad in excluded:
            pieces = [p for piece in pieces for p in _cut(piece, bad)]
        out += pieces
    return out


def _cut(window: Window, bad: Window) -> list[Window]:
    if not overlaps(window, bad):
        return [window]
    out = []
    if window.start < bad.start:
        out.append(replace(window, end=bad.start))
    if bad.end < window.end:
        out.append(replace(window, start=bad.end))
    return out


def combine(items: Sequence[Item], frame: Frame) -> Wish:
    """Join scanned items into a wish. Days gone by and impossible days come back as problems."""
    signed = _signs(settle_days(settle_clocks(items, frame), frame))
    wanted = [item for item, good in signed if good]
    excluded = _excluded(signed, frame)
    earliest = Mark.EARLIEST in wanted
    groups = _groups(wanted)
    named = any(group.days for group in groups)
    problems = [d.problem for g in groups for d in g.days if d.problem is not None]
    any_day = not named and bool(groups or excluded or Mark.ANY_DAY in wanted or earliest)
    if any_day and not groups:
        groups = [_Group([], [])]
    ambiguous = max((len(d.alternatives) for g in groups for d in g.days), default=0)
    readings = [
        _subtract(_windows(groups, frame, pick), excluded) for pick in range(max(ambiguous, 1)) if groups
    ]
    living = [[w for w in reading if not is_past(w, frame)] for reading in readings]
    for gone in (w for reading in readings for w in reading if is_past(w, frame)):
        if not any_day and not any(living):
            problems.append(Problem(ProblemKind.PAST, gone.day))
    kept = [tuple(reading) for reading in living if reading]
    return Wish(
        windows=kept[0] if len(kept) == 1 else (),
        choices=tuple(kept) if len(kept) > 1 else (),
        problems=tuple(dict.fromkeys(problems)),
        earliest=earliest,
        any_day=any_day and bool(kept),
        excluded=tuple(dict.fromkeys(excluded)),
    )
