"""A scripted patient for the symptom checks: who it is, the mildest answer to each question, an answer by its id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.dialogue.flow import Step
from bot.dialogue.protocol_types import Protocol, Protocols, Question
from bot.dialogue.symptom_check import SymptomCheck
from tests.protocols.conftest import finding

LANGS = ("en", "zh")
MILD = {
    "en": {
        "age": "34",
        "none": "None of these",
        "duration": "Less than 1 day",
        "temperature": "37.2",
    },
    "zh": {"age": "34岁", "none": "都没有", "duration": "不到1天", "temperature": "37.2"},
}
ADULT = {"age_years": 34.0, "sex": "male"}
WOMAN = {"age_years": 34.0, "sex": "female", "pregnant": False}
PREGNANT = {"age_years": 30.0, "sex": "female", "pregnant": True}
PROFILES: dict[str, dict[str, Any]] = {
    "fever_child": {"age_years": 4.0},
    "fever_baby": {"age_years": 0.8},
    "baby_crying_feeding": {"age_years": 0.4},
    "nappy_rash": {"age_years": 0.8},
    "bedwetting": {"age_years": 7.0},
    "vaginal_discharge": WOMAN,
    "pregnancy_sickness": PREGNANT,
    "pregnancy_general": PREGNANT,
    "breast_problem": WOMAN,
    "period_problem": WOMAN,
    "menopause": {**WOMAN, "age_years": 51.0},
}
"""Who has the complaint, where it is not a man of 34."""
LEAST = {
    "urinary": "urgent",  # a man's water infection is seen the same day
    "chest_pain": "routine",
    "breathlessness": "routine",
    "memory_problem": "routine",
    "rectal_bleeding": "routine",
    "testicular_problem": "routine",
    "numbness_tingling": "routine",
    "medicine_problem": "routine",
    "weight_change": "routine",
}
"""The level of the mildest case, where it is not self-care."""
YES_IS_MILD = frozenset(
    [
        "usual",
        "interest",
        "support",
        "cough_too",
        "recovered",
        "adult",
        "chin",
        "lift",
        "known",
        "press",
        "stopped",
        "goes",
        "calms",
        "coping",
    ]
)
BEST = {
    "phlegm": "dry", "drinking": "well", "poo": "normal", "extent": "small", "sleep": "fine", "move": "well",
    "often": "few", "function": "normal", "course": "better", "severity": "mild", "source_sign": "nothing",
    "onset": "gradual", "kind": "unsteady", "sex_asked": "woman", "reliever": "none", "length": "short",
    "headache_now": "none", "trigger": "plain", "amount": "drops", "looks": "thread", "feeds": "well", "sides": "both",
}  # fmt: skip


def begin(
    check: SymptomCheck,
    protocol: Protocol,
    lang: str,
    profile: dict[str, Any] | None = None,
    says: Sequence[str] = (),
) -> Step:
    """Start with the protocol's first complaint, or with ``says``."""
    found = [finding(c) for c in says or protocol.concepts[:1]]
    if profile is None:
        profile = PROFILES.get(protocol.id, ADULT)
    return check.start(found, dict(profile), {}, lang)


def current(protocols: Protocols, step: Step) -> Question:
    """The question that is open."""
    protocol = protocols.by_id[step.state["protocol"]]
    running = [protocol, *(protocols.by_id[x] for x in step.state["others"])]
    asked = [
        q
        for p in running
        for q in (*p.screens, *p.questions, *(q for v in p.variants for q in v.screens))
        if q.id == step.state["current"]
    ]
    return asked[0]


def mild_answer(protocols: Protocols, step: Step, lang: str) -> str:
    """What somebody says who is hardly ill."""
    question = current(protocols, step)
    if question.kind == "multi":
        return MILD[lang]["none"]
    if question.kind in ("age", "duration", "temperature"):
        return MILD[lang][question.kind]
    if question.kind == "yesno":
        return answer_by_id(question, "yes" if question.id in YES_IS_MILD else "no", lang)
    return answer_by_id(question, BEST[question.id], lang)


def answer_by_id(question: Question, value: Any, lang: str) -> str:
    """``severe``, ``yes``, hours, °C → what the patient writes."""
    if question.kind == "duration":
        hours = float(value)
        size, words = (24.0, ("days", "天")) if hours >= 24 else (1.0, ("hours", "小时"))
        return f"{hours / size:.0f} {words[0]}" if lang == "en" else f"{hours / size:.0f}{words[1]}"
    if question.kind == "temperature":
        return str(value)
    if question.kind == "yesno":
        return {"en": {"yes": "yes", "no": "no"}, "zh": {"yes": "是", "no": "没有"}}[lang][value]
    return str(next(o for o in question.options if o.id == value).label[lang])
