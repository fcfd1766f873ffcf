"""Killed at any line: what the patient was told is in SQL, and the restart finishes the turn once."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from bot.records.crypto import Cipher
from bot.records.database import Database
from bot.records.tables import decisions, escalation_events, escalations, messages, outbox
from tests.escalation.killed import POINTS
from tests.stores import Clock, Stores, build

ROOT = Path(__file__).parents[2]


async def run(url: str, tmp_path: Path, point: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.escalation.killed", url, str(tmp_path / "keys.json"),
        str(tmp_path / "ledger"), point, cwd=ROOT,
    )  # fmt: skip
    return await process.wait()


def seen_outside(tmp_path: Path) -> list[str]:
    return (tmp_path / "ledger").read_text().splitlines()


async def counts(url: str, cipher: Cipher) -> dict[str, int]:
    database = Database(url, cipher)
    await database.start()
    stores: Stores = build(database, Clock())
    tables = (escalations, escalation_events, decisions, messages, outbox)
    found = {table.name: len(await stores.rows(table)) for table in tables}
    found["pending"] = len(await stores.inbox.pending())
    found["unfinished"] = await stores.outbox.unfinished()
    assert (await stores.audit.verify(database)).ok
    await database.close()
    return found


@pytest.mark.parametrize("point", POINTS)
async def test_killed_and_started_again(
    database_url: str, cipher: Cipher, tmp_path: Path, point: str
) -> None:
    assert await run(database_url, tmp_path, point) == -signal.SIGKILL
    after = await counts(database_url, cipher)
    outside = seen_outside(tmp_path)
    assert "acknowledged" not in outside or after["messages"] >= 1
    assert after["escalations"] == after["decisions"] == after["escalation_events"]
    if any(line.startswith("told") for line in outside):  # law 2
        assert after["escalations"] == 1
        assert after["outbox"] >= 1
    if point in ("raise: before the outbox row", "raise: before the commit"):
        assert (after["escalations"], after["outbox"], after["pending"]) == (0, 0, 1)

    assert await run(database_url, tmp_path, "nowhere") == 0
    restarted = await counts(database_url, cipher)
    assert restarted == {
        "escalations": 1, "escalation_events": 1, "decisions": 1, "messages": 2, "outbox": 2,
        "pending": 0, "unfinished": 0,
    }  # fmt: skip
    outside = seen_outside(tmp_path)
    assert len({line for line in outside if line.startswith("told")}) == 1
    alerts = [line for line in outside if line.startswith("staff_alert")]
    assert len(set(alerts)) == 1  # at least once, under one key by which a console drops the second
    assert len(alerts) == (2 if point == "delivered" else 1)
