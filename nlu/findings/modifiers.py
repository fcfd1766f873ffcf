"""Puts "severe", "suddenly", "left", "getting worse" to the finding they belong to.

A modifier belongs to the hits of its own clause, else to the nearest hit before it, else to the next one. It
never changes whether a finding is present.
"""

from __future__ import annotations

from collections.abc import Sequence

from nlu.findings.assertion import Asserted, _clause_edges
from nlu.findings.reading import Reading

REACH = 12
"""Tokens between a modifier and its finding."""
_STRENGTH = {"severe": 3, "moderate": 2, "mild": 1}


def attach(
    reading: Reading, judged: list[Asserted], durations: Sequence[tuple[float, int, int]]
) -> list[dict[str, str | float]]:
    """For each judged hit the attributes it gets, its pattern's own ones first. ``durations``: (hours, tokens)."""
    out: list[dict[str, str | float]] = [dict(a.hit.attributes) for a in judged]
    for name, value, start, end in reading.modifiers:
        for index in _targets(reading, judged, start, end):
            known = out[index].get(name)
            if known is None or (name == "severity" and _STRENGTH[value] > _STRENGTH[str(known)]):
                out[index][name] = value
    for hours, start, end in durations:
        for index in _targets(reading, judged, start, end):
            out[index].setdefault("duration_hours", round(hours, 2))
    return out


def _targets(reading: Reading, judged: list[Asserted], start: int, end: int) -> list[int]:
    number = reading.sentence_of[start]
    low, high = reading.sentences[number]
    here = [i for i, a in enumerate(judged) if low <= a.hit.start < high]
    if not here:
        near = [i for i, a in enumerate(judged) if reading.sentence_of[a.hit.start] in (number - 1,)]
        return near[-1:] if high - low <= REACH else []
    edges = [low, *_clause_edges(reading, low, high), high]
    place = max(i for i, e in enumerate(edges[:-1]) if e <= start)
    clause = [i for i in here if edges[place] <= judged[i].hit.start < edges[place + 1]]
    if clause:
        return [i for i in clause if _gap(judged[i], start, end) <= REACH]
    before = [i for i in here if judged[i].hit.end <= start]
    if before and start - judged[before[-1]].hit.end <= REACH:
        return before[-1:]
    after = [i for i in here if judged[i].hit.start >= end]
    return [i for i in after[:1] if judged[i].hit.start - end <= REACH]


def _gap(a: Asserted, start: int, end: int) -> int:
    if a.hit.start < end and start < a.hit.end:
        return 0
    return a.hit.start - end if a.hit.start >= end else start - a.hit.end
