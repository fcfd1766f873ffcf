"""The way out to Telegram: replies as messages, each part once, an emergency before everything else.

It is the outbox's :class:`connectors.base.ChannelSender` for ``telegram`` and knows nothing of what arrives.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from bot.messages import Reply, ReplyKind
from connectors.base import ButtonTokens, Capabilities, SendError, StoreUnavailable, TurnPort
from connectors.delivery import Outbox
from connectors.telegram_api import TelegramApi
from connectors.telegram_message import build_messages

log = logging.getLogger(__name__)

CHANNEL = "telegram"
CAPABILITIES = Capabilities(
    text_limit=4096, utf16=True, buttons_max=100, button_title_max=64, joins_parts=True, min_interval_s=1.0
)
TYPING_EVERY_S = 4.5
"""Telegram shows "typing" for 5 s or until a message comes."""

REMEMBERED_REPLIES = 20_000
"""Replies whose sent parts are remembered, so that a retry after a fault in the middle repeats none."""


class TelegramSender:
    """Sends replies to chats.

    Args:
        outbox: keeps what could not be sent at once, and everything that is not urgent.
        public_url: address under which patients reach this server, for links to files.
    """

    def __init__(
        self, turn: TurnPort, outbox: Outbox, buttons: ButtonTokens, api: TelegramApi, public_url: str = ""
    ) -> None:
        self._turn = turn
        self._outbox = outbox
        self._buttons = buttons
        self._api = api
        self._public_url = public_url
        self._sent_parts: OrderedDict[str, int] = OrderedDict()
        self._background: set[asyncio.Task[None]] = set()

    async def say(self, address: str, reply: Reply) -> None:
        """Put a reply into the outbox under its own id. An emergency is sent first and put there only if
        that fails; without a database a reply is sent here and now, once."""
        if reply.kind is ReplyKind.EMERGENCY:
            try:
                await self.send(address, reply, reply.id)
                return
            except SendError as error:
                log.warning("emergency reply=%s not sent at once: code=%s", reply.id, error.code)
        try:
            await self._outbox.put(CHANNEL, address, reply, reply.id)
        except StoreUnavailable:
            await self.try_send(address, reply)

    async def send(self, address: str, reply: Reply, idempotency_key: str) -> None:
        """One reply as one or more messages; called again with its key it sends only what has not gone out.

        Raises SendError.
        """
        messages = build_messages(
            reply, await self._button_tokens(address, reply), CAPABILITIES, self._public_url
        )
        for number in range(self._sent_parts.get(idempotency_key, 0), len(messages)):
            await self._api.send(address, messages[number], at_once=reply.kind is ReplyKind.EMERGENCY)
            self._sent_parts[idempotency_key] = number + 1
            if len(self._sent_parts) > REMEMBERED_REPLIES:
                self._sent_parts.popitem(last=False)

    async def try_send(self, address: str, reply: Reply) -> None:
        """Send without a second attempt; a fault is logged by its code."""
        try:
            await self.send(address, reply, reply.id)
        except SendError as error:
            log.error("reply not sent: channel=%s reply=%s code=%s", CHANNEL, reply.id, error.code)

    async def answer_button(self, callback_id: str, text: str | None) -> None:
        """Stop the button's spinner, with a word to the patient where there is one."""
        answer = {"callback_query_id": callback_id} | ({"text": text} if text else {})
        await self._try_call("answerCallbackQuery", answer)

    async def typing(self, address: str) -> None:
        """Show "typing" until cancelled."""
        while True:
            await self._try_call("sendChatAction", {"chat_id": int(address), "action": "typing"})
            await asyncio.sleep(TYPING_EVERY_S)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something after the delivery has been acknowledged."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what was put off, at most ``timeout_s``."""
        if self._background:
            await asyncio.wait(tuple(self._background), timeout=timeout_s)

    async def _button_tokens(self, address: str, reply: Reply) -> list[str] | None:
        """A token for each button; None (the buttons become numbered text) where they cannot be kept now."""
        if not reply.buttons or len(reply.buttons) > CAPABILITIES.buttons_max:
            return None
        try:
            ref = await self._turn.open(CHANNEL, address, reply.lang)
            return [await self._buttons.issue(ref.id, button.payload) for button in reply.buttons]
        except StoreUnavailable:
            return None

    async def _try_call(self, method: str, payload: dict[str, Any]) -> None:
        try:
            await self._api.call(method, payload)
        except SendError as error:
            log.info("telegram %s failed: code=%s", method, error.code)
