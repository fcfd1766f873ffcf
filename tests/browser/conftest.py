"""The program running for real, headless Chromium, and a patient and a nurse who use them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.running import ARTIFACTS, Running, trained_model, write_clinic

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 20_000
LOCALE = {"en": "en-GB", "zh": "zh-CN"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a developer's machine without Chromium these are skipped; CI has it, and there they must run."""
    if Path(CHROMIUM).exists() or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=f"no browser at {CHROMIUM}"))


@pytest.fixture(scope="session")
def model() -> Path:
    """The dialogue model, trained when its data has changed."""
    return trained_model()


@pytest.fixture(scope="session")
def day(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An assistant of a clinic where somebody is on duty at every hour."""
    folder = tmp_path_factory.mktemp("day")
    running = Running(folder / "data", write_clinic(folder / "clinic.yml", on_duty=True)).start()
    running.staff()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def night(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An assistant of a clinic where nobody is on duty now."""
    folder = tmp_path_factory.mktemp("night")
    running = Running(folder / "data", write_clinic(folder / "clinic.yml", on_duty=False)).start()
    running.staff()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def play() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(play: Playwright) -> Iterator[Browser]:
    browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@dataclass
class Patient:
    """A patient at the clinic's page."""

    page: Page
    lang: str

    def open(self, base: str) -> Patient:
        self.page.goto(f"{base}/?lang={self.lang}")
        self.page.locator(".launcher").click()
        expect(self.page.locator(".panel")).to_be_visible(timeout=PATIENCE_MS)
        return self

    def say(self, text: str) -> None:
        """Write, send, and wait until the turn is over."""
        before = self.page.locator(".line.theirs").count()
        self.page.locator("#text").fill(text)
        self.page.keyboard.press("Enter")
        self.answered(before)

    def press(self, title: str | re.Pattern[str]) -> None:
        """Press the quick reply with this title."""
        before = self.page.locator(".line.theirs").count()
        self.page.locator(".quick button").filter(has_text=title).first.click()
        self.answered(before)

    def answered(self, before: int) -> None:
        expect(self.page.locator(".line.theirs").nth(before)).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator(".typing .dots")).to_have_count(0, timeout=PATIENCE_MS)

    @property
    def replies(self) -> list[str]:
        return self.page.locator(".line.theirs .bubble").all_inner_texts()

    @property
    def choices(self) -> list[str]:
        return self.page.locator(".quick button").all_inner_texts()

    def hears(self, text: str | re.Pattern[str], within_ms: int = PATIENCE_MS) -> None:
        """A reply holds this text."""
        expect(self.page.locator(".line.theirs .bubble").filter(has_text=text).first).to_be_visible(
            timeout=within_ms
        )

    def shot(self, name: str) -> None:
        shoot(self.page, f"{name}-{self.lang}")


@dataclass
class Nurse:
    """A nurse at the console."""

    page: Page

    def log_in(self, base: str, login: str = "mara", password: str = "a-long-test-password") -> Nurse:
        self.page.goto(f"{base}/console")
        self.page.locator("input[name=login]").fill(login)
        self.page.locator("input[name=password]").fill(password)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#desk")).to_be_visible(timeout=PATIENCE_MS)
        return self

    def act(self, name: str) -> None:
        self.page.locator(f"button[data-act={name}]").click()


def shoot(page: Page, name: str) -> None:
    """Keep a screenshot where CI collects them."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png")


@pytest.fixture(scope="session", autouse=True)
def _fresh_artifacts() -> None:
    shutil.rmtree(ARTIFACTS, ignore_errors=True)


@pytest.fixture
def patient(chromium: Browser) -> Iterator[Callable[[str, Running], Patient]]:
    """``patient("en", running)``: a new visitor with the widget open."""
    contexts: list[BrowserContext] = []

    def arrive(lang: str, running: Running) -> Patient:
        context = chromium.new_context(locale=LOCALE[lang], viewport={"width": 1280, "height": 800})
        contexts.append(context)
        return Patient(context.new_page(), lang).open(running.base)

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture
def nurse(chromium: Browser) -> Iterator[Callable[[Running], Nurse]]:
    """``nurse(running)``: a member of staff who has logged in."""
    contexts: list[BrowserContext] = []

    def arrive(running: Running) -> Nurse:
        context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
        contexts.append(context)
        return Nurse(context.new_page()).log_in(running.base)

    yield arrive
    for context in contexts:
        context.close()
