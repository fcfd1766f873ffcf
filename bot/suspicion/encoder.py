"""The sentence encoder as the second reader uses it: short texts in length order, and a name for the exact weights.

English by the package that the answers use too; every language by ``CARELINE_READER_ENCODER``, the folder of a
multilingual encoder whose vectors are the mean of its token vectors. Imports torch only when it first encodes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from generation.encoder import EncoderUnavailable, MiniLmEncoder, package_model

MULTILINGUAL = frozenset({"en", "zh"})
WEIGHTS = ("*.safetensors", "*.bin", "tokenizer.json", "config.json")


class SentenceEncoder(Protocol):
    """What the reader needs of an encoder."""

    @property
    def languages(self) -> frozenset[str]: ...
    def fingerprint(self) -> str: ...
    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


class ReaderEncoder:
    """:class:`SentenceEncoder` over :class:`generation.encoder.MiniLmEncoder`; thread-safe as that is."""

    def __init__(self, folder: Path, inner: MiniLmEncoder, languages: frozenset[str]) -> None:
        self._folder, self._inner, self._languages = folder, inner, languages

    @property
    def languages(self) -> frozenset[str]:
        """Languages in which it is trusted."""
        return self._languages

    def fingerprint(self) -> str:
        """A hash of the weights' files: a model trained with other weights must not be read with these."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(p for pattern in WEIGHTS for p in self._folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """``(len(texts), d)`` unit rows. Batched by length, because a batch costs what its longest text costs."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows = self._inner.encode([texts[i] for i in order])
        out = np.empty_like(rows)
        out[order] = rows
        return out


def encode_kept(encoder: SentenceEncoder, texts: Sequence[str], path: Path) -> npt.NDArray[np.float32]:
    """As ``encoder.encode``, with the vectors kept in ``path`` under hashes of their texts, so that training again
    after a change of rules or lexicon encodes only what is new."""
    kept = _kept(path, encoder.fingerprint())
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32] for text in texts]
    fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    if fresh:
        kept.update(zip(fresh, encoder.encode(list(fresh.values())), strict=True))
        scratch = path.with_name(f"{path.name}.new")
        with scratch.open("wb") as file:
            used = dict.fromkeys(keys)
            np.savez_compressed(
                file,
                weights=np.array(encoder.fingerprint()),
                keys=np.array(list(used)),
                vectors=np.stack([kept[key] for key in used]),
            )
        scratch.replace(path)
    return np.stack([kept[key] for key in keys]).astype(np.float32)


def _kept(path: Path, fingerprint: str) -> dict[str, npt.NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["weights"]) != fingerprint:
                return {}
            return dict(zip(arrays["keys"].tolist(), arrays["vectors"], strict=True))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return {}  # none yet, or half a file: everything is encoded anew


def reader_encoder(
    folder: Path | None = None, *, wanted: bool = True, shared: MiniLmEncoder | None = None
) -> ReaderEncoder | None:
    """The encoder by settings: ``folder`` a multilingual one; else the English package (``shared``: one that is
    loaded for the answers too); None where there is none."""
    if not wanted or importlib.util.find_spec("torch") is None:
        return None
    if folder is not None:
        return ReaderEncoder(folder, MiniLmEncoder(folder), MULTILINGUAL)
    try:
        path = package_model()
    except EncoderUnavailable:
        return None
    return ReaderEncoder(path, shared or MiniLmEncoder(path), frozenset({"en"}))
