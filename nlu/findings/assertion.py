"""Decides what a message says of each concept hit: present, negated, possible, hypothetical or resolved; of the
patient, of somebody else who is the patient now, of family history or of fiction; now, lately or long ago.

"No chest pain, just a runny nose" → chest pain negated, runny nose present. "My grandad had a heart attack in
2010" → family, past. "Chest pain? no" → negated. 不是不疼 → present. The words that decide are data
(``lexicon/<lang>/_assertion.yml``); here is only how far each reaches. Where a sentence can be read both ways the
reading that keeps the finding wins. It knows no rules and no levels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping

from nlu.findings.asserted import LASTING_KINDS, Asserted
from nlu.findings.invented import fiction, happens
from nlu.findings.lexicon import Concept
from nlu.findings.reading import CueHit, Hit, Reading
from nlu.findings.tokens import LIST, SOFT, is_cjk
from nlu.findings.types import Status, Subject, Time

PAST_WEAK_REACH = 2
"""Tokens between "history of" and what is history: "PMH HTN DM2 central CP" has a chest pain of now."""

NEAREST = 6
"""Negation cues looked at before a hit; a seventh is never the one that is meant."""
FREE_WORDS = {"neg": 5, "neg_verb": 3, "neg_list": 6}
FREE_CHARS = {"neg": 5, "neg_verb": 1, "neg_list": 6}
"""Words (Chinese: characters) that may stand between cue and concept besides concepts and list words."""
LIST_REACH = 60
"""Tokens that a list of denied symptoms may span."""
BACK_REACH = 4
FRAGMENT = 6
"""Tokens of a sentence that is no more than a date."""
RESOLVED_REACH = 14
RESOLVED_LOOK = 80
"""Tokens between "it's gone" and the nearest finding, and between it and the farthest that it may speak of."""
YOUNG = frozenset(["newborn", "baby", "child", "toddler", "son", "daughter"])
"""Whose events are told because they are ill now, not as the writer's family history."""
RELATIVES = frozenset(
    ["newborn", "mother", "father", "grandmother", "grandfather", "husband", "wife", "partner", "brother", "sister",
     "relative", "friend", "son", "daughter", "child", "baby", "toddler", "someone"]
)  # fmt: skip


def judge(reading: Reading, concepts: Mapping[str, Concept]) -> list[Asserted]:
    """Judge every hit of a reading, in order."""
    judged = [_Judge(reading, hit, concepts.get(hit.id)).judge() for hit in reading.hits]
    _resolve(reading, judged, concepts)
    _denied_lists(reading, judged)
    _family(reading, judged)
    return judged


def judge_place(reading: Reading, name: str, start: int, end: int) -> Asserted:
    """Judge a measured value at tokens ``start``..``end`` as if it were a concept of kind sign."""
    asserted = _Judge(reading, Hit(name, start, end, {}), None).judge()
    asserted.kind = "sign"
    return asserted


