"""A stand-in for Telegram's Bot API on localhost: real HTTP, the API's own limits, and faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"  # the shape of the API documentation's example
SECRET = "webhook-secret-of-the-test"


@dataclass(frozen=True)
class Call:
    """One API call as it arrived; ``at`` is the loop's time."""

    method: str
    payload: dict[str, Any]
    at: float


@dataclass
class Fault:
    """How the next call of ``method`` is answered instead."""

    method: str
    status: int
    body: dict[str, Any] | str
    delay_s: float = 0.0


@dataclass
class Standin:
    """The API. ``sent`` are the messages that a patient would see, in order."""

    calls: list[Call] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    server: TestServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [call.payload for call in self.calls if call.method == "sendMessage"]

    def texts(self, chat_id: int | None = None) -> list[str]:
        return [p["text"] for p in self.sent if chat_id is None or p["chat_id"] == chat_id]

    def of(self, method: str) -> list[dict[str, Any]]:
        return [call.payload for call in self.calls if call.method == method]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._serve)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()

    async def until(self, count: int, method: str = "sendMessage", timeout_s: float = 5.0) -> None:
        """Wait until that many calls have come."""
        async with asyncio.timeout(timeout_s):
            while len(self.of(method)) < count:
                self.changed.clear()
                await self.changed.wait()

    async def _serve(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return _json(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        method, payload = request.match_info["method"], await request.json()
        if self.faults and self.faults[0].method == method:
            fault = self.faults.popleft()
            await asyncio.sleep(fault.delay_s)
            return _json(fault.status, fault.body)
        wrong = _refusal(method, payload)
        if wrong:
            return _json(400, {"ok": False, "error_code": 400, "description": f"Bad Request: {wrong}"})
        self.calls.append(Call(method, payload, asyncio.get_running_loop().time()))
        self.changed.set()
        return _json(200, {"ok": True, "result": {"message_id": len(self.calls)}})


def _refusal(method: str, payload: dict[str, Any]) -> str:
    if method != "sendMessage":
        return ""
    text = payload.get("text", "")
    if not isinstance(payload.get("chat_id"), int):
        return "chat not found"
    if not text:
        return "message text is empty"
    if len(text.encode("utf-16-le")) // 2 > 4096:
        return "message is too long"
    rows = payload.get("reply_markup", {}).get("inline_keyboard", [])
    if any(not 1 <= len(key["callback_data"].encode()) <= 64 for row in rows for key in row):
        return "BUTTON_DATA_INVALID"
    return "too many buttons" if any(len(row) > 8 for row in rows) else ""


def _json(status: int, body: dict[str, Any] | str) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return web.Response(status=status, text=text, content_type="application/json")


def too_many(seconds: int, method: str = "sendMessage") -> Fault:
    """429 as Telegram answers it."""
    body = {
        "ok": False,
        "error_code": 429,
        "description": f"Too Many Requests: retry after {seconds}",
        "parameters": {"retry_after": seconds},
    }
    return Fault(method, 429, body)


def blocked() -> Fault:
    """The patient blocked the bot."""
    text = "Forbidden: bot was blocked by the user"
    return Fault("sendMessage", 403, {"ok": False, "error_code": 403, "description": text})


def message(update_id: int, text: str, chat: int = 7001, lang: str = "en", **more: Any) -> dict[str, Any]:
    """An update with a text message in a private chat."""
    return {
        "update_id": update_id,
        "message": {
            "message_id": update_id,
            "date": 1795449600,
            "chat": {"id": chat, "type": "private", "first_name": "A"},
            "from": {"id": chat, "is_bot": False, "first_name": "A", "language_code": lang},
            "text": text,
            **more,
        },
    }


def press(update_id: int, data: str, chat: int = 7001) -> dict[str, Any]:
    """An update with a pressed button."""
    return {
        "update_id": update_id,
        "callback_query": {
            "id": f"cb{update_id}",
            "from": {"id": chat, "is_bot": False, "first_name": "A", "language_code": "en"},
            "message": {"message_id": 1, "date": 1795449600, "chat": {"id": chat, "type": "private"}},
            "chat_instance": "1",
            "data": data,
        },
    }
