"""Turns the tables of pairs into ordinary rules: medicine with medicine, medicine with a condition.

A row says which two must not meet, what can happen, how urgent it is and who says so. It becomes two to four rules
with stable ids: both taken (``DDI-warfarin-nsaid``), one of them only asked about (``…-asked``: asking before taking
is the right behaviour, so never more than routine), and both taken with the harm already there (``…-ill``; "X and Y
together ok? started shaking" is ``…-asked-ill``: whoever asks with the harm there has mostly taken them).
It reads data and knows nothing of messages; the tables hold nothing that only this module could read.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.triage.conditions import ConditionError, compile_condition
from nlu.findings.lexicon import Concept, LexiconError, read_yaml, refuse

PAIRS_DIR = Path(__file__).parent / "rules" / "pairs"
LANGUAGES = ("en", "zh")
TABLE_KEYS = frozenset(["sources", "effects", "states", "review", "pairs", "contraindications"])
PAIR_KEYS = frozenset(["a", "b", "level", "effect", "source", "note"])
STATE_KEYS = frozenset(["medicine", "with", "level", "effect", "source", "note"])
LEVELS = ("urgent", "routine")
ADVICE: Mapping[str, Mapping[str, str]] = {
    "urgent": {
        "en": "Speak to a pharmacist or doctor today, before the next dose.",
        "zh": "今天下次用药前先问药师或医生。",
    },
    "routine": {"en": "Check with your pharmacist or doctor.", "zh": "请向药师或医生核对。"},
    "asked": {"en": "Ask a pharmacist or doctor before you take it.", "zh": "用之前先问药师或医生。"},
    "ill": {"en": "Feeling ill with both is an emergency.", "zh": "已经出现不适，属于急症。"},
}  # fmt: skip


class PairError(LexiconError):
    """A table is malformed. The message says file, line and key."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, checked: ``first`` and ``second`` are condition trees without use, ``ill`` the findings of harm."""

    id: str
    names: tuple[Mapping[str, str], Mapping[str, str]]
    first: str
    second: str | Mapping[str, Any]
    level: str
    effect: Mapping[str, str]
    ill: tuple[str, ...]
    source: Mapping[str, Any]
    review: str


