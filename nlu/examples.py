"""Reading labelled utterances from Rasa's NLU files, without Rasa. All three halves share the form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance with its intent and language."""

    text: str
    intent: str
    lang: str


class DataError(ValueError):
    """An NLU file is malformed. The message names file and intent."""


def training(lang: str) -> list[Example]:
    """What the model is trained on."""
    return _folder(DATA / lang, lang)


def development(lang: str) -> list[Example]:
    """What choices are made on: never trained on, but looked at, so its figures flatter."""
    return _folder(DATA / lang / "development", lang)


def unseen(lang: str) -> list[Example]:
    """What the model is judged on: never trained on, and no choice was made on its single messages."""
    return _folder(DATA / lang / "unseen", lang)


def _folder(folder: Path, lang: str) -> list[Example]:
    return [example for path in sorted(folder.glob("*.yml")) for example in _file(path, lang)]


def _file(path: Path, lang: str) -> list[Example]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    out = []
    for row in data["nlu"]:
        for line in row["examples"].splitlines():
            if not line.startswith("- "):
                raise DataError(f"{path}: intent {row['intent']}: a line does not begin with '- '")
            out.append(Example(line[2:].strip(), row["intent"], lang))
    return out
