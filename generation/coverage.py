"""Whether the articles cover a question at all: how sure we may be that the best article is the right one.

A question about another subject, about an animal, or about an illness that no article is named after is declined
outright. For the rest a logistic score weighs what speaks for the best article; its weights and the threshold
stand in ``coverage.yml`` with the rule that chose them (:mod:`generation.coverage_fit`). Knows search results
and word lists; no patient. Pure but for reading its file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from generation.ranking import Ranked, Search
from generation.tokens import all_terms
from generation.vocabulary import vocabulary

COVERAGE_FILE = Path(__file__).parent / "coverage.yml"
MAX_UNCOVERED_ANSWERED = 0.05
"""The rule of :func:`choose_threshold`: at most this share of uncovered questions may be answered on the open half."""
MAX_UNFORESEEN_ANSWERED = 0.10
"""The same where the list of illnesses without an article is taken away: that list was written with the open half in
sight, and the next question may hold an illness that nobody listed."""
FEATURES = (
    "named",
    "held",
    "missing",
    "name_f",
    "name_full",
    "key_unsaid",
    "key_unnamed",
    "title",
    "bm25",
    "bm25_names",
    "near",
    "near_name",
    "margin",
)
_WORD_RE = re.compile(r"[a-z]+(?:'s)?")


@dataclass(frozen=True, slots=True)
class Decision:
    """Weights of one language, with or without encoder, and the smallest score that counts as covered."""

    weights: Mapping[str, float]
    bias: float
    threshold: float


def evidence(best: Ranked, second: Ranked | None) -> dict[str, float]:
    """What speaks for the best article, as numbers of about one: the inputs of the score."""
    found = {name: best.features.get(name, 0.0) for name in FEATURES}
    for name in ("bm25", "bm25_names"):
        found[name] = math.log1p(found[name]) / 3
    found["margin"] = min(best.score - (second.score if second else 0.0), 1.0)
    return found


def best_of(search: Search) -> tuple[Ranked, Ranked | None]:
    """The best article and the second; findings of the conversation do not count for coverage."""
    second = search.ranked[1] if len(search.ranked) > 1 else None
    return search.ranked[0], second


def coverage(search: Search, lang: str, encoder: bool, *, listed: bool = True) -> float:
    """0..1: how sure we may be. 0 where the question is plainly about something else. Without ``listed`` the list of
    illnesses that have no article is not asked: how a question fares that no list foresaw."""
    if lacks_an_article(search, lang, listed=listed):
        return 0.0
    decision = decision_for(lang, encoder)
    found = evidence(*best_of(search))
    total = decision.bias + sum(decision.weights[name] * found[name] for name in FEATURES)
    return 1 / (1 + math.exp(-total))


def lacks_an_article(search: Search, lang: str, *, listed: bool = True) -> bool:
    """Whether the question is about something else than the best article: another subject, an animal as the patient, or
    an illness without an article. A word counts for nothing here where the question says a whole name of the best
    article that holds it: "glaucoma drops" of the article on eye drops, but not "glaucoma"."""
    words, folded = vocabulary(lang), search.question.folded
    if words.about_an_animal(folded):
        return True
    other = [*(words.no_article if listed else ()), *words.elsewhere]
    if lang == "zh":
        said = [w for w in other if w in folded]
    else:
        plain = f" {' '.join(_WORD_RE.findall(folded.replace('-', ' ')))} "
        said = [w for w in other if f" {w} " in plain or f" {w}s " in plain]
    return any(not _named(word, search, lang) for word in said)


def _named(word: str, search: Search, lang: str) -> bool:
    asked, wanted = search.question.all_terms, set(all_terms(word, lang))
    return any(wanted <= name.terms <= asked for name in search.ranked[0].topic.names)


@lru_cache(maxsize=8)
def decision_for(lang: str, encoder: bool) -> Decision:
    """The decision of a language; one without its own has the English one without an encoder."""
    data = yaml.safe_load(COVERAGE_FILE.read_text(encoding="utf-8"))["decisions"]
    key = f"{lang}{'_encoder' if encoder else ''}"
    entry = data.get(key) or data["en"]
    return Decision(
        {k: float(entry["weights"].get(k, 0.0)) for k in FEATURES}, entry["bias"], entry["threshold"]
    )


def choose_threshold(
    covered: Sequence[float], uncovered: Sequence[float], share: float = MAX_UNCOVERED_ANSWERED
) -> float:
    """The rule behind ``coverage.yml``: the lowest score, to two digits, that lets at most ``share`` of the
    uncovered questions of the choosing half pass. ``covered`` scores only break the tie: where a higher threshold
    loses none of them, it is taken half way up."""
    grid = [i / 100 for i in range(0, 101)]
    allowed = share * len(uncovered)
    low = next(t for t in [*grid, 1.01] if sum(s >= t for s in uncovered) <= allowed)
    kept = sum(s >= low for s in covered)
    high = max(t for t in [low, *grid] if t >= low and sum(s >= t for s in covered) == kept)
    return round((low + high) / 2, 2)
