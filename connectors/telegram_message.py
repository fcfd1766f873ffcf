"""A reply as ``sendMessage`` payloads. Pure: the text in parts, the buttons under the last one.

No ``parse_mode`` is ever set, so that nothing a patient or a document wrote can become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.messages import Button, Reply
from connectors.base import Capabilities
from connectors.text_parts import split_text
from connectors.wire import plain_text

SHORT_TITLE = 14
"""Titles up to this length stand two in a row on a phone."""


def build_messages(
    reply: Reply, tokens: Sequence[str] | None, can: Capabilities, public_url: str = ""
) -> list[dict[str, Any]]:
    """Payloads without ``chat_id``, in order. ``tokens``: one for each button, or None for numbered text."""
    text = plain_text(reply, public_url=public_url)
    if reply.buttons and tokens is None:
        text += "\n\n" + "\n".join(f"{n}. {b.title}" for n, b in enumerate(reply.buttons, start=1))
    messages: list[dict[str, Any]] = [
        {"text": part, "link_preview_options": {"is_disabled": True}}
        for part in split_text(text, can.text_limit, utf16=can.utf16)
    ]
    if reply.buttons and tokens is not None and messages:
        keys = [_key(button, token, can) for button, token in zip(reply.buttons, tokens, strict=True)]
        messages[-1]["reply_markup"] = {"inline_keyboard": _rows(keys)}
    return messages


def _key(button: Button, token: str, can: Capabilities) -> dict[str, str]:
    return {"text": button.title[: can.button_title_max], "callback_data": token}


def _rows(keys: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Two short keys in a row, a long one alone."""
    rows: list[list[dict[str, str]]] = []
    for key in keys:
        short = len(key["text"]) <= SHORT_TITLE
        if rows and short and len(rows[-1]) == 1 and len(rows[-1][0]["text"]) <= SHORT_TITLE:
            rows[-1].append(key)
        else:
            rows.append([key])
    return rows
