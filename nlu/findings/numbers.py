"""Numbers with what they measure: temperature, blood pressure, pulse, oxygen, breathing rate, glucose and more.

"38.5", 三十八度五, "101F", "bp 190 over 110", 血压一百八: a value counts only with a fitting unit, name and range.
Room 38, a date, a phone number, 170/65 of height and weight are not signs of life. Units come out as C, mmHg,
per minute, percent, mmol/L, kg, weeks. The words around numbers are data (``_numbers.yml``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from nlu.findings.reading import CueHit, Reading
from nlu.findings.tokens import SOFT, Tokens, is_cjk

_UNITS = {
    w: n
    for n, w in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
    )
}  # fmt: skip
_TENS = {
    w: 10 * n
    for n, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_CN_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2, "○": 0}
_CN_SCALES = {"十": 10, "百": 100, "千": 1000}
_STARTS = frozenset([*_UNITS, *_TENS, *_CN_DIGITS, *_CN_SCALES, "hundred", "a"])
MAX_NUMBERS = 400
"""More numbers in one message are not vital signs; bounds the work."""

PLAUSIBLE: dict[str, tuple[float, float]] = {
    "temperature": (30.0, 45.0),
    "systolic": (60, 300),
    "diastolic": (25, 200),
    "pulse": (25, 250),
    "spo2": (50, 100),
    "resp_rate": (4, 90),
    "glucose": (0.5, 60),
    "ketones": (0.0, 20),
    "potassium": (1.5, 10),
    "inr": (0.8, 20),
    "peak_flow_percent": (5, 120),
    "weight": (0.4, 350),
    "gestation_weeks": (3, 43),
    "doses": (1, 500),
}
"""Ranges outside which a number is something else (temperature: facts/red_flags.yaml, vitals)."""
UNIT = {
    "temperature": "C", "systolic": "mmHg", "diastolic": "mmHg", "pulse": "/min", "spo2": "%", "resp_rate": "/min",
    "glucose": "mmol/L", "ketones": "mmol/L", "potassium": "mmol/L", "inr": "", "peak_flow_percent": "%",
    "weight": "kg", "gestation_weeks": "weeks", "doses": "doses",
}  # fmt: skip
FAHRENHEIT = (86.0, 113.0)
MGDL_ABOVE = 33.0
MMOL_TO_CHINESE = 60.0
"""A bare sugar is mg/dL above this. Meters in China show mmol/L up to 33.3 and people report "34" beyond it."""
MGDL_PER_MMOL = 18.016
LABEL_REACH = 6
"""Tokens between the name of a measure and its number ("my temp this morning was 38.5")."""
LONGEST_NAME = 6
FAHRENHEIT_LABELLED = (95.0, 110.0)


@dataclass(frozen=True, slots=True)
class Number:
    """A number at tokens ``start``..``end``; ``decimal``: written with a decimal part."""

    value: float
    start: int
    end: int
    decimal: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its meaning; ``start``..``end`` cover number, unit and partner."""

    id: str
    value: float
    start: int
    end: int


def numbers(tokens: Tokens) -> list[Number]:
    """All numbers in digits, English words and Chinese characters, in order."""
    out: list[Number] = []
    i = 0
    words, total = tokens.words, len(tokens)
    while i < total and len(out) < MAX_NUMBERS:
        word = words[i]
        if word not in _STARTS and not "0" <= word[0] <= "9":
            i += 1
            continue
        found: Number | None = None
        if word[0].isdigit() and word.isascii():
            found = _digits(tokens, i)
        elif word in _CN_DIGITS or word in _CN_SCALES:
            found = _chinese(tokens, i)
        elif word in _UNITS or word in _TENS or word in ("hundred", "a"):
            found = _english(tokens, i)
        if found is None:
            i += 1
        else:
            out.append(found)
            i = found.end
    return out


def _digits(tokens: Tokens, i: int) -> Number | None:
    word = tokens.words[i]
    try:
        value = float(word)
    except ValueError:
        return None
    if len(word) > 7:
        return Number(-1.0, i, i + 1)
    end = i + 1
    words = tokens.words
    if end + 1 < len(words) and words[end] in ("度", "点") and "." not in word:
        tail = words[end + 1]
        fraction = 5 if tail == "半" else _CN_DIGITS.get(tail)
        if fraction is None and tail.isdigit() and len(tail) == 1:
            fraction = int(tail)
        if fraction is not None and (
            words[end] == "度" or end + 2 >= len(words) or words[end + 2] not in ("分", "钟")
        ):
            return Number(value + fraction / 10, i, end + 2, True)
    return Number(value, i, end, "." in word)


