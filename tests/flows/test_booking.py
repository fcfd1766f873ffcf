"""Whole bookings as conversations: changes of mind, slots lost, holds ended, other questions, both languages.

It is Monday 23 November 2026, 8:00 in London.
"""

from __future__ import annotations

import datetime as dt
import json
import random

import pytest

from bot.appointments.service import Calendar
from bot.dialogue.booking import Booking
from bot.dialogue.booking_words import read_name
from bot.dialogue.flow import Step
from bot.messages import ReplyKind
from tests.appointments.conftest import MovableClock

C = "c_1"


async def say(booking: Booking, step: Step, *texts: str, lang: str = "en", intent: str | None = None) -> Step:
    """Send messages one by one, each through JSON as the dialogue stores it."""
    for text in texts:
        step = await booking.answer(json.loads(json.dumps(step.state)), text, lang, intent)
    return step


async def booked(booking: Booking, when: str = "tomorrow", lang: str = "en", conversation: str = C) -> Step:
    words = {"en": ("I need a check-up", "Ann Lee", "yes"), "zh": ("我想做体检", "李小红", "可以")}[lang]
    step = await booking.start(conversation, lang, text=words[0])
    return await say(
        booking, step, when, {"en": "the first one", "zh": "第一个"}[lang], words[1], words[2], lang=lang
    )


async def test_a_whole_booking(booking: Booking, calendar: Calendar) -> None:
    step = await booking.start(C, "en", text="Can I book a check-up for tomorrow afternoon?")
    assert step.state["stage"] == "slot" and len(step.replies[0].buttons) == 4
    step = await say(booking, step, "the second one")
    assert "10 minutes" in step.replies[0].text
    step = await say(booking, step, "my name is Ann Lee")
    assert "Name: Ann Lee" in step.replies[0].text
    step = await say(booking, step, "yes please")
    assert step.done
    reply = step.replies[0]
    assert reply.kind is ReplyKind.BOOKING and reply.attachment is not None
    visit = (await calendar.list(C))[0]
    assert visit.name == "Ann Lee" and reply.attachment.path == visit.ics_path
    assert await calendar.ics_by_token(
        reply.attachment.path.removeprefix("/appointments/").removesuffix(".ics")
    )
    assert "Ann" not in json.dumps(step.state)


async def test_a_whole_booking_in_chinese(booking: Booking, calendar: Calendar) -> None:
    step = await booking.start(C, "zh", findings=[{"id": "rash"}], text="身上起疹子，想约医生")
    assert step.state["department"] == "skin"
    step = await say(booking, step, "下周四上午", "第二个", "我叫王小明", lang="zh")
    assert "姓名：王小明" in step.replies[0].text
    step = await say(booking, step, "可以，就这样约", lang="zh")
    assert step.done and "12月3日（周四）" in step.replies[0].text
    assert (await calendar.list(C))[0].name == "王小明"


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_every_button_is_understood(booking: Booking, lang: str) -> None:
    """Each button of each question, pressed."""
    first = await booking.start(C, lang)
    pending, seen = [first], set()
    while pending:
        step = pending.pop()
        for button in step.replies[0].buttons:
            after = await say(booking, step, button.payload, lang=lang)
            assert after.understood, (step.state["stage"], button.payload)
            key = (step.state["stage"], button.title)
            if not after.done and key not in seen and len(seen) < 60:
                seen.add(key)
                pending.append(after)
        if step.state["stage"] == "name":
            pending.append(await say(booking, step, {"en": "Ann Lee", "zh": "李小红"}[lang], lang=lang))
    assert {stage for stage, _ in seen} >= {"department", "when", "slot", "confirm", "change"}


@pytest.mark.parametrize(
    ("findings", "profile", "text", "department"),
    [
        (["rash"], {}, "", "skin"),
        (["rash"], {"age_years": 4.0}, "", "paediatrics"),
        (["cough"], {"age_max": 2.0}, "", "paediatrics"),
        (["missed_period"], {}, "", "womens_health"),
        (["cough"], {}, "", "general"),
        (["rash"], {}, "I want the women's health clinic", "womens_health"),
        ([], {}, "I'd like a check-up", "general"),
        ([], {}, "我想看儿科", "paediatrics"),
        ([], {}, "I want to see Dr Novak", "skin"),
        ([], {}, "I'd like to see a skin doctor", "skin"),
        ([], {}, "挂皮肤科", "skin"),
        ([], {}, "somebody for children please", "paediatrics"),
    ],
)
async def test_the_department_follows_from_what_is_known(
    booking: Booking, findings: list[str], profile: dict[str, float], text: str, department: str
) -> None:
    step = await booking.start(C, "en", findings=[{"id": f} for f in findings], profile=profile, text=text)
    assert step.state["department"] == department


