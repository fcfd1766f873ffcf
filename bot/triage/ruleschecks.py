"""What ``careline rules check`` looks for beyond what the loaders refuse: ids used and not defined or defined and
never used, rules without a twin test, reasons and names missing in a language. It changes nothing."""

from __future__ import annotations

from pathlib import Path

import yaml

from bot.triage.conditions import VITALS
from bot.triage.engine import load_engine
from bot.triage.rules import LANGUAGES, Rule
from nlu.findings.lexicon import Knowledge, LexiconError

TESTS_DIR = Path(__file__).parents[2] / "tests" / "triage" / "rules"
DERIVED = frozenset(["fever", "low_blood_sugar", "unsupported_language"])
"""Ids that the engine itself yields from values."""


def check_rules(tests_dir: Path | None = None) -> list[str]:
    """All faults, one sentence each; empty where all is well."""
    try:
        engine = load_engine()
    except LexiconError as error:
        return str(error).splitlines()
    faults = _ids(engine.knowledge, engine.ruleset.rules)
    faults += _names(engine.knowledge)
    folder = TESTS_DIR if tests_dir is None else tests_dir
    if folder.is_dir():
        faults += _twins(engine.ruleset.rules, folder)
    return faults


def _ids(knowledge: Knowledge, rules: tuple[Rule, ...]) -> list[str]:
    named = {c for r in rules for c in r.concepts} - set(VITALS.values())
    implied = {i for c in knowledge.concepts.values() for i in c.implies}
    known = set(knowledge.concepts)
    found = knowledge.used_ids | DERIVED
    out = [f"{r.file}: rule {r.id}: unknown concept {c!r}" for r in rules for c in sorted(r.concepts - known)]
    out += [f"lexicon: unknown concept {c!r}" for c in sorted(knowledge.used_ids - known)]
    out += [f"vocabulary: implies unknown concept {c!r}" for c in sorted(implied - known)]
    out += [
        f"vocabulary: {c!r} has no words in any language, so nothing can find it"
        for c in sorted(known - found - implied)
    ]
    unused = known - knowledge.used_ids - named - implied - DERIVED
    return out + [f"vocabulary: {c!r} is defined and never used" for c in sorted(unused)]


def _names(knowledge: Knowledge) -> list[str]:
    return [
        f"vocabulary: {c.id!r} has no name in {lang!r}"
        for c in knowledge.concepts.values()
        for lang in LANGUAGES
        if not c.name.get(lang)
    ]


def _twins(rules: tuple[Rule, ...], folder: Path) -> list[str]:
    seen: set[tuple[str, str]] = set()
    out: list[str] = []
    ids = {r.id for r in rules}
    for path in sorted(folder.glob("*.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            seen.add((entry.get("rule", ""), entry.get("lang", "")))
            if entry.get("rule") not in ids | {None}:
                out.append(f"{path.name}: twin test of unknown rule {entry.get('rule')!r}")
    for rule in rules:
        out += [
            f"{rule.file}: rule {rule.id} has no twin test in {lang!r}"
            for lang in LANGUAGES
            if (rule.id, lang) not in seen and not rule.generated  # tests/triage/test_pairs.py covers tables
        ]
    return out
