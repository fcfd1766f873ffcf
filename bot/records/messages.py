"""Messages as values: how a patient's message, a reply and a decision look in the records.

The row functions here run inside a caller's transaction; :class:`bot.records.inbox.Inbox` is what a turn
uses. This module knows rows and JSON, nothing of turns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import (
    Attachment,
    Button,
    Citation,
    Incoming,
    PhoneLink,
    Reply,
    ReplyKind,
)
from bot.records.crypto import Cipher
from bot.records.errors import BadValue
from bot.records.tables import LANG_CHARS, conversations, messages

BODY = "messages.body_enc"
FINDINGS = "decisions.findings_enc"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of either direction. ``reply`` is the whole reply when it went out, else None."""

    id: str
    conversation: str
    seq: int
    direction: str
    author: str
    staff_id: str | None
    kind: str
    text: str = field(repr=False)
    lang: str | None
    channel: str
    channel_message_id: str | None
    turn_id: str | None
    created_at: datetime
    processed_at: datetime | None
    delivered_at: datetime | None
    reply: Reply | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message is safely stored. ``repeat``: it was before; ``processed``: and its turn is complete."""

    message_id: str
    seq: int
    repeat: bool
    processed: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """An accepted message whose turn has not been completed."""

    message_id: str
    incoming: Incoming = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What triage decided about one message (law 9).

    ``rules``: ``[{"id", "level", "source", "spans"}]``; ``findings``: the findings with the matched words
    (stored sealed); ``versions``: e.g. ``{"careline": "0.1.0", "lexicon": "…"}``.
    """

    level: str
    rules: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]] = field(repr=False)
    ruleset: str
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, assessment: Mapping[str, Any], versions: Mapping[str, str] | None = None) -> Decision:
        """From the form that ``careline triage`` prints: ``{"level", "rules", "findings", "ruleset"}``."""
        return cls(
            level=assessment["level"],
            rules=tuple(assessment.get("rules", ())),
            findings=tuple(assessment.get("findings", ())),
            ruleset=assessment["ruleset"],
            versions=dict(versions or {}),
        )


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """A reply as plain JSON; :func:`reply_from_json` gives an equal reply back."""
    return {**asdict(reply), "kind": reply.kind.value, "at": reply.at.isoformat()}


def reply_from_json(data: Mapping[str, Any]) -> Reply:
    """The reply of :func:`reply_to_json`."""
    attachment = data["attachment"]
    return Reply(
        text=data["text"],
        lang=data["lang"],
        kind=ReplyKind(data["kind"]),
        buttons=tuple(Button(**button) for button in data["buttons"]),
        citations=tuple(Citation(**citation) for citation in data["citations"]),
        phones=tuple(PhoneLink(**phone) for phone in data["phones"]),
        attachment=None if attachment is None else Attachment(**attachment),
        author=data["author"],
        id=data["id"],
        at=datetime.fromisoformat(data["at"]),
    )


def check_lang(lang: str | None) -> None:
    """Refuse what is no language code, by name, before a database does it less clearly."""
    if lang is not None and not (lang.isascii() and lang.isprintable() and 0 < len(lang) <= LANG_CHARS):
        raise BadValue("lang", f"must be a language code of at most {LANG_CHARS} characters")


async def number(conn: AsyncConnection, conversation: Any, count: int, now: datetime, **also: Any) -> int:
    """Take the next ``count`` sequence numbers of a conversation; returns the first.

    ``conversation`` is its row as :func:`bot.records.conversations.lock` gave it in this transaction, and
    numbers are taken from one such row only once.
    """
    await conn.execute(
        conversations.update()
        .where(conversations.c.id == conversation.id)
        .values(last_seq=conversation.last_seq + count, updated_at=now, **also)
    )
    return int(conversation.last_seq) + 1


async def add_replies(
    conn: AsyncConnection,
    cipher: Cipher,
    conversation: Any,
    replies: Sequence[Reply],
    *,
    now: datetime,
    turn_id: str | None = None,
    staff_id: str | None = None,
) -> list[Reply]:
    """Store outgoing messages under their ``reply.id``; returns those that were not stored before.

    ``conversation`` is the locked row; see :func:`number`.
    """
    ids = [reply.id for reply in replies]
    found = await conn.execute(sa.select(messages.c.id).where(messages.c.id.in_(ids)))
    known = {row.id for row in found.all()}
    fresh = [reply for reply in replies if reply.id not in known]
    if not fresh:
        return []
    first = await number(conn, conversation, len(fresh), now)
    rows = []
    for seq, reply in enumerate(fresh, first):
        body = json.dumps(reply_to_json(reply))
        rows.append(
            {
                "id": reply.id,
                "conversation_id": conversation.id,
                "seq": seq,
                "direction": "out",
                "author": reply.author,
                "staff_id": staff_id,
                "kind": reply.kind.value,
                "body_enc": cipher.seal(body, record=reply.id, column=BODY),
                "lang": reply.lang,
                "channel": conversation.channel,
                "turn_id": turn_id,
                "created_at": now,
            }
        )
    await conn.execute(messages.insert(), rows)
    return fresh


async def read_messages(
    conn: AsyncConnection,
    cipher: Cipher,
    conversation: str,
    *,
    after_seq: int = 0,
    limit: int | None = None,
) -> list[StoredMessage]:
    """Messages after a sequence number, oldest first (the newest ``limit`` of them)."""
    query = (
        sa.select(messages)
        .where(messages.c.conversation_id == conversation, messages.c.seq > after_seq)
        .order_by(messages.c.seq.desc())
        .limit(limit)
    )
    rows = (await conn.execute(query)).all()
    return [stored(row, cipher) for row in reversed(rows)]


def stored(row: Any, cipher: Cipher) -> StoredMessage:
    """A row, opened."""
    body = json.loads(cipher.open(row.body_enc, record=row.id, column=BODY))
    return StoredMessage(
        id=row.id,
        conversation=row.conversation_id,
        seq=row.seq,
        direction=row.direction,
        author=row.author,
        staff_id=row.staff_id,
        kind=row.kind,
        text=body["text"],
        lang=row.lang,
        channel=row.channel,
        channel_message_id=row.channel_message_id,
        turn_id=row.turn_id,
        created_at=row.created_at,
        processed_at=row.processed_at,
        delivered_at=row.delivered_at,
        reply=reply_from_json(body) if row.direction == "out" else None,
    )
