"""The questions that measure retrieval: each has its form, every answer named is an article, none is asked twice.

What is not tested here is retrieval itself, so nothing in this file tells what the held-out questions say:
a failure names the place of a question, never its words.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

GENERATION = Path(__file__).parents[2] / "generation"
LANGUAGES = ("en", "zh")
# half -> (covered, uncovered): with fewer, one question moves a rate by too much to compare two versions.
MINIMUM = {"open": (300, 60), "held_out": (400, 100)}


def load(language: str) -> dict[str, Any]:
    path = GENERATION / "evaluation" / f"{language}_questions.yml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def articles(language: str) -> set[str]:
    return {path.stem for path in (GENERATION / "knowledge" / language).glob("*.md")}


def folded(question: str) -> str:
    """A question without its case, spaces and punctuation: what two copies of one question share."""
    return re.sub(r"[\W_]", "", question.lower())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("half", MINIMUM)
def test_a_half_holds_enough_questions_of_the_right_form(language: str, half: str) -> None:
    questions = load(language)[half]
    assert set(questions) == {"covered", "uncovered"}
    assert (
        len(questions["covered"]) >= MINIMUM[half][0],
        len(questions["uncovered"]) >= MINIMUM[half][1],
    ) == (True, True)
    assert [n for n, entry in enumerate(questions["covered"]) if set(entry) != {"q", "articles"}] == []
    assert [
        n for n, entry in enumerate(questions["covered"]) if not folded(entry["q"]) or not entry["articles"]
    ] == []
    assert [
        n
        for n, question in enumerate(questions["uncovered"])
        if not isinstance(question, str) or not folded(question)
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_is_an_article_in_both_languages(language: str) -> None:
    known = articles("en") & articles("zh")
    named = {
        name for half in load(language).values() for entry in half["covered"] for name in entry["articles"]
    }
    assert named - known == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_is_named_twice_for_one_question(language: str) -> None:
    entries = [entry for half in load(language).values() for entry in half["covered"]]
    assert [
        n for n, entry in enumerate(entries) if len(set(entry["articles"])) < len(entry["articles"])
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_question_stands_twice(language: str) -> None:
    """A held-out question that also stands in the open half would have been tuned on."""
    places: dict[str, list[str]] = {}
    for name, half in load(language).items():
        for n, entry in enumerate(half["covered"]):
            places.setdefault(folded(entry["q"]), []).append(f"{name}.covered[{n}]")
        for n, question in enumerate(half["uncovered"]):
            places.setdefault(folded(question), []).append(f"{name}.uncovered[{n}]")
    assert [where for where in places.values() if len(where) > 1] == []
