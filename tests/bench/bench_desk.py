"""From a patient's message to the staff console: how long an emergency takes to appear there, and to be answered.

One real server with everything embedded, one open console (its event stream), EMERGENCIES patients one after the
other. Aim: two seconds to the console, 0.3 s to the patient (design, law 3).
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tests.bench.bench_rest import say
from tests.running import Running, trained_model, write_clinic

EMERGENCIES = 40
TEXTS = (
    "my chest feels tight and my left arm has gone numb",
    "胸口闷得厉害，出冷汗",
    "he has collapsed and is not breathing",
    "我妈嘴歪了，说不清话",
)


async def times(running: Running, login: str, password: str) -> tuple[list[float], list[float]]:
    """(seconds to the reply, seconds to the console) of each emergency."""
    to_patient: list[float] = []
    to_desk: list[float] = []
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(60)) as http:
        body = {"login": login, "password": password}
        async with http.post(f"{running.base}/console/api/login", json=body) as answer:
            answer.raise_for_status()
        async with http.get(f"{running.base}/console/api/events") as feed:
            feed.raise_for_status()
            for number in range(EMERGENCIES):
                began = time.perf_counter()
                message = {"message": TEXTS[number % len(TEXTS)]}
                async with http.post(f"{running.base}/webhooks/rest/webhook", json=message) as answer:
                    await answer.read()
                    answer.raise_for_status()
                to_patient.append(time.perf_counter() - began)
                await escalation(feed)
                to_desk.append(time.perf_counter() - began)
    return to_patient, to_desk


async def escalation(feed: aiohttp.ClientResponse) -> None:
    """Wait for the next new emergency of the event stream."""
    async for raw in feed.content:
        if raw.startswith(b"data: "):
            event = json.loads(raw[6:])
            if event.get("type") == "escalation" and event.get("change") == "created":
                return


def row(name: str, seconds: Sequence[float]) -> str:
    """One line of the table, milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{name:32}{statistics.median(ordered) * 1000:10.0f}{p99 * 1000:10.0f}"


def main() -> int:
    """Print the table."""
    trained_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        free = {"CARELINE_ADDRESS_PER_S": "10000", "CARELINE_ADDRESS_BURST": "10000"}
        running = Running(folder / "data", write_clinic(folder / "clinic.yml", on_duty=True), env=free)
        running.data.mkdir()
        try:
            running.start()
            say(f"ready; {EMERGENCIES} emergencies, one after the other")
            to_patient, to_desk = asyncio.run(times(running, *running.staff()))
        finally:
            running.stop()
    print(f"\n{'':32}{'p50 ms':>10}{'p99 ms':>10}")
    print(row("message to whole reply (REST)", to_patient))
    print(row("message to the staff console", to_desk))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