class _Judge:
    """Judges one hit. One short method per question asked of the sentence."""

    def __init__(self, reading: Reading, hit: Hit, concept: Concept | None) -> None:
        self.r = reading
        self.hit = hit
        self.concept = concept
        self.low, self.high = reading.sentences[reading.sentence_of[hit.start]]
        self.out = Asserted(hit, kind=concept.kind if concept else "symptom")

    def judge(self) -> Asserted:
        self._subject()
        self._time()
        always = self.concept is not None and self.concept.hypothetical_counts
        if not always:
            self._fiction()
        negation = self._negation()
        if negation is not None:
            self.out.status, self.out.cue = Status.NEGATED, negation
            return self.out
        hypothetical = None if always else self._hypothetical()
        if hypothetical is not None:
            self.out.status, self.out.cue = Status.HYPOTHETICAL, hypothetical
            return self.out
        possible = self.r.cues.any_between("possible", max(self.low, self.hit.start - 8), self.hit.start)
        if possible is not None:
            self.out.status, self.out.cue = Status.POSSIBLE, possible
        return self.out

    # ---- negation

    def _negation(self) -> CueHit | None:
        return self._inner() or self._forward() or self._backward() or self._answered()

    def _inner(self) -> CueHit | None:
        """ "My chest is not in pain": the negation lies where only a gap matched."""
        if not self.hit.skipped:
            return None
        for kind in ("neg", "neg_verb", "neg_list"):
            for cue in self.r.cues.between(kind, self.hit.start, self.hit.end):
                if all(p in self.hit.skipped for p in range(cue.start, cue.end)):
                    return cue
        return None

    def _forward(self) -> CueHit | None:
        found: list[CueHit] = []
        for kind in ("neg", "neg_verb", "neg_list"):
            found.extend(self.r.cues.last_before(kind, self.hit.start - 1, NEAREST))
        found.sort(key=lambda c: -c.end)
        for cue in found:
            if cue.start < self.low or cue.start >= self.hit.start:
                continue
            if cue.end > self.hit.start:
                return cue  # "don't have" before "have an allergic reaction"
            if self._a_not_a(cue) or self._closed_off(cue):
                continue
            if self._reaches(cue):
                return cue
        return None

    def _closed_off(self, cue: CueHit) -> bool:
        """ "Fever: no, cough: yes": a "no" with a break behind it answers what stood before; so does "no she
        doesn't respond"."""
        tokens = self.r.tokens
        bare = cue.end - cue.start == 1 and tokens.words[cue.start] in ("no", "nope", "nah")
        if bare and cue.end < len(tokens) and tokens.words[cue.end] in _GOES_ON:
            return True
        return cue.end < len(tokens) and tokens.breaks[cue.end] >= SOFT and ":" not in tokens.marks[cue.end]

    def _a_not_a(self, cue: CueHit) -> bool:
        """疼不疼: asking, not denying."""
        words = self.r.tokens.words
        return (
            cue.end - cue.start == 1
            and cue.start > self.low
            and cue.end < len(words)
            and is_cjk(words[cue.end])
            and words[cue.start - 1] == words[cue.end]
        )

    def _reaches(self, cue: CueHit) -> bool:
        r, start = self.r, self.hit.start
        if start - cue.end > LIST_REACH or r.cues.any_between("stop", cue.end, start) is not None:
            return self._stop_is_ours(cue)
        return self._listed(cue)

    def _stop_is_ours(self, cue: CueHit) -> bool:
        """A stop word that lies inside a hit's own words ("and my" is not) never ends a scope; others do."""
        if self.hit.start - cue.end > LIST_REACH:
            return False
        stops = self.r.cues.between("stop", cue.end, self.hit.start)
        if any(not self.r.covered[s.start] or s.end - s.start > 1 for s in stops):
            return False
        return self._listed(cue)

    def _listed(self, cue: CueHit) -> bool:
        r = self.r
        breaks, words = r.tokens.breaks, r.tokens.words
        chinese = is_cjk(words[cue.start])
        limit = (FREE_CHARS if chinese else FREE_WORDS)[cue.kind]
        free, soft = 0, 0
        joined = False
        for place in range(cue.end, self.hit.start + 1):
            if breaks[place] == SOFT:
                soft += 1
            elif breaks[place] == LIST:
                joined = True
            if place == self.hit.start:
                break
            if r.covered[place] or r.light[place]:
                continue
            free += 1
            if free > limit:
                return False
        if soft == 0 or (soft == 1 and self._adjectives(cue)):
            return self._same_breath(cue, joined)
        if cue.kind == "neg_list":
            return True
        return not chinese and cue.kind == "neg" and self._closed_list(cue)

    def _adjectives(self, cue: CueHit) -> bool:
        """ "I don't have black, tarry stools": the comma stands between words for one thing."""
        place = cue.end
        while place < self.hit.start and self.r.tokens.breaks[place] < SOFT:
            if self.r.cues.any_between("adjective", place, place + 1) is None and not self.r.light[place]:
                return False
            place += 1
        return cue.end < place == self.hit.start

    def _same_breath(self, cue: CueHit, joined: bool) -> bool:
        """Without a comma: "no fever or cough", 没有发烧咳嗽. "Not dizzy and vomiting" ends at "and"."""
        if joined or is_cjk(self.r.tokens.words[cue.start]):
            return True
        ands = [
            a for a in self.r.cues.between("list_and", cue.end, self.hit.start) if not self.r.covered[a.start]
        ]
        if not ands:
            return True
        return cue.kind != "neg_verb" and ands[-1].end == self.hit.start

    def _closed_list(self, cue: CueHit) -> bool:
        """ "No fever, cough or chest pain": the "or" closes a list that the cue opened; all of it is denied."""
        r = self.r
        end = self.high
        stop = r.cues.any_between("stop", self.hit.end, self.high)
        if stop is not None:
            end = stop.start
        return r.cues.any_between("list_or", cue.end, end) is not None

    def _backward(self) -> CueHit | None:
        """ "The chest pain is absent", 咳嗽没有，"fever: no"."""
        r = self.r
        after = r.cues.any_between("neg_after", self.hit.end, min(self.high, self.hit.end + BACK_REACH))
        if after is not None and not any(r.tokens.breaks[self.hit.end : after.start + 1]):
            return after
        place = self._list_end()
        if place >= self.high:
            return None
        cue = r.cues.any_between("answer_no", place, place + 1)
        if cue is None:
            return None
        if cue.end - cue.start == 2 and self._a_not_a(CueHit("neg", cue.start, cue.start + 1)):
            return None
        closed = cue.end >= len(r.tokens) or r.tokens.breaks[cue.end] >= SOFT
        mark = r.tokens.marks[place]
        chinese = is_cjk(r.tokens.words[place])
        colon = ":" in mark or "-" in mark or "–" in mark or "(" in mark
        plain = mark == "" and (
            chinese or r.tokens.words[place] in ("no", "none", "negative", "absent", "nil")
        )
        return cue if closed and (colon or plain) else None

    def _list_end(self) -> int:
        """First token after the run of concepts and list words that the hit belongs to."""
        place = self.hit.end
        r = self.r
        while place < self.high and r.tokens.breaks[place] <= LIST and (
            r.covered[place] or r.cues.any_between("list_or", place, place + 1) is not None
            or r.cues.any_between("list_and", place, place + 1) is not None
        ):  # fmt: skip
            place += 1
        return place

    def _answered(self) -> CueHit | None:
        """ "Chest pain? no." and "Doctor: any chest pain? Me: no": the answer to a question in the text."""
        r = self.r
        if self.high >= len(r.tokens) or not r.tokens.asked[self.high]:
            return None
        number = r.sentence_of[self.high]
        start, end = r.sentences[number]
        place = start
        while place < end and place - start < 3 and r.cues.any_between("label", place, place + 1) is not None:
            label = r.cues.any_between("label", place, place + 1)
            if r.cues.any_between("answer_no", place, place + 1) is not None:
                break
            place = label.end if label is not None else place + 1
        cue = r.cues.any_between("answer_no", place, place + 1)
        if cue is None or not (cue.end >= end or r.tokens.breaks[cue.end] >= SOFT):
            return None
        return cue

    # ---- hypothetical

    def _hypothetical(self) -> CueHit | None:
        r = self.r
        for cue in r.cues.last_before("hypo", self.hit.start, 3):
            if cue.start < self.low:
                break
            if self._turned_real(cue):
                continue
            return cue
        for cue in r.cues.between("hypo", self.hit.start + 1, self.hit.end) if self.hit.skipped else ():
            if cue.start in self.hit.skipped:
                return cue  # 压力大会胸痛吗: only a gap matched the "can it"
        after = r.cues.any_between("hypo_after", self.hit.end, min(self.high, self.hit.end + 3))
        if after is None or any(b >= SOFT for b in r.tokens.breaks[self.hit.end : after.start + 1]):
            return self._topic() or self._asked_in_general() or self._purpose()
        return after

    def _purpose(self) -> CueHit | None:
        """ "What do you do for a bad nosebleed? Revising for my badge": a question that says what it is for, in a
        message in which nobody is ill."""
        r = self.r
        if self.out.kind == "crisis" or self.out.subject is not Subject.PATIENT or not self.out.assumed:
            return None
        if not (r.tokens.asked[self.high] if self.high < len(r.tokens) else r.tokens.tail_asked) and not (
            r.cues.any_between("ask_word", self.low, self.high)
        ):
            return None
        if any(r.cues.all(k) for k in ("they", "now", "recent")) or r.cues.any_between(
            "self", self.low, self.high
        ):
            return None
        found = r.cues.all("purpose")
        return found[0] if found else None

    def _topic(self) -> CueHit | None:
        """ "I'm giving a talk on strokes", 办急救讲座，内容包括心梗: a subject taught or asked about, when nothing
        says that it happens to anybody. "Had chest pain during my talk" is no subject."""
        r = self.r
        if any(r.cues.any_between(k, self.low, self.high) for k in ("now", "recent", "they")):
            return None
        for cue in r.cues.last_before("topic", self.hit.start, 2):
            own = r.cues.any_between("self", cue.end, self.hit.end)
            if cue.start >= self.low and own is None and not happens(r, cue.end, self.hit.start):
                return cue
        return None

    def _asked_in_general(self) -> CueHit | None:
        """ "Is vomiting blood dangerous", 吐血危险吗: a question about the thing, when nobody is said to have it and
        nothing says that it is now. "Is my chest pain serious" stays a complaint."""
        r = self.r
        reach = min(self.high, self.hit.end + 4)
        asked = r.cues.any_between("ask_after", self.hit.end, reach) or self._defined()
        if asked is None and self.concept is not None and not self.concept.sticky:
            asked = r.cues.any_between("ask_relief", self.hit.end, reach)
        if asked is None and self.out.kind in ("condition", "event"):
            asked = r.cues.any_between("ask_after_illness", self.hit.end, reach)
        if asked is None or any(b >= SOFT for b in r.tokens.breaks[self.hit.end : asked.start + 1]):
            return None
        if self.out.subject is not Subject.PATIENT or not self.out.assumed:
            return None
        kinds = ["self", "they", "now", "recent"] + ["self_weak"] * (asked.kind != "ask_general")
        if any(r.cues.any_between(kind, self.low, self.high) for kind in kinds):
            return None
        return None if any(name == "duration" for name, *_ in r.modifiers) else asked

    def _defined(self) -> CueHit | None:
        """ "What is the golden hour in a stroke", 狂犬病的潜伏期一般多长: words that only a question about the thing
        itself has, on either side of it."""
        return self.r.cues.any_between("ask_general", self.low, self.high)

    def _turned_real(self, cue: CueHit) -> bool:
        """ "What if it's a stroke, my arm is numb": a new clause with its own "my" is no longer what-if."""
        r = self.r
        for place in range(cue.end, self.hit.start + 1):
            if r.tokens.breaks[place] < SOFT:
                continue
            if r.cues.any_between("self", place, min(place + 3, self.high)) is not None:
                return True
            if r.cues.any_between("they", place, min(place + 2, self.high)) is not None:
                return True
        stop = r.cues.any_between("stop", cue.end, self.hit.start)
        return stop is not None and r.cues.any_between("self", stop.start, self.hit.start + 1) is not None

    # ---- subject

    def _subject(self) -> None:
        """The last person spoken of before the hit, or in it; nobody named: the writer."""
        r, out = self.r, self.out
        mention = self._mention()
        if mention is None:
            later = self._later_person()
            if later is not None:
                out.subject, out.person = Subject.OTHER, later
            else:
                out.assumed = True
            return
        if mention.kind == "self":
            return
        if mention.kind == "they":
            found = bisect_left(r.persons, mention.start, key=lambda p: p.start)
            named = [p for p in r.persons[max(0, found - NEAREST) : found] if not self._reporting(p)]
            out.subject, out.person = Subject.OTHER, named[-1].kind if named else "other"
            return
        out.subject, out.person = Subject.OTHER, mention.kind

    def _mention(self) -> CueHit | None:
        r = self.r
        own_act = self.concept is not None and self.concept.own_act
        limit = self.hit.start + 1 if own_act else self.hit.end
        best: CueHit | None = None
        for kind in ("self", "they"):
            for cue in r.cues.last_before(kind, limit - 1, 1):
                best = cue if best is None or cue.start > best.start else best
        found = bisect_left(r.persons, limit, key=lambda p: p.start)
        for person in reversed(r.persons[max(0, found - NEAREST) : found]):
            if self._reporting(person):
                continue
            if best is None or person.start > best.start:
                best = person
            break
        return best

    def _later_person(self) -> str | None:
        r = self.r
        if r.cues.all("self") or r.cues.all("self_weak"):
            return None
        found = bisect_left(r.persons, self.hit.end, key=lambda p: p.start)
        later = [p for p in r.persons[found : found + NEAREST] if not self._reporting(p)]
        return later[0].kind if later else None

    def _reporting(self, person: CueHit) -> bool:
        """ "My mum says I look pale": the mum reports, she is not the patient."""
        return self.r.cues.any_between("report", person.end, person.end + 2) is not None

    # ---- time and fiction

    def _time(self) -> None:
        r, out = self.r, self.out
        low, high = self._clause()
        past = r.cues.any_between("past", low, high) or self._year(low, high) or self._dated_after()
        if past is None and out.kind not in LASTING_KINDS:
            past = next(
                (c for c in r.cues.between("past_weak", low, self.hit.start) if not self._set_off(c)), None
            )
        if past is not None and "since" in r.tokens.words[max(low, past.start - 4) : past.start]:
            past = None  # "since the concert last month" is where it began
        if past is not None and any(
            c.start <= past.start < c.end for c in r.cues.between("first_time", low, past.end)
        ):
            past = None  # 以前从来没抽过: it is now that it happens
        if past is not None and not self._linked_to_now(low, high):
            if out.kind not in LASTING_KINDS or out.subject is Subject.OTHER or self._over(past):
                out.time, out.cue = Time.PAST, past
            return
        if r.cues.any_between("recent", low, high) is not None:
            out.time = Time.RECENT

    def _set_off(self, past: CueHit) -> bool:
        """ "PMH HTN, central chest pain": what stands behind a comma, or far off, is the complaint of today."""
        apart = self.hit.start - past.end > PAST_WEAK_REACH
        return apart or any(b >= SOFT for b in self.r.tokens.breaks[past.end : self.hit.start + 1])

    def _over(self, past: CueHit) -> bool:
        """ "I had pneumonia ten years ago", 小时候得过麻疹, "breathed in smoke years ago": what one had, or met with,
        years ago is over; "diagnosed with diabetes in 2010" is not. A bite of some months ago still counts."""
        words = self.r.tokens.words
        years = any(w in _YEARS for w in words[past.start : past.end]) or past.end - past.start == 1
        if self.out.kind == "exposure" or words[past.start] == "used":
            return years
        had = self.r.cues.any_between("had", max(self.low, self.hit.start - 3), self.hit.start)
        finished = words[self.hit.end : self.hit.end + 1] == ["过"]  # 小时候麻疹过
        return self.out.kind == "condition" and (had is not None or finished) and years

    def _linked_to_now(self, low: int, high: int) -> bool:
        """ "Again", "same as in 2010" anywhere near, or a plain "now" in the hit's own clause; the "now" of
        "I had fits as a child, can I drive now?" links nothing."""
        edges = clause_edges(self.r, self.r.sentence_of[self.hit.start])
        index = bisect_right(edges, self.hit.start) - 1
        words = self.r.tokens.words
        following = high < self.high and not any(self.r.covered[high : self.high])
        for cue in self.r.cues.between("now", low, self.high if following else high):
            if self._within_resolved(cue):
                continue  # "all well now", "never came back"
            own = edges[index] <= cue.start < edges[index + 1]
            bare = (
                cue.start >= edges[index + 1]
                and any(w in _NOW_HAS for w in words[edges[index + 1] : cue.end + 4])
                and self.r.cues.any_between("resolved", edges[index + 1], cue.end) is None  # "I'm fine now"
            )
            if own or words[cue.start] in ("又", "same") or words[cue.end - 1] in _RETURNS or bare:
                return True
        return False

    def _within_resolved(self, cue: CueHit) -> bool:
        near = self.r.cues.between("resolved", max(0, cue.start - 6), cue.start + 1)
        return any(c.start <= cue.start and cue.end <= c.end for c in near)

    def _dated_after(self) -> CueHit | None:
        """ "I got heat stroke in the army. Thirty-five years ago!": a fragment that says only when."""
        r, number = self.r, self.r.sentence_of[self.hit.start] + 1
        if number >= len(r.sentences):
            return None
        low, high = r.sentences[number]
        if high - low > FRAGMENT or any(r.covered[low:high]):
            return None
        return r.cues.any_between("past", low, high)

    def _year(self, low: int, high: int) -> CueHit | None:
        """A calendar year that is not "since 2010"."""
        words, years = self.r.tokens.words, self.r.years
        for place in years[bisect_left(years, low) : bisect_left(years, high)]:
            before = words[place - 1] if place else ""
            after = words[place + 1] if place + 1 < len(words) else ""
            beside = place in (self.hit.end, self.hit.end + 1, self.hit.start - 1) and before != "since"
            if beside or before in _YEAR_AFTER or after == "年":
                return CueHit("past", place, place + 1)
        return None

    def _clause(self) -> tuple[int, int]:
        """The part of the sentence around the hit between commas and stop words; a part that holds no concept of
        its own belongs to its neighbour ("ten years ago, I had a stroke")."""
        r = self.r
        edges = clause_edges(r, r.sentence_of[self.hit.start])
        index = bisect_right(edges, self.hit.start) - 1
        low, high = edges[index], edges[index + 1]
        if index > 0 and not any(r.covered[edges[index - 1] : low]):
            low = edges[index - 1]
        if index + 2 < len(edges) and not any(r.covered[high : edges[index + 2]]):
            high = edges[index + 2]
        return low, max(high, self.hit.end)

    def _fiction(self) -> None:
        cue = fiction(self.r, self.hit, self.out, self.low, self.high)
        if cue is not None:
            self.out.subject, self.out.cue = Subject.FICTION, cue


