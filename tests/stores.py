"""Fixtures over the records: every store on an empty SQLite file and on a real, empty PostgreSQL.

A ``conftest.py`` that wants them imports all the names in ``__all__``. The clock stands still until a test
moves it, so that no test depends on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.escalation.service import Escalations
from bot.messages import Incoming, new_id
from bot.records.audit import AuditLog
from bot.records.conversations import Conversation, Conversations
from bot.records.crypto import Cipher, KeyFile
from bot.records.database import Database
from bot.records.inbox import Inbox
from bot.records.outbox import Outbox
from bot.records.staff import Role, StaffStore
from tests.pg import database_url, empty_database_url, postgres_server

__all__ = ["cipher", "clock", "database", "database_url", "empty_database_url", "postgres_server", "stores"]

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **kw: float) -> None:
        """Let time go by, e.g. ``pass_(minutes=3)``."""
        self.now += timedelta(**kw)


@dataclass
class Stores:
    """Everything over one database, and short ways to arrange a situation."""

    database: Database
    clock: Clock
    audit: AuditLog
    outbox: Outbox
    conversations: Conversations
    inbox: Inbox
    staff: StaffStore
    escalations: Escalations

    async def conversation(self, address: str = "5550001", channel: str = "telegram") -> Conversation:
        """A conversation in English."""
        return await self.conversations.open(channel, address, "en")

    async def message(self, conversation: Conversation | str, text: str = "hello", **kw: Any) -> str:
        """An accepted message of the patient; returns its stored id."""
        if isinstance(conversation, str):
            conversation = await self.conversations.get(conversation)
        incoming = self.incoming(conversation, text, **kw)
        return (await self.inbox.accept(incoming)).message_id

    def incoming(self, conversation: Conversation, text: str = "hello", **kw: Any) -> Incoming:
        """A message that is not stored yet."""
        kw.setdefault("message_id", new_id("x"))
        return Incoming(
            conversation.channel, conversation.id, text, lang="en", received_at=self.clock(), **kw
        )

    async def member(self, login: str = "mara") -> str:
        """A member of staff; returns the staff id."""
        person = await self.staff.add(login, login.title(), "a long pass phrase", Role.CLINICIAN)
        return person.id

    async def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table as they are stored."""
        async with self.database.read() as conn:
            return [dict(row) for row in (await conn.execute(sa.select(table))).mappings()]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


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


@pytest.fixture
def stores(database: Database, clock: Clock, cipher: Cipher) -> Stores:
    """Every store over the empty database."""
    return build(database, clock)


def build(database: Database, clock: Clock) -> Stores:
    """Every store over a database."""
    audit, outbox = AuditLog(database.cipher, clock=clock), Outbox(database, clock=clock)
    return Stores(
        database,
        clock,
        audit,
        outbox,
        Conversations(database, clock=clock),
        Inbox(database, outbox, clock=clock),
        StaffStore(database, audit, clock=clock),
        Escalations(database, outbox, audit, clock=clock),
    )


async def again(database: Database, clock: Clock) -> Stores:
    """The same database opened a second time, as after a restart. Close ``.database`` yourself."""
    url = database.url.render_as_string(hide_password=False)
    opened = Database(url.replace("+aiosqlite", "").replace("+asyncpg", ""), database.cipher)
    await opened.start()
    return build(opened, clock)
