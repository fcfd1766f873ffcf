"""Parts are killed, stopped and locked while an emergency is said. Against the running program (laws 2, 3, 8).

Every test ends by looking into the record: the escalation is there, once.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.escalation.service import Escalations
from bot.records.audit import AuditLog
from bot.records.crypto import KeyFile
from bot.records.database import Database
from bot.records.outbox import Outbox
from tests.running import Running, trained_model, write_clinic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("running")]

CHEST = {"en": "my chest feels tight and my left arm has gone numb", "zh": "我胸口很闷，左胳膊也麻了"}
CANARY = "zanzibar-canary-4711"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    trained_model()
    assistant = Running(tmp_path / "data", write_clinic(tmp_path / "clinic.yml", on_duty=True)).start()
    yield assistant
    assistant.stop()


def queue(data: Path) -> list[str]:
    """The words of every open escalation, read from the record."""

    async def look() -> list[str]:
        cipher = KeyFile.load(data / "keys.json")
        database = Database(f"sqlite:///{data / 'careline.sqlite3'}", cipher)
        await database.start()
        try:
            items = await Escalations(database, Outbox(database), AuditLog(cipher)).queue()
            return [item.words for item in items if item.level == "emergency"]
        finally:
            await database.close()

    return asyncio.run(look())


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_g_redis_goes_away_in_the_middle(lang: str, how: str, running: Running) -> None:
    talk = running.rest({"en": "I'd like to book an appointment", "zh": "我想预约看病"}[lang])
    redis = running.redis()
    redis.kill() if how == "killed" else running.pause(redis)
    try:
        answer = running.rest(CHEST[lang], talk.token)
    finally:
        if how == "stopped":
            redis.resume()
    assert "999" in answer.text
    assert queue(running.data) == [CHEST[lang]]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_sql_is_locked_and_the_escalation_is_written_when_it_is_free_again(
    lang: str, running: Running
) -> None:
    talk = running.rest("hello")
    with sqlite3.connect(running.data / "careline.sqlite3", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer = running.rest(CHEST[lang], talk.token)
        assert "999" in answer.text
        holder.execute("ROLLBACK")
    holder.close()
    deadline = time.monotonic() + 30
    while not (found := queue(running.data)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == [CHEST[lang]]
    time.sleep(3)  # a second replay of the spool must not add one
    assert queue(running.data) == [CHEST[lang]]


def test_killed_at_any_moment_the_escalation_exists_once_after_the_restart(running: Running) -> None:
    """The client does not get an answer, asks again with the same message id, and is answered once."""
    talk = running.rest("hello")
    for round_, delay in enumerate((0.0, 0.02, 0.05, 0.1, 0.2)):
        message_id = f"round-{round_}"
        asking = threading.Thread(target=_ask_and_forget, args=(running, talk.token, message_id))
        asking.start()
        time.sleep(delay)
        running.kill()
        asking.join()
        running.start()
        again = running.rest(CHEST["en"], talk.token, message_id=message_id)
        assert "999" in again.text
    assert len(queue(running.data)) == 1, "one conversation has one open escalation"


def _ask_and_forget(running: Running, token: str, message_id: str) -> None:
    try:
        running.rest(CHEST["en"], token, message_id=message_id)
    except OSError:
        pass  # the server was killed under this request; that is the point


def test_law_8_no_patient_text_in_the_log_nor_in_any_file(running: Running) -> None:
    running.stop()
    running.env = {"CARELINE_LOG_LEVEL": "DEBUG"}
    running.start()
    talk = running.rest(f"hello, my name is {CANARY}")
    running.rest(f"my chest feels tight and my left arm has gone numb, {CANARY}", talk.token)
    running.rest(f"What helps against hay fever? {CANARY}", talk.token)
    running.stop()
    holding = [
        str(path.relative_to(running.data))
        for path in running.data.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert holding == []
    assert CANARY not in running.log


def test_what_was_booked_and_said_outlives_a_kill(running: Running) -> None:
    talk = running.rest(CHEST["en"])
    running.kill()
    running.start()
    assert queue(running.data) == [CHEST["en"]]
    assert running.rest("hello again", talk.token).said


def test_the_machine_says_what_is_down(running: Running) -> None:
    import urllib.error
    import urllib.request

    running.pause(redis := running.redis())
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{running.base}/readyz", timeout=10)
        parts = json.loads(refused.value.read())["parts"]
    finally:
        redis.resume()
    assert parts == {"records": True, "sessions": False, "dialogue": True}
    metrics = urllib.request.urlopen(f"{running.base}/metrics", timeout=10).read().decode()
    assert "careline_part_up" in metrics
