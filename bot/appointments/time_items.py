"""Joins the pieces of a time wish into windows; the same for every language.

"Thursday or Friday afternoon" was scanned as Day, OR, Day, Part: the afternoon goes with both. It knows no words
of any language and no calendar of free slots.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.appointments.time_days import span
from bot.appointments.time_types import Clock, Day, Frame, Item, Mark, Part, Rel
from bot.appointments.wish import DAY_MINUTES, Problem, ProblemKind, Window, Wish

ANY_DAY_SPAN = 28
"""Days looked at when no day was said: four weeks, so that every weekday comes up several times."""
AROUND_MINUTES = 30
"""Half an hour on either side of "about 10"."""

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
