"""Supervision with workers that are small scripts: what the real one does when it is well is in test_server.py."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from generation.engine import (
    DeadlinePassed,
    Delta,
    Engine,
    EngineBusy,
    EngineDown,
    Finish,
    PromptTooLong,
    State,
)
from generation.protocol import ChatRequest
from generation.worker import WorkerSpec

ASK = ChatRequest("m", (("user", "fever"),))
WELL = """
    import json, sys
    def say(**event): print(json.dumps(event), flush=True)
    say(event="ready")
    for line in sys.stdin:
        got = json.loads(line)
"""


@asynccontextmanager
async def running(script: str, restarts: list[int] | None = None, max_live: int = 2) -> AsyncIterator[Engine]:
    """An engine over a worker script; ``restarts`` grows by one at each restart."""
    count = restarts if restarts is not None else []
    code = textwrap.dedent(script)
    engine = Engine(
        WorkerSpec("none", max_live=max_live),
        command=(sys.executable, "-c", code),
        on_restart=lambda: count.append(1),
        waits=(0.05,),
    )
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not happen")


async def test_events_become_deltas_and_a_finish() -> None:
    script = (
        WELL
        + """
        say(event="text", id=got["id"], text="Rest", tokens=1)
        say(event="done", id=got["id"], reason="stop", prompt_tokens=5, tokens=1)
"""
    )
    async with running(script) as engine:
        await until(lambda: engine.state is State.READY)
        assert [e async for e in engine.generate(ASK, 5)] == [Delta("Rest", 1), Finish("stop", 5, 1)]
        assert engine.live == 0


async def test_a_worker_that_never_answers_meets_the_deadline_and_is_told_to_stop() -> None:
    script = (
        WELL
        + """
        if got["op"] == "cancel":
            say(event="text", id=got["id"] + 1, text="cancelled", tokens=1)
"""
    )
    async with running(script) as engine:
        await until(lambda: engine.state is State.READY)
        with pytest.raises(DeadlinePassed):
            async for _ in engine.generate(ASK, 0.2):
                pass
        assert engine.live == 0


async def test_places_are_bounded() -> None:
    async with running(WELL + "        pass\n", max_live=1) as engine:
        await until(lambda: engine.state is State.READY)
        first = engine.generate(ASK, 5)
        waiting = asyncio.ensure_future(anext(first))
        await until(lambda: engine.live == 1)
        with pytest.raises(EngineBusy):
            await anext(engine.generate(ASK, 5))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await first.aclose()
        assert engine.live == 0


async def test_a_prompt_that_is_too_long_is_the_callers_fault() -> None:
    script = (
        WELL
        + """
        say(event="error", id=got["id"], code="too_long", detail="prompt: too long")
"""
    )
    async with running(script) as engine:
        await until(lambda: engine.state is State.READY)
        with pytest.raises(PromptTooLong, match="prompt: too long"):
            await anext(engine.generate(ASK, 5))


@pytest.mark.parametrize(
    "script",
    [
        "print('not json', flush=True); import time; time.sleep(30)",
        "print('{}', flush=True); import time; time.sleep(30)",
        "print('[1]', flush=True); import time; time.sleep(30)",
        "import sys; sys.exit(3)",
        "print('x' * 5_000_000, flush=True); import time; time.sleep(30)",
    ],
)
async def test_a_worker_that_ends_or_talks_nonsense_is_started_anew_for_ever(script: str) -> None:
    restarts: list[int] = []
    async with running(script, restarts) as engine:
        await until(lambda: len(restarts) >= 3)
        assert engine.state is not State.READY
        with pytest.raises(EngineDown):
            await anext(engine.generate(ASK, 5))


async def test_a_request_whose_worker_dies_ends_at_once() -> None:
    script = (
        WELL
        + """
        say(event="text", id=got["id"], text="Re", tokens=1)
        sys.exit(3)
"""
    )
    async with running(script) as engine:
        await until(lambda: engine.state is State.READY)
        stream = engine.generate(ASK, 30)
        assert await anext(stream) == Delta("Re", 1)
        with pytest.raises(EngineDown):
            await anext(stream)


async def test_no_secret_of_ours_reaches_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_SECRET", "canary-7f3")
    script = (
        WELL
        + """
        import os
        say(event="text", id=got["id"], text=json.dumps(sorted(os.environ.values())), tokens=1)
"""
    )
    async with running(script) as engine:
        await until(lambda: engine.state is State.READY)
        delta = await anext(engine.generate(ASK, 5))
        assert isinstance(delta, Delta) and "canary-7f3" not in json.loads(delta.text)
