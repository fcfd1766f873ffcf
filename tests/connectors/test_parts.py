"""The pure parts that connectors stand on: tokens, buckets, splitting and joining, lanes, JSON of replies."""

from __future__ import annotations

import asyncio
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import Attachment, Button, Citation, PhoneLink, Reply, ReplyKind, new_id
from connectors.base import RecipientGone, RequestError, SendError
from connectors.delivery import MemoryOutbox
from connectors.joining import JoiningSink
from connectors.lanes import Arrivals, Lanes
from connectors.limits import RateLimiter
from connectors.text_parts import join_replies, split_text, units
from connectors.tokens import SignedTokens
from connectors.webio import Origins
from connectors.wire import clean_id, clean_lang, clean_text, plain_text, reply_from_json, reply_to_json

KEY, OTHER = b"a" * 32, b"b" * 32


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_opens_its_conversation_until_it_expires() -> None:
    now = [1000.0]
    tokens = SignedTokens([KEY], lifetime_s=60, clock=lambda: now[0])
    conversation = new_id("c")
    token = tokens.issue(conversation)
    assert tokens.verify(token) == conversation
    now[0] = 1059.0
    assert tokens.verify(token) == conversation
    now[0] = 1060.0
    assert tokens.verify(token) is None


def test_keys_rotate_and_purposes_do_not_mix() -> None:
    conversation = new_id("c")
    old = SignedTokens([OTHER]).issue(conversation)
    assert SignedTokens([KEY, OTHER]).verify(old) == conversation
    assert SignedTokens([KEY]).verify(old) is None
    assert SignedTokens([OTHER], purpose="download").verify(old) is None
    with pytest.raises(ValueError, match="32 bytes"):
        SignedTokens([b"short"])


def test_every_changed_character_breaks_the_token() -> None:
    tokens = SignedTokens([KEY])
    token = tokens.issue(new_id("c"))
    for index, char in enumerate(token):
        for other in {"A", "0", "_", "."} - {char}:
            forged = token[:index] + other + token[index + 1 :]
            assert tokens.verify(forged) is None, (index, other)


@given(st.text(max_size=600))
def test_nothing_made_up_is_a_token(text: str) -> None:
    assert SignedTokens([KEY]).verify(text) is None


def test_a_token_of_a_short_id_is_not_made() -> None:
    with pytest.raises(ValueError, match="conversation id"):
        SignedTokens([KEY]).issue("1")


# -- buckets -----------------------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    now = [0.0]
    limit = RateLimiter(2.0, 3, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.take("b") == 0.0, "another key has its own bucket"
    now[0] = 0.5
    assert limit.take("a") == 0.0 and limit.take("a") == 0.5
    limit.hold("a", 10)
    now[0] = 10.4
    assert limit.take("a") == pytest.approx(0.1)


def test_buckets_are_bounded() -> None:
    limit = RateLimiter(1.0, 1, clock=lambda: 0.0, max_keys=3)
    for key in "abcd":
        limit.take(key)
    assert limit.take("d") > 0 and limit.take("a") == 0.0


# -- splitting and joining ---------------------------------------------------------------------------------------------


@given(
    st.text(alphabet=string.ascii_letters + " .\n。，😀👨‍👩‍👧é你好", max_size=400),
    st.integers(10, 60),
    st.booleans(),
)
def test_parts_fit_and_lose_nothing(text: str, limit: int, utf16: bool) -> None:
    parts = split_text(text, limit, utf16=utf16)
    assert all(0 < units(part, utf16) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("One two.\n\nThree four.", 14, ["One two.", "Three four."]),
        ("One two. Three four. Five", 21, ["One two. Three four.", "Five"]),
        ("先喝水。再休息。然后看", 8, ["先喝水。再休息。", "然后看"]),
        ("aaaa bbbb cccc", 10, ["aaaa bbbb", "cccc"]),
        ("a" * 25, 10, ["a" * 10, "a" * 10, "a" * 5]),
        ("xxxxxx👨‍👩‍👧", 8, ["xxxxxx", "👨‍👩‍👧"]),
        ("", 10, []),
    ],
)
def test_where_a_text_is_cut(text: str, limit: int, parts: list[str]) -> None:
    assert split_text(text, limit) == parts


