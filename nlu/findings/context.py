"""Short answers mean nothing alone: "yes", "both", "no fever but the other one", 都有, 没有.

Here they meet the question that the assistant asked last: the items screened (ids given by the caller, or the
concepts that the question's own words contain). "Do you have chest pain or fever?" – "both" → both present.
It knows no rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nlu.findings.reading import CueHit, Reading
from nlu.findings.tokens import SOFT, is_cjk
from nlu.findings.types import ContextTurn, Status

MAX_LEAD = 3
"""Tokens before the answer word ("well, um, yes")."""
MAX_ANSWER = 30
"""A longer message speaks for itself; only its first words are then taken as the answer."""
LABELS = ("temperature", "bp", "pulse", "spo2", "glucose", "resp_rate", "weight", "ketones", "inr")

_MAY_FOLLOW = frozenset(
    ["i", "im", "ive", "and", "it", "he", "she", "my", "both", "all", "please", "thanks", "doctor", "dr", "a", "too",
     "sir", "really", "been", "for", "since", "about", "does", "lol", *"我他她的啊呢哦呀吧而都很呜哎哈嘛啦哟唉诶"]
)  # fmt: skip
"""Words after "yes" or "no" that leave it an answer ("yes I do", "no doctor"); "no fever" is not one."""


@dataclass(frozen=True, slots=True)
class Screened:
    """One item of the question. ``negative``: the question itself denies it ("you have no chest pain, right?");
    ``ended``: it asks whether it is over ("has the bleeding stopped?")."""

    id: str
    attributes: dict[str, str | float]
    negative: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What the assistant asked last: items, measures named, whether for an age, for more of the complaint
    (``detail``), for a number of tablets (``count``); ``options`` are the texts of a numbered choice."""

    items: tuple[Screened, ...] = ()
    measures: frozenset[str] = frozenset()
    age: bool = False
    detail: bool = False
    count: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """One item answered: the status, and the tokens that answered it."""

    item: Screened
    status: Status
    start: int
    end: int


def last_question(context: Sequence[ContextTurn]) -> str | None:
    """The text of the last assistant turn, if it is the last turn but the patient's own."""
    for turn in reversed(context):
        if turn.role == "assistant":
            return turn.text
    return None


def question_of(
    reading: Reading | None,
    statuses: Sequence[tuple[str, Status, int, dict[str, str | float]]],
    screened: Sequence[str],
    text: str = "",
) -> Question:
    """The question as items. ``statuses``: (concept id, status, token place, attributes) of the assistant's text."""
    if reading is None:
        return Question(tuple(Screened(i, {}) for i in screened))
    asked = _asked_places(reading)
    found: dict[str, Screened] = {}
    for concept_id, status, place, attributes in statuses:
        if asked(place):
            item = Screened(
                concept_id,
                attributes,
                status is Status.NEGATED,
                status is Status.RESOLVED or _ends(reading, place),
            )
            found.setdefault(concept_id, item)
    items = dict.fromkeys(screened) if screened else dict.fromkeys(found)
    measures = frozenset(
        label for label in LABELS if any(asked(c.start) for c in reading.cues.all(f"label_{label}"))
    )
    age = any(asked(c.start) for c in reading.cues.all("ask_age"))
    plain = not reading.cues.all("ask_booking")
    detail = plain and bool(items or measures or reading.cues.all("ask_detail"))
    count = plain and bool(reading.cues.all("ask_count"))
    return Question(
        tuple(found.get(i, Screened(i, {})) for i in items), measures, age, detail, count, _options(text)
    )


_OPTION = re.compile(
    r"(?:^|[\s,，;；:：(（])(?:[1-6]|[A-Fa-f])\s*[.)、:：）]?\s+(?=\S)|(?:^|[\s;；:：])[1-6][.)、]"
)


def _options(text: str) -> tuple[str, ...]:
    """The texts of a choice numbered 1, 2, 3 or a, b, c; empty where there is none."""
    marks = list(_OPTION.finditer(text))
    if len(marks) < 2:
        return ()
    ends = [m.start() for m in marks[1:]] + [len(text)]
    return tuple(text[m.end() : end].strip(" ;；,，.。?？") for m, end in zip(marks, ends, strict=True))


_NTH = {
    "1": 0, "a": 0, "一": 0, "first": 0, "one": 0, "2": 1, "b": 1, "二": 1, "second": 1, "two": 1,
    "3": 2, "c": 2, "三": 2, "third": 2, "three": 2, "4": 3, "d": 3, "四": 3, "fourth": 3,
}  # fmt: skip


_AROUND_NTH = frozenset(["第", "个", "种", "项", "选", "the", "option", "number", "no"])


