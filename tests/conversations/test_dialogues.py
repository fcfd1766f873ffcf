"""Whole conversations as data: people who change their minds, answer early, paste stories, or say three words.

Each file holds dialogues; each turn what is said and what must come back. Whatever it expects, every turn is
answered, and no reply is said twice in a row.

    - name: somebody who answers early
      turns:
        - {say: "38.2 since yesterday", kind: question, contains: ["noted"], lacks: ["temperature"]}

``kind``: of the last reply; ``contains``, ``lacks``: over all replies of the turn; ``outcome``: level reached;
``form``: what runs afterwards (``none``: nothing); ``intent``: what it was understood as; ``level``: of the case.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dialogue.world import Sink, World

HERE = Path(__file__).parent
KEYS = {"say", "kind", "contains", "lacks", "outcome", "form", "intent", "level", "already_said"}


def dialogues(lang: str) -> list[dict[str, Any]]:
    data = yaml.safe_load((HERE / f"dialogues_{lang}.yml").read_text(encoding="utf-8"))
    assert all(set(turn) <= KEYS for d in data for turn in d["turns"])
    return list(data)


def cases() -> list[Any]:
    return [pytest.param(lang, d, id=f"{lang}-{d['name']}") for lang in ("en", "zh") for d in dialogues(lang)]


def test_there_are_enough_in_both_languages() -> None:
    for lang in ("en", "zh"):
        names = [d["name"] for d in dialogues(lang)]
        assert len(set(names)) == len(names) >= 25


@pytest.mark.parametrize(("lang", "dialogue"), cases())
async def test_the_conversation_goes_as_written(world: World, lang: str, dialogue: dict[str, Any]) -> None:
    last: str | None = None
    for number, turn in enumerate(dialogue["turns"]):
        said = turn["say"].replace("\\n", "\n")
        sink = await world.say(said, already_said=turn.get("already_said", ()))
        place = (number, turn["say"], sink.texts)
        if not turn.get("already_said"):
            assert sink.replies, place
        for reply in sink.replies:
            assert reply.text.strip() and reply.text != last, place
            last = reply.text
        await _meets(world, turn, sink, place)


async def _meets(world: World, turn: dict[str, Any], sink: Sink, place: tuple[Any, ...]) -> None:
    together = "\n".join(sink.texts)
    for part in turn.get("contains", ()):
        assert part in together, (part, place)
    for part in turn.get("lacks", ()):
        assert part not in together, (part, place)
    if "kind" in turn:
        assert sink.replies[-1].kind.value == turn["kind"], place
    if "form" in turn:
        assert (await world.form() or "none") == turn["form"], place
    if "intent" in turn:
        assert await world.intent() == turn["intent"], place
    if "level" in turn:
        assert world.last is not None and world.last.assessment["case_level"] == turn["level"], place
    if "outcome" in turn:
        tracker = await world.store.retrieve("c_1")
        assert tracker is not None
        assert (tracker.get_slot("last_outcome") or {}).get("level") == turn["outcome"], place
