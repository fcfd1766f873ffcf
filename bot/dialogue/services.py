"""What the dialogue's actions need from the other rooms, as one frozen value. Built by ``bot/app.py`` only.

Protocols, not imports: the actions can be run against any part that keeps these promises. Errors that an action
can answer honestly are typed here; the composition root translates the other rooms' errors into them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.clinic import Clinic
from bot.dialogue.flow import State, Step
from bot.messages import Citation
from bot.texts import Texts

Findings = Sequence[Mapping[str, Any]]
OnPartial = Callable[[str], Awaitable[None]]


class NotRecorded(Exception):
    """A request for staff could not be committed. The patient is told so, with the phone number instead."""


class AnswerUnavailable(Exception):
    """Neither the generator nor the passages can be asked now."""


class Answered(Protocol):
    """An answer that has passed the guard. ``citations`` is empty only when ``abstained``."""

    @property
    def text(self) -> str: ...
    @property
    def citations(self) -> Sequence[Citation]: ...
    @property
    def abstained(self) -> bool: ...
    @property
    def backend(self) -> str: ...


class Answerer(Protocol):
    """Answers a free question. ``facts`` are the clinic's own facts; ``on_partial`` gets the checked text so far."""

    async def __call__(
        self,
        question: str,
        lang: str,
        findings: Findings,
        level: str,
        facts: Mapping[str, str],
        on_partial: OnPartial,
    ) -> Answered:
        """Raises AnswerUnavailable."""


class Escalations(Protocol):
    """Commits requests for staff. Both return only after the commit and raise NotRecorded where it failed.

    ``message_id`` makes both idempotent: the same message asks once. ``reason`` is a code, never patient text;
    ``summary`` is for staff and is stored encrypted.
    """

    async def request_person(
        self, conversation: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None: ...

    async def request_callback(
        self, conversation: str, phone: str, *, lang: str, message_id: str, reason: str, summary: str
    ) -> None: ...


class SymptomFlow(Protocol):
    """The symptom check: pure, JSON state in and out."""

    def start(
        self,
        findings: Findings,
        profile: Mapping[str, Any],
        case: Mapping[str, Any],
        lang: str,
        level: str | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
        text: str = "",
    ) -> Step: ...

    def answer(
        self,
        state: State,
        text: str,
        findings: Findings,
        profile: Mapping[str, Any],
        lang: str,
        intent: str | None = None,
        level: str | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
    ) -> Step: ...

    def ask_again(self, state: State, lang: str) -> Step: ...


class BookingFlow(Protocol):
    """Booking, moving, cancelling and listing appointments."""

    async def start(
        self,
        conversation: str,
        lang: str,
        level: str | None = None,
        findings: Sequence[Mapping[str, Any] | str] = (),
        text: str = "",
        profile: Mapping[str, Any] | None = None,
    ) -> Step: ...

    async def answer(
        self, state: State, text: str, lang: str, intent: str | None = None, level: str | None = None
    ) -> Step: ...

    async def ask_again(self, state: State, lang: str) -> Step: ...

    async def list(self, conversation: str, lang: str) -> Step: ...

    async def cancel_start(self, conversation: str, lang: str, text: str = "") -> Step: ...

    async def move_start(self, conversation: str, lang: str, text: str = "") -> Step: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that actions use. ``clock`` returns the current instant, aware."""

    clinic: Clinic
    texts: Texts
    answerer: Answerer
    escalations: Escalations
    symptom_check: SymptomFlow
    booking: BookingFlow
    clock: Callable[[], dt.datetime]
