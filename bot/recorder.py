"""Keeps what one turn says, in order, under ids that a second run of the same turn gives again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from bot.messages import Incoming, Reply, ReplySink


class Recorder:
    """Keeps what a turn says, in order, under ids that a second run of the same turn gives again.

    With ``hold`` nothing passes to the channel before it is stored: the outbox delivers it (push channels).
    """

    def __init__(self, incoming: Incoming, sink: ReplySink, *, hold: bool) -> None:
        self._seed = f"{incoming.channel}:{incoming.conversation}:{incoming.message_id}"
        self._sink, self._hold = sink, hold
        self._replies: list[Reply] = []
        self._stored: set[str] = set()
        self._flushed = 0
        self._partials: dict[str, str] = {}

    @property
    def replies(self) -> tuple[Reply, ...]:
        """Everything said so far."""
        return tuple(self._replies)

    @property
    def unstored(self) -> tuple[Reply, ...]:
        """What has been said and is not yet in the record."""
        return tuple(reply for reply in self._replies if reply.id not in self._stored)

    @property
    def recorded(self) -> bool:
        """Whether an escalation of this turn, with its decision, is already committed."""
        return bool(self._stored)

    def numbered(self, reply: Reply) -> Reply:
        """The reply under the id that it will be said with."""
        return replace(reply, id=self._next_id())

    async def stored(self, reply: Reply) -> None:
        """Say a reply that is already committed; on a push channel the outbox is saying it."""
        self._replies.append(reply)
        self._stored.add(reply.id)
        if self._hold:
            self._flushed = len(self._replies)
        else:
            await self.flush()

    async def reply(self, reply: Reply) -> None:
        """Take one reply; hand it on at once unless it is held for the outbox."""
        own = self._partials.pop(reply.id, None) or self._next_id()
        self._replies.append(replace(reply, id=own))
        if not self._hold:
            await self.flush()

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Hand on a growing answer under the id that its end will have."""
        own = self._partials.setdefault(reply_id, self._next_id())
        if not self._hold:
            await self._sink.partial(own, text, lang)

    async def flush(self) -> None:
        """Say to the channel what it has not been told yet."""
        waiting, self._flushed = self._replies[self._flushed :], len(self._replies)
        for reply in waiting:
            await self._sink.reply(reply)

    def _next_id(self) -> str:
        number = len(self._replies) + len(self._partials)
        return "r_" + hashlib.sha256(f"{self._seed}:{number}".encode()).hexdigest()[:40]
