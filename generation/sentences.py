"""Splitting text into sentences, English and Chinese, whole or while it streams.

Knows punctuation only: no grammar, no model, no idea of what is said. A decimal point, an abbreviation or a
list number does not end a sentence; a line break always does. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_SENTENCE_CHARS = 600
"""A longer run without an end is cut here: a model that never ends a sentence must not hold the stream for
ever."""

_ABBREVIATIONS = frozenset({"e.g", "i.e", "dr", "mr", "mrs", "ms", "st", "no", "vs", "etc", "approx", "prof"})
_END_RE = re.compile(r"[.!?。！？；…]+[\"'”’）)\]]*|\n+")
_CITATION_TAIL_RE = re.compile(r"(?:\s*\[\d{1,2}\])+")


def _ends_here(text: str, start: int, end: int, final: bool) -> bool:
    """Whether the punctuation at ``text[start:end]`` closes a sentence."""
    mark = text[start]
    if mark in "\n。！？；…!?":
        return True
    if end >= len(text):
        return final
    if not text[end].isspace() and text[end] not in "[(":
        return False  # 38.5, www.x, e.g.x
    word = re.search(r"([A-Za-z.]+)$", text[:start])
    if word and word.group(1).lower().rstrip(".") in _ABBREVIATIONS:
        return False
    return not re.search(r"(?:^|\s)\d{1,2}$", text[max(0, start - 4) : start])  # "1. First"


def _cut(text: str, final: bool) -> tuple[list[str], str]:
    """Whole sentences at the head of ``text`` and the rest. Without ``final`` the last end needs a
    successor."""
    out: list[str] = []
    begin = 0
    for match in _END_RE.finditer(text):
        if match.start() < begin or not _ends_here(text, match.start(), match.end(), final):
            continue
        end = match.end()
        tail = _CITATION_TAIL_RE.match(text, end)
        if tail:
            end = tail.end()
        if not final and "\n" not in match.group() and not text[end:].strip():
            break  # a citation mark or a closing quote may still follow
        if not final and re.match(r"\s*\[\d{0,2}$", text[end:]):
            break  # half a citation mark
        piece = text[begin:end].strip()
        if piece:
            out.append(piece)
        begin = end
    rest = text[begin:]
    while len(rest) > MAX_SENTENCE_CHARS:
        out.append(rest[:MAX_SENTENCE_CHARS].strip())
        rest = rest[MAX_SENTENCE_CHARS:]
    if final and rest.strip():
        out.append(rest.strip())
        rest = ""
    return out, rest


def split_sentences(text: str) -> list[str]:
    """The sentences of a complete text, in order, stripped, none empty."""
    return _cut(text, final=True)[0]


def is_complete(sentence: str) -> bool:
    """Whether a sentence ends as one, a citation mark or closing quote allowed after the end."""
    bare = re.sub(r"(?:\s*\[\d{1,2}\])+$", "", sentence.strip())
    # The marks may also stand before the full stop: "Rest [1]."
    return bool(re.search(r"[.!?。！？…][\"'”’）)]*$", bare))


@dataclass(slots=True)
class SentenceStream:
    """Turns pieces of a growing text into whole sentences; an unfinished one is never given out by
    :meth:`feed`."""

    _rest: str = field(default="", init=False)

    def feed(self, piece: str) -> list[str]:
        """Add ``piece``; return the sentences that are now certainly complete."""
        sentences, self._rest = _cut(self._rest + piece, final=False)
        return sentences

    def flush(self) -> list[str]:
        """The stream has ended: whatever is left, as a last sentence."""
        sentences, self._rest = _cut(self._rest, final=True)
        return sentences
