"""Live events in the form that widgets and consoles read, over the sessions' event bus. Nothing durable here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bot.messages import Reply
from bot.records.messages import reply_to_json
from bot.sessions.events import LiveEvents

CONSOLE = "console"


class Live:
    """What :class:`bot.turn.Live` and the connectors' live ports ask for."""

    def __init__(self, events: LiveEvents) -> None:
        self._events = events

    async def replied(self, conversation: str, seq: int, reply: Reply) -> None:
        """A reply that is in the record, for every open window of the conversation."""
        await self._events.publish(conversation, {"type": "reply", "seq": seq, "reply": reply_to_json(reply)})

    async def state(self, conversation: str, state: str, name: str | None) -> None:
        """Who answers from now on."""
        await self._events.publish(conversation, {"type": "state", "state": state, "name": name})

    async def console(self, event: dict[str, Any]) -> None:
        """Something that staff see has changed."""
        await self._events.publish(CONSOLE, event)

    def subscribe(self, channel: str) -> AsyncIterator[dict[str, Any]]:
        """Endless events of one conversation, or of ``console``."""
        return self._events.subscribe(channel)
