"""From a reply to a channel: the port of the outbox, and a small one in memory for a server without a
database.

A messaging connector's sink puts replies here; whatever stands behind it calls the channel's sender, in
order for each address, and tries again by what it raises. It knows nothing of one channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.messages import Reply
from connectors.base import ChannelSender, SendError

log = logging.getLogger(__name__)

RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Pauses between attempts where the platform names none; after the last one it is given up."""

REMEMBERED_KEYS = 20_000
"""Idempotency keys of the latest replies, so that a replayed turn says nothing twice."""


class Outbox(Protocol):
    """Takes replies and sees to it that they go out, in order for each address."""

    async def put(self, channel: str, address: str, reply: Reply, idempotency_key: str) -> None:
        """Take a reply; a key that was taken before is dropped. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    address: str
    reply: Reply
    key: str


class MemoryOutbox:
    """An outbox that forgets with the process. The server's own is durable; this one serves without a
    database."""

    def __init__(
        self,
        *,
        retry_s: tuple[float, ...] = RETRY_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._retry_s = retry_s
        self._sleep = sleep
        self._senders: dict[str, ChannelSender] = {}
        self._queues: dict[tuple[str, str], deque[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken: OrderedDict[str, None] = OrderedDict()

    def register(self, channel: str, sender: ChannelSender) -> None:
        """Who sends for a channel."""
        self._senders[channel] = sender

    async def put(self, channel: str, address: str, reply: Reply, idempotency_key: str) -> None:
        """See :class:`Outbox`."""
        if idempotency_key in self._taken:
            return
        self._taken[idempotency_key] = None
        if len(self._taken) > REMEMBERED_KEYS:
            self._taken.popitem(last=False)
        key = (channel, address)
        if key in self._queues:
            self._queues[key].append(_Waiting(address, reply, idempotency_key))
            return
        self._queues[key] = deque([_Waiting(address, reply, idempotency_key)])
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything has gone out, at most ``timeout_s``; the rest is cancelled."""
        if self._tasks:
            _, late = await asyncio.wait(tuple(self._tasks), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, key: tuple[str, str]) -> None:
        queue = self._queues[key]
        try:
            while queue:
                await self._deliver(key[0], queue[0])
                queue.popleft()
        finally:
            del self._queues[key]

    async def _deliver(self, channel: str, item: _Waiting) -> None:
        for pause in (*self._retry_s, None):
            try:
                await self._senders[channel].send(item.address, item.reply, item.key)
                return
            except SendError as error:
                if not error.retryable or pause is None:
                    log.error(
                        "reply given up: channel=%s reply=%s code=%s", channel, item.reply.id, error.code
                    )
                    return
                await self._sleep(error.retry_after or pause)
