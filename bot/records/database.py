"""One database behind every store: SQLite (WAL) by default, PostgreSQL by address.

``begin()`` is the only way to write, ``read()`` the only way to look. Both translate the drivers' many
failures into :class:`RecordsUnavailable`, whose message holds no statement and no value. The module knows
transactions and time limits; it knows nothing of what the tables mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.records import migrations
from bot.records.crypto import Cipher
from bot.records.errors import (
    BadDatabaseUrl,
    CipherError,
    KeyFileError,
    NestedTransaction,
    RecordsUnavailable,
)
from bot.records.tables import key_probe

LOCK_WAIT_SECONDS = 5.0
"""How long a write waits for a lock before :class:`RecordsUnavailable`; callers may cut it short."""
LOCK_SLICE_SECONDS = 0.1
"""SQLite waits in its own thread in slices this short, so that a cancelled caller is released at once."""
HEALTH_SECONDS = 1.0
"""A database that needs longer for ``SELECT 1`` is as good as away for a waiting patient."""
MIN_FREE_BYTES = 16 * 2**20
"""Below this the next few hundred messages may not fit; readiness fails while there is still some room."""
SQLITE_CONNECTIONS = 4
"""One writer at a time (SQLite's rule) and a few readers beside it."""
POSTGRES_CONNECTIONS = 10
PROBE = "careline"

_AWAY = (
    exc.InterfaceError,
    exc.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    ConnectionError,
)
_SQLITE_AWAY = re.compile(
    "locked|busy|disk is full|readonly|unable to open|disk I/O|malformed|not a database|no active connection"
)
_POSTGRES_AWAY = re.compile("08|53|57|40|55P03|XX")
"""SQLSTATE classes: connection lost, resources gone, shutting down, serialisation, lock wait, fault."""

AfterCommit = Callable[[], None]


class _DaemonSqlite:
    """aiosqlite with daemon threads: a program that dies before ``close()`` must not hang on a connection."""

    def __getattr__(self, name: str) -> Any:
        return getattr(aiosqlite, name)

    @staticmethod
    def connect(*args: Any, **kw: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*args, **kw)
        connection._thread.daemon = True
        return connection


def async_url(url: str) -> sa.engine.URL:
    """The address with its async driver: ``sqlite:///FILE`` or ``postgresql://…``; others are refused."""
    try:
        parsed = sa.engine.make_url(url)
    except exc.ArgumentError:
        raise BadDatabaseUrl(
            "the database address cannot be read; expected sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    if backend != "sqlite":
        raise BadDatabaseUrl(f"{backend!r} databases are not supported; use sqlite:///FILE or postgresql://…")
    if parsed.database in (None, "", ":memory:"):
        raise BadDatabaseUrl("the records need a SQLite file, not a database in memory")
    return parsed.set(drivername="sqlite+aiosqlite")


class Database:
    """The records' database. ``cipher`` is shared with the stores built over it.

    Use: ``await db.start()``; ``async with db.begin() as conn: …`` (commits at the end, rolls back on an
    exception); ``async with db.read() as conn: …``; ``await db.close()``. A transaction holds the only
    writer of SQLite: nothing slow (network, model) may be awaited inside one.
    """

    def __init__(self, url: str, cipher: Cipher, *, lock_wait: float = LOCK_WAIT_SECONDS) -> None:
        self.url = async_url(url)
        self.cipher = cipher
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._lock_wait = lock_wait
        self._writer = asyncio.Lock()
        self._slots = asyncio.Semaphore(SQLITE_CONNECTIONS if self.sqlite else POSTGRES_CONNECTIONS)
        self._inside: set[asyncio.Task[Any] | None] = set()
        self._engine: AsyncEngine | None = None

    async def start(self) -> None:
        """Open, migrate to the newest revision, and check that the key file is the right one.

        Raises :class:`NewerDatabase`, :class:`KeyFileError` or :class:`RecordsUnavailable`.
        """
        # At DEBUG the driver logs statements with their values; ids and addresses must not get there (law 8).
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        if self.sqlite:
            with _translated(OSError):
                _make_private(Path(str(self.url.database)))
        self._engine = self._make_engine()
        try:
            async with self.begin() as conn:
                await migrations.upgrade(conn)
            async with self.begin() as conn:
                await self._check_key(conn)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection. Harmless when never started."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def healthy(self, limit: float = HEALTH_SECONDS) -> bool:
        """Whether the database answers within ``limit`` seconds and there is room left to write."""
        if self.sqlite and not await asyncio.to_thread(_has_room, Path(str(self.url.database))):
            return False
        try:
            async with asyncio.timeout(limit), self.read() as conn:
                await conn.execute(sa.text("SELECT 1"))
        except (RecordsUnavailable, TimeoutError):
            return False
        return True

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One writing transaction, committed at the end of the block (on SQLite: BEGIN IMMEDIATE)."""
        task = asyncio.current_task()
        if task in self._inside:
            raise NestedTransaction("begin() inside begin(): pass the connection on instead")
        hooks: list[AfterCommit] = []
        self._inside.add(task)
        try:
            async with self._writer_turn(), self._connection("IMMEDIATE") as conn:
                conn.info["after_commit"] = hooks
                yield conn
        finally:
            self._inside.discard(task)
        for hook in hooks:
            hook()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view for reading. Writes through it are refused by habit, not by the database."""
        async with self._connection("DEFERRED") as conn:
            yield conn

    @contextlib.asynccontextmanager
    async def _writer_turn(self) -> AsyncIterator[None]:
        """Writers of this process queue in order; SQLite's own waiting is unfair and blocks a thread each."""
        if not self.sqlite:
            yield
            return
        async with self._turn(self._writer):
            yield

    @contextlib.asynccontextmanager
    async def _turn(self, of: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._lock_wait):
                await of.acquire()
        except TimeoutError:
            raise RecordsUnavailable("the database was busy for too long") from None
        try:
            yield
        finally:
            of.release()

    @contextlib.asynccontextmanager
    async def _connection(self, mode: str) -> AsyncIterator[AsyncConnection]:
        # The slots bound the connections, so that nobody waits inside the pool: it waits with wait_for, which
        # in Python 3.11 can swallow a cancellation, and an emergency would overrun its time limit by seconds.
        async with self._turn(self._slots):
            with _translated(OSError):
                conn = await self._begun(mode)
            try:
                with _translated():
                    yield conn
                with _translated(OSError):
                    await conn.commit()
            finally:
                with _translated(OSError):
                    await conn.close()  # rolls back what was not committed

    async def _begun(self, mode: str) -> AsyncConnection:
        """A connection after BEGIN; while another process holds the lock, tries again up to ``lock_wait``."""
        if self._engine is None:
            raise RecordsUnavailable("the database is not open")
        loop = asyncio.get_running_loop()
        end = loop.time() + self._lock_wait
        while True:
            conn = self._engine.connect()
            try:
                await conn.start()
                await conn.execution_options(begin_mode=mode)
                await conn.begin()
                return conn
            except BaseException as error:
                if conn.sync_connection is not None:
                    await conn.close()
                if not _is_locked(error) or loop.time() >= end:
                    raise
            await asyncio.sleep(LOCK_SLICE_SECONDS)

    async def _check_key(self, conn: AsyncConnection) -> None:
        sealed = self.cipher.seal(PROBE, record="1", column="key_probe.probe_enc")
        await insert_new(conn, key_probe, {"id": 1, "probe_enc": sealed})  # the first start's stays
        row = (await conn.execute(sa.select(key_probe.c.probe_enc))).one()
        try:
            self.cipher.open(row.probe_enc, record="1", column="key_probe.probe_enc")
        except CipherError:
            raise KeyFileError(
                "the key file does not belong to this database: its records cannot be read with it. "
                "Put the key file back that was made with this database (CARELINE_KEY_FILE)."
            ) from None

    def _make_engine(self) -> AsyncEngine:
        # hide_parameters: an SQL error must not carry the values of the row it concerns (law 8).
        common: dict[str, Any] = {"hide_parameters": True, "future": True}
        if not self.sqlite:
            wait = str(int(self._lock_wait * 1000))
            return create_async_engine(
                self.url,
                pool_size=POSTGRES_CONNECTIONS,
                max_overflow=-1,
                pool_timeout=self._lock_wait,
                pool_pre_ping=True,
                connect_args={
                    "timeout": self._lock_wait,
                    "server_settings": {"timezone": "UTC", "lock_timeout": wait},
                },
                **common,
            )
        engine = create_async_engine(
            self.url,
            module=AsyncAdapt_aiosqlite_dbapi(_DaemonSqlite(), sqlite3),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=SQLITE_CONNECTIONS,
            max_overflow=-1,
            pool_timeout=self._lock_wait,
            connect_args={"timeout": LOCK_SLICE_SECONDS},
            **common,
        )
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine


def _make_private(path: Path) -> None:
    """Make the file before SQLite does: its rows are sealed, but who needs urgent help is for nobody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _has_room(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
        return disk.f_bavail * disk.f_frsize >= MIN_FREE_BYTES and os.access(path, os.W_OK)
    except OSError:
        return False


def after_commit(conn: AsyncConnection, hook: AfterCommit) -> None:
    """Call ``hook`` once the transaction of ``conn`` is committed; never when it is rolled back."""
    conn.info["after_commit"].append(hook)


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # The driver's implicit BEGIN is DEFERRED and would upgrade a read lock (deadlock); we begin ourselves.
    dbapi_connection.isolation_level = None
    try:
        cursor = dbapi_connection.cursor()
        # FULL: in WAL mode NORMAL may lose the last commits at a power cut; an escalation may be among them.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        dbapi_connection.close()  # the pool does not yet own it and would leave it open
        raise


def _begin_sqlite(conn: Any) -> None:
    conn.exec_driver_sql(f"BEGIN {conn.get_execution_options().get('begin_mode', 'DEFERRED')}")


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, exc.OperationalError) and bool(re.search("locked|busy", str(error.orig)))


@contextlib.contextmanager
def _translated(*also: type[Exception]) -> Iterator[None]:
    """Turn what drivers raise when a database is away into one typed error without statement or values."""
    try:
        yield
    except (*_AWAY, *also) as error:
        cause = getattr(error, "orig", None) or error
        raise RecordsUnavailable(f"the database is not available ({type(cause).__name__})") from None
    except exc.DBAPIError as error:
        if not _is_away(error):
            raise
        raise RecordsUnavailable(f"the database is not available ({type(error.orig).__name__})") from None


def _is_away(error: exc.DBAPIError) -> bool:
    state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    if state:
        return bool(_POSTGRES_AWAY.match(str(state)))
    return bool(error.connection_invalidated or _SQLITE_AWAY.search(str(error.orig)))


async def insert_new(conn: AsyncConnection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with an equal unique key exists; True when this call made it."""
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    done = await conn.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
    return bool(done.rowcount == 1)
