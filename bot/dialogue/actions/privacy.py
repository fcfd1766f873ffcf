"""Consent, data rights and language. Says what exists; a wish that needs staff is committed before it is confirmed."""

from __future__ import annotations

from bot.dialogue.actions.base import CarelineAction, Talk
from bot.dialogue.services import NotRecorded
from bot.messages import Button

ENGLISH_WORDS = ("english", "inglés", "anglais", "英文", "英语", "英語")
CHINESE_WORDS = ("chinese", "mandarin", "中文", "汉语", "漢語", "普通话", "普通話", "国语", "國語")


class PrivacyAction(CarelineAction):
    """ "What do you keep?", "delete my data", "I agree", "I take my consent back"."""

    action = "action_privacy"

    async def act(self, talk: Talk) -> None:
        intent, phone = talk.intent or "ask_privacy", talk.services.clinic.phone
        if intent == "give_consent":
            talk.set("consent", "given")
            await talk.say("consent.given", buttons=() if talk.form else talk.menu())
        elif intent == "withdraw_consent":
            talk.set("consent", "withdrawn")
            await _ask_staff(talk, "withdraw_consent")
        elif intent in ("delete_my_data", "export_my_data"):
            await _ask_staff(talk, intent)
        else:
            buttons = talk.buttons("delete", "export", "withdraw")
            await talk.say("consent.privacy", buttons=buttons, phone=phone)


async def _ask_staff(talk: Talk, wish: str) -> None:
    phone = talk.services.clinic.phone
    try:
        await talk.services.escalations.request_person(
            talk.turn.conversation,
            lang=talk.lang,
            message_id=talk.turn.message_id,
            reason=wish,
            summary=talk.services.texts(f"consent.staff_{wish}", talk.services.clinic.languages[0]),
        )
    except NotRecorded:
        await talk.say("human.not_recorded", phones=(talk.clinic_phone(),), phone=phone)
        return
    await talk.say(f"consent.{wish}", phone=phone)


class LanguageAction(CarelineAction):
    """ "Can we speak Chinese?" / 可以说英文吗"""

    action = "action_language"

    async def act(self, talk: Talk) -> None:
        wanted = _wanted(talk.turn.text)
        if wanted is None or wanted not in talk.services.texts.languages:
            buttons = (Button("English", "English"), Button("中文", "中文"))
            await talk.say("common.which_language", buttons=buttons)
            return
        talk.set("lang", wanted)
        talk.lang = wanted
        await talk.say("common.language_changed", buttons=() if talk.form else talk.menu())


def _wanted(text: str) -> str | None:
    lowered = text.casefold()
    if any(word in lowered for word in CHINESE_WORDS):
        return "zh"
    return "en" if any(word in lowered for word in ENGLISH_WORDS) else None


PRIVACY_ACTIONS: tuple[type[CarelineAction], ...] = (PrivacyAction, LanguageAction)
