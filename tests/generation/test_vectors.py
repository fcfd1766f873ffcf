"""Vectors of articles on disk: what is encoded again, what is not, and what a damaged file costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from generation.encoder import Vectors
from generation.passages import Passage
from generation.retrieval import Retriever
from generation.vectors import FILE, VectorCache


class Counting:
    """Remembers every text that it encoded."""

    languages = frozenset({"en"})

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        rows: Vectors = np.array([[len(t), 1.0, t.count("a")] for t in texts], dtype=np.float32)
        return rows


def test_a_second_start_encodes_nothing(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    one = VectorCache(tmp_path).encode(["ab", "abc", "ab"], first)
    two = VectorCache(tmp_path).encode(["ab", "abc", "ab"], second)
    assert first.seen == ["ab", "abc"] and second.seen == []
    assert np.array_equal(one, two) and one[:, 0].tolist() == [2, 3, 2]


def test_only_what_changed_is_encoded_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    VectorCache(tmp_path).encode(["old", "kept"], Counting())
    later = Counting()
    VectorCache(tmp_path).encode(["kept", "new"], later)
    again = Counting()
    VectorCache(tmp_path).encode(["old"], again)
    assert later.seen == ["new"] and again.seen == ["old"]


def test_another_encoder_has_other_vectors(tmp_path: Path) -> None:
    VectorCache(tmp_path).encode(["text"], Counting("one"))
    other = Counting("two")
    VectorCache(tmp_path).encode(["text"], other)
    assert other.seen == ["text"]


def test_a_damaged_file_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"PK\x03\x04 not an archive")
    encoder = Counting()
    assert VectorCache(tmp_path).encode(["text"], encoder).shape == (1, 3)
    assert encoder.seen == ["text"]


def test_a_folder_that_cannot_be_made_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert VectorCache(tmp_path / "file" / "cache").encode(["text"], Counting()).shape == (1, 3)


def test_a_patients_question_never_reaches_the_disk(tmp_path: Path, passages: tuple[Passage, ...]) -> None:
    english = [p for p in passages if p.lang == "en"][:40]
    encoder = Counting()
    retriever = Retriever(english, encoder, VectorCache(tmp_path))
    retriever.warm()
    before = (tmp_path / FILE).read_bytes()
    retriever.retrieve("my secret rash", "en")
    assert encoder.seen[-1] == "my secret rash"
    assert (tmp_path / FILE).read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [FILE]


def test_shipped_vectors_are_read_and_never_written(tmp_path: Path) -> None:
    VectorCache(tmp_path / "shipped").encode(["known"], Counting())
    before = (tmp_path / "shipped" / FILE).read_bytes()
    encoder = Counting()
    cache = VectorCache(tmp_path / "own", tmp_path / "shipped")
    both = cache.encode(["known", "new"], encoder)
    assert encoder.seen == ["new"] and both.shape == (2, 3)
    assert (tmp_path / "shipped" / FILE).read_bytes() == before
    again = Counting()
    assert (VectorCache(tmp_path / "own", tmp_path / "shipped").encode(["known", "new"], again) == both).all()
    assert again.seen == []


def test_where_training_left_every_vector_nothing_is_kept_twice(tmp_path: Path) -> None:
    VectorCache(tmp_path / "shipped").encode(["known"], Counting())
    VectorCache(tmp_path / "own", tmp_path / "shipped").encode(["known"], Counting())
    assert not (tmp_path / "own").exists()
