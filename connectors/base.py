"""What a connector is and what it may ask of the assistant: ports, capabilities, typed errors.

A connector verifies the caller, turns what arrived into :class:`bot.messages.Incoming` and shows
:class:`bot.messages.Reply` objects. Everything else it needs is one of the ports below, handed to its
constructor by the composition root. This module knows nothing of Rasa, SQL, Redis or of any one channel.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from bot.messages import Incoming, Reply, ReplySink

BOT_STATE = "bot"
"""The assistant answers; the other states are ``waiting`` (for staff), ``staff`` (they hold it) and
``closed``."""


class StoreUnavailable(Exception):
    """The database cannot take the message now. The turn still answers emergencies; the rest is told
    honestly."""


@dataclass(frozen=True, slots=True)
class ConversationRef:
    """A conversation as a connector sees it. ``state`` is ``bot``, ``waiting``, ``staff`` or ``closed``."""

    id: str
    lang: str
    state: str = BOT_STATE


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """What became of a message that was written down. ``repeat``: it was there already.

    ``finished``: a repeat whose turn has ended or is in somebody's hands. False: written down but never
    answered (the process was killed in between), so whoever gets the repeat takes it up.
    """

    repeat: bool
    message_id: str
    seq: int | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of a conversation as the patient sees it.

    ``direction`` is ``"in"`` (the patient wrote ``text`` under ``message_id``) or ``"out"`` (``reply`` was
    said). ``seq`` grows within the conversation. ``message_id`` is the one that the connector gave in
    ``Incoming``.
    """

    seq: int
    author: str
    reply: Reply | None
    text: str
    at: dt.datetime
    direction: str
    message_id: str | None = None


class TurnPort(Protocol):
    """The turn, seen from a connector."""

    async def open(self, channel: str, address: str, lang: str | None) -> ConversationRef:
        """Get or create the conversation of ``address`` in ``channel``. Raises StoreUnavailable."""

    async def look(self, conversation: str) -> ConversationRef | None:
        """The conversation with this id, or None where there is none (deleted). Raises StoreUnavailable."""

    async def accept(self, incoming: Incoming) -> AcceptResult:
        """Write the message down durably. Raises StoreUnavailable."""

    async def run(self, incoming: Incoming, sink: ReplySink) -> None:
        """The whole turn, accepting first where that has not happened; a repeat says its stored replies
        again.

        May be called at the same time for several messages of one conversation: the turn puts them in
        order, and an emergency answer does not wait for the turn before it.
        """

    async def emergency_only(self, incoming: Incoming, sink: ReplySink) -> bool:
        """Triage alone. On an emergency: record it, answer it, return True, and the message is done.

        False: nothing was said and nothing was recorded; the caller may refuse the message (rate limit).
        """

    async def history(self, conversation: str, after_seq: int) -> list[Shown]:
        """Lines with ``seq > after_seq``, oldest first. Raises StoreUnavailable."""

    async def set_language(self, conversation: str, lang: str) -> None:
        """The patient chose a language."""


class LivePort(Protocol):
    """Events of a conversation that come from elsewhere: staff, other workers."""

    def subscribe(self, conversation: str) -> AsyncIterator[dict[str, Any]]:
        """Endless events: ``{"type":"reply","seq":n,"reply":{…}}`` (see
        :func:`connectors.wire.reply_to_json`), ``{"type":"state","state":…,"name":str|None}``,
        ``{"type":"partial","reply_id":…,"text":…,"lang":…}``."""


class TokenPort(Protocol):
    """Proof that a client was given a conversation by this server."""

    def issue(self, conversation: str) -> str:
        """A signed token that opens the conversation until it expires."""

    def verify(self, token: str) -> str | None:
        """The conversation id, or None for anything forged, expired or malformed."""


class ButtonTokens(Protocol):
    """A table that keeps what a short opaque button token stands for (Telegram allows 64 bytes, readable by
    anyone)."""

    async def issue(self, conversation: str, payload: str) -> str:
        """A token of at most 64 ASCII bytes, the same one for the same conversation and payload."""

    async def redeem(self, conversation: str, token: str) -> str | None:
        """The payload, or None where the token is unknown or belongs to another conversation."""


class ChannelSender(Protocol):
    """Sends one reply to one address of a channel; the outbox calls it and retries by what it raises."""

    async def send(self, address: str, reply: Reply, idempotency_key: str) -> None:
        """Raises :class:`SendError`. Called again with the same key, it sends only what has not gone out."""


class Connector(Protocol):
    """One channel, joined to the server by the composition root."""

    name: str

    def routes(self) -> list[web.RouteDef]:
        """The addresses that this channel serves."""

    async def start(self) -> None:
        """Open what needs a running event loop."""

    async def close(self) -> None:
        """Finish or put down what is in hand; called once."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can show; decisions about form are functions of this and of the reply.

    ``text_limit`` counts the channel's own unit (``utf16`` units where it counts so, else code points).
    ``min_interval_s`` is the shortest time between two messages to one address without being refused.
    """

    text_limit: int
    utf16: bool = False
    buttons_max: int = 0
    button_title_max: int = 0
    markup: bool = False
    streaming: bool = False
    joins_parts: bool = False
    min_interval_s: float = 0.0


class SendError(Exception):
    """A reply could not be delivered. ``code`` is for the operator and holds no patient text.

    ``retryable``: the outbox tries again, not before ``retry_after`` seconds where that is given.
    """

    def __init__(self, code: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after


class RateLimited(SendError):
    """The platform asks us to wait ``retry_after`` seconds."""

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code, retryable=True, retry_after=retry_after)


class PlatformDown(SendError):
    """The platform did not answer, or answered with a server error."""

    def __init__(self, code: str) -> None:
        super().__init__(code, retryable=True)


class RecipientGone(SendError):
    """The patient blocked us or no longer exists there: never again to this address."""

    def __init__(self, code: str) -> None:
        super().__init__(code, retryable=False)


class MessageRefused(SendError):
    """The platform refuses this message itself (bad request, our credentials): repeating it is of no use."""

    def __init__(self, code: str) -> None:
        super().__init__(code, retryable=False)


class RequestError(Exception):
    """A request that cannot be served, with the field at fault and how to mend it. Holds no patient text."""

    def __init__(
        self, status: int, error: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """``{"error", "field"?}`` as sent to the client."""
        return {"error": self.error} | ({"field": self.field} if self.field else {})
