"""A Rasa lock store that locks nothing: the engine already holds the conversation when Rasa is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rasa.core.lock import TicketLock
from rasa.core.lock_store import LOCK_LIFETIME, LockStore


class PassThroughLockStore(LockStore):
    """For an Agent whose messages arrive one at a time per conversation."""

    @asynccontextmanager
    async def lock(
        self, conversation_id: str, lock_lifetime: float = LOCK_LIFETIME, wait_time_in_seconds: float = 1
    ) -> AsyncGenerator[TicketLock, None]:
        """Enter at once."""
        yield TicketLock(conversation_id)
