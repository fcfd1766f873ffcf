"""``careline answer``: JSON lines in and out; imports no torch without an encoder."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from generation.commands import run_answer


def run(*lines: str) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    status = run_answer(io.StringIO("".join(f"{line}\n" for line in lines)), out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_questions_are_answered_in_order_in_their_language() -> None:
    status, found = run(
        '{"id": "a", "question": "What helps against hay fever?"}',
        '{"id": 2, "question": "狼疮怎么治"}',
        "",
        '{"id": "c", "question": "嗓子疼怎么办", "lang": "zh"}',
    )
    assert status == 0 and [r["id"] for r in found] == ["a", 2, "c"]
    assert set(found[0]) == {"id", "answer", "citations", "abstained", "backend"}
    assert set(found[0]["citations"][0]) == {"id", "title", "url", "quote"}
    assert [r["abstained"] for r in found] == [False, True, False]
    assert [r["backend"] for r in found] == ["quotes", "none", "quotes"]
    assert "嗓子疼" in found[2]["answer"]


@pytest.mark.parametrize(
    ("line", "identity", "field"),
    [
        ("not json", None, "line: not JSON"),
        ("[1]", None, "line: expected a JSON object"),
        ('{"id": 1}', 1, "question: expected"),
        ('{"id": 1, "question": 5}', 1, "question: expected"),
        ('{"id": 1, "question": "  "}', 1, "question: expected"),
        ('{"question": "cough"}', None, "id: expected"),
        ('{"id": true, "question": "cough"}', None, "id: expected"),
        ('{"id": 1, "question": "cough", "lang": "fr"}', 1, "lang: expected one of en, zh"),
        ('{"id": 1, "question": "cough", "lang": ["en"]}', 1, "lang: expected"),
        ('{"id": 1, "question": "cough", "age": 5}', 1, "age: unknown field"),
        ('{"id": 1, "question": "' + "x" * 20_001 + '"}', 1, "question: longer than"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(line: str, identity: object, field: str) -> None:
    status, found = run(line, '{"id": 9, "question": "cough"}')
    assert status == 1
    assert found[0]["id"] == identity and found[0]["error"].startswith(field)
    assert found[1]["backend"] == "quotes"


def test_bytes_that_are_not_utf8_are_one_bad_line() -> None:
    raw = b'{"id": 1, "question": "\xff cough"}\n{"id": 2, "question": "cough"}\n'
    stdin = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", errors="strict")
    out = io.StringIO()
    assert run_answer(stdin, out) == 1
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["error"].startswith("line: not UTF-8") and second["backend"] == "quotes"


@pytest.mark.parametrize(
    "module",
    [
        "commands",
        "answer",
        "client",
        "guard",
        "retrieval",
        "prompt",
        "passages",
        "server",
        "engine",
        "worker",
        "host",
    ],
)
def test_nothing_heavy_is_imported(module: str) -> None:
    heavy = "{'torch', 'transformers', 'tensorflow', 'rasa', 'bot', 'nlu', 'connectors'}"
    code = f"import sys, generation.{module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
