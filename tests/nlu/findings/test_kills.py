"""A look-alike cancels within its own domain; only an idiom, or one marked for all, cancels everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nlu.findings import Extractor, load_knowledge
from nlu.findings.lexicon import LexiconError
from tests.nlu.findings.conftest import write_small_lexicon

OTHER_DOMAIN = {
    "en": {"dizziness": [{"p": "(head|arm) ..3 (dizz*|vomit*|hurt*|bleed*|pounding)", "kill": True}]},
    "zh": {"dizziness": [{"p": "(胸|头)..3得受不了", "kill": True}, {"p": "装头晕头痛", "kill": "all"}]},
}


@pytest.fixture(scope="module")
def two_domains(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    vocabulary, lexicon = write_small_lexicon(tmp_path_factory.mktemp("kills"))
    for code, concepts in OTHER_DOMAIN.items():
        text = yaml.safe_dump({"concepts": concepts}, allow_unicode=True)
        (lexicon / code / "other.yml").write_text(text, encoding="utf-8")
    return Extractor(load_knowledge(vocabulary, lexicon))


@pytest.mark.parametrize(
    ("sentence", "kept", "cancelled"),
    [
        ("my head is pounding", ["headache"], []),
        ("my head was so dizzy", [], ["dizziness"]),
        ("胸口疼得受不了", ["chest_pain"], []),
        ("头晕得受不了", [], ["dizziness"]),
        ("装头晕头痛", [], ["dizziness", "headache"]),
        ("I'm dying to see you", [], ["thinking_of_death"]),
        ("想死你了", [], ["thinking_of_death"]),
    ],
)
def test_reach_of_a_look_alike(
    two_domains: Extractor, sentence: str, kept: list[str], cancelled: list[str]
) -> None:
    got = two_domains.extract(sentence)
    assert [f.id for f in got.findings if f.counts] == kept
    assert sorted({c.id for c in got.cancelled}) == cancelled


def test_an_unknown_reach_is_refused(tmp_path: Path) -> None:
    vocabulary, lexicon = write_small_lexicon(tmp_path)
    text = yaml.safe_dump({"concepts": {"cough": [{"p": "cough up", "kill": "some"}]}})
    (lexicon / "en" / "other.yml").write_text(text, encoding="utf-8")
    with pytest.raises(LexiconError, match="kill"):
        load_knowledge(vocabulary, lexicon)
