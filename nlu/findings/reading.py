"""One message, read: its tokens, the concepts hit and the cue words around them, before any judgement.

Idioms and look-alikes are cancelled here, spelling is mended here. Whether a hit is present, negated or another
person's is decided in :mod:`nlu.findings.assertion`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nlu.findings.lexicon import IDIOM, Knowledge, Language, Payload, Replacements
from nlu.findings.matcher import Match
from nlu.findings.normalise import Normalised, unmask
from nlu.findings.tokens import HARD, Tokens, is_cjk, tokenise

MAX_HITS_PER_CONCEPT = 60
"""More mentions of one concept in one message say nothing new; bounds work on hostile input."""


@dataclass(slots=True)
class Hit:
    """A concept at tokens ``start``..``end`` (exclusive). ``skipped`` tokens were only bridged by a gap; ``named``: by
    a proper name (of a medicine)."""

    id: str
    start: int
    end: int
    attributes: dict[str, str]
    skipped: tuple[int, ...] = ()
    named: bool = False


class CueHit(NamedTuple):
    """A cue of some kind (or a person, for sort ``person``) at tokens ``start``..``end``."""

    kind: str
    start: int
    end: int


@dataclass(slots=True)
class Killed:
    """A hit cancelled by an idiom or look-alike that covers it."""

    id: str
    start: int
    end: int
    by: tuple[int, int]


class Cues:
    """Cue hits by kind, in order of their start, with look-ups by place."""

    def __init__(self, by_kind: Mapping[str, list[CueHit]]) -> None:
        self._by_kind = by_kind
        self._starts = {kind: [h.start for h in found] for kind, found in by_kind.items()}

    def kinds(self, prefix: str) -> Iterator[tuple[str, Sequence[CueHit]]]:
        """Every kind whose name begins with ``prefix``, with its hits."""
        return ((kind, found) for kind, found in self._by_kind.items() if kind.startswith(prefix))

    def all(self, kind: str) -> Sequence[CueHit]:
        """All of one kind."""
        return self._by_kind.get(kind, ())

    def between(self, kind: str, low: int, high: int) -> Sequence[CueHit]:
        """Those of one kind that start at ``low`` <= token < ``high``."""
        starts = self._starts.get(kind)
        if not starts:
            return ()
        return self._by_kind[kind][bisect_left(starts, low) : bisect_left(starts, high)]

    def any_between(self, kind: str, low: int, high: int) -> CueHit | None:
        """The first that starts in the range, or None."""
        found = self.between(kind, low, high)
        return found[0] if found else None

    def last_before(self, kind: str, place: int, count: int) -> Sequence[CueHit]:
        """Up to ``count`` that start at or before ``place``, nearest first."""
        starts = self._starts.get(kind)
        if not starts:
            return ()
        end = bisect_right(starts, place)
        return self._by_kind[kind][max(0, end - count) : end][::-1]


@dataclass(slots=True)
class Reading:
    """Everything found in one message. ``sentences`` are (start, end) token ranges; ``sentence_of`` per token."""

    normalised: Normalised
    tokens: Tokens
    hits: list[Hit] = field(default_factory=list)
    killed: list[Killed] = field(default_factory=list)
    cues: Cues = field(default_factory=lambda: Cues({}))
    persons: list[CueHit] = field(default_factory=list)
    modifiers: list[tuple[str, str, int, int]] = field(default_factory=list)
    sentences: list[tuple[int, int]] = field(default_factory=list)
    sentence_of: list[int] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    light: list[bool] = field(default_factory=list)
    clause_starts: dict[int, list[int]] = field(default_factory=dict)
    years: list[int] = field(default_factory=list)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the original text for a token range."""
        return self.normalised.span(self.tokens.starts[start], self.tokens.ends[end - 1])


