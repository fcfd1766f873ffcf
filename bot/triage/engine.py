"""The triage engine: lexicon and rules loaded once, then one pure call per message.

It joins :mod:`nlu.findings` with the case, the rules and the assessment. It keeps nothing between messages; the
case is given and returned.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.triage.assess import Assessment, assess
from bot.triage.case import Case, merge
from bot.triage.rules import RULES_DIR, Ruleset, load_rules
from nlu.findings import ContextTurn, Extraction, Extractor, Knowledge, Profile, load_knowledge
from nlu.findings.lexicon import LEXICON_DIR, VOCABULARY_DIR, paused_collector


@dataclass(frozen=True, slots=True)
class TriageEngine:
    """Everything needed to assess messages. Immutable; may be shared between threads."""

    knowledge: Knowledge
    ruleset: Ruleset
    extractor: Extractor

    @property
    def ruleset_hash(self) -> str:
        """Names the exact content of rules, vocabulary and lexicon: 64 hexadecimal digits."""
        return f"{self.ruleset.rules_hash[:32]}{self.knowledge.content_hash[:32]}"

    def extract(
        self,
        text: str,
        lang: str | None = None,
        context: Sequence[ContextTurn] = (),
        screened: Sequence[str] = (),
    ) -> Extraction:
        """See :func:`nlu.findings.extract`."""
        return self.extractor.extract(text, lang, context, screened)

    def merge(self, case: Case, extraction: Extraction, at: float) -> Case:
        """The case with one more message; ``at`` in seconds since the epoch."""
        return merge(case, extraction, at, self.knowledge.concepts)

    def assess(self, case: Case, extraction: Extraction, profile: Profile | None = None) -> Assessment:
        """The level of the message that was merged last, see :func:`bot.triage.assess.assess`."""
        return assess(case, extraction, self.knowledge, self.ruleset, profile)

    def turn(
        self,
        case: Case,
        text: str,
        at: float,
        lang: str | None = None,
        context: Sequence[ContextTurn] = (),
        screened: Sequence[str] = (),
        profile: Profile | None = None,
    ) -> tuple[Case, Assessment]:
        """Extract, merge and assess one patient message. Never raises on any text."""
        extraction = self.extract(text, lang, context, screened)
        after = self.merge(case, extraction, at)
        return after, self.assess(after, extraction, profile)


def load_engine(
    vocabulary_dir: Path = VOCABULARY_DIR,
    lexicon_dir: Path = LEXICON_DIR,
    rules_dir: Path = RULES_DIR,
    cache_dir: Path | None = None,
) -> TriageEngine:
    """Read data and rules. Raises :class:`nlu.findings.LexiconError` naming file, line and key."""
    with paused_collector():
        knowledge = load_knowledge(vocabulary_dir, lexicon_dir, cache_dir)
        engine = TriageEngine(
            knowledge, load_rules(rules_dir, cache_dir, knowledge.concepts), Extractor(knowledge)
        )
        # A million small objects that live as long as the process: kept out of the collector's sight, which
        # otherwise walks them in the middle of a message (measured: a third of the time, and the slowest turns).
        gc.freeze()
        return engine


@cache
def default_engine(cache_dir: Path | None = None) -> TriageEngine:
    """The engine over the data that ships with the package, built on first use."""
    return load_engine(cache_dir=cache_dir)
