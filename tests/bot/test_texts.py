"""Every fixed sentence exists in every language, with the same fields, and holds no leftover."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from bot.texts import TextError, Texts

TEXTS = Texts()


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("lang", [lang for lang in TEXTS.languages if lang != "en"])
def test_every_language_holds_the_same_keys_with_the_same_fields(lang: str) -> None:
    assert TEXTS.keys(lang) == TEXTS.keys("en")
    different = [
        key
        for key in sorted(TEXTS.keys("en"))
        if fields(TEXTS.template(key, lang)) != fields(TEXTS.template(key, "en"))
    ]
    assert different == []


def test_chinese_sentences_are_chinese() -> None:
    without = [
        k for k in sorted(TEXTS.keys("zh")) if not re.search(r"[\u4e00-\u9fff{]", TEXTS.template(k, "zh"))
    ]
    assert without == []


@pytest.mark.parametrize("lang", TEXTS.languages)
def test_nothing_promises_a_transfer(lang: str) -> None:
    """Law 4: never "I am transferring you"."""
    promise = re.compile(
        r"transferring you|connecting you|I will connect you|正在(为您)?转接|马上(为您)?转接", re.IGNORECASE
    )
    assert [k for k in TEXTS.keys(lang) if promise.search(TEXTS.template(k, lang))] == []


def test_a_value_that_is_not_text_is_refused_with_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "x.yml").write_text("hello: [a]\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"x\.yml: key 'hello'"):
        Texts(tmp_path)
