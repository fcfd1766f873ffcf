"""In-memory stand-ins for the turn's ports, which keep what was done, in order, in one journal.

The rule layer is always the real one. Each fake can be told to be away or to hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.dialogue.types import DialogueTurn, DialogueUnavailable
from bot.messages import Incoming, Reply, ReplySink
from bot.triage_reader import Reading
from bot.turn_ports import Accepted, Conversation, Escalation, Memory, MemoryAway, StoreAway


class Away:
    """How a fake behaves: there, refusing, or never answering."""

    def __init__(self) -> None:
        self.mode = "there"

    async def check(self, error: type[Exception]) -> None:
        if self.mode == "hangs":
            await asyncio.Event().wait()
        if self.mode == "away":
            raise error("away")


@dataclass
class FakeStore:
    journal: list[str]
    state: str = "bot"
    away: Away = field(default_factory=Away)
    escalate_away: Away = field(default_factory=Away)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)
    answers: dict[str, list[Reply]] = field(default_factory=dict)
    processed: set[str] = field(default_factory=set)
    escalations: dict[str, Escalation] = field(default_factory=dict)
    asked_for: list[str] = field(default_factory=list)
    unfinished: list[Incoming] = field(default_factory=list)

    async def conversation(self, conversation: str) -> Conversation | None:
        await self.away.check(StoreAway)
        return Conversation(conversation, "en", self.state)

    async def accept(self, incoming: Incoming) -> Accepted:
        await self.away.check(StoreAway)
        key = (incoming.conversation, incoming.message_id)
        known = self.messages.get(key)
        if known is not None:
            return Accepted(known, 1, True, known in self.processed)
        self.messages[key] = f"m{len(self.messages) + 1}"
        self.journal.append("accept")
        return Accepted(self.messages[key], len(self.messages))

    async def replies(self, message: str) -> Sequence[Reply]:
        return self.answers.get(message, [])

    async def escalate(self, escalation: Escalation, reply: Reply | None) -> int | None:
        await self.away.check(StoreAway)
        await self.escalate_away.check(StoreAway)
        assert escalation.message is not None
        self.journal.append("escalate")
        self.escalations.setdefault(escalation.message, escalation)
        self.answers.setdefault(escalation.message, []).extend([reply] if reply else [])
        return 2

    async def complete(
        self, message: str, conversation: str, replies: Sequence[Reply], reading: Reading, channel: str
    ) -> Sequence[int]:
        await self.away.check(StoreAway)
        self.journal.append("complete")
        self.processed.add(message)
        self.answers.setdefault(message, []).extend(replies)
        return list(range(3, 3 + len(replies)))

    async def relay(self, message: str, conversation: str) -> None:
        self.journal.append("relay")

    async def ask_for_person(self, conversation: str, message: str, reason: str) -> None:
        await self.away.check(StoreAway)
        self.asked_for.append(reason)

    async def pending(self, before: dt.datetime | None) -> Sequence[Incoming]:
        return self.unfinished


@dataclass
class FakeSpool:
    journal: list[str]
    broken: bool = False
    kept: list[Escalation] = field(default_factory=list)

    async def append(self, escalation: Escalation, reply: Reply | None) -> None:
        if self.broken:
            raise OSError("disk full")
        self.journal.append("spool")
        self.kept.append(escalation)


@dataclass
class FakeMemories:
    away: Away = field(default_factory=Away)
    kept: dict[str, Memory] = field(default_factory=dict)

    async def load(self, conversation: str) -> Memory:
        await self.away.check(MemoryAway)
        return self.kept.get(conversation, Memory())

    async def save(self, conversation: str, memory: Memory) -> None:
        await self.away.check(MemoryAway)
        self.kept[conversation] = memory


class FakeLocks:
    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def hold(self, conversation: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(conversation, asyncio.Lock()):
            yield


@dataclass
class FakeDialogue:
    journal: list[str]
    says: list[Reply] = field(default_factory=list)
    away: bool = False
    gate: asyncio.Event | None = None
    turns: list[DialogueTurn] = field(default_factory=list)
    asks: tuple[str, ...] = ()

    async def start(self) -> None: ...

    async def handle(self, turn: DialogueTurn, sink: ReplySink) -> None:
        if self.away:
            raise DialogueUnavailable("no model")
        self.journal.append("dialogue")
        self.turns.append(turn)
        if self.gate is not None:
            await self.gate.wait()
        for reply in self.says or [Reply("Hello, I am an assistant.", turn.lang)]:
            await sink.reply(reply)

    async def screened(self, conversation: str) -> tuple[str, ...]:
        return self.asks

    async def forget(self, conversation: str) -> None: ...

    async def close(self) -> None: ...

    def healthy(self) -> bool:
        return not self.away


@dataclass
class FakeLive:
    events: list[tuple[str, Any]] = field(default_factory=list)

    async def replied(self, conversation: str, seq: int, reply: Reply) -> None:
        self.events.append((conversation, seq))

    async def console(self, event: dict[str, Any]) -> None:
        self.events.append(("console", event["type"]))


@dataclass
class HeardSink:
    """What the patient was told."""

    journal: list[str]
    heard: list[Reply] = field(default_factory=list)
    partials: list[tuple[str, str]] = field(default_factory=list)

    async def reply(self, reply: Reply) -> None:
        self.journal.append(f"say:{reply.kind.value}")
        self.heard.append(reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        self.partials.append((reply_id, text))
