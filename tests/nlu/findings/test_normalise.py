"""Folding keeps positions: whatever is typed, a span leads back to the characters that were typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.findings import Extractor
from nlu.findings.normalise import Normaliser
from nlu.findings.tokens import tokenise

FOLD = Normaliser({"頭": "头", "發": "发", "燒": "烧"})


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("ＣＨＥＳＴ　ｐａｉｎ", "chest pain"),
        ("ch\u200best\u2060 pa\u00adin", "chest pain"),
        ("che\U000e0041st", "chest"),
        ("\u202echest\u202c", "chest"),
        ("paaaaaain", "paain"),
        ("can’t", "can't"),
        ("naïve café", "naive cafe"),
        ("３８．５℃", "38.5°c"),
        ("頭發燒", "头发烧"),
        ("疼疼疼疼", "疼"),
        ("1000", "1000"),
        ("", ""),
    ],
)
def test_folded(typed: str, folded: str) -> None:
    assert FOLD(typed).text == folded


@given(st.text(max_size=80))
def test_spans_lead_back_to_the_original(text: str) -> None:
    folded = FOLD(text)
    tokens = tokenise(folded.text)
    last = 0
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        low, high = folded.span(start, end)
        assert last <= low < high <= len(text)
        last = low


@pytest.mark.parametrize(
    ("text", "concept", "words"),
    [
        ("😀😀 my ch\u200best hurts", "chest_pain", "ch\u200best hurts"),
        ("ﬁne, but FEVER", "fever", "FEVER"),
        ("我發燒了", "fever", "發燒"),
        ("I am vomitttting a lot", "vomiting", "vomitttting"),
        ("Ｉ　ｈａｖｅ　ａ　ｆｅｖｅｒ", "fever", "ｆｅｖｅｒ"),
        ("my сhest hurts", "chest_pain", "сhest hurts"),
        ("chestpain", "chest_pain", "chestpain"),
        ("a bad head ache", "headache", "head ache"),
    ],
)
def test_the_words_that_were_typed_are_marked(
    extractor: Extractor, text: str, concept: str, words: str
) -> None:
    found = [text[f.span[0] : f.span[1]] for f in extractor.extract(text).findings if f.id == concept]
    assert found == [words]


@given(st.text(max_size=300))
def test_never_raises_and_spans_are_inside(extractor: Extractor, text: str) -> None:
    for finding in extractor.extract(text).findings:
        assert 0 <= finding.span[0] <= finding.span[1] <= len(text)


WORDS = st.sampled_from(
    [
        "no",
        "not",
        "never",
        "without",
        "chest",
        "pain",
        "fever",
        "my",
        "dad",
        "38.5",
        "bp",
        "190",
        "/",
        "over",
        "?",
        ".",
        ",",
        ":",
        ";",
        "but",
        "and",
        "or",
        "if",
        "what",
        "had",
        "in",
        "2010",
        "gone",
        "yes",
        "both",
        "没有",
        "不",
        "发烧",
        "胸口",
        "疼",
        "我",
        "妈",
        "了",
        "吗",
        "？",
        "，",
        "、",
        "三",
        "十",
        "八",
        "度",
        "五",
        "血压",
        "就是",
        "如果",
        "去年",
        "...",
        "%",
        "mmol",
        "weeks",
        "pregnant",
    ]
)


@given(st.lists(WORDS, max_size=60).map(" ".join))
def test_never_raises_on_clinical_soup(extractor: Extractor, text: str) -> None:
    once, again = extractor.extract(text), extractor.extract(text)
    assert once == again
    for finding in once.findings:
        assert 0 <= finding.span[0] < finding.span[1] <= len(text)