async def test_two_readings_of_next_tuesday(booking: Booking) -> None:
    step = await booking.start(C, "en", text="a check-up next Tuesday morning please")
    assert step.state["stage"] == "reading"
    assert [b.title for b in step.replies[0].buttons] == ["Tuesday 24 November", "Tuesday 1 December"]
    step = await say(booking, step, "Tuesday 1 December")
    assert all(row["start"].startswith("2026-12-01") for row in step.state["offers"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("yesterday", "Sunday 22 November has passed"),
        ("30 February", "no 30 February"),
        ("25 December", "holiday"),
        ("Sunday", "closed"),
        ("3 September", "too far"),
    ],
)
async def test_days_that_cannot_be_had_are_named(booking: Booking, text: str, hint: str) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), text)
    assert hint in step.replies[0].text and step.state["stage"] == "when"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("the 2nd", 1), ("second one please", 1), ("2", 1), ("the last one", 2), ("the 9:30 one", 0), ("10:30am", 1),
        ("第二个", 1), ("我要第三个", 2), ("上午10:30那个", 1), ("11点半", 2), ("the middle one", 1),
    ],
)  # fmt: skip
async def test_ways_to_pick_an_offer(booking: Booking, text: str, start: int) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), "Wednesday between 9:30 and 12")
    offered = step.state["offers"]
    assert [o["start"][11:16] for o in offered] == ["09:30", "10:30", "11:30"]
    step = await say(booking, step, text)
    assert step.state["stage"] == "name" and step.state["chosen"] == offered[start]


async def test_somebody_is_faster(booking: Booking, calendar: Calendar) -> None:
    mine = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow at 9am")
    other = await say(booking, await booking.start("c_2", "en", text="check-up"), "tomorrow at 9am", "1")
    assert other.state["stage"] == "name"
    mine = await say(booking, mine, "the first one")
    assert "someone has just taken that time" in mine.replies[0].text
    taken = other.state["chosen"]
    assert mine.state["stage"] == "slot" and taken not in mine.state["offers"]
    mine = await say(booking, mine, "1", "Ann Lee", "yes")
    assert mine.done and len(await calendar.list(C)) == 1


async def test_a_hold_that_ran_out_is_booked_where_still_free(
    booking: Booking, calendar: Calendar, clock: MovableClock
) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow", "1", "Ann Lee")
    clock.forward(minutes=30)
    step = await say(booking, step, "yes")
    assert step.done and step.replies[0].kind is ReplyKind.BOOKING
    assert (await calendar.list(C))[0].name == "Ann Lee"


async def test_a_hold_that_ran_out_and_is_gone_is_said_so(booking: Booking, clock: MovableClock) -> None:
    step = await say(
        booking, await booking.start(C, "en", text="check-up"), "tomorrow at 9am", "1", "Ann Lee"
    )
    clock.forward(minutes=30)
    await say(booking, await booking.start("c_2", "en", text="check-up"), "tomorrow at 9am", "1")
    step = await say(booking, step, "yes")
    assert not step.done and "someone else has it now" in step.replies[0].text
    assert step.state["stage"] == "slot"


async def test_a_question_in_the_middle_is_left_to_the_dialogue(booking: Booking) -> None:
    step = await booking.start(C, "en", text="check-up")
    texts = ["what does it cost?", "my chest feels tight", "where are you?"]
    for stage, move in (("when", "tomorrow"), ("slot", "1"), ("name", "Ann Lee"), ("confirm", "")):
        assert step.state["stage"] == stage
        for text in texts:
            aside = await say(booking, step, text)
            assert not aside.understood and aside.replies == (), (stage, text)
            first = await booking.ask_again(aside.state, "en")
            second = await booking.ask_again(first.state, "en")
            assert first.replies[0].text != second.replies[0].text
            assert first.state["stage"] == stage
        if move:
            step = await say(booking, step, move)


