"""The staff console's server side: log-in, queue, one case, claim, reply, hand back, close; live by server-sent
events. Same origin only, a CSRF value on every change, no patient text in any log or address.

It decides nothing clinical and holds no state but the failed log-ins of the last minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.messages import now_utc
from connectors.console.ports import DeskAway, DeskMissing, DeskPort, DeskRefused, LiveFeed, Member, StaffPort

HERE = Path(__file__).parent
COOKIE = "careline_session"
MAX_BODY = 64 * 1024
MAX_REPLY_CHARS = 4_000
"""A staff message that fits one Telegram message; the form holds the same limit."""
ACTIONS = frozenset({"claim", "takeover", "release", "handback", "close"})
FREE_TRIES = 5
"""Wrong passwords before a log-in has to wait; then the wait doubles, up to a minute, and never locks for good."""
LONGEST_WAIT_S = 60.0
HEARTBEAT_S = 15.0
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
FILES = {
    "": ("index.html", "text/html"),
    "/console.js": ("console.js", "text/javascript"),
    "/console.css": ("console.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
Handler = Callable[[web.Request, Member], Awaitable[web.StreamResponse]]


class Throttle:
    """Slows down guessing per login and per address, without ever shutting the right person out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._failed = clock, {}  # type: ignore[var-annotated]

    def wait(self, *keys: str) -> float:
        """Seconds that these keys still have to wait; 0 when a try is free."""
        now = self._clock()
        return max((self._failed[k][1] - now for k in keys if k in self._failed), default=0.0)

    def failed(self, *keys: str) -> None:
        """Count a wrong try."""
        now = self._clock()
        self._failed = {k: v for k, v in self._failed.items() if v[1] + LONGEST_WAIT_S * 10 > now}
        for key in keys:
            count = self._failed.get(key, (0, 0.0))[0] + 1
            pause = 0.0 if count < FREE_TRIES else min(LONGEST_WAIT_S, 2.0 ** (count - FREE_TRIES))
            self._failed[key] = (count, now + pause)

    def succeeded(self, *keys: str) -> None:
        """Forget the wrong tries."""
        for key in keys:
            self._failed.pop(key, None)


