"""Where ``coverage.yml`` comes from: ``python -m generation.coverage_fit`` writes it anew.

The rule. For each language, without and with the sentence encoder: (1) evidence of the best article for every
question of the open half that the right article answers, against the evidence for every uncovered question of
the open half and, as harder examples that count a fifth, for every covered question with its right articles
taken away; (2) a logistic regression on these with the two sides weighing the same; (3) the threshold by
:func:`generation.coverage.choose_threshold` on the open half: at most 5 % of the uncovered questions answered,
and at most 10 % where the list of illnesses without an article is taken away.
A tool of ours: nothing that serves patients imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from generation.coverage import (
    COVERAGE_FILE,
    FEATURES,
    MAX_UNFORESEEN_ANSWERED,
    choose_threshold,
    coverage,
    evidence,
    lacks_an_article,
)
from generation.encoder import MiniLmEncoder
from generation.passages import load_passages
from generation.questions import Questions, load_questions
from generation.retrieval import Retriever
from generation.vectors import VectorCache

HARD_WEIGHT = 0.2
"""A question without its article may still find a fair answer next door, so it counts a fifth."""
STRENGTH = 1.0
"""Inverse of the regularisation, scikit-learn's default."""


def main(cache: Path) -> int:
    """Fit and write. Needs the sentence encoder for English."""
    passages = load_passages()
    plain = Retriever(passages)
    encoded = Retriever([p for p in passages if p.lang == "en"], MiniLmEncoder(), VectorCache(cache))
    encoded.warm()
    decisions = {}
    for key, lang, retriever in (("en", "en", plain), ("zh", "zh", plain), ("en_encoder", "en", encoded)):
        asked = load_questions(lang, "open")
        if asked is None:
            raise SystemExit(f"no open half for {lang}")
        decisions[key] = {**fit(retriever, lang, asked), "threshold": 0.5}
        _write(decisions)
        decisions[key]["threshold"] = threshold(retriever, lang, asked)
        print(key, decisions[key]["threshold"])
    _write(decisions)
    return 0


def fit(retriever: Retriever, lang: str, asked: Questions) -> dict[str, object]:
    """Weights and bias of one decision."""
    from sklearn.linear_model import LogisticRegression

    rows: list[tuple[dict[str, float], int, float]] = []
    for question in asked.covered:
        search = retriever.search(question.text, lang)
        if search is None:
            continue
        rest = [r for r in search.ranked if r.topic.id not in question.articles]
        if search.ranked[0].topic.id in question.articles:
            rows.append((evidence(search.ranked[0], rest[0]), 1, 1.0))
        rows.append((evidence(rest[0], rest[1]), 0, HARD_WEIGHT))
    for text in asked.uncovered:
        search = retriever.search(text, lang)
        if search is not None and not lacks_an_article(search, lang, listed=False):
            rows.append((evidence(search.ranked[0], search.ranked[1]), 0, 1.0))
    x = np.array([[found[name] for name in FEATURES] for found, _, _ in rows])
    y = np.array([right for _, right, _ in rows])
    w = np.array([weight for _, _, weight in rows])
    w[y == 1] *= w[y == 0].sum() / w[y == 1].sum()
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(x, y, sample_weight=w)
    weights = {name: round(float(c), 3) for name, c in zip(FEATURES, model.coef_[0], strict=True)}
    return {"weights": weights, "bias": round(float(model.intercept_[0]), 3)}


def threshold(retriever: Retriever, lang: str, asked: Questions) -> float:
    """The threshold that the rule gives for the weights in the file."""
    covered = scores(retriever, lang, [q.text for q in asked.covered])
    listed = choose_threshold(covered, scores(retriever, lang, asked.uncovered))
    unforeseen = scores(retriever, lang, asked.uncovered, listed=False)
    return max(listed, choose_threshold(covered, unforeseen, MAX_UNFORESEEN_ANSWERED))


def scores(retriever: Retriever, lang: str, texts: Sequence[str], *, listed: bool = True) -> list[float]:
    """Coverage of each question."""
    found = []
    for text in texts:
        search = retriever.search(text, lang)
        found.append(coverage(search, lang, retriever.uses_encoder, listed=listed) if search else 0.0)
    return found


def _write(decisions: dict[str, dict[str, object]]) -> None:
    from generation.coverage import decision_for

    head = (
        "# Written by `python -m generation.coverage_fit` from the open half of generation/evaluation; the rule\n"
        "# stands in generation/coverage_fit.py. Not by hand.\n"
    )
    text = yaml.safe_dump({"date": "2026-11-26", "decisions": decisions}, sort_keys=False)
    COVERAGE_FILE.write_text(head + text, encoding="utf-8")
    decision_for.cache_clear()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "var/cache")))
