"""Telegram, the pattern for every messaging connector: verify, write down, answer 200, work afterwards in
order.

A delivery is compared with the secret token before its body is read; its update is parsed into a value
(:mod:`connectors.telegram_update`), written down durably under ``update:<update_id>`` and acknowledged. The
turn runs afterwards in the conversation's lane; a message that would have to wait there is triaged at once,
so that an emergency is not behind a long answer. Replies go out through :mod:`connectors.telegram_sender`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from bot.clinic import Clinic
from bot.messages import Incoming, Reply, ReplyKind, new_id, now_utc
from bot.texts import Texts
from connectors.base import ButtonTokens, ConversationRef, RequestError, StoreUnavailable, TurnPort
from connectors.delivery import Outbox
from connectors.joining import JoiningSink
from connectors.lanes import Lanes
from connectors.limits import RateLimiter
from connectors.telegram_api import TelegramApi
from connectors.telegram_sender import CHANNEL, TelegramSender
from connectors.telegram_update import (
    Edited,
    Ignored,
    InGroup,
    Pressed,
    Unreadable,
    Update,
    Written,
    parse_update,
)
from connectors.turns import open_or_provisional, run_to_end
from connectors.webio import contained, json_response, read_body
from connectors.wire import clean_text, json_object, parse_json

log = logging.getLogger(__name__)

PATH = "/webhooks/telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
"""What setWebhook takes, but for our own lower bound of 16 characters."""

MAX_UPDATE_BYTES = 131_072
"""An update with 4,096 characters and every entity marked is about 60 KB."""

MESSAGES_PER_S, MESSAGES_BURST = 1.0, 20
"""One chat's messages; beyond that only emergencies are answered."""

NOTICE_PER_S, NOTICE_BURST = 1 / 60, 2
"""Polite notices about the channel: at most two at once and one a minute to one chat."""

DRAIN_S = 5.0
REMEMBERED_UPDATES = 20_000


@dataclass(slots=True)
class _Work:
    """A message that has been written down; ``triaged`` answers it where it is an emergency that would
    wait."""

    incoming: Incoming
    address: str
    triaged: asyncio.Task[bool] | None = None


