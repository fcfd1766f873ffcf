"""The conversations that a newcomer has, in English and Chinese, in a real browser against the running program.

Letters follow the list in ``docs/conversations.md``. Screenshots go to ``test-artifacts/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS, Nurse, Patient, shoot
from tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

Arrive = Callable[[str, Running], Patient]
ArriveNurse = Callable[[Running], Nurse]
BOTH = pytest.mark.parametrize("lang", ["en", "zh"])

SORE_THROAT = {"en": "I've had a sore throat and a fever for three days", "zh": "我嗓子疼，发烧三天了"}
BOOK = {"en": "I'd like to book an appointment", "zh": "我想预约看病"}
CHEST = {
    "en": "actually my chest feels tight and my left arm has gone numb",
    "zh": "等等，我胸口很闷，左胳膊也麻了",
}
TIGHT = {"en": "my chest feels tight", "zh": "我胸口有点闷"}
SWEAT = {"en": "and I'm sweating a lot", "zh": "还出了很多冷汗"}
NO_ALARM = {
    "en": [
        "My grandad had a heart attack in 2010, can I book a check-up?",
        "no chest pain, just a runny nose",
    ],
    "zh": ["我爷爷2010年得过心梗，我想约个体检", "没有胸痛，就是流鼻涕"],
}
HAY_FEVER = {"en": "What helps against hay fever?", "zh": "花粉过敏怎么缓解？"}
UNCOVERED = {"en": "How is lupus treated with biologics?", "zh": "红斑狼疮用生物制剂怎么治疗？"}
PERSON = {"en": "I want to talk to a person", "zh": "我想和真人说话"}
PHONE = {"en": "+44 20 7946 0123", "zh": "+44 20 7946 0123"}
NONE = {"en": "None of these", "zh": "都没有"}
# what the scripted patient presses first where it is offered; else the first choice
PREFERRED = {
    "en": ["None of these", "No", "I haven't measured it", "1 to 3 days", "Mild", "A little"],
    "zh": ["都没有", "不是", "没有", "没有量", "1到3天", "轻"],
}
BOOK_BUTTON = {"en": "Book a", "zh": "预约"}
YES_BOOK = {"en": "Yes, book it", "zh": "可以，就这样约"}
NAME = {"en": "Ann Example", "zh": "王小明"}


def answer_until(patient: Patient, title: str, limit: int = 14) -> None:
    """Answer the protocol's questions until a quick reply ``title`` is offered."""
    for _ in range(limit):
        choices = patient.choices
        if any(title in choice for choice in choices):
            return
        wanted = next((p for p in PREFERRED[patient.lang] if p in choices), choices[0] if choices else None)
        patient.press(re.compile(f"^{re.escape(wanted)}$")) if wanted else patient.say("38.2")
    raise AssertionError(f"never offered {title!r}; last: {patient.replies[-2:]} {patient.choices}")


def book(patient: Patient) -> str:
    """From the offer to the confirmed booking; returns the confirmation."""
    for _ in range(8):
        choices = patient.choices
        confirm = [c for c in choices if c == YES_BOOK[patient.lang]]
        if confirm:
            patient.press(re.compile(f"^{re.escape(confirm[0])}$"))
            break
        if not choices:
            patient.say(NAME[patient.lang])
        else:
            patient.press(re.compile(f"^{re.escape(choices[0])}$"))
    expect(patient.page.locator("a.file").first).to_be_visible(timeout=PATIENCE_MS)
    return patient.replies[-1]


@BOTH
def test_a_from_a_sore_throat_to_an_appointment_that_outlives_a_restart(
    lang: str, day: Running, patient: Arrive
) -> None:
    visitor = patient(lang, day)
    visitor.say(SORE_THROAT[lang])
    answer_until(visitor, BOOK_BUTTON[lang])
    visitor.shot("a-outcome")
    visitor.press(re.compile(BOOK_BUTTON[lang]))
    visitor.shot("a-offer")
    booked = book(visitor)
    visitor.shot("a-booked")
    link = visitor.page.locator("a.file").first.get_attribute("href") or ""
    day.stop()
    day.start()
    visitor.page.reload()
    if not visitor.page.locator(".panel").is_visible():
        visitor.page.locator(".launcher").click()
    visitor.hears(re.compile(re.escape(booked.splitlines()[0])))
    calendar = visitor.page.request.get(f"{day.base}{link}" if link.startswith("/") else link)
    assert calendar.status == 200
    assert "BEGIN:VEVENT" in calendar.text()
    visitor.say({"en": "show my appointments", "zh": "查看我的预约"}[lang])
    visitor.shot("a-after-restart")
    when = booked.splitlines()[1].strip()
    assert when in visitor.replies[-1] or when in "\n".join(visitor.replies[-3:])


