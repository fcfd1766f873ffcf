"""Every fixed sentence a patient can see: ``bot/texts/<lang>/<file>.yml``, a flat map ``key: sentence``.

A sentence is asked for as ``"<file>.<key>"`` and filled with ``str.format`` fields. Every language must hold
the same keys with the same fields; ``tests/bot/test_texts.py`` holds that. Loading is strict: a value that is
not text is refused with file and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

TEXTS_DIR = Path(__file__).parent


class TextError(ValueError):
    """A text file is malformed, or a sentence that does not exist was asked for."""


def load_language(directory: Path) -> dict[str, str]:
    """Read one language folder into ``{"file.key": sentence}``."""
    out: dict[str, str] = {}
    for path in sorted(directory.glob("*.yml")):
        # The base loader reads everything as text (a key "yes" stays "yes") and makes no objects.
        data = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader) or {}  # noqa: S506
        if not isinstance(data, Mapping):
            raise TextError(f"{path}: expected a map of key to sentence")
        for key, value in data.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TextError(f"{path}: key {key!r}: expected text, got {type(value).__name__}")
            out[f"{path.stem}.{key}"] = value.strip()
    return out


class Texts:
    """The sentences of every language folder found at construction. Immutable afterwards."""

    def __init__(self, directory: Path = TEXTS_DIR) -> None:
        self._by_lang = {
            d.name: load_language(d) for d in sorted(directory.iterdir()) if d.is_dir() and d.name[0] != "_"
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """Language codes that have a folder, e.g. ``("en", "zh")``."""
        return tuple(self._by_lang)

    def keys(self, lang: str) -> frozenset[str]:
        """All sentence keys of a language."""
        return frozenset(self._by_lang[lang])

    def __call__(self, key: str, lang: str, **fields: object) -> str:
        """The sentence, filled. An unknown language reads English; an unknown key is a programming error."""
        return self.template(key, lang).format(**fields)

    def template(self, key: str, lang: str) -> str:
        """The sentence as written, with its ``{fields}``."""
        sentences = self._by_lang.get(lang) or self._by_lang["en"]
        try:
            return sentences[key]
        except KeyError:
            raise TextError(f"no sentence {key!r} in {lang!r}") from None
