"""Which questions a symptom check still has to ask, what is known already, and what it comes to. Pure.

"I've had a sore throat and a fever for three days" → the sore-throat protocol, the fever folded in, the
duration known. State in, decisions out; no sentence is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.dialogue.flow import RANK, State, highest
from bot.dialogue.protocol_types import LocalText, Protocol, Protocols, Question, Variant
from bot.dialogue.symptom_conditions import DECLINED, UNKNOWN, Facts, holds

MAX_FOLDED = 2
"""Complaints beside the main one whose warning signs and key questions are asked too."""
MAX_SIGNS = 8
"""Most warning signs in one question: more are not read."""
SOME = "some"
"""A bare yes to a list of warning signs, twice."""
ATTRIBUTES = ("severity", "onset", "side", "course", "duration_hours")
_COUNTING = frozenset({"present", "possible"})
_WORRIES = frozenset({"sti_worry", "adhd_worry", "developmental_worry"})
"""A worry is there as soon as it is told: 我担心得了性病 says "perhaps" of the illness, not of the worry."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a level was reached: a rule's sentence, or a warning sign, or ``some``/``open``/``rules``."""

    level: str
    text: LocalText | None = None
    sign: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The level and all reasons for it (those of the final level only)."""

    level: str
    reasons: tuple[Reason, ...]


def merge(state: State, findings: Iterable[Mapping[str, Any]], profile: Mapping[str, Any]) -> list[str]:
    """Fold findings and profile into the state; returns the concept ids that are new. Changes ``state``.

    A finding said to be gone or absent removes it, unless the patient answered a warning sign with it.
    """
    present, negated = dict(state.get("present", {})), set(state.get("negated", ()))
    new: list[str] = []
    for finding in findings:
        id_, status = str(finding["id"]), finding.get("status", "present")
        if finding.get("subject", "patient") not in ("patient", "other") or finding.get("time") == "past":
            continue
        if finding.get("value") is not None:
            state["values"] = {**state.get("values", {}), id_: finding["value"]}
            new.append(id_)
            continue
        if status in _COUNTING or (status == "hypothetical" and id_ in _WORRIES):
            if id_ not in present:
                new.append(id_)
            attributes = {k: finding[k] for k in ATTRIBUTES if finding.get(k) is not None}
            present[id_] = {**present.get(id_, {}), **attributes}
            negated.discard(id_)
        elif status == "negated" and id_ not in present:
            negated.add(id_)
    state["present"], state["negated"] = present, sorted(negated)
    state["profile"] = {**state.get("profile", {}), **{k: v for k, v in profile.items() if v is not None}}
    return new


def about_whom(
    findings: Sequence[Mapping[str, Any]], profile: Mapping[str, Any], case: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The findings and the profile of the person the case is about.

    "My daughter is 8 months old and has a fever": hers, not the writer's.
    """
    person = case.get("focus")
    if not person:
        return list(findings), profile
    theirs = [f for f in findings if f.get("subject") == "other" and f.get("person") in (person, None)]
    return theirs or list(findings), case.get("people", {}).get(person, {})


def facts(protocols: Protocols, state: State) -> Facts:
    """What conditions may look at; a concept that is there brings what it implies."""
    return Facts(protocols.closure(state["present"]), state["answers"], state["profile"])


def choose(protocols: Protocols, state: State) -> tuple[str, list[str]]:
    """The main protocol and those folded in. The most specific complaint leads; none known → generic."""
    families: dict[str, Protocol] = {}
    for protocol in protocols.by_id.values():
        if not set(protocol.concepts) & facts(protocols, state).present:
            continue
        if protocol.population is not None and not holds(protocol.population, facts(protocols, state)):
            continue
        best = families.get(protocol.family)
        if best is None or protocol.priority > best.priority:
            families[protocol.family] = protocol
    ranked = sorted(families.values(), key=lambda p: (-p.priority, p.id))
    if not ranked:
        return protocols.generic.id, []
    return ranked[0].id, [p.id for p in ranked[1 : 1 + MAX_FOLDED]]


