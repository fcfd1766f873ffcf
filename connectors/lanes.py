"""Work that is in order within a conversation and at the same time across conversations.

Platforms deliver on many connections at once, so that two messages of one patient may arrive in the wrong
order. Where their numbers are consecutive (Telegram's ``update_id``), a message whose predecessors are
missing is held back for a moment; a complete one is not held at all. It knows nothing of messages: a job is
a coroutine function and a number.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

HOLD_S = 0.3
"""How long a message waits for missing predecessors: longer than the skew of parallel deliveries of one
sender."""

MAX_RUNNING = 64
"""Turns of one channel at the same time; more only compete for the same processor."""

MAX_AHEAD = 4096
"""Numbers remembered beyond a gap; past that the gap is taken for one that will not be filled."""

Job = Callable[[], Awaitable[None]]


class Arrivals:
    """Which numbers have come, and who waits for the ones before theirs."""

    def __init__(self) -> None:
        self._done_to: int | None = None
        self._ahead: set[int] = set()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tie = itertools.count()

    def complete(self, number: int) -> bool:
        """Whether every number before this one has come or been given up."""
        return self._done_to is not None and number <= self._done_to + 1

    def add(self, number: int) -> None:
        """This number has come."""
        if self._done_to is not None and number <= self._done_to:
            return
        self._ahead.add(number)
        if self._done_to is not None:
            self._advance(min(self._ahead) if len(self._ahead) > MAX_AHEAD else self._done_to)

    def give_up_before(self, number: int) -> None:
        """What has not come before this number is no longer waited for."""
        self._advance(max(number - 1, self._done_to or 0))

    async def wait(self, number: int) -> None:
        """Return when :meth:`complete` holds for this number."""
        if not self.complete(number):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiters, (number, next(self._tie), future))
            await future

    def _advance(self, done_to: int) -> None:
        while done_to + 1 in self._ahead:
            done_to += 1
        self._done_to = done_to
        self._ahead = {number for number in self._ahead if number > done_to}
        while self._waiters and self._waiters[0][0] <= done_to + 1:
            future = heapq.heappop(self._waiters)[2]
            if not future.done():
                future.set_result(None)


@dataclass(slots=True)
class _Lane:
    jobs: list[tuple[int, int, float, Job]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Lanes:
    """One lane per key; a lane exists only while it has work."""

    def __init__(self, *, hold_s: float = HOLD_S, max_running: int = MAX_RUNNING) -> None:
        self._hold_s = hold_s
        self._arrivals = Arrivals()
        self._running = asyncio.Semaphore(max_running)
        self._lanes: dict[str, _Lane] = {}
        self._tie = itertools.count()

    def arrived(self, number: int) -> None:
        """A number has come, whether or not it brings a job."""
        self._arrivals.add(number)

    def would_wait(self, key: str, number: int) -> bool:
        """Whether a job put now would not begin at once."""
        return key in self._lanes or not self._arrivals.complete(number)

    def put(self, key: str, number: int, job: Job) -> None:
        """Run a job after the lane's jobs with smaller numbers."""
        lane = self._lanes.setdefault(key, _Lane())
        deadline = asyncio.get_running_loop().time() + self._hold_s
        heapq.heappush(lane.jobs, (number, next(self._tie), deadline, job))
        if lane.task is None:
            lane.task = asyncio.create_task(self._work(key, lane))

    async def drain(self, timeout_s: float) -> int:
        """Wait for the work in hand. Returns how many lanes were cancelled because the time was over."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    async def _work(self, key: str, lane: _Lane) -> None:
        try:
            while lane.jobs:
                number, _, deadline, _ = lane.jobs[0]
                await self._hold(number, deadline)
                _, _, _, job = heapq.heappop(
                    lane.jobs
                )  # an earlier one may have come while this one was held
                async with self._running:
                    await self._run(key, job)
        finally:
            del self._lanes[key]

    async def _hold(self, number: int, deadline: float) -> None:
        if self._arrivals.complete(number):
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self._arrivals.wait(number)
        except TimeoutError:
            self._arrivals.give_up_before(number)

    async def _run(self, key: str, job: Job) -> None:
        task = asyncio.ensure_future(job())
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            log.error("job failed: lane=%s fault=%s", key, type(fault).__name__)
