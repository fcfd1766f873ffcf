"""Starts the real program for tests: ``careline serve`` as a process, everything embedded, on a free port.

Nothing in it is replaced. A test may stop it, start it again over the same data, and kill its parts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
ARTIFACTS = ROOT / "test-artifacts"
START_LIMIT_S = 120.0
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def trained_model() -> Path:
    """The dialogue model, trained by the command line where its data has changed."""
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli", "train", "--out", str(MODELS)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return MODELS


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_clinic(path: Path, *, on_duty: bool, country: str = "GB") -> Path:
    """The demo clinic, with somebody on duty at every hour, or nobody before the day after tomorrow."""
    data = yaml.safe_load((ROOT / "bot" / "demo_clinic.yml").read_text(encoding="utf-8"))
    day_after_tomorrow = WEEKDAYS[(dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).weekday()]
    who = {"en": "our duty nurse", "zh": "值班护士"}
    days, hours = (WEEKDAYS, ("00:00", "23:59:59")) if on_duty else ([day_after_tomorrow], ("10:00", "12:00"))
    data["duty"] = [{"days": list(days), "hours": [{"from": hours[0], "to": hours[1]}], "who": who}]
    data["country"] = country
    data["holidays"] = []
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


@dataclass
class Running:
    """One assistant. ``data`` outlives it."""

    data: Path
    clinic: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> Running:
        """Start and wait until it is ready."""
        self.port = self.port or free_port()
        command = [
            sys.executable,
            "-m",
            "bot.cli",
            "serve",
            "--port",
            str(self.port),
            "--data",
            str(self.data),
        ]
        if self.clinic:
            command += ["--clinic", str(self.clinic)]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "CARELINE_MODEL_DIR": str(MODELS), **self.env},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log[-3000:]}")
            with contextlib.suppress(OSError, urllib.error.URLError):
                if urllib.request.urlopen(f"{self.base}/readyz", timeout=2).status == 200:
                    return self
            time.sleep(0.1)
        raise AssertionError(f"not ready within {START_LIMIT_S} s:\n{self.log[-3000:]}")

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    def kill(self) -> None:
        """End it as a power cut would; what it had started goes too."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(10)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process = None

    def redis(self) -> psutil.Process:
        """The embedded Redis."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if "redis" in child.name():
                return child
        raise AssertionError("no embedded Redis among the children")

    def pause(self, process: psutil.Process) -> None:
        """Stop a part without ending it: it holds its connections and answers nothing."""
        process.send_signal(signal.SIGSTOP)

    def staff(self, login: str = "mara", password: str = "a-long-test-password") -> tuple[str, str]:
        """Add a member of staff with the command line."""
        command = [sys.executable, "-m", "bot.cli", "staff", "add", login, "--name", "Mara Lind",
                   "--password-stdin", "--data", str(self.data)]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, input=password + "\n", text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return login, password

    def rest(self, message: str, token: str | None = None, **metadata: Any) -> Talk:
        """One message through REST; keep the returned token for the next."""
        body: dict[str, Any] = {"message": message}
        if token:
            body["sender"] = token
        if metadata:
            body["metadata"] = metadata
        request = urllib.request.Request(
            f"{self.base}/webhooks/rest/webhook",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.loads(answer.read())
            return Talk(said, answer.headers.get("X-Careline-Conversation") or token or "")


@dataclass(frozen=True)
class Talk:
    """What came back from REST."""

    said: list[dict[str, Any]]
    token: str

    @property
    def text(self) -> str:
        return "\n".join(item.get("text", "") for item in self.said)

    @property
    def buttons(self) -> list[str]:
        return [button["title"] for item in self.said for button in item.get("buttons", ())]
