"""The composition root: the only place where real parts are built and joined.

Everything else takes its parts as arguments. Reading :func:`build` top to bottom shows what the assistant is made
of; :class:`Careline` starts the parts in order, reports how long each took, and ends them in reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.answering import CitedAnswers
from bot.appointments.service import Calendar
from bot.clinic import DEMO_CLINIC, Clinic, load_clinic
from bot.desk import Desk, StaffDoor
from bot.dialogue.booking import Booking
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.services import Services
from bot.dialogue.symptom_check import SymptomCheck
from bot.dialogue.types import Dialogue
from bot.door import Buttons, Delivery, Door
from bot.escalation.deadlines import DeadlineJob
from bot.escalation.notify import staff_alert_handler
from bot.escalation.service import Escalations
from bot.escalation.spool import Replayer, Spool
from bot.generator_child import generator
from bot.live import Live
from bot.memory import RedisMemories
from bot.messages import now_utc
from bot.metrics import Metrics
from bot.records.audit import AuditLog
from bot.records.buttons import ButtonTokens
from bot.records.conversations import Conversations
from bot.records.crypto import Cipher, KeyFile
from bot.records.database import Database
from bot.records.errors import RecordsUnavailable
from bot.records.inbox import REPLY_TOPIC, Inbox
from bot.records.outbox import Outbox, OutboxWorker
from bot.records.staff import StaffStore
from bot.requests import StaffRequests
from bot.second_look import SecondLook
from bot.sessions.cases import CaseStore
from bot.sessions.connection import Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.events import LiveEvents
from bot.sessions.locks import ConversationLocks
from bot.settings import Settings
from bot.spooling import TurnSpool
from bot.stateless import StatelessReplies
from bot.suspicion.aside import Aside
from bot.suspicion.encoder import reader_encoder
from bot.suspicion.reader import load_reader
from bot.texts import Texts
from bot.triage.engine import load_engine
from bot.triage.suspicion import load_suspicion_rules
from bot.triage_reader import TriageReader
from bot.triage_reply import TriageReplies
from bot.turn import Turn
from bot.turn_ports import MemoryAway
from bot.turn_store import SqlStore
from connectors.base import Connector
from connectors.console.server import Console
from connectors.delivery import MemoryOutbox
from connectors.limits import RateLimiter
from connectors.rest import RestConnector
from connectors.socketio import SocketIOConnector
from connectors.telegram import TelegramConnector
from connectors.telegram_api import TelegramApi
from connectors.tokens import SignedTokens
from connectors.turns import Gate
from connectors.web.widget import WebConnector
from connectors.webio import peer_address
from generation.encoder import MiniLmEncoder

log = logging.getLogger("careline")
ALERT_TOPIC = "staff_alert"


class StartError(Exception):
    """The assistant cannot start. The message names what is wrong and how to mend it."""


@dataclass
class Careline:
    """The joined parts. ``start`` and ``close`` are called once each; ``took`` tells where starting went."""

    settings: Settings
    clinic: Clinic
    database: Database
    sessions: Sessions
    embedded_redis: EmbeddedRedis | None
    dialogue: Dialogue
    second: Aside
    turn: Turn
    door: Door
    staff: StaffStore
    conversations: Conversations
    inbox: Inbox
    outbox: Outbox
    escalations: Escalations
    calendar: Calendar
    spool: TurnSpool
    events: LiveEvents
    answers: CitedAnswers
    worker: OutboxWorker
    deadlines: DeadlineJob
    connectors: tuple[Connector, ...]
    metrics: Metrics
    took: dict[str, float] = field(default_factory=dict)
    began: dt.datetime = field(default_factory=now_utc)
    _jobs: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, progress: Callable[[str, float], None] = lambda name, seconds: None) -> None:
        """Open the parts in order; ``progress`` hears each part's name and seconds."""
        steps: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("records", self.database.start),
            ("sessions", self._start_sessions),
            ("spool", self._replay),
            ("second reader", self.second.start),
            ("dialogue", self.dialogue.start),
            ("answers", self.answers.start),
        ]
        steps += [(connector.name, connector.start) for connector in self.connectors]
        for name, step in steps:
            began = time.perf_counter()
            await step()
            self.took[name] = time.perf_counter() - began
            progress(name, self.took[name])
        self._jobs = [
            asyncio.create_task(self.worker.run(), name="outbox"),
            asyncio.create_task(self.deadlines.run(), name="deadlines"),
            asyncio.create_task(self._keep_house(), name="housekeeping"),
            asyncio.create_task(self._resume(), name="resume"),
        ]

    async def close(self) -> None:
        """Finish what is in hand and let go of everything, in reverse order."""
        for connector in reversed(self.connectors):
            await connector.close()
        self.worker.stop()
        self.deadlines.stop()
        for job in self._jobs[2:]:
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=10)
        await self.dialogue.close()
        await self.second.close()
        await self.answers.close()
        await self.events.close()
        await self.sessions.close()
        if self.embedded_redis is not None:
            await self.embedded_redis.stop()
        await self.database.close()

    def details(self) -> dict[str, str]:
        """What operators should know of parts that may be missing while everything else answers."""
        return {"second_reader": self.second.state}

    async def ready(self) -> dict[str, bool]:
        """What answers now, by part."""
        records, sessions = await asyncio.gather(self.database.healthy(), self.sessions.ping())
        return {"records": records, "sessions": sessions, "dialogue": self.dialogue.healthy()}

    async def _start_sessions(self) -> None:
        if self.embedded_redis is not None:
            await self.embedded_redis.start()
        await self.events.start()

    async def _replay(self) -> None:
        replayed = await self.spool.replay()
        if replayed:
            log.warning("spooled escalations written to the records: %d", replayed)

    async def _keep_house(self) -> None:
        """What has to happen now and then: the spool is tried again, ended holds are let go."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._replay()
            with contextlib.suppress(RecordsUnavailable):
                await self.calendar.expire()

    async def _resume(self) -> None:
        """Answer what a crash cut off; push channels get it from the outbox, widgets from their history."""
        count = await self.turn.resume(lambda incoming: SilentSink(), before=self.began)
        if count:
            log.warning("turns finished after a restart: %d", count)


HOUSEKEEPING_S = 2.0
"""How often an escalation that could not be written is tried again, and ended holds are let go."""


class SilentSink:
    """For turns finished after a restart: the record keeps what is said, and nobody is connected yet."""

    async def reply(self, reply: Any) -> None:
        """Nothing: the reply is stored by the turn."""

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """Nothing."""


def build(settings: Settings) -> Careline:
    """Join every part according to the settings. Opens files that must be readable; connects to nothing.

    Raises:
        ClinicFileError, KeyFileError, LexiconError: each with a sentence for the operator.
    """
    clinic = load_clinic(settings.clinic or DEMO_CLINIC)
    settings.data.mkdir(parents=True, exist_ok=True)
    texts = Texts()
    versions = {"careline": version("careline")}

    # records
    cipher = KeyFile.load_or_create(settings.key_path)
    database = Database(settings.database_url or settings.sqlite_url, cipher)
    audit = AuditLog(cipher, anchor=settings.data / "audit.anchor")
    outbox = Outbox(database)
    conversations = Conversations(database)
    inbox = Inbox(database, outbox)
    staff = StaffStore(database, audit)
    escalations = Escalations(database, outbox, audit)
    calendar = Calendar(database, clinic)

    # sessions
    embedded = None if settings.redis_url else EmbeddedRedis(settings.data / "redis")
    sessions = Sessions(settings.redis_url or _embedded(embedded).url)
    locks = ConversationLocks(sessions)
    events = LiveEvents(sessions, cipher)
    live = Live(events)
    memories = RedisMemories(CaseStore(sessions, cipher))

    # the rule layer
    reader = TriageReader(load_engine(cache_dir=settings.data / "cache"), clinic.languages)
    replies = TriageReplies(texts, clinic)

    # answers and dialogue
    encoder = MiniLmEncoder() if settings.encoder else None
    answers = CitedAnswers(
        settings.data / "knowledge",
        generator(settings),
        encoder=encoder,
        vectors=settings.data / "cache",
        shipped=settings.models,
    )
    dialogue = _dialogue(settings, cipher, sessions, locks, clinic, texts, answers, escalations, calendar)

    # the second reader, beside the rules; it may be missing
    second = Aside(
        lambda: load_reader(
            settings.models,
            reader_encoder(settings.reader_encoder, wanted=settings.encoder, shared=encoder),
            settings.data / "cache",
        )
    )

    # the turn
    push = ("telegram",) if settings.telegram_token else ()
    store = SqlStore(conversations, inbox, escalations, push_channels=push, versions=versions)
    spool = TurnSpool(
        Spool(settings.data / "spool.jsonl", cipher), store, Replayer(conversations, inbox, escalations)
    )
    turn = Turn(
        reader=reader,
        store=store,
        spool=spool,
        memories=memories,
        locks=locks,
        dialogue=dialogue,
        stateless=StatelessReplies(texts, replies),
        replies=replies,
        live=live,
        second=SecondLook(second, load_suspicion_rules(), texts, replies),
        push_channels=push,
    )
    metrics = Metrics()
    door = Door(turn, conversations, inbox, metrics)

    # the edges
    gate = Gate(
        door,
        conversations=RateLimiter(settings.messages_per_s, settings.messages_burst),
        addresses=RateLimiter(settings.address_per_s, settings.address_burst),
    )
    address_of = behind(settings.proxies)
    tokens = SignedTokens([bytes.fromhex(cipher.mac("conversation-tokens", b"v1"))])
    telegram = _telegram(settings, door, Buttons(ButtonTokens(database)), clinic, texts)
    desk = _desk(escalations, clinic, live, staff, memories)
    connectors: list[Connector] = [
        WebConnector(
            door,
            live,
            tokens,
            clinic,
            origins=settings.allowed_origins,
            public_url=settings.public_url or "",
            gate=gate,
            address_of=address_of,
        ),
        RestConnector(
            door,
            tokens,
            languages=clinic.languages,
            api_key=settings.rest_key.get_secret_value() if settings.rest_key else None,
            origins=settings.allowed_origins,
            public_url=settings.public_url or "",
            gate=gate,
            address_of=address_of,
        ),
        SocketIOConnector(
            door,
            live,
            tokens,
            clinic,
            texts,
            origins=settings.allowed_origins,
            public_url=settings.public_url or "",
            gate=gate,
            address_of=address_of,
        ),
        Console(
            StaffDoor(staff),
            desk,
            live,
            clinic=clinic.name,
            secure_cookie=(settings.public_url or "").startswith("https://"),
        ),
    ]
    senders: dict[str, Any] = {}
    if telegram is not None:
        connectors.append(telegram)
        senders[telegram.name] = telegram.sender
    delivery = Delivery(conversations, inbox, live, senders)
    worker = outbox.worker(
        {REPLY_TOPIC: delivery, ALERT_TOPIC: staff_alert_handler(live.console)}, name="main"
    )
    return Careline(
        settings=settings,
        clinic=clinic,
        database=database,
        sessions=sessions,
        embedded_redis=embedded,
        dialogue=dialogue,
        second=second,
        turn=turn,
        door=door,
        staff=staff,
        conversations=conversations,
        inbox=inbox,
        outbox=outbox,
        escalations=escalations,
        calendar=calendar,
        spool=spool,
        events=events,
        answers=answers,
        worker=worker,
        deadlines=DeadlineJob(escalations, clinic),
        connectors=tuple(connectors),
        metrics=metrics,
    )


def _embedded(redis: EmbeddedRedis | None) -> EmbeddedRedis:
    if redis is None:
        raise StartError("neither an embedded Redis nor CARELINE_REDIS_URL")
    return redis


def _dialogue(
    settings: Settings,
    cipher: Cipher,
    sessions: Sessions,
    locks: ConversationLocks,
    clinic: Clinic,
    texts: Texts,
    answers: CitedAnswers,
    escalations: Escalations,
    calendar: Calendar,
) -> Dialogue:
    """Rasa is imported here, late: five seconds that nothing but serving has to pay."""
    from bot.dialogue.engine import RasaDialogue
    from bot.dialogue.train import ARCHIVE
    from bot.sessions.tracker_store import CarelineTrackerStore

    services = Services(
        clinic=clinic,
        texts=texts,
        answerer=answers,
        escalations=StaffRequests(escalations),
        symptom_check=SymptomCheck(load_protocols(), texts, clinic),
        booking=Booking(calendar, clinic, texts, now_utc),
        clock=now_utc,
    )
    return RasaDialogue(settings.models / ARCHIVE, CarelineTrackerStore(sessions, cipher), locks, services)


def _telegram(
    settings: Settings, door: Door, buttons: Buttons, clinic: Clinic, texts: Texts
) -> TelegramConnector | None:
    """The connector where a bot token is set. Replies go out of the durable outbox; the one in memory carries
    what has to be said while SQL is away."""
    if settings.telegram_token is None:
        return None
    if settings.telegram_secret is None:
        raise StartError("CARELINE_TELEGRAM_SECRET is missing: without it anyone could pose as Telegram")
    fallback = MemoryOutbox()
    connector = TelegramConnector(
        door,
        fallback,
        buttons,
        TelegramApi(settings.telegram_token.get_secret_value(), base_url=settings.telegram_api),
        clinic,
        texts,
        secret=settings.telegram_secret.get_secret_value(),
        public_url=settings.public_url or "",
    )
    fallback.register(connector.name, connector.sender)
    return connector


def _desk(
    escalations: Escalations, clinic: Clinic, live: Live, staff: StaffStore, memories: RedisMemories
) -> Desk:
    async def changed(conversation: str, state: str, name: str | None) -> None:
        if state == "bot":
            with contextlib.suppress(MemoryAway):
                await memories.save(conversation, replace(await memories.load(conversation), handled=True))
        await live.state(conversation, state, name)
        await live.console({"type": "escalation", "conversation": conversation})

    async def name_of(member: str) -> str:
        return (await staff.get(member)).name

    return Desk(escalations, clinic, changed, name_of)


def describe(took: Mapping[str, float], order: Sequence[str] | None = None) -> str:
    """One line per part: how long it took to start."""
    names = order or tuple(took)
    return "\n".join(f"  {name:12}{took[name]:6.2f} s" for name in names)


def behind(proxies: int) -> Callable[[web.Request], str]:
    """Whose address a request comes from, with so many proxies of our own in front: each appends the address
    that it saw, so the one that ours saw is counted from the end; what the caller wrote before is not believed.
    """
    if proxies == 0:
        return peer_address

    def address(request: web.Request) -> str:
        seen = [
            part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
        ]
        return seen[-proxies] if len(seen) >= proxies else peer_address(request)

    return address


def worker_name(data: Path) -> str:
    """Stable over restarts of this installation, different for others that share its database."""
    place = f"{socket.gethostname()}:{data.resolve()}"
    return f"worker-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
