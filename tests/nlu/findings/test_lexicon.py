"""The pattern language and the strict loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlu.findings import Extractor, patterns
from nlu.findings.lexicon import LexiconError, load_knowledge, load_vocabulary
from nlu.findings.matcher import Matcher
from nlu.findings.patterns import PatternError, PatternParser
from nlu.findings.spelling import Speller, edit_distance
from nlu.findings.tokens import tokenise
from tests.nlu.findings.conftest import write_small_lexicon

CLASSES = {"chest": ("chest", "middle of my chest"), "hurt": ("hurt*", "sore"), "both": ("@chest @hurt",)}


def spans(pattern: str, text: str) -> list[tuple[int, int]]:
    parser = PatternParser(CLASSES)
    matcher = Matcher([(parser.parse(pattern), 0)], parser.shared)
    tokens = tokenise(text)
    return sorted({(m.start, m.end) for m in matcher.find(matcher.symbols(tokens.words), tokens.breaks)})


PATTERNS = pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("sore throat", "a sore throat", [(1, 3)]),
        ("hurt*", "it hurts and hurting", [(1, 2), (3, 4)]),
        ("@chest @hurt", "the middle of my chest hurts", [(1, 6), (4, 6)]),
        ("@both", "chest sore", [(0, 2)]),
        ("my ..2 @both", "my poor chest sore", [(0, 4)]),
        ("@chest ..2 @hurt", "chest is a bit sore", []),
        ("@chest ..3 @hurt", "middle of my chest is a bit sore", [(0, 8), (3, 8)]),
        ("chest [is|was] [really|so very] sore", "chest is so very sore", [(0, 5)]),
        ("chest [is|was] [really|so very] sore", "chest sore", [(0, 2)]),
        ("chest (is|was)? sore", "chest was sore", [(0, 3)]),
        ("pain ..2 chest", "pain in my chest", [(0, 4)]),
        ("pain ..2 chest", "pain in all of my chest", []),
        ("pain .. chest", "pain in my left chest", [(0, 5)]),
        ("pain ..3 chest", "pain. my chest", []),
        ("pain ..3 chest", "pain, my chest", [(0, 3)]),
        ("cant breathe", "I can't breathe", [(1, 3)]),
        ("胸口(疼|痛)", "我胸口痛", [(1, 4)]),
        ("胸口..2(疼|痛)", "胸口有点疼", [(0, 5)]),
        ("痛..3胸", "头痛,胸闷", []),
        ("喘不[过|上]气", "喘不气", [(0, 3)]),
        ("bp高", "我bp高", [(1, 3)]),
    ],
)


@PATTERNS
def test_pattern(pattern: str, text: str, expected: list[tuple[int, int]]) -> None:
    assert spans(pattern, text) == expected


@PATTERNS
def test_large_classes_match_as_small_ones_do(
    pattern: str, text: str, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class with an automaton of its own is found at the same places, alone, in a row, after a gap, nested."""
    monkeypatch.setattr(patterns, "SHARED_FROM", 1)
    assert spans(pattern, text) == expected


@pytest.mark.parametrize(
    "pattern", ["", "[maybe]", "(a|b", "a)", "@nobody", "ab*", "a ..9 b", "a ..0 b", "x.*y+", "?"]
)
def test_unreadable_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        PatternParser(CLASSES).parse(pattern)


def test_a_class_in_a_circle_is_refused() -> None:
    with pytest.raises(PatternError, match="itself"):
        PatternParser({"a": ("@b",), "b": ("@a",)}).parse("@a")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: {kind: colour, name: {en: a}}", "kind"),
        ("a: {kind: symptom, name: {en: a}, shape: round}", "shape"),
        ("a: {kind: symptom}", "name"),
        ("a: {kind: symptom, name: {en: a}, sticky: 3}", "sticky"),
        ("a: {kind: symptom, name: {en: a}, default_level: high}", "default_level"),
        ("a: {kind: symptom, name: {en: a}, implies: b}", "implies"),
        ("- a", "map"),
    ],
)
def test_a_malformed_vocabulary_is_refused(tmp_path: Path, content: str, said: str) -> None:
    first = "" if content[0] == "-" else "ok: {kind: symptom, name: {en: ok}}\n"
    (tmp_path / "v.yml").write_text(first + content, encoding="utf-8")
    with pytest.raises(LexiconError, match=rf"v\.yml:\d+: .*{said}"):
        load_vocabulary(tmp_path)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("concepts:\n  a:\n    - fine\n    - '(broken'\n", 4, "missing"),
        ("concepts:\n  a:\n    - {p: x, colour: red}\n", 3, "colour"),
        ("concepts:\n  a:\n    - {p: x, set: {severity: purple}}\n", 3, "severity"),
        ("colours: {}\n", 1, "colours"),
        ("modifiers:\n  severity:\n    purple: [x]\n", 3, "purple"),
        ("concepts:\n  a: word\n", 2, "list"),
    ],
)
def test_a_malformed_lexicon_is_refused_with_its_line(
    tmp_path: Path, content: str, line: int, said: str
) -> None:
    (tmp_path / "vocabulary").mkdir()
    folder = tmp_path / "lexicon" / "en"
    folder.mkdir(parents=True)
    (folder / "l.yml").write_text(content, encoding="utf-8")
    with pytest.raises(LexiconError, match=rf"l\.yml:{line}: .*{said}"):
        load_knowledge(tmp_path / "vocabulary", tmp_path / "lexicon")


def test_the_cache_gives_the_same_answer(tmp_path: Path) -> None:
    vocabulary, lexicon = write_small_lexicon(tmp_path)
    cache = tmp_path / "cache"
    fresh = load_knowledge(vocabulary, lexicon)
    first = load_knowledge(vocabulary, lexicon, cache)
    assert list(cache.glob("*.json"))
    again = load_knowledge(vocabulary, lexicon, cache)
    assert fresh.content_hash == first.content_hash == again.content_hash
    assert fresh.concepts == first.concepts == again.concepts
    text = "my chest hurts, no fever, temp 37"
    assert Extractor(again).extract(text) == Extractor(fresh).extract(text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stomac", "stomach"), ("stomahc", "stomach"), ("diarhoea", "diarrhoea"), ("dirrhoeaa", "diarrhoea"),
     ("died", None),
     ("diet", None), ("vomt", None), ("planet", None), ("hospital", None), ("brething", "breathing")],
)  # fmt: skip
def test_spelling(typed: str, meant: str | None) -> None:
    speller = Speller(
        ["stomach", "diarrhoea", "die", "plane", "breathing", "vomit"], [], ["planet", "hospital"], {}
    )
    assert (*speller.read(typed), None)[0] == meant


@pytest.mark.parametrize(
    ("a", "b", "distance"), [("abc", "abc", 0), ("abc", "acb", 1), ("abcd", "abxd", 1), ("abc", "xyz", 3)]
)
def test_edit_distance(a: str, b: str, distance: int) -> None:
    assert edit_distance(a, b, 2) == distance
