"""The conditions of a rule: a small tree that is true or false of one person's facts.

"Chest pain and sweating" is ``{all: [chest_pain, sweating]}``. A tree that holds says which facts made it hold.
Unknown is never true here: ``onset: sudden`` needs a said sudden onset, ``{pregnant: true}`` a known pregnancy.
It knows no language and no levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlu.findings.types import Finding, Profile, Status, Time, Use

VITALS: Mapping[str, str] = {
    "temperature": "temperature",
    "systolic": "systolic",
    "bp_systolic": "systolic",
    "systolic_bp": "systolic",
    "diastolic": "diastolic",
    "bp_diastolic": "diastolic",
    "diastolic_bp": "diastolic",
    "pulse": "pulse",
    "spo2": "spo2",
    "resp_rate": "resp_rate",
    "glucose": "glucose",
    "ketones": "ketones",
    "potassium": "potassium",
    "peak_flow_percent": "peak_flow_percent",
    "inr": "inr",
    "weight": "weight",
    "doses": "doses",
    "gestation_weeks": "gestation_weeks",
    **{
        f"{kind}_{substance}": f"{kind}_{substance}"
        for kind in ("dose", "single")
        for substance in ("paracetamol", "ibuprofen", "aspirin", "naproxen", "diclofenac")
    },
}
"""Names a rule may use for a value → the finding id that carries it."""

COUNTING = (Status.PRESENT, Status.POSSIBLE)
_FINDING_KEYS = frozenset(
    ["finding", "severity", "onset", "side", "course", "time", "min_hours", "max_hours", "status", "use"]
)
_VITAL_KEYS = frozenset(["vital", "min", "max", "below", "above", "per_kg"])


class ConditionError(ValueError):
    """A condition tree is malformed; ``path`` leads to the fault."""

    def __init__(self, path: tuple[str | int, ...], what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


@dataclass(frozen=True, slots=True)
class Fact:
    """A finding of the case as a rule sees it: under its own id and those it implies. ``fresh``: of this
    message. ``turn`` counts messages from 0."""

    finding: Finding
    turn: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one person. ``by_id`` holds every fact, counting or not."""

    by_id: Mapping[str, Sequence[Fact]]
    profile: Profile


Evidence = tuple[Fact, ...]
Condition = Callable[[Facts], Evidence | None]
"""None: does not hold. Otherwise the facts that made it hold (may be empty, e.g. for an age)."""


def compile_condition(node: Any, path: tuple[str | int, ...] = ("when",)) -> Condition:
    """Turn the YAML tree into a function. Raises :class:`ConditionError`."""
    if isinstance(node, str):
        return _finding({"finding": node})
    if not isinstance(node, dict) or not node:
        raise ConditionError(path, "expected a concept id or a map")
    for name, build in _NODES.items():
        if name in node:
            return build(node, path)
    raise ConditionError(path, f"unknown condition {sorted(node)}; allowed: {', '.join(_NODES)}")


def _only(
    node: Mapping[str, Any], allowed: Sequence[str] | frozenset[str], path: tuple[str | int, ...]
) -> None:
    for key in node:
        if key not in allowed:
            raise ConditionError((*path, key), f"unknown key; allowed here: {', '.join(sorted(allowed))}")


def _children(node: Mapping[str, Any], key: str, path: tuple[str | int, ...]) -> list[Condition]:
    items = node[key]
    if not isinstance(items, list) or not items:
        raise ConditionError((*path, key), "expected a list of conditions")
    return [compile_condition(item, (*path, key, i)) for i, item in enumerate(items)]


def _all(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, ["all"], path)
    parts = _children(node, "all", path)

    def holds(facts: Facts) -> Evidence | None:
        found: list[Fact] = []
        for part in parts:
            evidence = part(facts)
            if evidence is None:
                return None
            found.extend(evidence)
        return tuple(found)

    return holds


def _any(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, ["any"], path)
    return _count(node["any"], _children(node, "any", path), 1)


def _at_least(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, ["atleast", "of"], path)
    parts = _children(node, "of", path) if "of" in node else []
    need = node["atleast"]
    if not isinstance(need, int) or not 1 <= need <= len(parts):
        raise ConditionError((*path, "atleast"), "expected a number between 1 and the length of 'of'")
    return _count(node["of"], parts, need)


