"""Reads the triage rules, strictly: dated, sourced, in both languages, reviewed or not.

An unknown key, a duplicate id, a missing source or an impossible condition is refused with file, line and key.
It reads data and knows nothing of messages.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.triage.conditions import (
    Condition,
    ConditionError,
    age_fits,
    age_range,
    compile_condition,
    concepts_in,
    needs_of,
)
from bot.triage.level import Level
from bot.triage.pairs import pair_rules
from nlu.findings.lexicon import Concept, LexiconError, content_hash, read_yaml, refuse
from nlu.findings.types import Profile

RULES_DIR = Path(__file__).parent / "rules"
PATHS = frozenset(["crisis", "abuse", "poisoning", "maternity"])
LANGUAGES = ("en", "zh")
"""Every reason is written in each of these."""
RULE_KEYS = frozenset(
    ["id", "level", "path", "reason", "population", "when", "source", "basis", "review", "note", "replaces"]
)
POPULATION_KEYS = frozenset(["age_years", "sex", "pregnant", "postpartum", "breastfeeding", "require_known"])
BASES = frozenset(["looked_up", "background"])


class RuleError(LexiconError):
    """A rule file is malformed. The message says file, line and key."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from: organisation and page, date looked at, public address where known."""

    name: str
    date: datetime.date
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """Whom a rule is about. Unknown age or sex does not exclude unless ``require_known``; pregnancy, postpartum
    and breast-feeding must be known to be so."""

    age: tuple[float, float] | None = None
    sex: str | None = None
    pregnant: bool | None = None
    postpartum: bool | None = None
    breastfeeding: bool | None = None
    require_known: bool = False

    def admits(self, profile: Profile) -> bool:
        """Whether a person with this profile belongs."""
        if self.age is not None and not age_fits(profile, *self.age, require_known=self.require_known):
            return False
        if (
            self.sex is not None
            and profile.sex != self.sex
            and (self.require_known or profile.sex is not None)
        ):
            return False
        flags = ((self.pregnant, profile.pregnant), (self.postpartum, profile.postpartum),
                 (self.breastfeeding, profile.breastfeeding))  # fmt: skip
        return all(wanted is None or bool(known) == wanted for wanted, known in flags)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be applied. ``concepts`` are the ids its tree names,
    ``needs`` sets of ids of each of which it needs one; ``file`` where it stands; ``generated`` from a table."""

    id: str
    level: Level
    path: str | None
    reason: Mapping[str, str]
    population: Population
    holds: Condition
    source: Source
    basis: str
    review: str
    concepts: frozenset[str]
    needs: tuple[frozenset[str], ...]
    file: str
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules in file order. ``rules_hash`` covers the rule files; the full ruleset hash adds the lexicon."""

    rules: tuple[Rule, ...]
    rules_hash: str
    by_need: Mapping[str, tuple[int, ...]]

    def candidates(self, known: Collection[str]) -> list[Rule]:
        """The rules that could hold of somebody of whom these ids are known, in file order."""
        places = {i for key in known for i in self.by_need.get(key, ())}
        places.update(self.by_need.get("", ()))
        rules = (self.rules[i] for i in sorted(places))
        return [r for r in rules if not any(need.isdisjoint(known) for need in r.needs)]


def _by_need(rules: Sequence[Rule]) -> dict[str, tuple[int, ...]]:
    """Id → places of the rules whose smallest need has it; those without a need under the empty id."""
    found: dict[str, list[int]] = {}
    for place, rule in enumerate(rules):
        for key in min(rule.needs, key=len, default=frozenset([""])):
            found.setdefault(key, []).append(place)
    return {key: tuple(places) for key, places in found.items()}


