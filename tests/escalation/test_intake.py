"""Write before reply: an escalation exists with its outbox row, once, before anyone is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.escalation.deadlines import FIRST_RESPONSE
from bot.escalation.model import DiscreetConversation, Kind, Status
from bot.messages import Reply, ReplyKind
from bot.records.audit import AuditLog
from bot.records.conversations import State
from bot.records.errors import BadValue, UnknownRecord
from bot.records.outbox import Outbox
from bot.records.tables import audit, decisions, escalation_events, escalations, messages, outbox
from tests.escalation.situations import CANARY, EMERGENCY, URGENT, about
from tests.stores import START, Stores

TOLD = Reply("Call 999 now.", "en", ReplyKind.EMERGENCY, id="r_told", at=START)


async def test_an_alarm_is_recorded_whole(stores: Stores) -> None:
    conversation = await stores.conversation()
    message = await stores.message(conversation, CANARY)
    raised = await stores.escalations.raise_(
        about(EMERGENCY, conversation.id, message), reply=TOLD, push=True
    )
    assert (raised.created, raised.repeat, raised.status, raised.reply_seq) == (True, False, Status.OPEN, 2)
    assert raised.due_at == START + FIRST_RESPONSE["emergency"]
    detail = await stores.escalations.detail(raised.escalation_id)
    assert (detail.item.words, detail.item.spans, detail.item.rule_ids) == (CANARY, [[0, 5]], ["RF001"])
    assert detail.reason["reasons"][0]["reason"]["en"] == "It can be a heart attack."
    assert [(event.kind, event.actor, event.message_id) for event in detail.events] == [
        ("triage", "patient", message)
    ]
    assert [stored.text for stored in detail.messages] == [CANARY, TOLD.text]
    decision = await stores.inbox.decision_of(message)
    assert decision is not None
    assert decision.findings[0]["words"] == CANARY
    assert [row["topic"] for row in await stores.rows(outbox)] == ["staff_alert", "reply"]
    assert (await stores.conversations.get(conversation.id)).state is State.WAITING
    assert [row["action"] for row in await stores.rows(audit)] == ["escalation.created"]


@pytest.mark.parametrize("step", ["outbox", "audit", "reply"])
async def test_a_failure_at_any_step_leaves_nothing_behind(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Law 2: were the escalation committed without its outbox row, nobody would be told of it, ever."""
    conversation = await stores.conversation()
    message = await stores.message(conversation)

    async def broken(*_args: Any, **_kw: Any) -> Any:
        raise ConnectionResetError

    where = {"outbox": (Outbox, "enqueue"), "audit": (AuditLog, "append")}
    if step == "reply":
        monkeypatch.setattr("bot.escalation.intake.add_replies", broken)
    else:
        monkeypatch.setattr(*where[step], broken)
    with pytest.raises(Exception, match=r"ConnectionReset|not available"):
        await stores.escalations.raise_(about(EMERGENCY, conversation.id, message), reply=TOLD, push=True)
    for table in (escalations, escalation_events, decisions, outbox, audit):
        assert await stores.rows(table) == [], table.name
    assert len(await stores.rows(messages)) == 1
    assert (await stores.conversations.get(conversation.id)).state is State.BOT


async def test_the_same_message_is_recorded_once_however_often_and_at_once(stores: Stores) -> None:
    conversation = await stores.conversation()
    alarm = about(EMERGENCY, conversation.id, await stores.message(conversation))
    raised = await asyncio.gather(
        *(stores.escalations.raise_(alarm, reply=TOLD, push=True) for _ in range(10))
    )
    raised.append(await stores.escalations.raise_(alarm, reply=TOLD, push=True))
    assert sum(one.created for one in raised) == 1
    assert {one.repeat for one in raised if not one.created} == {True}
    assert {(one.escalation_id, one.reply_seq) for one in raised} == {(raised[0].escalation_id, 2)}
    for table, count in (
        (escalations, 1),
        (escalation_events, 1),
        (decisions, 1),
        (outbox, 2),
        (messages, 2),
    ):
        assert len(await stores.rows(table)) == count, table.name


async def test_a_worse_message_raises_the_open_escalation_and_is_unseen_again(stores: Stores) -> None:
    conversation, member = await stores.conversation(), await stores.member()
    first = await stores.escalations.raise_(
        about(URGENT, conversation.id, await stores.message(conversation))
    )
    await stores.escalations.acknowledge(first.escalation_id, member)
    stores.clock.pass_(minutes=5)
    second = await stores.escalations.raise_(
        about(EMERGENCY, conversation.id, await stores.message(conversation), path="crisis")
    )
    assert (second.escalation_id, second.created, second.level) == (first.escalation_id, False, "emergency")
    assert second.due_at == stores.clock() + FIRST_RESPONSE["emergency"]
    item = await stores.escalations.item(first.escalation_id)
    assert (item.path, item.acknowledged_at, item.waiting_since) == ("crisis", None, START)
    assert item.rule_ids == ["RF001", "RF050"]
    assert len(await stores.rows(escalations)) == 1


