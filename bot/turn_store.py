"""The turn's store over the real records: SQL errors become :class:`bot.turn.StoreAway`, rows become values.

It adds no decision of its own; every method is one transaction of :mod:`bot.records` or :mod:`bot.escalation`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.escalation.model import Alarm
from bot.escalation.service import Escalations
from bot.messages import Incoming, Reply
from bot.records.conversations import Conversations
from bot.records.errors import RecordsUnavailable, UnknownRecord
from bot.records.inbox import Inbox
from bot.records.messages import Decision
from bot.triage.level import Level
from bot.triage_reader import Reading
from bot.turn_ports import Accepted, Conversation, Escalation, StoreAway

LANGUAGES_KEPT = 10_000
"""Conversations whose language is remembered, to save writing it again; a few hundred kilobytes."""


class SqlStore:
    """:class:`bot.turn.Store` over SQL. ``push_channels`` get an outbox row for every reply."""

    def __init__(
        self,
        conversations: Conversations,
        inbox: Inbox,
        escalations: Escalations,
        *,
        push_channels: Sequence[str] = (),
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self._conversations, self._inbox, self._escalations = conversations, inbox, escalations
        self._push, self._versions = frozenset(push_channels), dict(versions or {})
        self._languages: dict[str, str] = {}

    async def conversation(self, conversation: str) -> Conversation | None:
        """The conversation, or None where there is none."""
        with away():
            try:
                found = await self._conversations.get(conversation)
            except UnknownRecord:
                return None
        return Conversation(found.id, found.lang or "en", found.state.value, found.notice_at is not None)

    async def accept(self, incoming: Incoming) -> Accepted:
        """Write the message down, once."""
        with away():
            try:
                done = await self._inbox.accept(incoming)
            except UnknownRecord:  # issued by us while SQL was away; the connector has checked its signature
                await self._conversations.ensure(
                    incoming.conversation, incoming.channel, incoming.conversation, incoming.lang
                )
                done = await self._inbox.accept(incoming)
        return Accepted(done.message_id, done.seq, done.repeat, done.processed)

    async def replies(self, message: str) -> Sequence[Reply]:
        """What was answered to a message."""
        with away():
            stored = await self._inbox.replies_of(message)
        return [row.reply for row in stored if row.reply is not None]

    async def escalate(self, escalation: Escalation, reply: Reply | None) -> int | None:
        """One transaction for decision, escalation, alert and the reply; its sequence number."""
        with away():
            push = escalation.incoming.channel in self._push
            raised = await self._escalations.raise_(self.alarm(escalation), reply=reply, push=push)
        return raised.reply_seq

    async def complete(
        self, message: str, conversation: str, replies: Sequence[Reply], reading: Reading, channel: str
    ) -> Sequence[int]:
        """Replies, decision, outbox rows and the processed mark; the sequence number of each given reply."""
        decision = Decision.of(record_of(reading), self._versions)
        with away():
            stored = await self._inbox.complete(
                message, replies, push=channel in self._push, decision=decision
            )
            await self._note_language(conversation, reading.lang)
        seqs = {row.id: row.seq for row in stored}
        return [seqs[reply.id] for reply in replies]

    async def _note_language(self, conversation: str, lang: str) -> None:
        """Write the language down when it is another than this process wrote last; most turns save a transaction."""
        if self._languages.get(conversation) == lang:
            return
        with contextlib.suppress(UnknownRecord):
            await self._conversations.set_lang(conversation, lang)
        if len(self._languages) >= LANGUAGES_KEPT:
            self._languages.clear()
        self._languages[conversation] = lang

    async def relay(self, message: str, conversation: str) -> None:
        """Staff hold the conversation: tell them that the patient wrote."""
        with away():
            await self._escalations.patient_wrote(conversation, message)

    async def ask_for_person(self, conversation: str, message: str, reason: str) -> None:
        """Put the conversation on the staff's list because the assistant itself cannot go on."""
        with away():
            await self._escalations.request_person(conversation, message_id=message, reason=reason)

    async def pending(self, before: dt.datetime | None) -> Sequence[Incoming]:
        """Messages accepted whose turn a crash cut off."""
        with away():
            return [row.incoming for row in await self._inbox.pending(before)]

    def alarm(self, escalation: Escalation) -> Alarm:
        """What staff will read about an escalation."""
        reading = escalation.reading
        hits = [hit for hit in reading.assessment.hits if hit.new and hit.level >= Level.URGENT]
        return Alarm(
            message_id=escalation.message or escalation.incoming.message_id,
            conversation_id=escalation.conversation,
            level=escalation.level,
            words=escalation.incoming.text,
            assessment=record_of(reading),
            path=escalation.path,
            spans=[list(span) for hit in hits for span in hit.spans],
            reasons=[
                {
                    "rule": hit.id,
                    "level": hit.level.code,
                    "reason": dict(hit.reason),
                    "source": {"name": hit.source, "url": hit.source_url, "date": hit.source_date},
                    "review": hit.review,
                }
                for hit in hits
            ],
            summary={"profile": dict(reading.profile), "degraded": list(reading.degraded)},
            versions=self._versions,
            lang=reading.lang,
        )


def record_of(reading: Reading) -> dict[str, Any]:
    """The decision as recorded (law 9): the assessment, the findings with their words, what was away."""
    record = reading.assessment.to_json()
    record["findings"] = [
        {**finding, "words": words(reading.text, finding.get("span"))} for finding in reading.findings
    ]
    record["degraded"] = list(reading.degraded)
    return record


def words(text: str, span: Any) -> str:
    """The words that a finding rests on; the record that holds them is sealed."""
    return text[span[0] : span[1]] if isinstance(span, list | tuple) and len(span) == 2 else ""


@contextlib.contextmanager
def away() -> Iterator[None]:
    """Translate "the database is away" for the turn."""
    try:
        yield
    except RecordsUnavailable as error:
        raise StoreAway(str(error)) from None
