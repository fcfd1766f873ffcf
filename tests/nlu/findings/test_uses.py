"""What is done with a medicine, and how much of it was taken."""

from __future__ import annotations

import pytest

from nlu.findings import Extractor, Use, default_extractor


@pytest.fixture(scope="module")
def product() -> Extractor:
    return default_extractor()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm on warfarin, can I take ibuprofen?", {"warfarin": "taken", "ibuprofen": "asked"}),
        ("can I take ibuprofen with my warfarin", {"ibuprofen": "asked", "warfarin": "taken"}),
        ("is it ok that I took ibuprofen with my warfarin", {"ibuprofen": "taken", "warfarin": "taken"}),
        ("I stopped warfarin last year, now taking ibuprofen", {"warfarin": "stopped", "ibuprofen": "taken"}),
        ("I'm allergic to penicillin and took ibuprofen", {"penicillin": "allergic", "ibuprofen": "taken"}),
        ("how much paracetamol is in lemsip", {"paracetamol": "named", "lemsip": "named"}),
        ("he takes colchicine and now he is taking clarithromycin", {"clarithromycin": "taken"}),
        ("on warfarin and hit my head", {"warfarin": "taken"}),
        ("我在吃华法林，能吃布洛芬吗", {"warfarin": "taken", "ibuprofen": "asked"}),
        ("华法林期间能吃布洛芬吗", {"warfarin": "taken", "ibuprofen": "asked"}),
        ("华法林和布洛芬一起吃了一周", {"warfarin": "taken", "ibuprofen": "taken"}),
        ("华法林和布洛芬能一起吃吗", {"warfarin": "asked", "ibuprofen": "asked"}),
        ("去年停了华法林，现在吃布洛芬", {"warfarin": "stopped", "ibuprofen": "taken"}),
        ("我对青霉素过敏，吃了布洛芬", {"penicillin": "allergic", "ibuprofen": "taken"}),
    ],
)
def test_use(product: Extractor, text: str, expected: dict[str, str]) -> None:
    got = {f.id: f.use for f in product.extract(text).findings if f.use is not None}
    assert {k: got.get(k) for k in expected} == {k: Use(v) for k, v in expected.items()}


@pytest.mark.parametrize(
    ("text", "medicines"),
    [
        ("吃了泰诺林", {"paracetamol"}),
        ("used ibuprofen gel on my knee", {"nsaid_gel"}),
        ("在吃他汀", {"statin"}),
        ("吃了秋水仙碱", {"colchicine"}),
    ],
)
def test_a_longer_name_is_another_medicine(product: Extractor, text: str, medicines: set[str]) -> None:
    """泰诺 in 泰诺林, 他 in 他汀, 水仙 in 秋水仙碱 are no names, persons or plants of their own."""
    found = product.extract(text).findings
    assert {f.id for f in found if f.kind == "medicine"} == medicines
    assert {f.who for f in found} == {"patient"}
    assert "plant_mushroom_eaten" not in {f.id for f in found}


@pytest.mark.parametrize(
    ("text", "name", "mg"),
    [
        ("8 paracetamol since this morning", "dose_paracetamol", 4000),
        ("took 2 co-codamol and 2 lemsip", "dose_paracetamol", 3000),
        ("two 500mg paracetamol four times a day", "dose_paracetamol", 4000),
        ("two paracetamol every two hours", "dose_paracetamol", 8000),
        ("two paracetamol every six hours", "dose_paracetamol", 4000),
        ("gave my 2 year old 20ml of calpol instead of 5", "single_paracetamol", 480),
        ("I took 6 grams of paracetamol", "dose_paracetamol", 6000),
        ("布洛芬我今天一共吃了十五片", "dose_ibuprofen", 3000),
        ("给两岁的宝宝喂了10毫升美林，应该是5毫升", "single_ibuprofen", 200),
        ("芬必得一天两次一次一粒", "dose_ibuprofen", 400),
        ("can I take 10 paracetamol", "dose_paracetamol", None),
        ("taking ibuprofen for 10 days", "dose_ibuprofen", None),
        ("paracetamol at 8 and I am 34", "dose_paracetamol", None),
    ],
)
def test_amounts(product: Extractor, text: str, name: str, mg: float | None) -> None:
    got = next((f.value for f in product.extract(text).findings if f.id == name), None)
    assert got == mg
