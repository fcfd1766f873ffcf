"""Our own questions with the articles that answer them, and those that none answers: two halves per language.

``evaluation/<lang>_questions.yml`` holds ``open`` (tuned on) and ``held_out`` (counted, never read). Knows the
file format; no retrieval. A malformed entry is named by file, half and number, never by its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

QUESTIONS_DIR = Path(__file__).parent / "evaluation"
HALVES = ("open", "held_out")
LANGUAGES = ("en", "zh")


class QuestionsError(ValueError):
    """A file of questions cannot be used."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A question and the articles that answer it, any of them."""

    text: str
    articles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Questions:
    """One half of one language."""

    covered: tuple[Covered, ...]
    uncovered: tuple[str, ...]


def load_questions(lang: str, half: str, folder: Path = QUESTIONS_DIR) -> Questions | None:
    """The questions of one half; None where the file or the half is not there. Raises :class:`QuestionsError`."""
    path = folder / f"{lang}_questions.yml"
    if not path.exists():
        return None
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, Mapping) or set(data) - set(HALVES):
        raise QuestionsError(f"{path.name}: expected the keys {', '.join(HALVES)}")
    part = data.get(half)
    if part is None:
        return None
    covered = tuple(_covered(c, f"{path.name}: {half} {n}") for n, c in enumerate(part["covered"], 1))
    return Questions(covered, tuple(map(str, part["uncovered"])))


def _covered(entry: Any, where: str) -> Covered:
    if not isinstance(entry, Mapping) or set(entry) != {"q", "articles"} or not entry["articles"]:
        raise QuestionsError(f"{where}: expected q and articles")
    return Covered(str(entry["q"]), frozenset(entry["articles"]))