_YEARS = frozenset(
    ["years", "year", "yrs", "yr", "decade", "decades", "child", "kid", "childhood", "young", "little", "teenager",
     "teen", "school", "baby", "twenties", "thirties", "forties", "fifties", "past", "army", "used",
     "年", "小", "前", "曾", "以", "童"]
)  # fmt: skip
"""Words of a date that lies years back."""
_GOES_ON = frozenset(
    ["i", "im", "ive", "id", "he", "hes", "she", "shes", "it", "its", "they", "theyre", "we", "my", "his", "her",
     "the", "there", "theres", "that", "thats", "cant", "only", "just", "but"]
)  # fmt: skip
"""Words after a bare "no" that begin a statement of its own."""
_RETURNS = frozenset(["back", "again", "returned", "same", "before", "犯", "发", "样", "来"])
_NOW_HAS = frozenset(["ive", "having", "getting", "happening", "犯", "发"])
"""Words that, with a "now" in a clause that names no symptom, take up the one of the past: "and now I've had three"."""
_YEAR_AFTER = frozenset(["in", "back", "during", "around", "from", "late", "early"])
_SAME_CLAUSE = frozenset(
    ["now", "just", "since", "that", "with", "because", "cos", "cuz", "due", "after", "following", "causing", "when",
     "which", "who", "whose", "so", "then", "only", "rather", "more", "until", "unless", "while", "as", "rather",
     "就", "现", "今", "刚", "突", "一", "越", "经", "老", "总", "由", "因"]
)  # fmt: skip
"""Stop words that end a negation but open no clause of their own for time and modifiers."""


