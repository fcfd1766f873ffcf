"""Fixtures of the records' tests: every store on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.records.crypto import Cipher, KeyFile
from bot.records.database import Database
from tests.pg import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]


@pytest.fixture
def cipher(tmp_path: Path) -> Cipher:
    """A cipher with a key file of its own."""
    return KeyFile.load_or_create(tmp_path / "keys.json")


@pytest.fixture
async def database(database_url: str, cipher: Cipher) -> AsyncIterator[Database]:
    """A started, empty database."""
    opened = Database(database_url, cipher)
    await opened.start()
    yield opened
    await opened.close()
