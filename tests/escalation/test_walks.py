"""Random walks through a clinic's day: whatever patients and staff do, the same few things stay true."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from bot.escalation.deadlines import DeadlineJob
from bot.escalation.model import RANK, CloseReason, EscalationError, Status
from bot.records.conversations import State
from bot.records.tables import conversations, escalation_events, escalations, outbox
from tests.escalation.situations import EMERGENCY, URGENT, about
from tests.escalation.test_deadlines import PRESENT
from tests.stores import Stores

STEPS = 120


@dataclass
class Walk:
    """A patient or a member of staff does something at random."""

    stores: Stores
    chance: random.Random
    people: list[str]
    staff: list[str]
    refused: int = 0
    raised: set[str] = field(default_factory=set)

    async def step(self) -> None:
        self.stores.clock.pass_(seconds=self.chance.choice((1, 30, 200)))
        person, member = self.chance.choice(self.people), self.chance.choice(self.staff)
        desk = self.stores.escalations
        if self.chance.random() < 0.35:
            await self.patient(person)
            return
        if self.chance.random() < 0.2:
            await DeadlineJob(desk, PRESENT, clock=self.stores.clock).tick()
            return
        rows = await self.stores.rows(escalations)
        if not rows:
            return
        id_ = self.chance.choice(rows)["id"]
        acts = (
            lambda: desk.claim(id_, member),
            lambda: desk.acknowledge(id_, member),
            lambda: desk.take_over(id_, member, "shift"),
            lambda: desk.release(id_, member),
            lambda: desk.hand_back(id_, member),
            lambda: desk.close(id_, member, self.chance.choice(list(CloseReason))),
            lambda: desk.staff_reply(person, member, "How are you?"),
        )
        try:
            await self.chance.choice(acts)()
        except EscalationError:
            self.refused += 1

    async def patient(self, person: str) -> None:
        message = await self.stores.message(person)
        desk = self.stores.escalations
        if self.chance.random() < 0.3:
            await desk.patient_wrote(person, message)
        elif self.chance.random() < 0.3:
            await desk.request_person(person, message_id=message)
        else:
            alarm = self.chance.choice((EMERGENCY, URGENT))
            await desk.raise_(about(alarm, person, message))
            self.raised.add(message)

    async def holds(self) -> None:
        """What is true after every step."""
        rows = await self.stores.rows(escalations)
        for person in await self.stores.rows(conversations):
            mine = [row for row in rows if row["conversation_id"] == person["id"]]
            open_ = [row for row in mine if row["status"] != Status.CLOSED.value]
            assert len(open_) <= 1
            owner = open_[0]["claimed_by"] if open_ else None
            assert (person["state"] == State.STAFF.value) == (owner is not None)
            assert person["owner_staff_id"] == owner
            assert person["state"] != State.BOT.value or not open_
        for row in rows:
            waits = row["waiting_since"] is not None
            # HAZ-03, HAZ-04: while a patient waits some clock runs; answered or closed, none does.
            assert waits == (row["due_at"] is not None)
            assert not (waits and row["status"] == Status.CLOSED.value)
            assert (row["acknowledged_at"] is None) == (row["acknowledged_by"] is None)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_the_same_things_stay_true(stores: Stores, seed: int) -> None:
    people = [(await stores.conversation(str(number))).id for number in range(3)]
    staff = [await stores.member(login) for login in ("mara", "ben")]
    walk = Walk(stores, random.Random(seed), people, staff)
    for _ in range(STEPS):
        await walk.step()
        await walk.holds()
    events = await stores.rows(escalation_events)
    assert walk.raised <= {event["message_id"] for event in events if event["kind"] == "triage"}
    alerted = {row["key"] for row in await stores.rows(outbox) if row["topic"] == "staff_alert"}
    assert {f"triage:{message}" for message in walk.raised} <= alerted
    for row in await stores.rows(escalations):  # nothing ever lowers what the rules said (law 1)
        said = [event["level"] for event in events
                if event["escalation_id"] == row["id"] and event["kind"] == "triage"]  # fmt: skip
        assert all(RANK[row["level"]] <= RANK[level] for level in said)
    assert walk.refused > 0
    assert (await stores.audit.verify(stores.database)).ok
