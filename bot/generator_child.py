"""Where the generator is: at the operator's URL, in a process of our own, or nowhere."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bot.child import Child
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Generator:
    """An OpenAI-compatible generator. ``child`` is the process to supervise, where it is ours."""

    url: str
    token: str | None = field(repr=False, default=None)
    model: str | None = None
    child: Child | None = None


def generator(settings: Settings) -> Generator | None:
    """The generator that the settings ask for; None where answers are quoted from the articles alone.

    ``CARELINE_GENERATOR_URL`` wins; ``CARELINE_GENERATOR_MODEL`` alone (a path or a name) starts a process.
    """
    given = settings.generator_token.get_secret_value() if settings.generator_token else None
    if settings.generator_url:
        return Generator(settings.generator_url, given, settings.generator_model)
    if not settings.generator_model:
        return None
    token = given or secrets.token_urlsafe(32)
    port = free_port()
    token_file = write_secret(settings.data / "generator.token", token)
    command = (
        sys.executable, "-m", "generation.server", "--model", settings.generator_model,
        "--host", "127.0.0.1", "--port", str(port), "--token-file", str(token_file),
    )  # fmt: skip
    return Generator(f"http://127.0.0.1:{port}", token, None, Child("generator", command))


def write_secret(path: Path, secret: str) -> Path:
    """A file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    return path


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
