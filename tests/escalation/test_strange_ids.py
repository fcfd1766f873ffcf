"""Ids that come from outside may be anything; they are unknown, never a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.records.buttons import ButtonTokens
from bot.records.errors import UnknownRecord
from tests.escalation.situations import EMERGENCY, about
from tests.stores import Stores

STRANGE = ["", "\x00", "e_\x00", "half \ud83d", "对话", "x" * 100_000, "e_1\n"]

CALLS: dict[str, Callable[[Stores, str], Awaitable[Any]]] = {
    "conversation": lambda stores, id_: stores.conversations.get(id_),
    "history": lambda stores, id_: stores.conversations.history(id_),
    "lang": lambda stores, id_: stores.conversations.set_lang(id_, "en"),
    "message": lambda stores, id_: stores.inbox.message(id_),
    "complete": lambda stores, id_: stores.inbox.complete(id_, []),
    "item": lambda stores, id_: stores.escalations.item(id_),
    "detail": lambda stores, id_: stores.escalations.detail(id_),
    "claim": lambda stores, id_: stores.escalations.claim(id_, "s_1"),
    "close": lambda stores, id_: stores.escalations.close(id_, "s_1", "handled"),
    "reply": lambda stores, id_: stores.escalations.staff_reply(id_, "s_1", "hello"),
    "seen": lambda stores, id_: stores.escalations.seen(id_),
    "member": lambda stores, id_: stores.staff.get(id_),
    "raise": lambda stores, id_: stores.escalations.raise_(about(EMERGENCY, id_, "m_1")),
}


@pytest.mark.parametrize("call", list(CALLS))
async def test_a_strange_id_is_unknown(stores: Stores, call: str) -> None:
    for id_ in STRANGE:
        with pytest.raises(UnknownRecord) as caught:
            await CALLS[call](stores, id_)
        assert len(str(caught.value)) < 1_000


async def test_a_strange_message_token_login_or_password_is_just_wrong(stores: Stores) -> None:
    conversation = await stores.conversation()
    await stores.member("mara")
    for strange in STRANGE:
        with pytest.raises(UnknownRecord):
            await stores.escalations.request_person(conversation.id, message_id=strange)
        assert await ButtonTokens(stores.database).redeem(strange, conversation.id) is None
        assert await stores.staff.session(strange) is None
        assert await stores.staff.verify("mara", strange) is None
        assert await stores.staff.verify(strange, "a long pass phrase") is None
