"""What the console needs of the assistant. The composition root joins these to the real services."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class DeskRefused(Exception):
    """A request that cannot be done now. The message is for staff, in English; ``code`` is what the page
    translates: ``held`` (by ``name``), ``not_owner``, ``closed``, ``refused``."""

    def __init__(self, message: str, code: str = "refused", name: str = "") -> None:
        super().__init__(message)
        self.code, self.name = code, name


class DeskBadValue(Exception):
    """A ``field`` of a request cannot be used."""

    def __init__(self, field_: str, message: str) -> None:
        super().__init__(message)
        self.field = field_


class DeskMissing(Exception):
    """There is no escalation or conversation with this id."""


class DeskAway(Exception):
    """The records cannot be reached."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who is logged in. ``session`` is the session's secret as the cookie holds it; ``csrf_ok`` says whether
    a value belongs to that session (in constant time)."""

    id: str
    name: str
    role: str
    session: str = field(repr=False)
    csrf_ok: Callable[[str], bool] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class NewSession:
    """Secrets of a fresh session, shown to the browser once."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)


class StaffPort(Protocol):
    """Log-in of staff. Raises DeskAway."""

    async def log_in(self, login: str, password: str) -> tuple[Member, NewSession] | None:
        """A new session, or None when login or password is wrong (same answer, same time)."""

    async def member(self, session: str) -> Member | None:
        """Whose session this is; None when it has ended."""

    async def renew(self, member: Member) -> NewSession:
        """A fresh session for a page that was loaded again: the old one ends."""

    async def log_out(self, session: str) -> None:
        """End the session."""


class DeskPort(Protocol):
    """The queue and what staff do with it. Raises DeskRefused, DeskBadValue, DeskMissing, DeskAway."""

    async def queue(self) -> Sequence[Mapping[str, Any]]:
        """Open escalations, gravest first, then the longest unanswered."""

    async def detail(self, escalation: str, staff: str) -> Mapping[str, Any]:
        """One escalation with the patient's words, marked spans, rules and transcript. Reading is audited."""

    async def act(self, action: str, escalation: str, staff: str, reason: str = "") -> None:
        """``acknowledge``, ``claim``, ``takeover``, ``release``, ``handback`` or ``close``."""

    async def reply(self, conversation: str, staff: str, text: str, key: str) -> None:
        """Say something to the patient, once per ``key``."""

    async def note(self, escalation: str, staff: str, text: str) -> None:
        """An internal note; the patient never sees it."""

    def on_duty(self, at: dt.datetime) -> Mapping[str, str] | None:
        """Who is on duty, per language, or None."""


class LiveFeed(Protocol):
    """Live events for the console: ids only."""

    def subscribe(self, channel: str) -> AsyncIterator[dict[str, Any]]:
        """Endless events of ``console``."""
