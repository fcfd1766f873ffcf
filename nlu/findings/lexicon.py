"""Reads vocabulary and lexicon folders, strictly, into a ready :class:`Knowledge`.

Every unknown key, wrong type or unreadable pattern is refused with file, line and key. Parsed files may be kept
in a cache folder given by the caller, beside a hash of their content; without one everything is read afresh.
It opens nothing when imported and decides nothing about messages.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nlu.findings.matcher import Matcher
from nlu.findings.normalise import Normaliser
from nlu.findings.patterns import Element, PatternError, PatternParser
from nlu.findings.spelling import Speller
from nlu.findings.tokens import tokenise

HERE = Path(__file__).parent
VOCABULARY_DIR = HERE / "vocabulary"
LEXICON_DIR = HERE / "lexicon"

KINDS = frozenset(
    ["symptom", "sign", "event", "condition", "medicine", "exposure", "risk", "crisis", "context"]
)
LEVEL_NAMES = frozenset(["emergency", "urgent", "routine", "self_care", "none"])
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "severity": frozenset(["mild", "moderate", "severe"]),
    "onset": frozenset(["sudden", "gradual"]),
    "side": frozenset(["left", "right", "both"]),
    "course": frozenset(["worse", "better", "same", "intermittent"]),
}
CONCEPT_KEYS = frozenset(
    [
        "kind",
        "name",
        "sticky",
        "implies",
        "default_level",
        "hypothetical_counts",
        "past_counts",
        "own_act",
        "holds",
    ]
)
FILE_KEYS = frozenset(
    [
        "classes",
        "concepts",
        "names",
        "cues",
        "modifiers",
        "people",
        "misspellings",
        "words",
        "traditional",
        "simplified",
        "idioms",
    ]
)

IDIOM = "_idiom"
"""Stands for the concept of a figure of speech: it cancels what it covers and is no finding itself."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class LexiconError(ValueError):
    """A data file is malformed. The message says file, line and key, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One entry of the vocabulary. ``sticky``: "it's gone" does not cancel it. ``default_level``: the level of
    a message that has it and fires no rule. ``hypothetical_counts``: asking about it is enough. ``own_act``: it is
    done by whoever was spoken of before, not by the person that its own words name ("I know where my boss lives").
    ``holds``: milligrams of a substance in one ``tablet`` (capsule, sachet) or ``ml`` of a medicine."""

    id: str
    kind: str
    name: Mapping[str, str]
    sticky: bool = False
    implies: tuple[str, ...] = ()
    default_level: str | None = None
    hypothetical_counts: bool = False
    past_counts: bool = False
    own_act: bool = False
    holds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a matched pattern means: ``sort`` concept | cue | modifier | person, its ``name`` (concept id, cue
    kind, attribute, person) and ``attributes``. ``kill``: a look-alike, which cancels what it covers of its own
    concept and of its own ``domain`` (the lexicon file's name, empty where the mark is ``own``), or of all where it
    is ``everywhere``. ``named``: a proper name, which a longer one around it replaces."""

    sort: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    kill: bool = False
    domain: str = ""
    everywhere: bool = False
    named: bool = False

    def cancels(self, other: Payload) -> bool:
        """Whether this look-alike may cancel a hit of ``other`` that it covers."""
        same_file = bool(self.domain) and self.domain == other.domain
        return self.kill and (self.everywhere or self.name == other.name or same_file)


Replacements = Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]
"""First typed token → (typed tokens, meant tokens), longest first."""


@dataclass(frozen=True, slots=True)
class Language:
    """Everything known of one language."""

    code: str
    matcher: Matcher
    payloads: tuple[Payload, ...]
    speller: Speller
    replacements: Replacements
    pinyin: frozenset[str]
    surface_forms: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Vocabulary and languages, immutable. ``content_hash`` names their exact content."""

    concepts: Mapping[str, Concept]
    languages: Mapping[str, Language]
    normaliser: Normaliser
    content_hash: str
    used_ids: frozenset[str]

    def closure(self, concept_id: str) -> tuple[str, ...]:
        """The concept and all that it implies, nearest first."""
        found = [concept_id]
        for known in found:
            concept = self.concepts.get(known)
            if concept is not None:
                found.extend(i for i in concept.implies if i not in found)
        return tuple(found)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Building makes a million small objects and no garbage; the cyclic collector would double the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_yaml(path: Path, cache_dir: Path | None = None) -> Any:
    """One file's content. With ``cache_dir`` a JSON copy named by the content's hash is used or left there."""
    raw = path.read_bytes()
    cached = None if cache_dir is None else cache_dir / f"{hashlib.sha256(raw).hexdigest()}.json"
    if cached is not None and cached.is_file():
        try:
            return json.loads(cached.read_bytes())
        except (OSError, ValueError):
            pass  # a half-written copy: read the source instead
    try:
        data = yaml.load(raw, Loader=_Loader)  # noqa: S506 - the C form of the safe loader
    except yaml.YAMLError as error:
        raise LexiconError(f"{path}: {error}") from None
    if cached is not None:
        _keep(cached, data)
    return data


def _keep(path: Path, data: Any) -> None:
    try:
        text = json.dumps(data, ensure_ascii=False, default=str)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".part")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except (OSError, TypeError):
        return  # a cache that cannot be written costs time, nothing else