def read(text: str, knowledge: Knowledge, codes: Sequence[str]) -> Reading:
    """Read a message with the lexicons of ``codes``."""
    normalised = knowledge.normaliser(text)
    tokens = tokenise(normalised.text)
    languages = [knowledge.languages[c] for c in codes if c in knowledge.languages]
    tokens = _respell(tokens, languages, _held(normalised, tokens), _nouns_with_s(normalised, tokens))
    reading = Reading(normalised, tokens)
    _find_sentences(reading)
    hits: list[tuple[Hit, Payload]] = []
    marks: list[tuple[Payload, Match]] = []
    for language in languages:
        symbols = language.matcher.symbols(tokens.words)
        for place, others in tokens.also.items():
            more = [s for symbol in language.matcher.symbols(others) for s in symbol]
            symbols[place] = tuple(dict.fromkeys((*symbols[place], *more)))
        for match in language.matcher.find(symbols, tokens.breaks):
            payload = language.payloads[match.payload]
            if payload.sort == "concept":
                hit = Hit(
                    payload.name,
                    match.start,
                    match.end,
                    dict(payload.attributes),
                    match.skipped,
                    payload.named,
                )
                hits.append((hit, payload))
            else:
                marks.append((payload, match))
    _settle_hits(reading, hits)
    _settle_cues(reading, marks)
    reading.years = [
        i for i, w in enumerate(tokens.words) if len(w) == 4 and w.isdigit() and "1900" <= w <= "2099"
    ]
    return reading


def _find_sentences(reading: Reading) -> None:
    tokens = reading.tokens
    start = 0
    for i in range(1, len(tokens)):
        if tokens.breaks[i] == HARD:
            reading.sentences.append((start, i))
            start = i
    if len(tokens):
        reading.sentences.append((start, len(tokens)))
    for number, (low, high) in enumerate(reading.sentences):
        reading.sentence_of.extend([number] * (high - low))


def _held(normalised: Normalised, tokens: Tokens) -> frozenset[int]:
    """Where a Latin word was typed longer than it reads ("paaaain"); places as (start of the word in the text)."""
    if normalised.origins is None:
        return frozenset()
    return frozenset(
        start
        for word, start, end in zip(tokens.words, tokens.starts, tokens.ends, strict=True)
        if end - start > 1 and word.isalpha() and word.isascii()
        and (span := normalised.span(start, end))[1] - span[0] > end - start
    )  # fmt: skip


_NO_NOUN = frozenset(
    ["he", "she", "it", "that", "there", "what", "who", "where", "how", "let", "here", "when", "why", "this"]
)


_ONLY_ONE = frozenset(
    ["tongues", "throats", "chests", "heads", "hearts", "faces", "mouths", "skins", "bellys", "stomachs", "tummys",
     "necks", "noses", "pulses", "speeches", "speechs", "brains", "curtains", "cords", "catheters", "fistulas",
     "windpipes", "airways", "breathings", "jaws", "calfs", "temps", "eyesights", "backs", "bellies"]
)  # fmt: skip
"""Nobody has two of them, so that the s is "is" or "has", also where the apostrophe was left out."""
_AFTER_IS = frozenset(
    [
        "gone",
        "been",
        "got",
        "come",
        "coming",
        "stopped",
        "started",
        "turned",
        "stone",
        "stuck",
        "running",
        "wearing",
    ]
)
"""Behind these, "my arms gone cold" is one arm, typed without the apostrophe."""


def _nouns_with_s(normalised: Normalised, tokens: Tokens) -> frozenset[int]:
    """Where a noun was typed with "'s": "my tongue's swelling" speaks of a tongue, not of tongues."""
    text = normalised.text
    return frozenset(
        start
        for word, start, end, following in zip(
            tokens.words, tokens.starts, tokens.ends, [*tokens.words[1:], ""][: len(tokens)], strict=True
        )
        if word in _ONLY_ONE
        or (len(word) > 3 and word[-1] == "s" and following in _AFTER_IS)
        or (len(word) > 2 and text[end - 2 : end] == "'s" and word[:-1] not in _NO_NOUN)
    )


