"""Brings a database to the newest revision inside the caller's transaction (Alembic, run by the program).

Revisions are the files in ``versions/``. It knows revisions, not tables; and it refuses a database that a
newer program has written, because running old code over it could destroy records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.records.errors import NewerDatabase

DIRECTORY = Path(__file__).parent
POSTGRES_LOCK = 0x43415245
"""Advisory lock number ("CARE"): two servers that start together migrate one after the other."""


def script() -> ScriptDirectory:
    """The revisions that ship with this program."""
    config = Config()
    config.set_main_option("script_location", str(DIRECTORY).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


async def upgrade(conn: AsyncConnection) -> None:
    """Upgrade to the newest revision, or :class:`NewerDatabase`. Does nothing when it is there already."""
    if conn.dialect.name == "postgresql":
        await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(POSTGRES_LOCK)))
    await conn.run_sync(_upgrade)


def current(connection: Any) -> str | None:
    """The revision a (synchronous) connection's database is at; None when it is empty."""
    revision: str | None = MigrationContext.configure(connection).get_current_revision()
    return revision


def _upgrade(connection: Any) -> None:
    revisions = script()
    newest = revisions.get_current_head()
    found = current(connection)
    if found == newest:
        return
    if found is not None:
        try:
            revisions.get_revision(found)
        except CommandError:
            raise NewerDatabase(found, str(newest)) from None

    def steps(revision: Any, _context: Any) -> Any:
        return revisions._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), revisions, fn=steps) as environment:
        environment.configure(connection=connection, render_as_batch=True, transactional_ddl=False)
        environment.run_migrations()
