"""A streaming client of any OpenAI-compatible ``/v1/chat/completions``: ours, vLLM, SGLang, Ray Serve.

Knows HTTP, deadlines and a breaker; nothing of passages, guards or patients. Its errors carry a code and
never the text that was sent or received. It retries only before the first token, since a repeated half
answer is worse than a quoted one. aiohttp only, no torch.
"""

from __future__ import annotations

import asyncio
import enum
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Message = Mapping[str, str]
"""``{"role": "system"|"user"|"assistant", "content": text}``"""

FIRST_TOKEN_S = 1.4
"""The first guarded sentence is due after 1.5 s; a server that has not begun by then is not waited for."""
IDLE_S = 2.0
"""Longest silence between two pieces: a dribbling server is a broken one."""
TOTAL_S = 20.0
"""Longest answer; a patient does not wait longer."""
CONNECT_S = 0.8
"""A reachable server accepts within this on any network a clinic has."""
MAX_LINE_BYTES = 64 * 1024
"""One server-sent event; a longer one is not a token."""
MAX_ANSWER_CHARS = 8_000
"""More than any answer we ask for: a server that ignores max_tokens is cut off."""
BREAKER_FAILURES = 5
"""Failures in a row that open the breaker (reliability goal R3)."""
BREAKER_OPEN_S = 10.0
"""How long it stays open before one request may try again."""
ATTEMPTS = 2
"""One retry, and only while nothing has been received."""


