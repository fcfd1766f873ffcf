"""What a turn asks of the parts around it: values, ports, and the two ways in which a part can be away.

No part is named here; the composition root joins the ports to SQL, Redis and the rest.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.messages import Incoming, Reply
from bot.triage_reader import Reading


class StoreAway(Exception):
    """SQL cannot be reached or did not answer in time."""


class MemoryAway(Exception):
    """Redis cannot be reached or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the turn needs to know of a conversation. ``state``: bot, waiting, staff, closed."""

    id: str
    lang: str
    state: str = "bot"
    introduced: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message written down. ``processed`` with ``repeat``: its replies are stored and may be said again."""

    message: str
    seq: int
    repeat: bool = False
    processed: bool = False


@dataclass(frozen=True, slots=True)
class Escalation:
    """What is recorded when a message is urgent or worse."""

    incoming: Incoming
    conversation: str
    message: str | None
    level: str
    path: str | None
    reading: Reading
    at: dt.datetime


class Store(Protocol):
    """SQL. Every method raises :class:`StoreAway` when it cannot keep its promise."""

    async def conversation(self, conversation: str) -> Conversation | None: ...
    async def accept(self, incoming: Incoming) -> Accepted: ...
    async def replies(self, message: str) -> Sequence[Reply]: ...
    async def escalate(self, escalation: Escalation, reply: Reply | None) -> int | None:
        """Decision, escalation, its alert, and the reply that tells of it (None: staff speak, and see it): one
        transaction, once per message."""

    async def complete(
        self, message: str, conversation: str, replies: Sequence[Reply], reading: Reading, channel: str
    ) -> Sequence[int]:
        """Replies, decision, outbox rows and the processed mark: one transaction. Gives their numbers."""

    async def relay(self, message: str, conversation: str) -> None: ...
    async def ask_for_person(self, conversation: str, message: str, reason: str) -> None: ...
    async def pending(self, before: dt.datetime | None) -> Sequence[Incoming]: ...


class Spool(Protocol):
    """The local append-only file that holds escalations while SQL is away."""

    async def append(self, escalation: Escalation, reply: Reply | None) -> None:
        """Raises OSError when the file cannot be written."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the second reader has said in this conversation. ``raised``: family → level; ``asked``: families whose
    question was asked; ``open``: the family whose question waits for its answer, ``held`` the message that it is
    about (sealed like the rest of the memory), ``message`` that message's id."""

    raised: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    open: str = ""
    held: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What Redis keeps of a conversation between turns: the case and what was asked last.

    ``handled``: staff have dealt with everything in the case and handed the conversation back. The case stays,
    so that a new sign still adds up with an old one; only what the old ones forbade (booking) is allowed again.
    """

    case: Mapping[str, Any] = field(default_factory=dict)
    screened: tuple[str, ...] = ()
    question: str = ""
    lang: str | None = None
    handled: bool = False
    doubt: Doubt = field(default_factory=Doubt)


class Memories(Protocol):
    """Redis. Raises :class:`MemoryAway`."""

    async def load(self, conversation: str) -> Memory: ...
    async def save(self, conversation: str, memory: Memory) -> None: ...


class Locks(Protocol):
    """One turn of a conversation at a time; the next waiter is woken, in order of arrival."""

    def hold(self, conversation: str) -> contextlib.AbstractAsyncContextManager[None]: ...


class Live(Protocol):
    """Tells open consoles and widgets that something happened; losing an event loses nothing durable."""

    async def replied(self, conversation: str, seq: int, reply: Reply) -> None:
        """A reply is in the record; other windows of the same patient show it too."""

    async def console(self, event: dict[str, Any]) -> None:
        """Something changed that staff see. Ids and codes only."""
