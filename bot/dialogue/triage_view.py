"""Reading an assessment's JSON: level, reasons in the patient's language. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule that fired, with the sentence for the patient (empty where the rule has none)."""

    id: str
    level: str
    reason: str


class TriageView:
    """One message's assessment as the actions need it."""

    def __init__(self, assessment: Mapping[str, Any], lang: str) -> None:
        self.level = str(assessment.get("level", "none"))
        rules: Sequence[Mapping[str, Any]] = assessment.get("rules") or ()
        self._rules = tuple(
            FiredRule(str(r.get("id", "")), str(r.get("level", "none")), _local(r.get("reason"), lang))
            for r in rules
        )

    def urgent_rules(self) -> tuple[FiredRule, ...]:
        """The rules that made the message urgent."""
        return tuple(r for r in self._rules if r.level == "urgent")

    def rule_ids(self) -> tuple[str, ...]:
        """Ids of all rules that fired."""
        return tuple(r.id for r in self._rules)


def _local(reason: Any, lang: str) -> str:
    if isinstance(reason, Mapping):
        return str(reason.get(lang) or reason.get("en") or "")
    return str(reason or "")
