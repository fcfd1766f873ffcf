"""The turn's escalation: written down first, told of afterwards (law 2), and only what is true (law 4).

Where SQL is away it goes to the local spool, and an emergency is told either way (law 3). It decides no level.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.limits import within
from bot.messages import Incoming, Reply, ReplyKind
from bot.recorder import Recorder
from bot.triage.assess import Assessment
from bot.triage.level import Level
from bot.triage_reader import Reading
from bot.triage_reply import Recorded, Situation, TriageReplies
from bot.turn_ports import Accepted, Escalation, Live, Spool, Store, StoreAway

log = logging.getLogger("careline.turn")

EMERGENCY_RECORD_S = 0.15
"""Longest wait for SQL before an emergency text goes out without it; law 3 allows 300 ms in all."""
STORE_LIMIT_S = 3.0
"""Longest wait for SQL in a turn that is not an emergency."""


class Escalator:
    """Records escalations of one clinic and tells patients of them."""

    def __init__(
        self, store: Store, spool: Spool, replies: TriageReplies, live: Live, clock: Callable[[], dt.datetime]
    ) -> None:
        self._store, self._spool, self._live = store, spool, live
        self._replies, self._clock = replies, clock

    async def escalate(
        self,
        incoming: Incoming,
        reading: Reading,
        accepted: Accepted | None,
        said: Recorder,
        staff_speak: Callable[[], Awaitable[bool]],
    ) -> Recorded | None:
        """Write, then say (law 2). Returns None when the level asks for no escalation."""
        if not escalates(reading.assessment):
            return None
        escalation = Escalation(
            incoming=incoming,
            conversation=incoming.conversation,
            message=accepted.message if accepted else None,
            level=reading.assessment.level.code,
            path=reading.assessment.path,
            reading=reading,
            at=self._clock(),
        )
        told = await _told(reading, staff_speak)
        first = accepted is None or accepted.seq == 1
        if accepted is not None and await self._record(
            escalation, None if told is None else self._tell(told, Recorded.YES, first), said
        ):
            return Recorded.YES
        if told is None:
            return await self._put_in_spool(escalation, None)
        reply = said.numbered(self._tell(told, Recorded.SPOOLED, first))
        recorded = await self._put_in_spool(escalation, reply)
        await said.reply(reply if recorded is Recorded.SPOOLED else self._tell(told, recorded, first))
        await said.flush()  # nothing durable will carry it to the patient
        return recorded

    def _tell(self, reading: Reading, recorded: Recorded, first: bool) -> Reply:
        """The fixed reply; where it is the first of the conversation, the notice of law 10 goes with it."""
        reply = self._replies.compose(reading.assessment, Situation(reading.lang, recorded, self._clock()))
        if first and reply.kind is not ReplyKind.DISCREET:
            return replace(reply, text=f"{reply.text}\n\n{self._replies.ai_notice(reading.lang)}")
        return reply

    async def _record(self, escalation: Escalation, reply: Reply | None, said: Recorder) -> bool:
        """One transaction for the escalation and the reply that tells of it; said only once it is committed."""
        limit = EMERGENCY_RECORD_S if escalation.level == Level.EMERGENCY.code else STORE_LIMIT_S
        reply = None if reply is None else said.numbered(reply)
        try:
            seq = await within(limit, self._store.escalate(escalation, reply), StoreAway)
        except StoreAway:
            log.error("store away at escalation level=%s; spooling", escalation.level)
            return False
        if reply is not None:
            await said.stored(reply)
        if reply is not None and seq is not None:
            await self._live.replied(escalation.conversation, seq, reply)
        await self._live.console({"type": "escalation", "conversation": escalation.conversation})
        return True

    async def _put_in_spool(self, escalation: Escalation, reply: Reply | None) -> Recorded:
        try:
            await self._spool.append(escalation, reply)
        except OSError as error:
            log.critical("escalation could be written nowhere: %s", error.__class__.__name__)
            return Recorded.NO
        return Recorded.SPOOLED


async def _told(reading: Reading, staff_speak: Callable[[], Awaitable[bool]]) -> Reading | None:
    """What the patient is told of. While staff speak, only what the rules themselves say (laws 1, 3 and 5)."""
    if reading.by_rules is None or not await staff_speak():
        return reading
    alone = replace(reading, assessment=reading.by_rules)
    return alone if escalates(alone.assessment) else None


def escalates(assessment: Assessment) -> bool:
    """Whether staff must be told: urgent or worse, by something that this message says."""
    return assessment.level >= Level.URGENT and assessment.fresh
