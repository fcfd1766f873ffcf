"""Waiting for a part no longer than a turn can afford, without cutting off what the part is writing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger("careline.limits")

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


async def within(limit: float, work: Coroutine[Any, Any, T], away: type[Exception]) -> T:
    """Wait for ``work`` no longer than ``limit`` seconds. Too late counts as ``away``, but the work goes on:
    what it was writing is still written, and a second writing of the same thing is idempotent."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=limit)
    if not done:
        raise away(f"no answer within {limit} s")
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.debug("late work ended with %s", task.exception().__class__.__name__)
