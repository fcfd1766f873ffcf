"""Text → findings: what a patient's message says, of whom, when, and whether at all. Pure; no rules, no levels."""

from __future__ import annotations

from nlu.findings.extract import UNSUPPORTED, Extractor, default_extractor, extract
from nlu.findings.lexicon import Concept, Knowledge, LexiconError, load_knowledge
from nlu.findings.types import (
    Cancelled,
    ContextTurn,
    Cue,
    Extraction,
    Finding,
    Profile,
    Status,
    Subject,
    Time,
    Use,
)

__all__ = [
    "UNSUPPORTED",
    "Cancelled",
    "Concept",
    "ContextTurn",
    "Cue",
    "Extraction",
    "Extractor",
    "Finding",
    "Knowledge",
    "LexiconError",
    "Profile",
    "Status",
    "Subject",
    "Time",
    "Use",
    "default_extractor",
    "extract",
    "load_knowledge",
]
