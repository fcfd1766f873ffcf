"""The console in headless Chromium over the real services: what a nurse sees, reads and does."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

import connectors.console
from bot.escalation.model import CloseReason
from bot.messages import now_utc
from bot.records.staff import Role
from bot.records.tables import escalations
from tests.connectors.console.hostile import PAYLOADS
from tests.connectors.console.site import (
    CHEST,
    CHEST_SPANS,
    CHEST_ZH,
    CHEST_ZH_SPANS,
    PASSWORD,
    Site,
    rule,
)
from tests.connectors.test_widget_browser import ARGS, CHROMIUM, SHOTS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists() and not os.environ.get("CI"), reason=f"{CHROMIUM} is not installed"
    ),
]
CONSOLE = Path(connectors.console.__file__).parent
Nurses = Callable[..., Awaitable["Nurse"]]
PROFILE = {"age_years": 34.0, "sex": "female", "pregnant": True, "gestation_weeks": 31.0}


def finding(id_: str, kind: str, words: str, **kw: Any) -> dict[str, Any]:
    """A finding as the turn stores it with its decision."""
    base = {"id": id_, "kind": kind, "words": words, "status": "present", "subject": "patient", "time": "now"}
    return base | {"span": [0, 1]} | kw


FINDINGS = [
    finding("asthma", "condition", "asthma"),
    finding("anticoagulant", "risk", "blood thinners"),
    finding("ibuprofen", "medicine", "ibuprofen"),
    finding("diabetes", "condition", "no diabetes", status="negated"),
    finding("heart_disease", "condition", "grandad's heart attack", subject="family"),
]


class Nurse:
    """A page of the console, and what went wrong on it."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page, self.site = page, site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda m: self.faults.append(m.text) if "Content Security" in m.text else None)
        page.on("dialog", self._dialog)
        page.on("request", lambda r: None if r.url.startswith(site.url) else self.faults.append(r.url))
        self.items = page.locator(".item")
        self.log = page.get_by_role("log")
        self.text = page.locator("form.say textarea")

    async def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    async def log_in(self, login: str) -> None:
        await self.page.goto(f"{self.site.url}/console")
        await self.page.locator("input[name=login]").fill(login)
        await self.page.locator("input[name=password]").fill(PASSWORD)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("#desk")).to_be_visible()
        await expect(self.page.locator("#link.on")).to_be_visible()

    async def open(self, at: int = 0) -> None:
        await self.items.nth(at).click()
        await expect(self.page.locator("#case")).to_be_visible()

    async def act(self, name: str) -> None:
        await self.page.locator(f"button[data-act={name}]").click()

    async def step(self, name: str) -> None:
        await self.page.locator(f"button[data-step={name}]").click()

    async def shot(self, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        await asyncio.sleep(0.3)
        await self.page.screenshot(path=SHOTS / f"console-{name}.png")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def nurses(browser: Browser, site: Site) -> AsyncIterator[Nurses]:
    """``await nurses("mara")``: a nurse at a browser of her own. None may meet a fault or leave this server."""
    came: list[Nurse] = []

    async def come(login: str = "mara", **options: Any) -> Nurse:
        if login not in {member.login for member in await site.staff.all()}:
            await site.member(login)
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
        nurse = Nurse(await (await browser.new_context(**options)).new_page(), site)
        came.append(nurse)
        await nurse.log_in(login)
        return nurse

    yield come
    for nurse in came:
        assert nurse.faults == []
        await nurse.page.context.close()


async def full_house(site: Site) -> str:
    """A queue as on a bad afternoon; returns the emergency's id."""
    first = await site.alarm(profile=PROFILE, findings=FINDINGS, address="patient-1")
    await site.alarm(CHEST_ZH, CHEST_ZH_SPANS, lang="zh", level="urgent", address="patient-2")
    await site.alarm(
        "he is in the room",
        ((0, 2),),
        path="abuse",
        level="urgent",
        address="patient-3",
        rules=[
            rule(
                "ABUSE-01",
                "urgent",
                reason={"en": "May be in danger from somebody at home", "zh": "可能受到家里人的伤害"},
            )
        ],
    )
    conversation = await site.conversations.open("telegram", "5550009", "en")
    message = await site.says(conversation, "can somebody call me tomorrow?")
    await site.escalations.request_callback(
        conversation.id,
        "+44 20 7946 0123",
        message_id=message,
        summary="can somebody call me tomorrow?",
        when="tomorrow",
    )
    return first


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("1280-en", {}),
        ("1280-zh", {"locale": "zh-CN"}),
        ("1280-dark", {"color_scheme": "dark"}),
        ("1000-en", {"viewport": {"width": 1000, "height": 700}}),
        ("375-en", {"viewport": {"width": 375, "height": 740}}),
        (
            "375-zh-dark",
            {"viewport": {"width": 375, "height": 740}, "locale": "zh-CN", "color_scheme": "dark"},
        ),
    ],
)
async def test_nothing_runs_off_the_page(
    nurses: Nurses, site: Site, name: str, options: dict[str, Any]
) -> None:
    await full_house(site)
    nurse = await nurses(**options)
    await expect(nurse.items).to_have_count(4)
    await nurse.shot(f"queue-{name}")
    await nurse.open()
    await nurse.act("claim")
    await nurse.text.fill(
        "This is Mara, a nurse. Have you called 999?" if "zh" not in name else "我是护士Mara。您打999了吗？"
    )
    await nurse.act("send")
    await expect(nurse.log.locator(".delivery")).to_be_visible()
    await nurse.page.locator(".noting summary").click()
    await nurse.page.locator(".note-form textarea").fill(
        "Rang the ward, no bed." if "zh" not in name else "已问病房，没有床位。"
    )
    await nurse.act("note")
    await expect(nurse.log.locator(".note")).to_be_visible()
    await nurse.shot(f"case-{name}")
    await nurse.page.screenshot(path=SHOTS / f"console-whole-{name}.png", full_page=True)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert await nurse.page.evaluate(wide) is False


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_an_emergency_appears_by_itself_and_is_worked_off(
    nurses: Nurses, site: Site, locale: str
) -> None:
    nurse = await nurses(locale=locale)
    zh = locale == "zh-CN"
    await expect(nurse.page.get_by_text("现在没有人在等。" if zh else "Nobody is waiting.")).to_be_visible()
    quiet = await nurse.page.title()
    text, spans = (CHEST_ZH, CHEST_ZH_SPANS) if zh else (CHEST, CHEST_SPANS)
    id_ = await site.alarm(text, spans, lang="zh" if zh else "en", address="p")
    await expect(nurse.page.locator(".item.emergency.fresh")).to_be_visible()
    await expect(nurse.page.locator("#alarm-bar.fresh")).to_contain_text("胸闷" if zh else "Chest tightness")
    await expect(nurse.page.locator("#alarm")).to_contain_text("新的急症" if zh else "New emergency")
    assert (await nurse.page.title()).startswith("(1!)") and not quiet.startswith("(")
    assert "alarm" in await nurse.page.locator("#icon").get_attribute("href")

    await nurse.page.locator("#alarm-open").click()
    await expect(nurse.page.locator("#case")).to_be_visible()
    marks = nurse.page.locator("blockquote mark")
    chars = list(text)
    assert await marks.all_inner_texts() == ["".join(chars[a:b]) for a, b in spans]
    assert await nurse.page.locator("blockquote").inner_text() == text
    await expect(nurse.page.locator("blockquote")).to_have_attribute("lang", "zh" if zh else "en")
    await expect(nurse.page.locator(".also")).not_to_have_attribute("open", "")

    await nurse.act("claim")
    await expect(nurse.text).to_be_focused()
    await expect(nurse.page.locator("#alarm-bar")).to_be_hidden()
    assert await nurse.page.title() == quiet
    await nurse.text.fill("您好 😀" if zh else "Hello 😀")
    await nurse.text.press("Control+Enter")
    mine = nurse.log.locator(".staff")
    await expect(mine).to_contain_text("Mara")
    await expect(mine.locator(".delivery")).to_contain_text("已发出" if zh else "sent", timeout=5000)
    await expect(nurse.text).to_have_value("")
    conversation = await site.conversations.open("web", "p")
    wrote = await site.says(conversation, "是的" if zh else "yes I have")
    await site.escalations.patient_wrote(conversation.id, wrote)
    await expect(nurse.log.locator(".patient").last).to_contain_text(
        "是的" if zh else "yes I have", timeout=2000
    )
    await nurse.act("handback")
    await expect(nurse.page.locator("form.say")).to_have_count(0)
    await expect(nurse.page.locator(".notice")).to_contain_text("已交还给助手" if zh else "Handed back")
    await expect(nurse.items).to_have_count(0)
    assert (await site.escalations.item(id_)).conversation_state == "bot"


