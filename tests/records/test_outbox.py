"""The outbox: at least once, in order per conversation, with backoff, over restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.records.outbox import LEASE_SECONDS, Backoff, Job, Permanent, Retry
from bot.records.tables import outbox
from tests.stores import Stores, again

STEADY = Backoff(base=1.0, cap=8.0, attempts=5)


class Receiver:
    """A handler that keeps what arrived and fails as it is told."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.tried: list[str] = []
        self.failures: dict[str, list[Exception]] = {}

    async def __call__(self, topic: str, key: str, payload: dict[str, Any]) -> None:
        self.tried.append(key)
        if self.failures.get(key):
            raise self.failures[key].pop(0)
        self.got.append(payload["text"])


async def put(stores: Stores, *keys: str, conversation: str | None = None, **kw: Any) -> None:
    async with stores.database.begin() as conn:
        for key in keys:
            await stores.outbox.enqueue(conn, Job("t", key, {"text": key}, conversation=conversation, **kw))


def worker_of(stores: Stores, handler: Any, **kw: Any) -> Any:
    return stores.outbox.worker({"t": handler}, backoff=STEADY, chance=lambda: 0.0, **kw)


async def test_rows_are_delivered_once_and_an_equal_key_is_no_new_row(stores: Stores) -> None:
    receiver = Receiver()
    worker = worker_of(stores, receiver)
    await put(stores, "a", "b", "a")
    assert await stores.outbox.unfinished() == 2
    assert await worker.drain() == 2
    await put(stores, "a")
    assert await worker.drain() == 0
    assert sorted(receiver.got) == ["a", "b"]
    assert await stores.outbox.unfinished() == 0


async def test_a_rolled_back_transaction_sends_nothing(stores: Stores) -> None:
    receiver = Receiver()
    worker = worker_of(stores, receiver)
    with pytest.raises(ZeroDivisionError):
        async with stores.database.begin() as conn:
            await stores.outbox.enqueue(conn, Job("t", "a", {"text": "a"}))
            raise ZeroDivisionError
    assert await worker.drain() == 0


async def test_a_failing_row_holds_back_its_own_conversation_only(stores: Stores) -> None:
    one, two = await stores.conversation("1"), await stores.conversation("2")
    receiver = Receiver()
    receiver.failures["a1"] = [Retry("rate_limited", after=3.0), ValueError("the patient's words")]
    worker = worker_of(stores, receiver)
    await put(stores, "a1", "a2", "a3", conversation=one.id)
    await put(stores, "b1", "b2", conversation=two.id)
    await worker.drain()
    assert receiver.got == ["b1", "b2"]
    stores.clock.pass_(seconds=2.9)
    assert await worker.drain() == 0
    stores.clock.pass_(seconds=0.1)
    await worker.drain()  # fails again, unexpectedly: second attempt, so two seconds and a half of jitter
    row = next(row for row in await stores.rows(outbox) if row["key"] == "a1")
    assert (row["attempts"], row["error_code"]) == (2, "ValueError")
    stores.clock.pass_(seconds=1)
    await worker.drain()
    assert receiver.got == ["b1", "b2", "a1", "a2", "a3"]


async def test_a_permanent_error_is_dead_at_once_and_its_successors_go_on(stores: Stores) -> None:
    conversation = await stores.conversation()
    receiver, dead = Receiver(), []
    receiver.failures["a"] = [Permanent("blocked")]
    worker = worker_of(stores, receiver, on_dead=lambda *row: dead.append(row))
    await put(stores, "a", "b", conversation=conversation.id)
    await worker.drain()
    assert (receiver.got, dead) == (["b"], [("t", "a", "blocked")])
    row = next(row for row in await stores.rows(outbox) if row["key"] == "a")
    assert (row["done_at"], row["dead_at"], row["error_code"]) == (None, stores.clock(), "blocked")


async def test_a_row_is_given_up_after_its_attempts(stores: Stores) -> None:
    receiver = Receiver()
    receiver.failures["a"] = [Retry("down") for _ in range(9)]
    worker = worker_of(stores, receiver)
    await put(stores, "a")
    for _ in range(9):
        await worker.drain()
        stores.clock.pass_(minutes=1)
    assert receiver.tried == ["a"] * STEADY.attempts
    assert await stores.outbox.unfinished() == 0