def test_telegrams_units() -> None:
    assert units("😀a你", True) == 4 and units("😀a你", False) == 3


def test_an_enormous_text_is_split_quickly() -> None:
    parts = split_text("word " * 40_000, 4096, utf16=True)
    assert len(parts) == 49


def test_joining_keeps_order_and_what_stands_apart() -> None:
    a, b = Reply("a", "en"), Reply("b", "en", buttons=(Button("x", "/x"),))
    alarm = Reply("!", "en", ReplyKind.EMERGENCY)
    staff = Reply("s", "en", ReplyKind.STAFF, author="Nurse")
    joined = join_replies([a, b, alarm, a, staff, a, Reply("z", "zh")])
    assert [r.text for r in joined] == ["a\n\nb", "!", "a", "s", "a", "z"]
    assert joined[0].id == a.id and joined[0].buttons == b.buttons


async def test_a_joining_sink_says_everything_once_and_in_order() -> None:
    said: list[str] = []

    async def say(reply: Reply) -> None:
        await asyncio.sleep(0.01)
        said.append(reply.text)

    sink = JoiningSink(say, within_s=0.05)
    await sink.reply(Reply("a", "en"))
    await sink.reply(Reply("b", "en"))
    await asyncio.sleep(0.055)  # the timer fires while the next ones come
    await sink.reply(Reply("c", "en"))
    await sink.reply(Reply("!", "en", ReplyKind.EMERGENCY))
    await sink.reply(Reply("d", "en"))
    await sink.flush()
    await sink.flush()
    assert said == ["a\n\nb", "c", "!", "d"]


# -- lanes -------------------------------------------------------------------------------------------------------------


def test_arrivals() -> None:
    arrivals = Arrivals()
    assert not arrivals.complete(5), "the first number may have predecessors on the way"
    arrivals.add(5)
    arrivals.give_up_before(5)
    assert arrivals.complete(6) and not arrivals.complete(7)
    arrivals.add(7)
    assert not arrivals.complete(8)
    arrivals.add(6)
    assert arrivals.complete(8)
    for number in range(1000, 6000):
        arrivals.add(number)
    assert arrivals.complete(6000), "a gap of thousands is not waited for"


async def test_lanes_keep_order_within_and_run_beside() -> None:
    lanes, done = Lanes(hold_s=0.2), list[tuple[str, int]]()

    def job(key: str, number: int) -> None:
        async def work() -> None:
            await asyncio.sleep(random.random() / 100)
            done.append((key, number))

        lanes.put(key, number, work)
        lanes.arrived(number)

    numbers = list(range(1, 61))
    random.Random(3).shuffle(numbers)
    for number in numbers:
        job("ab"[number % 2], number)
    assert await lanes.drain(5) == 0
    for key in "ab":
        order = [number for k, number in done if k == key]
        assert len(order) == 30 and order == sorted(order)


async def test_a_failing_job_does_not_stop_its_lane(caplog: pytest.LogCaptureFixture) -> None:
    lanes, done = Lanes(hold_s=0.01), list[str]()

    async def fails() -> None:
        raise ValueError("patient text")

    async def works() -> None:
        done.append("worked")

    lanes.put("a", 1, fails)
    lanes.put("a", 2, works)
    await lanes.drain(2)
    assert done == ["worked"] and "ValueError" in caplog.text and "patient text" not in caplog.text


async def test_a_lane_that_is_not_done_in_time_is_cancelled() -> None:
    lanes = Lanes(hold_s=0.01)
    lanes.put("a", 1, lambda: asyncio.sleep(30))
    assert await lanes.drain(0.1) == 1


