"""Likeness of short texts by character n-grams: for languages without an encoder, and for slips. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from generation.tokens import chinese_topic, terms


class NgramVectors:
    """Tf-idf cosine over character n-grams of a fixed list of texts."""

    def __init__(self, texts: Sequence[str], lang: str) -> None:
        self._lang, self._size = lang, len(texts)
        counts = [Counter(self._grams(text)) for text in texts]
        df = Counter(gram for c in counts for gram in c)
        self._idf = {gram: math.log((len(texts) + 1) / n) for gram, n in df.items()}
        rows: dict[str, list[int]] = {}
        weights: dict[str, list[float]] = {}
        for i, c in enumerate(counts):
            weighed = {g: (1 + math.log(n)) * self._idf[g] for g, n in c.items()}
            norm = math.sqrt(sum(w * w for w in weighed.values())) or 1.0
            for gram, weight in weighed.items():
                rows.setdefault(gram, []).append(i)
                weights.setdefault(gram, []).append(weight / norm)
        self._postings = {
            g: (np.asarray(rows[g], dtype=np.int64), np.asarray(weights[g], dtype=np.float64)) for g in rows
        }

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
            if gram in self._postings:
                rows, held = self._postings[gram]
                out[rows] += weight * held / norm
        return out
