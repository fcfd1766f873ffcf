"""Rasa's REST channel over real HTTP: the wire format, who may open which conversation, and bad input by
field."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.messages import Button, Citation, Incoming, PhoneLink, Reply, ReplyKind
from connectors.limits import RateLimiter
from connectors.rest import RestConnector
from connectors.tokens import SignedTokens
from connectors.turns import Gate
from tests.connectors.conftest import Serve
from tests.connectors.fakes import MemoryTurn, Pause

HOOK = "/webhooks/rest/webhook"
LANGS = ("en", "zh")


async def post(http: ClientSession, url: str, body: Any, **kwargs: Any) -> tuple[int, Any, dict[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.post(url, data=raw, **kwargs) as response:
        text = await response.text()
        return response.status, json.loads(text) if text else None, dict(response.headers)


async def test_health_is_rasas(serve: Serve, http: ClientSession, tokens: SignedTokens) -> None:
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    async with http.get(server.make_url("/webhooks/rest/")) as response:
        assert await response.json() == {"status": "ok"}


async def test_no_sender_begins_a_conversation_and_its_token_continues_it(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    _, first, headers = await post(http, url, {"message": "hello"})
    token = first[0]["recipient_id"]
    assert headers["X-Careline-Conversation"] == token
    _, second, _ = await post(http, url, {"sender": token, "message": "again"})
    assert second[0]["text"] == "You said: again"
    assert len(turn.known()) == 1
    _, third, _ = await post(http, url, {"sender": "default", "message": "someone else"})
    assert tokens.verify(third[0]["recipient_id"]) != tokens.verify(token)
    assert len(turn.known()) == 2


@pytest.mark.parametrize(
    "sender", ["alice", "c_" + "0" * 40, "c1.c_" + "0" * 40 + ".zzzzzz.AAAA", "../../etc", "x" * 500]
)
async def test_a_guessed_sender_opens_nothing(
    serve: Serve, http: ClientSession, tokens: SignedTokens, sender: str
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS, api_key="secret-of-the-backend"))
    status, body, _ = await post(http, str(server.make_url(HOOK)), {"sender": sender, "message": "hi"})
    assert (status, body["field"]) == (403, "sender")
    assert turn.known() == [] and turn.processed == []


async def test_knowing_the_bare_conversation_id_opens_nothing(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    await post(http, url, {"message": "my secret"})
    status, _, _ = await post(http, url, {"sender": turn.known()[0], "message": "read it"})
    assert status == 403


async def test_the_rest_key_lets_a_backend_choose_the_sender(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS, api_key="secret-of-the-backend"))
    url = str(server.make_url(HOOK))
    key = {"Authorization": "Bearer secret-of-the-backend"}
    for text in ("one", "two"):
        status, body, _ = await post(http, url, {"sender": "patient-7", "message": text}, headers=key)
        assert (status, body[0]["recipient_id"]) == (200, "patient-7")
    assert len(turn.known()) == 1
    wrong = {"Authorization": "Bearer secret-of-the-backenD"}
    status, body, _ = await post(http, url, {"sender": "patient-7", "message": "x"}, headers=wrong)
    assert (status, body["field"]) == (401, "Authorization")


async def test_an_expired_token_opens_nothing(serve: Serve, http: ClientSession) -> None:
    now = [1_000_000.0]
    tokens = SignedTokens([b"k" * 32], lifetime_s=60, clock=lambda: now[0])
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    _, body, _ = await post(http, url, {"message": "hello"})
    now[0] += 61
    status, _, _ = await post(http, url, {"sender": body[0]["recipient_id"], "message": "hello"})
    assert status == 403


async def test_a_message_is_a_rasa_message_and_the_rest_is_metadata(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    def script(_: Incoming, lang: str) -> list[Reply]:
        return [
            Reply(
                "Go now.\n\nDo not drive.",
                lang,
                ReplyKind.EMERGENCY,
                buttons=(Button("OK", "/ok"),),
                citations=(Citation("a1", "NHS", "https://www.nhs.uk/", "Call 999"),),
                phones=(PhoneLink("Call 999", "999"),),
            )
        ]

    server = await serve(RestConnector(MemoryTurn(script), tokens, languages=LANGS))
    _, (message,), _ = await post(http, str(server.make_url(HOOK)), {"message": "help"})
    assert set(message) == {"recipient_id", "text", "buttons", "metadata"}
    assert message["text"] == "Go now.\n\nDo not drive.\n\n☎ Call 999: 999"
    assert message["buttons"] == [{"title": "OK", "payload": "/ok"}]
    assert message["metadata"]["kind"] == "emergency"
    assert message["metadata"]["phones"] == [{"label": "Call 999", "number": "999"}]
    assert message["metadata"]["citations"][0]["url"] == "https://www.nhs.uk/"


async def test_stream_sends_each_reply_when_it_is_said(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    def script(_: Incoming, lang: str) -> list[Reply | Pause]:
        return [Reply("first", lang), Pause(1.5), Reply("第二", lang)]

    server = await serve(RestConnector(MemoryTurn(script), tokens, languages=LANGS))
    url = str(server.make_url(HOOK)) + "?stream=true&token="
    async with http.post(url, json={"message": "go"}) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        begin = asyncio.get_running_loop().time()
        first = json.loads(await response.content.readline())
        assert asyncio.get_running_loop().time() - begin < 1.0
        second = json.loads(await response.content.readline())
        assert (first["text"], second["text"]) == ("first", "第二")
        assert await response.content.read() == b""


async def test_a_repeat_is_answered_again_and_done_once(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    _, first, _ = await post(http, url, {"message": "hello"})
    body = {"sender": first[0]["recipient_id"], "message": "book", "metadata": {"message_id": "m-1"}}
    answers = [(await post(http, url, body))[1][0]["metadata"]["id"] for _ in range(3)]
    assert len(set(answers)) == 1
    assert [text for _, _, text in turn.processed] == ["hello", "book"]


async def test_two_clients_may_use_the_same_message_id(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    """Both widgets count from 1; the second patient must not be shown the first one's answer."""
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    _, one, _ = await post(http, url, {"message": "my rash", "metadata": {"message_id": "1"}})
    _, two, _ = await post(http, url, {"message": "opening hours", "metadata": {"message_id": "1"}})
    assert (one[0]["text"], two[0]["text"]) == ("You said: my rash", "You said: opening hours")


