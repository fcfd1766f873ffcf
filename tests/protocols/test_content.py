"""The protocols as data: known concepts, plain words, both languages, strict loading."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot.dialogue.protocol_loader import PROTOCOLS_DIR, ProtocolError, load_protocols
from bot.dialogue.protocol_types import Protocols
from bot.dialogue.symptom_conditions import concepts

VOCABULARY = Path(__file__).parents[2] / "nlu" / "findings" / "vocabulary"
NEEDED = {
    "fever_adult", "fever_child", "cough_cold", "sore_throat", "headache", "abdominal_pain", "back_pain", "rash",
    "diarrhoea_vomiting", "urinary", "earache", "limb_injury", "low_mood", "dizziness", "generic",
}  # fmt: skip
LONG_WORDS_FINE = {
    "vomiting",
    "diarrhoea",
    "pharmacist",
    "emergency",
    "temperature",
    "antibiotics",
    "breastfeeding",
}


def english(protocols: Protocols) -> Iterator[tuple[str, str]]:
    """Every English sentence a patient can read, with where it stands."""
    for sign, text in protocols.signs.items():
        yield f"signs.{sign}", text["en"]
    for p in protocols.by_id.values():
        rows = [q.ask for q in p.questions] + [o.label for q in p.questions for o in q.options]
        rows += [r.reason for r in p.outcomes] + [p.default.reason, *p.advice, *p.come_back, *p.tell]
        rows += [row for v in p.variants for row in (*v.advice, *v.come_back, *v.tell)]
        for row in rows:
            yield p.id, row["en"]


def test_the_needed_complaints_are_there(protocols: Protocols) -> None:
    assert set(protocols.by_id) >= NEEDED


def test_every_concept_is_in_the_vocabulary(protocols: Protocols) -> None:
    known = {
        key for path in VOCABULARY.glob("*.yml") for key in yaml.safe_load(path.read_text(encoding="utf-8"))
    }
    used = set(protocols.signs)
    for p in protocols.by_id.values():
        used |= set(p.concepts) | {c for r in p.outcomes for c in concepts(r.when)}
        used |= {c for v in p.variants for c in concepts(v.when)}
        used |= {s for q in p.questions for s in q.signs} | {
            o.concept for q in p.questions for o in q.options if o.concept
        }
    assert used - known == set()


def test_every_wording_of_a_sign_is_asked_somewhere(protocols: Protocols) -> None:
    asked = {
        s
        for p in protocols.by_id.values()
        for q in (*p.screens, *p.questions, *(q for v in p.variants for q in v.screens))
        for s in q.signs
    }
    assert set(protocols.signs) - asked == set()


def test_every_protocol_screens_for_emergencies_and_names_its_source(protocols: Protocols) -> None:
    for p in protocols.by_id.values():
        assert any(s.level == "emergency" and s.signs for s in p.screens), p.id
        assert p.source.name and p.source.review == "not_reviewed"
        assert len(p.screens) + len(p.questions) <= 8, p.id


def test_no_dose_and_no_diagnosis_in_any_sentence(protocols: Protocols) -> None:
    for where, text in english(protocols):
        assert not re.search(
            r"\b\d+ ?(?:mg|ml|g|tablets?)\b|you have (?:a|an) |stop (?:taking|your)", text, re.I
        ), (where, text)


def test_english_is_plain(protocols: Protocols) -> None:
    """Short sentences, short words: readable at nine to eleven."""
    rows = list(english(protocols))
    for where, text in rows:
        for sentence in re.split(r"(?<=[.?!])\s|: ", text):
            assert len(sentence.split()) <= 20, (where, sentence)
        long = [w for w in re.findall(r"[a-z]+", text.lower()) if len(w) >= 13 and w not in LONG_WORDS_FINE]
        assert not long, (where, long)
    words = [w for _, text in rows for w in re.findall(r"[A-Za-z]+", text)]
    sentences = [s for _, text in rows for s in re.split(r"(?<=[.?!])\s", text) if s]
    assert len(words) / len(sentences) <= 11
    assert sum(map(len, words)) / len(words) <= 4.6


def test_chinese_is_chinese(protocols: Protocols) -> None:
    for p in protocols.by_id.values():
        for row in (p.name, p.default.reason, *p.advice, *p.come_back, *(q.ask for q in p.questions)):
            assert re.search(r"[一-鿿]", row["zh"]) and not re.search(r"[A-Za-z]{3}", row["zh"]), row["zh"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("priority: 60", "priorty: 60"), "priorty"),
        (("level: urgent, signs", "level: soon, signs"), "soon"),
        (("- duration", "- durations"), "durations"),
        (("{answer: temperature, min: 39}", "{answer: temperatur, min: 39}"), "temperatur"),
        (("signs: [severe_breathlessness", "signs: [severe_breath"), "severe_breath"),
        (("name: {en: sore throat, zh: 喉咙痛}", "name: {en: sore throat}"), "zh"),
        (("kind: yesno", "kind: maybe"), "maybe"),
        (("min: 39", "least: 39"), "least"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    shutil.copytree(PROTOCOLS_DIR, tmp_path / "p")
    path = tmp_path / "p" / "sore_throat.yml"
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    with pytest.raises(ProtocolError) as error:
        load_protocols(tmp_path / "p")
    assert "sore_throat.yml" in str(error.value) and says in str(error.value)
