"""Rasa's REST channel: ``GET /webhooks/rest/`` and ``POST /webhooks/rest/webhook[?stream=true]``.

The wire format is Rasa 3.6's; what differs is whom it trusts. There, any caller may continue any
conversation whose ``sender`` it knows, and all callers without one share the conversation "default". Here a
conversation is opened by

* no ``sender`` (or ``"default"``): a new conversation, whose signed token comes back as ``recipient_id``;
* ``sender`` = such a token: that conversation;
* any other ``sender``: only with ``Authorization: Bearer <the server's REST key>``, for a clinic's own
backend.

Request: ``{"sender"?, "message", "metadata"?: {"message_id"?, "lang"?}}``, JSON whatever the content type.
Answer: ``[{"recipient_id", "text", "buttons"?, "metadata":
{"id","kind","lang","author","at","phones","citations", "attachment"}}]``; with ``stream=true`` the same
objects, one a line, as they are said.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.messages import Incoming, Reply, new_id, now_utc
from connectors.base import ConversationRef, RequestError, TokenPort, TurnPort
from connectors.turns import Collected, Forwarded, Gate, look_or_provisional, open_or_provisional, run_to_end
from connectors.webio import (
    AddressOf,
    Origins,
    error_response,
    guarded,
    json_response,
    peer_address,
    read_body,
)
from connectors.wire import (
    clean_id,
    clean_lang,
    clean_text,
    json_object,
    parse_json,
    plain_text,
    reply_to_json,
)

MAX_SENDER_CHARS = 512
CHANNEL = "rest"


@dataclass(frozen=True, slots=True)
class RestMessage:
    """A request body, checked."""

    sender: str | None
    text: str
    message_id: str | None
    lang: str | None


def parse_message(raw: bytes, languages: tuple[str, ...]) -> RestMessage:
    """Read a request body. Raises RequestError naming the field that is wrong."""
    data = json_object(parse_json(raw))
    sender = data.get("sender")
    if sender is not None and not isinstance(sender, str):
        raise RequestError(422, "sender must be text", "sender")
    if sender is not None and len(sender) > MAX_SENDER_CHARS:
        raise RequestError(422, f"sender is longer than {MAX_SENDER_CHARS} characters", "sender")
    if "message" not in data:
        raise RequestError(422, "message is missing; send the patient's text in it", "message")
    metadata = json_object(data.get("metadata") or {}, "metadata")
    message_id = metadata.get("message_id")
    return RestMessage(
        sender=None if sender in (None, "", "default") else sender,
        text=clean_text(data["message"], "message"),
        message_id=None if message_id is None else clean_id(message_id, "metadata.message_id"),
        lang=clean_lang(metadata.get("lang"), "metadata.lang", languages),
    )


def rasa_message(reply: Reply, recipient: str, public_url: str = "") -> dict[str, Any]:
    """One reply as Rasa's REST channel writes a message. Phones and sources are under ``metadata``; the
    numbers are in the text too, because a client may show nothing else."""
    extra = reply_to_json(reply)
    buttons = extra.pop("buttons")
    if reply.attachment and public_url:
        extra["attachment"]["url"] = public_url.rstrip("/") + reply.attachment.path
    extra.pop("text")
    shown = Reply(text=reply.text, lang=reply.lang, phones=reply.phones)
    message = {"recipient_id": recipient, "text": plain_text(shown)}
    return message | ({"buttons": buttons} if buttons else {}) | {"metadata": extra}


class RestConnector:
    """The REST channel.

    Args:
        api_key: bearer key that lets a caller choose the ``sender``; None: nobody may.
        origins: pages of other origins that may call (CORS).
        public_url: address under which patients reach this server, for links to files.
    """

    name = CHANNEL

    def __init__(
        self,
        turn: TurnPort,
        tokens: TokenPort,
        *,
        languages: tuple[str, ...],
        api_key: str | None = None,
        origins: Iterable[str] = (),
        public_url: str = "",
        gate: Gate | None = None,
        address_of: AddressOf = peer_address,
    ) -> None:
        self._turn = turn
        self._tokens = tokens
        self._languages = languages
        self._api_key = api_key.encode() if api_key else None
        self._origins = Origins(origins, public_url=public_url)
        self._public_url = public_url
        self._gate = gate or Gate(turn)
        self._address_of = address_of

    def routes(self) -> list[web.RouteDef]:
        """Rasa's two addresses, and the CORS preflight."""
        return [
            web.get("/webhooks/rest/", self._health),
            web.post("/webhooks/rest/webhook", guarded(self._origins, self._webhook)),
            web.options("/webhooks/rest/webhook", guarded(self._origins, self._preflight)),
        ]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def _health(self, _: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def _preflight(self, request: web.Request) -> web.Response:
        return self._origins.preflight(request)

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        message = parse_message(await read_body(request), self._languages)
        ref, recipient = await self._conversation(request, message)
        given = message.message_id or new_id("m")
        incoming = Incoming(
            channel=CHANNEL,
            conversation=ref.id,
            text=message.text,
            message_id=f"{ref.id}:{given}",  # a client's id is unique for that client only
            lang=message.lang,
            received_at=now_utc(),
        )
        address = self._address_of(request)
        if request.query.get("stream", "").lower() in ("true", "1"):
            return await self._stream(request, incoming, address, recipient)
        return await self._answer(incoming, address, recipient)

    async def _answer(self, incoming: Incoming, address: str, recipient: str) -> web.Response:
        sink = Collected()
        fault: BaseException | None = None
        if await self._gate.admits(incoming, address, sink):
            fault = await run_to_end(self._turn, incoming, sink)
        headers = {"X-Careline-Conversation": recipient}
        if fault is not None and not sink.replies:
            return error_response(_failed(headers))
        if fault is not None:
            headers["X-Careline-Incomplete"] = "1"
        return json_response(
            [rasa_message(reply, recipient, self._public_url) for reply in sink.replies], headers=headers
        )

    async def _stream(
        self, request: web.Request, incoming: Incoming, address: str, recipient: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",  # as Rasa says, though it is one JSON object a line
                "Cache-Control": "no-store",
                "X-Careline-Conversation": recipient,
                **self._origins.headers(request.headers.get("Origin")),
            }
        )

        async def write(reply: Reply) -> None:
            if not response.prepared:
                await response.prepare(request)
            line = json.dumps(rasa_message(reply, recipient, self._public_url), ensure_ascii=False)
            try:
                await response.write(line.encode() + b"\n")
            except ConnectionError:
                pass  # the client hung up; the turn goes on and the replies are in the history

        sink = Forwarded(write)
        if await self._gate.admits(incoming, address, sink):
            fault = await run_to_end(self._turn, incoming, sink)
            if fault is not None and not sink.said:
                return error_response(_failed({"X-Careline-Conversation": recipient}))
        if not response.prepared:
            await response.prepare(request)
        return response

    async def _conversation(self, request: web.Request, message: RestMessage) -> tuple[ConversationRef, str]:
        """The conversation and the ``recipient_id`` to answer with. Raises RequestError(401, 403)."""
        trusted = self._trusted(request)
        if message.sender is None:
            ref = await open_or_provisional(self._turn, CHANNEL, new_id("a"), message.lang)
            return ref, self._tokens.issue(ref.id)
        if trusted:
            address = f"key:{message.sender}"
            return await open_or_provisional(self._turn, CHANNEL, address, message.lang), message.sender
        known = self._tokens.verify(message.sender)
        ref_or_none = await look_or_provisional(self._turn, known, message.lang) if known else None
        if ref_or_none is None:
            raise RequestError(
                403,
                "sender was not issued by this server, or has expired: leave it out to begin a "
                "conversation and send the recipient_id of the answer from then on, or send the "
                "server's REST key to choose it yourself",
                "sender",
            )
        return ref_or_none, self._tokens.issue(ref_or_none.id)

    def _trusted(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization")
        if header is None or self._api_key is None:
            return False
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._api_key):
            raise RequestError(401, "the REST key is wrong", "Authorization", {"WWW-Authenticate": "Bearer"})
        return True


def _failed(headers: dict[str, str]) -> RequestError:
    return RequestError(
        500,
        "the message could not be answered; try again, and in an emergency call your emergency number",
        None,
        headers,
    )
