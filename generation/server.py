"""``python -m generation.server --model PATH_OR_NAME``: an OpenAI-compatible chat server over one supervised worker.

aiohttp in front, :class:`generation.engine.Engine` behind. Knows HTTP, tokens of access, admission answers and
metrics; nothing of models (no torch here) and nothing of the assistant. No message text is logged or counted.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import logging
import secrets
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from generation.engine import (
    RETRY_AFTER_S,
    DeadlinePassed,
    Delta,
    Engine,
    EngineBusy,
    EngineDown,
    EngineError,
    Finish,
    PromptTooLong,
    State,
)
from generation.metrics import ServerMetrics
from generation.protocol import MAX_BODY_BYTES, ChatRequest, RequestError, read_request
from generation.worker import WorkerSpec

log = logging.getLogger(__name__)

DEADLINE_S = 60.0
"""Longest answer the server works on; callers have shorter deadlines of their own."""
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What a load balancer asks without a token."""
WRITE_S = 10.0
"""A client that does not read for this long is gone: it must not hold a place in the batch."""
MIN_TOKEN_CHARS = 16

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How to serve. ``name`` is the model's name in the protocol; ``token`` None asks for none."""

    name: str
    token: str | None = None
    deadline_s: float = DEADLINE_S


ENGINE = web.AppKey("engine", Engine)
SETTINGS = web.AppKey("settings", ServerSettings)
METRICS = web.AppKey("metrics", ServerMetrics)


def build_app(engine: Engine, settings: ServerSettings, metrics: ServerMetrics) -> web.Application:
    """The application; the engine starts and stops with it."""
    app = web.Application(middlewares=[_errors, _authorise], client_max_size=MAX_BODY_BYTES)
    app[ENGINE], app[SETTINGS], app[METRICS] = engine, settings, metrics
    app.add_routes(
        [
            web.post("/v1/chat/completions", _chat),
            web.get("/v1/models", _models),
            web.get("/healthz", _healthz),
            web.get("/readyz", _readyz),
            web.get("/metrics", _metrics),
        ]
    )
    app.cleanup_ctx.append(_engine_lifetime)
    return app


async def _engine_lifetime(app: web.Application) -> AsyncGenerator[None]:
    app[ENGINE].start()
    yield
    await app[ENGINE].stop()


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RequestError as error:
        return web.json_response(error.body(), status=error.status)
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        body = RequestError(error.reason, status=error.status, code=code).body()
        return web.json_response(body, status=error.status)


@web.middleware
async def _authorise(request: web.Request, handler: Handler) -> web.StreamResponse:
    token = request.app[SETTINGS].token
    if token is not None and request.path not in OPEN_PATHS:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, token.encode()):
            raise RequestError("Authorization: expected the bearer token", status=401, code="unauthorised")
    return await handler(request)


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _readyz(request: web.Request) -> web.Response:
    engine = request.app[ENGINE]
    status = 200 if engine.state is State.READY else 503
    return web.json_response(
        {"state": engine.state.value, "fault": "model_not_loaded" if engine.fatal else None}, status=status
    )


async def _models(request: web.Request) -> web.Response:
    model = {"id": request.app[SETTINGS].name, "object": "model", "created": 0, "owned_by": "local"}
    return web.json_response({"object": "list", "data": [model]})


async def _metrics(request: web.Request) -> web.Response:
    metrics, engine = request.app[METRICS], request.app[ENGINE]
    metrics.live.set(engine.live)
    metrics.ready.set(engine.state is State.READY)
    return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _chat(request: web.Request) -> web.StreamResponse:
    metrics, began = request.app[METRICS], time.monotonic()
    outcome = "cancelled"
    try:
        asked = read_request(await request.read())
        if asked.model != request.app[SETTINGS].name:
            raise RequestError(
                "model: not served here, see /v1/models", param="model", status=404, code="model_not_found"
            )
        call = _Call(request, asked, metrics, began)
        response = await (call.streamed() if asked.stream else call.whole())
        outcome = call.outcome
        return response
    except RequestError as error:
        outcome = "refused"
        raise error
    except EngineError as error:
        outcome = error.code
        return _engine_error(error)
    finally:
        metrics.requests.labels(outcome).inc()
        metrics.duration.observe(time.monotonic() - began)


def _engine_error(error: EngineError) -> web.Response:
    status, message = {
        EngineBusy: (429, "all places are taken"),
        EngineDown: (503, "the model is not ready"),
        DeadlinePassed: (504, "the answer took too long"),
        PromptTooLong: (400, str(error)),
    }.get(type(error), (500, "the engine failed"))
    param = "messages" if isinstance(error, PromptTooLong) else None
    body = RequestError(message, param=param, status=status, code=error.code).body()
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in {429, 503} else {}
    return web.json_response(body, status=status, headers=headers)