def line_of(path: Path, *keys: str | int) -> int:
    """The line (from 1) of the value under nested ``keys``; 1 where it cannot be told. Only for messages."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def refuse(path: Path, keys: tuple[str | int, ...], what: str) -> LexiconError:
    """The error for ``what`` is wrong at ``keys`` of ``path``."""
    where = ".".join(str(k) for k in keys)
    return LexiconError(f"{path}:{line_of(path, *keys)}: {where}: {what}")


def _expect_map(path: Path, keys: tuple[str | int, ...], value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
        raise refuse(path, keys, "expected a map of names")
    return value


def load_vocabulary(directory: Path, cache_dir: Path | None = None) -> dict[str, Concept]:
    """All concepts of a folder, by id."""
    out: dict[str, Concept] = {}
    for path in sorted(directory.glob("*.yml")):
        for cid, entry in _expect_map(path, (), read_yaml(path, cache_dir) or {}).items():
            if cid in out:
                raise refuse(path, (cid,), "is defined twice")
            out[cid] = _concept(path, cid, _expect_map(path, (cid,), entry))
    return out


def _concept(path: Path, cid: str, entry: Mapping[str, Any]) -> Concept:
    for key in entry:
        if key not in CONCEPT_KEYS:
            raise refuse(path, (cid, key), f"unknown key; allowed: {', '.join(sorted(CONCEPT_KEYS))}")
    if entry.get("kind") not in KINDS:
        raise refuse(path, (cid, "kind"), f"must be one of {', '.join(sorted(KINDS))}")
    name = entry.get("name")
    if not isinstance(name, dict) or not all(isinstance(v, str) and v for v in name.values()):
        raise refuse(path, (cid, "name"), "expected a plain name per language")
    level = entry.get("default_level")
    if level is not None and level not in LEVEL_NAMES:
        raise refuse(path, (cid, "default_level"), f"must be one of {', '.join(sorted(LEVEL_NAMES))}")
    implies = entry.get("implies", [])
    if not isinstance(implies, list) or not all(isinstance(i, str) for i in implies):
        raise refuse(path, (cid, "implies"), "expected a list of concept ids")
    holds = _holds(path, cid, entry.get("holds", {}))
    flags = {k: entry.get(k, False) for k in ("sticky", "hypothetical_counts", "past_counts", "own_act")}
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise refuse(path, (cid, key), "expected true or false")
    return Concept(
        cid, entry["kind"], dict(name), implies=tuple(implies), default_level=level, holds=holds, **flags
    )


def _holds(path: Path, cid: str, value: Any) -> Mapping[str, Mapping[str, float]]:
    for substance, amounts in _expect_map(path, (cid, "holds"), value).items():
        for unit, mg in _expect_map(path, (cid, "holds", substance), amounts).items():
            if unit not in ("tablet", "ml") or not isinstance(mg, int | float) or mg <= 0:
                raise refuse(path, (cid, "holds", substance, unit), "expected tablet or ml: milligrams")
    return dict(value)


class _LanguageBuilder:
    """Collects the files of one language folder."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.classes: dict[str, tuple[str, ...]] = {}
        self.named: dict[str, list[str]] = {}
        self.sources: list[tuple[Path, tuple[str | int, ...], str, Payload]] = []
        self.misspellings: dict[str, str] = {}
        self.words: set[str] = set()
        self.folding: dict[str, str] = {}

    def add(self, path: Path, data: Any) -> None:
        top = _expect_map(path, (), data or {})
        for key in top:
            if key not in FILE_KEYS:
                raise refuse(path, (key,), f"unknown key; allowed: {', '.join(sorted(FILE_KEYS))}")
        for name, members in _expect_map(path, ("classes",), top.get("classes") or {}).items():
            if name in self.classes:
                raise refuse(path, ("classes", name), "is defined twice in this language")
            self.classes[name] = _texts(path, ("classes", name), members)
        for name, concepts in _expect_map(path, ("names",), top.get("names") or {}).items():
            self._names(path, name, _expect_map(path, ("names", name), concepts))
        for cid, patterns in _expect_map(path, ("concepts",), top.get("concepts") or {}).items():
            self._concept(path, cid, patterns)
        for sort, key in (("cue", "cues"), ("person", "people")):
            for name, patterns in _expect_map(path, (key,), top.get(key) or {}).items():
                for i, text in enumerate(_texts(path, (key, name), patterns)):
                    self.sources.append((path, (key, name, i), text, Payload(sort, name)))
        for i, text in enumerate(_texts(path, ("idioms",), top.get("idioms") or [])):
            self.sources.append(
                (path, ("idioms", i), text, Payload("concept", IDIOM, kill=True, everywhere=True))
            )
        self._modifiers(path, top)
        self.misspellings.update(_expect_map(path, ("misspellings",), top.get("misspellings") or {}))
        self.words.update(w for line in top.get("words") or [] for w in str(line).split())
        if top.get("traditional"):
            self._fold(path, "".join(top["traditional"]), "".join(top.get("simplified") or []))

    def _names(self, path: Path, name: str, concepts: Mapping[str, Any]) -> None:
        """Names that are a concept's wording and a member of class ``name`` at once (medicines: @med_any)."""
        for cid, members in concepts.items():
            for i, text in enumerate(_texts(path, ("names", name, cid), members)):
                payload = Payload("concept", cid, domain=path.stem, named=True)
                self.sources.append((path, ("names", name, cid, i), text, payload))
                self.named.setdefault(name, []).append(text)

    def _fold(self, path: Path, old: str, new: str) -> None:
        if len(old) != len(new):
            raise refuse(path, ("simplified",), "must be as long as 'traditional'")
        self.folding.update(zip(old, new, strict=True))

    def _concept(self, path: Path, cid: str, patterns: Any) -> None:
        if not isinstance(patterns, list):
            raise refuse(path, ("concepts", cid), "expected a list of patterns")
        for i, entry in enumerate(patterns):
            keys = ("concepts", cid, i)
            if isinstance(entry, dict):
                self.sources.append((path, keys, str(entry.get("p", "")), _marked(path, keys, cid, entry)))
            elif isinstance(entry, str | int | float):
                self.sources.append((path, keys, str(entry), Payload("concept", cid, domain=path.stem)))
            else:
                raise refuse(path, keys, "expected a pattern")

    def _modifiers(self, path: Path, top: Mapping[str, Any]) -> None:
        for attribute, values in _expect_map(path, ("modifiers",), top.get("modifiers") or {}).items():
            if attribute not in ATTRIBUTES:
                raise refuse(path, ("modifiers", attribute), f"unknown; allowed: {', '.join(ATTRIBUTES)}")
            for value, patterns in _expect_map(path, ("modifiers", attribute), values).items():
                if value not in ATTRIBUTES[attribute]:
                    raise refuse(path, ("modifiers", attribute, value), "unknown value")
                for i, text in enumerate(_texts(path, ("modifiers", attribute, value), patterns)):
                    payload = Payload("modifier", attribute, {attribute: value})
                    self.sources.append((path, ("modifiers", attribute, value, i), text, payload))

    def build(self) -> Language:
        canonical = {k: v for k, v in self.misspellings.items() if (k + v).isascii() and " " not in k + v}
        classes = {**self.classes, **{k: (*self.classes.get(k, ()), *v) for k, v in self.named.items()}}
        parser = PatternParser(classes)
        payloads: list[Payload] = []
        index: dict[tuple[str, str, str, bool, str, bool, bool], int] = {}
        parsed: list[tuple[tuple[Element, ...], int]] = []
        faults: list[str] = []
        for path, keys, text, payload in self.sources:
            mark = (
                payload.sort, payload.name, repr(payload.attributes), payload.kill, payload.domain,
                payload.everywhere, payload.named,
            )  # fmt: skip
            if mark not in index:
                index[mark] = len(payloads)
                payloads.append(payload)
            try:
                parsed.append((parser.parse(text), index[mark]))
            except PatternError as error:
                faults.append(str(refuse(path, keys, str(error))))
        if faults:
            raise LexiconError("\n".join(faults))
        matcher = Matcher(parsed, parser.shared)
        speller = Speller(matcher.words, matcher.prefixes, self.words, canonical)
        slips = {k: v for k, v in self.misspellings.items() if k not in canonical}
        pinyin = frozenset(k for k in slips if k.isascii())
        return Language(
            self.code, matcher, tuple(payloads), speller, _by_first_token(slips), pinyin, len(self.sources)
        )


