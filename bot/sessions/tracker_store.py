"""Rasa's memory of a conversation in Redis: events appended, sealed, bounded, with a time to live.

A turn adds one sealed batch to a list (RPUSH), whatever the length of the conversation. When the list grows
beyond a bound it is folded, once, into one batch that keeps every slot, the active form and the latest events.
There is no silent fall-back to memory: without Redis a typed error comes within the socket timeout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    Event,
    LoopInterrupted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.utils.common import all_subclasses
from redis.asyncio import Redis

from bot.sessions.connection import Sessions
from bot.sessions.errors import SessionUnreadable
from bot.sessions.keys import SESSION_SECONDS, conversation_key
from bot.sessions.seal import Seal

COLUMN = "session.events"
BRIEF_COLUMN = "session.brief"
FOLD_AT_EVENTS = 240
"""Beyond this many events (about 25 turns) the conversation is folded: one turn then still loads in milliseconds."""
KEEP_EVENTS = 80
"""Latest events kept when folding; policies look back a few turns, repeats are replayed from here."""
RANKING_KEPT = 3
BRIEF_SLOTS = ("screened",)
STORED = "_careline_stored"
"""Set on a tracker that came from here: (list length, events) at that time."""

# KEYS: events, brief. ARGV: expected length, ttl, brief, fold (1/0), blob. A stale writer is refused.
APPEND = """
local n = redis.call('LLEN', KEYS[1])
if n ~= tonumber(ARGV[1]) then return redis.error_reply('CONFLICT') end
if ARGV[4] == '1' then redis.call('DEL', KEYS[1]) end
n = redis.call('RPUSH', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[2])
return n
"""


class CarelineTrackerStore(TrackerStore):
    """Our tracker store. ``domain`` is set by the processor that loads the model."""

    def __init__(self, sessions: Sessions, seal: Seal, *, ttl_seconds: int = SESSION_SECONDS) -> None:
        super().__init__(None)
        self._sessions = sessions
        self._seal = seal
        self._ttl = ttl_seconds
        self._types: dict[str, type[Event]] = {}
        self._primed: dict[str, DialogueStateTracker | None] = {}

    def prime(self, conversation: str, tracker: DialogueStateTracker | None) -> None:
        """Hand over a tracker that was just read, so that the next retrieve of it reads nothing."""
        self._primed[conversation] = tracker

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """The conversation's tracker, or None. Raises SessionsDown or SessionUnreadable."""
        if sender_id in self._primed:
            return self._primed.pop(sender_id)
        key = conversation_key(sender_id, "events")

        async def read(redis: Redis) -> list[Any]:
            return list(await redis.lrange(key, 0, -1))

        blobs = await self._sessions.call(read)
        if not blobs:
            return None
        events = [self._event(e) for blob in blobs for e in self._open(sender_id, blob)]
        tracker = DialogueStateTracker.from_events(
            sender_id,
            events,
            slots=self.domain.slots,
            max_event_history=self.max_event_history,
            domain=self.domain,
        )
        setattr(tracker, STORED, (len(blobs), len(events)))
        return tracker

    async def create_tracker(self, sender_id: str, append_action_listen: bool = True) -> DialogueStateTracker:
        """A new tracker, saved with its first turn and not before."""
        tracker = self.init_tracker(sender_id)
        if append_action_listen:
            tracker.update(ActionExecuted(ACTION_LISTEN_NAME))
        return tracker

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Append what is new. Raises SessionConflict where another writer was faster, SessionsDown."""
        blobs, known = getattr(tracker, STORED, (0, 0))
        events = list(tracker.events)
        fold = len(events) > FOLD_AT_EVENTS
        batch = fold_events(tracker, events) if fold else events[known:]
        if not batch:
            return
        conversation = tracker.sender_id
        blob = self._seal.seal(
            json.dumps([slim(e.as_dict()) for e in batch], ensure_ascii=False),
            record=conversation,
            column=COLUMN,
        )
        brief = self._seal.seal(json.dumps(_brief(tracker)), record=conversation, column=BRIEF_COLUMN)
        keys = (conversation_key(conversation, "events"), conversation_key(conversation, "brief"))

        async def append(redis: Redis) -> object:
            return await redis.eval(APPEND, 2, *keys, blobs, self._ttl, brief, int(fold), blob)

        await self._sessions.call(append)
        setattr(tracker, STORED, (1 if fold else blobs + 1, len(events)))

    async def brief(self, conversation: str) -> dict[str, Any]:
        """A few slots of the conversation, without loading it; empty for an unknown one."""
        key = conversation_key(conversation, "brief")

        async def read(redis: Redis) -> Any:
            return await redis.get(key)

        blob = await self._sessions.call(read)
        if blob is None:
            return {}
        return dict(json.loads(self._unseal(blob, conversation, BRIEF_COLUMN)))

    async def delete(self, sender_id: str) -> None:
        """Forget a conversation."""
        keys = [conversation_key(sender_id, part) for part in ("events", "brief")]

        async def remove(redis: Redis) -> object:
            return await redis.delete(*keys)

        self._primed.pop(sender_id, None)
        await self._sessions.call(remove)

    async def keys(self) -> Iterable[str]:
        """Not offered: conversations are never listed from here."""
        raise NotImplementedError("conversations are listed from the database")

    def _open(self, conversation: str, blob: bytes) -> list[dict[str, Any]]:
        return list(json.loads(self._unseal(blob, conversation, COLUMN)))

    def _unseal(self, blob: bytes, conversation: str, column: str) -> str:
        try:
            return self._seal.open(blob, record=conversation, column=column)
        except Exception as error:  # noqa: BLE001 - the seal's error type belongs to another room
            raise SessionUnreadable(f"{column} of {conversation}: {type(error).__name__}") from None

    def _event(self, data: dict[str, Any]) -> Event:
        """Rasa walks all subclasses for every event; a table does it once."""
        if not self._types:
            self._types = {c.type_name: c for c in all_subclasses(Event) if getattr(c, "type_name", None)}
        event: Event = self._types[data["event"]]._from_parameters(dict(data))
        return event


class MemoryTrackerStore(TrackerStore):
    """Holds nothing between messages: for the turns that are answered while Redis is away, and said so."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Nothing is remembered."""
        return None

    async def create_tracker(self, sender_id: str, append_action_listen: bool = True) -> DialogueStateTracker:
        """A new tracker for one message."""
        return self.init_tracker(sender_id)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Nothing is kept."""

    async def keys(self) -> Iterable[str]:
        """None."""
        return ()


def slim(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what is stored twice or never read again (Rasa's copies of text and ranking)."""
    if event.get("event") == UserUttered.type_name:
        parse = event.get("parse_data") or {}
        event["parse_data"] = {
            "text": event.get("text"),
            "intent": parse.get("intent"),
            "entities": parse.get("entities") or [],
            "intent_ranking": (parse.get("intent_ranking") or [])[:RANKING_KEPT],
        }
    return {k: v for k, v in event.items() if v is not None}


def fold_events(tracker: DialogueStateTracker, events: Sequence[Event]) -> list[Event]:
    """The same conversation in fewer events: every slot, the active form, and the latest whole turns."""
    start = _turn_start(events, max(0, len(events) - KEEP_EVENTS))
    before = DialogueStateTracker.from_events(
        tracker.sender_id, list(events[:start]), slots=tracker.slots.values()
    )
    slots: list[Event] = [
        SlotSet(name, slot.value) for name, slot in before.slots.items() if slot.value is not None
    ]
    folded: list[Event] = [*slots]
    if before.active_loop_name:
        folded.append(ActiveLoop(before.active_loop_name))
        if before.active_loop and before.active_loop.is_interrupted:
            folded.append(LoopInterrupted(True))
    return [*folded, ActionExecuted(ACTION_LISTEN_NAME), *events[start:]]


def _turn_start(events: Sequence[Event], least: int) -> int:
    """The first patient message at or after ``least``, so that no turn is cut in two."""
    for i in range(least, len(events)):
        if isinstance(events[i], UserUttered):
            return i
    return len(events)


def _brief(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {name: value for name in BRIEF_SLOTS if (value := tracker.get_slot(name))}
