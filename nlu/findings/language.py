"""Which languages a message is written in, by script, and whether any lexicon can read it. Decides nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nlu.findings.lexicon import Knowledge

_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af\u1100-\u11ff]")
_LATIN = re.compile(r"[A-Za-zＡ-Ｚａ-ｚ]")
_OTHER = re.compile(r"[\u0370-\u052f\u0530-\u05ff\u0600-\u06ff\u0900-\u0e7f\u0e80-\u10ff]")
SAMPLE = 4_000
"""Characters looked at; the script of a message does not change after them."""
MIN_PINYIN = 5
"""Letters; shorter spellings ("tong") are words of other languages."""
MIN_WORDS, KNOWN_SHARE = 4, 0.34
"""A Latin-script text of at least so many words of which fewer than this share is English is another language."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Detected:
    """``lang`` of the answer, ``codes`` of the lexicons to read with, ``supported``: one of them can."""

    lang: str
    codes: tuple[str, ...]
    supported: bool


def detect(text: str, lang: str | None, knowledge: Knowledge) -> Detected:
    """By script. ``lang`` only decides the language of the answer where the script leaves it open."""
    sample = text[:SAMPLE]
    cjk, latin = len(_CJK.findall(sample)), len(_LATIN.findall(sample))
    foreign = len(_KANA_HANGUL.findall(sample)), len(_OTHER.findall(sample))
    have = tuple(knowledge.languages)
    chinese = cjk or (latin and _is_pinyin(sample, knowledge))
    codes = tuple(
        c for c in have if (c == "zh" and chinese) or (c == "en" and latin) or c not in ("zh", "en")
    )
    chosen = lang if lang in have else None
    if foreign[0] > 0.3 * (cjk + latin + foreign[0]) or foreign[1] > cjk + latin:
        return Detected(chosen or "en", codes, False)
    main = "zh" if cjk and cjk * 3 >= latin else ("en" if latin else None)
    if main == "en" and chinese:
        return Detected(chosen or "zh", codes, True)
    if main == "en" and not _is_english(sample, knowledge):
        return Detected(chosen or "en", codes, False)
    answer = main if main in have else None
    return Detected(answer or chosen or "en", codes or have, True)


def _is_pinyin(sample: str, knowledge: Knowledge) -> bool:
    """Whether Chinese is typed in Latin letters ("wo xiongkou teng"): some known spelling is there."""
    chinese = knowledge.languages.get("zh")
    if chinese is None:
        return False
    plain = f" {' '.join(_WORD.findall(knowledge.normaliser(sample).text))} "
    words = plain.split()
    return any(
        len(spelt) >= MIN_PINYIN and f" {spelt} " in plain
        for word in set(words)
        for typed, _ in chinese.replacements.get(word, ())
        if (spelt := " ".join(typed)).isascii()
    )


def _is_english(sample: str, knowledge: Knowledge) -> bool:
    words = [w.lower().replace("'", "").replace("’", "") for w in _WORD.findall(sample)]
    english = knowledge.languages.get("en")
    if english is None or len(words) < MIN_WORDS:
        return True
    return _share(words, english.speller.knows) >= KNOWN_SHARE


def _share(words: Iterable[str], knows: Callable[[str], bool]) -> float:
    listed = list(words)
    return sum(1 for w in listed if knows(w)) / len(listed)