def _chinese(tokens: Tokens, i: int) -> Number | None:
    """三十八度五, 一百八 (180), 一百零二, 九十, 三八点五."""
    words = tokens.words
    total, digit, scale, end, seen, zero = 0.0, -1, 1, i, False, False
    plain: list[int] = []
    while end < len(words) and (end == i or not tokens.breaks[end]):
        word = words[end]
        if word in _CN_DIGITS:
            plain.append(_CN_DIGITS[word])
            zero = zero or _CN_DIGITS[word] == 0
            digit = _CN_DIGITS[word]
        elif word in _CN_SCALES:
            scale = _CN_SCALES[word]
            total += (digit if digit >= 0 else 1) * scale
            digit, seen, zero = -1, True, False
        else:
            break
        end += 1
    if seen:
        if digit >= 0:
            total += digit * (scale // 10 if scale >= 100 and not zero else 1)
    else:
        total = float(int("".join(map(str, plain)))) if len(plain) <= 6 else -1.0
    decimal = False
    if end + 1 < len(words) and words[end] in ("度", "点"):
        tail = words[end + 1]
        fraction = (
            5
            if tail == "半"
            else _CN_DIGITS.get(tail, int(tail) if tail.isdigit() and len(tail) == 1 else -1)
        )
        after = words[end + 2] if end + 2 < len(words) else ""
        if fraction >= 0 and (words[end] == "度" or after not in ("分", "钟")):
            total, end, decimal = total + fraction / 10, end + 2, True
    return Number(total, i, end, decimal)


def _english(tokens: Tokens, i: int) -> Number | None:
    """ "thirty eight point five", "a hundred and three", "one oh one"."""
    words = tokens.words
    value, end, any_word, decimal = 0, i, False, False
    last_unit = False
    while end < len(words) and (end == i or tokens.breaks[end] < SOFT):
        word = words[end]
        if word in _TENS:
            value, any_word, last_unit = (
                (value if value % 100 == 0 else value * 100) + _TENS[word],
                True,
                False,
            )
        elif word in _UNITS:
            if last_unit and _UNITS[word] >= 10:
                value = value * 100 + _UNITS[word]
            elif last_unit:
                break
            else:
                value += _UNITS[word]
            any_word, last_unit = True, _UNITS[word] < 20
        elif word == "hundred" and (any_word or end > i):
            value, any_word, last_unit = max(value, 1) * 100, True, False
        elif word == "a" and end == i and end + 1 < len(words) and words[end + 1] == "hundred":
            value = 1
        elif word in ("oh", "o") and last_unit and end + 1 < len(words) and words[end + 1] in _UNITS:
            value, end, last_unit = value * 100 + _UNITS[words[end + 1]], end + 1, False
        elif (
            word == "and"
            and value >= 100
            and end + 1 < len(words)
            and (words[end + 1] in _UNITS or words[end + 1] in _TENS)
        ):
            last_unit = False
        else:
            break
        end += 1
    if not any_word:
        return None
    result = float(value)
    if end + 1 < len(words) and words[end] == "point" and words[end + 1] in _UNITS:
        result, end, decimal = result + _UNITS[words[end + 1]] / 10, end + 2, True
    elif end + 3 < len(words) and words[end : end + 3] == ["and", "a", "half"]:
        result, end = result + 0.5, end + 3
    return Number(result, i, end, decimal)


def measure(
    reading: Reading,
    found: Sequence[Number],
    asked: frozenset[str] = frozenset(),
    aged: frozenset[int] = frozenset(),
) -> list[Measured]:
    """The vital signs and other values among ``found``. ``asked``: measures that the assistant just asked for;
    ``aged``: tokens that are somebody's age."""
    out: list[Measured] = []
    used: set[int] = set()
    around = _Around(reading)
    for i, number in enumerate(found):
        if i in used or number.value < 0 or number.start in aged:
            continue
        paired = i + 1 < len(found) and found[i + 1].start - number.end <= 3
        if not (paired or number.decimal or asked or around.near(number)):
            continue
        context = _Context(reading, number, asked, around)
        pair = _pair(reading, found, i)
        if pair is not None and context.is_pressure(pair):
            used.add(i + 1)
            out.append(Measured("systolic", number.value, number.start, pair.end))
            out.append(Measured("diastolic", pair.value, number.start, pair.end))
            continue
        for name, value, end in context.readings():
            low, high = PLAUSIBLE[name]
            if low <= value <= high:
                out.append(Measured(name, round(value, 2), number.start, end))
                break
    out.extend(_peak_flow(reading, found))
    return out


def _pair(reading: Reading, found: Sequence[Number], i: int) -> Number | None:
    """The number after "/" or "over" ("190/110", "190 over 110", 190比110)."""
    if i + 1 >= len(found):
        return None
    number, nxt = found[i], found[i + 1]
    between = reading.tokens.words[number.end : nxt.start]
    mark = reading.tokens.marks[nxt.start]
    if not between and (mark in ("/", "|") or mark == "-"):
        return nxt
    if (len(between) == 1 and between[0] in ("over", "on", "by", "比", "和", "到", "upon")) or between in (
        ["和", "低", "压"],
    ):
        return nxt
    return None


_BODY_PLACES = frozenset(["armpit", "arm", "ear", "forehead", "rectal", "mouth", "tongue", "bum"])
"""Where a temperature is taken: "like a hot water bottle, 38.1 under the arm" is no bath."""


class _Around:
    """Units by the token where they begin, and names of measures in order; looked up once per message."""

    def __init__(self, reading: Reading) -> None:
        self.units: dict[int, dict[str, CueHit]] = {}
        for kind, cues in reading.cues.kinds("unit_"):
            for cue in cues:
                self.units.setdefault(cue.start, {})[kind[5:]] = cue
        labels = [(c.start, c.end, kind[6:]) for kind, cues in reading.cues.kinds("label_") for c in cues]
        self.labels = sorted(x for x in labels if x[2] in _MEASURES)
        self._starts = [x[0] for x in self.labels]

    def before(self, low: int, high: int) -> Sequence[tuple[int, int, str]]:
        """Names that begin at ``low`` <= token < ``high``."""
        return self.labels[bisect_left(self._starts, low) : bisect_left(self._starts, high)]

    def naming(self, low: int, place: int) -> Sequence[tuple[int, int, str]]:
        """Names shortly before ``place``; a long name (血氧饱和度) counts from its end."""
        near = self.before(max(low, place - LABEL_REACH - LONGEST_NAME), place)
        return [x for x in near if x[0] >= place - LABEL_REACH or x[1] > place - LABEL_REACH]

    def near(self, number: Number) -> bool:
        """Whether any unit or name stands close enough to give the number a meaning."""
        return any(p in self.units for p in range(number.end, number.end + 3)) or bool(
            self.naming(0, number.start) or self.before(number.start, number.end + 4)
        )


_NO_UNITS: dict[str, CueHit] = {}
_MEASURES = frozenset(
    ["temperature", "systolic", "diastolic", "bp", "pulse", "spo2", "resp_rate", "glucose", "ketones", "potassium",
     "inr", "peak_flow", "weight"]
)  # fmt: skip


class _Context:
    """The words around one number."""

    def __init__(self, reading: Reading, number: Number, asked: frozenset[str], around: _Around) -> None:
        self.r = reading
        self.around = around
        self.n = number
        self.asked = asked
        self.low, self.high = reading.sentences[reading.sentence_of[number.start]]

    def _chinese(self) -> bool:
        """Whether the word before the number is Chinese."""
        return self.n.start > 0 and is_cjk(self.r.tokens.words[self.n.start - 1])

    def unit(self, kind: str, gap: int = 0) -> CueHit | None:
        """A unit right after the number."""
        for place in range(self.n.end, min(self.high, self.n.end + gap + 1)):
            if "," in self.r.tokens.marks[place]:
                return None  # 血糖2.6，人昏倒了: no people are counted
            cue = self.around.units.get(place, _NO_UNITS).get(kind)
            if cue is not None:
                tokens = self.r.tokens
                apart = tokens.starts[place] > tokens.ends[self.n.end - 1]
                if apart and kind == "other" and is_cjk(tokens.words[place]):
                    return None  # 血氧88 人很喘: no people are counted
                return cue
        return None

    def label(self, kind: str, reach: int = LABEL_REACH) -> bool:
        """The name of a measure shortly before the number, with no other number's unit between."""
        low = max(self.low, self.n.start - reach)
        cue = self.r.cues.any_between(f"label_{kind}", low, self.n.start)
        return cue is not None

    def after_label(self, kind: str) -> bool:
        """The name right behind: "88% oxygen", "140 heart rate"."""
        end = self.n.end + (4 if kind == "temperature" else 3)  # "33.9 on the ear thermometer"
        return self.r.cues.any_between(f"label_{kind}", self.n.end, min(self.high, end)) is not None

    def nearest_label(self) -> str | None:
        """Which measure was named last before the number."""
        near = self.around.naming(self.low, self.n.start)
        return max(near, key=lambda x: (x[1], -x[0]))[2] if near else None

    def lookalike(self) -> bool:
        """Room 38, bus 120, 38 years, 38 people, 150 mg, 8:38."""
        cues = self.r.cues
        if self.n.start and self.r.tokens.words[self.n.start - 1] == "乱":
            return True  # 乱七八糟 counts nothing
        before = any(
            c.end in (self.n.start, self.n.start - 1)
            for c in cues.between("lookalike_before", max(self.low, self.n.start - 5), self.n.start)
        )
        after = any(
            self.unit(kind) is not None
            for kind in (
                "other",
                "minute",
                "hour",
                "day",
                "week",
                "month",
                "year",
                "age",
                "month_age",
                "mg",
                "old",
            )
        )
        mark = self.r.tokens.marks[self.n.start]
        if after and self.n.decimal and self.r.tokens.words[self.n.end] == "人":
            after = False  # 血糖2.6 人昏过去了: no people are counted in tenths
        return before or after or "/" in mark or (":" in mark and self._clock())

    def _clock(self) -> bool:
        previous = self.r.tokens.words[self.n.start - 1] if self.n.start else ""
        return (
            previous.isdigit()
            and self.r.tokens.ends[self.n.start - 1] + 1 == self.r.tokens.starts[self.n.start]
        )

    def is_pressure(self, low: Number) -> bool:
        """ "190/110" and not 12/10, 170/65 of height and weight, or a score."""
        systolic, diastolic = self.n.value, low.value
        labelled = self.label("bp") or self.label("systolic") or "bp" in self.asked
        s_low, s_high = PLAUSIBLE["systolic"]
        d_low, d_high = PLAUSIBLE["diastolic"]
        if not (s_low <= systolic <= s_high and d_low <= diastolic <= d_high and systolic > diastolic):
            return False
        if labelled:
            return True
        near = self.r.cues.any_between("label_weight", max(0, self.n.start - 6), min(self.high, low.end + 5))
        tall = self.r.cues.any_between("lookalike_before", max(0, self.n.start - 5), self.n.start)
        return (
            near is None
            and tall is None
            and systolic >= 80
            and diastolic >= 40
            and systolic - diastolic >= 10
            and (self.r.cues.any_between("unit_other", low.end, low.end + 1) is None)
        )

    def readings(self) -> list[tuple[str, float, int]]:
        """What the number may be, best first: (measure, value in our unit, end token)."""
        label = self.nearest_label()
        out: list[tuple[str, float, int]] = []
        out += self._temperature(label)
        out += self._sugar(label)
        out += self._rates(label)
        out += self._pressure(label)
        out += self._rest(label)
        return out

    def _temperature(self, label: str | None) -> list[tuple[str, float, int]]:
        value, end = self.n.value, self.n.end
        near_weather = self.r.cues.any_between(
            "weather", max(self.low, self.n.start - 6), min(self.high, self.n.end + 6)
        )
        on_body = not _BODY_PLACES.isdisjoint(self.r.tokens.words[self.n.start : end + 5])
        if near_weather is not None and label != "temperature" and not on_body:
            return []
        celsius, fahrenheit = self.unit("c"), self.unit("f")
        if fahrenheit is not None and FAHRENHEIT[0] <= value <= FAHRENHEIT[1]:
            return [("temperature", (value - 32) * 5 / 9, fahrenheit.end)]
        if celsius is not None:
            return [("temperature", value, celsius.end)]
        degree = self.unit("degree")
        chinese_degree = self.n.decimal and "度" in self.r.tokens.words[self.n.start : self.n.end]
        if degree is not None or chinese_degree:
            return self._guess(value, degree.end if degree else end)
        if self.lookalike() or any(self.unit(u) for u in ("percent", "bpm", "breaths", "mmol", "mgdl", "kg", "lb",
                                                          "stone", "jin", "tablet", "puff", "times")):  # fmt: skip
            return []
        if label == "temperature" or "temperature" in self.asked or (
            label is None and (self.after_label("temperature"))
        ):  # fmt: skip
            if FAHRENHEIT_LABELLED[0] <= value <= FAHRENHEIT_LABELLED[1]:
                return self._guess(value, end)
            return [("temperature", value, end)] if (30 if self.n.decimal else 34) <= value <= 43 else []
        if label is None and self.n.decimal and 37.2 <= value <= 42.5:
            return [("temperature", value, end)]
        return []

    def _guess(self, value: float, end: int) -> list[tuple[str, float, int]]:
        """C or F by the range."""
        if FAHRENHEIT[0] <= value <= FAHRENHEIT[1]:
            return [("temperature", (value - 32) * 5 / 9, end)]
        return [("temperature", value, end)]

    def _sugar(self, label: str | None) -> list[tuple[str, float, int]]:
        value = self.n.value
        mmol, mgdl = self.unit("mmol"), self.unit("mgdl")
        end = (mmol or mgdl).end if (mmol or mgdl) else self.n.end  # type: ignore[union-attr]
        if label in ("ketones", "potassium"):
            return [] if self.lookalike() else [(label, value, end)]
        if label == "glucose" or "glucose" in self.asked or (self.after_label("glucose") and label is None):
            if mgdl is None and mmol is None and (self.lookalike() or self.unit("percent")):
                return []
            unsaid = MMOL_TO_CHINESE if self._chinese() else MGDL_ABOVE
            in_mg = mgdl is not None or (mmol is None and value > unsaid)
            return [("glucose", value / MGDL_PER_MMOL if in_mg else value, end)]
        return []

    def _rates(self, label: str | None) -> list[tuple[str, float, int]]:
        value, out = self.n.value, []
        percent = self.unit("percent")
        before = self.r.cues.between("percent_before", max(self.low, self.n.start - 3), self.n.start)
        is_percent = percent is not None or any(c.end == self.n.start for c in before)
        end = percent.end if percent is not None else self.n.end
        oxygen = label == "spo2" or "spo2" in self.asked or (self.after_label("spo2") and label is None)
        if oxygen and not self.lookalike():
            out.append(("spo2", value, end))
        if is_percent:
            return out
        breaths, beats = self.unit("breaths"), self.unit("bpm")
        named = label == "resp_rate" or (
            breaths is not None and label is None and (self._english_breaths(breaths) or self._breathing())
        )
        if not named and self._beside_vitals():
            return [*out, ("resp_rate", value, end)]
        if named and (not self.lookalike() or breaths is not None):
            out.append(("resp_rate", value, breaths.end if breaths else end))
        if (
            label == "pulse"
            or "pulse" in self.asked
            or (beats is not None and label is None and self._beats(beats))
        ):
            if not self.lookalike() or beats is not None:
                out.append(("pulse", value, beats.end if beats else end))
        elif self.after_label("pulse") and label is None and not self.lookalike():
            out.append(("pulse", value, end))
        return out

    def _breathing(self) -> bool:
        """ "Breathing 40 times a minute", 呼吸30次: a bare word that needs its unit ("trouble breathing, 45 years")."""
        low = max(self.low, self.n.start - 4)
        return self.r.cues.any_between("label_breathing", low, self.n.start) is not None

    def _beside_vitals(self) -> bool:
        """体温39.4 心率132 呼吸28: the bare word right before the number, in a row of other values."""
        right_before = self.r.cues.any_between(
            "label_breathing", max(self.low, self.n.start - 2), self.n.start
        )
        others = self.around.before(max(0, self.n.start - 20), self.n.start)
        return right_before is not None and right_before.end == self.n.start and bool(others)

    def _english_breaths(self, unit: CueHit) -> bool:
        return self.r.tokens.words[unit.start].startswith("breath")

    def _beats(self, unit: CueHit) -> bool:
        return self.r.tokens.words[unit.start] in ("bpm", "bpms", "beats", "b")

    def _pressure(self, label: str | None) -> list[tuple[str, float, int]]:
        if self.lookalike() or self.unit("percent") is not None:
            return []
        if label == "systolic" or label == "bp":
            return [("systolic", self.n.value, self.n.end)]
        if label == "diastolic":
            return [("diastolic", self.n.value, self.n.end)]
        return []

    def _rest(self, label: str | None) -> list[tuple[str, float, int]]:
        value = self.n.value
        out: list[tuple[str, float, int]] = []
        if label == "inr" and not self.lookalike():
            out.append(("inr", value, self.n.end))
        for unit, factor in (("kg", 1.0), ("lb", 0.4536), ("stone", 6.35), ("jin", 0.5)):
            cue = self.unit(unit)
            if cue is not None:
                out.append(("weight", value * factor, cue.end))
        for unit in ("tablet", "puff"):
            cue = self.unit(unit, gap=2)
            if cue is not None and value == int(value):
                out.append(("doses", value, cue.end))
        return out


PEAK_FLOW_REACH, LOWEST_PEAK_FLOW = 24, 40
"""Tokens from the name of the measure to the second value; litres a minute below which no adult or child blows."""


def _peak_flow(reading: Reading, found: Sequence[Number]) -> list[Measured]:
    """ "Peak flow 40%", "peak flow 180, my best is 450" → 40 percent of best."""
    out: list[Measured] = []
    for label in reading.cues.all("label_peak_flow"):
        low, high = reading.sentences[reading.sentence_of[label.start]]
        near = [n for n in found if label.end <= n.start < min(high, label.end + 12)]
        if len(near) == 1:  # "Peak flow is normally 480. The best of four today is 210."
            later = (n for n in found if high <= n.start < label.end + PEAK_FLOW_REACH)
            near += [n for n in later if n.value >= LOWEST_PEAK_FLOW][:1]
        if not near:
            continue
        first = near[0]
        percent = reading.cues.any_between("unit_percent", first.end, first.end + 1) or next(
            (c for c in reading.cues.between("percent_before", max(low, first.start - 3), first.start)), None
        )
        if percent is not None:
            out.append(Measured("peak_flow_percent", first.value, first.start, first.end))
        elif (
            len(near) > 1
            and reading.cues.any_between("label_best", label.end, near[1].end + 3)
            and near[1].value >= LOWEST_PEAK_FLOW
            and near[1].value > 0
        ):
            blown, best = first, near[1]
            if reading.cues.any_between("label_best", label.end, first.start) and first.value > best.value:
                blown, best = best, first  # "usually 420, today 150"
            share = round(100 * blown.value / best.value, 1)
            out.append(Measured("peak_flow_percent", share, first.start, near[1].end))
    return [
        m for m in out if PLAUSIBLE["peak_flow_percent"][0] <= m.value <= PLAUSIBLE["peak_flow_percent"][1]
    ]


HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0, "month": 730.0, "year": 8760.0}