def clause_edges(reading: Reading, sentence: int) -> list[int]:
    """Token places where the clauses of a sentence begin, its own start and end included; worked out once."""
    known = reading.clause_starts.get(sentence)
    if known is None:
        low, high = reading.sentences[sentence]
        edges = {p for p in range(low + 1, high) if reading.tokens.breaks[p] == SOFT} | {low, high}
        edges.update(
            c.start
            for c in reading.cues.between("stop", low + 1, high)
            if not reading.covered[c.start] and reading.tokens.words[c.start] not in _SAME_CLAUSE
        )
        known = reading.clause_starts[sentence] = sorted(edges)
    return known


def _resolve(reading: Reading, judged: list[Asserted], concepts: Mapping[str, Concept]) -> None:
    """ "I had a fever last week but it's gone": the cue looks back. Sticky concepts stay (rule 6)."""
    starts = [a.hit.start for a in judged]
    for cue in reading.cues.all("resolved"):
        low, _high = reading.sentences[reading.sentence_of[cue.start]]
        edges = clause_edges(reading, reading.sentence_of[cue.start])
        own_end = edges[min(bisect_left(edges, cue.end), len(edges) - 1)]
        if _came_back(reading, cue, own_end):
            continue
        first = bisect_left(starts, max(low, cue.start - RESOLVED_LOOK))
        before = [a for a in judged[first : bisect_left(starts, cue.start)] if a.hit.end <= cue.end]
        if not before and cue.start - low <= 3 and low > 0:
            sentence = reading.sentence_of[cue.start] - 1
            start, end = reading.sentences[sentence]
            before = judged[bisect_left(starts, max(start, end - RESOLVED_LOOK)) : bisect_left(starts, end)]
        if not before:
            continue
        nearest = max(a.hit.end for a in before)
        if cue.start - nearest > RESOLVED_REACH:
            continue
        pronoun = reading.tokens.words[cue.start] in (
            "its",
            "it",
            "all",
            "they",
            "theyre",
            "im",
            "fine",
            "feel",
            "feeling",
            "got",
        )
        own_clause = edges[bisect_right(edges, cue.start) - 1]
        same = [a for a in before if a.hit.start >= own_clause]
        chosen = before if pronoun or not same else same
        for a in chosen:
            concept = concepts.get(a.hit.id)
            if a.status not in (Status.PRESENT, Status.POSSIBLE) or a.kind in LASTING_KINDS:
                continue
            a.cue = cue
            if concept is not None and concept.sticky:
                a.time = a.time if a.time is Time.PAST else Time.RECENT
            else:
                a.status = Status.RESOLVED


