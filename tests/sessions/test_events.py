"""Live events: heard in this process at once, in others through Redis, here even without Redis."""

from __future__ import annotations

import asyncio
import os
import signal

from bot.records.crypto import Cipher
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.events import QUEUE_EVENTS, LiveEvents, Subscription


async def next_of(subscription: Subscription, seconds: float = 2.0) -> dict[str, object]:
    return await asyncio.wait_for(anext(subscription), seconds)


async def test_another_process_hears_an_event_once(
    redis: EmbeddedRedis, sessions: Sessions, cipher: Cipher
) -> None:
    other_sessions = Sessions(redis.url)
    here, there = LiveEvents(sessions, cipher), LiveEvents(other_sessions, cipher)
    await here.start()
    await there.start()
    await asyncio.sleep(0.2)
    async with here.subscription("queue") as own, there.subscription("queue") as foreign:
        await here.publish("queue", {"n": 1})
        await here.publish("queue", {"n": 2})
        assert [await next_of(own), await next_of(own)] == [{"n": 1}, {"n": 2}]
        assert [await next_of(foreign), await next_of(foreign)] == [{"n": 1}, {"n": 2}]
        await asyncio.sleep(0.2)
        assert own._queue.empty() and foreign._queue.empty()
    await here.close()
    await there.close()
    await other_sessions.close()


async def test_this_process_hears_without_redis(
    redis: EmbeddedRedis, sessions: Sessions, cipher: Cipher
) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    events = LiveEvents(sessions, cipher)
    async with events.subscription("c_1") as subscription:
        await asyncio.wait_for(events.publish("c_1", {"text": "hello"}), 1.0)
        assert await next_of(subscription) == {"text": "hello"}
    os.kill(redis.pid, signal.SIGCONT)


async def test_listening_goes_on_after_redis_died(
    redis: EmbeddedRedis, sessions: Sessions, cipher: Cipher
) -> None:
    other_sessions = Sessions(redis.url)
    here, there = LiveEvents(sessions, cipher), LiveEvents(other_sessions, cipher)
    await there.start()
    await asyncio.sleep(0.2)
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGKILL)
    async with there.subscription("queue") as foreign:
        for _ in range(80):
            await asyncio.sleep(0.1)
            await here.publish("queue", {"n": 1})
            if not foreign._queue.empty():
                break
        assert await next_of(foreign) == {"n": 1}
    await there.close()
    await other_sessions.close()


async def test_a_slow_subscriber_is_told_that_it_missed_something() -> None:
    events = LiveEvents()
    async with events.subscription("c_1") as subscription:
        for n in range(QUEUE_EVENTS + 1):
            await events.publish("c_1", {"n": n})
        assert await next_of(subscription) == {"type": "missed"}
        assert await next_of(subscription) == {"n": QUEUE_EVENTS}


async def test_nobody_listens_after_leaving() -> None:
    events = LiveEvents()
    async with events.subscription("c_1"):
        pass
    assert not events._local


async def test_what_travels_through_redis_is_sealed(sessions: Sessions, cipher: Cipher) -> None:
    pubsub = sessions.client.pubsub()
    await pubsub.psubscribe("*")
    events = LiveEvents(sessions, cipher)
    await events.publish("c_1", {"text": "zebra-canary"})
    seen = b""
    for _ in range(5):
        message = await pubsub.get_message(timeout=0.1)
        if message and isinstance(message["data"], bytes):
            seen += message["data"]
    await pubsub.aclose()
    assert seen and b"zebra" not in seen
