"""The durable edge of a turn: a message is stored before it is acknowledged, its replies before it is done.

    inbox = Inbox(database, outbox)
    accepted = await inbox.accept(incoming)            # Accepted(message_id, seq, repeat, processed)
    await inbox.reply_now(accepted.message_id, reply)  # before the turn is over (an emergency text)
    await inbox.complete(accepted.message_id, replies, push=True, decision=Decision.of(assessment))
    await inbox.replies_of(accepted.message_id)        # list[StoredMessage], e.g. to answer a repeat
    await inbox.pending()                              # list[Pending(message_id, incoming)] after a restart

It knows rows and transactions, nothing of triage or dialogue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Incoming, Reply, new_id, now_utc
from bot.records.conversations import State, lock
from bot.records.crypto import Cipher
from bot.records.database import Database, insert_new
from bot.records.errors import BadValue, UnknownRecord, check_id
from bot.records.messages import (
    BODY,
    FINDINGS,
    Accepted,
    Decision,
    Pending,
    StoredMessage,
    add_replies,
    check_lang,
    number,
    stored,
)
from bot.records.outbox import Job, Outbox
from bot.records.tables import CHANNEL_MESSAGE_ID_CHARS, INBOUND, conversations, decisions, messages

REPLY_TOPIC = "reply"
"""Outbox rows of this topic hold ``{"message", "conversation", "channel"}``: ids, no text."""

PLAIN_RULE_KEYS = ("id", "level", "source", "spans")
"""What of a rule is stored in clear, to be counted; matched words and the rest are sealed."""


class Inbox:
    """Accepts messages and completes their turns. Every method is one transaction."""

    def __init__(
        self, database: Database, outbox: Outbox, *, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._database, self._outbox, self._clock = database, outbox, clock
        self._cipher = database.cipher

    async def accept(self, incoming: Incoming) -> Accepted:
        """Store a message. An equal (conversation, channel, message id) is a repeat and stores nothing.

        Raises :class:`UnknownRecord` for an unknown conversation, :class:`BadValue` naming the field that
        cannot be stored, :class:`RecordsUnavailable`. A closed conversation is opened again.
        """
        body = _body(incoming)
        async with self._database.begin() as conn:
            return await self._accept(conn, incoming, body)

    async def _accept(self, conn: AsyncConnection, incoming: Incoming, body: str) -> Accepted:
        conversation = await lock(conn, incoming.conversation)
        known = (
            await conn.execute(
                sa.select(messages.c.id, messages.c.seq, messages.c.processed_at).where(
                    messages.c.conversation_id == incoming.conversation,
                    messages.c.channel == incoming.channel,
                    messages.c.channel_message_id == incoming.message_id,
                    INBOUND,
                )
            )
        ).first()
        if known is not None:
            return Accepted(known.id, known.seq, repeat=True, processed=known.processed_at is not None)
        reopened = {"state": State.BOT.value} if conversation.state == State.CLOSED else {}
        seq = await number(conn, conversation, 1, self._clock(), **reopened)
        message_id = new_id("m")
        await conn.execute(
            messages.insert().values(
                id=message_id,
                conversation_id=incoming.conversation,
                seq=seq,
                direction="in",
                author="patient",
                kind="text",
                body_enc=self._cipher.seal(body, record=message_id, column=BODY),
                lang=incoming.lang,
                channel=incoming.channel,
                channel_message_id=incoming.message_id,
                turn_id=message_id,
                created_at=incoming.received_at,
            )
        )
        return Accepted(message_id, seq, repeat=False, processed=False)

    async def reply_now(self, message_id: str, reply: Reply, *, push: bool = False) -> bool:
        """Store one reply while the turn goes on; False when a reply of this id is stored already."""
        async with self._database.begin() as conn:
            conversation, _ = await self._inbound(conn, message_id)
            return bool(await self._add(conn, conversation, message_id, [reply], push))

    async def complete(
        self,
        message_id: str,
        replies: Sequence[Reply],
        *,
        push: bool = False,
        decision: Decision | None = None,
        jobs: Sequence[Job] = (),
    ) -> list[StoredMessage]:
        """End a turn: its replies, decision, outbox rows and the processed mark, all or nothing.

        ``push``: the channel must be sent to, so each reply gets an outbox row of topic ``reply``. Replies
        stored by :meth:`reply_now` may be among them. Completing again changes nothing. Returns all replies
        of the turn, in order.
        """
        async with self._database.begin() as conn:
            conversation, row = await self._inbound(conn, message_id)
            if row.processed_at is None:
                await self._add(conn, conversation, message_id, replies, push)
                if decision is not None:
                    await store_decision(conn, self._cipher, message_id, decision, self._clock())
                for job in jobs:
                    await self._outbox.enqueue(conn, job)
                await conn.execute(
                    messages.update().where(messages.c.id == message_id).values(processed_at=self._clock())
                )
            return await self._replies(conn, message_id)

    async def replies_of(self, message_id: str) -> list[StoredMessage]:
        """What was answered to a message so far, in order."""
        async with self._database.read() as conn:
            return await self._replies(conn, message_id)

    async def message(self, message_id: str) -> StoredMessage:
        """One message of either direction, or :class:`UnknownRecord`."""
        check_id("message", message_id)
        async with self._database.read() as conn:
            row = (await conn.execute(sa.select(messages).where(messages.c.id == message_id))).first()
        if row is None:
            raise UnknownRecord("message", message_id)
        return stored(row, self._cipher)

    async def mark_delivered(self, message_id: str) -> None:
        """The channel has taken a reply (first time counts)."""
        async with self._database.begin() as conn:
            await conn.execute(
                messages.update()
                .where(messages.c.id == message_id, messages.c.delivered_at.is_(None))
                .values(delivered_at=self._clock())
            )

    async def pending(self, before: datetime | None = None) -> list[Pending]:
        """Accepted messages whose turn is not complete, oldest first; ``before`` limits to older ones."""
        query = sa.select(messages).where(INBOUND, messages.c.processed_at.is_(None))
        if before is not None:
            query = query.where(messages.c.created_at < before)
        async with self._database.read() as conn:
            rows = (await conn.execute(query.order_by(messages.c.created_at, messages.c.seq))).all()
        return [Pending(row.id, self._incoming(row)) for row in rows]

    async def decision_of(self, message_id: str) -> Decision | None:
        """What triage decided about a message, or None when nothing is stored."""
        async with self._database.read() as conn:
            found = await conn.execute(sa.select(decisions).where(decisions.c.message_id == message_id))
            row = found.first()
        if row is None:
            return None
        whole = json.loads(self._cipher.open(row.findings_enc, record=row.id, column=FINDINGS))
        return Decision(row.level, whole["rules"], whole["findings"], row.ruleset, row.versions)

    async def _add(
        self, conn: AsyncConnection, conversation: Any, turn: str, replies: Sequence[Reply], push: bool
    ) -> list[Reply]:
        made = await add_replies(conn, self._cipher, conversation, replies, now=self._clock(), turn_id=turn)
        if push:  # also for a reply stored before without it; the row's key allows only one
            for reply in replies:
                job = push_job(conversation.id, conversation.channel, reply.id)
                await self._outbox.enqueue(conn, job)
        return made

    async def _inbound(self, conn: AsyncConnection, message_id: str) -> tuple[Any, Any]:
        """The conversation, locked so that completions take turns, and then the message as it is now."""
        check_id("message", message_id)
        inbound = sa.and_(messages.c.id == message_id, INBOUND)
        owner = sa.select(messages.c.conversation_id).where(inbound).scalar_subquery()
        found = await conn.execute(
            sa.select(conversations).where(conversations.c.id == owner).with_for_update()
        )
        conversation = found.first()
        if conversation is None:
            raise UnknownRecord("message", message_id)
        return conversation, (await conn.execute(sa.select(messages).where(inbound))).one()

    async def _replies(self, conn: AsyncConnection, message_id: str) -> list[StoredMessage]:
        rows = await conn.execute(
            sa.select(messages)
            .where(messages.c.turn_id == message_id, messages.c.direction == "out")
            .order_by(messages.c.seq)
        )
        return [stored(row, self._cipher) for row in rows.all()]

    def _incoming(self, row: Any) -> Incoming:
        body = json.loads(self._cipher.open(row.body_enc, record=row.id, column=BODY))
        return Incoming(
            channel=row.channel,
            conversation=row.conversation_id,
            text=body["text"],
            message_id=row.channel_message_id,
            lang=row.lang,
            received_at=row.created_at,
            metadata=body["metadata"],
        )


def push_job(conversation: str, channel: str, message_id: str) -> Job:
    """The outbox row that has a stored reply sent on its channel."""
    payload = {"message": message_id, "conversation": conversation, "channel": channel}
    return Job(REPLY_TOPIC, f"reply:{message_id}", payload, conversation=conversation)


async def store_decision(
    conn: AsyncConnection, cipher: Cipher, message_id: str, decision: Decision, now: datetime
) -> bool:
    """Store what triage decided about a message; the first one stands (law 9)."""
    id_ = new_id("d")
    rules = [dict(rule) for rule in decision.rules]
    whole = {"rules": rules, "findings": [dict(finding) for finding in decision.findings]}
    sealed = cipher.seal(json.dumps(whole), record=id_, column=FINDINGS)
    return await insert_new(
        conn,
        decisions,
        {
            "id": id_,
            "message_id": message_id,
            "level": decision.level,
            "rules": [{key: rule[key] for key in PLAIN_RULE_KEYS if key in rule} for rule in rules],
            "findings_enc": sealed,
            "ruleset": decision.ruleset,
            "versions": dict(decision.versions),
            "created_at": now,
        },
    )


def _body(incoming: Incoming) -> str:
    """The sealed part of an inbound message, or :class:`BadValue` naming what cannot be stored."""
    if not 0 < len(incoming.message_id) <= CHANNEL_MESSAGE_ID_CHARS or not incoming.message_id.isprintable():
        raise BadValue("message_id", f"must be 1 to {CHANNEL_MESSAGE_ID_CHARS} printable characters")
    check_lang(incoming.lang)
    try:
        # Escaped JSON also carries half a surrogate pair: odd text must not keep an alarm from being stored.
        return json.dumps({"text": incoming.text, "metadata": incoming.metadata})
    except (TypeError, ValueError):
        raise BadValue("metadata", "must be plain JSON") from None
