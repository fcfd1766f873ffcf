"""Short answers resolve against the assistant's last question."""

from __future__ import annotations

import pytest

from nlu.findings import ContextTurn, Extractor

EN = "Do you have a fever or chest pain?"
ZH = "您有发烧或者胸痛吗？"


@pytest.mark.parametrize(
    ("question", "answer", "present", "negated"),
    [
        (EN, "yes", {"fever", "chest_pain"}, set()),
        (EN, "both", {"fever", "chest_pain"}, set()),
        (EN, "yeah both of them", {"fever", "chest_pain"}, set()),
        (EN, "no", set(), {"fever", "chest_pain"}),
        (EN, "nope", set(), {"fever", "chest_pain"}),
        (EN, "neither", set(), {"fever", "chest_pain"}),
        (EN, "none of those", set(), {"fever", "chest_pain"}),
        (EN, "no fever but the other one", {"chest_pain"}, {"fever"}),
        (EN, "just the first", {"fever"}, set()),
        (EN, "the second one", {"chest_pain"}, set()),
        (EN, "no, just a cough", {"cough"}, {"fever", "chest_pain"}),
        (EN, "yes, chest pain", {"chest_pain"}, set()),
        (EN, "I like tea", set(), set()),
        ("Does your chest hurt?", "a bit", {"chest_pain"}, set()),
        ("Does your chest hurt?", "yes it does", {"chest_pain"}, set()),
        ("Does your chest hurt?", "not really", set(), {"chest_pain"}),
        ("Does your chest hurt?", "not sure", set(), set()),
        (
            "Do you have any of these: fever, rash, vomiting?",
            "all of them",
            {"fever", "rash", "vomiting"},
            set(),
        ),
        ("If you have chest pain call us. Do you want to book?", "yes", set(), set()),
        (ZH, "都有", {"fever", "chest_pain"}, set()),
        (ZH, "有", {"fever", "chest_pain"}, set()),
        (ZH, "没有", set(), {"fever", "chest_pain"}),
        (ZH, "都没有", set(), {"fever", "chest_pain"}),
        (ZH, "没有发烧，另一个有", {"chest_pain"}, {"fever"}),
        (ZH, "前者", {"fever"}, set()),
        (ZH, "没有，就是咳嗽", {"cough"}, {"fever", "chest_pain"}),
        (ZH, "嗯", {"fever", "chest_pain"}, set()),
        ("您没有胸痛吧？", "对", set(), {"chest_pain"}),
        ("胸口疼吗？", "有点", {"chest_pain"}, set()),
        ("胸口疼吗？", "不疼", set(), {"chest_pain"}),
    ],
)
def test_answer(
    extractor: Extractor, question: str, answer: str, present: set[str], negated: set[str]
) -> None:
    got = extractor.extract(answer, context=[ContextTurn("assistant", question)])
    assert {f.id for f in got.findings if f.counts} == present
    assert {f.id for f in got.findings if f.status == "negated"} == negated


def test_items_given_by_the_caller(extractor: Extractor) -> None:
    got = extractor.extract("yes", screened=["sweating"])
    assert [(f.id, f.answered, f.span) for f in got.findings] == [("sweating", True, (0, 3))]


def test_a_bare_number_answers_a_question_for_it(extractor: Extractor) -> None:
    asked = [ContextTurn("assistant", "What is your temperature?")]
    assert [f.value for f in extractor.extract("39", context=asked).findings if f.id == "temperature"] == [
        39.0
    ]
    assert [f.id for f in extractor.extract("39").findings] == []
    age = [ContextTurn("assistant", "您多大年纪了？")]
    assert extractor.extract("39", context=age).profile.age_years == 39.0
