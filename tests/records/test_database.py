"""The database opens, migrates, refuses what is newer, and gives typed errors while it is away."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.records import migrations, tables
from bot.records.crypto import Cipher, KeyFile
from bot.records.database import Database, after_commit
from bot.records.errors import (
    BadDatabaseUrl,
    KeyFileError,
    NestedTransaction,
    NewerDatabase,
    RecordsError,
    RecordsUnavailable,
)

OURS = {
    "staff", "staff_sessions", "conversations", "messages", "decisions", "escalations", "escalation_events",
    "outbox", "button_tokens", "audit", "key_probe",
}  # fmt: skip


def _differences(connection: Any) -> list[Any]:
    def ours(name: str, type_: str, parents: Any) -> bool:
        return type_ != "table" or name in OURS

    def our_object(thing: Any, name: str, type_: str, reflected: bool, other: Any) -> bool:
        return type_ != "table" or name in OURS

    context = MigrationContext.configure(
        connection, opts={"include_name": ours, "include_object": our_object, "compare_type": True}
    )
    return list(compare_metadata(context, tables.metadata))


async def test_migrated_schema_is_the_declared_schema(database: Database) -> None:
    async with database.read() as conn:
        assert await conn.run_sync(_differences) == []


async def test_a_second_start_changes_nothing(database_url: str, cipher: Cipher) -> None:
    for _ in range(2):
        database = Database(database_url, cipher)
        await database.start()
        async with database.read() as conn:
            assert await conn.run_sync(migrations.current) == migrations.script().get_current_head()
        await database.close()


async def test_two_servers_may_start_together(database_url: str, cipher: Cipher) -> None:
    both = [Database(database_url, cipher) for _ in range(2)]
    await asyncio.gather(*(database.start() for database in both))
    assert [await database.healthy(5) for database in both] == [True, True]
    for database in both:
        await database.close()


async def test_a_newer_database_is_refused_with_both_revisions(database: Database, cipher: Cipher) -> None:
    async with database.begin() as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999_from_the_future'"))
    url = database.url.render_as_string(hide_password=False).replace("+aiosqlite", "").replace("+asyncpg", "")
    again = Database(url, cipher)
    with pytest.raises(NewerDatabase) as caught:
        await again.start()
    assert "9999_from_the_future" in str(caught.value)
    assert str(migrations.script().get_current_head()) in str(caught.value)
    assert "restore the backup" in str(caught.value)


async def test_a_foreign_key_file_is_refused(database: Database, tmp_path: Path) -> None:
    url = database.url.render_as_string(hide_password=False).replace("+aiosqlite", "").replace("+asyncpg", "")
    other = Database(url, KeyFile.load_or_create(tmp_path / "other.json"))
    with pytest.raises(KeyFileError, match="does not belong to this database"):
        await other.start()


async def test_rollback_leaves_nothing_and_calls_no_hook(database: Database) -> None:
    called: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as conn:
            after_commit(conn, lambda: called.append("no"))
            await conn.execute(sa.text("DELETE FROM key_probe"))
            raise ZeroDivisionError
    async with database.begin() as conn:
        after_commit(conn, lambda: called.append("yes"))
        assert (await conn.execute(sa.text("SELECT count(*) FROM key_probe"))).scalar() == 1
        assert called == []
    assert called == ["yes"]


async def test_a_transaction_inside_a_transaction_is_refused(database: Database) -> None:
    async with database.begin():
        with pytest.raises(NestedTransaction):
            async with database.begin():
                pytest.fail("entered")


async def test_times_without_a_zone_are_refused(database: Database) -> None:
    from datetime import datetime

    with pytest.raises(sa.exc.StatementError, match="without a zone"):
        async with database.begin() as conn:
            await conn.execute(
                tables.audit.insert().values(
                    seq=1, at=datetime(2026, 1, 1), actor="a", action="b", ref="c", detail={},
                    prev_hash="", hash="",
                )
            )  # fmt: skip


@pytest.mark.parametrize("url", ["mysql://u@h/db", "sqlite://", "sqlite:///:memory:", "not an address"])
def test_other_databases_are_refused_by_name(url: str, cipher: Cipher) -> None:
    with pytest.raises(BadDatabaseUrl):
        Database(url, cipher)


async def test_an_unreachable_server_is_unavailable(cipher: Cipher, tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/none?host={tmp_path}", cipher, lock_wait=0.2)
    with pytest.raises(RecordsUnavailable):
        await database.start()
    assert not await database.healthy()


async def test_a_file_that_is_no_database_is_named_so(tmp_path: Path, cipher: Cipher) -> None:
    path = tmp_path / "x.sqlite3"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(RecordsError):
        await Database(f"sqlite:///{path}", cipher).start()


async def test_a_lock_of_another_process_is_waited_for_then_reported(tmp_path: Path, cipher: Cipher) -> None:
    path = tmp_path / "c.sqlite3"
    database = Database(f"sqlite:///{path}", cipher, lock_wait=0.3)
    await database.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsUnavailable):
        async with database.begin():
            pytest.fail("entered")
    other.execute("ROLLBACK")
    other.close()
    async with database.begin() as conn:
        await conn.execute(sa.text("UPDATE key_probe SET id = id"))
    await database.close()


async def test_a_waiting_writer_can_be_cancelled_and_the_next_one_works(
    tmp_path: Path, cipher: Cipher
) -> None:
    path = tmp_path / "c.sqlite3"
    database = Database(f"sqlite:///{path}", cipher, lock_wait=60)
    await database.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with database.begin() as conn:
            await conn.execute(sa.text("UPDATE key_probe SET id = id"))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await write()
    other.execute("ROLLBACK")
    other.close()
    await write()
    await database.close()
