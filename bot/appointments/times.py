"""What a patient says about when they can come, read in English or Chinese.

"next Tuesday after work" said on a Monday gives two readings to choose from; 下周三下午 gives one.
Own grammar, because no library reads these rightly in both languages; see the grammar tests. It knows the
clinic's hours, holidays and country (for 03/04), and nothing about which slots are free.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable

from bot.appointments import times_en, times_zh
from bot.appointments.time_items import combine
from bot.appointments.time_types import Frame
from bot.appointments.wish import Problem, ProblemKind, Window, Wish
from bot.clinic import WEEKDAYS, Clinic

MAX_CHARS = 400
"""More than this is a story, not a time; only the beginning is read."""
BOOKING_DAYS = 182
"""How far ahead visits are booked: half a year."""
MONTH_FIRST_COUNTRIES = frozenset({"US", "PH", "CN", "TW", "JP", "KR", "HU", "LT", "MN"})
"""Countries that write the month before the day (Unicode CLDR date formats); everyone else writes the day first."""


def frame_for(clinic: Clinic, now: dt.datetime) -> Frame:
    """What wishes are read against at an aware instant."""
    local = now.astimezone(clinic.zone)
    hours = [h for day in clinic.opening_hours.values() for h in day]
    return Frame(
        today=local.date(),
        minute=local.hour * 60 + local.minute,
        opens=min((h.start.hour * 60 + h.start.minute for h in hours), default=8 * 60),
        closes=max((h.end.hour * 60 + h.end.minute for h in hours), default=18 * 60),
        day_first=clinic.country not in MONTH_FIRST_COUNTRIES,
    )


def read(text: str, frame: Frame) -> Wish:
    """Read a wish without a clinic's holidays. Both languages are understood whatever language was chosen."""
    plain = unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower().replace("’", "'").strip()
    if times_zh.has_chinese(plain):
        return combine(times_zh.scan(plain, frame), frame)
    return combine(times_en.scan(plain, frame), frame)


def understand(text: str, clinic: Clinic, now: dt.datetime) -> Wish:
    """Read a wish for this clinic: holidays, closed weekdays and days too far ahead come back as problems."""
    wish = read(text, frame_for(clinic, now))
    latest = now.astimezone(clinic.zone).date() + dt.timedelta(days=BOOKING_DAYS)
    readings = wish.choices or ((wish.windows,) if wish.windows else ())
    kept: list[tuple[Window, ...]] = []
    problems: list[Problem] = list(wish.problems)
    for reading in readings:
        good = tuple(w for w in reading if _problem(w.day, clinic, latest) is None)
        if good:
            kept.append(good)
        named = {w.day for w in reading}
        if len(named) <= 2 and not wish.any_day:  # a long stretch always holds a Sunday; that is no news
            problems += _problems(named, clinic, latest)
        elif not good:
            problems.append(Problem(ProblemKind.CLOSED, min(named)))
    return Wish(
        windows=kept[0] if len(kept) == 1 else (),
        choices=tuple(kept) if len(kept) > 1 else (),
        problems=tuple(dict.fromkeys(problems)),
        earliest=wish.earliest,
        any_day=wish.any_day,
        excluded=wish.excluded,
    )


def _problems(days: Iterable[dt.date], clinic: Clinic, latest: dt.date) -> list[Problem]:
    found = (_problem(day, clinic, latest) for day in sorted(days))
    return [problem for problem in found if problem is not None]


def _problem(day: dt.date, clinic: Clinic, latest: dt.date) -> Problem | None:
    if day in clinic.holidays:
        return Problem(ProblemKind.HOLIDAY, day)
    if not clinic.opening_hours.get(WEEKDAYS[day.weekday()]):  # type: ignore[call-overload]
        return Problem(ProblemKind.CLOSED, day)
    if day > latest:
        return Problem(ProblemKind.TOO_FAR, day)
    return None
