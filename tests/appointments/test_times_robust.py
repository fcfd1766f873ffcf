"""Whatever is said, reading it never raises, never gives an impossible window, and is quick."""

from __future__ import annotations

import datetime as dt
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.appointments.time_types import Frame
from bot.appointments.times import read, understand
from bot.appointments.wish import Wish
from bot.clinic import load_clinic

CLINIC = load_clinic()
NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
FRAME = Frame(dt.date(2026, 11, 23), 600, 480, 1200)
ENGLISH = (
    "next this last Tuesday Friday monday week weekend month a on at in the or and but not after before between from "
    "to until half past quarter three 3 15 30 3pm 9:30 25:99 12.5 0 noon morning afternoon tomorrow today tonight "
    "December 31st 3rd of 30 February 29 02/30 13/13 2026-99-99 03/04 days weeks fortnight two ten asap any day "
    "except can't - , . ! ago time"
)
CHINESE = (
    "下 下下 这 上 周 星期 礼拜 一 三 五 日 天 末 个 月 号 12 30 二十 十 两 半 点 刻 差 分 上午 下午 晚上 "
    "今 明 后 大后天 之前 以后 到 或 和 除了 不行 都可以 越早越好 三天 2月30日 99月99号 25:99 ， 。 左右"
)
WORDS = {"en": ENGLISH.split(), "zh": CHINESE.split()}


def sound(wish: Wish) -> None:
    for reading in (wish.windows, *wish.choices):
        for window in reading:
            assert 0 <= window.start < window.end <= 24 * 60
            assert dt.date(2026, 11, 23) <= window.day <= dt.date(2029, 1, 1)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_any_mix_of_time_words_is_read_or_left(lang: str) -> None:
    rng = random.Random(7)
    for _ in range(6000):
        words = [rng.choice(WORDS[lang]) for _ in range(rng.randint(1, 7))]
        text = (" " if lang == "en" else "").join(words)
        sound(read(text, FRAME))
        sound(understand(text, CLINIC, NOW))


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=300))
def test_any_text_at_all(text: str) -> None:
    sound(understand(text, CLINIC, NOW))


@pytest.mark.parametrize(
    "text", ["9 " * 10_000, "next " * 5000, "周" * 20_000, "3-" * 9000, "or " * 6000, "一" * 20_000]
)
def test_long_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    read(text, FRAME)
    assert time.process_time() - began < 0.2