def _respell(
    tokens: Tokens,
    languages: Sequence[Language],
    held: frozenset[int] = frozenset(),
    nouns: frozenset[int] = frozenset(),
) -> Tokens:
    """Mend misspelt Latin words, split run-together ones, join ones typed apart, replace slips of the input
    method. Token places stay those of what was typed."""
    for language in languages:
        if language.replacements:
            tokens = _replace(tokens, language.replacements)
    english = next((lang for lang in languages if lang.code == "en"), None)
    if english is None:
        return tokens
    speller = english.speller
    memo: dict[str, tuple[tuple[str, str] | None, tuple[str, ...]]] = {}
    out = Tokens([], [], [], [], [], [], tokens.tail_asked)
    i, total = 0, len(tokens)
    while i < total:
        word = tokens.words[i]
        end, parts = i + 1, [word]
        if len(word) > 1 and word[0].isalpha() and not is_cjk(word):
            if i + 1 < total and not tokens.breaks[i + 1] and len(word) >= 3:
                whole = speller.joined(word, tokens.words[i + 1])
                if whole is not None:
                    end, parts = i + 2, [whole]
            if end == i + 1:
                if word not in memo:
                    plain = word if word.isascii() else unmask(word)
                    meant = speller.read(plain) or ((plain,) if plain != word else ())
                    memo[word] = (speller.split(plain), meant)
                split, meant = memo[word]
                if tokens.starts[i] in held:
                    shorter = speller.unstretched(word)
                    split, meant = (None, shorter) if shorter else (split, meant)
                if split is not None:
                    parts = list(split)
                elif meant:
                    parts = [meant[0]]
                    out.also[len(out)] = (*meant[1:], word)
                if tokens.starts[i] in nouns and split is None:
                    out.also[len(out)] = (*out.also.get(len(out), ()), word[:-1])
        _copy(out, tokens, i, end, parts)
        i = end
    return out


def _copy(out: Tokens, tokens: Tokens, first: int, end: int, parts: Sequence[str]) -> None:
    """Append ``parts`` standing for the typed tokens ``first``..``end``; several parts share one place."""
    for n, part in enumerate(parts):
        out.words.append(part)
        out.starts.append(tokens.starts[first])
        out.ends.append(tokens.ends[end - 1])
        out.breaks.append(tokens.breaks[first] if n == 0 else 0)
        out.asked.append(tokens.asked[first] if n == 0 else False)
        out.marks.append(tokens.marks[first] if n == 0 else "")


def _replace(tokens: Tokens, table: Replacements) -> Tokens:
    """Replace token sequences ("xiong tong" → 胸 痛, 胸们 → 胸闷); longest first."""
    if table.keys().isdisjoint(tokens.words):
        return tokens
    out = Tokens([], [], [], [], [], [], tokens.tail_asked)
    i = 0
    while i < len(tokens):
        size = 1
        parts: tuple[str, ...] = (tokens.words[i],)
        for typed, meant in table.get(tokens.words[i], ()):
            end = i + len(typed)
            if tuple(tokens.words[i:end]) == typed and not any(tokens.breaks[i + 1 : end]):
                size, parts = len(typed), meant
                break
        _copy(out, tokens, i, i + size, parts)
        i += size
    return out


def _settle_hits(reading: Reading, found: list[tuple[Hit, Payload]]) -> None:
    """Cancel what an idiom covers, and of one concept keep the longest of nested hits."""
    begins: dict[int, set[str]] = {}
    for h, p in found:
        if not p.kill:
            begins.setdefault(h.start, set()).add(h.id)
    # "Had ..2 blood" (a test) is no cover for "had vomiting blood": a concept begins where only a gap matched.
    kills = [
        (h, p)
        for h, p in found
        if p.kill and not any(h.id != IDIOM and begins.get(s, set()) - {h.id} for s in h.skipped)
    ]
    kill_at: dict[int, int] = {}
    for k, _ in kills:
        for place in range(k.start, k.end):
            if k.end > kill_at.get(place, -1):
                kill_at[place] = k.end
    by_concept: dict[str, list[Hit]] = {}
    inner = _inside_names(found, reading.tokens.words)
    for hit, payload in found:
        if payload.kill or id(hit) in inner:
            continue
        killer = _covering(hit, payload, kills, kill_at)
        if killer is None:
            by_concept.setdefault(hit.id, []).append(hit)
        else:
            reading.killed.append(Killed(hit.id, hit.start, hit.end, (killer.start, killer.end)))
    for hits in by_concept.values():
        reading.hits.extend(_outermost(hits)[:MAX_HITS_PER_CONCEPT])
    reading.hits = _whole_words(reading)
    reading.hits.sort(key=lambda h: (h.start, h.end, h.id))
    reading.covered = [False] * len(reading.tokens)
    for hit in reading.hits:
        for place in range(hit.start, hit.end):
            if place not in hit.skipped:
                reading.covered[place] = True


