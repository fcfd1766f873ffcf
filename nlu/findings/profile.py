"""What a message says in passing about the people in it: age, sex, pregnancy and its weeks, birth, breast-feeding.

"My 3 week old won't feed" → the baby is 0.06 years old. "I'm 32 weeks pregnant" → pregnant, 32 weeks.
三个月大的宝宝 → 0.25 years. "80yo F" → 80, female. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nlu.findings.numbers import Number
from nlu.findings.reading import CueHit, Reading
from nlu.findings.tokens import SOFT, is_cjk
from nlu.findings.types import Profile

PER_YEAR = {"day": 365.25, "week": 52.18, "month": 12.0, "year": 1.0}
WEEKS_PER_MONTH = 4.345
WORD_AGES: Mapping[str, tuple[float, float]] = {
    "newborn": (0.0, 0.1),
    "baby": (0.0, 2.0),
    "toddler": (1.0, 5.0),
    "child": (0.0, 18.0),
    "mother": (18.0, 200.0),
    "father": (18.0, 200.0),
    "grandmother": (40.0, 200.0),
    "grandfather": (40.0, 200.0),
    "husband": (16.0, 200.0),
    "wife": (16.0, 200.0),
}
"""Age bounds (min inclusive, max exclusive) that a word gives where no age is said."""
WORD_SEX = {
    "mother": "female", "father": "male", "grandmother": "female", "grandfather": "male", "husband": "male",
    "wife": "female", "son": "male", "daughter": "female", "brother": "male", "sister": "female",
}  # fmt: skip
CHILDREN = ("newborn", "baby", "toddler", "child", "son", "daughter")
WOMEN_NOT = frozenset(["newborn", "baby", "toddler", "father", "husband", "son", "brother", "grandfather"])
_SEX_WORDS = frozenset(["male", "female", "man", "woman", "lady", "yr", "yrs"])
_NOT_AN_AGE = frozenset(
    ["weeks", "week", "wks", "wk", "months", "month", "days", "day", "degrees", "c", "kg", "percent", "stone",
     "hours", "minutes", "over", "mmol"]
)  # fmt: skip
MAX_AGE = 120


def profiles(reading: Reading, found: Sequence[Number]) -> tuple[Profile, dict[str, Profile]]:
    """(the writer's profile, other people's by word)."""
    people = {p.kind: _from_word(p.kind) for p in reading.persons if not _reports(reading, p)}
    self_profile = Profile()
    for years, start, end, hint in _ages(reading, found):
        who = _owner(reading, start, end) or (hint if hint in people else None)
        if who is None and hint is not None:
            who = next((p for p in people if p in CHILDREN), hint)
        if who is None and years < 12 and not _first_person(reading, start):
            who = next((p for p in people if p in CHILDREN), "baby" if years < 1 else None)
        if who is None and _of_someone(reading, start):
            who = "other"
        if who is None:
            self_profile = replace(self_profile, age_years=years)
        else:
            people[who] = people.get(who, Profile()).merged(Profile(age_years=years))
    self_profile, people = _pregnancy(reading, found, self_profile, people)
    if self_profile.age_years is not None and self_profile.age_years < 5:
        self_profile = replace(self_profile, pregnant=None, postpartum=None)
    return _sex(reading, self_profile, people), people


def aged_tokens(reading: Reading, found: Sequence[Number]) -> frozenset[int]:
    """Tokens that are part of somebody's age."""
    return frozenset(p for _, start, end, _ in _ages(reading, found) for p in range(start, end))


def _from_word(kind: str) -> Profile:
    low, high = WORD_AGES.get(kind, (None, None))
    return Profile(age_min=low, age_max=high, sex=WORD_SEX.get(kind))


def _reports(reading: Reading, person: CueHit) -> bool:
    return reading.cues.any_between("report", person.end, person.end + 2) is not None


