"""What the session store needs from encryption: a seal bound to a record and a column."""

from __future__ import annotations

from typing import Protocol


class Seal(Protocol):
    """Authenticated encryption; ``bot.records.crypto.Cipher`` is the real one."""

    def seal(self, plaintext: str, *, record: str, column: str) -> bytes:
        """Encrypt for one place."""

    def open(self, blob: bytes, *, record: str, column: str) -> str:
        """Decrypt what was sealed for the same place; raises its own error for anything else."""