@BOTH
def test_b_an_emergency_in_the_middle_of_booking(
    lang: str, day: Running, patient: Arrive, nurse: ArriveNurse
) -> None:
    staff = nurse(day)
    visitor = patient(lang, day)
    visitor.say(BOOK[lang])
    visitor.say(CHEST[lang])
    expect(visitor.page.locator(".banner.is-emergency a[href='tel:999']").first).to_be_visible(
        timeout=PATIENCE_MS
    )
    item = staff.page.locator(".item.emergency").last
    expect(item).to_be_visible(timeout=PATIENCE_MS)  # within two seconds: `make bench` times it
    visitor.shot("b-emergency")
    item.click()
    expect(staff.page.locator("blockquote mark").first).to_be_visible(timeout=PATIENCE_MS)
    assert re.search(r"RF\d+|CARD-\d+", staff.page.locator(".rules").first.inner_text())
    staff.act("claim")
    expect(staff.page.locator("form.say textarea")).to_be_visible(timeout=PATIENCE_MS)
    shoot(staff.page, f"b-console-{lang}")
    before = len(visitor.replies)
    staff.page.locator("form.say textarea").fill("This is Mara. Have you called 999?")
    staff.act("send")
    visitor.hears("This is Mara")
    visitor.page.locator("#text").fill({"en": "yes, they are coming", "zh": "打了，他们在路上"}[lang])
    visitor.page.keyboard.press("Enter")
    expect(staff.page.locator(".log li.patient").last).to_contain_text(
        {"en": "they are coming", "zh": "他们在路上"}[lang], timeout=PATIENCE_MS
    )
    assert len(visitor.replies) == before + 1, "the assistant spoke while staff held the conversation"
    visitor.shot("b-staff")
    staff.act("handback")
    expect(staff.page.locator("form.say")).to_have_count(0, timeout=PATIENCE_MS)
    visitor.say({"en": "thank you", "zh": "谢谢"}[lang])
    assert len(visitor.replies) > before + 1


@BOTH
def test_c_the_combination_fires_over_two_messages(lang: str, day: Running, patient: Arrive) -> None:
    visitor = patient(lang, day)
    visitor.say(TIGHT[lang])
    visitor.say(SWEAT[lang])
    expect(visitor.page.locator(".banner.is-emergency")).to_be_visible(timeout=PATIENCE_MS)
    visitor.shot("c-combination")


@BOTH
@pytest.mark.parametrize("which", [0, 1])
def test_d_no_alarm_for_history_and_negation(lang: str, which: int, day: Running, patient: Arrive) -> None:
    visitor = patient(lang, day)
    visitor.say(NO_ALARM[lang][which])
    assert visitor.page.locator(".banner.is-emergency").count() == 0
    assert visitor.choices or len(visitor.replies) > 1
    visitor.shot(f"d-quiet-{which}")


@BOTH
def test_e_a_cited_answer_and_an_honest_unknown(lang: str, day: Running, patient: Arrive) -> None:
    visitor = patient(lang, day)
    visitor.say(HAY_FEVER[lang])
    expect(visitor.page.locator(".sources a").first).to_have_attribute("href", re.compile("^https://"))
    visitor.shot("e-answer")
    visitor.say(UNCOVERED[lang])
    visitor.hears(
        {
            "en": re.compile("I will not guess|don.t know"),
            "zh": re.compile("不知道|没有找到|不清楚|不乱猜|不会乱猜"),
        }[lang]
    )
    assert any(re.search("person|真人|人工", choice) for choice in visitor.choices)
    visitor.shot("e-unknown")


@BOTH
def test_f_a_person_at_night(lang: str, night: Running, patient: Arrive, nurse: ArriveNurse) -> None:
    visitor = patient(lang, night)
    visitor.say(PERSON[lang])
    visitor.hears(
        {"en": re.compile("Nobody is on duty|nobody"), "zh": re.compile("没有人值班|无人值班|没有人")}[lang]
    )
    visitor.say(PHONE[lang])
    visitor.shot("f-night")
    staff = nurse(night)
    staff.page.locator(".item").last.click()
    expect(staff.page.locator("a[href^='tel:']").first).to_contain_text("7946", timeout=PATIENCE_MS)
    shoot(staff.page, f"f-console-{lang}")


@BOTH
@pytest.mark.parametrize("part", ["redis", "generator"])
def test_g_a_part_is_killed_while_the_emergency_is_said(
    lang: str, part: str, day: Running, patient: Arrive, nurse: ArriveNurse
) -> None:
    """The generator is not configured here, which is the same as dead; Redis is stopped in its tracks."""
    staff = nurse(day)
    expect(staff.page.locator("#count")).not_to_be_empty(timeout=PATIENCE_MS)
    waiting = staff.page.locator(".item.emergency").count()
    visitor = patient(lang, day)
    visitor.say(BOOK[lang])
    redis = day.redis()
    if part == "redis":
        day.pause(redis)
    try:
        visitor.say(CHEST[lang])
        expect(visitor.page.locator(".banner.is-emergency")).to_be_visible(timeout=PATIENCE_MS)
        expect(staff.page.locator(".item.emergency")).to_have_count(waiting + 1, timeout=PATIENCE_MS)
        visitor.shot(f"g-{part}")
    finally:
        redis.resume()
