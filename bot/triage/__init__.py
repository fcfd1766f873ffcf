"""The triage rule layer: findings and case in, level with reasons out. Standard library and yaml only.

``load_engine()`` once at start; ``engine.turn(case, text, at, …) → (case, Assessment)`` for every patient message.
"""

from __future__ import annotations

from bot.triage.assess import Assessment, Considered, RuleHit, assess
from bot.triage.case import Case, Entry, merge
from bot.triage.engine import TriageEngine, default_engine, load_engine
from bot.triage.level import Level
from bot.triage.rules import Rule, RuleError, Ruleset, load_rules

__all__ = [
    "Assessment",
    "Case",
    "Considered",
    "Entry",
    "Level",
    "Rule",
    "RuleError",
    "RuleHit",
    "Ruleset",
    "TriageEngine",
    "assess",
    "default_engine",
    "load_engine",
    "load_rules",
    "merge",
]
