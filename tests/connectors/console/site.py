"""The console over the real services on a port of localhost: SQLite, escalations, staff, live events, outbox.

Nothing is replaced but the turn: tests say what a patient wrote and what the rules saw in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from bot.clinic import DEMO_CLINIC, load_clinic
from bot.desk import Desk, StaffDoor
from bot.door import Delivery
from bot.escalation.model import Alarm
from bot.escalation.notify import staff_alert_handler
from bot.escalation.service import Escalations
from bot.escalation.store import ALERT_TOPIC
from bot.live import Live
from bot.messages import Incoming, new_id
from bot.records.audit import AuditLog
from bot.records.conversations import Conversation, Conversations
from bot.records.crypto import KeyFile
from bot.records.database import Database
from bot.records.inbox import REPLY_TOPIC, Inbox
from bot.records.outbox import Outbox
from bot.records.staff import Role, StaffMember, StaffStore
from bot.sessions.events import LiveEvents
from connectors.console.server import Console
from connectors.console.throttle import Throttle

PASSWORD = "a long pass phrase"
CHEST = "😀 my chest feels tight and my left arm has gone numb"
CHEST_SPANS = ((5, 22), (30, 52))
"""Characters, not UTF-16 units: the face before them is one."""
CHEST_ZH = "😀我胸口很闷，左胳膊也麻了"
CHEST_ZH_SPANS = ((2, 6), (7, 13))


class StillClock:
    """Seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """Everything over one database. ``start`` before use, ``stop`` afterwards."""

    folder: Path
    heartbeat_s: float = 15.0
    clock: StillClock = field(default_factory=StillClock)

    async def start(self) -> Site:
        key = KeyFile.load_or_create(self.folder / "keys.json")
        self.database = Database(f"sqlite:///{self.folder / 'careline.sqlite3'}", key)
        await self.database.start()
        self.audit, self.outbox = AuditLog(key), Outbox(self.database)
        self.conversations = Conversations(self.database)
        self.inbox = Inbox(self.database, self.outbox)
        self.staff = StaffStore(self.database, self.audit)
        self.escalations = Escalations(self.database, self.outbox, self.audit)
        self.live = Live(LiveEvents())
        clinic = load_clinic(DEMO_CLINIC)
        self.delivery = Delivery(self.conversations, self.inbox, self.live, {})
        handlers = {REPLY_TOPIC: self.delivery, ALERT_TOPIC: staff_alert_handler(self.live.console)}
        self.worker = self.outbox.worker(handlers, name="test")
        self.working = asyncio.create_task(self.worker.run())
        self.console = Console(
            StaffDoor(self.staff),
            Desk(self.escalations, clinic, self._changed, self._name_of),
            self.live,
            clinic=clinic.name,
            secure_cookie=True,
            throttle=Throttle(self.clock),
            heartbeat_s=self.heartbeat_s,
        )
        app = web.Application()
        app.add_routes(self.console.routes())
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.url = f"http://127.0.0.1:{self.server.port}"
        return self

    async def stop(self) -> None:
        await self.console.close()
        await self.server.close()
        self.worker.stop()
        await self.working
        with contextlib.suppress(Exception):
            await self.database.close()

    @contextlib.contextmanager
    def records_away(self) -> Iterator[None]:
        """No connection can be had meanwhile; those in use end as they would."""
        engine, self.database._engine = self.database._engine, None
        yield
        self.database._engine = engine

    async def _changed(self, conversation: str, state: str, name: str | None) -> None:
        await self.live.state(conversation, state, name)
        await self.live.console({"type": "escalation", "conversation": conversation})

    async def _name_of(self, member: str) -> str:
        return (await self.staff.get(member)).name

    async def member(
        self, login: str = "mara", name: str | None = None, role: Role = Role.CLINICIAN
    ) -> StaffMember:
        return await self.staff.add(login, name or login.title(), PASSWORD, role)

    async def says(self, conversation: Conversation, text: str) -> str:
        """An accepted message; returns its stored id."""
        incoming = Incoming(conversation.channel, conversation.id, text, new_id("x"), lang=conversation.lang)
        return (await self.inbox.accept(incoming)).message_id

    async def alarm(
        self,
        text: str = CHEST,
        spans: Sequence[Sequence[int]] = CHEST_SPANS,
        *,
        level: str = "emergency",
        lang: str = "en",
        path: str | None = None,
        rules: Sequence[dict[str, Any]] | None = None,
        findings: Sequence[dict[str, Any]] = (),
        profile: dict[str, Any] | None = None,
        address: str | None = None,
    ) -> str:
        """A patient writes, a rule fires, it is committed. Returns the escalation's id."""
        conversation = await self.conversations.open("web", address or new_id("a"), lang)
        message = await self.says(conversation, text)
        reasons = [rule(level=level, spans=spans)] if rules is None else rules
        fired = [{"id": r["rule"], "level": r["level"], "source": r["source"]["name"]} for r in reasons]
        raised = await self.escalations.raise_(
            Alarm(
                message_id=message,
                conversation_id=conversation.id,
                level=level,
                words=text,
                assessment={
                    "level": level,
                    "rules": [*fired, {"id": "RF-low", "level": "routine", "source": "NHS: Cough"}],
                    "findings": list(findings),
                    "ruleset": "0123456789abcdef",
                },
                path=path,
                spans=spans,
                reasons=reasons,
                summary={"profile": profile or {}, "degraded": []},
                lang=lang,
            )
        )
        return raised.escalation_id


def rule(id_: str = "RF001", level: str = "emergency", **kw: Any) -> dict[str, Any]:
    """A rule that fired, as the turn records it."""
    return {
        "rule": id_,
        "level": level,
        "reason": kw.get("reason", {"en": "Chest tightness with a numb arm", "zh": "胸闷，同时手臂发麻"}),
        "source": {
            "name": kw.get("source", "NHS: Heart attack"),
            "url": "https://www.nhs.uk/",
            "date": "2026-01-01",
        },
        "review": "not_reviewed",
    }


class Browserless:
    """A member of staff over HTTP, with the cookie and the CSRF value that a page would hold."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = ClientSession(cookie_jar=CookieJar(unsafe=True, treat_as_secure_origin=site.url))
        self.csrf = ""

    async def log_in(self, login: str = "mara", password: str = PASSWORD) -> Browserless:
        status, body, _ = await self.ask("POST", "login", {"login": login, "password": password})
        assert status == 200, body
        self.csrf = body["csrf"]
        return self

    async def ask(
        self, method: str, path: str, body: Any = None, raw: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """(status, JSON, headers) of one request; ``**headers`` with underscores for dashes."""
        sent = {"X-CSRF-Token": self.csrf} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        options: dict[str, Any] = (
            {"data": raw} if raw is not None else {"json": body} if body is not None else {}
        )
        url = f"{self.site.url}/console/api/{path}"
        async with self.http.request(method, url, headers=sent, **options) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def close(self) -> None:
        await self.http.close()
