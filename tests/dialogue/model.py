"""The real model, trained once for all tests that need it and kept while its sources do not change."""

from __future__ import annotations

import fcntl
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".pytest_cache" / "careline-model"


@cache
def trained_model() -> Path:
    """The archive. Several test processes wait for the one that trains."""
    from bot.dialogue.train import train

    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "careline-model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return train(FOLDER)
