"""Judging the intents: accuracy, macro-F1, out-of-scope recall and precision, confusions, learning curve, speed.

``python -m nlu.evaluate [--half unseen|development] [--picture FILE]`` trains on the training half alone and prints
the figures per language. It knows texts and labels; findings, which correct some intents in the running assistant,
are left out of these figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sklearn.metrics import f1_score

from nlu.classifier import IntentModel
from nlu.examples import Example, development, training, unseen
from nlu.routing import FALLBACK, THRESHOLD, route

LANGUAGES = ("en", "zh")
OUT_OF_SCOPE = "out_of_scope"
CONFUSIONS = 12
HALVES: dict[str, Callable[[str], list[Example]]] = {"unseen": unseen, "development": development}
CURVE = (0.25, 0.5, 1.0)
"""Shares of the training half in the learning curve."""
TIMED = 100
"""Messages timed one by one for the median."""


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


def predictions(model: IntentModel, examples: Sequence[Example], threshold: float = THRESHOLD) -> list[str]:
    """The routed intent of each utterance, :data:`FALLBACK` included, as if nothing had been found in it."""
    rankings = model.rank([e.text for e in examples])
    known = [model.known_share(e.text) for e in examples]
    return [route(r, (), threshold, k)[0].intent for r, k in zip(rankings, known, strict=True)]


def score(model: IntentModel, examples: Sequence[Example], threshold: float = THRESHOLD) -> Scores:
    """Judge a model on labelled utterances (at least one)."""
    routed = predictions(model, examples, threshold)
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


def fit(languages: Sequence[str] = LANGUAGES, share: float = 1.0) -> IntentModel:
    """The model of the training half, or of every n-th message of it (``share`` is 1/n, spread over all intents)."""
    examples = [e for lang in languages for e in training(lang)]
    examples = examples[:: round(1 / share)]
    return IntentModel.fit([e.text for e in examples], [e.intent for e in examples])


def median_seconds(model: IntentModel, examples: Sequence[Example]) -> float:
    """Median time of understanding one message, in seconds, over up to :data:`TIMED` of them."""
    taken = []
    for example in examples[:TIMED]:
        began = time.perf_counter()
        model.rank([example.text])
        model.known_share(example.text)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def report(stdout: TextIO, model: IntentModel | None = None, half: str = "unseen") -> dict[str, Scores]:
    """Print the figures of every language on a half and give them back."""
    model = model or fit()
    results = {}
    for lang in LANGUAGES:
        examples = HALVES[half](lang)
        result = results[lang] = score(model, examples)
        stdout.write(
            f"{lang}  {half}  n {result.n}  accuracy {result.accuracy:.3f}  macro-F1 {result.macro_f1:.3f}  "
            f"out-of-scope recall {result.oos_recall:.3f} precision {result.oos_precision:.3f}  "
            f"fallback {result.fallback_share:.3f}  "
            f"p50 {1000 * median_seconds(model, examples):.2f} ms\n"
        )
        for truth, predicted, n in result.confusions:
            stdout.write(f"    {n} x {truth} read as {predicted}\n")
    return results


def learning_curve(stdout: TextIO, half: str = "unseen") -> list[tuple[float, dict[str, float]]]:
    """Print and give back the accuracy per language at each share of the training half."""
    curve = []
    for share in CURVE:
        model = fit(share=share)
        accuracy = {lang: score(model, HALVES[half](lang)).accuracy for lang in LANGUAGES}
        curve.append((share, accuracy))
        stdout.write(
            f"learning curve  {share:4.0%} of training  "
            + "  ".join(f"{k} {v:.3f}" for k, v in accuracy.items())
            + "\n"
        )
    return curve


def picture(path: Path, model: IntentModel, half: str = "unseen") -> None:
    """Draw the confusion matrix of each language into one image file (its ending chooses the format)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # type: ignore[import-untyped]
    from matplotlib.figure import Figure  # type: ignore[import-untyped]

    figure = Figure(figsize=(14 * len(LANGUAGES), 14), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, lang in zip(figure.subplots(1, len(LANGUAGES)), LANGUAGES, strict=True):
        examples = HALVES[half](lang)
        names = [*model.labels, FALLBACK]
        place = {name: i for i, name in enumerate(names)}
        counts = [[0] * len(names) for _ in names]
        for example, intent in zip(examples, predictions(model, examples), strict=True):
            counts[place[example.intent]][place[intent]] += 1
        axes.imshow([[n / max(1, sum(row)) for n in row] for row in counts], cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set(title=f"{lang}, {half} half", xlabel="read as", ylabel="meant")
        for y, row in enumerate(counts):
            for x, n in enumerate(row):
                if n:
                    axes.text(
                        x, y, str(n), ha="center", va="center", fontsize=6, color="white" if x == y else "red"
                    )
    figure.savefig(path, dpi=80)


def main(arguments: Sequence[str], stdout: TextIO) -> int:
    """Print everything; 0."""
    parser = argparse.ArgumentParser(prog="python -m nlu.evaluate", description="Judge the intents.")
    parser.add_argument("--half", choices=tuple(HALVES), default="unseen")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the confusion matrix here")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    model = fit()
    stdout.write(f"trained in {time.perf_counter() - began:.1f} s\n")
    report(stdout, model, options.half)
    learning_curve(stdout, options.half)
    if options.picture:
        picture(options.picture, model, options.half)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