async def test_two_nurses_see_each_other_and_one_takes_over(nurses: Nurses, site: Site) -> None:
    id_ = await site.alarm()
    mara, jon = await nurses("mara"), await nurses("jon")
    await mara.open()
    await jon.open()
    await mara.act("claim")
    await expect(jon.items.first).to_contain_text("held by Mara", timeout=2000)
    await expect(jon.page.locator(".hint")).to_contain_text("Mara is answering")
    await expect(jon.text).to_have_count(0)
    await mara.text.fill("half a sentence")
    await jon.step("takeover")
    await jon.page.locator("input[name=reason]").fill("end of shift")
    await jon.act("takeover")
    await expect(jon.text).to_be_visible()
    await expect(mara.text).to_have_count(0, timeout=2000)
    await expect(mara.log).to_contain_text("Jon took this over (end of shift)")
    await jon.step("close")
    await jon.page.get_by_label("Called back").check()
    await jon.act("close")
    await expect(jon.items).to_have_count(0)
    await expect(mara.page.locator(".notice")).to_contain_text("Closed: Called back", timeout=2000)
    assert (await site.escalations.item(id_)).close_reason == "called_back"


async def test_a_lost_race_says_who_has_it(nurses: Nurses, site: Site) -> None:
    id_ = await site.alarm()
    mara = await nurses("mara")
    await mara.open()
    jon = await site.member("jon")
    hold = asyncio.Event()

    async def late(route: Any) -> None:
        await hold.wait()
        await route.continue_()

    await mara.page.route("**/claim", late)
    await mara.act("claim")
    await site.escalations.claim(id_, jon.id)
    hold.set()
    await expect(mara.page.locator("#fault")).to_contain_text("Jon already holds this conversation.")
    await expect(mara.page.locator("button[data-step=takeover]")).to_be_visible()


