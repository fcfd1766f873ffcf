"""Whom a finding concerns when nobody is named beside it, animals as objects, denied lists, general questions.

Each row: sentence | expected readings, written as in ``test_assertion``; ``@who`` says whom a counting one concerns.
"""

from __future__ import annotations

import pytest

from nlu.findings import Extractor
from tests.nlu.findings.test_assertion import _table, reading_of

WHO = [
    ("rash then he started vomiting", "other", {"rash", "vomiting"}),
    ("high temperature and she's having a seizure", "other", {"fever", "seizure"}),
    ("temp 39.2 and he cant breathe", "other", {"temperature", "fever", "breathlessness"}),
    ("my son has a fever. now a rash and he is vomiting", "son", {"fever", "rash", "vomiting"}),
    ("糖尿病病人体温38.6", "other", {"diabetes", "temperature", "fever"}),
    ("起疹子，孩子喘不上气", "child", {"rash", "breathlessness"}),
    ("发烧，他抽搐了", "other", {"fever", "seizure"}),
    ("I have a fever and he is vomiting", None, {"fever"}),
    ("我发烧，他吐了", None, {"fever"}),
    ("want to die, he is vomiting", None, {"thinking_of_death"}),
]


@pytest.mark.parametrize(("sentence", "who", "ids"), WHO)
def test_findings_of_nobody_join_the_one_ill_person(
    extractor: Extractor, sentence: str, who: str | None, ids: set[str]
) -> None:
    found = [f for f in extractor.extract(sentence).findings if f.counts]
    assert {f.id for f in found if f.who == (who or "patient")} == ids


ENGLISH = """
my chest is tight when I walked the dog | chest_pressure+
the dog bit my daughter and she is vomiting | vomiting+
short of breath after feeding my cat | breathlessness+
my dog is vomiting | vomitingx
the cat keeps vomiting | vomitingx
my son had a seizure, hes never had one before | seizure+
my daughter had a seizure | seizure+
my mum had a seizure, first time ever | seizure+
my grandad died of a heart attack | heart_attackf
my dad had a heart attack and passed away | heart_attackf
my dad nearly died of a heart attack, he is vomiting | heart_attack+ vomiting+
They asked about chest pain, fever and cough and I have none of those | chest_pain- fever- cough-
chest pain, dizziness: none of these | chest_pain- dizziness-
the nurse asked me about fever and vomiting, I don't have any of them | fever- vomiting-
I have chest pain. Fever, cough, I have none of those | chest_pain+ fever- cough-
rash all over | rash+
the rash is all over my body | rash+
a headache since the party last month | headache+
I had headaches last month | headachep
"""
CHINESE = """
我遛狗的时候胸闷 | chest_pressure+
狗咬了我，伤口起疹子 | rash+
我家狗吐了 | vomitingx
儿子抽搐了，以前从来没抽过 | seizure+
爷爷心梗去世了 | heart_attackf
我爸心梗走的 | heart_attackf
我爸差点心梗走了，现在胸痛 | heart_attack+ chest_pain+
我爷爷70岁心梗，我现在没什么不舒服 | heart_attackf
爷爷70岁心梗，姑姑55岁心梗 | heart_attackf
爷爷70岁，心梗了，怎么办 | heart_attack+
医生问了胸痛、气短、发烧，我都没有 | chest_pain- breathlessness- fever-
医生问我有没有胸痛，我说没有 | chest_pain-
我胸痛，问了发烧咳嗽，我都没有 | chest_pain+ fever- cough-
胸痛、气短，我都没有力气了 | chest_pain+ breathlessness+
糖尿病怎么缓解 | diabetes?
皮疹怎么消除 | rash?
我起疹子三天了怎么缓解 | rash+
头疼怎么办 | headache+
胸痛怎么缓解 | chest_pain+
糖尿病不能吃什么 | diabetes?
心梗病科在几楼 | heart_attack?
"""


@pytest.mark.parametrize(("sentence", "expected"), _table(ENGLISH) + _table(CHINESE))
def test_reading(extractor: Extractor, sentence: str, expected: dict[str, str]) -> None:
    got = reading_of(extractor.extract(sentence))
    assert {k: got.get(k) for k in expected} == expected


@pytest.mark.parametrize(
    ("sentence", "name", "value"),
    [
        ("血氧饱和度只有87%", "spo2", 87),
        ("血氧才88", "spo2", 88),
        ("体温都39.5了", "temperature", 39.5),
        ("血糖34", "glucose", 34),
        ("血糖180", "glucose", 9.99),
        ("血糖2.6 人昏过去了", "glucose", 2.6),
        ("glucose 90", "glucose", 5.0),
    ],
)
def test_values(extractor: Extractor, sentence: str, name: str, value: float) -> None:
    assert [f.value for f in extractor.extract(sentence).findings if f.id == name] == [value]
