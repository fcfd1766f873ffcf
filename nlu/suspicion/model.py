"""The trained second reader: text in, calibrated suspicion out. numpy alone; the same input gives the same answer.

Two linear machines over one vocabulary: ``ngrams`` (every language, a millisecond) and ``encoder`` (n-grams and a
sentence vector together, for the languages of the encoder). It sees the whole message and, as *hints*, how the rule
layer cancelled what it found in it (negated, hypothetical, past …). It decides no level and keeps no text.
"""

from __future__ import annotations

import enum
import json
import math
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu.ngrams import features
from nlu.suspicion.families import Family

Floats = npt.NDArray[np.float32]
VERSION = 1
HINTS = (
    "negated", "hypothetical", "past", "resolved", "family", "fiction", "idiom", "routine", "self_care",
)  # fmt: skip
"""What the rule layer says of a message besides danger: reasons of cancelling, and mild levels that rules gave."""
HINT_WEIGHT = 0.3
"""The value of a hint beside a TF-IDF row of length one; larger ones drown the words (measured, docs/LOG.md)."""
VECTOR_WEIGHT = 1.5
"""The length of a sentence vector beside a TF-IDF row of length one."""
MAJORITY = 0.5
DANGER, EMERGENCY, FIRST_FAMILY = 0, 1, 2
"""Columns of the weights: danger or not, emergency rather than urgent, then one a family."""
FAMILIES = tuple(Family)


class Mode(enum.StrEnum):
    """Which machine answered; it is recorded, because the two have different thresholds."""

    NGRAMS = "ngrams"
    ENCODER = "encoder"


class ModelError(ValueError):
    """The file is not a second reader's model, or one of another version."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One message for the reader. ``cancelled`` are families of which the lexicon found a sign and cancelled it."""

    text: str
    lang: str
    hints: tuple[str, ...] = ()
    cancelled: frozenset[Family] = frozenset()


@dataclass(frozen=True, slots=True)
class Scores:
    """``danger`` 0 to 1, calibrated on unseen folds; ``emergency`` 0 to 1, how likely an emergency if a danger;
    ``families`` in falling order, without the cancelled ones, summing to what is left of one."""

    danger: float
    emergency: float
    families: tuple[tuple[Family, float], ...]
    mode: Mode

    @property
    def family(self) -> Family:
        """The family that is likelier than all others together; where none is, ``other``: a question about the
        wrong danger is worse than a general one (below one half, every second family was wrong, measured)."""
        whole = sum(share for _, share in self.families)
        if not self.families or self.families[0][1] < MAJORITY * whole:
            return Family.OTHER
        return self.families[0][0]


