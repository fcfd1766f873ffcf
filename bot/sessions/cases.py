"""The triage case of each conversation: JSON, sealed, with a time to live. Knows nothing of what it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from bot.sessions.connection import Sessions
from bot.sessions.errors import SessionUnreadable
from bot.sessions.keys import SESSION_SECONDS, conversation_key
from bot.sessions.seal import Seal

COLUMN = "session.case"


class CaseStore:
    """``get``, ``put`` and ``delete``; each raises SessionsDown within the socket timeout where Redis is away."""

    def __init__(self, sessions: Sessions, seal: Seal, *, ttl_seconds: int = SESSION_SECONDS) -> None:
        self._sessions = sessions
        self._seal = seal
        self._ttl = ttl_seconds

    async def get(self, conversation: str) -> dict[str, Any] | None:
        """The case, or None for a conversation without one. Raises SessionUnreadable for altered data."""
        key = conversation_key(conversation, "case")

        async def read(redis: Redis) -> Any:
            return await redis.get(key)

        blob = await self._sessions.call(read)
        if blob is None:
            return None
        try:
            data = json.loads(self._seal.open(blob, record=conversation, column=COLUMN))
        except Exception as error:  # noqa: BLE001 - the seal's error type belongs to another room
            raise SessionUnreadable(f"case of {conversation}: {type(error).__name__}") from None
        return dict(data)

    async def put(self, conversation: str, case: Mapping[str, Any]) -> None:
        """Replace the case and renew its time to live."""
        key = conversation_key(conversation, "case")
        blob = self._seal.seal(json.dumps(case, ensure_ascii=False), record=conversation, column=COLUMN)

        async def write(redis: Redis) -> object:
            return await redis.set(key, blob, ex=self._ttl)

        await self._sessions.call(write)

    async def delete(self, conversation: str) -> None:
        """Forget the case."""
        key = conversation_key(conversation, "case")

        async def remove(redis: Redis) -> object:
            return await redis.delete(key)

        await self._sessions.call(remove)
