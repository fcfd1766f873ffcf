"""Reads one message for the turn: findings, the case so far, the level, and the language to answer in.

Pure glue between ``nlu.findings`` and ``bot.triage``: no I/O, no model. It keeps nothing between calls.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.messages import Incoming
from bot.triage.assess import Assessment
from bot.triage.case import Case
from bot.triage.engine import TriageEngine
from bot.triage.level import Level
from nlu.findings import ContextTurn

MAX_LATIN_WORDS = 2
"""A Chinese speaker's "ok" or "CT" does not change the language; three Latin words do."""
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


class Remembered(Protocol):
    """What was kept of the conversation: the case as JSON, the concepts asked about, the question's words."""

    @property
    def case(self) -> Mapping[str, Any]: ...
    @property
    def screened(self) -> Sequence[str]: ...
    @property
    def question(self) -> str: ...
    @property
    def lang(self) -> str | None: ...
    @property
    def handled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A message, read. ``findings`` and ``profile`` are JSON-ready; ``degraded`` names parts that were away;
    ``by_rules`` is the rules' own assessment where the second reader raised it."""

    text: str
    lang: str
    supported: bool
    assessment: Assessment
    findings: tuple[Mapping[str, Any], ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    case: Mapping[str, Any] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    handled: bool = False
    by_rules: Assessment | None = None

    def with_reasons(self) -> dict[str, Any]:
        """The assessment as JSON, each rule with its sentences for the patient, per language."""
        record = self.assessment.to_json()
        if self.handled:
            record["case_level"] = record["level"]
        for rule, hit in zip(record["rules"], self.assessment.hits, strict=True):
            rule["reason"] = dict(hit.reason)
        return record


def reply_language(text: str, chosen: str | None, languages: Sequence[str], before: str | None = None) -> str:
    """The language to answer in: the one written in; for "38.2" or "ok" the one of the turn before, else the
    one chosen in the channel, else the clinic's first.

    >>> reply_language("我头疼", "en", ("en", "zh"))
    'zh'
    >>> reply_language("38.2", "en", ("en", "zh"), before="zh")
    'zh'
    """
    if _CJK.search(text):
        return "zh"
    if len(_LATIN_WORD.findall(text)) > MAX_LATIN_WORDS:
        return "en"
    if _LATIN_WORD.search(text) and chosen is None and before is None:
        return "en"
    return before or chosen or languages[0]


class TriageReader:
    """The rule layer behind the turn's needs. Immutable; safe to share between turns."""

    def __init__(self, engine: TriageEngine, languages: Sequence[str]) -> None:
        self._engine, self._languages = engine, tuple(languages)

    def read(
        self, incoming: Incoming, memory: Remembered, *, at: dt.datetime, degraded: tuple[str, ...] = ()
    ) -> Reading:
        """Read one message in the light of what is remembered. Never raises on any text (law 1).

        A stored case that cannot be read counts as none, and ``degraded`` says ``case``.
        """
        asked = (
            (ContextTurn("assistant", memory.question),) if memory.question and not memory.screened else ()
        )
        extraction = self._engine.extract(incoming.text, None, asked, tuple(memory.screened))
        case = Case()
        if memory.case:
            try:
                case = Case.from_json(memory.case)
            except ValueError:
                degraded = (*degraded, "case")
        merged = self._engine.merge(case, extraction, at.timestamp())
        assessment = self._engine.assess(merged, extraction)
        return Reading(
            text=incoming.text,
            lang=reply_language(incoming.text, incoming.lang, self._languages, memory.lang),
            supported=extraction.language_supported,
            assessment=assessment,
            findings=tuple(finding.to_json() for finding in extraction.findings),
            profile=merged.people.get("patient", extraction.profile).to_json(),
            case=merged.to_json(),
            degraded=degraded,
            handled=memory.handled and not (assessment.fresh and assessment.level >= Level.URGENT),
        )