@dataclass(frozen=True, slots=True)
class Point:
    """The working point of one machine in one language: calibration (``slope``, ``shift``) and thresholds."""

    slope: float
    shift: float
    suspicion: float
    strong: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Weights ``(features + hints, 2 + families)``, bias, temperature of the families; ``vector`` for the encoder."""

    weights: Floats
    bias: Floats
    temperature: float
    vector: Floats | None = None


class SuspicionModel:
    """A fitted reader. ``card`` is what training wrote down: figures, thresholds, encoder, judged messages."""

    def __init__(
        self,
        names: Sequence[str],
        idf: Floats,
        machines: Mapping[Mode, Machine],
        points: Mapping[tuple[Mode, str], Point],
        card: Mapping[str, Any],
    ) -> None:
        self._place = {name: i for i, name in enumerate(names)}
        self._names, self._idf = tuple(names), idf
        self._machines, self._points = dict(machines), dict(points)
        self.card = dict(card)

    def point(self, mode: Mode, lang: str) -> Point | None:
        """The thresholds, or None where this machine was not trained for the language."""
        return self._points.get((mode, lang))

    def temperature(self, mode: Mode) -> float:
        """The divisor of the family margins."""
        return self._machines[mode].temperature

    def reads(self, mode: Mode, lang: str) -> bool:
        """Whether this machine can read the language."""
        return mode in self._machines and (mode, lang) in self._points

    def score(self, asked: Asked, vector: Floats | None = None) -> Scores | None:
        """Judge one message; with its sentence ``vector`` by the encoder's machine. None: no machine for it."""
        mode = Mode.ENCODER if vector is not None else Mode.NGRAMS
        point = self._points.get((mode, asked.lang))
        if point is None or mode not in self._machines:
            return None
        return settle(
            self._margins(asked, mode, vector), self._machines[mode].temperature, asked, point, mode
        )

    def _margins(self, asked: Asked, mode: Mode, vector: Floats | None) -> Floats:
        machine = self._machines[mode]
        places, values = row(asked, self._place, self._idf)
        margins = machine.bias + values @ machine.weights[places]
        if vector is not None and machine.vector is not None:
            margins = margins + (VECTOR_WEIGHT * vector) @ machine.vector
        return np.asarray(margins, np.float32)

    def save(self, path: Path) -> None:
        """One file of plain arrays and JSON (no pickle), so that loading one can run no code."""
        arrays: dict[str, Any] = {"idf": self._idf}
        for mode, machine in self._machines.items():
            arrays[f"{mode}_weights"], arrays[f"{mode}_bias"] = machine.weights, machine.bias
            if machine.vector is not None:
                arrays[f"{mode}_vector"] = machine.vector
        meta = {
            "version": VERSION,
            "names": self._names,
            "temperatures": {m.value: machine.temperature for m, machine in self._machines.items()},
            "points": [
                [mode.value, lang, p.slope, p.shift, p.suspicion, p.strong]
                for (mode, lang), p in self._points.items()
            ],
            "card": self.card,
        }
        text = json.dumps(meta, ensure_ascii=False).encode()
        with path.open("wb") as file:
            np.savez_compressed(file, meta=np.frombuffer(text, np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> SuspicionModel:
        """Read what :meth:`save` wrote. Raises :class:`ModelError`, or OSError where it cannot be read."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                meta = json.loads(arrays["meta"].tobytes())
                if meta["version"] != VERSION:
                    raise ModelError(f"{path.name}: version {meta['version']!r} is not known")
                machines = {
                    Mode(mode): Machine(
                        arrays[f"{mode}_weights"],
                        arrays[f"{mode}_bias"],
                        float(temperature),
                        arrays[f"{mode}_vector"] if f"{mode}_vector" in arrays.files else None,
                    )
                    for mode, temperature in meta["temperatures"].items()
                }
                points = {(Mode(p[0]), p[1]): Point(*map(float, p[2:])) for p in meta["points"]}
                return cls(meta["names"], arrays["idf"], machines, points, meta["card"])
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path.name}: not a second reader's model ({type(error).__name__})") from None


def row(asked: Asked, place: Mapping[str, int], idf: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """A message as TF-IDF row of length one, with its hints behind: places and values."""
    counts = Counter(place[name] for name in features(asked.text) if name in place)
    places = np.fromiter(counts.keys(), np.intp, len(counts))
    values = (1.0 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * idf[places]
    length = float(np.sqrt((values * values).sum()))
    if length:
        values = values / length
    hints = [len(idf) + i for i, name in enumerate(HINTS) if name in asked.hints]
    return (
        np.concatenate([places, np.asarray(hints, np.intp)]),
        np.concatenate([values, np.full(len(hints), HINT_WEIGHT)]).astype(np.float32),
    )


def settle(margins: Floats, temperature: float, asked: Asked, point: Point, mode: Mode) -> Scores:
    """Margins to scores: what lies in cancelled families is taken off the danger, the rest is calibrated."""
    danger, shares = raw(margins, temperature, asked.cancelled)
    z = point.slope * logit(danger) + point.shift
    order = np.argsort(-shares, kind="stable")
    families = tuple((FAMILIES[i], float(shares[i])) for i in order if shares[i] > 0)
    return Scores(sigmoid(z), sigmoid(float(margins[EMERGENCY])), families, mode)


def raw(margins: Floats, temperature: float, cancelled: Collection[Family]) -> tuple[float, Floats]:
    """Danger before calibration, and each family's share of it with the cancelled ones at nought."""
    scaled = margins[FIRST_FAMILY:] / temperature
    shares = np.exp(scaled - scaled.max())
    shares = shares / shares.sum()
    shares[[FAMILIES.index(f) for f in cancelled]] = 0.0
    return sigmoid(float(margins[DANGER])) * float(shares.sum()), shares


def sigmoid(z: float) -> float:
    """The logistic function, safe for every z."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, z))))


def logit(p: float) -> float:
    """The inverse of :func:`sigmoid`, kept finite at 0 and 1."""
    p = min(1 - 1e-9, max(1e-9, p))
    return math.log(p / (1 - p))
