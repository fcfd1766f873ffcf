"""The OpenAI chat-completions request as this server accepts it, and the lines that server and worker exchange.

Reads a request strictly: every field is either honoured or refused by name, never ignored. Pure: knows no HTTP
library, no model and no tokenizer. No message text ever enters an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from generation.sampling import MAX_TOP_K

MAX_BODY_BYTES = 512 * 1024
"""Far above any grounded prompt; a larger body is refused before it is parsed."""
MAX_MESSAGES = 64
MAX_PROMPT_CHARS = 100_000
"""Bounds tokenisation time; the model's own context is checked in tokens by the worker."""
MAX_STOP = 8
MAX_STOP_CHARS = 64
MAX_NEW_TOKENS = 4_096
DEFAULT_NEW_TOKENS = 256
DEFAULT_TEMPERATURE = 0.7
DEFAULT_TOP_P = 0.95
DEFAULT_TOP_K = 50
GREEDY_BELOW = 0.05
"""Temperatures below are decoded greedily: dividing logits by them overflows and would kill the batch for everybody."""
MAX_TEMPERATURE = 2.0

_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "stop", "seed", "n")
_KNOWN = frozenset({"model", "messages", "stream", "max_tokens", "max_completion_tokens", *_SAMPLING_FIELDS})
_ROLES = frozenset({"system", "user", "assistant"})


class RequestError(Exception):
    """A request that cannot be served. ``status`` is the HTTP status, ``param`` the field's name."""

    def __init__(
        self, message: str, *, param: str | None = None, status: int = 400, code: str = "invalid_value"
    ):
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code

    def body(self) -> dict[str, Any]:
        """The protocol's error object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. ``top_k`` 1 is greedy; ``temperature`` is never 0 here."""

    temperature: float = DEFAULT_TEMPERATURE
    top_p: float = DEFAULT_TOP_P
    top_k: int = DEFAULT_TOP_K


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that has been read. ``messages`` are (role, content); ``model`` is as asked for."""

    model: str
    messages: tuple[tuple[str, str], ...]
    stream: bool = False
    max_tokens: int = DEFAULT_NEW_TOKENS
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()


def read_request(raw: bytes) -> ChatRequest:
    """Read a request body. Raises :class:`RequestError` naming the field."""
    if len(raw) > MAX_BODY_BYTES:
        raise RequestError(f"body: larger than {MAX_BODY_BYTES} bytes", status=413, code="too_large")
    body = _json(raw)
    for name in body:
        if name not in _KNOWN:
            _refuse(str(name)[:60], "not supported by this server", "unsupported_parameter")
    if "max_tokens" in body and "max_completion_tokens" in body:
        _refuse("max_completion_tokens", "give it or max_tokens, not both")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        _refuse("model", "expected the name of a model, see /v1/models")
    stream = body.get("stream", False)
    if not isinstance(stream, bool):
        _refuse("stream", "expected true or false")
    if body.get("n", 1) != 1:
        _refuse("n", "only 1 is supported")
    sampling = _sampling(body)
    _check_seed(body, sampling)
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return ChatRequest(
        model=model,
        messages=_messages(body.get("messages")),
        stream=stream,
        max_tokens=_whole(body, limit, DEFAULT_NEW_TOKENS, 1, MAX_NEW_TOKENS),
        sampling=sampling,
        stop=_stop(body.get("stop")),
    )


def _refuse(param: str, what: str, code: str = "invalid_value") -> NoReturn:
    raise RequestError(f"{param}: {what}", param=param, code=code)


def _json(raw: bytes) -> Mapping[str, Any]:
    def no_constant(name: str) -> NoReturn:
        raise RequestError(f"body: {name} is not JSON", code="not_json")

    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError("body: not JSON in UTF-8", code="not_json") from error
    if not isinstance(body, dict):
        raise RequestError("body: expected a JSON object", code="not_json")
    return body


def _messages(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not value:
        _refuse("messages", "expected a list that is not empty")
    if len(value) > MAX_MESSAGES:
        _refuse("messages", f"more than {MAX_MESSAGES}")
    read = tuple(_message(i, item) for i, item in enumerate(value))
    if read[-1][0] != "user":
        _refuse(f"messages[{len(read) - 1}].role", "the last message must be the user's")
    if sum(len(content) for _, content in read) > MAX_PROMPT_CHARS:
        _refuse("messages", f"longer than {MAX_PROMPT_CHARS} characters in all", "too_large")
    return read


def _message(i: int, item: Any) -> tuple[str, str]:
    name = f"messages[{i}]"
    if not isinstance(item, dict):
        _refuse(name, "expected an object")
    for key in item:
        if key not in {"role", "content"}:
            _refuse(f"{name}.{str(key)[:60]}", "not supported by this server", "unsupported_parameter")
    role, content = item.get("role"), item.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        _refuse(f"{name}.role", f"expected one of {', '.join(sorted(_ROLES))}")
    if role == "system" and i > 0:
        _refuse(f"{name}.role", "a system message comes first")
    if not isinstance(content, str) or not content.strip():
        _refuse(f"{name}.content", "expected a text that is not empty")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(f"{name}.content", "holds half a character (a lone surrogate)")
    return role, content


def _sampling(body: Mapping[str, Any]) -> Sampling:
    temperature = _number(body, "temperature", DEFAULT_TEMPERATURE, 0.0, MAX_TEMPERATURE)
    top_p = _number(body, "top_p", DEFAULT_TOP_P, 0.0, 1.0)
    if top_p == 0.0:
        _refuse("top_p", "expected a number above 0")
    top_k = _whole(body, "top_k", DEFAULT_TOP_K, 1, MAX_TOP_K)
    if temperature < GREEDY_BELOW:
        return Sampling(1.0, 1.0, 1)
    return Sampling(temperature, top_p, top_k)


def _check_seed(body: Mapping[str, Any], sampling: Sampling) -> None:
    if body.get("seed") is None:
        return
    _whole(body, "seed", 0, 0, 2**63 - 1)
    if sampling.top_k != 1:  # requests share one batch and one generator: only greedy decoding repeats itself
        _refuse("seed", "supported with temperature 0 or top_k 1 only", "unsupported_parameter")


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        _refuse(name, f"expected a number from {low:g} to {high:g}")
    if not math.isfinite(value):
        _refuse(name, "expected a finite number")
    return float(value)


def _whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(name, f"expected a whole number from {low} to {high}")
    return value


def _stop(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > MAX_STOP:
        _refuse("stop", f"expected a text or a list of at most {MAX_STOP}")
    if not all(isinstance(s, str) and 0 < len(s) <= MAX_STOP_CHARS for s in found):
        _refuse("stop", f"each must be a text of 1 to {MAX_STOP_CHARS} characters")
    return tuple(found)


# --- lines between server and worker -------------------------------------------------------------------------------


def generate_line(number: int, request: ChatRequest) -> bytes:
    """Ask the worker for an answer under ``number``, an id of ours."""
    return line(
        {
            "op": "generate",
            "id": number,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            "max_tokens": request.max_tokens,
            "stop": list(request.stop),
            **asdict(request.sampling),
        }
    )


def line(record: Mapping[str, Any]) -> bytes:
    """One record as one line of ASCII JSON."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