async def test_a_change_of_mind_at_the_last_moment(booking: Booking, calendar: Calendar) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow", "1", "Ann Lee")
    step = await say(booking, step, "no", "a different time", "Thursday afternoon", "2")
    assert step.state["stage"] == "confirm" and "Name: Ann Lee" in step.replies[0].text
    step = await say(booking, step, "no", "the name", "Anna Lee", "yes")
    assert step.done
    visits = await calendar.list(C)
    assert [v.name for v in visits] == ["Anna Lee"]
    assert visits[0].starts_at.date() == dt.date(2026, 11, 26)


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "never mind"), ("en", "don't book"), ("zh", "算了"), ("zh", "不约了")]
)
async def test_stopping_lets_the_time_go(booking: Booking, calendar: Calendar, lang: str, text: str) -> None:
    step = await booking.start(C, lang, text={"en": "check-up", "zh": "体检"}[lang])
    step = await say(booking, step, {"en": "tomorrow at 9am", "zh": "明天上午9点"}[lang], "1", lang=lang)
    step = await say(booking, step, text, lang=lang)
    assert step.done and await calendar.list(C) == ()
    other = await say(booking, await booking.start("c_2", "en", text="check-up"), "tomorrow at 9am", "1")
    assert other.state["stage"] == "name"


async def test_an_emergency_books_nothing(booking: Booking, calendar: Calendar) -> None:
    step = await booking.start(C, "en", level="emergency", text="check-up tomorrow")
    assert (
        step.done
        and step.replies[0].kind is ReplyKind.EMERGENCY
        and step.replies[0].phones[0].number == "999"
    )
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow", "1", "Ann Lee")
    step = await booking.answer(step.state, "yes", "en", level="emergency")
    assert step.done and await calendar.list(C) == ()


async def test_urgent_sees_today_or_the_phone(booking: Booking, clock: MovableClock) -> None:
    step = await booking.start(C, "en", level="urgent", findings=[{"id": "cough"}])
    assert step.state["stage"] == "slot" and "today" in step.replies[0].text
    assert {row["start"][:10] for row in step.state["offers"]} == {"2026-11-23"}
    step = await say(booking, step, "next Thursday would be better")
    assert step.done or {row["start"][:10] for row in step.state["offers"]} == {"2026-11-23"}
    clock.forward(hours=12)
    step = await booking.start(C, "en", level="urgent", findings=[{"id": "cough"}])
    assert step.done and {p.number for p in step.replies[0].phones} == {"+442079460000", "111"}


async def test_none_of_these_offers_others_and_then_asks(booking: Booking) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow")
    shown = list(step.state["offers"])
    for _ in range(12):
        step = await say(booking, step, "none of these")
        if step.state["stage"] == "when":
            break
        assert not [o for o in step.state["offers"] if o in shown]
        shown += step.state["offers"]
    assert step.state["stage"] == "when"


async def test_the_doctor_asked_for(booking: Booking) -> None:
    step = await booking.start(C, "en", text="a check-up with Dr Patel tomorrow")
    assert {o["clinician"] for o in step.state["offers"]} == {"patel"}
    step = await booking.start(C, "en", text="a check-up with Dr Patel on Saturday")
    assert "Dr Asha Patel has nothing free then" in step.replies[0].text
    assert {o["clinician"] for o in step.state["offers"]} == {"chen"}


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_list_move_and_cancel(booking: Booking, calendar: Calendar, lang: str) -> None:
    assert (await booking.list(C, lang)).done
    assert (await booking.cancel_start(C, lang)).done
    await booked(booking, {"en": "tomorrow at 9am", "zh": "明天上午9点"}[lang], lang)
    uid = (await calendar.list(C))[0].uid
    step = await booking.move_start(C, lang)
    words = {"en": ("Thursday at 4pm", "1", "yes, move it"), "zh": ("周四下午4点", "1", "可以，改吧")}[lang]
    step = await say(booking, step, *words, lang=lang)
    assert step.done
    moved = (await calendar.list(C))[0]
    assert (moved.uid, moved.sequence, moved.starts_at) == (
        uid,
        1,
        dt.datetime(2026, 11, 26, 16, tzinfo=dt.UTC),
    )
    step = await booking.cancel_start(C, lang)
    kept = await say(booking, step, {"en": "no, keep it", "zh": "不取消"}[lang], lang=lang)
    assert kept.done and len(await calendar.list(C)) == 1
    step = await say(booking, step, {"en": "Yes, cancel it", "zh": "确定取消"}[lang], lang=lang)
    assert step.done and await calendar.list(C) == ()


async def test_which_of_several_visits(booking: Booking, calendar: Calendar) -> None:
    await booked(booking, "tomorrow at 9am")
    await booked(booking, "Thursday at 4pm")
    step = await booking.cancel_start(C, "en")
    assert step.state["stage"] == "pick" and len(step.replies[0].buttons) == 2
    step = await say(booking, step, "the one on Thursday", "yes")
    assert step.done and [v.starts_at.day for v in await calendar.list(C)] == [24]
    named = await booking.cancel_start(C, "en", "cancel my visit tomorrow")
    assert named.state["stage"] == "cancel"