class _Call:
    """One completion on its way."""

    def __init__(
        self, request: web.Request, asked: ChatRequest, metrics: ServerMetrics, began: float
    ) -> None:
        self._request = request
        self._asked = asked
        self._metrics = metrics
        self._began = began
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._first = True
        self.outcome = "ok"

    def _events(self) -> AsyncGenerator[Delta | Finish]:
        app = self._request.app
        return app[ENGINE].generate(self._asked, app[SETTINGS].deadline_s)

    def _note(self, event: Delta | Finish) -> None:
        if self._first:
            self._first = False
            self._metrics.first_token.observe(time.monotonic() - self._began)
        if isinstance(event, Finish):
            self._metrics.tokens.labels("prompt").inc(event.prompt_tokens)
            self._metrics.tokens.labels("completion").inc(event.tokens)

    async def whole(self) -> web.Response:
        """The answer in one piece, with its usage."""
        text, finish = [], None
        async with aclosing(self._events()) as events:
            async for event in events:
                self._note(event)
                if isinstance(event, Delta):
                    text.append(event.text)
                else:
                    finish = event
        assert finish is not None
        message = {"role": "assistant", "content": "".join(text)}
        body = self._object("chat.completion", {"message": message}, finish.reason)
        body["usage"] = {
            "prompt_tokens": finish.prompt_tokens,
            "completion_tokens": finish.tokens,
            "total_tokens": finish.prompt_tokens + finish.tokens,
        }
        return web.json_response(body)

    async def streamed(self) -> web.StreamResponse:
        """The answer as server-sent events. Until the first one, errors still get a status of their own."""
        async with aclosing(self._events()) as events:
            first = await anext(events)
            self._note(first)
            response = web.StreamResponse(
                headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
            )
            await response.prepare(self._request)
            try:
                await self._send(response, first, {"role": "assistant"})
                async for event in events:
                    self._note(event)
                    await self._send(response, event, {})
                await response.write(b"data: [DONE]\n\n")
            except EngineError as error:
                self.outcome = error.code
                body = RequestError("the engine failed", status=500, code=error.code).body()
                await response.write(_event(body))
            except ConnectionResetError:
                self.outcome = "cancelled"
            except TimeoutError:
                self.outcome = "slow_client"
                if self._request.transport:
                    self._request.transport.abort()
        return response

    async def _send(self, response: web.StreamResponse, event: Delta | Finish, extra: dict[str, str]) -> None:
        if isinstance(event, Delta):
            chunk = self._object("chat.completion.chunk", {"delta": {**extra, "content": event.text}}, None)
        else:
            chunk = self._object("chat.completion.chunk", {"delta": extra}, event.reason)
        async with asyncio.timeout(WRITE_S):
            await response.write(_event(chunk))

    def _object(self, kind: str, choice: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._asked.model,
            "choices": [{"index": 0, **choice, "finish_reason": finish}],
        }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def read_token(path: Path) -> str:
    """The bearer token: the file's only line. Raises :class:`ValueError` naming the file."""
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < MIN_TOKEN_CHARS or any(c.isspace() for c in token):
        raise ValueError(f"{path.name}: expected one line of at least {MIN_TOKEN_CHARS} characters")
    return token


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m generation.server", description="Serve a chat model.")
    parser.add_argument("--model", required=True, help="path or name of a causal chat model")
    parser.add_argument("--name", help="the model's name in the protocol (default: the last part of --model)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--token-file", type=Path, help="file with the bearer token that clients must send")
    parser.add_argument("--max-live", type=int, default=32, help="requests served at once; more get 429")
    parser.add_argument("--max-context", type=int, default=4096, help="tokens of prompt and answer together")
    parser.add_argument("--threads", type=int, help="CPU threads of the worker")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="longest answer, in seconds")
    return parser.parse_args(argv)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    metrics = ServerMetrics()
    spec = WorkerSpec(arguments.model, arguments.max_live, arguments.max_context, arguments.threads)
    token = read_token(arguments.token_file) if arguments.token_file else None
    settings = ServerSettings(arguments.name or Path(arguments.model).name, token, arguments.deadline)
    app = build_app(Engine(spec, on_restart=metrics.restarts.inc), settings, metrics)
    # Cancelling the handler when its client leaves is what ends the work for that client.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        log.info("serving on %s:%d", arguments.host, arguments.port)
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
    finally:
        await runner.cleanup()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit status."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(arguments))
    except (OSError, ValueError) as error:  # a full port, a missing token file
        print(f"generation server: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
