"""Understanding: the data, the classifier, routing by findings, `careline parse`, and the held-out figures."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.dialogue.train import CONFIG, DOMAIN, training_files
from nlu.classifier import IntentModel, Ranked
from nlu.commands import load_intents, run_parse
from nlu.evaluate import main, score
from nlu.examples import development, training, unseen
from nlu.ngrams import MAX_CHARS, features, normalise
from nlu.routing import BOTH, FALLBACK, SYMPTOM, THRESHOLD, complaints, route
from tests.dialogue.model import FOLDER

NAMES = """
greet goodbye thank affirm deny unsure help repeat simpler go_back correct stop bot_challenge
chitchat abuse out_of_scope report_symptom ask_self_care ask_health ask_medicine ask_side_effect
request_refill ask_test_result book_appointment move_appointment cancel_appointment
list_appointments ask_availability ask_hours ask_location ask_price ask_vaccination request_referral
request_sick_note request_records talk_to_human request_callback complain praise ask_privacy
delete_my_data export_my_data give_consent withdraw_consent change_language distress
"""
ISSUED = frozenset(NAMES.split())
LEAST_EXAMPLES = 40
RASH = {"id": "rash", "status": "present", "subject": "patient", "time": "now", "kind": "symptom"}


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return load_intents(FOLDER)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_intent_has_enough_different_examples(lang: str) -> None:
    counts = Counter(e.intent for e in training(lang))
    assert set(counts) == ISSUED
    assert {i: n for i, n in counts.items() if n < LEAST_EXAMPLES} == {}
    assert {e.intent for e in development(lang)} == ISSUED
    assert {e.intent for e in unseen(lang)} == ISSUED


def test_the_domain_names_the_same_intents() -> None:
    domain = yaml.safe_load((DOMAIN / "domain.yml").read_text(encoding="utf-8"))["intents"]
    assert set(domain) == ISSUED | {FALLBACK, BOTH}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_utterance_has_two_intents_and_none_is_in_two_halves(lang: str) -> None:
    labels: dict[str, set[str]] = {}
    for example in training(lang):
        labels.setdefault(normalise(example.text), set()).add(example.intent)
    assert {t: i for t, i in labels.items() if len(i) > 1} == {}
    halves = [labels.keys(), *({normalise(e.text) for e in half(lang)} for half in (development, unseen))]
    assert [a & b for a, b in combinations(halves, 2)] == [set()] * 3


def test_the_other_halves_are_never_trained_on() -> None:
    files = training_files()
    assert files and not any({"development", "unseen"} & set(p.parts) for p in files)


@pytest.mark.parametrize(("lang", "accuracy", "macro_f1"), [("en", 0.90, 0.90), ("zh", 0.90, 0.90)])
def test_unseen_utterances_are_understood(
    model: IntentModel, lang: str, accuracy: float, macro_f1: float
) -> None:
    figures = score(model, unseen(lang))
    assert figures.accuracy >= accuracy and figures.macro_f1 >= macro_f1, figures
    assert figures.oos_recall >= 0.8 and figures.oos_precision >= 0.8, figures


def test_the_evaluation_prints_every_language_a_curve_and_a_picture(tmp_path: Path) -> None:
    stdout, image = io.StringIO(), tmp_path / "confusion.png"
    assert main(["--half", "development", "--picture", str(image)], stdout) == 0
    printed = stdout.getvalue()
    assert "en  development" in printed and "zh  development" in printed and " ms" in printed
    assert printed.count("learning curve") == 3
    assert image.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_utterance_is_trained_twice(lang: str) -> None:
    counts = Counter(normalise(e.text) for e in training(lang))
    assert [text for text, n in counts.items() if n > 1] == []


def test_the_configuration_states_the_threshold_of_the_code() -> None:
    pipeline = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["pipeline"]
    assert [p["threshold"] for p in pipeline if "threshold" in p] == [THRESHOLD]


@given(st.text(max_size=200))
def test_any_text_gets_a_ranking(model: IntentModel, text: str) -> None:
    ranking = model.rank([text])[0]
    assert {r.intent for r in ranking} == ISSUED and 0 <= model.known_share(text) <= 1


@pytest.mark.parametrize("unit", ["a", "我", "\x00", "🙂", "\u202e", "ﷺ", "a ", "\ud800", "é"])
def test_twenty_thousand_characters_get_a_ranking(model: IntentModel, unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    assert sum(r.confidence for r in model.rank([text])[0]) == pytest.approx(1.0)
    assert route(model.rank([text])[0], (), THRESHOLD, model.known_share(text))


@pytest.mark.parametrize(
    "text", ["I've had a sore throat for 3 days", "我嗓子疼，发烧38.5度", "", "?!", "é ñ 🙂"]
)
def test_a_saved_model_ranks_as_the_fitted_one(tmp_path: Path, text: str) -> None:
    examples = [
        e for e in training("en") + training("zh") if e.intent in ("greet", "report_symptom", "thank")
    ]
    fitted = IntentModel.fit([e.text for e in examples], [e.intent for e in examples])
    fitted.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".npz"}
    again = IntentModel.load(tmp_path)
    for a, b in zip(fitted.rank([text])[0], again.rank([text])[0], strict=True):
        assert a.intent == b.intent and a.confidence == pytest.approx(b.confidence, abs=1e-4)


def test_confidences_are_probabilities(model: IntentModel) -> None:
    for ranking in model.rank(["hello", "我想预约", "blorp"]):
        assert sum(r.confidence for r in ranking) == pytest.approx(1.0)


def test_a_very_long_text_is_read_at_both_ends() -> None:
    text = "book an appointment " + "x" * 20_000 + " for friday please"
    assert len(normalise(text)) <= MAX_CHARS + 1
    assert {"w appointment", "w friday"} <= set(features(text))


@pytest.mark.parametrize(
    ("top", "confidence", "findings", "expected"),
    [
        ("book_appointment", 0.9, [RASH], BOTH),
        ("book_appointment", 0.9, [], "book_appointment"),
        ("greet", 0.9, [RASH], SYMPTOM),
        ("out_of_scope", 0.9, [RASH], SYMPTOM),
        ("ask_self_care", 0.9, [RASH], "ask_self_care"),
        ("ask_self_care", 0.36, [RASH], SYMPTOM),
        ("talk_to_human", 0.9, [RASH], "talk_to_human"),
        ("greet", 0.1, [], FALLBACK),
        ("distress", 0.12, [], "distress"),
        ("report_symptom", 0.12, [], SYMPTOM),
        ("greet", 0.1, [RASH], SYMPTOM),
        ("book_appointment", 0.9, [{**RASH, "status": "negated"}], "book_appointment"),
        ("book_appointment", 0.9, [{**RASH, "subject": "family"}], "book_appointment"),
        ("book_appointment", 0.9, [{**RASH, "time": "past"}], "book_appointment"),
        ("book_appointment", 0.9, [{**RASH, "kind": "condition"}], "book_appointment"),
    ],
)
def test_findings_correct_the_intent(
    top: str, confidence: float, findings: list[dict[str, str]], expected: str
) -> None:
    assert route([Ranked(top, confidence)], findings, THRESHOLD)[0].intent == expected


@pytest.mark.parametrize(("booking", "expected"), [(0.2, BOTH), (0.1, SYMPTOM)])
def test_a_report_with_a_wish_to_be_seen_is_both(booking: float, expected: str) -> None:
    ranking = [Ranked(SYMPTOM, 0.7), Ranked("book_appointment", booking)]
    assert route(ranking, [RASH], THRESHOLD)[0].intent == expected


def test_words_that_nobody_knows_lower_the_confidence() -> None:
    assert route([Ranked("complain", 0.4)], (), THRESHOLD, known=0.0)[0].intent == FALLBACK
    assert route([Ranked("complain", 0.4)], (), THRESHOLD, known=1.0)[0].intent == "complain"


def test_complaints_are_what_somebody_has_now() -> None:
    fever = {"id": "fever", "status": "possible", "subject": "other", "time": "recent", "kind": "sign"}
    assert complaints([RASH, fever, {**RASH, "id": "gout", "kind": "condition"}]) == ("rash", "fever")


def lines(*requests: object) -> tuple[int, list[dict[str, object]]]:
    """Run the command over requests (text as it is, everything else as JSON)."""
    stdin = io.StringIO("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in requests))
    stdout = io.StringIO()
    status = run_parse(stdin, stdout, FOLDER)
    return status, [json.loads(line) for line in stdout.getvalue().splitlines()]


def test_parse_answers_in_order_with_intent_ranking_and_findings() -> None:
    status, rows = lines(
        {"id": 1, "text": "I need an appointment"}, {"id": "b", "text": "我头疼", "lang": "zh"}
    )
    assert status == 0 and [r["id"] for r in rows] == [1, "b"]
    assert rows[0]["intent"] == "book_appointment"
    assert set(rows[0]) == {"id", "intent", "confidence", "ranking", "entities", "findings"}
    assert rows[1]["intent"] == "report_symptom" and rows[1]["findings"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{broken", "line"),
        ("[]", "line"),
        ({"text": "hi"}, "id"),
        ({"id": 1}, "text"),
        ({"id": 1, "text": 5}, "text"),
        ({"id": 1, "text": "hi", "lang": 5}, "lang"),
        ({"id": 1, "text": "hi", "mood": "good"}, "mood"),
        ({"id": 1, "text": "hi", "context": [{"role": "dog", "text": "woof"}]}, "context[0]"),
    ],
)
def test_a_malformed_line_names_its_field_and_loses_nothing_else(line: object, field: str) -> None:
    status, rows = lines({"id": "a", "text": "hello"}, line, {"id": "z", "text": ""})
    assert status == 1 and len(rows) == 3
    assert field in str(rows[1]["error"])
    assert rows[0]["intent"] == "greet" and rows[2]["intent"] == "out_of_scope"


def test_parse_uses_only_the_issued_names() -> None:
    _, rows = lines(
        {"id": 1, "text": "I have a rash and want to see someone Friday"}, {"id": 2, "text": "blorp fnarg"}
    )
    assert rows[0]["intent"] == "book_appointment" and rows[0]["also"] == ["report_symptom"]
    assert rows[1]["intent"] == "out_of_scope" and "also" not in rows[1]
    for row in rows:
        names = [r["intent"] for r in row["ranking"]]  # type: ignore[attr-defined]
        assert set(names) <= ISSUED and len(names) == len(set(names))


def test_parse_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    stdout = io.StringIO()
    assert run_parse(io.StringIO(), stdout, tmp_path) == 2
    assert "careline train" in json.loads(stdout.getvalue())["error"]
