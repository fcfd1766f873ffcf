"""The connectors' way in: their turn port over the real turn and records, and the outbox's way out again.

It turns "the database is away" into the connectors' own error and nothing else; it decides nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from bot.limits import within
from bot.live import Live
from bot.messages import Incoming, Reply, ReplySink
from bot.metrics import Metrics
from bot.records.buttons import ButtonTokens
from bot.records.conversations import Conversation, Conversations
from bot.records.errors import BadValue, RecordsUnavailable, UnknownRecord
from bot.records.inbox import Inbox
from bot.records.messages import StoredMessage
from bot.records.outbox import Permanent, Retry
from bot.turn import Turn
from bot.turn_escalation import STORE_LIMIT_S
from bot.turn_ports import StoreAway
from connectors.base import AcceptResult, ChannelSender, ConversationRef, SendError, Shown, StoreUnavailable

log = logging.getLogger("careline.door")

OPEN_LIMIT_S = 1.0
"""Longest wait for a conversation; after that the connector goes on with a provisional one."""


class Door:
    """:class:`connectors.base.TurnPort`."""

    def __init__(self, turn: Turn, conversations: Conversations, inbox: Inbox, metrics: Metrics) -> None:
        self._turn, self._conversations, self._inbox = turn, conversations, inbox
        self._metrics = metrics

    async def open(self, channel: str, address: str, lang: str | None) -> ConversationRef:
        """Get or create the conversation of an address."""
        return _ref(await _bounded(self._conversations.open(channel, address, lang), OPEN_LIMIT_S))

    async def look(self, conversation: str) -> ConversationRef | None:
        """The conversation, or None when there is none."""
        try:
            return _ref(await _bounded(self._conversations.get(conversation), OPEN_LIMIT_S))
        except UnknownRecord:
            return None

    async def accept(self, incoming: Incoming) -> AcceptResult:
        """Write the message down, waiting no longer than its urgency allows."""
        try:
            done = await self._turn.accept(incoming)
        except StoreAway as error:
            raise StoreUnavailable(str(error)) from None
        return AcceptResult(done.repeat, done.message, done.seq)

    async def run(self, incoming: Incoming, sink: ReplySink) -> None:
        """The whole turn, counted and timed."""
        began = time.perf_counter()
        timed = _TimedSink(sink)
        try:
            done = await self._turn.run(incoming, timed)
        except Exception:
            self._metrics.fault(incoming.channel)
            raise
        first = None if timed.first is None else timed.first - began
        self._metrics.turn(incoming.channel, done.level.code, time.perf_counter() - began, first)

    async def emergency_only(self, incoming: Incoming, sink: ReplySink) -> bool:
        """Answer it only if it is an emergency."""
        return await self._turn.emergency_only(incoming, sink)

    async def history(self, conversation: str, after_seq: int) -> list[Shown]:
        """What was said, oldest first."""
        return [_shown(row) for row in await _bounded(self._conversations.history(conversation, after_seq))]

    async def set_language(self, conversation: str, lang: str) -> None:
        """The patient chose a language."""
        await _bounded(self._conversations.set_lang(conversation, lang))


class _TimedSink:
    """Passes everything on and notes when the first thing was said."""

    def __init__(self, sink: ReplySink) -> None:
        self._sink = sink
        self.first: float | None = None

    async def reply(self, reply: Reply) -> None:
        self._note()
        await self._sink.reply(reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        self._note()
        await self._sink.partial(reply_id, text, lang)

    def _note(self) -> None:
        if self.first is None:
            self.first = time.perf_counter()


class Buttons:
    """:class:`connectors.base.ButtonTokens` over the records."""

    def __init__(self, tokens: ButtonTokens) -> None:
        self._tokens = tokens

    async def issue(self, conversation: str, payload: str) -> str:
        """A short opaque token for a payload."""
        return str(await _bounded(self._tokens.issue(conversation, payload)))

    async def redeem(self, conversation: str, token: str) -> str | None:
        """The payload behind a pressed button."""
        pressed = await _bounded(self._tokens.redeem(token, conversation))
        return pressed.payload if pressed else None


class Delivery:
    """The outbox's handler for replies: to the channel's sender, or to the windows that are open."""

    def __init__(
        self,
        conversations: Conversations,
        inbox: Inbox,
        live: Live,
        senders: Mapping[str, ChannelSender],
    ) -> None:
        self._conversations, self._inbox, self._live = conversations, inbox, live
        self._senders = dict(senders)

    async def __call__(self, topic: str, key: str, payload: dict[str, Any]) -> None:
        """Deliver one stored reply. Raises Retry or Permanent as the outbox understands them."""
        message = await self._inbox.message(payload["message"])
        if message.reply is None or message.delivered_at is not None:
            return
        sender = self._senders.get(payload["channel"])
        if sender is None:
            await self._live.replied(message.conversation, message.seq, message.reply)
        else:
            conversation = await self._conversations.get(payload["conversation"])
            await _send(sender, conversation, message.reply, key)
        await self._inbox.mark_delivered(message.id)


async def _send(sender: ChannelSender, conversation: Conversation, reply: Reply, key: str) -> None:
    try:
        await sender.send(conversation.address, reply, key)
    except SendError as error:
        log.warning("send failed channel=%s code=%s", conversation.channel, error.code)
        if error.retryable:
            raise Retry(error.code, after=error.retry_after) from None
        raise Permanent(error.code) from None


async def _bounded(work: Any, limit: float = STORE_LIMIT_S) -> Any:
    try:
        return await within(limit, work, StoreAway)
    except (StoreAway, RecordsUnavailable) as error:
        raise StoreUnavailable(type(error).__name__) from None
    except BadValue as error:
        raise StoreUnavailable(str(error)) from None


def _ref(conversation: Conversation) -> ConversationRef:
    return ConversationRef(conversation.id, conversation.lang or "", conversation.state.value)


def _shown(row: StoredMessage) -> Shown:
    return Shown(
        seq=row.seq,
        author=row.author,
        reply=row.reply,
        text=row.text,
        at=row.created_at,
        direction=row.direction,
        message_id=row.channel_message_id,
    )
