"""Reading an assessment's and a case's JSON for the actions. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.dialogue.flow import highest


class TriageView:
    """One message's levels: ``level`` of this message, ``case_level`` of everything said so far."""

    def __init__(self, assessment: Mapping[str, Any]) -> None:
        self.level = str(assessment.get("level", "none"))
        self.case_level = highest(self.level, assessment.get("case_level"))


def case_findings(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings of all turns."""
    return [entry["f"] for entry in case.get("entries") or ()]
