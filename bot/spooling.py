"""The turn's spool over the escalations' file: what SQL could not take is kept here and written later, once."""

from __future__ import annotations

import logging

from bot.escalation.spool import Replayer, Spool, spooled
from bot.messages import Reply
from bot.records.errors import RecordsUnavailable
from bot.turn_ports import Escalation
from bot.turn_store import SqlStore

log = logging.getLogger("careline.spool")


class TurnSpool:
    """:class:`bot.turn.Spool`, and its replay."""

    def __init__(self, spool: Spool, store: SqlStore, replayer: Replayer) -> None:
        self._spool, self._store, self._replayer = spool, store, replayer

    async def append(self, escalation: Escalation, reply: Reply | None) -> None:
        """Keep an escalation, with what the patient was told. Raises OSError when the disk refuses."""
        incoming = escalation.incoming
        address = (incoming.channel, incoming.conversation, incoming.lang)
        record = spooled(incoming, self._store.alarm(escalation), reply=reply, address=address)
        await self._spool.append(record)

    async def waiting(self) -> int:
        """How many escalations wait for SQL."""
        return await self._spool.waiting()

    async def replay(self) -> int:
        """Write what waits into SQL; 0 while SQL is still away."""
        if not await self._spool.waiting():
            return 0
        try:
            return await self._spool.replay(self._replayer)
        except RecordsUnavailable:
            log.warning("spool not replayed: the records are still away")
            return 0
