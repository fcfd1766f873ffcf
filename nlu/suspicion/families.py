"""The closed set of danger families, and which rules and concepts belong to each.

"It feels like a horse stands on my ribs" → ``chest``. It knows names, no words of patients and no levels.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlu.findings.lexicon import VOCABULARY_DIR, LexiconError, read_yaml

FAMILIES_FILE = Path(__file__).parent / "families.yml"


class Family(enum.StrEnum):
    """What kind of danger. Closed set; ``families.yml`` describes every member."""

    CHEST = "chest"
    BRAIN = "brain"
    BREATHING = "breathing"
    ANAPHYLAXIS = "anaphylaxis"
    INFECTION = "infection"
    BLEEDING = "bleeding"
    ABDOMEN = "abdomen"
    PREGNANCY = "pregnancy"
    CHILD = "child"
    INJURY = "injury"
    POISONING = "poisoning"
    CRISIS = "crisis"
    ABUSE = "abuse"
    EYE = "eye"
    DIABETES = "diabetes"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Families:
    """``of_file``: stem of a rule or vocabulary file → family; ``of_rule`` the exceptions by rule id."""

    of_file: Mapping[str, Family]
    of_rule: Mapping[str, Family]

    def of(self, rule: str, file: str) -> Family:
        """The family of a rule. An unknown file belongs to ``other``, so that a new one breaks nothing."""
        return self.of_rule.get(rule) or self.of_file.get(Path(file).stem, Family.OTHER)

    def of_concepts(
        self, vocabulary: Path = VOCABULARY_DIR, cache_dir: Path | None = None
    ) -> dict[str, Family]:
        """Every concept id of the vocabulary → the family of the file that defines it."""
        return {
            concept: self.of_file.get(path.stem, Family.OTHER)
            for path in sorted(vocabulary.glob("*.yml"))
            for concept in read_yaml(path, cache_dir) or {}
        }


def load_families(path: Path = FAMILIES_FILE) -> Families:
    """Read the file, strictly. Raises :class:`nlu.findings.LexiconError` naming file and key."""
    data: Any = read_yaml(path)
    if not isinstance(data, dict) or set(data) != set(Family):
        raise LexiconError(f"{path}: expected exactly the families {', '.join(Family)}")
    of_file: dict[str, Family] = {}
    of_rule: dict[str, Family] = {}
    for name, entry in data.items():
        if not isinstance(entry, dict) or set(entry) - {"files", "rules"}:
            raise LexiconError(f"{path}: {name}: expected files and rules")
        for table, key in ((of_file, "files"), (of_rule, "rules")):
            for item in entry.get(key) or ():
                if item in table:
                    raise LexiconError(f"{path}: {name}: {item} already belongs to {table[item]}")
                table[item] = Family(name)
    return Families(of_file, of_rule)
