"""Telegram's updates as plain values. Pure: a JSON object in, one of five values out, nothing trusted.

It knows the Bot API's ``Update`` object and nothing of turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.base import RequestError

PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Written:
    """A patient wrote ``text`` in a private chat; ``with_media``: as the words of a picture, video or
    file."""

    update_id: int
    chat_id: int
    lang: str | None
    text: str
    with_media: bool = False


@dataclass(frozen=True, slots=True)
class Edited:
    """A patient changed an old message to ``text``."""

    update_id: int
    chat_id: int
    lang: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """A patient pressed a button; ``data`` is what we put on it, or what someone forged."""

    update_id: int
    chat_id: int
    lang: str | None
    callback_id: str
    data: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something without words: a voice message, a sticker, a place."""

    update_id: int
    chat_id: int
    lang: str | None


@dataclass(frozen=True, slots=True)
class InGroup:
    """Something in a group, where health is not talked about."""

    update_id: int
    chat_id: int
    lang: str | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An update that asks for nothing: a channel post, a change of membership, a kind of update that is
    new."""

    update_id: int


Update = Written | Edited | Pressed | Unreadable | InGroup | Ignored


def parse_update(data: dict[str, Any]) -> Update:
    """Read an update. Raises RequestError(422) naming ``update_id`` where that is not a number."""
    update_id = data.get("update_id")
    if isinstance(update_id, bool) or not isinstance(update_id, int):
        raise RequestError(422, "update_id must be a whole number", "update_id")
    if isinstance(data.get("message"), dict):
        return _message(update_id, data["message"])
    if isinstance(data.get("edited_message"), dict):
        return _edited(update_id, data["edited_message"])
    if isinstance(data.get("callback_query"), dict):
        return _pressed(update_id, data["callback_query"])
    return Ignored(update_id)


def _message(update_id: int, message: dict[str, Any]) -> Update:
    chat_id, private = _chat(message)
    lang = _lang(message.get("from"))
    if chat_id is None or _is_bot(message.get("from")):
        return Ignored(update_id)
    if not private:
        return InGroup(update_id, chat_id, lang)
    text, caption = message.get("text"), message.get("caption")
    if isinstance(text, str) and text:
        return Written(update_id, chat_id, lang, text)
    if isinstance(caption, str) and caption:
        return Written(update_id, chat_id, lang, caption, with_media=True)
    return Unreadable(update_id, chat_id, lang)


def _edited(update_id: int, message: dict[str, Any]) -> Update:
    chat_id, private = _chat(message)
    text = message.get("text") or message.get("caption")
    if chat_id is None or not private or not isinstance(text, str):
        return Ignored(update_id)
    return Edited(update_id, chat_id, _lang(message.get("from")), text)


def _pressed(update_id: int, query: dict[str, Any]) -> Update:
    message = query.get("message")
    chat_id, private = _chat(message) if isinstance(message, dict) else (None, False)
    callback_id, data = query.get("id"), query.get("data")
    if chat_id is None or not private or not isinstance(callback_id, str) or not isinstance(data, str):
        return Ignored(update_id)
    return Pressed(update_id, chat_id, _lang(query.get("from")), callback_id, data)


def _chat(message: dict[str, Any]) -> tuple[int | None, bool]:
    chat = message.get("chat")
    if not isinstance(chat, dict) or isinstance(chat.get("id"), bool) or not isinstance(chat.get("id"), int):
        return None, False
    return chat["id"], chat.get("type") == PRIVATE


def _lang(sender: Any) -> str | None:
    code = sender.get("language_code") if isinstance(sender, dict) else None
    return code.split("-")[0].lower() if isinstance(code, str) and code else None


def _is_bot(sender: Any) -> bool:
    return isinstance(sender, dict) and sender.get("is_bot") is True
