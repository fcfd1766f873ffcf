"""The clinic's health articles: Markdown with front matter, read strictly, cut into passages.

An article is one topic in one language; a passage is one of its ``##`` sections, small enough to be quoted
whole. Knows the file format and nothing of retrieval, models or patients. A malformed article is refused
with file, line and key; nothing is guessed. No torch.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from generation.tokens import is_invisible

KNOWLEDGE_DIR = Path(__file__).parent / "knowledge"
MAX_FILE_BYTES = 200_000
"""One topic is a few hundred words; a larger file is a mistake or an attack on the parser."""
MAX_PASSAGE_CHARS = 1_500
"""A passage is quoted whole into a chat bubble and a prompt; longer sections must be split by their
author."""

_ID_RE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HEADING_RE = re.compile(r"^##\s+(?P<title>.+?)\s+\{#(?P<key>[a-z_]+)\}\s*$")
_MARKUP_RE = re.compile(r"!\[|\]\(|https?://|<\s*[a-zA-Z/!]")
_KEYS = frozenset({"id", "title", "synonyms", "sources", "date", "review", "population", "kind"})
_OPTIONAL = frozenset({"population"})


class Review(enum.StrEnum):
    """Whether a clinician has read the article."""

    NOT_REVIEWED = "not_reviewed"
    REVIEWED = "reviewed"


class Kind(enum.StrEnum):
    """What an article is about."""

    CONDITION = "condition"
    SYMPTOM = "symptom"
    MEDICINE = "medicine"
    VACCINE = "vaccine"
    MENTAL_HEALTH = "mental_health"
    PREGNANCY = "pregnancy"
    FIRST_AID = "first_aid"
    CLINIC = "clinic"
    TEST = "test"
    LIVING = "living"


class Population(enum.StrEnum):
    """Whom an article is for, where not everybody."""

    ADULT = "adult"
    CHILD = "child"
    PREGNANT = "pregnant"
    OLDER = "older"


class Section(enum.StrEnum):
    """What a section tells; the key in ``## Title {#key}``, the same in every language."""

    OVERVIEW = "overview"
    CAUSES = "causes"
    SELF_CARE = "self_care"
    TREATMENT = "treatment"
    CAUTION = "caution"
    PREVENTION = "prevention"
    PROCEDURE = "procedure"
    BOOKING = "booking"
    PRESCRIPTIONS = "prescriptions"
    VISIT = "visit"
    HELP = "help"


class KnowledgeError(ValueError):
    """An article cannot be used. The message names file, line where known, and key; never a patient's
    words."""


@dataclass(frozen=True, slots=True)
class Source:
    """A named public source: organisation and page, with the page's https address where it is known to
    exist."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of one article, in one language. ``id`` is ``"<article id>.<section>"``, unique per
    language."""

    id: str
    article_id: str
    lang: str
    title: str
    section: Section
    heading: str
    text: str
    source_name: str
    source_url: str
    kind: Kind
    synonyms: tuple[str, ...] = ()
    population: Population | None = None

    @property
    def label(self) -> str:
        """Article and section for a reader, e.g. ``"Hay fever: What helps"``."""
        return f"{self.title}：{self.heading}" if self.lang == "zh" else f"{self.title}: {self.heading}"


@dataclass(frozen=True, slots=True)
class Article:
    """One topic in one language."""

    id: str
    lang: str
    title: str
    kind: Kind
    synonyms: tuple[str, ...]
    sources: tuple[Source, ...]
    date: dt.date
    review: Review
    population: Population | None
    sections: tuple[tuple[Section, str, str], ...]

    def passages(self) -> tuple[Passage, ...]:
        """The sections as passages, in order."""
        source = self.sources[0]
        return tuple(
            Passage(
                id=f"{self.id}.{section.value}",
                article_id=self.id,
                lang=self.lang,
                title=self.title,
                section=section,
                heading=heading,
                text=text,
                source_name=source.name,
                source_url=source.url,
                kind=self.kind,
                synonyms=self.synonyms,
                population=self.population,
            )
            for section, heading, text in self.sections
        )


