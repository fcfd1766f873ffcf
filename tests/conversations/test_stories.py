"""Rasa's own story tests over the real model: words to intent to action, per language, forms and interruptions."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import yaml

from tests.dialogue.model import trained_model

HERE = Path(__file__).parent


def test_both_languages_have_the_same_stories() -> None:
    shapes = []
    for lang in ("en", "zh"):
        data = yaml.safe_load((HERE / f"test_stories_{lang}.yml").read_text(encoding="utf-8"))
        shapes.append(
            [[{k: v for k, v in s.items() if k != "user"} for s in x["steps"]] for x in data["stories"]]
        )
    assert shapes[0] == shapes[1] and len(shapes[0]) >= 15


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_stories_are_predicted_as_written(lang: str, tmp_path: Path) -> None:
    from rasa.core.agent import Agent
    from rasa.core.test import test as run_stories

    from bot.dialogue.quiet import silence_rasa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        silence_rasa()
        agent = Agent.load(str(trained_model()))
        result = await run_stories(
            str(HERE / f"test_stories_{lang}.yml"), agent, out_directory=str(tmp_path), e2e=True, errors=True
        )
    failed = (tmp_path / "failed_test_stories.yml").read_text(encoding="utf-8")
    assert result["accuracy"] == 1.0 and "None of the test stories failed" in failed, failed
