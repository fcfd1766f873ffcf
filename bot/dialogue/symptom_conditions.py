"""The condition trees of protocols: what was found and answered → true or false. Pure.

A node is a concept id, or one of ``all any none atleast/of``, ``answer`` (with ``is``, ``min``, ``below``),
``unknown`` (a question answered with "don't know"), ``age_years``, ``pregnant``, ``sex``. Unknown is never true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
"""The answer "I don't know"."""
DECLINED = "declined"
"""The answer "I'd rather not say"."""
KEYS: Mapping[str, frozenset[str]] = {
    "all": frozenset({"all"}),
    "any": frozenset({"any"}),
    "none": frozenset({"none"}),
    "atleast": frozenset({"atleast", "of"}),
    "answer": frozenset({"answer", "is", "min", "below"}),
    "unknown": frozenset({"unknown"}),
    "age_years": frozenset({"age_years"}),
    "pregnant": frozenset({"pregnant"}),
    "sex": frozenset({"sex"}),
}
Node = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a condition may look at. ``present`` are concept ids that count now."""

    present: frozenset[str]
    answers: Mapping[str, Any]
    profile: Mapping[str, Any]

    @property
    def age(self) -> float | None:
        """Age in years, exact or None."""
        value = self.profile.get("age_years")
        return None if value is None else float(value)


def holds(node: Node, facts: Facts) -> bool:
    """Whether the condition is true. "temperature 39" satisfies ``{answer: temperature, min: 38}``."""
    if isinstance(node, str):
        return node in facts.present
    if "all" in node:
        return all(holds(n, facts) for n in node["all"])
    if "any" in node:
        return any(holds(n, facts) for n in node["any"])
    if "none" in node:
        return not any(holds(n, facts) for n in node["none"])
    if "atleast" in node:
        return sum(holds(n, facts) for n in node["of"]) >= int(node["atleast"])
    if "answer" in node:
        return _answer(node, facts.answers.get(node["answer"]))
    if "unknown" in node:
        return facts.answers.get(node["unknown"]) in (UNKNOWN, DECLINED)
    if "age_years" in node:
        return _age(node["age_years"], facts)
    if "pregnant" in node:
        told = True if "pregnant" in facts.present else facts.profile.get("pregnant")
        return told is node["pregnant"]
    return bool(facts.profile.get("sex") == node["sex"])


def _age(limits: Mapping[str, float], facts: Facts) -> bool:
    """Exact age, or the bounds that a word gives ("my baby" is below 2)."""
    low, high = limits.get("min"), limits.get("max")
    if facts.age is not None:
        return (low is None or facts.age >= low) and (high is None or facts.age < high)
    least, most = facts.profile.get("age_min"), facts.profile.get("age_max")
    sure_low = low is None or (least is not None and float(least) >= low)
    sure_high = high is None or (most is not None and float(most) <= high)
    return sure_low and sure_high


def _answer(node: Mapping[str, Any], given: Any) -> bool:
    if given is None or given in (UNKNOWN, DECLINED):
        return False
    if "is" in node:
        wanted = node["is"] if isinstance(node["is"], list) else [node["is"]]
        return any(g in wanted for g in given) if isinstance(given, list) else given in wanted
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    low, below = node.get("min"), node.get("below")
    return (low is None or given >= low) and (below is None or given < below)


def check(node: Any) -> Iterator[str]:
    """What is wrong with a condition tree, in words; nothing where it is sound."""
    if isinstance(node, str):
        return
    if not isinstance(node, Mapping):
        yield f"expected a concept id or a map, got {type(node).__name__}"
        return
    kind = next((k for k in KEYS if k in node), None)
    if kind is None:
        yield f"unknown condition {sorted(node)}"
        return
    for key in sorted(set(node) - KEYS[kind]):
        yield f"unknown key {key!r} in an {kind!r} condition"
    for child in (
        node.get(kind if kind != "atleast" else "of", ()) if kind in ("all", "any", "none", "atleast") else ()
    ):
        yield from check(child)


def concepts(node: Node) -> Iterator[str]:
    """Concept ids that a tree uses."""
    if isinstance(node, str):
        yield node
        return
    for key in ("all", "any", "none", "of"):
        for child in node.get(key, ()):
            yield from concepts(child)


def questions(node: Node) -> Iterator[str]:
    """Question ids that a tree uses."""
    if isinstance(node, str):
        return
    for key in ("answer", "unknown"):
        if key in node:
            yield node[key]
    for key in ("all", "any", "none", "of"):
        for child in node.get(key, ()):
            yield from questions(child)
