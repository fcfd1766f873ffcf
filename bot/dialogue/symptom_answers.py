"""Reads a patient's answer to one question of a symptom check, in English and Chinese. Pure.

"about three days", 从周二开始, "since yesterday morning" → hours; "1 and 3", 都没有, "both" → signs;
"101 F" → 38.3. It returns None where the text is not an answer, and never guesses.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from bot.appointments import times_zh
from bot.dialogue.booking_words import plain, said_no, said_yes
from bot.dialogue.protocol_types import Option

DAY = 24.0
HOURS = {"minute": 1 / 60, "hour": 1.0, "day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
_EN_NUMBERS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "couple of": 2.0, "a couple of": 2.0,
    "a couple": 2.0, "few": 3.0, "a few": 3.0, "several": 4.0, "half a": 0.5, "half an": 0.5, "fourteen": 14.0,
}  # fmt: skip
_N = "|".join(sorted(map(re.escape, _EN_NUMBERS), key=len, reverse=True))
_EN_SPAN = re.compile(rf"({_N}|\d+(?:\.\d+)?) ?(minute|hour|hr|day|week|wk|month|year|yr)s?\b")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EN_SINCE = re.compile(r"\b(?:since|from|on|last|started)\b.*?\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*")
_ZH_N = r"(?:[零一二三四五六七八九十两几半多]{1,3}|\d+)"
_ZH_SPAN = re.compile(rf"({_ZH_N})(?:多)?个?(?:多)?(分钟|小时|钟头|天|日|周|星期|礼拜|月|年)(?!前天|初|底)")
_ZH_SINCE = re.compile(r"(?:周|星期|礼拜)([一二三四五六日天])")
_ZH_UNIT = {
    "分钟": 1 / 60, "小时": 1.0, "钟头": 1.0, "天": DAY, "日": DAY, "周": 7 * DAY, "星期": 7 * DAY, "礼拜": 7 * DAY,
    "月": 30 * DAY, "年": 365 * DAY,
}  # fmt: skip
_RANGES: tuple[tuple[str, float], ...] = (
    (r"day or two|day or so|一两天", 1.5 * DAY),
    (r"week or two|一两(?:周|个?星期)", 10 * DAY),
    (r"less than (?:a|1|one) day|不到(?:一|1)天|under a day|一天以内", 12.0),
    (r"1 to 3 days|1到3天|1-3 ?天|one to three days|一到三天|两三天", 2 * DAY),
    (r"4 to 7 days|4到7天|4-7 ?天|四到七天", 5 * DAY),
    (
        r"(?:more than|over) (?:a|1|one) week|(?:1|一)(?:周|个?星期)(?:以上|多)|超过(?:一|1)(?:周|个?星期)",
        10 * DAY,
    ),
    (
        r"(?:more than|over) (?:3|three) weeks|(?:3|三)(?:周|个?星期)(?:以上|多)|超过(?:三|3)(?:周|个?星期)",
        25 * DAY,
    ),
)
"""Spans between two figures, read first; in hours."""
_FIXED: tuple[tuple[str, float], ...] = (
    (r"just (?:now|started)|a moment ago|right now|刚刚|刚才|刚开始|几分钟", 0.5),
    (r"(?:this|since this) morning|今天早上|今早|今天上午", 4.0),
    (r"\b(?:today|earlier today)\b|今天", 6.0),
    (r"last night|昨晚|昨天晚上|昨天夜里", 12.0),
    (r"day before yesterday|大前天", 2 * DAY),
    (r"yesterday|昨天", DAY),
    (r"前天", 2 * DAY),
    (r"\bfortnight\b", 14 * DAY),
    (r"last week|上(?:周|个?星期|个?礼拜)(?![一二三四五六日天])", 7 * DAY),
    (r"last month|上个?月", 30 * DAY),
    (r"(?:ages|a long time|long time|years|for ever|forever)|很久|好久|好多年|好几年|一直", 90 * DAY),
    (r"好几天|几天", 4 * DAY),
    (r"半个月", 15 * DAY),
    (r"半年", 180 * DAY),
)
_UNSURE = re.compile(
    r"\b(?:don'?t know|dunno|not sure|no idea|can'?t (?:say|tell|remember)|unsure|not certain|hard to say|"
    r"haven'?t (?:measured|checked|taken)|didn'?t (?:measure|check|take)|no thermometer|don'?t have a thermometer|"
    r"i'?m not sure|idk|maybe|not a clue|no clue|haven'?t a clue|"
    r"how (?:would|should) i know|haven'?t (?:looked|noticed)|didn'?t (?:look|notice)|can'?t see)\b|"
    r"没注意|没看|没留意|看不到|不晓得|"
    r"不知道|不清楚|不确定|说不清|说不准|不好说|记不清|不记得|忘了|想不起来|不懂|哪知道|没量|没有体温计|没测|没有量|不太清楚|没体温计"
)
_DECLINE = re.compile(
    r"\b(?:(?:prefer|rather) not(?: to)?(?: say)?|(?:don'?t|do not) want to (?:say|answer|tell)|skip|pass|no comment|"
    r"none of your business|private)\b|不想说|不方便说|不愿意说|跳过|不想回答|保密|不便透露"
)
_A_LITTLE = re.compile(
    r"(?:(?:yes|yeah|well|maybe)[, ]+)?(?:(?:just )?a (?:little )?bit|a little|slightly|"
    r"sometimes|kind ?of|kinda|sort of|somewhat|on and off|now and then)\b|(?:有时候?|偶尔|有一?点|稍微|一点点?|有些)"
)
"""Less than a yes, and no "I don't know" either: it is there."""
_VAGUE = frozenset(
    {
        "ok",
        "okay",
        "fine",
        "有点",
        "有一点",
        "一点",
        "一点点",
        "没有",
        "没事",
        "没什么",
        "还好",
        "还行",
        "还可以",
        "a bit",
        "a little",
    }
)
"""Words that answer "how bad?" and say nothing when something else was asked."""
_OF_THESE = r"(?: of (?:these|those|them|the above|that))?"
_NONE = re.compile(
    rf"(?:no|none{_OF_THESE}|nope|nah|neither|nothing|not any|not (?:really|at all)|no,? none{_OF_THESE}"
    rf"|no,?(?: i)? (?:don'?t|haven'?t)|no,? nothing(?: like that)?|nothing (?:like that|of that kind)|all no|no to all"
    rf"|(?:i )?(?:have none|don'?t have any){_OF_THESE}|none at all|(?:thankfully|luckily) (?:not?|none)"
    r"|(?:以上|全|全都|都|一个都|这些都)?没有?|没有(?:这些|以上|的|哦|啊|呢|任何|出现)?|都?没出现|以上都没有?|无|否|都不是|不是|不)"
)
_ALL = re.compile(
    r"(?:yes,? )?(?:both|all|all of (?:these|those|them)|all three|both of (?:these|those|them)|every one)"
    r"|(?:两个)?都有|全有|全都有|全部都有|都是"
)


def unsure(text: str, intent: str | None = None) -> bool:
    """ "I don't know", "haven't measured it", 没量."""
    said = plain(text)
    return bool(_UNSURE.search(said)) or (intent == "unsure" and not _A_LITTLE.match(said))


def declined(text: str) -> bool:
    """ "I'd rather not say", 不想说."""
    return bool(_DECLINE.search(plain(text)))


def duration_hours(text: str, now: dt.datetime) -> float | None:
    """How long, in hours. ``now`` is local. "since Tuesday" said on a Friday is 72."""
    said = plain(text)
    for pattern, hours in _RANGES:
        if re.search(pattern, said):
            return hours
    if found := _EN_SPAN.search(said):
        unit = {"hr": "hour", "wk": "week", "yr": "year"}.get(found[2], found[2])
        amount = _EN_NUMBERS[found[1]] if found[1] in _EN_NUMBERS else float(found[1])
        extra = 0.5 if re.search(r"and a half", said) else 0.0
        return (amount + extra) * HOURS[unit]
    if found := _EN_SINCE.search(said):
        return _since(_WEEKDAYS.index(found[1]), now)
    for pattern, hours in _FIXED:
        if re.search(pattern, said):
            return hours
    if found := _ZH_SPAN.search(said):
        return _zh_amount(found[1]) * _ZH_UNIT[found[2]]
    if found := _ZH_SINCE.search(said):
        return _since(times_zh.number(found[1]) - 1 if found[1] not in "日天" else 6, now)
    return None


def _zh_amount(text: str) -> float:
    if text in ("几", "好几"):
        return 4.0
    if text.startswith("半"):
        return 0.5
    try:
        return float(times_zh.number(text.replace("多", "").replace("几", "") or "3"))
    except (ValueError, KeyError):
        return 3.0


def _since(weekday: int, now: dt.datetime) -> float:
    """Hours since the morning of the last such weekday (a week, when today is that day)."""
    days = (now.weekday() - weekday) % 7 or 7
    return days * DAY


def temperature_c(text: str) -> float | None:
    """38.5, "101.3 F", 38度5, 三十八度五 → °C between 33 and 43; None for anything else."""
    said = plain(text)
    if found := re.search(r"(\d{2})度([1-9])", said):
        return _plausible(float(f"{found[1]}.{found[2]}"))
    if found := re.search(r"三十([二三四五六七八九])度?(?:点|度)?(半|[一二三四五六七八九])?", said):
        tenths = 5 if found[2] == "半" else times_zh.number(found[2]) if found[2] else 0
        return _plausible(30 + times_zh.number(found[1]) + tenths / 10)
    if re.search(r"四十(?:度)?([一二])?", said) and "岁" not in said:
        return 40.0
    found = re.search(r"(?<![\d.])(\d{2,3}(?:[.,]\d{1,2})?)(?![\d])", said)
    if not found:
        return None
    value = float(found[1].replace(",", "."))
    return _plausible((value - 32) / 1.8 if value >= 90 else value)


def is_measured(text: str) -> bool:
    """A figure that can only be a temperature: "38.2", "101 F", 38度5; a bare "38" may be anything."""
    return bool(
        re.search(
            r"\d{2,3}[.,]\d|\d ?(?:°|degrees?\b|c\b|f\b|celsius|fahrenheit)|[\d一-九]{1,3}度", plain(text)
        )
    )


def _plausible(value: float) -> float | None:
    return round(value, 1) if 33 <= value <= 43 else None


def age_years(text: str) -> float | None:
    """ "34", "she is 6 months", 8个月, 三岁半 → years."""
    said = plain(text)
    if found := re.search(rf"({_N}|\d+) ?(?:-| )?(day|week|month|year|yr)s?", said):
        amount = _EN_NUMBERS[found[1]] if found[1] in _EN_NUMBERS else float(found[1])
        unit = {"yr": "year"}.get(found[2], found[2])
        return amount * HOURS[unit] / HOURS["year"]
    if found := re.search(rf"({_ZH_N})个?(天|周|星期|月|岁)(半)?", said):
        unit = "年" if found[2] == "岁" else found[2]
        return (_zh_amount(found[1]) + (0.5 if found[3] else 0)) * _ZH_UNIT[unit] / HOURS["year"]
    found = re.search(r"(?<![\d.])(\d{1,3})(?![\d.:/])", said)
    return float(found[1]) if found and int(found[1]) <= 120 else None


def age_said(text: str) -> float | None:
    """An age said to another question: "she is 3", "I'm 45 years old", 她三岁; None for a bare figure."""
    said = plain(text)
    who = r"(?:he|she|it|they|i|the baby|the child|my \w+)(?: is|'?s| am|'m| are)"
    if re.fullmatch(rf"{who} (?:only |just |nearly )?\d{{1,3}}", said):
        return age_years(said)
    if re.search(r"\b(?:years?|yrs?|months?|weeks?)[ -]old\b|岁|个?月大", said):
        return age_years(said)
    return None


def yes_no(text: str, intent: str | None) -> str | None:
    """ "yes", "no", or None."""
    if _NONE.fullmatch(plain(text)) or said_no(text, intent):
        return "no"
    if _A_LITTLE.match(plain(text)):
        return "yes"
    return "yes" if said_yes(text, intent) or re.match(r"^(?:有|是|会|yes|yeah)", plain(text)) else None


def option_index(text: str, options: Sequence[tuple[str, Sequence[str]]]) -> int | None:
    """Which option (label, further words) is meant: by label, number, or a word that only one of them has."""
    said = plain(text)
    for index, (label, _) in enumerate(options):
        if said == plain(label):
            return index
    numbers = _numbers(said, len(options))
    if len(numbers) == 1:
        return numbers[0]
    words = [
        (index, word)
        for index, (label, further) in enumerate(options)
        for word in (plain(label), *further)
        if _has(said, word)
    ]
    # "not too bad" holds "bad": a word inside a longer one that was said too does not count.
    hits = {i for i, word in words if not any(i != j and word != w and word in w for j, w in words)}
    return hits.pop() if len(hits) == 1 else None


def exact_option(text: str, options: Sequence[Option]) -> str | None:
    """The option that the whole text names ("better", 很严重): an answer given before its question."""
    said = plain(text)
    for option in options:
        label, further = option_words(option, "en")
        if (
            said in (plain(label), *further)
            and len(said) > 1
            and not yes_no(said, None)
            and said not in _VAGUE
        ):
            return option.id
    return None


def yes_no_index(text: str, intent: str | None, options: Sequence[tuple[str, Sequence[str]]]) -> int | None:
    """ "yep", "nah" to a choice: the one option that says yes, or no, among its words."""
    said = yes_no(text, intent)
    if said is None:
        return None
    marks = {"yes", "有", "是"} if said == "yes" else {"no", "没有", "不是"}
    hits = [n for n, (label, further) in enumerate(options) if marks & {plain(label), *further}]
    return hits[0] if len(hits) == 1 else None


def _has(said: str, word: str) -> bool:
    if any("一" <= c <= "鿿" for c in word):
        return word in said
    return re.search(rf"\b{re.escape(word)}\b", said) is not None


def _numbers(said: str, count: int) -> list[int]:
    """ "1", "1 and 3", "option 2", 第一个, "the second one" → indexes. Only where nothing else is said."""
    words = {
        "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "one": 1, "two": 2, "three": 3, "four": 4,
        "five": 5, "第一": 1, "第二": 2, "第三": 3, "第四": 4, "第五": 5,
    }  # fmt: skip
    rest = said
    found: list[int] = []
    for word, number in words.items():
        if _has(rest, word):
            found.append(number)
            rest = rest.replace(word, " ")
    found += [int(n) for n in re.findall(r"(?<![\d.])(\d)(?![\d.])", rest)]
    rest = re.sub(
        r"\d|\b(?:and|the|number|option|one|i have|yes|no|please|also|,|、)\b|[,.、和个跟第号项有]", " ", rest
    )
    if rest.strip() or not found or any(not 1 <= n <= count for n in found):
        return []
    return sorted({n - 1 for n in found})


def signs_said(
    text: str,
    signs: Sequence[tuple[str, str]],
    present: frozenset[str],
    negated: frozenset[str],
    intent: str | None,
) -> list[str] | str | None:
    """The answer to "which of these?": concept ids (none: ``[]``), ``"some"`` for a bare yes, or None.

    ``signs`` are (concept id, label); ``present`` and ``negated`` are what was understood in this message.
    "No fever, but my neck is stiff" → the stiff neck.
    """
    said = plain(text)
    ids = [sign for sign, _ in signs]
    here = [sign for sign in ids if sign in present]
    if here:
        return here
    parts = [p.strip() for p in re.split(r"[,，。.、 ]+", said) if p.strip()]
    if parts and (_NONE.fullmatch(said) or all(_NONE.fullmatch(p) for p in parts)):
        return []
    if _ALL.fullmatch(said):
        return ids
    numbers = _numbers(said, len(ids))
    if numbers:
        return [ids[n] for n in numbers]
    named = [sign for sign, label in signs if plain(label) in said]
    if named:
        return named
    if (
        said_yes(text, intent)
        or _A_LITTLE.fullmatch(said)
        or said
        in (
            "有",
            "有的",
            "有一个",
            "yes i do",
            "i do",
            "some",
            "some of them",
            "one of them",
        )
    ):
        return ids if len(ids) == 1 else "some"
    if negated & set(ids) or said_no(text, intent):
        return []
    return None


def option_words(option: Option, lang: str) -> tuple[str, tuple[str, ...]]:
    """Label and further words of an option; both languages are understood whatever was chosen."""
    other = "zh" if lang == "en" else "en"
    further = (*option.words.get(lang, ()), option.label[other], *option.words.get(other, ()))
    return option.label[lang], tuple(w.lower() for w in further)
