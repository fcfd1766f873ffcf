"""Collects the second reader's sentences from the twin tests of the rules: ``python -m bot.suspicion.collect``.

The twin tests are no part of an installation and training must not need them, so what training uses of them lies in
``bot/suspicion/sentences/``, written by this and checked by a test. Run it when many situations have been added.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bot.suspicion.corpus import DANGERS, LANGUAGES, SENTENCES, Annotator
from bot.triage.engine import default_engine
from bot.triage.level import Level
from nlu.suspicion.families import load_families

TWINS = Path(__file__).parents[2] / "tests" / "triage" / "rules"
ALONE = frozenset(
    {"rule", "lang", "text", "level", "not_level", "not_rule", "note", "path", "max_level", "min_level"}
)
"""Keys of a situation that one message tells whole; one with an age or an earlier turn means less without it."""
NAMES = {value: name for name, value in DANGERS.items()}


def situations(twins: Path = TWINS) -> Iterator[dict[str, Any]]:
    """Every named situation that is one message by itself."""
    for path in sorted(twins.glob("*.yml")):
        for entry in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or []:
            if set(entry) <= ALONE and "text" in entry:
                yield entry


def collect(twins: Path = TWINS) -> dict[str, list[dict[str, Any]]]:
    """Language → groups of sentences by family and danger, as the rules read them, in the order of the twins."""
    annotator = Annotator(default_engine(), load_families())
    groups: dict[str, dict[tuple[str, str], dict[str, None]]] = {
        lang: defaultdict(dict) for lang in LANGUAGES
    }
    for entry in situations(twins):
        assessment = annotator.read({"id": 0, "text": entry["text"], "lang": entry["lang"]})
        danger = NAMES[max(0, assessment.level - Level.ROUTINE)]
        if danger != "none" and entry.get("level") not in (None, danger):
            continue  # the situation says otherwise: its own test fails, and nothing is learned from it
        family = annotator.family(assessment, entry.get("rule")) if danger != "none" else None
        groups[entry["lang"]][family or "", danger][entry["text"]] = None
    return {
        lang: [
            {"family": str(family) or None, "danger": danger, "sentences": list(texts)}
            for (family, danger), texts in sorted(found.items())
        ]
        for lang, found in groups.items()
    }


def main() -> int:
    """Write ``sentences/<lang>.yml``."""
    for lang, groups in collect().items():
        text = yaml.dump(groups, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=10_000)
        head = "# Collected from the twin tests of the rules by `python -m bot.suspicion.collect`. Own sentences.\n"
        (SENTENCES / f"{lang}.yml").write_text(head + text, encoding="utf-8")
        sys.stdout.write(f"{lang}: {sum(len(g['sentences']) for g in groups)} sentences\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
