"""Which passages answer a question, and whether any of them does at all.

Lexical (BM25 over our own terms) and similarity (a sentence encoder where one is given and speaks the
language, else character n-grams) are fused, within one language. The second result matters as much as the
first: a question that the articles do not cover must be recognised, so that the assistant says so.
Knows articles and terms; no patient, no model that writes, no torch.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.encoder import Encoder
from generation.passages import Passage, Population, Section, newest
from generation.tokens import chinese_topic, document_terms, normalise, stem, terms

MAX_QUESTION_CHARS = 1_000
"""Only the head of a longer question is searched for: the topic stands there, and time stays bounded."""
UNKNOWN_DF = 0.5
"""Documents a term counts for that no article holds: rarer than any, so that it weighs most against
coverage."""
ANCHOR_SHARE = 0.5
"""Half of the coverage score asks for the question's terms in an article's title and synonyms, half in its
text."""
SIMILARITY_SHARE = 0.35
"""Weight of the similarity beside coverage in the decision, where a sentence encoder is there."""
THRESHOLDS: Mapping[tuple[str, bool], float] = {("en", False): 0.47, ("en", True): 0.43, ("zh", False): 0.28}
"""Smallest decision score that counts as covered, by (language, with encoder). See
:func:`choose_threshold`."""
MAX_UNCOVERED_ANSWERED = 0.05
"""The rule of :func:`choose_threshold`: at most this share of uncovered questions may pass on the choosing
half."""

_SECTION_CUES: Mapping[str, Mapping[Section, tuple[str, ...]]] = {
    "en": {
        Section.HELP: ("see a doctor", "see someone", "worried", "worry", "serious", "emergency", "hospital"),
        Section.TREATMENT: (
            "medicine",
            "medication",
            "drug",
            "tablet",
            "treat",
            "antibiotic",
            "take for",
            "cure",
            "helps",
            "help with",
        ),
        Section.SELF_CARE: (
            "what helps",
            "at home",
            "myself",
            "relieve",
            "ease",
            "home remed",
            "what can i do",
        ),
        Section.OVERVIEW: ("what is", "what are", "symptom", "how long", "sign"),
        Section.CAUSES: ("cause", "why"),
        Section.CAUTION: ("side effect", "safe", "can i take", "allowed", "together", "alcohol", "pregnan"),
        Section.PREVENTION: ("prevent", "avoid", "stop getting", "catch"),
    },
    "zh": {
        Section.HELP: ("看医生", "去医院", "严重", "急诊", "要紧"),
        Section.TREATMENT: (
            "吃什么药",
            "用什么药",
            "什么药",
            "治疗",
            "怎么治",
            "抗生素",
            "消炎药",
            "缓解",
            "怎么办",
        ),
        Section.SELF_CARE: ("怎么办", "在家", "缓解", "自己", "怎么护理"),
        Section.OVERVIEW: ("是什么", "什么是", "症状", "多久", "几天"),
        Section.CAUSES: ("为什么", "原因", "引起"),
        Section.CAUTION: ("副作用", "能不能吃", "可以吃", "一起吃", "安全", "喝酒", "怀孕"),
        Section.PREVENTION: ("预防", "避免", "传染"),
    },
}
MIN_MENDED = 5
"""Shorter words are one slip away from too many others."""
CUE_BONUS = 0.6
"""What a section gains when the question asks for its kind of information."""
TITLE_BONUS = 0.4
"""What an article gains whose whole title the question says: "headaches" means Headache before Migraine."""
POPULATION_PENALTY = 0.4
"""What an article for children or pregnancy loses when the question speaks of neither."""
_POPULATION_CUES: Mapping[str, Mapping[Population, str]] = {
    "en": {
        Population.CHILD: r"child|kid|bab(?:y|ies)|toddler|infant|newborn|\b(?:son|daughter|boy|girl)\b"
        r"|(?:year|month)s?[- ]old",
        Population.PREGNANT: r"pregnan|expecting|trimester|morning sickness|midwife",
    },
    "zh": {
        Population.CHILD: r"孩|宝宝|婴|儿童|儿子|女儿|小朋友|幼|岁|个月",
        Population.PREGNANT: r"孕|胎|产检",
    },
}
FINDING_BONUS = 0.15
"""What an article gains when the conversation's findings name its topic."""


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage and how well it fits; scores compare within one retrieval only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found. ``coverage`` in 0..1 is the decision score, ``covered`` whether it reached the
    threshold."""

    passages: tuple[ScoredPassage, ...]
    covered: bool
    coverage: float
    lang: str


@dataclass(frozen=True, slots=True)
class _Topic:
    """One article as sets of terms: all it says, and what it is called."""

    id: str
    text: frozenset[str]
    anchors: frozenset[str]


class Retriever:
    """Searches a fixed set of passages. Build once, share between requests; :meth:`retrieve` does not change
    it."""

    def __init__(self, passages: Sequence[Passage], encoder: Encoder | None = None) -> None:
        passages = newest(passages)
        languages = sorted({p.lang for p in passages})
        self._encoder = encoder
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
                self._indexes[lang].encode_with(self._encoder)
                self._warm.add(lang)

    def retrieve(self, question: str, lang: str, k: int = 5, findings: Sequence[str] = ()) -> Retrieval:
        """The best ``k`` passages of ``lang`` for ``question``, best first, and whether they cover it.

        ``findings`` are ids of what the conversation has found (``"fever"``); they raise matching articles a
        little and never make an uncovered question covered. A language without passages finds nothing.
        """
        index = self._indexes.get(lang)
        if index is None or k < 1:
            return Retrieval((), False, 0.0, lang)
        encoder = self._encoder if lang in self._warm else None
        return index.search(question[:MAX_QUESTION_CHARS], k, tuple(findings), encoder)


class LanguageIndex:
    """The passages of one language, indexed."""

    def __init__(self, lang: str, passages: Sequence[Passage]) -> None:
        import bm25s

        self.lang = lang
        self.passages = tuple(passages)
        documents = [_document_terms(p) for p in self.passages]
        self._bm25 = bm25s.BM25()
        self._bm25.index(documents, show_progress=False)
        self._topics = _topics(self.passages, documents)
        self._titles = {
            p.article_id: frozenset(terms(p.title, lang)) or frozenset({p.title}) for p in self.passages
        }
        self._names = frozenset(name for topic in self._topics.values() for name in topic.anchors)
        df = Counter(term for topic in self._topics.values() for term in topic.text)
        self._weights = {term: self._weight(n) for term, n in df.items()}
        self._ngrams = NgramVectors([p.label + p.text for p in self.passages], lang)
        self._vectors: npt.NDArray[np.float32] | None = None

    def _weight(self, df: float) -> float:
        return math.log((len(self._topics) + 1) / df)

    def encode_with(self, encoder: Encoder) -> None:
        """Compute the passages' vectors once."""
        if self._vectors is None:
            self._vectors = encoder.encode([f"{p.label}. {p.text}" for p in self.passages])

    def search(self, question: str, k: int, findings: Sequence[str], encoder: Encoder | None) -> Retrieval:
        """See :meth:`Retriever.retrieve`."""
        asked = self._known(list(dict.fromkeys(terms(question, self.lang))))
        if not asked:
            return Retrieval((), False, 0.0, self.lang)
        similarity = self._similarity(question, encoder)
        lexical = np.asarray(self._bm25.get_scores(asked), dtype=np.float64)
        topic_scores = {t.id: self._coverage(asked, t) for t in self._topics.values()}
        per_passage = np.array([topic_scores[p.article_id] for p in self.passages])
        fused = (
            lexical / max(float(lexical.max()), 1e-9)
            + per_passage
            + similarity
            + self._cues(question)
            + self._finding_bonus(findings)
            + self._topic_fit(question, frozenset(asked))
        )
        order = np.argsort(-fused, kind="stable")[:k]
        best = self.passages[int(order[0])].article_id
        coverage = topic_scores[best]
        if encoder is not None:
            in_best = [i for i, p in enumerate(self.passages) if p.article_id == best]
            near = float(max(similarity[in_best]))
            coverage = (1 - SIMILARITY_SHARE) * coverage + SIMILARITY_SHARE * near
        threshold = THRESHOLDS.get((self.lang, encoder is not None), THRESHOLDS[("en", False)])
        found = tuple(ScoredPassage(self.passages[int(i)], float(fused[i])) for i in order)
        return Retrieval(found, coverage >= threshold, coverage, self.lang)

    def _known(self, asked: list[str]) -> list[str]:
        """Mend single-letter slips in long English words: ``diarhoea`` is read as ``diarrhoea``."""
        return [t if t in self._weights or self.lang == "zh" else self._mend(t) for t in asked]

    def _mend(self, term: str) -> str:
        """Only towards words of titles and synonyms: "shingles" is no slip for the "single" of some text."""
        if len(term) < MIN_MENDED or not term.isalpha():
            return term
        near = (w for w in self._names if w[0] == term[0] and len(w) >= MIN_MENDED and one_slip(term, w))
        return min(near, default=term)

    def _coverage(self, asked: Sequence[str], topic: _Topic) -> float:
        """0..1: the share of the question's weight that the article holds, half of it in its title or
        synonyms."""
        unknown = self._weight(UNKNOWN_DF)
        weights = [self._weights.get(term, unknown) for term in asked]
        held = sum(w for w, t in zip(weights, asked, strict=True) if t in topic.text)
        named = sum(w for w, t in zip(weights, asked, strict=True) if t in topic.anchors)
        return ((1 - ANCHOR_SHARE) * held + ANCHOR_SHARE * named) / (sum(weights) or 1.0)

    def _similarity(self, question: str, encoder: Encoder | None) -> npt.NDArray[np.float64]:
        if encoder is None:
            return self._ngrams.similarity(question)
        assert self._vectors is not None
        return np.asarray(self._vectors @ encoder.encode([question])[0], dtype=np.float64)

    def _cues(self, question: str) -> npt.NDArray[np.float64]:
        folded = normalise(question, self.lang)
        cues = _SECTION_CUES.get(self.lang, {})
        asked = {section for section, words in cues.items() if any(w in folded for w in words)}
        return np.array([CUE_BONUS if p.section in asked else 0.0 for p in self.passages])

    def _topic_fit(self, question: str, asked: frozenset[str]) -> npt.NDArray[np.float64]:
        """Bonus for a title that the question says, penalty for a population it does not speak of."""
        folded = normalise(question, self.lang)
        cues = _POPULATION_CUES.get(self.lang, {})
        foreign = {who for who, words in cues.items() if not re.search(words, folded)}
        if Population.CHILD not in foreign:
            foreign.add(Population.ADULT)
        fit = [
            TITLE_BONUS * (self._titles[p.article_id] <= asked)
            - POPULATION_PENALTY * (p.population in foreign)
            for p in self.passages
        ]
        return np.array(fit)

    def _finding_bonus(self, findings: Sequence[str]) -> npt.NDArray[np.float64]:
        words = {stem(w) for f in findings for w in f.lower().replace("-", "_").split("_") if w}
        ids = {p.article_id: {stem(w) for w in p.article_id.split("-")} for p in self.passages}
        return np.array([FINDING_BONUS if words & ids[p.article_id] else 0.0 for p in self.passages])


