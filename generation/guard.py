# ruff: noqa: E501 (word pairs are read in rows)
"""Whether a patient may see a generated sentence. Pure: a sentence, the passages it may rest on, a verdict.

A sentence passes when a cited passage supports it and it gives no dose, diagnosis, medicine instruction,
false comfort, link, identifier or foreign voice, in the right language, with no hidden character. Knows no
model, network or patient; it reads words, not meaning, and so leans towards refusing: the passage's own
words take the place of what it refuses. (Law 6.)
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from generation import claims
from generation.claims import Terms, fold
from generation.passages import Passage
from generation.sentences import split_sentences
from generation.tokens import claim_characters, content_terms, is_invisible

MIN_SUPPORT: Mapping[str, float] = {"en": 0.7, "zh": 0.6}
"""Share of a sentence's content terms that two neighbouring sentences of its passage must hold. For Chinese
the mean over bigrams and characters, since bigrams break at every reworded character. Chosen on
tests/generation/guard_*.yml."""
WHOLE_MARGIN = 0.15
"""How much more of it a whole passage must hold: words gathered from all over it support less."""
MIN_ALIGNED = 0.5
"""From this overlap on a passage sentence is taken to speak of the same thing, and must not say the
contrary."""
MIN_REPLACEMENT = 0.4
"""Overlap from which a passage sentence may stand in for a refused one."""
MAX_SENTENCE_CHARS = 400
"""Plain sentences are short; a longer one hides several claims."""

_CITATION_RE = re.compile(r"\s*\[(\d{1,2})\]")
_CLAUSE_RE = re.compile(
    r"[,;:，；：。]|\b(?:and|but|or|because|so that|if|unless|although|when|which)\b|但|所以|因为|如果|除非"
)
_PRONOUN_RE = re.compile(r"(?:it|they|this|these)\b|它|这")
"""A clause that begins so speaks of the article's title: "It is not catching"."""
_NUMBER_RE = re.compile(r"\d+(?:[.,]\d+)?")
_CJK_RE = re.compile(r"[\u3400-\u9fff]")
_NEGATION = {
    "en": re.compile(r"\b(?:not|no|never|none|cannot|without|neither|nor|hardly|rarely|avoid|\w+n't)\b"),
    "zh": re.compile(r"不(?!过|断|久|同|仅|但|通|上气)|没|别(?!的|人)|勿|无(?!论)|未|避免"),
}
_ABSOLUTE = {
    "en": re.compile(
        r"\b(?:always|never|cures?|cured|guarantee[ds]?|completely|totally|100|every(?:one|body)?|nobody|certainly|definitely|proven|best|only|must)\b"
    ),
    "zh": re.compile(r"根治|治愈|保证|一定|绝对|肯定|百分之百|所有|唯一|彻底|永远|从不|最好"),
}
_EN_COUNT = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|sixty|sixteen)"
)
_QUANTITY = {
    "en": re.compile(
        rf"\b{_EN_COUNT}(?=(?: (?:or|to|and) {_EN_COUNT})? (?:second|minute|hour|day|week|month|year|time|degree)s?\b)"
    ),
    "zh": re.compile(
        r"[一二两三四五六七八九十百半]+(?=(?:到[一二两三四五六七八九十]+)?(?:秒|分钟|个?小时|天|周|个?月|年|岁|次|倍|度))"
    ),
}
"""Spelled-out amounts of time, age and the like: changing one changes the advice."""
_ANTONYMS = {
    "en": (
        ("increase", "reduce"), ("more", "less"), ("raise", "lower"), ("cold", "hot"), ("cool", "warm"), ("better", "worse"),
        ("before", "after"), ("safe", "unsafe"), ("safe", "dangerous"), ("high", "low"), ("up", "down"), ("start", "stop"),
        ("above", "below"), ("adults", "children"), ("open", "shut"), ("under", "over"), ("within", "after"), ("can", "cannot"),
        ("viruses", "bacteria"), ("virus", "bacteria"),
    ),
    "zh": (
        ("增加", "减少"), ("多", "少"), ("升高", "降低"), ("冷", "热"), ("凉", "暖"), ("好转", "加重"), ("前", "后"), ("高", "低"),
        ("开", "关"), ("大人", "孩子"), ("以上", "以下"), ("病毒", "细菌"),
    ),
}  # fmt: skip


