"""Shared parts: the shipped knowledge, read once per run."""

from __future__ import annotations

import pytest

from generation.guard import Guard
from generation.passages import Article, Passage, load_articles
from generation.retrieval import Retriever


@pytest.fixture(scope="session")
def articles() -> tuple[Article, ...]:
    return load_articles()


@pytest.fixture(scope="session")
def passages(articles: tuple[Article, ...]) -> tuple[Passage, ...]:
    return tuple(p for a in articles for p in a.passages())


@pytest.fixture(scope="session")
def retriever(passages: tuple[Passage, ...]) -> Retriever:
    return Retriever(passages)


@pytest.fixture(scope="session")
def guard() -> Guard:
    return Guard.shipped()