def _by_first_token(slips: Mapping[str, str]) -> Replacements:
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for wrong, meant in slips.items():
        typed = tuple(tokenise(wrong).words)
        if typed:
            found.setdefault(typed[0], []).append((typed, tuple(tokenise(meant).words)))
    return {first: tuple(sorted(ways, key=lambda w: -len(w[0]))) for first, ways in found.items()}


def _texts(path: Path, keys: tuple[str | int, ...], value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str | int | float) for v in value):
        raise refuse(path, keys, "expected a list of patterns")
    return tuple(str(v) for v in value)


def _marked(path: Path, keys: tuple[str | int, ...], cid: str, entry: Mapping[str, Any]) -> Payload:
    """A pattern with marks: ``{p: "...", kill: true}``, ``kill: all``, ``kill: own`` (no other concept of the file)
    or ``{p: "...", set: {severity: severe}}``."""
    for key in entry:
        if key not in ("p", "kill", "set"):
            raise refuse(path, (*keys, key), "unknown key; allowed: p, kill, set")
    kill = entry.get("kill", False)
    if not isinstance(entry.get("p"), str) or not (isinstance(kill, bool) or kill in ("all", "own")):
        raise refuse(path, keys, "expected p: pattern and kill: true, false, own or all")
    attributes = _expect_map(path, (*keys, "set"), entry.get("set") or {})
    for name, value in attributes.items():
        if value not in ATTRIBUTES.get(name, frozenset()):
            raise refuse(path, (*keys, "set", name), "unknown attribute or value")
    everywhere = kill == "all" or (kill is True and path.stem.startswith("_"))
    domain = "" if kill == "own" else path.stem
    return Payload("concept", cid, dict(attributes), bool(kill), domain, everywhere)


