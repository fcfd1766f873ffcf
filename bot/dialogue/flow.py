"""What a guided flow (symptom check, booking) gives back after each message. No Rasa, no storage in here.

A flow keeps nothing between messages: everything it needs next time is in ``Step.state``, plain JSON
that the dialogue stores with the conversation and hands back with the next message.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.messages import Reply

State = dict[str, Any]
"""JSON only: text, numbers, true/false, null, lists and maps with text keys."""


class Level(enum.StrEnum):
    """How soon care is needed; the same words as the triage rules use. Ordered by :data:`RANK`."""

    NONE = "none"
    SELF_CARE = "self_care"
    ROUTINE = "routine"
    URGENT = "urgent"
    EMERGENCY = "emergency"


RANK: Mapping[str, int] = {level.value: rank for rank, level in enumerate(Level)}


def highest(*levels: str | None) -> str:
    """The most urgent of the levels named; unknown names and None count as ``none``."""
    return (
        max((level for level in levels if level in RANK), key=lambda x: RANK[x or ""], default="none") or ""
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a symptom check came to.

    ``reasons``, ``advice`` and ``come_back`` are sentences in the patient's language; ``summary_for_staff`` is
    a patient-reported SBAR note in the clinic's first language (and the patient's, where it differs).
    ``offer_booking`` is ``"routine"``, ``"urgent"`` or None.
    """

    level: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    come_back: tuple[str, ...]
    summary_for_staff: str
    offer_booking: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a flow.

    ``screened`` names the concept ids that the question asks for, so that "both" or 都有 can be read as
    findings next time. ``understood`` is False where the message was about something else: then ``state`` is
    unchanged in meaning and ``replies`` is empty, the dialogue answers it and calls ``ask_again``.
    """

    state: State
    replies: tuple[Reply, ...]
    screened: tuple[str, ...] = ()
    done: bool = False
    understood: bool = True
    outcome: Outcome | None = None


def not_understood(state: State, screened: tuple[str, ...] = ()) -> Step:
    """The message is not an answer to what was asked: nothing said, nothing lost."""
    return Step(state=state, replies=(), screened=screened, understood=False)