def pair_rules(
    concepts: Mapping[str, Concept], directory: Path = PAIRS_DIR, cache_dir: Path | None = None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The rules of every table of a folder, as a rule file would hold them. Raises :class:`PairError`."""
    seen: dict[tuple[str, str], Path] = {}
    for path in sorted(directory.glob("*.yml")):
        for row in _rows(path, read_yaml(path, cache_dir) or {}, concepts, seen):
            for rule in _rules_of(row):
                yield path, rule


def _rows(
    path: Path, table: Any, concepts: Mapping[str, Concept], seen: dict[tuple[str, str], Path]
) -> Iterator[Row]:
    if not isinstance(table, dict):
        raise _bad(path, (), "expected a map")
    for key in table:
        if key not in TABLE_KEYS:
            raise _bad(path, (key,), f"unknown key; allowed: {', '.join(sorted(TABLE_KEYS))}")
    if not isinstance(table.get("review"), str):
        raise _bad(path, ("review",), "is missing: reviewed or not_reviewed")
    _sources(path, table.get("sources"))
    _effects(path, table.get("effects"), concepts)
    _states(path, table.get("states") or {})
    for part, keys in (("pairs", PAIR_KEYS), ("contraindications", STATE_KEYS)):
        for i, entry in enumerate(table.get(part) or []):
            yield _row(path, (part, i), entry, keys, table, concepts, seen)


def _row(
    path: Path, place: tuple[str, int], entry: Any, keys: frozenset[str], table: Mapping[str, Any],
    concepts: Mapping[str, Concept], seen: dict[tuple[str, str], Path],
) -> Row:  # fmt: skip
    if not isinstance(entry, dict):
        raise _bad(path, place, "expected a map")
    for key in entry:
        if key not in keys:
            raise _bad(path, (*place, key), f"unknown key; allowed: {', '.join(sorted(keys))}")
    for key in keys - {"note"}:
        if key not in entry:
            raise _bad(path, place, f"{key!r} is missing")
    if entry["level"] not in LEVELS:
        raise _bad(path, (*place, "level"), f"must be one of {', '.join(LEVELS)}")
    for key, block in (("source", "sources"), ("effect", "effects")):
        if entry[key] not in table[block]:
            raise _bad(path, (*place, key), f"{entry[key]!r} is not among {block}")
    effect, source = table["effects"][entry["effect"]], table["sources"][entry["source"]]
    if place[0] == "pairs":
        one, two = str(entry["a"]), str(entry["b"])
        second: Any = two
        kind, other = "DDI", _medicine(path, (*place, "b"), two, concepts)
    else:
        one, two = str(entry["medicine"]), str(entry["with"])
        if two not in (table.get("states") or {}):
            raise _bad(path, (*place, "with"), f"{two!r} is not among states")
        second = table["states"][two]["when"]
        kind, other = "CI", table["states"][two]["name"]
    name = _medicine(path, (*place, "a" if kind == "DDI" else "medicine"), one, concepts)
    key = (min(one, two), max(one, two))
    if key in seen:
        raise _bad(path, place, f"{one} and {two} are already in {seen[key].name}")
    seen[key] = path
    return Row(
        f"{kind}-{one}-{two}", (name, other), one, second, entry["level"], effect, tuple(effect.get("ill") or ()),
        source, table["review"],
    )  # fmt: skip


def _rules_of(row: Row) -> Iterator[dict[str, Any]]:
    yield _rule(row, "", row.level, _tree(row, ["taken"]), row.level)
    yield _rule(row, "-asked", "routine", _tree(row, ["taken", "asked"]), "asked")
    if row.ill:
        tree = {"all": [_tree(row, ["taken"]), {"any": list(row.ill)}]}
        yield _rule(row, "-ill", "emergency", tree, "ill")
        if row.level == "urgent":
            tree = {"all": [_tree(row, ["taken", "asked"]), {"any": list(row.ill)}]}
            yield _rule(row, "-asked-ill", "urgent", tree, "urgent")


def _tree(row: Row, uses: list[str]) -> dict[str, Any]:
    """The two together. With "asked" among the uses at least one of them is only asked about."""
    asked = "asked" in uses
    first = {"finding": row.first, "use": uses}
    question: Any = {"finding": row.first, "use": "asked"}
    if row.second == row.first:
        parts: list[Any] = [{"distinct": row.first, "atleast": 2, "use": uses}]
    elif isinstance(row.second, str):
        parts = [first, {"finding": row.second, "use": uses}]
        question = {"any": [question, {"finding": row.second, "use": "asked"}]}
    else:
        parts = [first, row.second]
    return {"all": [*parts, question] if asked else parts}


def _rule(row: Row, suffix: str, level: str, when: dict[str, Any], advice: str) -> dict[str, Any]:
    one, two = row.names
    return {
        "id": row.id + suffix,
        "level": level,
        "reason": {
            "en": f"{_capital(one['en'])} with {two['en']}: {row.effect['en']} {ADVICE[advice]['en']}",
            "zh": f"{one['zh']}与{two['zh']}：{row.effect['zh']}{ADVICE[advice]['zh']}",
        },
        "when": when,
        "source": dict(row.source),
        "basis": "background",
        "review": row.review,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _medicine(
    path: Path, keys: tuple[str | int, ...], concept_id: str, concepts: Mapping[str, Concept]
) -> Mapping[str, str]:
    concept = concepts.get(concept_id)
    if concept is None or concept.kind != "medicine":
        raise _bad(path, keys, f"{concept_id!r} is no medicine of the vocabulary")
    return concept.name


def _sources(path: Path, sources: Any) -> None:
    if not isinstance(sources, dict) or not sources:
        raise _bad(path, ("sources",), "expected a map of sources: name, date and, where known, url")
    for key, source in sources.items():
        if not isinstance(source, dict) or not source.get("name"):
            raise _bad(path, ("sources", key), "'name' is missing")
        if not isinstance(source.get("date"), datetime.date | str):
            raise _bad(path, ("sources", key), "'date' is missing")


def _effects(path: Path, effects: Any, concepts: Mapping[str, Concept]) -> None:
    if not isinstance(effects, dict) or not effects:
        raise _bad(path, ("effects",), "expected a map of effects: a sentence per language")
    for key, effect in effects.items():
        if not isinstance(effect, dict) or not all(isinstance(effect.get(lang), str) for lang in LANGUAGES):
            raise _bad(path, ("effects", key), f"expected a sentence in each of {', '.join(LANGUAGES)}")
        for concept_id in effect.get("ill") or []:
            if concept_id not in concepts:
                raise _bad(path, ("effects", key, "ill"), f"{concept_id!r} is not in the vocabulary")


def _states(path: Path, states: Any) -> None:
    for key, state in _map(path, ("states",), states).items():
        name = state.get("name") if isinstance(state, dict) else None
        if not isinstance(name, dict) or not all(isinstance(name.get(lang), str) for lang in LANGUAGES):
            raise _bad(path, ("states", key), f"expected a name in each of {', '.join(LANGUAGES)}")
        try:
            compile_condition(state.get("when"))
        except ConditionError as error:
            raise _bad(path, ("states", key, *error.path), error.what) from None


def _map(path: Path, keys: tuple[str | int, ...], value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _bad(path, keys, "expected a map")
    return value


def _bad(path: Path, keys: tuple[str | int, ...], what: str) -> PairError:
    return PairError(str(refuse(path, keys, what)))
