"""Age, sex, pregnancy said in passing, and whom they belong to."""

from __future__ import annotations

import pytest

from nlu.findings import Extractor, Profile


def whose(extractor: Extractor, text: str) -> dict[str, Profile]:
    got = extractor.extract(text)
    return {**got.people, "patient": got.profile}


@pytest.mark.parametrize(
    ("text", "who", "years"),
    [
        ("my 3 week old has a fever", "baby", 3 / 52.18),
        ("my 2-month-old is vomiting", "baby", 2 / 12),
        ("my baby is 10 days old", "baby", 10 / 365.25),
        ("my 4 year old has a cough", "child", 4.0),
        ("my daughter, 7, has a rash", "daughter", 7.0),
        ("my son is 5 years old and has a fever", "son", 5.0),
        ("I'm 34 and my chest hurts", "patient", 34.0),
        ("80 year old woman with dizziness", "patient", 80.0),
        ("34F with headache", "patient", 34.0),
        ("my mum is 82 years old", "mother", 82.0),
        ("三个月大的宝宝发烧", "baby", 0.25),
        ("宝宝两个月，发烧", "baby", 2 / 12),
        ("我80岁，胸闷", "patient", 80.0),
        ("我儿子3岁半，咳嗽", "son", 3.5),
        ("我妈82岁头晕", "mother", 82.0),
        ("孩子一岁半发烧", "child", 1.5),
    ],
)
def test_age(extractor: Extractor, text: str, who: str, years: float) -> None:
    profile = whose(extractor, text).get(who)
    assert profile is not None
    assert profile.age_years == pytest.approx(years, abs=0.01)


@pytest.mark.parametrize(
    ("text", "pregnant", "weeks"),
    [
        ("I'm 32 weeks pregnant and dizzy", True, 32),
        ("pregnant 12 weeks, vomiting", True, 12),
        ("I'm pregnant", True, None),
        ("I'm not pregnant", False, None),
        ("5 months pregnant with headache", True, 21.7),
        ("怀孕32周头晕", True, 32),
        ("我怀孕五个月了", True, 21.7),
        ("孕28周", True, 28),
        ("没有怀孕", False, None),
        ("I want to get pregnant", None, None),
        ("备孕中", None, None),
    ],
)
def test_pregnancy(extractor: Extractor, text: str, pregnant: bool | None, weeks: float | None) -> None:
    profile = extractor.extract(text).profile
    assert (bool(profile.pregnant), profile.gestation_weeks) == (bool(pregnant), weeks)


@pytest.mark.parametrize(
    "text", ["I gave birth two weeks ago", "5 days postpartum", "产后一周", "刚生完孩子"]
)
def test_postpartum(extractor: Extractor, text: str) -> None:
    assert extractor.extract(text).profile.postpartum is True


def test_a_wife_is_pregnant_not_the_writer(extractor: Extractor) -> None:
    got = extractor.extract("my wife is 30 weeks pregnant and dizzy")
    assert got.people["wife"].pregnant is True
    assert got.profile.pregnant is None
