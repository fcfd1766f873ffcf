"""Every table of the records, as SQLAlchemy Core tables on one ``metadata``.

Columns that end in ``_enc`` hold sealed values (:mod:`bot.records.crypto`): the record is the row's own
primary key, the column is ``<table>.<column>``. All times are aware and in UTC. Tables of other rooms
(appointments) are declared on the same ``metadata`` and bring their own migration file.

This module describes rows; it opens nothing and knows no rules about them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.records.errors import MAX_ID_CHARS

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID_CHARS = MAX_ID_CHARS
"""Ids of :func:`bot.messages.new_id` are 42 characters; room for longer prefixes."""

CHANNEL_MESSAGE_ID_CHARS = 200
"""Longest message id accepted from a channel; the longest documented one (WhatsApp) stays below 130."""

LANG_CHARS = 16
"""Longest language tag stored, e.g. ``zh-Hant-HK``."""


class UtcDateTime(sa.types.TypeDecorator):
    """An instant. Takes aware datetimes only, stores UTC, returns aware UTC on both databases."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A growing number: SQLite numbers only columns of type INTEGER by itself."""


def _id(name: str = "id", **kw: Any) -> sa.Column:
    return sa.Column(name, sa.String(ID_CHARS), primary_key=True, **kw)


def _ref(name: str, target: str, **kw: Any) -> sa.Column:
    return sa.Column(name, sa.String(ID_CHARS), sa.ForeignKey(f"{target}.id"), **kw)


def _time(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, UtcDateTime, nullable=nullable)


def _text(name: str, length: int, nullable: bool = False, **kw: Any) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable, **kw)


def _sealed(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.LargeBinary, nullable=nullable)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


staff = sa.Table(
    "staff",
    metadata,
    _id(),
    _text("login", 100, unique=True),
    _text("name", 200),
    _text("password_hash", 300),
    _text("role", 20),
    _time("created_at", nullable=False),
    _time("disabled_at"),
    _one_of("role", "clinician", "reception", "admin"),
)

staff_sessions = sa.Table(
    "staff_sessions",
    metadata,
    sa.Column("id_hash", sa.String(64), primary_key=True),
    _ref("staff_id", "staff", nullable=False, index=True),
    _text("csrf_hash", 64),
    _time("created_at", nullable=False),
    _time("last_seen_at", nullable=False),
    _time("expires_at", nullable=False),
)

conversations = sa.Table(
    "conversations",
    metadata,
    _id(),
    _text("channel", 40),
    _sealed("address_enc"),
    _text("address_key", 64),
    _text("patient_id", ID_CHARS, nullable=True, index=True),
    _text("lang", LANG_CHARS, nullable=True),
    _text("state", 10),
    _ref("owner_staff_id", "staff", nullable=True),
    _time("consent_at"),
    _time("notice_at"),
    sa.Column("discreet", sa.Boolean, nullable=False),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    sa.Column("last_seq", sa.Integer, nullable=False),
    sa.UniqueConstraint("channel", "address_key"),
    _one_of("state", "bot", "waiting", "staff", "closed"),
)

