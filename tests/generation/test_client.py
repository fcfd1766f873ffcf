"""The client against a scripted server: streaming, deadlines, typed errors, the breaker, no retry after a token."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from generation.client import (
    Breaker,
    BreakerOpen,
    BreakerState,
    Deadlines,
    GeneratorBusy,
    GeneratorClient,
    GeneratorDown,
    GeneratorError,
    GeneratorProtocolError,
    GeneratorRefused,
    GeneratorTimeout,
)
from tests.generation.fakes import DONE, Script, Stand, chunk, says, standing

ASK = [{"role": "user", "content": "fever"}]
SHORT = Deadlines(connect=0.3, first_token=0.3, idle=0.3, total=1.0)


async def collect(client: GeneratorClient) -> list[str]:
    return [piece async for piece in client.stream(ASK)]


async def fails(stand: Stand, expected: type[GeneratorError]) -> float:
    """Ask once; returns how long the error took. The client is closed."""
    async with standing(stand):
        client = GeneratorClient(stand.url, deadlines=SHORT)
        began = time.monotonic()
        with pytest.raises(expected):
            await collect(client)
        await client.close()
        return time.monotonic() - began


async def test_pieces_stream_and_the_token_is_sent() -> None:
    async with standing(Stand(says("Rest", " and drink."))) as stand:
        client = GeneratorClient(stand.url + "/v1/", "secret-token", deadlines=SHORT)
        assert await collect(client) == ["Rest", " and drink."]
        assert stand.authorization == "Bearer secret-token"
        assert await client.ready()
        await client.close()


async def test_a_silent_server_times_out() -> None:
    async def silent(_: web.StreamResponse) -> None:
        await asyncio.sleep(5)

    assert await fails(Stand(silent), GeneratorTimeout) < 1.0


async def test_a_server_that_dribbles_times_out_between_tokens() -> None:
    assert await fails(Stand(says("a", "b", "c", delay=0.6)), GeneratorTimeout) < 1.5


async def test_a_server_that_never_ends_is_cut_by_the_total() -> None:
    assert await fails(Stand(says(*(["x"] * 100), delay=0.1)), GeneratorTimeout) < 1.8


async def comments(response: web.StreamResponse) -> None:
    """Keep-alive comments are no tokens: they must not push the deadline on."""
    for _ in range(50):
        await response.write(b": keep-alive\n\n")
        await asyncio.sleep(0.1)


async def breaks_off(response: web.StreamResponse) -> None:
    await response.write(chunk("half an"))


async def garbage(response: web.StreamResponse) -> None:
    await response.write(b"data: {not json\n\n")


async def wrong_shape(response: web.StreamResponse) -> None:
    await response.write(b'data: {"choices": [{"delta": {"content": 7}}]}\n\n' + DONE)


async def endless_line(response: web.StreamResponse) -> None:
    await response.write(b"data: " + b"x" * 400_000)
    await asyncio.sleep(1)


async def error_event(response: web.StreamResponse) -> None:
    await response.write(b'data: {"error": {"message": "gone"}}\n\n')


async def flood(response: web.StreamResponse) -> None:
    for _ in range(100):
        await response.write(chunk("x" * 1000))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (comments, GeneratorTimeout),
        (breaks_off, GeneratorDown),
        (garbage, GeneratorProtocolError),
        (wrong_shape, GeneratorProtocolError),
        (endless_line, GeneratorProtocolError),
        (error_event, GeneratorDown),
        (flood, GeneratorProtocolError),
    ],
)
async def test_broken_streams_are_typed_errors(script: Script, expected: type[GeneratorError]) -> None:
    assert await fails(Stand(script), expected) < 1.5


@pytest.mark.parametrize(
    ("status", "expected", "calls"),
    [
        (500, GeneratorDown, 2),
        (503, GeneratorDown, 2),
        (400, GeneratorRefused, 1),
        (401, GeneratorRefused, 1),
        (302, GeneratorRefused, 1),
    ],
)
async def test_statuses(status: int, expected: type[GeneratorError], calls: int) -> None:
    stand = Stand(says("x"), status=status)
    await fails(stand, expected)
    assert stand.calls == calls  # only what may pass by itself is tried again


async def test_busy_carries_retry_after() -> None:
    async with standing(Stand(says("x"), status=429, headers={"Retry-After": "3"})) as stand:
        client = GeneratorClient(stand.url, deadlines=SHORT)
        with pytest.raises(GeneratorBusy) as caught:
            await collect(client)
        assert caught.value.retry_after_s == 3 and stand.calls == 1
        await client.close()


async def test_no_retry_after_the_first_token() -> None:
    async with standing(Stand(breaks_off)) as stand:
        client = GeneratorClient(stand.url, deadlines=SHORT)
        with pytest.raises(GeneratorDown):
            await collect(client)
        assert stand.calls == 1
        await client.close()


async def test_nobody_listening_is_down_and_not_ready() -> None:
    client = GeneratorClient("http://127.0.0.1:9", deadlines=SHORT)
    with pytest.raises(GeneratorDown):
        await collect(client)
    assert not await client.ready()
    await client.close()


async def test_leaving_early_ends_the_request_at_the_server() -> None:
    async with standing(Stand(says(*(["x"] * 200), delay=0.02))) as stand:
        client = GeneratorClient(stand.url, deadlines=SHORT)
        stream = client.stream(ASK)
        assert await anext(stream) == "x"
        await stream.aclose()
        for _ in range(100):
            if stand.left:
                break
            await asyncio.sleep(0.01)
        assert stand.left == 1
        assert client.breaker.state is BreakerState.CLOSED
        await client.close()


async def test_five_failures_open_the_breaker_and_it_half_opens() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    stand = Stand(says("fine"), status=500)
    async with standing(stand):
        client = GeneratorClient(stand.url, deadlines=SHORT, breaker=breaker)
        for _ in range(5):
            with pytest.raises(GeneratorDown):
                await collect(client)
        asked = stand.calls
        with pytest.raises(BreakerOpen):
            await collect(client)
        assert stand.calls == asked  # not even tried
        now[0] += 10.0
        with pytest.raises(GeneratorDown):  # half-open: one try, and it fails
            await collect(client)
        assert breaker.state is BreakerState.OPEN
        now[0] += 10.0
        stand.status = 200
        assert await collect(client) == ["fine"]
        assert breaker.state is BreakerState.CLOSED
        await client.close()


def test_half_open_lets_one_through() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0], failures=1)
    breaker.admit()
    breaker.failed()
    now[0] += 10.0
    breaker.admit()
    with pytest.raises(BreakerOpen):
        breaker.admit()
    breaker.undecided()
    breaker.admit()  # the one before left without a verdict


async def test_errors_hold_no_text() -> None:
    stand = Stand(garbage)
    async with standing(stand):
        client = GeneratorClient(stand.url, deadlines=SHORT)
        with pytest.raises(GeneratorError) as caught:
            async for _ in client.stream([{"role": "user", "content": "canary-7f3"}]):
                pass
        assert "canary" not in str(caught.value) and "canary" not in repr(caught.value)
        await client.close()
