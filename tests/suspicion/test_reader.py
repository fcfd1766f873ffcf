"""The second reader only raises, says the same to the same, refuses foreign models, and keeps messages to itself."""

from __future__ import annotations

import io
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.suspicion.encoder import encode_kept
from bot.suspicion.reader import Reader, load_reader
from bot.suspicion.train import FILE, MANIFEST, SuspicionMissing, load, make
from bot.triage.case import Case
from bot.triage.commands import run_triage
from bot.triage.engine import TriageEngine, default_engine
from bot.triage.evaluate import evaluate_semantic, gain, load_labelled
from bot.triage.level import Level
from bot.triage.suspicion import load_suspicion_rules
from nlu.suspicion.families import Family
from nlu.suspicion.fit import Example, key, threshold
from nlu.suspicion.model import HINTS, Asked, Mode, ModelError, Point, Scores, SuspicionModel

pytestmark = pytest.mark.timeout(300)
"""The first test trains the small model: ten seconds of one core, minutes on a machine that does much else."""
LOUD = Point(1.0, 0.0, 0.0, 0.0)
"""Thresholds that every message reaches."""


@pytest.fixture(scope="module")
def engine() -> TriageEngine:
    return default_engine()


@pytest.fixture(scope="module")
def loud(folder: Path) -> Reader:
    """A reader that raises whatever it may raise."""
    found = load_reader(folder)
    found._model._points = {k: LOUD for k in found._model._points}
    return found


def read(engine: TriageEngine, reader: Reader, text: str, lang: str | None = None):
    _, alone = engine.turn(Case(), text, 0.0, lang)
    return alone, reader.read([text], [alone])[0]


def test_it_never_lowers_whatever_it_thinks_of_a_message(loud: Reader, reader: Reader) -> None:
    engine = default_engine()
    for case in load_labelled("open")[::20]:
        _, alone = engine.turn(Case(), case.text, 0.0, case.lang)
        for some in (loud, reader):
            both = some.read([case.text], [alone])[0]
            assert both.level >= alone.level
            assert both.case_level >= alone.case_level
            assert [h for h in both.hits if not h.id.startswith("SR-")] == list(alone.hits)
            assert both.findings == alone.findings and both.considered == alone.considered


def test_an_emergency_of_the_rules_is_returned_untouched(engine: TriageEngine, loud: Reader) -> None:
    for text in ("crushing chest pain and my left arm is numb", "胸口像压了块大石头，喘不上气"):
        alone, both = read(engine, loud, text)
        assert alone.level is Level.EMERGENCY
        assert both is alone


def test_a_raise_has_its_own_rule_and_pretends_no_words(engine: TriageEngine, loud: Reader) -> None:
    _, both = read(engine, loud, "hello there")
    (hit,) = [h for h in both.hits if h.id.startswith("SR-")]
    assert (hit.spans, hit.finding_ids, hit.new) == ((), (), True)
    assert "second reader" in hit.source
    assert both.suspected is not None and both.suspected.step == "raise"
    assert both.fresh
    assert both.to_json()["suspected"]["model"] == loud.digest


@pytest.mark.parametrize(
    "text",
    [
        "I'm not going to kill myself",
        "in my story a girl takes an overdose",
        "我爷爷2010年得过心梗",
        "没有胸痛",
    ],
)
def test_what_the_lexicon_found_and_cancelled_is_not_raised_again(
    engine: TriageEngine, reader: Reader, text: str
) -> None:
    alone, both = read(engine, reader, text)
    cancelled = {reader._concepts[c.id] for c in alone.considered}
    assert cancelled
    scores = reader._model.score(reader.asked(text, alone))
    assert scores is not None
    assert cancelled.isdisjoint(family for family, _ in scores.families)
    assert both.level is alone.level


def test_it_hears_some_of_what_the_rules_miss_and_lets_most_harmless_messages_be(reader: Reader) -> None:
    """Over messages that this model has not seen. The bounds are of a twelfth of the training; they are not goals."""
    cases = load_labelled("open")[::3]
    alone, both = evaluate_semantic(cases, reader, seen=True)
    missed = [
        b
        for a, b in zip(alone, both, strict=True)
        if a.case.level is Level.EMERGENCY and a.given < Level.URGENT
    ]
    heard = [b for b in missed if b.asked or b.given >= Level.URGENT]
    assert len(heard) >= 0.1 * len(missed) > 0
    quiet = [(a, b) for a, b in zip(alone, both, strict=True) if a.case.must_not_escalate]
    assert sum(b.given >= Level.URGENT > a.given for a, b in quiet) <= 0.03 * len(quiet)
    assert sum(b.asked for _, b in quiet) <= 0.10 * len(quiet)
    assert "missed by the rules" in gain(alone, both, "open")


def test_the_same_message_gets_the_same_answer_alone_and_among_others(
    engine: TriageEngine, reader: Reader
) -> None:
    texts = [case.text for case in load_labelled("open")[:40]]
    assessments = [engine.turn(Case(), text, 0.0)[1] for text in texts]
    together = reader.read(texts, assessments)
    assert together == [reader.read([t], [a])[0] for t, a in zip(texts, assessments, strict=True)]


def test_training_twice_gives_the_same_model(examples: list[Example], folder: Path) -> None:
    again, there = make(examples), load(folder)[0]
    for example in examples[:50]:
        assert again.score(example.asked) == there.score(example.asked)


def test_thresholds_allow_what_the_rule_says_and_no_more() -> None:
    scores = [0.9, 0.8, 0.7, 0.6]
    assert sum(s >= threshold(scores, 2) for s in scores) == 2
    assert sum(s >= threshold(scores, 0) for s in scores) == 0
    assert threshold(scores, 9) == 0.0


