"""The knowledge format: what is shipped holds its rules, and what is malformed is refused by file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.claims import fold, has_dose, load_terms
from generation.passages import (
    MAX_FILE_BYTES,
    Article,
    KnowledgeError,
    Passage,
    Section,
    is_public_https,
    load_articles,
    newest,
    parse_article,
)
from generation.sentences import split_sentences

GOOD = """---
id: test
title: Test
kind: condition
synonyms:
  - trial
sources:
  - name: "NHS, Test"
    url: https://www.nhs.uk/
date: 2026-11-23
review: not_reviewed
---

## What it is {#overview}
A first sentence.
A second one.

## When to get help {#help}
Call someone.
"""


def test_both_languages_ship_the_same_topics_and_sections(articles: tuple[Article, ...]) -> None:
    by_lang = {
        lang: {a.id: [s for s, _, _ in a.sections] for a in articles if a.lang == lang}
        for lang in ("en", "zh")
    }
    assert len(by_lang["en"]) >= 26
    assert by_lang["en"] == by_lang["zh"]


def test_every_article_names_a_source_a_date_and_that_nobody_reviewed_it(
    articles: tuple[Article, ...],
) -> None:
    for article in articles:
        assert article.sources[0].name, article.id
        assert article.review.value == "not_reviewed", article.id
        assert article.sections[-1][0] is Section.HELP, article.id
        if article.kind.value != "clinic":
            assert article.sources[0].url, article.id


def test_passages_are_short_and_give_no_dose(passages: tuple[Passage, ...]) -> None:
    terms = load_terms()
    for p in passages:
        sentences = split_sentences(p.text)
        assert 2 <= len(sentences) <= 6, (p.lang, p.id, len(sentences))
        for s in sentences:
            assert not has_dose(fold(s), terms[p.lang]), (p.lang, p.id, s)


def test_passage_ids_are_unique_per_language(passages: tuple[Passage, ...]) -> None:
    assert len({(p.lang, p.id) for p in passages}) == len(passages)


def test_a_good_article_becomes_passages() -> None:
    article = parse_article(GOOD, "en", "en/test.md")
    first, second = article.passages()
    assert (first.id, first.label, first.text) == (
        "test.overview",
        "Test: What it is",
        "A first sentence. A second one.",
    )
    assert (second.source_name, second.source_url) == ("NHS, Test", "https://www.nhs.uk/")


def test_chinese_lines_join_without_a_blank() -> None:
    raw = GOOD.replace("A first sentence.\nA second one.", "第一句。\n第二句。")
    assert parse_article(raw, "zh", "zh/test.md").passages()[0].text == "第一句。第二句。"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: condition", "kind: disease", "en/test.md:4: key 'kind': 'disease' is not one of"),
        ("kind: condition", "kind: condition\ncolour: red", "en/test.md:5: key 'colour': unknown key"),
        ("title: Test\n", "", "key 'title': missing"),
        ("title: Test", "title: ''", "en/test.md:3: key 'title': expected text"),
        ("title: Test", "title: 7", "en/test.md:3: key 'title': expected text"),
        ("id: test", "id: Test One", "en/test.md:2: key 'id': expected lower-case"),
        ("id: test", "id: other", "key 'id': expected the file's name, 'test'"),
        ("synonyms:\n  - trial", "synonyms: trial", "key 'synonyms': expected a list"),
        ("  - trial", "  - trial\n  - Trial", "key 'synonyms': holds the same text twice"),
        ("https://www.nhs.uk/", "http://www.nhs.uk/", "key 'sources': url must be a public https address"),
        ("https://www.nhs.uk/", "javascript:alert(1)", "key 'sources': url must be"),
        ('- name: "NHS, Test"', "- title: NHS", "key 'sources': each source"),
        ("date: 2026-11-23", "date: yesterday", "en/test.md:10: key 'date': expected a date"),
        (
            "review: not_reviewed",
            "review: fine",
            "key 'review': 'fine' is not one of: not_reviewed, reviewed",
        ),
        ("## What it is {#overview}", "## What it is", "en/test.md:14: a heading reads"),
        ("{#overview}", "{#other}", "en/test.md:14: section 'other': unknown or given twice"),
        ("{#help}", "{#overview}", "section 'overview': unknown or given twice"),
        ("## When to get help {#help}\nCall someone.\n", "", "section 'help' (when to get help) is missing"),
        ("A first sentence.\nA second one.\n", "", "section 'overview': empty or longer"),
        ("A second one.", "x" * 2000, "section 'overview': empty or longer"),
        ("---\nid", "id", "en/test.md:1: expected front matter"),
        ("synonyms:", "synonyms: [", "front matter is not YAML"),
        ("A second one.", "A sec\u200bond one.", "en/test.md:16: invisible character U+200B"),
        ("title: Test", "title: Te\u202est", "en/test.md:3: invisible character U+202E"),
        ("A second one.", "See [this](x).", "en/test.md:16: no links"),
        ("A second one.", "![x] <b>", "en/test.md:16: no links"),
        ("A second one.", "At https://x.org.", "en/test.md:16: no links"),
        ("\n\n## What it is", "\nstray text\n\n## What it is", "text before the first heading"),
    ],
)
def test_a_malformed_article_is_refused_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(KnowledgeError) as caught:
        parse_article(GOOD.replace(old, new), "en", "en/test.md")
    assert expected in str(caught.value)


def test_a_clinics_own_article_replaces_the_shipped_one_whole(passages: tuple[Passage, ...]) -> None:
    raw = GOOD.replace("id: test", "id: cough").replace("A first sentence.", "Our own words on a cough.")
    own = parse_article(raw, "en", "en/cough.md").passages()
    merged = newest((*passages, *own))
    assert [p.text for p in merged if p.lang == "en" and p.article_id == "cough"] == [p.text for p in own]
    assert len(merged) == len(passages) - 4 + 2
    assert any(p.lang == "zh" and p.article_id == "cough" for p in merged)


def test_a_folder_is_read_by_language_and_refuses_bad_bytes(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="no article found"):
        load_articles(tmp_path)
    (tmp_path / "en").mkdir()
    path = tmp_path / "en" / "test.md"
    path.write_text(GOOD, encoding="utf-8")
    assert [a.id for a in load_articles(tmp_path)] == ["test"]
    path.write_bytes(b"---\n\xff\xfe")
    with pytest.raises(KnowledgeError, match=r"en/test\.md: not UTF-8 at byte 4"):
        load_articles(tmp_path)
    path.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(KnowledgeError, match="larger than"):
        load_articles(tmp_path)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://www.nhs.uk/conditions/cough/", True),
        ("http://www.nhs.uk/", False),
        ("https://user@nhs.uk/", False),
        ("https://localhost/", False),
        ("https://127.0.0.1/", False),
        ("https://nhs.uk:8443/", False),
        ("https://nhs .uk/", False),
    ],
)
def test_only_public_https_addresses_are_sources(url: str, good: bool) -> None:
    assert is_public_https(url) is good
