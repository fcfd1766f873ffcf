"""The symptom check as a Rasa form around the pure engine: start, one answer a message, outcome, what comes next."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet

from bot.dialogue.actions.base import (
    CALLBACK_FORM,
    LISTEN,
    SYMPTOM_FORM,
    CarelineAction,
    Talk,
    ask_again,
    back_to_form,
    leave_form,
    trusted_intent,
)
from bot.dialogue.booking_words import wants_visit
from bot.dialogue.flow import Step
from bot.dialogue.services import NotRecorded
from bot.messages import ReplyKind
from nlu.routing import BOTH

DONE = "done"


class StartSymptomCheck(CarelineAction):
    """ "I've had a sore throat and a fever for three days": the check begins with what was said.

    In the middle of a booking the complaint is remembered, and taken up when the booking is done.
    """

    action = "action_start_symptom_check"
    of_form = SYMPTOM_FORM

    async def act(self, talk: Talk) -> None:
        if talk.scope.stateless:
            await talk.say(
                "common.no_memory_flow", phone=talk.services.clinic.phone, phones=(talk.clinic_phone(),)
            )
            talk.follow(LISTEN)
            return
        if talk.form == CALLBACK_FORM:
            leave_form(talk)
        elif talk.form and talk.form != SYMPTOM_FORM:
            talk.set("topic", {"kind": "symptom"})
            await talk.say("common.symptom_later")
            await back_to_form(talk)
            return
        elif talk.form == SYMPTOM_FORM:
            await back_to_form(talk)
            return
        talk.set("symptom_state", None)
        talk.set("symptom_outcome", None)
        if talk.intent == BOTH or wants_visit(talk.turn.text):
            talk.set("topic", {"kind": "booking", "text": talk.turn.text})
            await talk.say("common.check_before_booking")
        talk.follow(SYMPTOM_FORM)


class AskSymptom(CarelineAction):
    """The form asks: the first question of a new check, or nothing where the answer already brought one."""

    action = "action_ask_symptom_check_form_symptom_outcome"
    of_form = SYMPTOM_FORM

    async def act(self, talk: Talk) -> None:
        if SYMPTOM_FORM in talk.scope.asked:
            return
        if talk.slot("symptom_state"):
            await ask_again(talk)
            return
        talk.scope.asked.add(SYMPTOM_FORM)
        turn = talk.turn
        step = talk.services.symptom_check.start(
            turn.findings, turn.profile, turn.case, talk.lang, rules=talk.triage.fired, text=turn.text
        )
        await take(talk, step)


class ValidateSymptom(CarelineAction):
    """One message as the answer to the question asked. Not understood: an empty result lets other rules act."""

    action = "validate_symptom_check_form"
    of_form = SYMPTOM_FORM

    async def act(self, talk: Talk) -> None:
        state = talk.slot("symptom_state")
        if not state or SYMPTOM_FORM in talk.scope.asked:
            return
        turn = talk.turn
        step = talk.services.symptom_check.answer(
            state,
            turn.text,
            turn.findings,
            turn.profile,
            talk.lang,
            trusted_intent(talk),
            rules=talk.triage.fired,
        )
        if not step.understood:
            return
        talk.scope.asked.add(SYMPTOM_FORM)
        await take(talk, step)


async def take(talk: Talk, step: Step) -> None:
    """Say what the engine says and keep where it stands; a finished check ends the form."""
    await talk.steps(step)
    if talk.slot("misunderstood"):
        talk.set("misunderstood", 0)
    talk.set("symptom_state", step.state)
    talk.set("screened", list(step.screened))
    if step.outcome is not None:
        talk.set(
            "last_outcome",
            {
                "level": step.outcome.level,
                "summary": step.outcome.summary_for_staff,
                "offer": step.outcome.offer_booking,
                "profile": step.state.get("profile") or {},
            },
        )
    if step.done:
        talk.set("symptom_outcome", DONE)
        talk.set("screened", [])
        talk.events.append(_form_ends())


def _form_ends() -> EventType:
    return SlotSet("requested_slot", None)


class SymptomDone(CarelineAction):
    """After the outcome: escalate what is urgent, start the booking that was wanted, or offer one."""

    action = "action_symptom_done"
    of_form = SYMPTOM_FORM

    async def act(self, talk: Talk) -> None:
        outcome = talk.slot("last_outcome") or {}
        talk.set("symptom_state", None)
        topic = talk.slot("topic") or {}
        if outcome.get("level") in ("emergency", "urgent"):
            await _tell_staff(talk, outcome)
        if outcome.get("level") == "emergency":
            return
        if topic.get("kind") == "booking":
            await talk.say("common.now_booking")
            talk.follow("action_start_booking")
        elif topic.get("kind") == "callback":
            talk.follow("action_start_callback")
        elif outcome.get("offer"):
            talk.set("offer", "booking")
            urgent = outcome["offer"] == "urgent"
            await talk.say(
                "common.offer_today" if urgent else "common.offer_booking",
                kind=ReplyKind.QUESTION,
                buttons=talk.buttons("today" if urgent else "book", "person", "no_thanks"),
            )


async def _tell_staff(talk: Talk, outcome: dict[str, str]) -> None:
    clinic = talk.services.clinic
    try:
        await talk.services.escalations.request_person(
            talk.turn.conversation,
            lang=talk.lang,
            message_id=talk.turn.message_id,
            reason=f"symptom_check_{outcome['level']}",
            summary=str(outcome.get("summary", "")),
        )
    except NotRecorded:
        await talk.say("human.not_recorded", phones=(talk.clinic_phone(),), phone=clinic.phone)


SYMPTOM_ACTIONS: tuple[type[CarelineAction], ...] = (
    StartSymptomCheck,
    AskSymptom,
    ValidateSymptom,
    SymptomDone,
)
