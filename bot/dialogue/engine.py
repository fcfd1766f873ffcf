"""RasaDialogue: Rasa embedded as a library, one message in, replies out through the turn's sink.

Rasa understands (NLU), chooses (rules, forms, TriagePolicy) and remembers (tracker); our actions speak. Patient
text goes into no log: Rasa's loggers are silenced before the first message.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.events import BotUttered, UserUttered

from bot.dialogue import scope as scopes
from bot.dialogue.actions import all_actions
from bot.dialogue.buttons import commands
from bot.dialogue.inprocess import ActionFault, InProcessActions, check_result_cheaply
from bot.dialogue.model import ModelRefused, verify_model
from bot.dialogue.passthrough import PassThroughLockStore
from bot.dialogue.processor import CarelineProcessor
from bot.dialogue.quiet import silence_rasa
from bot.dialogue.scope import TurnScope
from bot.dialogue.services import Services
from bot.dialogue.types import DialogueTurn, DialogueUnavailable
from bot.messages import Reply, ReplyKind, ReplySink
from bot.sessions.errors import SessionsDown, SessionsError
from bot.sessions.locks import ConversationLocks
from bot.sessions.tracker_store import CarelineTrackerStore, MemoryTrackerStore

log = logging.getLogger(__name__)
SCREENED_SLOT = "screened"
INTERNAL = frozenset({"nlu_fallback", "out_of_scope", "restart", "back", "session_start"})
"""Intents that no patient gives as a command; Rasa's own ones would reset the conversation."""


class _Nowhere(OutputChannel):
    """Rasa sends what is in the tracker here; the sink has already had it."""

    @classmethod
    def name(cls) -> str:
        return "careline"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        return None


class RasaDialogue:
    """The dialogue room. Give it a model archive that ``train`` made, a tracker store, locks and services."""

    def __init__(
        self, model: Path, tracker_store: CarelineTrackerStore, locks: ConversationLocks, services: Services
    ) -> None:
        self._model = model
        self._store = tracker_store
        self._locks = locks
        self._services = services
        self._commands = commands(services.texts)
        self._intents: tuple[str, ...] = ()
        self._agent: Agent | None = None
        self._stateless: Agent | None = None

    async def start(self) -> None:
        """Verify and load the model. Raises DialogueUnavailable with an operator's sentence."""
        silence_rasa()
        check_result_cheaply()
        try:
            verify_model(self._model)
        except ModelRefused as error:
            raise DialogueUnavailable(str(error)) from error
        actions = InProcessActions(all_actions(self._services))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Rasa advises on slots and versions at every load
            processor = CarelineProcessor.load(self._model, self._store, actions)
        self._intents = tuple(processor.domain.intents)
        self._agent = _agent(processor, self._store, actions)
        memory = MemoryTrackerStore(processor.domain)
        self._stateless = _agent(processor.with_store(memory), memory, actions)

    def healthy(self) -> bool:
        """Whether the model is loaded."""
        return self._agent is not None

    async def close(self) -> None:
        """Let go of the model. The session store belongs to the composition root."""
        self._agent = self._stateless = None

    async def forget(self, conversation: str) -> None:
        """Delete the tracker. Raises SessionsDown where the store cannot be reached."""
        await self._store.delete(conversation)

    async def screened(self, conversation: str) -> tuple[str, ...]:
        """Concept ids of the open question; empty where there is none or the session store is away."""
        try:
            brief = await self._store.brief(conversation)
        except SessionsError:
            return ()
        return tuple(str(x) for x in brief.get(SCREENED_SLOT) or ())

    async def handle(self, turn: DialogueTurn, sink: ReplySink) -> None:
        """Answer one message. The same ``message_id`` again says the same replies and runs nothing."""
        if self._agent is None:
            raise DialogueUnavailable("the dialogue model is not loaded; call start() first")
        async with self._locks.hold(turn.conversation):
            try:
                tracker = await self._store.retrieve(turn.conversation)
            except SessionsError:
                await self._answer_alone(turn, sink)
                return
            if tracker is not None and _holds(tracker.events, turn.message_id):
                for reply in _replies_to(tracker.events, turn.message_id):
                    await sink.reply(reply)
                return
            self._store.prime(turn.conversation, tracker)
            await self._run(self._agent, turn, TurnScope(turn=turn, sink=sink))

    async def _answer_alone(self, turn: DialogueTurn, sink: ReplySink) -> None:
        """The session store is away: this message alone is answered, and the patient is told so."""
        assert self._stateless is not None
        log.warning("dialogue: session store away, message answered without memory")
        scope = TurnScope(turn=turn, sink=sink, stateless=True, noticed=True)
        if not turn.already_said:
            text = self._services.texts("common.memory_away", turn.lang)
            await scope.say(Reply(text=text, lang=turn.lang, kind=ReplyKind.NOTICE))
        await self._run(self._stateless, turn, scope)

    async def _run(self, agent: Agent, turn: DialogueTurn, scope: TurnScope) -> None:
        message = UserMessage(
            text=as_command(turn.text, self._commands, self._intents),
            output_channel=_Nowhere(),
            sender_id=turn.conversation,
            input_channel=turn.channel,
            message_id=turn.message_id,
            metadata=_metadata(turn),
        )
        token = scopes.enter(scope)
        try:
            await agent.handle_message(message)
        except SessionsDown:
            log.warning("dialogue: session store away while saving")
            if not scope.said and not turn.already_said:
                await self._answer_alone(turn, scope.sink)
        except ActionFault as fault:
            raise DialogueUnavailable(f"action {fault.action} failed: {fault.kind}") from fault
        finally:
            scopes.leave(token)
        if scope.fault is not None:
            raise DialogueUnavailable(f"an action failed: {type(scope.fault).__name__}") from scope.fault


def _agent(processor: CarelineProcessor, store: TrackerStore, actions: InProcessActions) -> Agent:
    agent = Agent(
        domain=processor.domain,
        tracker_store=store,
        lock_store=PassThroughLockStore(),
        action_endpoint=actions,
    )
    agent.processor = processor
    return agent


def _metadata(turn: DialogueTurn) -> dict[str, Any]:
    """What policies and components may read; kept in the tracker, so without what the case already holds."""
    return {
        "lang": turn.lang,
        "level": str(turn.assessment.get("level", "none")),
        "already_said": sorted(turn.already_said),
        "findings": [dict(f) for f in turn.findings],
    }


def as_command(text: str, commands: Mapping[str, str], intents: Sequence[str]) -> str:
    """A pressed button as ``/intent``, which Rasa takes without guessing; every other text as plain text.

    A text that starts with "/" is a command only where it names an intent that patients may give.
    """
    pressed = commands.get(text.strip().casefold())
    if pressed is not None:
        return f"/{pressed}"
    if not text.lstrip().startswith("/"):
        return text
    name = text.lstrip()[1:].split("{")[0].split("@")[0].split(" ")[0]
    return f"/{name}" if name in intents and name not in INTERNAL else text.lstrip("/ ") or "?"


def _holds(events: Sequence[Any], message_id: str) -> bool:
    return any(isinstance(e, UserUttered) and e.message_id == message_id for e in events)


def _replies_to(events: Sequence[Any], message_id: str) -> list[Reply]:
    out = []
    for event in events:
        if isinstance(event, BotUttered):
            data = ((event.data or {}).get("custom") or {}).get("reply")
            if data and data.get("for") == message_id:
                out.append(scopes.reply_from_json(data))
    return out
