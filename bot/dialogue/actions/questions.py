"""Free questions: asked of the answerer, streamed as the checked text grows, always cited or honestly declined."""

from __future__ import annotations

from bot.dialogue.actions.base import CarelineAction, Talk
from bot.dialogue.services import AnswerUnavailable
from bot.dialogue.when import week
from bot.messages import Reply, ReplyKind
from nlu.routing import complaints


class AnswerAction(CarelineAction):
    """ "What helps against hay fever?", "can I take it with food?": an answer with its sources."""

    action = "action_answer"

    async def act(self, talk: Talk) -> None:
        await answer(talk, talk.turn.text)


async def answer(talk: Talk, question: str) -> None:
    """Stream an answer; where nothing supports one, say so and offer a person."""
    await talk.introduce()
    reply_id = talk.scope.next_id()

    async def partial(text: str) -> None:
        await talk.scope.sink.partial(reply_id, text, talk.lang)

    person = talk.buttons("person", "call_me")
    try:
        result = await talk.services.answerer(
            question, talk.lang, talk.turn.findings, talk.triage.level, clinic_facts(talk), partial
        )
    except AnswerUnavailable:
        await talk.say("common.answer_unavailable", buttons=person, phone=talk.services.clinic.phone)
        return
    if result.abstained or not result.text.strip():
        if talk.form is None and complaints(talk.turn.findings):
            talk.set("offer", "symptom_check")
            await talk.say("common.abstained_check", buttons=talk.buttons("symptom", "person"))
            return
        talk.set("offer", "person")
        await talk.say("common.abstained", buttons=person)
        return
    await talk.reply(
        Reply(
            text=result.text,
            lang=talk.lang,
            kind=ReplyKind.ANSWER,
            citations=tuple(result.citations),
        )
    )


def clinic_facts(talk: Talk) -> dict[str, str]:
    """The clinic's own facts that an answer may rest on."""
    clinic = talk.services.clinic
    facts = {
        "name": clinic.local(clinic.name, talk.lang),
        "phone": clinic.phone,
        "address": clinic.local(clinic.address, talk.lang),
        "opening_hours": week(clinic.opening_hours, talk.lang),
    }
    facts.update({key: clinic.local(text, talk.lang) for key, text in clinic.info.items()})
    return facts


QUESTION_ACTIONS: tuple[type[CarelineAction], ...] = (AnswerAction,)