def variant(protocols: Protocols, state: State) -> str:
    """The main protocol for what is known of the person now (an age answered "4" makes it the child's).

    Of a family the one that names a complaint told: hives are a rash, and have questions of their own.
    """
    family = protocols.by_id[state["protocol"]].family
    known = facts(protocols, state)
    kin = [p for p in protocols.by_id.values() if p.family == family]
    told = [p for p in kin if known.present & set(p.concepts)] or [protocols.by_id[state["protocol"]]]
    fitting = [p for p in told if p.population is None or holds(p.population, known)]
    return max(fitting or told, key=lambda p: p.priority).id


def variants(protocols: Protocols, state: State, protocol: Protocol) -> list[Variant]:
    """What the protocol holds for a person like this one: a baby, somebody pregnant, somebody old."""
    known = facts(protocols, state)
    return [v for v in protocol.variants if holds(v.when, known)]


def active(protocols: Protocols, state: State) -> list[Protocol]:
    """The main protocol and those folded in."""
    return [protocols.by_id[state["protocol"]], *(protocols.by_id[x] for x in state["others"])]


def plan(protocols: Protocols, state: State) -> list[Question]:
    """Every question of this check, in order, warning signs of all complaints first."""
    running = active(protocols, state)
    # The age comes before all: it decides whether the child's or the adult's warning signs are asked.
    out: list[Question] = [q for q in running[0].questions if q.kind == "age"]
    for level in ("emergency", "urgent"):
        # A variant's signs stand first: a long list may be cut by the reader's patience, not by ours.
        screens = [
            q
            for p in running
            for q in (*(q for v in variants(protocols, state, p) for q in v.screens), *p.screens)
            if q.level == level
        ]
        if screens:
            signs = tuple(dict.fromkeys(s for q in screens for s in q.signs))
            out.append(replace(screens[0], signs=signs))
    out += [q for q in running[0].questions if q.kind != "age"]
    for protocol in running[1:]:
        known = {q.id for q in out}
        out += [q for q in protocol.questions if q.id in protocol.fold and q.id not in known]
    return out


def open_signs(protocols: Protocols, question: Question, state: State) -> tuple[str, ...]:
    """The signs to ask for now: not those told, denied, or met with "I don't know"; at most eight."""
    known = {*facts(protocols, state).present, *state["negated"], *state["skipped"]}
    return tuple(s for s in question.signs if s not in known)[:MAX_SIGNS]


def prefill(protocols: Protocols, state: State) -> None:
    """Write down answers that the patient gave in passing. Changes ``state``."""
    answers = dict(state["answers"])
    for question in plan(protocols, state):
        if question.id not in answers:
            known = _known(question, state, active(protocols, state), facts(protocols, state).present)
            if known is not None:
                answers[question.id] = known
    state["answers"] = answers


def _known(question: Question, state: State, running: Sequence[Protocol], there: frozenset[str]) -> Any:
    present, profile = state["present"], state["profile"]
    complaints = [c for p in running for c in p.concepts if c in present]
    about = [present[c] for c in complaints] or list(present.values())
    match question.kind:
        case "multi":
            return None  # what is open is asked, however much of it is answered
        case "duration":
            return max((a["duration_hours"] for a in about if "duration_hours" in a), default=None)
        case "temperature":
            return state.get("values", {}).get("temperature")
        case "age":
            most = profile.get("age_max")
            return profile.get("age_years") or (most if most is not None and most <= 2 else None)
        case "yesno":
            if question.id == "pregnant" and "pregnant" in there:
                return "yes"
            if question.id == "pregnant" and profile.get("pregnant") is not None:
                return "yes" if profile["pregnant"] else "no"
            if there & set(question.signs):
                return "yes"
            return "no" if question.signs and set(question.signs) <= set(state["negated"]) else None
    ids = {o.id for o in question.options}
    for option in question.options:
        if option.concept in there:
            return option.id
    return next((a[question.id] for a in about if a.get(question.id) in ids), None)


def next_question(protocols: Protocols, state: State) -> Question | None:
    """The first question that is neither answered nor known nor out of place."""
    for question in plan(protocols, state):
        if question.kind == "multi":
            if not open_signs(protocols, question, state):
                continue
        elif question.id in state["answers"]:
            continue
        if question.ask_if is not None and not holds(question.ask_if, facts(protocols, state)):
            continue
        return question
    return None


