"""The console in headless Chromium over the real services: what a nurse sees, reads and does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.connectors.console.site import CHEST_ZH, CHEST_ZH_SPANS, PASSWORD, Site, rule
from tests.connectors.test_widget_browser import ARGS, CHROMIUM, SHOTS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists() and not os.environ.get("CI"), reason=f"{CHROMIUM} is not installed"
    ),
]
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
