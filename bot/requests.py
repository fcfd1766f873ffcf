"""The dialogue's way to staff: requests for a person or a call, committed before anything is promised."""

from __future__ import annotations

from bot.dialogue.services import NotRecorded
from bot.escalation.model import DiscreetConversation
from bot.escalation.service import Escalations
from bot.records.errors import RecordsError


class StaffRequests:
    """:class:`bot.dialogue.services.Escalations` over the real escalations."""

    def __init__(self, escalations: Escalations) -> None:
        self._escalations = escalations

    async def request_person(
        self, conversation: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None:
        """Commit a request for a person; NotRecorded when that is not possible."""
        try:
            await self._escalations.request_person(
                conversation, message_id=message_id, lang=lang, reason=reason, summary=summary
            )
        except RecordsError as error:
            raise NotRecorded(type(error).__name__) from None

    async def request_callback(
        self, conversation: str, phone: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None:
        """Commit a request for a call; NotRecorded when that is not possible or would not be safe."""
        try:
            await self._escalations.request_callback(
                conversation, phone, message_id=message_id, lang=lang, reason=reason, summary=summary
            )
        except (RecordsError, DiscreetConversation) as error:
            raise NotRecorded(type(error).__name__) from None
