"""Rasa custom actions that run in this process. One module per subject; :func:`all_actions` builds them."""

from __future__ import annotations

from bot.dialogue.actions.base import CarelineAction
from bot.dialogue.actions.booking import BOOKING_ACTIONS
from bot.dialogue.actions.callback import CALLBACK_ACTIONS
from bot.dialogue.actions.clinic import CLINIC_ACTIONS
from bot.dialogue.actions.people import PEOPLE_ACTIONS
from bot.dialogue.actions.privacy import PRIVACY_ACTIONS
from bot.dialogue.actions.questions import QUESTION_ACTIONS
from bot.dialogue.actions.symptoms import SYMPTOM_ACTIONS
from bot.dialogue.actions.talk import TALK_ACTIONS
from bot.dialogue.services import Services

ALL: tuple[type[CarelineAction], ...] = (
    *TALK_ACTIONS,
    *QUESTION_ACTIONS,
    *CLINIC_ACTIONS,
    *PEOPLE_ACTIONS,
    *PRIVACY_ACTIONS,
    *SYMPTOM_ACTIONS,
    *BOOKING_ACTIONS,
    *CALLBACK_ACTIONS,
)


def all_actions(services: Services) -> tuple[CarelineAction, ...]:
    """One instance of every action of the domain."""
    return tuple(action(services) for action in ALL)
