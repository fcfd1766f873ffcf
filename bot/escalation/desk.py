"""The staff side of escalations: the queue, who holds a conversation, what staff write.

While staff hold a conversation the assistant is silent (law 5); exactly one member holds it, and every step
is audited. What staff write is stored and sent through the outbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.escalation.deadlines import Alert, Overdue, next_due
from bot.escalation.model import (
    RANK,
    AlreadyClaimed,
    AlreadyClosed,
    CloseReason,
    Detail,
    NotOwner,
    QueueItem,
    Seen,
    Status,
)
from bot.escalation.store import REASON, EscalationStore
from bot.messages import Reply, ReplyKind, new_id
from bot.records.conversations import State, lock
from bot.records.errors import BadValue, UnknownRecord, check_id
from bot.records.inbox import push_job
from bot.records.messages import StoredMessage, add_replies, read_messages, stored
from bot.records.tables import NOT_CLOSED, conversations, escalations, messages, staff

MAX_STAFF_TEXT_CHARS = 4_000
"""Longest text of staff: what the narrowest messaging channel (Telegram, 4096) takes in one piece."""
HISTORY_SHOWN = 500
"""The newest messages that staff see beside an escalation; opening thousands would take seconds."""


class Desk(EscalationStore):
    """What the console calls. ``staff`` arguments are staff ids, already authenticated."""

    async def queue(self) -> list[QueueItem]:
        """Everything that is not closed: by level, then unanswered before answered, then oldest first."""
        async with self.database.read() as conn:
            items = await self._items(conn, NOT_CLOSED)
        return sorted(items, key=_urgency)

    async def item(self, escalation: str) -> QueueItem:
        """One line of the queue, also of a closed escalation; or :class:`UnknownRecord`."""
        check_id("escalation", escalation)
        async with self.database.read() as conn:
            items = await self._items(conn, escalations.c.id == escalation)
        if not items:
            raise UnknownRecord("escalation", escalation)
        return items[0]

    async def detail(self, escalation: str, *, reader: str | None = None) -> Detail:
        """Everything about one escalation. ``reader``: the staff id for the audit of who has read it."""
        check_id("escalation", escalation)
        async with self.database.read() as conn:
            items = await self._items(conn, escalations.c.id == escalation)
            row = await self._row(conn, escalation)
            events = await self._events(conn, escalation)
            history = await read_messages(conn, self._cipher, row["conversation_id"], limit=HISTORY_SHOWN)
        if reader is not None:
            async with self.database.begin() as conn:
                await self._audit.append(conn, actor=reader, action="escalation.read", ref=escalation)
        reason = self._opened(row["reason_enc"], escalation, REASON)
        return Detail(items[0], reason, row["ruleset"], events, history)

    async def acknowledge(self, escalation: str, member: str) -> QueueItem:
        """A member has looked at it without claiming it. The first look is what patients are told of."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, escalation)
            _not_closed(row)
            if row["acknowledged_at"] is None:
                await self._note_change(conn, row, member, "acknowledged", **self._seen(row, member))
            return await self._only(conn, escalation)

    async def claim(self, escalation: str, member: str) -> QueueItem:
        """Take it. Exactly one claimant wins, the others get :class:`AlreadyClaimed`; the assistant is silent."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, escalation)
            _not_closed(row)
            if row["claimed_by"] is None:
                await self._own(conn, row, member, "claimed")
            elif row["claimed_by"] != member:
                raise await self._claimed(conn, row["claimed_by"])
            return await self._only(conn, escalation)

    async def take_over(self, escalation: str, member: str, reason: str = "") -> QueueItem:
        """Take it from whoever holds it. ``reason`` is free text and sealed."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, escalation)
            _not_closed(row)
            if row["claimed_by"] != member:
                detail = {"reason": reason, "from": row["claimed_by"]}
                await self._own(conn, row, member, "taken_over", detail)
            return await self._only(conn, escalation)

    async def release(self, escalation: str, member: str, reason: str = "") -> QueueItem:
        """Put it back into the queue: open again, its clock running, the patient still waiting for staff."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, escalation)
            _owned(row, member)
            now = self._clock()
            await self._note_change(
                conn,
                row,
                member,
                "released",
                {"reason": reason},
                status=Status.OPEN.value,
                claimed_by=None,
                claimed_at=None,
                waiting_since=row["waiting_since"] or now,
                due_at=row["due_at"] or next_due(row["level"], now),
            )
            await self._hold(conn, row["conversation_id"], State.WAITING, None)
            return await self._only(conn, escalation)

    async def hand_back(self, escalation: str, member: str) -> QueueItem:
        """The assistant answers again; the escalation is closed as handed back."""
        return await self.close(escalation, member, CloseReason.HANDED_BACK)

    async def close(self, escalation: str, member: str, reason: CloseReason | str) -> QueueItem:
        """End it: by its owner, or by anyone while nobody holds it. Closing again corrects the reason."""
        try:
            reason = CloseReason(reason)
        except ValueError:
            raise BadValue("reason", f"must be one of {', '.join(CloseReason)}") from None
        async with self.database.begin() as conn:
            row, conversation = await self._locked(conn, escalation)
            if row["status"] == Status.CLOSED.value:
                if row["close_reason"] != reason.value:
                    await self._note_change(conn, row, member, "closed", close_reason=reason.value)
                return await self._only(conn, escalation)
            if row["claimed_by"] not in (None, member):
                raise NotOwner("another member of staff holds it")
            await self._note_change(
                conn,
                row,
                member,
                "closed",
                {"reason": reason.value},
                status=Status.CLOSED.value,
                closed_at=self._clock(),
                close_reason=reason.value,
                due_at=None,
                waiting_since=None,
                **({} if row["acknowledged_at"] else self._looked(member)),
            )
            if conversation.state != State.CLOSED:
                await self._hold(conn, row["conversation_id"], State.BOT, None)
            return await self._only(conn, escalation)

    async def note(self, escalation: str, member: str, text: str) -> None:
        """An internal note, sealed; never sent to the patient."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, escalation)
            await self._note_change(conn, row, member, "note", {"text": _checked(text)})

    async def staff_reply(
        self, conversation: str, member: str, text: str, *, request_id: str | None = None
    ) -> StoredMessage:
        """Store what the owner writes and have it sent; :class:`NotOwner` for everyone else.

        ``request_id``: the same one twice (a double click, a retried request) stores and sends once.
        """
        text = _checked(text)
        async with self.database.begin() as conn:
            held = await lock(conn, conversation)
            if held.state != State.STAFF or held.owner_staff_id != member:
                raise NotOwner("claim the conversation before writing in it")
            id_ = new_id("r") if request_id is None else _reply_id(conversation, member, request_id)
            reply = Reply(text, held.lang or "en", ReplyKind.STAFF, author="staff", id=id_, at=self._clock())
            made = await add_replies(conn, self._cipher, held, [reply], now=self._clock(), staff_id=member)
            if made:
                await self._outbox.enqueue(conn, push_job(conversation, held.channel, id_))
                await self._answered(conn, conversation, member, id_)
            row = (await conn.execute(sa.select(messages).where(messages.c.id == id_))).one()
            return stored(row, self._cipher)

    async def seen(self, conversation: str) -> Seen:
        """What may be told to the patient about the newest escalation of a conversation (law 4)."""
        check_id("conversation", conversation)
        query = (
            sa.select(
                conversations.c.state,
                escalations.c.acknowledged_at,
                escalations.c.waiting_since,
                staff.c.name,
                staff.c.role,
            )
            .select_from(conversations)
            .outerjoin(escalations, escalations.c.conversation_id == conversations.c.id)
            .outerjoin(staff, staff.c.id == escalations.c.acknowledged_by)
            .where(conversations.c.id == conversation)
            .order_by(
                sa.case((escalations.c.status == "closed", 1), else_=0), escalations.c.created_at.desc()
            )
        )
        async with self.database.read() as conn:
            row = (await conn.execute(query.limit(1))).first()
        if row is None:
            raise UnknownRecord("conversation", conversation)
        return Seen(State(row.state), row.acknowledged_at, row.name, row.role, row.waiting_since)

    async def alert_again(self, item: Overdue, alert: Alert) -> bool:
        """Commit one further alert; False when another job was first or someone has answered meanwhile."""
        async with self.database.begin() as conn:
            row, _ = await self._locked(conn, item.id)
            if (row["alerts"], row["due_at"]) != (item.alerts, item.due_at) or row["status"] == "closed":
                return False
            row = await self._change(conn, item.id, alerts=item.alerts + 1, due_at=alert.due_at)
            await self._event(conn, item.id, "alerted", "system", level=row["level"])
            # Not the count alone: it starts again from zero when a worse message arrives.
            key = f"alert:{item.id}:{item.due_at.isoformat()}"
            await self._alert(conn, row, "overdue", key, tier=alert.tier)
            await self._audit.append(
                conn,
                actor="system",
                action="escalation.alerted",
                ref=item.id,
                detail={"tier": alert.tier.value, "count": item.alerts + 1},
            )
            return True

    async def postpone(self, item: Overdue, due_at: datetime) -> None:
        """Let a clock stand still until ``due_at``; nothing is alerted."""
        async with self.database.begin() as conn:
            await conn.execute(
                escalations.update()
                .where(escalations.c.id == item.id, escalations.c.due_at == item.due_at)
                .values(due_at=due_at)
            )

    async def _own(
        self,
        conn: AsyncConnection,
        row: Mapping[str, Any],
        member: str,
        change: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        await self._note_change(
            conn,
            row,
            member,
            change,
            detail,
            status=Status.CLAIMED.value,
            claimed_by=member,
            claimed_at=self._clock(),
            **self._seen(row, member),
        )
        await self._hold(conn, row["conversation_id"], State.STAFF, member)

    def _seen(self, row: Mapping[str, Any], member: str) -> dict[str, Any]:
        """Someone has looked: the clock for the answer starts, or goes on where none is owed."""
        due = next_due(row["level"], self._clock()) if row["waiting_since"] else None
        looked = {} if row["acknowledged_at"] else self._looked(member)
        return {**looked, "due_at": due, "alerts": 0}

    def _looked(self, member: str) -> dict[str, Any]:
        return {"acknowledged_at": self._clock(), "acknowledged_by": member}

    async def _answered(self, conn: AsyncConnection, conversation: str, member: str, reply: str) -> None:
        """Staff have written: no clock runs until the patient writes again."""
        row = await self._open_of(conn, conversation)
        if row is None:
            return
        await self._note_change(
            conn, row, member, "replied", key=f"replied:{reply}", waiting_since=None, due_at=None, alerts=0
        )

    async def _note_change(
        self,
        conn: AsyncConnection,
        row: Mapping[str, Any],
        member: str,
        change: str,
        detail: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        **values: Any,
    ) -> None:
        """One step of staff: the change, its line in the history, its live event, its audit entry."""
        after = await self._change(conn, row["id"], **values)
        await self._event(conn, row["id"], change, member, level=after["level"], detail=detail)
        await self._alert(conn, after, change, key or f"{change}:{new_id('ev')}")
        await self._audit.append(
            conn, actor=member, action=f"escalation.{change}", ref=row["id"], detail={"level": after["level"]}
        )

    async def _only(self, conn: AsyncConnection, escalation: str) -> QueueItem:
        return (await self._items(conn, escalations.c.id == escalation))[0]

    async def _claimed(self, conn: AsyncConnection, owner: str) -> AlreadyClaimed:
        found = await conn.execute(sa.select(staff.c.name).where(staff.c.id == owner))
        return AlreadyClaimed(owner, found.scalar_one())


def _urgency(item: QueueItem) -> tuple[int, bool, datetime]:
    return RANK[item.level], item.waiting_since is None, item.waiting_since or item.created_at


def _not_closed(row: Mapping[str, Any]) -> None:
    if row["status"] == Status.CLOSED.value:
        raise AlreadyClosed("the escalation is closed")


def _owned(row: Mapping[str, Any], member: str) -> None:
    _not_closed(row)
    if row["claimed_by"] != member:
        raise NotOwner("only the member of staff who holds it may do this")


def _checked(text: str) -> str:
    if not text.strip() or len(text) > MAX_STAFF_TEXT_CHARS:
        raise BadValue("text", f"must be 1 to {MAX_STAFF_TEXT_CHARS} characters")
    return text


def _reply_id(conversation: str, member: str, request_id: str) -> str:
    digest = hashlib.sha256("\0".join((conversation, member, request_id)).encode(errors="surrogatepass"))
    return f"r_{digest.hexdigest()[:40]}"
