"""Judging the intents on the unseen half: accuracy, macro-F1, out-of-scope recall and precision, confusions.

``python -m nlu.evaluate`` trains on the training half alone and prints the figures per language. It knows texts
and labels; findings, which correct some intents in the running assistant, are left out of this figure.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from sklearn.metrics import f1_score

from nlu.classifier import IntentModel
from nlu.examples import Example, training, unseen
from nlu.routing import FALLBACK, THRESHOLD, route

LANGUAGES = ("en", "zh")
OUT_OF_SCOPE = "out_of_scope"
CONFUSIONS = 12


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures between 0 and 1 over ``n`` utterances. A fallback on an out-of-scope message counts as found."""

    n: int
    accuracy: float
    macro_f1: float
    oos_recall: float
    oos_precision: float
    fallback_share: float
    confusions: tuple[tuple[str, str, int], ...]


def score(model: IntentModel, examples: Sequence[Example], threshold: float = THRESHOLD) -> Scores:
    """Judge a model on labelled utterances (at least one)."""
    rankings = model.rank([e.text for e in examples])
    known = [model.known_share(e.text) for e in examples]
    routed = [route(r, (), threshold, k)[0].intent for r, k in zip(rankings, known, strict=True)]
    predicted = [OUT_OF_SCOPE if intent == FALLBACK else intent for intent in routed]
    truth = [e.intent for e in examples]
    pairs = list(zip(truth, predicted, strict=True))
    outside = sum(t == OUT_OF_SCOPE for t in truth)
    said = sum(p == OUT_OF_SCOPE for p in predicted)
    both = sum(t == p == OUT_OF_SCOPE for t, p in pairs)
    wrong = Counter((t, p) for t, p in pairs if t != p)
    return Scores(
        n=len(examples),
        accuracy=sum(t == p for t, p in pairs) / len(pairs),
        macro_f1=float(f1_score(truth, predicted, average="macro")),
        oos_recall=both / max(1, outside),
        oos_precision=both / max(1, said),
        fallback_share=routed.count(FALLBACK) / len(routed),
        confusions=tuple((t, p, n) for (t, p), n in wrong.most_common(CONFUSIONS)),
    )


def fit(languages: Sequence[str] = LANGUAGES) -> IntentModel:
    """The model of the training half."""
    examples = [e for lang in languages for e in training(lang)]
    return IntentModel.fit([e.text for e in examples], [e.intent for e in examples])


def report(stdout: TextIO, model: IntentModel | None = None) -> dict[str, Scores]:
    """Print the figures of every language and give them back."""
    model = model or fit()
    results = {}
    for lang in LANGUAGES:
        result = results[lang] = score(model, unseen(lang))
        stdout.write(
            f"{lang}  n {result.n}  accuracy {result.accuracy:.3f}  macro-F1 {result.macro_f1:.3f}  "
            f"out-of-scope recall {result.oos_recall:.3f} precision {result.oos_precision:.3f}  "
            f"fallback {result.fallback_share:.3f}\n"
        )
        for truth, predicted, n in result.confusions:
            stdout.write(f"    {n} x {truth} read as {predicted}\n")
    return results


if __name__ == "__main__":
    report(sys.stdout)
