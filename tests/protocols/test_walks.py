"""Every protocol walked to an outcome, in both languages, by buttons, by "don't know", and at random."""

from __future__ import annotations

import json
import random
import statistics
from typing import Any

import pytest

from bot.dialogue.flow import RANK, Step
from bot.dialogue.protocol_loader import Protocol, Protocols, load_protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.messages import ReplyKind
from tests.protocols.conftest import finding

LANGS = ("en", "zh")
ALL = sorted(load_protocols().by_id)
MILD = {
    "en": {
        "age": "34",
        "none": "None of these",
        "severity": "Mild",
        "duration": "Less than 1 day",
        "temperature": "37.2",
    },
    "zh": {"age": "34岁", "none": "都没有", "severity": "轻微", "duration": "不到1天", "temperature": "37.2"},
}
ADULT = {"age_years": 34.0, "sex": "male"}


def begin(check: SymptomCheck, protocol: Protocol, lang: str, profile: dict[str, Any] | None = None) -> Step:
    found = [finding(protocol.concepts[0])] if protocol.concepts else []
    if profile is None:
        profile = {"fever_child": {"age_years": 4.0}, "fever_baby": {"age_years": 0.8}}.get(
            protocol.id, dict(ADULT)
        )
    return check.start(found, profile, {}, lang)


def current(protocols: Protocols, step: Step) -> Any:
    protocol = protocols.by_id[step.state["protocol"]]
    running = [protocol, *(protocols.by_id[x] for x in step.state["others"])]
    return next(q for p in running for q in (*p.screens, *p.questions) if q.id == step.state["current"])


def mild_answer(protocols: Protocols, step: Step, lang: str) -> str:
    question = current(protocols, step)
    if question.kind == "multi":
        return MILD[lang]["none"]
    if question.kind in ("age", "duration", "temperature"):
        return MILD[lang][question.kind]
    if question.kind == "yesno":
        good = "yes" if question.id in ("usual", "interest", "support", "cough_too") else "no"
        return {"en": {"yes": "yes", "no": "no"}, "zh": {"yes": "是", "no": "没有"}}[lang][good]
    best = {
        "phlegm": "dry",
        "drinking": "well",
        "poo": "normal",
        "extent": "small",
        "sleep": "fine",
        "move": "well",
    }
    best |= {
        "often": "few",
        "function": "normal",
        "course": "better",
        "severity": "mild",
        "source_sign": "nothing",
    }
    best |= {"onset": "gradual", "kind": "unsteady", "sex_asked": "woman"}
    option = next(o for o in question.options if o.id == best[question.id])
    return str(option.label[lang])


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("protocol_id", ALL)
def test_a_mild_case_ends_in_self_care_within_eight_questions(
    check: SymptomCheck, protocols: Protocols, protocol_id: str, lang: str
) -> None:
    step = begin(check, protocols.by_id[protocol_id], lang)
    assert step.state["protocol"] == protocol_id
    asked = 0
    while not step.done:
        assert step.replies[0].kind is ReplyKind.QUESTION
        asked += 1
        step = check.answer(
            json.loads(json.dumps(step.state)), mild_answer(protocols, step, lang), [], {}, lang
        )
        assert step.understood, step.state["current"]
    assert step.outcome is not None
    # A man's water infection is seen the same day.
    expected = "urgent" if protocol_id == "urinary" else "self_care"
    assert step.outcome.level == expected, step.outcome.reasons
    assert asked <= 8
    assert step.outcome.reasons and step.outcome.advice and step.outcome.come_back


def test_the_median_check_has_at_most_eight_questions(check: SymptomCheck, protocols: Protocols) -> None:
    counts = []
    for protocol in protocols.by_id.values():
        step, asked = begin(check, protocol, "en"), 0
        while not step.done:
            asked += 1
            step = check.answer(step.state, mild_answer(protocols, step, "en"), [], {}, "en")
        counts.append(asked)
    assert statistics.median(counts) <= 8


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("protocol_id", ALL)
def test_every_warning_sign_reaches_its_level(
    check: SymptomCheck, protocols: Protocols, protocol_id: str, lang: str
) -> None:
    """Each sign chosen by its button: an emergency sign ends the questions at once, an urgent one raises the level."""
    protocol = protocols.by_id[protocol_id]
    for screen in protocol.screens:
        for sign in screen.signs:
            step = begin(check, protocol, lang)
            if sign in step.state["present"]:
                continue
            while not step.done:
                label = protocols.signs[sign][lang]
                asked = any(label == b.payload for b in step.replies[0].buttons)
                answer = (
                    label
                    if asked and f". {label}" in step.replies[0].text
                    else mild_answer(protocols, step, lang)
                )
                step = check.answer(step.state, answer, [], {}, lang)
                assert step.understood
                if asked and screen.level == "emergency":
                    assert step.done
            assert step.outcome is not None
            assert RANK[step.outcome.level] >= RANK[screen.level or "none"], sign
            if screen.level == "emergency":
                assert step.replies[0].kind in (ReplyKind.EMERGENCY, ReplyKind.CRISIS)
                assert step.replies[0].phones[0].number == "999"
                assert step.outcome.offer_booking is None and step.outcome.advice == ()


@pytest.mark.parametrize(
    "words", [("en", "I don't know"), ("zh", "不知道"), ("en", "I'd rather not say"), ("zh", "不想说")]
)
@pytest.mark.parametrize("protocol_id", ALL)
def test_not_knowing_is_an_answer_and_never_reassures(
    check: SymptomCheck, protocols: Protocols, protocol_id: str, words: tuple[str, str]
) -> None:
    lang, text = words
    step = begin(check, protocols.by_id[protocol_id], lang, {})
    for _ in range(20):
        if step.done:
            break
        step = check.answer(step.state, text, [], {}, lang)
        assert step.understood
    assert step.outcome is not None
    assert RANK[step.outcome.level] >= RANK["urgent"]


@pytest.mark.parametrize("lang", LANGS)
def test_random_walks_over_buttons_always_end(check: SymptomCheck, protocols: Protocols, lang: str) -> None:
    """1,000 patients press what they like, go back, ask something else: no dead end, nothing misunderstood."""
    for seed in range(1000):
        rng = random.Random(seed)
        protocol = protocols.by_id[rng.choice(ALL)]
        step = begin(check, protocol, lang, {})
        floor = rng.choice(["none", "routine", "urgent"])
        for _ in range(60):
            if step.done:
                break
            state = json.loads(json.dumps(step.state))
            roll = rng.random()
            if roll < 0.05:
                step = check.answer(state, {"en": "go back", "zh": "上一步"}[lang], [], {}, lang, level=floor)
            elif roll < 0.1:
                other = check.answer(
                    state, {"en": "what are your prices?", "zh": "你们怎么收费？"}[lang], [], {}, lang
                )
                assert not other.understood and other.replies == ()
                step = check.ask_again(other.state, lang)
            else:
                buttons = step.replies[0].buttons
                text = rng.choice(buttons).payload if buttons else MILD[lang]["age"]
                step = check.answer(state, text, [], {}, lang, level=floor)
                assert step.understood, (protocol.id, text)
        assert step.done and step.outcome is not None
        assert RANK[step.outcome.level] >= RANK[floor]
