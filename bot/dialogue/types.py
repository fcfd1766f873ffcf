"""What the turn tells the dialogue, and what a dialogue engine must be able to do. No Rasa in here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.messages import ReplySink


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    """One patient message that has been through triage and is now the dialogue's.

    ``assessment`` is ``Assessment.to_json()`` and ``findings`` the findings of this message as JSON maps
    (id, status, subject, time, span, …); ``case`` is the case over all turns, as JSON. ``already_said`` names
    fixed texts that the turn itself has sent for this message (``"emergency"``, ``"crisis"``), so that the
    dialogue neither repeats them nor talks over them. ``degraded`` names parts that are away (``"redis"``).
    """

    conversation: str
    message_id: str
    text: str
    lang: str
    assessment: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    case: Mapping[str, Any] = field(default_factory=dict)
    already_said: frozenset[str] = frozenset()
    degraded: frozenset[str] = frozenset()
    channel: str = "web"
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


class DialogueUnavailable(Exception):
    """The dialogue engine cannot take this turn (no model, engine fault). The turn falls back to its menu."""


class Dialogue(Protocol):
    """The dialogue room, seen from the turn."""

    async def start(self) -> None:
        """Load what is needed. Raises DialogueUnavailable with an operator's sentence when it cannot."""

    async def handle(self, turn: DialogueTurn, sink: ReplySink) -> None:
        """Say what is to be said about this message, in order. Idempotent by ``message_id``."""

    async def screened(self, conversation: str) -> tuple[str, ...]:
        """Concept ids of the question that was asked last and not answered yet, for "yes", "both", 都有."""

    async def forget(self, conversation: str) -> None:
        """Delete everything this room holds about a conversation."""

    async def close(self) -> None:
        """Release connections."""

    def healthy(self) -> bool:
        """Whether a turn would be taken now."""
