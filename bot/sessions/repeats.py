"""Dropping repeats: the first sight of a channel's message id is true, every later one false."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.sessions.connection import Sessions
from bot.sessions.keys import repeat_key

REPEAT_SECONDS = 48 * 3600
"""Messaging platforms deliver again for up to a day or two."""


class Repeats:
    """A fast first sieve; the durable one is the database's unique key."""

    def __init__(self, sessions: Sessions, *, ttl_seconds: int = REPEAT_SECONDS) -> None:
        self._sessions = sessions
        self._ttl = ttl_seconds

    async def first(self, channel: str, message_id: str) -> bool:
        """Whether this pair is seen for the first time. Raises SessionsDown where nobody can know."""

        async def mark(redis: Redis) -> bool:
            return bool(await redis.set(repeat_key(channel, message_id), b"1", nx=True, ex=self._ttl))

        return await self._sessions.call(mark)

    async def forget(self, channel: str, message_id: str) -> None:
        """Take the mark back, where the message could not be kept after all."""

        async def unmark(redis: Redis) -> object:
            return await redis.delete(repeat_key(channel, message_id))

        await self._sessions.call(unmark)
