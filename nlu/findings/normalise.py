"""Brings a message into one written form while remembering where each character came from.

Compatibility forms, full width, upper case, accents, traditional characters, zero-width, tag and bidi
characters, long runs of one letter: all folded, so that "ＣＨＥＳＴ  paaaain" and "胸口痛" in either script meet
the lexicon in one spelling. The message itself is never changed; positions lead back to it. It knows no words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

APOSTROPHES = "'’‘`´ʼ＇′"
"""Characters people type for an apostrophe; all become the plain one."""

MAX_TABLE = 8_000
"""Distinct characters remembered by a folding table; more would let a hostile text grow memory."""

_LATIN_RUN = re.compile(r"([a-z])\1{2,}")
_CJK_RUN = re.compile(r"([\u4e00-\u9fff])\1{2,}")
_LOOKALIKES = str.maketrans("аеорсухікѕԁοαı", "aeopcyxiksdoai")


def _fold_char(char: str) -> str:
    """One character in its folded form; empty for what is not there to be read."""
    if char in APOSTROPHES:
        return "'"
    if char in "\n\r\u2028\u2029\x0b\x0c":
        return "\n"
    if char in "\t\u3000\xa0":
        return " "
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me", "Cc", "Co", "Cs", "Cn"):
        return ""
    folded = unicodedata.normalize("NFKC", char).lower()
    if folded.isascii():
        return folded
    bare = "".join(c for c in unicodedata.normalize("NFD", folded) if unicodedata.category(c) != "Mn")
    return bare if bare.isascii() else folded


class _Table(dict[str, str]):
    """Character → folded form, filled on first sight, bounded."""

    def __missing__(self, char: str) -> str:
        folded = _fold_char(char)
        if len(self) < MAX_TABLE:
            self[char] = folded
        return folded


@dataclass(frozen=True, slots=True)
class Normalised:
    """``text`` folded, and for each of its characters the place in the original (``origins``; None: the same)."""

    text: str
    origins: Sequence[int] | None
    original_length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The (start, end) in the original of the folded characters ``start``..``end`` (end exclusive)."""
        if self.origins is None or end <= start:
            return (start, end)
        return (self.origins[start], self.origins[end - 1] + 1)


class Normaliser:
    """Folds messages. ``folding`` maps single characters (traditional → simplified)."""

    def __init__(self, folding: Mapping[str, str]) -> None:
        self._table = _Table(folding)

    def __call__(self, text: str) -> Normalised:
        """Never raises; time grows with the length only."""
        parts = list(map(self._table.__getitem__, text))
        folded = "".join(parts)
        origins: list[int] | None = None
        if len(folded) != len(text) or "" in parts:
            origins = [i for i, part in enumerate(parts) for _ in part]
        for pattern, keep in ((_LATIN_RUN, 2), (_CJK_RUN, 1)):
            folded, origins = _shorten(pattern, folded, origins, keep)
        return Normalised(folded, origins, len(text))


def _shorten(
    pattern: re.Pattern[str], text: str, origins: list[int] | None, keep: int
) -> tuple[str, list[int] | None]:
    """Cut each long run of one character to ``keep`` of it ("paaaain" → "paain")."""
    if pattern.search(text) is None:
        return text, origins
    places = origins if origins is not None else list(range(len(text)))
    pieces: list[str] = []
    kept: list[int] = []
    last = 0
    for match in pattern.finditer(text):
        cut = match.start() + keep
        pieces.append(text[last:cut])
        kept.extend(places[last:cut])
        last = match.end()
    pieces.append(text[last:])
    kept.extend(places[last:])
    return "".join(pieces), kept


def unmask(word: str) -> str:
    """A word whose Latin letters were swapped for look-alikes of other scripts ("сhest" with a Cyrillic с)."""
    return word.translate(_LOOKALIKES)
