"""The one connection to Redis: short timeouts, a breaker, typed errors. And the embedded server.

A Redis that is stopped (not dead) answers nothing; without the breaker every call of a turn would wait its full
timeout. After a failure calls fail at once for a moment, so that a turn loses 0.2 s to Redis, not a second.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.sessions.errors import SessionConflict, SessionsDown

SOCKET_SECONDS = 0.2
"""Longest wait for one answer: the emergency text must be out in 0.3 s with Redis away."""
BLOCKING_SECONDS = 1.0
"""Longest single wait of a blocking command (BLPOP) before it is issued again."""
BREAKER_SECONDS = 0.5
"""How long calls fail at once after Redis has not answered."""
MAX_CONNECTIONS = 64

T = TypeVar("T")


class Sessions:
    """A Redis by URL (``redis://``, ``rediss://``, ``unix://``). Opens nothing until it is used."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._retry_at = 0.0
        self.client = self._open(SOCKET_SECONDS)
        self.blocking = self._open(BLOCKING_SECONDS + SOCKET_SECONDS)

    def _open(self, timeout: float) -> Redis:
        pool = BlockingConnectionPool.from_url(
            self._url,
            socket_timeout=timeout,
            **({} if self._url.startswith("unix:") else {"socket_connect_timeout": SOCKET_SECONDS}),
            retry=Retry(NoBackoff(), 0),
            max_connections=MAX_CONNECTIONS,
            timeout=SOCKET_SECONDS,
        )
        return Redis(connection_pool=pool)

    async def call(self, work: Callable[[Redis], Awaitable[T]], *, blocking: bool = False) -> T:
        """Run one operation. Raises SessionsDown (Redis away) or SessionConflict (a watched key changed)."""
        if self._monotonic() < self._retry_at:
            raise SessionsDown("redis: not tried again yet")
        try:
            return await work(self.blocking if blocking else self.client)
        except WatchError:
            raise SessionConflict("redis: the conversation was written by somebody else") from None
        except (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError) as error:
            self._retry_at = self._monotonic() + BREAKER_SECONDS
            raise SessionsDown(f"redis: {type(error).__name__}") from None
        except ResponseError as error:
            if str(error).startswith("CONFLICT"):
                raise SessionConflict("redis: the conversation was written by somebody else") from None
            raise SessionsDown(f"redis: {str(error).split(' ')[0]}") from None
        except RedisError as error:
            raise SessionsDown(f"redis: {type(error).__name__}") from None

    async def ping(self) -> bool:
        """Whether Redis answers now."""
        try:
            await self.call(_ping)
        except SessionsDown:
            return False
        return True

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose(close_connection_pool=True)
        await self.blocking.aclose(close_connection_pool=True)


async def _ping(redis: Redis) -> Any:
    return await redis.ping()
