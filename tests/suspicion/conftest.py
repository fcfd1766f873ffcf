"""A small real reader, n-grams alone, trained once on every twelfth of its examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.dialogue.model import Manifest, file_hash, write_manifest
from bot.suspicion import corpus
from bot.suspicion.reader import Reader, load_reader
from bot.suspicion.train import FILE, MANIFEST, make
from nlu.suspicion.fit import Example

EVERY = 12


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    return corpus.examples(EVERY)


@pytest.fixture(scope="session")
def folder(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as ``careline train`` leaves it."""
    directory = tmp_path_factory.mktemp("models")
    make(examples).save(directory / FILE)
    write_manifest(directory, Manifest(FILE, file_hash(directory / FILE), "test"), MANIFEST)
    return directory


@pytest.fixture(scope="session")
def reader(folder: Path) -> Reader:
    return load_reader(folder)
