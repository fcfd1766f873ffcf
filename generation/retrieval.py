"""Which passages answer a question, and whether any of them does at all.

Lexical (BM25 over our own terms) and similarity (a sentence encoder where one is given and speaks the
language, else character n-grams) are fused, within one language. The second result matters as much as the
first: a question that the articles do not cover must be recognised, so that the assistant says so.
Knows articles and terms; no patient, no model that writes, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generation.coverage import coverage, decision_for
from generation.encoder import Encoder
from generation.passages import Passage, Section, newest
from generation.ranking import LanguageIndex, Ranked, Search
from generation.sections import HEADING_BONUS, asked_sections, section_bonus
from generation.vectors import VectorCache

MAX_QUESTION_CHARS = 1_000
"""Only the head of a longer question is searched for: the topic stands there, and time stays bounded."""


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage and how well it fits; scores compare within one retrieval only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found.

    ``passages`` holds the fitting section of each of the best articles, then their other sections; ``best`` all
    sections of the best article, the fitting one first. ``coverage`` in 0..1 is the decision score, ``covered``
    whether it reached the threshold.
    """

    passages: tuple[ScoredPassage, ...]
    covered: bool
    coverage: float
    lang: str
    best: tuple[ScoredPassage, ...] = ()


class Retriever:
    """Searches a fixed set of passages. Build once, share between requests; :meth:`retrieve` does not change
    it."""

    def __init__(
        self, passages: Sequence[Passage], encoder: Encoder | None = None, cache: VectorCache | None = None
    ) -> None:
        passages = newest(passages)
        languages = sorted({p.lang for p in passages})
        self._encoder, self._cache = encoder, cache
        self._warm: set[str] = set()
        self._indexes = {
            lang: LanguageIndex(lang, [p for p in passages if p.lang == lang]) for lang in languages
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that have passages."""
        return tuple(self._indexes)

    @property
    def uses_encoder(self) -> bool:
        """Whether :meth:`warm` has been done, so that :meth:`retrieve` runs a neural encoder for some languages:
        milliseconds of computing that belong in an executor."""
        return bool(self._warm)

    def passages(self, lang: str) -> tuple[Passage, ...]:
        """All passages of a language, in file order."""
        index = self._indexes.get(lang)
        return index.passages if index else ()

    def warm(self) -> None:
        """Load the encoder and encode the passages: seconds, in an executor. Until then retrieval is lexical, so that
        no patient waits for a model to load."""
        if self._encoder:
            for lang in sorted(self._encoder.languages & self._indexes.keys()):
                self._indexes[lang].encode_with(self._encoder, self._cache)
                self._warm.add(lang)

    def search(self, question: str, lang: str, findings: Sequence[str] = ()) -> Search | None:
        """The ranked articles with what speaks for each, for those who judge the ranking."""
        encoder = self._encoder if lang in self._warm else None
        return self._indexes[lang].search(question[:MAX_QUESTION_CHARS], tuple(findings), encoder)

    def retrieve(self, question: str, lang: str, k: int = 5, findings: Sequence[str] = ()) -> Retrieval:
        """The best ``k`` passages of ``lang`` for ``question``, best first, and whether they cover it.

        ``findings`` are ids of what the conversation has found (``"fever"``); they raise matching articles a
        little and never make an uncovered question covered. A language without passages finds nothing.
        """
        index = self._indexes.get(lang)
        search = self.search(question, lang, findings) if index and k >= 1 else None
        if index is None or search is None:
            return Retrieval((), False, 0.0, lang)
        asked = asked_sections(search.question.folded, lang)
        ranked = [_sections(index, search, asked, topic) for topic in search.ranked[:k]]
        found = [s[0] for s in ranked]
        found += sorted((p for s in ranked for p in s[1:]), key=lambda p: -p.score)[: k - len(found)]
        encoder = lang in self._warm
        sure = coverage(search, lang, encoder)
        return Retrieval(tuple(found), sure >= decision_for(lang, encoder).threshold, sure, lang, ranked[0])


def _sections(
    index: LanguageIndex, search: Search, asked: frozenset[Section], ranked: Ranked
) -> tuple[ScoredPassage, ...]:
    """The sections of one article, the one that answers first."""
    first, last = ranked.topic.first, ranked.topic.last
    lexical = search.lexical[first:last] / max(float(np.max(search.lexical[first:last])), 1e-9)
    present = {p.section for p in index.passages[first:last]}
    scored = []
    for i, passage in enumerate(index.passages[first:last]):
        heading = index.headings[first + i]
        said = len(heading & search.question.all_terms) / (len(heading) or 1)
        fit = float(lexical[i]) + float(search.near[first + i]) + HEADING_BONUS * said
        fit += section_bonus(passage.section, present, asked)
        scored.append(ScoredPassage(passage, ranked.score + fit))
    return tuple(sorted(scored, key=lambda s: -s.score))
