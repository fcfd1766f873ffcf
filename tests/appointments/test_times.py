"""What patients say about when, against a table made by hand: days × times of day, in both languages.

Everything is said on Monday 23 November 2026 at 10:00 in London; the clinic opens at 8:00 and closes by 20:00.
"""

from __future__ import annotations

import datetime as dt

import pytest

from bot.appointments.time_types import Frame
from bot.appointments.times import read, understand
from bot.appointments.wish import ProblemKind, Window
from bot.clinic import Clinic, load_clinic

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
FRAME = Frame(dt.date(2026, 11, 23), 600, 480, 1200, day_first=True)
DAY = 1440

# phrase → days (month, day); one day, a stretch (first, last), or a list
DAYS_EN: dict[str, list[tuple[int, int]]] = {
    "tomorrow": [(11, 24)],
    "the day after tomorrow": [(11, 25)],
    "on Tuesday": [(11, 24)],
    "Thursday": [(11, 26)],
    "this Friday": [(11, 27)],
    "Wednesday next week": [(12, 2)],
    "next week on Wednesday": [(12, 2)],
    "a week on Friday": [(12, 4)],
    "Friday week": [(12, 4)],
    "two weeks on Tuesday": [(12, 8)],
    "the Thursday after next": [(12, 3)],
    "a week today": [(11, 30)],
    "a week tomorrow": [(12, 1)],
    "in 3 days": [(11, 26)],
    "in ten days": [(12, 3)],
    "on the 3rd of December": [(12, 3)],
    "3 December": [(12, 3)],
    "December 3rd": [(12, 3)],
    "Thursday the 3rd of December": [(12, 3)],
    "Dec 10": [(12, 10)],
    "10th of december 2026": [(12, 10)],
    "2026-12-08": [(12, 8)],
    "on the 15th": [(12, 15)],
    "the 5th of next month": [(12, 5)],
    "27/11": [(11, 27)],
    "3/12": [(12, 3)],
    "3.12.": [(12, 3)],
    "Thursday or Friday": [(11, 26), (11, 27)],
    "tomorrow or Thursday": [(11, 24), (11, 26)],
    "between Tuesday and Thursday": [(11, 24), (11, 25), (11, 26)],
    "from Tuesday to Thursday": [(11, 24), (11, 25), (11, 26)],
}
TIMES_EN: dict[str, tuple[int, int]] = {
    "": (0, DAY),
    "in the morning": (0, 720),
    "in the afternoon": (720, 1080),
    "after work": (1020, DAY),
    "before work": (0, 540),
    "after school": (930, DAY),
    "around lunchtime": (720, 840),
    "late afternoon": (930, 1080),
    "at 3pm": (900, 901),
    "at 3": (900, 901),
    "at half past three": (930, 931),
    "at quarter to four": (945, 946),
    "at 9.30": (570, 571),
    "at 15:45": (945, 946),
    "at noon": (720, 721),
    "before 10": (0, 600),
    "after 3pm": (900, DAY),
    "between 2 and 4": (840, 960),
    "from 9 to 11am": (540, 660),
    "around 10am": (570, 631),
}
DAYS_ZH: dict[str, list[tuple[int, int]]] = {
    "明天": [(11, 24)],
    "后天": [(11, 25)],
    "大后天": [(11, 26)],
    "周四": [(11, 26)],
    "这周五": [(11, 27)],
    "星期五": [(11, 27)],
    "礼拜三": [(11, 25)],
    "下周三": [(12, 2)],
    "下星期二": [(12, 1)],
    "下个礼拜四": [(12, 3)],
    "下下周一": [(12, 7)],
    "三天后": [(11, 26)],
    "10天后": [(12, 3)],
    "12月3日": [(12, 3)],
    "12月3号": [(12, 3)],
    "十二月三号": [(12, 3)],
    "12/8": [(12, 8)],
    "2026年12月8日": [(12, 8)],
    "15号": [(12, 15)],
    "下个月5号": [(12, 5)],
    "周四或周五": [(11, 26), (11, 27)],
    "周四周五": [(11, 26), (11, 27)],
    "明天或者后天": [(11, 24), (11, 25)],
    "周二到周四": [(11, 24), (11, 25), (11, 26)],
    "下周一到周三": [(11, 30), (12, 1), (12, 2)],
}
TIMES_ZH: dict[str, tuple[int, int]] = {
    "": (0, DAY),
    "上午": (0, 720),
    "下午": (720, 1080),
    "中午": (660, 840),
    "下班后": (1020, DAY),
    "上班前": (0, 540),
    "放学后": (930, DAY),
    "下午三点": (900, 901),
    "三点半": (930, 931),
    "差一刻四点": (945, 946),
    "上午九点半": (570, 571),
    "15:45": (945, 946),
    "上午10点之前": (0, 600),
    "下午三点以后": (900, DAY),
    "下午两点到四点": (840, 960),
    "上午10点左右": (570, 631),
}
WRAP = {"en": ("{}", "Can I come {} please?", "i'd like {}, thanks"), "zh": ("{}", "我想{}来", "{}可以吗")}


