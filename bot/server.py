"""The one HTTP server that faces people: every connector's routes, health, metrics, calendar files.

aiohttp only; Rasa's own server is never started. No access log: an address may hold a calendar token.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.app import Careline
from bot.records.errors import RecordsUnavailable

log = logging.getLogger("careline.http")

CARELINE = web.AppKey("careline", Careline)
MAX_REQUEST_BYTES = 1_000_000
"""Larger than any body that a connector reads; each connector has a smaller limit of its own."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(careline: Careline) -> web.Application:
    """The application over a started :class:`bot.app.Careline`."""
    app = web.Application(middlewares=[guard], client_max_size=MAX_REQUEST_BYTES)
    app[CARELINE] = careline
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
            web.get("/appointments/{token}.ics", calendar_file),
        ]
    )
    for connector in careline.connectors:
        app.add_routes(connector.routes())
    return app


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A fault of ours becomes 500 with a sentence; the log gets the place, never the values (law 8)."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except RecordsUnavailable:
        return web.json_response({"error": "the records cannot be reached; try again"}, status=503)
    except Exception as error:  # noqa: BLE001 - the outermost edge: the server must go on
        where = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "fault %s at %s:%d", type(error).__name__, where.filename.rsplit("/", 1)[-1], where.lineno or 0
        )
        return web.json_response({"error": "something went wrong on our side; try again"}, status=500)


async def healthz(request: web.Request) -> web.Response:
    """The process is up and its event loop turns."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when every part answers, else 503; the body says which does not. Emergencies are answered either way."""
    careline = request.app[CARELINE]
    parts = await careline.ready()
    return web.json_response(
        {"ready": all(parts.values()), "parts": parts, "details": careline.details()},
        status=200 if all(parts.values()) else 503,
    )


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    careline = request.app[CARELINE]
    try:
        waiting: int | None = await careline.outbox.unfinished()
    except RecordsUnavailable:
        waiting = None
    body = careline.metrics.scrape(await careline.ready(), waiting, await careline.spool.waiting())
    return web.Response(body=body, content_type="text/plain", charset="utf-8")


async def calendar_file(request: web.Request) -> web.Response:
    """An appointment as iCalendar. The token is the permission; an unknown one is 404 like any other address."""
    body = await request.app[CARELINE].calendar.ics_by_token(request.match_info["token"])
    if body is None:
        raise web.HTTPNotFound(text="There is no such appointment file.")
    return web.Response(
        body=body,
        content_type="text/calendar",
        charset="utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="appointment.ics"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
