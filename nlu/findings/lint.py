"""``python -m nlu.findings.lint``: read vocabulary and lexicon, print every fault with file and line, count forms."""

from __future__ import annotations

import sys
from typing import TextIO

from nlu.findings.lexicon import Knowledge, LexiconError, load_knowledge


def undefined_ids(knowledge: Knowledge) -> list[str]:
    """Concept ids that a lexicon or an ``implies`` names and the vocabulary does not define."""
    implied = {i for c in knowledge.concepts.values() for i in c.implies}
    return sorted((knowledge.used_ids | implied) - set(knowledge.concepts))


def run_lint(out: TextIO) -> int:
    """Print what is wrong; 0 where nothing is."""
    try:
        knowledge = load_knowledge()
    except LexiconError as error:
        out.write(f"{error}\n")
        return 1
    for code, language in knowledge.languages.items():
        out.write(f"{code}: {language.surface_forms} patterns\n")
    missing = undefined_ids(knowledge)
    for concept_id in missing:
        out.write(f"used but not in the vocabulary: {concept_id}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(run_lint(sys.stdout))
