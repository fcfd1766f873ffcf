"""How much of a substance somebody has taken: tablets, milligrams, millilitres, times a day, added up per person.

"8 paracetamol since this morning" → 4,000 mg of paracetamol; "2 co-codamol and 2 lemsip" → 3,000 mg; 一次吃了六片布洛芬
→ 1,200 mg; "two paracetamol every two hours" → sixteen hours of them. How much a tablet or a millilitre holds is data
(``holds`` in the vocabulary). Only of medicines that are taken (:mod:`uses`); it knows no limits and no levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlu.findings.assertion import clause_edges
from nlu.findings.lexicon import Concept
from nlu.findings.numbers import Number
from nlu.findings.reading import Hit, Reading
from nlu.findings.tokens import HARD
from nlu.findings.types import Use
from nlu.findings.uses import use_of

BEFORE, AFTER = 5, 7
"""Tokens between an amount and the name: "10 of the paracetamol", 布洛芬我今天一共吃了六片."""
MG_WORDS = frozenset(["mg", "毫", "milligrams", "milligram", "mgs"])
ML_WORDS = frozenset(["ml", "mls", "millilitres", "milliliters"])
GRAM_WORDS = frozenset(["g", "grams", "gram", "克", "gm", "gms"])
BARE_LIMIT = 100
"""A bare number beside a name: up to this a count ("8 paracetamol"), above it milligrams ("ibuprofen 400")."""
MAX_STRENGTH = 1000
"""Milligrams up to this beside a count are the strength of one tablet ("two 500mg paracetamol")."""
WAKING_HOURS, DAY_DOSES = 16, 4
""" "Every two hours" fills a waking day; "every four to six hours" is the label's wording for four doses."""
_MEANT = frozenset(["instead", "should", "meant", "supposed", "not", "应", "该", "本", "不"])
_SKIP = frozenset(["of", "the", "x", "my", "those", "these", "more", "extra", "strength", "的", "了"])
_HOURS = frozenset(["hours", "hour", "hourly", "hrs", "hr", "小", "个", "钟"])


@dataclass(frozen=True, slots=True)
class Dose:
    """``mg`` milligrams of ``substance``, said at tokens ``start``..``end``; ``once`` of them at one time."""

    substance: str
    mg: float
    once: float
    start: int
    end: int


@dataclass(slots=True)
class _Said:
    """What stands beside one name."""

    counts: list[float]
    mgs: list[float]
    mls: list[float]
    start: int
    end: int


def doses(reading: Reading, found: Sequence[Number], concepts: Mapping[str, Concept]) -> list[Dose]:
    """Every amount that is said of a medicine which is taken, as milligrams of what it holds."""
    named = [h for h in reading.hits if h.id in concepts and concepts[h.id].holds]
    if not named or not found:
        return []
    said: dict[int, _Said] = {}
    for i, number in enumerate(found):
        owner = _owner(reading, named, number, found[i + 1] if i + 1 < len(found) else None)
        if owner is not None:
            beside = said.setdefault(id(owner), _Said([], [], [], owner.start, owner.end))
            _sort(reading, number, owner, beside)
    out: list[Dose] = []
    for hit in named:
        beside = said.get(id(hit))  # type: ignore[assignment]
        if beside is None or use_of(reading, hit.start, hit.end) is not Use.TAKEN:
            continue
        times = _times(reading, found, hit)
        for substance, per in concepts[hit.id].holds.items():
            once = _milligrams(beside, per)
            if once > 0:
                out.append(Dose(substance, once * times, once, beside.start, beside.end))
    return out


def _milligrams(said: _Said, per: Mapping[str, float]) -> float:
    strengths = [m for m in said.mgs if m <= MAX_STRENGTH]
    if said.counts and strengths:
        return max(said.counts) * max(strengths)
    if said.mgs:
        return max(said.mgs)
    if said.mls and "ml" in per:
        return max(said.mls) * per["ml"]
    return max(said.counts, default=0.0) * per.get("tablet", 0.0)


def _owner(reading: Reading, named: Sequence[Hit], number: Number, following: Number | None) -> Hit | None:
    """The name that an amount belongs to: right behind it, else the nearest one before it in the sentence."""
    words, breaks = reading.tokens.words, reading.tokens.breaks
    if number.value <= 0 or any(w in _MEANT for w in words[max(0, number.start - 2) : number.start]):
        return None
    if any(h.start <= number.start < h.end for h in named):
        return None  # the 650 of "dolo 650"
    after = next((h for h in named if number.end <= h.start <= number.end + BEFORE), None)
    if after is not None and all(b < HARD for b in breaks[number.end : after.start + 1]):
        between = words[number.end : after.start]
        unit = _unit(reading, number)
        known = unit is not None or all(w in _SKIP or w.isdigit() or w in MG_WORDS for w in between)
        if known and not any(b and b < HARD for b in breaks[number.end + 1 : after.start + 1]):
            return after
    low = reading.sentences[reading.sentence_of[number.start]][0]
    before = [h for h in named if low <= h.start and h.end <= number.start <= h.end + AFTER]
    if not before:
        return None
    beside = before[-1].end == number.start and number.value > BARE_LIMIT
    return before[-1] if beside or _unit(reading, number) is not None else None


def _unit(reading: Reading, number: Number) -> str | None:
    """tablet, mg, g, ml of a number; "8 a day" counts tablets."""
    words, cues = reading.tokens.words, reading.cues
    place = number.end
    word = words[place] if place < len(words) else ""
    following = words[place + 1] if place + 1 < len(words) else ""
    if word in ML_WORDS or (word == "毫" and following == "升"):
        return "ml"
    if word in MG_WORDS and (word != "毫" or following == "克"):
        return "mg"
    if word in GRAM_WORDS:
        return "g"
    if cues.any_between("unit_tablet", place, place + 1) is not None:
        return "tablet"
    if word in ("a", "per") and following == "day":
        return "tablet"
    return None


def _sort(reading: Reading, number: Number, owner: Hit, beside: _Said) -> None:
    unit = _unit(reading, number)
    beside.start, beside.end = min(beside.start, number.start), max(beside.end, number.end)
    if unit == "mg" or (unit is None and number.value > BARE_LIMIT):
        beside.mgs.append(number.value)
    elif unit == "g":
        beside.mgs.append(number.value * 1000)
    elif unit == "ml":
        beside.mls.append(number.value)
    else:
        beside.counts.append(number.value)


def _times(reading: Reading, found: Sequence[Number], hit: Hit) -> float:
    """ "Four times a day", "every two hours", 一天三次, 每两小时; 1 where nothing is said."""
    edges = clause_edges(reading, reading.sentence_of[hit.start])
    low, high = edges[0], edges[-1]
    words = reading.tokens.words
    best = 1.0
    for number in found:
        if not (low <= number.start < high and 0 < number.value <= 24):
            continue
        word = words[number.end] if number.end < len(words) else ""
        before = words[number.start - 1] if number.start else ""
        english = word in ("times", "x") and words[number.end + 1 : number.end + 2] != ["more"]
        if english or (word == "次" and before in ("天", "日", "了", "吃", "服")):
            best = max(best, min(number.value, 12.0))
        elif before in ("every", "每") and word in _HOURS:
            best = max(best, WAKING_HOURS / number.value if number.value < DAY_DOSES else float(DAY_DOSES))
    hourly = "hourly" in words or any(words[i : i + 2] == ["every", "hour"] for i in range(low, high - 1))
    return float(WAKING_HOURS) if best == 1.0 and hourly else best
