"""The handler of staff alerts: an outbox row becomes a live event for the open consoles.

Delivered at least once; the event carries the row's key so that a console can drop one it has shown. Ids,
level and codes only, never a patient's words (law 8): a console reads the rest where it is authorised to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.records.outbox import Handler

Publish = Callable[[dict[str, Any]], Awaitable[None]]

FIELDS = ("escalation", "conversation", "message", "level", "path", "kind", "status", "change", "tier", "at")
"""What an event may hold, whatever the row holds."""


def staff_alert_handler(publish: Publish) -> Handler:
    """The handler for topic ``staff_alert``; a ``publish`` that raises is tried again later."""

    async def deliver(_topic: str, key: str, payload: dict[str, Any]) -> None:
        event = {field: payload.get(field) for field in FIELDS}
        await publish({"type": "escalation", "id": key, **event})

    return deliver
