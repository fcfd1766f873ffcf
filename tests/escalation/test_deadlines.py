"""Nobody answers: alerted again, then more widely, until someone does. The decision is a pure function."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.escalation.deadlines import (
    FIRST_RESPONSE,
    NEXT_RESPONSE,
    Alert,
    DeadlineJob,
    Overdue,
    Postpone,
    Tier,
    decide,
)
from bot.escalation.model import RANK
from bot.records.tables import outbox
from tests.escalation.situations import EMERGENCY, URGENT, about
from tests.stores import START, Stores, again

MOMENT = timedelta(microseconds=1)


class Rota:
    """Someone on duty always, or never before ``begins``."""

    def __init__(self, present: bool, begins: datetime | None = None) -> None:
        self.present, self.begins = present, begins

    def on_duty(self, at: datetime) -> Any | None:
        return "nurse" if self.present else None

    def next_duty(self, at: datetime) -> tuple[datetime, Any] | None:
        return None if self.begins is None else (self.begins, "nurse")


PRESENT, ABSENT = Rota(True), Rota(False, START + timedelta(hours=10))


def overdue(level: str, alerts: int = 0) -> Overdue:
    return Overdue("e_1", level, START, alerts)


@pytest.mark.parametrize("level", list(RANK))
def test_nothing_happens_before_its_time_and_something_at_it(level: str) -> None:
    assert decide(overdue(level), START - MOMENT, PRESENT) is None
    assert decide(overdue(level), START, PRESENT) == Alert(Tier.DUTY, START + NEXT_RESPONSE[level])


def test_each_unanswered_alert_reaches_further() -> None:
    tiers = [decide(overdue("emergency", alerts), START, PRESENT) for alerts in range(5)]
    assert [alert.tier for alert in tiers if isinstance(alert, Alert)] == [
        Tier.DUTY, Tier.EVERYONE, Tier.MANAGER, Tier.MANAGER, Tier.MANAGER,
    ]  # fmt: skip


@pytest.mark.parametrize("level", ["emergency", "urgent"])
def test_with_nobody_on_duty_an_urgent_one_goes_to_everyone_at_once(level: str) -> None:
    assert decide(overdue(level), START, ABSENT) == Alert(Tier.EVERYONE, START + NEXT_RESPONSE[level])


@pytest.mark.parametrize("level", ["routine", "self_care", "none"])
def test_with_nobody_on_duty_a_routine_one_waits_for_the_next_duty(level: str) -> None:
    assert decide(overdue(level), START, ABSENT) == Postpone(ABSENT.begins + NEXT_RESPONSE[level])  # type: ignore[operator]
    unknown = decide(overdue(level), START, Rota(False))
    assert unknown == Postpone(START + timedelta(days=1) + NEXT_RESPONSE[level])


def test_a_more_urgent_level_is_never_slower() -> None:
    for times in (FIRST_RESPONSE, NEXT_RESPONSE):
        ordered = [times[level] for level in sorted(RANK, key=RANK.__getitem__)]
        assert ordered == sorted(ordered)
    assert FIRST_RESPONSE["emergency"] <= timedelta(minutes=2)  # safety goal R7


async def alerts(stores: Stores) -> list[str]:
    return [row["key"] for row in await stores.rows(outbox) if row["key"].startswith("alert:")]


async def raise_one(stores: Stores, alarm: Any = EMERGENCY) -> tuple[str, str]:
    conversation = await stores.conversation()
    message = await stores.message(conversation)
    raised = await stores.escalations.raise_(about(alarm, conversation.id, message))
    return raised.escalation_id, conversation.id


async def test_an_unseen_emergency_is_chased_until_someone_answers(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    member, job = await stores.member(), DeadlineJob(stores.escalations, PRESENT, clock=stores.clock)
    assert await job.tick() == 0
    sent = []
    for _ in range(6):
        stores.clock.pass_(minutes=1)
        sent.append(await job.tick())
    assert sent == [0, 1, 0, 1, 0, 1]
    assert (await stores.escalations.item(escalation)).alerts == 3
    await stores.escalations.claim(escalation, member)  # seen, but the patient still waits (HAZ-04)
    stores.clock.pass_(minutes=2)
    assert await job.tick() == 1
    await stores.escalations.staff_reply(conversation, member, "I am here.")
    stores.clock.pass_(hours=5)
    assert await job.tick() == 0
    await stores.escalations.patient_wrote(conversation, await stores.message(conversation))
    stores.clock.pass_(minutes=2)
    assert await job.tick() == 1
    await stores.escalations.hand_back(escalation, member)
    stores.clock.pass_(hours=5)
    assert await job.tick() == 0
    assert len(await alerts(stores)) == 5


async def test_two_jobs_send_each_alert_once(stores: Stores) -> None:
    await raise_one(stores)
    reopened = await again(stores.database, stores.clock)
    jobs = [DeadlineJob(one.escalations, PRESENT, clock=stores.clock) for one in (stores, reopened)]
    stores.clock.pass_(minutes=2)
    assert sum(await asyncio.gather(*(job.tick() for job in jobs))) == 1
    assert len(await alerts(stores)) == 1
    await reopened.database.close()


async def test_a_worse_message_after_alerts_starts_again_and_is_alerted_again(stores: Stores) -> None:
    """The count starts from zero again; a key made of the count alone would have swallowed this alert."""
    escalation, conversation = await raise_one(stores, URGENT)
    job = DeadlineJob(stores.escalations, PRESENT, clock=stores.clock)
    stores.clock.pass_(minutes=10)
    assert await job.tick() == 1
    message = await stores.message(await stores.conversations.get(conversation))
    await stores.escalations.raise_(about(EMERGENCY, conversation, message))
    assert (await stores.escalations.item(escalation)).alerts == 0
    stores.clock.pass_(minutes=2)
    assert await job.tick() == 1
    assert len(set(await alerts(stores))) == 2


async def test_a_request_at_night_is_chased_in_the_morning(stores: Stores) -> None:
    conversation = await stores.conversation()
    message = await stores.message(conversation)
    raised = await stores.escalations.request_person(conversation.id, message_id=message)
    stores.clock.pass_(hours=1)
    assert await DeadlineJob(stores.escalations, ABSENT, clock=stores.clock).tick() == 0
    item = await stores.escalations.item(raised.escalation_id)
    assert item.due_at == START + timedelta(hours=10, minutes=30)
    stores.clock.now = item.due_at
    assert await DeadlineJob(stores.escalations, PRESENT, clock=stores.clock).tick() == 1


async def test_the_running_job_alerts_and_stops_when_told(stores: Stores) -> None:
    await raise_one(stores)
    stores.clock.pass_(minutes=2)
    overdue_told = asyncio.Event()

    async def console(_topic: str, _key: str, payload: dict[str, Any]) -> None:
        if payload["change"] == "overdue":
            overdue_told.set()

    job = DeadlineJob(stores.escalations, PRESENT, clock=stores.clock)
    worker = stores.outbox.worker({"staff_alert": console})
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(job.run())
        group.create_task(worker.run())
        await overdue_told.wait()
        job.stop()
        worker.stop()


async def test_the_running_job_outlives_an_absent_database(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    await stores.database.close()
    job = DeadlineJob(stores.escalations, PRESENT, clock=stores.clock)
    task = asyncio.create_task(job.run())
    await asyncio.sleep(0)
    job.stop()
    async with asyncio.timeout(10):
        await task
    assert "the database is away" in caplog.text


async def test_a_faulty_rota_ends_no_chase(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await raise_one(stores)
    stores.clock.pass_(minutes=2)

    class Faulty(Rota):
        def on_duty(self, at: datetime) -> Any | None:
            job.stop()
            raise ZeroDivisionError("the patient's words")

    job = DeadlineJob(stores.escalations, Faulty(True), clock=stores.clock)
    async with asyncio.timeout(10):
        await job.run()
    assert "ZeroDivisionError" in caplog.text
    assert "words" not in caplog.text
