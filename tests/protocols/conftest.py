"""Fixtures of the symptom check: the real protocols, texts and demo clinic, and findings as a turn hands them over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from bot.clinic import load_clinic
from bot.dialogue.protocol_loader import load_protocols
from bot.dialogue.protocol_types import Protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.texts import Texts

MONDAY = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)


def finding(id_: str, **more: Any) -> dict[str, Any]:
    """A finding as JSON: present, the patient's, now."""
    return {"id": id_, "status": "present", "subject": "patient", "time": "now", "span": [0, 1], **more}


@pytest.fixture(scope="session")
def protocols() -> Protocols:
    return load_protocols()


@pytest.fixture(scope="session")
def check(protocols: Protocols) -> SymptomCheck:
    return SymptomCheck(protocols, Texts(), load_clinic(), clock=lambda: MONDAY)
