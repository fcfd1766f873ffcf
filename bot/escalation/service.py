"""Escalations as the rest of the program sees them: one object with the patient's and the staff's side.

    escalations = Escalations(database, outbox, audit)
    raised = await escalations.raise_(Alarm(message_id, conversation_id, level, words, assessment, …),
                                      reply=reply, push=False)          # Raised
    await escalations.request_person(conversation, message_id=…, reason="patient_asked", summary="…")
    await escalations.request_callback(conversation, phone, message_id=…, when="tomorrow morning")
    await escalations.patient_wrote(conversation, message_id)           # while staff are in control
    await escalations.queue() / item(id) / detail(id, reader=staff) / seen(conversation)
    await escalations.claim(id, staff) / acknowledge / take_over / release / hand_back / close(id, staff, reason)
    await escalations.staff_reply(conversation, staff, text, request_id=…) / note(id, staff, text)

States of a conversation: bot → waiting (raised) → staff (claimed) → bot (handed back or closed).
"""

from __future__ import annotations

from bot.escalation.desk import Desk
from bot.escalation.intake import Intake

__all__ = ["Escalations"]


class Escalations(Intake, Desk):
    """Takes in what patients need of staff, and lets staff work it off."""
