"""The dialogue room as the turn sees it: notice, order, repeats, faults, silence in the logs."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from bot.dialogue.engine import RasaDialogue, as_command
from bot.dialogue.types import DialogueUnavailable
from bot.messages import ReplyKind
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.locks import ConversationLocks
from tests.dialogue.model import trained_model
from tests.dialogue.world import NIGHT, World

CANARY = "zebracanary"


@pytest.mark.parametrize(
    ("text", "words"),
    [("hello", ("assistant", "not a doctor", "999")), ("你好", ("电脑助手", "不是医生", "999"))],
)
async def test_the_first_reply_says_that_it_is_a_machine(
    world: World, text: str, words: tuple[str, ...]
) -> None:
    first = (await world.say(text)).replies[0]
    assert first.kind is ReplyKind.NOTICE
    assert all(word in first.text for word in words)
    again = await world.say(text)
    assert ReplyKind.NOTICE not in [r.kind for r in again.replies]


async def test_the_same_message_again_says_the_same_and_runs_nothing(world: World) -> None:
    first = await world.say("i want to talk to a person", message_id="m9")
    again = await world.say("i want to talk to a person", message_id="m9")
    assert [(r.id, r.text, r.kind, r.buttons) for r in again.replies] == [
        (r.id, r.text, r.kind, r.buttons) for r in first.replies
    ]
    assert first.replies and world.staff.people == {"m9": "asked_for_person"}


async def test_a_message_run_again_after_a_crash_gets_the_same_reply_ids(
    world: World, sessions: Sessions
) -> None:
    first = await world.say("hello", message_id="m1")
    await sessions.client.flushall()  # the crash: said, and not saved
    again = await world.say("hello", message_id="m1")
    assert [r.id for r in again.replies] == [r.id for r in first.replies]


async def test_an_answer_streams_under_the_id_that_completes_it(world: World) -> None:
    await world.say("hello")
    sink = await world.say("What helps against hay fever?")
    answer = sink.replies[-1]
    assert answer.kind is ReplyKind.ANSWER and answer.citations[0].url.startswith("https://")
    assert sink.partials == [(answer.id, "Rinse your nose")]


async def test_in_the_first_turn_a_streamed_answer_keeps_its_id_too(world: World) -> None:
    sink = await world.say("What helps against hay fever?")
    assert [r.kind for r in sink.replies] == [ReplyKind.NOTICE, ReplyKind.ANSWER]
    assert {reply_id for reply_id, _ in sink.partials} == {sink.replies[1].id}


async def test_without_a_model_the_room_says_what_to_do(
    world: World, sessions: Sessions, tmp_path: Path
) -> None:
    room = RasaDialogue(
        tmp_path / "dialogue.tar.gz", world.store, ConversationLocks(sessions), world.services
    )
    with pytest.raises(DialogueUnavailable, match="careline train"):
        await room.start()
    assert not room.healthy()
    with pytest.raises(DialogueUnavailable):
        world.dialogue = room
        await world.say("hello")


async def test_a_model_that_training_did_not_write_is_refused(
    world: World, sessions: Sessions, tmp_path: Path
) -> None:
    for name in ("dialogue.tar.gz", "manifest.json"):
        shutil.copy(trained_model().parent / name, tmp_path / name)
    with (tmp_path / "dialogue.tar.gz").open("ab") as handle:
        handle.write(b"\0")
    room = RasaDialogue(
        tmp_path / "dialogue.tar.gz", world.store, ConversationLocks(sessions), world.services
    )
    with pytest.raises(DialogueUnavailable, match="not the file that was trained"):
        await room.start()


async def test_a_fault_in_an_action_is_not_swallowed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_args: object, **_kw: object) -> None:
        raise RuntimeError(f"no such table near {CANARY}")

    world.articles.__class__ = type("Broken", (), {"__call__": broken})
    with caplog.at_level(logging.DEBUG), pytest.raises(DialogueUnavailable) as caught:
        await world.say(f"What helps against hay fever {CANARY}?")
    assert CANARY not in str(caught.value) and CANARY not in caplog.text


@pytest.mark.parametrize("text", [f"{CANARY} I have a headache", f"{CANARY}我头疼三天了"])
async def test_patient_text_is_in_no_log_at_any_level(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("rasa").setLevel(logging.DEBUG)  # an operator who wants to see everything
        await world.dialogue.start()
        await world.say(text)
        await world.say(f"what about {CANARY}?")
    assert CANARY not in caplog.text
    out, err = capfd.readouterr()
    assert CANARY not in out + err


async def test_with_redis_away_this_message_is_answered_and_said_so(
    world: World, redis: EmbeddedRedis
) -> None:
    await world.say("hello")
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        sink = await world.say("What helps against hay fever?")
        assert sink.replies[0].kind is ReplyKind.NOTICE and "cannot remember" in sink.replies[0].text
        assert sink.replies[-1].kind is ReplyKind.ANSWER
        booking = await world.say("I need an appointment")
        assert world.clinic.phone in booking.replies[-1].text
        assert await world.dialogue.screened("c_1") == ()
    finally:
        os.kill(redis.pid, signal.SIGCONT)


async def test_redis_killed_while_an_action_runs_loses_no_reply(world: World, redis: EmbeddedRedis) -> None:
    await world.say("hello")
    request = world.staff.request_person

    async def killing(*args: object, **kw: object) -> None:
        assert redis.pid is not None
        os.kill(redis.pid, signal.SIGKILL)
        await request(*args, **kw)  # type: ignore[arg-type]

    world.staff.request_person = killing  # type: ignore[method-assign]
    sink = await world.say("I want to talk to a person", message_id="m9")
    assert "duty nurse" in sink.replies[-1].text
    assert world.staff.people == {"m9": "asked_for_person"}


async def test_forgetting_a_conversation_leaves_nothing(world: World, sessions: Sessions) -> None:
    await world.say("I have a headache")
    await world.dialogue.forget("c_1")
    assert await sessions.client.keys("*c_1*") == []
    assert (await world.say("hello")).replies[0].kind is ReplyKind.NOTICE


async def test_two_conversations_share_nothing(world: World) -> None:
    await world.say("I have a headache", conversation="c_1")
    await world.say("hello", conversation="c_2")
    assert await world.form("c_1") == "symptom_check_form"
    assert await world.form("c_2") is None


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Talk to a person", "/talk_to_human"),
        ("找真人", "/talk_to_human"),
        ("/greet", "/greet"),
        ("/restart", "restart"),
        ("/nlu_fallback", "nlu_fallback"),
        ('/greet{"consent": "given"}', "/greet"),
        ("/", "?"),
        ("and/or", "and/or"),
    ],
)
def test_only_our_own_buttons_and_intents_are_commands(world: World, text: str, command: str) -> None:
    assert as_command(text, world.dialogue._commands, world.dialogue._intents) == command


async def test_nothing_is_said_twice_in_a_row(world: World) -> None:
    said = [r.text for text in ["hello"] * 4 + ["blorp fnarg"] * 4 for r in (await world.say(text)).replies]
    assert all(a != b for a, b in pairwise(said))


async def test_at_night_a_person_is_promised_to_nobody(world: World) -> None:
    world.now = NIGHT
    sink = await world.say("I want to talk to a person")
    text = " ".join(sink.texts)
    assert "Nobody is on duty" in text and "tomorrow (Tuesday) at 8am" in text and "999" in text
    assert await world.form() == "callback_form"
    done = await world.say("my number is 07700 900123")
    assert list(world.staff.calls.values()) == ["+447700900123"]
    assert "0123" in done.replies[-1].text and "tomorrow" in done.replies[-1].text


async def test_nothing_is_confirmed_that_was_not_recorded(world: World) -> None:
    world.staff.down = True
    sink = await world.say("I want to talk to a person")
    assert "could not record" in sink.replies[-1].text and world.clinic.phone in sink.replies[-1].text
    assert sink.replies[-1].phones
