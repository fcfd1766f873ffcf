"""Holding, booking, moving and cancelling, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools

import icalendar
import pytest
import sqlalchemy as sa

from bot.appointments.calendar import Slot
from bot.appointments.errors import (
    AppointmentError,
    HoldExpired,
    NotOffered,
    SlotTaken,
    TooMany,
    UnknownAppointment,
)
from bot.appointments.service import MAX_BOOKED, Calendar
from bot.appointments.tables import appointment_cells, appointments
from bot.appointments.times import understand
from bot.appointments.wish import Wish
from bot.clinic import Clinic
from bot.records.database import Database
from tests.appointments.conftest import MovableClock


async def first_slot(calendar: Calendar, department: str = "general") -> Slot:
    return (await calendar.search(None, department)).slots[0]


async def test_fifty_at_once_want_one_slot_and_one_gets_it(calendar: Calendar, database: Database) -> None:
    slot = await first_slot(calendar)

    async def try_hold(n: int) -> str | None:
        try:
            return (await calendar.hold(slot, f"c_{n}", "k")).id
        except SlotTaken:
            return None

    results = await asyncio.gather(*(try_hold(n) for n in range(50)))
    winners = [r for r in results if r is not None]
    assert len(winners) == 1
    async with database.read() as conn:
        taken = (await conn.execute(sa.select(appointment_cells))).all()
    assert {row.appointment_id for row in taken} == set(winners)
    assert len(taken) == len(slot.cells)


async def test_visits_of_different_length_that_overlap_collide(calendar: Calendar, clinic: Clinic) -> None:
    """Dr Chen sees children for 20 minutes and adults for 15: 13:45 for an adult overlaps 13:30 for a child."""
    child = Slot(dt.datetime(2026, 11, 23, 13, 30, tzinfo=dt.UTC), "chen", "paediatrics", 20)
    adult = Slot(dt.datetime(2026, 11, 23, 13, 45, tzinfo=dt.UTC), "chen", "general", 15)
    await calendar.hold(child, "c_1", "k")
    with pytest.raises(SlotTaken):
        await calendar.hold(adult, "c_2", "k")
    offered = await calendar.search(
        understand("today at 1:45pm", clinic, dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)), "general"
    )
    assert adult not in offered.slots


async def test_a_hold_is_found_again_by_its_key_and_ends_by_itself(
    calendar: Calendar, clock: MovableClock
) -> None:
    slot = await first_slot(calendar)
    held = await calendar.hold(slot, "c_1", "k")
    assert (await calendar.hold(slot, "c_1", "k")).id == held.id
    with pytest.raises(SlotTaken):
        await calendar.hold(slot, "c_2", "k")
    clock.forward(minutes=11)
    other = await calendar.hold((await calendar.search(None, "general")).slots[0], "c_2", "k2")
    assert other.status == "held"
    with pytest.raises(HoldExpired):
        await calendar.confirm(held.id, "c_1")


async def test_an_expired_hold_gives_its_time_back(
    calendar: Calendar, clock: MovableClock, clinic: Clinic
) -> None:
    slot = (await calendar.search(understand("tomorrow at 9am", clinic, clock()), "general")).slots[0]
    held = await calendar.hold(slot, "c_1", "k")
    clock.forward(minutes=10, seconds=1)
    again = await calendar.hold(slot, "c_2", "k")
    assert again.slot == slot
    with pytest.raises(HoldExpired):
        await calendar.confirm(held.id, "c_1")
    assert (await calendar.confirm(again.id, "c_2", name="Ann")).status == "booked"


async def test_confirming_twice_books_once(calendar: Calendar, database: Database) -> None:
    held = await calendar.hold(await first_slot(calendar), "c_1", "k")
    one, two = await asyncio.gather(
        calendar.confirm(held.id, "c_1", name="Ann Lee"), calendar.confirm(held.id, "c_1", name="Ann Lee")
    )
    assert one.id == two.id and one.status == two.status == "booked"
    assert [a.id for a in await calendar.list("c_1")] == [held.id]
    assert (await calendar.list("c_1"))[0].name == "Ann Lee"
    async with database.read() as conn:
        stored = (await conn.execute(sa.select(appointments))).one()
    assert b"Ann" not in stored.name_enc


async def test_a_new_hold_lets_the_old_one_go(
    calendar: Calendar, clinic: Clinic, clock: MovableClock
) -> None:
    offers = await calendar.search(understand("tomorrow", clinic, clock()), "general")
    await calendar.hold(offers.slots[0], "c_1", "k1")
    await calendar.hold(offers.slots[1], "c_1", "k2")
    assert (await calendar.hold(offers.slots[0], "c_2", "k")).status == "held"


async def test_nobody_touches_another_ones_visit(calendar: Calendar) -> None:
    held = await calendar.hold(await first_slot(calendar), "c_1", "k")
    for action in (
        calendar.confirm(held.id, "c_2"),
        calendar.cancel(held.id, "c_2"),
        calendar.get(held.id, "c_2"),
        calendar.set_name(held.id, "c_2", "Eve"),
    ):
        with pytest.raises(UnknownAppointment):
            await action
    assert await calendar.list("c_2") == ()


async def test_move_keeps_the_uid_and_counts_up(
    calendar: Calendar, clinic: Clinic, clock: MovableClock
) -> None:
    tomorrow = (await calendar.search(understand("tomorrow", clinic, clock()), "general")).slots
    held = await calendar.hold(tomorrow[0], "c_1", "k")
    booked = await calendar.confirm(held.id, "c_1", name="Ann")
    moved = await calendar.move(booked.id, "c_1", tomorrow[1])
    assert (moved.uid, moved.sequence, moved.slot) == (booked.uid, 1, tomorrow[1])
    assert (await calendar.hold(tomorrow[0], "c_2", "k")).status == "held"
    with pytest.raises(SlotTaken):
        await calendar.move(booked.id, "c_1", tomorrow[0])
    assert (await calendar.get(booked.id, "c_1")).slot == tomorrow[1]


async def test_cancel_frees_the_time_at_once(calendar: Calendar) -> None:
    slot = await first_slot(calendar)
    booked = await calendar.confirm((await calendar.hold(slot, "c_1", "k")).id, "c_1", name="Ann")
    gone = await calendar.cancel(booked.id, "c_1")
    assert (gone.status, gone.sequence) == ("cancelled", 1)
    assert (await calendar.cancel(booked.id, "c_1")).sequence == 1
    assert await calendar.list("c_1") == ()
    assert (await calendar.hold(slot, "c_2", "k")).status == "held"


async def test_a_made_up_slot_is_refused(calendar: Calendar) -> None:
    for start, clinician in (
        (dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC), "chen"),
        (dt.datetime(2026, 11, 24, 9, 7, tzinfo=dt.UTC), "chen"),
        (dt.datetime(2026, 12, 25, 9, 0, tzinfo=dt.UTC), "chen"),
        (dt.datetime(2020, 11, 24, 9, 0, tzinfo=dt.UTC), "chen"),
        (dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC), "nobody"),
    ):
        with pytest.raises(NotOffered):
            await calendar.hold(Slot(start, clinician, "general", 15), "c_1", "k")


async def test_one_conversation_cannot_fill_the_calendar(calendar: Calendar) -> None:
    for n in range(MAX_BOOKED):
        held = await calendar.hold(await first_slot(calendar), "c_1", f"k{n}")
        await calendar.confirm(held.id, "c_1", name="Ann")
    with pytest.raises(TooMany):
        await calendar.hold(await first_slot(calendar), "c_1", "more")


async def test_urgent_sees_today_only_and_emergency_nothing(
    calendar: Calendar, clinic: Clinic, clock: MovableClock
) -> None:
    wish = understand("next week", clinic, clock())
    wished_later = await calendar.search(wish, "general", level="urgent")
    assert {s.start.date() for s in wished_later} == {dt.date(2026, 11, 23)}
    today = await calendar.search(None, "general", level="urgent")
    assert today.slots and {s.start.date() for s in today} == {dt.date(2026, 11, 23)}
    assert len(await calendar.search(None, "general", level="emergency")) == 0


async def test_what_is_not_free_is_answered_with_the_nearest(
    calendar: Calendar, clinic: Clinic, clock: MovableClock
) -> None:
    wish = understand("Saturday afternoon", clinic, clock())
    offers = await calendar.search(wish, "general")
    assert not offers.matched
    assert offers.slots[-1].start.date() == dt.date(2026, 11, 28)


async def test_offers_differ_but_earliest_means_earliest(
    calendar: Calendar, clinic: Clinic, clock: MovableClock
) -> None:
    tomorrow = (await calendar.search(understand("tomorrow", clinic, clock()), "general")).slots
    assert len(tomorrow) == 3
    assert min(b.start - a.start for a, b in itertools.pairwise(tomorrow)) >= dt.timedelta(hours=1)
    first = (await calendar.search(Wish(earliest=True), "general")).slots
    assert first[1].start - first[0].start == dt.timedelta(minutes=15)


async def test_the_calendar_file(calendar: Calendar, clinic: Clinic, clock: MovableClock) -> None:
    slot = (await calendar.search(understand("tomorrow at 9am", clinic, clock()), "womens_health")).slots[0]
    held = await calendar.hold(slot, "c_1", "k", reason="heavy_periods")
    assert await calendar.ics_by_token(held.token) is None
    booked = await calendar.confirm(held.id, "c_1", name="Ann Lee")
    data = await calendar.ics_by_token(booked.token)
    assert data is not None
    event = icalendar.Calendar.from_ical(data).walk("VEVENT")[0]
    assert event["UID"] == booked.uid and event["SEQUENCE"] == 0
    assert event["CLASS"] == "PRIVATE" and event["DTSTART"].params["TZID"] == "Europe/London"
    assert event.decoded("DTSTART") == booked.starts_at
    assert b"BEGIN:VTIMEZONE" in data and b"BEGIN:VALARM" in data
    for secret in (b"Ann", b"period", b"Women"):
        assert secret not in data
    assert await calendar.ics_by_token("0" * 64) is None
    await calendar.cancel(booked.id, "c_1")
    gone = icalendar.Calendar.from_ical(await calendar.ics_by_token(booked.token) or b"").walk("VEVENT")[0]
    assert (gone["UID"], gone["STATUS"], gone["SEQUENCE"]) == (booked.uid, "CANCELLED", 1)


async def test_forget_deletes_rows_and_frees_time(calendar: Calendar, database: Database) -> None:
    slot = await first_slot(calendar)
    await calendar.confirm((await calendar.hold(slot, "c_1", "k")).id, "c_1", name="Ann")
    assert await calendar.forget("c_1") == 1
    async with database.read() as conn:
        assert (await conn.execute(sa.select(appointments))).all() == []
    assert (await calendar.hold(slot, "c_2", "k")).status == "held"


async def test_many_patients_book_many_slots_without_overlap(calendar: Calendar, database: Database) -> None:
    """Forty patients take what is first each time; whoever loses looks again."""

    async def book(n: int) -> str:
        for attempt in range(60):
            slot = await first_slot(calendar)
            try:
                held = await calendar.hold(slot, f"c_{n}", f"k{attempt}")
                return (await calendar.confirm(held.id, f"c_{n}", name="Ann")).id
            except AppointmentError:
                continue
        raise AssertionError("never got a slot")

    ids = await asyncio.gather(*(book(n) for n in range(12)))
    assert len(set(ids)) == 12
    async with database.read() as conn:
        rows = (await conn.execute(sa.select(appointments).where(appointments.c.status == "booked"))).all()
    spans = sorted((r.clinician, r.starts_at, r.starts_at + dt.timedelta(minutes=r.minutes)) for r in rows)
    assert len(spans) == 12
    for a, b in itertools.pairwise(spans):
        assert a[0] != b[0] or a[2] <= b[1]


async def test_the_same_choice_handled_twice_at_once_is_one_hold(
    calendar: Calendar, database: Database
) -> None:
    slot = await first_slot(calendar)
    held = await asyncio.gather(*(calendar.hold(slot, "c_1", "k") for _ in range(8)))
    assert len({h.id for h in held}) == 1
    async with database.read() as conn:
        assert len((await conn.execute(sa.select(appointments))).all()) == 1


async def test_moves_at_once_leave_one_place_taken(
    calendar: Calendar, database: Database, clinic: Clinic, clock: MovableClock
) -> None:
    """Two taps on two times: one of them holds, and no cell of the other or of the old time stays behind."""
    offers = (await calendar.search(understand("tomorrow", clinic, clock()), "general")).slots
    booked = await calendar.confirm((await calendar.hold(offers[0], "c_1", "k")).id, "c_1", name="Ann")
    await asyncio.gather(*(calendar.move(booked.id, "c_1", offers[1 + n % 2]) for n in range(8)))
    after = await calendar.get(booked.id, "c_1")
    async with database.read() as conn:
        taken = (await conn.execute(sa.select(appointment_cells))).all()
    assert {(row.clinician, row.cell) for row in taken} == {(after.clinician, c) for c in after.slot.cells}


async def test_cancelling_while_moving_leaves_nothing_taken_or_one_place(
    calendar: Calendar, database: Database, clinic: Clinic, clock: MovableClock
) -> None:
    offers = (await calendar.search(understand("tomorrow", clinic, clock()), "general")).slots
    booked = await calendar.confirm((await calendar.hold(offers[0], "c_1", "k")).id, "c_1", name="Ann")
    await asyncio.gather(
        calendar.move(booked.id, "c_1", offers[1]), calendar.cancel(booked.id, "c_1"), return_exceptions=True
    )
    assert (await calendar.get(booked.id, "c_1")).status == "cancelled"
    async with database.read() as conn:
        assert (await conn.execute(sa.select(appointment_cells))).all() == []