def _ages(reading: Reading, found: Sequence[Number]) -> list[tuple[float, int, int, str | None]]:
    """(years, start, end, the kind of person that the wording alone implies)."""
    out: list[tuple[float, int, int, str | None]] = []
    cues, words = reading.cues, reading.tokens.words
    for number in found:
        n, end = number.value, number.end
        if not 0 <= n <= MAX_AGE:
            continue
        age = cues.any_between("unit_age", end, end + 1)
        months = cues.any_between("unit_month_age", end, end + 1)
        if list(words[end : end + 3]) == ["个", "半", "月"] and n <= 24:
            out.append(((n + 0.5) / 12, number.start, end + 3, "baby"))
            continue
        if age is not None:
            half = 0.5 if words[age.end - 1] in ("半", "多") else 0.0
            out.append((n + half, number.start, age.end, "child" if n < 12 else None))
            continue
        if months is not None and n <= 36:
            out.append((n / 12, number.start, months.end, "baby" if n < 24 else "toddler"))
            continue
        found_unit = _english_age(reading, number)
        if found_unit is not None:
            out.append(found_unit)
            continue
        label = cues.any_between("label_age", max(0, number.start - 2), number.start)
        if (
            label is not None
            and label.end == number.start
            and cues.any_between("unit_mg", end, end + 1) is None
        ):
            out.append((n, number.start, end, None))
            continue
        if _shorthand(words, number) or _apposition(reading, number):
            out.append((n, number.start, end, None))
            continue
        born = _born_ago(reading, number)
        if born is not None:
            out.append(born)
            continue
        for unit, limit in (("month", 24), ("week", 60), ("day", 60)):
            cue = cues.any_between(f"unit_{unit}", end, end + 1)
            if cue is not None and n <= limit and _beside_child(reading, number.start, cue.end, unit):
                out.append((n / PER_YEAR[unit], number.start, cue.end, "baby"))
                break
    out.extend(_spoken_ages(reading))
    return out


def _born_ago(reading: Reading, number: Number) -> tuple[float, int, int, str | None] | None:
    """ "Baby born 10 days ago"; "14 months, temp, just wants to lie on me": months that open a message in which
    nobody says "I" before them are a small child's age."""
    words, breaks = reading.tokens.words, reading.tokens.breaks
    for unit, limit in (("day", 60), ("week", 60), ("month", 30)):
        cue = reading.cues.any_between(f"unit_{unit}", number.end, number.end + 1)
        if cue is None or number.value > limit:
            continue
        after = words[cue.end] if cue.end < len(words) else ""
        before = words[max(0, number.start - 3) : number.start]
        if after == "ago" and "born" in before:
            return number.value / PER_YEAR[unit], number.start, cue.end, "baby"
        opens = number.start == 0 and cue.end < len(words) and breaks[cue.end] >= SOFT
        if unit == "month" and opens and not reading.cues.between("self", 0, cue.end):
            return number.value / PER_YEAR[unit], number.start, cue.end, "baby"
    return None


def _spoken_ages(reading: Reading) -> list[tuple[float, int, int, str | None]]:
    """半岁, 刚满月."""
    words = reading.tokens.words
    out: list[tuple[float, int, int, str | None]] = []
    for i in range(len(words) - 1):
        pair = words[i] + words[i + 1]
        if pair == "半岁":
            out.append((0.5, i, i + 2, "baby"))
        elif pair == "满月" and (i == 0 or words[i - 1] not in ("没", "未")):
            out.append((1 / 12, i, i + 2, "baby"))
    return out


def _english_age(reading: Reading, number: Number) -> tuple[float, int, int, str | None] | None:
    """ "3 week old", "7yo", "45 years old", "6 months of age", "im 34"."""
    for unit, per_year in PER_YEAR.items():
        cue = reading.cues.any_between(f"unit_{unit}", number.end, number.end + 1)
        if cue is None:
            continue
        old = reading.cues.any_between("unit_old", cue.end, cue.end + 1)
        short = reading.tokens.words[cue.start] in ("yo", "y")
        hint = (
            "baby"
            if unit != "year" and number.value / per_year < 2
            else ("child" if number.value < 12 and unit == "year" else None)
        )
        if old is not None or short:
            return number.value / per_year, number.start, old.end if old is not None else cue.end, hint
        after = reading.tokens.words[cue.end] if cue.end < len(reading.tokens) else ""
        if after in (
            "baby",
            "infant",
            "girl",
            "boy",
            "son",
            "daughter",
            "newborn",
            "child",
            "male",
            "female",
            "man",
            "woman",
        ):
            return number.value / per_year, number.start, cue.end, hint
    return None


