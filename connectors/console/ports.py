"""What the console needs of the assistant. The composition root joins these to the real services."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class DeskRefused(Exception):
    """A request that cannot be done now (claimed by somebody else, closed). The message is for staff."""


class DeskMissing(Exception):
    """There is no escalation or conversation with this id."""


class DeskAway(Exception):
    """The records cannot be reached."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who is logged in. ``session`` is the session's secret as the cookie holds it."""

    id: str
    name: str
    role: str
    session: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """Secrets of a fresh session, shown to the browser once."""

    token: str
    csrf: str


class StaffPort(Protocol):
    """Log-in of staff."""

    async def log_in(self, login: str, password: str) -> tuple[Member, NewSession] | None:
        """A new session, or None when login or password is wrong (same answer, same time)."""

    async def member(self, session: str) -> Member | None:
        """Whose session this is; None when it has ended."""

    async def renew(self, member: Member) -> NewSession:
        """A fresh session for a page that was loaded again: the old one ends."""

    def csrf_ok(self, session: str, value: str) -> bool:
        """Whether the value belongs to this session."""

    async def log_out(self, session: str) -> None:
        """End the session."""


class DeskPort(Protocol):
    """The queue and what staff do with it. Raises DeskRefused, DeskMissing, DeskAway."""

    async def queue(self) -> Sequence[Mapping[str, Any]]:
        """Open escalations, gravest first, then the longest unanswered."""

    async def detail(self, escalation: str, staff: str) -> Mapping[str, Any]:
        """One escalation with the patient's words, marked spans, rules and transcript. Reading is audited."""

    async def act(self, action: str, escalation: str, staff: str, reason: str | None = None) -> None:
        """``claim``, ``takeover``, ``release``, ``handback`` or ``close``."""

    async def reply(self, conversation: str, staff: str, text: str, key: str) -> None:
        """Say something to the patient, once per ``key``."""

    def on_duty(self, at: dt.datetime) -> Mapping[str, str] | None:
        """Who is on duty, per language, or None."""


class LiveFeed(Protocol):
    """Live events for the console: ids only."""

    def subscribe(self, channel: str) -> AsyncIterator[dict[str, Any]]:
        """Endless events of ``console``."""
