"""A message is stored once before it is acknowledged; a turn ends once, with all of its replies."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import sqlalchemy as sa

from bot.messages import Attachment, Button, Citation, PhoneLink, Reply, ReplyKind
from bot.records import inbox as inbox_module
from bot.records.conversations import State
from bot.records.errors import BadValue, UnknownRecord
from bot.records.messages import Decision, reply_from_json, reply_to_json
from bot.records.outbox import Job
from bot.records.tables import decisions, messages, outbox
from tests.stores import START, Stores, again

FULL = Reply(
    "Call 999 now. 现在就打 120。",
    "en",
    ReplyKind.EMERGENCY,
    (Button("Yes", "/affirm"),),
    (Citation("a1", "Fever", "https://example.org/fever", "Drink water."),),
    (PhoneLink("Call 999", "999"),),
    Attachment("Appointment", "/appointments/1.ics", "text/calendar"),
    at=START,
)
ASSESSMENT = {
    "level": "urgent",
    "rules": [{"id": "R1", "level": "urgent", "source": "NHS", "spans": [[0, 4]], "words": ["chest"]}],
    "findings": [{"id": "chest_pain", "status": "present", "span": [0, 4]}],
    "ruleset": "sha256:1",
}


def test_a_reply_comes_back_whole() -> None:
    assert reply_from_json(reply_to_json(FULL)) == FULL
    assert reply_from_json(reply_to_json(Reply("hi", "en", at=START, id="r"))) == Reply(
        "hi", "en", at=START, id="r"
    )


async def test_a_repeat_is_recognised_and_stores_nothing(stores: Stores) -> None:
    incoming = stores.incoming(await stores.conversation(), message_id="u1")
    first = await stores.inbox.accept(incoming)
    second = await stores.inbox.accept(incoming)
    assert (first.repeat, first.processed, first.seq) == (False, False, 1)
    assert (second.repeat, second.processed, second.message_id) == (True, False, first.message_id)
    await stores.inbox.complete(first.message_id, [])
    assert (await stores.inbox.accept(incoming)).processed
    assert len(await stores.rows(messages)) == 1


async def test_shuffled_repeated_deliveries_are_stored_once_with_dense_numbers(stores: Stores) -> None:
    people = [await stores.conversation(str(number)) for number in range(5)]
    every = [stores.incoming(person, f"text {i}", message_id=f"u{i}") for person in people for i in range(20)]
    deliveries = every + random.Random(7).sample(every, 30)
    random.Random(8).shuffle(deliveries)
    results = await asyncio.gather(*(stores.inbox.accept(incoming) for incoming in deliveries))
    assert sum(result.repeat for result in results) == 30
    for person in people:
        history = await stores.conversations.history(person.id)
        assert [message.seq for message in history] == list(range(1, 21))


async def test_an_equal_message_id_of_a_stranger_is_no_repeat(stores: Stores) -> None:
    """A web client chooses its ids: were they unique per channel, a guess would show a stranger's replies."""
    mine, theirs = await stores.conversation("1", "web"), await stores.conversation("2", "web")
    first = await stores.inbox.accept(stores.incoming(mine, message_id="same"))
    await stores.inbox.complete(first.message_id, [FULL])
    second = await stores.inbox.accept(stores.incoming(theirs, message_id="same"))
    assert not second.repeat
    assert await stores.inbox.replies_of(second.message_id) == []


async def test_complete_stores_replies_in_order_once(stores: Stores) -> None:
    conversation = await stores.conversation()
    message = await stores.message(conversation)
    early = Reply("first", "en", id="r_early")
    assert await stores.inbox.reply_now(message, early, push=True)
    assert not await stores.inbox.reply_now(message, early, push=True)
    replies = [early, FULL, Reply("last", "en")]
    for _ in range(2):
        told = await stores.inbox.complete(message, replies, push=True, decision=Decision.of(ASSESSMENT))
        assert [stored.reply for stored in told] == [early, FULL, replies[2]]
        assert [stored.seq for stored in told] == [2, 3, 4]
    keys = [row["key"] for row in await stores.rows(outbox)]
    assert keys == [f"reply:{reply.id}" for reply in replies]
    assert await stores.inbox.pending() == []


async def test_a_web_channel_gets_no_outbox_rows(stores: Stores) -> None:
    message = await stores.message(await stores.conversation(channel="web"))
    await stores.inbox.complete(message, [FULL])
    assert await stores.rows(outbox) == []