def _shorthand(words: Sequence[str], number: Number) -> bool:
    """ "im 34", "i am 70", "34f", "she is 80" at the end of a clause."""
    before = words[number.start - 1] if number.start else ""
    two = words[number.start - 2] if number.start > 1 else ""
    after = words[number.end] if number.end < len(words) else ""
    if (
        after in ("f", "m")
        and 10 <= number.value <= 100
        and not number.decimal
        and before not in ("temp", "temperature", "of", "is", "was", "at")
    ):
        return number.value < 86
    if after in _SEX_WORDS and 1 <= number.value <= 110 and not number.decimal:
        return True
    if before in ("男", "女") and 1 <= number.value <= 110 and not number.decimal:
        return after not in ("天", "周", "个", "月", "号", "年")
    said = before in ("im", "hes", "shes") or (
        two in ("i", "he", "she", "mum", "dad", "mom", "son", "daughter", "baby") and before in ("am", "is")
    )
    if not said or number.value > 110 or number.decimal:
        return False
    return after not in _NOT_AN_AGE


def _apposition(reading: Reading, number: Number) -> bool:
    """ "My daughter, 7, has a rash", "my son (4)": a bare number set off right behind a person."""
    tokens = reading.tokens
    set_off = tokens.marks[number.start][:1] in (",", "(") and (
        number.end >= len(tokens) or tokens.marks[number.end][:1] in (",", ")", ".", "\n")
    )
    beside = not number.decimal and any(p.end == number.start for p in reading.persons)
    return beside and (set_off or _bare_years(reading, number))


YOUNGEST_BARE = 18


def _bare_years(reading: Reading, number: Number) -> bool:
    """我爸71了，我妈68，…: a number of years right behind a person, with nothing that it could count."""
    words, breaks = reading.tokens.words, reading.tokens.breaks
    if not is_cjk(words[number.start - 1]) or not YOUNGEST_BARE <= number.value <= MAX_AGE:
        return False
    end = number.end + 1 if words[number.end : number.end + 1] == ["了"] else number.end
    return end >= len(words) or breaks[end] >= SOFT


_BEFORE_SPAN = frozenset(["了", "过", "着", "有", "近", "第", "快"])
"""烧了三天的小孩 is no child of three days."""
FEVER_LOW, FEVER_HIGH = 36.0, 42.0
"""A bare number in this range right behind 四个月 is a temperature, and the months an age."""


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()


_BEFORE_AGE = frozenset(["is", "hes", "shes", "only", "just", "now", "about", "nearly", "almost"])
_NO_AGE_AFTER = frozenset(["ago", "late", "overdue", "early", "behind", "after", "pregnant", "along", "gone"])


