"""The staff console's server side: log-in, queue, one case, claim, reply, note, hand back, close; live by
server-sent events. Same origin only, a CSRF value on every change, no patient text in any log or address.

It decides nothing clinical and holds no state but the log-in tries of the last minutes and the open event
streams. Every role (clinician, reception, admin) may do the same here: whoever answers first must see what
an alarm is about, and every reading is audited by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.messages import now_utc
from connectors.console.ports import (
    DeskAway,
    DeskBadValue,
    DeskMissing,
    DeskPort,
    DeskRefused,
    LiveFeed,
    Member,
    StaffPort,
)
from connectors.console.requests import (
    HEADERS,
    BadRequest,
    json_body,
    optional_text,
    refuse,
    reply,
    same_origin,
    text_field,
)
from connectors.console.throttle import ADDRESS, Throttle

HERE = Path(__file__).parent
COOKIE = "careline_session"
MAX_REPLY_CHARS = 4_000
"""A staff message that fits one Telegram message; the form holds the same limit."""
MAX_REASON_CHARS = 500
ACTIONS = frozenset({"acknowledge", "claim", "takeover", "release", "handback", "close"})
HEARTBEAT_S = 15.0
"""How often an idle stream says that it lives and asks whether its session still does."""
FILES = {
    "": ("index.html", "text/html"),
    "/console.js": ("console.js", "text/javascript"),
    "/case.js": ("case.js", "text/javascript"),
    "/texts.js": ("texts.js", "text/javascript"),
    "/page.js": ("page.js", "text/javascript"),
    "/console.css": ("console.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/alarm.svg": ("alarm.svg", "image/svg+xml"),
}
Handler = Callable[[web.Request, Member], Awaitable[web.StreamResponse]]
Plain = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._staff, self._desk, self._live = staff, desk, live
        self._clinic, self._secure = dict(clinic), secure_cookie
        self._throttle, self._heartbeat_s = throttle or Throttle(), heartbeat_s
        self._streams: dict[asyncio.Event, str] = {}
        self._files = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def routes(self) -> list[web.RouteDef]:
        """Pages, and the JSON interface under ``/console/api``."""
        api = "/console/api"
        return [
            *(web.get(f"/console{path}", self._file) for path in FILES),
            web.post(f"{api}/login", answered(self._login)),
            web.get(f"{api}/me", answered(self._me)),
            web.post(f"{api}/logout", self._changing(self._logout)),
            web.get(f"{api}/queue", self._reading(self._queue)),
            web.get(f"{api}/events", self._reading(self._events)),
            web.get(f"{api}/escalations/{{id}}", self._reading(self._detail)),
            web.post(f"{api}/escalations/{{id}}/note", self._changing(self._note)),
            web.post(f"{api}/escalations/{{id}}/{{action}}", self._changing(self._act)),
            web.post(f"{api}/conversations/{{id}}/reply", self._changing(self._reply)),
        ]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """End every event stream, so that the server need not wait for them."""
        for end in self._streams:
            end.set()

    # -- who is asking ------------------------------------------------------------------------------------

    def _reading(self, handler: Handler) -> Plain:
        async def guarded(request: web.Request) -> web.StreamResponse:
            member = await self._member(request)
            return log_in_first() if member is None else await handler(request, member)

        return answered(guarded)

    def _changing(self, handler: Handler) -> Plain:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not same_origin(request):
                return foreign()
            member = await self._member(request)
            if member is None:
                return log_in_first()
            if not member.csrf_ok(request.headers.get("X-CSRF-Token", "")):
                return refuse(403, "stale_page", "The page is out of date; load it again.", "X-CSRF-Token")
            return await handler(request, member)

        return answered(guarded)

    async def _member(self, request: web.Request) -> Member | None:
        session = request.cookies.get(COOKIE, "")
        return await self._staff.member(session) if session else None

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not same_origin(request):
            return foreign()
        body = await json_body(request)
        login, password = text_field(body, "login", 200), text_field(body, "password", 1_000)
        keys = (f"login:{login.strip().lower()}", f"{ADDRESS}{request.remote}")
        wait = self._throttle.wait(*keys)
        if wait > 0:
            answer = refuse(429, "throttled", "Too many tries. Please wait a little.", "login")
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        self._throttle.tried(*keys)
        found = await self._staff.log_in(login, password)
        if found is None:
            return refuse(401, "wrong_login", "Login or password is wrong.", "login")
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
        member = await self._member(request)
        if member is None:
            return reply({})
        session = await self._staff.renew(member)
        return self._with_session(member, session.token, session.csrf)

    async def _logout(self, request: web.Request, member: Member) -> web.StreamResponse:
        await self._staff.log_out(member.session)
        for end, session in self._streams.items():
            if session == member.session:
                end.set()
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
            return refuse(404, "missing", "There is no such action.", "action")
        body = await json_body(request)
        read = text_field if action == "close" else optional_text
        reason = read(body, "reason", MAX_REASON_CHARS)
        await self._desk.act(action, request.match_info["id"], member.id, reason)
        return reply({})

    async def _note(self, request: web.Request, member: Member) -> web.StreamResponse:
        text = text_field(await json_body(request), "text", MAX_REPLY_CHARS)
        await self._desk.note(request.match_info["id"], member.id, text)
        return reply({})

    async def _reply(self, request: web.Request, member: Member) -> web.StreamResponse:
        body = await json_body(request)
        text, key = text_field(body, "text", MAX_REPLY_CHARS), text_field(body, "key", 100)
        await self._desk.reply(request.match_info["id"], member.id, text, key)
        return reply({})

    async def _events(self, request: web.Request, member: Member) -> web.StreamResponse:
        """Server-sent events: ``{"type", "escalation"|"conversation"}``, ids only; a comment as heartbeat.

        Ends within a heartbeat of the session, at once on log-out.
        """
        stream = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        end = asyncio.Event()
        self._streams[end] = member.session
        try:
            async with _next_of(self._live.subscribe("console")) as following:
                await stream.prepare(request)
                await stream.write(sse({"type": "hello"}))
                await self._pass_on(stream, following, end, member)
        except ConnectionResetError:
            pass  # the browser closed the page
        finally:
            del self._streams[end]
        return stream

    async def _pass_on(
        self, stream: web.StreamResponse, following: Following, end: asyncio.Event, member: Member
    ) -> None:
        ended = asyncio.ensure_future(end.wait())
        try:
            while True:
                waiting: set[asyncio.Future[Any]] = {ended, following.next}
                await asyncio.wait(waiting, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                if end.is_set() or not await self._still(member):
                    await stream.write(sse({"type": "ended"}))
                    return
                if not following.next.done():
                    await stream.write(b": still here\n\n")
                    continue
                await stream.write(sse(following.take()))
        finally:
            ended.cancel()

    async def _still(self, member: Member) -> bool:
        try:
            return await self._staff.member(member.session) is not None
        except DeskAway:
            return True  # events hold ids only; whatever they lead to is checked by itself

    async def _file(self, request: web.Request) -> web.StreamResponse:
        body, kind = self._files[request.path.removeprefix("/console")]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)


class Following:
    """The next event of a feed as a future, so that waiting for it can be given up and taken up again."""

    def __init__(self, feed: AsyncIterator[dict[str, Any]]) -> None:
        self._feed = feed
        self.next: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(anext(feed))

    def take(self) -> dict[str, Any]:
        """The event that has come; the one after it is waited for from now on."""
        event = self.next.result()
        self.next = asyncio.ensure_future(anext(self._feed))
        return event


@contextlib.asynccontextmanager
async def _next_of(feed: AsyncIterator[dict[str, Any]]) -> AsyncIterator[Following]:
    following = Following(feed)
    await asyncio.sleep(0)  # the first step subscribes: nothing is missed from the greeting on
    try:
        yield following
    finally:
        following.next.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await following.next


def answered(handler: Plain) -> Plain:
    """Run a handler; what the desk refuses becomes a sentence, not a stack trace."""

    async def run(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (BadRequest, DeskBadValue) as error:
            return refuse(400, "bad_field", str(error), error.field)
        except DeskMissing:
            return refuse(404, "missing", "There is nothing with this id.", "id")
        except DeskRefused as error:
            return refuse(409, error.code, str(error), "state", name=error.name)
        except DeskAway:
            return refuse(503, "away", "The records cannot be reached. Please try again.", "database")

    return run


def sse(event: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def log_in_first() -> web.Response:
    """Nobody is logged in here."""
    return refuse(401, "log_in", "Please log in.", "session")


def foreign() -> web.Response:
    """Another site's page has sent this."""
    return refuse(403, "foreign", "This request came from another site.", "Origin")
