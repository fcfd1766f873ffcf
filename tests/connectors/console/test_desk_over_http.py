"""The work of staff over HTTP and the real services: queue, one case, claim, reply, note, hand back, close."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse

from bot.escalation.model import CloseReason
from bot.records.staff import Role
from bot.records.tables import audit, messages
from tests.connectors.console.conftest import Enter
from tests.connectors.console.site import (
    CHEST,
    CHEST_SPANS,
    CHEST_ZH,
    CHEST_ZH_SPANS,
    Browserless,
    Site,
    rule,
)
from tests.connectors.console.test_console_browser import FINDINGS, PROFILE

CANARY = "zebra canary 斑马"


async def case(person: Browserless, id_: str) -> dict[str, Any]:
    status, body, _ = await person.ask("GET", f"escalations/{id_}")
    assert status == 200, body
    return body


async def test_the_queue_is_by_urgency_then_by_who_waits_longest(site: Site, enter: Enter) -> None:
    urgent = await site.alarm(level="urgent")
    first = await site.alarm(CHEST_ZH, CHEST_ZH_SPANS, lang="zh")
    second = await site.alarm()
    person = await enter()
    _, body, _ = await person.ask("GET", "queue")
    assert [item["id"] for item in body["items"]] == [first, second, urgent]
    assert body["items"][0]["reasons"] == [
        {"en": "Chest tightness with a numb arm", "zh": "胸闷，同时手臂发麻"}
    ]
    assert set(body) == {"items", "now", "duty"}


async def test_the_queue_takes_one_query_however_long_it_is(site: Site, enter: Enter) -> None:
    person = await enter()
    counts = []
    for more in (1, 11):
        for _ in range(more):
            await site.alarm()
        asked: list[str] = []

        def note(*call: Any, asked: list[str] = asked) -> None:
            asked.append(call[2])

        sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
        assert len((await person.ask("GET", "queue"))[1]["items"]) >= more
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)
        counts.append(sum("FROM escalations" in statement for statement in asked))
    assert counts == [1, 1]


@pytest.mark.parametrize(
    ("text", "spans", "lang", "marked"),
    [
        (CHEST, CHEST_SPANS, "en", ["chest feels tight", "left arm has gone numb"]),
        (CHEST_ZH, CHEST_ZH_SPANS, "zh", ["胸口很闷", "左胳膊也麻了"]),
    ],
)
async def test_a_case_shows_words_marks_rules_context_and_who_did_what(
    site: Site, enter: Enter, text: str, spans: Any, lang: str, marked: list[str]
) -> None:
    id_ = await site.alarm(text, spans, lang=lang, profile=PROFILE, findings=FINDINGS)
    person = await enter()
    body = await case(person, id_)
    said = body["words"][0]
    assert (said["text"], said["lang"]) == (text, lang)
    assert [text[a:b] for a, b in said["spans"]] == marked
    assert said["at"] and body["summaries"] == []
    assert [(r["id"], r["level"]) for r in body["rules"]] == [("RF001", "emergency"), ("RF-low", "routine")]
    assert body["rules"][0]["source"] == "NHS: Heart attack" and body["rules"][0]["review"] == "not_reviewed"
    assert body["profile"] == PROFILE
    assert [e["words"] for e in body["stated"]["conditions"]] == ["asthma", "blood thinners"]
    assert [e["words"] for e in body["stated"]["medicines"]] == ["ibuprofen"]
    assert [(m["author"], m["text"]) for m in body["messages"]] == [("patient", text)]
    await person.ask("POST", f"escalations/{id_}/claim", {})
    assert [(e["kind"], e["by"]) for e in (await case(person, id_))["history"]] == [
        ("triage", None),
        ("claimed", "Mara"),
    ]


async def test_reading_a_case_is_audited_by_name(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    person = await enter()
    await case(person, id_)
    async with site.database.read() as conn:
        rows = (await conn.execute(sa.select(audit.c.actor).where(audit.c.action == "escalation.read"))).all()
    assert [row.actor for row in rows] == [(await site.staff.all())[0].id]


async def test_a_request_shows_the_assistants_note_apart_from_the_patients_words(
    site: Site, enter: Enter
) -> None:
    conversation = await site.conversations.open("telegram", "5550001", "en")
    message = await site.says(conversation, "please ring me")
    await site.escalations.request_callback(
        conversation.id, "+44 (0)20-7946", message_id=message, summary="S: cough\nB: 34", when="tomorrow"
    )
    person = await enter()
    item = (await person.ask("GET", "queue"))[1]["items"][0]
    body = await case(person, item["id"])
    assert body["words"] == [] and body["summaries"][0]["text"] == "S: cough\nB: 34"
    assert (body["phone"], body["when"], body["rules"]) == ("+440207946", "tomorrow", [])


async def test_a_discreet_conversation_offers_no_number_to_call(site: Site, enter: Enter) -> None:
    conversation = await site.conversations.open("web", "a-1", "en")
    message = await site.says(conversation, "ring me")
    await site.escalations.request_callback(
        conversation.id, "+442079460123", message_id=message, summary="ring me"
    )
    id_ = await site.alarm("he is here", ((0, 2),), path="abuse", address="a-1")
    body = await case(await enter(), id_)
    assert body["discreet"] is True and body["phone"] is None


async def test_of_twenty_claims_at_once_one_wins_and_the_others_read_who(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    people = [await enter(f"nurse{n}") for n in range(20)]
    answers = await asyncio.gather(*(p.ask("POST", f"escalations/{id_}/claim", {}) for p in people))
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 19
    body = await case(people[0], id_)
    for status, refused, _ in answers:
        if status == 409:
            assert (refused["code"], refused["name"]) == ("held", body["claimed_name"])
            assert body["claimed_name"] in refused["error"]


async def test_take_over_release_and_who_may_reply_meanwhile(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    mara, jon = await enter("mara"), await enter("jon")
    conversation = (await case(mara, id_))["conversation"]
    say = {"text": "hello", "key": "k1"}
    assert (await mara.ask("POST", f"conversations/{conversation}/reply", say))[0] == 409
    await mara.ask("POST", f"escalations/{id_}/claim", {})
    refused = await jon.ask("POST", f"conversations/{conversation}/reply", say)
    assert (refused[0], refused[1]["code"]) == (409, "not_owner")
    for action in ("release", "handback", "close"):
        body = {"reason": "handled"} if action == "close" else {}
        assert (await jon.ask("POST", f"escalations/{id_}/{action}", body))[0] == 409
    assert (await jon.ask("POST", f"escalations/{id_}/takeover", {"reason": "end of shift"}))[0] == 200
    assert (await mara.ask("POST", f"conversations/{conversation}/reply", say))[0] == 409
    assert (await jon.ask("POST", f"conversations/{conversation}/reply", say))[0] == 200
    assert (await jon.ask("POST", f"escalations/{id_}/release", {}))[0] == 200
    body = await case(mara, id_)
    assert (body["status"], body["state"], body["claimed_name"]) == ("open", "waiting", None)
    taken = next(e for e in body["history"] if e["kind"] == "taken_over")
    assert (taken["by"], taken["text"]) == ("Jon", "end of shift")
    assert [(m["name"], m["text"]) for m in body["messages"] if m["author"] == "staff"] == [("Jon", "hello")]


async def test_a_reply_is_stored_and_sent_once_per_key_and_its_delivery_shows(
    site: Site, enter: Enter
) -> None:
    id_ = await site.alarm()
    person = await enter()
    await person.ask("POST", f"escalations/{id_}/claim", {})
    conversation = (await case(person, id_))["conversation"]
    window = site.live.subscribe(conversation)
    heard = asyncio.ensure_future(anext(window))
    await asyncio.sleep(0)
    say = {"text": "您好 😀", "key": "one"}
    answers = await asyncio.gather(
        *(person.ask("POST", f"conversations/{conversation}/reply", say) for _ in range(5))
    )
    assert [status for status, _, _ in answers] == [200] * 5
    event = await asyncio.wait_for(heard, 5)
    assert event["reply"]["text"] == "您好 😀"
    for _ in range(50):
        sent = [m for m in (await case(person, id_))["messages"] if m["author"] == "staff"]
        if sent[0]["delivered_at"]:
            break
        await asyncio.sleep(0.1)
    assert len(sent) == 1 and sent[0]["delivered_at"] >= sent[0]["at"]
    await person.ask("POST", f"conversations/{conversation}/reply", {**say, "key": "two"})
    assert len([m for m in (await case(person, id_))["messages"] if m["author"] == "staff"]) == 2


async def test_a_note_is_kept_for_colleagues_and_never_sent(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    mara, jon = await enter("mara"), await enter("jon")
    assert (await jon.ask("POST", f"escalations/{id_}/note", {"text": CANARY}))[0] == 200
    body = await case(mara, id_)
    note = next(e for e in body["history"] if e["kind"] == "note")
    assert (note["by"], note["text"]) == ("Jon", CANARY)
    assert len(body["messages"]) == 1
    async with site.database.read() as conn:
        assert len((await conn.execute(sa.select(messages.c.id))).all()) == 1
    stored = (site.folder / "careline.sqlite3").read_bytes() + (
        site.folder / "careline.sqlite3-wal"
    ).read_bytes()
    assert CANARY.encode() not in stored and b"zebra" not in stored


async def test_seen_without_claiming_is_told_apart(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    person = await enter()
    assert (await case(person, id_))["seen_at"] is None
    assert (await person.ask("POST", f"escalations/{id_}/acknowledge", {}))[0] == 200
    body = await case(person, id_)
    assert body["seen_at"] and body["status"] == "open"


async def test_hand_back_gives_the_voice_back_and_closes(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    person = await enter()
    await person.ask("POST", f"escalations/{id_}/claim", {})
    assert (await person.ask("POST", f"escalations/{id_}/handback", {}))[0] == 200
    body = await case(person, id_)
    assert (body["state"], body["status"], body["close_reason"]) == ("bot", "closed", "handed_back")
    assert (await person.ask("GET", "queue"))[1]["items"] == []
    assert (await person.ask("POST", f"escalations/{id_}/claim", {}))[1]["code"] == "closed"


@pytest.mark.parametrize("reason", [reason.value for reason in CloseReason])
async def test_close_with_each_reason(site: Site, enter: Enter, reason: str) -> None:
    id_ = await site.alarm()
    person = await enter()
    assert (await person.ask("POST", f"escalations/{id_}/close", {"reason": reason}))[0] == 200
    assert (await case(person, id_))["close_reason"] == reason


BAD = [
    ("escalations/{e}/close", {}, "reason"),
    ("escalations/{e}/close", {"reason": "because"}, "reason"),
    ("escalations/{e}/close", {"reason": 5}, "reason"),
    ("escalations/{e}/close", {"reason": "x" * 501}, "reason"),
    ("escalations/{e}/takeover", {"reason": ["x"]}, "reason"),
    ("escalations/{e}/release", {"reason": "x" * 501}, "reason"),
    ("escalations/{e}/note", {}, "text"),
    ("escalations/{e}/note", {"text": " \n"}, "text"),
    ("escalations/{e}/note", {"text": {"a": 1}}, "text"),
    ("escalations/{e}/note", {"text": "x" * 4001}, "text"),
    ("conversations/{c}/reply", {"key": "k"}, "text"),
    ("conversations/{c}/reply", {"text": "x" * 4001, "key": "k"}, "text"),
    ("conversations/{c}/reply", {"text": None, "key": "k"}, "text"),
    ("conversations/{c}/reply", {"text": "half \ud83d", "key": "k"}, "text"),
    ("conversations/{c}/reply", {"text": "hello"}, "key"),
    ("conversations/{c}/reply", {"text": "hello", "key": ""}, "key"),
    ("conversations/{c}/reply", {"text": "hello", "key": "k" * 101}, "key"),
    ("conversations/{c}/reply", {"text": "hello", "key": True}, "key"),
    ("login", {"login": "mara"}, "password"),
    ("login", {"login": 1, "password": "x"}, "login"),
    ("login", {"login": "x" * 201, "password": "x"}, "login"),
    ("login", {"login": "x", "password": "x" * 1001}, "password"),
    ("login", [], "body"),
    ("login", "text", "body"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD)
async def test_a_bad_field_is_named_and_never_repeated(
    site: Site, enter: Enter, path: str, body: Any, field: str
) -> None:
    id_ = await site.alarm()
    person = await enter()
    await person.ask("POST", f"escalations/{id_}/claim", {})
    conversation = (await case(person, id_))["conversation"]
    status, answer, _ = await person.ask("POST", path.format(e=id_, c=conversation), body)
    assert (status, answer["field"], answer["code"]) == (400, field, "bad_field")
    assert len(answer["error"]) < 200 and "xxxx" not in answer["error"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\xfe",
        b"\x00",
        b"[" * 60_000,
        b'{"text": ' + b"9" * 6000 + b"}",
        b"{}" + b" " * 70_000,
        b"nul",
        b"1",
    ],
)
async def test_a_body_that_is_no_json_object_is_refused_by_name(site: Site, enter: Enter, raw: bytes) -> None:
    id_ = await site.alarm()
    person = await enter()
    status, answer, _ = await person.ask("POST", f"escalations/{id_}/note", raw=raw)
    assert (status, answer["field"]) in ((400, "body"), (400, "text"))
    assert (await person.ask("GET", "queue"))[0] == 200


@pytest.mark.parametrize(
    "id_", ["e_1", "nope", "x" * 300, "%00", "%F0%9F%98%80", "%ED%A0%80", "..%2F..", "%20", "'--"]
)
async def test_an_unknown_id_is_404_wherever_it_is_used(enter: Enter, id_: str) -> None:
    person = await enter()
    assert (await person.ask("GET", f"escalations/{id_}"))[0] == 404
    for action in ("acknowledge", "claim", "takeover", "release", "handback"):
        assert (await person.ask("POST", f"escalations/{id_}/{action}", {}))[0] == 404
    assert (await person.ask("POST", f"escalations/{id_}/close", {"reason": "handled"}))[0] == 404
    assert (await person.ask("POST", f"escalations/{id_}/note", {"text": "x"}))[0] == 404
    assert (await person.ask("POST", f"escalations/{id_}/explode", {}))[0] == 404
    assert (await person.ask("POST", f"conversations/{id_}/reply", {"text": "x", "key": "k"}))[0] == 404


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_may_do_the_same(site: Site, role: Role) -> None:
    """Whoever answers first must see what an alarm is about; every reading is audited by name."""
    await site.member("anyone", role=role)
    id_ = await site.alarm(path="crisis")
    person = await Browserless(site).log_in("anyone")
    assert (await case(person, id_))["words"][0]["text"] == CHEST
    assert (await person.ask("POST", f"escalations/{id_}/claim", {}))[0] == 200
    await person.close()


async def test_when_the_records_are_away_staff_read_so(site: Site, enter: Enter) -> None:
    id_ = await site.alarm()
    person = await enter()
    asked = [
        ("GET", "me", None), ("GET", "queue", None), ("GET", f"escalations/{id_}", None),
        ("POST", f"escalations/{id_}/claim", {}), ("POST", "logout", {}),
        ("POST", "login", {"login": "mara", "password": "a long pass phrase"}),
    ]  # fmt: skip
    with site.records_away():
        for method, path, body in asked:
            status, answer, headers = await person.ask(method, path, body)
            assert (path, status, answer.get("code")) == (path, 503, "away")
            assert headers["Cache-Control"] == "no-store"
    assert (await person.ask("GET", "queue"))[0] == 200


# -- live -----------------------------------------------------------------------------------------------------


async def events(answer: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def test_an_emergency_reaches_an_open_console_by_itself(site: Site, enter: Enter) -> None:
    person = await enter()
    async with person.http.get(f"{site.url}/console/api/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        feed = events(answer)
        assert (await anext(feed))["type"] == "hello"
        id_ = await site.alarm(CANARY, ((0, 5),))
        event = await asyncio.wait_for(anext(feed), 10)
        assert (event["escalation"], event["level"]) == (id_, "emergency")
        assert "zebra" not in json.dumps(event)


@pytest.mark.parametrize("how", ["log out", "disabled", "server closes"])
async def test_a_stream_ends_when_its_session_does(site: Site, enter: Enter, how: str) -> None:
    person = await enter()
    async with person.http.get(f"{site.url}/console/api/events") as answer:
        feed = events(answer)
        await anext(feed)
        if how == "log out":
            await person.ask("POST", "logout", {})
        elif how == "disabled":
            await site.staff.disable((await site.staff.all())[0].id)
        else:
            await site.console.close()
        rest = await asyncio.wait_for(_all(feed), 2)
        assert rest == [{"type": "ended"}]
    assert site.console._streams == {}


async def _all(feed: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event async for event in feed]


async def test_a_stream_outlives_records_that_are_away_for_a_while(site: Site, enter: Enter) -> None:
    person = await enter()
    async with person.http.get(f"{site.url}/console/api/events") as answer:
        feed = events(answer)
        await anext(feed)
        with site.records_away():
            await asyncio.sleep(0.6)
        id_ = await site.alarm()
        assert (await asyncio.wait_for(anext(feed), 5))["escalation"] == id_


async def test_a_browser_that_goes_away_leaves_no_stream_behind(site: Site, enter: Enter) -> None:
    person = await enter()
    answer = await person.http.get(f"{site.url}/console/api/events")
    await answer.content.readline()
    assert len(site.console._streams) == 1
    answer.close()
    for _ in range(30):
        if not site.console._streams:
            break
        await asyncio.sleep(0.1)
    assert site.console._streams == {}


async def test_no_log_holds_what_people_wrote(
    site: Site, enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    id_ = await site.alarm(CANARY, ((0, 5),), rules=[rule(reason={"en": CANARY})])
    person = await enter()
    conversation = (await case(person, id_))["conversation"]
    await person.ask("POST", f"escalations/{id_}/claim", {})
    await person.ask("POST", f"escalations/{id_}/note", {"text": CANARY})
    await person.ask("POST", f"conversations/{conversation}/reply", {"text": CANARY, "key": CANARY})
    await person.ask("POST", f"conversations/{conversation}/reply", {"text": CANARY, "key": CANARY * 50})
    await person.ask("POST", f"escalations/{id_}/close", {"reason": CANARY})
    await person.ask("POST", "login", {"login": CANARY, "password": CANARY})
    with site.records_away():
        await person.ask("GET", f"escalations/{id_}")
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "zebra" not in logged and "斑马" not in logged
