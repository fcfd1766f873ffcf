"""What patients come for, end to end in this room: every intent answered, interruption and return, multi-intent."""

from __future__ import annotations

import random

import pytest
import yaml

from bot.dialogue.train import DOMAIN, RULES
from bot.messages import ReplyKind
from nlu.examples import training
from tests.dialogue.world import World

INTENTS = [
    i for i in yaml.safe_load((DOMAIN / "domain.yml").read_text(encoding="utf-8"))["intents"] if "+" not in i
]


def test_every_intent_has_exactly_one_rule() -> None:
    begins = [
        rule["steps"][0]["intent"]
        for path in sorted(RULES.glob("*.yml"))
        for rule in yaml.safe_load(path.read_text(encoding="utf-8"))["rules"]
        if "intent" in rule["steps"][0]
    ]
    domain = yaml.safe_load((DOMAIN / "domain.yml").read_text(encoding="utf-8"))["intents"]
    assert sorted(begins) == sorted(domain)


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_every_intent_is_answered_in_every_state(world: World, lang: str) -> None:
    """As a button would send it: with no form, in a booking, in a symptom check, in a call-back."""
    begin = {"": None, "book": "/book_appointment", "symptom": "/report_symptom", "call": "/request_callback"}
    for state, opening in begin.items():
        for intent in (i for i in INTENTS if i not in ("nlu_fallback", "out_of_scope")):
            conversation = f"c_{state}_{intent}"
            if opening:
                await world.say(opening, lang=lang, conversation=conversation)
            sink = await world.say(f"/{intent}", lang=lang, conversation=conversation)
            assert sink.replies, (state, intent)
            assert {r.lang for r in sink.replies} == {lang}, (state, intent)


@pytest.mark.parametrize(
    ("booking", "question", "part"),
    [
        ("I'd like to book an appointment", "what time do you open?", "Monday"),
        ("我想预约", "你们几点开门", "星期一"),
        ("I'd like to book an appointment", "What helps against hay fever?", "Rinse"),
        ("我想预约", "花粉过敏怎么缓解", "Rinse"),
    ],
)
async def test_a_question_in_a_booking_is_answered_and_booking_goes_on(
    world: World, booking: str, question: str, part: str
) -> None:
    await world.say(booking)
    sink = await world.say(question)
    assert part in sink.texts[0]
    assert len(sink.replies) == 2, "the answer, then the booking's question once"
    assert await world.form() == "booking_form"


async def test_a_complaint_and_a_booking_in_one_message_act_on_both(world: World) -> None:
    await world.say("I have a rash and want to see someone Friday")
    assert await world.intent() == "report_symptom+book_appointment"
    assert await world.form() == "symptom_check_form"
    tracker = await world.store.retrieve("c_1")
    assert tracker is not None and tracker.get_slot("topic")["kind"] == "booking"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("I've had a sore throat and a fever for three days", "symptom_check_form"),
        ("嗓子疼，发烧三天了", "symptom_check_form"),
        ("hi, my head hurts", "symptom_check_form"),
        ("My grandad had a heart attack in 2010, can I book a check-up?", "booking_form"),
        ("我爷爷2010年心梗过，我想约个体检", "booking_form"),
        ("no chest pain, just a runny nose", "symptom_check_form"),
        ("没有胸痛，就是流鼻涕", "symptom_check_form"),
        ("What helps against hay fever?", None),
        ("花粉过敏怎么缓解", None),
    ],
)
async def test_the_right_dialogue_begins(world: World, text: str, form: str | None) -> None:
    await world.say(text)
    assert await world.form() == form


async def test_a_question_that_no_article_covers_offers_a_person(world: World) -> None:
    sink = await world.say("what is the incubation period of measles")
    last = sink.replies[-1]
    assert "will not guess" in last.text and "Talk to a person" in [b.title for b in last.buttons]
    await world.say("yes please")
    assert list(world.staff.people.values()) == ["asked_for_person"]


async def test_three_misses_in_a_row_lead_to_a_person(world: World) -> None:
    sinks = [await world.say("blorp fnarg wibble") for _ in range(3)]
    assert sinks[0].replies[-1].buttons and sinks[1].replies[-1].buttons
    assert sinks[0].texts[-1] != sinks[1].texts[-1]
    assert list(world.staff.people.values()) == ["not_understood"]


async def test_stop_ends_any_form(world: World) -> None:
    for opening in ("I have a headache", "book an appointment", "please call me back"):
        await world.say(opening)
        assert await world.form() is not None
        await world.say("stop")
        assert await world.form() is None


async def test_a_call_back_gives_way_to_another_topic(world: World) -> None:
    await world.say("please call me back")
    await world.say("I need an appointment")
    assert await world.form() == "booking_form"


async def test_nobody_is_asked_for_a_number_for_ever(world: World) -> None:
    await world.say("please call me back")
    for _ in range(3):
        await world.say("where are you?")
    assert await world.form() is None


@pytest.mark.parametrize("number", ["07700 900123", "+44 7700 900123", "call me on 07700900123 please"])
async def test_a_number_is_read_as_people_write_it(world: World, number: str) -> None:
    await world.say("can someone call me back")
    await world.say(number)
    assert list(world.staff.calls.values()) == ["+447700900123"]


async def test_a_broken_number_is_asked_for_again(world: World) -> None:
    await world.say("can someone call me back")
    sink = await world.say("0770090")
    assert "full phone number" in sink.replies[-1].text and not world.staff.calls