def record(protocols: Protocols, state: State, question: Question, value: Any) -> None:
    """Store an answer, and as findings what it says about signs. Changes ``state``."""
    asked_signs = open_signs(protocols, question, state) if question.kind == "multi" else ()
    unclear = state["answers"].get(question.id) if question.kind == "multi" else None
    kept = unclear if unclear in (UNKNOWN, DECLINED, SOME) else value
    state["answers"] = {**state["answers"], question.id: kept}
    state["asked"] = [*[q for q in state["asked"] if q != question.id], question.id]
    said: list[str] = []
    denied: list[str] = []
    if question.kind == "multi" and isinstance(value, list):
        said, denied = value, [s for s in asked_signs if s not in value]
    elif question.kind == "multi":
        state["skipped"] = [*state["skipped"], *asked_signs]
    elif question.kind == "yesno" and question.signs and value in ("yes", "no"):
        if value == "no":
            denied.extend(question.signs)
        elif len(question.signs) == 1:  # of several signs a bare yes does not say which
            said.extend(question.signs)
    elif question.kind == "choice":
        said = [o.concept for o in question.options if o.id == value and o.concept]
    elif question.kind == "age" and isinstance(value, int | float):
        state["profile"] = {**state["profile"], "age_years": value}
    if question.id == "pregnant" and value in ("yes", "no"):
        state["profile"] = {**state["profile"], "pregnant": value == "yes"}
    state["present"] = {**state["present"], **{s: state["present"].get(s, {}) for s in said}}
    state["negated"] = sorted((set(state["negated"]) | set(denied)) - set(said))


def retract(state: State, question: Question) -> None:
    """Take an answer back, with the findings that only it gave. Changes ``state``."""
    value = state["answers"].get(question.id)
    state["answers"] = {k: v for k, v in state["answers"].items() if k != question.id}
    state["asked"] = [q for q in state["asked"] if q != question.id]
    if question.kind == "age":
        state["profile"] = {k: v for k, v in state["profile"].items() if k != "age_years"}
    gave: list[str] = list(value) if isinstance(value, list) else []
    gave += [o.concept for o in question.options if o.id == value and o.concept]
    gave += question.signs if value == "yes" and len(question.signs) == 1 else ()
    state["present"] = {k: v for k, v in state["present"].items() if k not in gave}
    state["negated"] = [s for s in state["negated"] if s not in question.signs]
    state["skipped"] = [s for s in state["skipped"] if s not in question.signs]


def judge(protocols: Protocols, state: State, *, final: bool) -> Verdict:
    """The level so far and why. ``final``: all is asked, so the protocol's default counts too."""
    known = facts(protocols, state)
    reasons: list[Reason] = []
    running = active(protocols, state)
    for question in plan(protocols, state):
        if question.kind == "multi" and question.level:
            reasons += [Reason(question.level, sign=s) for s in question.signs if s in known.present]
            given = state["answers"].get(question.id)
            if given == SOME:
                reasons.append(Reason(question.level, code="some"))
            elif given in (UNKNOWN, DECLINED) and question.level == "emergency" and final:
                reasons.append(Reason("urgent", code="open"))
    for protocol in running:
        reasons += [Reason(r.level, text=r.reason) for r in protocol.outcomes if holds(r.when, known)]
    told = [
        Reason(str(r["level"]), text=r["reason"])
        for r in state.get("rules", ())
        if r["level"] != "self_care"  # the protocol says that better, and more of it
    ]
    reasons = [*told, *reasons]  # the triage rules that fired: their own reason, and a floor
    level = highest(*(r.level for r in reasons))
    if final:
        base = running[0].default
        if RANK[base.level] >= RANK[level]:
            reasons.append(Reason(base.level, text=base.reason))
            level = base.level
    if RANK[state.get("level", "none")] > RANK[level]:
        level = str(state["level"])
        reasons = [Reason(level, code="rules")]
    kept = [r for r in reasons if r.level == level]
    return Verdict(level, tuple(_without_repeats(kept)))


def _without_repeats(reasons: Iterable[Reason]) -> list[Reason]:
    """The same sentence only once, in order."""
    out: list[Reason] = []
    for reason in reasons:
        if reason not in out:
            out.append(reason)
    return out
