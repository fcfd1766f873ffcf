"""``careline chat``: the whole assistant in a terminal, with everything embedded, for trying things out.

It speaks to the same turn as every other channel; what it shows is what a patient is told.
"""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console
from rich.panel import Panel

from bot.commands import build_or_complain, start_or_complain
from bot.messages import Incoming, Reply, ReplyKind, new_id
from bot.settings import Settings

CHANNEL = "terminal"
STYLES = {
    ReplyKind.EMERGENCY: "bold white on red",
    ReplyKind.CRISIS: "bold white on dark_magenta",
    ReplyKind.URGENT: "bold dark_orange",
    ReplyKind.STAFF: "cyan",
    ReplyKind.NOTICE: "yellow",
}
HINT = {
    "en": "Write, or a number for a choice. Ctrl-D ends.",
    "zh": "请输入文字，或输入数字选择。按 Ctrl-D 结束。",
}


class TerminalSink:
    """Shows replies; remembers the last choices, so that "2" can stand for the second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.choices: tuple[str, ...] = ()

    async def reply(self, reply: Reply) -> None:
        """Print one reply with its choices, phones and sources."""
        style = STYLES.get(reply.kind, "")
        if reply.kind in (ReplyKind.EMERGENCY, ReplyKind.CRISIS):
            self._console.print(Panel(reply.text, style=style))
        else:
            self._console.print(reply.text, style=style, markup=False)
        for phone in reply.phones:
            self._console.print(f"  ☎ {phone.label}", style="bold", markup=False)
        for number, citation in enumerate(reply.citations, 1):
            self._console.print(f"  [{number}] {citation.title} — {citation.url}", style="dim", markup=False)
        if reply.attachment:
            self._console.print(f"  📎 {reply.attachment.title}: {reply.attachment.path}", markup=False)
        for number, button in enumerate(reply.buttons, 1):
            self._console.print(f"  {number}. {button.title}", style="green", markup=False)
        self.choices = tuple(button.payload for button in reply.buttons)
        self._console.print()

    async def partial(self, reply_id: str, text: str, lang: str) -> None:
        """A terminal shows the finished answer only."""


async def run_chat(settings: Settings, lang: str | None) -> None:
    """Talk until the end of input. Raises CommandError where the assistant cannot start."""
    console = Console()
    careline = build_or_complain(settings)
    try:
        with console.status("Starting …"):
            await start_or_complain(careline, quietly=True)
        chosen = lang or careline.clinic.languages[0]
        conversation = await careline.door.open(CHANNEL, new_id("a"), chosen)
        console.print(HINT.get(chosen, HINT["en"]), style="dim")
        sink = TerminalSink(console)
        while (text := await asyncio.to_thread(_ask)) is not None:
            await careline.door.run(_incoming(text, sink, conversation.id, chosen), sink)
    finally:
        await careline.close()


def _incoming(text: str, sink: TerminalSink, conversation: str, lang: str) -> Incoming:
    if text.isdigit() and 1 <= int(text) <= len(sink.choices):
        text = sink.choices[int(text) - 1]
    return Incoming(CHANNEL, conversation, text, new_id("t"), lang)


def _ask() -> str | None:
    while True:
        sys.stdout.write("> ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return None
        if line.strip():
            return line.strip()
