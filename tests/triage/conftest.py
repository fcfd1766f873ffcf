"""Two engines, each built once: the shipped data, and a small one of the tests' own with five rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.triage import TriageEngine, load_engine
from tests.nlu.findings.conftest import write_small_lexicon

SOURCE = {"name": "Test source: page", "date": "2026-11-23"}


def a_rule(rule_id: str, level: str, when: Any, **more: Any) -> dict[str, Any]:
    """A complete rule."""
    return {
        "id": rule_id, "level": level, "when": when, "reason": {"en": "Because.", "zh": "因为。"},
        "source": SOURCE, "basis": "background", "review": "not_reviewed", **more,
    }  # fmt: skip


RULES = [
    a_rule("T-1", "emergency", {"all": ["chest_pain", "sweating"]}),
    a_rule("T-2", "urgent", "chest_pain", population={"age_years": {"min": 16}}),
    a_rule("T-3", "emergency", {"vital": "temperature", "min": 38.0},
           population={"age_years": {"max": 0.25}, "require_known": True}),
    a_rule("T-4", "emergency", {"any": ["thinking_of_death", "lethal_method_question"]}, path="crisis"),
    a_rule("T-5", "urgent", "headache", population={"pregnant": True}),
    a_rule("T-6", "emergency", {"finding": "headache", "onset": "sudden", "severity": "severe"}),
]  # fmt: skip


@pytest.fixture(scope="session")
def engine() -> TriageEngine:
    """The product's own rules and lexicon."""
    return load_engine()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> TriageEngine:
    """The tests' own rules over the small lexicon."""
    folder: Path = tmp_path_factory.mktemp("engine")
    vocabulary, lexicon = write_small_lexicon(folder)
    rules = folder / "rules"
    rules.mkdir()
    (rules / "t.yml").write_text(yaml.safe_dump(RULES, allow_unicode=True), encoding="utf-8")
    return load_engine(vocabulary, lexicon, rules)
