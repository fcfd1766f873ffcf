"""Each symptom check is opened by what people write (``sentences.yml``): the lexicon as shipped, and the choice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.dialogue.protocol_types import Protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.triage.case import Case
from bot.triage.engine import TriageEngine, default_engine

SENTENCES: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "sentences.yml").read_text(encoding="utf-8")
)
ROWS = [(id_, lang, text) for id_, by_lang in SENTENCES.items() for lang, text in by_lang.items()]


@pytest.fixture(scope="module")
def engine() -> TriageEngine:
    return default_engine()


@pytest.mark.parametrize(("protocol_id", "lang", "text"), ROWS, ids=[f"{i}-{lang}" for i, lang, _ in ROWS])
def test_a_plain_sentence_opens_the_check_for_it(
    check: SymptomCheck, engine: TriageEngine, protocol_id: str, lang: str, text: str
) -> None:
    extraction = engine.extract(text, lang)
    case = engine.merge(Case(), extraction, 0.0)
    found = [f.to_json() for f in extraction.findings]
    step = check.start(found, extraction.profile.to_json(), case.to_json(), lang, text=text)
    assert step.state["protocol"] == protocol_id, [f["id"] for f in found]


def test_every_complaint_has_a_sentence(protocols: Protocols) -> None:
    assert set(SENTENCES) == {p.id for p in protocols.by_id.values() if p.concepts}
