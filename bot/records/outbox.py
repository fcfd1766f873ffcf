"""The outbox: what must happen after a commit, at least once, in order per conversation.

A row is enqueued in the transaction that makes it true (law 2) and worked off afterwards, also by the next
process when this one dies. Handlers must be idempotent: ``key`` is the same at every attempt.

    outbox = Outbox(database)
    async with database.begin() as conn:
        await outbox.enqueue(conn, Job("reply", key, {"message": id}, conversation=id))
    worker = outbox.worker({"reply": send}, name="web-1")   # async send(topic, key, payload) -> None
    task = asyncio.create_task(worker.run())                # until worker.stop(); worker.drain() in tests
    raise Retry("rate_limited", after=3.0) / Permanent("blocked_by_user")  # from a handler

Nothing here knows what a payload means.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import now_utc
from bot.records.database import Database, after_commit, insert_new
from bot.records.errors import RecordsUnavailable
from bot.records.tables import outbox

log = logging.getLogger(__name__)

PAYLOAD = "outbox.payload_enc"
HANDLER_SECONDS = 30.0
"""A delivery that takes longer is given up and tried again."""
LEASE_SECONDS = 60.0
"""A claimed row is free again after this; longer than a handler may run, so that two never overlap."""
POLL_SECONDS = 1.0
"""How often a worker looks unasked: rows of other processes, and rows that become due."""
CONCURRENCY = 8
"""Deliveries under way at once, each of another conversation."""

Handler = Callable[[str, str, dict[str, Any]], Awaitable[None]]


class Retry(Exception):
    """Raised by a handler: not now. ``after`` seconds, or the row's own backoff when None."""

    def __init__(self, code: str, *, after: float | None = None) -> None:
        super().__init__(code)
        self.code, self.after = code, after


class Permanent(Exception):
    """Raised by a handler: never (blocked, no such chat). The row is dead, its successors go on."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Job:
    """What to enqueue. ``key`` is unique for ever: enqueuing it again does nothing.

    Rows of one conversation and topic keep their order; ``lane`` overrides what is kept in order.
    """

    topic: str
    key: str
    payload: Mapping[str, Any] = field(repr=False)
    conversation: str | None = None
    lane: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with jitter: attempt 1 waits about ``base`` seconds, each further one twice as long."""

    base: float = 0.5
    cap: float = 300.0
    attempts: int = 12
    """After this many failures the row is dead: with the defaults about 12 minutes after the first."""

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 1); ``chance`` in [0, 1)."""
        whole: float = min(self.cap, self.base * 2 ** min(attempt - 1, 30))
        return whole * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    topic: str
    key: str
    payload_enc: bytes = field(repr=False)
    attempts: int


class Outbox:
    """The store of outgoing work, and the maker of workers that do it."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    async def enqueue(self, conn: AsyncConnection, job: Job) -> bool:
        """Add a row within the caller's transaction; workers of this process wake when it commits."""
        now = self._clock()
        lane = job.lane or (f"{job.topic}/{job.conversation}" if job.conversation else None)
        payload = json.dumps(dict(job.payload))
        made = await insert_new(
            conn,
            outbox,
            {
                "topic": job.topic,
                "key": job.key,
                "conversation_id": job.conversation,
                "lane": lane,
                "payload_enc": self._database.cipher.seal(payload, record=job.key, column=PAYLOAD),
                "created_at": now,
                "available_at": now + timedelta(seconds=job.delay),
                "attempts": 0,
            },
        )
        after_commit(conn, self.wake)
        return made

    def wake(self) -> None:
        """Let every worker of this process look now."""
        for listener in self._listeners:
            listener()

    async def unfinished(self) -> int:
        """How many rows are neither done nor dead (a figure for readiness and metrics)."""
        async with self._database.read() as conn:
            found = await conn.execute(
                sa.select(sa.func.count())
                .select_from(outbox)
                .where(outbox.c.done_at.is_(None), outbox.c.dead_at.is_(None))
            )
            return int(found.scalar_one())

    def worker(
        self,
        handlers: Mapping[str, Handler],
        *,
        name: str = "worker",
        backoff: Backoff | Mapping[str, Backoff] = Backoff(),
        chance: Callable[[], float] = random.random,
        on_dead: Callable[[str, str, str], None] | None = None,
    ) -> OutboxWorker:
        """A worker for the topics in ``handlers``.

        ``name`` is stable over restarts of one process and unique among processes: at start a worker frees
        what its namesake had claimed when it died. ``on_dead(topic, key, code)`` hears of given-up rows.
        """
        per_topic = backoff if isinstance(backoff, Mapping) else dict.fromkeys(handlers, backoff)
        worker = OutboxWorker(self._database, handlers, per_topic, name, self._clock, chance, on_dead)
        self._listeners.append(worker.wake)
        return worker


