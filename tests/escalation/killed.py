"""A program that takes one emergency through the records and kills itself at a named point.

``python -m tests.escalation.killed URL KEYFILE LEDGER POINT``. The ledger gets a line for everything that
the outside world would have seen. Point ``nowhere`` lives to the end, as the restart does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.messages import Incoming, Reply, ReplyKind
from bot.records import inbox as inbox_module
from bot.records.audit import AuditLog
from bot.records.crypto import KeyFile
from bot.records.database import Database
from bot.records.messages import Decision
from bot.records.outbox import Outbox, OutboxWorker
from tests.escalation.situations import EMERGENCY, about
from tests.stores import START, Clock, build

POINTS = (
    "accepted",
    "raise: before the outbox row",
    "raise: before the commit",
    "raised",
    "complete: before the commit",
    "completed",
    "delivered",
)


def dies_at(point: str, here: str) -> None:
    """SIGKILL: no handler, no clean-up, no flush."""
    if point == here:
        os.kill(os.getpid(), signal.SIGKILL)


def mine(owner: Any, name: str, point: str, here: str, *, after: bool = False) -> None:
    """Let a step of the program die just before, or just after, it is done."""
    step: Callable[..., Any] = getattr(owner, name)

    async def stepping(*args: Any, **kw: Any) -> Any:
        if not after:
            dies_at(point, here)
        result = await step(*args, **kw)
        dies_at(point, here)
        return result

    setattr(owner, name, stepping)


async def main(url: str, keys: str, ledger: str, point: str) -> None:
    """One turn, from the message to the delivered alert."""
    mine(Outbox, "enqueue", point, "raise: before the outbox row")
    mine(AuditLog, "append", point, "raise: before the commit", after=True)
    mine(inbox_module, "store_decision", point, "complete: before the commit", after=True)
    mine(OutboxWorker, "_finish", point, "delivered")

    def world(line: str) -> None:
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    async def deliver(topic: str, key: str, _payload: dict[str, Any]) -> None:
        world(f"{topic} {key}")

    database = Database(url, KeyFile.load(Path(keys)))
    await database.start()
    stores = build(database, Clock())
    conversation = await stores.conversations.open("telegram", "1", "en")
    incoming = Incoming("telegram", conversation.id, EMERGENCY.words, "u1", received_at=START)
    accepted = await stores.inbox.accept(incoming)
    world("acknowledged")
    dies_at(point, "accepted")
    if not accepted.processed:
        reply = Reply("Call 999 now.", "en", ReplyKind.EMERGENCY, id=f"r_{accepted.message_id}")
        await stores.escalations.raise_(about(EMERGENCY, conversation.id, accepted.message_id), reply=reply)
        world(f"told {reply.id}")
        dies_at(point, "raised")
        decision = Decision.of(EMERGENCY.assessment)
        await stores.inbox.complete(accepted.message_id, [reply], push=True, decision=decision)
        dies_at(point, "completed")
    worker = stores.outbox.worker({"staff_alert": deliver, "reply": deliver}, name="w")
    await worker.recover()
    await worker.drain()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