@pytest.mark.parametrize(
    "content_type", ["text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded"]
)
async def test_the_body_is_json_whatever_the_content_type_says(
    serve: Serve, http: ClientSession, tokens: SignedTokens, content_type: str
) -> None:
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    headers = {"Content-Type": content_type}
    status, body, _ = await post(http, str(server.make_url(HOOK)), {"message": "你好"}, headers=headers)
    assert (status, body[0]["text"]) == (200, "You said: 你好")


BAD = [
    (b"", 400, "body"),
    (b"\x00\x01\x02\xff\xfe", 400, "body"),
    (b'{"message": "\xff\xfe"}', 400, "body"),
    (b"{", 400, "body"),
    (b"[" * 100_000, 400, "body"),
    (b"null", 422, "body"),
    (b'["message"]', 422, "body"),
    (b"{}", 422, "message"),
    (b'{"message": null}', 422, "message"),
    (b'{"message": 7}', 422, "message"),
    (b'{"message": ["a"]}', 422, "message"),
    (b'{"message": ""}', 422, "message"),
    (b'{"message": " \\n\\t\\u200b "}', 422, "message"),
    (b'{"message": "\\ud800"}', 422, "message"),
    (json.dumps({"message": "x" * 20_001}).encode(), 413, "message"),
    (json.dumps({"message": "x" * 300_000}).encode(), 413, "body"),
    (b'{"message": "a", "sender": 5}', 422, "sender"),
    (b'{"message": "a", "sender": {"id": 1}}', 422, "sender"),
    (json.dumps({"message": "a", "sender": "x" * 513}).encode(), 422, "sender"),
    (b'{"message": "a", "metadata": "x"}', 422, "metadata"),
    (b'{"message": "a", "metadata": {"message_id": 5}}', 422, "metadata.message_id"),
    (b'{"message": "a", "metadata": {"message_id": "a b"}}', 422, "metadata.message_id"),
    (b'{"message": "a", "metadata": {"lang": ["en"]}}', 422, "metadata.lang"),
]


@pytest.mark.parametrize(("raw", "status", "field"), BAD)
async def test_bad_input_is_refused_by_field_and_disturbs_nothing(
    serve: Serve, http: ClientSession, tokens: SignedTokens, raw: bytes, status: int, field: str
) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    got, body, _ = await post(http, url, raw)
    assert (got, body["field"]) == (status, field)
    assert body["error"] and turn.known() == []
    assert (await post(http, url, {"message": "hello"}))[0] == 200


async def test_uploads_are_refused(serve: Serve, http: ClientSession, tokens: SignedTokens) -> None:
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, body, _ = await post(http, str(server.make_url(HOOK)), b"--x--", headers=headers)
    assert (status, body["field"]) == (415, "body")


