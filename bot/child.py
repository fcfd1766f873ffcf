"""Keeps one child process running: the generator, which must not share the assistant's memory or its faults.

Restarts it with growing pauses when it dies and ends it with the assistant. It knows nothing of what the child does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence

log = logging.getLogger("careline.child")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STEADY_S = 60.0
"""A child that ran this long has recovered; the next pause starts small again."""
END_S = 10.0
"""How long a child may take to end by itself before it is killed."""


class Child:
    """One supervised process."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name, self._command = name, tuple(command)
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive now."""
        return self._process is not None and self._process.returncode is None

    def start(self) -> None:
        """Begin to supervise; returns at once."""
        self._task = asyncio.create_task(self._supervise(), name=f"child:{self._name}")

    async def close(self) -> None:
        """End the process and the supervision."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._end()

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL
            )
            code = await self._process.wait()
            if loop.time() - began > STEADY_S:
                pause = FIRST_PAUSE_S
            log.error("%s ended with status %s; starting it again in %.0f s", self._name, code, pause)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