async def test_a_milder_message_joins_and_lowers_nothing(stores: Stores) -> None:
    conversation = await stores.conversation()
    first = await stores.escalations.raise_(
        about(EMERGENCY, conversation.id, await stores.message(conversation))
    )
    stores.clock.pass_(minutes=1)
    second = await stores.escalations.raise_(
        about(URGENT, conversation.id, await stores.message(conversation))
    )
    assert (second.escalation_id, second.level, second.due_at) == (
        first.escalation_id,
        "emergency",
        first.due_at,
    )
    changes = [row["action"] for row in await stores.rows(audit)]
    assert changes == ["escalation.created", "escalation.added"]
    assert len((await stores.escalations.detail(first.escalation_id)).events) == 2


async def test_after_closing_the_next_message_opens_a_new_one(stores: Stores) -> None:
    conversation, member = await stores.conversation(), await stores.member()
    first = await stores.escalations.raise_(
        about(URGENT, conversation.id, await stores.message(conversation))
    )
    await stores.escalations.close(first.escalation_id, member, "handled")
    second = await stores.escalations.raise_(
        about(URGENT, conversation.id, await stores.message(conversation))
    )
    assert second.created
    assert second.escalation_id != first.escalation_id
    assert (await stores.conversations.get(conversation.id)).state is State.WAITING


async def test_a_request_in_the_same_message_as_an_alarm_is_kept_beside_it(stores: Stores) -> None:
    conversation = await stores.conversation()
    incoming = stores.incoming(conversation, message_id="u1")
    accepted = await stores.inbox.accept(incoming)
    alarm = await stores.escalations.raise_(about(EMERGENCY, conversation.id, accepted.message_id))
    for _ in range(2):  # the dialogue knows the channel's own message id; both name the same message
        asked = await stores.escalations.request_callback(
            conversation.id, "+44 7700 900123", message_id="u1", when="tomorrow morning", summary=CANARY
        )
    assert (asked.escalation_id, asked.repeat, asked.level) == (alarm.escalation_id, True, "emergency")
    detail = await stores.escalations.detail(alarm.escalation_id)
    assert [event.kind for event in detail.events] == ["triage", "callback"]
    assert detail.events[1].detail["phone"] == "+44 7700 900123"
    assert detail.item.kind is Kind.TRIAGE


async def test_a_wish_for_a_person_is_queued_and_names_no_words_in_clear(stores: Stores) -> None:
    conversation = await stores.conversation()
    message = await stores.message(conversation, "a person please")
    raised = await stores.escalations.request_person(conversation.id, message_id=message, summary=CANARY)
    (item,) = await stores.escalations.queue()
    assert (item.id, item.kind, item.level, item.words) == (
        raised.escalation_id,
        Kind.PERSON,
        "routine",
        CANARY,
    )


async def test_nobody_calls_a_patient_who_must_not_be_called(stores: Stores) -> None:
    conversation = await stores.conversation()
    message = await stores.message(conversation)
    await stores.escalations.raise_(about(URGENT, conversation.id, message, path="abuse"))
    assert (await stores.conversations.get(conversation.id)).discreet
    with pytest.raises(DiscreetConversation):
        await stores.escalations.request_callback(conversation.id, "1", message_id=message)
    (item,) = await stores.escalations.queue()
    assert item.discreet


async def test_a_message_while_staff_hold_it_waits_for_them(stores: Stores) -> None:
    conversation, member = await stores.conversation(), await stores.member()
    raised = await stores.escalations.raise_(
        about(URGENT, conversation.id, await stores.message(conversation))
    )
    await stores.escalations.claim(raised.escalation_id, member)
    await stores.escalations.staff_reply(conversation.id, member, "How are you now?")
    assert (await stores.escalations.item(raised.escalation_id)).waiting_since is None
    stores.clock.pass_(minutes=1)
    message = await stores.message(conversation, "worse")
    for _ in range(2):
        await stores.escalations.patient_wrote(conversation.id, message)
    item = await stores.escalations.item(raised.escalation_id)
    assert item.waiting_since == stores.clock()
    assert item.due_at is not None
    assert [row["key"] for row in await stores.rows(outbox)].count(f"wrote:{message}") == 1


async def test_bad_values_and_foreign_messages_are_refused(stores: Stores) -> None:
    mine, theirs = await stores.conversation("1"), await stores.conversation("2")
    message = await stores.message(theirs)
    with pytest.raises(UnknownRecord, match="message"):
        await stores.escalations.raise_(about(EMERGENCY, mine.id, message))
    with pytest.raises(BadValue, match="level"):
        await stores.escalations.raise_(about(EMERGENCY, theirs.id, message, level="panic"))
    with pytest.raises(BadValue, match="reason"):
        await stores.escalations.request_person(theirs.id, message_id=message, reason="my words " * 20)
    assert await stores.rows(escalations) == []
