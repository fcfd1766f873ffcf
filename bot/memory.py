"""The turn's memory over Redis: the triage case, what was asked last, in one sealed value per conversation."""

from __future__ import annotations

from bot.sessions.cases import CaseStore
from bot.sessions.errors import SessionsDown, SessionUnreadable
from bot.turn_ports import Memory, MemoryAway


class RedisMemories:
    """:class:`bot.turn.Memories` over :class:`bot.sessions.cases.CaseStore`."""

    def __init__(self, cases: CaseStore) -> None:
        self._cases = cases

    async def load(self, conversation: str) -> Memory:
        """What is remembered; an empty memory for a new conversation. Unreadable data counts as away."""
        try:
            data = await self._cases.get(conversation)
        except (SessionsDown, SessionUnreadable) as error:
            raise MemoryAway(type(error).__name__) from None
        if data is None:
            return Memory()
        return Memory(
            data.get("case", {}),
            tuple(data.get("screened", ())),
            data.get("question", ""),
            data.get("lang"),
            data.get("handled", False),
        )

    async def save(self, conversation: str, memory: Memory) -> None:
        """Keep it, and let it live on."""
        value = {
            "case": dict(memory.case),
            "screened": list(memory.screened),
            "question": memory.question,
            "lang": memory.lang,
            "handled": memory.handled,
        }
        try:
            await self._cases.put(conversation, value)
        except SessionsDown as error:
            raise MemoryAway(type(error).__name__) from None
