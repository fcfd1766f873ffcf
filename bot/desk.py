"""The console's ports over the real services: staff log-in, and the queue as the page wants to show it.

Rows become plain JSON here; who may do what is decided in :mod:`bot.escalation`. No patient text is logged.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.clinic import Clinic
from bot.escalation.model import (
    AlreadyClaimed,
    AlreadyClosed,
    Detail,
    EscalationError,
    NotOwner,
    QueueItem,
)
from bot.escalation.service import Escalations
from bot.records.errors import BadValue, RecordsUnavailable, UnknownRecord
from bot.records.messages import StoredMessage
from bot.records.staff import StaffSession, StaffStore
from connectors.console.ports import DeskAway, DeskMissing, DeskRefused, Member, NewSession


class StaffDoor:
    """:class:`connectors.console.ports.StaffPort` over :class:`bot.records.staff.StaffStore`."""

    def __init__(self, staff: StaffStore) -> None:
        self._staff = staff
        self._sessions: dict[str, StaffSession] = {}

    async def log_in(self, login: str, password: str) -> tuple[Member, NewSession] | None:
        """A fresh session for the right login and password."""
        with translated():
            member = await self._staff.verify(login, password)
            if member is None:
                return None
            return await self._fresh(member.id, member.name, member.role.value)

    async def member(self, session: str) -> Member | None:
        """Whose session it is; checked against the records each time."""
        with translated():
            found = await self._staff.session(session)
        if found is None:
            self._sessions.pop(session, None)
            return None
        self._sessions[session] = found
        return Member(found.member.id, found.member.name, found.member.role.value, session)

    async def renew(self, member: Member) -> NewSession:
        """A new session in place of the old one, so that a reloaded page has a CSRF value again."""
        with translated():
            _, session = await self._fresh(member.id, member.name, member.role)
            await self._staff.close_session(member.session)
        self._sessions.pop(member.session, None)
        return session

    def csrf_ok(self, session: str, value: str) -> bool:
        """Whether the value belongs to this session (constant time)."""
        found = self._sessions.get(session)
        return found is not None and self._staff.csrf_matches(found, value)

    async def log_out(self, session: str) -> None:
        """End the session."""
        self._sessions.pop(session, None)
        with translated():
            await self._staff.close_session(session)

    async def _fresh(self, id_: str, name: str, role: str) -> tuple[Member, NewSession]:
        login = await self._staff.open_session(id_)
        return Member(id_, name, role, login.token), NewSession(login.token, login.csrf)


class Desk:
    """:class:`connectors.console.ports.DeskPort` over :class:`bot.escalation.service.Escalations`."""

    def __init__(
        self,
        escalations: Escalations,
        clinic: Clinic,
        changed: Callable[[str, str, str | None], Awaitable[None]],
        name_of: Callable[[str], Awaitable[str]],
    ) -> None:
        self._escalations, self._clinic = escalations, clinic
        self._changed, self._name_of = changed, name_of

    async def queue(self) -> Sequence[Mapping[str, Any]]:
        """Open escalations, gravest first, then the longest unanswered."""
        with translated():
            items = await self._escalations.queue()
            return [self._line(item, (await self._escalations.detail(item.id)).reason) for item in items]

    async def detail(self, escalation: str, staff: str) -> Mapping[str, Any]:
        """One escalation, whole; that it was read, and by whom, goes into the audit."""
        with translated():
            found = await self._escalations.detail(escalation, reader=staff)
        return self._whole(found)

    async def act(self, action: str, escalation: str, staff: str, reason: str | None = None) -> None:
        """Do what staff asked for, and tell the patient's page who answers now."""
        with translated():
            if action == "claim":
                item = await self._escalations.claim(escalation, staff)
            elif action == "takeover":
                item = await self._escalations.take_over(escalation, staff)
            elif action == "release":
                item = await self._escalations.release(escalation, staff)
            elif action == "handback":
                item = await self._escalations.hand_back(escalation, staff)
            else:
                item = await self._escalations.close(escalation, staff, reason or "")
            name = await self._name_of(staff) if item.conversation_state == "staff" else None
        await self._changed(item.conversation_id, item.conversation_state.value, name)

    async def reply(self, conversation: str, staff: str, text: str, key: str) -> None:
        """Store the words; the outbox takes them to the patient."""
        with translated():
            await self._escalations.staff_reply(conversation, staff, text, request_id=key)

    def on_duty(self, at: dt.datetime) -> Mapping[str, str] | None:
        """Who is on duty, per language."""
        duty = self._clinic.on_duty(at)
        return dict(duty.who) if duty else None

    def _line(self, item: QueueItem, reason: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": item.id,
            "conversation": item.conversation_id,
            "level": item.level,
            "path": item.path,
            "kind": item.kind.value,
            "status": item.status.value,
            "channel": item.channel,
            "discreet": item.discreet,
            "state": item.conversation_state.value,
            "created_at": item.created_at.isoformat(),
            "waiting_since": (item.waiting_since or item.created_at).isoformat(),
            "due_at": item.due_at.isoformat() if item.due_at else None,
            "claimed_by": item.claimed_by,
            "claimed_name": item.claimed_by_name,
            "reasons": [entry["reason"] for entry in reason.get("reasons", ()) if entry.get("reason")],
        }

    def _whole(self, found: Detail) -> dict[str, Any]:
        said = [event.detail for event in found.events if event.detail.get("words")]
        phones = [event.detail["phone"] for event in found.events if event.detail.get("phone")]
        return {
            **self._line(found.item, found.reason),
            "words": [{"text": entry["words"], "spans": entry.get("spans", [])} for entry in said],
            "rules": _rules(said or [found.reason]),
            "phone": phones[-1] if phones else None,
            "summary": "",
            "ruleset": found.ruleset,
            "messages": [_shown(message) for message in found.messages],
        }


def _rules(said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for entry in said:
        for rule in entry.get("reasons", ()):
            seen[rule["rule"]] = {
                "id": rule["rule"],
                "level": rule["level"],
                "reason": rule["reason"],
                "source": rule["source"]["name"],
                "review": rule.get("review", "not_reviewed"),
            }
    return list(seen.values())


def _shown(message: StoredMessage) -> dict[str, Any]:
    return {
        "seq": message.seq,
        "author": message.author,
        "name": None,
        "text": message.text,
        "lang": message.lang,
        "at": message.created_at.isoformat(),
    }


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The records' errors as the console's: each with a sentence for staff."""
    try:
        yield
    except RecordsUnavailable:
        raise DeskAway from None
    except UnknownRecord:
        raise DeskMissing from None
    except AlreadyClaimed as error:
        raise DeskRefused(f"{error.name} already holds this conversation.") from None
    except AlreadyClosed:
        raise DeskRefused("This is already closed.") from None
    except NotOwner:
        raise DeskRefused("Claim the conversation first.") from None
    except (EscalationError, BadValue) as error:
        raise DeskRefused(str(error)) from None