messages = sa.Table(
    "messages",
    metadata,
    _id(),
    _ref("conversation_id", "conversations", nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    _text("direction", 3),
    _text("author", 10),
    _ref("staff_id", "staff", nullable=True),
    _text("kind", 20),
    _sealed("body_enc"),
    _text("lang", LANG_CHARS, nullable=True),
    _text("channel", 40),
    _text("channel_message_id", CHANNEL_MESSAGE_ID_CHARS, nullable=True),
    _text("turn_id", ID_CHARS, nullable=True, index=True),
    _time("created_at", nullable=False),
    _time("processed_at"),
    _time("delivered_at"),
    sa.UniqueConstraint("conversation_id", "seq"),
    _one_of("direction", "in", "out"),
    _one_of("author", "patient", "assistant", "staff", "system"),
)
INBOUND = messages.c.direction == sa.literal_column("'in'")
"""Written as a constant: with a bound value neither database can see that a partial index applies."""
# Per conversation, not per channel alone: a web client chooses its message ids, and a stranger's equal id
# must neither swallow a patient's message nor reveal the replies to it (law 7).
sa.Index(
    "uq_messages_inbound",
    messages.c.conversation_id,
    messages.c.channel,
    messages.c.channel_message_id,
    unique=True,
    sqlite_where=INBOUND,
    postgresql_where=INBOUND,
)
sa.Index(
    "ix_messages_unprocessed",
    messages.c.created_at,
    sqlite_where=sa.and_(INBOUND, messages.c.processed_at.is_(None)),
    postgresql_where=sa.and_(INBOUND, messages.c.processed_at.is_(None)),
)

decisions = sa.Table(
    "decisions",
    metadata,
    _id(),
    _ref("message_id", "messages", nullable=False, unique=True),
    _text("level", 12),
    sa.Column("rules", sa.JSON, nullable=False),
    _sealed("findings_enc"),
    _text("ruleset", 80),
    sa.Column("versions", sa.JSON, nullable=False),
    _time("created_at", nullable=False),
)

escalations = sa.Table(
    "escalations",
    metadata,
    _id(),
    _ref("conversation_id", "conversations", nullable=False, index=True),
    _ref("message_id", "messages", nullable=True),
    _text("level", 12),
    _text("path", 40, nullable=True),
    _text("kind", 16),
    _text("status", 8),
    _sealed("reason_enc"),
    sa.Column("rule_ids", sa.JSON, nullable=False),
    _text("ruleset", 80, nullable=True),
    _time("created_at", nullable=False),
    _time("waiting_since"),
    _time("due_at"),
    _time("acknowledged_at"),
    _ref("acknowledged_by", "staff", nullable=True),
    _ref("claimed_by", "staff", nullable=True),
    _time("claimed_at"),
    _time("closed_at"),
    _text("close_reason", 200, nullable=True),
    sa.Column("alerts", sa.Integer, nullable=False),
    sa.UniqueConstraint("message_id", "kind"),
    _one_of("level", "emergency", "urgent", "routine", "self_care", "none"),
    _one_of("kind", "triage", "person_request", "callback"),
    _one_of("status", "open", "claimed", "closed"),
)
NOT_CLOSED = escalations.c.status != sa.literal_column("'closed'")
sa.Index(
    "uq_escalations_one_open",
    escalations.c.conversation_id,
    unique=True,
    sqlite_where=NOT_CLOSED,
    postgresql_where=NOT_CLOSED,
)
sa.Index(
    "ix_escalations_due",
    escalations.c.due_at,
    sqlite_where=NOT_CLOSED,
    postgresql_where=NOT_CLOSED,
)

escalation_events = sa.Table(
    "escalation_events",
    metadata,
    _id(),
    _ref("escalation_id", "escalations", nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    _ref("message_id", "messages", nullable=True),
    _text("kind", 20),
    _text("level", 12, nullable=True),
    _text("actor", 80),
    _sealed("detail_enc", nullable=True),
    _time("at", nullable=False),
    sa.UniqueConstraint("message_id", "kind"),
    sa.UniqueConstraint("escalation_id", "seq"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Serial, primary_key=True, autoincrement=True),
    _text("topic", 40),
    _text("key", 160, unique=True),
    _ref("conversation_id", "conversations", nullable=True),
    _text("lane", 120, nullable=True),
    _sealed("payload_enc"),
    _time("created_at", nullable=False),
    _time("available_at", nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    _text("claimed_by", 120, nullable=True),
    _time("claimed_until"),
    _time("done_at"),
    _time("dead_at"),
    _text("error_code", 80, nullable=True),
)
sa.Index(
    "ix_outbox_unfinished",
    outbox.c.lane,
    outbox.c.id,
    sqlite_where=sa.and_(outbox.c.done_at.is_(None), outbox.c.dead_at.is_(None)),
    postgresql_where=sa.and_(outbox.c.done_at.is_(None), outbox.c.dead_at.is_(None)),
)

button_tokens = sa.Table(
    "button_tokens",
    metadata,
    sa.Column("token", sa.String(64), primary_key=True),
    _ref("conversation_id", "conversations", nullable=False, index=True),
    _sealed("payload_enc"),
    _time("created_at", nullable=False),
    _time("used_at"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    ),
    _time("at", nullable=False),
    _text("actor", 80),
    _text("action", 60),
    _text("ref", 120),
    sa.Column("detail", sa.JSON, nullable=False),
    _text("prev_hash", 64),
    _text("hash", 64),
)

key_probe = sa.Table(
    "key_probe",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    _sealed("probe_enc"),
)
"""One sealed constant: opening it at start shows that the key file belongs to this database."""
