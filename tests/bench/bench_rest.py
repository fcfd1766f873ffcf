"""Turns per second and latency through REST, beside stock ``rasa init`` + ``rasa run`` measured in the same run.

Both get the same conversations from the same client: CONVERSATIONS at once, TURNS messages each, one after the
other. Ours runs with everything a clinic gets (triage, encrypted SQL, Redis, dialogue, outbox); the peer runs its
default pipeline with its stores in memory, which is its fastest set-up.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

CONVERSATIONS = 8
TURNS = 20
START_LIMIT_S = 180.0
SETTLE_S = 20.0
"""Both servers load something behind their first answers (ours the sentence encoder); measured is what follows."""
TEXTS = (
    "hello",
    "how are you doing",
    "thanks",
    "are you a bot?",
    "what can you do",
    "bye",
    "no",
    "good morning",
)
SAY = {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3", "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
       "RASA_TELEMETRY_ENABLED": "false",
       "CARELINE_MESSAGES_PER_S": "10000", "CARELINE_MESSAGES_BURST": "10000",
       "CARELINE_ADDRESS_PER_S": "10000", "CARELINE_ADDRESS_BURST": "10000"}  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(line: str) -> None:
    """Progress."""
    print(f"   {line}", flush=True)


async def wait_for(url: str, process: subprocess.Popen[bytes]) -> float:
    """Seconds until ``url`` answers 200."""
    began = time.perf_counter()
    async with aiohttp.ClientSession() as http:
        while time.perf_counter() - began < START_LIMIT_S:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}")
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError(f"no answer from {url} within {START_LIMIT_S} s")


async def conversation(
    http: aiohttp.ClientSession, url: str, number: int, ours: bool, took: list[float]
) -> None:
    """One patient, message after message."""
    sender: str | None = None if ours else f"peer-{number}"
    for turn in range(TURNS):
        body = {"message": TEXTS[(number + turn) % len(TEXTS)], **({"sender": sender} if sender else {})}
        began = time.perf_counter()
        async with http.post(url, json=body) as answer:
            said = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}: {said}")
        took.append(time.perf_counter() - began)
        if ours and sender is None:
            sender = answer.headers["X-Careline-Conversation"]


async def load(base: str, ours: bool) -> tuple[float, list[float]]:
    """(turns per second, seconds of each turn)."""
    took: list[float] = []
    url = f"{base}/webhooks/rest/webhook"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
        await conversation(http, url, 999, ours, [])  # warm
        began = time.perf_counter()
        await asyncio.gather(*(conversation(http, url, n, ours, took) for n in range(CONVERSATIONS)))
        return len(took) / (time.perf_counter() - began), took


def measure(
    name: str, command: Sequence[str], cwd: Path, base: str, ready: str, ours: bool
) -> tuple[str, float, list[float], float]:
    """Start a server, load it, stop it."""
    say(f"{name}: starting")
    log = (cwd / "server.log").open("wb")
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **SAY}, stdout=log, stderr=log)
    try:
        ready_s = asyncio.run(wait_for(base + ready, process))
        say(
            f"{name}: ready after {ready_s:.1f} s; settling {SETTLE_S:.0f} s, then {CONVERSATIONS} x {TURNS} turns"
        )
        time.sleep(SETTLE_S)
        rate, took = asyncio.run(load(base, ours))
        return name, rate, took, ready_s
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def main() -> int:
    """Print the table."""
    python = sys.executable
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        ours = measure(
            "careline", [python, "-m", "bot.cli", "serve", "--port", str(port), "--data", str(folder / "data")],
            folder_with(root, folder), f"http://127.0.0.1:{port}", "/readyz", True,
        )  # fmt: skip
        peer_dir = folder / "peer"
        say("rasa: making and training its own starter project")
        peer_dir.mkdir()
        done = subprocess.run(
            [python, "-m", "rasa", "init", "--no-prompt", "--init-dir", str(peer_dir)],
            cwd=peer_dir, env={**os.environ, **SAY}, capture_output=True, timeout=900, check=False,
        )  # fmt: skip
        rows = [ours]
        if done.returncode:
            say(f"rasa: could not be trained here (status {done.returncode}); no peer in this run")
        else:
            (peer_dir / "credentials.yml").write_text("rest:\n")
            port = free_port()
            rows.append(
                measure(
                    "rasa 3.6.21 (default)",
                    [python, "-m", "rasa", "run", "-p", str(port), "--credentials", "credentials.yml"],
                    peer_dir, f"http://127.0.0.1:{port}", "/", False,
                )
            )  # fmt: skip
    print(f"\n{'':24}{'turns/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'ready s':>10}")
    for label, rate, took, ready_s in rows:
        ordered = sorted(took)
        p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        print(f"{label:24}{rate:10.1f}{p50 * 1000:10.1f}{p99 * 1000:10.1f}{ready_s:10.1f}")
    return 0


def folder_with(root: Path, folder: Path) -> Path:
    """A working folder that shares the trained model, so that only serving is measured."""
    work = folder / "work"
    work.mkdir()
    if (root / "models").is_dir():
        shutil.copytree(root / "models", work / "models")
    return work


if __name__ == "__main__":
    raise SystemExit(main())
