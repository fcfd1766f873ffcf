"""The database opens, migrates, refuses what is newer, and gives typed errors while it is away."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.records import database as database_module
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


async def test_a_second_start_changes_nothing(empty_database_url: str, cipher: Cipher) -> None:
    for _ in range(2):
        database = Database(empty_database_url, cipher)
        await database.start()
        async with database.read() as conn:
            assert await conn.run_sync(migrations.current) == migrations.script().get_current_head()
        await database.close()


async def test_two_servers_may_start_together(empty_database_url: str, cipher: Cipher) -> None:
    both = [Database(empty_database_url, cipher) for _ in range(2)]
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


async def test_the_file_is_for_its_owner_only(tmp_path: Path, cipher: Cipher) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'c.sqlite3'}", cipher)
    await database.start()
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in (tmp_path / "deep").iterdir()}
    assert set(modes.values()) == {0o600}
    assert "c.sqlite3-wal" in modes
    await database.close()


async def test_a_disk_without_room_is_not_healthy(
    tmp_path: Path, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'c.sqlite3'}", cipher)
    await database.start()
    assert await database.healthy(5)
    monkeypatch.setattr(database_module, "MIN_FREE_BYTES", 2**80)
    assert not await database.healthy(5)
    await database.close()
    assert not await database.healthy(5)


async def test_a_full_disk_is_unavailable_and_leaves_the_rest_whole(tmp_path: Path, cipher: Cipher) -> None:
    database = Database(f"sqlite:///{tmp_path / 'c.sqlite3'}", cipher)
    await database.start()
    async with database.begin() as conn:
        pages = (await conn.execute(sa.text("PRAGMA page_count"))).scalar()
        await conn.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(RecordsUnavailable):
        async with database.begin() as conn:
            await conn.execute(tables.key_probe.insert().values(id=2, probe_enc=b"x" * 10**6))
    async with database.read() as conn:
        assert (await conn.execute(sa.select(sa.func.count()).select_from(tables.key_probe))).scalar() == 1
    await database.close()


def _plan(sync: Any, statement: Any) -> str:
    compiled = statement.compile(sync, compile_kwargs={"render_postcompile": True})
    values = tuple(compiled.params[name] for name in compiled.positiontup or ())
    cursor = sync.connection.cursor()
    cursor.execute(f"EXPLAIN QUERY PLAN {compiled}", values)
    return str(cursor.fetchall())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("index", "statement"),
    [
        ("ix_messages_unprocessed", sa.select(tables.messages.c.id)
         .where(tables.INBOUND, tables.messages.c.processed_at.is_(None)).order_by(tables.messages.c.created_at)),
        ("uq_messages_inbound", sa.select(tables.messages.c.id)
         .where(tables.messages.c.conversation_id == "c", tables.messages.c.channel == "web",
                tables.messages.c.channel_message_id == "u", tables.INBOUND)),
        ("uq_escalations_one_open", sa.select(tables.escalations.c.id)
         .where(tables.escalations.c.conversation_id == "c", tables.NOT_CLOSED)),
    ],
)  # fmt: skip
async def test_the_questions_of_every_turn_use_their_index(
    database: Database, index: str, statement: Any
) -> None:
    async with database.read() as conn:
        assert index in await conn.run_sync(_plan, statement)
