"""Reads the symptom-check protocols: ``protocols/<complaint>.yml`` and the shared ``protocols/_common.yml``.

Strict: an unknown key, a missing language or an undefined reference is refused with file and key. It knows the
shape of a protocol, not how a check is run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.dialogue.flow import RANK
from bot.dialogue.protocol_types import (
    GENERIC,
    LocalText,
    Option,
    Protocol,
    Protocols,
    Question,
    Rule,
    Source,
    Variant,
)
from bot.dialogue.symptom_conditions import Node, check, questions
from nlu.findings.lexicon import VOCABULARY_DIR, load_vocabulary

PROTOCOLS_DIR = Path(__file__).parent / "protocols"
LANGUAGES = ("en", "zh")
KINDS = frozenset({"choice", "yesno", "duration", "temperature", "age", "multi"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ProtocolError(ValueError):
    """A protocol file is malformed. The message names file and key."""


@dataclass(slots=True)
class _Reader:
    """Checks one file's values and says where something is wrong."""

    path: Path
    signs: Mapping[str, LocalText]
    shared: Mapping[str, Question]
    advice: Mapping[str, LocalText]
    come_back: Mapping[str, LocalText]
    reasons: Mapping[str, LocalText]

    def fail(self, where: str, problem: str) -> ProtocolError:
        return ProtocolError(f"{self.path.name}: {where}: {problem}")

    def keys(
        self, data: Any, where: str, required: Set[str], optional: Set[str] = frozenset()
    ) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            raise self.fail(where, f"expected a map, got {type(data).__name__}")
        for key in data:
            if key not in required | optional:
                raise self.fail(f"{where}.{key}", "unknown key; check its spelling or remove it")
        for key in sorted(required - set(data)):
            raise self.fail(f"{where}.{key}", "is missing")
        return data

    def local(self, data: Any, where: str) -> LocalText:
        self.keys(data, where, set(LANGUAGES))
        for lang, text in data.items():
            if not isinstance(text, str) or not text.strip():
                raise self.fail(f"{where}.{lang}", "expected text")
        return {lang: str(text).strip() for lang, text in data.items()}

    def level(self, value: Any, where: str) -> str:
        if value not in RANK:
            raise self.fail(where, f"{value!r} is not a level; one of {', '.join(RANK)}")
        return str(value)

    def node(self, data: Any, where: str) -> Node:
        for problem in check(data):
            raise self.fail(where, problem)
        node: Node = data
        return node

    def option(self, data: Any, where: str) -> Option:
        self.keys(data, where, {"id", "label"}, {"words", "concept"})
        words = data.get("words", {})
        self.keys(words, f"{where}.words", set(), set(LANGUAGES))
        return Option(
            id=str(data["id"]),
            label=self.local(data["label"], f"{where}.label"),
            words={lang: tuple(str(w) for w in ws) for lang, ws in words.items()},
            concept=data.get("concept"),
        )

    def question(self, data: Any, where: str) -> Question:
        if isinstance(data, str):
            if data not in self.shared:
                raise self.fail(where, f"there is no shared question {data!r}")
            return self.shared[data]
        self.keys(data, where, {"id", "kind", "ask"}, {"options", "signs", "ask_if", "level"})
        if data["kind"] not in KINDS:
            raise self.fail(f"{where}.kind", f"{data['kind']!r} is not one of {', '.join(sorted(KINDS))}")
        if (data["kind"] == "choice") != bool(data.get("options")):
            raise self.fail(f"{where}.options", "a choice needs options, and nothing else has them")
        return Question(
            id=str(data["id"]),
            kind=str(data["kind"]),
            ask=self.local(data["ask"], f"{where}.ask"),
            options=tuple(
                self.option(o, f"{where}.options[{n}]") for n, o in enumerate(data.get("options", ()))
            ),
            signs=self.sign_list(data.get("signs", ()), f"{where}.signs")
            if data["kind"] == "multi"
            else tuple(data.get("signs", ())),
            level=None if data.get("level") is None else self.level(data["level"], f"{where}.level"),
            ask_if=None if data.get("ask_if") is None else self.node(data["ask_if"], f"{where}.ask_if"),
        )

    def sign_list(self, data: Any, where: str) -> tuple[str, ...]:
        for sign in data:
            if sign not in self.signs:
                raise self.fail(where, f"{sign!r} has no wording in _common.yml under 'signs'")
        return tuple(data)

    def screen(self, data: Any, where: str) -> Question:
        self.keys(data, where, {"level", "signs"})
        level = self.level(data["level"], f"{where}.level")
        shared = self.shared["screen_emergency" if level == "emergency" else "screen_urgent"]
        return Question(
            id=f"screen_{level}",
            kind="multi",
            ask=shared.ask,
            signs=self.sign_list(data["signs"], f"{where}.signs"),
            level=level,
        )

    def variant(self, data: Any, where: str) -> Variant:
        self.keys(data, where, {"when"}, {"screen", "advice", "come_back", "tell"})
        return Variant(
            when=self.node(data["when"], f"{where}.when"),
            screens=tuple(
                self.screen(s, f"{where}.screen[{n}]") for n, s in enumerate(data.get("screen", ()))
            ),
            advice=self.sentences(data.get("advice", ()), f"{where}.advice", self.advice),
            come_back=self.sentences(data.get("come_back", ()), f"{where}.come_back", self.come_back),
            tell=self.sentences(data.get("tell", ()), f"{where}.tell", {}),
        )

    def rule(self, data: Any, where: str) -> Rule:
        self.keys(data, where, {"level", "when", "reason"})
        return Rule(
            level=self.level(data["level"], f"{where}.level"),
            when=self.node(data["when"], f"{where}.when"),
            reason=self.reason(data["reason"], f"{where}.reason"),
        )

    def reason(self, data: Any, where: str) -> LocalText:
        """A reason of its own, or the name of one that many protocols share."""
        return self.sentences([data], where, self.reasons)[0]

    def sentences(self, data: Any, where: str, shared: Mapping[str, LocalText]) -> tuple[LocalText, ...]:
        out = []
        for number, row in enumerate(data):
            if isinstance(row, str):
                if row not in shared:
                    raise self.fail(f"{where}[{number}]", f"there is no shared sentence {row!r}")
                out.append(shared[row])
            else:
                out.append(self.local(row, f"{where}[{number}]"))
        return tuple(out)

    def source(self, data: Any, review: Any) -> Source:
        self.keys(data, "source", {"name", "date"}, {"url"})
        if not isinstance(data["date"], dt.date):
            raise self.fail("source.date", "expected a date, e.g. 2026-11-23")
        if data.get("url") is not None and not str(data["url"]).startswith("https://"):
            raise self.fail("source.url", "expected a public https address")
        if review not in ("not_reviewed", "reviewed"):
            raise self.fail("review", "expected not_reviewed or reviewed")
        return Source(str(data["name"]), data.get("url"), data["date"], str(review))

    def protocol(self, data: Any) -> Protocol:
        required = {"name", "concepts", "priority", "source", "review", "screen", "questions", "outcomes"}
        required |= {"default", "advice", "come_back"}
        self.keys(data, "protocol", required, {"family", "population", "fold", "tell", "variants"})
        default = self.keys(data["default"], "default", {"level", "reason"})
        protocol = Protocol(
            id=self.path.stem,
            family=str(data.get("family", self.path.stem)),
            name=self.local(data["name"], "name"),
            concepts=tuple(data["concepts"]),
            priority=int(data["priority"]),
            population=None
            if data.get("population") is None
            else self.node(data["population"], "population"),
            screens=tuple(self.screen(s, f"screen[{n}]") for n, s in enumerate(data["screen"])),
            questions=tuple(self.question(q, f"questions[{n}]") for n, q in enumerate(data["questions"])),
            fold=tuple(data.get("fold", ())),
            outcomes=tuple(self.rule(r, f"outcomes[{n}]") for n, r in enumerate(data["outcomes"])),
            default=Rule(
                self.level(default["level"], "default.level"),
                {"all": []},
                self.reason(default["reason"], "default.reason"),
            ),
            advice=self.sentences(data["advice"], "advice", self.advice),
            come_back=self.sentences(data["come_back"], "come_back", self.come_back),
            tell=self.sentences(data.get("tell", ()), "tell", {}),
            source=self.source(data["source"], data["review"]),
            variants=tuple(self.variant(v, f"variants[{n}]") for n, v in enumerate(data.get("variants", ()))),
        )
        self._references(protocol)
        return protocol

    def _references(self, protocol: Protocol) -> None:
        known = {q.id for q in (*protocol.screens, *protocol.questions)}
        for number, rule in enumerate(protocol.outcomes):
            for question_id in questions(rule.when):
                if question_id not in known:
                    raise self.fail(f"outcomes[{number}].when", f"there is no question {question_id!r}")
        for question_id in protocol.fold:
            if question_id not in known:
                raise self.fail("fold", f"there is no question {question_id!r}")


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, in C if built
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path.name}: not readable as YAML: {error}") from None


