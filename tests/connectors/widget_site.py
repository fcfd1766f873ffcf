"""The demo page with the widget over a scripted turn, on a port of localhost: for browser tests and for
looking at it.

``python -m tests.connectors.widget_site`` serves it until interrupted.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

from aiohttp import web

from bot.clinic import load_clinic
from bot.messages import Attachment, Button, Citation, Incoming, PhoneLink, Reply, ReplyKind, new_id
from connectors.tokens import SignedTokens
from connectors.web import WebConnector
from tests.connectors.fakes import MemoryTurn, Partial, Pause, Step

KEY = b"browser-test-key-of-32-bytes-----"
WORDS = {
    "en": {
        "consent": "Hello, I am Careline, an automated assistant of Riverside Clinic. I am not a clinician. "
        "You can ask for a person at any time.\n\nIs it all right to keep what you write so that our staff can help?",
        "yes": "Yes, that is fine",
        "no": "No",
        "fever": "I am sorry that you feel unwell. How high was your temperature when you last measured it?",
        "answers": ["Below 38 °C", "38 to 39 °C", "Above 39 °C", "I have not measured"],
        "outcome": "You can look after this at home for now.\n\nWhy: a sore throat and a fever for three days, and "
        "none of the danger signs that I asked about.\n\n- Drink often, a little at a time.\n- Rest.\n"
        "- Call us if it is not better in 2 days, or if swallowing gets harder.",
        "screen": "First, some warning signs. Is any of these there now?",
        "signs": ["Very short of breath", "Drooling", "A stiff neck", "A rash that does not fade"],
        "none": "None of these",
        "booked": "Booked: Dr Asha Patel, Tuesday 24 November, 10:30am, 15 minutes.",
        "file": "Add to my calendar",
        "hay": "Washing your face and hair after being outside takes pollen away [1]. Sunglasses that close at the "
        "sides keep it out of your eyes [2].\n\nI am quoting our sources. Ask a pharmacist which medicine suits you.",
        "crisis": "I am glad that you told me. You do not have to be alone with this. Please talk to someone now.",
        "discreet": "You can answer with one word. The button above closes this page at once.",
        "urgent": "A clinician should look at this today. Call us on the number below.",
    },
    "zh": {
        "consent": "您好，我是河畔诊所的自动助手Careline，不是医生。您随时可以要求找真人。\n\n"
        "您写的内容会保存下来，方便工作人员帮助您，可以吗？",
        "yes": "可以",
        "no": "不可以",
        "fever": "听起来您不太舒服。最近一次量体温是多少度？",
        "answers": ["38度以下", "38到39度", "39度以上", "没有量"],
        "outcome": "目前可以先在家休养。\n\n原因：咽痛、发烧三天，没有我问到的危险信号。\n\n"
        "- 少量多次喝水。\n- 多休息。\n- 两天后没有好转，或者吞咽越来越困难，请联系我们。",
        "screen": "先看几个危险信号，现在有没有下面这些情况？",
        "signs": ["喘不上气", "一直流口水", "脖子发硬", "皮疹用玻璃杯压也不褪色"],
        "none": "都没有",
        "booked": "已预约：帕特尔医生，11月24日（星期二）上午10:30，15分钟。",
        "file": "加入日历",
        "hay": "外出回来洗脸、洗头可以去掉花粉[1]。戴包边的太阳镜可以挡住花粉进眼睛[2]。\n\n"
        "以上引自资料原文。用哪种药，请问药师。",
        "crisis": "谢谢您告诉我。您不用一个人扛着。请现在就找人说说话。",
        "discreet": "您可以只回一个字。上面的按钮会马上关掉这一页。",
        "urgent": "今天就要让医生看一下。请打下面的电话。",
    },
}
SOURCES = (
    Citation("hay-1", "Hay fever", "https://www.nhs.uk/conditions/hay-fever/", "Wash when you come in."),
    Citation("hay-2", "Pollen", "javascript:window.pwned=1", "Wear wraparound glasses."),
)


def conversation(incoming: Incoming, lang: str) -> Iterable[Step]:
    """What the scripted assistant says; picked by words of either language."""
    text, words = incoming.text, WORDS[lang]
    if "<" in text:
        yield _hostile(text, lang)
    elif "hay" in text or "花粉" in text:
        yield from _streamed(words["hay"], lang)
    elif "throat" in text or "嗓子" in text:
        signs = [str(sign) for sign in words["signs"]]
        listed = "\n".join(f"{n}. {sign}" for n, sign in enumerate(signs, start=1))
        buttons = tuple(Button(title, title) for title in (*signs, str(words["none"])))
        yield Reply(f"{words['screen']}\n{listed}", lang, ReplyKind.QUESTION, buttons=buttons)
    elif "long story" in text:
        yield Reply("\n\n".join(f"Paragraph {n}. " + "Drink often. " * 12 for n in range(12)), lang)
    elif "temperature" in text or "/temp" in text:
        yield Reply(words["outcome"], lang, ReplyKind.OUTCOME)
        yield Reply(
            words["booked"],
            lang,
            ReplyKind.BOOKING,
            attachment=Attachment(words["file"], "/appointments/a1.ics", "text/calendar"),
        )
    elif "fever" in text or "发烧" in text:
        yield Pause(0.3)
        buttons = tuple(Button(title, f"/temperature_{n}") for n, title in enumerate(words["answers"]))
        yield Reply(words["fever"], lang, ReplyKind.QUESTION, buttons=buttons)
    elif "alone" in text or "孤单" in text:
        phones = (PhoneLink("Samaritans: 116 123", "116123"), PhoneLink("999", "999"))
        yield Reply(words["crisis"], lang, ReplyKind.CRISIS, phones=phones)
    elif "home" in text or "家里" in text:
        yield Reply(words["discreet"], lang, ReplyKind.DISCREET)
    elif "urgent" in text:
        yield Reply(words["urgent"], lang, ReplyKind.URGENT, phones=(PhoneLink("Clinic", "+442079460000"),))
    else:
        buttons = (Button(words["yes"], "/affirm"), Button(words["no"], "/deny"))
        yield Reply(words["consent"], lang, ReplyKind.QUESTION, buttons=buttons)


def _streamed(text: str, lang: str) -> Iterable[Step]:
    reply_id = new_id("r")
    for end in range(12, len(text), 12):
        yield Partial(reply_id, text[:end], 0.06)
    yield Reply(text, lang, ReplyKind.ANSWER, citations=SOURCES, id=reply_id)


def _hostile(text: str, lang: str) -> Reply:
    """Everything that a hostile text could reach: text, buttons, sources, numbers, author, file."""
    return dataclasses.replace(
        Reply(text, lang, ReplyKind.STAFF, author=text),
        buttons=(Button(text, text),),
        citations=(
            Citation("x", text, "javascript:window.pwned=1", text),
            Citation("y", text, "data:text/html,x", ""),
        ),
        phones=(PhoneLink(text, "999;javascript:alert(1)"),),
        attachment=Attachment(text, "//evil.example/x", "text/html"),
    )


class Site:
    """The page on a port; :meth:`stop` and :meth:`start` again on the same port play an outage."""

    def __init__(self) -> None:
        self.turn = MemoryTurn(conversation)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._connector: WebConnector | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        connector = WebConnector(
            self.turn, self.turn.live, SignedTokens([KEY]), load_clinic(), exit_url="/gone"
        )
        app = web.Application()
        app.add_routes(connector.routes())
        app.router.add_get("/gone", _gone)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self._connector = connector
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._connector is not None and self._runner is not None:
            await self._connector.close()
            await self._runner.cleanup()
        self._connector = self._runner = None


async def _gone(_: web.Request) -> web.Response:
    return web.Response(text="a neutral page")


async def _serve() -> None:
    site = Site()
    site.port = 8099
    await site.start()
    print(site.url)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
