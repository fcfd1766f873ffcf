"""Rasa's Socket.IO channel at ``/socket.io``, for the chat widgets that were written for Rasa.

Events as in Rasa 3.6: ``session_request {session_id}`` → ``session_confirm "<session id>"`` (a string);
``user_uttered {message, session_id, metadata}`` → ``bot_uttered``. There, a session id that a client states
is believed. Here it is a signed token: an unknown one opens nothing, and a fresh one is issued in its place.

``bot_uttered`` has exactly the keys that both known widgets understand, ``{text}`` or ``{text,
quick_replies}``; everything else of ours is under ``metadata``, which one widget strips and the other
ignores. A fault in what a client sent comes back as the event's acknowledgement, as ``careline_error
{error, field}`` and as a sentence to the patient.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web

from bot.clinic import Clinic
from bot.messages import Incoming, Reply, ReplyKind, new_id, now_utc
from bot.texts import Texts
from connectors.base import ConversationRef, LivePort, RequestError, StoreUnavailable, TokenPort, TurnPort
from connectors.turns import Gate, look_or_provisional, open_or_provisional, run_to_end
from connectors.webio import MAX_BODY_BYTES, AddressOf, Origins, peer_address
from connectors.wire import (
    clean_id,
    clean_lang,
    clean_text,
    json_object,
    plain_text,
    reply_from_json,
    reply_to_json,
)

log = logging.getLogger(__name__)

CHANNEL = "socketio"
PATH = "/socket.io/"
MAX_METADATA_KEYS = 50
START_PAYLOADS = frozenset({"/get_started", "/start", "/greet", "/session_start"})
"""What the widgets' documentation has a page send by itself when it opens; the patient wrote no such thing."""

DELIVERED_KEPT = 20_000
"""Ids of staff replies that reached a connected client, so that a returning client is sent only what it
missed."""

LISTEN_AGAIN_S = 2.0
PING_INTERVAL_S = 25.0
"""Engine.IO's own default: below the 30 to 60 s after which common proxies drop a silent connection."""


def bot_uttered(reply: Reply, public_url: str = "") -> dict[str, Any]:
    """One reply as ``bot_uttered``. Numbers, sources and files are in the text: the widgets show nothing
    else."""
    extra = reply_to_json(reply)
    del extra["text"], extra["buttons"]
    message: dict[str, Any] = {"text": plain_text(reply, public_url=public_url), "metadata": extra}
    if reply.buttons:
        message["quick_replies"] = [
            {"content_type": "text", "title": b.title, "payload": b.payload} for b in reply.buttons
        ]
    return message


