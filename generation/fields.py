"""What a question and an article hold, as weighed terms: the arithmetic under ranking and coverage.

A *unit* of a question is a word, or in Chinese one character with the two pairs that it stands in: an article
holds the unit when it holds one of its alternatives, so that a pair across a word boundary costs nothing. Knows
terms and weights; no passage text, no encoder, no decision. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from generation.tokens import EN_FUNCTION, all_terms, chinese_topic, normalise, stem, terms
from generation.vocabulary import Vocabulary

EVERYDAY_WEIGHT = 0.2
"""Weight of a word of daily life beside one that may name a topic: "oven" in "I burned my hand on the oven"."""

FUNCTION_STEMS = frozenset(stem(w) for w in EN_FUNCTION) | {"today", "please", "ok", "now"}
"""A question of filler words alone ("been feeling down for weeks") is read by those that still mean something."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One weighed piece of a question; held where any alternative is."""

    alternatives: tuple[str, ...]
    weight: float
    everyday: bool

    def in_(self, held: frozenset[str] | set[str]) -> bool:
        """Whether an article with the terms ``held`` holds this unit."""
        return any(a in held for a in self.alternatives)


@dataclass(frozen=True, slots=True)
class Name:
    """A title or synonym: all its terms, filler words too, and their weight."""

    terms: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Question:
    """A question ready for comparison."""

    folded: str
    units: tuple[Unit, ...]
    terms: tuple[str, ...]
    all_terms: frozenset[str]
    all_weight: float


class Weights:
    """Inverse document frequencies over articles; unknown terms weigh as much as the rarest known one."""

    def __init__(self, documents: Iterable[Iterable[str]]) -> None:
        sets = [set(d) for d in documents]
        self._size = len(sets)
        df = Counter(term for d in sets for term in d)
        self._idf = {term: math.log((self._size + 1) / n) for term, n in df.items()}
        self.unknown = math.log(self._size + 1)

    def __contains__(self, term: object) -> bool:
        return term in self._idf

    def __call__(self, term: str) -> float:
        return self._idf.get(term, self.unknown)

    def total(self, found: Iterable[str]) -> float:
        """Sum of the weights."""
        return sum(self._idf.get(t, self.unknown) for t in found)


def units(question: str, lang: str, weights: Weights, words: Vocabulary) -> tuple[Unit, ...]:
    """The question's units, repeats dropped."""
    if lang != "zh":
        found = []
        topical = terms(question, lang) or [t for t in all_terms(question, lang) if t not in FUNCTION_STEMS]
        for term in dict.fromkeys(topical):
            everyday = term in words.everyday
            found.append(Unit((term,), weights(term) * (EVERYDAY_WEIGHT if everyday else 1), everyday))
        return tuple(found)
    found = []
    for run in chinese_topic(question):
        common = _everyday_positions(run, words)
        for i in range(len(run) if not run.isascii() else 1):
            found.append(_character_unit(run, i, i in common, weights))
    return tuple(dict.fromkeys(found))


def _character_unit(run: str, i: int, everyday: bool, weights: Weights) -> Unit:
    if len(run) == 1 or run.isascii():
        alternatives: tuple[str, ...] = (run,)
    else:
        alternatives = tuple(run[j : j + 2] for j in (i - 1, i) if 0 <= j < len(run) - 1)
    weight = min(weights(a) for a in alternatives) / (1 if len(run) == 1 or run.isascii() else 2)
    return Unit(alternatives, weight * (EVERYDAY_WEIGHT if everyday else 1), everyday)


def _everyday_positions(run: str, words: Vocabulary) -> set[int]:
    if words.everyday_re is None:
        return set()
    return {i for m in words.everyday_re.finditer(run) for i in range(m.start(), m.end())}


def held_share(asked: Sequence[Unit], held: frozenset[str]) -> float:
    """The share of the question's weight that ``held`` holds, 0..1."""
    whole = sum(u.weight for u in asked)
    return sum(u.weight for u in asked if u.in_(held)) / whole if whole else 0.0


def heaviest_missing(asked: Sequence[Unit], held: frozenset[str]) -> float:
    """The weight of the rarest unit that ``held`` lacks."""
    return max((u.weight for u in asked if not u.in_(held)), default=0.0)


def best_name(question: Question, names: Sequence[Name], weights: Weights) -> tuple[float, float]:
    """How well one title or synonym fits: (F measure of both directions, said in full × how much it says)."""
    best_f = best_full = 0.0
    for name in names:
        common = question.all_terms & name.terms
        if not common:
            continue
        weight = weights.total(common)
        precision, recall = weight / name.weight, weight / (question.all_weight or 1.0)
        best_f = max(best_f, 2 * precision * recall / (precision + recall))
        best_full = max(best_full, precision * precision * weight / (weight + weights.unknown))
    return best_f, best_full


def read_question(text: str, lang: str, topic: Weights, naming: Weights, words: Vocabulary) -> Question:
    """Prepare ``text``: ``topic`` weighs what articles hold, ``naming`` what titles and synonyms are made of."""
    everything = frozenset(all_terms(text, lang))
    return Question(
        normalise(text, lang),
        units(text, lang, topic, words),
        tuple(dict.fromkeys(terms(text, lang))),
        everything,
        naming.total(everything),
    )


def names(texts: Sequence[str], lang: str, naming: Weights) -> tuple[Name, ...]:
    """Titles and synonyms for :func:`best_name`."""
    found = {frozenset(all_terms(text, lang)) for text in texts}
    return tuple(Name(t, naming.total(t)) for t in sorted(found, key=sorted) if t)
