"""Intent classification over character and word n-grams, both languages in one linear model.

It knows texts and label names. It knows nothing of Rasa, findings or dialogue. The model is a linear support vector
machine over TF-IDF features, its margins turned into probabilities by a temperature fitted on cross-validation
folds; it is stored as JSON and plain arrays (no pickle), so that loading one can run no code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from nlu.ngrams import features

TEMPERATURES = np.geomspace(0.03, 2.5, 60)
FOLDS = 3
"""Cross-validation folds for the temperature: a single number needs no more, and training stays short."""
MAX_ITERATIONS = 2000
SEED = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """An intent with its calibrated probability, 0 to 1."""

    intent: str
    confidence: float


class IntentModel:
    """A fitted classifier. Build one with :meth:`fit` or :meth:`load`; both give the same answers."""

    def __init__(
        self,
        vectorizer: TfidfVectorizer,
        weights: Floats,
        bias: Floats,
        labels: Sequence[str],
        temperature: float,
    ) -> None:
        self._vectorizer = vectorizer
        self._weights_t = np.ascontiguousarray(weights.T)
        self._bias = bias
        self.labels = tuple(labels)
        self.temperature = temperature

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[str], *, c: float = 1.0) -> IntentModel:
        """Train on texts and their labels (same length, at least two labels). Deterministic."""
        vectorizer = _vectorizer()
        matrix = vectorizer.fit_transform(texts)
        target = np.asarray(labels)
        temperature = _fit_temperature(matrix, target, c)
        machine = _machine(c).fit(matrix, target)
        weights, bias = _full(machine)
        return cls(vectorizer, weights, bias, [str(x) for x in machine.classes_], temperature)

    def rank(self, texts: Sequence[str]) -> list[list[Ranked]]:
        """All labels of each text, most probable first."""
        scores = (self._vectorizer.transform(texts) @ self._weights_t) + self._bias
        out = []
        for row in _softmax(scores / self.temperature):
            order = np.argsort(-row)
            out.append([Ranked(self.labels[i], float(row[i])) for i in order])
        return out

    def known_share(self, text: str) -> float:
        """Share (0 to 1) of the text's words (Chinese: pairs of characters) that training has seen.

        0 for "blorp fnarg" and for a message without words; about 0.8 for an ordinary message.
        """
        words = [name for name in features(text) if name[0] == "w" or (name[0] == "z" and len(name) == 3)]
        vocabulary = self._vectorizer.vocabulary_
        return sum(word in vocabulary for word in words) / max(1, len(words))

    def save(self, directory: Path) -> None:
        """Write ``intents.json`` and ``intents.npz`` into an existing directory."""
        vocabulary = sorted(self._vectorizer.vocabulary_.items(), key=lambda kv: int(kv[1]))
        meta = {
            "labels": self.labels,
            "temperature": self.temperature,
            "features": [k for k, _ in vocabulary],
        }
        (directory / "intents.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")
        np.savez_compressed(
            directory / "intents.npz",
            weights=self._weights_t.T.astype(np.float32),
            bias=self._bias.astype(np.float32),
            idf=self._vectorizer.idf_.astype(np.float32),
        )

    @classmethod
    def load(cls, directory: Path) -> IntentModel:
        """Read what :meth:`save` wrote. Raises FileNotFoundError or ValueError for anything else."""
        meta: dict[str, Any] = json.loads((directory / "intents.json").read_text(encoding="utf-8"))
        with np.load(directory / "intents.npz", allow_pickle=False) as arrays:
            weights = arrays["weights"].astype(np.float64)
            bias = arrays["bias"].astype(np.float64)
            idf = arrays["idf"].astype(np.float64)
        vectorizer = _vectorizer({name: i for i, name in enumerate(meta["features"])})
        vectorizer.idf_ = idf
        return cls(vectorizer, weights, bias, meta["labels"], float(meta["temperature"]))


def _vectorizer(vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer=features,
        sublinear_tf=True,
        min_df=1 if vocabulary else 2,
        vocabulary=vocabulary,
        dtype=np.float64,
    )


def _machine(c: float) -> LinearSVC:
    return LinearSVC(C=c, max_iter=MAX_ITERATIONS, random_state=SEED)


def _full(machine: LinearSVC) -> tuple[Floats, Floats]:
    """Weights with one row per class; scikit-learn stores a single row when there are two classes."""
    if len(machine.classes_) == 2:
        return np.vstack([-machine.coef_, machine.coef_]), np.hstack(
            [-machine.intercept_, machine.intercept_]
        )
    return machine.coef_, machine.intercept_


def _softmax(scores: Floats) -> Floats:
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


def _fit_temperature(matrix: csr_matrix, target: npt.NDArray[Any], c: float) -> float:
    """The divisor of the margins that makes unfitted folds most likely (temperature scaling, Guo et al. 2017)."""
    classes, numbers, counts = np.unique(target, return_inverse=True, return_counts=True)
    if int(counts.min()) < 2:
        return 1.0
    scores = np.zeros((len(target), len(classes)))
    folds = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=SEED)
    for train, test in folds.split(scores, target):
        weights, bias = _full(_machine(c).fit(matrix[train], target[train]))
        scores[test] = matrix[test] @ weights.T + bias
    rows = np.arange(len(target))
    losses = [-np.log(_softmax(scores / t)[rows, numbers] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
