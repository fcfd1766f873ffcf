"""What a message says somebody does with a medicine: takes it, asks about it, has stopped it, is allergic to it.

"I'm on warfarin, can I take ibuprofen?" → warfarin taken, ibuprofen asked about. 去年停了华法林 → stopped. A medicine
that is named without any of this in a sentence that asks nothing counts as taken. The words that decide are data
(``lexicon/<lang>/medicine_uses.yml``, cues ``use_*``); here is only how far each reaches. It knows no rules and no
levels.
"""

from __future__ import annotations

from bisect import bisect_right

from nlu.findings.assertion import clause_edges
from nlu.findings.reading import CueHit, Reading
from nlu.findings.tokens import is_cjk
from nlu.findings.types import Use

REACH = 24
"""Tokens back to a cue: "I take X, Y and also Z" is a list of this length at most."""
STOP_REACH = 6
ALLERGY_REACH = 5
AFTER_REACH = 10
_BEFORE = ("use_take", "use_ask", "use_stop", "use_mine")
_AFTER = ("use_take_after", "use_ask_after", "use_stop_after")
_MEANS = {
    "use_take": Use.TAKEN, "use_mine": Use.TAKEN, "use_take_after": Use.TAKEN, "use_ask": Use.ASKED,
    "use_ask_after": Use.ASKED, "use_stop": Use.STOPPED, "use_stop_after": Use.STOPPED,
}  # fmt: skip


def use_of(reading: Reading, start: int, end: int) -> Use:
    """What is done with the medicine named at tokens ``start``..``end``."""
    low, high = reading.sentences[reading.sentence_of[start]]
    edges = clause_edges(reading, reading.sentence_of[start])
    place = bisect_right(edges, start) - 1
    clause = (edges[place], max(edges[place + 1], end))
    if reading.cues.any_between("use_about", clause[0], clause[1]) is not None:
        return Use.NAMED
    before = _before(reading, low, start, end, clause[0])
    own = before is not None and before.start >= clause[0]
    if _allergic(reading, low, start, end, own and _MEANS[before.kind] is Use.TAKEN if before else False):
        return Use.ALLERGIC
    if own and before is not None:
        return _MEANS[before.kind]
    after = _after(reading, end, clause[1])
    if after is not None:
        return _MEANS[after.kind]
    if before is not None:
        return _MEANS[before.kind]
    asked = high < len(reading.tokens) and reading.tokens.asked[high]
    asked = asked or (high >= len(reading.tokens) and reading.tokens.tail_asked)
    told = reading.cues.any_between("use_take", low, high) is not None
    return Use.ASKED if asked and not told else Use.TAKEN


def _allergic(reading: Reading, low: int, start: int, end: int, taken: bool) -> bool:
    """ "Allergic to penicillin", 青霉素过敏; "took penicillin, allergic reaction" is no history."""
    for cue in reading.cues.between("use_allergy", max(low, start - ALLERGY_REACH), start):
        if cue.end <= start and reading.cues.any_between("use_take", cue.end, start) is None:
            return True
    after = reading.cues.any_between("use_allergy_after", end, end + 3)
    return after is not None and not taken and reading.tokens.breaks[after.start] == 0


def _before(reading: Reading, low: int, start: int, end: int, clause: int) -> CueHit | None:
    """The nearest cue that begins before the medicine; of several that end together the longest. A "stopped"
    reaches over its own clause only."""
    found: list[CueHit] = []
    for kind in _BEFORE:
        cues = reading.cues.between(kind, max(low, start - REACH), start)
        found += [c for c in cues if c.end <= end and (kind != "use_mine" or c.end == start)]
    found = [c for c in found if c.start >= clause or not _own_clause_only(reading, c)]
    found = [c for c in found if c.kind != "use_stop" or start - c.end <= STOP_REACH]
    found = [c for c in found if not any(_inside(c, o) for o in found)]
    return max(found, key=lambda c: (min(c.end, start), -c.start), default=None)


def _own_clause_only(reading: Reading, cue: CueHit) -> bool:
    """ "Stopped X, now Y" says nothing of Y; a Chinese question ends with its clause, where an English one lists on."""
    return cue.kind == "use_stop" or (cue.kind == "use_ask" and is_cjk(reading.tokens.words[cue.start]))


def _inside(cue: CueHit, other: CueHit) -> bool:
    """ "I take" is part of "can I take", "take" of "stopped taking"."""
    longer = other.end - other.start > cue.end - cue.start
    return longer and other.start <= cue.start and cue.end <= other.end


def _after(reading: Reading, end: int, high: int) -> CueHit | None:
    """The first cue behind the medicine in its clause."""
    found = [
        c for kind in _AFTER for c in reading.cues.between(kind, end, min(high, end + AFTER_REACH))
    ]  # fmt: skip
    found = [c for c in found if not any(_inside(c, o) for o in found)]
    return min(found, key=lambda c: (c.start, c.start - c.end), default=None)
