"""The console's ports over the real services: staff log-in, and the queue as the page wants to show it.

Rows become plain JSON here; who may do what is decided in :mod:`bot.escalation`. No patient text is logged.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.clinic import Clinic
from bot.escalation.model import (
    RANK,
    AlreadyClaimed,
    AlreadyClosed,
    Detail,
    EscalationError,
    Event,
    Kind,
    NotOwner,
    QueueItem,
)
from bot.escalation.service import Escalations
from bot.records.conversations import State
from bot.records.errors import BadValue, RecordsUnavailable, UnknownRecord
from bot.records.messages import FINDINGS, StoredMessage
from bot.records.staff import StaffStore
from bot.records.tables import decisions, messages
from connectors.console.ports import DeskAway, DeskBadValue, DeskMissing, DeskRefused, Member, NewSession

PROGRAM = frozenset({"patient", "system", "assistant"})
"""Actors that are no member of staff."""
STATED = {"condition": "conditions", "risk": "conditions", "medicine": "medicines"}
"""Kinds of findings that belong to a patient's background, and under which heading staff read them."""
SHOWN = ("words", "status", "person", "time")


class StaffDoor:
    """:class:`connectors.console.ports.StaffPort` over :class:`bot.records.staff.StaffStore`. Keeps nothing."""

    def __init__(self, staff: StaffStore) -> None:
        self._staff = staff

    async def log_in(self, login: str, password: str) -> tuple[Member, NewSession] | None:
        """A fresh session for the right login and password."""
        with translated():
            member = await self._staff.verify(login, password)
            if member is None:
                return None
            session = await self._fresh(member.id)
        found = await self.member(session.token)
        return None if found is None else (found, session)

    async def member(self, session: str) -> Member | None:
        """Whose session it is; checked against the records each time."""
        with translated():
            found = await self._staff.session(session)
        if found is None:
            return None
        who = found.member
        return Member(who.id, who.name, who.role.value, session, partial(self._staff.csrf_matches, found))

    async def renew(self, member: Member) -> NewSession:
        """A new session in place of the old one, so that a reloaded page has a CSRF value again."""
        with translated():
            session = await self._fresh(member.id)
            await self._staff.close_session(member.session)
        return session

    async def log_out(self, session: str) -> None:
        """End the session."""
        with translated():
            await self._staff.close_session(session)

    async def _fresh(self, id_: str) -> NewSession:
        login = await self._staff.open_session(id_)
        return NewSession(login.token, login.csrf)


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
        """Open escalations, gravest first, then the longest unanswered. One query, whatever their number."""
        with translated():
            return [_line(item) for item in await self._escalations.queue()]

    async def detail(self, escalation: str, staff: str) -> Mapping[str, Any]:
        """One escalation, whole; that it was read, and by whom, goes into the audit."""
        with translated():
            found = await self._escalations.detail(escalation, reader=staff)
            stated = await self._stated(found.item.conversation_id)
            names = await self._names(found)
        return _whole(found, names, stated)

    async def act(self, action: str, escalation: str, staff: str, reason: str = "") -> None:
        """Do what staff asked for, and tell the patient's page who answers now. :class:`KeyError` for others."""
        todo: Mapping[str, Callable[[], Awaitable[QueueItem]]] = {
            "acknowledge": lambda: self._escalations.acknowledge(escalation, staff),
            "claim": lambda: self._escalations.claim(escalation, staff),
            "takeover": lambda: self._escalations.take_over(escalation, staff, reason),
            "release": lambda: self._escalations.release(escalation, staff, reason),
            "handback": lambda: self._escalations.hand_back(escalation, staff),
            "close": lambda: self._escalations.close(escalation, staff, reason),
        }
        with translated():
            item = await todo[action]()
            name = item.claimed_by_name if item.conversation_state is State.STAFF else None
        await self._changed(item.conversation_id, item.conversation_state.value, name)

    async def reply(self, conversation: str, staff: str, text: str, key: str) -> None:
        """Store the words; the outbox takes them to the patient."""
        with translated():
            await self._escalations.staff_reply(conversation, staff, text, request_id=key)

    async def note(self, escalation: str, staff: str, text: str) -> None:
        """Store an internal note, sealed."""
        with translated():
            await self._escalations.note(escalation, staff, text)

    def on_duty(self, at: dt.datetime) -> Mapping[str, str] | None:
        """Who is on duty, per language."""
        duty = self._clinic.on_duty(at)
        return dict(duty.who) if duty else None

    async def _names(self, found: Detail) -> dict[str, str]:
        """Names of all members of staff who wrote or did something here."""
        ids = {message.staff_id for message in found.messages} | {event.actor for event in found.events}
        names = {}
        for id_ in sorted(id_ for id_ in ids if id_ and id_ not in PROGRAM):
            with contextlib.suppress(UnknownRecord):
                names[id_] = await self._name_of(id_)
        return names

    async def _stated(self, conversation: str) -> dict[str, list[dict[str, Any]]]:
        """Conditions, medicines and risks that the patient has spoken of, in their own words, newest last."""
        query = (
            sa.select(decisions.c.id, decisions.c.findings_enc, messages.c.lang)
            .join(messages, messages.c.id == decisions.c.message_id)
            .where(messages.c.conversation_id == conversation)
            .order_by(messages.c.seq)
        )
        database = self._escalations.database
        async with database.read() as conn:
            rows = (await conn.execute(query)).all()
        stated: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            opened = json.loads(database.cipher.open(row.findings_enc, record=row.id, column=FINDINGS))
            for finding in opened["findings"]:
                group = STATED.get(finding.get("kind", ""))
                if group and finding.get("words") and finding.get("subject") in ("patient", "other"):
                    key = (finding["id"], finding.get("person") or "patient")
                    stated[key] = {"group": group, "lang": row.lang, **{f: finding.get(f) for f in SHOWN}}
        told = [entry for entry in stated.values() if entry["status"] in ("present", "possible")]
        return {group: [e for e in told if e["group"] == group] for group in ("conditions", "medicines")}


