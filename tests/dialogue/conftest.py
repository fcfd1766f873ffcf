"""A started dialogue room per test, over a real Redis and a real calendar in SQLite."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.appointments.service import Calendar
from bot.clinic import load_clinic
from bot.records.crypto import KeyFile
from bot.records.database import Database
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from tests.dialogue.model import trained_model
from tests.dialogue.world import NOON, World


@pytest.fixture(scope="session", autouse=True)
def model() -> Path:
    """Train before the first test, outside of its time limit's fine print."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trained_model()


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


@pytest.fixture
async def world(sessions: Sessions, tmp_path: Path) -> AsyncIterator[World]:
    database = Database(
        f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}", KeyFile.load_or_create(tmp_path / "keys")
    )
    await database.start()
    room = World(sessions, Calendar(database, load_clinic(), lambda: NOON))
    await room.dialogue.start()
    yield room
    await room.dialogue.close()
    await database.close()
