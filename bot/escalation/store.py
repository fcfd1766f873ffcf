"""Rows of escalations: the steps that taking in and staff's work share, inside a caller's transaction.

Locks are always taken in one order (conversation, escalation, audit), so that transactions never wait for
each other in a circle. It knows rows; what may happen when is decided in ``intake`` and ``desk``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.escalation.deadlines import Tier
from bot.escalation.model import Event, Kind, QueueItem, Status
from bot.messages import new_id, now_utc
from bot.records.audit import AuditLog
from bot.records.conversations import State, lock
from bot.records.database import Database
from bot.records.errors import UnknownRecord, check_id
from bot.records.outbox import Job, Outbox
from bot.records.tables import NOT_CLOSED, conversations, escalation_events, escalations, staff

REASON = "escalations.reason_enc"
EVENT_DETAIL = "escalation_events.detail_enc"
ALERT_TOPIC = "staff_alert"
"""Outbox rows of this topic hold ids, level and codes: never a patient's words."""


class EscalationStore:
    """Shared steps. ``database`` is public so that jobs can read what is due."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        audit: AuditLog,
        *,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.database = database
        self._outbox, self._audit, self._clock = outbox, audit, clock
        self._cipher = database.cipher

    def _seal(self, record: str, column: str, detail: Mapping[str, Any]) -> bytes:
        return self._cipher.seal(json.dumps(dict(detail)), record=record, column=column)

    def _opened(self, blob: bytes, record: str, column: str) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self._cipher.open(blob, record=record, column=column))
        return data

    async def _event(
        self,
        conn: AsyncConnection,
        escalation: str,
        kind: str,
        actor: str,
        *,
        message_id: str | None = None,
        level: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Add to the escalation's history; its conversation is locked, so the numbers have no holes."""
        id_ = new_id("ev")
        last = await conn.execute(
            sa.select(sa.func.max(escalation_events.c.seq)).where(
                escalation_events.c.escalation_id == escalation
            )
        )
        await conn.execute(
            escalation_events.insert().values(
                id=id_,
                escalation_id=escalation,
                seq=(last.scalar() or 0) + 1,
                message_id=message_id,
                kind=kind,
                level=level,
                actor=actor,
                detail_enc=None if detail is None else self._seal(id_, EVENT_DETAIL, detail),
                at=self._clock(),
            )
        )

    async def _alert(
        self,
        conn: AsyncConnection,
        row: Mapping[str, Any],
        change: str,
        key: str,
        *,
        tier: Tier = Tier.DUTY,
        message_id: str | None = None,
    ) -> None:
        """Enqueue the live event that tells consoles of a change; ``row`` is the escalation after it."""
        payload = {
            "escalation": row["id"],
            "conversation": row["conversation_id"],
            "message": message_id,
            "level": row["level"],
            "path": row["path"],
            "kind": row["kind"],
            "status": row["status"],
            "change": change,
            "tier": tier.value,
            "at": self._clock().isoformat(),
        }
        lane = f"{ALERT_TOPIC}/{row['conversation_id']}"
        await self._outbox.enqueue(
            conn, Job(ALERT_TOPIC, key, payload, conversation=row["conversation_id"], lane=lane)
        )

    async def _change(self, conn: AsyncConnection, escalation: str, **values: Any) -> Mapping[str, Any]:
        """Update an escalation and return it as it is now."""
        if values:
            await conn.execute(escalations.update().where(escalations.c.id == escalation).values(**values))
        return await self._row(conn, escalation)

    async def _row(self, conn: AsyncConnection, escalation: str) -> Mapping[str, Any]:
        check_id("escalation", escalation)
        found = await conn.execute(sa.select(escalations).where(escalations.c.id == escalation))
        row = found.mappings().first()
        if row is None:
            raise UnknownRecord("escalation", escalation)
        return dict(row)

    async def _locked(self, conn: AsyncConnection, escalation: str) -> tuple[Mapping[str, Any], Any]:
        """The escalation and its conversation, both held against others until the transaction ends."""
        first = await self._row(conn, escalation)
        conversation = await lock(conn, first["conversation_id"])
        return await self._row(conn, escalation), conversation

    async def _open_of(self, conn: AsyncConnection, conversation: str) -> Mapping[str, Any] | None:
        found = await conn.execute(
            sa.select(escalations).where(escalations.c.conversation_id == conversation, NOT_CLOSED)
        )
        row = found.mappings().first()
        return None if row is None else dict(row)

    async def _hold(self, conn: AsyncConnection, conversation: str, state: State, owner: str | None) -> None:
        await conn.execute(
            conversations.update()
            .where(conversations.c.id == conversation)
            .values(state=state.value, owner_staff_id=owner, updated_at=self._clock())
        )

    async def _items(self, conn: AsyncConnection, *where: Any) -> list[QueueItem]:
        query = (
            sa.select(
                escalations,
                conversations.c.channel,
                conversations.c.lang,
                conversations.c.discreet,
                conversations.c.state,
                staff.c.name,
            )
            .join(conversations, conversations.c.id == escalations.c.conversation_id)
            .outerjoin(staff, staff.c.id == escalations.c.claimed_by)
            .where(*where)
        )
        return [self._item(row) for row in (await conn.execute(query)).all()]

    def _item(self, row: Any) -> QueueItem:
        reason = self._opened(row.reason_enc, row.id, REASON)
        return QueueItem(
            id=row.id,
            conversation_id=row.conversation_id,
            message_id=row.message_id,
            level=row.level,
            path=row.path,
            kind=Kind(row.kind),
            status=Status(row.status),
            channel=row.channel,
            lang=row.lang,
            discreet=row.discreet,
            conversation_state=State(row.state),
            words=reason.get("words", ""),
            spans=reason.get("spans", []),
            reasons=reason.get("reasons", []),
            rule_ids=row.rule_ids,
            created_at=row.created_at,
            waiting_since=row.waiting_since,
            due_at=row.due_at,
            acknowledged_at=row.acknowledged_at,
            claimed_by=row.claimed_by,
            claimed_by_name=row.name,
            claimed_at=row.claimed_at,
            closed_at=row.closed_at,
            close_reason=row.close_reason,
            alerts=row.alerts,
        )

    async def _events(self, conn: AsyncConnection, escalation: str) -> list[Event]:
        found = await conn.execute(
            sa.select(escalation_events)
            .where(escalation_events.c.escalation_id == escalation)
            .order_by(escalation_events.c.seq)
        )
        return [
            Event(
                id=row.id,
                kind=row.kind,
                actor=row.actor,
                at=row.at,
                level=row.level,
                message_id=row.message_id,
                detail={} if row.detail_enc is None else self._opened(row.detail_enc, row.id, EVENT_DETAIL),
            )
            for row in found.all()
        ]
