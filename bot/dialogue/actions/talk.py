"""Small talk and steering: greet, help, repeat, stop, yes and no outside of a form, not understood."""

from __future__ import annotations

from rasa_sdk.events import ActiveLoop, SlotSet

from bot.appointments.times import understand
from bot.dialogue.actions.base import (
    BOOKING_FORM,
    CALLBACK_FORM,
    SYMPTOM_FORM,
    CarelineAction,
    Talk,
    last_reply,
)
from bot.dialogue.actions.callback import find_number
from bot.dialogue.actions.people import hand_over
from bot.dialogue.actions.symptoms import take
from bot.dialogue.booking_words import said_no, said_yes
from bot.messages import PhoneLink, ReplyKind

MISSES_BEFORE_SKIP = 2
MISSES_BEFORE_PERSON = 3
"""Third message in a row that is not understood: a person, not a third rewording."""


class TriageAction(CarelineAction):
    """A message that triage owns. The turn has said the fixed text; here nothing talks over it.

    "My chest feels tight" in the middle of a booking: the emergency text is already there, the booking waits.
    """

    action = "action_triage"
    of_form = "triage"

    async def act(self, talk: Talk) -> None:
        if talk.turn.already_said:
            return
        numbers = talk.services.clinic.numbers
        await talk.say(
            "triage.emergency",
            kind=ReplyKind.EMERGENCY,
            phones=(
                PhoneLink(talk.text("triage.call_emergency", number=numbers.emergency), numbers.emergency),
            ),
            number=numbers.emergency,
        )


class TalkAction(CarelineAction):
    """Small talk. "hi", "thanks", "are you real?", "you are useless": one sentence, and the way on."""

    action = "action_talk"

    async def act(self, talk: Talk) -> None:
        intent = talk.intent or "greet"
        phone = talk.services.clinic.phone
        if intent == "goodbye" and talk.form:
            talk.scope.asked.add(talk.form)  # who says goodbye is not asked again; the question waits
            await talk.say("common.goodbye_waits")
        elif intent in ("greet", "bot_challenge", "chitchat") and talk.form is None:
            await talk.say(f"common.{intent}", buttons=talk.menu())
        elif intent == "greet":
            await talk.say("common.greet_form")
        elif intent in ("complain", "abuse"):
            await talk.say(f"common.{intent}", buttons=talk.buttons("person"), phone=phone)
        else:
            await talk.say(f"common.{intent}")


class HelpAction(CarelineAction):
    """What the assistant can do, and that a question may simply be typed."""

    action = "action_help"

    async def act(self, talk: Talk) -> None:
        await talk.say("common.help", buttons=() if talk.form else talk.menu())


class RepeatAction(CarelineAction):
    """ "Say that again". In a form its question is asked again anyway; elsewhere the last reply is."""

    action = "action_repeat"

    async def act(self, talk: Talk) -> None:
        if talk.form:
            return
        last = last_reply(talk.tracker)
        if last is None or last.kind is ReplyKind.NOTICE:
            await talk.say("common.nothing_to_repeat", buttons=talk.menu())
        elif talk.intent == "simpler":
            await talk.say("common.simpler", buttons=talk.buttons("person"), text=last.text)
        else:
            await talk.reply(last)


class FollowUpAction(CarelineAction):
    """ "Yes" or "no" where no form asked: to an offer that was made, or else to nothing."""

    action = "action_follow_up"

    async def act(self, talk: Talk) -> None:
        if talk.form:
            await missed(talk)
            return
        await follow_up(talk, talk.intent)


