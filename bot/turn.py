"""One turn: what happens to a patient's message, top to bottom, in the order that the laws demand.

    verify → repeat check → triage → second look → durable escalation → staff control → dialogue → outbox

The connector has verified the caller. This module knows no SQL, no Redis and no Rasa: it is handed ports, each
with a time limit, and it goes on without any of them. What it never goes on without is triage, which is pure.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.dialogue.types import Dialogue, DialogueTurn, DialogueUnavailable
from bot.limits import within
from bot.messages import Incoming, Reply, ReplyKind, ReplySink, now_utc
from bot.recorder import Recorder
from bot.second_look import SecondLook, asks, released
from bot.stateless import StatelessReplies
from bot.triage.level import Level
from bot.triage_reader import Reading, TriageReader
from bot.triage_reply import Recorded, TriageReplies
from bot.turn_escalation import STORE_LIMIT_S, Escalator
from bot.turn_ports import (
    Accepted,
    Conversation,
    Doubt,
    Live,
    Locks,
    Memories,
    Memory,
    MemoryAway,
    Spool,
    Store,
    StoreAway,
)

log = logging.getLogger("careline.turn")

EMERGENCY_ACCEPT_S = 0.1
"""Longest wait for a store before an emergency text goes out without it; with
:data:`bot.turn_escalation.EMERGENCY_RECORD_S` it must leave room in the 300 ms of law 3."""
MEMORY_LIMIT_S = 0.25
"""Longest wait for Redis; without the case the message alone is assessed, and the record says so."""
DIALOGUE_LIMIT_S = 30.0
"""Longest turn of the dialogue, a streamed answer included."""
STAFF = "staff"
"""The state of a conversation that a member of staff holds."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What a turn did, for callers that want to know: the level, what was said, whether it was a repeat."""

    level: Level
    replies: tuple[Reply, ...]
    repeat: bool = False
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message on its way: as it was read, and as the dialogue gets it (``talked``: a held message, or itself)."""

    incoming: Incoming
    reading: Reading
    accepted: Accepted | None
    talked: Reading
    doubt: Doubt


class Turn:
    """The turn of one clinic. Built once by the composition root; :meth:`run` is called per message."""

    def __init__(
        self,
        *,
        reader: TriageReader,
        store: Store,
        spool: Spool,
        memories: Memories,
        locks: Locks,
        dialogue: Dialogue,
        stateless: StatelessReplies,
        replies: TriageReplies,
        live: Live,
        second: SecondLook | None = None,
        push_channels: Iterable[str] = (),
        clock: Callable[[], dt.datetime] = now_utc,
    ) -> None:
        self._reader, self._store = reader, store
        self._memories, self._locks, self._dialogue = memories, locks, dialogue
        self._stateless, self._live = stateless, live
        self._clock, self._second = clock, second
        self._push = frozenset(push_channels)
        self._escalator = Escalator(store, spool, replies, live, clock)
        self._order: dict[str, asyncio.Lock] = {}

    async def run(self, incoming: Incoming, sink: ReplySink) -> TurnResult:
        """Take one message through the whole turn, saying replies to ``sink`` as they come.

        A repeat of a message that was answered says the stored replies again, under the same ids. Triage and
        the emergency answer do not wait for the turn before; everything after them does.
        """
        alone = self._reader.read(
            incoming, Memory(), at=self._clock()
        )  # law 1: pure, before anything can fail
        hurry = alone.assessment.level is Level.EMERGENCY
        said = Recorder(incoming, sink, hold=incoming.channel in self._push)
        async with self._in_order(incoming.conversation):
            accepted, memory = await asyncio.gather(
                self._accept(incoming, EMERGENCY_ACCEPT_S if hurry else STORE_LIMIT_S),
                self._remember(incoming, EMERGENCY_ACCEPT_S if hurry else MEMORY_LIMIT_S),
            )
            if accepted is not None and accepted.repeat and accepted.processed:
                return await self._say_again(accepted, alone, sink)
            before = memory or Memory()
            reading, doubt = await self._look_again(
                incoming, self._read(incoming, memory), before.doubt, accepted, remembers=memory is not None
            )
            recorded = await self._escalator.escalate(
                incoming, reading, accepted, said, lambda: self._staff_speak(incoming, accepted)
            )
            if memory is not None:
                kept = replace(memory, case=reading.case, lang=reading.lang, handled=reading.handled)
                await self._keep(incoming, self._asking(kept, doubt))
        async with self._locks.hold(incoming.conversation):
            if accepted is not None and accepted.repeat:  # another run may have finished it while we waited
                again = await self._accept(incoming, STORE_LIMIT_S)
                if again is not None and again.processed:
                    return await self._say_again(again, alone, sink)
            taken = _Taken(incoming, reading, accepted, self._taken_up(incoming, reading, before), doubt)
            return await self._rest(taken, said, recorded)

    async def accept(self, incoming: Incoming) -> Accepted:
        """Write a message down before its turn, for a connector that acknowledges first.

        Raises :class:`StoreAway`, for an emergency sooner than otherwise: its answer must not wait for SQL.
        """
        alone = self._reader.read(incoming, Memory(), at=self._clock())
        hurry = alone.assessment.level is Level.EMERGENCY
        limit = EMERGENCY_ACCEPT_S if hurry else STORE_LIMIT_S
        return await within(limit, self._store.accept(incoming), StoreAway)

    async def emergency_only(self, incoming: Incoming, sink: ReplySink) -> bool:
        """For callers that must refuse a message (rate limit): answer it all the same if it is an emergency."""
        if self._reader.read(incoming, Memory(), at=self._clock()).assessment.level is not Level.EMERGENCY:
            return False
        await self.run(incoming, sink)
        return True

    async def resume(
        self, sink_for: Callable[[Incoming], ReplySink], before: dt.datetime | None = None
    ) -> int:
        """Finish the turns that a crash cut off: every message accepted (``before`` this process began) and
        not answered. Returns how many."""
        unfinished = await self._store.pending(before)
        for incoming in unfinished:
            await self.run(incoming, sink_for(incoming))
        return len(unfinished)

    @contextlib.asynccontextmanager
    async def _in_order(self, conversation: str) -> AsyncIterator[None]:
        """Triage of one conversation, message by message; short, and never behind a dialogue."""
        lock = self._order.setdefault(conversation, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._order.get(conversation) is lock:
                del self._order[conversation]

    # -- the steps, in order ------------------------------------------------------------------------------

    async def _accept(self, incoming: Incoming, limit: float) -> Accepted | None:
        try:
            return await within(limit, self._store.accept(incoming), StoreAway)
        except StoreAway:
            log.warning("store away at accept channel=%s", incoming.channel)
            return None

    async def _say_again(self, accepted: Accepted, alone: Reading, sink: ReplySink) -> TurnResult:
        stored = tuple(await self._store.replies(accepted.message))
        for reply in stored:
            await sink.reply(reply)
        return TurnResult(alone.assessment.level, stored, repeat=True)

    async def _remember(self, incoming: Incoming, limit: float) -> Memory | None:
        try:
            return await within(limit, self._memories.load(incoming.conversation), MemoryAway)
        except MemoryAway:
            log.warning("memory away; the message alone is assessed")
            return None

    def _read(self, incoming: Incoming, memory: Memory | None) -> Reading:
        """Triage over the whole case; over this message alone when Redis is away, and marked so."""
        if memory is None:
            return self._reader.read(incoming, Memory(), at=self._clock(), degraded=("redis",))
        return self._reader.read(incoming, memory, at=self._clock())

    async def _look_again(
        self,
        incoming: Incoming,
        reading: Reading,
        doubt: Doubt,
        accepted: Accepted | None,
        *,
        remembers: bool,
    ) -> tuple[Reading, Doubt]:
        """The second reader, which only raises. It asks where the assistant may speak and can remember that it did."""
        if self._second is None:
            return reading, doubt
        reading = await self._second.look(reading, doubt)
        may_ask = remembers and asks(reading) and not await self._staff_speak(incoming, accepted)
        return reading, self._second.follow(incoming, reading, doubt, may_ask=may_ask)

    def _asking(self, memory: Memory, doubt: Doubt) -> Memory:
        """The memory, ready for the answer before the question is said."""
        if self._second is None or not doubt.open:
            return replace(memory, doubt=doubt)
        return replace(memory, doubt=doubt, screened=self._second.screened(doubt), question="")

    def _taken_up(self, incoming: Incoming, reading: Reading, before: Memory) -> Reading:
        """What the dialogue gets: after "no" to a question of the second reader the message that it was about."""
        held = released(reading, before.doubt)
        if not held:
            return reading
        again = self._read(replace(incoming, text=held), replace(before, screened=(), question=""))
        return replace(again, case=reading.case, degraded=reading.degraded)

    async def _staff_speak(self, incoming: Incoming, accepted: Accepted | None) -> bool:
        conversation = await self._conversation(incoming, accepted)
        return conversation is not None and conversation.state == STAFF

    async def _keep(self, incoming: Incoming, memory: Memory) -> None:
        with contextlib.suppress(MemoryAway):
            await within(MEMORY_LIMIT_S, self._memories.save(incoming.conversation, memory), MemoryAway)

    async def _rest(self, taken: _Taken, said: Recorder, recorded: Recorded | None) -> TurnResult:
        """Everything after the emergency has been answered."""
        incoming, reading, accepted = taken.incoming, taken.reading, taken.accepted
        level = reading.assessment.level
        conversation = await self._conversation(incoming, accepted)
        if accepted is None or conversation is None:
            if recorded is None:
                await said.reply(self._stateless.not_recorded(reading.lang))
            await said.flush()
            return TurnResult(level, said.replies, recorded=recorded)
        question = self._question(taken, said)
        if conversation.state == STAFF:  # law 5: one voice
            await self._relay(incoming, accepted)
        elif not reading.supported and not said.replies:
            await said.reply(self._stateless.unsupported(reading.lang))
        elif question is not None:
            await said.reply(question)
        else:
            await self._talk(incoming, taken.talked, said)
        await self._finish(taken, accepted, said)
        return TurnResult(level, said.replies, recorded=recorded)

    def _question(self, taken: _Taken, said: Recorder) -> Reply | None:
        """The second reader's question, which takes the place of the dialogue's answer."""
        if self._second is None or said.replies:
            return None
        first = taken.accepted is not None and taken.accepted.seq == 1
        return self._second.question(taken.doubt, taken.reading.lang, first=first)

    async def _conversation(self, incoming: Incoming, accepted: Accepted | None) -> Conversation | None:
        if accepted is None:
            return None
        try:
            return await within(STORE_LIMIT_S, self._store.conversation(incoming.conversation), StoreAway)
        except StoreAway:
            return None

    async def _relay(self, incoming: Incoming, accepted: Accepted) -> None:
        with contextlib.suppress(StoreAway):
            await self._store.relay(accepted.message, incoming.conversation)

    async def _talk(self, incoming: Incoming, reading: Reading, said: Recorder) -> None:
        turn = DialogueTurn(
            conversation=incoming.conversation,
            message_id=incoming.message_id,
            text=reading.text,
            lang=reading.lang,
            assessment=reading.with_reasons(),
            findings=reading.findings,
            profile=reading.profile,
            case=reading.case,
            already_said=frozenset(reply.kind.value for reply in said.replies),
            degraded=frozenset(reading.degraded),
            channel=incoming.channel,
            at=self._clock(),
        )
        try:
            await asyncio.wait_for(self._dialogue.handle(turn, said), DIALOGUE_LIMIT_S)
        except (DialogueUnavailable, TimeoutError):
            log.error("dialogue unavailable; the message goes to staff")
            await self._without_dialogue(incoming, reading, said)
        except Exception as error:  # noqa: BLE001 - whatever breaks in there, the patient is not left without a word
            log.error("dialogue fault %s; the message goes to staff", type(error).__name__)
            await self._without_dialogue(incoming, reading, said)

    async def _without_dialogue(self, incoming: Incoming, reading: Reading, said: Recorder) -> None:
        if any(reply.kind is ReplyKind.EMERGENCY for reply in said.replies):
            return
        saved = True
        try:
            await self._store.ask_for_person(
                incoming.conversation, incoming.message_id, "assistant_unavailable"
            )
        except StoreAway:
            saved = False
        await said.reply(self._stateless.menu(reading.lang, saved=saved))

    async def _finish(self, taken: _Taken, accepted: Accepted, said: Recorder) -> None:
        """Replies into the outbox with the message marked done, in one transaction; then the memory."""
        incoming, reading = taken.incoming, taken.reading
        unsaid = said.unstored
        try:
            done = self._store.complete(
                accepted.message, incoming.conversation, unsaid, reading, incoming.channel
            )
            seqs = await within(STORE_LIMIT_S, done, StoreAway)
        except StoreAway:
            log.error("store away at completion; the replies are said without a record")
            await said.flush()
            return
        for seq, reply in zip(seqs, unsaid, strict=True):
            await self._live.replied(incoming.conversation, seq, reply)
        await self._live.console({"type": "message", "conversation": incoming.conversation})
        if "redis" not in reading.degraded:
            screened = await self._dialogue.screened(incoming.conversation)
            memory = Memory(reading.case, screened, asked(said.replies), reading.lang, reading.handled)
            await self._keep(incoming, self._asking(memory, taken.doubt))


def asked(replies: Sequence[Reply]) -> str:
    """The question that the next "yes" answers: the dialogue's own, never the reasons of an emergency text."""
    return replies[-1].text if replies and replies[-1].kind is ReplyKind.QUESTION else ""
