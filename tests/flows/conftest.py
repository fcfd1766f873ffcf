"""Fixtures of the booking flow: the demo clinic, a clock that the test moves, a real calendar in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.appointments.service import Calendar
from bot.clinic import Clinic, load_clinic
from bot.dialogue.booking import Booking
from bot.records.crypto import KeyFile
from bot.records.database import Database
from bot.texts import Texts
from tests.appointments.conftest import MovableClock


@pytest.fixture
def clinic() -> Clinic:
    return load_clinic()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def calendar(tmp_path: Path, clinic: Clinic, clock: MovableClock) -> AsyncIterator[Calendar]:
    database = Database(f"sqlite:///{tmp_path / 'c.sqlite3'}", KeyFile.load_or_create(tmp_path / "keys.json"))
    await database.start()
    yield Calendar(database, clinic, clock)
    await database.close()


@pytest.fixture
def booking(calendar: Calendar, clinic: Clinic, clock: MovableClock) -> Booking:
    return Booking(calendar, clinic, Texts(), clock)
