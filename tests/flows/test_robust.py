"""Both flows under strange messages: nothing raises, state stays JSON, time stays short."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clinic import load_clinic
from bot.dialogue import symptom_answers as read
from bot.dialogue.booking import Booking
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.texts import Texts
from tests.appointments.conftest import MONDAY
from tests.protocols.conftest import finding

CHECK = SymptomCheck(load_protocols(), Texts(), load_clinic(), clock=lambda: MONDAY)
STRANGE = [
    "",
    " ",
    "🙂🙂",
    "\x00",
    "a" * 20_000,
    "9" * 5_000,
    "不" * 20_000,
    "no " * 7_000,
    "since " * 4_000,
    "<b>1</b>",
    "1" * 400,
    "٣",
]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_reading_answers_never_raises(text: str) -> None:
    read.duration_hours(text, MONDAY)
    read.temperature_c(text)
    read.age_years(text)
    read.yes_no(text, None)
    read.signs_said(text, [("a", "A"), ("b", "B")], frozenset(), frozenset(), None)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_a_symptom_check_survives_strange_answers(lang: str, text: str) -> None:
    step = CHECK.start([finding("headache")], {}, {}, lang)
    for good in ({"en": "none", "zh": "都没有"}[lang],) * 3:
        began = time.process_time()
        strange = CHECK.answer(step.state, text, [], {}, lang)
        assert time.process_time() - began < 0.5
        json.dumps(strange.state)
        step = CHECK.answer(step.state, good, [], {}, lang)


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
async def test_a_booking_survives_strange_answers(booking: Booking, text: str) -> None:
    step = await booking.start("c_1", "en", text="check-up")
    for good in ("tomorrow", "1", "Ann Lee"):
        began = time.process_time()
        strange = await booking.answer(step.state, text, "en")
        assert time.process_time() - began < 0.5
        assert not strange.understood or strange.state["stage"] == step.state["stage"]
        step = await booking.answer(step.state, good, "en")
    assert step.state["stage"] == "confirm"


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("three days", 72), ("about 2 weeks", 336), ("a couple of hours", 2), ("since yesterday", 24),
        ("half an hour", 0.5),
        ("since Friday", 72), ("for a month now", 720), ("a day or two", 36), ("just now", 0.5), ("this morning", 4),
        ("less than 1 day", 12), ("1 to 3 days", 48), ("more than 3 weeks", 600), ("a year and a half", 13140),
        ("三天", 72), ("两个星期", 336), ("一个多月", 720), ("昨天开始", 24), ("从周五开始", 72), ("半天", 12),
        ("半个月", 360), ("几个小时", 4), ("今天早上", 4), ("好几天了", 96), ("不到1天", 12), ("3周以上", 600),
        ("刚刚", 0.5), ("上周开始的", 168),
    ],
)  # fmt: skip
def test_how_long(text: str, hours: float) -> None:
    assert read.duration_hours(text, MONDAY) == hours


@pytest.mark.parametrize(
    ("text", "celsius"),
    [("38.5", 38.5), ("38,5", 38.5), ("101.3 F", 38.5), ("it was 39", 39.0), ("38度5", 38.5), ("三十八度五", 38.5),
     ("39度", 39.0), ("三十九度", 39.0), ("40度", 40.0), ("3", None), ("room 12", None), ("380", None)],
)  # fmt: skip
def test_what_temperature(text: str, celsius: float | None) -> None:
    assert read.temperature_c(text) == celsius


@pytest.mark.parametrize(
    ("text", "years"),
    [("34", 34.0), ("I'm 34", 34.0), ("6 months", 0.5), ("she is 2 years old", 2.0), ("三岁", 3.0), ("三岁半", 3.5),
     ("8个月", 8 / 12), ("65岁", 65.0), ("none", None)],
)  # fmt: skip
def test_what_age(text: str, years: float | None) -> None:
    found = read.age_years(text)
    assert found == years if years is None else found == pytest.approx(years, abs=0.02)
