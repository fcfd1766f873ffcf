"""Runs the second reader beside the event loop, within a time limit, so that no turn ever waits on it for long.

Words are read first, in a thread of their own; the sentence vector, where there is an encoder, has what is left of the
limit. An encoder that is still busy with an earlier message is not waited for. Whatever breaks, the turn goes on by
the rules alone, and the log gets the kind of fault and never a message (law 8).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bot.suspicion.reader import Reader
from bot.suspicion.train import SuspicionMissing
from bot.triage.assess import Assessment

log = logging.getLogger("careline.suspicion")

Result = TypeVar("Result")
LIMIT_S = 0.15
"""Longest that a turn waits for the second reader: half of what law 3 gives an emergency."""
WAITING = 16
"""Messages that may wait for the words' thread; each takes about a millisecond, so more means that it hangs."""


class Aside:
    """:class:`bot.second_look.Second`. ``load`` reads the model; it is called once, at start, in a thread."""

    def __init__(self, load: Callable[[], Reader], *, limit_s: float = LIMIT_S) -> None:
        self._load, self._limit = load, limit_s
        self._reader: Reader | None = None
        self._words = ThreadPoolExecutor(1, "second-reader")
        self._vectors = ThreadPoolExecutor(1, "second-reader-vector")
        self._waiting = 0
        self._encoding = False
        self._warm: asyncio.Task[None] | None = None
        self.state = "not started"
        """One sentence for operators: how it reads, or why it does not."""

    async def start(self) -> None:
        """Load the model; warm the encoder behind. A missing model is said, and nothing else stops."""
        loop = asyncio.get_running_loop()
        try:
            self._reader = await loop.run_in_executor(self._words, self._load)
        except SuspicionMissing as error:
            self.state = str(error)
            log.warning("second reader: %s", error)
            return
        self.state = "reads words"
        if self._reader.encoder is not None:
            self._encoding = True
            self._warm = asyncio.create_task(self._warm_up(self._reader), name="second reader")

    async def close(self) -> None:
        """Let go of the threads; one that hangs is not waited for."""
        if self._warm is not None:
            self._warm.cancel()
            await asyncio.wait({self._warm})
        for pool in (self._words, self._vectors):
            pool.shutdown(wait=False, cancel_futures=True)

    def healthy(self) -> bool:
        """Whether messages are read a second time."""
        return self._reader is not None

    async def read(self, text: str, assessment: Assessment) -> Assessment | None:
        """See :class:`bot.second_look.Second`. Never raises."""
        reader = self._reader
        if reader is None or self._waiting >= WAITING:
            return None
        end = time.monotonic() + self._limit
        self._waiting += 1
        try:
            by_words = await self._within(end, self._words, reader.suspect, text, assessment)
        finally:
            self._waiting -= 1
        if by_words is None or self._encoding or not reader.encodes(assessment):
            return by_words
        vectors = await self._encode(end, reader, text)
        if vectors is None:
            return by_words
        return await self._within(end, self._words, reader.suspect, text, assessment, vectors[0]) or by_words

    async def _encode(self, end: float, reader: Reader, text: str) -> Any:
        """The sentence vector, or None where it does not come in time; the thread is then busy until it is done."""
        self._encoding = True
        job = self._vectors.submit(reader.vectors, [text])
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: _on_loop(loop, self._encoded))
        return await self._wait(end, asyncio.wrap_future(job))

    def _encoded(self) -> None:
        self._encoding = False

    async def _within(
        self, end: float, pool: ThreadPoolExecutor, call: Callable[..., Result], *given: Any
    ) -> Result | None:
        return await self._wait(end, asyncio.get_running_loop().run_in_executor(pool, call, *given))

    async def _wait(self, end: float, job: asyncio.Future[Result]) -> Result | None:
        try:
            return await asyncio.wait_for(job, max(0.0, end - time.monotonic()))
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever breaks in there, the rules have already answered
            log.error("second reader fault %s", type(error).__name__)
            return None

    async def _warm_up(self, reader: Reader) -> None:
        """The encoder's first use takes seconds; until then words alone are read."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._vectors, reader.vectors, ["warm"])
            self.state = "reads words and sentences"
            self._encoding = False
        except (OSError, ImportError, RuntimeError) as error:
            log.warning("second reader without its encoder: %s", type(error).__name__)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """From a thread; a loop that has ended meanwhile needs no news."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return
