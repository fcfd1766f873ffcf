"""How every connector hands a message to the turn: conversation, fast lane, rate limit, replies collected.

Shared by the browser-facing connectors. It decides nothing clinical: whether a message is an emergency is
the turn's answer (:meth:`connectors.base.TurnPort.emergency_only`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bot.messages import Incoming, Reply, ReplySink, new_id
from connectors.base import ConversationRef, RequestError, StoreUnavailable, TurnPort
from connectors.limits import RateLimiter

log = logging.getLogger(__name__)

MESSAGES_PER_S = 0.5
MESSAGES_BURST = 12
"""A fast typist sends 10 messages in a row; a script sends hundreds."""

ADDRESS_PER_S = 5.0
ADDRESS_BURST = 60
"""Per network address: a whole clinic or ward can sit behind one."""


@dataclass(slots=True)
class Collected:
    """A sink that keeps the complete replies in order; partial text is not kept."""

    replies: list[Reply] = field(default_factory=list)

    async def reply(self, reply: Reply) -> None:
        """Keep a complete reply."""
        self.replies.append(reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Nothing: this channel shows complete replies."""


@dataclass(slots=True)
class Forwarded:
    """A sink that hands every complete reply to ``on_reply`` at once."""

    on_reply: Callable[[Reply], Awaitable[None]]
    said: int = 0

    async def reply(self, reply: Reply) -> None:
        """Hand on a complete reply."""
        self.said += 1
        await self.on_reply(reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Nothing: this channel shows complete replies."""


class Gate:
    """Rate limits that an emergency passes: refuse only what triage has read and found to be none."""

    def __init__(
        self,
        turn: TurnPort,
        *,
        conversations: RateLimiter | None = None,
        addresses: RateLimiter | None = None,
    ) -> None:
        self._turn = turn
        self._conversations = conversations or RateLimiter(MESSAGES_PER_S, MESSAGES_BURST)
        self._addresses = addresses or RateLimiter(ADDRESS_PER_S, ADDRESS_BURST)

    async def admits(self, incoming: Incoming, address: str, sink: ReplySink) -> bool:
        """True: run the turn. False: it was an emergency and has been answered into ``sink``.

        Raises:
            RequestError: 429 with ``Retry-After`` where the limit is passed and it is no emergency.
        """
        waits = (self._conversations.take(incoming.conversation), self._addresses.take(address))
        if max(waits) == 0.0:
            return True
        if await self._turn.emergency_only(incoming, sink):
            return False
        seconds = max(1, round(max(waits)))
        raise RequestError(
            429,
            f"too many messages; wait {seconds} s. In an emergency call your emergency number now",
            headers={"Retry-After": str(seconds)},
        )


async def open_or_provisional(
    turn: TurnPort, channel: str, address: str, lang: str | None
) -> ConversationRef:
    """The conversation of an address; while the database is away a fresh id, so that triage still answers
    (law 3)."""
    try:
        return await turn.open(channel, address, lang)
    except StoreUnavailable:
        log.warning("store unavailable: provisional conversation on channel=%s", channel)
        return ConversationRef(new_id("c"), lang or "en")


async def look_or_provisional(turn: TurnPort, conversation: str, lang: str | None) -> ConversationRef | None:
    """The conversation that a verified token names; None where it was deleted."""
    try:
        return await turn.look(conversation)
    except StoreUnavailable:
        log.warning("store unavailable: conversation=%s not looked up", conversation)
        return ConversationRef(conversation, lang or "en")


async def outcome(work: Coroutine[Any, Any, Any]) -> BaseException | None:
    """Do something to its end and return its fault instead of raising it; None where there was none.

    A cancelled caller does not cancel the work: what was begun for a patient is finished whoever has hung up.
    """
    task = asyncio.ensure_future(work)
    await asyncio.shield(asyncio.wait([task]))
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def run_to_end(turn: TurnPort, incoming: Incoming, sink: ReplySink) -> BaseException | None:
    """Run a turn and return its fault instead of raising it, so that replies already said are not lost.

    The fault's type is logged (never its message, which may quote the patient); the caller answers for it.
    """
    fault = await outcome(turn.run(incoming, sink))
    if fault is not None:
        log.error(
            "turn failed: channel=%s conversation=%s fault=%s",
            incoming.channel,
            incoming.conversation,
            type(fault).__name__,
        )
    return fault
