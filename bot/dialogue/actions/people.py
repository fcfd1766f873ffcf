"""Getting a person: on duty or not, only what is true, and the record before the words (laws 2 and 4)."""

from __future__ import annotations

from bot.dialogue.actions.base import CarelineAction, Talk
from bot.dialogue.services import NotRecorded
from bot.dialogue.when import moment
from bot.messages import PhoneLink, ReplyKind


async def hand_over(talk: Talk, reason: str) -> None:
    """Commit a request for a person, then say who will see it and when. Offers a call-back when nobody is there."""
    services, clinic = talk.services, talk.services.clinic
    try:
        await services.escalations.request_person(
            talk.turn.conversation,
            lang=talk.lang,
            message_id=talk.turn.message_id,
            reason=reason,
            summary=staff_summary(talk),
        )
    except NotRecorded:
        await talk.say("human.not_recorded", phones=(talk.clinic_phone(),), phone=clinic.phone)
        return
    now = services.clock()
    duty = clinic.on_duty(now)
    if duty is not None:
        who = clinic.local(duty.who, talk.lang)
        await talk.say("human.on_duty", who=who, phone=clinic.phone, phones=(talk.clinic_phone(),))
        return
    await _nobody_there(talk)


async def _nobody_there(talk: Talk) -> None:
    clinic, now = talk.services.clinic, talk.services.clock()
    upcoming = clinic.next_duty(now)
    if upcoming is None:
        await talk.say("human.nobody_planned", phone=clinic.phone, phones=(talk.clinic_phone(),))
    else:
        start, duty = upcoming
        await talk.say(
            "human.off_duty",
            who=clinic.local(duty.who, talk.lang),
            when=moment(start, now.astimezone(clinic.zone), talk.lang),
        )
    phones = [
        PhoneLink(
            talk.text("triage.call_emergency", number=clinic.numbers.emergency), clinic.numbers.emergency
        )
    ]
    key = "human.meanwhile"
    if clinic.numbers.nonurgent:
        key = "human.meanwhile_line"
        phones.append(PhoneLink(talk.text("triage.call_line"), clinic.numbers.nonurgent))
    await talk.say(
        key, emergency=clinic.numbers.emergency, line=clinic.numbers.nonurgent or "", phones=phones
    )
    if talk.form is None:
        talk.follow("action_start_callback")


def staff_summary(talk: Talk) -> str:
    """What staff should read first: the last outcome where there is one, else the patient's message."""
    outcome = talk.slot("last_outcome") or {}
    return str(outcome.get("summary") or talk.turn.text)


class PersonAction(CarelineAction):
    """ "I want to talk to a person", in any state."""

    action = "action_person"

    async def act(self, talk: Talk) -> None:
        await hand_over(talk, "asked_for_person")


class DistressAction(CarelineAction):
    """ "I can't cope any more" without a crisis rule firing: kind words, the crisis line, a person."""

    action = "action_distress"

    async def act(self, talk: Talk) -> None:
        numbers = talk.services.clinic.numbers
        buttons = talk.buttons("person", "call_me")
        emergency = PhoneLink(numbers.emergency, numbers.emergency)
        if not numbers.crisis_line:
            await talk.say(
                "human.distress",
                kind=ReplyKind.NOTICE,
                buttons=buttons,
                phones=(emergency,),
                emergency=numbers.emergency,
            )
            return
        name = talk.services.clinic.local(numbers.crisis_name or {"en": numbers.crisis_line}, talk.lang)
        await talk.say(
            "human.distress_line",
            kind=ReplyKind.NOTICE,
            buttons=buttons,
            phones=(PhoneLink(name, numbers.crisis_line), emergency),
            name=name,
            line=numbers.crisis_line,
            emergency=numbers.emergency,
        )


class OfficeRequestAction(CarelineAction):
    """Repeat prescription, test result, referral, sick note, records: staff's work, offered as a call-back."""

    action = "action_office_request"

    async def act(self, talk: Talk) -> None:
        talk.set("offer", "callback")
        buttons = talk.buttons("call_me", "person")
        await talk.say(f"human.{talk.intent}", buttons=buttons, phone=talk.services.clinic.phone)


PEOPLE_ACTIONS: tuple[type[CarelineAction], ...] = (PersonAction, DistressAction, OfficeRequestAction)
