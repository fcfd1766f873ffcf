"""This room's fixed sentences: ``generation/texts/<lang>.yml``, a flat map ``key: sentence``.

Strict: every language holds the same keys, every value is text. Knows no patient and no passage; fills
templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

TEXTS_DIR = Path(__file__).parent / "texts"


class WordingError(ValueError):
    """A file of fixed sentences is malformed, or languages differ in their keys."""


class Wording:
    """The sentences of every language. Immutable after construction, which reads the files."""

    def __init__(self, directory: Path = TEXTS_DIR) -> None:
        self._by_lang = {path.stem: _load(path) for path in sorted(directory.glob("*.yml"))}
        keys = {lang: frozenset(sentences) for lang, sentences in self._by_lang.items()}
        if "en" not in keys:
            raise WordingError(f"{directory.name}: en.yml is missing")
        for lang, present in keys.items():
            if present != keys["en"]:
                raise WordingError(f"{lang}.yml: keys differ from en.yml: {sorted(present ^ keys['en'])}")

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that have a file."""
        return tuple(self._by_lang)

    def __call__(self, key: str, lang: str, **fields: object) -> str:
        """The sentence, filled; an unknown language reads English."""
        sentences = self._by_lang.get(lang) or self._by_lang["en"]
        return sentences[key].format(**fields)


def _load(path: Path) -> Mapping[str, str]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, Mapping):
        raise WordingError(f"{path.name}: expected a map of key to sentence")
    for key, value in data.items():
        if not isinstance(key, str) or not isinstance(value, str) or not value.strip():
            raise WordingError(f"{path.name}: key {key!r}: expected text")
    return {key: value.strip() for key, value in data.items()}