def test_backoff_doubles_to_its_cap_with_jitter_below_it() -> None:
    assert [STEADY.delay(attempt, 1.0) for attempt in (1, 2, 3, 4, 5, 99)] == [1, 2, 4, 8, 8, 8]
    assert STEADY.delay(3, 0.0) == 2.0


async def test_what_a_dead_process_held_is_delivered_by_its_next_start(stores: Stores) -> None:
    receiver = Receiver()
    await put(stores, "a")
    assert len(await worker_of(stores, receiver, name="w1")._claim(1)) == 1  # claimed, then killed
    reopened = await again(stores.database, stores.clock)
    other, same = (worker_of(reopened, receiver, name=name) for name in ("w2", "w1"))
    await other.recover()
    assert await other.drain() == 0  # a living neighbour's row is not taken away
    await same.recover()
    assert await same.drain() == 1
    assert receiver.got == ["a"]
    await reopened.database.close()


async def test_what_a_dead_process_held_is_free_for_all_when_its_lease_ends(stores: Stores) -> None:
    receiver = Receiver()
    await put(stores, "a")
    await worker_of(stores, receiver, name="w1")._claim(1)
    stores.clock.pass_(seconds=LEASE_SECONDS + 1)
    assert await worker_of(stores, receiver, name="w2").drain() == 1


async def test_workers_side_by_side_share_the_rows(stores: Stores) -> None:
    conversations = [(await stores.conversation(str(number))).id for number in range(6)]
    receiver = Receiver()
    for conversation in conversations:
        await put(stores, *(f"{conversation[:6]} {i}" for i in range(5)), conversation=conversation)
    reopened = await again(stores.database, stores.clock)
    workers = [worker_of(stores, receiver, name="w1"), worker_of(reopened, receiver, name="w2")]
    await asyncio.gather(*(worker.drain() for worker in workers))
    await workers[0].drain()
    assert len(receiver.got) == len(set(receiver.got)) == 30
    for conversation in conversations:
        mine = [text for text in receiver.got if text.startswith(conversation[:6])]
        assert mine == sorted(mine)
    await reopened.database.close()


async def test_a_running_worker_wakes_on_commit_and_stops_when_told(stores: Stores) -> None:
    arrived = asyncio.Event()

    async def handler(topic: str, key: str, payload: dict[str, Any]) -> None:
        arrived.set()

    worker = worker_of(stores, handler)
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    await put(stores, "a")
    async with asyncio.timeout(10):
        await arrived.wait()
        worker.stop()
        await task
    assert await stores.outbox.unfinished() == 0


async def test_a_topic_without_handler_waits_and_blocks_nobody(stores: Stores) -> None:
    conversation = await stores.conversation()
    receiver = Receiver()
    async with stores.database.begin() as conn:
        await stores.outbox.enqueue(conn, Job("later", "x", {"text": "x"}, conversation=conversation.id))
    await put(stores, "a", conversation=conversation.id)
    await worker_of(stores, receiver).drain()
    assert receiver.got == ["a"]
    assert await stores.outbox.unfinished() == 1


async def test_a_row_can_be_delayed(stores: Stores) -> None:
    receiver = Receiver()
    worker = worker_of(stores, receiver)
    await put(stores, "a", delay=60)
    assert await worker.drain() == 0
    stores.clock.pass_(seconds=60)
    assert await worker.drain() == 1


async def test_a_tampered_payload_is_not_delivered_and_not_swallowed(stores: Stores) -> None:
    receiver = Receiver()
    await put(stores, "a")
    async with stores.database.begin() as conn:
        await conn.execute(outbox.update().values(payload_enc=b"\x01\x02k1" + b"x" * 40))
    await worker_of(stores, receiver).drain()
    (row,) = await stores.rows(outbox)
    assert (receiver.tried, row["done_at"], row["error_code"]) == ([], None, "CipherError")


async def test_a_worker_outlives_a_fault_of_the_database(
    stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = asyncio.Event()

    async def handler(topic: str, key: str, payload: dict[str, Any]) -> None:
        arrived.set()

    worker = worker_of(stores, handler)
    claim, faults = worker._claim, [ZeroDivisionError("the patient's words")]

    async def faulty(limit: int) -> Any:
        if faults:
            worker.wake()
            raise faults.pop()
        return await claim(limit)

    monkeypatch.setattr(worker, "_claim", faulty)
    await put(stores, "a")
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        await arrived.wait()
        worker.stop()
        await task
    assert "ZeroDivisionError" in caplog.text
    assert "words" not in caplog.text
