"""Button tokens: short, unguessable, sealed, and good in their own conversation only."""

from __future__ import annotations

from bot.records.buttons import ButtonTokens, Pressed
from bot.records.tables import button_tokens
from tests.stores import Stores


async def test_a_token_gives_its_payload_and_says_when_it_was_used(stores: Stores) -> None:
    buttons = ButtonTokens(stores.database, clock=stores.clock)
    mine, theirs = await stores.conversation("1"), await stores.conversation("2")
    token = await buttons.issue(mine.id, "/choose{slot: 下周三}")
    assert len(token.encode()) <= 64  # Telegram's limit for callback data
    assert await buttons.redeem(token, theirs.id) is None
    assert await buttons.redeem("guessed", mine.id) is None
    assert await buttons.redeem(token, mine.id) == Pressed("/choose{slot: 下周三}", first=True)
    assert await buttons.redeem(token, mine.id) == Pressed("/choose{slot: 下周三}", first=False)
    (row,) = await stores.rows(button_tokens)
    assert "choose" not in repr(row)
