"""What every action shares: the AI notice before the first reply, urgent reasons, and the way back into a form.

An action says things through a :class:`Talk`. After an action that interrupted a form, the form's question is
asked again here, in one place, so that no action has to know which form it interrupted.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action

from bot.dialogue import scope as scopes
from bot.dialogue.flow import Step
from bot.dialogue.scope import TurnScope, language, reply_to_json
from bot.dialogue.services import Services
from bot.dialogue.triage_view import TriageView
from bot.messages import Button, Citation, PhoneLink, Reply, ReplyKind

SYMPTOM_FORM = "symptom_check_form"
BOOKING_FORM = "booking_form"
CALLBACK_FORM = "callback_form"
FORMS = (SYMPTOM_FORM, BOOKING_FORM, CALLBACK_FORM)
LISTEN = "action_listen"
MENU = ("symptom", "book", "question", "person")


class Talk:
    """One action speaking: the running turn, the tracker's slots, and the events that the action leaves."""

    def __init__(self, services: Services, dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
        self.services = services
        self.scope: TurnScope = scopes.current()
        self.turn = self.scope.turn
        self.tracker = tracker
        self.events: list[EventType] = []
        self._slots: dict[str, Any] = dict(tracker.slots)
        self._dispatcher = dispatcher
        self.lang = language(self.turn, self.slot("lang"))
        self.triage = TriageView(self.turn.assessment, self.lang)

    def slot(self, name: str) -> Any:
        """A slot's value, with what this action has set so far."""
        return self._slots.get(name)

    def set(self, name: str, value: Any) -> None:
        """Set a slot when the action ends."""
        self._slots[name] = value
        self.events.append(SlotSet(name, value))

    def follow(self, action: str) -> None:
        """Let this action or form run next, whatever the policies predict."""
        self.events.append(FollowupAction(action))

    @property
    def intent(self) -> str | None:
        """The intent of the message that is being answered."""
        name = (self.tracker.latest_message.get("intent") or {}).get("name")
        return str(name) if name else None

    @property
    def form(self) -> str | None:
        """The form that is running, if any."""
        name = self.tracker.active_loop.get("name") if self.tracker.active_loop else None
        return str(name) if name in FORMS else None

    def text(self, key: str, **fields: object) -> str:
        """A sentence in the patient's language; of its variants (``key``, ``key_2``, …) one not just said."""
        texts, known = self.services.texts, self.services.texts.keys(self.lang)
        keys = [key, *(k for n in range(2, 6) if (k := f"{key}_{n}") in known)]
        sentences = [texts(k, self.lang, **fields) for k in keys]
        last = self._last_text()
        start = len(self.tracker.events) % len(sentences) if len(sentences) > 1 and last in sentences else 0
        rotated = sentences[start:] + sentences[:start]
        return next((s for s in rotated if s != last), rotated[0])

    async def say(
        self,
        key: str,
        *,
        kind: ReplyKind = ReplyKind.TEXT,
        buttons: Iterable[Button] = (),
        citations: Iterable[Citation] = (),
        phones: Iterable[PhoneLink] = (),
        **fields: object,
    ) -> None:
        """Say one fixed sentence."""
        await self.reply(
            Reply(
                text=self.text(key, **fields),
                lang=self.lang,
                kind=kind,
                buttons=tuple(buttons),
                citations=tuple(citations),
                phones=tuple(phones),
            )
        )

    async def reply(self, reply: Reply) -> None:
        """Say a finished reply; the notice goes first where it has not been given. Never the same twice."""
        if not self.scope.noticed and not self.slot("notice_given") and not self.turn.already_said:
            await self._notice()
        if reply.text == self._last_text():
            lead = self.services.texts("common.once_more", self.lang)
            reply = replace(
                reply, text=f"{lead} {reply.text}" if self.lang == "en" else f"{lead}{reply.text}"
            )
        self.record(await self.scope.say(reply))

    def record(self, reply: Reply) -> None:
        """Keep in the tracker what was said."""
        self._dispatcher.utter_message(json_message={"reply": reply_to_json(reply, self.turn.message_id)})

    async def steps(self, step: Step) -> None:
        """Say what a flow wants said."""
        for reply in step.replies:
            await self.reply(reply)

    def button(self, key: str, payload: str) -> Button:
        """A quick reply whose title is the sentence ``button.<key>`` of ``common``."""
        return Button(self.services.texts(f"common.button_{key}", self.lang), payload)

    def menu(self) -> tuple[Button, ...]:
        """The four things that patients come for."""
        payloads = {
            "symptom": "/report_symptom",
            "book": "/book_appointment",
            "question": "/help",
            "person": "/talk_to_human",
        }
        return tuple(self.button(name, payloads[name]) for name in MENU)

    def clinic_phone(self) -> PhoneLink:
        """The clinic's own number."""
        clinic = self.services.clinic
        return PhoneLink(self.services.texts("common.call_clinic", self.lang), clinic.phone)

    async def _notice(self) -> None:
        self.scope.noticed = True
        self.set("notice_given", True)
        texts, clinic = self.services.texts, self.services.clinic
        notice = Reply(
            text=texts(
                "consent.notice",
                self.lang,
                clinic=clinic.local(clinic.name, self.lang),
                emergency=clinic.numbers.emergency,
            ),
            lang=self.lang,
            kind=ReplyKind.NOTICE,
            buttons=(self.button("agree", "/give_consent"), self.button("privacy", "/ask_privacy")),
        )
        self.record(await self.scope.say(notice))

    def _last_text(self) -> str | None:
        if self.scope.said:
            return self.scope.said[-1].text
        last = last_reply(self.tracker)
        return last.text if last else None


def last_reply(tracker: Tracker) -> Reply | None:
    """What the patient was told last, from the tracker."""
    for event in reversed(tracker.events):
        if event.get("event") == "bot":
            data = ((event.get("data") or {}).get("custom") or {}).get("reply")
            if data:
                return scopes.reply_from_json(data)
    return None


class CarelineAction(Action):
    """Base of our actions. Subclasses set ``action`` and write :meth:`act`."""

    action: ClassVar[str]
    of_form: ClassVar[str | None] = None
    """The form that this action is part of; other actions interrupt it."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def name(self) -> str:
        """The action's name in the domain."""
        return self.action

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Speak, then lead back to the form that was interrupted."""
        talk = Talk(self.services, dispatcher, tracker)
        await say_urgent(talk)
        await self.act(talk)
        if self.action != "action_unknown" and self.of_form is None and talk.slot("misunderstood"):
            talk.set("misunderstood", 0)
        if talk.form and self.of_form is None and not _leads_elsewhere(talk.events):
            await ask_again(talk)
        return talk.events

    async def act(self, talk: Talk) -> None:
        """Say and set what this action is for."""
        raise NotImplementedError


def _leads_elsewhere(events: list[EventType]) -> bool:
    return any(
        (e.get("event") == "followup" and e.get("name") != LISTEN) or e.get("event") == "active_loop"
        for e in events
    )


async def ask_again(talk: Talk) -> None:
    """Ask the running form's question once more, at most once a message (Rasa may run the form again itself)."""
    if talk.form is None or talk.form in talk.scope.asked:
        return
    talk.scope.asked.add(talk.form)
    if talk.form == SYMPTOM_FORM and talk.slot("symptom_state"):
        step = talk.services.symptom_check.ask_again(talk.slot("symptom_state"), talk.lang)
        talk.set("screened", list(step.screened))
        await talk.steps(step)
    elif talk.form == BOOKING_FORM and talk.slot("booking_state"):
        again = talk.services.booking.ask_again(talk.slot("booking_state"), talk.lang)
        await talk.steps(await again if inspect.isawaitable(again) else again)
    elif talk.form == CALLBACK_FORM:
        await talk.say(
            "human.phone_again", kind=ReplyKind.QUESTION, buttons=(talk.button("no_call", "/stop"),)
        )


async def say_urgent(talk: Talk) -> None:
    """Give the reasons of an urgent level and what to do today, once per set of reasons, then let things go on."""
    view = talk.triage
    if view.level != "urgent" or talk.turn.already_said or (talk.scope.stateless and talk.scope.said):
        return
    said = set(talk.slot("urgent_said") or ())
    new = [rule for rule in view.urgent_rules() if rule.id not in said]
    if not new:
        return
    talk.set("urgent_said", sorted(said | {rule.id for rule in new}))
    clinic, now = talk.services.clinic, talk.services.clock()
    reasons = " ".join(rule.reason for rule in new if rule.reason)
    phones = [talk.clinic_phone()]
    buttons = []
    if clinic.is_open(now):
        key = "triage.urgent_open"
        if talk.form is None:
            buttons.append(talk.button("today", "/book_appointment"))
    else:
        key = "triage.urgent_closed_line" if clinic.numbers.nonurgent else "triage.urgent_closed"
        if clinic.numbers.nonurgent:
            phones = [PhoneLink(talk.text("triage.call_line"), clinic.numbers.nonurgent)]
    buttons.append(talk.button("person", "/talk_to_human"))
    await talk.say(
        key,
        kind=ReplyKind.URGENT,
        buttons=buttons,
        phones=phones,
        reasons=reasons or talk.text("triage.urgent_reason_unknown"),
        phone=clinic.phone,
        line=clinic.numbers.nonurgent or "",
        emergency=clinic.numbers.emergency,
    )