def windows(days: list[tuple[int, int]], time: tuple[int, int]) -> set[Window]:
    return {Window(dt.date(2026, m, d), *time) for m, d in days}


def cases() -> list[tuple[str, set[Window]]]:
    out = []
    for lang, days, times in (("en", DAYS_EN, TIMES_EN), ("zh", DAYS_ZH, TIMES_ZH)):
        for n, (day, dates) in enumerate(days.items()):
            for k, (time, span) in enumerate(times.items()):
                joint = " " if lang == "en" or day[-1].isdigit() else ""
                said = f"{day}{joint}{time}".strip()
                out.append((WRAP[lang][(n + k) % 3].format(said), windows(dates, span)))
    return out


CASES = cases()


def test_the_grammar_is_large_enough() -> None:
    assert len(CASES) >= 900


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_day_and_time(text: str, expected: set[Window]) -> None:
    wish = read(text, FRAME)
    assert set(wish.windows) == expected and not wish.choices and not wish.problems


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("next Tuesday after work", Window(dt.date(2026, 11, 24), 1020), Window(dt.date(2026, 12, 1), 1020)),
        (
            "Monday in the afternoon",
            Window(dt.date(2026, 11, 23), 720, 1080),
            Window(dt.date(2026, 11, 30), 720, 1080),
        ),
        ("周一下午", Window(dt.date(2026, 11, 23), 720, 1080), Window(dt.date(2026, 11, 30), 720, 1080)),
        ("03/04", Window(dt.date(2027, 4, 3)), Window(dt.date(2027, 3, 4))),
        ("next weekend", Window(dt.date(2026, 11, 28)), Window(dt.date(2026, 12, 5))),
    ],
)
def test_two_readings_are_for_the_patient_to_choose(text: str, first: Window, second: Window) -> None:
    wish = read(text, FRAME)
    assert not wish.windows
    assert [choice[0] for choice in wish.choices] == [first, second]


def test_the_country_puts_its_own_day_order_first() -> None:
    american = Frame(FRAME.today, FRAME.minute, FRAME.opens, FRAME.closes, day_first=False)
    assert [c[0].day for c in read("03/04", american).choices] == [dt.date(2027, 3, 4), dt.date(2027, 4, 3)]
    assert read("12/3", american).windows == (Window(dt.date(2026, 12, 3)),)
    assert read("3月4日", american).windows == (Window(dt.date(2027, 3, 4)),)


@pytest.mark.parametrize("text", ["any day but Wednesday", "not Wednesday", "I can't do Wednesday",
                                  "Wednesday doesn't work", "除了周三都行", "周三不行", "不要周三",
                                  "周三没空，其他都可以"])  # fmt: skip
def test_a_day_that_does_not_suit_is_left_out(text: str) -> None:
    days = {w.day for w in read(text, FRAME).windows}
    assert dt.date(2026, 11, 25) not in days
    assert {dt.date(2026, 11, 24), dt.date(2026, 11, 26)} <= days


