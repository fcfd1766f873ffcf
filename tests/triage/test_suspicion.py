"""What follows from a suspicion: the pure decision, the families' rules, and that "yes" to each question is heard."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.texts import Texts
from bot.triage.assess import Assessment, Suspected
from bot.triage.case import Case
from bot.triage.engine import TriageEngine
from bot.triage.level import Level
from bot.triage.suspicion import (
    SUSPICION_FILE,
    Step,
    hints,
    load_suspicion_rules,
    raised,
    recalled,
    weigh,
)
from nlu.findings.lexicon import LexiconError
from nlu.suspicion.families import Family, load_families

RULES = load_suspicion_rules()
YES = {"en": "yes", "zh": "是的"}
NO = {"en": "no", "zh": "没有"}


def at(level: Level) -> Assessment:
    return Assessment(level, level, (), (), (), "r", "en")


def suspected(score: float, level: Level = Level.EMERGENCY, step: str = "raise") -> Suspected:
    return Suspected("chest", score, level, step, "m", "ngrams")


@pytest.mark.parametrize(
    ("rules", "score", "would", "step"),
    [
        (Level.NONE, 0.95, Level.EMERGENCY, Step.RAISE),
        (Level.NONE, 0.95, Level.URGENT, Step.RAISE),
        (Level.ROUTINE, 0.90, Level.EMERGENCY, Step.RAISE),
        (Level.ROUTINE, 0.89, Level.EMERGENCY, Step.ASK),
        (Level.ROUTINE, 0.60, Level.URGENT, Step.ASK),
        (Level.ROUTINE, 0.59, Level.EMERGENCY, Step.QUIET),
        (Level.URGENT, 0.95, Level.EMERGENCY, Step.RAISE),
        (Level.URGENT, 0.95, Level.URGENT, Step.QUIET),
        (Level.URGENT, 0.70, Level.EMERGENCY, Step.QUIET),
        (Level.EMERGENCY, 0.99, Level.EMERGENCY, Step.QUIET),
    ],
)
def test_both_sides_of_each_threshold(rules: Level, score: float, would: Level, step: Step) -> None:
    assert weigh(at(rules), suspected(score, would), suspicion=0.6, strong=0.9) is step


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("would", [Level.URGENT, Level.EMERGENCY])
@pytest.mark.parametrize("step", ["quiet", "ask", "raise"])
def test_nothing_lowers(level: Level, would: Level, step: str) -> None:
    after = raised(at(level), suspected(1.0, would, step), RULES)
    assert after.level >= level
    assert after.level > level or not after.hits


def test_what_was_raised_earlier_binds_the_case_and_not_the_message() -> None:
    after = recalled(at(Level.NONE), {"chest": "emergency", "no such family": "urgent"}, RULES)
    assert (after.level, after.case_level, after.fresh) == (Level.NONE, Level.EMERGENCY, False)
    assert [h.id for h in after.hits] == ["SR-CHEST"]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("family", list(Family))
def test_yes_to_a_familys_question_is_an_emergency_and_no_is_quiet(
    engine: TriageEngine, family: Family, lang: str
) -> None:
    screened = RULES.families[family].screened
    _, yes = engine.turn(Case(), YES[lang], 0.0, lang, screened=screened)
    _, no = engine.turn(Case(), NO[lang], 0.0, lang, screened=screened)
    assert yes.level is Level.EMERGENCY
    assert no.level is Level.NONE


def test_every_family_has_its_rule_and_its_question_in_every_language(engine: TriageEngine) -> None:
    texts = Texts()
    assert set(RULES.families) == set(Family)
    for name, family in RULES.families.items():
        assert family.rule == f"SR-{name.upper()}"
        assert set(family.screened) <= set(engine.knowledge.concepts)
        assert family.rule not in {rule.id for rule in engine.ruleset.rules}
        for lang in texts.languages:
            assert texts(f"suspicion.{name}", lang)
            assert family.reason[lang]


def test_hints_say_why_and_never_that_the_rules_escalate(engine: TriageEngine) -> None:
    _, negated = engine.turn(Case(), "no chest pain", 0.0, "en")
    _, loud = engine.turn(Case(), "crushing chest pain", 0.0, "en")
    assert hints(negated) == ("negated",)
    assert {"urgent", "emergency"}.isdisjoint(hints(loud))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "expected bounds"),
        ({"source": {"name": "x"}}, "source"),
        ({"families": {"chest": {"rule": "X"}}}, "reason"),
        (
            {"families": {"chest": {"rule": "X", "reason": {"en": "a", "zh": "b"}, "screened": []}}},
            "screened",
        ),
        ({"families": {"chest": {"rule": "X", "path": "y"}}}, "path"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(tmp_path: Path, change: dict[str, object], said: str) -> None:
    data = yaml.safe_load(SUSPICION_FILE.read_text(encoding="utf-8"))
    path = tmp_path / "suspicion.yml"
    path.write_text(yaml.safe_dump({**data, **change}, allow_unicode=True), encoding="utf-8")
    with pytest.raises(LexiconError, match=said):
        load_suspicion_rules(path)


def test_every_file_of_rules_and_vocabulary_has_a_family(engine: TriageEngine) -> None:
    families = load_families()
    files = {Path(rule.file).stem for rule in engine.ruleset.rules}
    assert files <= set(families.of_file)
    assert set(families.of_rule) <= {rule.id for rule in engine.ruleset.rules}
    assert set(engine.knowledge.concepts) <= set(families.of_concepts())