async def test_a_half_written_reply_survives_whatever_happens(nurses: Nurses, site: Site) -> None:
    await site.alarm(address="p")
    await site.alarm("second", (), address="q")
    nurse = await nurses()
    await nurse.open()
    await nurse.act("claim")
    await nurse.text.fill("Please sit down and")
    await nurse.page.evaluate("document.querySelector('form.say textarea').setSelectionRange(7, 10)")
    conversation = await site.conversations.open("web", "p")
    message = await site.says(conversation, "hello?")
    await site.escalations.patient_wrote(conversation.id, message)
    await expect(nurse.log.locator(".patient")).to_have_count(2)
    await expect(nurse.text).to_be_focused()
    where = "[document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    assert await nurse.page.evaluate(where) == [7, 10]
    await nurse.page.locator("#lang").select_option("zh")
    await expect(nurse.text).to_have_value("Please sit down and")
    await nurse.page.locator("#lang").select_option("en")
    await nurse.items.nth(1).click()
    await expect(nurse.text).to_have_count(0)
    await nurse.page.locator(".item.held").click()
    await expect(nurse.text).to_have_value("Please sit down and")
    await nurse.page.reload()
    await nurse.page.locator(".item.held").click()
    await expect(nurse.text).to_have_value("Please sit down and")
    await nurse.act("send")
    await expect(nurse.log.locator(".staff")).to_contain_text("Please sit down and")
    await nurse.page.reload()
    await nurse.page.locator(".item.held").click()
    await expect(nurse.text).to_have_value("")
    await nurse.text.fill("secret")
    await nurse.page.locator("#logout").click()
    await expect(nurse.page.locator("#login")).to_be_visible()
    assert await nurse.page.evaluate("sessionStorage.length") == 0
    assert "numb" not in await nurse.page.content()