def _came_back(reading: Reading, cue: CueHit, end: int) -> bool:
    """ "It went away but is back", "gone and still sore": what follows in the clause says that it has not gone."""
    words = reading.tokens.words
    later = [
        c
        for c in reading.cues.between("now", cue.end, end)
        if words[c.start] not in ("now", "today", "this", "现", "今")
    ]
    back = [
        c
        for c in reading.cues.between("now", cue.end, cue.end + 6)
        if words[c.end - 1] in ("back", "returned", "again", "发", "犯")
    ]
    return bool(later or back)


def _denied_lists(reading: Reading, judged: list[Asserted]) -> None:
    """ "They asked about chest pain, fainting and I have none of those", 我都没有: the list before is denied, back
    to what the writer said of themselves."""
    starts = [a.hit.start for a in judged]
    words = reading.tokens.words
    for cue in (*reading.cues.all("neg_listed"), *reading.cues.all("neg_said")):
        if cue.end < len(words) and not _ends_clause(reading, cue.end):
            continue  # 我都没有力气
        if _of_one_thing(reading, cue):
            continue
        sentence = reading.sentence_of[cue.start]
        low = reading.sentences[sentence][0]
        if bisect_left(starts, low) == bisect_left(starts, cue.start) and sentence:
            low = reading.sentences[sentence - 1][0]
        if cue.kind == "neg_said" and not any(
            reading.cues.any_between(kind, low, cue.start) for kind in ("screen", "asked_about")
        ):
            continue  # "I said no" to what was done is no answer about symptoms
        for own in reading.cues.between("self", low, cue.start - OWN_WORDS):
            asked = own.start > low and words[own.start - 1] in _ASKED
            if not asked and words[own.start] != "me":
                low = own.end
                while low < cue.start and reading.tokens.breaks[low] < SOFT:
                    low += 1
        for a in judged[bisect_left(starts, low) : bisect_left(starts, cue.start)]:
            inside = a.hit.end > cue.start and cue.start not in a.hit.skipped
            if a.status in (Status.PRESENT, Status.POSSIBLE) and not inside:
                a.status, a.cue = Status.NEGATED, cue  # but 一滴尿都没有 is the finding itself


