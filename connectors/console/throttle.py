"""Slows down the guessing of passwords. It knows keys and times, nothing of logins or requests."""

from __future__ import annotations

import time
from collections.abc import Callable

FREE_TRIES = 5
"""Wrong passwords per login before it has to wait; then the wait doubles, and never locks for good."""
FREE_TRIES_ADDRESS = 30
"""The same per address: a whole clinic, or its proxy, may stand behind one."""
LONGEST_WAIT_S = 60.0
REMEMBERED_S = 600.0
MAX_KEYS = 10_000
"""Kept at once; beyond that the oldest go, so that made-up logins cannot fill the memory."""
ADDRESS = "address:"


class Throttle:
    """Counts tries per key, without ever shutting the right person out for longer than a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, tuple[int, float]] = {}

    def wait(self, *keys: str) -> float:
        """Seconds that these keys still have to wait; 0 when a try is free."""
        now = self._clock()
        return max((self._tries[key][1] - now for key in keys if key in self._tries), default=0.0)

    def tried(self, *keys: str) -> None:
        """Count a try, before its outcome is known: a hundred at once must not all be free."""
        now = self._clock()
        for key in keys:
            count, until = self._tries.pop(key, (0, now))
            count = 1 if until + REMEMBERED_S < now else count + 1
            free = FREE_TRIES_ADDRESS if key.startswith(ADDRESS) else FREE_TRIES
            pause = 0.0 if count < free else min(LONGEST_WAIT_S, 2.0 ** min(count - free, 10))
            self._tries[key] = (count, now + pause)
        while len(self._tries) > MAX_KEYS:
            del self._tries[next(iter(self._tries))]

    def succeeded(self, *keys: str) -> None:
        """Forget the tries."""
        for key in keys:
            self._tries.pop(key, None)
