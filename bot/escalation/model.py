"""What escalations are made of: plain values, closed sets, typed refusals. No rows, no clock."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.records.conversations import State
from bot.records.errors import RecordsError
from bot.records.messages import StoredMessage

RANK = {"emergency": 0, "urgent": 1, "routine": 2, "self_care": 3, "none": 4}
"""The levels of ``careline triage``, most urgent first."""


class Kind(enum.StrEnum):
    """Why staff are asked: a rule fired, the patient wants a person, the patient wants to be called."""

    TRIAGE = "triage"
    PERSON = "person_request"
    CALLBACK = "callback"


class Status(enum.StrEnum):
    """Nobody's yet, somebody's, or over."""

    OPEN = "open"
    CLAIMED = "claimed"
    CLOSED = "closed"


class CloseReason(enum.StrEnum):
    """Why it is over. A closed set: free words about a patient belong into a note, which is sealed."""

    HANDLED = "handled"
    CALLED_BACK = "called_back"
    EMERGENCY_SERVICES = "emergency_services"
    NO_ANSWER = "no_answer"
    NOT_NEEDED = "not_needed"
    DUPLICATE = "duplicate"
    HANDED_BACK = "handed_back"


class EscalationError(RecordsError):
    """A request of staff that cannot be done as things stand; nothing was changed."""


class AlreadyClaimed(EscalationError):
    """Someone else holds it. ``owner`` is a staff id, ``name`` what to show."""

    def __init__(self, owner: str, name: str) -> None:
        self.owner, self.name = owner, name
        super().__init__(f"claimed by staff {owner!r}")


class NotOwner(EscalationError):
    """Only the member of staff who holds the conversation may do this."""


class AlreadyClosed(EscalationError):
    """The escalation is over."""


class DiscreetConversation(EscalationError):
    """This patient must not be called: a person beside them could notice (HAZ-09)."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What triage found in one message, ready to be recorded.

    ``message_id`` is the stored message's id (or the channel's own, within the conversation); ``words`` is
    the patient's text and ``spans`` the character ranges in it that fired; ``assessment`` is what
    ``careline triage`` prints (``level, rules, findings, ruleset``); ``reasons`` are
    ``{"rule", "level", "reason": {lang: sentence}, "source": {"name", "url", "date"}}``; ``summary`` is the
    case so far for the hand-off note. Everything but level, path and rule ids is stored sealed.
    """

    message_id: str
    conversation_id: str
    level: str
    words: str = field(repr=False)
    assessment: Mapping[str, Any] = field(repr=False)
    path: str | None = None
    spans: Sequence[Sequence[int]] = ()
    reasons: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)
    lang: str | None = None

    @property
    def rule_ids(self) -> list[str]:
        """Ids of the rules that fired, in order."""
        return [rule["id"] for rule in self.assessment.get("rules", ())]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for the spool; :meth:`from_json` gives an equal alarm back."""
        data = asdict(self)
        return {**data, "spans": [list(span) for span in self.spans], "reasons": list(data["reasons"])}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Alarm:
        """The alarm of :meth:`to_json`."""
        return cls(**data)

    def detail(self) -> dict[str, Any]:
        """What staff read about it (stored sealed)."""
        return {
            "words": self.words,
            "spans": [list(span) for span in self.spans],
            "reasons": [dict(reason) for reason in self.reasons],
            "rules": [dict(rule) for rule in self.assessment.get("rules", ())],
            "summary": dict(self.summary),
            "lang": self.lang,
        }


@dataclass(frozen=True, slots=True)
class Raised:
    """An escalation is committed. ``created``: a new one (else it joined the conversation's open one);

    ``repeat``: this message had been recorded before and nothing changed; ``reply_seq``: the sequence number
    of the reply stored with it, if one was given.
    """

    escalation_id: str
    level: str
    status: Status
    created: bool
    repeat: bool
    due_at: datetime | None
    reply_seq: int | None = None


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One line of the staff queue. ``waiting_since`` None: the patient has been answered.

    ``words`` and ``spans``: the message that decided the level, and what fired in it; ``reasons`` as in
    :class:`Alarm`.
    """

    id: str
    conversation_id: str
    message_id: str | None
    level: str
    path: str | None
    kind: Kind
    status: Status
    channel: str
    lang: str | None
    discreet: bool
    conversation_state: State
    words: str = field(repr=False)
    spans: list[list[int]] = field(repr=False)
    reasons: list[dict[str, Any]] = field(repr=False)
    rule_ids: list[str]
    created_at: datetime
    waiting_since: datetime | None
    due_at: datetime | None
    acknowledged_at: datetime | None
    claimed_by: str | None
    claimed_by_name: str | None
    claimed_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    alerts: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an escalation's history. ``actor``: a staff id, ``patient`` or ``system``."""

    id: str
    kind: str
    actor: str
    at: datetime
    level: str | None
    message_id: str | None
    detail: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything about one escalation. ``reason`` is :meth:`Alarm.detail` or the request's details."""

    item: QueueItem
    reason: Mapping[str, Any] = field(repr=False)
    ruleset: str | None
    events: Sequence[Event]
    messages: Sequence[StoredMessage] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What may truthfully be told to the patient (law 4). All None: nobody has looked yet."""

    state: State
    acknowledged_at: datetime | None
    by_name: str | None
    by_role: str | None
    waiting_since: datetime | None
