"""Which model archives may be loaded: those whose hash stands in the manifest that training wrote beside them.

A Rasa archive holds arrays and code names; loading a foreign one is loading foreign code. No Rasa in here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
BLOCK = 1 << 20


class ModelRefused(Exception):
    """The archive is missing, or is not the one that training wrote. The message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One trained model: archive name, its SHA-256, and the hash of everything it was trained from."""

    archive: str
    sha256: str
    source: str


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(directory: Path, name: str = MANIFEST) -> Manifest | None:
    """The manifest of a model folder, or None where there is none that can be read."""
    try:
        data = json.loads((directory / name).read_text(encoding="utf-8"))
        return Manifest(str(data["archive"]), str(data["sha256"]), str(data["source"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_manifest(directory: Path, manifest: Manifest, name: str = MANIFEST) -> None:
    """Write the manifest in one move, so that a reader sees the old or the new one."""
    text = json.dumps(
        {"archive": manifest.archive, "sha256": manifest.sha256, "source": manifest.source}, indent=1
    )
    temporary = directory / f"{name}.new"
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(directory / name)


def verify_model(archive: Path) -> None:
    """Raises ModelRefused unless ``archive`` is the file that the manifest in its folder names."""
    mend = "run `careline train` to make it anew"
    if not archive.is_file():
        raise ModelRefused(f"there is no dialogue model {archive.name}; {mend}")
    manifest = read_manifest(archive.parent)
    if manifest is None or manifest.archive != archive.name:
        raise ModelRefused(f"the dialogue model {archive.name} is not in {MANIFEST}; {mend}")
    if file_hash(archive) != manifest.sha256:
        raise ModelRefused(f"the dialogue model {archive.name} is not the file that was trained; {mend}")
