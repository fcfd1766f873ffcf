"""Named situations (``situations.yml``): for every protocol a whole run to every level it can end in, per language."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.dialogue.flow import RANK, Step
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.protocol_types import Protocol, Protocols
from bot.dialogue.symptom_check import SymptomCheck
from tests.protocols.patient import ADULT, LANGS, MILD, PROFILES, answer_by_id, begin, current, mild_answer

PROTOCOLS = load_protocols()
SITUATIONS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "situations.yml").read_text(encoding="utf-8")
)
ROWS = [(id_, row) for id_, rows in SITUATIONS.items() for row in rows]
WHO = ("age", "sex", "pregnant")
LEAST_NUMBER = 45
MOST_QUESTIONS = 8


def profile_of(protocol_id: str, row: dict[str, Any]) -> dict[str, Any]:
    """The protocol's usual patient, with what the row says of the person."""
    profile = dict(PROFILES.get(protocol_id, ADULT))
    if "age" in row:
        profile["age_years"] = float(row["age"])
    if "sex" in row:
        profile["sex"] = row["sex"]
    if row.get("pregnant"):
        profile |= {"sex": "female", "pregnant": True}
    return profile


def run(
    check: SymptomCheck, protocol: Protocol, row: dict[str, Any], lang: str
) -> tuple[Step, int, set[str]]:
    """The finished check, how many questions it took, and which of the row's answers were asked for."""
    step = begin(check, protocol, lang, profile_of(protocol.id, row), row.get("says", ()))
    asked, used = 0, set()
    while not step.done:
        asked += 1
        question = current(PROTOCOLS, step)
        label = PROTOCOLS.signs[row["sign"]][lang] if "sign" in row else None
        if question.kind == "multi" and label in [b.payload for b in step.replies[0].buttons]:
            used.add("sign")
            text = str(label)
        elif question.kind == "multi":
            text = MILD[lang]["none"]
        elif question.id in row:
            used.add(question.id)
            text = answer_by_id(question, row[question.id], lang)
        else:
            text = mild_answer(PROTOCOLS, step, lang)
        step = check.answer(json.loads(json.dumps(step.state)), text, [], {}, lang)
        assert step.understood, (question.id, text)
    return step, asked, used


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("protocol_id", "row"), ROWS, ids=[f"{i}-{r['is']}" for i, r in ROWS])
def test_the_situation_ends_at_its_level(
    check: SymptomCheck, protocol_id: str, row: dict[str, Any], lang: str
) -> None:
    step, _, used = run(check, PROTOCOLS.by_id[protocol_id], row, lang)
    assert step.outcome is not None
    assert step.state["protocol"] == protocol_id
    assert step.outcome.level == row["is"], step.outcome.reasons
    assert used == set(row) - {"is", "says", *WHO}, "an answer of the row was never asked for"
    assert step.outcome.reasons
    if row["is"] != "emergency":
        assert step.outcome.advice and step.outcome.come_back


def levels(protocol: Protocol) -> set[str]:
    """Every level that the protocol can end in."""
    signs = {s.level for s in protocol.screens} | {s.level for v in protocol.variants for s in v.screens}
    return {*(str(s) for s in signs), *(r.level for r in protocol.outcomes), protocol.default.level}


@pytest.mark.parametrize("protocol_id", sorted(PROTOCOLS.by_id))
def test_every_level_of_every_protocol_has_a_situation(protocol_id: str) -> None:
    assert {row["is"] for row in SITUATIONS.get(protocol_id, ())} == levels(PROTOCOLS.by_id[protocol_id])


def person_of(node: Any) -> tuple[dict[str, Any], list[str]]:
    """Somebody for whom a variant's condition holds: profile, and findings told beside the complaint."""
    if isinstance(node, str):
        return dict(ADULT), [node]
    if "any" in node:
        return person_of(node["any"][0])
    if "all" in node:
        profile: dict[str, Any] = {}
        for part in node["all"]:
            profile |= person_of(part)[0]
        return profile, []
    if "age_years" in node:
        limits = node["age_years"]
        return {"age_years": limits["max"] * 0.9 if "max" in limits else limits["min"] + 1.0}, []
    return {"age_years": 30.0, "sex": "female", **node}, []


VARIANTS = [(p.id, n) for p in PROTOCOLS.by_id.values() for n, _ in enumerate(p.variants)]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("protocol_id", "number"), VARIANTS, ids=[f"{i}-{n}" for i, n in VARIANTS])
def test_a_variant_reaches_the_people_it_is_for(
    check: SymptomCheck, protocol_id: str, number: int, lang: str
) -> None:
    """Its warning signs are asked and count, and its advice is given."""
    protocol = PROTOCOLS.by_id[protocol_id]
    variant = protocol.variants[number]
    profile, beside = person_of(variant.when)
    says = [*protocol.concepts[:1], *beside]
    for screen in variant.screens:
        for sign in screen.signs:
            step = begin(check, protocol, lang, profile, says)
            asked = False
            while not step.done:
                label = PROTOCOLS.signs[sign][lang]
                now = any(label == b.payload for b in step.replies[0].buttons)
                asked |= now
                text = label if now else mild_answer(PROTOCOLS, step, lang)
                step = check.answer(step.state, text, [], {}, lang)
            assert asked or sign in step.state["present"], sign
            assert step.outcome is not None
            assert RANK[step.outcome.level] >= RANK[str(screen.level)], sign
    step = begin(check, protocol, lang, profile, says)
    while not step.done:
        step = check.answer(step.state, mild_answer(PROTOCOLS, step, lang), [], {}, lang)
    assert step.outcome is not None and step.outcome.level != "emergency"
    assert {line[lang] for line in variant.advice} <= set(step.outcome.advice)
    assert {line[lang] for line in variant.come_back} <= set(step.outcome.come_back)


def test_there_are_enough_complaints(protocols: Protocols) -> None:
    complaints = [p for p in protocols.by_id.values() if p.concepts]
    assert len(complaints) >= LEAST_NUMBER


def test_the_median_patient_answers_at_most_eight_questions(check: SymptomCheck) -> None:
    """Over all situations, and over people of whom nothing is known but their complaint."""
    known = [run(check, PROTOCOLS.by_id[i], row, "en")[1] for i, row in ROWS]
    assert statistics.median(known) <= MOST_QUESTIONS
    unknown = []
    for protocol in PROTOCOLS.by_id.values():
        step, asked = begin(check, protocol, "zh", {}), 0
        while not step.done:
            asked += 1
            step = check.answer(step.state, mild_answer(PROTOCOLS, step, "zh"), [], {}, "zh")
        unknown.append(asked)
    assert statistics.median(unknown) <= MOST_QUESTIONS
