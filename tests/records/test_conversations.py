"""Conversations are found by address, issued with our own ids, and keep what is known of them."""

from __future__ import annotations

import asyncio

import pytest

from bot.messages import new_id
from bot.records.conversations import State
from bot.records.errors import BadValue, UnknownRecord
from bot.records.tables import conversations
from tests.stores import Stores, again


async def test_an_address_has_one_conversation_however_many_ask_at_once(stores: Stores) -> None:
    opened = await asyncio.gather(*(stores.conversations.open("telegram", "42", "zh") for _ in range(20)))
    assert len({conversation.id for conversation in opened}) == 1
    assert len(await stores.rows(conversations)) == 1
    assert opened[0].address == "42"
    assert opened[0].state is State.BOT


async def test_ids_are_ours_and_long(stores: Stores) -> None:
    one, two = await stores.conversation("1"), await stores.conversation("2")
    assert one.id != two.id
    assert len(one.id) >= 2 + 32  # 128 bits as hex (law 7)
    assert (await stores.conversation("1", channel="web")).id != one.id


async def test_what_is_learnt_survives_a_restart(stores: Stores) -> None:
    conversation = await stores.conversation()
    await stores.conversations.set_lang(conversation.id, "zh")
    await stores.conversations.record_notice(conversation.id)
    await stores.conversations.record_consent(conversation.id)
    await stores.conversations.set_discreet(conversation.id, True)
    await stores.conversations.set_patient(conversation.id, "P-1")
    reopened = await again(stores.database, stores.clock)
    read = await reopened.conversations.open(conversation.channel, conversation.address, "en")
    assert (read.id, read.lang, read.discreet, read.patient_id) == (conversation.id, "zh", True, "P-1")
    assert read.consent_at == read.notice_at == stores.clock()
    await reopened.conversations.withdraw_consent(conversation.id)
    assert (await stores.conversations.get(conversation.id)).consent_at is None
    await reopened.database.close()


async def test_an_owner_is_named_exactly_while_staff_hold_it(stores: Stores) -> None:
    conversation, member = await stores.conversation(), await stores.member()
    await stores.conversations.set_state(conversation.id, State.STAFF, owner=member)
    assert (await stores.conversations.get(conversation.id)).owner_staff_id == member
    for state, owner in ((State.STAFF, None), (State.BOT, member)):
        with pytest.raises(BadValue, match="owner"):
            await stores.conversations.set_state(conversation.id, state, owner=owner)


async def test_find_makes_nothing(stores: Stores) -> None:
    assert await stores.conversations.find("telegram", "42") is None
    made = await stores.conversation("42")
    found = await stores.conversations.find("telegram", "42")
    assert found is not None
    assert found.id == made.id


async def test_ensure_keeps_the_id_that_was_told_to_the_patient(stores: Stores) -> None:
    id_ = new_id("c")
    assert (await stores.conversations.ensure(id_, "web", "a", "en")).id == id_
    assert (await stores.conversations.ensure(new_id("c"), "web", "a", "en")).id == id_
    with pytest.raises(BadValue, match="id"):
        await stores.conversations.ensure(id_, "web", "b", "en")


@pytest.mark.parametrize("call", ["get", "set_lang", "record_consent"])
async def test_an_unknown_id_is_a_typed_error(stores: Stores, call: str) -> None:
    arguments = ["c_nobody", "en"][: 2 if call == "set_lang" else 1]
    with pytest.raises(UnknownRecord, match="c_nobody"):
        await getattr(stores.conversations, call)(*arguments)


@pytest.mark.parametrize(("address", "lang"), [("", "en"), ("x" * 501, "en"), ("1", "e" * 17), ("1", "\x00")])
async def test_bad_values_are_refused_by_name(stores: Stores, address: str, lang: str) -> None:
    with pytest.raises(BadValue, match=r"address|lang"):
        await stores.conversations.open("telegram", address, lang)


async def test_repr_hides_the_address(stores: Stores) -> None:
    assert "5550001" not in repr(await stores.conversation())
