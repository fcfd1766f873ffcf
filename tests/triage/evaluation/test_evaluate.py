"""The evaluator counts rightly, keeps the unseen half unread, and refuses files that are wrong."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bot.triage import Level
from bot.triage.evaluate import (
    EvaluationError,
    Labelled,
    Outcome,
    Share,
    confusion,
    load_labelled,
    report,
    run_evaluate,
    sensitivity,
    specificity,
)


def labelled(level: Level, *near: Level) -> Labelled:
    return Labelled("x/en/1", "en", "plain", "x", level, frozenset({level, *near}), {"id": 1, "text": "x"})


def test_wilson_interval_of_a_known_share() -> None:
    low, high = Share(9, 10).interval()
    assert (round(low, 3), round(high, 3)) == (0.596, 0.982)


def test_zero_misses_of_three_hundred_bounds_the_rate() -> None:
    assert Share(300, 300).interval()[0] > 0.98


def test_sensitivity_and_specificity_count_what_they_name() -> None:
    outcomes = [
        Outcome(labelled(Level.EMERGENCY), Level.EMERGENCY),
        Outcome(labelled(Level.EMERGENCY), Level.URGENT),
        Outcome(labelled(Level.EMERGENCY, Level.URGENT), Level.URGENT),
        Outcome(labelled(Level.NONE, Level.ROUTINE), Level.ROUTINE),
        Outcome(labelled(Level.NONE, Level.ROUTINE), Level.URGENT),
    ]
    assert sensitivity(outcomes) == Share(2, 3)
    assert specificity(outcomes) == Share(1, 2)
    assert [o.under for o in outcomes] == [False, True, False, False, False]
    assert [o.over for o in outcomes] == [False, False, False, False, True]
    assert sum(map(sum, confusion(outcomes))) == 5


@pytest.mark.parametrize("half", ["held_out", "open"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_half_has_enough_messages_in_balance(half: str, lang: str) -> None:
    cases = [c for c in load_labelled(half) if c.lang == lang]
    quiet = sum(c.must_not_escalate for c in cases)
    assert len(cases) >= (350 if half == "held_out" else 250)
    assert 0.35 <= quiet / len(cases) <= 0.65
    assert len({c.phenomenon for c in cases}) >= 20


def test_no_message_stands_in_both_halves() -> None:
    learned = {
        c.text for half in ("open", "training") for c in load_labelled(half) if "context" not in c.request
    }
    assert learned.isdisjoint(c.text for c in load_labelled("held_out") if "context" not in c.request)


def test_report_of_the_unseen_half_shows_no_message() -> None:
    case = load_labelled("held_out")[0]
    text = report([Outcome(case, Level.NONE)], "held_out")
    assert case.text not in text
    assert "0.000" in text


def test_unknown_half_and_unknown_level_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="held_out, open"):
        load_labelled("sealed")
    (tmp_path / "open").mkdir()
    for lang in ("en", "zh"):
        (tmp_path / "open" / f"{lang}.yml").write_text(
            "- {phenomenon: plain, level: dire, messages: [secret words]}\n", encoding="utf-8"
        )
    with pytest.raises(EvaluationError) as caught:
        load_labelled("open", tmp_path)
    assert "open/en/1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_open_half_prints_tables_matrix_and_misses() -> None:
    out = io.StringIO()
    run_evaluate(out, half="open")
    text = out.getvalue()
    assert "emergency sensitivity" in text
    assert "by phenomenon" in text
    assert "labelled \\ given" in text


FLOOR_SENSITIVITY = 0.90
FLOOR_SPECIFICITY = 0.90


def test_open_half_stays_above_the_release_floors() -> None:
    from bot.triage.evaluate import evaluate

    outcomes = evaluate(load_labelled("open"))
    found, quiet = sensitivity(outcomes), specificity(outcomes)
    assert found.hits >= FLOOR_SENSITIVITY * found.total
    assert quiet.hits >= FLOOR_SPECIFICITY * quiet.total
