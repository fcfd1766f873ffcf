"""Words of daily life, words of other subjects, and animals: what a question may hold without being about health.

Reads ``words_<lang>.yml`` once. Knows no article, and no patient. Pure but for reading its files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from generation.tokens import stem

WORDS_DIR = Path(__file__).parent
KEYS = frozenset({"everyday", "elsewhere", "animals", "no_article"})
_EN_BITES = r"(?!\s+(?:bite|bit|scratch|hair|allerg|lick|poo))"
_ZH_BITES = r"(?!咬|抓|挠|舔|毛|过敏)"


class VocabularyError(ValueError):
    """A word list cannot be used; names the file and the key."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The lists of one language. English words are stems; Chinese words are matched inside a run of characters."""

    everyday: frozenset[str]
    elsewhere: frozenset[str]
    no_article: frozenset[str]
    everyday_re: re.Pattern[str] | None
    patient_animal_re: re.Pattern[str]

    def about_an_animal(self, folded: str) -> bool:
        """Whether the patient is an animal: "my cat is vomiting", not "a cat bit my hand"."""
        return bool(self.patient_animal_re.search(folded))


@lru_cache(maxsize=8)
def vocabulary(lang: str) -> Vocabulary:
    """The lists of ``lang``; a language without a file has the English ones. Raises :class:`VocabularyError`."""
    path = WORDS_DIR / f"words_{lang}.yml"
    if not path.exists():
        path = WORDS_DIR / "words_en.yml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or set(data) != KEYS:
        raise VocabularyError(f"{path.name}: expected exactly the keys {', '.join(sorted(KEYS))}")
    words = {key: tuple(dict.fromkeys(str(value).split())) for key, value in data.items()}
    animals = "|".join(map(re.escape, sorted(words["animals"], key=len, reverse=True)))
    if lang == "zh":
        longest = sorted(words["everyday"], key=len, reverse=True)
        return Vocabulary(
            frozenset(words["everyday"]),
            frozenset(words["elsewhere"]),
            frozenset(words["no_article"]),
            re.compile("|".join(map(re.escape, longest))),
            re.compile(
                f"(?<!被)(?<!自家)(?<!了)(?:{animals}){_ZH_BITES}(?=.*(?:吗|怎么|不吃|吐|拉|感冒|发烧|生病|吃了|得了|能吃|朝上|细小|$))"
            ),
        )
    return Vocabulary(
        frozenset(stem(w) for w in words["everyday"]),
        frozenset(w.replace("-", " ") for w in words["elsewhere"]),
        frozenset(w.replace("-", " ") for w in words["no_article"]),
        None,
        re.compile(
            rf"\b(?:(?:my|our|the|a|his|her)\s+(?:\w+\s+)?|in\s+|for\s+|^|^give\s+)(?:{animals})\b{_EN_BITES}"
        ),
    )