def durations(
    reading: Reading, found: Sequence[Number], aged: frozenset[int] = frozenset()
) -> list[tuple[float, int, int]]:
    """ "for 3 days", "20 minutes", 两天, 半小时 → (hours, start token, end token). Ages, "5 days ago" and weeks of
    pregnancy are not durations, nor are tokens in ``aged``, which :mod:`profile` read as an age."""
    out: list[tuple[float, int, int]] = []
    cues = reading.cues
    for unit, hours in HOURS.items():
        for cue in cues.all(f"unit_{unit}"):
            number = next((n for n in found if n.end == cue.start), None)
            value = number.value if number is not None else _vague(reading, cue)
            if value is None or not 0 <= value < 1000 or _is_age(reading, cue) or cue.start in aged:
                continue
            start = number.start if number is not None else max(0, cue.start - 1)
            if cues.any_between("pregnant", max(0, start - 4), cue.end + 3) is not None and unit in (
                "week",
                "month",
            ):
                continue
            out.append((value * hours, start, cue.end))
    return out


def _vague(reading: Reading, cue: CueHit) -> float | None:
    """ "a day", "half an hour", "a few days", 半小时, 好几天."""
    words = reading.tokens.words
    before = words[cue.start - 1] if cue.start else ""
    two = words[cue.start - 2] if cue.start > 1 else ""
    if before == "半" or (before in ("an", "a") and two == "half") or before == "half":
        return 0.5
    if before in ("a", "an", "all", "whole", "整") or (is_cjk(before) and before == "一"):
        return 1.0
    if before == "couple" or (before == "of" and two == "couple"):
        return 2.0
    if before in ("few", "several", "some", "几", "多"):
        return 3.0
    return None


def _is_age(reading: Reading, cue: CueHit) -> bool:
    after = reading.cues.any_between("unit_old", cue.end, cue.end + 1)
    ago = reading.cues.any_between("ago", cue.end, cue.end + 1)
    return after is not None or ago is not None