async def test_a_second_tab_does_not_shut_the_first_one_out(nurses: Nurses, site: Site) -> None:
    await site.alarm()
    nurse = await nurses()
    await nurse.open()
    other = await nurse.page.context.new_page()
    await other.goto(f"{site.url}/console")
    await expect(other.locator(".item")).to_have_count(1)
    await nurse.act("claim")
    await expect(nurse.text).to_be_visible()
    await expect(nurse.page.locator("#link.on")).to_be_visible()


async def test_a_lost_connection_is_said_and_mends_itself(nurses: Nurses, site: Site) -> None:
    nurse = await nurses()
    await nurse.page.context.set_offline(True)
    await site.console.close()  # what a restarting server does to open streams
    await expect(nurse.page.locator("#link.off")).to_be_visible(timeout=5000)
    await expect(nurse.page.locator("#lost")).to_be_visible(timeout=15000)
    await expect(nurse.page.locator("#empty")).to_be_hidden()  # nobody knows that now
    await nurse.shot("lost")
    await site.alarm()
    await nurse.page.context.set_offline(False)
    await expect(nurse.page.locator("#link.on")).to_be_visible(timeout=15000)
    await expect(nurse.items).to_have_count(1)
    await expect(nurse.page.locator("#lost")).to_be_hidden()


async def test_overdue_is_counted_and_discreet_is_plain(nurses: Nurses, site: Site) -> None:
    await full_house(site)
    async with site.database.begin() as conn:
        past = now_utc() - timedelta(minutes=5)
        await conn.execute(escalations.update().where(escalations.c.level == "urgent").values(due_at=past))
    nurse = await nurses()
    await expect(nurse.page.locator("#late")).to_have_text("2 overdue")
    await expect(nurse.page.locator(".item .clock.late")).to_have_count(2)
    await nurse.page.locator(".item", has_text="danger").click()
    await expect(nurse.page.locator(".notice.discreet")).to_contain_text("Do not call")
    await expect(nurse.page.locator("a[href^='tel:']")).to_have_count(0)
    await nurse.shot("discreet")
    await nurse.page.locator("[data-filter=mine]").click()
    await expect(nurse.page.locator("#empty-filter")).to_be_visible()


async def test_the_whole_work_by_keyboard_alone(nurses: Nurses, site: Site) -> None:
    await site.alarm()
    nurse = await nurses()
    await expect(nurse.items).to_have_count(1)
    keys = nurse.page.keyboard

    async def tab_to(selector: str, limit: int = 30) -> None:
        for _ in range(limit):
            if await nurse.page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
            await keys.press("Tab")
        raise AssertionError(f"Tab never reaches {selector}")

    await tab_to(".item")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await nurse.page.evaluate(outline) == "solid"
    await keys.press("Enter")
    await expect(nurse.page.locator("#detail-title")).to_be_focused()
    await tab_to("[data-act=claim]")
    await keys.press("Enter")
    await expect(nurse.text).to_be_focused()
    await keys.type("Hello")
    await keys.press("Control+Enter")
    await expect(nurse.log.locator(".staff")).to_contain_text("Hello")
    await keys.press("Shift+Tab")
    for _ in range(20):
        if await nurse.page.evaluate("document.activeElement.matches('[data-step=close]')"):
            break
        await keys.press("Shift+Tab")
    await keys.press("Enter")
    await expect(nurse.page.locator("input[name=reason]:checked")).to_be_focused()
    await keys.press("Escape")
    await expect(nurse.page.locator("[data-step=close]")).to_be_focused()
    await keys.press("Enter")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(nurse.page.locator(".notice")).to_contain_text("Closed: Called back")
    await keys.press("Escape")
    await expect(nurse.page.locator("#choose")).to_be_visible()


