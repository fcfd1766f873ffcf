"""One widget on one WebSocket: frames in, replies and live events out, nothing said twice.

It knows the protocol and the ports. Each message runs as its own task, so that an emergency never waits
behind an answer that is still being written; the turn keeps the order within the conversation.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from typing import Any

from aiohttp import WSMsgType, web

from bot.messages import Incoming, Reply, new_id, now_utc
from connectors.base import ConversationRef, LivePort, RequestError, StoreUnavailable, TokenPort, TurnPort
from connectors.turns import Gate, look_or_provisional, open_or_provisional, outcome, run_to_end
from connectors.web.protocol import ChooseLanguage, Hello, Ping, Say, frame_id, parse_frame
from connectors.wire import reply_to_json, shown_to_json

log = logging.getLogger(__name__)

CHANNEL = "web"
REMEMBERED_REPLIES = 512
"""Reply ids kept per connection to drop doubles; a conversation says far fewer while one page is open."""

MAX_RUNNING = 16
"""Turns of one connection at a time; the rate limit admits no more in practice."""

LISTEN_AGAIN_S = 2.0
"""Pause before live events are asked for again; meanwhile the widget's pings fetch what it missed."""


class Session:
    """A connection after the upgrade. Closed by either side; a turn in hand is finished all the same."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        turn: TurnPort,
        live: LivePort,
        tokens: TokenPort,
        gate: Gate,
        languages: tuple[str, ...],
        address: str,
        background: set[asyncio.Task[None]],
    ) -> None:
        self._socket = socket
        self._turn = turn
        self._live = live
        self._tokens = tokens
        self._gate = gate
        self._languages = languages
        self._address = address
        self._background = background
        self._ref: ConversationRef | None = None
        self._said: OrderedDict[str, None] = OrderedDict()
        self._running = 0
        self._pump: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve the connection until it closes."""
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._frame(message.data)
        finally:
            if self._pump is not None:
                self._pump.cancel()
                await asyncio.wait([self._pump])

    async def reply(self, reply: Reply) -> None:
        """ReplySink: a complete reply of this connection's turn."""
        await self._say(reply.id, {"type": "reply", "reply": reply_to_json(reply)})

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """ReplySink: the checked text so far."""
        await self._send({"type": "partial", "reply_id": reply_id, "text": text, "lang": lang})

    async def _frame(self, raw: str | bytes) -> None:
        fault = await outcome(self._act(raw))
        if isinstance(fault, RequestError):
            await self._refuse(fault, frame_id(raw))
        elif fault is not None:  # its message may quote the patient
            log.error("frame failed: fault=%s", type(fault).__name__)
            await self._refuse(RequestError(500, "the message could not be taken; try again"), frame_id(raw))

    async def _act(self, raw: str | bytes) -> None:
        frame = parse_frame(raw, self._languages)
        if isinstance(frame, Hello):
            await self._hello(frame)
            return
        if self._ref is None:
            raise RequestError(422, "type must be hello in the first frame", "type")
        if isinstance(frame, Say):
            self._begin(frame, self._ref)
        elif isinstance(frame, ChooseLanguage):
            await self._choose(frame, self._ref)
        else:
            await self._pong(frame, self._ref)

    async def _hello(self, hello: Hello) -> None:
        if self._ref is not None:
            raise RequestError(422, "hello was said already; open a new connection", "type")
        ref, fresh = await self._find(hello)
        self._ref = ref
        # Listen before reading the history, so that nothing said in between is lost; doubles are dropped.
        self._pump = asyncio.create_task(self._keep_listening(ref.id))
        await self._send(
            {
                "type": "ready",
                "token": self._tokens.issue(ref.id),
                "lang": ref.lang,
                "state": ref.state,
                "fresh": fresh,
                "history": [] if fresh else await self._lines(ref.id, hello.after_seq),
            }
        )

    async def _find(self, hello: Hello) -> tuple[ConversationRef, bool]:
        known = self._tokens.verify(hello.token) if hello.token else None
        ref = await look_or_provisional(self._turn, known, hello.lang) if known else None
        if ref is not None:
            return ref, False
        return await open_or_provisional(self._turn, CHANNEL, new_id("a"), hello.lang), True

    def _begin(self, say: Say, ref: ConversationRef) -> None:
        task = asyncio.create_task(self._turn_of(say, ref))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _turn_of(self, say: Say, ref: ConversationRef) -> None:
        incoming = Incoming(
            channel=CHANNEL,
            conversation=ref.id,
            text=say.text,
            message_id=f"{ref.id}:{say.id}",  # the widget's id is unique for that widget only
            lang=say.lang,
            received_at=now_utc(),
        )
        try:
            if self._running >= MAX_RUNNING and not await self._turn.emergency_only(incoming, self):
                raise RequestError(
                    429, "too many messages at once; wait a moment", headers={"Retry-After": "5"}
                )
            if self._running < MAX_RUNNING and await self._gate.admits(incoming, self._address, self):
                await self._full_turn(say, incoming)
            else:
                await self._ack(say.id, None, stored=True)
        except RequestError as error:
            await self._refuse(error, say.id)

    async def _full_turn(self, say: Say, incoming: Incoming) -> None:
        self._running += 1
        await self._send({"type": "typing", "on": True})
        try:
            try:
                accepted = await self._turn.accept(incoming)
                await self._ack(say.id, accepted.seq, stored=True)
            except StoreUnavailable:
                await self._ack(say.id, None, stored=False)
            if await run_to_end(self._turn, incoming, self) is not None:
                raise RequestError(500, "the message could not be answered; try again", None)
        finally:
            self._running -= 1
            if self._running == 0:
                await self._send({"type": "typing", "on": False})

    async def _choose(self, frame: ChooseLanguage, ref: ConversationRef) -> None:
        self._ref = ConversationRef(ref.id, frame.lang, ref.state)
        try:
            await self._turn.set_language(ref.id, frame.lang)
        except StoreUnavailable:
            log.warning("store unavailable: language of conversation=%s not kept", ref.id)

    async def _pong(self, ping: Ping, ref: ConversationRef) -> None:
        await self._send({"type": "pong"})
        if ping.after_seq is not None and self._running == 0:
            missed = await self._lines(ref.id, ping.after_seq)
            if missed:
                await self._send({"type": "lines", "history": missed})

    async def _lines(self, conversation: str, after_seq: int) -> list[dict[str, Any]]:
        try:
            shown = await self._turn.history(conversation, after_seq)
        except StoreUnavailable:
            log.warning("store unavailable: no history for conversation=%s", conversation)
            return []
        lines = [shown_to_json(item) for item in shown]
        for line in lines:
            own, given = f"{conversation}:", line["id"]
            line["id"] = given[len(own) :] if given and given.startswith(own) else given
            if line["reply"]:
                self._remember(line["reply"]["id"])
        return lines

    async def _keep_listening(self, conversation: str) -> None:
        """Live events for as long as the connection lasts; a fault of their source is logged and retried."""
        while not self._socket.closed:
            listening = asyncio.create_task(self._listen(conversation))
            try:
                await asyncio.wait([listening])
            finally:
                listening.cancel()
            fault = None if listening.cancelled() else listening.exception()
            if fault is not None:
                log.warning("live events of conversation=%s broke: %s", conversation, type(fault).__name__)
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen(self, conversation: str) -> None:
        async for event in self._live.subscribe(conversation):
            if event.get("type") == "reply":
                await self._say(event["reply"]["id"], event)
            elif event.get("type") in ("state", "partial"):
                await self._send(event)

    async def _say(self, reply_id: str, event: dict[str, Any]) -> None:
        if reply_id not in self._said:
            self._remember(reply_id)
            await self._send(event)

    def _remember(self, reply_id: str) -> None:
        self._said[reply_id] = None
        if len(self._said) > REMEMBERED_REPLIES:
            self._said.popitem(last=False)

    async def _ack(self, given: str, seq: int | None, *, stored: bool) -> None:
        await self._send({"type": "ack", "id": given, "seq": seq, "stored": stored})

    async def _refuse(self, error: RequestError, given: str | None) -> None:
        frame: dict[str, Any] = {"type": "error", "error": error.error, "field": error.field, "id": given}
        if "Retry-After" in error.headers:
            frame["retry_after"] = int(error.headers["Retry-After"])
        await self._send(frame)

    async def _send(self, frame: dict[str, Any]) -> None:
        """Send unless the widget has gone; what it misses is in the history."""
        if self._socket.closed:
            return
        try:
            await self._socket.send_str(json.dumps(frame, ensure_ascii=False))
        except ConnectionError:
            log.debug("widget went away while a frame was sent")
