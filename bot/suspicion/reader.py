"""The second reader at work: a message and the rules' assessment of it in, the same assessment or a higher one out.

It joins the model, the encoder where there is one, and the families' rules. It never lowers and never waits: who calls
it in a turn gives it a thread and a time limit (:mod:`bot.suspicion.aside`). It keeps nothing between messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.suspicion.encoder import SentenceEncoder
from bot.suspicion.train import load
from bot.triage.assess import Assessment, Suspected
from bot.triage.level import Level
from bot.triage.suspicion import Step, SuspicionRules, hints, load_suspicion_rules, raised, weigh
from nlu.suspicion.families import Family, load_families
from nlu.suspicion.fit import unseen_scores
from nlu.suspicion.model import Asked, Mode, Scores, SuspicionModel

BATCH = 64
"""Messages read together: the encoder's gain from more is small, and answers do not wait long."""
HALF = 0.5


class Reader:
    """A loaded second reader. Immutable; may be shared between threads."""

    def __init__(
        self,
        model: SuspicionModel,
        digest: str,
        rules: SuspicionRules,
        concepts: Mapping[str, Family],
        encoder: SentenceEncoder | None = None,
    ) -> None:
        self._model, self._digest, self.rules = model, digest, rules
        self._concepts = concepts
        trained_with = model.card.get("encoder")
        self._encoder = encoder if encoder is not None and encoder.fingerprint() == trained_with else None
        self.digest = f"{digest[:32]}{rules.content_hash[:32]}"

    @property
    def encoder(self) -> SentenceEncoder | None:
        """The encoder, where it is the one that the model was trained with."""
        return self._encoder

    def encodes(self, assessment: Assessment) -> bool:
        """Whether a message of this assessment is worth a sentence vector."""
        if self._encoder is None or assessment.level is Level.EMERGENCY:
            return False
        return self._model.reads(Mode.ENCODER, assessment.lang)

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Sentence vectors. Blocks for milliseconds a text, for seconds the first time."""
        assert self._encoder is not None
        return self._encoder.encode(texts)

    def suspect(
        self, text: str, assessment: Assessment, vector: npt.NDArray[np.float32] | None = None
    ) -> Assessment:
        """Judge one message, by words alone or with its sentence vector. An emergency is returned as it is."""
        if assessment.level is Level.EMERGENCY:
            return assessment
        return self._settle(assessment, self._model.score(self.asked(text, assessment), vector))

    def read(self, texts: Sequence[str], assessments: Sequence[Assessment]) -> list[Assessment]:
        """Judge messages together; the results in the same order."""
        places = [i for i, a in enumerate(assessments) if self.encodes(a)]
        found: dict[int, npt.NDArray[np.float32]] = {}
        for start in range(0, len(places), BATCH):
            some = places[start : start + BATCH]
            found.update(zip(some, self.vectors([texts[i] for i in some]), strict=True))
        return [
            self.suspect(text, assessment, found.get(i))
            for i, (text, assessment) in enumerate(zip(texts, assessments, strict=True))
        ]

    def read_as_unseen(self, texts: Sequence[str], assessments: Sequence[Assessment]) -> list[Assessment]:
        """As :meth:`read`, but a message that the model was trained with is judged by the fold that had not seen
        it, so that figures over the open half do not flatter."""
        out = self.read(texts, assessments)
        for i, (text, assessment) in enumerate(zip(texts, assessments, strict=True)):
            mode = Mode.ENCODER if self.encodes(assessment) else Mode.NGRAMS
            scores = unseen_scores(self._model, self.asked(text, assessment), mode)
            if scores is not None and assessment.level is not Level.EMERGENCY:
                out[i] = self._settle(assessment, scores)
        return out

    def asked(self, text: str, assessment: Assessment) -> Asked:
        """The message with what the rules know of it."""
        cancelled = {self._concepts[c.id] for c in assessment.considered if c.id in self._concepts}
        return Asked(text, assessment.lang, hints(assessment), frozenset(cancelled))

    def _settle(self, assessment: Assessment, scores: Scores | None) -> Assessment:
        point = None if scores is None else self._model.point(scores.mode, assessment.lang)
        if scores is None or point is None:
            return assessment
        suspected = Suspected(
            scores.family.value,
            scores.danger,
            Level.EMERGENCY if scores.emergency >= HALF else Level.URGENT,
            Step.QUIET.value,
            self.digest,
            scores.mode.value,
        )
        step = weigh(assessment, suspected, point.suspicion, point.strong)
        return raised(assessment, replace(suspected, step=step.value), self.rules)


def load_reader(
    directory: Path, encoder: SentenceEncoder | None = None, cache_dir: Path | None = None
) -> Reader:
    """The reader that ``careline train`` left in a folder. Raises :class:`bot.suspicion.train.SuspicionMissing`."""
    model, digest = load(directory)
    concepts = load_families().of_concepts(cache_dir=cache_dir)
    return Reader(model, digest, load_suspicion_rules(), concepts, encoder)
