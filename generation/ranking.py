"""One language's articles, searchable: a quick look at all passages, then a close look at the best articles.

First BM25 over the passages, BM25 over titles and synonyms, and the similarity (sentence encoder, or character
n-grams over names) pick candidates with array arithmetic alone, so that 100,000 passages stay quick. Then each
candidate is compared with the question term by term (:mod:`generation.fields`). Knows no decision and no patient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.encoder import Encoder
from generation.fields import (
    Name,
    Question,
    Weights,
    best_name,
    heaviest_missing,
    held_share,
    names,
    read_question,
)
from generation.ngrams import NgramVectors
from generation.passages import Passage, Population
from generation.slips import SlipIndex
from generation.tokens import all_terms, document_terms, stem, terms
from generation.vectors import VectorCache
from generation.vocabulary import vocabulary

Array = npt.NDArray[np.float64]
CANDIDATES = 40
"""Articles that are looked at closely: the right one is among them almost always, and 40 take a millisecond."""
FINDING_BONUS = 0.15
"""What an article gains when the conversation's findings name its topic."""
RANK_WEIGHTS: Mapping[bool, Mapping[str, float]] = {
    True: {
        "lexical": 0.6,
        "named": 0.5,
        "held": 0.4,
        "name_f": 0.8,
        "name_full": 0.8,
        "near": 1.0,
        "near_name": 2.0,
        "title": 0.3,
        "foreign": -0.4,
        "finding": 1.0,
    },
    False: {
        "lexical": 1.0,
        "named": 1.0,
        "held": 0.6,
        "name_f": 1.0,
        "name_full": 1.0,
        "near": 0.0,
        "near_name": 1.0,
        "title": 0.3,
        "foreign": -0.4,
        "finding": 1.0,
    },
}
_POPULATION_CUES: Mapping[str, Mapping[Population, str]] = {
    "en": {
        Population.CHILD: r"child|kid|bab(?:y|ies)|toddler|infant|newborn|\b(?:son|daughter|boy|girl|lo)s?\b"
        r"|\b(?:year|month|week|yr|wk)s?[- ]old|\bmy little (?:one|boy|girl)|grandson|granddaughter|nursery",
        Population.PREGNANT: r"pregnan|\bpreg\b|expecting|trimester|morning sickness|midwife|\b\d+ ?(?:weeks|wks)\b"
        r"|the baby|bump|antenatal|due date",
        Population.OLDER: r"old|elder|\bage|\b[6-9]\d\b|mum|dad|nan|gran|retire|jab|vaccin",
    },
    "zh": {
        Population.CHILD: r"孩|宝宝|宝贝|婴|儿童|儿子|女儿|闺女|小朋友|幼|娃|崽"
        r"|[一二两三四五六七八九十\d]岁|个月大?的?",
        Population.PREGNANT: r"孕|胎|产检|预产|怀上|孩子他|坐月子",
        Population.OLDER: r"老|岁|爷|奶奶|外公|外婆|疫苗",
    },
}


