"""TriagePolicy over everything: in a form, in a question, at the start; and quiet for everything else."""

from __future__ import annotations

import pytest

from bot.dialogue.policy import triage_owns
from bot.messages import ReplyKind
from tests.dialogue.world import World


@pytest.mark.parametrize(
    ("metadata", "owns"),
    [
        ({"already_said": ["emergency"]}, True),
        ({"already_said": ["crisis"]}, True),
        ({"already_said": ["discreet"]}, True),
        ({"level": "emergency"}, True),
        ({"already_said": ["urgent"], "level": "urgent"}, False),
        ({"already_said": ["notice"]}, False),
        ({"level": "routine"}, False),
        ({}, False),
    ],
)
def test_which_messages_triage_owns(metadata: dict[str, object], owns: bool) -> None:
    assert triage_owns(metadata) is owns


@pytest.mark.parametrize(
    ("start", "form", "alarm"),
    [
        (
            "I need an appointment",
            "booking_form",
            "actually my chest feels tight and my left arm has gone numb",
        ),
        ("我想预约", "booking_form", "我胸口发紧，左胳膊也麻了"),
        ("I've had a headache since yesterday", "symptom_check_form", "I can't breathe"),
        ("我从昨天开始头疼", "symptom_check_form", "我喘不上气了"),
        ("please call me back", "callback_form", "I have crushing chest pain"),
    ],
)
async def test_in_the_middle_of_a_form_nothing_talks_over_the_emergency(
    world: World, start: str, form: str, alarm: str
) -> None:
    await world.say(start)
    assert await world.form() == form
    sink = await world.say(alarm, already_said=["emergency"])
    assert sink.replies == []
    assert await world.form() == form, "the form waits where it was"
    after = await world.say("what can you do?" if start.isascii() else "你能做什么")
    if form == "booking_form":
        assert after.replies[-1].kind is ReplyKind.EMERGENCY, "an emergency books nothing, and says so"
    else:
        assert after.replies[-1].kind is ReplyKind.QUESTION, "and asks its question again"


async def test_an_emergency_that_was_not_answered_yet_is_answered_here(world: World) -> None:
    sink = await world.say("hello", assessment={"level": "emergency", "rules": []})
    assert sink.replies[0].kind is ReplyKind.EMERGENCY
    assert "999" in sink.replies[0].text and sink.replies[0].phones[0].number == "999"


async def test_after_an_urgent_reply_the_symptom_check_goes_on(world: World) -> None:
    sink = await world.say("I have a fever and a headache", already_said=["urgent"])
    assert await world.form() == "symptom_check_form"
    assert sink.replies[-1].kind is ReplyKind.QUESTION


async def test_after_a_crisis_reply_nothing_is_asked(world: World) -> None:
    sink = await world.say("I want to end my life", already_said=["crisis"])
    assert sink.replies == []