def load_rules(
    directory: Path = RULES_DIR,
    cache_dir: Path | None = None,
    concepts: Mapping[str, Concept] | None = None,
) -> Ruleset:
    """Read a folder, and with the vocabulary's ``concepts`` the tables of pairs in its ``pairs/``. Raises
    :class:`RuleError` on the first fault."""
    rules: dict[str, Rule] = {}
    for path in sorted(directory.glob("*.yml")):
        data = read_yaml(path, cache_dir) or []
        if not isinstance(data, list):
            raise RuleError(str(refuse(path, (), "expected a list of rules")))
        for i, entry in enumerate(data):
            rule = _rule(path, i, entry)
            if rule.id in rules:
                raise RuleError(
                    str(refuse(path, (i, "id"), f"{rule.id} is already in {rules[rule.id].file}"))
                )
            rules[rule.id] = rule
    for path, entry in pair_rules(concepts or {}, directory / "pairs", cache_dir) if concepts else ():
        rules[entry["id"]] = replace(_rule(path, 0, entry), generated=True)
    found = tuple(rules.values())
    return Ruleset(found, content_hash([directory]), _by_need(found))


def _rule(path: Path, i: int, entry: Any) -> Rule:
    def bad(keys: tuple[str | int, ...], what: str) -> RuleError:
        return RuleError(str(refuse(path, (i, *keys), what)))

    if not isinstance(entry, dict):
        raise bad((), "expected a rule")
    for key in entry:
        if key not in RULE_KEYS:
            raise bad((key,), f"unknown key; allowed: {', '.join(sorted(RULE_KEYS))}")
    for key in ("id", "level", "reason", "when", "source", "basis", "review"):
        if key not in entry:
            raise bad((), f"{entry.get('id', 'rule')}: {key!r} is missing")
    if not isinstance(entry["id"], str):
        raise bad(("id",), "expected text")
    if entry["level"] not in ("emergency", "urgent", "routine", "self_care"):
        raise bad(("level",), "must be emergency, urgent, routine or self_care")
    if entry.get("path") not in (None, *PATHS):
        raise bad(("path",), f"must be one of {', '.join(sorted(PATHS))}")
    reason = entry["reason"]
    if not isinstance(reason, dict) or any(not isinstance(reason.get(lang), str) for lang in LANGUAGES):
        raise bad(("reason",), f"expected a sentence in each of {', '.join(LANGUAGES)}")
    if entry["basis"] not in BASES:
        raise bad(("basis",), f"must be one of {', '.join(sorted(BASES))}")
    try:
        holds = compile_condition(entry["when"])
        population = _population(entry.get("population") or {})
    except ConditionError as error:
        raise bad(error.path, error.what) from None
    return Rule(
        entry["id"], Level.from_code(entry["level"]), entry.get("path"), dict(reason), population, holds,
        _source(entry["source"], bad), entry["basis"], str(entry["review"]),
        frozenset(concepts_in(entry["when"])), needs_of(entry["when"]), path.name,
    )  # fmt: skip


def _population(data: Any) -> Population:
    if not isinstance(data, dict):
        raise ConditionError(("population",), "expected a map")
    for key in data:
        if key not in POPULATION_KEYS:
            raise ConditionError(
                ("population", key), f"unknown key; allowed: {', '.join(sorted(POPULATION_KEYS))}"
            )
    for key in ("pregnant", "postpartum", "breastfeeding", "require_known"):
        if not isinstance(data.get(key, False), bool):
            raise ConditionError(("population", key), "expected true or false")
    if data.get("sex") not in (None, "female", "male"):
        raise ConditionError(("population", "sex"), "must be female or male")
    age = age_range(data["age_years"], ("population", "age_years")) if "age_years" in data else None
    if data.get("pregnant") and data.get("sex") == "male":
        raise ConditionError(("population", "pregnant"), "a pregnant man: nobody would ever match")
    return Population(
        age, data.get("sex"), data.get("pregnant"), data.get("postpartum"), data.get("breastfeeding"),
        data.get("require_known", False),
    )  # fmt: skip


def _source(data: Any, bad: Any) -> Source:
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"].strip():
        raise bad(("source",), "expected {name: organisation and page, date: YYYY-MM-DD}")
    for key in data:
        if key not in ("name", "url", "date"):
            raise bad(("source", key), "unknown key; allowed: name, url, date")
    date = data.get("date")
    if isinstance(date, str):
        try:
            date = datetime.date.fromisoformat(date)
        except ValueError:
            date = None
    if not isinstance(date, datetime.date):
        raise bad(("source", "date"), "expected a date, YYYY-MM-DD")
    url = data.get("url")
    if url is not None and (not isinstance(url, str) or not url.startswith("https://")):
        raise bad(("source", "url"), "expected an https address")
    return Source(data["name"], date, url)
