"""Fits the second reader and chooses its working point on cross-validation folds, by a stated rule.

The folds run over the labelled messages; thresholds are chosen on those by which nobody has mended the rules. A
training sentence that is nearly the same as a message of the tested fold and labelled alike is left out of that fold's
training, so that figures do not flatter; its look-alikes with the other label stay. Seeds are fixed.
It knows labelled examples; where they come from is :mod:`bot.suspicion.corpus`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from nlu.ngrams import features
from nlu.suspicion.families import Family
from nlu.suspicion.model import (
    FAMILIES,
    FIRST_FAMILY,
    HINT_WEIGHT,
    HINTS,
    VECTOR_WEIGHT,
    Asked,
    Floats,
    Machine,
    Mode,
    Point,
    Scores,
    SuspicionModel,
    logit,
    raw,
    settle,
)

FOLDS = 5
SEED = 20
NEAR = 0.5
"""Cosine of two TF-IDF rows from which two sentences say nearly the same words."""
MIN_TEXTS = 3
"""Texts in which a feature must stand; fewer teach nothing but those texts, and slow training."""
C_DANGER, C_FAMILY = 5.0, 1.0
"""Inverse strengths of regularisation, chosen on the folds (docs/LOG.md)."""
TEMPERATURES = np.geomspace(0.05, 2.0, 30)
NEVER = 1.1
"""A threshold that no score reaches."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled message. ``danger``: 0 none, 1 urgent, 2 emergency. ``judged``: it belongs to the folds, and
    ``quiet`` says that it must not escalate, ``escalated`` that the rules alone escalate it, ``strange`` that nobody
    has mended the rules by it, so that the working point may be chosen on it."""

    asked: Asked
    danger: int
    family: Family | None = None
    judged: bool = False
    quiet: bool = False
    escalated: bool = False
    strange: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """The rule of the working point: shares of must-not-escalate messages that may be raised, or asked."""

    raised: float
    asked: float


@dataclass(slots=True)
class _Data:
    """Examples as matrices, made once and sliced by fold."""

    examples: Sequence[Example]
    words: csr_matrix
    hints: csr_matrix
    vectors: npt.NDArray[np.float32] | None
    danger: npt.NDArray[np.int64] = field(init=False)
    family: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.danger = np.array([e.danger for e in self.examples])
        self.family = np.array([-1 if e.family is None else FAMILIES.index(e.family) for e in self.examples])

    def matrix(self, rows: npt.NDArray[Any], mode: Mode) -> csr_matrix:
        parts = [self.words[rows], self.hints[rows]]
        if mode is Mode.ENCODER and self.vectors is not None:
            parts.append(csr_matrix(VECTOR_WEIGHT * self.vectors[rows]))
        joined = hstack(
            parts, dtype=np.float64
        ).tocsr()  # as the machines want it, once instead of once a machine
        joined.sort_indices()
        return joined


def fit(
    examples: Sequence[Example],
    bounds: Bounds,
    vectors: npt.NDArray[np.float32] | None = None,
    encoder_languages: frozenset[str] = frozenset(),
    card: Mapping[str, Any] | None = None,
) -> SuspicionModel:
    """Train both machines (the encoder's only with ``vectors``, one row an example), choose their thresholds.

    The model's card keeps, beside what is given, each machine's out-of-fold scores of the judged messages under a
    hash of their text: ``evaluate`` uses them, because the model itself has seen these messages.
    """
    vectorizer = TfidfVectorizer(analyzer=features, sublinear_tf=True, min_df=MIN_TEXTS, dtype=np.float32)
    words = vectorizer.fit_transform([e.asked.text for e in examples])
    data = _Data(examples, words, _hints(examples), vectors)
    every = frozenset(e.asked.lang for e in examples)
    machines: dict[Mode, Machine] = {}
    points: dict[tuple[Mode, str], Point] = {}
    judged: dict[str, dict[str, list[float]]] = {}
    for mode, languages in ((Mode.NGRAMS, every), (Mode.ENCODER, encoder_languages)):
        if mode is Mode.ENCODER and (vectors is None or not languages):
            continue
        rows = np.array([i for i, e in enumerate(examples) if e.asked.lang in languages])
        places, margins = _out_of_fold(data, rows, mode)
        temperature = _temperature(margins, data.family[places])
        machines[mode] = _machine(data, rows, mode, temperature)
        for lang in sorted(languages):
            some = [
                (examples[i], m)
                for i, m in zip(places, margins, strict=True)
                if examples[i].asked.lang == lang
            ]
            points[mode, lang] = _point(_strange(some), temperature, bounds)
        for i, m in zip(places, margins, strict=True):
            judged.setdefault(mode.value, {})[key(examples[i].asked)] = [round(float(x), 4) for x in m]
    names = [name for name, _ in sorted(vectorizer.vocabulary_.items(), key=lambda kv: int(kv[1]))]
    idf = vectorizer.idf_.astype(np.float32)
    return SuspicionModel(names, idf, machines, points, {**(card or {}), "judged": judged})


def key(asked: Asked) -> str:
    """A judged message's name in the model: a hash, so that the model file holds no message."""
    return hashlib.sha256(f"{asked.lang}\0{asked.text}".encode()).hexdigest()[:20]


def unseen_scores(model: SuspicionModel, asked: Asked, mode: Mode) -> Scores | None:
    """The scores of a judged message by the fold that had not seen it; None for a message not judged."""
    margins = model.card.get("judged", {}).get(mode.value, {}).get(key(asked))
    point = model.point(mode, asked.lang)
    if margins is None or point is None:
        return None
    return settle(np.asarray(margins, np.float32), model.temperature(mode), asked, point, mode)


def _hints(examples: Sequence[Example]) -> csr_matrix:
    dense = np.array([[name in e.asked.hints for name in HINTS] for e in examples], np.float32)
    return csr_matrix(HINT_WEIGHT * dense)


def _out_of_fold(data: _Data, rows: npt.NDArray[Any], mode: Mode) -> tuple[npt.NDArray[Any], Floats]:
    """Judged messages' places and the margins that machines gave them that had not seen them, nor the like."""
    places = np.array([i for i in rows if data.examples[i].judged])
    fold = np.random.RandomState(SEED).permutation(len(places)) % FOLDS
    margins = np.zeros((len(places), FIRST_FAMILY + len(FAMILIES)), np.float32)
    for f in range(FOLDS):
        tested = places[fold == f]
        if not len(tested):
            continue
        machine = _machine(data, rows[~_told_before(data, rows, tested)], mode, 1.0)
        weights = machine.weights if machine.vector is None else np.vstack([machine.weights, machine.vector])
        margins[fold == f] = data.matrix(tested, mode) @ weights + machine.bias
    return places, margins


def _told_before(data: _Data, rows: npt.NDArray[Any], tested: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows would tell a machine the answer to a tested message: those nearly the same and labelled alike.

    "I'm not going to kill myself" keeps "I'm going to kill myself" in its training: that look-alike makes it harder.
    """
    out = np.isin(rows, tested)
    for danger in (False, True):
        some, like = (data.danger[rows] > 0) == danger, tested[(data.danger[tested] > 0) == danger]
        if some.any() and len(like):
            near = (data.words[rows[some]] @ data.words[like].T).max(axis=1).toarray().ravel()
            out[some] |= near >= NEAR
    return out


def _machine(data: _Data, rows: npt.NDArray[Any], mode: Mode, temperature: float) -> Machine:
    """Danger, emergency rather than urgent, and families, each linear; columns as the model reads them.

    Families are told apart by words alone: the vector adds little there and ten times the time.
    """
    matrix, danger, family = data.matrix(rows, mode), data.danger[rows], data.family[rows]
    split = data.words.shape[1] + len(HINTS)
    told, of = matrix[family >= 0][:, :split], family[family >= 0]
    columns: list[tuple[Any, float]] = [
        _binary(matrix, danger > 0, C_DANGER),
        _binary(matrix[danger > 0], danger[danger > 0] == 2, C_DANGER),
        *(_margin(told, of == i) for i in range(len(FAMILIES))),
    ]
    weights = np.zeros((matrix.shape[1], len(columns)), np.float32)
    for i, (column, _) in enumerate(columns):
        weights[: len(column), i] = column
    bias = np.array([b for _, b in columns], np.float32)
    vector = weights[split:] if mode is Mode.ENCODER else None
    return Machine(weights[:split], bias, temperature, vector)


def _binary(matrix: csr_matrix, target: npt.NDArray[np.bool_], c: float) -> tuple[Any, float]:
    if target.all() or not target.any():
        return np.zeros(matrix.shape[1]), 20.0 if target.all() else -20.0
    machine = LogisticRegression(C=c, solver="liblinear", random_state=SEED).fit(matrix, target)
    return machine.coef_[0], float(machine.intercept_[0])


def _margin(matrix: csr_matrix, target: npt.NDArray[np.bool_]) -> tuple[Any, float]:
    """A family of which there is no example never wins."""
    if target.all() or not target.any():
        return np.zeros(matrix.shape[1]), 2.0 if target.all() else -2.0
    machine = LinearSVC(C=C_FAMILY, random_state=SEED).fit(matrix, target)
    return machine.coef_[0], float(machine.intercept_[0])


def _temperature(margins: Floats, family: npt.NDArray[np.int64]) -> float:
    """The divisor of the family margins that makes the unseen folds most likely (Guo et al. 2017)."""
    known = family >= 0
    if not known.any():
        return 1.0
    scores, target = margins[known, FIRST_FAMILY:], family[known]

    def loss(t: float) -> float:
        z = scores / t
        z = z - z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), target]))

    return float(min(TEMPERATURES, key=loss))


def _strange(judged: list[tuple[Example, Floats]]) -> list[tuple[Example, Floats]]:
    """Those by which the rules were not mended: on mended ones the lexicon cancels more than it does in life, and
    thresholds come out too low (measured). All of them where there are none such."""
    return [(e, m) for e, m in judged if e.strange] or judged


def _point(judged: Sequence[tuple[Example, Floats]], temperature: float, bounds: Bounds) -> Point:
    """Calibration (Platt 1999) and thresholds of one machine in one language, from messages that it had not seen."""
    if len({e.danger > 0 for e, _ in judged}) < 2:
        return Point(1.0, 0.0, NEVER, NEVER)
    z = np.array([logit(raw(m, temperature, e.asked.cancelled)[0]) for e, m in judged])
    platt = LogisticRegression(C=1e3).fit(z[:, None], [e.danger > 0 for e, _ in judged])
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    open_point = Point(slope, shift, 0.0, 0.0)
    scored = [(e, settle(m, temperature, e.asked, open_point, Mode.NGRAMS).danger) for e, m in judged]
    quiet = sum(e.quiet for e, _ in scored)
    added = sorted((s for e, s in scored if e.quiet and not e.escalated), reverse=True)
    suspicion, strong = (threshold(added, int(b * quiet)) for b in (bounds.asked, bounds.raised))
    return Point(slope, shift, suspicion, strong)


def threshold(scores: Sequence[float], allowed: int) -> float:
    """The lowest score at which at most ``allowed`` of ``scores`` (in falling order) lie at or above it."""
    return float(np.nextafter(scores[allowed], 2.0)) if allowed < len(scores) else 0.0
