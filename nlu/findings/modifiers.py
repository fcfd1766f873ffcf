"""Puts "severe", "suddenly", "left", "getting worse" to the finding they belong to.

A modifier belongs to the hits of its own clause, else to the nearest hit before it, else to the next one. It
never changes whether a finding is present.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from nlu.findings.asserted import Asserted
from nlu.findings.assertion import clause_edges
from nlu.findings.reading import Reading

LOOK = 40
REACH = 12
"""Tokens between a modifier and its finding."""
_STRENGTH = {"severe": 3, "moderate": 2, "mild": 1}


def attach(
    reading: Reading, judged: list[Asserted], durations: Sequence[tuple[float, int, int]]
) -> list[dict[str, str | float]]:
    """For each judged hit the attributes it gets, its pattern's own ones first. ``durations``: (hours, tokens)."""
    out: list[dict[str, str | float]] = [dict(a.hit.attributes) for a in judged]
    starts = [a.hit.start for a in judged]
    for name, value, start, end in reading.modifiers:
        for index in _targets(reading, judged, starts, start, end):
            known = out[index].get(name)
            if known is None or (name == "severity" and _STRENGTH[value] > _STRENGTH[str(known)]):
                out[index][name] = value
    for hours, start, end in durations:
        for index in _targets(reading, judged, starts, start, end):
            out[index].setdefault("duration_hours", round(hours, 2))
    return out


def _targets(reading: Reading, judged: list[Asserted], starts: list[int], start: int, end: int) -> list[int]:
    number = reading.sentence_of[start]
    low, high = reading.sentences[number]
    first, last = bisect_left(starts, max(low, start - LOOK)), bisect_left(starts, min(high, end + LOOK))
    if first == last:
        before_low = reading.sentences[number - 1][0] if number else 0
        near = first and judged[first - 1].hit.start >= before_low
        return [first - 1] if near and high - low <= REACH else []
    edges = clause_edges(reading, number)
    place = bisect_right(edges, start) - 1
    clause = [i for i in range(first, last) if edges[place] <= starts[i] < edges[place + 1]]
    if clause:
        return [i for i in clause if _gap(judged[i], start, end) <= REACH]
    before = [i for i in range(first, last) if judged[i].hit.end <= start]
    if before and start - judged[before[-1]].hit.end <= REACH:
        return before[-1:]
    after = [i for i in range(first, last) if starts[i] >= end]
    return [i for i in after[:1] if starts[i] - end <= REACH]


def _gap(a: Asserted, start: int, end: int) -> int:
    if a.hit.start < end and start < a.hit.end:
        return 0
    return a.hit.start - end if a.hit.start >= end else start - a.hit.end
