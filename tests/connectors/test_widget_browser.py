"""The widget in headless Chromium, over a scripted turn: what a patient sees, hears from a screen reader, and does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.messages import PhoneLink, Reply, ReplyKind
from connectors.tokens import SignedTokens
from tests.connectors.fakes import Pause
from tests.connectors.widget_site import KEY, Site

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path(__file__).parents[2] / "test-artifacts"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists() and not os.environ.get("CI"), reason=f"{CHROMIUM} is not installed"
    ),
]


class Patient:
    """A page with the widget, and what went wrong on it."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        self.foreign: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda m: self.faults.append(m.text) if "Content Security" in m.text else None)
        page.on("dialog", self._dialog)
        page.on(
            "request", lambda r: None if r.url.startswith((site.url, "data:")) else self.foreign.append(r.url)
        )
        self.log = page.get_by_role("log")
        self.input = page.locator("#text")
        self.banner = page.locator(".banner")
        self.quick = page.locator(".quick button")

    async def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    async def open(self) -> None:
        await self.page.locator("[data-careline-open]").click()
        await expect(self.input).to_be_focused()
        await asyncio.sleep(0.1)

    async def say(self, text: str) -> None:
        await self.input.fill(text)
        await self.input.press("Enter")

    async def hears(self, text: str, wait_ms: float = 5000) -> None:
        await expect(self.log.get_by_text(text).last).to_be_visible(timeout=wait_ms)

    async def shot(self, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        await asyncio.sleep(0.4)  # past the fading in
        await self.page.screenshot(path=SHOTS / f"widget-{name}.png")

    async def is_true(self, script: str) -> Any:
        return await self.page.evaluate(script)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


async def visit(browser: Browser, site: Site, **options: Any) -> Patient:
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
    page = await (await browser.new_context(**options)).new_page()
    patient = Patient(page, site)
    await page.goto(site.url)
    return patient


@pytest.fixture
async def patient(browser: Browser, site: Site) -> AsyncIterator[Patient]:
    patient = await visit(browser, site)
    yield patient
    assert patient.faults == [] and patient.foreign == []


async def test_open_talk_and_close_by_keyboard_alone(patient: Patient) -> None:
    launcher = patient.page.get_by_role("button", name="Open the chat")
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    await launcher.focus()
    await patient.page.keyboard.press("Enter")
    await expect(patient.input).to_be_focused()
    await expect(patient.page.get_by_role("dialog", name="Riverside Clinic (demo)")).to_be_visible()
    await patient.say("hello")
    await patient.hears("I am not a clinician")
    await patient.page.keyboard.press("Escape")
    await expect(patient.page.get_by_role("dialog")).to_have_count(0)
    await expect(launcher).to_be_focused()
    await expect(launcher).to_have_attribute("aria-expanded", "false")


async def test_focus_goes_back_to_what_opened_the_chat(patient: Patient) -> None:
    await patient.open()
    await patient.page.keyboard.press("Escape")
    await expect(patient.page.locator("[data-careline-open]")).to_be_focused()


async def test_the_past_is_not_read_out_and_the_present_is(patient: Patient) -> None:
    await patient.open()
    await patient.say("hello")
    await patient.hears("Is it all right")
    await patient.page.reload()
    await patient.hears("Is it all right")
    assert await patient.log.get_attribute("aria-live") == "off"
    await asyncio.sleep(1.1)
    assert await patient.log.get_attribute("aria-live") == "polite"


async def test_enter_that_picks_a_character_does_not_send(patient: Patient) -> None:
    await patient.open()
    await patient.input.fill("xiong")
    await patient.input.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    await asyncio.sleep(0.1)
    assert await patient.input.input_value() == "xiong"
    assert patient.site.turn.processed == []


async def test_a_quick_reply_is_a_real_button_and_stays_as_text(patient: Patient) -> None:
    await patient.open()
    await patient.say("I have had a fever for three days")
    group = patient.page.get_by_role("group", name="Suggested answers")
    await group.get_by_role("button", name="38 to 39 °C").click()
    await patient.hears("You can look after this at home")
    assert patient.site.turn.processed[-1][2] == "/temperature_1"
    await expect(patient.log.get_by_text("38 to 39 °C")).to_be_visible()
    await expect(patient.quick).to_have_count(0)
    await expect(patient.input).to_be_focused()
    await patient.shot("booked")
    await patient.page.reload()
    await patient.hears("38 to 39 °C")
    assert "/temperature_1" not in (await patient.log.inner_text())


async def test_a_list_of_the_buttons_rests_while_they_are_there(patient: Patient) -> None:
    await patient.open()
    await patient.say("my throat is sore")
    await expect(patient.quick).to_have_count(5)
    sign = patient.log.get_by_text("A stiff neck")
    await expect(sign).to_be_hidden()
    await patient.shot("screen")
    await patient.quick.last.click()
    await expect(sign).to_be_visible()


async def test_a_long_answer_is_shown_from_its_beginning(patient: Patient) -> None:
    await patient.open()
    await patient.say("a long story")
    await expect(patient.log.get_by_text("Paragraph 0.")).to_be_in_viewport()
    await expect(patient.log.get_by_text("Paragraph 11.")).not_to_be_in_viewport()
    await patient.page.get_by_role("button", name="More below").click()
    await expect(patient.log.get_by_text("Paragraph 11.")).to_be_in_viewport()
    await patient.page.locator(".scroll").evaluate("node => node.scrollTop = 0")
    await asyncio.sleep(0.1)
    patient.site.turn.staff_says(patient.site.turn.known()[0], "A nurse writes")
    await asyncio.sleep(0.3)
    await expect(patient.log.get_by_text("A nurse writes")).not_to_be_in_viewport()  # the patient reads above
    await patient.page.get_by_role("button", name="More below").click()
    await asyncio.sleep(4.1)
    patient.site.turn.staff_says(patient.site.turn.known()[0], "And again")
    await expect(patient.log.get_by_text("And again")).to_be_in_viewport()


async def test_an_answer_streams_and_is_read_out_once(patient: Patient) -> None:
    await patient.open()
    await patient.say("what helps against hay fever?")
    stream = patient.page.locator(".stream")
    await expect(stream).to_contain_text("Washing your face")
    assert await stream.get_attribute("aria-hidden") == "true"
    assert "Sources" not in await stream.inner_text()
    await patient.hears("Sources")
    await expect(stream).to_be_empty()
    assert (await patient.log.inner_text()).count("Washing your face") == 1
    link = patient.log.get_by_role("link", name="Hay fever")
    assert await link.get_attribute("rel") == "noopener noreferrer"
    await expect(patient.log.get_by_role("link", name="Pollen")).to_have_count(0)
    await patient.shot("answer")


async def test_the_emergency_card_stays_in_view(patient: Patient) -> None:
    await patient.open()
    for _ in range(3):
        await patient.say("what helps against hay fever?")
        await patient.hears("Sources")
        await asyncio.sleep(1.2)
    await patient.say("my chest feels tight and my left arm is numb")
    call = patient.banner.get_by_role("link", name="Call 999")
    await expect(call).to_be_in_viewport()
    assert await call.get_attribute("href") == "tel:999"
    await expect(patient.banner).to_have_attribute("role", "alert")
    await expect(patient.log.get_by_text("This may be an emergency").last).to_be_in_viewport()
    await patient.shot("emergency")
    await patient.page.locator(".scroll").evaluate("node => node.scrollTop = 0")
    await expect(call).to_be_in_viewport()
    await patient.banner.get_by_role("button", name="Make this smaller").click()
    await expect(call).to_be_in_viewport()
    await patient.page.reload()
    await expect(patient.banner.get_by_role("link", name="Call 999")).to_be_in_viewport()


async def test_a_reload_shows_the_same_conversation_once(patient: Patient) -> None:
    await patient.open()
    await patient.say("I have had a fever for three days")
    await patient.hears("How high was your temperature")
    await patient.page.reload()
    await patient.hears("How high was your temperature")
    await expect(patient.quick.first).to_have_text("Below 38 °C")
    text = await patient.log.inner_text()
    assert text.count("I have had a fever") == 1 and text.count("How high was") == 1
    assert len(patient.site.turn.known()) == 1
    await patient.say("hello")
    await patient.hears("Is it all right")


async def test_a_forged_token_begins_a_new_conversation(
    browser: Browser, site: Site, patient: Patient
) -> None:
    await patient.open()
    await patient.say("my secret fever")
    await patient.hears("How high was your temperature")
    victim = site.turn.known()[0]
    thief = await visit(browser, site)
    forged = SignedTokens([b"another-key-of-32-bytes----------"]).issue(victim)
    await thief.is_true(f"localStorage.setItem('careline:{site.url[:-1]}:token', '{forged}')")
    await thief.page.reload()
    await thief.open()
    await thief.say("hello")
    await thief.hears("Is it all right")
    assert "secret" not in await thief.log.inner_text()
    real = SignedTokens([KEY]).verify(
        await thief.is_true(f"localStorage.getItem('careline:{site.url[:-1]}:token')")
    )
    assert real is not None and real != victim


async def test_the_language_switch_turns_the_whole_interface(patient: Patient) -> None:
    await patient.open()
    await patient.page.get_by_role("dialog").get_by_role("button", name="中文").click()
    await expect(patient.page.locator(".root")).to_have_attribute("lang", "zh-Hans")
    await expect(patient.page.get_by_role("dialog", name="河畔诊所（演示）")).to_be_visible()
    await expect(patient.quick.first).to_have_text("我不舒服")
    english = await patient.page.locator(".panel").evaluate(
        "node => [...node.querySelectorAll('*')].flatMap(e => [e.getAttribute('aria-label'), e.placeholder,"
        " e.children.length ? '' : e.textContent]).filter(t => t && /[A-Za-z]{3}/.test(t) && t !== 'English')"
    )
    assert english == []
    await patient.say("发烧三天了")
    await patient.hears("最近一次量体温")
    await patient.page.reload()
    await patient.hears("最近一次量体温")
    await expect(patient.page.get_by_role("dialog", name="河畔诊所（演示）")).to_be_visible()
    await patient.shot("chinese")


async def test_the_talk_to_a_person_button_is_always_there(patient: Patient) -> None:
    await patient.open()
    await patient.page.get_by_role("button", name="Talk to a person").click()
    await patient.hears("I want to talk to a person")
    assert patient.site.turn.processed[-1][2] == "I want to talk to a person"


async def test_with_the_server_gone_the_widget_shows_the_card_itself(patient: Patient) -> None:
    await patient.open()
    await patient.say("hello")
    await patient.hears("Is it all right")
    await patient.site.stop()
    await expect(patient.page.get_by_text("No connection to the clinic")).to_be_visible()
    await patient.say("I can’t breathe and my lips are blue")
    call = patient.banner.get_by_role("link", name="Call 999")
    await expect(call).to_be_in_viewport(timeout=1500)
    await patient.hears("we could not reach the clinic")
    await patient.shot("alone")
    await patient.site.start()
    async with asyncio.timeout(20):
        while len(patient.site.turn.processed) < 2:
            await asyncio.sleep(0.1)
    await expect(patient.log.get_by_text("Waiting to be sent").last).to_be_hidden()
    assert [t for _, _, t in patient.site.turn.processed] == ["hello", "I can’t breathe and my lips are blue"]
    await expect(call).to_be_in_viewport()


async def test_with_the_server_gone_other_messages_wait_and_survive_a_reload_of_the_server(
    patient: Patient,
) -> None:
    await patient.open()
    await patient.say("hello")
    await patient.hears("Is it all right")
    await patient.site.stop()
    await patient.say("I have had a fever for three days")
    await patient.hears("Your message is kept on this page", wait_ms=9000)
    await expect(patient.banner).to_be_empty()
    await patient.site.start()
    await patient.hears("How high was your temperature", wait_ms=20000)
    assert len(patient.site.turn.processed) == 2


async def test_a_server_that_hangs_is_answered_for_within_seconds(patient: Patient) -> None:
    patient.site.turn.script = lambda i, lang: [Pause(30), Reply("too late", lang)]
    await patient.open()
    await patient.say("I think my mum is having a stroke")
    await expect(patient.banner).to_be_empty()
    await expect(patient.banner.get_by_role("link", name="Call 999")).to_be_in_viewport(timeout=9500)
    await expect(patient.banner).to_contain_text("There is no answer yet")
    await expect(patient.banner).not_to_contain_text("could not reach")


async def test_a_silent_turn_of_a_living_server_raises_no_card(patient: Patient) -> None:
    """Staff hold the conversation: the rules have read "no stroke", and nobody need say anything for a while."""
    patient.site.turn.script = lambda i, lang: []
    await patient.open()
    await patient.say("they said it was no stroke")
    await asyncio.sleep(9)
    await expect(patient.banner).to_be_empty()


async def test_the_interface_follows_the_language_of_the_answers(patient: Patient) -> None:
    alarm = Reply("请马上拨打999。", "zh", ReplyKind.EMERGENCY, phones=(PhoneLink("拨打999", "999"),))
    patient.site.turn.script = lambda i, lang: [alarm]
    await patient.open()
    await patient.say("喘不过气")
    await expect(patient.banner).to_contain_text("情况可能很危急")
    await expect(patient.page.get_by_role("button", name="找真人")).to_be_visible()
    await patient.page.reload()
    await expect(patient.banner).to_contain_text("情况可能很危急")


async def test_the_words_decide_the_language_until_the_patient_chooses(patient: Patient) -> None:
    langs: list[str | None] = []
    patient.site.turn.script = lambda i, lang: (langs.append(i.lang), Reply("ok", "en"))[1:]
    await patient.open()
    await patient.say("你好")
    await patient.hears("ok")
    await patient.page.get_by_role("dialog").get_by_role("button", name="中文").click()
    await patient.say("hello")
    await expect(patient.log.locator(".theirs")).to_have_count(2)
    assert langs == [None, "zh"]


OWN_WORDS = [
    ("胸口很闷，喘不过气", "emergency"),
    ("爸爸叫不醒", "emergency"),
    ("I'm having chest pain", "emergency"),
    ("he wont wake up", "emergency"),
    ("ＣＨＥＳＴ　ＰＡＩＮ", "emergency"),
    ("cant breathe", "emergency"),
    ("I want to die", "crisis"),
    ("我不想活了", "crisis"),
]


async def test_the_widgets_own_words(browser: Browser, site: Site) -> None:
    patients = [await visit(browser, site) for _ in OWN_WORDS]
    for patient in patients:
        await patient.open()
    await site.stop()
    for patient, (text, kind) in zip(patients, OWN_WORDS, strict=True):
        await patient.say(text)
        await expect(patient.banner).to_have_class(f"banner is-{kind}", timeout=5000)
        await expect(patient.banner.get_by_role("link", name="Call 999")).to_be_visible()
        samaritans = patient.banner.get_by_role("link", name="Call Samaritans: 116123")
        await expect(samaritans).to_have_count(1 if kind == "crisis" else 0)


async def test_the_page_works_with_no_server_from_the_start(browser: Browser, site: Site) -> None:
    patient = await visit(browser, site)
    await site.stop()
    await patient.open()
    await patient.say("crushing pain in my chest")
    await expect(patient.banner.get_by_role("link", name="Call 999")).to_be_visible(timeout=5000)


HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg/onload=window.pwned=1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<a href='javascript:window.pwned=1'>x</a>",
    '"><script>window.pwned=1</script>',
    "'-alert(1)-'<b>",
    "</textarea><script>window.pwned=1</script>",
    "<math><mtext></p><img src onerror=window.pwned=1>",
    "{{constructor.constructor('window.pwned=1')()}}<",
    "<style>*{display:none}</style>",
    "<template><img src=x onerror=window.pwned=1></template>",
]


