"""Redis that dies, stops or comes back: typed errors, quickly, and data that is still there."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.records.crypto import Cipher
from bot.sessions.cases import CaseStore
from bot.sessions.connection import SOCKET_SECONDS, Sessions
from bot.sessions.embedded import EmbeddedRedis
from bot.sessions.errors import SessionsDown, SessionUnreadable
from bot.sessions.repeats import Repeats

HANGS_S = 5.0
"""Without a time limit the call would hang for good; one limit of 0.2 s is far below on any day."""
CANARY = "zebra-canary-chest-pain"


async def until_answers(sessions: Sessions, seconds: float = 8.0) -> None:
    """Wait until Redis answers again."""
    deadline = time.monotonic() + seconds
    while not await sessions.ping():
        assert time.monotonic() < deadline, "Redis does not come back"
        await asyncio.sleep(0.05)


@pytest.fixture
async def stopped(redis: EmbeddedRedis, sessions: Sessions) -> AsyncIterator[Sessions]:
    """A Redis that hangs: it accepts connections and answers nothing."""
    assert redis.pid is not None and await sessions.ping()
    os.kill(redis.pid, signal.SIGSTOP)
    yield sessions
    os.kill(redis.pid, signal.SIGCONT)


async def test_a_case_comes_back_as_it_was_put(sessions: Sessions, cipher: Cipher) -> None:
    cases = CaseStore(sessions, cipher)
    assert await cases.get("c_1") is None
    await cases.put("c_1", {"entries": [{"f": {"id": "fever"}}], "note": "发烧"})
    assert await cases.get("c_1") == {"entries": [{"f": {"id": "fever"}}], "note": "发烧"}
    await cases.delete("c_1")
    assert await cases.get("c_1") is None


async def test_a_case_lives_for_its_time_only(sessions: Sessions, cipher: Cipher) -> None:
    cases = CaseStore(sessions, cipher, ttl_seconds=1)
    await cases.put("c_1", {"a": 1})
    await asyncio.sleep(1.2)
    assert await cases.get("c_1") is None


async def test_a_case_moved_to_another_conversation_does_not_open(sessions: Sessions, cipher: Cipher) -> None:
    cases = CaseStore(sessions, cipher)
    await cases.put("c_1", {"note": CANARY})
    blob = await sessions.client.get("careline:{c_1}:case")
    await sessions.client.set("careline:{c_2}:case", blob)
    with pytest.raises(SessionUnreadable) as caught:
        await cases.get("c_2")
    assert CANARY not in str(caught.value)


async def test_a_message_is_first_once(sessions: Sessions) -> None:
    repeats = Repeats(sessions)
    seen = await asyncio.gather(*(repeats.first("web", "m1") for _ in range(20)))
    assert seen.count(True) == 1
    assert await repeats.first("telegram", "m1")
    await repeats.forget("web", "m1")
    assert await repeats.first("web", "m1")


async def test_a_hanging_redis_costs_one_timeout_and_then_nothing(stopped: Sessions, cipher: Cipher) -> None:
    cases = CaseStore(stopped, cipher)
    began = time.monotonic()
    with pytest.raises(SessionsDown):
        await cases.get("c_1")
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(SessionsDown):
            await cases.get("c_1")
    assert first < HANGS_S
    assert time.monotonic() - began < 20 * SOCKET_SECONDS  # each would have waited so long


async def test_a_killed_redis_is_started_again_with_its_data(
    redis: EmbeddedRedis, sessions: Sessions, cipher: Cipher
) -> None:
    cases = CaseStore(sessions, cipher)
    await cases.put("c_1", {"note": "kept"})
    await asyncio.sleep(1.2)  # the append-only file is flushed every second
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGKILL)
    with pytest.raises(SessionsDown):
        for _ in range(50):
            await cases.get("c_1")
            await asyncio.sleep(0.01)
    await until_answers(sessions)
    assert await cases.get("c_1") == {"note": "kept"}


async def test_data_survives_a_restart(tmp_path: Path, cipher: Cipher) -> None:
    for run in range(2):
        server = EmbeddedRedis(tmp_path / "redis")
        await server.start()
        sessions = Sessions(server.url)
        cases = CaseStore(sessions, cipher)
        if run == 0:
            await cases.put("c_1", {"kept": True})
        else:
            assert await cases.get("c_1") == {"kept": True}
        await sessions.close()
        await server.stop()


async def test_a_server_left_behind_is_adopted_and_stopped(tmp_path: Path) -> None:
    left = EmbeddedRedis(tmp_path / "redis")
    await left.start()
    pid = left.pid
    again = EmbeddedRedis(tmp_path / "redis")
    await again.start()
    assert again.pid is None
    sessions = Sessions(again.url)
    assert await sessions.ping()
    assert left._watcher is not None
    left._watcher.cancel()  # the first owner is gone, as after kill -9
    await sessions.close()
    await again.stop()
    assert left._process is not None and await asyncio.wait_for(left._process.wait(), 5) is not None
    assert pid is not None


async def test_a_data_folder_with_a_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / "redis"
    server = EmbeddedRedis(deep)
    await server.start()
    sessions = Sessions(server.url)
    assert await sessions.ping()
    await sessions.close()
    await server.stop()


async def test_patient_text_is_in_no_file_of_redis(
    redis: EmbeddedRedis, sessions: Sessions, cipher: Cipher, tmp_path: Path
) -> None:
    await CaseStore(sessions, cipher).put("c_1", {"note": CANARY})
    await asyncio.sleep(1.2)
    await sessions.client.save()
    files = [p for p in (tmp_path / "redis").rglob("*") if p.is_file()]
    assert any(b"careline:{c_1}:case" in p.read_bytes() for p in files)
    assert not any(CANARY.encode() in p.read_bytes() for p in files)