def _inside_names(found: list[tuple[Hit, Payload]], words: Sequence[str]) -> set[int]:
    """Names that are part of a longer one: 泰诺 in 泰诺林, ibuprofen in "ibuprofen gel" are another medicine. And
    hits that cut a name: 吃了秋水仙|碱 is no plant eaten."""
    names = [h for h, p in found if p.named and not p.kill]
    inner = {
        id(h)
        for h in names
        if any(n.start <= h.start and h.end <= n.end and n.end - n.start > h.end - h.start for n in names)
    }
    chinese = [n for n in names if is_cjk(words[n.start])]
    if chinese:
        inner.update(id(h) for h, p in found if not p.named and _cuts(h, chinese))
    return inner


def _cuts(hit: Hit, names: list[Hit]) -> bool:
    """Whether a hit ends inside a name, or begins with a part of one and bridges the rest of it."""
    over = set(hit.skipped)
    return any(
        hit.start < n.start < hit.end < n.end
        or (n.start <= hit.start < n.end < hit.end and not over.isdisjoint(range(n.start, n.end)))
        for n in names
    )


def _whole_words(reading: Reading) -> list[Hit]:
    """Without single Chinese characters that are part of another concept's word: 喘 in 哮喘, 吐 in 吐血."""
    words = reading.tokens.words
    inside: set[int] = set()
    for hit in reading.hits:
        if hit.end - hit.start > 1 and not hit.skipped:
            inside.update(range(hit.start, hit.end))
    return [
        h for h in reading.hits if h.end - h.start > 1 or h.start not in inside or not is_cjk(words[h.start])
    ]


def _covering(
    hit: Hit, payload: Payload, kills: list[tuple[Hit, Payload]], kill_at: Mapping[int, int]
) -> Hit | None:
    """The idiom that covers a hit: longer than it, or as long where it is of the same concept. A look-alike
    written for one domain says nothing of another's: the "hit his head" of abuse leaves head injuries alone."""
    if kill_at.get(hit.start, -1) < hit.end:
        return None
    for k, by in kills:
        if k.start <= hit.start and hit.end <= k.end and by.cancels(payload):
            longer = k.end - k.start > hit.end - hit.start
            if longer or k.id == hit.id or hit.skipped:
                return k
    return None


def _outermost(hits: list[Hit]) -> list[Hit]:
    """Of nested hits of one concept the longest, with the attributes of all."""
    hits.sort(key=lambda h: (h.start, -h.end, len(h.skipped)))
    kept: list[Hit] = []
    for hit in hits:
        if kept and hit.end <= kept[-1].end:
            if len(kept[-1].skipped) <= len(hit.skipped):
                kept[-1].attributes.update(hit.attributes)
                continue
            # A bridged match gives way to an exact one inside it: "pain … chest" around "chest pain".
            hit.attributes.update(kept[-1].attributes)
            kept[-1] = hit
            continue
        kept.append(hit)
    return kept