@dataclass(slots=True)
class _Client:
    """A connected client: its address, and its conversation once it has one."""

    address: str
    ref: ConversationRef | None = None
    token: str = ""
    listening: asyncio.Task[None] | None = None
    said: set[str] = field(default_factory=set)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class SocketIOConnector:
    """The Socket.IO channel.

    Args:
        origins: pages of other origins that may connect.
        public_url: address under which patients reach this server, for links to files.
    """

    name = CHANNEL

    def __init__(
        self,
        turn: TurnPort,
        live: LivePort,
        tokens: TokenPort,
        clinic: Clinic,
        texts: Texts,
        *,
        origins: Iterable[str] = (),
        public_url: str = "",
        gate: Gate | None = None,
        address_of: AddressOf = peer_address,
        ping_interval_s: float = PING_INTERVAL_S,
    ) -> None:
        self._turn = turn
        self._live = live
        self._tokens = tokens
        self._clinic = clinic
        self._texts = texts
        self._public_url = public_url
        self._gate = gate or Gate(turn)
        self._address_of = address_of
        self._clients: dict[str, _Client] = {}
        self._delivered: OrderedDict[str, None] = OrderedDict()
        self._sio = _server(Origins(origins, public_url=public_url), ping_interval_s)
        self._sio.on("connect", self._connected)
        self._sio.on("disconnect", self._disconnected)
        self._sio.on("session_request", self._session_request)
        self._sio.on("user_uttered", self._user_uttered)

    def routes(self) -> list[web.RouteDef]:
        """The Engine.IO endpoint: polling, the upgrade to WebSocket, and the CORS preflight."""
        handle = self._sio.eio.handle_request
        return [web.get(PATH, handle), web.post(PATH, handle), web.options(PATH, handle)]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Disconnect every client; they come back by themselves."""
        for sid in tuple(self._clients):
            await self._sio.disconnect(sid)
            self._forget(sid)
        await self._sio.shutdown()

    async def _connected(self, sid: str, environ: dict[str, Any], _auth: Any = None) -> None:
        self._clients[sid] = _Client(self._address_of(environ["aiohttp.request"]))

    async def _disconnected(self, sid: str, *_: Any) -> None:
        self._forget(sid)

    def _forget(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client is not None and client.listening is not None:
            client.listening.cancel()

    async def _session_request(self, sid: str, data: Any = None) -> None:
        client = self._clients.get(sid)
        if client is None:
            return
        asked = data.get("session_id") if isinstance(data, dict) else None
        returning = await self._open(sid, client, asked, None)
        await self._sio.emit("session_confirm", client.token, to=sid)
        if returning:
            await self._catch_up(sid, client)

    async def _user_uttered(self, sid: str, data: Any = None) -> dict[str, str] | None:
        """Run a turn for what the patient wrote. Returns the fault for the event's acknowledgement, or
        None."""
        client = self._clients.get(sid)
        if client is None:
            return None
        lang: str | None = None
        try:
            body = json_object(data, "data")
            metadata = _metadata(body)
            lang = clean_lang(metadata.get("lang"), "metadata.lang", self._texts.languages)
            text = self._spoken(clean_text(body.get("message"), "message"), client, lang)
            given = metadata.get("message_id")
            message_id = new_id("m") if given is None else clean_id(given, "metadata.message_id")
            await self._open_for_message(sid, client, body.get("session_id"), lang)
            await self._run(sid, client, text, message_id, lang)
        except RequestError as error:
            await self._refuse(sid, client, error, lang, silent=_says_nothing(data))
            return error.body()
        return None

    def _spoken(self, text: str, client: _Client, lang: str | None) -> str:
        """A page's opening payload in words."""
        said_in = lang or (client.ref.lang if client.ref else "") or self._clinic.languages[0]
        return self._texts("connectors.greeting", said_in) if text in START_PAYLOADS else text

    async def _open_for_message(self, sid: str, client: _Client, asked: Any, lang: str | None) -> None:
        """A message of a client that has no session, or names another one that is validly signed."""
        known = self._tokens.verify(asked) if isinstance(asked, str) else None
        if client.ref is None or (known is not None and known != client.ref.id):
            await self._open(sid, client, asked, lang)
            if client.token != asked:
                await self._sio.emit("session_confirm", client.token, to=sid)

    async def _open(self, sid: str, client: _Client, asked: Any, lang: str | None) -> bool:
        """Join the client to the conversation of its token, or to a new one. Returns whether it was its
        own."""
        async with client.opening:
            known = self._tokens.verify(asked) if isinstance(asked, str) else None
            if client.ref is not None and known in (None, client.ref.id):
                return known is not None
            ref = await look_or_provisional(self._turn, known, lang) if known else None
            returning = ref is not None
            client.ref = ref or await open_or_provisional(self._turn, CHANNEL, new_id("a"), lang)
            client.token = self._tokens.issue(client.ref.id)
            if client.listening is not None:
                client.listening.cancel()
            client.listening = asyncio.create_task(self._listen(sid, client, client.ref.id))
            return returning

    async def _run(self, sid: str, client: _Client, text: str, given: str, lang: str | None) -> None:
        if client.ref is None:
            raise RequestError(
                422, "session_id has no conversation; send session_request first", "session_id"
            )
        incoming = Incoming(
            channel=CHANNEL,
            conversation=client.ref.id,
            text=text,
            message_id=f"{client.ref.id}:{given}",  # a client's id is unique for that client only
            lang=lang,
            received_at=now_utc(),
        )
        sink = _Sink(self, sid, client)
        if not await self._gate.admits(incoming, client.address, sink):
            return
        if await run_to_end(self._turn, incoming, sink) is not None:
            raise RequestError(500, "the message could not be answered; try again")

    async def utter(self, sid: str, client: _Client, reply: Reply) -> None:
        """Send a reply to a client that has not had it."""
        if reply.id in client.said:
            return
        client.said.add(reply.id)
        if reply.kind is ReplyKind.STAFF and sid in self._clients:
            self._delivered[reply.id] = None
            if len(self._delivered) > DELIVERED_KEPT:
                self._delivered.popitem(last=False)
        await self._sio.emit("bot_uttered", bot_uttered(reply, self._public_url), to=sid)

    async def _catch_up(self, sid: str, client: _Client) -> None:
        """What staff wrote after the patient's last message while no client was there to read it.

        The widgets keep their own history and cannot say what they have; the assistant's answers are not
        repeated.
        """
        if client.ref is None:
            return
        try:
            lines = await self._turn.history(client.ref.id, 0)
        except StoreUnavailable:
            return
        last = max((n for n, line in enumerate(lines) if line.direction == "in"), default=-1)
        for line in lines[last + 1 :]:
            reply = line.reply
            if reply is not None and reply.kind is ReplyKind.STAFF and reply.id not in self._delivered:
                await self.utter(sid, client, reply)

    async def _listen(self, sid: str, client: _Client, conversation: str) -> None:
        """Live events of the conversation: what staff write, what another of the patient's pages is told."""
        while True:
            listening = asyncio.create_task(self._pump(sid, client, conversation))
            try:
                await asyncio.wait([listening])
            finally:
                listening.cancel()
            fault = None if listening.cancelled() else listening.exception()
            if fault is not None:
                log.warning("live events of conversation=%s broke: %s", conversation, type(fault).__name__)
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _pump(self, sid: str, client: _Client, conversation: str) -> None:
        async with contextlib.aclosing(self._live.subscribe(conversation)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.get("type") == "reply":
                    await self.utter(sid, client, reply_from_json(event["reply"]))

    async def _refuse(
        self, sid: str, client: _Client, error: RequestError, lang: str | None, *, silent: bool
    ) -> None:
        await self._sio.emit("careline_error", error.body(), to=sid)
        if silent:
            return
        said_in = lang or (client.ref.lang if client.ref else "") or self._clinic.languages[0]
        key = "connectors.too_fast" if error.status == 429 else "connectors.not_read"
        text = self._texts(key, said_in, number=self._clinic.numbers.emergency)
        await self._sio.emit("bot_uttered", {"text": text, "metadata": {"kind": "notice"}}, to=sid)


@dataclass(slots=True)
class _Sink:
    """ReplySink of one turn."""

    connector: SocketIOConnector
    sid: str
    client: _Client

    async def reply(self, reply: Reply) -> None:
        """Say it to the client."""
        await self.connector.utter(self.sid, self.client, reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Nothing: these widgets show complete messages."""


def _says_nothing(data: Any) -> bool:
    """An empty message, which a widget without an opening payload sends by itself: no patient is to be told."""
    return isinstance(data, dict) and isinstance(data.get("message"), str) and not data["message"].strip()


def _metadata(body: dict[str, Any]) -> dict[str, Any]:
    """``metadata``, or ``customData`` as one of the widgets calls it. Raises RequestError(422)."""
    value = body.get("metadata") or body.get("customData") or {}
    metadata = json_object(value, "metadata")
    if len(metadata) > MAX_METADATA_KEYS:
        raise RequestError(422, f"metadata has more than {MAX_METADATA_KEYS} keys", "metadata")
    return metadata


class _CodesOnly:
    """A logger for the Socket.IO library, which logs whole messages: from it only the kind of a fault is
    kept."""

    def debug(self, *_: Any, **__: Any) -> None:
        """Dropped: it quotes what patients write."""

    info = debug

    def error(self, *_: Any, **__: Any) -> None:
        """The fault's type, where one is being handled."""
        log.error("socket.io fault: %s", getattr(sys.exc_info()[0], "__name__", "refused request"))

    warning = error
    exception = error


def _server(origins: Origins, ping_interval_s: float) -> Any:
    def allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        return origins.allows(origin, environ.get("HTTP_HOST", ""))

    quiet = _CodesOnly()
    return socketio.AsyncServer(
        async_mode="aiohttp",
        cors_allowed_origins=allowed,
        max_http_buffer_size=MAX_BODY_BYTES,
        ping_interval=ping_interval_s,
        logger=quiet,
        engineio_logger=quiet,
    )
