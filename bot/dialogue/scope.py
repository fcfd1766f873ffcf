"""The turn that is running now, as the actions see it: who speaks, in which language, and to which sink.

Rasa hands actions a tracker and nothing else; the sink cannot travel through its events. A context variable
carries it, one value per task, set by the engine for the length of one message.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from bot.dialogue.types import DialogueTurn
from bot.messages import Attachment, Button, Citation, PhoneLink, Reply, ReplyKind, ReplySink

CJK = re.compile(r"[一-鿿]")
MIN_WORDS_TO_SWITCH = 3
"""A chosen language yields to another one only for a message this long; "ok" switches nothing."""


@dataclass(slots=True)
class TurnScope:
    """One message being answered. ``fault`` keeps an action's exception that Rasa would swallow."""

    turn: DialogueTurn
    sink: ReplySink
    said: list[Reply] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    noticed: bool = False
    stateless: bool = False
    fault: Exception | None = None

    def next_id(self) -> str:
        """The same message gives the same reply ids, also after a crash: a client drops what it has shown."""
        seed = f"{self.turn.conversation}\0{self.turn.message_id}\0{len(self.said)}"
        return "r_" + hashlib.sha256(seed.encode()).hexdigest()[:40]

    async def say(self, reply: Reply) -> Reply:
        """Give a reply its stable id and say it."""
        stable = replace(reply, id=self.next_id())
        self.said.append(stable)
        await self.sink.reply(stable)
        return stable


_current: ContextVar[TurnScope] = ContextVar("careline_turn")


def enter(scope: TurnScope) -> Any:
    """Make ``scope`` the running turn of this task; give the result to :func:`leave`."""
    return _current.set(scope)


def leave(token: Any) -> None:
    """Undo :func:`enter`."""
    _current.reset(token)


def current() -> TurnScope:
    """The running turn. LookupError outside of one, which is a programming error."""
    return _current.get()


def language(turn: DialogueTurn, chosen: str | None) -> str:
    """The language to answer in: the one the patient chose, unless this message is plainly in another."""
    if chosen is None or chosen == turn.lang:
        return turn.lang
    cjk, long = bool(CJK.search(turn.text)), len(turn.text.split()) >= MIN_WORDS_TO_SWITCH
    plainly_other = (not cjk and long) if chosen == "zh" else cjk
    return turn.lang if plainly_other else chosen


def reply_to_json(reply: Reply, message_id: str) -> dict[str, Any]:
    """A reply as it is kept in the tracker, with the message that it answers."""
    out: dict[str, Any] = {
        "for": message_id,
        "id": reply.id,
        "text": reply.text,
        "lang": reply.lang,
        "kind": reply.kind.value,
        "buttons": [[b.title, b.payload] for b in reply.buttons],
        "citations": [[c.id, c.title, c.url, c.quote] for c in reply.citations],
        "phones": [[p.label, p.number] for p in reply.phones],
    }
    if reply.attachment:
        out["attachment"] = [reply.attachment.title, reply.attachment.path, reply.attachment.media_type]
    return json.loads(json.dumps({k: v for k, v in out.items() if v}))  # type: ignore[no-any-return]


def reply_from_json(data: dict[str, Any]) -> Reply:
    """The inverse of :func:`reply_to_json`."""
    attachment = data.get("attachment")
    return Reply(
        text=data["text"],
        lang=data["lang"],
        kind=ReplyKind(data["kind"]),
        buttons=tuple(Button(*b) for b in data.get("buttons", ())),
        citations=tuple(Citation(*c) for c in data.get("citations", ())),
        phones=tuple(PhoneLink(*p) for p in data.get("phones", ())),
        attachment=Attachment(*attachment) if attachment else None,
        id=data["id"],
    )
