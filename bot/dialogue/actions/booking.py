"""Appointments as a Rasa form around the pure booking engine: book, move, cancel, list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk.events import SlotSet

from bot.dialogue.actions.base import (
    BOOKING_FORM,
    CALLBACK_FORM,
    LISTEN,
    CarelineAction,
    Talk,
    ask_again,
    back_to_form,
    leave_form,
    trusted_intent,
)
from bot.dialogue.flow import Step, highest
from bot.dialogue.triage_view import case_findings
from nlu.routing import BOTH, complaints

DONE = "done"
WISHES = frozenset({"book_appointment", "move_appointment", "cancel_appointment", BOTH})
MODES = {"move_appointment": "move", "cancel_appointment": "cancel"}


class StartBooking(CarelineAction):
    """ "I'd like an appointment": the form begins; in the middle of another flow the wish is remembered."""

    action = "action_start_booking"
    of_form = BOOKING_FORM

    async def act(self, talk: Talk) -> None:
        if talk.scope.stateless:
            await talk.say(
                "common.no_memory_flow", phone=talk.services.clinic.phone, phones=(talk.clinic_phone(),)
            )
            talk.follow(LISTEN)
            return
        if talk.form == CALLBACK_FORM or _changes_mode(talk):
            leave_form(talk)
        elif talk.form:
            if talk.form != BOOKING_FORM:
                talk.set("topic", {"kind": "booking", "text": talk.turn.text})
                await talk.say("common.booking_later")
            await back_to_form(talk)
            return
        topic = talk.slot("topic") or {}
        own = talk.turn.text if talk.intent in WISHES else ""  # "yes" to an offer says nothing about a time
        text = str(topic.get("text") or own)
        talk.set("topic", None)
        talk.set("offer", None)
        mode = MODES.get(talk.intent or "", "book")
        talk.set("booking_outcome", None)
        talk.set("booking_state", {"begin": mode, "text": "" if text.startswith("/") else text})
        talk.follow(BOOKING_FORM)


def _changes_mode(talk: Talk) -> bool:
    """ "Cancel my appointment" while another one is being booked or moved."""
    running = (talk.slot("booking_state") or {}).get("mode")
    return talk.form == BOOKING_FORM and talk.intent in MODES and MODES[str(talk.intent)] != running


class AskBooking(CarelineAction):
    """The form asks: the engine's first question, or nothing where an answer already brought the next one."""

    action = "action_ask_booking_form_booking_outcome"
    of_form = BOOKING_FORM

    async def act(self, talk: Talk) -> None:
        if BOOKING_FORM in talk.scope.asked:
            return
        state = talk.slot("booking_state") or {"begin": "book", "text": ""}
        if "begin" not in state:
            await ask_again(talk)
            return
        talk.scope.asked.add(BOOKING_FORM)
        await take(talk, await _begin(talk, str(state["begin"]), str(state["text"])))


async def _begin(talk: Talk, mode: str, text: str) -> Step:
    booking, conversation = talk.services.booking, talk.turn.conversation
    if mode == "move":
        return await booking.move_start(conversation, talk.lang, text)
    if mode == "cancel":
        return await booking.cancel_start(conversation, talk.lang, text)
    outcome = talk.slot("last_outcome") or {}
    level = highest(talk.triage.case_level, outcome.get("level"))
    findings = talk.turn.findings if complaints(talk.turn.findings) else case_findings(talk.turn.case)
    return await booking.start(conversation, talk.lang, level, findings, text, _profile(talk, outcome))


def _profile(talk: Talk, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the person who is to be seen: known from the check, else the one the case is about, else the writer."""
    focus = talk.turn.case.get("focus")
    person = talk.turn.case.get("people", {}).get(focus) if focus else None
    return outcome.get("profile") or person or talk.turn.profile


class ValidateBooking(CarelineAction):
    """One message as the answer to the booking's question; an empty result lets other rules answer it."""

    action = "validate_booking_form"
    of_form = BOOKING_FORM

    async def act(self, talk: Talk) -> None:
        state = talk.slot("booking_state")
        if not state or "begin" in state or BOOKING_FORM in talk.scope.asked:
            return
        step = await talk.services.booking.answer(
            state, talk.turn.text, talk.lang, trusted_intent(talk), level=talk.triage.case_level
        )
        if not step.understood:
            return
        talk.scope.asked.add(BOOKING_FORM)
        await take(talk, step)


async def take(talk: Talk, step: Step) -> None:
    """Say what the engine says and keep where it stands; a finished booking ends the form."""
    await talk.steps(step)
    if talk.slot("misunderstood"):
        talk.set("misunderstood", 0)
    talk.set("booking_state", step.state)
    if step.done:
        talk.set("booking_outcome", DONE)
        talk.events.append(SlotSet("requested_slot", None))


class BookingDone(CarelineAction):
    """After a booking: take up the complaint that was mentioned in the middle, or ask what else."""

    action = "action_booking_done"
    of_form = BOOKING_FORM

    async def act(self, talk: Talk) -> None:
        talk.set("booking_state", None)
        topic = talk.slot("topic") or {}
        if topic.get("kind") == "callback":
            talk.follow("action_start_callback")
        elif topic.get("kind") == "symptom":
            talk.set("topic", None)
            talk.set("offer", "symptom_check")
            buttons = talk.buttons("symptom", "no_thanks")
            await talk.say("common.now_symptom", buttons=buttons)


class ListAppointments(CarelineAction):
    """ "When is my appointment?", also in the middle of anything."""

    action = "action_list_appointments"

    async def act(self, talk: Talk) -> None:
        await talk.steps(await talk.services.booking.list(talk.turn.conversation, talk.lang))


BOOKING_ACTIONS: tuple[type[CarelineAction], ...] = (
    StartBooking,
    AskBooking,
    ValidateBooking,
    BookingDone,
    ListAppointments,
)