def load_protocols(directory: Path = PROTOCOLS_DIR) -> Protocols:
    """Read and check every protocol. Raises ProtocolError naming file and key."""
    common_path = directory / "_common.yml"
    common = _yaml(common_path)
    reader = _Reader(common_path, {}, {}, {}, {}, {})
    reader.keys(common, "common", {"signs", "questions", "advice", "come_back", "reasons"})
    signs = {k: reader.local(v, f"signs.{k}") for k, v in common["signs"].items()}
    reader.signs = signs
    shared = {k: reader.question({"id": k, **v}, f"questions.{k}") for k, v in common["questions"].items()}
    advice = {k: reader.local(v, f"advice.{k}") for k, v in common["advice"].items()}
    come_back = {k: reader.local(v, f"come_back.{k}") for k, v in common["come_back"].items()}
    reasons = {k: reader.local(v, f"reasons.{k}") for k, v in common["reasons"].items()}
    found = {}
    for path in sorted(directory.glob("*.yml")):
        if path.name.startswith("_"):
            continue
        found[path.stem] = _Reader(path, signs, shared, advice, come_back, reasons).protocol(_yaml(path))
    if GENERIC not in found:
        raise ProtocolError(f"{directory.name}: there is no {GENERIC}.yml for complaints without a protocol")
    vocabulary = load_vocabulary(VOCABULARY_DIR)
    return Protocols(
        found,
        signs,
        shared,
        names={id_: concept.name for id_, concept in vocabulary.items()},
        implies={id_: concept.implies for id_, concept in vocabulary.items() if concept.implies},
    )
