"""Replies as JSON and as plain text, and the checks on text that comes from outside. Pure functions."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from bot.messages import MAX_TEXT_CHARS, Attachment, Button, Citation, PhoneLink, Reply, ReplyKind
from connectors.base import RequestError, Shown

MAX_ID_CHARS = 128
"""Longest message id that a client may choose; ours have 42."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_.:-]+")
_LANG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """A reply as JSON; the inverse of :func:`reply_from_json`. ``at`` is ISO 8601 with offset."""
    attachment = reply.attachment
    return {
        "id": reply.id,
        "text": reply.text,
        "lang": reply.lang,
        "kind": reply.kind.value,
        "author": reply.author,
        "at": reply.at.isoformat(),
        "buttons": [{"title": b.title, "payload": b.payload} for b in reply.buttons],
        "citations": [
            {"id": c.id, "title": c.title, "url": c.url, "quote": c.quote} for c in reply.citations
        ],
        "phones": [{"label": p.label, "number": p.number} for p in reply.phones],
        "attachment": attachment
        and {"title": attachment.title, "path": attachment.path, "media_type": attachment.media_type},
    }


def reply_from_json(data: Mapping[str, Any]) -> Reply:
    """A reply from its JSON. Raises KeyError, TypeError or ValueError on anything that is not one."""
    attachment = data.get("attachment")
    return Reply(
        text=data["text"],
        lang=data["lang"],
        kind=ReplyKind(data["kind"]),
        buttons=tuple(Button(**b) for b in data.get("buttons", ())),
        citations=tuple(Citation(**c) for c in data.get("citations", ())),
        phones=tuple(PhoneLink(**p) for p in data.get("phones", ())),
        attachment=Attachment(**attachment) if attachment else None,
        author=data["author"],
        id=data["id"],
        at=dt.datetime.fromisoformat(data["at"]),
    )


def shown_to_json(item: Shown) -> dict[str, Any]:
    """A line of the history as JSON for a client."""
    return {
        "seq": item.seq,
        "author": item.author,
        "direction": item.direction,
        "text": item.text,
        "at": item.at.isoformat(),
        "id": item.message_id,
        "reply": reply_to_json(item.reply) if item.reply else None,
    }


def plain_text(reply: Reply, *, public_url: str = "") -> str:
    """A reply for a channel that shows text only: numbers, sources and the file's address written out.

    Phone numbers come first after the text, and only those that the text does not already say.
    """
    parts = [reply.text.strip()]
    missing = [p for p in reply.phones if not _says_number(reply.text, p.number)]
    if missing:
        parts.append("\n".join(f"☎ {p.label}: {p.number}" for p in missing))
    if reply.citations:
        parts.append("\n".join(f"[{n}] {c.title}: {c.url}" for n, c in enumerate(reply.citations, start=1)))
    if reply.attachment and public_url:
        parts.append(f"{reply.attachment.title}: {public_url.rstrip('/')}{reply.attachment.path}")
    return "\n\n".join(part for part in parts if part)


def _says_number(text: str, number: str) -> bool:
    """Whether a text says a number as a whole number: "call 116 123" says 116123, "1999" does not say 999."""
    spaced = r"[\s\-–().]*".join(re.escape(digit) for digit in number)
    return re.search(rf"(?<!\d){spaced}(?!\d)", text) is not None


def clean_text(value: object, field: str) -> str:
    """A patient's text, checked: control characters removed, stripped, 1 to 20,000 characters.

    Raises:
        RequestError: 422 naming the field; 413 for a text that is too long.
    """
    if not isinstance(value, str):
        raise RequestError(422, f"{field} must be text, not {_json_type(value)}", field)
    if len(value) > MAX_TEXT_CHARS:
        raise RequestError(
            413, f"{field} is longer than {MAX_TEXT_CHARS} characters; send less at a time", field
        )
    text = _CONTROL.sub("", value).strip()
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise RequestError(
            422, f"{field} has half a character in it (a lone surrogate); send valid Unicode", field
        )
    if not any(unicodedata.category(char)[0] not in "CZ" for char in text):
        raise RequestError(422, f"{field} is empty; write something", field)
    return text


def clean_id(value: object, field: str) -> str:
    """A message id that a client chose: 1 to 128 characters ``A-Za-z0-9_.:-``. Raises RequestError(422)."""
    if not isinstance(value, str) or len(value) > MAX_ID_CHARS or not _MESSAGE_ID.fullmatch(value):
        raise RequestError(
            422, f"{field} must be text of 1 to {MAX_ID_CHARS} characters A-Z a-z 0-9 _ . : -", field
        )
    return value


def clean_lang(value: object, field: str, known: tuple[str, ...]) -> str | None:
    """A language that we speak for a tag such as ``zh-Hans-CN``; None for none given or one that we do not
    speak.

    Raises RequestError(422) for what is no language tag.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _LANG.fullmatch(value):
        raise RequestError(422, f'{field} must be a language tag such as "en" or "zh"', field)
    primary = value.split("-")[0].lower()
    return primary if primary in known else None


def parse_json(raw: bytes) -> Any:
    """JSON from bytes, whatever the content type said. Raises RequestError(400) naming ``body``."""
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise RequestError(400, "body is not valid UTF-8 text", "body") from None
    except (ValueError, RecursionError):
        raise RequestError(400, "body is not valid JSON", "body") from None


def json_object(value: Any, field: str = "body") -> dict[str, Any]:
    """``value`` where it is a JSON object. Raises RequestError(422) naming the field."""
    if not isinstance(value, dict):
        raise RequestError(422, f"{field} must be a JSON object, not {_json_type(value)}", field)
    return value


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        str: "text",
    }
    return names.get(type(value), "something else")