def parse_article(raw: str, lang: str, where: str) -> Article:
    """Read one article. ``where`` names the file in errors. Raises :class:`KnowledgeError`."""
    lines = raw.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    _check_characters(lines, where)
    if lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        raise KnowledgeError(f"{where}:1: expected front matter between two lines of ---")
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == "---")
    front = _Front(_load_front(lines[1:end], where), lines[: end + 1], where)
    front.check_keys()
    return Article(
        id=front.identifier(),
        lang=lang,
        title=front.text("title"),
        kind=front.member("kind", Kind),
        synonyms=front.texts("synonyms"),
        sources=front.sources(),
        date=front.date(),
        review=front.member("review", Review),
        population=front.member("population", Population) if "population" in front.data else None,
        sections=_sections(lines[end + 1 :], end + 2, where),
    )


def _check_characters(lines: Sequence[str], where: str) -> None:
    """Refuse what a reader cannot see: it may turn text around, or speak to a model behind the reader's back."""
    for number, line in enumerate(lines, 1):
        for char in line:
            if is_invisible(char):
                raise KnowledgeError(f"{where}:{number}: invisible character U+{ord(char):04X}")


def _load_front(lines: Sequence[str], where: str) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load("\n".join(lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        raise KnowledgeError(f"{where}:{line}: front matter is not YAML") from error
    if not isinstance(data, Mapping):
        raise KnowledgeError(f"{where}:2: front matter must be a map of key to value")
    return data


@dataclass(frozen=True, slots=True)
class _Front:
    """Typed, strict reading of a front matter map."""

    data: Mapping[str, Any]
    lines: Sequence[str]
    where: str

    def fail(self, key: str, what: str) -> KnowledgeError:
        line = next((i for i, text in enumerate(self.lines, 1) if text.startswith(f"{key}:")), 1)
        return KnowledgeError(f"{self.where}:{line}: key {key!r}: {what}")

    def check_keys(self) -> None:
        for key in self.data:
            if key not in _KEYS:
                raise self.fail(str(key), "unknown key")
        for key in sorted(_KEYS - _OPTIONAL):
            if key not in self.data:
                raise self.fail(key, "missing")

    def text(self, key: str) -> str:
        value = self.data[key]
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, "expected text")
        return value.strip()

    def identifier(self) -> str:
        value = self.text("id")
        if not _ID_RE.fullmatch(value):
            raise self.fail("id", "expected lower-case words joined by hyphens")
        if Path(self.where).stem != value:
            raise self.fail("id", f"expected the file's name, {Path(self.where).stem!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data[key]
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(v, str) and v.strip() for v in value)
        ):
            raise self.fail(key, "expected a list of texts, not empty")
        if len({v.strip().lower() for v in value}) != len(value):
            raise self.fail(key, "holds the same text twice")
        return tuple(v.strip() for v in value)

    def member(self, key: str, of: type[Any]) -> Any:
        value = self.data[key]
        try:
            return of(value)
        except ValueError:
            allowed = ", ".join(m.value for m in of)
            raise self.fail(key, f"{value!r} is not one of: {allowed}") from None

    def sources(self) -> tuple[Source, ...]:
        value = self.data["sources"]
        if not isinstance(value, list) or not value:
            raise self.fail("sources", "expected a list of {name, url}, not empty")
        return tuple(self._source(item) for item in value)

    def _source(self, item: Any) -> Source:
        if (
            not isinstance(item, Mapping)
            or not set(item) <= {"name", "url"}
            or not isinstance(item.get("name"), str)
        ):
            raise self.fail("sources", "each source is a map of name and, where known, url")
        url = item.get("url", "")
        if not isinstance(url, str) or (url and not is_public_https(url)):
            raise self.fail("sources", "url must be a public https address")
        return Source(name=item["name"].strip(), url=url)

    def date(self) -> dt.date:
        value = self.data["date"]
        if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
            raise self.fail("date", "expected a date, e.g. 2026-11-23")
        return value