async def test_completion_is_all_or_nothing(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    message = await stores.message(await stores.conversation())

    async def broken(*_args: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(inbox_module, "store_decision", broken)
    with pytest.raises(ZeroDivisionError):
        await stores.inbox.complete(
            message, [FULL], push=True, decision=Decision.of(ASSESSMENT), jobs=[Job("t", "k", {})]
        )
    assert await stores.inbox.replies_of(message) == []
    assert await stores.rows(outbox) == []
    assert [pending.message_id for pending in await stores.inbox.pending()] == [message]


async def test_two_workers_that_complete_one_message_answer_once(stores: Stores) -> None:
    message = await stores.message(await stores.conversation())
    rounds = [[Reply(f"worker {number}", "en")] for number in range(5)]
    told = await asyncio.gather(*(stores.inbox.complete(message, replies, push=True) for replies in rounds))
    assert len({one[0].id for one in told}) == 1
    assert len(await stores.rows(outbox)) == 1


async def test_pending_gives_back_the_message_as_it_came_after_a_restart(stores: Stores) -> None:
    conversation = await stores.conversation()
    incoming = stores.incoming(
        conversation, "咳嗽三天 \x00 half \ud83d a pair", metadata={"name": "A", "n": 1}
    )
    accepted = await stores.inbox.accept(incoming)
    stores.clock.pass_(seconds=1)
    done = await stores.message(conversation, "done")
    await stores.inbox.complete(done, [])
    reopened = await again(stores.database, stores.clock)
    (pending,) = await reopened.inbox.pending()
    assert (pending.message_id, pending.incoming) == (accepted.message_id, incoming)
    assert await reopened.inbox.pending(before=START) == []
    await reopened.database.close()


async def test_a_decision_is_stored_whole_and_the_first_one_stands(stores: Stores) -> None:
    message = await stores.message(await stores.conversation())
    await stores.inbox.complete(message, [], decision=Decision.of(ASSESSMENT, {"careline": "0.1.0"}))
    decision = await stores.inbox.decision_of(message)
    assert decision is not None
    assert (decision.level, decision.ruleset, decision.versions) == (
        "urgent",
        "sha256:1",
        {"careline": "0.1.0"},
    )
    assert (list(decision.rules), list(decision.findings)) == (ASSESSMENT["rules"], ASSESSMENT["findings"])
    async with stores.database.begin() as conn:
        other = Decision.of({**ASSESSMENT, "level": "none"})
        assert not await inbox_module.store_decision(conn, stores.database.cipher, message, other, START)
    (row,) = await stores.rows(decisions)
    assert row["rules"] == [{"id": "R1", "level": "urgent", "source": "NHS", "spans": [[0, 4]]}]


async def test_a_message_to_a_closed_conversation_opens_it_again(stores: Stores) -> None:
    conversation = await stores.conversation()
    await stores.conversations.set_state(conversation.id, State.CLOSED)
    await stores.message(conversation)
    assert (await stores.conversations.get(conversation.id)).state is State.BOT


async def test_history_is_read_from_a_number_on_or_as_the_newest(stores: Stores) -> None:
    conversation = await stores.conversation()
    for number in range(5):
        await stores.message(conversation, f"text {number}")
    texts = [message.text for message in await stores.conversations.history(conversation.id, after_seq=3)]
    newest = [message.text for message in await stores.conversations.history(conversation.id, limit=2)]
    assert texts == newest == ["text 3", "text 4"]


async def test_delivery_is_noted_once(stores: Stores) -> None:
    message = await stores.message(await stores.conversation())
    await stores.inbox.complete(message, [FULL])
    await stores.inbox.mark_delivered(FULL.id)
    stores.clock.pass_(minutes=1)
    await stores.inbox.mark_delivered(FULL.id)
    assert (await stores.inbox.message(FULL.id)).delivered_at == START


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("message_id", {"message_id": ""}),
        ("message_id", {"message_id": "x" * 201}),
        ("message_id", {"message_id": "a\x00b"}),
        ("metadata", {"metadata": {"x": object()}}),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_field(
    stores: Stores, field: str, change: dict[str, Any]
) -> None:
    conversation = await stores.conversation()
    with pytest.raises(BadValue, match=f"^{field}:") as caught:
        await stores.inbox.accept(stores.incoming(conversation, "secret words", **change))
    assert "secret" not in str(caught.value)
    assert await stores.rows(messages) == []


async def test_an_unknown_conversation_or_message_is_a_typed_error(stores: Stores) -> None:
    conversation = await stores.conversation()
    incoming = stores.incoming(conversation)
    async with stores.database.begin() as conn:
        await conn.execute(sa.text("DELETE FROM conversations"))
    with pytest.raises(UnknownRecord, match="conversation"):
        await stores.inbox.accept(incoming)
    with pytest.raises(UnknownRecord, match="message"):
        await stores.inbox.complete("m_nothing", [])
