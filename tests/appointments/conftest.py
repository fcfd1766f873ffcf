"""Fixtures: the demo clinic, a clock that the test moves, and a calendar on both databases."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.appointments.service import Calendar
from bot.clinic import Clinic, load_clinic
from bot.records.crypto import KeyFile
from bot.records.database import Database
from tests.pg import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]

MONDAY = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: dt.datetime = MONDAY) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, **delta: int) -> None:
        self.at += dt.timedelta(**delta)


@pytest.fixture
def clinic() -> Clinic:
    return load_clinic()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(database_url, KeyFile.load_or_create(tmp_path / "keys.json"))
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
def calendar(database: Database, clinic: Clinic, clock: MovableClock) -> Calendar:
    return Calendar(database, clinic, clock)
