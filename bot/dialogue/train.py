"""Training the dialogue model: domain, rules, NLU data and config in, one archive and its manifest out.

``train`` does nothing when the archive at hand was made from the same sources by the same code.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import warnings
from pathlib import Path

from bot.dialogue.model import Manifest, ModelRefused, file_hash, read_manifest, verify_model, write_manifest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config.yml"
DIALOGUE = Path(__file__).parent
DOMAIN = DIALOGUE / "domain"
RULES = DIALOGUE / "rules"
NLU_DATA = ROOT / "nlu" / "data"
HELD_OUT = "held_out"
CODE = (
    ROOT / "nlu" / "classifier.py",
    ROOT / "nlu" / "components.py",
    ROOT / "nlu" / "ngrams.py",
    ROOT / "nlu" / "routing.py",
    DIALOGUE / "policy.py",
)
"""Code whose change changes the model."""
ARCHIVE = "dialogue.tar.gz"


class TrainingFailed(Exception):
    """Rasa refused the data. The message says what to look at."""


def training_files(data: Path = NLU_DATA) -> list[Path]:
    """Every NLU file that is trained on; the held-out half never is."""
    return sorted(p for p in data.glob("*/*.yml") if HELD_OUT not in p.parts)


def source_hash() -> str:
    """SHA-256 over names and contents of everything that the model is made from."""
    digest = hashlib.sha256()
    for path in (
        CONFIG,
        *sorted(DOMAIN.glob("*.yml")),
        *sorted(RULES.glob("*.yml")),
        *training_files(),
        *CODE,
    ):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def train(out_dir: Path) -> Path:
    """Train into ``out_dir`` and return the archive's path; returns at once where it is up to date.

    Raises:
        TrainingFailed: the data or the configuration is refused.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    source, archive = source_hash(), out_dir / ARCHIVE
    known = read_manifest(out_dir)
    if known is not None and known.source == source:
        with contextlib.suppress(ModelRefused):
            verify_model(archive)
            return archive
    with tempfile.TemporaryDirectory(prefix="careline-train-", dir=out_dir) as directory:
        fresh = _train(Path(directory))
        digest = file_hash(fresh)
        fresh.replace(archive)
    write_manifest(out_dir, Manifest(ARCHIVE, digest, source))
    return archive


def _train(directory: Path) -> Path:
    os.environ["RASA_TELEMETRY_ENABLED"] = "false"  # nothing of a clinic is reported to anybody
    from rasa.model_training import train as rasa_train
    from rasa.shared.exceptions import RasaException

    from bot.dialogue.quiet import silence_rasa

    silence_rasa()
    files = [str(RULES), *(str(p) for p in training_files())]
    silence = io.StringIO()  # Rasa prints its progress, bar by bar; callers have their own
    with (
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            result = rasa_train(
                domain=str(DOMAIN),
                config=str(CONFIG),
                training_files=files,
                output=str(directory),
                fixed_model_name=ARCHIVE.removesuffix(".tar.gz"),
                force_training=True,
            )
        except RasaException as error:
            raise TrainingFailed(f"the dialogue model cannot be trained: {error}") from error
    if not result.model:
        raise TrainingFailed("the dialogue model cannot be trained: Rasa gave back no model")
    return Path(result.model)
