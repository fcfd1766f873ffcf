"""The audit chain notices every edit, deletion, insertion, reordering and cut."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.records.audit import AuditHead, AuditLog
from bot.records.errors import BadValue
from bot.records.tables import audit
from tests.stores import Stores


@pytest.fixture
async def log(stores: Stores, tmp_path: Path) -> AuditLog:
    """A chain of six entries with its head kept in a file."""
    log = AuditLog(stores.database.cipher, anchor=tmp_path / "head.json", clock=stores.clock)
    for number in range(6):
        async with stores.database.begin() as conn:
            await log.append(conn, actor="s_1", action="claim", ref=f"e_{number}", detail={"n": number})
        stores.clock.pass_(seconds=1)
    return log


async def test_an_untouched_chain_holds(stores: Stores, log: AuditLog) -> None:
    report = await log.verify(stores.database)
    assert (report.ok, report.entries, report.problem) == (True, 6, None)
    head = log.anchored()
    assert head is not None
    assert head.seq == 6


async def test_appending_from_many_tasks_keeps_one_chain(stores: Stores, log: AuditLog) -> None:
    async def one(number: int) -> None:
        async with stores.database.begin() as conn:
            await log.append(conn, actor="s", action="a", ref=str(number))

    await asyncio.gather(*(one(number) for number in range(20)))
    assert (await log.verify(stores.database)).entries == 26
    assert (await log.verify(stores.database)).ok


async def _change(stores: Stores, *statements: Any) -> None:
    async with stores.database.begin() as conn:
        for statement in statements:
            await conn.execute(statement)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "s_2"),
        ("action", "close"),
        ("ref", "e_9"),
        ("detail", {"n": 9}),
        ("hash", "0" * 64),
        ("prev_hash", "1" * 64),
    ],
)
async def test_any_edited_field_is_noticed(stores: Stores, log: AuditLog, column: str, value: Any) -> None:
    await _change(stores, audit.update().where(audit.c.seq == 3).values({column: value}))
    report = await log.verify(stores.database)
    assert (report.ok, report.at) == (False, 3)


async def test_an_edited_time_is_noticed(stores: Stores, log: AuditLog) -> None:
    await _change(stores, audit.update().where(audit.c.seq == 2).values(at=stores.clock()))
    assert (await log.verify(stores.database)).at == 2


@pytest.mark.parametrize("seq", [1, 3, 6])
async def test_a_deleted_entry_is_noticed(stores: Stores, log: AuditLog, seq: int) -> None:
    await _change(stores, audit.delete().where(audit.c.seq == seq))
    assert not (await log.verify(stores.database)).ok


async def test_a_deleted_entry_with_the_rest_renumbered_is_noticed(stores: Stores, log: AuditLog) -> None:
    renumber = [audit.update().where(audit.c.seq == seq).values(seq=seq - 1) for seq in (4, 5, 6)]
    await _change(stores, audit.delete().where(audit.c.seq == 3), *renumber)
    report = await log.verify(stores.database)
    assert (report.ok, report.at) == (False, 3)


async def test_swapped_entries_are_noticed(stores: Stores, log: AuditLog) -> None:
    swap = [audit.update().where(audit.c.seq == a).values(seq=b) for a, b in ((2, 99), (3, 2), (99, 3))]
    await _change(stores, *swap)
    assert (await log.verify(stores.database)).at == 2


async def test_an_inserted_entry_is_noticed(stores: Stores, log: AuditLog) -> None:
    async with stores.database.begin() as conn:
        last = (await conn.execute(sa.select(audit).where(audit.c.seq == 6))).mappings().one()
        forged = {**last, "seq": 7, "prev_hash": last["hash"], "ref": "e_forged"}
        await conn.execute(audit.insert().values(**forged))
    assert (await log.verify(stores.database)).at == 7


@pytest.mark.parametrize("keep", [0, 1, 5])
async def test_a_cut_off_end_is_noticed_by_the_head_outside(stores: Stores, log: AuditLog, keep: int) -> None:
    await _change(stores, audit.delete().where(audit.c.seq > keep))
    report = await log.verify(stores.database)
    assert (report.ok, report.at) == (False, 6)


async def test_a_head_that_lags_behind_is_fine_and_a_foreign_one_is_not(
    stores: Stores, log: AuditLog
) -> None:
    rows = await stores.rows(audit)
    assert (await log.verify(stores.database, AuditHead(4, rows[3]["hash"]))).ok
    assert not (await log.verify(stores.database, AuditHead(4, "f" * 64))).ok


async def test_a_rolled_back_entry_leaves_no_trace_and_no_head(stores: Stores, log: AuditLog) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stores.database.begin() as conn:
            await log.append(conn, actor="s", action="a", ref="r")
            raise ZeroDivisionError
    report = await log.verify(stores.database)
    assert (report.ok, report.entries) == (True, 6)


@pytest.mark.parametrize("value", ["my chest hurts " * 10, ["a"], {"a": 1}, 1.5])
async def test_details_that_could_hold_words_are_refused(stores: Stores, log: AuditLog, value: Any) -> None:
    with pytest.raises(BadValue, match=r"detail\.x") as caught:
        async with stores.database.begin() as conn:
            await log.append(conn, actor="s", action="a", ref="r", detail={"x": value})
    assert "chest" not in str(caught.value)


async def test_a_head_that_cannot_be_kept_does_not_undo_the_entry(stores: Stores, tmp_path: Path) -> None:
    log = AuditLog(stores.database.cipher, anchor=tmp_path / "no" / "head.json", clock=stores.clock)
    async with stores.database.begin() as conn:
        await log.append(conn, actor="s", action="a", ref="r")
    assert (await log.verify(stores.database)).entries == 1
