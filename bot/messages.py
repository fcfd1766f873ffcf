"""What crosses the edge of a turn: a patient's message going in, replies going out.

These are plain values. They know nothing of Rasa, Redis, SQL or any channel; a connector builds
an :class:`Incoming` and shows :class:`Reply` objects, and nothing else passes between the two.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

MAX_TEXT_CHARS = 20_000
"""Longest patient message that is read at all; longer ones are refused by the connector, by name."""


def new_id(prefix: str) -> str:
    """A fresh identifier with 160 bits from the system's generator, e.g. ``c_4f…`` (law 7)."""
    return f"{prefix}_{secrets.token_hex(20)}"


def now_utc() -> datetime:
    """The current time, aware, in UTC. Parts take a ``clock`` argument and default to this."""
    return datetime.now(UTC)


class ReplyKind(enum.StrEnum):
    """How a reply is to be shown. Closed set: a connector handles every member."""

    TEXT = "text"
    QUESTION = "question"
    ANSWER = "answer"
    OUTCOME = "outcome"
    BOOKING = "booking"
    NOTICE = "notice"
    URGENT = "urgent"
    EMERGENCY = "emergency"
    CRISIS = "crisis"
    DISCREET = "discreet"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply. ``payload`` is sent back as the patient's message when it is pressed."""

    title: str
    payload: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer quotes or rests on; ``url`` is the named public source."""

    id: str
    title: str
    url: str
    quote: str


@dataclass(frozen=True, slots=True)
class PhoneLink:
    """A number the patient can tap, e.g. ``("Call 999", "999")``; ``number`` holds digits and + only."""

    label: str
    number: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of ours, by path on our own server (``/appointments/….ics?...``); never a foreign address."""

    title: str
    path: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message of one patient, after the connector has verified who sends it.

    ``message_id`` is unique within ``channel``; a second one with the same pair is a repeat.
    ``lang`` is what the patient chose in the channel, or None where the text itself decides.
    """

    channel: str
    conversation: str
    text: str
    message_id: str
    lang: str | None = None
    received_at: datetime = field(default_factory=now_utc)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing said to the patient. ``id`` is stable, so that a client can drop one it has already shown."""

    text: str
    lang: str
    kind: ReplyKind = ReplyKind.TEXT
    buttons: tuple[Button, ...] = ()
    citations: tuple[Citation, ...] = ()
    phones: tuple[PhoneLink, ...] = ()
    attachment: Attachment | None = None
    author: str = "assistant"
    id: str = field(default_factory=lambda: new_id("r"))
    at: datetime = field(default_factory=now_utc)


class ReplySink(Protocol):
    """Where a running turn says things, in order."""

    async def reply(self, reply: Reply) -> None:
        """A complete reply."""

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """The checked text so far of a reply that :meth:`reply` will complete under the same id."""
