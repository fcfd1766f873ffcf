"""A message as n-grams: what the classifier of intents and the second reader of triage both count.

Standard library alone, so that reading needs no numeric library. It knows no labels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

MAX_CHARS = 600
"""Characters read; what a long message wants stands in its first and last lines."""
WORD = re.compile(r"[a-z0-9]+|[一-鿿㐀-䶿]+|[?!]")
CJK = re.compile(r"[一-鿿㐀-䶿]")
APOSTROPHES = str.maketrans("", "", "'’`´")
REPEATS = re.compile(r"(.)\1{2,}")


def normalise(text: str) -> str:
    """Fold width and case, drop apostrophes, shorten "soooo" to "soo", keep both ends of a long text."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(APOSTROPHES)
    folded = REPEATS.sub(r"\1\1", folded)
    if len(folded) > MAX_CHARS:
        half = MAX_CHARS // 2
        folded = folded[:half] + " " + folded[-half:]
    return folded


def features(text: str) -> list[str]:
    """Feature names of one text: word 1-2-grams and in-word character 2-5-grams; Chinese character 1-4-grams."""
    words = WORD.findall(normalise(text))
    out: list[str] = []
    latin = [w for w in words if not CJK.match(w)]
    for word in words:
        out.extend(_chinese(word) if CJK.match(word) else _latin(word))
    out.extend(f"b {a} {b}" for a, b in pairwise(latin))
    out.extend(f"s {a} {b}" for a, b in zip(latin, latin[2:], strict=False))
    if words:
        out.append(f"< {words[0] if words[0] in latin else words[0][:2]}")
        out.append(f"> {words[-1] if words[-1] in latin else words[-1][-2:]}")
    out.append(f"n {min(len(latin) + sum(len(w) for w in words if CJK.match(w)) // 2, 12) // 2}")
    return out


def _latin(word: str) -> Iterator[str]:
    yield f"w {word}"
    padded = f" {word} "
    for n in (2, 3, 4, 5):
        for i in range(len(padded) - n + 1):
            yield f"c{padded[i : i + n]}"


def _chinese(run: str) -> Iterator[str]:
    for n in (1, 2, 3, 4):
        for i in range(len(run) - n + 1):
            yield f"z{run[i : i + n]}"
