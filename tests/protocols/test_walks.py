"""Every protocol walked to an outcome, in both languages, by buttons, by "don't know", and at random."""

from __future__ import annotations

import json
import random
import statistics

import pytest

from bot.dialogue.flow import RANK
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.protocol_types import Protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.messages import ReplyKind
from tests.protocols.patient import LANGS, LEAST, MILD, begin, mild_answer

ALL = sorted(load_protocols().by_id)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("protocol_id", ALL)
def test_a_mild_case_ends_at_the_lowest_level_within_eight_questions(
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
    assert step.outcome.level == LEAST.get(protocol_id, "self_care"), step.outcome.reasons
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
