"""What a suspicion of the second reader does to an assessment: it may raise the level or ask one question.

Pure, and without any model: scores come in as numbers, so that this decision can be read and tested by itself. Nothing
here lowers a level, and no words are pretended: a rule of the reader has no span.

"It's like a horse is standing on my ribs" read as ``chest``, 0.99 → raised to emergency by ``SR-CHEST``.
"""

from __future__ import annotations

import datetime
import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bot.triage.assess import Assessment, RuleHit, Suspected
from bot.triage.level import Level
from bot.triage.rules import LANGUAGES, PATHS
from nlu.findings.lexicon import LexiconError, read_yaml

SUSPICION_FILE = Path(__file__).parent / "suspicion.yml"
BASIS = "second_reader"
NOBODY = "patient"
"""Whom a rule of the reader concerns: it reads the whole message and does not tell people apart."""


class Step(enum.Enum):
    """What follows from a score."""

    QUIET = "quiet"
    ASK = "ask"
    RAISE = "raise"


class SecondReader(Protocol):
    """A reader beside the rules. Each method gives every assessment back as it was, or raised."""

    @property
    def digest(self) -> str:
        """Names the exact model and rules (law 9)."""

    def read(self, texts: Sequence[str], assessments: Sequence[Assessment]) -> list[Assessment]:
        """Judge messages together, in order."""

    def read_as_unseen(self, texts: Sequence[str], assessments: Sequence[Assessment]) -> list[Assessment]:
        """The same, as if the model had not been trained with any of them."""


@dataclass(frozen=True, slots=True)
class FamilyRule:
    """What the reader does about one family: its rule, the reason that a patient reads, what its question asks."""

    family: str
    rule: str
    reason: Mapping[str, str]
    screened: tuple[str, ...]
    path: str | None = None


@dataclass(frozen=True, slots=True)
class SuspicionRules:
    """All families, and the bounds by which thresholds are chosen (``raised``, ``asked``: shares of one)."""

    families: Mapping[str, FamilyRule]
    source: str
    source_date: str
    review: str
    raised: float
    asked: float
    content_hash: str

    def hit(self, family: str, level: Level, *, new: bool = True) -> RuleHit:
        """The family's rule as it stands in an assessment: without spans and findings, for there are none."""
        rule = self.families[family]
        return RuleHit(
            rule.rule, level, self.source, rule.path, rule.reason, (), new, NOBODY, (),
            None, self.source_date, BASIS, self.review,
        )  # fmt: skip


def weigh(assessment: Assessment, suspected: Suspected, suspicion: float, strong: float) -> Step:
    """Which step a score asks for, beside what the rules said. ``suspicion`` ≤ ``strong``: the thresholds.

    A question is for messages that nobody would look at today; where the rules already say urgent, only a strong
    suspicion of an emergency adds something.
    """
    if assessment.level is Level.EMERGENCY:
        return Step.QUIET
    if suspected.score >= strong:
        return Step.RAISE if suspected.level > assessment.level else Step.QUIET
    if suspected.score >= suspicion and assessment.level < Level.URGENT:
        return Step.ASK
    return Step.QUIET


def raised(assessment: Assessment, suspected: Suspected, rules: SuspicionRules) -> Assessment:
    """The assessment with the suspicion noted, and with its rule and level where the step is to raise."""
    if suspected.step != Step.RAISE.value or suspected.level <= assessment.level:
        return replace(assessment, suspected=suspected)
    hit = rules.hit(suspected.family, suspected.level)
    return replace(
        assessment,
        level=suspected.level,
        case_level=max(assessment.case_level, suspected.level),
        hits=(hit, *assessment.hits),
        suspected=suspected,
    )


def recalled(assessment: Assessment, earlier: Mapping[str, str], rules: SuspicionRules) -> Assessment:
    """The assessment with what the reader raised in earlier turns (family → level), as old hits of the case."""
    hits = tuple(
        rules.hit(family, Level.from_code(level), new=False)
        for family, level in earlier.items()
        if family in rules.families
    )
    if not hits:
        return assessment
    top = max(hit.level for hit in hits)
    return replace(assessment, case_level=max(assessment.case_level, top), hits=(*assessment.hits, *hits))


def hints(assessment: Assessment) -> tuple[str, ...]:
    """What the reader may know of the rules' reading: why something was cancelled, and which mild rules held."""
    mild = {hit.level.code for hit in assessment.hits if hit.new and hit.level < Level.URGENT}
    return tuple(sorted({c.reason for c in assessment.considered} | mild))


def load_suspicion_rules(path: Path = SUSPICION_FILE) -> SuspicionRules:
    """Read the file, strictly. Raises :class:`nlu.findings.LexiconError` naming file and key."""
    data = read_yaml(path)
    if not isinstance(data, dict) or set(data) != {"bounds", "source", "review", "families"}:
        raise LexiconError(f"{path}: expected bounds, source, review, families")
    source, bounds = data["source"], data["bounds"][-1]  # appended to, never edited: the last one holds
    if not isinstance(source.get("date"), datetime.date) or not source.get("name"):
        raise LexiconError(f"{path}: source: expected a name and a date")
    families = {name: _family(path, name, entry) for name, entry in data["families"].items()}
    if len({f.rule for f in families.values()}) < len(families):
        raise LexiconError(f"{path}: families: two have the same rule")
    return SuspicionRules(
        families, str(source["name"]), source["date"].isoformat(), str(data["review"]),
        float(bounds["raised"]), float(bounds["asked"]), hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip


def _family(path: Path, name: str, entry: Any) -> FamilyRule:
    if not isinstance(entry, dict) or set(entry) - {"rule", "reason", "screened", "path"}:
        raise LexiconError(f"{path}: {name}: expected rule, reason, screened, path")
    if entry.get("path") not in (None, *PATHS):
        raise LexiconError(f"{path}: {name}: path: must be one of {', '.join(sorted(PATHS))}")
    reason = entry.get("reason")
    if not isinstance(reason, dict) or set(reason) < set(LANGUAGES):
        raise LexiconError(f"{path}: {name}: reason: expected a sentence in each of {', '.join(LANGUAGES)}")
    if not entry.get("screened"):
        raise LexiconError(f"{path}: {name}: screened: expected concept ids")
    return FamilyRule(name, entry["rule"], dict(reason), tuple(entry["screened"]), entry.get("path"))
