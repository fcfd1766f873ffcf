"""A whole dialogue room around the real model: real Redis, real flows, a real calendar; staff and articles as fakes.

``World.say`` sends one patient message with its real findings and gives back what was said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.appointments.service import Calendar
from bot.clinic import load_clinic
from bot.dialogue.booking import Booking
from bot.dialogue.engine import RasaDialogue
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.services import AnswerUnavailable, NotRecorded, OnPartial, Services
from bot.dialogue.symptom_check import SymptomCheck
from bot.dialogue.types import DialogueTurn
from bot.messages import Citation, Reply, ReplyKind
from bot.records.crypto import Cipher
from bot.sessions.connection import Sessions
from bot.sessions.locks import ConversationLocks
from bot.sessions.tracker_store import CarelineTrackerStore
from bot.texts import Texts
from bot.triage.case import Case
from bot.triage.engine import default_engine
from bot.triage_reader import reply_language
from tests.dialogue.model import trained_model

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
"""A Monday on which the demo clinic is open and its nurse on duty."""
NIGHT = dt.datetime(2026, 11, 23, 23, 0, tzinfo=dt.UTC)


@dataclass
class Sink:
    """What the patient was shown, in order."""

    replies: list[Reply] = field(default_factory=list)
    partials: list[tuple[str, str]] = field(default_factory=list)

    async def reply(self, reply: Reply) -> None:
        self.replies.append(reply)

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        self.partials.append((reply_id, text))

    @property
    def texts(self) -> list[str]:
        return [r.text for r in self.replies]

    @property
    def spoken(self) -> list[Reply]:
        """Without the notice of the first turn."""
        return [r for r in self.replies if r.kind is not ReplyKind.NOTICE]


class Staff:
    """Records what was asked of staff; ``down`` makes the commit fail."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}
        self.calls: dict[str, str] = {}
        self.down = False

    async def request_person(
        self, conversation: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None:
        if self.down:
            raise NotRecorded
        self.people.setdefault(message_id, reason)

    async def request_callback(
        self, conversation: str, phone: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None:
        if self.down:
            raise NotRecorded
        self.calls.setdefault(message_id, phone)


@dataclass(frozen=True)
class Answer:
    text: str = "Rinse your nose with salt water."
    citations: tuple[Citation, ...] = (Citation("a1", "Hay fever", "https://example.org/hay", "Rinse."),)
    abstained: bool = False
    backend: str = "passages"


class Articles:
    """Knows about hay fever in both languages, abstains on everything else."""

    def __init__(self) -> None:
        self.down = False
        self.questions: list[str] = []

    async def __call__(
        self,
        question: str,
        lang: str,
        findings: Sequence[Mapping[str, Any]],
        level: str,
        facts: Mapping[str, str],
        on_partial: OnPartial,
    ) -> Answer:
        self.questions.append(question)
        if self.down:
            raise AnswerUnavailable
        if "hay fever" not in question and "花粉" not in question:
            return Answer(text="", citations=(), abstained=True)
        await on_partial("Rinse your nose")
        return Answer()


class World:
    """One dialogue room. ``now`` is its clock."""

    def __init__(self, sessions: Sessions, calendar: Calendar | None = None, **services: Any) -> None:
        self.now = NOON
        self.staff, self.articles = Staff(), Articles()
        self.clinic, self.texts = load_clinic(), Texts()
        self.calendar = calendar
        self.store = CarelineTrackerStore(sessions, Cipher({"k": b"1" * 32}, "k", b"r" * 32))
        clock = self.clock
        given: dict[str, Any] = {
            "clinic": self.clinic,
            "texts": self.texts,
            "answerer": self.articles,
            "escalations": self.staff,
            "symptom_check": SymptomCheck(load_protocols(), self.texts, self.clinic, clock=clock),
            "booking": Booking(calendar, self.clinic, self.texts, clock) if calendar else None,
            "clock": clock,
        }
        self.services = Services(**{**given, **services})
        self.dialogue = RasaDialogue(trained_model(), self.store, ConversationLocks(sessions), self.services)
        self._engine = default_engine()
        self._cases: dict[str, Case] = {}
        self._langs: dict[str, str] = {}
        self._count = 0
        self.last: DialogueTurn | None = None

    def clock(self) -> dt.datetime:
        return self.now

    async def say(
        self,
        text: str,
        *,
        lang: str | None = None,
        conversation: str = "c_1",
        message_id: str | None = None,
        already_said: Sequence[str] = (),
        **changes: Any,
    ) -> Sink:
        """One message, with the triage that the turn would have made."""
        self._count += 1
        lang = lang or reply_language(text, None, ("en", "zh"), self._langs.get(conversation))
        self._langs[conversation] = lang
        case = self._cases.get(conversation, Case())
        case, assessment = self._engine.turn(case, text, float(self._count), lang, ())
        self._cases[conversation] = case
        told = assessment.to_json()
        for rule, hit in zip(told["rules"], assessment.hits, strict=True):
            rule["reason"] = dict(hit.reason)
        sink = Sink()
        turn = DialogueTurn(
            conversation=conversation,
            message_id=message_id or f"m{self._count}",
            text=text,
            lang=lang,
            assessment=told,
            findings=[f.to_json() for f in assessment.findings],
            case=case.to_json(),
            already_said=frozenset(already_said),
        )
        self.last = replace(turn, **changes)
        await self.dialogue.handle(self.last, sink)
        return sink

    def emergency(self, text: str, conversation: str = "c_1") -> bool:
        """Whether triage would answer this message itself, over the case so far."""
        case = self._cases.get(conversation, Case())
        lang = self._langs.get(conversation, "en")
        assessment = self._engine.turn(case, text, float(self._count + 1), lang, ())[1]
        return assessment.level.code == "emergency" and assessment.fresh

    async def intent(self, conversation: str = "c_1") -> str | None:
        """What the last message was understood as."""
        tracker = await self.store.retrieve(conversation)
        assert tracker is not None and tracker.latest_message is not None
        return tracker.latest_message.intent.get("name")

    async def form(self, conversation: str = "c_1") -> str | None:
        """The form that is running."""
        tracker = await self.store.retrieve(conversation)
        return tracker.active_loop_name if tracker else None
