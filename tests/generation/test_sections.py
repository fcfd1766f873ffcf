"""The section that is quoted is the one that answers: questions of one topic, each with its own section."""

from __future__ import annotations

import pytest

from generation.passages import Section
from generation.retrieval import Retriever
from generation.sections import asked_sections, section_bonus


@pytest.mark.parametrize(
    ("question", "lang", "right"),
    [
        ("when should I see a doctor about a sore throat", "en", {"sore-throat.help"}),
        ("is my child's fever serious, should we go to hospital", "en", {"fever-children.help"}),
        ("side effects of metformin", "en", {"metformin.caution"}),
        ("what are the side effects of statins", "en", {"statins.caution"}),
        ("can I drink alcohol with ibuprofen", "en", {"ibuprofen.caution", "medicines-and-alcohol.caution"}),
        ("what is eczema", "en", {"eczema.overview"}),
        ("what should I do for a burn", "en", {"burns.self_care"}),
        ("first aid for a nosebleed", "en", {"nosebleed.self_care"}),
        ("how can I prevent constipation", "en", {"constipation.prevention", "constipation.self_care"}),
        ("how do I book an appointment", "en", {"clinic-guide.booking"}),
        ("嗓子疼什么时候要去医院", "zh", {"sore-throat.help"}),
        ("孩子发烧严重吗要不要看医生", "zh", {"fever-children.help"}),
        ("二甲双胍有什么副作用", "zh", {"metformin.caution"}),
        ("他汀有什么副作用", "zh", {"statins.caution"}),
        ("湿疹是什么", "zh", {"eczema.overview"}),
        ("烫伤了怎么处理", "zh", {"burns.self_care"}),
        ("流鼻血怎么急救", "zh", {"nosebleed.self_care"}),
        ("怎么预约", "zh", {"clinic-guide.booking"}),
    ],
)
def test_the_quoted_section_answers(question: str, lang: str, right: set[str], retriever: Retriever) -> None:
    found = retriever.retrieve(question, lang)
    assert found.covered and found.best[0].passage.id in right, found.best[0].passage.id


@pytest.mark.parametrize(
    ("question", "lang", "section"),
    [
        ("what should i do", "en", Section.SELF_CARE),
        ("what to do after a fall", "en", Section.SELF_CARE),
        ("first aid please", "en", Section.SELF_CARE),
        ("怎么救", "zh", Section.SELF_CARE),
        ("急救", "zh", Section.SELF_CARE),
        ("怎么处理", "zh", Section.SELF_CARE),
        ("when should i worry", "en", Section.HELP),
        ("什么时候去医院", "zh", Section.HELP),
    ],
)
def test_wordings_ask_for_their_section(question: str, lang: str, section: Section) -> None:
    assert section in asked_sections(question, lang)


def test_being_pregnant_alone_asks_for_no_section() -> None:
    assert asked_sections("i am pregnant and have a headache", "en") == frozenset()


def test_an_article_without_the_section_tells_it_elsewhere() -> None:
    asked = frozenset({Section.SELF_CARE})
    medicine = {Section.OVERVIEW, Section.PROCEDURE, Section.HELP}
    assert section_bonus(Section.PROCEDURE, medicine, asked) > 0
    assert section_bonus(Section.PROCEDURE, {*medicine, Section.SELF_CARE}, asked) == 0


def test_sections_of_one_article_stay_together_and_best_comes_first(retriever: Retriever) -> None:
    found = retriever.retrieve("what helps with hay fever", "en")
    assert {s.passage.article_id for s in found.best} == {"hay-fever"}
    assert found.best[0] == found.passages[0]
    assert len({s.passage.article_id for s in found.passages}) == 5
