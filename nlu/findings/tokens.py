"""Cuts folded text into tokens and says what stands between them.

A token is an English word without apostrophes ("can't" → "cant"), a number, or one Chinese character. Between
two tokens stands nothing, a soft break (comma, colon, dash, dots), a list mark (、 or /) or a hard break
(. ! ? ; new line). Meaning is not its business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

NONE, LIST, SOFT, HARD = 0, 1, 2, 3
"""What stands before a token, in rising strength."""

_TOKEN = re.compile(
    r"(?P<w>[a-z][a-z0-9]*(?:'[a-z0-9]+)*)"
    r"|(?P<o>\d+(?:st|nd|rd|th)(?![a-z]))"
    r"|(?P<n>\d{2},\d(?![\d,])|\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:[.·]\d+)?)"
    r"|(?P<q>%)"
    r"|(?P<c>[\u3400-\u9fff\uf900-\ufaff])"
    r"|(?P<x>[^\W\d_]+)"
    r"|(?P<p>\.{2,}|。{2,}|[.!?;\n。,:、/()\[\]|–—]|-(?=\s|-)|(?<=\s)-)"
)
_BREAK = {c: HARD for c in ".!?;\n。"} | {c: SOFT for c in ",:()[]|–—-"} | {"、": LIST, "/": LIST}


@dataclass(slots=True)
class Tokens:
    """Parallel lists, one member per token. ``starts``/``ends`` are places in the folded text, ``breaks`` what
    stands before a token, ``asked`` whether a question mark does. ``tail_asked``: the text ends with one. ``also``:
    other words that a token may be (what was typed, where it was read as misspelt)."""

    words: list[str]
    starts: list[int]
    ends: list[int]
    breaks: list[int]
    asked: list[bool]
    marks: list[str]
    tail_asked: bool = False
    also: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.words)


def is_cjk(word: str) -> bool:
    """Whether a token is a Chinese character."""
    return len(word) == 1 and "\u3400" <= word <= "\ufaff" and not word.isascii()


def tokenise(text: str) -> Tokens:
    """Tokens of folded text, in one pass."""
    out = Tokens([], [], [], [], [], [])
    level, asked, mark = NONE, False, ""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        piece = match.group()
        if kind == "p":
            strength = SOFT if len(piece) > 1 else _BREAK[piece]
            if piece == "." and _inside_abbreviation(out, match.start(), text):
                continue
            level = max(level, strength)
            asked = asked or piece == "?"
            mark += piece[0]
            continue
        out.words.append(_written(kind, piece))
        out.starts.append(match.start())
        out.ends.append(match.end())
        out.breaks.append(level)
        out.asked.append(asked)
        out.marks.append(mark)
        level, asked, mark = NONE, False, ""
    out.tail_asked = asked
    _break_at_spaces(out)
    return out


MIN_PART = 3
"""Chinese characters on either side for a space between them to be taken for a comma ("头疼得厉害 吐了两次")."""


def _break_at_spaces(out: Tokens) -> None:
    """People who type Chinese without punctuation put a space where a comma would stand. "胸 口 好 痛" is no list."""
    parts: list[list[int]] = []
    for i, word in enumerate(out.words):
        joined = i > 0 and out.ends[i - 1] == out.starts[i] and is_cjk(out.words[i - 1]) and is_cjk(word)
        if joined:
            parts[-1][1] = i + 1
        else:
            parts.append([i, i + 1])
    for (low, middle), (start, high) in pairwise(parts):
        long = middle - low >= MIN_PART and high - start >= MIN_PART
        if long and is_cjk(out.words[low]) and is_cjk(out.words[start]) and out.breaks[start] == NONE:
            out.breaks[start] = SOFT


def _written(kind: str | None, piece: str) -> str:
    """A token as the lexicon writes it: no apostrophes, a decimal point, "percent" for its sign."""
    if kind == "w":
        return piece.replace("'", "")
    if kind == "q":
        return "percent"
    if kind == "n":
        plain = piece.replace("·", ".")
        return plain.replace(",", "." if len(plain) == 4 and plain[2] == "," else "")
    return piece


def _inside_abbreviation(out: Tokens, at: int, text: str) -> bool:
    """Whether a full stop belongs to "s.o.b." or "a.m." rather than ending a sentence."""
    if not out.words or out.ends[-1] != at or len(out.words[-1]) != 1 or not out.words[-1].isalpha():
        return False
    if is_cjk(out.words[-1]):
        return False
    after = text[at + 1 : at + 3]
    next_single = len(after) >= 1 and after[0].isalpha() and (len(after) == 1 or not after[1].isalpha())
    previous_dotted = out.starts[-1] > 0 and text[out.starts[-1] - 1] == "."
    return next_single or previous_dotted