class Reason(enum.StrEnum):
    """Why a sentence is refused. Closed set; also the label of a metric."""

    INVISIBLE = "invisible"
    LINK = "link"
    IDENTIFIER = "identifier"
    VOICE = "voice"
    LANGUAGE = "language"
    DOSE = "dose"
    DIAGNOSIS = "diagnosis"
    MEDICINE_INSTRUCTION = "medicine_instruction"
    REASSURANCE = "reassurance"
    CITATION = "citation"
    UNSUPPORTED = "unsupported"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class GuardContext:
    """What a sentence is judged against: the reply's language, the numbered passages, the turn's triage
    level."""

    lang: str
    passages: tuple[Passage, ...]
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``text`` is the sentence without citation marks; ``passage`` the one that supports it. Refused:
    ``reason`` set."""

    text: str
    passage: Passage | None
    reason: Reason | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may be shown."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well the best two neighbouring sentences of a passage hold a sentence's terms (0..1)."""

    share: float
    passage: Passage


class Guard:
    """The checks over given word lists. Stateless; one serves every conversation."""

    def __init__(self, terms: Mapping[str, Terms]) -> None:
        self._terms = terms

    @classmethod
    def shipped(cls) -> Guard:
        """With the word lists of this package."""
        return cls(claims.load_terms())

    def check(self, sentence: str, context: GuardContext) -> Verdict:
        """Judge one sentence of generated text, citation marks included."""
        marks = [int(n) for n in _CITATION_RE.findall(sentence)]
        plain = _CITATION_RE.sub("", sentence).strip()
        reason = self._form(sentence, plain, context) or self._content(plain, context)
        if reason is None and any(not 1 <= n <= len(context.passages) for n in marks):
            reason = Reason.CITATION
        if reason is not None:
            return Verdict(plain, None, reason)
        cited = [context.passages[n - 1] for n in dict.fromkeys(marks)] or list(context.passages)
        return self._support(plain, cited, context.lang)

    def replacement(self, sentence: str, context: GuardContext, said: Sequence[str]) -> Verdict:
        """The passage sentence that says best what a refused one was about, checked like any other; refused
        when there is none that is near enough or that has not been ``said`` yet."""
        plain = _CITATION_RE.sub("", sentence).strip()
        wanted = set(content_terms(plain, context.lang))
        best: tuple[float, str, Passage] | None = None
        for passage in context.passages:
            for own in split_sentences(passage.text):
                held = set(content_terms(own, context.lang))
                share = len(wanted & held) / (min(len(wanted), len(held)) or 1)
                if share >= MIN_REPLACEMENT and len(wanted & held) >= 2 and (best is None or share > best[0]):
                    best = (share, own, passage)
        if best is None or any(best[1] in earlier for earlier in said):
            return Verdict(plain, None, Reason.UNSUPPORTED)
        reason = self._form(best[1], best[1], context) or self._content(best[1], context)
        return Verdict(best[1], best[2], reason)

    def _form(self, raw: str, plain: str, context: GuardContext) -> Reason | None:
        """What is wrong with the sentence as a piece of text."""
        if any(is_invisible(c) for c in raw):
            return Reason.INVISIBLE
        folded = fold(plain)
        if claims.has_link(folded) or re.search(r"^\s*#|\*\*|__", plain):
            return Reason.LINK
        if claims.has_identifier(folded):
            return Reason.IDENTIFIER
        if claims.is_other_voice(folded):
            return Reason.VOICE
        if len(plain) > MAX_SENTENCE_CHARS:
            return Reason.UNSUPPORTED
        return None if speaks(folded, context.lang) else Reason.LANGUAGE

    def _content(self, plain: str, context: GuardContext) -> Reason | None:
        """What it may not say. A passage's own sentence may say "do not stop your medicine" or "if you have" as the
        article's author put it; doses and false comfort not even then."""
        folded, terms = fold(plain), self._terms[context.lang if context.lang in self._terms else "en"]
        if claims.has_dose(folded, terms):
            return Reason.DOSE
        verbatim = any(folded == fold(own) for p in context.passages for own in split_sentences(p.text))
        if not verbatim and claims.is_medicine_instruction(folded, terms):
            return Reason.MEDICINE_INSTRUCTION
        if not verbatim and claims.is_diagnosis(folded, terms.lang):
            return Reason.DIAGNOSIS
        if claims.is_reassurance(folded, terms, context.level):
            return Reason.REASSURANCE
        return None

    def _support(self, plain: str, cited: Sequence[Passage], lang: str) -> Verdict:
        """Whether one of the cited passages says this, and none of its sentences the contrary."""
        wanted = frozenset(content_terms(plain, lang))
        if not wanted or not cited:
            return Verdict(plain, None, Reason.UNSUPPORTED)
        fits = [_fit(plain, wanted, passage, lang) for passage in cited]
        best = max(fits, key=lambda f: f.share)
        if best.share < MIN_SUPPORT.get(lang, MIN_SUPPORT["en"]) or self._adds(plain, best.passage, lang):
            return Verdict(plain, None, Reason.UNSUPPORTED)
        if _contradicts(plain, best.passage, lang):
            return Verdict(plain, None, Reason.CONTRADICTED)
        return Verdict(plain, best.passage)

    def _adds(self, plain: str, passage: Passage, lang: str) -> bool:
        """Whether the sentence holds a number, a medicine or an absolute word that the passage does not."""
        said, given = fold(plain), fold(f"{passage.title} {passage.text}")
        if not set(_NUMBER_RE.findall(said)) <= set(_NUMBER_RE.findall(given)):
            return True
        quantity = _QUANTITY.get(lang, _QUANTITY["en"])
        if not _amounts(quantity, said) <= _amounts(quantity, given):
            return True
        terms = self._terms.get(lang, self._terms["en"])
        if not terms.medicines_in(said) <= terms.medicines_in(given):
            return True
        absolute = _ABSOLUTE.get(lang, _ABSOLUTE["en"])
        return not set(absolute.findall(said)) <= set(absolute.findall(given))


