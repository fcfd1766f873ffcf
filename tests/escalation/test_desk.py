"""Staff's side: one owner, a silent assistant until handed back, everything in the history and the audit."""

from __future__ import annotations

import asyncio

import pytest

from bot.escalation.model import AlreadyClaimed, AlreadyClosed, NotOwner, Status
from bot.records.conversations import State
from bot.records.errors import BadValue, UnknownRecord
from bot.records.tables import audit, escalations, messages, outbox
from tests.escalation.situations import EMERGENCY, URGENT, about
from tests.stores import START, Stores

CLAIMANTS = 50


async def raise_one(stores: Stores, alarm: object = EMERGENCY, address: str = "1") -> tuple[str, str]:
    """An open escalation; returns (escalation, conversation)."""
    conversation = await stores.conversation(address)
    message = await stores.message(conversation)
    raised = await stores.escalations.raise_(about(alarm, conversation.id, message))  # type: ignore[arg-type]
    return raised.escalation_id, conversation.id


async def test_of_fifty_claimants_exactly_one_wins(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    mara = await stores.member("mara")
    others = [mara]
    for number in range(4):
        others.append((await stores.staff.add(f"s{number}", "S", "a long pass phrase", "reception")).id)  # type: ignore[arg-type]
    results = await asyncio.gather(
        *(stores.escalations.claim(escalation, others[i % 5]) for i in range(CLAIMANTS)),
        return_exceptions=True,
    )
    winners = {result.claimed_by for result in results if not isinstance(result, BaseException)}
    losers = [result for result in results if isinstance(result, BaseException)]
    assert len(winners) == 1
    assert all(isinstance(loser, AlreadyClaimed) and {loser.owner} == winners for loser in losers)
    assert len(losers) == CLAIMANTS * 4 // 5
    held = await stores.conversations.get(conversation)
    assert (held.state, {held.owner_staff_id}) == (State.STAFF, winners)
    claims = [row for row in await stores.rows(audit) if row["action"] == "escalation.claimed"]
    assert len(claims) == 1


async def test_the_queue_is_by_level_then_the_longest_unanswered(stores: Stores) -> None:
    member = await stores.member()
    order = []
    for address, alarm in (("1", URGENT), ("2", EMERGENCY), ("3", URGENT), ("4", EMERGENCY)):
        order.append((await raise_one(stores, alarm, address))[0])
        stores.clock.pass_(minutes=1)
    assert [item.id for item in await stores.escalations.queue()] == [order[i] for i in (1, 3, 0, 2)]
    await stores.escalations.claim(order[1], member)
    item = await stores.escalations.item(order[1])
    await stores.escalations.staff_reply(item.conversation_id, member, "I am here.")
    assert [item.id for item in await stores.escalations.queue()] == [order[i] for i in (3, 1, 0, 2)]
    await stores.escalations.close(order[3], member, "not_needed")
    assert [item.id for item in await stores.escalations.queue()] == [order[i] for i in (1, 0, 2)]


async def test_nothing_is_said_to_be_seen_before_someone_has_seen_it(stores: Stores) -> None:
    """Law 4: "a nurse saw this at 14:02" only when one did."""
    escalation, conversation = await raise_one(stores)
    seen = await stores.escalations.seen(conversation)
    assert (seen.state, seen.acknowledged_at, seen.by_name) == (State.WAITING, None, None)
    stores.clock.pass_(minutes=2)
    member = await stores.member("mara")
    await stores.escalations.acknowledge(escalation, member)
    looked = stores.clock()
    stores.clock.pass_(minutes=2)
    await stores.escalations.claim(escalation, member)
    seen = await stores.escalations.seen(conversation)
    assert (seen.state, seen.acknowledged_at, seen.by_name, seen.by_role) == (
        State.STAFF,
        looked,
        "Mara",
        "clinician",
    )
    other = await stores.conversation("other")
    assert (await stores.escalations.seen(other.id)).acknowledged_at is None


async def test_a_whole_shift_bot_waiting_staff_bot(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    mara, ben = await stores.member("mara"), await stores.member("ben")
    with pytest.raises(NotOwner):
        await stores.escalations.staff_reply(conversation, mara, "not yet mine")
    await stores.escalations.claim(escalation, mara)
    with pytest.raises(NotOwner):
        await stores.escalations.staff_reply(conversation, ben, "not mine")
    with pytest.raises(NotOwner):
        await stores.escalations.release(escalation, ben)
    with pytest.raises(NotOwner):
        await stores.escalations.close(escalation, ben, "handled")
    await stores.escalations.take_over(escalation, ben, "shift change")
    assert (await stores.conversations.get(conversation)).owner_staff_id == ben
    await stores.escalations.release(escalation, ben, "break")
    held = await stores.conversations.get(conversation)
    assert (held.state, held.owner_staff_id) == (State.WAITING, None)
    await stores.escalations.claim(escalation, mara)
    await stores.escalations.note(escalation, mara, "sounds worried")
    await stores.escalations.staff_reply(conversation, mara, "I am with you.")
    item = await stores.escalations.hand_back(escalation, mara)
    assert (item.status, item.close_reason, item.due_at) == (Status.CLOSED, "handed_back", None)
    assert (await stores.conversations.get(conversation)).state is State.BOT
    with pytest.raises(AlreadyClosed):
        await stores.escalations.claim(escalation, ben)
    with pytest.raises(NotOwner):
        await stores.escalations.staff_reply(conversation, mara, "too late")
    corrected = await stores.escalations.close(escalation, mara, "handled")
    assert corrected.close_reason == "handled"
    kinds = [event.kind for event in (await stores.escalations.detail(escalation)).events]
    assert kinds == [
        "triage",
        "claimed",
        "taken_over",
        "released",
        "claimed",
        "note",
        "replied",
        "closed",
        "closed",
    ]
    assert (await stores.audit.verify(stores.database)).ok


async def test_what_staff_write_is_stored_and_sent_once(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    member = await stores.member()
    await stores.escalations.claim(escalation, member)
    one = await stores.escalations.staff_reply(conversation, member, "躺下休息", request_id="click")
    two = await stores.escalations.staff_reply(conversation, member, "躺下休息", request_id="click")
    assert (one.id, one.author, one.staff_id, one.seq) == (two.id, "staff", member, 2)
    assert len(await stores.rows(messages)) == 2
    assert [row["key"] for row in await stores.rows(outbox)].count(f"reply:{one.id}") == 1


async def test_a_note_reaches_no_patient(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    member = await stores.member()
    await stores.escalations.note(escalation, member, "never deliver this")
    assert [message.author for message in await stores.conversations.history(conversation)] == ["patient"]
    assert not any(row["topic"] == "reply" for row in await stores.rows(outbox))
    events = (await stores.escalations.detail(escalation)).events
    assert events[-1].detail == {"text": "never deliver this"}


async def test_reading_is_audited(stores: Stores) -> None:
    escalation, _ = await raise_one(stores)
    await stores.escalations.detail(escalation, reader="s_mara")
    last = (await stores.rows(audit))[-1]
    assert (last["actor"], last["action"], last["ref"]) == ("s_mara", "escalation.read", escalation)


async def test_the_database_itself_allows_one_open_escalation_per_conversation(stores: Stores) -> None:
    await raise_one(stores)
    (row,) = await stores.rows(escalations)
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with stores.database.begin() as conn:
            await conn.execute(escalations.insert().values(**{**row, "id": "e_2", "message_id": None}))


async def test_refusals_are_typed(stores: Stores) -> None:
    escalation, conversation = await raise_one(stores)
    member = await stores.member()
    with pytest.raises(BadValue, match="reason"):
        await stores.escalations.close(escalation, member, "because I say so")
    await stores.escalations.claim(escalation, member)
    for text in ("", "   ", "x" * 4001):
        with pytest.raises(BadValue, match="text"):
            await stores.escalations.staff_reply(conversation, member, text)
    for call in (stores.escalations.claim("e_x", member), stores.escalations.item("e_x"),
                 stores.escalations.seen("c_x")):  # fmt: skip
        with pytest.raises(UnknownRecord):
            await call
    assert (await stores.escalations.item(escalation)).created_at == START
