"""The tracker store: appended, sealed, bounded; a stale writer refused; nothing silently in memory."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import warnings
from pathlib import Path

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, BotUttered, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.records.crypto import Cipher
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.errors import SessionConflict, SessionsDown
from bot.sessions.tracker_store import FOLD_AT_EVENTS, KEEP_EVENTS, CarelineTrackerStore

HANGS_S = 5.0
"""A store without a time limit would wait here for good; two limits of 0.2 s are far below on any day."""
CANARY = "zebra-canary-my-left-arm"
DOMAIN_TEXT = """
version: "3.1"
intents: [greet]
slots:
  consent: {type: any, influence_conversation: false, mappings: [{type: custom}]}
  symptom_state: {type: any, influence_conversation: false, mappings: [{type: custom}]}
  screened: {type: any, influence_conversation: false, mappings: [{type: custom}]}
forms: {booking_form: {required_slots: [consent]}}
actions: [action_talk]
"""
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Rasa advises on slots at every load
    DOMAIN = Domain.from_yaml(DOMAIN_TEXT)


@pytest.fixture
def store(sessions: Sessions, cipher: Cipher) -> CarelineTrackerStore:
    made = CarelineTrackerStore(sessions, cipher)
    made.domain = DOMAIN
    return made


def turn(n: int, text: str = "hello") -> list[Event]:
    """The events of one turn."""
    return [
        ActionExecuted("action_listen"),
        UserUttered(text, intent={"name": "greet", "confidence": 1.0}, message_id=f"m{n}"),
        ActionExecuted("action_talk"),
        BotUttered(f"answer {n}", data={"custom": {"reply": {"for": f"m{n}"}}}),
    ]


async def say(
    store: CarelineTrackerStore, n: int, *extra: Event, text: str = "hello"
) -> DialogueStateTracker:
    """One turn as Rasa does it: read, add, save."""
    tracker = await store.retrieve("c_1") or store.init_tracker("c_1")
    tracker.update_with_events([*turn(n, text), *extra], DOMAIN)
    await store.save(tracker)
    return tracker


async def test_a_conversation_comes_back_whole(store: CarelineTrackerStore) -> None:
    await say(store, 1, SlotSet("consent", "given"), text="你好")
    await say(store, 2, ActiveLoop("booking_form"), SlotSet("symptom_state", {"q": [1, 2]}))
    tracker = await store.retrieve("c_1")
    assert tracker is not None
    assert [e.text for e in tracker.events if isinstance(e, UserUttered)] == ["你好", "hello"]
    assert tracker.get_slot("consent") == "given" and tracker.get_slot("symptom_state") == {"q": [1, 2]}
    assert tracker.active_loop_name == "booking_form"
    assert tracker.latest_message is not None and tracker.latest_message.message_id == "m2"
    assert await store.retrieve("c_unknown") is None


async def test_a_turn_appends_and_rewrites_nothing(store: CarelineTrackerStore, sessions: Sessions) -> None:
    sizes = []
    for n in range(12):
        await say(store, n)
        sizes.append(len(await sessions.client.lindex("careline:{c_1}:events", -1)))
    assert await sessions.client.llen("careline:{c_1}:events") == 12
    assert max(sizes[1:]) < 1.2 * min(sizes[1:])


async def test_a_long_conversation_stays_small_and_keeps_what_matters(
    store: CarelineTrackerStore, sessions: Sessions
) -> None:
    await say(store, 0, SlotSet("consent", "given"), ActiveLoop("booking_form"))
    for n in range(1, 200):
        await say(store, n)
    tracker = await store.retrieve("c_1")
    assert tracker is not None
    assert len(tracker.events) <= FOLD_AT_EVENTS + KEEP_EVENTS
    assert tracker.get_slot("consent") == "given"
    assert tracker.active_loop_name == "booking_form"
    assert tracker.latest_message is not None and tracker.latest_message.message_id == "m199"
    first = next(e for e in tracker.events if isinstance(e, UserUttered))
    before = tracker.events[list(tracker.events).index(first) - 1]
    assert isinstance(before, ActionExecuted) and before.action_name == "action_listen"


async def test_turn_500_costs_what_turn_50_costs(store: CarelineTrackerStore, sessions: Sessions) -> None:
    """Cost is counted in bytes and commands between us and Redis: a clock would judge the machine's day."""

    async def work() -> tuple[int, int]:
        told = await sessions.client.info("stats")
        traffic = int(told["total_net_input_bytes"]) + int(told["total_net_output_bytes"])
        return traffic, int(told["total_commands_processed"])

    async def average(numbers: range) -> tuple[float, float]:
        before = await work()
        for n in numbers:
            await say(store, n)
        after = await work()
        return (after[0] - before[0]) / len(numbers), (after[1] - before[1]) / len(numbers)

    await average(range(0, 40))
    early = await average(range(40, 140))
    await average(range(140, 440))
    late = await average(range(440, 540))
    assert late[0] < 1.5 * early[0]
    assert late[1] < 1.2 * early[1]


async def test_of_two_writers_the_slower_is_refused(store: CarelineTrackerStore) -> None:
    await say(store, 1)
    one, two = await store.retrieve("c_1"), await store.retrieve("c_1")
    assert one is not None and two is not None
    one.update_with_events(turn(2), DOMAIN)
    two.update_with_events(turn(3), DOMAIN)
    await store.save(one)
    with pytest.raises(SessionConflict):
        await store.save(two)
    final = await store.retrieve("c_1")
    assert final is not None and final.latest_message is not None
    assert final.latest_message.message_id == "m2"


async def test_the_open_question_is_read_without_the_conversation(store: CarelineTrackerStore) -> None:
    assert await store.brief("c_1") == {}
    await say(store, 1, SlotSet("screened", ["fever", "rash"]))
    assert await store.brief("c_1") == {"screened": ["fever", "rash"]}
    await say(store, 2, SlotSet("screened", []))
    assert await store.brief("c_1") == {}


async def test_forgetting_leaves_nothing(store: CarelineTrackerStore, sessions: Sessions) -> None:
    await say(store, 1, SlotSet("screened", ["fever"]))
    await store.delete("c_1")
    assert await store.retrieve("c_1") is None
    assert await sessions.client.keys("*c_1*") == []


async def test_everything_has_a_time_to_live(store: CarelineTrackerStore, sessions: Sessions) -> None:
    await say(store, 1, SlotSet("screened", ["fever"]))
    for key in await sessions.client.keys("*"):
        assert 0 < await sessions.client.ttl(key) <= 30 * 24 * 3600


async def test_patient_text_is_in_no_file_of_redis(
    store: CarelineTrackerStore, sessions: Sessions, tmp_path: Path
) -> None:
    await say(store, 1, SlotSet("symptom_state", {"words": CANARY}), text=CANARY)
    await asyncio.sleep(1.2)
    await sessions.client.save()
    files = [p for p in (tmp_path / "redis").rglob("*") if p.is_file()]
    assert any(b"careline:{c_1}:events" in p.read_bytes() for p in files)
    assert not any(CANARY.encode() in p.read_bytes() for p in files)


async def test_a_hanging_redis_gives_a_typed_error_soon(
    redis: EmbeddedRedis, store: CarelineTrackerStore
) -> None:
    tracker = await say(store, 1)
    tracker.update_with_events(turn(2), DOMAIN)
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(SessionsDown):
        await store.save(tracker)
    with pytest.raises(SessionsDown):
        await store.retrieve("c_1")
    assert time.monotonic() - began < HANGS_S
    os.kill(redis.pid, signal.SIGCONT)
