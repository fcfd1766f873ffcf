"""Sentences, whole and while they stream: an unfinished one is never given out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.sentences import MAX_SENTENCE_CHARS, SentenceStream, is_complete, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("At 38.5 degrees, rest. Drink.", ["At 38.5 degrees, rest.", "Drink."]),
        ("See Dr. Li, e.g. today. Rest.", ["See Dr. Li, e.g. today.", "Rest."]),
        ("Rest [1]. Drink [2].", ["Rest [1].", "Drink [2]."]),
        ("Rest. [1] Drink.[2]", ["Rest. [1]", "Drink.[2]"]),
        ("多休息。多喝水！", ["多休息。", "多喝水！"]),
        ("多休息[1]。多喝水。[2]", ["多休息[1]。", "多喝水。[2]"]),
        ("Line one\nLine two", ["Line one", "Line two"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("  \n ", []),
    ],
)
def test_split(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(
    st.lists(
        st.sampled_from(["Rest. ", "Drink [1]. ", "38.5 is high. ", "多喝水。", "Why? ", "No end "]),
        max_size=8,
    ),
    st.data(),
)
def test_a_stream_gives_what_the_whole_gives(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    stream, got, at = SentenceStream(), [], 0
    while at < len(text):
        step = data.draw(st.integers(1, 5))
        got += stream.feed(text[at : at + step])
        at += step
    assert got + stream.flush() == split_sentences(text)


def test_nothing_unfinished_is_given_out() -> None:
    stream = SentenceStream()
    assert stream.feed("Do not take more than the leaflet says") == []
    assert stream.feed(".") == []  # a citation mark may follow
    assert stream.feed(" [1") == []
    assert stream.feed("] Next") == ["Do not take more than the leaflet says. [1]"]


def test_a_sentence_without_end_is_cut() -> None:
    assert all(len(s) <= MAX_SENTENCE_CHARS for s in SentenceStream().feed("x " * 2000))


@pytest.mark.parametrize(
    ("sentence", "complete"),
    [
        ("Rest.", True),
        ("Rest. [1]", True),
        ("Rest [1].", True),
        ("Do not", False),
        ("多喝水", False),
        ("多喝水。", True),
    ],
)
def test_complete(sentence: str, complete: bool) -> None:
    assert is_complete(sentence) is complete
