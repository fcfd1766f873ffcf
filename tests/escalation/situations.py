"""Alarms to raise in tests: an emergency, an urgent one, and the words that must never be seen in clear."""

from __future__ import annotations

from dataclasses import replace

from bot.escalation.model import Alarm

CANARY = "zebra-canary 胸口压得喘不过气"

EMERGENCY = Alarm(
    message_id="",
    conversation_id="",
    level="emergency",
    words=CANARY,
    spans=[[0, 5]],
    assessment={
        "level": "emergency",
        "rules": [{"id": "RF001", "level": "emergency", "source": "NHS: chest pain", "spans": [[0, 5]]}],
        "findings": [{"id": "chest_pain", "status": "present", "span": [0, 5], "words": CANARY}],
        "ruleset": "sha256:abc",
    },
    reasons=[{"rule": "RF001", "level": "emergency", "reason": {"en": "It can be a heart attack."}}],
    summary={"background": CANARY},
    versions={"careline": "0.1.0"},
    lang="en",
)
URGENT = replace(
    EMERGENCY,
    level="urgent",
    assessment={
        "level": "urgent",
        "rules": [{"id": "RF050", "level": "urgent", "source": "NHS: fever", "spans": [[0, 5]]}],
        "findings": [],
        "ruleset": "sha256:abc",
    },
)


def about(alarm: Alarm, conversation: str, message: str, **kw: object) -> Alarm:
    """The alarm for a stored message of a conversation."""
    return replace(alarm, conversation_id=conversation, message_id=message, **kw)  # type: ignore[arg-type]