def load_knowledge(
    vocabulary_dir: Path = VOCABULARY_DIR, lexicon_dir: Path = LEXICON_DIR, cache_dir: Path | None = None
) -> Knowledge:
    """Read everything. Raises :class:`LexiconError` on the first fault."""
    with paused_collector():
        concepts = load_vocabulary(vocabulary_dir, cache_dir)
        languages: dict[str, Language] = {}
        folding: dict[str, str] = {}
        used: set[str] = set()
        for folder in sorted(p for p in lexicon_dir.iterdir() if p.is_dir()):
            builder = _LanguageBuilder(folder.name)
            for path in sorted(folder.glob("*.yml")):
                builder.add(path, read_yaml(path, cache_dir))
            languages[folder.name] = builder.build()
            folding.update(builder.folding)
            used.update(p.name for *_, p in builder.sources if p.sort == "concept" and p.name != IDIOM)
        digest = content_hash([vocabulary_dir, lexicon_dir])
    return Knowledge(concepts, languages, Normaliser(folding), digest, frozenset(used))


def content_hash(directories: list[Path]) -> str:
    """SHA-256 over the content of every YAML file below, by relative name; comments and layout count too."""
    digest = hashlib.sha256()
    for directory in directories:
        for path in sorted(directory.rglob("*.yml")):
            digest.update(f"{directory.name}/{path.relative_to(directory).as_posix()}\0".encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
            digest.update(b"\0")
    return digest.hexdigest()