@dataclass(frozen=True, slots=True)
class Topic:
    """One article: where its passages lie, all that it says, and what it is called."""

    id: str
    first: int
    last: int
    text: frozenset[str]
    named: frozenset[str]
    names: tuple[Name, ...]
    title: frozenset[str]
    id_stems: frozenset[str]
    population: Population | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate with what speaks for it, by name."""

    topic: Topic
    score: float
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Search:
    """A ranked list, and how near every passage is, for choosing among the sections of one article."""

    question: Question
    ranked: tuple[Ranked, ...]
    lexical: Array
    near: Array


class LanguageIndex:
    """The passages of one language, indexed. Passages of one article must be neighbours."""

    def __init__(self, lang: str, passages: Sequence[Passage]) -> None:
        import bm25s

        self.lang = lang
        self.passages = tuple(passages)
        self._words = vocabulary(lang)
        documents = [_document_terms(p) for p in self.passages]
        self.headings = tuple(frozenset(all_terms(p.heading, lang)) for p in self.passages)
        self._starts = [
            i for i, p in enumerate(self.passages) if not i or p.article_id != self.passages[i - 1].article_id
        ]
        spans = list(zip(self._starts, [*self._starts[1:], len(self.passages)], strict=True))
        called = [_called(self.passages[a]) for a, _ in spans]
        naming = [[t for text in texts for t in all_terms(text, lang)] or ["-"] for texts in called]
        self._naming = Weights(naming)
        self._topic = Weights([t for d in documents[a:b] for t in d] for a, b in spans)
        self.topics = tuple(
            self._read_topic(span, texts, documents) for span, texts in zip(spans, called, strict=True)
        )
        self._bm25 = bm25s.BM25()
        self._bm25.index([d or ["-"] for d in documents], show_progress=False)
        self._bm25_names = bm25s.BM25()
        self._bm25_names.index(naming, show_progress=False)
        self._slips = SlipIndex(n for t in self.topics for n in t.named) if lang != "zh" else None
        self._ngrams = NgramVectors([" . ".join(texts) for texts in called], lang)
        self._name_texts = called
        self._vectors: npt.NDArray[np.float32] | None = None
        self._name_vectors: npt.NDArray[np.float32] | None = None
        self._name_starts: npt.NDArray[np.int64] | None = None

    def _read_topic(
        self, span: tuple[int, int], called: Sequence[str], documents: Sequence[Sequence[str]]
    ) -> Topic:
        passage = self.passages[span[0]]
        named = frozenset(t for text in called for t in document_terms(text, self.lang))
        title = frozenset(terms(passage.title, self.lang)) or frozenset(all_terms(passage.title, self.lang))
        return Topic(
            passage.article_id,
            *span,
            frozenset(t for d in documents[span[0] : span[1]] for t in d),
            named,
            names(called, self.lang, self._naming),
            title,
            frozenset(stem(w) for w in passage.article_id.split("-")),
            passage.population,
        )

    def encode_with(self, encoder: Encoder, cache: VectorCache | None = None) -> None:
        """Compute the vectors of passages and of names once."""
        if self._vectors is not None:
            return
        flat = [text for texts in self._name_texts for text in texts]
        texts = [*(f"{p.label}. {p.text}" for p in self.passages), *flat]
        rows = cache.encode(texts, encoder) if cache else encoder.encode(texts)
        sizes = np.cumsum([0, *(len(t) for t in self._name_texts)])
        self._name_starts = sizes[:-1]
        self._name_vectors = rows[len(self.passages) :]
        self._vectors = rows[: len(self.passages)]

    def search(self, text: str, findings: Sequence[str], encoder: Encoder | None) -> Search | None:
        """The best candidates for a question, best first; None where the question holds nothing to search for."""
        if self._slips:
            text = self._slips.mend(text, self._topic)
        question = read_question(text, self.lang, self._topic, self._naming, self._words)
        if not question.units:
            return None
        lexical = _scores(self._bm25, question.terms, len(self.passages))
        named = _scores(self._bm25_names, sorted(question.all_terms), len(self.topics))
        by_topic = np.maximum.reduceat(lexical, self._starts)
        near, near_topic, near_name = self._similarity(text, encoder)
        quick = _scaled(by_topic) + _scaled(named) + 2 * near_name + near_topic
        few = np.argsort(-quick, kind="stable")[:CANDIDATES]
        scaled = _scaled(by_topic)
        ranked = []
        for i in few:
            topic = self.topics[int(i)]
            features = self._features(question, topic, findings)
            features |= {
                "bm25": float(by_topic[i]),
                "bm25_names": float(named[i]),
                "lexical": float(scaled[i]),
                "near": float(near_topic[i]),
                "near_name": float(near_name[i]),
            }
            weights = RANK_WEIGHTS[encoder is not None]
            ranked.append(
                Ranked(topic, sum(weights[k] * v for k, v in features.items() if k in weights), features)
            )
        ranked.sort(key=lambda r: (-r.score, r.topic.id))
        return Search(question, tuple(ranked), lexical, near)

    def _similarity(self, text: str, encoder: Encoder | None) -> tuple[Array, Array, Array]:
        """How near each passage, each article's nearest passage, and each article's nearest name is."""
        if encoder is None or self._vectors is None or self._name_vectors is None:
            by_name = self._ngrams.similarity(text)
            return np.zeros(len(self.passages)), np.zeros(len(self.topics)), by_name
        asked = encoder.encode([text])[0]
        near = np.asarray(self._vectors @ asked, dtype=np.float64)
        by_name = np.asarray(self._name_vectors @ asked, dtype=np.float64)
        assert self._name_starts is not None
        return near, np.maximum.reduceat(near, self._starts), np.maximum.reduceat(by_name, self._name_starts)

    def _features(self, question: Question, topic: Topic, findings: Sequence[str]) -> dict[str, float]:
        whole = sum(u.weight for u in question.units) or 1.0
        name_f, name_full = best_name(question, topic.names, self._naming)
        return {
            "named": held_share(question.units, topic.named),
            "held": held_share(question.units, topic.text),
            "missing": heaviest_missing(question.units, topic.text) / self._topic.unknown,
            "key_unsaid": heaviest_missing(question.units, topic.text) / whole,
            "key_unnamed": heaviest_missing(question.units, topic.named) / whole,
            "name_f": name_f,
            "name_full": name_full,
            "title": float(
                topic.title <= set(question.terms) if self.lang != "zh" else topic.title <= question.all_terms
            ),
            "foreign": float(self._foreign(question, topic)),
            "finding": FINDING_BONUS * _found(findings, topic),
        }

    def _foreign(self, question: Question, topic: Topic) -> bool:
        """Whether the article is for people of whom the question does not speak."""
        cues = _POPULATION_CUES.get(self.lang, _POPULATION_CUES["en"])
        child = bool(re.search(cues[Population.CHILD], question.folded))
        if topic.population is Population.ADULT:
            return child
        if topic.population is None:
            return False
        return not re.search(cues[topic.population], question.folded)


def _scores(bm25: object, asked: Sequence[str], size: int) -> Array:
    known = [t for t in asked if t in bm25.vocab_dict]  # type: ignore[attr-defined]
    if not known:
        return np.zeros(size)
    return np.asarray(bm25.get_scores(known), dtype=np.float64)  # type: ignore[attr-defined]


def _scaled(scores: Array) -> Array:
    return scores / max(float(scores.max()), 1e-9)


def _found(findings: Sequence[str], topic: Topic) -> bool:
    words = {stem(w) for f in findings for w in f.lower().replace("-", "_").split("_") if w}
    return bool(words & topic.id_stems)


def _called(passage: Passage) -> tuple[str, ...]:
    return (passage.title, *passage.synonyms)


def _document_terms(passage: Passage) -> list[str]:
    named = " . ".join((passage.title, passage.heading, *passage.synonyms))
    return document_terms(named, passage.lang) + document_terms(passage.text, passage.lang)
