"""Deadlines: by when someone should answer, and what happens when nobody does.

:func:`decide` is pure; :class:`DeadlineJob` reads what is due, decides, and commits each alert with its
outbox row. It chases until a member of staff has answered or closed (HAZ-03, HAZ-04), and it knows nothing of
how an alert is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from bot.messages import now_utc
from bot.records.errors import RecordsUnavailable
from bot.records.tables import NOT_CLOSED, escalations

if TYPE_CHECKING:
    from bot.escalation.service import Escalations

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)

FIRST_RESPONSE = {
    "emergency": 2 * _MINUTE,
    "urgent": 10 * _MINUTE,
    "routine": 60 * _MINUTE,
    "self_care": 240 * _MINUTE,
    "none": 240 * _MINUTE,
}
"""From the message to someone answering. Emergency: safety goal R7 (re-alert goal 2 minutes, floor 5); the
others are this project's own working values, for the clinic to review."""

NEXT_RESPONSE = {
    "emergency": 2 * _MINUTE,
    "urgent": 10 * _MINUTE,
    "routine": 30 * _MINUTE,
    "self_care": 60 * _MINUTE,
    "none": 60 * _MINUTE,
}
"""From a further message of the patient, or from a look or claim without an answer, to the answer."""

NEVER_PAUSED = frozenset({"emergency", "urgent"})
"""Levels whose clock runs whether or not anyone is on duty."""

TICK_SECONDS = 5.0
"""How often due escalations are looked for: small beside the shortest deadline."""


class OnDuty(Protocol):
    """Who is on duty when (``bot.clinic.Clinic`` keeps this promise)."""

    def on_duty(self, at: datetime) -> Any | None:
        """Whoever is on duty at ``at``, or None."""

    def next_duty(self, at: datetime) -> tuple[datetime, Any] | None:
        """The next start of duty after ``at``, or None when none is in sight."""


class Tier(enum.StrEnum):
    """Who is alerted: those on duty; everyone; and whoever answers for the clinic."""

    DUTY = "duty"
    EVERYONE = "everyone"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Overdue:
    """An escalation whose clock may have run out."""

    id: str
    level: str
    due_at: datetime
    alerts: int


@dataclass(frozen=True, slots=True)
class Alert:
    """Alert ``tier`` now and look again at ``due_at``."""

    tier: Tier
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Postpone:
    """Nobody is on duty and it can wait: look again at ``due_at``."""

    due_at: datetime


def first_due(level: str, now: datetime) -> datetime:
    """By when a new escalation should be answered."""
    return now + FIRST_RESPONSE[level]


def next_due(level: str, now: datetime) -> datetime:
    """By when a patient who is already being looked after should be answered."""
    return now + NEXT_RESPONSE[level]


def decide(item: Overdue, now: datetime, on_duty: OnDuty) -> Alert | Postpone | None:
    """What to do about one escalation at ``now``; None while its time has not come.

    The first alert after the deadline goes to those on duty, the second to everyone, later ones to the
    manager as well. With nobody on duty an urgent one starts with everyone, and a routine one waits for the
    next duty to begin, plus its own time.
    """
    if now < item.due_at:
        return None
    present = on_duty.on_duty(now) is not None
    if not present and item.level not in NEVER_PAUSED:
        upcoming = on_duty.next_duty(now)
        begins = now + timedelta(days=1) if upcoming is None else upcoming[0]
        return Postpone(next_due(item.level, begins))
    step = item.alerts if present else item.alerts + 1
    tier = (Tier.DUTY, Tier.EVERYONE, Tier.MANAGER)[min(step, 2)]
    return Alert(tier, next_due(item.level, now))


class DeadlineJob:
    """Chases overdue escalations until stopped. Several may run; each alert is sent by one of them."""

    def __init__(
        self, service: Escalations, on_duty: OnDuty, *, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._service, self._on_duty, self._clock = service, on_duty, clock
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Tick until :meth:`stop`. While the database is away it waits; deadlines stay in the database."""
        self._stopping.clear()
        while not self._stopping.is_set():
            try:
                await self.tick()
            except RecordsUnavailable:
                log.warning("deadlines cannot be read: the database is away")
            except Exception as error:  # noqa: BLE001 - a job that ends would leave every patient unchased
                log.error("deadlines cannot be worked off (%s)", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._stopping.set()

    async def tick(self) -> int:
        """Look once at everything that is due; returns how many alerts were committed."""
        now = self._clock()
        query = sa.select(
            escalations.c.id, escalations.c.level, escalations.c.due_at, escalations.c.alerts
        ).where(NOT_CLOSED, escalations.c.due_at <= now)
        async with self._service.database.read() as conn:
            rows = (await conn.execute(query.order_by(escalations.c.due_at))).all()
        sent = 0
        for row in rows:
            item = Overdue(row.id, row.level, row.due_at, row.alerts)
            match decide(item, now, self._on_duty):
                case Alert() as alert:
                    sent += await self._service.alert_again(item, alert)
                case Postpone(due_at):
                    await self._service.postpone(item, due_at)
                case None:
                    pass
        return sent