class GeneratorError(Exception):
    """The generator did not do what was asked. ``code`` is for logs and metrics; there is no patient text in
    it."""

    code = "generator"
    retryable = False
    counts = True
    """Whether the breaker counts it: only what says that the server is ill."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.code}: {detail}" if detail else self.code)


class GeneratorDown(GeneratorError):
    """No connection, or the server answered 5xx."""

    code = "down"
    retryable = True


class GeneratorTimeout(GeneratorError):
    """A deadline passed: connect, first token, silence between tokens, or the whole answer."""

    code = "timeout"


class GeneratorBusy(GeneratorError):
    """429: admission is full. ``retry_after_s`` is what the server said, or None."""

    code = "busy"
    counts = False

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__(f"retry after {retry_after_s} s" if retry_after_s is not None else "")
        self.retry_after_s = retry_after_s


class GeneratorRefused(GeneratorError):
    """Another 4xx: our request or token is wrong. An operator has to look; trying again does not help."""

    code = "refused"
    counts = False


class GeneratorProtocolError(GeneratorError):
    """What came back is not the protocol: broken events, an error event, an answer without end."""

    code = "protocol"


class BreakerOpen(GeneratorError):
    """Not tried: too many failures just now."""

    code = "breaker_open"
    counts = False


class BreakerState(enum.StrEnum):
    """Closed lets everything through, open nothing, half-open one request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """Opens after :data:`BREAKER_FAILURES` failures in a row, half-opens after ``open_s``. No I/O; the clock
    is given."""

    clock: Callable[[], float] = time.monotonic
    failures: int = BREAKER_FAILURES
    open_s: float = BREAKER_OPEN_S
    _count: int = field(default=0, init=False)
    _opened_at: float = field(default=0.0, init=False)
    _trying: bool = field(default=False, init=False)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._count < self.failures:
            return BreakerState.CLOSED
        waited = self.clock() - self._opened_at >= self.open_s
        return BreakerState.HALF_OPEN if waited else BreakerState.OPEN

    def admit(self) -> None:
        """Take leave to send one request; raises :class:`BreakerOpen`. Follow with exactly one of the three
        below."""
        state = self.state
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._trying):
            raise BreakerOpen
        self._trying = state is BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        """The request ended well."""
        self._count = 0
        self._trying = False

    def failed(self) -> None:
        """The server is ill."""
        self._count += 1
        self._trying = False
        if self._count >= self.failures:
            self._opened_at = self.clock()

    def undecided(self) -> None:
        """The request says nothing about the server's health: refused, busy, or the caller left."""
        self._trying = False


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. See the constants above for their reasons."""

    connect: float = CONNECT_S
    first_token: float = FIRST_TOKEN_S
    idle: float = IDLE_S
    total: float = TOTAL_S


class GeneratorClient:
    """Streams chat completions from one base URL (``http://host:port``, with or without ``/v1``).

    Opens its connection pool on first use; call :meth:`close` at the end. ``model`` None asks ``/v1/models``
    once.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        model: str | None = None,
        deadlines: Deadlines | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._base = url.rstrip("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._model = model
        self._deadlines = deadlines or Deadlines()
        self.breaker = breaker or Breaker()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            self._session = None

    async def ready(self) -> bool:
        """Whether the server says that it can generate. Servers without ``/readyz`` count as ready when they
        list models. Never raises."""
        try:
            async with self._pool().get(f"{self._base}/readyz", timeout=self._timeout()) as response:
                if response.status != 404:
                    return response.status == 200
            await self._model_name()
        except (GeneratorError, aiohttp.ClientError, TimeoutError):
            return False
        return True

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int = 400, temperature: float = 0.2
    ) -> AsyncGenerator[str]:
        """Yield the answer's pieces as they come. Raises a :class:`GeneratorError`; leaving early cancels
        the request."""
        self.breaker.admit()
        decided = False
        try:
            async with aclosing(self._attempts(messages, max_tokens, temperature)) as pieces:
                async for piece in pieces:
                    yield piece
            self.breaker.succeeded()
            decided = True
        except GeneratorError as error:
            if error.counts:
                self.breaker.failed()
                decided = True
            raise
        finally:
            if not decided:
                self.breaker.undecided()

    async def _attempts(
        self, messages: Sequence[Message], max_tokens: int, temperature: float
    ) -> AsyncGenerator[str]:
        now = asyncio.get_running_loop().time()
        first_at, end_at = now + self._deadlines.first_token, now + self._deadlines.total
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(
                    self._once(messages, max_tokens, temperature, first_at, end_at)
                ) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except GeneratorError as error:
                if begun or not error.retryable or attempt == ATTEMPTS:
                    raise

    async def _once(
        self, messages: Sequence[Message], max_tokens: int, temperature: float, first_at: float, end_at: float
    ) -> AsyncGenerator[str]:
        body: dict[str, object] = {
            "messages": [dict(m) for m in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        try:
            async with asyncio.timeout_at(first_at):
                body["model"] = await self._model_name()
                response = await self._pool().post(
                    f"{self._base}/v1/chat/completions",
                    json=body,
                    timeout=self._timeout(),
                    allow_redirects=False,
                )
        except TimeoutError as error:
            raise GeneratorTimeout("first token") from error
        except aiohttp.ClientError as error:
            raise GeneratorDown(type(error).__name__) from error
        try:
            _raise_for_status(response)
            async with aclosing(self._events(response, first_at, end_at)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            response.close()  # not release(): an unwanted answer must stop at the server too

    async def _events(
        self, response: aiohttp.ClientResponse, first_at: float, end_at: float
    ) -> AsyncGenerator[str]:
        # Deadlines sit on each read, never around a yield: a timeout there would cancel the caller instead.
        received = 0
        deadline = first_at
        loop = asyncio.get_running_loop()
        while True:
            line = await self._line(response, min(deadline, end_at))
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            piece = _piece(data)
            if piece:
                received += len(piece)
                if received > MAX_ANSWER_CHARS:
                    raise GeneratorProtocolError("answer too long")
                yield piece
                deadline = loop.time() + self._deadlines.idle

    async def _line(self, response: aiohttp.ClientResponse, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                line = await response.content.readline()
        except TimeoutError as error:
            raise GeneratorTimeout("next token") from error
        except aiohttp.ClientError as error:
            raise GeneratorDown(type(error).__name__) from error
        except (ValueError, aiohttp.http_exceptions.HttpProcessingError):
            raise GeneratorProtocolError("event too long") from None  # the cause quotes what was received
        if not line:
            raise GeneratorDown("ended without [DONE]")
        return line

    async def _model_name(self) -> str:
        if self._model is None:
            try:
                async with self._pool().get(
                    f"{self._base}/v1/models", timeout=self._timeout(), allow_redirects=False
                ) as response:
                    _raise_for_status(response)
                    listed = await response.json(content_type=None)
            except aiohttp.ClientError as error:
                raise GeneratorDown(type(error).__name__) from error
            except TimeoutError as error:
                raise GeneratorTimeout("model list") from error
            except ValueError as error:
                raise GeneratorProtocolError("model list is not JSON") from error
            self._model = _first_model(listed)
        return self._model

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                read_bufsize=MAX_LINE_BYTES,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _timeout(self) -> aiohttp.ClientTimeout:
        d = self._deadlines
        return aiohttp.ClientTimeout(total=d.total, sock_connect=d.connect)


def _first_model(listed: Any) -> str:
    try:
        name = listed["data"][0]["id"]
    except (KeyError, IndexError, TypeError):
        name = None
    if not isinstance(name, str):
        raise GeneratorProtocolError("model list names no model")
    return name


def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status == 429:
        after = response.headers.get("Retry-After", "")
        raise GeneratorBusy(float(after) if after.isdigit() else None)
    if response.status >= 500:
        raise GeneratorDown(f"status {response.status}")
    if response.status != 200:
        raise GeneratorRefused(f"status {response.status}")


def _piece(data: bytes) -> str:
    try:
        event = json.loads(data)
        if "error" in event:
            raise GeneratorDown("error event")
        choices = event["choices"]
        content = choices[0].get("delta", {}).get("content") if choices else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise GeneratorProtocolError("event is not a chat completion chunk") from None  # the cause quotes it
    if content is not None and not isinstance(content, str):
        raise GeneratorProtocolError("content is not text")
    return content or ""