def _count(nodes: Sequence[Any], parts: Sequence[Condition], need: int) -> Condition:
    """At least ``need`` of the parts hold. A part about one concept is skipped where that is not known at all."""
    keyed = [(_concept_of(n), part) for n, part in zip(nodes, parts, strict=True)]

    def holds(facts: Facts) -> Evidence | None:
        known = facts.by_id
        likely = [part for key, part in keyed if key is None or key in known]
        if len(likely) < need:
            return None
        found = [e for e in (part(facts) for part in likely) if e is not None]
        return tuple(f for e in found for f in e) if len(found) >= need else None

    return holds


def _concept_of(node: Any) -> str | None:
    if isinstance(node, str):
        return node
    return str(node["finding"]) if "finding" in node else None


def _none(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, ["none"], path)
    parts = _children(node, "none", path)

    def holds(facts: Facts) -> Evidence | None:
        return () if all(part(facts) is None for part in parts) else None

    return holds


def _finding(node: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Condition:
    _only(node, _FINDING_KEYS, path)
    wanted = {k: node[k] for k in ("severity", "onset", "side", "course") if k in node}
    time = node.get("time")
    if time not in (None, "now", "recent", "past", "any"):
        raise ConditionError((*path, "time"), "must be now, recent, past or any")
    least, most = _number(node, "min_hours", path), _number(node, "max_hours", path)
    statuses = COUNTING if "status" not in node else _statuses(node["status"], path)
    uses = _uses(node["use"], path) if "use" in node else None
    concept = node["finding"]

    def fits(finding: Finding) -> bool:
        if finding.status not in statuses or finding.subject.value in ("family", "fiction"):
            return False
        if uses is not None and finding.use not in uses:
            return False
        if time is None and finding.time is Time.PAST:
            return False
        if time in ("now", "recent", "past") and not _in_time(finding, time):
            return False
        if any(getattr(finding, k) != v for k, v in wanted.items()):
            return False
        hours = finding.duration_hours
        if least is not None and (hours is None or hours < least):
            return False
        return most is None or (hours is not None and hours <= most)

    def holds(facts: Facts) -> Evidence | None:
        found = tuple(f for f in facts.by_id.get(concept, ()) if fits(f.finding))
        return found or None

    return holds


def _in_time(finding: Finding, wanted: str) -> bool:
    return (finding.time is Time.PAST) == (wanted == "past")


def _statuses(value: Any, path: tuple[str | int, ...]) -> tuple[Status, ...]:
    try:
        return tuple(Status(v) for v in (value if isinstance(value, list) else [value]))
    except ValueError:
        raise ConditionError((*path, "status"), f"must be among {', '.join(Status)}") from None


def _uses(value: Any, path: tuple[str | int, ...]) -> tuple[Use, ...]:
    try:
        return tuple(Use(v) for v in (value if isinstance(value, list) else [value]))
    except ValueError:
        raise ConditionError((*path, "use"), f"must be among {', '.join(Use)}") from None


def _distinct(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    """``{distinct: paracetamol, atleast: 2}``: so many different medicines that hold it, or are of the class."""
    _only(node, ["distinct", "atleast", "use"], path)
    need, concept = node.get("atleast"), node["distinct"]
    if not isinstance(need, int) or need < 2:
        raise ConditionError((*path, "atleast"), "expected a number from 2")
    one = _finding({"finding": concept, **({"use": node["use"]} if "use" in node else {})}, path)

    def holds(facts: Facts) -> Evidence | None:
        found = one(facts)
        return found if found and len({f.finding.id for f in found}) >= need else None

    return holds


def _number(node: Mapping[str, Any], key: str, path: tuple[str | int, ...]) -> float | None:
    value = node.get(key)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ConditionError((*path, key), "expected a number")


def _vital(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, _VITAL_KEYS, path)
    if node["vital"] not in VITALS:
        raise ConditionError((*path, "vital"), f"unknown value; allowed: {', '.join(VITALS)}")
    vital = VITALS[node["vital"]]
    low, high = _number(node, "min", path), _number(node, "max", path)
    below, above = _number(node, "below", path), _number(node, "above", path)
    if (low, high, below, above) == (None, None, None, None):
        raise ConditionError(path, "needs min, max, below or above")

    def fits(value: float | None) -> bool:
        return (
            value is not None
            and (low is None or value >= low)
            and (high is None or value <= high)
            and (below is None or value < below)
            and (above is None or value > above)
        )

    if not isinstance(node.get("per_kg", False), bool):
        raise ConditionError((*path, "per_kg"), "expected true or false")

    def holds(facts: Facts) -> Evidence | None:
        known = [f for f in facts.by_id.get(vital, ()) if f.finding.counts and f.finding.value is not None]
        if node.get("per_kg"):
            weights = [f for f in facts.by_id.get("weight", ()) if f.finding.counts and f.finding.value]
            kilos = weights[-1].finding.value if weights else None
            found = tuple(f for f in known if kilos and fits((f.finding.value or 0.0) / kilos))
            return (*found, weights[-1]) if found else None
        return tuple(f for f in known if fits(f.finding.value)) or None

    return holds


def _age(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
    _only(node, ["age_years"], path)
    low, high = age_range(node["age_years"], (*path, "age_years"))

    def holds(facts: Facts) -> Evidence | None:
        return () if age_fits(facts.profile, low, high, require_known=True) else None

    return holds


def age_range(value: Any, path: tuple[str | int, ...]) -> tuple[float, float]:
    """(min inclusive, max exclusive) in years of ``{min: 16, max: 65}``."""
    if not isinstance(value, dict) or not value:
        raise ConditionError(path, "expected {min: years, max: years}")
    _only(value, ["min", "max"], path)
    low, high = _number(value, "min", path), _number(value, "max", path)
    result = (0.0 if low is None else float(low), 200.0 if high is None else float(high))
    if result[0] >= result[1]:
        raise ConditionError(path, "min must be below max (max is exclusive): nobody has this age")
    return result


def age_fits(profile: Profile, low: float, high: float, *, require_known: bool) -> bool:
    """Whether the person is or may be ``low`` <= age < ``high``; with ``require_known`` certainly is."""
    if profile.age_years is not None:
        return low <= profile.age_years < high
    if profile.age_min is None and profile.age_max is None:
        return not require_known
    youngest, oldest = profile.age_min or 0.0, profile.age_max or 200.0
    if require_known:
        return low <= youngest and oldest <= high
    return youngest < high and low < oldest


def _flag(name: str) -> Callable[[Mapping[str, Any], tuple[str | int, ...]], Condition]:
    def build(node: Mapping[str, Any], path: tuple[str | int, ...]) -> Condition:
        _only(node, [name], path)
        wanted = node[name]
        if name == "sex" and wanted not in ("female", "male"):
            raise ConditionError((*path, name), "must be female or male")
        if name != "sex" and not isinstance(wanted, bool):
            raise ConditionError((*path, name), "expected true or false")

        def holds(facts: Facts) -> Evidence | None:
            known = getattr(facts.profile, name)
            return () if known == wanted or (wanted is False and known is None) else None

        return holds

    return build


_NODES: Mapping[str, Callable[[Mapping[str, Any], tuple[str | int, ...]], Condition]] = {
    "all": _all,
    "any": _any,
    "none": _none,
    "distinct": _distinct,
    "atleast": _at_least,
    "finding": _finding,
    "vital": _vital,
    "age_years": _age,
    "pregnant": _flag("pregnant"),
    "postpartum": _flag("postpartum"),
    "breastfeeding": _flag("breastfeeding"),
    "sex": _flag("sex"),
}


def concepts_in(node: Any) -> Iterator[str]:
    """Every concept id named in a tree (not the vitals)."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        if "finding" in node:
            yield str(node["finding"])
        if "distinct" in node:
            yield str(node["distinct"])
        for key in ("all", "any", "none", "of"):
            for child in node.get(key) or []:
                yield from concepts_in(child)


def needs_of(node: Any) -> tuple[frozenset[str], ...]:
    """Sets of ids of each of which at least one must be known for a tree to hold; a quick test before the full one.
    ``{all: [a, {any: [b, c]}]}`` needs one of {a} and one of {b, c}."""
    if isinstance(node, str):
        return (frozenset([node]),)
    if "finding" in node:
        return (frozenset([str(node["finding"])]),)
    if "distinct" in node:
        return (frozenset([str(node["distinct"])]),)
    if "vital" in node:
        return (frozenset([VITALS[node["vital"]]]),)
    if "all" in node:
        return tuple(need for child in node["all"] for need in needs_of(child))
    if "any" in node or "of" in node:
        children = [needs_of(child) for child in node.get("any") or node["of"]]
        if all(children):
            return (frozenset().union(*(need for child in children for need in child)),)
    return ()