def _beside_child(reading: Reading, start: int, end: int, unit: str) -> bool:
    """宝宝两个月, 五周的宝宝, 才十天大: an age, not 宝宝咳嗽两个月."""
    words = reading.tokens.words
    if reading.cues.any_between("pregnant", max(0, start - 5), end + 3) is not None:
        return False
    before = words[start - 1] if start else ""
    after = words[end] if end < len(words) else ""
    chinese = any("\u4e00" <= w <= "\u9fff" for w in (before, after, words[start], words[end - 1]))
    young = [p for p in reading.persons if p.kind in CHILDREN]
    if not chinese:  # "my baby is 2 months and …", "hes only 5 weeks"
        low = reading.sentences[reading.sentence_of[start]][0]
        told = before in _BEFORE_AGE and after not in _NOT_AN_AGE and after not in _NO_AGE_AFTER
        third = before in ("hes", "shes") or (start > 1 and words[start - 2] in ("he", "she"))
        return told and (third or any(low <= p.start and start - 4 <= p.end <= start for p in young))
    if after == "大" or (start > 1 and words[start - 2] + before in ("出生", "生下", "下来")):
        return True
    if any(end <= p.start <= end + 1 for p in young) and after != "没" and before not in _BEFORE_SPAN:
        return True
    hot = _is_number(after) and FEVER_LOW <= float(after) <= FEVER_HIGH
    if unit == "month" and hot and start == reading.sentences[reading.sentence_of[start]][0]:
        return True  # 四个月39.2
    closed = not after or reading.tokens.breaks[end] >= SOFT or after in ("的", "大")
    if unit != "month" and closed and any(p.end == start for p in young):
        return True  # 女儿五周，今晚…
    leading = any(start - 2 <= p.end <= start for p in young)
    return unit == "month" and leading and after not in ("前", "以", "了", "没")


def _owner(reading: Reading, start: int, end: int) -> str | None:
    """The person next to an age in its sentence: "my 3 week old son", "my mum, 82"; None: the writer."""
    low, high = reading.sentences[reading.sentence_of[start]]
    inside = [p for p in reading.persons if p.start < end and start < p.end and not _reports(reading, p)]
    if inside:
        return inside[0].kind
    after = [p for p in reading.persons if end <= p.start <= end + 2 and p.start < high]
    if after and (after[0].start == end or reading.tokens.breaks[after[0].start] < SOFT):
        return after[0].kind
    before = [p for p in reading.persons if low <= p.start < start and not _reports(reading, p)]
    own = [c for c in reading.cues.between("self", low, start)]
    if before and (not own or own[-1].start < before[-1].start):
        return before[-1].kind
    if own:
        return None
    third = reading.cues.between("they", low, start)
    earlier = [p for p in reading.persons if p.start < start and not _reports(reading, p)]
    if third and earlier:
        return earlier[-1].kind
    if earlier and not reading.cues.between("self", earlier[-1].end, start):
        return earlier[-1].kind
    return None


def _of_someone(reading: Reading, start: int) -> bool:
    """ "He's 70", "she is 34": of somebody whom no other word names."""
    words = reading.tokens.words
    return (start > 0 and words[start - 1] in ("hes", "shes")) or (
        start > 1 and words[start - 2] in ("he", "she") and words[start - 1] == "is"
    )


def _first_person(reading: Reading, start: int) -> bool:
    words = reading.tokens.words
    return (start > 0 and words[start - 1] in ("im", "i", "am", "我")) or (
        start > 1 and words[start - 2] in ("im", "i", "我")
    )


def _pregnancy(
    reading: Reading, found: Sequence[Number], own: Profile, people: dict[str, Profile]
) -> tuple[Profile, dict[str, Profile]]:
    cues = reading.cues
    ruled_out = {p for c in cues.all("not_pregnant") for p in range(c.start, c.end)}
    denied = bool(ruled_out) and any(
        reading.tokens.words[c.start] in ("not", "isnt", "没", "未", "不", "negative", "arent", "cant")
        for c in cues.all("not_pregnant")
    )
    for cue in cues.all("pregnant"):
        if cue.start in ruled_out or _negated(reading, cue):
            continue
        weeks = _weeks(reading, found, cue)
        own, people = _give(
            reading, cue, own, people, Profile(pregnant=True, gestation_weeks=weeks, sex="female")
        )
    if denied and own.pregnant is None:
        own = replace(own, pregnant=False)
    if own.pregnant is None and not any(p.kind in ("baby", "newborn") for p in reading.persons):
        weeks = next((n.value for n in found if _told_in_weeks(reading, n)), None)
        if weeks is not None:
            own = own.merged(Profile(pregnant=True, gestation_weeks=weeks, sex="female"))
    for name in ("postpartum", "breastfeeding"):
        for cue in cues.all(name):
            if not _negated(reading, cue):
                fact = Profile(postpartum=True, sex="female", pregnant=False) if name == "postpartum" else Profile(
                    breastfeeding=True, sex="female"
                )  # fmt: skip
                own, people = _give(reading, cue, own, people, fact)
    return own, people


