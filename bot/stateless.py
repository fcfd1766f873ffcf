"""What is said when a part is away: without a record, without the dialogue engine, in no language that we know.

Fixed sentences that are true whatever else is down. No state is read or written here, and no model decides.
"""

from __future__ import annotations

from bot.messages import Button, PhoneLink, Reply, ReplyKind
from bot.texts import Texts
from bot.triage_reply import TriageReplies


class StatelessReplies:
    """The fixed replies of one clinic."""

    def __init__(self, texts: Texts, replies: TriageReplies) -> None:
        self._texts, self._replies = texts, replies

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

    def _notice(self, key: str, lang: str) -> Reply:
        fields = self._replies.fields(lang)
        text = self._texts(key, lang, **fields)
        call = self._texts("emergency.call_clinic_label", lang, number=fields["phone"])
        phones = (PhoneLink(call, fields["phone"]),) if "{phone}" in self._texts.template(key, lang) else ()
        return Reply(text, lang, ReplyKind.NOTICE, phones=phones)
