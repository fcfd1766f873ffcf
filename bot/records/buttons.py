"""Short opaque tokens for buttons, for channels that carry only a few bytes (Telegram: 64).

The payload stays here, sealed; the channel sees a random token. A token works only in the conversation it
was issued for.

    token = await buttons.issue(conversation_id, "/affirm")
    pressed = await buttons.redeem(token, conversation_id)   # Pressed(payload, first) or None
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from bot.messages import now_utc
from bot.records.database import Database
from bot.records.errors import check_id
from bot.records.tables import button_tokens

TOKEN_BYTES = 16
"""128 bits: cannot be guessed (law 7); 22 characters: fits every channel."""
PAYLOAD = "button_tokens.payload_enc"


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button's payload; ``first`` is False when it was pressed before."""

    payload: str = field(repr=False)
    first: bool


class ButtonTokens:
    """The store of button tokens."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._database, self._clock = database, clock

    async def issue(self, conversation: str, payload: str) -> str:
        """A fresh token (22 URL-safe characters) that stands for ``payload`` in this conversation."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        sealed = self._database.cipher.seal(payload, record=token, column=PAYLOAD)
        async with self._database.begin() as conn:
            await conn.execute(
                button_tokens.insert().values(
                    token=token, conversation_id=conversation, payload_enc=sealed, created_at=self._clock()
                )
            )
        return token

    async def redeem(self, token: str, conversation: str) -> Pressed | None:
        """What was pressed; None for an unknown token or one of another conversation."""
        if not (token.isascii() and token.isprintable()):
            return None
        check_id("conversation", conversation)
        mine = sa.and_(button_tokens.c.token == token, button_tokens.c.conversation_id == conversation)
        async with self._database.begin() as conn:
            row = (await conn.execute(sa.select(button_tokens).where(mine))).first()
            if row is None:
                return None
            done = await conn.execute(
                button_tokens.update()
                .where(mine, button_tokens.c.used_at.is_(None))
                .values(used_at=self._clock())
            )
        payload = self._database.cipher.open(row.payload_enc, record=token, column=PAYLOAD)
        return Pressed(payload, first=done.rowcount == 1)