async def test_the_same_message_twice_books_once(booking: Booking, calendar: Calendar) -> None:
    """The process was killed after booking and before the reply: the message is handled again."""
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow")
    first = await say(booking, step, "1")
    again = await say(booking, step, "1")
    assert first.state["hold"] == again.state["hold"]
    step = await say(booking, again, "Ann Lee")
    one, two = await say(booking, step, "yes"), await say(booking, step, "yes")
    assert one.done and two.done and len(await calendar.list(C)) == 1


@pytest.mark.parametrize("name", ["Ann Lee", "José García-López", "O'Neill", "王小明", "欧阳娜娜", "Nguyễn Văn An",
                                  "Björk",
                                  "my name is Ann Lee", "I'm Tom", "我叫王小明", "姓名：李雷"])  # fmt: skip
def test_names_are_names(name: str) -> None:
    assert read_name(name)


@pytest.mark.parametrize("text", ["what does it cost?", "yes", "no", "my leg hurts", "I don't know", "tomorrow",
                                  "0171 123", "多少钱", "肚子疼", "好的", "明天可以吗",
                                  "a@b.c", "", "<script>", "stop", "x" * 200])  # fmt: skip
def test_other_things_are_not(text: str) -> None:
    assert read_name(text) is None


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_random_patients_never_get_stuck(booking: Booking, lang: str) -> None:
    """60 patients press, stop, go back and ask other things; every one ends or can go on; nothing is booked twice."""
    extra = {
        "en": [
            "go back",
            "what is your address?",
            "tomorrow",
            "next week",
            "later",
            "yes",
            "no",
            "Ann Lee",
            "2",
            "",
        ],
        "zh": ["上一步", "地址在哪", "明天", "下周", "晚一点", "可以", "不", "李小红", "2", ""],
    }[lang]
    for seed in range(60):
        rng = random.Random(seed)
        step = await booking.start(f"c_{seed}", lang)
        for _ in range(25):
            if step.done:
                break
            buttons = [b.payload for b in step.replies[0].buttons]
            text = rng.choice(buttons) if buttons and rng.random() < 0.6 else rng.choice(extra)
            state = json.loads(json.dumps(step.state))
            after = await booking.answer(state, text, lang)
            step = after if after.understood else await booking.ask_again(after.state, lang)
            assert step.replies and step.replies[0].text


async def test_an_unusual_name_is_taken_when_asked_again(booking: Booking, calendar: Calendar) -> None:
    step = await say(booking, await booking.start(C, "en", text="check-up"), "tomorrow", "1")
    first = await say(booking, step, "Will Day May")
    if not first.understood:
        first = await say(booking, await booking.ask_again(first.state, "en"), "Can")
        assert not first.understood
        first = await say(booking, await booking.ask_again(first.state, "en"), "Help Me")
        assert not first.understood
        first = await say(booking, await booking.ask_again(first.state, "en"), "Thursday October")
    assert first.state["stage"] == "confirm"


async def test_urgent_goes_to_a_general_doctor_where_the_department_has_nothing_today(
    booking: Booking, clock: MovableClock
) -> None:
    clock.forward(days=1)  # Tuesday: the skin clinic sees nobody
    step = await booking.start(C, "en", level="urgent", findings=[{"id": "rash"}])
    assert step.state["department"] == "general" and step.state["stage"] == "slot"
    assert {row["start"][:10] for row in step.state["offers"]} == {"2026-11-24"}


async def test_an_urgent_level_is_not_lowered_by_a_later_message(booking: Booking) -> None:
    step = await booking.start(C, "en", level="urgent", findings=[{"id": "cough"}])
    step = await booking.answer(step.state, "next Tuesday would be better", "en", level="none")
    assert {row["start"][:10] for row in step.state["offers"]} == {"2026-11-23"}


async def test_the_time_one_holds_oneself_can_be_chosen_again(booking: Booking) -> None:
    step = await say(
        booking, await booking.start(C, "en", text="check-up"), "tomorrow at 9am", "1", "Ann Lee"
    )
    step = await say(booking, step, "no", "a different time", "tomorrow at 9am")
    assert [row["start"][11:16] for row in step.state["offers"]] == ["09:00"]
    step = await say(booking, step, "1", "yes")
    assert step.done