async def test_the_chosen_language_stays(world: World) -> None:
    changed = await world.say("can we speak chinese")
    assert changed.replies[-1].lang == "zh"
    assert (await world.say("ok", lang="en")).replies[-1].lang == "zh"
    assert (await world.say("I would like to speak English again please", lang="en")).replies[-1].lang == "en"


async def test_data_wishes_are_committed_before_they_are_confirmed(world: World) -> None:
    await world.say("delete my data")
    await world.say("i withdraw my consent")
    assert list(world.staff.people.values()) == ["delete_my_data", "withdraw_consent"]


async def test_what_was_screened_is_known_to_the_turn(world: World) -> None:
    await world.say("I've had a headache since yesterday")
    seen: set[str] = set()
    for _ in range(6):
        seen |= set(await world.dialogue.screened("c_1"))
        await world.say("none of these")
    assert seen, "a symptom check screens for warning signs"


async def test_a_symptom_check_ends_in_an_outcome_and_an_offer(world: World) -> None:
    await world.say("I have a runny nose and a cough")
    for _ in range(14):
        if await world.form() is None:
            break
        sink = await world.say("i don't know")
    kinds = [r.kind for r in sink.replies]
    assert ReplyKind.OUTCOME in kinds
    assert sink.replies[-1].kind is ReplyKind.QUESTION and "appointment" in sink.replies[-1].text
    await world.say("yes please")
    assert await world.form() == "booking_form"


async def test_a_symptom_question_that_is_not_answered_is_left_open(world: World) -> None:
    await world.say("my back hurts since yesterday")
    asked = []
    for _ in range(40):
        sink = await world.say("purple monkey dishwasher")
        asked.append(sink.texts[-1])
        if await world.form() != "symptom_check_form":
            break
    assert await world.form() != "symptom_check_form", "there is a way out of every question"


@pytest.mark.parametrize(
    ("book", "choice", "name", "yes"),
    [
        (
            ["I want to book an appointment", "general practice", "tomorrow afternoon"],
            "the first one",
            "John Smith",
            "yes",
        ),
        (["我想预约", "全科", "明天下午"], "第一个", "张伟", "是的"),
    ],
)
async def test_a_booking_is_made_listed_and_cancelled(
    world: World, book: list[str], choice: str, name: str, yes: str
) -> None:
    for text in (*book, choice, name):
        await world.say(text)
    done = await world.say(yes)
    assert done.replies[0].kind is ReplyKind.BOOKING and done.replies[0].attachment is not None
    listed = await world.say("when is my appointment?" if book[0].isascii() else "我的预约是什么时候")
    assert "24" in listed.texts[0]
    await world.say("cancel my appointment" if book[0].isascii() else "取消预约")
    await world.say(yes)
    empty = await world.say("when is my appointment?" if book[0].isascii() else "我的预约是什么时候")
    assert "24" not in empty.texts[0]


async def test_a_time_after_an_offer_is_a_yes(world: World) -> None:
    await world.say("do you have anything free this week?")
    sink = await world.say("tomorrow afternoon")
    assert await world.form() == "booking_form" and sink.replies


async def test_cancelling_in_the_middle_of_a_booking_changes_over(world: World) -> None:
    await world.say("I want to book an appointment")
    sink = await world.say("actually, cancel my appointment on monday")
    assert "no booked" in sink.texts[0].lower()
    assert await world.form() is None


async def test_a_misread_second_topic_is_offered_afterwards(world: World) -> None:
    for text in ("I want to book an appointment", "general practice", "my knee hurts too"):
        await world.say(text)
    tracker = await world.store.retrieve("c_1")
    assert tracker is not None and tracker.get_slot("topic") == {"kind": "symptom"}
    for text in ("tomorrow afternoon", "the first one", "John Smith"):
        await world.say(text)
    done = await world.say("yes")
    assert "how you feel" in done.replies[-1].text
    await world.say("yes please")
    assert await world.form() == "symptom_check_form"


async def test_a_call_back_asked_for_in_a_booking_comes_after_it(world: World) -> None:
    for text in (
        "I want to book an appointment",
        "please call me back",
        "general practice",
        "tomorrow afternoon",
    ):
        await world.say(text)
    for text in ("the first one", "John Smith", "yes"):
        await world.say(text)
    assert await world.form() == "callback_form"


@pytest.mark.parametrize(
    "between", ["I can't breathe", "call me back", "what time do you open?", "I want an appointment"]
)
async def test_after_an_interruption_the_next_answer_counts(world: World, between: str) -> None:
    """Once, a flow that was interrupted by the wish for another one took the next answer for something else."""
    await world.say("i have a headache")
    await world.say(between, already_said=["emergency"] if "breathe" in between else [])
    before = await world.store.retrieve("c_1")
    sink = await world.say("none of these")
    after = await world.store.retrieve("c_1")
    assert before is not None and after is not None
    assert after.get_slot("symptom_state") != before.get_slot("symptom_state")
    assert "not understand" not in " ".join(sink.texts)


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_a_random_walk_has_no_dead_end(world: World, lang: str) -> None:
    """Three hundred messages of every kind in random order: no fault, no silence, nothing twice in a row."""
    chance = random.Random(20)
    utterances = [e.text for e in training(lang)]
    last = None
    for n in range(300):
        sink = await world.say(chance.choice(utterances), lang=lang, conversation=f"c_{n // 30}")
        assert sink.replies, n
        for reply in sink.replies:
            assert reply.text.strip() and reply.text != last
            last = reply.text
        if n % 30 == 29:
            last = None
