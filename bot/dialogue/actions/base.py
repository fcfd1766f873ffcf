"""What every action shares: the AI notice before the first reply, and the way back into a form.

An action says things through a :class:`Talk`. After an action that interrupted a form, the form's question is
asked again here, in one place, so that no action has to know which form it interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from rasa_sdk import Tracker
from rasa_sdk.events import ActiveLoop, EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action

from bot.dialogue import scope as scopes
from bot.dialogue.booking_words import asks
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
ALARMS = frozenset({ReplyKind.EMERGENCY, ReplyKind.CRISIS, ReplyKind.DISCREET})
"""Nothing goes before these, not even the notice."""
MAX_PHONE_QUESTIONS = 2
"""A call-back is an offer: whoever talks of other things is not asked for a number for ever."""
MAX_GUESSED_CHARS = 24
GUESSED = frozenset({"report_symptom", "ask_self_care", "ask_health", "ask_medicine", "ask_side_effect"})
"""Intents that an answer of a few words to a form's question is easily taken for."""
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
        self.triage = TriageView(self.turn.assessment)

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
        if reply.kind not in ALARMS:
            await self.introduce()
        if reply.text == self._last_text():
            lead = self.services.texts("common.once_more", self.lang)
            reply = replace(
                reply, text=f"{lead} {reply.text}" if self.lang == "en" else f"{lead}{reply.text}"
            )
        self.record(await self.scope.say(reply))

    async def introduce(self) -> None:
        """Say once, before the first ordinary reply, that this is a machine (law 10)."""
        if not self.scope.noticed and not self.slot("notice_given") and not self.turn.already_said:
            await self._notice()

    def record(self, reply: Reply) -> None:
        """Keep in the tracker what was said."""
        self._dispatcher.utter_message(json_message={"reply": reply_to_json(reply, self.turn.message_id)})

    async def steps(self, step: Step) -> None:
        """Say what a flow wants said."""
        for reply in step.replies:
            await self.reply(reply)

    def button(self, key: str) -> Button:
        """A quick reply of :data:`bot.dialogue.buttons.INTENTS`; pressing it sends its own words."""
        title = self.services.texts(f"common.button_{key}", self.lang)
        return Button(title, title)

    def buttons(self, *keys: str) -> tuple[Button, ...]:
        """Several quick replies."""
        return tuple(self.button(key) for key in keys)

    def menu(self) -> tuple[Button, ...]:
        """The four things that patients come for."""
        return self.buttons(*MENU)

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
            buttons=self.buttons("agree", "privacy"),
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
        before = talk.slot("misunderstood")
        await self.act(talk)
        if self.of_form is None and talk.slot("misunderstood") == before and before:
            talk.set("misunderstood", 0)  # it was understood: the row of misses ends
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


def trusted_intent(talk: Talk) -> str | None:
    """The intent, unless it is a guess over two or three words without a finding ("Joan Hill" is no complaint)."""
    short = len(talk.turn.text) <= MAX_GUESSED_CHARS and not asks(talk.turn.text)
    return None if short and talk.intent in GUESSED and not talk.turn.findings else talk.intent


async def ask_again(talk: Talk) -> None:
    """Ask the running form's question once more, at most once a message (Rasa may run the form again itself)."""
    if talk.form is None or talk.form in talk.scope.asked:
        return
    talk.scope.asked.add(talk.form)
    if talk.form == SYMPTOM_FORM and talk.slot("symptom_state"):
        step = talk.services.symptom_check.ask_again(talk.slot("symptom_state"), talk.lang)
        talk.set("symptom_state", step.state)
        talk.set("screened", list(step.screened))
        await talk.steps(step)
    elif talk.form == BOOKING_FORM and talk.slot("booking_state"):
        step = await talk.services.booking.ask_again(talk.slot("booking_state"), talk.lang)
        talk.set("booking_state", step.state)
        await talk.steps(step)
    elif talk.form == CALLBACK_FORM:
        tries = int(talk.slot("callback_tries") or 0) + 1
        talk.set("callback_tries", tries)
        if tries > MAX_PHONE_QUESTIONS:
            leave_form(talk)
        else:
            await talk.say("human.phone_again", kind=ReplyKind.QUESTION, buttons=talk.buttons("no_call"))


async def back_to_form(talk: Talk) -> None:
    """Stay in the running form although a rule would begin another one: ask again, and let Rasa run this form.

    Only a form that has run again takes the next message; after a bare "listen" Rasa holds it for rejected.
    """
    form = talk.form
    await ask_again(talk)
    left = any(e.get("event") == "active_loop" for e in talk.events)
    talk.follow(LISTEN if left or form is None else form)


def leave_form(talk: Talk) -> None:
    """End the running form without a result."""
    talk.set("callback_tries", 0)
    talk.events += [ActiveLoop(None), SlotSet("requested_slot", None)]