async def test_hostile_text_is_text(patient: Patient) -> None:
    await patient.open()
    for text in HOSTILE:
        await patient.say(text)
        await expect(patient.quick.first).to_have_text(text)
        patient.site.turn.set_state(patient.site.turn.known()[0], "staff", text)
    await patient.page.reload()
    await expect(patient.quick.first).to_have_text(HOSTILE[-1])
    for link in await patient.page.locator(".panel a").all():
        href = await link.get_attribute("href") or ""
        assert href == "tel:9991", href
    made = "img, script, iframe, svg:not([aria-hidden]), math, style, template, b"
    assert await patient.page.locator(f".log :is({made})").count() == 0
    assert await patient.is_true("window.pwned") is None
    await patient.shot("hostile")


async def test_crisis_and_discreet(patient: Patient) -> None:
    await patient.open()
    await patient.say("I feel so alone")
    await expect(patient.banner.get_by_role("link", name="Samaritans: 116 123")).to_have_attribute(
        "href", "tel:116123"
    )
    await patient.shot("crisis")
    await patient.say("is it safe at home")
    await patient.page.get_by_role("button", name="Leave this page now").click()
    await patient.page.wait_for_url("**/gone")
    assert await patient.is_true("localStorage.length + sessionStorage.length") == 0
    await patient.page.go_back()
    assert "alone" not in await patient.page.content()