async def test_hostile_text_is_text_everywhere(nurses: Nurses, site: Site) -> None:
    assert len(PAYLOADS) >= 60
    await site.member("evil", PAYLOADS[0])
    await site.staff.add("evil2", PAYLOADS[9], PASSWORD, Role.CLINICIAN)
    hostile = [rule(f"R{n}", reason={"en": p, "zh": p}, source=p) for n, p in enumerate(PAYLOADS)]
    everything = "\n".join(PAYLOADS)
    id_ = await site.alarm(
        everything,
        ((0, len(everything)),),
        rules=hostile,
        address="p",
        findings=[finding(f"x{n}", "condition", p, person=p) for n, p in enumerate(PAYLOADS)],
    )
    conversation = await site.conversations.open("web", "p")
    for payload in PAYLOADS:
        await site.says(conversation, payload)
    nurse = await nurses("evil")
    await nurse.open()
    await nurse.act("claim")
    for payload in PAYLOADS[::8]:
        await nurse.text.fill(payload)
        await nurse.act("send")
        await expect(nurse.text).to_have_value("")
    member = next(m for m in await site.staff.all() if m.login == "evil2")
    for payload in PAYLOADS:
        await site.escalations.note(id_, member.id, payload)
    await site.escalations.take_over(id_, member.id, PAYLOADS[9])
    await expect(nurse.page.locator(".hint")).to_contain_text(PAYLOADS[9])
    await expect(nurse.log.locator(".note")).to_have_count(len(PAYLOADS))
    said = [t.strip() for t in await nurse.log.locator(".patient .text").all_text_contents()]
    assert said == [everything.strip(), *(p.strip() for p in PAYLOADS)]
    assert await nurse.page.locator("blockquote").first.text_content() == everything
    assert await nurse.log.locator(".note .text").all_text_contents() == PAYLOADS
    rules = await nurse.page.locator(".rules li").all_text_contents()
    assert all(payload in rules[n] for n, payload in enumerate(PAYLOADS))
    await nurse.page.locator("#lang").select_option("zh")
    await nurse.page.mouse.move(640, 400)
    await asyncio.sleep(0.3)
    assert await nurse.page.evaluate("window.pwned") is None
    made = "document.querySelectorAll('#desk :is(script, img, iframe, svg, style, object, [onerror])').length"
    assert await nurse.page.evaluate(made) == 0
    assert nurse.page.url == f"{site.url}/console"


async def test_the_policy_of_the_page_stops_a_script_that_got_in(nurses: Nurses) -> None:
    """The second wall: were a text ever put in as HTML, it could still run nothing and reach nobody."""
    nurse = await nurses()
    await nurse.page.evaluate(
        """() => { const box = document.createElement('div'); document.body.append(box);
        box.innerHTML = '<img src=x onerror=window.pwned=1><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>';
        const script = document.createElement('script'); script.textContent = 'window.pwned=1'; box.append(script); }"""
    )
    await asyncio.sleep(0.5)
    assert await nurse.page.evaluate("window.pwned") is None
    assert nurse.faults and all("Content Security" in fault for fault in nurse.faults)
    nurse.faults.clear()


async def test_both_languages_have_the_same_sentences_and_the_page_uses_them(
    nurses: Nurses, site: Site
) -> None:
    nurse = await nurses()
    tables = await nurse.page.evaluate(
        """async () => { const { T } = await import('/console/texts.js');
        return Object.fromEntries(Object.entries(T).map(([lang, table]) =>
          [lang, Object.entries(table).map(([key, v]) => [key, typeof v === 'function' ? `f${v.length}` : v])])); }"""
    )
    en, zh = (dict(tables[lang]) for lang in ("en", "zh"))
    assert list(en) == list(zh) and len(en) > 120
    for key, value in en.items():
        assert value and zh[key], key
        assert (value.startswith("f") and len(value) == 2) or not re.search("[\u4e00-\u9fff]", value), key
    used = set()
    for name in ("console.js", "case.js", "page.js", "index.html"):
        source = (CONSOLE / name).read_text()
        used |= set(re.findall(r'\bt\("([a-z_]+)"', source)) | set(re.findall(r'data-t="([a-z_]+)"', source))
    assert used <= set(en)
    built = re.compile(
        "^(err|close|ev|lang)_|^(takeover_now|release_now|close_now|female|male)$|^(self_care|none)$"
        "|^(triage|person_request|callback)$"
    )
    direct = "".join((CONSOLE / name).read_text() for name in ("console.js", "case.js", "index.html"))
    assert [key for key in en if key not in used and not built.search(key) and f'"{key}"' not in direct] == []
    codes = set(re.findall(r'refuse\(\s*\d+, "([a-z_]+)"', (CONSOLE / "server.py").read_text()))
    assert {f"err_{code}" for code in codes | {"held", "not_owner", "closed", "refused"}} <= set(en)
    reasons = {f"close_{reason.value}" for reason in CloseReason}
    assert reasons <= set(en)