class NgramVectors:
    """Tf-idf cosine over character n-grams: the similarity for languages without an encoder."""

    def __init__(self, texts: Sequence[str], lang: str) -> None:
        self._lang = lang
        counts = [Counter(self._grams(text)) for text in texts]
        df = Counter(gram for c in counts for gram in c)
        self._idf = {gram: math.log((len(texts) + 1) / n) for gram, n in df.items()}
        self._postings: dict[str, list[tuple[int, float]]] = {}
        self._size = len(texts)
        for i, c in enumerate(counts):
            weights = {g: (1 + math.log(n)) * self._idf[g] for g, n in c.items()}
            norm = math.sqrt(sum(w * w for w in weights.values())) or 1.0
            for gram, weight in weights.items():
                self._postings.setdefault(gram, []).append((i, weight / norm))

    def _grams(self, text: str) -> list[str]:
        chinese = self._lang == "zh"
        runs = chinese_topic(text) if chinese else [f" {' '.join(terms(text, 'en'))} "]
        sizes = (1, 2, 3) if chinese else (4,)
        return [run[i : i + n] for run in runs for n in sizes for i in range(len(run) - n + 1)]

    def similarity(self, question: str) -> npt.NDArray[np.float64]:
        """Cosine with every text, shape ``(n,)``, 0..1."""
        out = np.zeros(self._size)
        weights = {g: self._idf.get(g, 0.0) for g in set(self._grams(question))}
        norm = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        for gram, weight in weights.items():
            for i, passage_weight in self._postings.get(gram, ()):
                out[i] += weight * passage_weight / norm
        return out