def is_public_https(url: str) -> bool:
    """Whether ``url`` is https with a dotted host name, no user part, port or blank. Does not look anything
    up."""
    if any(c.isspace() for c in url):
        return False
    parts = urlsplit(url)
    host = parts.hostname or ""
    return (
        parts.scheme == "https"
        and "." in host
        and parts.netloc == host
        and not host.replace(".", "").isdigit()
    )


def _sections(lines: Sequence[str], first: int, where: str) -> tuple[tuple[Section, str, str], ...]:
    found: dict[Section, tuple[str, list[str]]] = {}
    current: list[str] | None = None
    for number, line in enumerate(lines, first):
        if line.startswith("#"):
            match = _HEADING_RE.match(line)
            if not match:
                raise KnowledgeError(f"{where}:{number}: a heading reads '## Title {{#key}}'")
            key = match["key"]
            if key not in set(Section) or Section(key) in found:
                raise KnowledgeError(f"{where}:{number}: section {key!r}: unknown or given twice")
            current = []
            found[Section(key)] = (match["title"], current)
        elif line.strip():
            if current is None:
                raise KnowledgeError(f"{where}:{number}: text before the first heading")
            if _MARKUP_RE.search(line):
                raise KnowledgeError(
                    f"{where}:{number}: no links, pictures or HTML; addresses belong in 'sources'"
                )
            current.append(line.strip())
    if Section.HELP not in found:
        raise KnowledgeError(f"{where}: section 'help' (when to get help) is missing")
    return tuple((key, title, _join(body, key, where)) for key, (title, body) in found.items())


def _join(body: Sequence[str], key: Section, where: str) -> str:
    text = body[0] if body else ""
    for line in body[1:]:  # Chinese takes no blank where a line was broken
        text += line if re.search(r"[\u3000-\u9fff\uff00-\uffef]$", text) else f" {line}"
    if not text or len(text) > MAX_PASSAGE_CHARS:
        raise KnowledgeError(
            f"{where}: section {key.value!r}: empty or longer than {MAX_PASSAGE_CHARS} characters"
        )
    return text


def load_articles(directory: Path = KNOWLEDGE_DIR) -> tuple[Article, ...]:
    """Every article below ``directory/<lang>/``, sorted by language and id. Raises
    :class:`KnowledgeError`."""
    articles: list[Article] = []
    for folder in sorted(p for p in directory.iterdir() if p.is_dir()):
        for path in sorted(folder.glob("*.md")):
            where = f"{folder.name}/{path.name}"
            if path.stat().st_size > MAX_FILE_BYTES:
                raise KnowledgeError(f"{where}: larger than {MAX_FILE_BYTES} bytes")
            try:
                raw = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise KnowledgeError(f"{where}: not UTF-8 at byte {error.start}") from error
            articles.append(parse_article(raw, folder.name, where))
    if not articles:
        raise KnowledgeError(f"{directory.name}: no article found")
    return tuple(articles)


def newest(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Where one language has an article id twice, only the article that comes later: a clinic's own text on a topic,
    given after the shipped ones, replaces the shipped one whole. Articles must not be interleaved."""
    runs: dict[tuple[str, str], list[Passage]] = {}
    last: tuple[str, str] | None = None
    for passage in passages:
        key = (passage.lang, passage.article_id)
        if key != last or any(p.id == passage.id for p in runs[key]):
            runs[key] = []
        runs[key].append(passage)
        last = key
    return tuple(p for run in runs.values() for p in run)


def load_passages(directory: Path = KNOWLEDGE_DIR) -> tuple[Passage, ...]:
    """The passages of every article below ``directory``."""
    return tuple(p for article in load_articles(directory) for p in article.passages())
