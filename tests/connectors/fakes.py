"""A turn, live events and button tokens in memory, that behave like the real ones where connectors can
notice: accepted messages are kept, repeats replay what was said, one conversation's turns run in order, an
emergency waits for nobody. What the assistant says is a script: a function from the patient's text to what
is said.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bot.messages import Button, Incoming, PhoneLink, Reply, ReplyKind, ReplySink, new_id, now_utc
from connectors.base import AcceptResult, ConversationRef, Shown, StoreUnavailable
from connectors.wire import reply_to_json

ALARMS = ("chest", "胸")
EMERGENCY = {
    "en": ("This may be an emergency. Call 999 now.", "Call 999"),
    "zh": ("情况可能很危急，请马上拨打999。", "拨打999"),
}


@dataclass(frozen=True, slots=True)
class Partial:
    """Streamed text so far of the reply ``reply_id``; ``after_s`` is waited before it is said."""

    reply_id: str
    text: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """The turn thinks."""

    seconds: float


Step = Reply | Partial | Pause
Script = Callable[[Incoming, str], Iterable[Step]]


def echo(incoming: Incoming, lang: str) -> Iterable[Step]:
    """Says what it heard, with two quick replies where it hears "choose"."""
    buttons = (Button("Yes", "/affirm"), Button("No", "/deny")) if "choose" in incoming.text else ()
    yield Reply(f"You said: {incoming.text}", lang, buttons=buttons)


@dataclass
class _Conversation:
    ref: ConversationRef
    lines: list[Shown] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryLive:
    """Live events in memory; every subscriber of a conversation hears every event from then on."""

    def __init__(self) -> None:
        self._queues: dict[str, list[asyncio.Queue[dict[str, Any]]]] = {}

    async def subscribe(self, conversation: str) -> AsyncIterator[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._queues.setdefault(conversation, []).append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues[conversation].remove(queue)

    def publish(self, conversation: str, event: dict[str, Any]) -> None:
        for queue in self._queues.get(conversation, ()):
            queue.put_nowait(event)

    def listeners(self, conversation: str) -> int:
        return len(self._queues.get(conversation, ()))


class MemoryTurn:
    """A TurnPort in memory. ``store_up = False`` is a database that is away."""

    def __init__(self, script: Script = echo, live: MemoryLive | None = None) -> None:
        self.script = script
        self.live = live or MemoryLive()
        self.store_up = True
        self.fault: Exception | None = None
        self.escalations: list[str] = []
        self.processed: list[tuple[str, str, str]] = []
        self._by_address: dict[tuple[str, str], str] = {}
        self._conversations: dict[str, _Conversation] = {}
        self._accepted: dict[tuple[str, str], int] = {}
        self._answers: dict[tuple[str, str], list[Reply]] = {}

    def conversation(self, conversation: str) -> _Conversation:
        return self._conversations[conversation]

    def known(self) -> list[str]:
        return list(self._conversations)

    async def open(self, channel: str, address: str, lang: str | None) -> ConversationRef:
        self._need_store()
        key = (channel, address)
        if key not in self._by_address:
            ref = ConversationRef(new_id("c"), lang or "en")
            self._by_address[key] = ref.id
            self._conversations[ref.id] = _Conversation(ref)
        return self._conversations[self._by_address[key]].ref

    async def look(self, conversation: str) -> ConversationRef | None:
        self._need_store()
        held = self._conversations.get(conversation)
        return held.ref if held else None

    async def accept(self, incoming: Incoming) -> AcceptResult:
        self._need_store()
        key = (incoming.channel, incoming.message_id)
        repeat = key in self._accepted
        if not repeat:
            line = self._line(
                incoming.conversation, "in", "patient", incoming.text, None, incoming.message_id
            )
            self._accepted[key] = line.seq
        return AcceptResult(repeat, incoming.message_id, self._accepted[key])

    async def run(self, incoming: Incoming, sink: ReplySink) -> None:
        if await self.emergency_only(incoming, sink):
            return
        if not self.store_up:
            await sink.reply(Reply("I could not record this. Call the clinic.", self._lang(incoming)))
            return
        key = (incoming.channel, incoming.message_id)
        repeat = (await self.accept(incoming)).repeat and key in self._answers
        async with self.conversation(incoming.conversation).lock:
            if repeat:
                for reply in self._answers[key]:
                    await sink.reply(reply)
                return
            if self.fault is not None:
                raise self.fault
            self._answers[key] = []
            self.processed.append((incoming.conversation, incoming.message_id, incoming.text))
            await self._play(incoming, sink)

    async def _play(self, incoming: Incoming, sink: ReplySink) -> None:
        lang = self._lang(incoming)
        for step in self.script(incoming, lang):
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Partial):
                await asyncio.sleep(step.after_s)
                await sink.partial(step.reply_id, step.text, lang)
            else:
                await self._tell(incoming, step, sink)

    async def emergency_only(self, incoming: Incoming, sink: ReplySink) -> bool:
        if not any(word in incoming.text.lower() for word in ALARMS):
            return False
        key = (incoming.channel, incoming.message_id)
        if key not in self._answers:
            self.escalations.append(incoming.conversation)
            self.processed.append((incoming.conversation, incoming.message_id, incoming.text))
            self._answers[key] = []
            lang = self._lang(incoming)
            text, label = EMERGENCY[lang]
            if self.store_up:
                await self.accept(incoming)
            reply = Reply(text, lang, ReplyKind.EMERGENCY, phones=(PhoneLink(label, "999"),))
            await self._tell(incoming, reply, sink)
        else:
            for reply in self._answers[key]:
                await sink.reply(reply)
        return True

    async def history(self, conversation: str, after_seq: int) -> list[Shown]:
        self._need_store()
        return [line for line in self.conversation(conversation).lines if line.seq > after_seq]

    async def set_language(self, conversation: str, lang: str) -> None:
        held = self.conversation(conversation)
        held.ref = ConversationRef(held.ref.id, lang, held.ref.state)

    def staff_says(self, conversation: str, text: str, name: str = "Nurse Lee") -> Reply:
        """A member of staff writes: recorded, then published as a live event."""
        reply = Reply(text, self.conversation(conversation).ref.lang, ReplyKind.STAFF, author=name)
        line = self._line(conversation, "out", name, text, reply, None)
        self.live.publish(conversation, {"type": "reply", "seq": line.seq, "reply": reply_to_json(reply)})
        return reply

    def set_state(self, conversation: str, state: str, name: str | None = None) -> None:
        held = self.conversation(conversation)
        held.ref = ConversationRef(held.ref.id, held.ref.lang, state)
        self.live.publish(conversation, {"type": "state", "state": state, "name": name})

    async def _tell(self, incoming: Incoming, reply: Reply, sink: ReplySink) -> None:
        self._answers[(incoming.channel, incoming.message_id)].append(reply)
        seq = None
        if incoming.conversation in self._conversations:
            seq = self._line(incoming.conversation, "out", reply.author, reply.text, reply, None).seq
        await sink.reply(reply)
        event = {"type": "reply", "seq": seq, "reply": reply_to_json(reply)}
        self.live.publish(incoming.conversation, event)

    def _line(
        self,
        conversation: str,
        direction: str,
        author: str,
        text: str,
        reply: Reply | None,
        given: str | None,
    ) -> Shown:
        lines = self.conversation(conversation).lines
        line = Shown(len(lines) + 1, author, reply, text, now_utc(), direction, given)
        lines.append(line)
        return line

    def _lang(self, incoming: Incoming) -> str:
        held = self._conversations.get(incoming.conversation)
        return incoming.lang or (held.ref.lang if held else "en")

    def _need_store(self) -> None:
        if not self.store_up:
            raise StoreUnavailable


class MemoryButtons:
    """ButtonTokens in memory."""

    def __init__(self) -> None:
        self._payloads: dict[tuple[str, str], str] = {}

    async def issue(self, conversation: str, payload: str) -> str:
        token = hashlib.sha256(f"{conversation}\n{payload}".encode()).hexdigest()[:32]
        self._payloads[(conversation, token)] = payload
        return token

    async def redeem(self, conversation: str, token: str) -> str | None:
        return self._payloads.get((conversation, token))
