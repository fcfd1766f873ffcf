"""Connectors served on a free port of localhost, and a client that cannot leave it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from connectors.base import Connector
from connectors.tokens import SignedTokens

Serve = Callable[..., Awaitable[TestServer]]


@pytest.fixture
def tokens() -> SignedTokens:
    return SignedTokens([b"k" * 32])


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve(connector, …)``: a running server with these connectors; all are closed at the end."""
    servers: list[TestServer] = []
    started: list[Connector] = []

    async def begin(*connectors: Connector) -> TestServer:
        app = web.Application()
        for connector in connectors:
            await connector.start()
            started.append(connector)
            app.add_routes(connector.routes())
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return server

    yield begin
    for connector in started:
        await connector.close()
    for server in servers:
        await server.close()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session
