"""A running console over real services, and members of staff who use it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.connectors.console.site import Browserless, Site

Enter = Callable[..., Awaitable[Browserless]]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await Site(tmp_path, heartbeat_s=0.2).start()
    yield site
    await site.stop()


@pytest.fixture
async def enter(site: Site) -> AsyncIterator[Enter]:
    """``await enter("mara")``: a member of staff, registered and logged in."""
    opened: list[Browserless] = []

    async def come(login: str = "mara", log_in: bool = True) -> Browserless:
        if login not in {member.login for member in await site.staff.all()}:
            await site.member(login)
        person = Browserless(site)
        opened.append(person)
        return await person.log_in(login) if log_in else person

    yield come
    for person in opened:
        await person.close()
