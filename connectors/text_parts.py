"""Long texts in parts and short ones joined, by a channel's limit. Pure.

Limits count code points or UTF-16 units (Telegram, LINE), in which an emoji is two.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence

from bot.messages import Reply, ReplyKind

APART = frozenset({ReplyKind.EMERGENCY, ReplyKind.CRISIS, ReplyKind.DISCREET, ReplyKind.STAFF})
"""Kinds that are a message of their own: nothing is put before an emergency, nobody speaks for staff."""

_BREAKS = (
    re.compile(r"\n\n+"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？；])"),
    re.compile(r"\s+|(?<=[，、,])"),
)
_JOINER = "\u200d"


def units(text: str, utf16: bool) -> int:
    """The length of a text in the channel's unit."""
    return len(text) + sum(char > "\uffff" for char in text) if utf16 else len(text)


def split_text(text: str, limit: int, *, utf16: bool = False) -> list[str]:
    """Parts of at most ``limit`` units: cut between paragraphs, else lines, sentences, words, else
    characters.

    No character is lost but white space at the cuts, and no emoji or combining character is cut in two.
    """
    parts: list[str] = []
    rest = text.strip()
    while units(rest, utf16) > limit:
        head = _prefix(rest, limit, utf16)
        cut = _break_in(head, rest)
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts


def _prefix(text: str, limit: int, utf16: bool) -> int:
    """How many characters of ``text`` fit into ``limit`` units."""
    used = 0
    for index, char in enumerate(text):
        used += 2 if utf16 and char > "\uffff" else 1
        if used > limit:
            return index
    return len(text)


def _break_in(fits: int, text: str) -> int:
    """The best place to cut at or before ``fits``: in the second half, by the strongest kind of break there
    is."""
    for pattern in _BREAKS:
        found = [m.end() for m in pattern.finditer(text, 0, fits) if m.end() > fits // 2]
        if found:
            return found[-1]
    cut = fits
    while cut > 1 and (_extends(text[cut]) or text[cut - 1] == _JOINER):
        cut -= 1
    return cut if cut > 1 else fits


def _extends(char: str) -> bool:
    """Whether a character belongs to the one before it (accent, variation selector, joiner, skin tone)."""
    return char == _JOINER or unicodedata.category(char) in ("Mn", "Me", "Mc") or "🏻" <= char <= "🏿"


def join_replies(replies: Sequence[Reply]) -> list[Reply]:
    """Fewer messages that say the same: neighbours are joined unless one of them stands apart
    (:data:`APART`).

    Only the last of a group may carry buttons, a file or sources, so that nothing of a reply goes under
    another's.
    """
    out: list[Reply] = []
    for reply in replies:
        last = out[-1] if out else None
        if last is not None and _joins(last, reply):
            out[-1] = dataclasses.replace(reply, id=last.id, text=f"{last.text}\n\n{reply.text}", at=last.at)
        else:
            out.append(reply)
    return out


def _joins(first: Reply, second: Reply) -> bool:
    plain = not (first.buttons or first.citations or first.phones or first.attachment)
    return (
        plain
        and first.author == second.author
        and first.lang == second.lang
        and not APART.intersection((first.kind, second.kind))
    )
