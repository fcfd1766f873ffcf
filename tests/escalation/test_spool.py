"""The spool: what SQL could not take is on the disk, sealed, and reaches SQL once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.escalation.model import Alarm
from bot.escalation.spool import Replayer, Spool, SpoolUnavailable, spooled
from bot.messages import Incoming, Reply, ReplyKind, new_id
from bot.records.crypto import Cipher, KeyFile
from bot.records.errors import RecordsUnavailable, UnknownRecord
from bot.records.tables import conversations, escalations, messages
from tests.escalation.situations import CANARY, EMERGENCY, about
from tests.stores import START, Stores, again

TOLD = Reply("Call 999 now.", "en", ReplyKind.EMERGENCY, id="r_told", at=START)


@pytest.fixture
def spool(tmp_path: Path, cipher: Cipher) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool.jsonl", cipher)


class Taker:
    """Takes records, and refuses as told."""

    def __init__(self, *refusals: Exception | None) -> None:
        self.refusals = list(refusals)
        self.got: list[Any] = []

    async def __call__(self, record: Mapping[str, Any]) -> None:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        self.got.append(record["n"])


async def fill(spool: Spool, *numbers: int) -> None:
    for number in numbers:
        await spool.append({"n": number, "words": CANARY})


async def test_records_come_back_in_order_and_once(spool: Spool) -> None:
    await fill(spool, 1, 2, 3)
    assert await spool.waiting() == 3
    taker = Taker()
    assert await spool.replay(taker) == 3
    assert await spool.replay(taker) == 0
    assert taker.got == [1, 2, 3]
    assert not spool.path.parent.joinpath("spool.jsonl.replaying").exists()


async def test_another_process_reads_what_was_spooled(spool: Spool, cipher: Cipher) -> None:
    await fill(spool, 1)
    taker = Taker()
    assert await Spool(spool.path, cipher).replay(taker) == 1


async def test_the_file_is_lines_of_json_for_its_owner_only_and_shows_nothing(spool: Spool) -> None:
    await fill(spool, 1, 2)
    raw = spool.path.read_bytes()
    assert [set(json.loads(line)) for line in raw.splitlines()] == [{"v", "id", "blob"}] * 2
    assert b"canary" not in raw
    assert spool.path.stat().st_mode & 0o777 == 0o600


async def test_while_sql_is_still_away_everything_stays_and_new_records_queue_behind(spool: Spool) -> None:
    await fill(spool, 1, 2, 3)
    taker = Taker(None, RecordsUnavailable("away"))
    with pytest.raises(RecordsUnavailable):
        await spool.replay(taker)
    await fill(spool, 4)
    assert await spool.waiting() == 3
    assert await spool.replay(taker) == 3
    assert taker.got == [1, 2, 3, 4]


async def test_a_record_that_can_never_be_taken_is_kept_aside_and_the_rest_goes_on(spool: Spool) -> None:
    await fill(spool, 1, 2)
    taker = Taker(UnknownRecord("conversation", "c_x"))
    assert await spool.replay(taker) == 1
    assert taker.got == [2]
    aside = spool.path.with_name("spool.jsonl.damaged").read_bytes()
    assert len(aside.splitlines()) == 1
    assert b"canary" not in aside


@pytest.mark.parametrize("cut", [1, 10, 60])
async def test_a_last_line_cut_short_by_a_crash_spoils_no_other(spool: Spool, cut: int) -> None:
    await fill(spool, 1, 2)
    spool.path.write_bytes(spool.path.read_bytes()[:-cut])
    await fill(spool, 3)  # after the restart
    taker = Taker()
    await spool.replay(taker)
    # Without its final newline only, the second line is whole; cut deeper, it was never acknowledged.
    assert taker.got == ([1, 2, 3] if cut == 1 else [1, 3])


async def test_a_line_of_another_record_or_key_is_not_believed(spool: Spool, tmp_path: Path) -> None:
    await fill(spool, 1, 2)
    one, two = (json.loads(line) for line in spool.path.read_text().splitlines())
    spool.path.write_text(json.dumps({**one, "blob": two["blob"]}) + "\n" + json.dumps(two) + "\n")
    taker = Taker()
    assert await spool.replay(taker) == 1
    assert taker.got == [2]
    other = Spool(tmp_path / "other.jsonl", KeyFile.load_or_create(tmp_path / "other.json"))
    await fill(other, 5)
    assert await Spool(other.path, KeyFile.load(tmp_path / "keys.json")).waiting() == 0


async def test_a_full_disk_is_said_so(tmp_path: Path, cipher: Cipher) -> None:
    for place in (tmp_path / "missing" / "spool.jsonl", Path("/dev/full")):
        with pytest.raises(SpoolUnavailable):
            await Spool(place, cipher).append({"words": CANARY})


def record(stores: Stores, incoming: Incoming, **kw: Any) -> dict[str, Any]:
    return spooled(incoming, about(EMERGENCY, incoming.conversation, ""), reply=TOLD, **kw)


def test_an_alarm_comes_back_whole() -> None:
    alarm = about(EMERGENCY, "c_1", "m_1")
    again = Alarm.from_json(json.loads(json.dumps(alarm.to_json())))
    assert again.to_json() == alarm.to_json()
    assert (again.detail(), again.rule_ids) == (alarm.detail(), alarm.rule_ids)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_spooled_emergency_is_in_sql_once_however_often_replayed(
    stores: Stores, spool: Spool, times: int
) -> None:
    conversation = await stores.conversation()
    incoming = stores.incoming(conversation, CANARY)
    for _ in range(times):
        await spool.append(record(stores, incoming))
    into = Replayer(stores.conversations, stores.inbox, stores.escalations)
    assert await spool.replay(into) == times
    await into(record(stores, incoming))
    assert len(await stores.rows(escalations)) == 1
    (item,) = await stores.escalations.queue()
    assert (item.words, item.level, item.created_at) == (CANARY, "emergency", START)
    texts = [message.text for message in await stores.conversations.history(conversation.id)]
    assert texts == [CANARY, TOLD.text]
    assert await stores.inbox.pending() == []  # answered long ago; nothing is to be resumed


async def test_a_spooled_emergency_that_sql_had_taken_after_all_changes_nothing(
    stores: Stores, spool: Spool
) -> None:
    """The time limit ran out in the very moment in which the transaction was committed."""
    conversation = await stores.conversation()
    incoming = stores.incoming(conversation, CANARY)
    accepted = await stores.inbox.accept(incoming)
    await stores.escalations.raise_(about(EMERGENCY, conversation.id, accepted.message_id), reply=TOLD)
    await spool.append(record(stores, incoming))
    await spool.replay(Replayer(stores.conversations, stores.inbox, stores.escalations))
    assert len(await stores.rows(escalations)) == 1
    assert len(await stores.rows(messages)) == 2
    pending = await stores.inbox.pending()  # its turn is still under way, or to be resumed
    assert [one.message_id for one in pending] == [accepted.message_id]


async def test_a_patient_whom_sql_never_saw_gets_the_conversation_that_was_told(
    stores: Stores, spool: Spool
) -> None:
    incoming = Incoming("telegram", new_id("c"), CANARY, "u1", received_at=START)
    await spool.append(record(stores, incoming, address=("telegram", "777", "zh")))
    await spool.replay(Replayer(stores.conversations, stores.inbox, stores.escalations))
    found = await stores.conversations.find("telegram", "777")
    assert found is not None
    assert (found.id, found.lang) == (incoming.conversation, "zh")
    other = replace(incoming, conversation=new_id("c"), message_id="u2")
    await spool.append(record(stores, other, address=("telegram", "777", "zh")))
    await spool.replay(Replayer(stores.conversations, stores.inbox, stores.escalations))
    assert len(await stores.rows(conversations)) == 1
    assert len(await stores.escalations.queue()) == 1


async def test_sql_locked_while_fifty_emergencies_arrive(stores: Stores, spool: Spool) -> None:
    """Safety goal R4: nobody waits for the lock, and all of them are stored once after the release.

    ``RecordsUnavailable`` is not expected: it would come after the database's own, longer limit, to a caller
    whose cancellation had been swallowed (asyncio.wait_for in Python 3.11, inside a pool that is waited in).
    """
    people = [await stores.conversation(str(number)) for number in range(50)]
    ids = [await stores.message(person, CANARY, message_id="u1") for person in people]

    async def emergency(number: int) -> bool:
        alarm = about(EMERGENCY, people[number].id, ids[number])
        reply = replace(TOLD, id=f"r_{ids[number]}")
        try:
            async with asyncio.timeout(0.3):
                await stores.escalations.raise_(alarm, reply=reply)
        except TimeoutError:
            incoming = stores.incoming(people[number], CANARY, message_id="u1")
            await spool.append(spooled(incoming, alarm, reply=reply))
            return True
        return False

    blocker = await again(stores.database, stores.clock)
    async with blocker.database.begin() as conn:
        await conn.execute(sa.select(conversations).with_for_update())
        assert all(await asyncio.gather(*(emergency(number) for number in range(50))))
    await blocker.database.close()
    assert await stores.escalations.queue() == []
    assert await spool.replay(Replayer(stores.conversations, stores.inbox, stores.escalations)) == 50
    assert {item.conversation_id for item in await stores.escalations.queue()} == {p.id for p in people}
    assert len(await stores.rows(messages)) == 100
