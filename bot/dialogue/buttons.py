"""Our own quick replies: what each one means. The patient's chat shows its words, not a code.

A button sends its title as a message; :func:`command` turns exactly these titles back into an intent, in every
language, so that pressing a button is never guessed at by the classifier.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.texts import Texts

INTENTS: Mapping[str, str] = {
    "symptom": "report_symptom",
    "book": "book_appointment",
    "today": "book_appointment",
    "question": "help",
    "person": "talk_to_human",
    "call_me": "request_callback",
    "no_call": "stop",
    "no_thanks": "deny",
    "stop": "stop",
    "agree": "give_consent",
    "privacy": "ask_privacy",
    "delete": "delete_my_data",
    "export": "export_my_data",
    "withdraw": "withdraw_consent",
}
LANGUAGES = {"english": "change_language", "中文": "change_language"}


def commands(texts: Texts) -> dict[str, str]:
    """Title (folded) to intent, over all languages."""
    titles = {
        texts(f"common.button_{key}", lang).casefold(): intent
        for lang in texts.languages
        for key, intent in INTENTS.items()
    }
    return {**titles, **LANGUAGES}