def _amounts(quantity: re.Pattern[str], text: str) -> set[str]:
    return {"两" if found == "二" else found for found in quantity.findall(text)}


def speaks(folded: str, lang: str) -> bool:
    """Whether the letters are of the language: English has no Chinese or other script, Chinese is mostly
    Chinese."""
    letters = [c for c in folded if c.isalpha()]
    if not letters:
        return False
    chinese = sum(bool(_CJK_RE.match(c)) for c in letters)
    if lang == "zh":
        latin = sum(c.isascii() for c in letters)
        return chinese + latin == len(letters) and chinese * 10 >= len(letters) * 6
    return chinese == 0 and all(c.isascii() or c in "éèêïöüñçáíóúàâäôœæ°µ" for c in letters)


@lru_cache(maxsize=4096)
def _windows(text: str, lang: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Every sentence of a passage, every two neighbours and at last the whole, with their content terms."""
    sentences = split_sentences(text)
    pairs = [" ".join(pair) for pair in pairwise(sentences)]
    return tuple((w, frozenset(content_terms(w, lang))) for w in (*sentences, *pairs, text))


def _fit(plain: str, wanted: frozenset[str], passage: Passage, lang: str) -> _Fit:
    named = frozenset(content_terms(f"{passage.title} {' '.join(passage.synonyms)}", lang))
    shares = [len(wanted & (held | named)) / len(wanted) for _, held in _windows(passage.text, lang)]
    if lang == "zh":
        said, title = claim_characters(plain), claim_characters(passage.title + "".join(passage.synonyms))
        held_by = (claim_characters(window) | title for window, _ in _windows(passage.text, lang))
        shares = [
            (s + len(said & held) / (len(said) or 1)) / 2 for s, held in zip(shares, held_by, strict=True)
        ]
    *near, whole = shares
    return _Fit(max(*near, whole - WHOLE_MARGIN), passage)


def _contradicts(plain: str, passage: Passage, lang: str) -> bool:
    """Whether a clause says the contrary of the passage's clause on the same thing: one of the two is negated, or an
    opposite word stands in its place. ``"Antibiotics work against colds, because …"`` is caught by its first clause.
    """
    named = frozenset(content_terms(passage.title, lang))
    own = [(c, held | named if _PRONOUN_RE.match(c) else held) for c, held in _clauses(passage.text, lang)]
    for said, wanted in _clauses(plain, lang):
        shares = [(len(wanted & held) / len(wanted), clause) for clause, held in own] if wanted else []
        best = max((share for share, _ in shares), default=0.0)
        near = [clause for share, clause in shares if share == best]
        if best >= MIN_ALIGNED and all(_opposed(said, clause, lang) for clause in near):
            return True
    return False


@lru_cache(maxsize=4096)
def _clauses(text: str, lang: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The clauses of a text, folded, with their content terms; a whole short sentence is one."""
    pieces = (piece.strip() for s in split_sentences(text) for piece in _CLAUSE_RE.split(fold(s)))
    return tuple((piece, frozenset(content_terms(piece, lang))) for piece in pieces if piece)


def _opposed(said: str, own: str, lang: str) -> bool:
    negation = _NEGATION.get(lang, _NEGATION["en"])
    if len(negation.findall(said)) % 2 != len(negation.findall(own)) % 2:
        return True
    return any(
        (
            _holds(said, a, lang)
            and not _holds(own, a, lang)
            and _holds(own, b, lang)
            and not _holds(said, b, lang)
        )
        or (
            _holds(said, b, lang)
            and not _holds(own, b, lang)
            and _holds(own, a, lang)
            and not _holds(said, a, lang)
        )
        for a, b in _ANTONYMS.get(lang, ())
    )


def _holds(text: str, word: str, lang: str) -> bool:
    return word in text if lang == "zh" else bool(re.search(rf"\b{word}\b", text))
