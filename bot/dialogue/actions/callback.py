"""A call-back: ask for the number, check it, commit the request, and only then say that it is noted."""

from __future__ import annotations

import phonenumbers
from rasa_sdk.events import SlotSet

from bot.dialogue.actions.base import CALLBACK_FORM, CarelineAction, Talk, back_to_form
from bot.dialogue.actions.people import staff_summary
from bot.dialogue.services import NotRecorded
from bot.dialogue.when import moment
from bot.messages import ReplyKind

DECLINED = "declined"
LONG_ENOUGH = 9
"""Digits after the country code with which a number outside the known ranges is still believed."""
LEAST_DIGITS = 5
"""A message with fewer digits is not an attempt at a phone number."""


def find_number(text: str, country: str) -> str | None:
    """The first number in the text that can be dialled, as E.164, read as the clinic's country would dial it.

    A number that is not valid but long enough passes, because tables lag behind new ranges; "0770090" is None.
    """
    possible = phonenumbers.Leniency.POSSIBLE
    for match in phonenumbers.PhoneNumberMatcher(text, country, leniency=possible):
        digits = len(phonenumbers.national_significant_number(match.number))
        if phonenumbers.is_valid_number(match.number) or digits >= LONG_ENOUGH:
            return str(phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164))
    return None


class StartCallback(CarelineAction):
    """ "Can somebody call me?"; a number in the same message is used at once."""

    action = "action_start_callback"
    of_form = CALLBACK_FORM

    async def act(self, talk: Talk) -> None:
        if talk.form and talk.form != CALLBACK_FORM:
            talk.set("topic", {"kind": "callback"})
            await talk.say("human.callback_later", phone=talk.services.clinic.phone)
            await back_to_form(talk)
            return
        talk.set("offer", None)
        talk.set("topic", None)
        talk.set("callback_phone", None)
        talk.follow(CALLBACK_FORM)


class AskPhone(CarelineAction):
    """Ask for the number, unless the message that asked for the call already holds one."""

    action = "action_ask_callback_form_callback_phone"
    of_form = CALLBACK_FORM

    async def act(self, talk: Talk) -> None:
        if CALLBACK_FORM in talk.scope.asked:
            return
        talk.scope.asked.add(CALLBACK_FORM)
        number = find_number(talk.turn.text, talk.services.clinic.country)
        if number:
            _fill(talk, number)
            return
        buttons = talk.buttons("no_call")
        await talk.say("human.phone_question", kind=ReplyKind.QUESTION, buttons=buttons)


class ValidatePhone(CarelineAction):
    """ "07700 900123" fills the form, "no" ends it, a broken number is asked for again, a question is answered."""

    action = "validate_callback_form"
    of_form = CALLBACK_FORM

    async def act(self, talk: Talk) -> None:
        if CALLBACK_FORM in talk.scope.asked:
            return
        text = talk.turn.text
        number = find_number(text, talk.services.clinic.country)
        if number:
            talk.scope.asked.add(CALLBACK_FORM)
            _fill(talk, number)
        elif talk.intent == "deny":
            talk.scope.asked.add(CALLBACK_FORM)
            _fill(talk, DECLINED)
        elif sum(ch.isdigit() for ch in text) >= LEAST_DIGITS:
            talk.scope.asked.add(CALLBACK_FORM)
            talk.set(
                "callback_tries", int(talk.slot("callback_tries") or 0)
            )  # tells Rasa that this was an answer
            await talk.say("human.phone_wrong", kind=ReplyKind.QUESTION, buttons=talk.buttons("no_call"))


def _fill(talk: Talk, value: str) -> None:
    talk.set("callback_phone", value)
    talk.events.append(SlotSet("requested_slot", None))


class CallbackDone(CarelineAction):
    """Commit, then confirm with the last digits and when somebody looks."""

    action = "action_callback_done"
    of_form = CALLBACK_FORM

    async def act(self, talk: Talk) -> None:
        phone = str(talk.slot("callback_phone") or DECLINED)
        talk.set("callback_phone", None)
        talk.set("callback_tries", 0)
        clinic, now = talk.services.clinic, talk.services.clock()
        if phone == DECLINED:
            await talk.say("human.callback_declined", phone=clinic.phone)
            return
        try:
            await talk.services.escalations.request_callback(
                talk.turn.conversation,
                phone,
                lang=talk.lang,
                message_id=talk.turn.message_id,
                reason="asked_for_callback",
                summary=staff_summary(talk),
            )
        except NotRecorded:
            await talk.say("human.not_recorded", phones=(talk.clinic_phone(),), phone=clinic.phone)
            return
        duty, upcoming = clinic.on_duty(now), clinic.next_duty(now)
        if duty is not None:
            await talk.say("human.callback_on_duty", who=clinic.local(duty.who, talk.lang), digits=phone[-4:])
        elif upcoming is not None:
            when = moment(upcoming[0], now.astimezone(clinic.zone), talk.lang)
            who = clinic.local(upcoming[1].who, talk.lang)
            await talk.say("human.callback_off_duty", who=who, when=when, digits=phone[-4:])
        else:
            await talk.say("human.callback_noted", digits=phone[-4:], phone=clinic.phone)


CALLBACK_ACTIONS: tuple[type[CarelineAction], ...] = (StartCallback, AskPhone, ValidatePhone, CallbackDone)
