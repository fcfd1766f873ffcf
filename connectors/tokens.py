"""Signed conversation tokens: the only thing that opens a conversation from a browser (law 7).

``c1.<conversation>.<expiry>.<mac>``: the conversation id, a Unix time in base 36 and an HMAC-SHA256 over
both. Nothing is stored, so every worker with the key can verify. It knows nothing of conversations
themselves.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence

LIFETIME_S = 30 * 24 * 3600
"""30 days: a patient who comes back within the month finds the conversation; each visit renews it."""

MAX_TOKEN_CHARS = 512
"""Ours are about 120 characters; anything much longer is not worth hashing."""

MIN_KEY_BYTES = 32
"""HMAC-SHA256 keys shorter than the digest weaken it (RFC 2104, section 3)."""

_PREFIX = "c1"
_CONVERSATION = re.compile(r"[A-Za-z0-9_-]{16,160}")


class SignedTokens:
    """A :class:`connectors.base.TokenPort`. The first key signs; all verify, so that keys can be rotated.

    Args:
        keys: secrets of at least 32 bytes each.
        purpose: bound into the signature; a token of one purpose is worthless for another.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        lifetime_s: int = LIFETIME_S,
        clock: Callable[[], float] = time.time,
        purpose: str = "conversation",
    ) -> None:
        if not keys or any(len(key) < MIN_KEY_BYTES for key in keys):
            raise ValueError(f"token keys: at least one key, each of {MIN_KEY_BYTES} bytes or more")
        self._keys = tuple(keys)
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._purpose = purpose

    def issue(self, conversation: str) -> str:
        """A token for a conversation id of 16 to 160 characters ``A-Za-z0-9_-``."""
        if not _CONVERSATION.fullmatch(conversation):
            raise ValueError("conversation id: expected 16 to 160 characters A-Z a-z 0-9 _ -")
        expiry = _base36(int(self._clock()) + self._lifetime_s)
        return f"{_PREFIX}.{conversation}.{expiry}.{self._mac(self._keys[0], conversation, expiry)}"

    def verify(self, token: str) -> str | None:
        """The conversation id, or None. Takes the same time for every wrong signature."""
        if len(token) > MAX_TOKEN_CHARS or not token.isascii() or token.count(".") != 3:
            return None
        prefix, conversation, expiry, mac = token.split(".")
        if prefix != _PREFIX or not _CONVERSATION.fullmatch(conversation):
            return None
        matches = [hmac.compare_digest(self._mac(key, conversation, expiry), mac) for key in self._keys]
        if not any(matches) or int(expiry, 36) <= self._clock():
            return None
        return conversation

    def _mac(self, key: bytes, conversation: str, expiry: str) -> str:
        message = "\n".join((_PREFIX, self._purpose, conversation, expiry)).encode()
        return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).rstrip(b"=").decode()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