def _settle_cues(reading: Reading, marks: list[tuple[Payload, Match]]) -> None:
    """Keep a cue unless a pseudo cue ("not only") or the words of a concept ("can't breathe") contain it."""
    total = len(reading.tokens)
    pseudo_end = [0] * total
    reach = [0] * total
    for hit in reading.hits:
        if not hit.skipped:
            reach[hit.start] = max(reach[hit.start], hit.end)
    for payload, match in marks:
        if payload.name == "pseudo":
            if any(reach[p] > match.end for p in range(match.start + 1, match.end)):
                continue  # 没有|尿多 is no 没有尿: a concept begins inside and goes on
            for place in range(match.start, match.end):
                pseudo_end[place] = max(pseudo_end[place], match.end)
    solid = [False] * total
    for hit in reading.hits:
        for place in range(hit.start, hit.end):
            solid[place] = solid[place] or (place not in hit.skipped and hit.id not in _TELL_TIME)
    names = {
        p for h in reading.hits if h.named for p in range(h.start, h.end) if is_cjk(reading.tokens.words[p])
    }
    by_kind: dict[str, list[CueHit]] = {}
    persons: list[CueHit] = []
    reading.light = [False] * total
    for payload, match in marks:
        start, end = match.start, match.end
        if payload.sort == "modifier":
            value = next(iter(payload.attributes.values()))
            if value != "better" or not pseudo_end[start]:  # "not getting better"
                reading.modifiers.append((payload.name, value, start, end))
            continue
        if names and payload.name not in _LIGHT and all(p in names for p in range(start, end)):
            continue  # 他汀 is no 他, 吗氯贝胺 asks nothing
        if payload.name in _LIGHT:
            for place in range(start, end):
                reading.light[place] = True
            if payload.name == "filler":
                continue
        if payload.sort == "person":
            persons.append(CueHit(payload.name, start, end))
        elif payload.name in _YIELDING and (pseudo_end[start] >= end or all(solid[start:end])):
            continue  # "not only", or part of "can't breathe"
        elif payload.name in _YIELDING_TO_CONCEPTS and all(solid[start:end]):
            continue  # 昏过去 is no 过去
        else:
            by_kind.setdefault(payload.name, []).append(CueHit(payload.name, start, end))
    unborn = {p for c in by_kind.get("no_person", ()) for p in range(c.start, c.end)}
    persons = [p for p in _longest(persons) if p.end - 1 not in unborn]
    reading.persons = _without_age_phrases(reading.tokens, persons)
    taken = {p for person in reading.persons for p in range(person.start, person.end)}
    weak = {p for c in by_kind.get("self_weak", ()) for p in range(c.start, c.end)}
    taken |= weak - {c.start + n for c in by_kind.get("self_takes", ()) for n in (0, 1)}
    aside = {p for c in by_kind.get("animal_aside", ()) for p in range(c.start, c.end)}
    by_kind["animal"] = [c for c in by_kind.get("animal", ()) if c.end - 1 not in aside]
    by_kind["self"] = [c for c in by_kind.get("self", ()) if c.start not in taken]
    reading.cues = Cues({kind: _longest(found) for kind, found in by_kind.items()})


_AGE_ENDS = frozenset(["old", "yo", "o"])
_POSSESSIVES = frozenset(["my", "our", "the", "a", "her", "his"])


def _without_age_phrases(tokens: Tokens, persons: list[CueHit]) -> list[CueHit]:
    """ "My son is 5 years old": the age is no second person. "My 5 year old" alone is one."""
    out: list[CueHit] = []
    for i, person in enumerate(persons):
        phrase = tokens.words[person.end - 1] in _AGE_ENDS
        next_to = i + 1 < len(persons) and persons[i + 1].start <= person.end
        if phrase and (next_to or (out and tokens.words[person.start] not in _POSSESSIVES)):
            continue
        out.append(person)
    return out


_YIELDING = frozenset(["neg", "neg_verb", "neg_list", "neg_after", "neg_listed", "answer_no", "resolved"])
_TELL_TIME = frozenset(["past_attempt", "past_abuse"])
"""Concepts whose own words say when: the 以前 of 以前自杀过 dates what else is said there."""
_YIELDING_TO_CONCEPTS = frozenset(["past", "past_weak", "recent", "had", "died"])
_LIGHT = frozenset(["list_or", "list_and", "filler", "neg", "neg_verb"])
"""Words that cost nothing between a negation and what it denies."""


def _longest(hits: list[CueHit]) -> list[CueHit]:
    """Without those that lie inside another."""
    hits.sort(key=lambda h: (h.start, -h.end))
    kept: list[CueHit] = []
    for hit in hits:
        if kept and hit.end <= kept[-1].end:
            continue
        kept.append(hit)
    return kept