# -- outbox ------------------------------------------------------------------------------------------------------------


class Channel:
    """A sender that fails as it is told and keeps what went out."""

    def __init__(self, *faults: SendError) -> None:
        self.faults = list(faults)
        self.sent: list[str] = []

    async def send(self, address: str, reply: Reply, idempotency_key: str) -> None:
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(reply.text)


async def test_the_outbox_keeps_order_retries_and_drops_repeats() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    channel = Channel(SendError("x", retryable=True), SendError("y", retryable=True, retry_after=9.0))
    outbox = MemoryOutbox(retry_s=(1.0, 2.0), sleep=sleep)
    outbox.register("c", channel)
    for n in (1, 2, 2, 3):
        await outbox.put("c", "a", Reply(str(n), "en"), f"k{n}")
    await outbox.drain(2)
    assert channel.sent == ["1", "2", "3"] and slept == [1.0, 9.0]


async def test_the_outbox_gives_up_where_it_must(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel(RecipientGone("gone"))
    outbox = MemoryOutbox(retry_s=())
    outbox.register("c", channel)
    await outbox.put("c", "a", Reply("private words", "en"), "k1")
    await outbox.put("c", "a", Reply("next", "en"), "k2")
    await outbox.drain(2)
    assert channel.sent == ["next"] and "gone" in caplog.text and "private words" not in caplog.text


# -- JSON, text, origins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(ReplyKind))
def test_a_reply_survives_its_json(kind: ReplyKind) -> None:
    reply = Reply(
        "文",
        "zh",
        kind,
        (Button("t", "/p"),),
        (Citation("1", "t", "https://x.example/", "q"),),
        (PhoneLink("l", "999"),),
        Attachment("t", "/a.ics", "text/calendar"),
        "Nurse",
    )
    assert reply_from_json(reply_to_json(reply)) == reply
    assert reply_from_json(reply_to_json(Reply("x", "en"))).attachment is None


@pytest.mark.parametrize(
    ("text", "number", "written"),
    [
        ("Call 999 now", "999", False),
        ("Call 116 123", "116123", False),
        ("In 1999", "999", True),
        ("Room 9990", "999", True),
        ("Call +44 (20) 7946-0000", "+442079460000", False),
        ("Help", "120", True),
    ],
)
def test_numbers_are_written_out_where_the_text_does_not_say_them(
    text: str, number: str, written: bool
) -> None:
    assert ("☎" in plain_text(Reply(text, "en", phones=(PhoneLink("Help", number),)))) is written


@given(st.text())
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    try:
        cleaned = clean_text(text, "f")
    except RequestError as error:
        assert error.field == "f" and error.status in (413, 422)
    else:
        assert cleaned.encode() and cleaned == cleaned.strip() and "\x00" not in cleaned


@pytest.mark.parametrize("value", ["", "a b", "a\n", "é", "x" * 129, None, 1, b"a"])
def test_bad_ids(value: object) -> None:
    with pytest.raises(RequestError):
        clean_id(value, "id")


@pytest.mark.parametrize(
    ("value", "lang"),
    [("en", "en"), ("EN-gb", "en"), ("zh-Hans-CN", "zh"), ("fr", None), ("", None), (None, None)],
)
def test_languages(value: object, lang: str | None) -> None:
    assert clean_lang(value, "lang", ("en", "zh")) == lang


def test_origins() -> None:
    origins = Origins(["https://a.example"], public_url="https://b.example/path")
    assert origins.allows(None, "x") and origins.allows("https://a.example", "x")
    assert origins.allows("https://b.example", "x") and origins.allows("http://h:8080", "h:8080")
    for foreign in (
        "null",
        "",
        "https://a.example:8443",
        "http://a.example",
        "https://xa.example",
        "ftp://h",
    ):
        assert not origins.allows(foreign, "h"), foreign
    assert Origins(["*"]).allows("https://any.example", "h")
