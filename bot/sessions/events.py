"""Live events: what the console and the widgets hear at once. Not a record; whoever misses one reads the database.

Subscribers of this process are served directly, whether or not Redis is there. Redis carries the events to other
processes, sealed, because they hold what patients write.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.sessions.connection import Sessions
from bot.sessions.errors import SessionsDown
from bot.sessions.keys import PREFIX, channel_key
from bot.sessions.seal import Seal

QUEUE_EVENTS = 1000
"""Events kept for one slow subscriber; beyond that its oldest ones go, and it reads the database again."""
RECONNECT_SECONDS = 1.0
LISTEN_SECONDS = 5.0
COLUMN = "session.live"
MISSED = {"type": "missed"}


class Subscription:
    """An async iterator over a channel's events. A ``{"type": "missed"}`` event says that some were dropped."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_EVENTS)

    def offer(self, event: Mapping[str, Any]) -> None:
        """Queue an event without waiting."""
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(dict(MISSED))
        self._queue.put_nowait(dict(event))

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await self._queue.get()


class LiveEvents:
    """``publish`` and ``subscribe``. Call ``start`` to hear other processes, ``close`` at the end."""

    def __init__(self, sessions: Sessions | None = None, seal: Seal | None = None) -> None:
        self._sessions = sessions
        self._seal = seal
        self._origin = secrets.token_hex(8)
        self._local: dict[str, set[Subscription]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen to other processes in the background; reconnects by itself."""
        if self._sessions is not None and self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="live-events")

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def publish(self, channel: str, event: Mapping[str, Any]) -> None:
        """Tell every subscriber. Never raises for a Redis that is away: this process has heard it."""
        self._deliver(channel, event)
        if self._sessions is None:
            return
        body = json.dumps({"from": self._origin, "event": event}, ensure_ascii=False)
        blob = self._seal.seal(body, record=channel, column=COLUMN) if self._seal else body.encode()

        async def send(redis: Redis) -> object:
            return await redis.publish(channel_key(channel), blob)

        with contextlib.suppress(SessionsDown):
            await self._sessions.call(send)

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator[Subscription]:
        """Subscribed from entering on: ``async with events.subscription(c) as sub: async for event in sub``."""
        subscription = Subscription()
        self._local.setdefault(channel, set()).add(subscription)
        try:
            yield subscription
        finally:
            self._local[channel].discard(subscription)
            if not self._local[channel]:
                del self._local[channel]

    async def subscribe(self, channel: str) -> AsyncIterator[dict[str, Any]]:
        """Events of a channel from the first step of the iteration on."""
        async with self.subscription(channel) as subscription:
            async for event in subscription:
                yield event

    def _deliver(self, channel: str, event: Mapping[str, Any]) -> None:
        for subscription in tuple(self._local.get(channel, ())):
            subscription.offer(event)

    async def _listen(self) -> None:
        assert self._sessions is not None
        while True:
            pubsub = self._sessions.blocking.pubsub()
            try:
                await pubsub.psubscribe(channel_key("*"))
                while True:
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=LISTEN_SECONDS)
                    if message is not None:
                        self._receive(message["channel"], message["data"])
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]

    def _receive(self, key: bytes, blob: bytes) -> None:
        channel = key.decode().removeprefix(f"{PREFIX}:live:")
        try:
            body = self._seal.open(blob, record=channel, column=COLUMN) if self._seal else blob.decode()
            data = json.loads(body)
        except Exception:  # noqa: BLE001 - a foreign or altered message is nobody's event
            return
        if data["from"] != self._origin:
            self._deliver(channel, data["event"])