def _of_one_thing(reading: Reading, cue: CueHit) -> bool:
    """一点汗都没有, 连尿都没有: all of one thing is missing; no list is denied."""
    place = cue.start - 1
    while place >= max(0, cue.start - NEAREST) and reading.tokens.breaks[place + 1] < LIST:
        if reading.tokens.words[place] in _ONE:
            return True
        place -= 1
    return False


_ONE = frozenset("一连半丝毫啥")


def _ends_clause(reading: Reading, place: int) -> bool:
    return reading.tokens.breaks[place] >= LIST or (
        reading.cues.any_between("stop", place, place + 1) is not None
    )


OWN_WORDS = 3
"""Tokens before "none of those" in which "I have" belongs to it and is no statement of its own."""
_ASKED = frozenset(["问", "if", "whether", "asked", "asks", "asking", "to", "with", "about"])


def _family(reading: Reading, judged: list[Asserted]) -> None:
    """Family history: "runs in my family", "my mum has diabetes" while she is not ill now, "my dad died of …",
    "my grandad had a heart attack in 2010"."""
    acute = {
        a.person for a in judged
        if a.subject is Subject.OTHER and a.kind not in LASTING_KINDS and a.time is not Time.PAST
        and a.status in (Status.PRESENT, Status.POSSIBLE) and not _simple_past(reading, a)
    }  # fmt: skip
    for a in judged:
        low, high = reading.sentences[reading.sentence_of[a.hit.start]]
        cue = reading.cues.any_between("family", max(low, a.hit.start - 10), a.hit.start) or (
            reading.cues.any_between("family_after", a.hit.end, min(high, a.hit.end + 6))
        )
        if cue is not None and a.kind == "context":
            continue  # 他家里有猎枪
        if cue is None and a.subject is Subject.OTHER and a.person in RELATIVES:
            if a.time is Time.PAST:
                cue = a.cue
            elif (
                a.kind == "condition" and a.person not in acute and a.person not in YOUNG
                and reading.cues.any_between("now", low, high) is None  # "my dad has pneumonia now"
            ):  # fmt: skip
                cue = CueHit("family", a.hit.start, a.hit.end)
            else:
                cue = _died(reading, a, low, high) or _at_age(reading, a) or _simple_past(reading, a)
        if cue is not None:
            a.subject, a.cue = Subject.FAMILY, cue


