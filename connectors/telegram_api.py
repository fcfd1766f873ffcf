"""Calls to Telegram's Bot API: paced, typed errors, and the bot's token in no message or log.

It knows HTTP and the API's error codes (core.telegram.org/bots/api, "Making requests" and the FAQ on
limits), and nothing of turns.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from connectors.base import MessageRefused, PlatformDown, RateLimited, RecipientGone
from connectors.limits import RateLimiter

API = "https://api.telegram.org"
PER_CHAT_S = 1.0
"""One message a second to one chat (Bot API FAQ)."""

OVERALL_PER_S = 30.0
"""30 messages a second to all chats together (Bot API FAQ)."""

TIMEOUT_S = 15.0
DEFAULT_RETRY_AFTER_S = 5.0
GONE = ("bot was blocked", "user is deactivated", "chat not found", "bot was kicked", "peer_id_invalid")
"""What the API says of a chat that will take nothing any more (403, and 400 for the unknown chat)."""

Sleep = Callable[[float], Awaitable[None]]


class TelegramApi:
    """The Bot API over one HTTP session, opened by :meth:`start`.

    Args:
        token: the bot's token; it is part of every address, so no address is ever logged.
        base_url: another server that speaks the Bot API (a local one, or a stand-in on localhost).
        per_chat, overall: pace; ``sleep`` and their clocks are handed in so that a test can turn time.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = API,
        per_chat: RateLimiter | None = None,
        overall: RateLimiter | None = None,
        sleep: Sleep = asyncio.sleep,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._address = f"{base_url.rstrip('/')}/bot{token}"
        self._per_chat = per_chat or RateLimiter(PER_CHAT_S, 1)
        self._overall = overall or RateLimiter(OVERALL_PER_S, OVERALL_PER_S)
        self._sleep = sleep
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=5)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the HTTP session."""
        self._session = aiohttp.ClientSession(timeout=self._timeout)

    async def close(self) -> None:
        """Close the HTTP session."""
        if self._session is not None:
            await self._session.close()

    async def send(self, chat_id: str, payload: dict[str, Any], *, at_once: bool = False) -> None:
        """``sendMessage``, not before the chat's and the overall pace allow it; ``at_once`` for an emergency.

        Raises SendError.
        """
        wait = max(self._per_chat.reserve(chat_id), self._overall.reserve(""))
        if wait > 0 and not at_once:
            await self._sleep(wait)
        try:
            await self.call("sendMessage", {"chat_id": int(chat_id), **payload})
        except RateLimited as error:
            self._per_chat.hold(chat_id, error.retry_after or DEFAULT_RETRY_AFTER_S)
            raise

    async def call(self, method: str, payload: dict[str, Any]) -> Any:
        """One API call. Returns ``result``; raises SendError with a code such as ``telegram.403``."""
        if self._session is None:
            raise PlatformDown("telegram.not_started")
        try:
            async with self._session.post(f"{self._address}/{method}", json=payload) as response:
                status, raw = response.status, await response.read()
        except TimeoutError:
            raise PlatformDown("telegram.timeout") from None
        except aiohttp.ClientError as error:  # its message may hold the address, and with it the token
            raise PlatformDown(f"telegram.{type(error).__name__}") from None
        return _result(status, raw)


def _result(status: int, raw: bytes) -> Any:
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise PlatformDown(f"telegram.{status}.not_json")
    if answer.get("ok") is True:
        return answer.get("result")
    code = answer.get("error_code", status)
    said = str(answer.get("description", "")).lower()
    if code == 429:
        asked = (answer.get("parameters") or {}).get("retry_after", DEFAULT_RETRY_AFTER_S)
        raise RateLimited("telegram.429", float(asked))
    if code == 403 or any(words in said for words in GONE):
        raise RecipientGone(f"telegram.{code}.gone")
    if code in (401, 404) or (isinstance(code, int) and code >= 500):
        raise PlatformDown(
            f"telegram.{code}"
        )  # 401, 404: our token is wrong; keep the messages until it is mended
    raise MessageRefused(f"telegram.{code}")
