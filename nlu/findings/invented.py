"""Whether a concept belongs to a story, a game, the news or an animal rather than to a person who needs help.

"In my dream I was bleeding", 游戏里中毒了 and "my dog had a fit" are nobody's complaint. "I was watching a film when
my chest tightened" is one: a film, a lesson or the news takes up only what is said of the people in it.
It knows no levels.
"""

from __future__ import annotations

from nlu.findings.asserted import Asserted
from nlu.findings.reading import CueHit, Hit, Reading
from nlu.findings.tokens import SOFT
from nlu.findings.types import Subject

NEVER_ANIMAL = frozenset(["crisis", "exposure", "context"])
"""Kinds that an animal in the sentence leaves with the writer: "swallowed the dog's tablets", "sorry, feed the cat"."""
SUBJECT_PLACE = 3
"""Tokens from the start of a clause within which an animal is what the clause is about."""
NEAR = 4
_HAPPENS = frozenset(
    ["时", "候", "突", "完", "后", "while", "when", "during", "suddenly", "started", "after"]
)
"""Words between a film or a talk and a symptom that make the symptom an event: 看电影的时候心慌."""


def fiction(reading: Reading, hit: Hit, out: Asserted, low: int, high: int) -> CueHit | None:
    """The words that make a hit in the sentence ``low``..``high`` fiction, or None."""
    return _invented(reading, out, low, high) or _staged(reading, hit, out, low, high) or (
        None if out.kind in NEVER_ANIMAL else _animal(reading, hit, out, low, high)
    )  # fmt: skip


def happens(reading: Reading, low: int, high: int) -> bool:
    """Whether something between two places tells an event rather than a subject."""
    return any(word in _HAPPENS for word in reading.tokens.words[low:high])


def _invented(reading: Reading, out: Asserted, low: int, high: int) -> CueHit | None:
    """A dream, a game, a tale of one's own: there "I" is not the patient either."""
    cues = reading.cues.last_before("fiction", high - 1, 1)
    if not cues:
        return None
    if cues[0].start >= low:
        return cues[0]
    told_now = any(reading.cues.any_between(k, low, high) for k in ("self", "now", "recent"))
    return None if told_now or out.kind == "crisis" else cues[0]


def _staged(reading: Reading, hit: Hit, out: Asserted, low: int, high: int) -> CueHit | None:
    """A film, a lesson, the news: what is said there of others, or of nobody in the same breath. What a pupil
    writes of dying in an essay stays a crisis."""
    kinds = ("staged",) if out.kind == "crisis" else ("staged", "schooled")
    before = [c for kind in kinds for c in reading.cues.last_before(kind, hit.start, 1) if c.start >= low]
    if before:
        cue = max(before, key=lambda c: c.start)
        own = reading.cues.any_between("self", cue.end, hit.end)
        if own is not None or happens(reading, cue.end, hit.start):
            return None
        apart = any(b >= SOFT for b in reading.tokens.breaks[cue.end : hit.start + 1])
        return None if apart and (out.assumed or out.subject is Subject.PATIENT) else cue
    after = next((c for kind in kinds for c in reading.cues.between(kind, hit.end, high)), None)
    told = out.subject is Subject.OTHER and reading.cues.any_between("self", low, high) is None
    return after if told else None


def _animal(reading: Reading, hit: Hit, out: Asserted, low: int, high: int) -> CueHit | None:
    """ "My dog had a fit", "is there a vet for a limping dog", "The cat ate a lily. She is being sick"."""
    if not reading.cues.all("animal"):
        return None
    for cue in reading.cues.last_before("animal", hit.start, 2):
        if cue.start < low:
            break
        own = any(reading.cues.any_between(k, cue.end, hit.start + 1) for k in ("self", "self_weak"))
        named = any(cue.end <= p.start < hit.end for p in reading.persons)
        if not own and not named and _heads(reading, cue, low):
            return cue
    near = reading.cues.any_between("animal", hit.start, min(high, hit.end + NEAR))
    if near is not None and out.assumed and reading.cues.any_between("self", low, hit.start) is None:
        apart = any(b >= SOFT for b in reading.tokens.breaks[hit.start + 1 : near.start + 1])
        if not apart:
            return near
    if out.subject is Subject.OTHER and out.person == "other":
        earlier = reading.cues.last_before("animal", low, 1)
        if earlier and _heads(
            reading, earlier[0], reading.sentences[reading.sentence_of[earlier[0].start]][0]
        ):
            return earlier[0]
    return None


def _heads(reading: Reading, cue: CueHit, low: int) -> bool:
    """Whether the animal stands at the head of its clause."""
    start = cue.start
    while start > low and reading.tokens.breaks[start] < SOFT and cue.start - start <= SUBJECT_PLACE:
        start -= 1
    return cue.start - start <= SUBJECT_PLACE
