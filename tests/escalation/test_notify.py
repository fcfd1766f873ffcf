"""Consoles hear of a change with ids and codes only, at least once, in order, also after an outage."""

from __future__ import annotations

import json
from typing import Any

from bot.escalation.notify import FIELDS, staff_alert_handler
from bot.records.outbox import Backoff
from tests.escalation.situations import EMERGENCY, about
from tests.stores import Stores


async def test_events_arrive_in_order_without_a_word_of_the_patient(stores: Stores) -> None:
    events: list[dict[str, Any]] = []
    failures = [ConnectionError("redis is away")]

    async def publish(event: dict[str, Any]) -> None:
        if failures:
            raise failures.pop()
        events.append(event)

    worker = stores.outbox.worker({"staff_alert": staff_alert_handler(publish)}, backoff=Backoff(base=1))
    conversation, member = await stores.conversation(), await stores.member()
    message = await stores.message(conversation)
    raised = await stores.escalations.raise_(about(EMERGENCY, conversation.id, message, path="crisis"))
    await worker.drain()
    await stores.escalations.claim(raised.escalation_id, member)
    await worker.drain()
    assert events == []  # the first one is tried again first
    stores.clock.pass_(seconds=2)
    await worker.drain()
    assert [event["change"] for event in events] == ["created", "claimed"]
    assert events[0] == {
        "type": "escalation",
        "id": f"triage:{message}",
        "escalation": raised.escalation_id,
        "conversation": conversation.id,
        "message": message,
        "level": "emergency",
        "path": "crisis",
        "kind": "triage",
        "status": "open",
        "change": "created",
        "tier": "duty",
        "at": "2026-11-23T09:00:00+00:00",
    }
    assert "canary" not in json.dumps(events)


async def test_whatever_a_row_holds_only_known_fields_are_published() -> None:
    events: list[dict[str, Any]] = []

    async def publish(event: dict[str, Any]) -> None:
        events.append(event)

    await staff_alert_handler(publish)("staff_alert", "k", {"level": "urgent", "words": "canary"})
    assert set(events[0]) == {"type", "id", *FIELDS}
    assert "canary" not in json.dumps(events)
