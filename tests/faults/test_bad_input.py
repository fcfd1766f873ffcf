"""Rubbish in, a clear sentence out that names the field; nothing else is disturbed. Against the running program."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import MODELS, ROOT, Running, free_port, trained_model, write_clinic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("running")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    trained_model()
    folder = tmp_path_factory.mktemp("bad")
    assistant = Running(folder / "data", write_clinic(folder / "clinic.yml", on_duty=True)).start()
    yield assistant
    assistant.stop()


def post(running: Running, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{running.base}/webhooks/rest/webhook", body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {"said": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"message": ""}', "message"),
        (b'{"message": "   "}', "message"),
        (json.dumps({"message": "a" * 20_001}).encode(), "message"),
        (b'{"message": 7}', "message"),
        (b'{"message": ["a"]}', "message"),
        (b'{"message": "hi", "sender": 7}', "sender"),
        (b'{"message": "hi", "metadata": "x"}', "metadata"),
        (b'["hi"]', "body"),
        (b"\x00\x01\x02\xff", "body"),
        (b'{"message": "\xff\xfe"}', "body"),
        (b"", "body"),
    ],
)
def test_a_bad_message_is_refused_with_the_field_named(body: bytes, field: str, running: Running) -> None:
    status, answer = post(running, body)
    assert 400 <= status < 500
    assert answer["field"] == field
    assert answer["error"]
    assert running.rest("hello").said, "the next patient is answered"


@pytest.mark.parametrize("sender", ["default-user", "c1.c_" + "0" * 40 + ".aaaaaa." + "A" * 43])
def test_law_7_an_unknown_or_forged_conversation_opens_nothing(sender: str, running: Running) -> None:
    status, answer = post(running, json.dumps({"message": "hi", "sender": sender}).encode())
    assert status in (401, 403)
    assert answer["field"] == "sender"


def test_20_000_characters_are_read(running: Running) -> None:
    assert running.rest("hello " * 3_333).said


def serve(*arguments: str, data: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot.cli", "serve", "--data", str(data), *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**__import__("os").environ, "CARELINE_MODEL_DIR": str(MODELS), **env},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop("country"), "field 'country' is missing"),
        (lambda data: data.update(colour="blue"), "field 'colour': unknown key"),
    ],
)
def test_a_wrong_clinic_file_ends_the_start_with_one_sentence(change: Any, said: str, tmp_path: Path) -> None:
    data = yaml.safe_load((ROOT / "bot" / "demo_clinic.yml").read_text(encoding="utf-8"))
    change(data)
    clinic = tmp_path / "clinic.yml"
    clinic.write_text(yaml.safe_dump(data), encoding="utf-8")
    done = serve("--port", str(free_port()), "--clinic", str(clinic), data=tmp_path / "data")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve("--port", str(port), data=tmp_path / "data")
    assert done.returncode == 1
    assert f"port {port} is already in use" in done.stderr
    assert "--port" in done.stderr


def test_a_database_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with sqlite3.connect(data / "careline.sqlite3") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999_from_the_future')")
    connection.close()
    done = serve("--port", str(free_port()), data=data)
    assert done.returncode == 1
    assert "9999_from_the_future" in done.stderr
    assert "newer version" in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = serve(data=tmp_path / "data", CARELINE_REDIS_URL="nonsense")
    assert done.returncode == 1
    assert "CARELINE_REDIS_URL" in done.stderr
