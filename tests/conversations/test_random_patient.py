"""Two hundred walks of the scripted patient: no fault, no silence, nothing twice in a row, no way in without a way out,
and every visit that was said to be booked is in the calendar.
"""

from __future__ import annotations

import random

import pytest

from bot.messages import Reply, ReplyKind
from tests.conversations.patient import STOP, Patient
from tests.dialogue.world import World

WALKS, TURNS, SEED = 100, 12, 41
"""Per language; so few turns that the whole stays under a minute on two cores."""


def _must_differ(replies: list[Reply], last: str | None, place: object) -> str | None:
    for reply in replies:
        assert reply.text.strip() and reply.text != last, (place, reply.text)
        last = reply.text
    return last


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_a_patient_who_does_as_they_like_is_never_lost(world: World, lang: str) -> None:
    for walk in range(WALKS):
        chance = random.Random(SEED * 1000 + walk)
        patient, conversation = Patient(chance, lang), f"c_{lang}_{walk}"
        said, last, said_booked = [patient.opening()], None, 0
        for turn in range(TURNS):
            alarmed = ["emergency"] if turn and world.emergency(said[-1], conversation) else []
            sink = await world.say(said[-1], conversation=conversation, already_said=alarmed)
            assert sink.replies or alarmed, said
            last = _must_differ(sink.replies, last, said)
            said_booked += sum(r.kind is ReplyKind.BOOKING and r.attachment is not None for r in sink.replies)
            said.append(patient.next(sink.replies))
        booked = await world.calendar.list(conversation)
        assert bool(booked) == bool(said_booked) or "cancel" in " ".join(said), said
        await world.say(STOP[lang], conversation=conversation)
        if await world.form(conversation):
            await world.say(STOP[lang], conversation=conversation)
        assert await world.form(conversation) is None, said
