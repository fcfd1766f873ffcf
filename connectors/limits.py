"""Token buckets: how often something may happen, by key. Pure but for the clock that is handed in."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_KEYS = 50_000
"""Buckets kept in memory (about 10 MB); the longest unused is forgotten first, and a forgotten one is
full."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """``burst`` events at once, then ``per_s`` a second, for each key.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        per_s: float,
        burst: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one token. Returns 0.0 when there was one, else the seconds until there is (nothing is
        taken)."""
        bucket = self._refill(key)
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / self._per_s

    def reserve(self, key: str) -> float:
        """Take one token even where there is none yet. Returns the seconds to wait before acting on it."""
        bucket = self._refill(key)
        bucket.tokens -= 1.0
        return max(0.0, -bucket.tokens / self._per_s)

    def hold(self, key: str, seconds: float) -> None:
        """Nothing for this key before ``seconds`` have gone by (a platform said so)."""
        bucket = self._refill(key)
        bucket.tokens = min(bucket.tokens, 1.0 - seconds * self._per_s)

    def _refill(self, key: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_s)
            bucket.at = now
        return bucket
