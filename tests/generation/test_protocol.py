"""The request reader: every field is honoured or refused by name. The known killers of the batch stop here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generation.protocol import MAX_BODY_BYTES, RequestError, read_request

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "fever"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": HELLO, **fields}).encode()


def test_defaults() -> None:
    request = read_request(body())
    assert (request.model, request.stream, request.max_tokens, request.stop) == ("m", False, 256, ())
    assert request.messages == (("user", "fever"),)
    assert 0 < request.sampling.temperature <= 1 and request.sampling.top_k > 1


def test_temperature_zero_is_greedy_and_never_reaches_the_batch_as_zero() -> None:
    for temperature in (0, 0.0, 0.04):
        sampling = read_request(body(temperature=temperature)).sampling
        assert (sampling.temperature, sampling.top_k, sampling.top_p) == (1.0, 1, 1.0)


def test_fields_are_read() -> None:
    request = read_request(body(max_tokens=7, temperature=0.5, top_p=0.4, top_k=3, stop="END", stream=True))
    assert (request.max_tokens, request.stop, request.stream) == (7, ("END",), True)
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.top_k) == (0.5, 0.4, 3)
    assert read_request(body(max_completion_tokens=9)).max_tokens == 9
    assert read_request(body(seed=3, temperature=0)).sampling.top_k == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": 5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 10**9}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_completion_tokens"),
        ({"stop": ["x"] * 9}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"n": 2}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"seed": 5}, "seed"),
        ({"seed": -5, "temperature": 0}, "seed"),
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": HELLO * 65}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": " \n"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "system", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": "x" * 100_001}]}, "messages"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logit_bias": {}}, "logit_bias"),
        ({"tools": []}, "tools"),
        ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(body(**fields))
    assert caught.value.param == param
    assert caught.value.status == 400
    assert caught.value.body()["error"]["message"].startswith(param)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"model": "m", "temperature": NaN}',
        b'{"model": "m", "temperature": Infinity}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(raw)
    assert caught.value.status == 400


def test_an_oversize_body_is_refused_before_parsing() -> None:
    with pytest.raises(RequestError) as caught:
        read_request(b"x" * (MAX_BODY_BYTES + 1))
    assert caught.value.status == 413


def test_errors_never_hold_message_text() -> None:
    with pytest.raises(RequestError) as caught:
        read_request(body(messages=[{"role": "user", "content": "canary-7f3"}], temperature="canary-7f3"))
    assert "canary" not in json.dumps(caught.value.body())