async def follow_up(talk: Talk, intent: str | None) -> None:
    """What a yes, a no or "I don't know" means where no form asks: the offer that was made, or nothing."""
    offer = talk.slot("offer")
    if intent == "unsure" and offer == "booking":
        await talk.say("common.offer_unsure", buttons=talk.buttons("book", "person", "no_thanks"))
        return
    talk.set("offer", None)
    if intent == "affirm" and offer == "booking":
        talk.follow("action_start_booking")
    elif intent == "affirm" and offer == "person":
        await hand_over(talk, "asked_for_person")
    elif intent == "affirm" and offer == "callback":
        talk.follow("action_start_callback")
    elif intent == "affirm" and offer == "symptom_check":
        talk.follow("action_start_symptom_check")
    elif intent == "deny":
        await talk.say("common.offer_declined" if offer else "common.nothing_more", buttons=talk.menu())
    elif intent == "unsure":
        await talk.say("common.unsure", buttons=talk.menu())
    else:
        await talk.say("common.what_next", buttons=talk.menu())


class StopAction(CarelineAction):
    """ "Stop": the running form ends, nothing that it had not confirmed remains."""

    action = "action_stop"

    async def act(self, talk: Talk) -> None:
        form = talk.form
        if form is None:
            talk.set("offer", None)
            await talk.say("common.nothing_running", buttons=talk.menu())
            return
        for slot in ("symptom_state", "screened", "booking_state", "topic", "offer"):
            talk.set(slot, None)
        talk.events += [ActiveLoop(None), SlotSet("requested_slot", None)]
        key = {SYMPTOM_FORM: "symptom", BOOKING_FORM: "booking", CALLBACK_FORM: "callback"}[form]
        await talk.say(f"common.stopped_{key}", buttons=talk.menu())


class UnknownAction(CarelineAction):
    """Not understood: choices as buttons, other words the second time, a person the third."""

    action = "action_unknown"

    async def act(self, talk: Talk) -> None:
        if talk.form is None and talk.slot("offer") == "booking" and _says_when(talk):
            talk.set("topic", {"kind": "booking", "text": talk.turn.text})
            talk.follow("action_start_booking")
            return
        if talk.form is None and find_number(talk.turn.text, talk.services.clinic.country):
            talk.follow("action_start_callback")  # a bare phone number: somebody is to call it
            return
        if talk.form is None and (said_yes(talk.turn.text) or said_no(talk.turn.text)):
            await follow_up(talk, "affirm" if said_yes(talk.turn.text) else "deny")
            return
        await missed(talk)


async def missed(talk: Talk) -> None:
    """One more message in a row that was no answer; never a question for ever (a symptom question is skipped)."""
    misses = int(talk.slot("misunderstood") or 0) + 1
    if talk.form == SYMPTOM_FORM and misses >= MISSES_BEFORE_SKIP and await _skip_question(talk):
        return
    talk.set("misunderstood", 0 if misses >= MISSES_BEFORE_PERSON else misses)
    if misses >= MISSES_BEFORE_PERSON:
        await talk.say("common.not_understood_person")
        await hand_over(talk, "not_understood")
    elif talk.form:
        await talk.say("common.not_understood_form", buttons=talk.buttons("stop"))
    elif talk.intent == "out_of_scope":
        await talk.say("common.out_of_scope", buttons=talk.menu())
    else:
        await talk.say("common.not_understood", buttons=talk.menu())


async def _skip_question(talk: Talk) -> bool:
    """Leave a symptom question open, as if the patient did not know; the engine counts that with caution."""
    unsure = talk.services.texts("symptom.not_sure", talk.lang)
    step = talk.services.symptom_check.answer(
        talk.slot("symptom_state"),
        unsure,
        (),
        talk.turn.profile,
        talk.lang,
        "unsure",
        rules=talk.triage.fired,
    )
    if not step.understood:
        return False
    await talk.say("common.skip_question")
    talk.scope.asked.add(SYMPTOM_FORM)
    await take(talk, step)
    return True


def _says_when(talk: Talk) -> bool:
    """ "Tomorrow afternoon" after "Shall I look for an appointment?" is a yes."""
    return understand(talk.turn.text, talk.services.clinic, talk.services.clock()).understood


TALK_ACTIONS: tuple[type[CarelineAction], ...] = (
    TriageAction,
    TalkAction,
    HelpAction,
    RepeatAction,
    FollowUpAction,
    StopAction,
    UnknownAction,
)
