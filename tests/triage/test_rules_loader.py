"""Malformed rules and conditions are refused with file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.triage import RuleError, load_rules
from tests.triage.conftest import a_rule


def load(folder: Path, *rules: Any) -> None:
    (folder / "r.yml").write_text(
        yaml.safe_dump(list(rules), allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    load_rules(folder)


GOOD = a_rule("A-1", "urgent", "fever")


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != key}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({**GOOD, "colour": "red"}, "colour"),
        (without("source"), "source"),
        (without("reason"), "reason"),
        (without("review"), "review"),
        ({**GOOD, "level": "high"}, "level"),
        ({**GOOD, "path": "party"}, "path"),
        ({**GOOD, "basis": "guess"}, "basis"),
        ({**GOOD, "reason": {"en": "Because."}}, "reason"),
        ({**GOOD, "source": {"name": "X", "date": "soon"}}, "date"),
        ({**GOOD, "source": {"name": "X", "date": "2026-01-01", "url": "ftp://x"}}, "url"),
        ({**GOOD, "source": {"date": "2026-01-01"}}, "source"),
        ({**GOOD, "population": {"height": 2}}, "height"),
        ({**GOOD, "population": {"age_years": {"min": 10, "max": 5}}}, "age_years"),
        ({**GOOD, "population": {"pregnant": True, "sex": "male"}}, "pregnant"),
        ({**GOOD, "when": {"all": []}}, "all"),
        ({**GOOD, "when": {"every": ["fever"]}}, "every"),
        ({**GOOD, "when": {"atleast": 3, "of": ["fever", "cough"]}}, "atleast"),
        ({**GOOD, "when": {"vital": "mood", "min": 1}}, "vital"),
        ({**GOOD, "when": {"vital": "pulse"}}, "min"),
        ({**GOOD, "when": {"finding": "fever", "smell": "bad"}}, "smell"),
        ({**GOOD, "when": {"finding": "fever", "time": "soon"}}, "time"),
        ({**GOOD, "when": {"all": ["fever", {"any": [{"finding": "x", "status": "odd"}]}]}}, "status"),
        ({**GOOD, "when": 3}, "when"),
        ("just text", "rule"),
    ],
)
def test_refused(tmp_path: Path, rule: Any, said: str) -> None:
    with pytest.raises(RuleError, match=rf"r\.yml:\d+: .*{said}"):
        load(tmp_path, a_rule("OK-1", "urgent", "cough"), rule)


def test_a_second_rule_of_one_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"r\.yml:\d+: .*A-1 is already in r\.yml"):
        load(tmp_path, GOOD, GOOD)


def test_the_line_is_that_of_the_fault(tmp_path: Path) -> None:
    text = yaml.safe_dump([GOOD], sort_keys=False) + "- id: A-2\n  level: urgent\n  colour: red\n"
    (tmp_path / "r.yml").write_text(text, encoding="utf-8")
    line = text.splitlines().index("  colour: red") + 1
    with pytest.raises(RuleError, match=rf"r\.yml:{line}: "):
        load_rules(tmp_path)


def test_the_hash_names_the_content(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    first = load_rules(tmp_path).rules_hash
    assert load_rules(tmp_path).rules_hash == first
    load(tmp_path, {**GOOD, "level": "routine"})
    assert load_rules(tmp_path).rules_hash != first


def test_the_shipped_rules_have_no_fault_but_missing_example_sentences() -> None:
    """What a rule names must exist: an unknown concept never fires and nobody notices."""
    from bot.triage.ruleschecks import check_rules

    assert [str(fault) for fault in check_rules() if "has no twin test" not in str(fault)] == []
