"""The sentences of booking and symptom check: both languages alike, plain, and without a dead key."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from bot.texts import Texts

FILES = ("booking", "symptom")
TEXTS = Texts()
CODE = "".join(
    p.read_text(encoding="utf-8") for p in (Path(__file__).parents[2] / "bot" / "dialogue").glob("*_say.py")
) + (Path(__file__).parents[2] / "bot" / "dialogue" / "symptom_check.py").read_text(encoding="utf-8")
BUILT = (
    "button_", "level_", "action_", "answer_", "duration_", "reason_", "book_", "sbar_", "pick_", "_payload", "back_to",
    "holiday", "closed", "too_far", "person", "hours", "days", "weeks", "months", "list_", "offer", "screen",
)  # fmt: skip
"""Parts of keys that the code puts together."""


def keys(lang: str) -> set[str]:
    return {k for k in TEXTS.keys(lang) if k.split(".")[0] in FILES}


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def raw(lang: str, key: str) -> str:
    return TEXTS._by_lang[lang][key]


def test_both_languages_have_the_same_keys_and_fields() -> None:
    assert keys("en") == keys("zh")
    for key in keys("en"):
        assert fields(raw("en", key)) == fields(raw("zh", key)), key


@pytest.mark.parametrize("key", sorted(keys("en")))
def test_every_sentence_is_used(key: str) -> None:
    name = key.split(".", 1)[1]
    assert re.search(rf"['\"]{name}['\"]", CODE) or any(part in name for part in BUILT), key


def test_english_is_plain() -> None:
    patient = [raw("en", k) for k in keys("en") if "sbar" not in k and "action_" not in k]
    for text in patient:
        for sentence in re.split(r"(?<=[.?!])\s|\n", re.sub(r"\{\w+\}", "X", text)):
            assert len(sentence.split()) <= 20, sentence
            assert not [w for w in re.findall(r"[a-z]+", sentence) if len(w) > 12], sentence


def test_chinese_has_no_english_left_over() -> None:
    for key in keys("zh"):
        text = re.sub(r"\{\w+\}|°C|[SBAR](?=[（：])", "", raw("zh", key))
        assert not re.search(r"[A-Za-z]{2,}", text), (key, text)
