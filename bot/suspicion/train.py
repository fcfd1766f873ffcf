"""Training the second reader: our own sentences in, one model file and its manifest out.

Does nothing when the file at hand was made from the same sources by the same code and with the same encoder. Only a
file whose hash stands in the manifest is ever loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import nlu.ngrams
import nlu.suspicion.fit
import nlu.suspicion.model
from bot.dialogue.model import Manifest, file_hash, read_manifest, write_manifest
from bot.suspicion import corpus
from bot.suspicion.encoder import SentenceEncoder, encode_kept
from bot.triage.suspicion import SUSPICION_FILE, load_suspicion_rules
from nlu.findings.lexicon import LEXICON_DIR, content_hash
from nlu.suspicion.families import FAMILIES_FILE
from nlu.suspicion.fit import Bounds, Example, fit
from nlu.suspicion.model import ModelError, SuspicionModel

FILE = "suspicion.npz"
MANIFEST = "suspicion.json"
VECTORS = "suspicion-vectors.npz"
NO_ENCODER = "none"


class SuspicionMissing(Exception):
    """There is no second reader that may be loaded. The message says how to mend it."""


def load(directory: Path) -> tuple[SuspicionModel, str]:
    """The trained model and the SHA-256 that names it. Raises :class:`SuspicionMissing`."""
    path, mend = directory / FILE, "run `careline train` to make it anew"
    if not path.is_file():
        raise SuspicionMissing(f"there is no second reader {FILE}; {mend}")
    manifest = read_manifest(directory, MANIFEST)
    if manifest is None or manifest.archive != FILE:
        raise SuspicionMissing(f"the second reader {FILE} is not in {MANIFEST}; {mend}")
    try:
        if file_hash(path) != manifest.sha256:
            raise SuspicionMissing(f"the second reader {FILE} is not the file that was trained; {mend}")
        return SuspicionModel.load(path), manifest.sha256
    except (ModelError, OSError) as error:
        raise SuspicionMissing(f"the second reader cannot be read ({type(error).__name__}); {mend}") from None


def source_hash(encoder: SentenceEncoder | None) -> str:
    """SHA-256 over everything that the model is made from: sentences, lexicon, bounds, code, encoder."""
    digest = hashlib.sha256((NO_ENCODER if encoder is None else encoder.fingerprint()).encode())
    code = [Path(str(m.__file__)) for m in (nlu.ngrams, nlu.suspicion.fit, nlu.suspicion.model, corpus)]
    for path in (*corpus.sources(), SUSPICION_FILE, FAMILIES_FILE, *code):
        digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes() + b"\0")
    digest.update(content_hash([LEXICON_DIR]).encode())
    return digest.hexdigest()


def train(out_dir: Path, encoder: SentenceEncoder | None = None, *, force: bool = False) -> Path:
    """Train into ``out_dir`` and return the file's path; at once where it is up to date."""
    out_dir.mkdir(parents=True, exist_ok=True)
    path, source = out_dir / FILE, source_hash(encoder)
    known = read_manifest(out_dir, MANIFEST)
    if not force and known is not None and known.source == source:
        with contextlib.suppress(SuspicionMissing):
            load(out_dir)
            return path
    model = make(corpus.examples(), encoder, out_dir / VECTORS)
    fresh = out_dir / f"{FILE}.new"
    model.save(fresh)
    digest = file_hash(fresh)
    fresh.replace(path)
    write_manifest(out_dir, Manifest(FILE, digest, source), MANIFEST)
    return path


def make(
    examples: Sequence[Example], encoder: SentenceEncoder | None = None, vectors_kept: Path | None = None
) -> SuspicionModel:
    """A fitted model of the examples, with the working point that the bounds ask for."""
    rules = load_suspicion_rules()
    bounds = Bounds(rules.raised, rules.asked)
    if encoder is None:
        return fit(examples, bounds, card={"encoder": NO_ENCODER})
    places = [i for i, e in enumerate(examples) if e.asked.lang in encoder.languages]
    texts = [examples[i].asked.text for i in places]
    found = encoder.encode(texts) if vectors_kept is None else encode_kept(encoder, texts, vectors_kept)
    vectors = np.zeros((len(examples), found.shape[1]), np.float32)
    vectors[places] = found
    return fit(examples, bounds, vectors, encoder.languages, {"encoder": encoder.fingerprint()})
