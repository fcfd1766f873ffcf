"""A sink for channels where every message costs: replies of one turn are joined, an emergency never waits.

It knows :mod:`connectors.text_parts` and whoever takes the joined replies, and nothing of one channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.messages import Reply
from connectors.text_parts import APART, join_replies

JOIN_WITHIN_S = 1.5
"""No reply waits longer than this for the next one to be joined to it."""


class JoiningSink:
    """ReplySink of one turn. Call :meth:`flush` when the turn has ended.

    Args:
        say: takes a reply; called in order.
    """

    def __init__(self, say: Callable[[Reply], Awaitable[None]], *, within_s: float = JOIN_WITHIN_S) -> None:
        self._say = say
        self._within_s = within_s
        self._waiting: list[Reply] = []
        self._timer: asyncio.Task[None] | None = None
        self._order = asyncio.Lock()

    async def reply(self, reply: Reply) -> None:
        """Keep a reply for joining; one that stands apart goes out now, after what was kept."""
        if reply.kind in APART:
            await self._send(reply)
            return
        self._waiting.append(reply)
        if self._timer is None:
            self._timer = asyncio.create_task(self._flush_later())

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Nothing: streamed text is sent when it is complete."""

    async def flush(self) -> None:
        """Send what was kept, in as few messages as it may be."""
        timer, self._timer = self._timer, None
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()
            await asyncio.wait([timer])
        await self._send(None)

    async def _send(self, apart: Reply | None) -> None:
        async with self._order:
            waiting, self._waiting = self._waiting, []
            for reply in (*join_replies(waiting), *([apart] if apart else ())):
                await self._say(reply)

    async def _flush_later(self) -> None:
        await asyncio.sleep(self._within_s)
        self._timer = None  # from here on it is not cancelled: what it sends is sent whole
        await self._send(None)
