"""About the clinic: hours, place, price, free appointments, vaccinations. Facts from the clinic file only."""

from __future__ import annotations

from bot.dialogue.actions.base import CarelineAction, Talk
from bot.dialogue.when import moment, week


class ClinicInfoAction(CarelineAction):
    """ "When are you open?", "how much is it?": the clinic's own words, or that it has not written any."""

    action = "action_clinic_info"

    async def act(self, talk: Talk) -> None:
        topics = {"ask_hours": _hours, "ask_location": _location, "ask_availability": _availability}
        intent = talk.intent or ""
        if intent in topics:
            await topics[intent](talk)
        else:
            await _info(talk, {"ask_price": "price", "ask_vaccination": "vaccination"}.get(intent, "price"))


async def _hours(talk: Talk) -> None:
    clinic, now = talk.services.clinic, talk.services.clock()
    state = talk.text("info.open_now" if clinic.is_open(now) else "info.closed_now")
    await talk.say("info.hours", state=state, hours=week(clinic.opening_hours, talk.lang), phone=clinic.phone)


async def _location(talk: Talk) -> None:
    clinic = talk.services.clinic
    parts = [talk.text("info.location", address=clinic.local(clinic.address, talk.lang))]
    if "parking" in clinic.info:
        parts.append(clinic.local(clinic.info["parking"], talk.lang))
    joined = " ".join(parts) if talk.lang == "en" else "".join(parts)
    await talk.say("info.plain", text=joined, phones=(talk.clinic_phone(),))


async def _availability(talk: Talk) -> None:
    clinic, now = talk.services.clinic, talk.services.clock()
    duty = clinic.on_duty(now)
    upcoming = clinic.next_duty(now)
    if duty is not None:
        who = talk.text("info.on_duty_now", who=clinic.local(duty.who, talk.lang))
    elif upcoming is not None:
        when = moment(upcoming[0], now.astimezone(clinic.zone), talk.lang)
        who = talk.text("info.on_duty_next", who=clinic.local(upcoming[1].who, talk.lang), when=when)
    else:
        who = ""
    talk.set("offer", "booking")
    buttons = () if talk.form else talk.buttons("book")
    await talk.say("info.availability", who=who, buttons=buttons)


async def _info(talk: Talk, key: str) -> None:
    clinic = talk.services.clinic
    if key in clinic.info:
        await talk.say("info.plain", text=clinic.local(clinic.info[key], talk.lang))
        return
    buttons = talk.buttons("person")
    await talk.say(f"info.no_{key}", phone=clinic.phone, buttons=buttons, phones=(talk.clinic_phone(),))


CLINIC_ACTIONS: tuple[type[CarelineAction], ...] = (ClinicInfoAction,)
