"""The engine over the shipped data, built once for all triage tests: it is immutable and costs a second."""

from __future__ import annotations

import pytest

from bot.triage import TriageEngine, load_engine


@pytest.fixture(scope="session")
def engine() -> TriageEngine:
    """The product's own rules and lexicon."""
    return load_engine()