def _died(reading: Reading, a: Asserted, low: int, high: int) -> CueHit | None:
    """ "Died of a heart attack", 心梗去世; the death itself ("my husband died") is the writer's grief."""
    for cue in (*reading.cues.between("died", low, high), *reading.cues.between("gone", low, high)):
        near = reading.cues.any_between("not_gone", max(low, cue.start - 7), cue.end)
        named = [p for p in reading.persons if low <= p.start < cue.start]
        if named and named[-1].kind != a.person and a.person is not None:
            continue  # "my dad, since mum died": it is mum who died
        if near is None and not a.hit.start <= cue.start < a.hit.end:
            return cue
    return None


def _at_age(reading: Reading, a: Asserted) -> CueHit | None:
    """ "My dad had a stroke at 60", 我爸60岁中风过: an age dates the event."""
    words, end = reading.tokens.words, a.hit.end
    if a.kind in ("sign", "symptom") and words[end : end + 1] == ["过"] and _told_in_passing(reading, a):
        return CueHit("past", end, end + 1)
    if a.kind not in ("event", "condition"):
        return None
    after = words[end : end + 3]
    if len(after) >= 2 and after[0] in ("at", "aged") and after[1].isdigit() and 18 <= int(after[1]) <= 99:
        return CueHit("past", end, end + 2)
    if after[:1] != ["了"] and words[max(0, a.hit.start - 1)] == "岁" and _told_in_passing(reading, a):
        return CueHit("past", a.hit.start - 1, a.hit.start)
    finished = end < len(words) and words[end] == "过"
    return CueHit("past", end, end + 1) if finished and a.time is not Time.RECENT else None


