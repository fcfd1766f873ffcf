"""Members of staff: passwords (argon2id) and console sessions (opaque tokens, stored as digests).

    staff = StaffStore(database, audit)
    await staff.add("mara", "Mara Lind", "correct horse…", Role.CLINICIAN)
    member = await staff.verify("mara", password)          # StaffMember or None, in the same time either way
    login = await staff.open_session(member.id)            # Login(token, csrf, expires_at): shown once
    session = await staff.session(login.token)             # StaffSession or None
    StaffStore.csrf_matches(session, value)                # for every change of state

It knows logins and sessions, nothing of cookies, requests or what a role may do.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.messages import new_id, now_utc
from bot.records.audit import AuditLog
from bot.records.database import Database, insert_new
from bot.records.errors import BadValue, UnknownRecord, check_id
from bot.records.tables import staff, staff_sessions

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
"""A session ends after this long unused, and after one long shift in any case (OWASP ASVS 7.3)."""
TOUCH = timedelta(minutes=1)
"""How often use is written down; a write per request would fill the database's only writer."""
MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 1_000
"""Long enough for any pass phrase, short enough that hashing one is no attack (OWASP ASVS 6.2)."""
HASHES_AT_ONCE = 2
"""Each hash takes its memory and a processor for tens of milliseconds; patients' turns need both too."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id with 19 MiB and two passes: OWASP's recommended minimum (Password Storage Cheat Sheet)."""


class Role(enum.StrEnum):
    """What a member of staff is, for the console's permissions."""

    CLINICIAN = "clinician"
    RECEPTION = "reception"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One member of staff, without the password."""

    id: str
    login: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Login:
    """A fresh session's secrets. They exist only here: the database keeps digests."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StaffSession:
    """A valid session and whose it is."""

    member: StaffMember
    csrf_hash: str = field(repr=False)
    expires_at: datetime