def _document_terms(passage: Passage) -> list[str]:
    named = " . ".join((passage.title, passage.heading, *passage.synonyms))
    return document_terms(named, passage.lang) + document_terms(passage.text, passage.lang)


def _topics(passages: Sequence[Passage], documents: Sequence[Sequence[str]]) -> dict[str, _Topic]:
    text: dict[str, set[str]] = {}
    anchors: dict[str, set[str]] = {}
    for passage, document in zip(passages, documents, strict=True):
        text.setdefault(passage.article_id, set()).update(document)
        for name in (passage.title, *passage.synonyms):
            anchors.setdefault(passage.article_id, set()).update(document_terms(name, passage.lang))
    return {id_: _Topic(id_, frozenset(text[id_]), frozenset(anchors[id_])) for id_ in text}


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


def choose_threshold(covered: Sequence[float], uncovered: Sequence[float]) -> float:
    """The rule behind :data:`THRESHOLDS`: the lowest score, to two digits, that lets at most
    :data:`MAX_UNCOVERED_ANSWERED` of the uncovered questions of the choosing half pass. ``covered`` scores
    only break the tie: where a higher threshold loses none of them, it is taken half way up."""
    grid = [i / 100 for i in range(0, 101)]
    allowed = MAX_UNCOVERED_ANSWERED * len(uncovered)
    low = next(t for t in [*grid, 1.01] if sum(s >= t for s in uncovered) <= allowed)
    kept = sum(s >= low for s in covered)
    high = max(t for t in [low, *grid] if t >= low and sum(s >= t for s in covered) == kept)
    return round((low + high) / 2, 2)
