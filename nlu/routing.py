"""What a ranking of intents and the findings of the message together mean. Pure; no Rasa, no model.

"I have a rash and want to see someone Friday" is classified as a booking; its findings say that it is also a
complaint, so both are wanted. "Blorp" with no finding and no sure intent is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nlu.classifier import Ranked

FALLBACK = "nlu_fallback"
UNKNOWN_WEIGHT = 0.4
"""What is left of a confidence when no word of the message was ever seen in training."""
THRESHOLD = 0.15
"""Calibrated confidence below which nothing is understood; same in ``config.yml``.

Rule: the highest step of 0.05 that costs at most half a point of accuracy against no threshold at all, over five
cross-validation folds of training and development half together. The unseen half had no say.
"""
SYMPTOM = "report_symptom"
BOTH = "report_symptom+book_appointment"
COMPLAINT_KINDS = frozenset({"symptom", "sign", "event"})
COUNTING = frozenset({"present", "possible"})

YIELDS_TO_SYMPTOM = frozenset(
    {FALLBACK, "out_of_scope", "chitchat", "greet", "thank", "affirm", "deny", "unsure", "correct", "help",
     "complain", "praise", "abuse", "bot_challenge", "distress", "ask_test_result", "repeat", "simpler"}
)  # fmt: skip
"""Intents that a complaint in the same message outweighs, whatever their confidence: "hi, my throat hurts"."""
ASKS_ABOUT = frozenset({"ask_self_care", "ask_health", "ask_medicine", "ask_side_effect", "ask_vaccination"})
"""Questions that name a complaint as their topic: "what helps against hay fever?" stays a question."""
CHOICE = re.compile(
    r"(the |no\.? ?|number |option )?(first|second|third|fourth|last|one|two|three|[1-9])( one)?( please)?[.!]?"
    r"|第[一二三四五六七八九1-9](个|项|种)?[。！]?"
)
REMARKS = frozenset({"complain", "abuse", "praise", "thank", "goodbye", "chitchat", "affirm", "deny"})
SURE_REMARK = 0.2
"""Taking "the first one" for a complaint is worse than asking what was meant."""
GRAVE = ("distress", "report_symptom")
HEARD = 0.1
"""Probability at which a grave intent is preferred to not understanding or a shrug; below it precision falls fast."""
SHRUGS = frozenset({FALLBACK, "out_of_scope", "chitchat"})
"""What a cry for help or a symptom must never be taken for because its words were rare."""
TOPIC_KINDS = frozenset({"condition", "medicine"})
SURE_SHRUG = 0.5
"""From here on a shrug or a remark is believed although an illness or a medicine is named."""
WISHED = 0.15
"""Probability of a booking from which a complaint's message holds the wish for one too ("... want to see someone")."""
SURE_QUESTION = 0.45
"""Below it, a message with a complaint is taken as a report: asking too much is safer than answering in general."""


def wordless(text: str) -> bool:
    """Whether only the open question can read a message: "38.5", "?!", "the second one", 第一个. No intent is in it."""
    return not any(ch.isalpha() for ch in text) or CHOICE.fullmatch(text.strip().lower()) is not None


def complaints(findings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Concept ids of complaints that somebody has now: present or possible, not family history, not past."""
    return tuple(
        str(f["id"])
        for f in findings
        if f.get("kind", "symptom") in COMPLAINT_KINDS
        and f.get("status") in COUNTING
        and f.get("subject", "patient") in ("patient", "other")
        and f.get("time", "now") != "past"
    )


def route(
    ranking: Sequence[Ranked],
    findings: Sequence[Mapping[str, Any]],
    threshold: float,
    known: float = 1.0,
) -> list[Ranked]:
    """The ranking with the intent that is acted on in front.

    A complaint makes a booking a double wish and outweighs small talk; where nothing is surer than
    ``threshold``, a complaint is a symptom report and anything else is :data:`FALLBACK`.
    """
    if not ranking:
        return [Ranked(FALLBACK, 1.0)]
    top = ranking[0]
    needed = max(threshold, SURE_REMARK) if top.intent in REMARKS else threshold
    sure = top.confidence * (UNKNOWN_WEIGHT + (1 - UNKNOWN_WEIGHT) * known) >= needed
    if complaints(findings):
        if sure and _wants_both(ranking):
            return [Ranked(BOTH, top.confidence), *ranking]
        doubtful = top.intent in ASKS_ABOUT and top.confidence < SURE_QUESTION
        if not sure or doubtful or top.intent in YIELDS_TO_SYMPTOM:
            return [Ranked(SYMPTOM, max(top.confidence, threshold)), *ranking]
        return list(ranking)
    routed = list(ranking) if sure else [Ranked(FALLBACK, 1.0 - top.confidence), *ranking]
    if names_a_topic(findings) and _shrugged(routed[0], top):
        return [Ranked("ask_health", max(top.confidence, threshold)), *routed]
    return _heard(routed, ranking) if known else routed


def names_a_topic(findings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an illness, a medicine, or a complaint in general is talked of: "how is lupus treated", 哮喘怎么治."""
    return any(
        f.get("kind") in TOPIC_KINDS
        or (f.get("kind", "symptom") in COMPLAINT_KINDS and f.get("status") == "hypothetical")
        for f in findings
    )


def _shrugged(routed: Ranked, top: Ranked) -> bool:
    return routed.intent == FALLBACK or (
        routed.intent in SHRUGS | {"complain", "praise", "abuse"} and top.confidence < SURE_SHRUG
    )


def _wants_both(ranking: Sequence[Ranked]) -> bool:
    """A message such as "my back is bad, need to see a gp this week" is a report, and a wish."""
    booking = max((r.confidence for r in ranking if r.intent == "book_appointment"), default=0.0)
    top = ranking[0].intent
    return top == "book_appointment" or (top == SYMPTOM and booking >= WISHED)


def _heard(routed: list[Ranked], ranking: Sequence[Ranked]) -> list[Ranked]:
    """A message such as "my gut is in bits" has rare words, but is more like a complaint than nothing."""
    if routed[0].intent in SHRUGS:
        for grave in (r for name in GRAVE for r in ranking if r.intent == name and r.confidence >= HEARD):
            return [grave, *(r for r in routed if r.intent != grave.intent)]
    return routed