def _line(item: QueueItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "conversation": item.conversation_id,
        "level": item.level,
        "path": item.path,
        "kind": item.kind.value,
        "status": item.status.value,
        "channel": item.channel,
        "lang": item.lang,
        "discreet": item.discreet,
        "state": item.conversation_state.value,
        "created_at": item.created_at,
        "waiting_since": item.waiting_since,
        "due_at": item.due_at,
        "seen_at": item.acknowledged_at,
        "claimed_by": item.claimed_by,
        "claimed_name": item.claimed_by_name,
        "closed_at": item.closed_at,
        "close_reason": item.close_reason,
        "reasons": [entry["reason"] for entry in item.reasons if entry.get("reason")],
    }


def _whole(found: Detail, names: Mapping[str, str], stated: Mapping[str, Any]) -> dict[str, Any]:
    told = [event for event in found.events if event.detail.get("words")]
    wrote = {message.id: message.text for message in found.messages}
    own = [event for event in told if _own_words(event, wrote)]
    phones = [event.detail["phone"] for event in found.events if event.detail.get("phone")]
    asked = [event.detail for event in told if isinstance(event.detail.get("summary"), Mapping)]
    return {
        **_line(found.item),
        "words": [_words(event) for event in own],
        "summaries": [_words(event) for event in told if event not in own],
        "rules": _rules([event.detail for event in found.events] or [found.reason]),
        "phone": _dialled(phones[-1]) if phones and not found.item.discreet else None,
        "when": next((event.detail["when"] for event in told[::-1] if event.detail.get("when")), None),
        "profile": dict(asked[-1]["summary"].get("profile", {})) if asked else {},
        "degraded": list(asked[-1]["summary"].get("degraded", ())) if asked else [],
        "stated": dict(stated),
        "ruleset": found.ruleset,
        "messages": [_shown(message, names) for message in found.messages],
        "history": [_step(event, names) for event in found.events],
    }


def _own_words(event: Event, wrote: Mapping[str, str]) -> bool:
    """Whether an event quotes the patient; a request may carry the assistant's summary instead."""
    return event.kind == Kind.TRIAGE or wrote.get(event.message_id or "") == event.detail["words"]


def _words(event: Event) -> dict[str, Any]:
    return {
        "text": event.detail["words"],
        "spans": event.detail.get("spans", []),
        "at": event.at,
        "lang": event.detail.get("lang"),
    }


def _rules(said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every rule that fired, gravest first; those below "today" carry no sentence of their own."""
    seen: dict[str, dict[str, Any]] = {}
    for entry in said:
        for rule in entry.get("reasons", ()):
            seen[rule["rule"]] = {
                "id": rule["rule"],
                "level": rule["level"],
                "reason": rule["reason"],
                "source": rule["source"]["name"],
                "url": rule["source"].get("url"),
                "date": rule["source"].get("date"),
                "review": rule.get("review", "not_reviewed"),
            }
    for entry in said:
        for rule in entry.get("rules", ()):
            plain = {"id": rule["id"], "level": rule.get("level", "none"), "source": rule.get("source", "")}
            seen.setdefault(rule["id"], {**plain, "reason": {}, "review": "not_reviewed"})
    return sorted(seen.values(), key=lambda rule: RANK.get(rule["level"], len(RANK)))


def _shown(message: StoredMessage, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seq": message.seq,
        "author": message.author,
        "name": names.get(message.staff_id or ""),
        "text": message.text,
        "lang": message.lang,
        "at": message.created_at,
        "delivered_at": message.delivered_at,
    }


def _step(event: Event, names: Mapping[str, str]) -> dict[str, Any]:
    """One line of the history. Free words of staff (a note, why it was taken over) are among them."""
    return {
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "level": event.level,
        "by": names.get(event.actor),
        "text": event.detail.get("text") or event.detail.get("reason"),
    }


def _dialled(phone: str) -> str:
    """A number as a ``tel:`` link takes it."""
    return "".join(char for char in phone if char in "+0123456789")


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
        raise DeskRefused(f"{error.name} already holds this conversation.", "held", error.name) from None
    except AlreadyClosed:
        raise DeskRefused("This is already closed.", "closed") from None
    except NotOwner:
        raise DeskRefused(
            "Only who holds the conversation may do this; claim it first.", "not_owner"
        ) from None
    except BadValue as error:
        raise DeskBadValue(error.field, str(error)) from None
    except EscalationError as error:
        raise DeskRefused(str(error)) from None
