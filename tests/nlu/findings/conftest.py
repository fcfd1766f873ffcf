"""Shared by the findings tests: a small lexicon of their own, so that they test the engine and not its data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nlu.findings import Extractor, load_knowledge
from nlu.findings.lexicon import LEXICON_DIR

VOCABULARY = {
    "fever": {"kind": "sign", "name": {"en": "fever", "zh": "发烧"}},
    "cough": {"kind": "symptom", "name": {"en": "cough", "zh": "咳嗽"}},
    "headache": {"kind": "symptom", "name": {"en": "headache", "zh": "头痛"}},
    "vomiting": {"kind": "symptom", "name": {"en": "vomiting", "zh": "呕吐"}},
    "rash": {"kind": "sign", "name": {"en": "rash", "zh": "皮疹"}},
    "runny_nose": {"kind": "symptom", "name": {"en": "runny nose", "zh": "流鼻涕"}},
    "dizziness": {"kind": "symptom", "name": {"en": "dizziness", "zh": "头晕"}},
    "chest_pain": {"kind": "symptom", "name": {"en": "chest pain", "zh": "胸痛"}, "sticky": True},
    "chest_pressure": {
        "kind": "symptom", "name": {"en": "tight chest", "zh": "胸闷"}, "sticky": True, "implies": ["chest_pain"],
    },
    "sweating": {"kind": "symptom", "name": {"en": "sweating", "zh": "出汗"}},
    "seizure": {"kind": "event", "name": {"en": "fit", "zh": "抽搐"}, "sticky": True},
    "heart_attack": {"kind": "event", "name": {"en": "heart attack", "zh": "心梗"}},
    "diabetes": {"kind": "condition", "name": {"en": "diabetes", "zh": "糖尿病"}},
    "breathlessness": {"kind": "symptom", "name": {"en": "breathlessness", "zh": "气短"}},
    "limb_numbness": {"kind": "symptom", "name": {"en": "numb limb", "zh": "肢体麻木"}},
    "lethal_method_question": {
        "kind": "crisis", "name": {"en": "asks for a lethal dose", "zh": "询问致死量"}, "hypothetical_counts": True,
    },
    "thinking_of_death": {"kind": "crisis", "name": {"en": "thoughts of death", "zh": "想死"}},
    "low_blood_sugar": {"kind": "sign", "name": {"en": "low blood sugar", "zh": "低血糖"}},
}  # fmt: skip
ENGLISH = {
    "classes": {"chest": ["chest", "breastbone", "middle of my chest"], "hurt": ["hurt*", "ache*", "aching"]},
    "concepts": {
        "fever": ["fever", "high temperature", "feverish"],
        "cough": ["cough*"],
        "headache": ["headache*", "head [is] (hurt*|pounding)"],
        "vomiting": ["vomit*", "throwing up", "threw up"],
        "rash": ["rash*"],
        "runny_nose": ["runny nose"],
        "dizziness": ["dizz*"],
        "chest_pain": [
            "@chest (pain*|@hurt)",
            "@chest [is|was|feels] [really|so|very] @hurt",
            "pain ..4 @chest",
        ],
        "chest_pressure": ["@chest [is|feels] [really|so|very] (tight|heavy)", "(tight|heavy) chest"],
        "sweating": ["sweat*"],
        "seizure": ["seizure*", "fitting"],
        "heart_attack": ["heart attack*"],
        "diabetes": ["diabet*"],
        "breathlessness": ["short* of breath", "cant breathe", "breathless*"],
        "limb_numbness": ["(no feeling|numb*) ..3 (arm|leg)", "(arm|leg) [is|has gone] numb"],
        "lethal_method_question": ["how many ..3 (pills|tablets) ..4 (kill|die)"],
        "thinking_of_death": ["want to die", "dying", {"p": "dying to (see|meet|know)", "kill": True}],
    },
}
CHINESE = {
    "classes": {"pain": ["疼", "痛"]},
    "concepts": {
        "fever": ["发烧", "发热"],
        "cough": ["咳嗽"],
        "headache": ["头..2@pain"],
        "vomiting": ["吐了", "呕吐", "吐"],
        "rash": ["皮疹", "起疹子"],
        "runny_nose": ["流鼻涕"],
        "dizziness": ["头晕"],
        "chest_pain": ["胸(口)?..4@pain", "胸@pain"],
        "chest_pressure": ["胸闷", "胸口(发)?闷"],
        "sweating": ["出汗", "冒汗"],
        "seizure": ["抽搐", "抽风"],
        "heart_attack": ["心梗", "心肌梗死"],
        "diabetes": ["糖尿病"],
        "breathlessness": ["气短", "喘不上气"],
        "limb_numbness": ["(胳膊|腿)(没有|没)知觉", "(胳膊|腿)麻"],
        "lethal_method_question": ["(多少|几)(片|粒)..4(死)"],
        "thinking_of_death": ["想死", {"p": "想死你了", "kill": True}],
    },
}


def write_small_lexicon(folder: Path) -> tuple[Path, Path]:
    """A vocabulary and a lexicon folder with the engine's own cue files and the small content above."""
    vocabulary, lexicon = folder / "vocabulary", folder / "lexicon"
    vocabulary.mkdir()
    (vocabulary / "small.yml").write_text(yaml.safe_dump(VOCABULARY, allow_unicode=True), encoding="utf-8")
    for code, content in (("en", ENGLISH), ("zh", CHINESE)):
        (lexicon / code).mkdir(parents=True)
        for path in (LEXICON_DIR / code).glob("_*.yml"):
            (lexicon / code / path.name).write_bytes(path.read_bytes())
        (lexicon / code / "small.yml").write_text(
            yaml.safe_dump(content, allow_unicode=True), encoding="utf-8"
        )
    return vocabulary, lexicon


@pytest.fixture(scope="session")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    """An extractor over the small lexicon."""
    vocabulary, lexicon = write_small_lexicon(tmp_path_factory.mktemp("lexicon"))
    return Extractor(load_knowledge(vocabulary, lexicon))
