"""The widget's WebSocket without a browser: tokens, history, live events, bad frames, and who may connect."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from bot.clinic import load_clinic
from bot.messages import Reply
from connectors.limits import RateLimiter
from connectors.tokens import SignedTokens
from connectors.turns import Gate
from connectors.web import WebConnector
from connectors.web.widget import preferred_language
from tests.connectors.conftest import Serve
from tests.connectors.fakes import MemoryTurn, Partial, Pause

UI = Path(__file__).parents[2] / "connectors" / "web" / "ui"


@dataclasses.dataclass
class Socket:
    """A widget's connection; ``until`` reads on to a frame of a type and keeps what comes before it."""

    socket: ClientWebSocketResponse
    frames: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    async def send(self, **frame: Any) -> None:
        await self.socket.send_json(frame)

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while len(self.of(kind)) < count:
                self.frames.append(await self.socket.receive_json())
        return self.of(kind)[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


@contextlib.asynccontextmanager
async def connect(http: ClientSession, url: str, **hello: Any) -> AsyncIterator[Socket]:
    async with http.ws_connect(url + "widget/ws") as socket:
        made = Socket(socket)
        await made.send(type="hello", **hello)
        await made.until("ready")
        yield made


async def start(serve: Serve, turn: MemoryTurn, tokens: SignedTokens, **more: Any) -> str:
    return str((await serve(WebConnector(turn, turn.live, tokens, load_clinic(), **more))).make_url("/"))


async def test_a_message_is_acknowledged_then_answered_once(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url) as w:
        await w.send(type="say", id="w1", text="hello")
        await w.until("typing", 2)
        await w.send(type="ping", after_seq=0)
        await w.until("lines")
    kinds = [frame["type"] for frame in w.frames]
    assert kinds.index("ack") < kinds.index("reply")
    assert w.of("ack") == [{"type": "ack", "id": "w1", "seq": 1, "stored": True}]
    assert len(w.of("reply")) == 1, "the same reply came as a live event too and was dropped"


async def test_the_conversation_survives_a_reload(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url, lang="zh-CN") as w:
        assert w.frames[0]["fresh"] and w.frames[0]["lang"] == "zh"
        await w.send(type="say", id="w1", text="你好")
        await w.until("reply")
    async with connect(http, url, token=w.frames[0]["token"]) as again:
        ready = again.frames[0]
        assert not ready["fresh"]
        assert [(line["direction"], line["id"], line["text"]) for line in ready["history"]] == [
            ("in", "w1", "你好"),
            ("out", None, "You said: 你好"),
        ]
    async with connect(http, url, token=ready["token"], after_seq=1) as later:
        assert [line["seq"] for line in later.frames[0]["history"]] == [2]


@pytest.mark.parametrize(
    "forge", ["", "x", "c1.{id}.zzzzzz.AAAA", "{id}", "changed", "truncated", "other-key"]
)
async def test_a_forged_token_reads_nothing(
    serve: Serve, http: ClientSession, tokens: SignedTokens, forge: str
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url) as w:
        await w.send(type="say", id="w1", text="my secret")
        await w.until("reply")
    victim = turn.known()[0]
    token = {
        "changed": tokens.issue(victim).replace(victim, victim[:-1] + ("0" if victim[-1] != "0" else "1")),
        "truncated": tokens.issue(victim)[:-1],
        "other-key": SignedTokens([b"x" * 32]).issue(victim),
    }.get(forge, forge.format(id=victim))
    async with connect(http, url, token=token) as thief:
        ready = thief.frames[0]
        assert ready["fresh"] and ready["history"] == [] and tokens.verify(ready["token"]) != victim
        turn.staff_says(victim, "for the victim")
        await thief.send(type="ping", after_seq=0)
        await thief.until("pong")
        assert "secret" not in json.dumps(thief.frames) and thief.of("reply") == []


async def test_a_message_sent_again_is_done_once(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url) as w:
        await w.send(type="say", id="w1", text="book")
        await w.until("reply")
    async with connect(http, url, token=w.frames[0]["token"]) as again:
        await again.send(type="say", id="w1", text="book")
        await again.until("ack")
        await again.send(type="say", id="w2", text="thanks")
        await again.until("reply")
    assert [text for _, _, text in turn.processed] == ["book", "thanks"]


async def test_staff_speak_live_and_what_was_missed_comes_with_a_ping(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url) as w:
        conversation = turn.known()[0]
        async with asyncio.timeout(2):
            while not turn.live.listeners(conversation):
                await asyncio.sleep(0.01)
        turn.set_state(conversation, "staff", "Nurse Lee")
        assert (await w.until("state"))["name"] == "Nurse Lee"
        turn.staff_says(conversation, "I am here")
        assert (await w.until("reply"))["reply"]["author"] == "Nurse Lee"
        held = turn.conversation(conversation)
        lost = Reply("lost on the way", "en")
        held.lines.append(dataclasses.replace(held.lines[-1], seq=2, reply=lost, text=lost.text))
        await w.send(type="ping", after_seq=1)
        assert [line["text"] for line in (await w.until("lines"))["history"]] == ["lost on the way"]


async def test_partial_text_comes_before_the_reply_under_the_same_id(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    def streamed(_: Any, lang: str) -> list[Any]:
        return [
            Partial("r_1", "Wash"),
            Partial("r_1", "Wash your"),
            Reply("Wash your hands.", lang, id="r_1"),
        ]

    turn = MemoryTurn(streamed)
    async with connect(http, await start(serve, turn, tokens)) as w:
        await w.send(type="say", id="w1", text="hay fever")
        await w.until("reply")
        assert [f["text"] for f in w.of("partial")] == ["Wash", "Wash your"]
        assert {f["reply_id"] for f in w.of("partial")} == {w.of("reply")[0]["reply"]["id"]}


async def test_an_emergency_overtakes_a_running_turn(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn(lambda i, lang: [Pause(3.0), Reply("slow", lang)])
    async with connect(http, await start(serve, turn, tokens)) as w:
        await w.send(type="say", id="w1", text="what helps against hay fever")
        await w.until("ack")
        begin = asyncio.get_running_loop().time()
        await w.send(type="say", id="w2", text="my chest is tight")
        assert (await w.until("reply"))["reply"]["kind"] == "emergency"
        assert (
            asyncio.get_running_loop().time() - begin < 1.0
        )  # the slow turn takes 2 s or more; the 300 ms are measured by the benchmark


async def test_without_a_database_the_widget_connects_and_emergencies_are_answered(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    url = await start(serve, turn, tokens)
    async with connect(http, url) as before:
        pass
    turn.store_up = False
    for token in (None, before.frames[0]["token"]):
        async with connect(http, url, token=token) as w:
            await w.send(type="say", id="w1", text="my chest hurts")
            assert (await w.until("reply"))["reply"]["phones"] == [{"label": "Call 999", "number": "999"}]
            await w.send(type="say", id="w2", text="book")
            assert (await w.until("ack", 2))["stored"] is False
            assert "could not record" in (await w.until("reply", 2))["reply"]["text"]


async def test_a_flood_is_told_to_wait_and_an_emergency_passes(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    gate = Gate(turn, conversations=RateLimiter(0.01, 2), addresses=RateLimiter(100, 100))
    async with connect(http, await start(serve, turn, tokens, gate=gate)) as w:
        for n in range(4):
            await w.send(type="say", id=f"w{n}", text=f"message {n}")
        error = await w.until("error", 2)
        assert error["retry_after"] > 0 and error["id"] in ("w2", "w3")
        await w.send(type="say", id="w9", text="my chest hurts")
        assert (await w.until("reply", 3))["reply"]["kind"] == "emergency"


BAD_FRAMES = [
    ("not json", "body"),
    ("[1]", "frame"),
    ("{}", "type"),
    ('{"type":"shout"}', "type"),
    ('{"type":"say","text":"a"}', "id"),
    ('{"type":"say","id":"a b","text":"a"}', "id"),
    ('{"type":"say","id":7,"text":"a"}', "id"),
    ('{"type":"say","id":"a"}', "text"),
    ('{"type":"say","id":"a","text":""}', "text"),
    ('{"type":"say","id":"a","text":7}', "text"),
    ('{"type":"say","id":"a","text":"\\ud800"}', "text"),
    (json.dumps({"type": "say", "id": "a", "text": "x" * 20_001}), "text"),
    ('{"type":"say","id":"a","text":"a","lang":5}', "lang"),
    ('{"type":"lang","lang":"xx"}', "lang"),
    ('{"type":"lang"}', "lang"),
    ('{"type":"ping","after_seq":-1}', "after_seq"),
    ('{"type":"ping","after_seq":"1"}', "after_seq"),
    ('{"type":"ping","after_seq":true}', "after_seq"),
    ('{"type":"hello"}', "type"),
]


async def test_bad_frames_name_the_field_and_the_connection_goes_on(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    turn = MemoryTurn()
    async with connect(http, await start(serve, turn, tokens)) as w:
        for number, (raw, field) in enumerate(BAD_FRAMES, start=1):
            await w.socket.send_str(raw)
            assert (await w.until("error", number))["field"] == field, raw[:60]
        await w.socket.send_bytes(b"\xff\xfe\x00")
        assert (await w.until("error", len(BAD_FRAMES) + 1))["field"] == "body"
        assert turn.processed == []
        await w.send(type="say", id="w1", text="hello")
        await w.until("reply")


async def test_an_unforeseen_fault_ends_no_connection(
    serve: Serve, http: ClientSession, tokens: SignedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryTurn):
        async def set_language(self, conversation: str, lang: str) -> None:
            raise KeyError("zebra-unicorn-rash")

    async with connect(http, await start(serve, Broken(), tokens)) as w:
        await w.send(type="lang", lang="zh")
        assert "try again" in (await w.until("error"))["error"]
        await w.send(type="say", id="w1", text="hello")
        await w.until("reply")
    assert "KeyError" in caplog.text and "zebra" not in caplog.text


async def test_hello_comes_first(serve: Serve, http: ClientSession, tokens: SignedTokens) -> None:
    url = await start(serve, MemoryTurn(), tokens)
    async with http.ws_connect(url + "widget/ws") as socket:
        await socket.send_json({"type": "say", "id": "w1", "text": "hello"})
        assert (await socket.receive_json())["field"] == "type"


async def test_an_enormous_frame_ends_only_its_own_connection(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    url = await start(serve, MemoryTurn(), tokens)
    async with connect(http, url) as good, connect(http, url) as bad:
        await bad.socket.send_str("x" * 300_000)
        received = await bad.socket.receive(timeout=5)
        assert received.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await good.send(type="say", id="w1", text="hello")
        await good.until("reply")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://clinic.example.evil.example"])
async def test_a_foreign_page_cannot_connect(
    serve: Serve, http: ClientSession, tokens: SignedTokens, origin: str
) -> None:
    url = await start(serve, MemoryTurn(), tokens, origins=["https://clinic.example"])
    with pytest.raises(WSServerHandshakeError) as caught:
        await http.ws_connect(url + "widget/ws", headers={"Origin": origin})
    assert caught.value.status == 403
    for good in ("https://clinic.example", url.rstrip("/")):
        async with http.ws_connect(url + "widget/ws", headers={"Origin": good}):
            pass


async def test_the_script_carries_the_numbers_and_the_page_allows_no_inline_script(
    serve: Serve, http: ClientSession, tokens: SignedTokens
) -> None:
    url = await start(serve, MemoryTurn(), tokens)
    async with http.get(url + "widget.js") as response:
        script, etag = await response.text(), response.headers["ETag"]
        assert response.content_type == "text/javascript"
    assert '"emergency": "999"' in script and '"crisis": "116123"' in script and "胸闷" in script
    async with http.get(url + "widget.js", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    for lang, words in (("en", "How can we help"), ("zh", "今天需要什么帮助")):
        async with http.get(url, headers={"Accept-Language": f"fr;q=0.9,{lang};q=0.8"}) as response:
            page, policy = await response.text(), response.headers["Content-Security-Policy"]
            assert words in page and "<script>" not in page and "style=" not in page
            assert "unsafe" not in policy and "default-src 'none'" in policy


def test_every_language_of_the_interface_has_the_same_sentences_and_fields() -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        if isinstance(value, list):
            return [shape(item) for item in value]
        return sorted(part.split("}")[0] for part in value.split("{")[1:])

    shapes = {path.stem: shape(json.loads(path.read_text())) for path in UI.glob("??.json")}
    assert len(shapes) >= 2
    assert all(shapes[lang] == shapes["en"] for lang in shapes)


@pytest.mark.parametrize(
    ("header", "lang"),
    [("", "en"), ("zh-CN,zh;q=0.9", "zh"), ("fr,zh;q=0.1,en;q=0.2", "en"), ("*;q=x,,;", "en"), ("de", "en")],
)
def test_the_pages_language(header: str, lang: str) -> None:
    assert preferred_language(header, ("en", "zh")) == lang
