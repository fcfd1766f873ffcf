"""Telegram through the whole program: the real webhook, turn, records and outbox; only Telegram is a stand-in.

A patient in a private chat, in English and Chinese; repeats, a wrong secret, a restart, and a blocked bot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.connectors.telegram_standin import SECRET, TOKEN, Standin, message
from tests.running import Running, trained_model, write_clinic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("running")]

CHEST = {"en": "my chest feels tight and my left arm has gone numb", "zh": "我胸口很闷，左胳膊也麻了"}
HELLO = {"en": "hello", "zh": "你好"}


@pytest.fixture
async def telegram() -> AsyncIterator[Standin]:
    standin = Standin()
    await standin.start()
    yield standin
    assert standin.server is not None
    await standin.server.close()


@pytest.fixture
async def running(telegram: Standin, tmp_path: Path) -> AsyncIterator[Running]:
    await asyncio.to_thread(trained_model)
    env = {
        "CARELINE_TELEGRAM_TOKEN": TOKEN,
        "CARELINE_TELEGRAM_SECRET": SECRET,
        "CARELINE_TELEGRAM_API": telegram.url,
    }
    assistant = Running(tmp_path / "data", write_clinic(tmp_path / "clinic.yml", on_duty=True), env)
    await asyncio.to_thread(assistant.start)
    yield assistant
    await asyncio.to_thread(assistant.stop)


async def deliver(running: Running, update: dict[str, Any], secret: str = SECRET) -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    url = f"{running.base}/webhooks/telegram"
    async with aiohttp.ClientSession() as http, http.post(url, json=update, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_an_emergency_in_telegram_is_answered_and_recorded_once(
    lang: str, running: Running, telegram: Standin
) -> None:
    assert await deliver(running, message(1, HELLO[lang], lang=lang)) == 200
    await telegram.until(1, timeout_s=20)
    for _ in range(3):  # Telegram repeats what it thinks was not taken
        assert await deliver(running, message(2, CHEST[lang], lang=lang)) == 200
    async with asyncio.timeout(20):
        while not any(
            "999" in text and ("emergency" in text or "急症" in text) for text in telegram.texts()[1:]
        ):
            await asyncio.sleep(0.05)
    await asyncio.sleep(3)
    alarms = [t for t in telegram.texts()[1:] if t.startswith(("This could be", "这可能是"))]
    assert len(alarms) == 1


async def test_a_wrong_secret_is_refused_and_nothing_is_said(running: Running, telegram: Standin) -> None:
    assert await deliver(running, message(1, "hello"), secret="wrong-secret-wrong-secret") == 401
    await asyncio.sleep(0.5)
    assert telegram.sent == []


async def test_what_was_taken_before_a_crash_is_answered_after_the_restart(
    running: Running, telegram: Standin
) -> None:
    assert await deliver(running, message(1, HELLO["en"])) == 200
    await asyncio.to_thread(running.kill)
    await asyncio.to_thread(running.start)
    await telegram.until(1, timeout_s=30)
    await asyncio.sleep(2)
    texts = telegram.texts()
    assert len(texts) == len(set(texts)), "nothing is said twice"


async def test_a_pressed_button_stands_for_its_words(running: Running, telegram: Standin) -> None:
    await deliver(running, message(1, "hello"))
    async with asyncio.timeout(20):
        while not (keyboards := [m["reply_markup"] for m in telegram.sent if "reply_markup" in m]):
            await asyncio.sleep(0.05)
    key = keyboards[-1]["inline_keyboard"][0][0]
    said = len(telegram.sent)
    pressed = {
        "update_id": 2,
        "callback_query": {
            "id": "77",
            "from": {"id": 7001, "is_bot": False, "first_name": "A", "language_code": "en"},
            "message": {"message_id": 5, "date": 1795449600, "chat": {"id": 7001, "type": "private"}},
            "data": key["callback_data"],
        },
    }
    assert await deliver(running, pressed) == 200
    await telegram.until(said + 1, timeout_s=20)
    await telegram.until(1, "answerCallbackQuery", timeout_s=20)
    assert len(key["callback_data"].encode()) <= 64
    assert key["text"] not in key["callback_data"]
