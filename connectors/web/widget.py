"""The web connector: ``/widget.js``, the demo page at ``/``, and the widget's WebSocket at ``/widget/ws``.

It serves what :mod:`connectors.web.assets` put together at construction and hands each connection to a
:class:`connectors.web.session.Session`. The protocol is in :mod:`connectors.web.protocol`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import WSCloseCode, web

from bot.clinic import Clinic
from connectors.base import LivePort, RequestError, TokenPort, TurnPort
from connectors.turns import Gate
from connectors.web.assets import (
    DEFAULT_EXIT_URL,
    HERE,
    Asset,
    InterfaceTexts,
    asset,
    demo_page,
    widget_config,
    widget_script,
)
from connectors.web.session import CHANNEL, Session
from connectors.webio import MAX_BODY_BYTES, AddressOf, Handler, Origins, guarded, peer_address

HEARTBEAT_S = 25.0
"""Below the 30 to 60 s after which common proxies drop a silent connection."""

MAX_SOCKETS = 5_000
"""Widgets connected to one process (about 100 KB each); more are asked to come back to a less busy one."""

DRAIN_S = 5.0
"""How long close() waits for turns in hand; what is not done by then is in the store and done after the
restart."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline script or style and no third party; the widget styles itself through the style sheet API."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class WebConnector:
    """The widget's channel.

    Args:
        origins: pages of other origins that may open the WebSocket (the script itself may be loaded by any
        page). public_url: address under which patients reach this server.
        exit_url: where the discreet quick exit goes.
        demo: whether ``/`` shows the demo page.
    """

    name = CHANNEL

    def __init__(
        self,
        turn: TurnPort,
        live: LivePort,
        tokens: TokenPort,
        clinic: Clinic,
        *,
        origins: Iterable[str] = (),
        public_url: str = "",
        exit_url: str = DEFAULT_EXIT_URL,
        demo: bool = True,
        gate: Gate | None = None,
        address_of: AddressOf = peer_address,
    ) -> None:
        self._turn = turn
        self._live = live
        self._tokens = tokens
        self._origins = Origins(origins, public_url=public_url)
        self._gate = gate or Gate(turn)
        self._address_of = address_of
        texts = InterfaceTexts(clinic.languages)
        self._languages = texts.languages
        self._script = widget_script(widget_config(clinic, texts, exit_url))
        self._style = asset((HERE / "static" / "demo.css").read_text(encoding="utf-8"), "text/css")
        self._pages = {lang: demo_page(clinic, texts, lang) for lang in texts.languages} if demo else {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._background: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """The script and the WebSocket, and the demo page with its style."""
        shared: list[web.RouteDef] = [
            web.get("/widget.js", self._serve(self._script)),
            web.get("/widget/ws", guarded(self._origins, self._connect)),
        ]
        if not self._pages:
            return shared
        return [*shared, web.get("/", self._page), web.get("/demo.css", self._serve(self._style))]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Tell the widgets to come back later and let the turns in hand finish."""
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"restarting")
        if self._background:
            await asyncio.wait(tuple(self._background), timeout=DRAIN_S)

    def _serve(self, item: Asset) -> Handler:
        async def run(request: web.Request) -> web.StreamResponse:
            return _respond(request, item)

        return run

    async def _page(self, request: web.Request) -> web.StreamResponse:
        lang = request.query.get("lang", "")
        if lang not in self._pages:
            lang = preferred_language(request.headers.get("Accept-Language", ""), self._languages)
        response = _respond(request, self._pages[lang])
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        response.headers["Vary"] = "Accept-Language"
        return response

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= MAX_SOCKETS:
            raise RequestError(503, "too many connections; try again", headers={"Retry-After": "5"})
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_BODY_BYTES)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await Session(
                socket,
                turn=self._turn,
                live=self._live,
                tokens=self._tokens,
                gate=self._gate,
                languages=self._languages,
                address=self._address_of(request),
                background=self._background,
            ).run()
        finally:
            self._sockets.discard(socket)
        return socket


def preferred_language(header: str, known: tuple[str, ...]) -> str:
    """The language of ours that an ``Accept-Language`` header likes best, else our first."""
    wishes: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1.0)
        except ValueError:
            continue
        wishes.append((-weight, tag.split("-")[0].lower()))
    return next((lang for _, lang in sorted(wishes, key=lambda w: w[0]) if lang in known), known[0])


def _respond(request: web.Request, item: Asset) -> web.Response:
    headers = {**SAFE_HEADERS, "ETag": item.etag, "Cache-Control": "no-cache"}
    if item.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    response = web.Response(body=item.body, content_type=item.content_type, charset="utf-8", headers=headers)
    response.enable_compression()
    return response
