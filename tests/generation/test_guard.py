"""Law 6: what the guard refuses and what it lets through, sentence by sentence, in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from generation.claims import GuardTermsError, load_terms
from generation.guard import Guard, GuardContext, Reason
from generation.passages import Passage, Section
from generation.sentences import split_sentences
from tests.generation.misbehaving import SPOILS, spoilt

HERE = Path(__file__).parent
Row = tuple[str, str, str, str | None, str | None]


def rows() -> list[Row]:
    out: list[Row] = []
    for lang in ("en", "zh"):
        data: dict[str, Any] = yaml.safe_load((HERE / f"guard_{lang}.yml").read_text(encoding="utf-8"))
        groups = [*data["refuse"].items(), (None, data["allow"])]
        out += [
            (lang, s, pid, level[0] if level else None, r) for r, items in groups for s, pid, *level in items
        ]
    return out


@pytest.mark.parametrize(("lang", "sentence", "passage", "level", "reason"), rows())
def test_table(
    lang: str,
    sentence: str,
    passage: str,
    level: str | None,
    reason: str | None,
    guard: Guard,
    passages: tuple[Passage, ...],
) -> None:
    shown = next(p for p in passages if p.lang == lang and p.id == passage)
    verdict = guard.check(sentence, GuardContext(lang, (shown,), level))
    assert (verdict.reason.value if verdict.reason else None) == reason
    assert verdict.allowed is (reason is None)
    if verdict.allowed:
        assert verdict.passage == shown and "[1]" not in verdict.text


def test_every_reason_has_rows_in_both_languages() -> None:
    for lang in ("en", "zh"):
        assert {r for row_lang, *_, r in rows() if row_lang == lang and r} == {r.value for r in Reason}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_articles_own_sentences_pass(lang: str, guard: Guard, passages: tuple[Passage, ...]) -> None:
    """The guard that refuses its own sources would leave nothing to say: harmless refused at most 5 %."""
    refused, total = [], 0
    for p in passages:
        if p.lang != lang:
            continue
        for sentence in split_sentences(p.text):
            total += 1
            verdict = guard.check(sentence, GuardContext(lang, (p,)))
            if not verdict.allowed:
                refused.append((p.id, verdict.reason, sentence))
    assert len(refused) <= 0.05 * total, (len(refused), total, refused)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_most_honest_paraphrases_pass(lang: str, guard: Guard, passages: tuple[Passage, ...]) -> None:
    """What is refused here is replaced by the passage's own sentence: dull, not wrong. Written after the guard."""
    data: dict[str, Any] = yaml.safe_load((HERE / f"guard_{lang}.yml").read_text(encoding="utf-8"))
    by_id = {p.id: p for p in passages if p.lang == lang}
    refused = [
        s for s, pid in data["paraphrase"] if not guard.check(s, GuardContext(lang, (by_id[pid],))).allowed
    ]
    assert len(data["paraphrase"]) >= 25 and len(refused) <= 4, refused


def test_a_mark_that_names_the_wrong_passage_does_not_support(
    guard: Guard, passages: tuple[Passage, ...]
) -> None:
    by_id = {p.id: p for p in passages if p.lang == "en"}
    context = GuardContext("en", (by_id["burns.self_care"], by_id["hay-fever.overview"]))
    sentence = "Hay fever is an allergy to pollen from grass, trees or weeds"
    assert guard.check(f"{sentence} [1].", context).reason is Reason.UNSUPPORTED
    assert guard.check(f"{sentence} [2].", context).passage == by_id["hay-fever.overview"]
    assert guard.check(f"{sentence}.", context).passage == by_id["hay-fever.overview"]


def test_a_refused_sentence_is_replaced_by_the_passages_own(
    guard: Guard, passages: tuple[Passage, ...]
) -> None:
    shown = next(p for p in passages if p.lang == "en" and p.id == "fever-adults.treatment")
    context = GuardContext("en", (shown,))
    verdict = guard.replacement(
        "Take 500 mg paracetamol or ibuprofen for a fever that makes you uncomfortable.", context, ()
    )
    assert verdict.allowed and verdict.text in shown.text
    assert not guard.replacement("Take 500 mg paracetamol or ibuprofen.", context, (verdict.text,)).allowed
    assert not guard.replacement("Buy gold and silver coins today.", context, ()).allowed


def test_a_replacement_is_checked_too(guard: Guard, passages: tuple[Passage, ...]) -> None:
    """A clinic's own article may hold a dose: it is not said either."""
    from dataclasses import replace

    shown = next(p for p in passages if p.lang == "en" and p.id == "fever-adults.treatment")
    dosed = replace(shown, text="Adults can have 500 mg paracetamol for a fever.")
    verdict = guard.replacement("Adults have paracetamol for a fever.", GuardContext("en", (dosed,)), ())
    assert verdict.reason is Reason.DOSE


def test_word_lists_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "terms.yml"
    path.write_text("en: {medicines: [a], medicine_nouns: [b], red_flags: [c], more: [d]}", encoding="utf-8")
    with pytest.raises(GuardTermsError, match="en: expected exactly the keys"):
        load_terms(path)
    path.write_text("en: {medicines: [], medicine_nouns: [b], red_flags: [c]}", encoding="utf-8")
    with pytest.raises(GuardTermsError, match="'medicines'"):
        load_terms(path)


MAX_FLIPS = {"en": 0.02, "zh": 0.06}
"""A negation put in or taken out is the hardest to see by words alone; what passes in Chinese is mostly no Chinese
any more (喘上气)."""


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", sorted(SPOILS["en"]))
def test_a_model_that_misbehaves_on_every_sentence(
    lang: str, kind: str, guard: Guard, passages: tuple[Passage, ...]
) -> None:
    """Every sentence of every article, spoilt: about 4,000 a language. Visible breaches at most 0.2 %."""
    tried = [(s, guard.check(s, GuardContext(lang, (p,)))) for s, p in spoilt(passages, lang, kind)]
    seen = [s for s, verdict in tried if verdict.allowed]
    allowed = MAX_FLIPS[lang] if kind == "flip" else 0.002
    assert len(tried) >= 5 and len(seen) <= allowed * len(tried), (len(seen), len(tried), seen[:5])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_sentence_of_another_topic_is_not_supported(
    lang: str, guard: Guard, passages: tuple[Passage, ...]
) -> None:
    """The right words under the wrong citation: each passage's sentences against another article's passage. Advice
    that both articles give ("rest", "call the emergency number") rightly passes."""
    own = [p for p in passages if p.lang == lang]
    seen = total = 0
    for passage, other in zip(own, [*own[40:], *own[:40]], strict=True):
        if passage.section is not Section.HELP and passage.article_id != other.article_id:
            for sentence in split_sentences(passage.text):
                total += 1
                seen += guard.check(sentence, GuardContext(lang, (other,))).allowed
    assert total > 250 and seen <= 0.03 * total, (seen, total)