class OutboxWorker:
    """Claims due rows, hands them to handlers, records what came of it. Made by :meth:`Outbox.worker`."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        backoff: Mapping[str, Backoff],
        name: str,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        on_dead: Callable[[str, str, str], None] | None,
    ) -> None:
        self._database, self._handlers, self._name = database, dict(handlers), name
        self._backoff = {topic: backoff.get(topic, Backoff()) for topic in handlers}
        self._clock, self._chance, self._on_dead = clock, chance, on_dead
        self._event = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look for due rows now."""
        self._event.set()

    def stop(self) -> None:
        """Let :meth:`run` finish what is under way and return."""
        self._stopping = True
        self._event.set()

    async def run(self) -> None:
        """Work until :meth:`stop`. A database that is away is waited for; nothing is lost meanwhile."""
        self._stopping = False
        running: set[asyncio.Task[None]] = set()
        recovered = False
        try:
            while not self._stopping:
                self._event.clear()
                try:
                    if not recovered:
                        await self.recover()
                        recovered = True
                    for row in await self._claim(CONCURRENCY - len(running)):
                        task = asyncio.create_task(self._deliver(row))
                        running.add(task)
                        task.add_done_callback(running.discard)
                        task.add_done_callback(lambda _task: self._event.set())
                except RecordsUnavailable:
                    log.warning("the outbox cannot be read: the database is away")
                except Exception as error:  # noqa: BLE001 - a worker that ends would end all deliveries
                    log.error("the outbox cannot be read (%s)", type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._event.wait()
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()

    async def drain(self) -> int:
        """Deliver everything that is due now and return how many attempts that took (for tests, shutdown)."""
        count = 0
        while rows := await self._claim(CONCURRENCY):
            await asyncio.gather(*(self._deliver(row) for row in rows))
            count += len(rows)
        return count

    async def recover(self) -> None:
        """Free the rows that a worker of the same name held when it died."""
        async with self._database.begin() as conn:
            await conn.execute(
                outbox.update()
                .where(outbox.c.claimed_by == self._name, outbox.c.done_at.is_(None))
                .values(claimed_by=None, claimed_until=None)
            )

    async def _claim(self, limit: int) -> list[_Row]:
        """Due rows that are first of their lane, claimed for this worker."""
        if limit <= 0 or not await self._any_due():
            return []
        now = self._clock()
        async with self._database.begin() as conn:
            due = _due(now, self._handlers).order_by(outbox.c.id).limit(limit)
            rows = (await conn.execute(due.with_for_update(skip_locked=True, of=outbox))).all()
            if rows:
                await conn.execute(
                    outbox.update()
                    .where(outbox.c.id.in_([row.id for row in rows]))
                    .values(
                        claimed_by=self._name,
                        claimed_until=now + timedelta(seconds=LEASE_SECONDS),
                        attempts=outbox.c.attempts + 1,
                    )
                )
        return [_Row(row.id, row.topic, row.key, row.payload_enc, row.attempts + 1) for row in rows]

    async def _any_due(self) -> bool:
        """A look without the writer's lock, so that an idle worker never keeps a patient's turn waiting."""
        async with self._database.read() as conn:
            found = await conn.execute(_due(self._clock(), self._handlers).limit(1))
            return found.first() is not None

    async def _deliver(self, row: _Row) -> None:
        try:
            payload = json.loads(self._database.cipher.open(row.payload_enc, record=row.key, column=PAYLOAD))
            async with asyncio.timeout(HANDLER_SECONDS):
                await self._handlers[row.topic](row.topic, row.key, payload)
        except Permanent as error:
            await self._finish(row, dead=error.code)
        except Retry as error:
            await self._again(row, error.code, error.after)
        except TimeoutError:
            await self._again(row, "timeout", None)
        except RecordsUnavailable:
            await self._again(row, "records_unavailable", None)
        except Exception as error:  # noqa: BLE001 - one handler's fault must not stop everyone's deliveries
            # The class name only: the text of a foreign exception may quote what was being sent (law 8).
            await self._again(row, type(error).__name__, None)
        else:
            await self._finish(row)

    async def _again(self, row: _Row, code: str, after: float | None) -> None:
        policy = self._backoff[row.topic]
        if row.attempts >= policy.attempts:
            await self._finish(row, dead=code)
            return
        wait = policy.delay(row.attempts, self._chance()) if after is None else after
        log.warning("outbox row %d of %s: attempt %d failed (%s)", row.id, row.topic, row.attempts, code)
        await self._record(
            row,
            error_code=code[:80],
            claimed_by=None,
            claimed_until=None,
            available_at=self._clock() + timedelta(seconds=wait),
        )

    async def _finish(self, row: _Row, *, dead: str | None = None) -> None:
        column = "done_at" if dead is None else "dead_at"
        code = None if dead is None else dead[:80]
        await self._record(row, error_code=code, claimed_until=None, **{column: self._clock()})
        if dead is not None:
            log.error("outbox row %d of %s is given up (%s)", row.id, row.topic, dead)
            if self._on_dead is not None:
                self._on_dead(row.topic, row.key, dead)

    async def _record(self, row: _Row, **values: Any) -> None:
        """Write an outcome. When the database is away the lease runs out and the row is delivered again."""
        try:
            async with self._database.begin() as conn:
                await conn.execute(outbox.update().where(outbox.c.id == row.id).values(**values))
        except RecordsUnavailable:
            log.warning("outbox row %d of %s: its outcome could not be stored", row.id, row.topic)


def _due(now: datetime, topics: Mapping[str, Any]) -> Any:
    """Rows to deliver now: unfinished, unclaimed, due, with nothing unfinished before them in their lane."""
    earlier = outbox.alias("earlier")
    blocked = sa.exists().where(
        earlier.c.lane == outbox.c.lane,
        earlier.c.id < outbox.c.id,
        earlier.c.done_at.is_(None),
        earlier.c.dead_at.is_(None),
    )
    return sa.select(
        outbox.c.id, outbox.c.topic, outbox.c.key, outbox.c.payload_enc, outbox.c.attempts
    ).where(
        outbox.c.done_at.is_(None),
        outbox.c.dead_at.is_(None),
        outbox.c.topic.in_(list(topics)),
        outbox.c.available_at <= now,
        sa.or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < now),
        sa.not_(blocked),
    )