@pytest.mark.parametrize("text", ["not in the morning", "no mornings", "不要上午", "上午不行"])
def test_a_time_that_does_not_suit_is_cut_out(text: str) -> None:
    found = read(text, FRAME).windows
    assert found and all(w.start >= 720 for w in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't do Tuesday, Thursday is fine", {Window(dt.date(2026, 11, 26))}),
        ("Thursday but not before 11", {Window(dt.date(2026, 11, 26), 660)}),
        ("Wednesday morning or Thursday afternoon",
         {Window(dt.date(2026, 11, 25), 0, 720), Window(dt.date(2026, 11, 26), 720, 1080)}),
        ("周三上午或者周四下午", {Window(dt.date(2026, 11, 25), 0, 720), Window(dt.date(2026, 11, 26), 720, 1080)}),
        ("in the morning on Tuesday or Wednesday",
         {Window(dt.date(2026, 11, 24), 0, 720), Window(dt.date(2026, 11, 25), 0, 720)}),
        ("tomorrow morning or afternoon",
         {Window(dt.date(2026, 11, 24), 0, 720), Window(dt.date(2026, 11, 24), 720, 1080)}),
        ("this afternoon", {Window(dt.date(2026, 11, 23), 720, 1080)}),
        ("tonight", {Window(dt.date(2026, 11, 23), 1020)}),
        ("今晚八点一刻", {Window(dt.date(2026, 11, 23), 1215, 1216)}),
    ],
)  # fmt: skip
def test_joined_wishes(text: str, expected: set[Window]) -> None:
    assert set(read(text, FRAME).windows) == expected


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("next week", (11, 30), (12, 6), 7),
        ("this week", (11, 23), (11, 29), 7),
        ("in two weeks", (12, 7), (12, 13), 7),
        ("两个星期后", (12, 7), (12, 13), 7),
        ("下周", (11, 30), (12, 6), 7),
        ("下下周", (12, 7), (12, 13), 7),
        ("next month", (12, 1), (12, 31), 31),
        ("下个月", (12, 1), (12, 31), 31),
        ("end of next week", (12, 3), (12, 6), 4),
        ("early December", (12, 1), (12, 10), 10),
        ("12月初", (12, 1), (12, 10), 10),
        ("the weekend", (11, 28), (11, 29), 2),
        ("周末", (11, 28), (11, 29), 2),
        ("within 3 days", (11, 23), (11, 26), 4),
        ("三天内", (11, 23), (11, 26), 4),
        ("before Friday", (11, 23), (11, 26), 4),
        ("周五之前", (11, 23), (11, 26), 4),
        ("after Friday", (11, 28), (12, 11), 14),
    ],
)
def test_stretches(text: str, first: tuple[int, int], last: tuple[int, int], count: int) -> None:
    days = [w.day for w in read(text, FRAME).windows]
    assert (min(days), max(days), len(days)) == (dt.date(2026, *first), dt.date(2026, *last), count)


@pytest.mark.parametrize("text", ["as early as possible", "asap", "the first available", "as soon as you can",
                                  "越早越好", "尽快", "最早的", "越快越好"])  # fmt: skip
def test_as_early_as_possible(text: str) -> None:
    assert read(text, FRAME).earliest


@pytest.mark.parametrize(
    "text", ["hello", "my head hurts", "what does it cost?", "你好", "我头痛", "", "...", "🙂", "x" * 20_000]
)
def test_what_is_no_time_is_no_wish(text: str) -> None:
    assert not read(text, FRAME).understood


@pytest.mark.parametrize(
    ("text", "kind", "day"),
    [
        ("yesterday", ProblemKind.PAST, (2026, 11, 22)),
        ("昨天", ProblemKind.PAST, (2026, 11, 22)),
        ("3 November", ProblemKind.PAST, (2026, 11, 3)),
        ("11月3日", ProblemKind.PAST, (2026, 11, 3)),
        ("this morning at 8", ProblemKind.PAST, (2026, 11, 23)),
        ("30 February", ProblemKind.IMPOSSIBLE, None),
        ("31 April", ProblemKind.IMPOSSIBLE, None),
        ("29 February 2027", ProblemKind.IMPOSSIBLE, None),
        ("2月30日", ProblemKind.IMPOSSIBLE, None),
        ("25 December", ProblemKind.HOLIDAY, (2026, 12, 25)),
        ("12月25号", ProblemKind.HOLIDAY, (2026, 12, 25)),
        ("on Sunday", ProblemKind.CLOSED, (2026, 11, 29)),
        ("周日", ProblemKind.CLOSED, (2026, 11, 29)),
        ("3 September", ProblemKind.TOO_FAR, (2027, 9, 3)),
    ],
)
def test_days_that_cannot_be_had_are_named(
    text: str, kind: ProblemKind, day: tuple[int, int, int] | None
) -> None:
    wish = understand(text, load_clinic(), NOW)
    assert not wish.windows and not wish.choices
    assert [p.kind for p in wish.problems] == [kind]
    assert wish.problems[0].day == (dt.date(*day) if day else None)


def test_the_leap_day_exists_in_leap_years_only() -> None:
    assert read("29 February", Frame(dt.date(2028, 1, 10))).windows == (Window(dt.date(2028, 2, 29)),)
    assert read("29 February", Frame(dt.date(2027, 1, 10))).problems[0].kind is ProblemKind.IMPOSSIBLE
    assert read("tomorrow", Frame(dt.date(2028, 2, 28))).windows == (Window(dt.date(2028, 2, 29)),)


def test_a_holiday_in_a_list_leaves_the_other_day() -> None:
    clinic: Clinic = load_clinic()
    wish = understand("24 or 25 December", clinic, NOW)
    assert {w.day for w in wish.windows} <= {dt.date(2026, 12, 24)}
