"""A real Redis per test, and a real cipher. Nothing is faked here: these tests are about what Redis does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.records.crypto import Cipher
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis


@pytest.fixture
def cipher() -> Cipher:
    return Cipher({"k1": b"1" * 32}, "k1", b"r" * 32)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def sessions(redis: EmbeddedRedis) -> AsyncIterator[Sessions]:
    connection = Sessions(redis.url)
    yield connection
    await connection.close()
