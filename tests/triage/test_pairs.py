"""Every row of the tables of pairs, in both languages and on both sides; and what the loader refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.triage import Assessment, Case, TriageEngine
from bot.triage.level import Level
from bot.triage.pairs import PAIRS_DIR, PairError, pair_rules
from nlu.findings.lexicon import LEXICON_DIR

Row = dict[str, Any]
TABLES = [yaml.safe_load(p.read_text(encoding="utf-8")) for p in sorted(PAIRS_DIR.glob("*.yml"))]
PAIRS: list[Row] = [row for table in TABLES for row in table.get("pairs") or []]
CONTRAINDICATIONS: list[Row] = [row for table in TABLES for row in table.get("contraindications") or []]
NAMES = {
    lang: yaml.safe_load((LEXICON_DIR / lang / "medicine_names.yml").read_text(encoding="utf-8"))["names"]["med_any"]
    for lang in ("en", "zh")
}  # fmt: skip
BOTH_TAKEN = {
    "en": [
        "I take {a} and I've been taking {b} too",
        "my husband is on {a} and he took {b} this morning",
        "been prescribed {b} and I'm already on {a}",
        "is it ok that I took {b} with my {a}?",
    ],
    "zh": [
        "我在吃{a}，昨天又吃了{b}",
        "我爸一直吃{a}，他今天也吃了{b}",
        "{a}和{b}一起吃了两天",
        "吃着{a}，医生又开了{b}",
    ],
}
ONE_ASKED = {
    "en": [
        "I'm on {a}, can I take {b}?",
        "can I take {b} while I'm taking {a}",
        "is it safe to take {b} with my {a}?",
    ],
    "zh": ["我在吃{a}，能吃{b}吗？", "吃{a}期间可以吃{b}吗", "吃{a}能不能同时吃{b}"],
}
APART = {
    "en": [
        "I stopped {a} last year, now I take {b}",
        "my mum takes {a}, I take {b}",
        "I used to take {a}, these days I take {b}",
    ],
    "zh": ["去年停了{a}，现在吃{b}", "我妈吃{a}，我吃{b}", "以前吃过{a}，现在只吃{b}"],
}
OTHER_REASONS = {"RF189", "RF094"}
"""The morning-after pill and the pills after a risk of HIV are urgent by themselves: hours count."""
STATE_WORDS = {
    "en": {
        "pregnancy": "I'm pregnant", "breastfeeding": "I'm breastfeeding", "kidney_disease": "I have kidney disease",
        "liver_disease": "I have liver disease", "asthma": "I have asthma", "stomach_ulcer": "I have a stomach ulcer",
        "heart_failure": "I have heart failure", "g6pd_deficiency": "I have G6PD deficiency",
        "epilepsy": "I have epilepsy", "parkinsons": "I have Parkinson's", "hypertension": "I have hypertension",
        "heart_disease": "I have heart disease", "gout": "I have gout",
        "glaucoma": "I have glaucoma", "diabetes": "I have diabetes", "dementia": "I have dementia",
    },
    "zh": {
        "pregnancy": "我怀孕了", "breastfeeding": "我在哺乳", "kidney_disease": "我有肾病", "liver_disease": "我有肝病",
        "asthma": "我有哮喘", "stomach_ulcer": "我有胃溃疡",
        "heart_failure": "我有心衰", "g6pd_deficiency": "我有蚕豆病",
        "epilepsy": "我有癫痫", "parkinsons": "我有帕金森病", "hypertension": "我有高血压",
        "heart_disease": "我有心脏病",
        "gout": "我有痛风", "glaucoma": "我有青光眼", "diabetes": "我有糖尿病",
    },
}  # fmt: skip


def names(engine: TriageEngine, concept: str, lang: str) -> str:
    """One plain name of a medicine, or of a member of its class."""
    members = [concept, *(c for c in NAMES[lang] if concept in engine.knowledge.closure(c))]
    for member in members:
        for name in NAMES[lang].get(member, []):
            return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", str(name)).replace("*", "")
    raise AssertionError(f"{concept} has no plain name in {lang}")


def two_names(engine: TriageEngine, row: Row, lang: str) -> tuple[str, str]:
    if row["a"] != row["b"]:
        return names(engine, row["a"], lang), names(engine, row["b"], lang)
    members = [c for c in NAMES[lang] if row["a"] in engine.knowledge.closure(c)]
    found = list(dict.fromkeys(names(engine, c, lang) for c in members))
    return found[0], found[1]


def said(engine: TriageEngine, text: str) -> Assessment:
    return engine.turn(Case(), text, 0.0)[1]


def ids(assessment: Assessment) -> set[str]:
    return {hit.id for hit in assessment.hits}


@pytest.mark.parametrize(("lang", "text"), [(lang, t) for lang in BOTH_TAKEN for t in BOTH_TAKEN[lang]])
def test_both_taken_by_one_person(engine: TriageEngine, lang: str, text: str) -> None:
    """The rule of the pair holds and the message is as urgent as its row."""
    missed = []
    for row in PAIRS:
        a, b = two_names(engine, row, lang)
        got = said(engine, text.format(a=a, b=b))
        if f"DDI-{row['a']}-{row['b']}" not in ids(got) or got.level < Level.from_code(row["level"]):
            missed.append(f"{text.format(a=a, b=b)} → {got.level.code} {sorted(ids(got))}")
    assert not missed, f"{len(missed)} of {len(PAIRS)}:\n" + "\n".join(missed[:12])


@pytest.mark.parametrize(("lang", "text"), [(lang, t) for lang in ONE_ASKED for t in ONE_ASKED[lang]])
def test_asking_before_taking_is_no_alarm(engine: TriageEngine, lang: str, text: str) -> None:
    """Asking is the right behaviour: the pair is named, and the pair itself raises nothing above routine."""
    missed = []
    for row in PAIRS:
        a, b = two_names(engine, row, lang)
        got = said(engine, text.format(a=a, b=b))
        rule = f"DDI-{row['a']}-{row['b']}"
        loud = got.level > Level.ROUTINE and not ids(got) & OTHER_REASONS
        if f"{rule}-asked" not in ids(got) or rule in ids(got) or loud:
            missed.append(f"{text.format(a=a, b=b)} → {got.level.code} {sorted(ids(got))}")
    assert not missed, f"{len(missed)} of {len(PAIRS)}:\n" + "\n".join(missed[:12])


@pytest.mark.parametrize(("lang", "text"), [(lang, t) for lang in APART for t in APART[lang]])
def test_not_together_or_not_one_person(engine: TriageEngine, lang: str, text: str) -> None:
    """One of them stopped long ago, or somebody else takes it."""
    wrong = []
    for row in PAIRS:
        a, b = two_names(engine, row, lang)
        got = said(engine, text.format(a=a, b=b))
        if any(i.startswith(f"DDI-{row['a']}-{row['b']}") for i in ids(got)):
            wrong.append(f"{text.format(a=a, b=b)} → {sorted(ids(got))}")
    assert not wrong, f"{len(wrong)} of {len(PAIRS)}:\n" + "\n".join(wrong[:12])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_medicines_with_a_condition(engine: TriageEngine, lang: str) -> None:
    """Taken with it: as urgent as the row. Only asked about: routine. Without it: nothing of the row."""
    wrong = []
    for row in CONTRAINDICATIONS:
        state = STATE_WORDS[lang].get(row["with"])
        if state is None:
            continue
        name, rule = names(engine, row["medicine"], lang), f"CI-{row['medicine']}-{row['with']}"
        taken, asked, without = (
            (
                f"{state} and I've been taking {name}",
                f"{state}, can I take {name}?",
                f"I've been taking {name}",
            )
            if lang == "en"
            else (f"{state}，这几天在吃{name}", f"{state}，能吃{name}吗？", f"这几天在吃{name}")
        )
        got = said(engine, taken)
        if rule not in ids(got) or got.level < Level.from_code(row["level"]):
            wrong.append(f"{taken} → {got.level.code} {sorted(ids(got))}")
        got = said(engine, asked)
        if f"{rule}-asked" not in ids(got) or rule in ids(got):
            wrong.append(f"{asked} → {got.level.code} {sorted(ids(got))}")
        got = said(engine, without)
        if any(i.startswith(rule) for i in ids(got)):
            wrong.append(f"{without} → {sorted(ids(got))}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_allergy(engine: TriageEngine, lang: str) -> None:
    """Allergic to it and took it: urgent. Allergic and asks, or only says so: quiet."""
    wrong = []
    for row in (r for r in CONTRAINDICATIONS if r["with"].startswith("allergy_")):
        name = names(engine, row["medicine"], lang)
        to = names(engine, row["with"].removeprefix("allergy_"), lang)
        taken, asked, only = (
            (f"I'm allergic to {to} and I took {name}", f"I'm allergic to {to}, can I take {name}?",
             f"I'm allergic to {to}, please note it")
            if lang == "en"
            else (f"我对{to}过敏，刚才吃了{name}", f"我对{to}过敏，能吃{name}吗", f"我对{to}过敏，请记一下")
        )  # fmt: skip
        got = said(engine, taken)
        if f"CI-{row['medicine']}-{row['with']}" not in ids(got):
            wrong.append(f"{taken} → {got.level.code} {sorted(ids(got))}")
        for quiet in (asked, only):
            if said(engine, quiet).level > Level.ROUTINE:
                wrong.append(f"{quiet} → {said(engine, quiet).level.code} {sorted(ids(said(engine, quiet)))}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("warfarin with ibuprofen for a week and now my stools are black", "emergency"),
        ("I take sertraline and tramadol and now I'm sweating, twitching and confused", "emergency"),
        ("华法林和布洛芬一起吃了一周，大便发黑", "emergency"),
        ("吃了舍曲林又吃曲马多，现在发烧抽动", "emergency"),
    ],
)
def test_harm_already_there(engine: TriageEngine, text: str, level: str) -> None:
    assert said(engine, text).level.code == level


def a_table(**changes: Any) -> dict[str, Any]:
    table = {
        "sources": {"s": {"name": "Test: page", "date": "2026-11-26"}},
        "effects": {"e": {"en": "Bad.", "zh": "不好。", "ill": ["fever"]}},
        "review": "not_reviewed",
        "pairs": [{"a": "warfarin", "b": "nsaid", "level": "urgent", "effect": "e", "source": "s"}],
    }
    return {**table, **changes}


def row(**changes: Any) -> list[dict[str, Any]]:
    return [{**a_table()["pairs"][0], **changes}]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (a_table(pairs=row(a="warfrin")), "pairs.0.a: 'warfrin' is no medicine of the vocabulary"),
        (a_table(pairs=row(b="chest_pain")), "pairs.0.b: 'chest_pain' is no medicine"),
        (a_table(pairs=row(source="t")), "pairs.0.source: 't' is not among sources"),
        (a_table(pairs=row(level="emergency")), "pairs.0.level: must be one of urgent, routine"),
        (a_table(pairs=row(colour="red")), "pairs.0.colour: unknown key"),
        (
            a_table(pairs=[*row(), *row(a="nsaid", b="warfarin")]),
            "pairs.1: nsaid and warfarin are already in",
        ),
        (a_table(sources={"s": {"date": "2026-11-26"}}), "sources.s: 'name' is missing"),
        (a_table(sources={"s": {"name": "x"}}), "sources.s: 'date' is missing"),
        (a_table(effects={"e": {"en": "Bad."}}), "effects.e: expected a sentence in each of en, zh"),
        (a_table(review=None), "review: is missing"),
    ],
)
def test_refused(engine: TriageEngine, tmp_path: Path, table: dict[str, Any], message: str) -> None:
    """File, line and key are said."""
    path = tmp_path / "t.yml"
    path.write_text(yaml.safe_dump(table, allow_unicode=True, sort_keys=False), encoding="utf-8")
    with pytest.raises(PairError) as caught:
        list(pair_rules(engine.knowledge.concepts, tmp_path))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


def test_size() -> None:
    assert len(PAIRS) >= 150
    assert sum(len(v) for v in NAMES["en"].values()) >= 350
    assert sum(len(v) for v in NAMES["zh"].values()) >= 350
