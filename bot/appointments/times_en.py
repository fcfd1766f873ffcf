"""English time words to items: "next Tuesday after work", "a week on Friday", "the 3rd of December".

It scans for what it knows and steps over everything else. It decides nothing about free slots.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from bot.appointments.time_days import (
    add_months,
    bare_weekday,
    calendar_date,
    coming,
    day_of_month,
    in_week,
    month_part,
    numeric_date,
    one,
    span,
    week,
    week_of,
)
from bot.appointments.time_types import Clock, Day, Frame, Item, Mark, Part, Rel
from bot.appointments.wish import Problem, ProblemKind

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBER = {word: n for n, word in enumerate(_ONES, 1)} | {
    "a": 1, "an": 1, "couple of": 2, "a couple of": 2, "fifteen": 15, "twenty": 20, "twenty-five": 25,
    "twenty five": 25,
}  # fmt: skip
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ORDINAL_WORDS = {
    w: n
    for n, w in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        1,
    )
}
_ORDINAL_WORDS |= {
    f"twenty{sep}{w}": 20 + n
    for sep in ("-", " ")
    for n, w in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"], 1
    )
} | {"thirtieth": 30, "thirty-first": 31, "thirty first": 31}
_PARTS = {
    "early morning": (0, 600), "first thing": (0, 600), "late morning": (600, 720), "mid morning": (570, 690),
    "mornings": (0, 720), "morning": (0, 720), "early afternoon": (720, 870), "late afternoon": (930, 1080),
    "mid afternoon": (840, 960), "afternoons": (720, 1080), "afternoon": (720, 1080), "late evening": (1140, 1440),
    "evenings": (1020, 1440), "evening": (1020, 1440), "night": (1020, 1440), "lunch time": (720, 840),
    "lunchtime": (720, 840), "lunch break": (720, 840), "lunch hour": (720, 840), "over lunch": (720, 840),
    "before lunch": (0, 720), "after lunch": (780, 1080), "before work": (0, 540), "after work": (1020, 1440),
    "after office hours": (1020, 1440), "before school": (0, 540), "after school": (930, 1440),
    "during the day": (540, 1020), "after hours": (1020, 1440), "after dinner": (1140, 1440),
    "end of the day": (960, 1440), "late in the day": (960, 1440), "early in the day": (0, 600),
    "in the morning": (0, 720), "in the afternoon": (720, 1080), "in the evening": (1020, 1440),
}  # fmt: skip

HOUR = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|1[0-2]|0?[1-9])"
_AMPM = r"(?: ?(?:a\.?m\.?|p\.?m\.?)(?![a-z]))"
_MIN = r"(?:five|ten|quarter|a quarter|twenty five|twenty-five|twenty|5|10|15|20|25)"
CLOCK = (
    rf"(?:half(?: past)? {HOUR}\b{_AMPM}?|{_MIN}(?: minutes)? (?:past|to) {HOUR}\b{_AMPM}?"
    rf"|(?:[01]?\d|2[0-3])[:.h][0-5]\d(?!\d|[./]){_AMPM}?|{HOUR}{_AMPM}|(?:noon|midday|midnight)\b"
    rf"|{HOUR} (?:thirty|fifteen|forty[- ]five)\b{_AMPM}?"
    rf"|{HOUR} ?o ?'?clock{_AMPM}?)"
)
_BARE = rf"(?:{HOUR}(?![\w/:.-]|\.\d| (?:days?|weeks?|months?|hours?|minutes?|people)))"
ANY_CLOCK = rf"(?:{CLOCK}|{_BARE})"
_WD = r"(mon|tue|wed|thu|fri|sat|sun)(?:day|s|sday|nesday|r|rs|rsday|urday|nes)?(?![a-z])"
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_AFTER_HOUR = (
    r"(?:in the|at night|on (?:mon|tue|wed|thu|fri|sat)|tomorrow|today|would|works|please|is (?:fine|good))"
)
""" "8 in the evening", "3 tomorrow": what makes a bare number an hour."""
_ORDINAL_NAMES = "|".join(sorted(_ORDINAL_WORDS, key=len, reverse=True))
_NOT_A_CHOICE = r"(?! (?:one|slot|option|time|available|of ))"
""" "the first one" chooses among what was offered; it is no date."""
_ORD = rf"(\d{{1,2}})(?:st|nd|rd|th)?\b|({_ORDINAL_NAMES})\b"
_N = r"(a couple of|couple of|an|a|one|two|three|four|five|six|seven|eight|nine|ten|twelve|\d{1,2})"
_YEAR = r"(?:,? (20\d\d))?"

Handler = Callable[["re.Match[str]", Frame], Sequence[Item]]


def number(word: str) -> int:
    """ "three", "a couple of", "12" → a number."""
    if word.isdigit():
        return int(word)
    if word not in _NUMBER:
        raise ValueError("not a number word")
    return _NUMBER[word]


def clock(text: str) -> Clock:
    """ "half past three", "9.30pm", "noon", "quarter to 4" → a clock time."""
    text = text.strip().replace(".m", "m").replace("m.", "m")
    if text.startswith(("noon", "midday")):
        return Clock(720, True)
    if text.startswith("midnight"):
        return Clock(0, True)
    ampm = re.search(r"([ap])m$", text)
    body = re.sub(r"\s*[ap]m$", "", text)
    digital = re.match(r"(\d{1,2})[:.h](\d{2})$", body)
    if digital:
        hour, minute = int(digital[1]), int(digital[2])
    elif past := re.match(rf"({_MIN}|half)(?: minutes)?(?: (past|to))? ({HOUR})$", body):
        word = past[1].removeprefix("a ")
        amount = {"half": 30, "quarter": 15}.get(word) or number(word)
        hour = number(past[3].lstrip("0"))
        minute = amount if past[2] != "to" else -amount
    elif spoken := re.match(rf"({HOUR}) (thirty|fifteen|forty[- ]five)$", body):
        hour, minute = number(spoken[1].lstrip("0")), {"thirty": 30, "fifteen": 15}.get(spoken[2], 45)
    else:
        hour, minute = number(re.sub(r" ?o ?'?clock$", "", body).lstrip("0")), 0
    total = min(hour * 60 + minute, 24 * 60 - 1)
    if ampm:
        total = total % 720 + (720 if ampm[1] == "p" else 0)
    fixed = bool(ampm) or hour >= 13 or hour == 0 or bool(digital and digital[1].startswith("0"))
    return Clock(total, fixed)


def _weekday(m: re.Match[str], group: int = 1) -> int:
    return _WEEKDAYS.index(m[group][:3])


def _days(n: int) -> dt.timedelta:
    return dt.timedelta(days=n)


def _next_weekday(m: re.Match[str], f: Frame) -> list[Item]:
    """ "next Tuesday" said on a Monday is tomorrow to some and a week later to others."""
    this = f.monday + _days(_weekday(m))
    if this > f.today:
        return [Day(alternatives=((this,), (this + _days(7),)))]
    return [one(this + _days(7))]


def _next_weekend(_: re.Match[str], f: Frame) -> list[Item]:
    saturday = f.monday + _days(5)
    later = (saturday + _days(7), saturday + _days(8))
    if f.today >= saturday:
        return [Day(later)]
    return [Day(alternatives=((saturday, saturday + _days(1)), later))]


def _ordinal(m: re.Match[str], digits: int) -> int:
    return int(m[digits]) if m[digits] else _ORDINAL_WORDS[m[digits + 1]]


def _month(m: re.Match[str], group: int) -> int:
    return _MONTHS.index(m[group][:3]) + 1


def _year(m: re.Match[str], group: int) -> int | None:
    return int(m[group]) if m[group] else None


def _in_units(m: re.Match[str], f: Frame) -> list[Item]:
    n, unit = number(m[1]), m[2]
    if unit == "day":
        return [one(f.today + _days(n))]
    if unit == "month":
        year, month = add_months(f, n)
        return [week_of(dt.date(year, month, min(f.today.day, 28)))]
    return [week_of(f.today + _days((14 if unit == "fortnight" else 7) * n))]


def _within(m: re.Match[str], f: Frame) -> list[Item]:
    n = number(m[1]) if m[1] else 3
    return [Day(span(f.today, f.today + _days(n * (7 if m[2] == "week" else 1))))]


def _numeric(m: re.Match[str], f: Frame) -> list[Item]:
    year = int(m[3]) if m[3] else None
    if year is not None and year < 100:
        year += 2000
    return [numeric_date(f, int(m[1]), int(m[2]), year)]


def _month_word(m: re.Match[str], f: Frame) -> list[Item]:
    month = _month(m, 2)
    year = f.today.year + (month < f.today.month)
    part = {"early": "early", "start of": "early", "beginning of": "early", "mid": "mid", "middle of": "mid"}
    word = (m[1] or "").strip().removeprefix("the ").rstrip("-")
    return [month_part(f, year, month, part.get(word, "late" if word else "all"))]


def _which_month(m: re.Match[str], f: Frame) -> list[Item]:
    year, month = add_months(f, 1 if m[2] == "next" else 0)
    word = (m[1] or "").strip()
    third = "late" if word.startswith(("late", "end")) else "mid" if word.startswith("mid") else "early"
    return [month_part(f, year, month, third if word else "all")]


def _past(_: re.Match[str], f: Frame) -> list[Item]:
    return [Day(problem=Problem(ProblemKind.PAST, f.today - _days(1)))]


def _last_weekday(m: re.Match[str], f: Frame) -> list[Item]:
    back = (f.today.weekday() - _weekday(m)) % 7 or 7
    return [Day(problem=Problem(ProblemKind.PAST, f.today - _days(back)))]


_RULES: tuple[tuple[str, Handler], ...] = (
    (r"(?:as (?:early|soon) as|whenever) (?:possible|you can|you have|there is)|asap\b|a\.s\.a\.p|"
     r"(?:the )?(?:next|first|earliest|soonest) (?:available|possible|free|one)(?: \w+)?|"
     r"(?:the )?(?:earliest|soonest)(?: you have| slot| appointment| time)?|straight away|right away|"
     r"the sooner the better", lambda m, f: [Mark.EARLIEST]),
    (r"(?:any|every) ?(?:thing|day|time)(?: of the week)? (?:but|except|other than|apart from|bar)(?: for| on)?",
     lambda m, f: [Mark.ANY_DAY, Mark.NOT]),
    (r"any ?(?:day|time|thing)\b|whenever|i don'?t mind|don'?t mind|i'?m (?:free|flexible)|no preference|all day",
     lambda m, f: [Mark.ANY_DAY]),
    (r"(?:doesn'?t|does not|don'?t|do not|won'?t|isn'?t|is not|is no)(?: really)? (?:work|suit|good|possible|ok)\b"
     r"|is (?:bad|out|impossible)\b", lambda m, f: [Mark.NOT_PREVIOUS]),
    (r"(?:but )?not(?: on| in| the| at)*\b|except(?: for| on)?\b|apart from\b|other than\b|"
     r"can'?t (?:do|make|come|manage)(?: it)?(?: on| in)?\b|cannot (?:do|make|come)(?: on)?\b|"
     r"(?:never|no)(?: on)? (?=mon|tue|wed|thu|fri|sat|sun|mornings?|afternoons?|evenings?)",
     lambda m, f: [Mark.NOT]),
    (r"but\b|[,;.!?](?=\s|$)", lambda m, f: [Mark.BREAK]),
    # days
    (r"(?:the )?day after tomorrow", lambda m, f: [one(f.today + _days(2))]),
    (r"(?:the )?day before yesterday|yesterday|last (?:week|month|night)", _past),
    (rf"last {_WD}", _last_weekday),
    (rf"{_N} weeks? (?:from |on |)(today|tomorrow)\b",
     lambda m, f: [one(f.today + _days(7 * number(m[1]) + (m[2] == "tomorrow")))]),
    (r"(today|tomorrow) week\b", lambda m, f: [one(f.today + _days(7 + (m[1] == "tomorrow")))]),
    (r"a fortnight (?:today|from today)", lambda m, f: [one(f.today + _days(14))]),
    (rf"{_N} weeks? (?:on|from|this|after) (?:this |coming )?{_WD}",
     lambda m, f: [one(coming(f, _weekday(m, 2)) + _days(7 * number(m[1])))]),
    (rf"{_WD} week\b", lambda m, f: [one(coming(f, _weekday(m)) + _days(7))]),
    (rf"(?:the )?{_WD} after next\b",
     lambda m, f: [one(f.today + _days(((_weekday(m) - f.today.weekday()) % 7 or 7) + 7))]),
    (rf"{_WD},? (?:of |in )?(?:the )?(this|next) week\b",
     lambda m, f: [in_week(f, int(m[2] == "next"), _weekday(m))]),
    (rf"(this|next) week,?(?: on)? {_WD}", lambda m, f: [in_week(f, int(m[1] == "next"), _weekday(m, 2))]),
    (rf"{_WD},? (?:in |of )?the week after next",
     lambda m, f: [in_week(f, 2, _weekday(m))]),
    (r"(?:the )?week after next", lambda m, f: [week(f, 2)]),
    (r"(?:the )?(?:end of|later|late) (?:the |this )?week\b",
     lambda m, f: [Day(span(max(f.today, f.monday + _days(3)), f.monday + _days(6)))]),
    (r"(?:the )?(?:end of|late) next week\b", lambda m, f: [Day(span(f.monday + _days(10), f.monday + _days(13)))]),
    (r"(?:the )?(?:start of|beginning of|early) next week\b",
     lambda m, f: [Day(span(f.monday + _days(7), f.monday + _days(9)))]),
    (r"next week(?!end)", lambda m, f: [week(f, 1)]),
    (r"this week(?!end)", lambda m, f: [week(f, 0)]),
    (r"next weekend", _next_weekend),
    (r"(?:(?:at |on )?(?:the|this) |a )?weekend\b",
     lambda m, f: [Day(span(max(f.today, f.monday + _days(5)), f.monday + _days(6)))]),
    (r"(?:(?:in |within )the next|within(?: the next)?|(?:over )?the next) (?:few|" + _N + r") (day|week)s?",
     _within),
    (r"(?:within|in the next|the next)(?: the)?() ?(week)\b", lambda m, f: [Day(span(f.today, f.today + _days(7)))]),
    (rf"in {_N} (day|week|month|fortnight)s?(?:'s?|'s)?(?: time)?\b", _in_units),
    (rf"{_N} (day|week|month|fortnight)s? from now\b", _in_units),
    (r"tonight", lambda m, f: [one(f.today), Part(1020, 1440)]),
    (r"this (morning|afternoon|evening)", lambda m, f: [one(f.today), Part(*_PARTS[m[1]])]),
    (r"today", lambda m, f: [one(f.today)]),
    (r"tomorrow|tmrw|tomorow|tommorow|tommorrow", lambda m, f: [one(f.today + _days(1))]),
    (rf"next {_WD}", _next_weekday),
    (rf"this {_WD}", lambda m, f: [in_week(f, 0, _weekday(m))]),
    (rf"(?:this )?coming {_WD}", lambda m, f: [one(f.today + _days((_weekday(m) - f.today.weekday()) % 7 or 7))]),
    (r"(mon|tues|wednes|thurs|fri|satur|sun)days\b",
     lambda m, f: [Day(tuple(coming(f, _weekday(m)) + _days(7 * n) for n in range(4)))]),
    (r"(?:on )?(?:a )?week ?days?\b",
     lambda m, f: [Day(tuple(d for d in span(f.today, f.today + _days(13)) if d.weekday() < 5))]),
    # dates
    (r"(20\d\d)-(\d{1,2})-(\d{1,2})\b", lambda m, f: [calendar_date(f, int(m[1]), int(m[2]), int(m[3]))]),
    (r"(\d{1,2})[/](\d{1,2})(?:/(20\d\d|\d\d))?(?!\d)", _numeric),
    (r"(\d{1,2})\.(\d{1,2})\.(20\d\d)?(?!\d)",
     lambda m, f: [calendar_date(f, _year(m, 3), int(m[2]), int(m[1]))]),
    (rf"(?:{_WD},? )?(?:the )?(?:{_ORD})(?: day)?(?: of)? {_MONTH}{_YEAR}",
     lambda m, f: [calendar_date(f, _year(m, 5), _month(m, 4), _ordinal(m, 2))]),
    (rf"(?:{_WD},? )?{_MONTH} (?:the )?(?:{_ORD}){_YEAR}(?! ?(?:am|pm|o'?clock|:))",
     lambda m, f: [calendar_date(f, _year(m, 5), _month(m, 2), _ordinal(m, 3))]),
    (rf"(?:the )?(?:{_ORD})(?: of)? (next|this) month",
     lambda m, f: [day_of_month(f, _ordinal(m, 1), int(m[3] == "next"))]),
    (rf"(?:{_WD},? )?(?:on )?the (?:(\d{{1,2}})(?:st|nd|rd|th)|({_ORDINAL_NAMES}))\b{_NOT_A_CHOICE}",
     lambda m, f: [day_of_month(f, _ordinal(m, 2))]),
    (rf"(?:{_WD} )?(\d{{1,2}})(?:st|nd|rd|th)\b(?! (?:one|slot|option))", lambda m, f: [day_of_month(f, int(m[2]))]),
    (r"(?:the )?(early|late|mid|start of|beginning of|end of|middle of)?(?: in)? ?(?:the )?(next|this|the) month\b",
     _which_month),
    (rf"((?:the )?(?:early|late|mid|start of|beginning of|end of|middle of)[ -])?(?:in )?{_MONTH}(?! (?:i|you|we)\b)",
     _month_word),
    # times of day
    (rf"(?:between|from) ({ANY_CLOCK}) (?:and|to|until|till|-) ({ANY_CLOCK})",
     lambda m, f: [clock(m[1]), Mark.TO, clock(m[2])]),
    (rf"({ANY_CLOCK}) ?(?:-|–|to|until|till) ?({CLOCK})", lambda m, f: [clock(m[1]), Mark.TO, clock(m[2])]),
    (r"(\d{1,2}) ?(?:-|–|to|until|till) ?(\d{1,2}) ?([ap])\.?m\b",
     lambda m, f: [clock(f"{m[1]}"), Mark.TO, clock(f"{m[2]}{m[3]}m")]),
    (rf"at ({_BARE}) or ({ANY_CLOCK})", lambda m, f: [clock(m[1]), Mark.OR, clock(m[2])]),
    (rf"(?:any ?time |some ?time )?(?:after|later than|past|no earlier than|not before) ({ANY_CLOCK})",
     lambda m, f: [Rel.AFTER, clock(m[1])]),
    (rf"from ({ANY_CLOCK})(?: on| onwards)?", lambda m, f: [Rel.FROM, clock(m[1])]),
    (rf"(?:any ?time )?(?:before|earlier than|no later than|not after|by|until) ({ANY_CLOCK})",
     lambda m, f: [Rel.BEFORE, clock(m[1])]),
    (rf"(?:at )?(?:about|around|roughly|approximately|ish|circa) ({ANY_CLOCK})",
     lambda m, f: [Rel.AROUND, clock(m[1])]),
    (rf"({ANY_CLOCK})[ -]?ish\b", lambda m, f: [Rel.AROUND, clock(m[1])]),
    (rf"(?:at |@ ?)({ANY_CLOCK})", lambda m, f: [clock(m[1])]),
    (rf"({_BARE}) ?(?:-|–|to|until|till) ?({_BARE})", lambda m, f: [clock(m[1]), Mark.TO, clock(m[2])]),
    (rf"({CLOCK})", lambda m, f: [clock(m[1])]),
    (rf"(?<!the )({_BARE}) (?={_AFTER_HOUR})",
     lambda m, f: [clock(m[1])]),
    (rf"(?:in the |in my |at |during the |during my )?({'|'.join(sorted(_PARTS, key=len, reverse=True))})\b",
     lambda m, f: [Part(*_PARTS[m[1]])]),
    (rf"{_WD}", lambda m, f: [bare_weekday(f, _weekday(m))]),
    # joints
    (r"between\b|from\b(?= (?:the |mon|tue|wed|thu|fri|sat|sun|today|tomorrow|\d))", lambda m, f: [Rel.FROM]),
    (r"after\b(?= (?:the |mon|tue|wed|thu|fri|sat|sun|\d|next|tomorrow))", lambda m, f: [Rel.AFTER]),
    (r"before\b(?= (?:the |mon|tue|wed|thu|fri|sat|sun|\d|next|christmas))", lambda m, f: [Rel.BEFORE]),
    (r"(?:by|until|till)\b(?= (?:the |mon|tue|wed|thu|fri|sat|sun|\d|next|tomorrow))", lambda m, f: [Rel.UNTIL]),
    (r"to\b(?= (?:mon|tue|wed|thu|fri|sat|sun))|-(?=mon|tue|wed|thu|fri|sat|sun)|through\b|until\b",
     lambda m, f: [Mark.TO]),
    (r"or\b|and\b|/|&", lambda m, f: [Mark.OR]),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), handler) for pattern, handler in _RULES)
_STEP = re.compile(r"[a-z0-9']+|[^\sa-z0-9']")


def scan(text: str, frame: Frame) -> list[Item]:
    """The items of an English sentence, in the order they were said. ``text`` is lower case."""
    items: list[Item] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        for pattern, handler in _COMPILED:
            found = pattern.match(text, at)
            if not found or found.end() == at:
                continue
            try:
                items += handler(found, frame)
            except ValueError:
                continue  # looks like a number and is none
            at = found.end()
            break
        else:
            step = _STEP.match(text, at)
            at = step.end() if step else at + 1
    return _tidy(items)


def _tidy(items: list[Item]) -> list[Item]:
    """ "between Monday and Wednesday": FROM Day OR Day reads as a range; other FROM stays a relation."""
    out = list(items)
    for i in range(len(out) - 3):
        first, joint, last = out[i + 1 : i + 4]
        days = isinstance(first, Day) and isinstance(last, Day)
        if out[i] is Rel.FROM and days and joint in (Mark.OR, Mark.TO):
            out[i : i + 4] = [first, Mark.TO, last]
            return out
    return out
