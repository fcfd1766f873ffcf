"""The turn's memory over Redis: the triage case, what was asked last, in one sealed value per conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bot.sessions.cases import CaseStore
from bot.sessions.errors import SessionsDown, SessionUnreadable
from bot.turn_ports import Doubt, Memory, MemoryAway


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
            _doubt(data.get("doubt") or {}),
        )

    async def save(self, conversation: str, memory: Memory) -> None:
        """Keep it, and let it live on."""
        value = {
            "case": dict(memory.case),
            "screened": list(memory.screened),
            "question": memory.question,
            "lang": memory.lang,
            "handled": memory.handled,
            "doubt": asdict(memory.doubt),
        }
        try:
            await self._cases.put(conversation, value)
        except SessionsDown as error:
            raise MemoryAway(type(error).__name__) from None


def _doubt(data: Mapping[str, Any]) -> Doubt:
    return Doubt(
        dict(data.get("raised", {})),
        tuple(data.get("asked", ())),
        data.get("open", ""),
        data.get("held", ""),
        data.get("message", ""),
    )
