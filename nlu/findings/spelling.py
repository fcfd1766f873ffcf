"""Reads misspelt English words as the lexicon word that was meant.

A table of known misspellings first; then, for a word nobody knows, one letter wrong in words of five to seven
letters and two in longer ones; then a doubled letter too many, or two words typed as one. Short words are never
touched (die, died, diet), nor are common words. It knows letters, not meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MIN_FUZZY, MIN_TWO_EDITS = 5, 8
"""Rule 15 of the phenomena: edit distance 1 for length 5-7, 2 for 8 and more."""
MAX_FUZZY = 24
"""Longer words are not corrected: the work grows with the square of the length."""
ENDINGS = ("ing", "ed", "ion", "ness", "ic", "e")
MIN_STEM = 4
"""Endings put to a prefix, and the shortest prefix that gets them."""
MAX_MEANT = 4
"""Equally near words that are all tried."""
MAX_RUNS = 3
"""Held letters of one word that are looked at: each doubles the forms tried."""
MIN_PART = 3
"""Shortest part when a run-together word is split."""


class Speller:
    """``known`` are the lexicon's words (possible meanings), ``prefixes`` its prefixes, ``common`` words that
    are right as they are, ``table`` known misspellings."""

    def __init__(
        self, known: Iterable[str], prefixes: Iterable[str], common: Iterable[str], table: Mapping[str, str]
    ) -> None:
        self._known = frozenset(w for w in known if w.isascii() and w.isalpha())
        self._prefixes = frozenset(p for p in prefixes if p.isascii())
        self._common = frozenset(common)
        self._table = dict(table)
        self._deletes: dict[str, list[str]] | None = None

    def read(self, word: str) -> tuple[str, ...]:
        """The words that may be meant, best first; empty where ``word`` stands as it is."""
        fixed = self._table.get(word)
        if fixed is not None:
            return (fixed,)
        if len(word) < MIN_FUZZY or len(word) > MAX_FUZZY or not word.isalpha() or self._is_word(word):
            return ()
        return self._nearest(word)

    def unstretched(self, word: str) -> tuple[str, ...]:
        """Words behind a held letter, shortened to two of it before ("paain" → pain, "booth" → both), best first."""
        runs = [i for i in range(1, len(word)) if word[i] == word[i - 1]][:MAX_RUNS]
        forms = {word}
        for i in reversed(runs):
            forms |= {form[:i] + form[i + 1 :] for form in forms}
        known = sorted((f for f in forms if len(f) > 1 and self.knows(f)), key=lambda f: (len(f), f))
        return tuple(dict.fromkeys(self._table.get(f, f) for f in known))

    def split(self, word: str) -> tuple[str, str] | None:
        """Two known words that were typed as one ("chestpain"), or None."""
        if len(word) < 2 * MIN_PART + 1 or len(word) > MAX_FUZZY or self.knows(word):
            return None
        for cut in range(MIN_PART, len(word) - MIN_PART + 1):
            left, right = word[:cut], word[cut:]
            if left in self._known and right in self._known:
                return (left, right)
        return None

    def joined(self, left: str, right: str) -> str | None:
        """One long lexicon word that was typed as two ("head ache"), or None."""
        whole = left + right
        return whole if len(whole) >= 7 and (whole in self._known or whole in self._prefixes) else None

    def knows(self, word: str) -> bool:
        """Whether it is a word of the lexicon, a common word, or a known slip."""
        if word in self._table or self._is_word(word):
            return True
        return any(word[:k] in self._prefixes for k in range(4, len(word) + 1))

    def _is_word(self, word: str) -> bool:
        if word in self._known or word in self._common:
            return True
        return word.endswith("s") and (word[:-1] in self._known or word[:-1] in self._common)

    def _nearest(self, word: str) -> tuple[str, ...]:
        if self._deletes is None:
            self._deletes = _delete_index(self._targets(), self._prefixes)
        limit = 1 if len(word) < MIN_TWO_EDITS else 2
        found: dict[str, int] = {}
        for form in _deletions(word, limit):
            for target in self._deletes.get(form, ()):
                if target not in found:
                    allowed = 1 if min(len(target), len(word)) < MIN_TWO_EDITS else 2
                    distance = edit_distance(word, target, allowed)
                    found[target] = distance if distance <= allowed else MAX_FUZZY
        nearest = min(found.values(), default=MAX_FUZZY)
        if nearest == MAX_FUZZY:
            return ()
        ties = [t for t, distance in found.items() if distance == nearest]
        return tuple(sorted(ties, key=lambda t: (t[0] != word[0], t))[:MAX_MEANT])

    def _targets(self) -> list[str]:
        return sorted(
            w for w in self._known | self._prefixes if MIN_FUZZY <= len(w) <= MAX_FUZZY and w.isalpha()
        )


def _deletions(word: str, limit: int) -> set[str]:
    """The word and what is left of it when up to ``limit`` letters are taken out."""
    found = {word}
    ring = {word}
    for _ in range(limit):
        ring = {w[:i] + w[i + 1 :] for w in ring for i in range(len(w))}
        found |= ring
    return found


def _delete_index(words: Iterable[str], prefixes: Iterable[str]) -> dict[str, list[str]]:
    """Form with one letter taken out → words. One letter here and up to two of the typed word meet every pair one
    edit apart and most of those two apart, at a fifth of the memory of taking out two on both sides.
    A ``prefix*`` word is there in its usual forms too ("spurt*" → spurting)."""
    known = frozenset(words)
    formed = {p + ending for p in prefixes for ending in ENDINGS if len(p) >= MIN_STEM}
    index: dict[str, list[str]] = {}
    for word in sorted(known | {w for w in formed if MIN_FUZZY < len(w) <= MAX_FUZZY}):
        for form in {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}:
            index.setdefault(form, []).append(word)
    return index


def edit_distance(a: str, b: str, limit: int) -> int:
    """Letters inserted, deleted, changed or swapped with their neighbour; ``limit`` + 1 stands for "more"."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, previous = previous, row
    return previous[len(b)]