def _told_in_weeks(reading: Reading, number: Number) -> bool:
    """ "I'm 9 weeks with …", "32 weeks, …", 31周，…: how pregnant women give their dates. "3 weeks and still
    coughing" is none: a bare number of weeks has to be one that only a pregnancy is counted in."""
    week = reading.cues.any_between("unit_week", number.end, number.end + 1)
    words, breaks = reading.tokens.words, reading.tokens.breaks
    if week is None or number.decimal or not 4 <= number.value <= 42:
        return False
    after = words[week.end] if week.end < len(words) else ""
    closed = not after or breaks[week.end] >= SOFT or after in _AFTER_DATES
    before = words[number.start - 1] if number.start else ""
    mine = before in ("im", "am", "me")
    low = reading.sentences[reading.sentence_of[number.start]][0]
    opens = number.start == low or breaks[number.start] >= SOFT or before in _BEFORE_DATES
    return closed and (mine or (opens and number.value >= MIN_BARE_WEEKS))


MIN_BARE_WEEKS = 20
_BEFORE_DATES = frozenset(
    ["at", "only", "nearly", "almost", "just", "currently", "now", "才", "刚", "现", "满", "孕"]
)
_AFTER_DATES = frozenset(["and", "with", "now", "today", "tomorrow", "but", "along", "gone"])


def _negated(reading: Reading, cue: CueHit) -> bool:
    low = reading.sentences[reading.sentence_of[cue.start]][0]
    near = [
        c
        for kind in ("neg", "neg_verb")
        for c in reading.cues.between(kind, max(low, cue.start - 3), cue.start)
        if not any(b >= SOFT for b in reading.tokens.breaks[c.end : cue.start + 1])
    ]
    breaks = reading.tokens.breaks
    near = [
        c for c in near if not any(b >= SOFT for b in breaks[c.end : cue.start + 1])
    ]  # 没什么，产后第五天
    stops = reading.cues.between("stop", max(low, cue.start - 3), cue.start)
    return any(not any(s.start >= c.end for s in stops) for c in near) or (
        reading.cues.any_between("hypo", max(low, cue.start - 6), cue.start) is not None
    )


def _give(
    reading: Reading, cue: CueHit, own: Profile, people: dict[str, Profile], fact: Profile
) -> tuple[Profile, dict[str, Profile]]:
    """To the woman named nearest before in the sentence, else to the writer."""
    low = reading.sentences[reading.sentence_of[cue.start]][0]
    women = [p for p in reading.persons if low <= p.start < cue.start and p.kind not in WOMEN_NOT]
    mine = reading.cues.between("self", women[-1].end if women else low, cue.start)
    if women and not mine and not _reports(reading, women[-1]):
        who = women[-1].kind
        return own, {**people, who: people.get(who, Profile()).merged(fact)}
    return own.merged(fact), people


def _weeks(reading: Reading, found: Sequence[Number], cue: CueHit) -> float | None:
    low, high = reading.sentences[reading.sentence_of[cue.start]]
    for number in found:
        if not (max(low, cue.start - 5) <= number.start < min(high, cue.end + 4)):
            continue
        week = reading.cues.any_between("unit_week", number.end, number.end + 1)
        month = reading.cues.any_between("unit_month", number.end, number.end + 1)
        if week is not None and 1 <= number.value <= 43:
            return number.value
        if month is not None and 1 <= number.value <= 10:
            return round(number.value * WEEKS_PER_MONTH, 1)
    return None


def _sex(reading: Reading, own: Profile, people: dict[str, Profile]) -> Profile:
    if own.sex is not None or people:
        return own
    female, male = reading.cues.all("sex_female"), reading.cues.all("sex_male")
    if bool(female) == bool(male):
        return own
    return replace(own, sex="female" if female else "male")
