"""Who gets in: log-in, session, CSRF, origin, and that nothing at all answers without them."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from typing import Any

import pytest

from connectors.console.throttle import FREE_TRIES, LONGEST_WAIT_S, MAX_KEYS, Throttle
from tests.connectors.console.conftest import Enter
from tests.connectors.console.site import Site, StillClock

OPEN = {("GET", "/console/api/me"), ("POST", "/console/api/login")}


def routes(site: Site, *methods: str) -> list[tuple[str, str]]:
    """Every route of the interface as (method, path below ``/console/api``), with stand-ins for ids."""
    found = []
    for route in site.console.routes():
        if route.method in methods and "/api/" in route.path and (route.method, route.path) not in OPEN:
            path = route.path.removeprefix("/console/api/").replace("{action}", "claim")
            found.append((route.method, re.sub(r"\{id\}", "e_1", path)))
    return found


async def test_the_right_password_opens_and_the_answer_holds_no_secret_but_the_csrf_value(
    enter: Enter,
) -> None:
    person = await enter(log_in=False)
    status, body, headers = await person.ask(
        "POST", "login", {"login": " MARA ", "password": "a long pass phrase"}
    )
    assert status == 200
    assert (body["name"], body["role"]) == ("Mara", "clinician")
    cookie = headers["Set-Cookie"]
    for flag in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/console"):
        assert flag in cookie
    token = cookie.split(";")[0].split("=", 1)[1]
    assert len(token) >= 43 and token not in str(body)


@pytest.mark.parametrize(
    ("login", "password"),
    [("mara", "a wrong pass phrase"), ("nobody", "a long pass phrase"), ("gone", "a long pass phrase")],
)
async def test_wrong_unknown_and_disabled_get_one_and_the_same_answer(
    site: Site, enter: Enter, login: str, password: str
) -> None:
    gone = await site.member("gone")
    await site.staff.disable(gone.id)
    person = await enter(log_in=False)
    status, body, headers = await person.ask("POST", "login", {"login": login, "password": password})
    assert (status, body) == (
        401,
        {"error": "Login or password is wrong.", "code": "wrong_login", "field": "login"},
    )
    assert "Set-Cookie" not in headers


async def test_an_unknown_login_takes_as_long_as_a_wrong_password(site: Site, enter: Enter) -> None:
    person = await enter(log_in=False)
    took: dict[str, list[float]] = {"mara": [], "nobody": []}
    await person.ask("POST", "login", {"login": "first", "password": "warms the caches"})
    for turn in range(8):
        for login, times in took.items():
            site.clock.now += LONGEST_WAIT_S
            began = time.perf_counter()
            await person.ask("POST", "login", {"login": login, "password": f"wrong {turn}"})
            times.append(time.perf_counter() - began)
    known, unknown = (min(times) for times in took.values())
    assert unknown > known / 2 and known > unknown / 2, took
    assert statistics.median(took["nobody"]) > 0.005


async def test_guessing_is_slowed_down_and_the_right_person_still_gets_in(site: Site, enter: Enter) -> None:
    person = await enter(log_in=False)
    wrong = {"login": "mara", "password": "wrong"}
    for _ in range(FREE_TRIES):
        assert (await person.ask("POST", "login", wrong))[0] == 401
    status, body, headers = await person.ask(
        "POST", "login", {"login": "mara", "password": "a long pass phrase"}
    )
    assert (status, body["code"]) == (429, "throttled")
    assert 1 <= int(headers["Retry-After"]) <= LONGEST_WAIT_S + 1
    site.clock.now += LONGEST_WAIT_S
    assert (await person.ask("POST", "login", {"login": "mara", "password": "a long pass phrase"}))[0] == 200
    assert (await person.ask("POST", "login", wrong))[0] == 401  # forgiven, so the next slip is free again


async def test_many_guesses_at_once_are_not_all_free(enter: Enter) -> None:
    person = await enter(log_in=False)
    tries = [person.ask("POST", "login", {"login": "mara", "password": f"guess {n}"}) for n in range(25)]
    answers = [status for status, _, _ in await asyncio.gather(*tries)]
    assert answers.count(401) == FREE_TRIES
    assert answers.count(429) == 25 - FREE_TRIES


def test_the_throttle_doubles_up_to_a_minute_forgets_and_is_bounded() -> None:
    clock = StillClock()
    throttle, waits = Throttle(clock), []
    for _ in range(14):
        throttle.tried("login:mara")
        waits.append(throttle.wait("login:mara"))
    assert waits == [0.0] * 4 + [1, 2, 4, 8, 16, 32] + [LONGEST_WAIT_S] * 4
    assert throttle.wait("login:other") == 0
    clock.now += 3600
    throttle.tried("login:mara")
    assert throttle.wait("login:mara") == 0
    for n in range(MAX_KEYS + 5):
        throttle.tried(f"login:{n}")
    assert len(throttle._tries) == MAX_KEYS


async def test_every_route_refuses_who_is_not_logged_in(site: Site, enter: Enter) -> None:
    person = await enter(log_in=False)
    found = routes(site, "GET", "POST")
    assert len(found) >= 7
    for method, path in found:
        status, body, _ = await person.ask(method, path, {} if method == "POST" else None)
        assert (path, status, body["code"]) == (path, 401, "log_in")


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 5000, "'; DROP TABLE staff; --"])
async def test_a_made_up_session_is_nobodys(site: Site, enter: Enter, token: str) -> None:
    person = await enter(log_in=False)
    quoted = token.encode("utf-8", "surrogatepass").decode("latin-1")
    status, _, _ = await person.ask("GET", "queue", Cookie=f'careline_session="{quoted}"'.replace("\n", ""))
    assert status == 401


async def test_every_change_needs_the_sessions_own_csrf_value(site: Site, enter: Enter) -> None:
    mara, jon = await enter("mara"), await enter("jon")
    for method, path in routes(site, "POST"):
        for value in ("", "guess", jon.csrf, mara.csrf[:-1], mara.csrf + "x"):
            status, body, _ = await mara.ask(method, path, {}, X_CSRF_Token=value)
            assert (path, status, body["field"]) == (path, 403, "X-CSRF-Token")
    assert (await mara.ask("GET", "queue"))[0] == 200  # none of them was the log-out


async def test_every_change_refuses_other_sites(site: Site, enter: Enter) -> None:
    person = await enter()
    port = site.server.port
    foreign = [
        "https://evil.example",
        "null",
        f"http://127.0.0.1.evil.example:{port}",
        f"http://localhost:{port}",
        "",
        "http://[",
    ]
    for method, path in [*routes(site, "POST"), ("POST", "login")]:
        for origin in foreign:
            status, body, _ = await person.ask(method, path, {}, Origin=origin)
            assert (path, origin, status, body["field"]) == (path, origin, 403, "Origin")
        status, _, _ = await person.ask(method, path, {}, Sec_Fetch_Site="cross-site")
        assert status == 403
    assert (await person.ask("POST", "escalations/e_1/claim", {}, Origin=site.url))[0] == 404


async def test_log_out_ends_the_session_for_good(site: Site, enter: Enter) -> None:
    person = await enter()
    token = next(cookie.value for cookie in person.http.cookie_jar)
    assert (await person.ask("POST", "logout", {}))[0] == 200
    assert (await person.ask("GET", "queue", Cookie=f"careline_session={token}"))[0] == 401
    assert (await person.ask("GET", "me"))[1] == {}


async def test_a_reload_renews_and_the_old_token_is_dead(site: Site, enter: Enter) -> None:
    person = await enter()
    old = next(cookie.value for cookie in person.http.cookie_jar)
    status, body, _ = await person.ask("GET", "me")
    assert status == 200 and body["csrf"] != person.csrf
    assert (await person.ask("GET", "queue"))[0] == 200
    stranger = await enter(log_in=False)
    assert (await stranger.ask("GET", "queue", Cookie=f"careline_session={old}"))[0] == 401


async def test_who_is_disabled_is_out_at_once(site: Site, enter: Enter) -> None:
    person = await enter()
    await site.staff.disable((await site.staff.all())[0].id)
    assert (await person.ask("GET", "queue"))[0] == 401


async def test_headers_of_pages_and_answers(site: Site, enter: Enter) -> None:
    person = await enter(log_in=False)
    paths = [route.path for route in site.console.routes() if route.method == "GET" and "{" not in route.path]
    for path in paths:
        async with person.http.get(f"{site.url}{path}") as answer:
            csp: Any = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in csp and "default-src 'none'" in csp and "frame-ancestors 'none'" in csp
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            text = await answer.text()
            if path == "/console":
                assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:", text)
