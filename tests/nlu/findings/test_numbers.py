"""Numbers with units over a generated grammar in both languages, and the look-alikes that are not vital signs."""

from __future__ import annotations

import itertools

import pytest

from nlu.findings import Extractor


def values(extractor: Extractor, text: str) -> dict[str, float]:
    """Measure → value of everything measured in a text."""
    return {f.id: f.value for f in extractor.extract(text).findings if f.value is not None}


CHINESE_DIGITS = "零一二三四五六七八九"


def chinese(n: int) -> str:
    """An integer below 300 as it is said."""
    if n < 10:
        return CHINESE_DIGITS[n]
    if n < 20:
        return "十" + (CHINESE_DIGITS[n % 10] if n % 10 else "")
    if n < 100:
        return CHINESE_DIGITS[n // 10] + "十" + (CHINESE_DIGITS[n % 10] if n % 10 else "")
    rest = n % 100
    tail = (
        ""
        if not rest
        else ("零" + CHINESE_DIGITS[rest] if rest < 10 else ("一" if rest < 20 else "") + chinese(rest))
    )
    return CHINESE_DIGITS[n // 100] + "百" + tail


def _temperatures() -> list[tuple[str, str, float]]:
    forms = []
    for whole, tenth in itertools.product(range(36, 42), (0, 3, 5, 9)):
        value = whole + tenth / 10
        fahrenheit = round(value * 9 / 5 + 32, 1)
        for frame in ("my temp is {}", "temperature {}", "she has a fever of {}", "temp was {} this morning"):
            forms.append((frame.format(f"{value}"), "temperature", value))
            forms.append((frame.format(f"{value}C"), "temperature", value))
            forms.append((frame.format(f"{value} °C"), "temperature", value))
            forms.append((frame.format(f"{value} degrees"), "temperature", value))
            forms.append((frame.format(f"{fahrenheit}F"), "temperature", value))
        for frame in ("体温{}", "发烧{}", "烧到{}了", "孩子{}"):
            forms.append((frame.format(f"{value}度"), "temperature", value))
            forms.append((frame.format(f"{value}℃"), "temperature", value))
            spoken = f"{chinese(whole)}度" + (CHINESE_DIGITS[tenth] if tenth else "")
            forms.append((frame.format(spoken), "temperature", value))
            if tenth:
                forms.append((frame.format(f"{whole}度{tenth}"), "temperature", value))
                forms.append(
                    (frame.format(f"{chinese(whole)}点{CHINESE_DIGITS[tenth]}度"), "temperature", value)
                )
    return forms


def _pressures() -> list[tuple[str, str, float]]:
    forms = []
    for systolic, diastolic in ((85, 50), (120, 80), (145, 95), (180, 120), (190, 110), (210, 130)):
        for text in (
            f"bp {systolic}/{diastolic}", f"my blood pressure is {systolic} over {diastolic}",
            f"BP: {systolic} / {diastolic}",
            f"血压{systolic}/{diastolic}", f"高压{systolic}低压{diastolic}",
            f"血压{chinese(systolic)}/{chinese(diastolic)}",
            f"量血压是{systolic}，低压{diastolic}",
        ):  # fmt: skip
            forms.append((text, "systolic", float(systolic)))
            forms.append((text, "diastolic", float(diastolic)))
    return forms


def _others() -> list[tuple[str, str, float]]:
    forms = []
    for n in (45, 88, 140, 165):
        forms += [(t, "pulse", float(n)) for t in (
            f"pulse {n}", f"my heart rate is {n}", f"hr {n}", f"{n} bpm", f"heart rate of {n} beats per minute",
            f"心率{n}", f"脉搏{n}次", f"心跳每分钟{n}次", f"心跳{chinese(n)}",
        )]  # fmt: skip
    for n in (85, 88, 92, 97):
        forms += [(t, "spo2", float(n)) for t in (
            f"sats {n}%", f"oxygen is {n}", f"spo2 {n}", f"her oxygen level is {n} percent", f"{n}% oxygen",
            f"血氧{n}", f"血氧饱和度{n}%", f"血氧百分之{chinese(n)}", f"血氧只有{n}",
        )]  # fmt: skip
    for n in (12, 28, 40):
        forms += [(t, "resp_rate", float(n)) for t in (
            f"respiratory rate {n}", f"breathing rate is {n}", f"{n} breaths per minute", f"呼吸{n}次", f"呼吸频率{n}",
            f"每分钟呼吸{n}次",
        )]  # fmt: skip
    for n in (2.8, 5.6, 18.0, 28.4):
        forms += [(t, "glucose", n) for t in (
            f"blood sugar {n}", f"my glucose is {n} mmol/L", f"bm {n}", f"血糖{n}", f"空腹血糖{n}mmol/L",
        )]  # fmt: skip
    forms += [
        ("blood sugar 54 mg/dl", "glucose", 3.0),
        ("glucose 400", "glucose", 22.2),
        ("血糖350", "glucose", 19.43),
    ]
    forms += [("ketones 3.4", "ketones", 3.4), ("血酮4.1", "ketones", 4.1), ("potassium 6.8", "potassium", 6.8),
              ("血钾6.7", "potassium", 6.7), ("INR 9", "inr", 9.0)]  # fmt: skip
    forms += [
        ("peak flow 40%", "peak_flow_percent", 40.0),
        ("peak flow 180, my best is 450", "peak_flow_percent", 40.0),
    ]
    forms += [
        ("she weighs 12 kg", "weight", 12.0),
        ("体重60公斤", "weight", 60.0),
        ("体重120斤", "weight", 60.0),
    ]
    return forms


GRAMMAR = _temperatures() + _pressures() + _others()


def test_grammar(extractor: Extractor) -> None:
    wrong = [
        (text, name, value, values(extractor, text))
        for text, name, value in GRAMMAR
        if abs(values(extractor, text).get(name, -1.0) - value) > 0.06
    ]
    assert len(GRAMMAR) > 900
    assert not wrong, f"{len(wrong)} of {len(GRAMMAR)}: {wrong[:12]}"


@pytest.mark.parametrize(
    "text",
    [
        "room 38 please", "I live at 39 High Street", "bus 120", "my flat is number 38", "call me on 07700 900123",
        "appointment on 12/10/2025", "12/10", "I am 38 years old", "it is 38 degrees outside", "I scored 120/80",
        "chapter 39", "at 8:38", "I waited 40 minutes", "38 people", "height/weight 170/65", "size 39 shoes",
        "my order number is 180120", "queue ticket 39", "we won 41", "on page 40",
        "我住38号", "今年38岁", "气温38度", "房间38", "电话13800138000", "排队39号", "公交120路", "外面38度好热",
        "身高体重170/65", "今天是12/10", "38床", "第39页", "考了39分", "等了40分钟",
        "chest pressure, im 65", "trouble breathing, 45 male", "home oxygen, I'm 75", "pressure at work, 85 year old",
        "胸口有压力，我今年65", "呼吸困难，男，45岁", "breathing badly, I am 60",
    ],
)  # fmt: skip
def test_look_alikes_are_no_vital_signs(extractor: Extractor, text: str) -> None:
    assert values(extractor, text).keys() - {"weight"} == set()


@pytest.mark.parametrize(
    "text", ["temp 385", "temperature 12", "bp 1200/80", "pulse 900", "sats 12", "体温3度", "血压20/10"]
)
def test_the_implausible_is_refused(extractor: Extractor, text: str) -> None:
    assert values(extractor, text) == {}


def test_a_high_temperature_is_a_fever_and_a_normal_one_is_not(extractor: Extractor) -> None:
    assert "fever" in {f.id for f in extractor.extract("temp 38.0").findings}
    assert "fever" not in {f.id for f in extractor.extract("temp 37.9").findings}
    assert "low_blood_sugar" in {f.id for f in extractor.extract("血糖3.9").findings}
    assert "low_blood_sugar" not in {f.id for f in extractor.extract("血糖4.0").findings}
