"""What is said when a part is away: without memory, without the dialogue engine, without a record.

Each reply rests on the message alone and says so. No state is read or written here, and no model decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.dialogue.types import DialogueTurn
from bot.messages import Button, Citation, PhoneLink, Reply, ReplyKind
from bot.texts import Texts
from bot.triage_reply import TriageReplies

Answerer = Callable[[str, str], Awaitable[Any]]
"""``await answerer(question, lang)`` gives ``text``, ``citations``, ``abstained`` (see ``generation.answer``)."""


class StatelessReplies:
    """Fixed and stateless replies for one clinic."""

    def __init__(self, texts: Texts, replies: TriageReplies, answerer: Answerer | None = None) -> None:
        self._texts, self._replies, self._answerer = texts, replies, answerer

    def not_recorded(self, lang: str) -> Reply:
        """SQL is away and the message is no emergency: nobody will see it, so say so."""
        return self._notice("turn.not_recorded", lang)

    def unsupported(self, lang: str) -> Reply:
        """A language that we cannot read."""
        return self._notice("turn.unsupported_language", lang)

    def menu(self, lang: str, *, saved: bool) -> Reply:
        """The dialogue engine is away. ``saved``: whether the message really is on the staff's list."""
        if not saved:
            return self._notice("turn.dialogue_away_unsaved", lang)
        reply = self._notice("turn.dialogue_away", lang)
        titles = [self._texts(f"turn.menu_{key}", lang) for key in ("emergency", "callback", "phone")]
        return Reply(
            reply.text, lang, ReplyKind.NOTICE, tuple(Button(t, t) for t in titles), phones=reply.phones
        )

    async def answer(self, turn: DialogueTurn) -> Sequence[Reply]:
        """Redis is away: answer this message by itself, and say that it is by itself."""
        out = [self._notice("turn.memory_away", turn.lang)]
        level = str(turn.assessment.get("level", "none"))
        if level in ("emergency", "urgent"):
            return out  # the turn has said the rest
        if level in ("routine", "self_care"):
            out.append(self._notice(f"turn.stateless_{level}", turn.lang))
            return out
        answer = await self._answerer(turn.text, turn.lang) if self._answerer else None
        if answer is None or answer.abstained:
            out.append(self._notice("turn.stateless_none", turn.lang))
            return out
        citations = tuple(Citation(c.id, c.title, c.url, c.quote) for c in answer.citations)
        out.append(Reply(answer.text, turn.lang, ReplyKind.ANSWER, citations=citations))
        return out

    def _notice(self, key: str, lang: str) -> Reply:
        fields = self._replies.fields(lang)
        text = self._texts(key, lang, **fields)
        call = self._texts("emergency.call_clinic_label", lang, number=fields["phone"])
        phones = (PhoneLink(call, fields["phone"]),) if "{phone}" in self._texts.template(key, lang) else ()
        return Reply(text, lang, ReplyKind.NOTICE, phones=phones)