async def test_20000_characters_are_read(serve: Serve, http: ClientSession, tokens: SignedTokens) -> None:
    turn = MemoryTurn()
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    status, _, _ = await post(http, str(server.make_url(HOOK)), {"message": "😀" * 20_000})
    assert status == 200 and len(turn.processed[0][2]) == 20_000


async def test_a_flood_is_refused_but_an_emergency_passes(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    gate = Gate(turn, conversations=RateLimiter(0.001, 2), addresses=RateLimiter(100, 100))
    server = await serve(RestConnector(turn, tokens, languages=LANGS, gate=gate))
    url = str(server.make_url(HOOK))
    _, first, _ = await post(http, url, {"message": "1"})
    sender = first[0]["recipient_id"]
    await post(http, url, {"sender": sender, "message": "2"})
    status, body, headers = await post(http, url, {"sender": sender, "message": "3"})
    assert status == 429 and int(headers["Retry-After"]) > 0 and "emergency number" in body["error"]
    status, body, _ = await post(http, url, {"sender": sender, "message": "my chest hurts badly"})
    assert (status, body[0]["metadata"]["kind"]) == (200, "emergency")
    assert [text for _, _, text in turn.processed] == ["1", "2", "my chest hurts badly"]


async def test_without_a_database_an_emergency_is_answered(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    turn.store_up = False
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    url = str(server.make_url(HOOK))
    status, body, _ = await post(http, url, {"message": "胸口很闷", "metadata": {"lang": "zh-CN"}})
    assert (status, body[0]["metadata"]["kind"]) == (200, "emergency") and "999" in body[0]["text"]
    status, body, _ = await post(http, url, {"message": "book"})
    assert status == 200 and "could not record" in body[0]["text"]


async def test_a_fault_in_the_turn_is_a_500_and_says_nothing_of_the_patient(
    serve: Serve, http: ClientSession, tokens: SignedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    turn = MemoryTurn()
    turn.fault = ValueError("my embarrassing rash")
    server = await serve(RestConnector(turn, tokens, languages=LANGS))
    with caplog.at_level("DEBUG"):
        status, body, _ = await post(http, str(server.make_url(HOOK)), {"message": "my embarrassing rash"})
    assert status == 500 and "emergency number" in body["error"]
    assert "embarrassing" not in caplog.text + json.dumps(body)
    assert "ValueError" in caplog.text


async def test_an_unforeseen_fault_is_a_json_500_and_its_words_are_nowhere(
    serve: Serve, http: ClientSession, tokens: SignedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryTurn):
        async def open(self, channel: str, address: str, lang: str | None) -> Any:
            raise KeyError("zebra-unicorn-rash")

    server = await serve(RestConnector(Broken(), tokens, languages=LANGS))
    with caplog.at_level("DEBUG"):
        status, body, _ = await post(http, str(server.make_url(HOOK)), {"message": "hello"})
    assert status == 500 and set(body) == {"error"}
    assert "KeyError" in caplog.text and "zebra" not in caplog.text


async def test_only_listed_pages_may_call(serve: Serve, http: ClientSession, tokens: SignedTokens) -> None:
    rest = RestConnector(MemoryTurn(), tokens, languages=LANGS, origins=["https://clinic.example"])
    server = await serve(rest)
    url = str(server.make_url(HOOK))
    good = {"Origin": "https://clinic.example"}
    status, _, headers = await post(http, url, {"message": "a"}, headers=good)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://clinic.example")
    async with http.options(
        url, headers=good | {"Access-Control-Request-Headers": "authorization"}
    ) as preflight:
        assert preflight.status == 204
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for origin in ("https://evil.example", "null", "https://clinic.example.evil.example"):
        status, body, headers = await post(http, url, {"message": "a"}, headers={"Origin": origin})
        assert (status, body["field"]) == (403, "Origin")
        assert "Access-Control-Allow-Origin" not in headers
    own = f"http://{server.host}:{server.port}"
    assert (await post(http, url, {"message": "a"}, headers={"Origin": own}))[0] == 200


async def test_patient_text_is_in_no_log(
    serve: Serve, http: ClientSession, tokens: SignedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(RestConnector(MemoryTurn(), tokens, languages=LANGS))
    with caplog.at_level("DEBUG"):
        await post(http, str(server.make_url(HOOK)), {"message": "zebra-unicorn-rash"})
        await post(http, str(server.make_url(HOOK)), b'{"message": "zebra-unicorn-rash"')
    assert "zebra" not in caplog.text
