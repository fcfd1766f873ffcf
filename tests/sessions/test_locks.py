"""One message at a time per conversation: in order, woken at once, never held by the dead."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.locks import ConversationLocks

POLLING_S = 4.0
"""Waiters that look once a second would need at least five; woken ones need a fraction of one."""


async def hold(locks: ConversationLocks, seconds: float, log: list[str], name: str) -> None:
    async with locks.hold("c_1"):
        log.append(f"+{name}")
        await asyncio.sleep(seconds)
        log.append(f"-{name}")


def apart(log: list[str]) -> bool:
    """Whether no two holders overlapped."""
    return all(a[0] == "+" and b == f"-{a[1:]}" for a, b in zip(log[::2], log[1::2], strict=True))


async def test_waiters_are_served_in_order_without_polling(sessions: Sessions) -> None:
    locks, log = ConversationLocks(sessions), list[str]()
    began = time.monotonic()
    await asyncio.gather(*(hold(locks, 0.05, log, str(i)) for i in range(6)))
    assert [entry for entry in log if entry[0] == "+"] == [f"+{i}" for i in range(6)]
    assert apart(log)
    assert time.monotonic() - began < POLLING_S


async def test_two_processes_exclude_each_other_and_wake_at_once(
    redis: EmbeddedRedis, sessions: Sessions
) -> None:
    other_sessions = Sessions(redis.url)
    here, there, log = ConversationLocks(sessions), ConversationLocks(other_sessions), list[str]()
    began = time.monotonic()
    await asyncio.gather(
        *(hold(locks, 0.05, log, f"{i}{locks is here}") for i in range(4) for locks in (here, there))
    )
    assert len(log) == 16 and apart(log)
    assert time.monotonic() - began < POLLING_S
    await other_sessions.close()


async def test_other_conversations_do_not_wait(sessions: Sessions) -> None:
    locks = ConversationLocks(sessions)
    async with locks.hold("c_1"), asyncio.timeout(1), locks.hold("c_2"):
        pass


async def test_entering_again_inside_passes_through(sessions: Sessions) -> None:
    locks = ConversationLocks(sessions)

    async def inner() -> str:
        async with locks.hold("c_1"):
            return "inside"

    async with asyncio.timeout(2), locks.hold("c_1"):
        assert await asyncio.wait_for(inner(), 1) == "inside"  # a task of its own inherits what is held


async def test_a_dead_holder_blocks_for_its_lease_only(redis: EmbeddedRedis, sessions: Sessions) -> None:
    dead_sessions = Sessions(redis.url)
    dead = ConversationLocks(dead_sessions, lease=0.6)
    assert await dead._take("c_1", "token-of-the-dead")  # and it never renews or gives
    began = time.monotonic()
    async with ConversationLocks(sessions, lease=0.6).hold("c_1"):
        waited = time.monotonic() - began
    assert 0.2 < waited < 2.5
    await dead_sessions.close()


async def test_a_live_holder_keeps_its_lock_beyond_the_lease(
    redis: EmbeddedRedis, sessions: Sessions
) -> None:
    other_sessions = Sessions(redis.url)
    here = ConversationLocks(sessions, lease=0.4)
    there, log = ConversationLocks(other_sessions, lease=0.4), list[str]()
    await asyncio.gather(hold(here, 1.2, log, "a"), hold(there, 0.01, log, "b"))
    assert apart(log)
    await other_sessions.close()


async def test_a_waiter_that_gives_up_does_not_block_the_next(sessions: Sessions) -> None:
    locks, log = ConversationLocks(sessions), list[str]()
    first = asyncio.create_task(hold(locks, 0.2, log, "a"))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(hold(locks, 0.2, log, "b"))
    third = asyncio.create_task(hold(locks, 0.01, log, "c"))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait_for(asyncio.gather(first, third), 3)
    assert log == ["+a", "-a", "+c", "-c"]
    assert locks.waiting("c_1") == 0


async def test_an_error_inside_frees_the_conversation(sessions: Sessions) -> None:
    locks = ConversationLocks(sessions)
    with pytest.raises(ZeroDivisionError):
        async with locks.hold("c_1"):
            raise ZeroDivisionError
    async with asyncio.timeout(1), locks.hold("c_1"):
        pass


async def test_without_redis_this_process_stays_in_order(redis: EmbeddedRedis, sessions: Sessions) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    locks, log = ConversationLocks(sessions), list[str]()
    began = time.monotonic()
    await asyncio.gather(*(hold(locks, 0.02, log, str(i)) for i in range(4)))
    assert apart(log) and [e for e in log if e[0] == "+"] == [f"+{i}" for i in range(4)]
    assert time.monotonic() - began < 2.0
    os.kill(redis.pid, signal.SIGCONT)
