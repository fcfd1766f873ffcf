"""Saying when: instants and opening hours in the patient's language. Pure; the caller gives local times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import cast

from bot.clinic import WEEKDAYS, Hours, Weekday
from bot.dialogue.booking_words import clock_words

DAY_NAMES: Mapping[str, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}
NEAR = {"en": ("today", "tomorrow"), "zh": ("今天", "明天")}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(at: dt.datetime, now: dt.datetime, lang: str) -> str:
    """A day and a time, e.g. ``tomorrow (Tuesday) at 8am`` / ``明天（星期二）上午8点``; both arguments local."""
    lang = lang if lang in DAY_NAMES else "en"
    days = (at.date() - now.date()).days
    name, clock = DAY_NAMES[lang][at.weekday()], clock_words(at.hour, at.minute, lang)
    if lang == "zh":
        date = f"{NEAR['zh'][days]}（{name}）" if days in (0, 1) else f"{at.month}月{at.day}日（{name}）"
        return date + clock
    date = f"{NEAR['en'][days]} ({name})" if days in (0, 1) else f"{name} {at.day} {MONTHS[at.month - 1]}"
    return f"{date} at {clock}"


def week(opening: Mapping[Weekday, tuple[Hours, ...]], lang: str) -> str:
    """The opening hours of a week, equal neighbouring days put together, one line each."""
    lang = lang if lang in DAY_NAMES else "en"
    groups: list[tuple[int, int, str]] = []
    for i, code in enumerate(WEEKDAYS):
        hours = _day(opening.get(cast(Weekday, code), ()), lang)
        if groups and groups[-1][2] == hours:
            groups[-1] = (groups[-1][0], i, hours)
        else:
            groups.append((i, i, hours))
    return "\n".join(_line(a, b, hours, lang) for a, b, hours in groups)


def _day(periods: Sequence[Hours], lang: str) -> str:
    if not periods:
        return "closed" if lang == "en" else "休息"
    return ("、" if lang == "zh" else ", ").join(
        f"{clock_words(p.start.hour, p.start.minute, lang)}–{clock_words(p.end.hour, p.end.minute, lang)}"
        for p in periods
    )


def _line(first: int, last: int, hours: str, lang: str) -> str:
    names = DAY_NAMES[lang]
    to = "至" if lang == "zh" else " to "
    days = names[first] if first == last else f"{names[first]}{to}{names[last]}"
    return f"{days}：{hours}" if lang == "zh" else f"{days}: {hours}"