def test_an_unsure_family_is_other() -> None:
    def scores(*shares: float) -> Scores:
        pairs = zip((Family.EYE, Family.CHEST, Family.CHILD), shares, strict=True)
        return Scores(0.9, 0.9, tuple(pairs), Mode.NGRAMS)

    assert scores(0.51, 0.3, 0.19).family is Family.EYE
    assert scores(0.49, 0.3, 0.21).family is Family.OTHER
    assert scores(0.2, 0.1, 0.05).family is Family.EYE  # what the lexicon cancelled has been taken off
    assert Scores(0.9, 0.9, (), Mode.NGRAMS).family is Family.OTHER


def test_the_model_file_holds_no_message(folder: Path, examples: list[Example]) -> None:
    card = json.dumps(load(folder)[0].card, ensure_ascii=False)
    long = [e.asked.text for e in examples if e.judged and len(e.asked.text) > 12]
    assert long and all(text not in card for text in long)
    assert key(next(e.asked for e in examples if e.judged)) in card


def test_a_missing_a_changed_and_a_foreign_model_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SuspicionMissing, match="careline train"):
        load_reader(tmp_path)
    for name in (FILE, MANIFEST):
        shutil.copy(folder / name, tmp_path / name)
    load_reader(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"x")
    with pytest.raises(SuspicionMissing, match="not the file that was trained"):
        load_reader(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(SuspicionMissing, match=MANIFEST):
        load_reader(tmp_path)
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, meta=np.array(["x"], dtype=object))
    with pytest.raises(ModelError):
        SuspicionModel.load(foreign)


@pytest.mark.parametrize(
    "text", ["", " ", "\u0000", "😀" * 500, "a" * 20_000, "没" * 20_000, "\ud800", "مرحبا"]
)
def test_any_text_is_read(engine: TriageEngine, reader: Reader, text: str) -> None:
    alone, both = read(engine, reader, text)
    assert both.level >= alone.level


def test_no_text_reaches_a_log(
    reader: Reader, caplog: pytest.LogCaptureFixture, engine: TriageEngine
) -> None:
    caplog.set_level(logging.DEBUG)
    read(engine, reader, "my Wilhelmina feels an anvil upon her sternum")
    assert "Wilhelmina" not in caplog.text


def test_triage_lines_carry_the_reader_beside_the_ruleset_and_faults_keep_their_place(loud: Reader) -> None:
    lines = ['{"id": 1, "text": "good morning"}', "nonsense", '{"id": 3, "text": "crushing chest pain"}']
    out = io.StringIO()
    assert run_triage(io.StringIO("\n".join(lines)), out, second=loud) == 1
    first, fault, third = [json.loads(line) for line in out.getvalue().splitlines()]
    assert first["rules"][0]["id"].startswith("SR-") and first["rules"][0]["spans"] == []
    assert first["semantic"] == loud.digest and first["suspected"]["mode"] == "ngrams"
    assert "error" in fault and fault["id"] is None
    assert third["level"] == "emergency" and "suspected" not in third


class _TinyEncoder:
    """Two dimensions: whether an anvil is spoken of, or not. ``name`` stands for the weights."""

    languages = frozenset({"en"})

    def __init__(self, name: str = "tiny") -> None:
        self.name, self.calls = name, 0

    def fingerprint(self) -> str:
        return self.name

    def encode(self, texts):
        self.calls += 1
        return np.array([[float("anvil" in t), float("anvil" not in t)] for t in texts], np.float32)


def test_with_an_encoder_its_languages_are_read_by_it_and_the_others_by_words(
    examples: list[Example],
) -> None:
    encoder = _TinyEncoder()
    anvils = [Example(Asked(f"anvil number {n}", "en"), 2, Family.CHEST, judged=True) for n in range(40)]
    model = make([*examples, *anvils], encoder)
    reader = Reader(model, "0" * 64, load_suspicion_rules(), {}, encoder)
    engine = default_engine()
    # the family comes from the words alone, the danger from words and vector
    english, chinese = read(engine, reader, "anvil number 41")[1], read(engine, reader, "我今天有点累")[1]
    assert english.suspected is not None and english.suspected.mode == "encoder"
    assert english.suspected.family == "chest"
    assert chinese.suspected is not None and chinese.suspected.mode == "ngrams"
    stranger = Reader(model, "0" * 64, load_suspicion_rules(), {}, _TinyEncoder("other weights"))
    assert stranger.encoder is None
    by_words = read(engine, stranger, "an anvil fell")[1]
    assert by_words.suspected is not None and by_words.suspected.mode == Mode.NGRAMS.value


def test_vectors_are_kept_for_the_same_weights_and_made_anew_for_others(tmp_path: Path) -> None:
    path, texts = tmp_path / "v.npz", ["an anvil", "a feather", "an anvil"]
    first = _TinyEncoder()
    vectors = encode_kept(first, texts, path)
    assert vectors.tolist() == [[1, 0], [0, 1], [1, 0]]
    again = _TinyEncoder()
    assert encode_kept(again, texts, path).tolist() == vectors.tolist()
    assert (first.calls, again.calls) == (1, 0)
    other = _TinyEncoder("other weights")
    encode_kept(other, texts, path)
    assert other.calls == 1
    path.write_bytes(b"PK half a file")
    assert encode_kept(_TinyEncoder(), texts, path).tolist() == vectors.tolist()


def test_hints_are_a_closed_set(engine: TriageEngine, reader: Reader) -> None:
    seen = set()
    for case in load_labelled("open")[::20]:
        _, alone = engine.turn(Case(), case.text, 0.0, case.lang)
        seen |= set(reader.asked(case.text, alone).hints)
    assert seen <= set(HINTS)
    assert replace(Asked("x", "en"), hints=("unknown",)).hints == ("unknown",)
