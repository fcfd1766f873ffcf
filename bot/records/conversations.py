"""Conversations: one row per patient address on a channel, found without storing the address in clear.

Ids are issued here, 160 random bits (law 7). The address (a chat id, a phone number) is sealed; a keyed
digest of it is what look-ups use. This module knows conversations, not messages or escalations.

    conversations = Conversations(database)
    conversation = await conversations.open("telegram", "5550001", "en")   # get or create
    await conversations.set_lang(conversation.id, "zh")
    await conversations.history(conversation.id, after_seq=0)               # list[StoredMessage]
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import new_id, now_utc
from bot.records.database import Database, insert_new
from bot.records.errors import BadValue, UnknownRecord, check_id
from bot.records.messages import StoredMessage, check_lang, read_messages
from bot.records.tables import conversations

Clock = Callable[[], datetime]

MAX_ADDRESS_CHARS = 500
"""Longest channel address; the longest in use (a Teams conversation id) is below 300."""


class State(enum.StrEnum):
    """Who answers: the assistant; nobody yet while staff are asked; a member of staff; nobody, it is over."""

    BOT = "bot"
    WAITING = "waiting"
    STAFF = "staff"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as stored. ``address`` is left out of ``repr`` so that no log line shows it."""

    id: str
    channel: str
    address: str = field(repr=False)
    lang: str | None
    state: State
    owner_staff_id: str | None
    patient_id: str | None
    consent_at: datetime | None
    notice_at: datetime | None
    discreet: bool
    created_at: datetime
    updated_at: datetime
    last_seq: int


class Conversations:
    """The store of conversations. Every method is one transaction; errors are :class:`RecordsError` types."""

    def __init__(self, database: Database, *, clock: Clock = now_utc) -> None:
        self._database = database
        self._cipher = database.cipher
        self._clock = clock

    async def open(self, channel: str, address: str, lang: str | None = None) -> Conversation:
        """The conversation of this address on this channel; made, with ``lang``, when it is new."""
        digest = self._digest(channel, address)
        async with self._database.read() as conn:
            row = await self._by_digest(conn, channel, digest)
        if row is None:
            return await self.ensure(new_id("c"), channel, address, lang)
        return self._conversation(row)

    async def ensure(self, id_: str, channel: str, address: str, lang: str | None) -> Conversation:
        """Like :meth:`open`, with the id to use when the address is new (replay of what SQL has missed).

        Where the address already has a conversation, that one is returned, whatever its id.
        """
        check_lang(lang)
        digest, now = self._digest(channel, address), self._clock()
        values = {
            "id": id_,
            "channel": channel,
            "address_enc": self._cipher.seal(address, record=id_, column="conversations.address_enc"),
            "address_key": digest,
            "lang": lang,
            "state": State.BOT.value,
            "discreet": False,
            "created_at": now,
            "updated_at": now,
            "last_seq": 0,
        }
        async with self._database.begin() as conn:
            await insert_new(conn, conversations, values)
            row = await self._by_digest(conn, channel, digest)
        if row is None:
            raise BadValue("id", "belongs to another address")
        return self._conversation(row)

    async def get(self, id_: str) -> Conversation:
        """The conversation, or :class:`UnknownRecord`."""
        check_id("conversation", id_)
        async with self._database.read() as conn:
            row = (await conn.execute(sa.select(conversations).where(conversations.c.id == id_))).first()
        if row is None:
            raise UnknownRecord("conversation", id_)
        return self._conversation(row)

    async def find(self, channel: str, address: str) -> Conversation | None:
        """The conversation of this address, or None; makes nothing."""
        async with self._database.read() as conn:
            row = await self._by_digest(conn, channel, self._digest(channel, address))
        return None if row is None else self._conversation(row)

    async def set_lang(self, id_: str, lang: str) -> None:
        """The language the patient chose or writes in, e.g. ``zh``."""
        check_lang(lang)
        await self._update(id_, lang=lang)

    async def set_state(self, id_: str, state: State, *, owner: str | None = None) -> None:
        """Who answers from now on; ``owner`` is the staff id when the state is ``STAFF``, else None."""
        if (state is State.STAFF) != (owner is not None):
            raise BadValue("owner", "a conversation has an owner exactly while staff hold it")
        await self._update(id_, state=state.value, owner_staff_id=owner)

    async def set_discreet(self, id_: str, discreet: bool) -> None:
        """Whether nothing may be sent that another person could see on the patient's phone (HAZ-09)."""
        await self._update(id_, discreet=discreet)

    async def record_consent(self, id_: str, at: datetime | None = None) -> None:
        """When the patient agreed to what the notice said; None records now."""
        await self._update(id_, consent_at=at or self._clock())

    async def withdraw_consent(self, id_: str) -> None:
        """The patient no longer agrees: nothing counts as agreed from now on."""
        await self._update(id_, consent_at=None)

    async def record_notice(self, id_: str, at: datetime | None = None) -> None:
        """When the patient was shown that this is an assistant and not a clinician (law 10)."""
        await self._update(id_, notice_at=at or self._clock())

    async def set_patient(self, id_: str, patient_id: str | None) -> None:
        """The clinic's own id of this patient, once identity is established."""
        await self._update(id_, patient_id=patient_id)

    async def history(self, id_: str, after_seq: int = 0, limit: int | None = None) -> list[StoredMessage]:
        """The messages of a conversation after a sequence number, oldest first.

        With ``limit``, the newest that many of them.
        """
        check_id("conversation", id_)
        async with self._database.read() as conn:
            return await read_messages(conn, self._cipher, id_, after_seq=after_seq, limit=limit)

    async def _update(self, id_: str, **values: Any) -> None:
        check_id("conversation", id_)
        async with self._database.begin() as conn:
            done = await conn.execute(
                conversations.update()
                .where(conversations.c.id == id_)
                .values(updated_at=self._clock(), **values)
            )
            if done.rowcount == 0:
                raise UnknownRecord("conversation", id_)

    async def _by_digest(self, conn: AsyncConnection, channel: str, digest: str) -> Any:
        found = await conn.execute(
            sa.select(conversations).where(
                conversations.c.channel == channel, conversations.c.address_key == digest
            )
        )
        return found.first()

    def _digest(self, channel: str, address: str) -> str:
        if not 0 < len(address) <= MAX_ADDRESS_CHARS:
            raise BadValue("address", f"must be 1 to {MAX_ADDRESS_CHARS} characters")
        return self._cipher.lookup("address", channel, address)

    def _conversation(self, row: Any) -> Conversation:
        return Conversation(
            id=row.id,
            channel=row.channel,
            address=self._cipher.open(row.address_enc, record=row.id, column="conversations.address_enc"),
            lang=row.lang,
            state=State(row.state),
            owner_staff_id=row.owner_staff_id,
            patient_id=row.patient_id,
            consent_at=row.consent_at,
            notice_at=row.notice_at,
            discreet=row.discreet,
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_seq=row.last_seq,
        )


async def lock(conn: AsyncConnection, id_: str) -> Any:
    """The conversation's row, held against other writers until the transaction ends. First lock of all."""
    check_id("conversation", id_)
    row = (
        await conn.execute(sa.select(conversations).where(conversations.c.id == id_).with_for_update())
    ).first()
    if row is None:
        raise UnknownRecord("conversation", id_)
    return row
