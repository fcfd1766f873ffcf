"""Chinese time words to items: 下周三下午, 大后天下午三点, 两个星期后, 12月3日, 除了周三都行.

It scans for what it knows and steps over everything else. Weeks begin on Monday: 下周三 said on a Monday is
the Wednesday of next week, and nobody hears it otherwise.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from bot.appointments.time_days import (
    add_months,
    bare_weekday,
    calendar_date,
    day_of_month,
    in_week,
    month_part,
    one,
    span,
    week,
    week_of,
)
from bot.appointments.time_types import Clock, Day, Frame, Item, Mark, Part, Rel
from bot.appointments.wish import Problem, ProblemKind

_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0, "俩": 2, "兩": 2}
_PARTS = {
    "一大早": (0, 600), "大清早": (0, 600), "清早": (0, 600), "一早": (0, 600), "清晨": (0, 600), "早晨": (0, 720),
    "早上": (0, 720), "上午": (0, 720), "上半天": (0, 720), "凌晨": (0, 360), "早": (0, 720),
    "中午": (660, 840), "午休": (720, 840), "下半天": (720, 1080), "下午": (720, 1080), "傍晚": (1020, 1140),
    "晚上": (1080, 1440), "夜里": (1080, 1440), "晚间": (1080, 1440), "晚": (1080, 1440), "白天": (480, 1080),
    "下班后": (1020, 1440), "下班以后": (1020, 1440), "下班之后": (1020, 1440), "下了班": (1020, 1440),
    "上班前": (0, 540), "上班之前": (0, 540), "上班以前": (0, 540), "放学后": (930, 1440), "放学以后": (930, 1440),
    "午饭前": (0, 720), "午饭后": (780, 1080), "午饭以后": (780, 1080), "吃完午饭": (780, 1080), "晚饭后": (1140, 1440),
    "午后": (720, 1080),
}  # fmt: skip
_NUM = r"(?:[零〇一二三四五六七八九十两兩俩]{1,3}|\d{1,2})"
_PART = "|".join(sorted(_PARTS, key=len, reverse=True))
_WEEK = r"(?:周|星期|礼拜|週|禮拜)"
_WD = r"([一二三四五六日天末](?![点點])|[1-7](?![0-9点點:]))"
_DAYWORD = {"今": 0, "明": 1, "后": 2, "大后": 3}
_BEFORE = r"(?:之前|以前|前)"
_AFTER = r"(?:之后|以后|后|过后)"
CLOCK = (
    rf"(?:差(?:一刻|{_NUM}分)(?:钟)?(?:到)?{_NUM}[点點]|{_NUM}[点點](?:半|一刻|三刻|{_NUM}分?|整|钟|鐘)?(?![天月日号])"
    rf"|(?:[01]?\d|2[0-3])[:：][0-5]\d|{_NUM}时(?:半|{_NUM}分)?)"
)

Handler = Callable[["re.Match[str]", Frame], Sequence[Item]]


def has_chinese(text: str) -> bool:
    """Whether any Chinese character is in the text."""
    return any("一" <= c <= "鿿" for c in text)


def number(text: str) -> int:
    """三 3, 十二 12, 二十一 21, 两 2, "15" 15. Raises ValueError on anything else."""
    if text.isdigit():
        return int(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        if not {tens, ones} <= {"", *_DIGITS}:
            raise ValueError("not a Chinese number")
        return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
    value = 0
    for char in text:
        if char not in _DIGITS:
            raise ValueError("not a Chinese number")
        value = value * 10 + _DIGITS[char]
    return value


def clock(text: str) -> Clock:
    """三点半, 差一刻四点, 9:30, 十五点 → a clock time."""
    digital = re.fullmatch(r"(\d{1,2})[:：](\d{2})", text)
    if digital:
        hour, minute = int(digital[1]), int(digital[2])
        return Clock(hour * 60 + minute, hour >= 13 or digital[1].startswith("0"))
    if text.startswith("差"):
        m = re.fullmatch(rf"差(?:(一刻)|({_NUM})分)(?:钟)?(?:到)?({_NUM})[点點]", text)
        assert m is not None
        hour, minute = number(m[3]), -(15 if m[1] else number(m[2]))
    else:
        m = re.fullmatch(rf"({_NUM})[点點时](半|一刻|三刻|整|钟|鐘)?(?:({_NUM})分?)?", text)
        assert m is not None
        hour = number(m[1])
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(m[2] or "", 0) or (number(m[3]) if m[3] else 0)
    return Clock(min(hour * 60 + minute, 24 * 60 - 1), hour >= 13 or hour == 0)


def _days(n: int) -> dt.timedelta:
    return dt.timedelta(days=n)


def _wd(char: str) -> int:
    return 6 if char in "日天7" else "一二三四五六".index(char) if char in "一二三四五六" else int(char) - 1


def _weekday(m: re.Match[str], f: Frame) -> list[Item]:
    """(这|下|下下|上)周X; a bare 周X is the coming one."""
    prefix, char = m[1] or "", m[2]
    if prefix.startswith("上"):
        return [
            Day(
                problem=Problem(
                    ProblemKind.PAST, f.monday - _days(7) + _days(5 if char == "末" else _wd(char))
                )
            )
        ]
    offset = prefix.count("下")
    if char == "末":
        saturday = f.monday + _days(7 * offset + 5)
        return [Day(span(max(saturday, f.today), saturday + _days(1)))]
    if not prefix:
        return [bare_weekday(f, _wd(char))]
    return [in_week(f, offset, _wd(char))]


def _weekdays(m: re.Match[str], f: Frame) -> list[Item]:
    """周四周五, 周四或周五 share a prefix: 下周四五."""
    offset = (m[1] or "").count("下")
    days = [in_week(f, offset, _wd(c)) if m[1] else bare_weekday(f, _wd(c)) for c in (m[2], m[3])]
    return [days[0], Mark.OR, days[1]]


def _relative(m: re.Match[str], f: Frame) -> list[Item]:
    n, unit = (1 if m[1] == "半" else number(m[1])), m[2]
    if m[1] == "半":
        return [week_of(f.today + _days(15))]
    if unit in ("天", "日"):
        return [one(f.today + _days(n))]
    if unit == "月":
        year, month = add_months(f, n)
        return [week_of(dt.date(year, month, min(f.today.day, 28)))]
    return [week_of(f.today + _days(7 * n))]


def _within(m: re.Match[str], f: Frame) -> list[Item]:
    n = 3 if m[1] in ("几", "") else number(m[1])
    return [Day(span(f.today, f.today + _days(n * (1 if m[2] in ("天", "日") else 7))))]


def _month_day(m: re.Match[str], f: Frame) -> list[Item]:
    year = int(m[1]) if m[1] else None
    return [calendar_date(f, year, number(m[2]), number(m[3]))]


def _month(m: re.Match[str], f: Frame) -> list[Item]:
    if m[1].startswith(("下", "这", "本")):
        year, month = add_months(f, m[1].count("下"))
    else:
        month = number(re.sub(r"月份?$", "", m[1]))
        if not 1 <= month <= 12:
            return [Day(problem=Problem(ProblemKind.IMPOSSIBLE, said=m[1]))]
        year = f.today.year + (month < f.today.month)
    return [
        month_part(f, year, month, {"初": "early", "中": "mid", "底": "late"}.get((m[2] or "")[:1], "all"))
    ]


def _range(m: re.Match[str]) -> list[Item]:
    """下午两点到四点, 9点到11点半."""
    part: list[Item] = [Part(*_PARTS[m[1]])] if m[1] else []
    first = clock(m[2] + "点" if re.fullmatch(_NUM, m[2]) else m[2])
    return [*part, first, Mark.TO, _with_part(m[3], clock(m[4]))]


def _dayword(m: re.Match[str], f: Frame) -> list[Item]:
    return [one(f.today + _days(_DAYWORD[m[1]]))]


_RULES: tuple[tuple[str, Handler], ...] = (
    (r"越(?:早|快)越好|尽(?:早|快)|最(?:早|快|近)(?:的|能)?(?:号|时间|可以|一个)?|(?:马上|立刻)|能多(?:早|快)就多(?:早|快)|"
     r"有号就行|第一个(?:空|可)", lambda m, f: [Mark.EARLIEST]),
    (r"(?:除了|除去|除)", lambda m, f: [Mark.ANY_DAY, Mark.NOT]),
    (r"(?:以外|之外|外)?(?:其他|其余|别的)?(?:时间|日子|时候|哪天|每天|天)?(?:都|全)(?:可以|行|好|有空|成|没问题)|随便(?:哪天)?|随时|"
     r"哪天都(?:行|可以)|任何时间|什么时候都(?:行|可以)|无所谓", lambda m, f: [Mark.BREAK, Mark.ANY_DAY]),
    (r"(?:我)?(?:不行|不可以|不方便|没空|没有空|没时间|去不了|来不了|不太行|有事|要上班)",
     lambda m, f: [Mark.NOT_PREVIOUS]),
    (r"(?:但)?(?:不要|不想|别|不能|不是|不在)(?:在|安排在|安排|约)?", lambda m, f: [Mark.NOT]),
    (r"[,，;；。！!？?]|但是|但", lambda m, f: [Mark.BREAK]),
    # days
    (r"昨天|昨晚|前天|大前天|上个?(?:星期|周|礼拜|月)(?![一二三四五六日天末1-7])",
     lambda m, f: [Day(problem=Problem(ProblemKind.PAST, f.today - _days(1)))]),
    (r"(大后|今|明|后)(?:天|儿|日)", _dayword),
    (r"(今|明|后)(?=早|晚)", _dayword),
    (rf"((?:这|本|上+|下+)个?)?{_WEEK}([一二三四五六日天])(?:到|至|-|~){_WEEK}?([一二三四五六日天])",
     lambda m, f: [_weekdays(m, f)[0], Mark.TO, _weekdays(m, f)[2]]),
    (rf"((?:这|本|下+)个?)?{_WEEK}([一二三四五六日天])(?:、|或|或者|和|跟)?(?:{_WEEK})?([一二三四五六日天])(?![点點天个月时十])",
     _weekdays),
    (rf"((?:这|本|上+|下+)个?)?{_WEEK}{_WD}", _weekday),
    (rf"((?:这|本)个?){_WEEK}", lambda m, f: [week(f, 0)]),
    (rf"(下+)个?{_WEEK}", lambda m, f: [week(f, len(m[1]))]),
    (rf"({_NUM}|半)(?:个)?(天|日|{_WEEK}|月){_AFTER}", _relative),
    (rf"过({_NUM}|半)(?:个)?(天|日|{_WEEK}|月)", _relative),
    (rf"({_NUM}|几|)(?:个)?(天|日|{_WEEK})(?:之内|以内|内)", _within),
    (rf"(?:这|接下来|未来)({_NUM}|几)(天|{_WEEK})", _within),
    (r"工作日", lambda m, f: [Day(tuple(d for d in span(f.today, f.today + _days(13)) if d.weekday() < 5))]),
    # dates
    (rf"(?:(20\d\d)年)?({_NUM})月({_NUM})(?:日|号|號)?(?![点點个])", _month_day),
    (r"(20\d\d)[-/.](\d{1,2})[-/.](\d{1,2})", lambda m, f: [calendar_date(f, int(m[1]), int(m[2]), int(m[3]))]),
    (r"(\d{1,2})[/.-](\d{1,2})(?![\d点])(?:号|日)?", lambda m, f: [calendar_date(f, None, int(m[1]), int(m[2]))]),
    (rf"(下+|这|本)个?月({_NUM})(?:日|号|號)", lambda m, f: [day_of_month(f, number(m[2]), m[1].count("下"))]),
    (rf"({_NUM})(?:号|號|日)(?![线楼院])", lambda m, f: [day_of_month(f, number(m[1]))]),
    (rf"((?:下+|这|本)个?月|{_NUM}月份?)(初|中旬|中|底)?", _month),
    # times of day
    (rf"({_PART})?({CLOCK}|{_NUM})(?:到|至|-|~|—)({_PART})?({CLOCK})",
     lambda m, f: _range(m)),
    (rf"({_PART})?({CLOCK})(?:钟|鐘)?(?:左右|前后|上下|来钟)",
     lambda m, f: [Rel.AROUND, _with_part(m[1], clock(m[2]))]),
    (rf"(?:大概|大约|差不多)({CLOCK})", lambda m, f: [Rel.AROUND, clock(m[1])]),
    (rf"({_PART})?({CLOCK})(?:钟|鐘)?{_BEFORE}", lambda m, f: [Rel.BEFORE, _with_part(m[1], clock(m[2]))]),
    (rf"({_PART})?({CLOCK})(?:钟|鐘)?{_AFTER}", lambda m, f: [Rel.AFTER, _with_part(m[1], clock(m[2]))]),
    (rf"({CLOCK})", lambda m, f: [clock(m[1])]),
    (rf"({_PART})", lambda m, f: [Part(*_PARTS[m[1]])]),
    # joints
    (rf"{_BEFORE}", lambda m, f: [Rel.BEFORE]),
    (rf"{_AFTER}|起|开始", lambda m, f: [Rel.AFTER]),
    (r"到|至", lambda m, f: [Mark.TO]),
    (r"或者|或|还是|和|跟|、|要么", lambda m, f: [Mark.OR]),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), handler) for pattern, handler in _RULES)


def _with_part(part: str | None, at: Clock) -> Clock:
    """下午三点 in a range: the part fixes the half of the day."""
    if part is None or at.fixed:
        return at
    start, end = _PARTS[part]
    inside = [m for m in (at.minutes % 720, at.minutes % 720 + 720) if start <= m < end]
    return Clock(inside[0], True) if inside else at


def scan(text: str, frame: Frame) -> list[Item]:
    """The items of a Chinese sentence, in the order they were said."""
    text = re.sub(r"\s+", "", text)
    items: list[Item] = []
    at = 0
    while at < len(text):
        for pattern, handler in _COMPILED:
            found = pattern.match(text, at)
            if not found or found.end() == at:
                continue
            try:
                items += handler(found, frame)
            except ValueError:
                continue  # looks like a number and is none (十十点)
            at = found.end()
            break
        else:
            at += 1
    return _tidy(items)


def _tidy(items: list[Item]) -> list[Item]:
    """In Chinese 之前 and 之后 follow their day (周五之前): put the relation before it."""
    out: list[Item] = []
    for index, item in enumerate(items):
        before_clock = index + 1 < len(items) and isinstance(items[index + 1], Clock)
        if isinstance(item, Rel) and not before_clock and out and isinstance(out[-1], Day):
            out.insert(len(out) - 1, item)
        else:
            out.append(item)
    return out
