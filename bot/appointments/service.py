"""The clinic's calendar of visits: search, hold, confirm, move, cancel, list; all in the records' database.

A hold keeps a time for some minutes and then lets it go by itself. Every change is one transaction; the
key (clinician, five-minute cell) in SQL decides who wins. It knows no sentences and no channel.

    calendar = Calendar(database, clinic)
    offers = await calendar.search(wish, "general")
    held = await calendar.hold(offers.slots[0], conversation, key)
    booked = await calendar.confirm(held.id, conversation, name="…")
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.appointments.calendar import CELL_MINUTES, Slot, is_offered, local_minute
from bot.appointments.errors import HoldExpired, NotOffered, SlotTaken, TooMany, UnknownAppointment
from bot.appointments.ics import to_ics
from bot.appointments.search import LEAD, choose, free_slots, nearest, suits
from bot.appointments.service_types import Appointment, Offers
from bot.appointments.tables import appointment_cells as cells
from bot.appointments.tables import appointments as rows
from bot.appointments.times import BOOKING_DAYS
from bot.appointments.wish import Wish
from bot.clinic import Clinic
from bot.messages import new_id, now_utc
from bot.records.database import Database, insert_new
from bot.records.errors import RecordsUnavailable

HOLD_FOR = dt.timedelta(minutes=10)
"""Time to give a name and say yes; long enough for a slow typist, short enough not to block the calendar."""
MAX_BOOKED = 5
"""Upcoming visits one conversation may book: more is a mistake or an attack on the calendar."""
SEARCH_CHUNK_DAYS = 14
MAX_NAME_CHARS = 120
TRIES = 3
"""A deadlock or lock wait that PostgreSQL breaks is tried again; each try is a whole transaction."""

Clock = Callable[[], dt.datetime]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ask:
    """For whom and when free visits are looked for."""

    department: str
    clinician: str | None
    conversation: str | None
    now: dt.datetime


class Calendar:
    """Appointments of one clinic. Methods raise :class:`bot.appointments.errors.AppointmentError` types for
    what a patient can cause, and :class:`RecordsUnavailable` when the database is away."""

    def __init__(
        self,
        database: Database,
        clinic: Clinic,
        clock: Clock = now_utc,
        *,
        hold_for: dt.timedelta = HOLD_FOR,
    ) -> None:
        self.clinic = clinic
        self._database = database
        self._cipher = database.cipher
        self._clock = clock
        self._hold_for = hold_for

    # ---- looking ----------------------------------------------------------------------------------------

    async def search(
        self,
        wish: Wish | None,
        department: str,
        limit: int = 3,
        level: str | None = None,
        *,
        clinician: str | None = None,
        without: Collection[Slot] = (),
        conversation: str | None = None,
    ) -> Offers:
        """Up to ``limit`` free visits. ``level`` ``urgent`` sees today only; ``emergency`` sees nothing.

        ``clinician`` narrows to one person; ``without`` leaves out visits that were offered before; what
        ``conversation`` itself holds counts as free.
        """
        ask = _Ask(department, clinician, conversation, self._clock())
        if level == "emergency":
            return Offers((), matched=False)
        today = local_minute(ask.now, self.clinic.zone)[0]
        first, last = today, today if level == "urgent" else today + dt.timedelta(days=BOOKING_DAYS)
        wish = wish or Wish(earliest=True)
        if level == "urgent" and not any(w.day == today for w in wish.windows):
            wish = Wish(earliest=True)
        if wish.windows and not wish.any_day:
            first = max(today, min(w.day for w in wish.windows))
            last = min(last, max(w.day for w in wish.windows))
        found: list[Slot] = []
        async for slots in self._free(ask, first, last):
            found += [
                s for s in slots if s not in without and (not wish.windows or suits(s, wish, self.clinic))
            ]
            if len(found) >= limit * 8 or (wish.earliest and len(found) >= limit):
                break
        if found:
            return Offers(choose(found, limit, earliest=wish.earliest), matched=True)
        near = await self._near(ask, wish, limit, today, urgent=level == "urgent")
        return Offers(nearest([s for s in near if s not in without], wish, limit, self.clinic), matched=False)

    async def _near(self, ask: _Ask, wish: Wish, limit: int, today: dt.date, *, urgent: bool) -> list[Slot]:
        """Free visits around what was wished; for ``urgent`` whatever is left today."""
        middle = min((w.day for w in wish.windows), default=today)
        around = dt.timedelta(days=7)
        stretches = [(max(today, middle - around), middle + around)]
        stretches.append((today, today + dt.timedelta(days=BOOKING_DAYS)))
        for first, last in [(today, today)] if urgent else stretches:
            found: list[Slot] = []
            async for slots in self._free(ask, first, last):
                found += slots
                if (first, last) == stretches[1] and len(found) >= limit:
                    break
            if found:
                return found
        return []

    async def _free(self, ask: _Ask, first: dt.date, last: dt.date) -> AsyncIterator[list[Slot]]:
        """Free visits between two local days, fetched in stretches of two weeks."""
        day = first
        while day <= last:
            until = min(last, day + dt.timedelta(days=SEARCH_CHUNK_DAYS - 1))
            days = [day + dt.timedelta(days=n) for n in range((until - day).days + 1)]
            taken = await self._taken(ask, days[0], days[-1])
            yield free_slots(self.clinic, ask.department, days, taken, ask.now, ask.clinician)
            day = until + dt.timedelta(days=1)

    async def _taken(self, ask: _Ask, first: dt.date, last: dt.date) -> set[tuple[str, int]]:
        """Cells booked, or held by others, between two local days (a day more on each side covers every zone)."""
        low = dt.datetime.combine(first - dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
        high = dt.datetime.combine(last + dt.timedelta(days=2), dt.time(), tzinfo=dt.UTC)
        grain = CELL_MINUTES * 60
        held = sa.and_(rows.c.status == "held", rows.c.hold_expires_at > ask.now)
        if ask.conversation is not None:
            held = sa.and_(held, rows.c.conversation != ask.conversation)
        query = (
            sa.select(cells.c.clinician, cells.c.cell)
            .join(rows, rows.c.id == cells.c.appointment_id)
            .where(cells.c.cell.between(int(low.timestamp()) // grain, int(high.timestamp()) // grain))
            .where(sa.or_(rows.c.status == "booked", held))
        )
        async with self._database.read() as conn:
            return {(row.clinician, row.cell) for row in await conn.execute(query)}

    async def list(self, conversation: str) -> tuple[Appointment, ...]:
        """This conversation's booked visits that are still to come, soonest first."""
        query = (
            sa.select(rows)
            .where(rows.c.conversation == conversation, rows.c.status == "booked")
            .where(rows.c.starts_at >= self._clock())
            .order_by(rows.c.starts_at)
        )
        async with self._database.read() as conn:
            return tuple(self._value(row) for row in await conn.execute(query))

    async def get(self, appointment_id: str, conversation: str) -> Appointment:
        """One appointment of this conversation, or :class:`UnknownAppointment`."""
        async with self._database.read() as conn:
            return self._value(await self._row(conn, appointment_id, conversation))

    async def ics_by_token(self, token: str) -> bytes | None:
        """The calendar file behind ``/appointments/<token>.ics``, or None. Held visits have none."""
        query = sa.select(rows).where(
            rows.c.token_hash == _digest(token), rows.c.status.in_(("booked", "cancelled"))
        )
        async with self._database.read() as conn:
            row = (await conn.execute(query)).first()
        return None if row is None else to_ics(self._value(row), self.clinic)

    # ---- changing ---------------------------------------------------------------------------------------

    async def hold(
        self, slot: Slot, conversation: str, key: str, *, lang: str = "en", reason: str | None = None
    ) -> Appointment:
        """Keep a time for this conversation for some minutes. The same ``key`` again gives the same hold.

        Raises:
            SlotTaken: somebody has it. NotOffered: no such visit. TooMany: enough are booked already.
        """
        self._check(slot)

        async def work(conn: AsyncConnection, now: dt.datetime) -> Appointment:
            mine = rows.c.conversation == conversation
            same = await self._by_key(conn, conversation, key)
            if same is not None and (
                same.status == "booked" or (same.status == "held" and same.hold_expires_at > now)
            ):
                return self._value(same)
            await self._expire(conn, now, conversation)
            if same is not None:
                raise HoldExpired("this hold has ended; choose again")
            booked = await conn.scalar(
                sa.select(sa.func.count())
                .select_from(rows)
                .where(mine, rows.c.status == "booked", rows.c.starts_at >= now)
            )
            if booked >= MAX_BOOKED:
                raise TooMany("as many visits are booked as one conversation may have")
            values = self._new_row(slot, conversation, key, lang, reason, now)
            if not await insert_new(conn, rows, values):  # the same message, handled twice at once
                return self._value(await self._by_key(conn, conversation, key))
            await self._occupy(conn, slot, values["id"], now)
            return self._value((await conn.execute(sa.select(rows).where(rows.c.id == values["id"]))).one())

        return await self._write(work)

    async def set_name(self, appointment_id: str, conversation: str, name: str) -> None:
        """Store for whom a held or booked visit is (sealed); raises UnknownAppointment or HoldExpired."""

        async def work(conn: AsyncConnection, now: dt.datetime) -> None:
            row = await self._row(conn, appointment_id, conversation, lock=True)
            if (row.status == "held" and row.hold_expires_at <= now) or row.status == "expired":
                raise HoldExpired("this hold has ended; choose again")
            sealed = self._seal(appointment_id, "name_enc", name[:MAX_NAME_CHARS])
            await conn.execute(rows.update().where(rows.c.id == appointment_id).values(name_enc=sealed))

        await self._write(work)

    async def confirm(
        self, hold_id: str, conversation: str, *, name: str | None = None, lang: str | None = None
    ) -> Appointment:
        """Make a held visit a booked one. Confirming twice is the same as once.

        Raises:
            HoldExpired: it was let go meanwhile. UnknownAppointment: not this conversation's.
        """

        async def work(conn: AsyncConnection, now: dt.datetime) -> Appointment:
            row = await self._row(conn, hold_id, conversation, lock=True)
            if row.status == "booked":
                return self._value(row)
            changes: dict[str, Any] = {"status": "booked", "hold_expires_at": None, "updated_at": now}
            if name is not None:
                changes["name_enc"] = self._seal(hold_id, "name_enc", name[:MAX_NAME_CHARS])
            if lang is not None:
                changes["lang"] = lang
            done = await conn.execute(
                rows.update()
                .where(rows.c.id == hold_id, rows.c.status == "held", rows.c.hold_expires_at > now)
                .values(**changes)
            )
            after = await self._row(conn, hold_id, conversation)
            if done.rowcount != 1 and after.status != "booked":  # booked: a second yes came first
                raise HoldExpired("this hold has ended; choose again")
            return self._value(after)

        return await self._write(work)

    async def cancel(self, appointment_id: str, conversation: str) -> Appointment:
        """Cancel a booked or held visit; its time is free at once. Cancelling twice is the same as once."""

        async def work(conn: AsyncConnection, now: dt.datetime) -> Appointment:
            row = await self._row(conn, appointment_id, conversation, lock=True)
            if row.status in ("held", "booked"):
                await conn.execute(cells.delete().where(cells.c.appointment_id == appointment_id))
                await conn.execute(
                    rows.update()
                    .where(rows.c.id == appointment_id)
                    .values(status="cancelled", sequence=row.sequence + 1, updated_at=now)
                )
            return self._value(await self._row(conn, appointment_id, conversation))

        return await self._write(work)

    async def move(self, appointment_id: str, conversation: str, slot: Slot) -> Appointment:
        """Give a booked visit another time, at once or not at all: same UID, next SEQUENCE.

        Raises:
            SlotTaken, NotOffered: the old time stays. UnknownAppointment: not booked by this conversation.
        """
        self._check(slot)

        async def work(conn: AsyncConnection, now: dt.datetime) -> Appointment:
            row = await self._row(conn, appointment_id, conversation, lock=True)
            if row.status != "booked":
                raise UnknownAppointment("there is no such booked appointment")
            if self._value(row).slot == slot:
                return self._value(row)
            await conn.execute(cells.delete().where(cells.c.appointment_id == appointment_id))
            await self._occupy(conn, slot, appointment_id, now)
            await conn.execute(
                rows.update()
                .where(rows.c.id == appointment_id)
                .values(
                    starts_at=slot.start,
                    clinician=slot.clinician,
                    department=slot.department,
                    minutes=slot.minutes,
                    sequence=row.sequence + 1,
                    updated_at=now,
                )
            )
            return self._value(await self._row(conn, appointment_id, conversation))

        return await self._write(work)

    async def release(self, conversation: str) -> None:
        """Let go of what this conversation holds unconfirmed (the patient stopped booking)."""

        async def work(conn: AsyncConnection, now: dt.datetime) -> None:
            await self._expire(conn, now, conversation)

        await self._write(work)

    async def expire(self) -> None:
        """Let go of every hold whose time is over. Housekeeping only: search and hold see through them."""

        async def work(conn: AsyncConnection, now: dt.datetime) -> None:
            await self._expire(conn, now, None)

        await self._write(work)

    async def forget(self, conversation: str) -> int:
        """Delete every appointment of a conversation (the patient asked for deletion). Returns how many."""

        async def work(conn: AsyncConnection, now: dt.datetime) -> int:
            mine = sa.select(rows.c.id).where(rows.c.conversation == conversation)
            await conn.execute(cells.delete().where(cells.c.appointment_id.in_(mine)))
            done = await conn.execute(rows.delete().where(rows.c.conversation == conversation))
            return int(done.rowcount)

        return await self._write(work)

    # ---- inside a transaction ---------------------------------------------------------------------------

    async def _write(self, work: Callable[[AsyncConnection, dt.datetime], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            try:
                async with self._database.begin() as conn:
                    return await work(conn, self._clock())
            except RecordsUnavailable:
                if attempt == TRIES or self._database.sqlite:
                    raise
            attempt += 1

    def _check(self, slot: Slot) -> None:
        if slot.start < self._clock() + LEAD / 3 or not is_offered(self.clinic, slot):
            raise NotOffered("the timetable has no such visit to book")

    async def _occupy(self, conn: AsyncConnection, slot: Slot, id_: str, now: dt.datetime) -> None:
        """Take the cells in ascending order, all or none; cells of holds that are over are freed first."""
        stale = sa.select(rows.c.id).where(rows.c.status == "held", rows.c.hold_expires_at <= now)
        at = sa.and_(cells.c.clinician == slot.clinician, cells.c.cell.in_(slot.cells))
        await conn.execute(cells.delete().where(at, cells.c.appointment_id.in_(stale)))
        dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
        wanted = [{"clinician": slot.clinician, "cell": cell, "appointment_id": id_} for cell in slot.cells]
        done = await conn.execute(dialect.insert(cells).values(wanted).on_conflict_do_nothing())
        if done.rowcount != len(wanted):
            raise SlotTaken("this time has just been taken")

    async def _expire(self, conn: AsyncConnection, now: dt.datetime, conversation: str | None) -> None:
        """End this conversation's holds, or (None) all whose time is over, and free their cells."""
        over = (
            rows.c.conversation == conversation if conversation is not None else rows.c.hold_expires_at <= now
        )
        ended = [
            row.id
            for row in await conn.execute(
                rows.update()
                .where(rows.c.status == "held", over)
                .values(status="expired", updated_at=now)
                .returning(rows.c.id)
                if not self._database.sqlite
                else sa.select(rows.c.id).where(rows.c.status == "held", over)
            )
        ]
        if not ended:
            return
        if self._database.sqlite:
            await conn.execute(
                rows.update().where(rows.c.id.in_(ended)).values(status="expired", updated_at=now)
            )
        await conn.execute(cells.delete().where(cells.c.appointment_id.in_(ended)))

    async def _by_key(self, conn: AsyncConnection, conversation: str, key: str) -> Any:
        mine = sa.and_(rows.c.conversation == conversation, rows.c.idempotency_key == key)
        return (await conn.execute(sa.select(rows).where(mine))).first()

    async def _row(self, conn: AsyncConnection, id_: str, conversation: str, *, lock: bool = False) -> Any:
        """The row of this conversation; ``lock`` makes other changes of the same visit wait for this one."""
        query = sa.select(rows).where(rows.c.id == id_, rows.c.conversation == conversation)
        if lock:
            query = query.with_for_update()
        row = (await conn.execute(query)).first()
        if row is None:
            raise UnknownAppointment("there is no such appointment in this conversation")
        return row

    # ---- rows and values --------------------------------------------------------------------------------

    def _new_row(
        self, slot: Slot, conversation: str, key: str, lang: str, reason: str | None, now: dt.datetime
    ) -> dict[str, Any]:
        id_, token = new_id("a"), secrets.token_hex(32)
        return {
            "id": id_,
            "conversation": conversation,
            "department": slot.department,
            "clinician": slot.clinician,
            "starts_at": slot.start,
            "minutes": slot.minutes,
            "status": "held",
            "hold_expires_at": now + self._hold_for,
            "idempotency_key": key,
            "uid": f"{secrets.token_hex(16)}@{self.clinic.id}.careline",
            "sequence": 0,
            "lang": lang,
            "token_hash": _digest(token),
            "token_enc": self._seal(id_, "token_enc", token),
            "reason_enc": None if reason is None else self._seal(id_, "reason_enc", reason),
            "created_at": now,
            "updated_at": now,
        }

    def _seal(self, id_: str, column: str, text: str) -> bytes:
        return self._cipher.seal(text, record=id_, column=f"appointments.{column}")

    def _open(self, row: Any, column: str) -> str | None:
        blob = getattr(row, column)
        if blob is None:
            return None
        return self._cipher.open(blob, record=row.id, column=f"appointments.{column}")

    def _value(self, row: Any) -> Appointment:
        return Appointment(
            id=row.id,
            conversation=row.conversation,
            department=row.department,
            clinician=row.clinician,
            starts_at=row.starts_at,
            minutes=row.minutes,
            status=row.status,
            hold_expires_at=row.hold_expires_at,
            uid=row.uid,
            sequence=row.sequence,
            lang=row.lang,
            updated_at=row.updated_at,
            token=self._open(row, "token_enc") or "",
            name=self._open(row, "name_enc"),
            reason=self._open(row, "reason_enc"),
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
