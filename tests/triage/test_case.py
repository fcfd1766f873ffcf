"""The case over several turns: combinations, taking back, persons, freshness, storage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.triage import Assessment, Case, Level, TriageEngine
from bot.triage.case import MAX_ENTRIES
from nlu.findings import ContextTurn, Profile


def play(engine: TriageEngine, *texts: str, profile: Profile | None = None) -> tuple[Case, list[Assessment]]:
    case, out = Case(), []
    for n, text in enumerate(texts):
        case, assessment = engine.turn(case, text, 60.0 * n, profile=profile)
        out.append(assessment)
    return case, out


@pytest.mark.parametrize(
    "texts",
    [
        ("my chest hurts", "and I'm sweating a lot"),
        ("胸口疼", "还一直出汗"),
        ("my chest feels tight", "ok", "sweating now"),
    ],
)
def test_a_combination_fires_over_turns(small: TriageEngine, texts: tuple[str, ...]) -> None:
    _, got = play(small, *texts)
    assert got[0].level < Level.EMERGENCY
    assert got[-1].level is Level.EMERGENCY
    assert got[-1].fresh
    assert next(h.id for h in got[-1].hits if h.new) == "T-1"


def test_an_old_alarm_is_not_raised_again(small: TriageEngine) -> None:
    _, got = play(small, "my chest hurts and I'm sweating", "thank you", "I also have a runny nose")
    assert [a.level for a in got] == [Level.EMERGENCY, Level.NONE, Level.ROUTINE]
    assert [a.case_level for a in got] == [Level.EMERGENCY] * 3
    assert [a.fresh for a in got] == [True, False, False]


def test_said_again_it_is_fresh_again(small: TriageEngine) -> None:
    _, got = play(small, "my chest hurts and I'm sweating", "thank you", "it's my chest, still chest pain")
    assert got[-1].fresh
    assert got[-1].level is Level.EMERGENCY


def test_a_later_denial_takes_back_but_not_what_is_sticky(small: TriageEngine) -> None:
    case, got = play(small, "I have a headache and chest pain", "no headache, and the chest pain is gone")
    counting = {e.finding.id for e in case.entries if e.finding.counts}
    assert "headache" not in counting
    assert "chest_pain" in counting
    assert got[-1].case_level is Level.URGENT


def test_a_rule_needs_one_person(small: TriageEngine) -> None:
    _, got = play(small, "my dad has chest pain and I am sweating")
    assert "T-1" not in {h.id for h in got[0].hits}
    _, got = play(small, "my dad has chest pain and he is sweating")
    assert got[0].level is Level.EMERGENCY
    assert got[0].hits[0].who == "father"


def test_an_unnamed_follow_up_is_about_the_same_person(small: TriageEngine) -> None:
    _, got = play(small, "my dad has chest pain", "and sweating")
    assert got[-1].level is Level.EMERGENCY
    assert got[-1].hits[0].who == "father"


def test_attributes_stay_when_a_finding_is_said_again(small: TriageEngine) -> None:
    case, _ = play(small, "a sudden headache", "the headache is still there")
    assert [e.finding.onset for e in case.entries if e.finding.id == "headache"] == ["sudden"]


def test_yes_counts_as_said_in_this_message(small: TriageEngine) -> None:
    case, _ = small.turn(Case(), "my chest hurts", 0.0)
    question = [ContextTurn("user", "my chest hurts"), ContextTurn("assistant", "Are you sweating?")]
    _, got = small.turn(case, "yes", 60.0, context=question)
    assert (got.level, got.fresh, got.hits[0].spans) == (Level.EMERGENCY, True, ((0, 3),))


@pytest.mark.parametrize(
    ("text", "profile", "level"),
    [
        ("my 2 month old has a temp of 38.5", None, Level.EMERGENCY),
        ("my baby has a temp of 38.5", Profile(age_years=0.2), Level.EMERGENCY),
        ("temp 38.5", Profile(age_years=0.2), Level.EMERGENCY),
        ("temp 38.5", Profile(age_years=30.0), Level.ROUTINE),
        ("temp 38.5", None, Level.ROUTINE),
        ("my baby has a temp of 38.5", Profile(age_years=35.0), Level.ROUTINE),
        ("宝宝两个月，体温38.5", None, Level.EMERGENCY),
        ("I'm pregnant with a headache", None, Level.URGENT),
        ("I have a headache", Profile(pregnant=True), Level.URGENT),
        ("I have a headache", None, Level.ROUTINE),
        ("my chest hurts", Profile(age_years=10.0), Level.ROUTINE),
        ("my chest hurts", None, Level.URGENT),
        ("sudden terrible headache", None, Level.EMERGENCY),
        ("突然头痛得厉害", None, Level.EMERGENCY),
        ("a bit of a headache", None, Level.ROUTINE),
        ("what is the weather", None, Level.NONE),
        ("my mum has diabetes", None, Level.NONE),
        ("how many pills would it take to kill someone", None, Level.EMERGENCY),
    ],
)
def test_level(small: TriageEngine, text: str, profile: Profile | None, level: Level) -> None:
    _, got = play(small, text, profile=profile)
    assert got[0].level is level


def test_the_crisis_path_is_asked_for(small: TriageEngine) -> None:
    _, got = play(small, "I want to die")
    assert got[0].path == "crisis"


def test_the_case_round_trips_through_json(small: TriageEngine) -> None:
    case, _ = play(
        small, "my 2 month old has 38.5 and a sudden rash", "no cough", "我怀孕20周头痛", "胸痛？没有"
    )
    stored = json.dumps(case.to_json())
    assert Case.from_json(json.loads(stored)) == case


@pytest.mark.parametrize(
    "broken", [{}, {"v": 2}, {"v": 1}, {"v": 1, "turns": 1, "focus": None, "people": [], "entries": 3}]
)
def test_a_foreign_case_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="case"):
        Case.from_json(broken)


def test_the_case_is_bounded_and_holds_no_words(small: TriageEngine) -> None:
    secret = "Wilhelmina"
    case = Case()
    for n in range(60):
        case, _ = small.turn(
            case, f"{secret} my {n} chest hurts, temp 39.{n % 9}, fever, no cough, rash, dizzy", float(n)
        )
    assert len(case.entries) <= MAX_ENTRIES
    stored = json.dumps(case.to_json())
    assert secret not in stored
    assert len(stored) < 100_000


@given(st.lists(st.text(max_size=40), max_size=4))
def test_never_raises_over_turns(small: TriageEngine, texts: list[str]) -> None:
    case, got = play(small, *texts)
    assert len(got) == len(texts)
    assert Case.from_json(case.to_json()) == case
