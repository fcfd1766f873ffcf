"""A scripted OpenAI-compatible server on localhost, and a scripted stream for tests that need no network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from generation.client import GeneratorError, Message

Script = Callable[[web.StreamResponse], Awaitable[None]]


def chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@dataclass
class Stand:
    """A server whose answers are scripted: ``status`` other than 200 is answered at once."""

    script: Script
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    left: int = 0
    authorization: str | None = None
    url: str = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.authorization = request.headers.get("Authorization")
        if self.status != 200:
            return web.json_response({"error": {}}, status=self.status, headers=self.headers)
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await self.script(response)
        except (ConnectionResetError, asyncio.CancelledError):
            self.left += 1
            raise
        return response


@asynccontextmanager
async def standing(stand: Stand) -> AsyncIterator[Stand]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", stand.chat)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "scripted"}]})

    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stand
    finally:
        await runner.cleanup()


def says(*pieces: str, delay: float = 0.0, end: bytes = DONE) -> Script:
    async def script(response: web.StreamResponse) -> None:
        for piece in pieces:
            await response.write(chunk(piece))
            await asyncio.sleep(delay)
        await response.write(end)

    return script


@dataclass
class ScriptedStream:
    """What a misbehaving (or well-behaved) model says, without a network."""

    pieces: Sequence[str]
    delay: float = 0.0
    fail: GeneratorError | None = None
    prompts: list[Sequence[Message]] = field(default_factory=list)

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int = 400, temperature: float = 0.2
    ) -> AsyncGenerator[str]:
        self.prompts.append(messages)
        for piece in self.pieces:
            await asyncio.sleep(self.delay)
            yield piece
        if self.fail:
            raise self.fail
