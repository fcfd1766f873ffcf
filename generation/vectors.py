"""Vectors of articles, kept on disk, so that a start encodes only what changed since the last one.

Keyed by what was encoded and by what encoded it; a damaged or foreign file is put aside as if it were not there.
Only articles come here: a patient's question is never written. Knows numpy files; no article, no model.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from generation.encoder import Encoder, Vectors

FILE = "article-vectors.npz"
KEY_BYTES = 16
CHUNK = 256
"""Texts between two saves: a start that is broken off keeps what it has done."""


class VectorCache:
    """Vectors in ``folder``; those of ``shipped``, another such folder, are read too and never written. One process
    writes at a time; a lost race costs only the encoding."""

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self._path = folder / FILE
        self._shipped = None if shipped is None else shipped / FILE
        self._known: dict[bytes, Vectors] = {}

    def encode(self, texts: Sequence[str], encoder: Encoder) -> Vectors:
        """The vectors of ``texts``, ``(len(texts), d)``, from the file where they are in it."""
        keys = [_key(text, encoder) for text in texts]
        given = {} if self._shipped is None else _read(self._shipped)
        self._known = {k: row for k, row in _read(self._path).items() if k not in given}
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known and k not in given}
        todo = list(missing.items())
        for i in range(0, len(todo), CHUNK):
            part = todo[i : i + CHUNK]
            rows = encoder.encode([t for _, t in part])
            self._known.update((k, row) for (k, _), row in zip(part, rows, strict=True))
            self._write(self._known)
        rows = np.stack([self._known[k] if k in self._known else given[k] for k in keys])
        own = {k: row for k, row in self._known.items() if k in set(keys)}
        if own and (todo or len(self._known) > len(own)):
            self._write(own)
        self._known = {}
        return rows

    def _write(self, rows: dict[bytes, Vectors]) -> None:
        """Whole or not at all; a folder that cannot be written costs the next start its time, no more."""
        keys = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, KEY_BYTES)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez(file, keys=keys, rows=np.stack(list(rows.values())))
            part.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()


def _key(text: str, encoder: Encoder) -> bytes:
    return hashlib.sha256(f"{encoder.name}\n{text}".encode()).digest()[:KEY_BYTES]


def _read(path: Path) -> dict[bytes, Vectors]:
    """What a file holds; nothing where it is damaged, foreign or not there."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            keys, rows = file["keys"], file["rows"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    if keys.ndim != 2 or keys.shape != (len(rows), KEY_BYTES) or rows.dtype != np.float32:
        return {}
    return {k.tobytes(): row for k, row in zip(keys, rows, strict=True)}