class StaffStore:
    """The store of staff and their sessions."""

    def __init__(
        self, database: Database, audit: AuditLog, *, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._database, self._audit, self._clock = database, audit, clock
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._nobody: str | None = None

    async def add(
        self, login: str, name: str, password: str, role: Role, *, by: str = "operator"
    ) -> StaffMember:
        """Register a member; :class:`BadValue` names the field that will not do (also a login in use).

        ``by`` is who does it, for the audit: a staff id, or the operator at the command line.
        """
        login = _login(login)
        if not name.strip() or len(name) > 200:
            raise BadValue("name", "must be 1 to 200 characters")
        member = StaffMember(new_id("s"), login, name.strip(), Role(role), self._clock(), None)
        hashed = await self._hash(password)
        async with self._database.begin() as conn:
            made = await insert_new(
                conn,
                staff,
                {
                    "id": member.id,
                    "login": login,
                    "name": member.name,
                    "password_hash": hashed,
                    "role": member.role.value,
                    "created_at": member.created_at,
                },
            )
            if not made:
                raise BadValue("login", "is taken by another member of staff")
            await self._audit.append(
                conn, actor=by, action="staff.add", ref=member.id, detail={"role": member.role.value}
            )
        return member

    async def verify(self, login: str, password: str) -> StaffMember | None:
        """The member whose login and password these are; None otherwise, after the same work."""
        async with self._database.read() as conn:
            row = (await conn.execute(sa.select(staff).where(staff.c.login == _typed(login)))).first()
        if self._nobody is None:
            self._nobody = await self._hash(secrets.token_hex(16))
        right = await self._matches(self._nobody if row is None else row.password_hash, password)
        if row is None or not right or row.disabled_at is not None:
            return None
        return _member(row)

    async def get(self, id_: str) -> StaffMember:
        """One member, or :class:`UnknownRecord`."""
        check_id("member of staff", id_)
        async with self._database.read() as conn:
            row = (await conn.execute(sa.select(staff).where(staff.c.id == id_))).first()
        if row is None:
            raise UnknownRecord("member of staff", id_)
        return _member(row)

    async def all(self) -> list[StaffMember]:
        """Everyone, by name; disabled members too."""
        async with self._database.read() as conn:
            rows = (await conn.execute(sa.select(staff).order_by(staff.c.name))).all()
        return [_member(row) for row in rows]

    async def set_password(self, id_: str, password: str, *, by: str = "operator") -> None:
        """Change a password; every session of this member ends."""
        await self._change(id_, "staff.password", by, password_hash=await self._hash(password))

    async def disable(self, id_: str, *, by: str = "operator") -> None:
        """Shut a member out at once. Their past work stays attributed to them."""
        await self._change(id_, "staff.disable", by, disabled_at=self._clock())

    async def open_session(self, staff_id: str) -> Login:
        """A new session with fresh secrets (one per login, never reused)."""
        now = self._clock()
        login = Login(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now + ABSOLUTE)
        async with self._database.begin() as conn:
            await conn.execute(
                staff_sessions.insert().values(
                    id_hash=_digest(login.token),
                    staff_id=staff_id,
                    csrf_hash=_digest(login.csrf),
                    created_at=now,
                    last_seen_at=now,
                    expires_at=login.expires_at,
                )
            )
            await self._audit.append(conn, actor=staff_id, action="staff.login", ref=staff_id)
        return login

    async def session(self, token: str) -> StaffSession | None:
        """The session of this token, or None when unknown, idle too long, too old, or its member disabled."""
        now, digest = self._clock(), _digest(token)
        query = (
            sa.select(
                staff,
                staff_sessions.c.csrf_hash,
                staff_sessions.c.expires_at,
                staff_sessions.c.last_seen_at,
            )
            .join(staff, staff.c.id == staff_sessions.c.staff_id)
            .where(staff_sessions.c.id_hash == digest)
        )
        async with self._database.read() as conn:
            row = (await conn.execute(query)).first()
        if row is None or row.disabled_at is not None:
            return None
        if now >= row.expires_at or now - row.last_seen_at >= IDLE:
            return None
        if now - row.last_seen_at >= TOUCH:
            async with self._database.begin() as conn:
                await conn.execute(
                    staff_sessions.update().where(staff_sessions.c.id_hash == digest).values(last_seen_at=now)
                )
        return StaffSession(_member(row), row.csrf_hash, row.expires_at)

    async def close_session(self, token: str) -> None:
        """Log out. Harmless when the session is gone already."""
        async with self._database.begin() as conn:
            await conn.execute(staff_sessions.delete().where(staff_sessions.c.id_hash == _digest(token)))

    @staticmethod
    def csrf_matches(session: StaffSession, value: str) -> bool:
        """Whether a request carries the session's own CSRF value (compared in constant time)."""
        return hmac.compare_digest(_digest(value), session.csrf_hash)

    async def _change(self, id_: str, action: str, by: str, **values: Any) -> None:
        async with self._database.begin() as conn:
            done = await conn.execute(staff.update().where(staff.c.id == id_).values(**values))
            if done.rowcount == 0:
                raise UnknownRecord("member of staff", id_)
            await conn.execute(staff_sessions.delete().where(staff_sessions.c.staff_id == id_))
            await self._audit.append(conn, actor=by, action=action, ref=id_)

    async def _hash(self, password: str) -> str:
        if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
            raise BadValue("password", f"must be {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
        async with self._hashing:
            return await asyncio.to_thread(HASHER.hash, _bytes(password))

    async def _matches(self, hashed: str, password: str) -> bool:
        if len(password) > MAX_PASSWORD_CHARS:
            password = ""
        async with self._hashing:
            try:
                return await asyncio.to_thread(HASHER.verify, hashed, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False


def _login(login: str) -> str:
    login = login.strip().lower()
    if not 0 < len(login) <= 100 or not login.isprintable() or " " in login:
        raise BadValue("login", "must be 1 to 100 characters without spaces")
    return login


def _typed(login: str) -> str:
    """A login as somebody typed it: what no login can be becomes one that nobody has."""
    login = login.strip().lower()
    return login if login.isprintable() and len(login) <= 100 else ""


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _member(row: Any) -> StaffMember:
    return StaffMember(row.id, row.login, row.name, Role(row.role), row.created_at, row.disabled_at)
