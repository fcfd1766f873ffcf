"""Reading the console's requests and writing its answers: bounded JSON, one origin, errors that name the field.

An error carries a ``code`` from which the page makes a sentence in the reader's language, and an English
sentence for everything else. No value of a request is ever repeated in an error.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

MAX_BODY = 64 * 1024
"""Room for the longest reply (4,000 characters, each escaped as 12 bytes) and not much more."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class BadRequest(ValueError):
    """A request whose ``field`` is not usable."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object of bounded size; an empty body is an empty object."""
    raw = bytearray()
    async for chunk in request.content.iter_chunked(MAX_BODY):
        raw += chunk
        if len(raw) > MAX_BODY:
            raise BadRequest("body", f"is larger than {MAX_BODY} bytes")
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number without end, or brackets without end
        raise BadRequest("body", "is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("body", "must be a JSON object")
    return body


def text_field(body: Mapping[str, Any], name: str, limit: int) -> str:
    """A text field that is there, not blank and not longer than ``limit`` characters."""
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(name, "must be text")
    if not value.strip() or len(value) > limit:
        raise BadRequest(name, f"must be 1 to {limit} characters")
    return _storable(name, value)


def optional_text(body: Mapping[str, Any], name: str, limit: int) -> str:
    """A text field that may be missing or empty."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(name, "must be text")
    if len(value) > limit:
        raise BadRequest(name, f"must be at most {limit} characters")
    return _storable(name, value.strip())


def _storable(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest(name, "holds half a character (a lone surrogate)") from None
    return value


def same_origin(request: web.Request) -> bool:
    """Whether the Origin header, where there is one, names this very server."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    try:
        named = urlsplit(origin).netloc
    except ValueError:
        return False
    sent, ours = (text.encode(errors="surrogateescape") for text in (named, request.host or ""))
    return bool(sent) and secrets.compare_digest(sent, ours)


def reply(data: Mapping[str, Any], status: int = 200) -> web.Response:
    """JSON with the console's headers; times are ISO 8601. Escaped, so that any stored text can be sent."""
    return web.json_response(data, status=status, headers=HEADERS, dumps=_dumps)


def refuse(status: int, code: str, error: str, field: str, **more: str) -> web.Response:
    """An error that names the field."""
    return reply({"error": error, "code": code, "field": field, **more}, status)


def _dumps(data: Any) -> str:
    return json.dumps(data, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