def chosen(reading: Reading, question: Question) -> str | None:
    """The text of the option that an answer picks: "2", "b", "the second one", 第二个."""
    words = [
        w
        for w in reading.tokens.words[:4]
        if w not in ("第", "个", "种", "项", "选", "the", "option", "number", "no")
    ]
    index = _NTH.get(words[0]) if words else None
    return question.options[index] if index is not None and index < len(question.options) else None


def _ends(reading: Reading, place: int) -> bool:
    """ "Has the bleeding stopped?", 血止住了吗."""
    low, high = reading.sentences[reading.sentence_of[place]]
    return reading.cues.any_between("ask_ended", low, high) is not None


def _asked_places(reading: Reading) -> Callable[[int], bool]:
    """Which tokens stand in a question: sentences that end with "?" (or 吗/呢/没有), else the last sentence."""
    tokens = reading.tokens
    asked: set[int] = set()
    for number, (_, end) in enumerate(reading.sentences):
        mark = tokens.asked[end] if end < len(tokens) else tokens.tail_asked
        if mark or tokens.words[end - 1] in ("吗", "呢", "么"):
            asked.add(number)
    if not asked and reading.sentences:
        asked.add(len(reading.sentences) - 1)
    return lambda place: reading.sentence_of[place] in asked


def resolve(reading: Reading, question: Question, said: frozenset[str]) -> list[Answered]:
    """What the answer says of each screened item. ``said`` are the items that the message itself names."""
    if not question.items or not len(reading.tokens):
        return []
    rest = [item for item in question.items if item.id not in said]
    other = _find(reading, "answer_other")
    if other is not None and said:
        return [Answered(item, Status.PRESENT, other.start, other.end) for item in rest]
    for kind, index in (("answer_first", 0), ("answer_second", 1), ("answer_last", -1)):
        cue = _find(reading, kind)
        if cue is not None and len(question.items) > max(index, 0):
            return [_answer(question.items[index], True, cue)]
    start = _answer_start(reading, said)
    for kind, yes in (("answer_none", False), ("answer_all", True)):
        cue = _opening(reading, kind, start)
        if cue is not None:
            return [_answer(item, yes, cue) for item in rest]
    cue, yes = _yes_or_no(reading, start)
    if cue is None or (yes and said & {i.id for i in question.items}):
        return []
    return [_answer(item, yes, cue) for item in rest]


def _answer_start(reading: Reading, said: frozenset[str]) -> int:
    """Where the answer begins. "It's probably nothing but yes", "Sorry to bother you. Yes": a preface that names
    no symptom is passed over."""
    words = ("answer_none", "answer_all", "answer_no", "answer_yes")
    if said or len(reading.tokens) > MAX_ANSWER or any(_opening(reading, kind) for kind in words):
        return 0
    breaks = [p for p in range(1, len(reading.tokens)) if reading.tokens.breaks[p] >= SOFT]
    for place in [*breaks, *(c.end for c in reading.cues.all("stop"))]:
        if any(_opening(reading, kind, place) for kind in words):
            return place
    return 0


def _answer(item: Screened, yes: bool, cue: CueHit) -> Answered:
    """Agreeing with a denial is a denial ("no chest pain, right?" – "right"); "has it stopped?" – "no" says that
    it goes on."""
    present = yes is not item.ended if item.ended else yes and not item.negative
    return Answered(item, Status.PRESENT if present else Status.NEGATED, cue.start, cue.end)


def _find(reading: Reading, kind: str) -> CueHit | None:
    return reading.cues.any_between(kind, 0, min(len(reading.tokens), MAX_ANSWER))


def _opening(reading: Reading, kind: str, start: int = 0) -> CueHit | None:
    """A cue within the first words that is not the start of something else ("all of a sudden", "no fever")."""
    for cue in reading.cues.between(kind, start, start + (MAX_LEAD - 1 if start else MAX_LEAD)):
        if _closed(reading, cue):
            return cue
    return None


def _closed(reading: Reading, cue: CueHit) -> bool:
    tokens = reading.tokens
    if cue.end >= len(tokens) or tokens.breaks[cue.end] >= SOFT:
        return True
    if reading.cues.any_between("stop", cue.end, cue.end + 1) is not None:
        return True
    if tokens.words[cue.end] in _MAY_FOLLOW:
        return True
    return not is_cjk(tokens.words[cue.start]) and len(tokens) <= 3 and not reading.covered[cue.end]


def _yes_or_no(reading: Reading, start: int = 0) -> tuple[CueHit | None, bool]:
    no, yes = _opening(reading, "answer_no", start), _opening(reading, "answer_yes", start)
    if yes is not None and reading.cues.any_between("pseudo", start, yes.start + 1) is not None:
        yes = None  # "not sure" says neither
    if no is not None and (yes is None or no.start <= yes.start):
        return no, False
    return yes, True
