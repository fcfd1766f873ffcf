"""Which section of an article answers a question: "when should I see a doctor" is answered by another than "what is
it". Knows section keys and ``section_cues.yml``; no article. Pure but for reading that file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from generation.passages import Section

CUES_FILE = Path(__file__).parent / "section_cues.yml"
CUE_BONUS = 1.0
"""What a section gains when the question asks for its kind of information; likeness to the text is 0 to 1."""
PLAIN_BONUS = 0.35
"""What :data:`PLAIN` sections gain where the question asks for nothing in particular."""
PLAIN = (Section.SELF_CARE, Section.OVERVIEW)
HEADING_BONUS = 0.5
"""Weight of the share of the question's words that stand in the section's heading."""

_INSTEAD: Mapping[Section, tuple[Section, ...]] = {
    Section.SELF_CARE: (Section.PROCEDURE, Section.TREATMENT),
    Section.TREATMENT: (Section.SELF_CARE, Section.OVERVIEW),
    Section.PREVENTION: (Section.SELF_CARE,),
    Section.CAUSES: (Section.OVERVIEW,),
    Section.PROCEDURE: (Section.SELF_CARE, Section.OVERVIEW),
    Section.CAUTION: (Section.TREATMENT,),
}
"""Where an article tells what it has no section of its own for, likeliest first."""


class CuesError(ValueError):
    """``section_cues.yml`` cannot be used; names language and section."""


@lru_cache(maxsize=1)
def _cues() -> Mapping[str, tuple[tuple[re.Pattern[str], Section], ...]]:
    data = yaml.safe_load(CUES_FILE.read_text(encoding="utf-8"))
    found = {}
    for lang, sections in data.items():
        for key in sections:
            if key not in set(Section):
                raise CuesError(f"{CUES_FILE.name}: {lang}: {key}: no such section")
        found[lang] = tuple((re.compile("|".join(words)), Section(key)) for key, words in sections.items())
    return found


def asked_sections(folded: str, lang: str) -> frozenset[Section]:
    """The kinds of information that a question asks for: "what helps at home" asks for self-care."""
    cues = _cues().get(lang) or _cues()["en"]
    return frozenset(section for pattern, section in cues if pattern.search(folded))


def section_bonus(section: Section, present: Collection[Section], asked: frozenset[Section]) -> float:
    """What the question's wording adds to one section of an article that has the sections ``present``."""
    if not asked:
        return PLAIN_BONUS * (section in PLAIN)
    if section in asked:
        return CUE_BONUS
    absent = (_INSTEAD.get(s, ()) for s in asked if s not in present)
    instead = {next((s for s in options if s in present), None) for options in absent}
    return CUE_BONUS / 2 if section in instead else 0.0
