"""A patient's words, address and phone number are nowhere in the database's bytes, nor in any error or log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.messages import Reply
from bot.records.buttons import ButtonTokens
from bot.records.errors import CipherError
from bot.records.messages import Decision
from bot.records.outbox import Job
from bot.records.tables import (
    button_tokens,
    conversations,
    decisions,
    escalation_events,
    escalations,
    messages,
    metadata,
    outbox,
)
from tests.escalation.situations import EMERGENCY, about
from tests.stores import Stores

CANARY = "zebra-canary"
ADDRESS = "5550001-zebra-canary"


@pytest.fixture
async def lived_in(stores: Stores) -> Stores:
    """A database through which a patient's words have gone on every path."""
    conversation = await stores.conversation(ADDRESS)
    message = await stores.message(conversation, f"{CANARY} one", metadata={"name": CANARY})
    other = await stores.message(conversation, f"{CANARY} two")
    reply = Reply(f"you said {CANARY}", "en")
    await stores.escalations.raise_(about(EMERGENCY, conversation.id, message), reply=reply, push=True)
    await stores.escalations.request_callback(
        conversation.id, f"+44 {CANARY}", message_id=other, when=CANARY, summary=CANARY
    )
    member = await stores.member()
    (item,) = await stores.escalations.queue()
    await stores.escalations.claim(item.id, member)
    await stores.escalations.note(item.id, member, f"note {CANARY}")
    await stores.escalations.staff_reply(conversation.id, member, f"about {CANARY}")
    await stores.escalations.release(item.id, member, CANARY)
    decision = Decision("none", [{"id": "R", "words": CANARY}], [{"words": CANARY}], "sha256:1")
    await stores.inbox.complete(
        other, [Reply(CANARY, "en")], push=True, decision=decision, jobs=[Job("t", "k", {"text": CANARY})]
    )
    await ButtonTokens(stores.database).issue(conversation.id, CANARY)
    return stores


def leaves(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for part in (*value, *value.values()):
            yield from leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, bytes | memoryview):
        yield bytes(value)
    else:
        yield str(value).encode()


async def test_no_row_of_any_table_shows_them(lived_in: Stores) -> None:
    seen = 0
    for table in metadata.sorted_tables:
        async with lived_in.database.read() as conn:
            if not await conn.run_sync(lambda sync, name=table.name: sa.inspect(sync).has_table(name)):
                continue
        for row in await lived_in.rows(table):
            seen += 1
            for leaf in leaves(row):
                assert b"zebra" not in leaf.lower(), table.name
    assert seen > 20


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_byte_of_the_files_shows_them(lived_in: Stores) -> None:
    path = Path(str(lived_in.database.url.database))
    raw = _bytes_beside(path)
    assert len(raw) >= 2  # the write-ahead log is one of the files
    assert not any(b"zebra" in content for content in raw)
    await lived_in.database.close()
    assert not any(b"zebra" in content for content in _bytes_beside(path))


def _bytes_beside(path: Path) -> list[bytes]:
    return [entry.read_bytes() for entry in path.parent.iterdir() if entry.name.startswith(path.name)]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (messages, "body_enc"),
        (outbox, "payload_enc"),
        (escalation_events, "detail_enc"),
    ],
)
async def test_rows_swapped_between_records_do_not_open(
    lived_in: Stores, table: sa.Table, column: str
) -> None:
    key = "key" if table is outbox else "id"
    rows = [row for row in await lived_in.rows(table) if row[column] is not None]
    one, two = rows[0], rows[1]
    async with lived_in.database.begin() as conn:
        await conn.execute(table.update().where(table.c[key] == one[key]).values({column: two[column]}))
    (found,) = [row for row in await lived_in.rows(table) if row[key] == one[key]]
    name = f"{table.name}.{column}"
    with pytest.raises(CipherError):
        lived_in.database.cipher.open(found[column], record=found[key], column=name)
    assert lived_in.database.cipher.open(found[column], record=two[key], column=name)


@pytest.mark.parametrize(
    ("table", "column", "read"),
    [
        (messages, "body_enc", "history"),
        (conversations, "address_enc", "get"),
        (escalations, "reason_enc", "queue"),
        (decisions, "findings_enc", "decision"),
        (button_tokens, "payload_enc", "button"),
    ],
)
async def test_a_tampered_value_is_refused_where_it_is_read(
    lived_in: Stores, table: sa.Table, column: str, read: str
) -> None:
    row = (await lived_in.rows(table))[0]
    blob = bytearray(row[column])
    blob[-1] ^= 1
    key = "token" if table is button_tokens else "id"
    async with lived_in.database.begin() as conn:
        await conn.execute(table.update().where(table.c[key] == row[key]).values({column: bytes(blob)}))
    conversation = (await lived_in.rows(conversations))[0]["id"]
    calls: dict[str, Any] = {
        "history": lambda: lived_in.conversations.history(conversation),
        "get": lambda: lived_in.conversations.get(conversation),
        "queue": lived_in.escalations.queue,
        "decision": lambda: lived_in.inbox.decision_of(row["message_id"]),
        "button": lambda: ButtonTokens(lived_in.database).redeem(row["token"], conversation),
    }
    with pytest.raises(CipherError) as caught:
        await calls[read]()
    assert "zebra" not in str(caught.value)


async def test_an_sql_error_shows_no_value(stores: Stores) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught:
        async with stores.database.begin() as conn:
            await conn.execute(sa.text("INSERT INTO nowhere VALUES (:words)"), {"words": CANARY})
    assert CANARY not in str(caught.value)


async def test_no_log_line_at_any_level_shows_them(
    stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.DEBUG):
        conversation = await stores.conversation(ADDRESS)
        message = await stores.message(conversation, CANARY)
        await stores.escalations.raise_(about(EMERGENCY, conversation.id, message))

        async def broken(topic: str, key: str, payload: dict[str, Any]) -> None:
            raise ValueError(CANARY)

        await stores.outbox.worker({"staff_alert": broken}).drain()
    assert "attempt 1 failed (ValueError)" in caplog.text
    assert "zebra" not in caplog.text
