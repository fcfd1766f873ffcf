"""HTTP chores that the browser-facing connectors share: bounded bodies, errors as JSON, who may call from
where.

It knows aiohttp and :class:`connectors.base.RequestError`, and nothing of turns or channels.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from connectors.base import RequestError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 262_144
"""20,000 characters, each written as a 12-byte JSON escape pair, and room for the other fields."""

BODY_TIMEOUT_S = 10.0
"""A body that has not arrived by then is given up, so that a dribbling client holds nothing."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

AddressOf = Callable[[web.Request], str]
"""The network address that a request comes from, for rate limits; behind a proxy the operator says how."""


def peer_address(request: web.Request) -> str:
    """The address of the connection itself; headers are not believed."""
    return request.remote or "unknown"


async def read_body(request: web.Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The raw body, at most ``limit`` bytes after decompression.

    Raises:
        RequestError: 413 too long, 415 a form upload or an encoding that we do not read, 408 too slow.
    """
    if request.content_length is not None and request.content_length > limit:
        raise RequestError(413, f"body is longer than {limit} bytes", "body")
    if request.content_type.startswith("multipart/"):
        raise RequestError(415, "body must be JSON, not a form upload", "body")
    if request.headers.get("Content-Encoding", "identity").lower() not in ("identity", "gzip", "deflate"):
        raise RequestError(415, "Content-Encoding must be identity, gzip or deflate", "Content-Encoding")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise RequestError(413, f"body is longer than {limit} bytes", "body")
                chunks.append(chunk)
    except TimeoutError:
        raise RequestError(408, "body did not arrive in time", "body") from None
    except web.RequestPayloadError:
        raise RequestError(400, "body could not be decompressed", "body") from None
    return b"".join(chunks)


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON as UTF-8 (no escapes), never cached."""
    return web.Response(
        body=json.dumps(data, ensure_ascii=False).encode(),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(error: RequestError) -> web.Response:
    """A request error as ``{"error","field"?}``."""
    return json_response(error.body(), error.status, error.headers)


class Origins:
    """Which pages may call: those of this server, and an allow-list of origins (``https://clinic.example``).

    ``"*"`` in the list admits every page. A request without an ``Origin`` header does not come from a page.
    """

    def __init__(self, allowed: Iterable[str] = (), *, public_url: str = "") -> None:
        listed = {_origin(item) for item in (*allowed, public_url) if item}
        self._any = "*" in listed
        self._allowed = frozenset(listed)

    def allows(self, origin: str | None, host: str) -> bool:
        """Whether a page of ``origin`` may call a server that was addressed as ``host`` (``name:port``)."""
        if origin is None or self._any:
            return True
        if _origin(origin) in self._allowed:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()

    def check(self, request: web.Request) -> str | None:
        """The request's origin. Raises RequestError(403) for a page that may not call."""
        origin = request.headers.get("Origin")
        if not self.allows(origin, request.host):
            raise RequestError(
                403, "this page may not use the server; the operator lists allowed origins", "Origin"
            )
        return origin

    def headers(self, origin: str | None) -> dict[str, str]:
        """CORS headers for an origin that has been checked."""
        if origin is None:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "X-Careline-Conversation, Retry-After",
            "Vary": "Origin",
        }

    def preflight(self, request: web.Request, methods: str = "GET, POST, OPTIONS") -> web.Response:
        """The answer to a CORS preflight."""
        return web.Response(
            status=204,
            headers={
                **self.headers(self.check(request)),
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": "authorization, content-type, x-requested-with",
                "Access-Control-Max-Age": "600",
            },
        )


def _origin(url: str) -> str:
    if url == "*":
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def contained(handler: Handler) -> Handler:
    """The handler with every fault answered as JSON: its own RequestErrors, and anything else as a plain 500.

    Of an unforeseen fault only the type is logged: its message, and a traceback's, may quote the patient.
    """

    async def run(request: web.Request) -> web.StreamResponse:
        task = asyncio.ensure_future(handler(request))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        fault = task.exception()
        if fault is None:
            return task.result()
        if isinstance(fault, web.HTTPException):
            raise fault
        if isinstance(fault, RequestError):
            return error_response(fault)
        log.error("request failed: path=%s fault=%s", request.path, type(fault).__name__)
        return error_response(RequestError(500, "the request failed here; try again"))

    return run


def guarded(origins: Origins, handler: Handler) -> Handler:
    """The handler behind the origin check, its faults contained and answered with CORS headers."""
    inner = contained(handler)

    async def run(request: web.Request) -> web.StreamResponse:
        try:
            cors = origins.headers(origins.check(request))
        except RequestError as error:
            return error_response(error)
        response = await inner(request)
        if not response.prepared:
            response.headers.update(cors)
        return response

    return run
