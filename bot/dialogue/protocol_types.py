"""What a symptom-check protocol is made of: questions, outcomes, variants per population, advice, source. Data only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.dialogue.symptom_conditions import Node

GENERIC = "generic"
LocalText = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a choice. ``words`` are further ways to say it, per language. ``concept``: also a finding."""

    id: str
    label: LocalText
    words: Mapping[str, tuple[str, ...]]
    concept: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``signs`` (kind ``multi``) are concept ids; ``level`` what a yes to one of them means."""

    id: str
    kind: str
    ask: LocalText
    options: tuple[Option, ...] = ()
    signs: tuple[str, ...] = ()
    level: str | None = None
    ask_if: Node | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An outcome: when the condition holds, care is needed this soon, for this reason."""

    level: str
    when: Node
    reason: LocalText


@dataclass(frozen=True, slots=True)
class Source:
    """Where the content comes from, and that nobody clinical has reviewed it yet."""

    name: str
    url: str | None
    date: dt.date
    review: str


@dataclass(frozen=True, slots=True)
class Variant:
    """What is different for one kind of person: further warning signs, and advice that stands before the rest.

    ``when`` is a condition on the person: ``{age_years: {max: 1}}``, ``{pregnant: true}``, a long-term illness.
    """

    when: Node
    screens: tuple[Question, ...]
    advice: tuple[LocalText, ...]
    come_back: tuple[LocalText, ...]
    tell: tuple[LocalText, ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One presenting complaint for one population."""

    id: str
    family: str
    name: LocalText
    concepts: tuple[str, ...]
    priority: int
    population: Node | None
    screens: tuple[Question, ...]
    questions: tuple[Question, ...]
    fold: tuple[str, ...]
    outcomes: tuple[Rule, ...]
    default: Rule
    advice: tuple[LocalText, ...]
    come_back: tuple[LocalText, ...]
    tell: tuple[LocalText, ...]
    source: Source
    variants: tuple[Variant, ...] = ()

    def question(self, question_id: str) -> Question | None:
        """A screen or question by id."""
        return next((q for q in (*self.screens, *self.questions) if q.id == question_id), None)


@dataclass(frozen=True, slots=True)
class Protocols:
    """All protocols, the names of the signs they ask for, and the sentences they share.

    ``names`` and ``implies`` come from the vocabulary: a very bad headache implies a headache.
    """

    by_id: Mapping[str, Protocol]
    signs: Mapping[str, LocalText]
    shared: Mapping[str, Question] = field(default_factory=dict)
    names: Mapping[str, LocalText] = field(default_factory=dict)
    implies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def closure(self, concepts: Iterable[str]) -> frozenset[str]:
        """The concepts and all that they imply."""
        found = list(dict.fromkeys(concepts))
        for known in found:
            found.extend(i for i in self.implies.get(known, ()) if i not in found)
        return frozenset(found)

    @property
    def generic(self) -> Protocol:
        """The protocol for complaints that have none of their own."""
        return self.by_id[GENERIC]