def _told_in_passing(reading: Reading, a: Asserted) -> bool:
    """我爷爷70岁中风，姑姑55岁心梗: told beside others' ages, or by somebody who goes on about themselves."""
    if a.person in YOUNG or reading.tokens.breaks[a.hit.start] != 0:
        return False
    end = a.hit.end
    while end < len(reading.tokens) and reading.tokens.breaks[end] < SOFT:
        end += 1
    if reading.cues.any_between("urgent_now", a.hit.end, end) is not None:
        return False
    told = any(reading.cues.any_between(k, a.hit.end, len(reading.tokens)) for k in ("self", "self_weak"))
    return told or reading.tokens.words.count("岁") > 1


def _simple_past(reading: Reading, a: Asserted) -> CueHit | None:
    """ "My dad had a stroke, should I worry about mine": told as finished, nothing urgent in the message, and the
    writer goes on about themselves. "My husband had a fit this morning" and a bare "my husband had a fit" are now."""
    if a.kind not in ("event", "condition") or a.time is Time.RECENT:
        return None
    low, high = reading.sentences[reading.sentence_of[a.hit.start]]
    if any(reading.cues.any_between(kind, low, high) for kind in ("now", "recent")):
        return None
    if not any(reading.cues.all(kind) for kind in ("self", "self_weak", "hypo", "past")):
        return None
    had = reading.cues.any_between("had", max(low, a.hit.start - 3), a.hit.start)
    if a.person in YOUNG or reading.cues.any_between("first_time", 0, len(reading.tokens)) is not None:
        return None
    if had is None or reading.cues.any_between("urgent_now", 0, len(reading.tokens)) is not None:
        return None
    return had
