"""Encryption of columns: AES-256-GCM under a named key, bound to one record and one column.

A value moved to another row or column does not open, because record id and column name are associated
data. This module knows keys and bytes. It knows nothing of tables, and it never puts text into an error.

A sealed value is ``version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag``.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.records.errors import CipherError, KeyFileError

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
"""Random 96-bit nonces stay safe for 2**32 values under one key (NIST SP 800-38D); rotate long before."""


def _pack(*parts: str) -> bytes:
    """Join parts so that no two different lists give the same bytes (each is preceded by its length)."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


class Cipher:
    """Seals with the current key, opens with any key it holds. Immutable; safe to share between tasks.

    ``root`` is a separate secret that never rotates with the data keys: look-up digests and the audit
    chain are made with keys derived from it, so that rotation keeps addresses findable.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str, root: bytes) -> None:
        if current not in keys:
            raise KeyFileError(f"the current key {current!r} is not among the keys {sorted(keys)}")
        if len(root) != KEY_BYTES or any(len(key) != KEY_BYTES for key in keys.values()):
            raise KeyFileError(f"every key must be {KEY_BYTES} bytes long")
        if any(not 0 < len(kid.encode()) < 256 for kid in keys):
            raise KeyFileError("a key id must be 1 to 255 bytes long")
        self._boxes = {kid: AESGCM(key) for kid, key in keys.items()}
        self._root = root
        kid = current.encode()
        self._header = bytes([FORMAT, len(kid)]) + kid
        self._current = self._boxes[current]
        self.current = current

    def seal(self, plaintext: str, *, record: str, column: str) -> bytes:
        """Encrypt text for one ``column`` (``table.column``) of one ``record`` (its id)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        bound = self._header + _pack(record, column)
        return self._header + nonce + self._current.encrypt(nonce, plaintext.encode(), bound)

    def open(self, blob: bytes, *, record: str, column: str) -> str:
        """Decrypt what :meth:`seal` made for the same record and column, else :class:`CipherError`."""
        kid = self.key_of(blob)
        box = self._boxes.get(kid)
        if box is None:
            raise CipherError(f"{column} of {record}: the key file does not hold its key {kid!r}")
        start = 2 + len(kid.encode())
        header, nonce = bytes(blob[:start]), bytes(blob[start : start + NONCE_BYTES])
        try:
            bound = header + _pack(record, column)
            return box.decrypt(nonce, bytes(blob[start + NONCE_BYTES :]), bound).decode()
        except (InvalidTag, ValueError):
            raise CipherError(f"{column} of {record}: altered, cut short or moved here") from None

    @staticmethod
    def key_of(blob: bytes) -> str:
        """The id of the key a sealed value was made with (what a rotation job asks)."""
        if len(blob) < 2 or blob[0] != FORMAT:
            raise CipherError(f"not a sealed value of format {FORMAT}")
        try:
            return bytes(blob[2 : 2 + blob[1]]).decode()
        except UnicodeDecodeError:
            raise CipherError("the key id of a sealed value is damaged") from None

    def mac(self, purpose: str, data: bytes) -> str:
        """Keyed SHA-256 of ``data`` as hex; each ``purpose`` has its own key derived from the root secret."""
        key = hmac.digest(self._root, b"careline/" + purpose.encode(), hashlib.sha256)
        return hmac.digest(key, data, hashlib.sha256).hex()

    def lookup(self, purpose: str, *parts: str) -> str:
        """A digest by which a secret value (an address, a phone number) is found without storing it."""
        return self.mac(f"lookup/{purpose}", _pack(*parts))


class KeyFile:
    """The file that holds the keys, for its owner only: ``{"current", "root", "keys": {id: base64}}``."""

    @classmethod
    def load_or_create(cls, path: Path) -> Cipher:
        """The cipher of this file; the first call makes the file (mode 0600) with a fresh key."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            cls._write(path, {"current": "k1", "root": _fresh(), "keys": {"k1": _fresh()}}, replace=False)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Cipher:
        """The cipher of an existing file, or :class:`KeyFileError` saying what is wrong with it."""
        data = cls._read(path)
        try:
            keys = {kid: base64.b64decode(key, validate=True) for kid, key in data["keys"].items()}
            return Cipher(keys, data["current"], base64.b64decode(data["root"], validate=True))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise KeyFileError(f"{path}: expected the keys 'current', 'root' and 'keys' (base64)") from None

    @classmethod
    def rotate(cls, path: Path) -> Cipher:
        """Add a fresh key and make it current. Values under the older keys stay readable."""
        data = cls._read(path)
        kid = f"k{len(data['keys']) + 1}"
        while kid in data["keys"]:
            kid += "x"
        cls._write(path, {**data, "current": kid, "keys": {**data["keys"], kid: _fresh()}}, replace=True)
        return cls.load(path)

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            if path.stat().st_mode & 0o077:
                raise KeyFileError(f"{path}: other users can read the keys. Mend it with: chmod 600 {path}")
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise KeyFileError(f"{path}: cannot be read as a key file ({type(error).__name__})") from None
        if not isinstance(data, dict) or not isinstance(data.get("keys"), dict):
            raise KeyFileError(f"{path}: expected a JSON object with the keys 'current', 'root' and 'keys'")
        return data

    @staticmethod
    def _write(path: Path, data: Mapping[str, Any], *, replace: bool) -> None:
        """Write beside, flush, then put in place at once: a crash leaves the old file or the new one."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                with contextlib.suppress(FileExistsError):  # another process was first: its keys count
                    os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
