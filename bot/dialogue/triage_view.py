"""Reading an assessment's and a case's JSON for the actions. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.dialogue.flow import RANK, highest


class TriageView:
    """One message's levels: ``level`` of this message, ``case_level`` of everything said so far."""

    def __init__(self, assessment: Mapping[str, Any]) -> None:
        self.level = str(assessment.get("level", "none"))
        self.case_level = highest(self.level, assessment.get("case_level"))
        self.fired: list[Mapping[str, Any]] = self._fired(assessment.get("rules") or ())
        """The rules that hold over the case: ``level`` and ``reason`` per language. The level that a mere mention
        of a symptom gets by default is not among them."""

    def _fired(self, rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Old rules above the case's level are those that staff have dealt with; they bind nobody any more."""
        handled = any(RANK.get(str(r.get("level")), 0) > RANK.get(self.case_level, 0) for r in rules)
        return [
            {"level": r["level"], "reason": dict(r["reason"])}
            for r in rules
            if r.get("reason") and (r.get("new") or not handled)
        ]

    @property
    def rule_level(self) -> str:
        """The gravest of the rules that fired over the case; ``none`` where none did."""
        return highest(*(str(r["level"]) for r in self.fired))


def case_findings(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings of all turns."""
    return [entry["f"] for entry in case.get("entries") or ()]
