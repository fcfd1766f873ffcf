"""Finding passages and knowing when there are none, over questions as people ask them, in both languages.

Weights and thresholds come from the open half of ``generation/evaluation`` (:mod:`generation.coverage_fit`); the
questions of this folder check them. The held-out half is counted by ``careline evaluate answers``, never here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from generation.coverage import choose_threshold, decision_for
from generation.coverage_fit import threshold
from generation.encoder import MiniLmEncoder
from generation.evaluate import judge
from generation.passages import Passage
from generation.questions import load_questions
from generation.retrieval import Retriever
from generation.slips import one_slip
from generation.tokens import language_of, stem, terms
from generation.vectors import VectorCache

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "models"


@dataclass(frozen=True)
class Questions:
    covered: list[tuple[str, set[str]]]
    uncovered: list[str]


def questions(lang: str) -> Questions:
    data: dict[str, Any] = yaml.safe_load((HERE / f"questions_{lang}.yml").read_text(encoding="utf-8"))
    covered = [(q, {a} if isinstance(a, str) else set(a)) for q, a in data["covered"]]
    return Questions(covered, data["uncovered"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_threshold_is_what_the_rule_gives_on_the_open_half(lang: str, retriever: Retriever) -> None:
    asked = load_questions(lang, "open")
    assert asked is not None
    ruled = threshold(retriever, lang, asked)  # moves a little with every edited article
    assert ruled == pytest.approx(decision_for(lang, False).threshold, abs=0.08)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_open_half_is_found(lang: str, retriever: Retriever) -> None:
    """The goals of retrieval: recall@5 of 0.90 and a mean reciprocal rank of 0.75."""
    asked = load_questions(lang, "open")
    assert asked is not None and len(asked.covered) >= 300 and len(asked.uncovered) >= 60
    report = judge(retriever, lang, asked)
    ranks = [j.rank for j in report.covered]
    assert sum(r is not None for r in ranks) >= 0.90 * len(ranks)
    assert sum(1 / r for r in ranks if r) >= 0.80 * len(ranks)
    assert sum(j.answered for j in report.covered) >= 0.80 * len(ranks)
    assert len(report.wrongly) <= 0.05 * len(asked.uncovered) + 1, report.wrongly


@pytest.mark.timeout(300)  # a minute of encoding where training has not left the articles' vectors
def test_with_the_encoder_the_open_half_is_found_and_the_rest_declined(
    passages: tuple[Passage, ...], tmp_path: Path
) -> None:
    english = [p for p in passages if p.lang == "en"]
    retriever = Retriever(english, MiniLmEncoder(), VectorCache(tmp_path, MODELS))
    retriever.warm()
    asked = load_questions("en", "open")
    assert asked is not None and retriever.uses_encoder
    assert threshold(retriever, "en", asked) == pytest.approx(decision_for("en", True).threshold, abs=0.08)
    report = judge(retriever, "en", asked)
    ranks = [j.rank for j in report.covered]
    assert sum(r is not None for r in ranks) >= 0.90 * len(ranks)
    assert sum(1 / r for r in ranks if r) >= 0.80 * len(ranks)
    assert sum(j.answered for j in report.covered) >= 0.80 * len(ranks)
    assert len(report.wrongly) <= 0.05 * len(asked.uncovered) + 1, report.wrongly


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_checking_half_is_answered_or_declined(lang: str, retriever: Retriever) -> None:
    asked = questions(lang)
    assert len(asked.covered) == 85 and len(asked.uncovered) == 40
    answered = sum(retriever.retrieve(q, lang).covered for q, _ in asked.covered)
    wrongly = [q for q in asked.uncovered if retriever.retrieve(q, lang).covered]
    assert answered >= 77, answered
    assert len(wrongly) <= 2, wrongly


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_questions_nobody_tuned_on(lang: str, retriever: Retriever) -> None:
    data = yaml.safe_load((HERE / f"questions_{lang}.yml").read_text(encoding="utf-8"))
    answered = sum(retriever.retrieve(q, lang).covered for q in data["unseen_covered"])
    wrongly = [q for q in data["unseen_uncovered"] if retriever.retrieve(q, lang).covered]
    assert answered >= 28 and len(wrongly) <= 1, (answered, wrongly)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_right_article_comes_first(lang: str, retriever: Retriever) -> None:
    asked = questions(lang)
    found = [[s.passage.article_id for s in retriever.retrieve(q, lang).passages] for q, _ in asked.covered]
    first = sum(bool(f) and f[0] in right for f, (_, right) in zip(found, asked.covered, strict=True))
    in_five = sum(bool(right & set(f)) for f, (_, right) in zip(found, asked.covered, strict=True))
    assert first >= 81 and in_five >= 84, (first, in_five)


@pytest.mark.parametrize(
    ("question", "lang"),
    [
        ("what causes lupus?", "en"),
        ("treatment of malaria in dogs", "en"),
        ("how is a squint treated", "en"),
        ("狼疮怎么治", "zh"),
        ("what should I do?", "en"),
        ("怎么办", "zh"),
        ("", "en"),
        ("???", "zh"),
        ("hay fever", "fr"),
    ],
)
def test_what_is_not_covered_is_declined(question: str, lang: str, retriever: Retriever) -> None:
    assert not retriever.retrieve(question, lang).covered


def test_only_passages_of_the_language_are_found(retriever: Retriever) -> None:
    for lang in ("en", "zh"):
        found = retriever.retrieve("fever 发烧", lang).passages
        assert found and {s.passage.lang for s in found} == {lang}


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("what is hay fever", "hay-fever.overview"),
        ("what medicine helps hay fever", "hay-fever.treatment"),
        ("when should I see a doctor about a cough", "cough.help"),
        ("who should not take ibuprofen, is it safe", "ibuprofen.caution"),
        ("how do I get a repeat prescription", "clinic-guide.prescriptions"),
        ("how do I book an appointment", "clinic-guide.booking"),
    ],
)
def test_the_section_that_was_asked_for_comes_first(
    question: str, passage: str, retriever: Retriever
) -> None:
    assert retriever.retrieve(question, "en").passages[0].passage.id == passage


@pytest.mark.parametrize("question", ["diarhoea remedies", "what helps against hayfever", "diarrhea"])
def test_slips_and_other_spellings_are_understood(question: str, retriever: Retriever) -> None:
    assert retriever.retrieve(question, "en").covered


def test_traditional_characters_find_the_same(retriever: Retriever) -> None:
    assert retriever.retrieve("頭痛怎麼辦", "zh").passages[0].passage.article_id == "headache"


def test_children_are_answered_with_the_article_for_children(retriever: Retriever) -> None:
    def first(question: str) -> str:
        return retriever.retrieve(question, "en").passages[0].passage.article_id

    assert first("my daughter has a fever") == "fever-children"
    assert first("I have a fever") == "fever-adults"


def test_findings_raise_but_never_cover(retriever: Retriever) -> None:
    plain = retriever.retrieve("what causes lupus", "en")
    with_findings = retriever.retrieve("what causes lupus", "en", findings=("sore_throat",))
    assert not with_findings.covered and with_findings.coverage <= max(plain.coverage, 0.1)
    order = retriever.retrieve("pain medicine", "en", k=30, findings=("back_pain",)).passages
    without = retriever.retrieve("pain medicine", "en", k=30).passages
    assert [s.score for s in order if s.passage.article_id == "back-pain"] > [
        s.score for s in without if s.passage.article_id == "back-pain"
    ]


def test_a_long_question_is_cut_not_refused(retriever: Retriever) -> None:
    assert retriever.retrieve("hay fever " + "x " * 20_000, "en").passages


def test_an_encoder_is_not_waited_for(passages: tuple[Passage, ...]) -> None:
    """Loading takes seconds and a patient has 1.5: until ``warm`` was called the encoder is not touched."""

    class Unloaded:
        languages = frozenset({"en"})
        name = "unloaded"

        def encode(self, texts: object) -> NoReturn:
            raise AssertionError("loaded while a patient waited")

    english = Retriever([p for p in passages if p.lang == "en"], Unloaded())
    assert english.retrieve("hay fever", "en").covered and not english.uses_encoder


@pytest.mark.parametrize(
    ("a", "b", "slip"),
    [
        ("cough", "cough", True),
        ("cuogh", "cough", True),
        ("couh", "cough", True),
        ("coough", "cough", True),
        ("caugh", "cough", True),
        ("cogs", "cough", False),
        ("lupus", "cough", False),
        ("", "ab", False),
    ],
)
def test_one_slip(a: str, b: str, slip: bool) -> None:
    assert one_slip(a, b) is slip and one_slip(b, a) is slip


def test_threshold_rule_prefers_the_middle_of_the_gap() -> None:
    assert choose_threshold([0.8, 0.9], [0.1, 0.2]) == pytest.approx(0.5, abs=0.02)
    assert choose_threshold([0.3], [0.9] * 10) > 0.9


@pytest.mark.parametrize(
    ("word", "same"),
    [
        ("coughing", "cough"),
        ("allergies", "allergy"),
        ("worried", "worry"),
        ("bleeding", "bleeds"),
        ("rashes", "rash"),
    ],
)
def test_stems_join_forms(word: str, same: str) -> None:
    assert stem(word) == stem(same)


def test_terms_hold_no_filler_and_no_numbers() -> None:
    assert terms("What can I do about 38.5 fever?", "en") == ["fever"]
    assert terms("我头疼怎么办", "zh") == ["头疼"]


@pytest.mark.parametrize(
    ("text", "lang"),
    [("我有 fever", "zh"), ("I have a fever", "en"), ("12345", "en"), ("我头痛", "zh"), ("", "en")],
)
def test_language_of_a_question(text: str, lang: str) -> None:
    assert language_of(text) == lang


@pytest.mark.parametrize(
    ("question", "lang", "right"),
    [
        ("I burned my hand on the oven", "en", {"burns"}),
        ("haven't been able to poo for four days", "en", {"constipation"}),
        ("从昨晚开始一直吐", "zh", {"diarrhoea-vomiting"}),
        ("两岁孩子烧到39度能吃什么药", "zh", {"fever-children"}),
        ("宝宝发烧什么时候要去医院", "zh", {"fever-children"}),
        ("怀孕脚肿", "zh", {"pregnancy-complaints", "pre-eclampsia"}),
        ("my child has a rash", "en", {"rash"}),
        ("why can't I get pregnant", "en", {"fertility"}),
        ("how do I make new friends", "en", {"loneliness"}),
        ("is type 1 diabetes for life", "en", {"diabetes-type-1"}),
        ("1型糖尿病能治好吗", "zh", {"diabetes-type-1"}),
        ("low blood sugar what to do", "en", {"low-blood-sugar"}),
    ],
)
def test_everyday_questions_are_answered_by_the_right_article(
    question: str, lang: str, right: set[str], retriever: Retriever
) -> None:
    found = retriever.retrieve(question, lang)
    assert found.covered and found.passages[0].passage.article_id in right


@pytest.mark.parametrize(
    ("question", "lang"),
    [
        ("what is the capital of France", "en"),
        ("法国的首都是哪里", "zh"),
        ("my cat is vomiting", "en"),
        ("我家猫一直吐", "zh"),
        ("what is glaucoma", "en"),
        ("青光眼是什么", "zh"),
        ("what is the weather in Paris tomorrow", "en"),
        ("明天上海天气怎么样", "zh"),
    ],
)
def test_other_subjects_animals_and_illnesses_without_an_article_are_declined(
    question: str, lang: str, retriever: Retriever
) -> None:
    assert not retriever.retrieve(question, lang).covered


def test_a_bite_by_an_animal_is_the_persons_matter(retriever: Retriever) -> None:
    assert retriever.retrieve("a dog bit my hand", "en").passages[0].passage.article_id == "animal-bites"
    assert retriever.retrieve("a dog bit my hand", "en").covered
    assert retriever.retrieve("被狗咬了怎么办", "zh").covered


def test_terms_keep_the_number_that_names_an_illness() -> None:
    assert terms("type 1 diabetes", "en") != terms("type 2 diabetes", "en")
    assert "hepatitisb" in terms("hepatitis B", "en") and "vitaminb12" in terms("is B12 good", "en")
    assert terms("1型糖尿病", "zh") == terms("一型糖尿病", "zh") != terms("2型糖尿病", "zh")
