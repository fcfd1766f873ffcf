"""One conversation, one message at a time: fair, woken at once, and free again when a holder dies.

In this process waiters queue in memory and the next one is woken directly. Between processes only the head of
each queue stands at Redis, where a token with a lease is handed on by the holder to the next waiter (a list that
the waiter blocks on). Without Redis the queue in memory still holds the order of this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from redis.asyncio import Redis

from bot.sessions.connection import BLOCKING_SECONDS, Sessions
from bot.sessions.errors import SessionsDown
from bot.sessions.keys import conversation_key

LEASE_SECONDS = 6.0
"""A holder that dies blocks its conversation for this long at most; a live one renews in time."""
RENEW_SECONDS = 2.0
QUEUE_SECONDS = 120

# KEYS: lock, queue. ARGV: token, lease ms, queue ttl s. 1 taken, 0 queued.
TAKE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('LREM', KEYS[2], 0, ARGV[1])
  return 1
end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
if not redis.call('LPOS', KEYS[2], ARGV[1]) then
  redis.call('RPUSH', KEYS[2], ARGV[1])
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 0
"""
# KEYS: lock, queue, wake prefix key (for the slot). ARGV: token, lease ms. Hands the lock to the next waiter.
GIVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('LREM', KEYS[2], 0, ARGV[1])
  return 0
end
local next = redis.call('LPOP', KEYS[2])
if next then
  redis.call('SET', KEYS[1], next, 'PX', ARGV[2])
  local wake = KEYS[3] .. ':' .. next
  redis.call('RPUSH', wake, '1')
  redis.call('PEXPIRE', wake, ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""
RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"

_held: ContextVar[frozenset[str]] = ContextVar("careline_held", default=frozenset())


class ConversationLocks:
    """``async with locks.hold(conversation)``. Entering again inside the same task passes straight through."""

    def __init__(self, sessions: Sessions | None, *, lease: float = LEASE_SECONDS) -> None:
        self._sessions = sessions
        self._lease = lease
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def hold(self, conversation: str) -> AsyncIterator[None]:
        """Wait for the turn of this caller and hold the conversation until the block ends."""
        held = _held.get()
        if conversation in held:
            yield
            return
        await self._enter(conversation)
        try:
            async with self._across(conversation):
                token = _held.set(held | {conversation})
                try:
                    yield
                finally:
                    _held.reset(token)
        finally:
            self._exit(conversation)

    def waiting(self, conversation: str) -> int:
        """How many callers of this process wait behind the holder."""
        return max(0, len(self._queues.get(conversation, ())) - 1)

    async def _enter(self, conversation: str) -> None:
        queue = self._queues.setdefault(conversation, deque())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        if len(queue) == 1:
            return
        try:
            await turn
        except asyncio.CancelledError:
            if queue and queue[0] is turn:
                self._exit(conversation)
            else:
                queue.remove(turn)
            raise

    def _exit(self, conversation: str) -> None:
        queue = self._queues[conversation]
        queue.popleft()
        if not queue:
            del self._queues[conversation]
        elif not queue[0].done():
            queue[0].set_result(None)

    @asynccontextmanager
    async def _across(self, conversation: str) -> AsyncIterator[None]:
        """The same between processes; without Redis this process alone is ordered."""
        token = secrets.token_hex(16)
        if self._sessions is None or not await self._take(conversation, token):
            yield
            return
        renewal = asyncio.create_task(self._renew(conversation, token))
        try:
            yield
        finally:
            renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewal
            await self._give(conversation, token)

    async def _take(self, conversation: str, token: str) -> bool:
        """True with the token held, False where Redis is away."""
        assert self._sessions is not None
        lock, queue, wake = _keys(conversation)
        lease_ms = int(self._lease * 1000)

        async def attempt(redis: Redis) -> int:
            return int(await redis.eval(TAKE, 2, lock, queue, token, lease_ms, QUEUE_SECONDS))

        async def wait(redis: Redis) -> object:
            return await redis.blpop([f"{wake}:{token}"], timeout=min(BLOCKING_SECONDS, self._lease))

        try:
            while not await self._sessions.call(attempt):
                await self._sessions.call(wait, blocking=True)
        except SessionsDown:
            return False
        except asyncio.CancelledError:
            await self._give(conversation, token)
            raise
        return True

    async def _renew(self, conversation: str, token: str) -> None:
        assert self._sessions is not None
        lock = _keys(conversation)[0]

        async def renew(redis: Redis) -> object:
            return await redis.eval(RENEW, 1, lock, token, int(self._lease * 1000))

        while True:
            await asyncio.sleep(min(RENEW_SECONDS, self._lease / 3))
            with contextlib.suppress(SessionsDown):
                await self._sessions.call(renew)

    async def _give(self, conversation: str, token: str) -> None:
        assert self._sessions is not None
        lock, queue, wake = _keys(conversation)

        async def give(redis: Redis) -> object:
            return await redis.eval(GIVE, 3, lock, queue, wake, token, int(self._lease * 1000))

        with contextlib.suppress(SessionsDown):  # the lease ends by itself
            await self._sessions.call(give)


def _keys(conversation: str) -> tuple[str, str, str]:
    return (
        conversation_key(conversation, "lock"),
        conversation_key(conversation, "queue"),
        conversation_key(conversation, "wake"),
    )
