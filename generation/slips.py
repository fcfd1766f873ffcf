"""Slips of the keyboard in long English words, mended towards words of titles and synonyms. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable

from generation.tokens import EN_STOP, stem

MIN_MENDED = 5
"""Shorter words are one slip away from too many others."""
_WORD_RE = re.compile(r"[A-Za-z]+")


class SlipIndex:
    """Words that may be meant, by first letter and length."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_shape: dict[tuple[str, int], set[str]] = defaultdict(set)
        for name in names:
            if name.isalpha() and name.isascii() and len(name) >= MIN_MENDED:
                self._by_shape[name[0], len(name)].add(name)

    def mend(self, text: str, known: Container[str]) -> str:
        """``text`` with unknown words replaced by the only near name: ``diarhoea`` is read as ``diarrhoea``. Only
        names are targets: "shingles" is no slip for the "single" of some text."""
        return _WORD_RE.sub(lambda m: self._word(m.group(), known), text)

    def _word(self, word: str, known: Container[str]) -> str:
        term = stem(word.lower())
        if len(term) < MIN_MENDED or term in known or word.lower() in EN_STOP:
            return word
        sizes = range(len(term) - 1, len(term) + 2)
        near = [n for size in sizes for n in self._by_shape.get((term[0], size), ()) if one_slip(term, n)]
        return min(near, default=word)


def one_slip(a: str, b: str) -> bool:
    """Whether one letter added, dropped, changed or swapped with its neighbour turns ``a`` into ``b``."""
    if a == b:
        return True
    if len(a) > len(b):
        a, b = b, a
    i = 0
    while i < len(a) and a[i] == b[i]:
        i += 1
    if len(a) == len(b):
        return a[i + 1 :] == b[i + 1 :] or (a[i : i + 2] == b[i : i + 2][::-1] and a[i + 2 :] == b[i + 2 :])
    return len(b) - len(a) == 1 and a[i:] == b[i + 1 :]
