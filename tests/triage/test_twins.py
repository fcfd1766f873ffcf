"""Runs the named situations beside every rule file: tests/triage/rules/*.yml, one test per situation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.triage import Assessment, Case, TriageEngine
from nlu.findings import ContextTurn, Profile

FOLDER = Path(__file__).parent / "rules"
KEYS = {
    "rule", "lang", "text", "turns", "level", "not_level", "not_rule", "age", "sex", "pregnant", "context",
    "path", "note", "max_level", "min_level",
}  # fmt: skip


def _situations() -> list[Any]:
    out = []
    for path in sorted(FOLDER.glob("*.yml")):
        for n, entry in enumerate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or []):
            out.append(
                pytest.param(
                    entry, id=f"{path.stem}-{n}-{entry.get('rule', 'none')}-{entry.get('lang', '?')}"
                )
            )
    return out


def run_situation(engine: TriageEngine, entry: dict[str, Any]) -> Assessment:
    """Play the turns of one situation and return the last assessment."""
    assert set(entry) <= KEYS, f"unknown keys {set(entry) - KEYS}"
    age = entry.get("age")
    profile = Profile(
        age_years=None if age is None else float(age), sex=entry.get("sex"), pregnant=entry.get("pregnant")
    )
    context = [ContextTurn(t["role"], t["text"]) for t in entry.get("context") or []]
    case, assessment = Case(), None
    for n, text in enumerate(entry.get("turns") or [entry["text"]]):
        case, assessment = engine.turn(case, text, 60.0 * n, entry.get("lang"), context, profile=profile)
    assert assessment is not None
    return assessment


@pytest.mark.parametrize("entry", _situations())
def test_situation(engine: TriageEngine, entry: dict[str, Any]) -> None:
    got = run_situation(engine, entry)
    new = {h.id for h in got.hits if h.new}
    seen = f"{entry.get('turns') or entry['text']} → {got.level.code}, rules {sorted(new)}, " + ", ".join(
        f"{f.id}:{f.status.value}:{f.subject.value}:{f.time.value}" for f in got.findings
    )
    if "level" in entry:
        assert got.level.code == entry["level"], seen
    if "not_level" in entry:
        assert got.level.code != entry["not_level"], seen
    if "not_rule" in entry:
        assert entry["not_rule"] not in new, seen
    elif "level" in entry and entry.get("rule") and entry["level"] in ("emergency", "urgent"):
        assert new, seen
    if "path" in entry:
        assert got.path == entry["path"], seen