async def test_a_person_joins_and_hands_back(patient: Patient) -> None:
    await patient.open()
    await patient.say("hello")
    await patient.hears("Is it all right")
    conversation = patient.site.turn.known()[0]
    patient.site.turn.set_state(conversation, "staff", "Nurse Lee")
    await expect(patient.page.get_by_text("Nurse Lee from the clinic has joined.")).to_be_visible()
    patient.site.turn.staff_says(conversation, "I have read what you wrote.")
    await patient.hears("I have read what you wrote.")
    await expect(patient.log.locator(".kind-staff .who")).to_contain_text("Nurse Lee")
    patient.site.turn.staff_says(conversation, "Written by the role alone", name="staff")
    await expect(patient.log.locator(".kind-staff .who").last).to_contain_text("Nurse Lee")
    await patient.shot("staff")
    await patient.page.keyboard.press("Escape")
    patient.site.turn.staff_says(conversation, "Are you still there?")
    await expect(patient.page.get_by_role("button", name="Open the chat, new messages: 1")).to_be_visible()
    patient.site.turn.set_state(conversation, "bot")
    await patient.page.locator("[data-careline-open]").click()
    await expect(patient.log.get_by_text("The automated assistant answers again.")).to_be_visible()


async def test_clearing_forgets_the_conversation_on_this_device(patient: Patient) -> None:
    await patient.open()
    await patient.say("my fever")
    await patient.hears("How high was your temperature")
    await patient.page.get_by_role("button", name="Clear from this device").click()
    await expect(patient.log).not_to_contain_text("fever")
    await patient.page.reload()
    await asyncio.sleep(0.4)
    await expect(patient.log).not_to_contain_text("fever")


