"""``careline triage``: JSON lines in and out, faults named in their place, nothing else lost."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.triage.commands import run_triage

ROOT = Path(__file__).parents[2]


def run(*lines: str) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    status = run_triage(io.StringIO("\n".join(lines) + "\n"), out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_answers_in_order_with_the_fixed_members() -> None:
    status, got = run('{"id": 1, "text": "no chest pain, just a runny nose"}', '{"id": "b", "text": "你好"}')
    assert status == 0
    assert [g["id"] for g in got] == [1, "b"]
    assert set(got[0]) == {"id", "level", "rules", "findings", "ruleset"}
    chest = next(f for f in got[0]["findings"] if f["id"] == "chest_pain")
    assert (chest["status"], chest["subject"], chest["time"], chest["span"]) == (
        "negated",
        "patient",
        "now",
        [3, 13],
    )
    assert got[1]["level"] == "none"
    assert len(got[0]["ruleset"]) == 64


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "line 1"),
        ("[1]", "line 1"),
        ('{"text": "x"}', "id"),
        ('{"id": 1}', "text"),
        ('{"id": 1, "text": 5}', "text"),
        ('{"id": 1, "text": null}', "text"),
        ('{"id": 1, "text": "x", "lang": 3}', "lang"),
        ('{"id": 1, "text": "x", "age": "old"}', "age"),
        ('{"id": 1, "text": "x", "age": -1}', "age"),
        ('{"id": 1, "text": "x", "age": true}', "age"),
        ('{"id": 1, "text": "x", "sex": 1}', "sex"),
        ('{"id": 1, "text": "x", "pregnant": "yes"}', "pregnant"),
        ('{"id": 1, "text": "x", "context": "hi"}', "context"),
        ('{"id": 1, "text": "x", "context": [3]}', "context[0]"),
        ('{"id": 1, "text": "x", "context": [{"role": "doctor", "text": "x"}]}', "context[0].role"),
        ('{"id": 1, "text": "x", "context": [{"role": "user"}]}', "context[0].text"),
        ('{"id": 1, "text": "x", "colour": "red"}', "colour"),
    ],
)
def test_a_malformed_line_is_named_and_the_rest_answered(line: str, said: str) -> None:
    status, got = run(line, '{"id": 2, "text": "hello"}')
    assert status == 1
    assert said in got[0]["error"]
    assert set(got[0]) == {"id", "error"}
    assert got[1]["level"] == "none"


def test_an_error_never_repeats_the_text() -> None:
    _, got = run('{"id": 7, "text": ["Wilhelmina has a fever"]}')
    assert got[0]["id"] == 7
    assert "Wilhelmina" not in json.dumps(got)


@pytest.mark.parametrize(
    "text", ["", " ", "\u0000", "😀" * 500, "a" * 20_000, "没" * 20_000, "\ud800", "مرحبا كيف حالك"]
)
def test_any_text_gets_an_answer(text: str) -> None:
    status, got = run(json.dumps({"id": 1, "text": text}))
    assert status == 0
    assert got[0]["level"] in ("none", "self_care", "routine", "urgent", "emergency")


def test_another_language_is_said_to_be_unsupported() -> None:
    _, got = run(json.dumps({"id": 1, "text": "У меня сильно болит голова"}, ensure_ascii=False))
    assert got[0]["level"] == "none"
    assert [f["id"] for f in got[0]["findings"]] == ["unsupported_language"]


def test_context_feeds_the_case() -> None:
    turns = [
        {"role": "user", "text": "my chest hurts"},
        {"role": "assistant", "text": "Do you have a fever?"},
    ]
    _, got = run(json.dumps({"id": 1, "text": "no", "context": turns}))
    assert {(f["id"], f["status"]) for f in got[0]["findings"]} == {("fever", "negated")}


def test_explain_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    assert (
        run_triage(io.StringIO('{"id": 1, "text": "no chest pain but a bad cough"}\n'), out, explain=True)
        == 0
    )
    assert "chest_pain" in out.getvalue()
    assert "negated by 'no'" in out.getvalue()
    assert "\033[" not in out.getvalue()


def test_it_imports_neither_rasa_nor_a_numeric_library() -> None:
    code = (
        "import sys; from bot.triage.commands import run_triage; run_triage(sys.stdin, sys.stdout);"
        "heavy = {'rasa', 'torch', 'tensorflow', 'numpy', 'sklearn', 'transformers', 'aiohttp'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b'{"id": 1, "text": "fever"}\n\xff\xfe\n',
        cwd=ROOT,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert [json.loads(line).get("id") for line in done.stdout.splitlines()] == [1, None]


def test_many_lines_are_answered_in_order_by_several_processes(tmp_path: Path) -> None:
    lines = [json.dumps({"id": n, "text": ("my chest feels tight", "嗓子疼")[n % 2]}) for n in range(150)]
    lines.insert(70, "no json")
    source = tmp_path / "lines.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = io.StringIO()
    with source.open(encoding="utf-8") as stdin:
        assert run_triage(stdin, out) == 1
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [s["id"] for s in said] == [*range(70), None, *range(70, 150)]
    assert said[70]["error"] == "line 71: not valid JSON"
    alone = io.StringIO()
    run_triage(io.StringIO(lines[0] + "\n" + lines[1] + "\n"), alone)
    assert [json.loads(line) for line in alone.getvalue().splitlines()] == said[:2]