class TelegramConnector:
    """The Telegram channel. The composition root gives ``connector.sender`` to the outbox, for ``telegram``.

    Args:
        secret: the webhook's secret token, 16 to 256 characters ``A-Za-z0-9_-``.
        outbox: takes the replies, under the reply's id as idempotency key.
        public_url: address under which patients reach this server, for links to files.
    """

    name = CHANNEL

    def __init__(
        self,
        turn: TurnPort,
        outbox: Outbox,
        buttons: ButtonTokens,
        api: TelegramApi,
        clinic: Clinic,
        texts: Texts,
        *,
        secret: str,
        public_url: str = "",
        limit: RateLimiter | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        if not SECRET.fullmatch(secret):
            raise ValueError("telegram secret: expected 16 to 256 characters A-Z a-z 0-9 _ -")
        self._turn = turn
        self._buttons = buttons
        self._api = api
        self._clinic = clinic
        self._texts = texts
        self._secret = secret.encode()
        self._limit = limit or RateLimiter(MESSAGES_PER_S, MESSAGES_BURST)
        self._notices = RateLimiter(NOTICE_PER_S, NOTICE_BURST)
        self._lanes = lanes or Lanes()
        self._noticed: OrderedDict[int, None] = OrderedDict()
        self.sender = TelegramSender(turn, outbox, buttons, api, public_url)

    def routes(self) -> list[web.RouteDef]:
        """The webhook."""
        return [web.post(PATH, contained(self._webhook))]

    async def start(self) -> None:
        """Open the connection to the Bot API."""
        await self._api.start()

    async def close(self) -> None:
        """Finish what is in hand; what is not done in time was written down and is taken up after the
        restart."""
        late = await self._lanes.drain(DRAIN_S)
        if late:
            log.warning("telegram: %d conversations are taken up after the restart", late)
        await self.sender.drain(DRAIN_S)
        await self._api.close()

    async def register_webhook(self, url: str) -> None:
        """Have Telegram deliver to ``url`` (our https address + ``/webhooks/telegram``). Raises SendError."""
        await self._api.call(
            "setWebhook",
            {
                "url": url,
                "secret_token": self._secret.decode(),
                "allowed_updates": ["message", "edited_message", "callback_query"],
            },
        )

    def resume(self, incoming: Incoming, address: str) -> None:
        """Take up a message that was written down before a restart and not answered."""
        self._queue(incoming, address)

    async def _webhook(self, request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._secret):
            return json_response({"error": "the secret token is wrong", "field": SECRET_HEADER}, 401)
        try:
            update = parse_update(json_object(parse_json(await read_body(request, MAX_UPDATE_BYTES))))
            try:
                await self._take(update)
            finally:
                self._lanes.arrived(update.update_id)  # not before: its successors must find it in the lane
        except StoreUnavailable:
            # Not written down and no emergency: Telegram delivers again what is not answered with 2xx.
            return json_response({"error": "not recorded; deliver again"}, 503, {"Retry-After": "10"})
        return json_response({"ok": True})

    async def _take(self, update: Update) -> None:
        """Everything that must be done before the delivery is acknowledged. Raises StoreUnavailable."""
        if isinstance(update, Ignored):
            return
        address = str(update.chat_id)
        lang = update.lang if update.lang in self._texts.languages else self._clinic.languages[0]
        if isinstance(update, InGroup):
            self._notice(update.update_id, address, "private_only", lang)
            return
        ref = await open_or_provisional(self._turn, CHANNEL, address, lang)
        if isinstance(update, Unreadable):
            self._notice(update.update_id, address, "text_only", ref.lang)
        elif isinstance(update, Edited):
            await self._take_edited(update, ref, address)
        elif isinstance(update, Pressed):
            await self._take_pressed(update, ref, address)
        else:
            await self._take_written(update, ref, address)

    async def _take_written(self, update: Written, ref: ConversationRef, address: str) -> None:
        try:
            text = clean_text(self._spoken(update.text, ref.lang), "text")
        except RequestError:
            self._notice(update.update_id, address, "text_only", ref.lang)
            return
        taken = await self._accept(update.update_id, ref, text, address)
        if taken and update.with_media:
            self._notice(update.update_id, address, "picture_not_seen", ref.lang)

    async def _take_pressed(self, update: Pressed, ref: ConversationRef, address: str) -> None:
        payload = await self._buttons.redeem(ref.id, update.data)
        gone = None if payload else self._texts("connectors.button_gone", ref.lang)
        self.sender.later(self.sender.answer_button(update.callback_id, gone))
        if payload is not None:
            await self._accept(update.update_id, ref, payload, address)

    async def _take_edited(self, update: Edited, ref: ConversationRef, address: str) -> None:
        """A change is not a new message, but a change to "my chest hurts" is an emergency."""
        try:
            text = clean_text(update.text, "text")
        except RequestError:
            return
        if not await self._emergency(_incoming(update.update_id, ref, text), address):
            self._notice(update.update_id, address, "edited", ref.lang)

    async def _accept(self, update_id: int, ref: ConversationRef, text: str, address: str) -> bool:
        """Write a message down and queue it. False: a repeat, an answered emergency, or one of too many."""
        incoming = _incoming(update_id, ref, text)
        if self._limit.take(address) > 0:
            if not await self._emergency(incoming, address):
                self._notice(update_id, address, "too_fast", ref.lang)
            return False
        try:
            accepted = await self._turn.accept(incoming)
        except StoreUnavailable:
            if await self._emergency(incoming, address):
                return False
            self._notice(update_id, address, "not_recorded", ref.lang)
            raise
        if accepted.repeat and accepted.finished:
            return False
        self._queue(incoming, address)
        return True

    def _queue(self, incoming: Incoming, address: str) -> None:
        number = int(incoming.message_id.removeprefix("update:"))
        work = _Work(incoming, address)
        if self._lanes.would_wait(address, number):
            work.triaged = asyncio.create_task(self._emergency(incoming, address))
        self._lanes.put(address, number, lambda: self._process(work))

    async def _process(self, work: _Work) -> None:
        if work.triaged is not None and await _answered(work.triaged):
            return
        sink = JoiningSink(lambda reply: self.sender.say(work.address, reply))
        typing = asyncio.create_task(self.sender.typing(work.address))
        try:
            await run_to_end(self._turn, work.incoming, sink)
            await sink.flush()
        finally:
            typing.cancel()
            await asyncio.wait([typing])

    async def _emergency(self, incoming: Incoming, address: str) -> bool:
        sink = JoiningSink(lambda reply: self.sender.say(address, reply))
        answered = await self._turn.emergency_only(incoming, sink)
        await sink.flush()
        return answered

    def _spoken(self, text: str, lang: str) -> str:
        """Telegram's own commands in words: the patient pressed "Start" and did not write "/start"."""
        command = text.split(maxsplit=1)[0].split("@")[0] if text.startswith("/") else ""
        known = {"/start": "connectors.greeting", "/help": "connectors.help"}
        return self._texts(known[command], lang) if command in known else text

    def _notice(self, update_id: int, address: str, key: str, lang: str) -> None:
        """Say something about the channel, once for each update and not too often."""
        if update_id in self._noticed or self._notices.take(address) > 0:
            return
        self._noticed[update_id] = None
        if len(self._noticed) > REMEMBERED_UPDATES:
            self._noticed.popitem(last=False)
        fields = {"number": self._clinic.numbers.emergency, "phone": self._clinic.phone}
        text = self._texts(f"connectors.{key}", lang, **fields)
        reply = Reply(text, lang, ReplyKind.NOTICE, id=new_id("n"))
        self.sender.later(self.sender.try_send(address, reply))


def _incoming(update_id: int, ref: ConversationRef, text: str) -> Incoming:
    """``lang`` is None: in Telegram the words themselves say it."""
    return Incoming(CHANNEL, ref.id, text, f"update:{update_id}", received_at=now_utc())


async def _answered(triaged: asyncio.Task[bool]) -> bool:
    await asyncio.wait([triaged])
    fault = triaged.exception()
    if fault is not None:
        log.error("triage ahead of the turn failed: fault=%s", type(fault).__name__)
        return False
    return triaged.result()
