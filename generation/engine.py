"""Keeps a worker process alive and gives every request its own stream of events.

The worker may die at any moment (a device assert ends its process for good): its requests then end with a typed
error, and a new one is started, later each time. Knows processes, admission and deadlines; no HTTP, no tokenizer,
no torch. Logs ids and codes, never text.
"""

from __future__ import annotations

import asyncio
import enum
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from generation.protocol import ChatRequest, generate_line, line
from generation.worker import MAX_LINE_BYTES, WorkerSpec

log = logging.getLogger(__name__)

PING_S = 5.0
"""How often the worker's event loop is asked for a sign of life."""
SILENCE_S = 30.0
"""A worker that has said nothing for this long is killed. Longer than any batch step on any device."""
LOAD_S = 1800.0
"""Loading tens of gigabytes from a slow disk may take this long."""
RESTART_S = (0.2, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Waits before the 1st, 2nd, … restart in a row; the last one repeats."""
HEALTHY_S = 60.0
"""A worker that was ready for this long starts the row of waits anew."""
RETRY_AFTER_S = 1
"""What a refused client is told: about the time in which a place becomes free."""


class EngineError(Exception):
    """A request could not be served. ``code`` is for clients and metrics."""

    code = "engine"


class EngineBusy(EngineError):
    """Every place is taken. Try again after :data:`RETRY_AFTER_S`."""

    code = "busy"


class EngineDown(EngineError):
    """No worker is ready, or the one that served this request died."""

    code = "engine_down"


class PromptTooLong(EngineError):
    """The prompt does not fit the model, or its chat template refuses it. ``str()`` says which."""

    code = "too_long"


class DeadlinePassed(EngineError):
    """The answer took longer than it may."""

    code = "deadline"


class State(enum.StrEnum):
    """Where the worker stands."""

    STOPPED = "stopped"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer; ``tokens`` made so far."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer has ended: ``reason`` is ``"stop"`` or ``"length"``."""

    reason: str
    prompt_tokens: int
    tokens: int


Command = Sequence[str]


def worker_command(spec: WorkerSpec) -> Command:
    """How the worker is started: this interpreter, in isolation from the current directory's files."""
    return (sys.executable, "-m", "generation.worker", json.dumps(asdict(spec)))


class Engine:
    """One supervised worker. :meth:`start` returns at once; :attr:`state` tells when it is ready."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        command: Command | None = None,
        on_restart: Callable[[], None] = lambda: None,
        waits: Sequence[float] = RESTART_S,
    ) -> None:
        self._command = tuple(command or worker_command(spec))
        self._max_live = spec.max_live
        self._on_restart = on_restart
        self._waits = tuple(waits)
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._streams: dict[int, asyncio.Queue[Mapping[str, Any]]] = {}
        self._made = 0
        self._heard = 0.0
        self.state = State.STOPPED
        self.fatal: str | None = None
        """Why the model could not be loaded, for the operator."""

    @property
    def live(self) -> int:
        """Requests being served."""
        return len(self._streams)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Begin supervising. Call from a running event loop."""
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """End the worker and every request."""
        if self._supervisor:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        if self._ending:
            await self._ending
        self.state = State.STOPPED

    async def generate(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[Delta | Finish]:
        """Yield the answer's pieces and at last its :class:`Finish`. Leaving early cancels the request.

        Raises :class:`EngineBusy`, :class:`EngineDown`, :class:`PromptTooLong` or :class:`DeadlinePassed`.
        """
        process = self._process
        if self.state is not State.READY or process is None or process.stdin is None:
            raise EngineDown
        if self.live >= self._max_live:
            raise EngineBusy
        self._made += 1
        number, ended = self._made, False
        events: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._streams[number] = events
        end_at = asyncio.get_running_loop().time() + deadline_s
        try:
            process.stdin.write(generate_line(number, request))
            while not ended:
                event = await _next(events, end_at)
                ended = event["event"] != "text"
                yield _read(event)
        finally:
            del self._streams[number]
            if not ended and process.returncode is None:
                process.stdin.write(line({"op": "cancel", "id": number}))

    async def _supervise(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            ready_for = await self._run_guarded()
            failures = 1 if ready_for >= HEALTHY_S else failures + 1
            self._on_restart()
            wait = self._waits[min(failures, len(self._waits)) - 1]
            log.warning("generation worker ended: restart %d in %.1f s", failures, wait)
            until = loop.time() + wait
            await asyncio.sleep(until - loop.time())

    async def _run_guarded(self) -> float:
        """:meth:`_run_once`, where a worker that cannot be started or talks nonsense counts as one that ended."""
        try:
            return await self._run_once()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("generation worker unusable: %s", type(error).__name__)
            return 0.0

    async def _run_once(self) -> float:
        """Run one worker to its end. Returns for how many seconds it was ready."""
        loop = asyncio.get_running_loop()
        self.state, self.fatal = State.LOADING, None
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a library's traceback may hold a prompt
            limit=MAX_LINE_BYTES,
            env=_environment(),
        )
        self._process = process
        self._heard = loop.time()
        ready_at: float | None = None
        pinging = asyncio.create_task(self._ping(process))
        try:
            assert process.stdout is not None
            async for raw in process.stdout:
                self._heard = loop.time()
                event = json.loads(raw)
                if event["event"] == "ready":
                    ready_at, self.state = loop.time(), State.READY
                else:
                    self._route(event)
        finally:
            pinging.cancel()
            self._process, self.state = None, State.RESTARTING
            for queue in self._streams.values():
                queue.put_nowait({"event": "error", "code": "engine_down", "detail": ""})
            # A task of its own: stop() may cancel this very line, and the process still has to be reaped.
            self._ending = asyncio.create_task(_end(process))
            await asyncio.shield(self._ending)
        return loop.time() - ready_at if ready_at is not None else 0.0

    def _route(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "fatal":
            self.fatal = event["detail"]
            log.error("generation model not loaded: %s", self.fatal)
        elif "id" in event and event["id"] in self._streams:
            self._streams[event["id"]].put_nowait(event)

    async def _ping(self, process: asyncio.subprocess.Process) -> None:
        """Kill a worker whose event loop has stopped turning."""
        loop = asyncio.get_running_loop()
        while process.returncode is None and process.stdin is not None:
            await asyncio.sleep(PING_S)
            allowed = LOAD_S if self.state is State.LOADING else SILENCE_S
            if loop.time() - self._heard > allowed:
                log.error("generation worker silent for %.0f s: killed", allowed)
                process.kill()
                return
            process.stdin.write(line({"op": "ping"}))


def _environment() -> dict[str, str]:
    """This process's environment, with the project's packages findable and no token of ours in it."""
    root = str(Path(__file__).resolve().parent.parent)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CARELINE_")}
    path = os.pathsep.join(p for p in (root, inherited.get("PYTHONPATH", "")) if p)
    return {**inherited, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, and read its pipes to their ends, so that nothing of it stays open."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    with suppress(ConnectionError):
        await process.communicate()
    log.info("generation worker ended with status %s", process.returncode)


async def _next(events: asyncio.Queue[Mapping[str, Any]], end_at: float) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout_at(end_at):
            return await events.get()
    except TimeoutError as error:
        raise DeadlinePassed from error


def _read(event: Mapping[str, Any]) -> Delta | Finish:
    match event["event"]:
        case "text":
            return Delta(event["text"], event["tokens"])
        case "done":
            return Finish(event["reason"], event["prompt_tokens"], event["tokens"])
    if event["code"] == PromptTooLong.code:
        raise PromptTooLong(event["detail"])
    raise EngineDown