CONTRAST = """root => {
  const channel = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = node => {
    for (let at = node; at; at = at.parentElement || at.getRootNode().host) {
      const c = parse(getComputedStyle(at).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const seen = [...root.querySelectorAll('*')].filter(e => e.getClientRects().length &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && !e.classList.contains('hidden-label'));
  return seen.map(e => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return [e.className || e.tagName, e.textContent.slice(0, 30), (a + .05) / (b + .05)];
  }).filter(row => row[2] < 4.5);
}"""
SMALL = """root => [...root.querySelectorAll('button, a, textarea')].filter(e => e.getClientRects().length)
  .map(e => [e.className || e.tagName, e.textContent.slice(0, 30), e.getBoundingClientRect()])
  .filter(([name, , box]) => (box.height < 44 || box.width < 44) && !e_inline(name))
  .map(([name, text, box]) => [name, text, box.width, box.height])""".replace(
    "!e_inline(name)", "name !== 'A'"
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 1280])
async def test_contrast_targets_and_reflow(browser: Browser, site: Site, scheme: Any, width: int) -> None:
    patient = await visit(browser, site, viewport={"width": width, "height": 700}, color_scheme=scheme)
    await patient.open()
    panel = patient.page.locator(".panel")
    for text in (
        "urgent",
        "I feel so alone",
        "my fever",
        "/temperature_1",
        "hay fever",
        "is it safe at home",
        "hello",
    ):
        await patient.say(text)
        await asyncio.sleep(0.35)
        assert await panel.evaluate(CONTRAST) == []
        assert await panel.evaluate(SMALL) == []
    await asyncio.sleep(1.5)
    turn = patient.site.turn
    turn.set_state(turn.known()[0], "waiting")
    turn.staff_says(turn.known()[0], "Hello")
    await patient.hears("Hello")
    await patient.say("my chest hurts")
    await expect(patient.banner.get_by_role("link", name="Call 999")).to_be_in_viewport()
    assert await panel.evaluate(CONTRAST) == []
    assert await panel.evaluate("p => p.scrollWidth <= p.clientWidth")
    assert await panel.evaluate(
        "p => [...p.querySelectorAll('.scroll')].every(s => s.scrollWidth <= s.clientWidth)"
    )
    assert await patient.is_true("document.documentElement.scrollWidth <= innerWidth")
    await expect(patient.input).to_be_in_viewport()
    await patient.shot(f"{width}-{scheme}")


async def test_motion_is_still_for_those_who_ask(browser: Browser, site: Site) -> None:
    patient = await visit(browser, site, reduced_motion="reduce")
    patient.site.turn.script = lambda i, lang: [Pause(1.5), Reply("done", lang)]
    await patient.open()
    await patient.say("hello")
    await expect(patient.page.get_by_text("The assistant is writing")).to_be_attached()
    names = await patient.page.locator(".dots i").evaluate_all(
        "all => all.map(e => getComputedStyle(e).animationName)"
    )
    assert names == ["none", "none", "none"]