class Console:
    """The console as a connector: give :meth:`routes` to the server."""

    name = "console"

    def __init__(
        self,
        staff: StaffPort,
        desk: DeskPort,
        live: LiveFeed,
        *,
        clinic: Mapping[str, str],
        secure_cookie: bool,
        throttle: Throttle | None = None,
    ) -> None:
        self._staff, self._desk, self._live = staff, desk, live
        self._clinic, self._secure = dict(clinic), secure_cookie
        self._throttle = throttle or Throttle()
        self._files = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def routes(self) -> list[web.RouteDef]:
        """Pages, and the JSON interface under ``/console/api``."""
        pages = [web.get(f"/console{path}", self._file) for path in FILES]
        return [
            *pages,
            web.post("/console/api/login", self._login),
            web.post("/console/api/logout", self._changing(self._logout)),
            web.get("/console/api/me", self._me),
            web.get("/console/api/queue", self._reading(self._queue)),
            web.get("/console/api/events", self._reading(self._events)),
            web.get("/console/api/escalations/{id}", self._reading(self._detail)),
            web.post("/console/api/escalations/{id}/{action}", self._changing(self._act)),
            web.post("/console/api/conversations/{id}/reply", self._changing(self._reply)),
        ]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close: event streams end with the server."""

    # -- who is asking ------------------------------------------------------------------------------------

    def _reading(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            member = await self._member(request)
            if member is None:
                return refuse(401, "Please log in.", "session")
            return await answered(handler, request, member)

        return guarded

    def _changing(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not same_origin(request):
                return refuse(403, "This request came from another site.", "Origin")
            member = await self._member(request)
            if member is None:
                return refuse(401, "Please log in.", "session")
            if not self._staff.csrf_ok(member.session, request.headers.get("X-CSRF-Token", "")):
                return refuse(403, "The page is out of date; load it again.", "X-CSRF-Token")
            return await answered(handler, request, member)

        return guarded

    async def _member(self, request: web.Request) -> Member | None:
        session = request.cookies.get(COOKIE, "")
        return await self._staff.member(session) if session else None

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not same_origin(request):
            return refuse(403, "This request came from another site.", "Origin")
        try:
            body = await json_body(request)
            login, password = text_field(body, "login", 200), text_field(body, "password", 1_000)
        except BadRequest as error:
            return refuse(400, str(error), error.field)
        keys = (f"login:{login.lower()}", f"address:{request.remote}")
        wait = self._throttle.wait(*keys)
        if wait > 0:
            answer = refuse(429, "Too many tries. Please wait a little.", "login")
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        found = await self._staff.log_in(login, password)
        if found is None:
            self._throttle.failed(*keys)
            return refuse(401, "Login or password is wrong.", "login")
        self._throttle.succeeded(*keys)
        member, session = found
        return self._with_session(member, session.token, session.csrf)

    def _with_session(self, member: Member, token: str, csrf: str) -> web.Response:
        answer = reply(
            {"id": member.id, "name": member.name, "role": member.role, "csrf": csrf, "clinic": self._clinic}
        )
        answer.set_cookie(
            COOKIE, token, httponly=True, secure=self._secure, samesite="Strict", path="/console"
        )
        return answer

    async def _me(self, request: web.Request) -> web.StreamResponse:
        """Who is logged in here, or an empty object; the page asks this before anything else."""
        try:
            member = await self._member(request)
        except DeskAway:
            return refuse(503, "The records cannot be reached. Please try again.", "database")
        if member is None:
            return reply({})
        session = await self._staff.renew(member)
        return self._with_session(member, session.token, session.csrf)

    async def _logout(self, request: web.Request, member: Member) -> web.StreamResponse:
        await self._staff.log_out(member.session)
        answer = reply({})
        answer.del_cookie(COOKIE, path="/console")
        return answer

    # -- what they see and do -----------------------------------------------------------------------------

    async def _queue(self, request: web.Request, member: Member) -> web.StreamResponse:
        now = now_utc()
        items = [dict(item) for item in await self._desk.queue()]
        return reply({"items": items, "now": now.isoformat(), "duty": self._desk.on_duty(now)})

    async def _detail(self, request: web.Request, member: Member) -> web.StreamResponse:
        return reply(dict(await self._desk.detail(request.match_info["id"], member.id)))

    async def _act(self, request: web.Request, member: Member) -> web.StreamResponse:
        action = request.match_info["action"]
        if action not in ACTIONS:
            return refuse(404, "There is no such action.", "action")
        body = await json_body(request)
        reason = text_field(body, "reason", 200) if action == "close" else None
        await self._desk.act(action, request.match_info["id"], member.id, reason)
        return reply({})

    async def _reply(self, request: web.Request, member: Member) -> web.StreamResponse:
        body = await json_body(request)
        text, key = text_field(body, "text", MAX_REPLY_CHARS), text_field(body, "key", 100)
        await self._desk.reply(request.match_info["id"], member.id, text, key)
        return reply({})

    async def _events(self, request: web.Request, member: Member) -> web.StreamResponse:
        """Server-sent events: ``{"type", "escalation"|"conversation"}``, ids only; a comment as heartbeat."""
        stream = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b'data: {"type": "hello"}\n\n')
        events = self._live.subscribe("console").__aiter__()
        upcoming: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(anext(events))
        try:
            while await self._staff.member(member.session) is not None:
                done, _ = await asyncio.wait({upcoming}, timeout=HEARTBEAT_S)
                if not done:
                    await stream.write(b": still here\n\n")
                    continue
                await stream.write(b"data: " + json.dumps(upcoming.result()).encode() + b"\n\n")
                upcoming = asyncio.ensure_future(anext(events))
        except (ConnectionResetError, StopAsyncIteration):
            pass  # the browser closed the page
        finally:
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await upcoming
        return stream

    async def _file(self, request: web.Request) -> web.StreamResponse:
        body, kind = self._files[request.path.removeprefix("/console")]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)


class BadRequest(ValueError):
    """A request whose ``field`` is not usable."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


async def answered(handler: Handler, request: web.Request, member: Member) -> web.StreamResponse:
    """Run a handler; what the desk refuses becomes a sentence, not a stack trace."""
    try:
        return await handler(request, member)
    except BadRequest as error:
        return refuse(400, str(error), error.field)
    except DeskMissing:
        return refuse(404, "There is nothing with this id.", "id")
    except DeskRefused as error:
        return refuse(409, str(error), "state")
    except DeskAway:
        return refuse(503, "The records cannot be reached. Please try again.", "database")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object of bounded size."""
    raw = await request.content.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY:
        raise BadRequest("body", f"is larger than {MAX_BODY} bytes")
    try:
        body = json.loads(raw or b"{}")
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise BadRequest("body", "is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("body", "must be a JSON object")
    return body


def text_field(body: Mapping[str, Any], name: str, limit: int) -> str:
    """A text field that is there, not blank and not longer than ``limit`` characters."""
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(name, "must be text")
    if not value.strip() or len(value) > limit:
        raise BadRequest(name, f"must be 1 to {limit} characters")
    return value


def same_origin(request: web.Request) -> bool:
    """Whether the Origin header, where there is one, names this very server."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    return secrets.compare_digest(urlsplit(origin).netloc.encode(), (request.host or "").encode())


def reply(data: Mapping[str, Any], status: int = 200) -> web.Response:
    """JSON with the console's headers; times are ISO 8601."""
    return web.json_response(data, status=status, headers=HEADERS, dumps=_dumps)


def refuse(status: int, error: str, field: str) -> web.Response:
    """An error that names the field."""
    return reply({"error": error, "field": field}, status)


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
