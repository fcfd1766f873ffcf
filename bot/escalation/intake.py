"""Taking in: what a patient's message asks of staff is committed before anyone speaks of it (law 2).

One conversation has at most one open escalation; a further message joins it, and may raise it. A message is
taken in once per kind, however often it is handed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.escalation.deadlines import first_due, next_due
from bot.escalation.model import RANK, Alarm, DiscreetConversation, Kind, Raised, Status
from bot.escalation.store import REASON, EscalationStore
from bot.messages import Reply, new_id
from bot.records.conversations import State, lock
from bot.records.errors import BadValue, UnknownRecord
from bot.records.inbox import push_job, store_decision
from bot.records.messages import Decision, add_replies
from bot.records.tables import INBOUND, conversations, escalation_events, escalations, messages

REQUEST_LEVEL = "routine"
"""A wish to speak to someone is not an alarm by itself; the rules have read the same message already."""
DISCREET_PATH = "abuse"
"""From this path on nothing may reach the patient that a person beside them could notice (HAZ-09)."""
MAX_REASON_CHARS = 100
"""A reason is a code; a patient's words belong into the sealed summary."""


class Intake(EscalationStore):
    """The patient's side of escalations: what the turn and the dialogue call."""

    async def raise_(self, alarm: Alarm, *, reply: Reply | None = None, push: bool = False) -> Raised:
        """Commit decision, escalation, staff alert, and the ``reply`` that tells of it: one transaction.

        Idempotent by message: handing the same alarm over again changes nothing (``repeat``). ``push``: the
        channel must be sent to, so the reply gets its outbox row too. Raises :class:`RecordsUnavailable`
        (then: spool it), :class:`UnknownRecord`, :class:`BadValue`.
        """
        if alarm.level not in RANK:
            raise BadValue("level", f"must be one of {', '.join(RANK)}")
        async with self.database.begin() as conn:
            conversation = await lock(conn, alarm.conversation_id)
            message = await self._message(conn, alarm.conversation_id, alarm.message_id)
            await store_decision(
                conn, self._cipher, message, Decision.of(alarm.assessment, alarm.versions), self._clock()
            )
            if alarm.path == DISCREET_PATH:
                await self._be_discreet(conn, conversation.id)
            raised = await self._take_in(
                conn,
                conversation,
                message,
                kind=Kind.TRIAGE,
                level=alarm.level,
                path=alarm.path,
                rule_ids=alarm.rule_ids,
                ruleset=alarm.assessment["ruleset"],
                detail=alarm.detail(),
            )
            if reply is None:
                return raised
            return await self._tell(conn, conversation, message, raised, reply, push)

    async def request_person(
        self,
        conversation: str,
        *,
        message_id: str,
        lang: str | None = None,
        reason: str = "patient_asked",
        summary: str = "",
        when: str | None = None,
        level: str = REQUEST_LEVEL,
    ) -> Raised:
        """The patient wants to speak to a person. ``reason`` is a code; ``summary`` and ``when`` are sealed."""
        detail = {"reason": reason, "words": summary, "when": when, "lang": lang}
        return await self._request(conversation, message_id, Kind.PERSON, level, reason, detail)

    async def request_callback(
        self,
        conversation: str,
        phone: str,
        *,
        message_id: str,
        lang: str | None = None,
        reason: str = "patient_asked",
        summary: str = "",
        when: str | None = None,
        level: str = REQUEST_LEVEL,
    ) -> Raised:
        """The patient wants to be called. The number is sealed; :class:`DiscreetConversation` refuses it."""
        detail = {"reason": reason, "words": summary, "when": when, "phone": phone, "lang": lang}
        return await self._request(conversation, message_id, Kind.CALLBACK, level, reason, detail)

    async def patient_wrote(self, conversation: str, message_id: str) -> None:
        """A further message while staff are asked or in control: it waits for them from now on."""
        async with self.database.begin() as conn:
            await lock(conn, conversation)
            message = await self._message(conn, conversation, message_id)
            row = await self._open_of(conn, conversation)
            if row is None:
                return
            row = await self._change(conn, row["id"], **self._waits(row))
            await self._alert(conn, row, "patient_wrote", f"wrote:{message}", message_id=message)

    async def _request(
        self,
        conversation: str,
        message_id: str,
        kind: Kind,
        level: str,
        reason: str,
        detail: Mapping[str, Any],
    ) -> Raised:
        if level not in RANK:
            raise BadValue("level", f"must be one of {', '.join(RANK)}")
        if len(reason) > MAX_REASON_CHARS:
            raise BadValue("reason", "must be a code")
        async with self.database.begin() as conn:
            row = await lock(conn, conversation)
            if kind is Kind.CALLBACK and row.discreet:
                raise DiscreetConversation("a call could be noticed by someone beside the patient")
            message = await self._message(conn, conversation, message_id)
            return await self._take_in(
                conn,
                row,
                message,
                kind=kind,
                level=level,
                path=None,
                rule_ids=[],
                ruleset=None,
                detail=detail,
            )

    async def _take_in(
        self,
        conn: AsyncConnection,
        conversation: Any,
        message: str,
        *,
        kind: Kind,
        level: str,
        path: str | None,
        rule_ids: list[str],
        ruleset: str | None,
        detail: Mapping[str, Any],
    ) -> Raised:
        known = await self._known(conn, message, kind)
        if known is not None:
            return _raised(known, created=False, repeat=True)
        values = {
            "level": level,
            "path": path,
            "kind": kind.value,
            "rule_ids": rule_ids,
            "ruleset": ruleset,
        }
        current = await self._open_of(conn, conversation.id)
        if current is None:
            row = await self._create(conn, conversation, message, values, detail)
            change = "created"
        elif RANK[level] < RANK[current["level"]]:
            row = await self._heighten(conn, current, values, detail)
            change = "raised"
        else:
            ids = list(dict.fromkeys([*current["rule_ids"], *rule_ids]))
            row = await self._change(conn, current["id"], rule_ids=ids, **self._waits(current))
            change = "added"
        await self._event(
            conn, row["id"], kind.value, "patient", message_id=message, level=level, detail=detail
        )
        await self._alert(conn, row, change, f"{kind.value}:{message}", message_id=message)
        await self._audit.append(
            conn,
            actor="assistant",
            action=f"escalation.{change}",
            ref=row["id"],
            detail={"level": level, "kind": kind.value, "message": message},
        )
        return _raised(row, created=change == "created", repeat=False)

    async def _create(
        self,
        conn: AsyncConnection,
        conversation: Any,
        message: str,
        values: Mapping[str, Any],
        detail: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        id_, now = new_id("e"), self._clock()
        await conn.execute(
            escalations.insert().values(
                id=id_,
                conversation_id=conversation.id,
                message_id=message,
                status=Status.OPEN.value,
                reason_enc=self._seal(id_, REASON, detail),
                created_at=now,
                waiting_since=now,
                due_at=first_due(values["level"], now),
                alerts=0,
                **values,
            )
        )
        if conversation.state != State.STAFF:
            await self._hold(conn, conversation.id, State.WAITING, None)
        return await self._row(conn, id_)

    async def _heighten(
        self,
        conn: AsyncConnection,
        current: Mapping[str, Any],
        values: Mapping[str, Any],
        detail: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """A worse message in an open escalation: its level, reason and deadline are the new ones.

        A look at the milder message is no look at this one, so it counts as unseen again; whoever has
        claimed it keeps it.
        """
        now = self._clock()
        due = first_due(values["level"], now)
        ids = list(dict.fromkeys([*values["rule_ids"], *current["rule_ids"]]))
        return await self._change(
            conn,
            current["id"],
            **{**values, "rule_ids": ids},
            reason_enc=self._seal(current["id"], REASON, detail),
            acknowledged_at=None,
            acknowledged_by=None,
            waiting_since=current["waiting_since"] or now,
            due_at=min(due, current["due_at"] or due),
            alerts=0,
        )

    def _waits(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The patient waits for an answer (again); a clock that runs already is not set back."""
        now = self._clock()
        return {
            "waiting_since": row["waiting_since"] or now,
            "due_at": row["due_at"] or next_due(row["level"], now),
        }

    async def _tell(
        self,
        conn: AsyncConnection,
        conversation: Any,
        message: str,
        raised: Raised,
        reply: Reply,
        push: bool,
    ) -> Raised:
        await add_replies(conn, self._cipher, conversation, [reply], now=self._clock(), turn_id=message)
        if push:
            await self._outbox.enqueue(conn, push_job(conversation.id, conversation.channel, reply.id))
        found = await conn.execute(sa.select(messages.c.seq).where(messages.c.id == reply.id))
        return Raised(
            raised.escalation_id,
            raised.level,
            raised.status,
            raised.created,
            raised.repeat,
            raised.due_at,
            reply_seq=found.scalar_one(),
        )

    async def _be_discreet(self, conn: AsyncConnection, conversation: str) -> None:
        await conn.execute(
            conversations.update().where(conversations.c.id == conversation).values(discreet=True)
        )

    async def _known(self, conn: AsyncConnection, message: str, kind: Kind) -> Mapping[str, Any] | None:
        found = await conn.execute(
            sa.select(escalation_events.c.escalation_id).where(
                escalation_events.c.message_id == message, escalation_events.c.kind == kind.value
            )
        )
        escalation = found.scalar()
        return None if escalation is None else await self._row(conn, escalation)

    async def _message(self, conn: AsyncConnection, conversation: str, reference: str) -> str:
        """The stored message's id, from that id or from the channel's own within this conversation."""
        if not reference.isprintable():
            raise UnknownRecord("message", reference)
        found = await conn.execute(
            sa.select(messages.c.id).where(
                messages.c.conversation_id == conversation,
                INBOUND,
                sa.or_(messages.c.id == reference, messages.c.channel_message_id == reference),
            )
        )
        id_: str | None = found.scalar()
        if id_ is None:
            raise UnknownRecord("message", reference)
        return id_


def _raised(row: Mapping[str, Any], *, created: bool, repeat: bool) -> Raised:
    due: datetime | None = row["due_at"]
    return Raised(row["id"], row["level"], Status(row["status"]), created, repeat, due)
