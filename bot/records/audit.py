"""The audit chain: who did what to which record, each entry sealed to the one before it.

Every entry's hash is an HMAC over its own fields and the previous hash, under a key derived from the key
file: whoever can write to the database but has not the key cannot edit, delete, insert or reorder entries
unnoticed. Cutting off the end is noticed by comparing with a head kept outside the database.

    audit = AuditLog(cipher, anchor=Path(".../audit-head.json"))
    await audit.append(conn, actor=staff_id, action="claim", ref=escalation_id, detail={"level": "urgent"})
    report = await audit.verify(database)     # AuditReport(ok, entries, problem, at)

It stores ids, codes and numbers; a detail that is long text is refused, because a patient's words may hide
in it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import now_utc
from bot.records.crypto import Cipher
from bot.records.database import Database, after_commit
from bot.records.errors import BadValue
from bot.records.tables import audit

log = logging.getLogger(__name__)

GENESIS = "0" * 64
POSTGRES_LOCK = 0x41554454
"""Advisory lock number ("AUDT"): entries are appended in turn. Always a transaction's last lock."""
MAX_DETAIL_CHARS = 100
"""Longest text in a detail: ids and codes fit, sentences do not."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The newest entry's number and hash, as kept outside the database."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a verification found: ``problem`` is a sentence and ``at`` the first bad entry, or both None."""

    entries: int
    problem: str | None = None
    at: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the whole chain holds."""
        return self.problem is None


class AuditLog:
    """Appends to the chain inside a caller's transaction, and verifies it."""

    def __init__(
        self, cipher: Cipher, *, anchor: Path | None = None, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._cipher, self._anchor, self._clock = cipher, anchor, clock

    async def append(
        self,
        conn: AsyncConnection,
        *,
        actor: str,
        action: str,
        ref: str,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditHead:
        """Add one entry; it exists exactly when the caller's transaction commits."""
        plain = _checked(detail or {})
        if conn.dialect.name == "postgresql":
            await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(POSTGRES_LOCK)))
        last = (
            await conn.execute(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1))
        ).first()
        seq, previous = (1, GENESIS) if last is None else (last.seq + 1, last.hash)
        at = self._clock()
        digest = self._hash(seq, at, actor, action, ref, plain, previous)
        await conn.execute(
            audit.insert().values(
                seq=seq,
                at=at,
                actor=actor,
                action=action,
                ref=ref,
                detail=plain,
                prev_hash=previous,
                hash=digest,
            )
        )
        head = AuditHead(seq, digest)
        after_commit(conn, lambda: self._write_anchor(head))
        return head

    async def verify(self, database: Database, head: AuditHead | None = None) -> AuditReport:
        """Check every entry, and that the chain still reaches ``head`` (default: the anchor file's)."""
        head = head or self.anchored()
        previous, count, reached = GENESIS, 0, head is None
        async with database.read() as conn:
            for row in (await conn.execute(sa.select(audit).order_by(audit.c.seq))).all():
                count += 1
                if row.seq != count:
                    return AuditReport(count, "an entry is missing before this one", row.seq)
                if row.prev_hash != previous:
                    return AuditReport(count, "this entry does not follow the one before it", row.seq)
                expected = self._hash(
                    row.seq, row.at, row.actor, row.action, row.ref, row.detail, row.prev_hash
                )
                if row.hash != expected:
                    return AuditReport(count, "this entry has been altered", row.seq)
                previous = row.hash
                reached = reached or (head is not None and (row.seq, row.hash) == (head.seq, head.hash))
        if not reached and head is not None:
            return AuditReport(count, "the chain no longer reaches the head kept outside", head.seq)
        return AuditReport(count)

    def anchored(self) -> AuditHead | None:
        """The head in the anchor file; None when there is no such file."""
        if self._anchor is None or not self._anchor.exists():
            return None
        data = json.loads(self._anchor.read_text(encoding="utf-8"))
        return AuditHead(int(data["seq"]), str(data["hash"]))

    def _write_anchor(self, head: AuditHead) -> None:
        """Keep the newest head beside the database. One that lags behind is still a true head."""
        if self._anchor is None:
            return
        temporary = self._anchor.with_name(self._anchor.name + ".new")
        try:
            temporary.write_text(json.dumps({"seq": head.seq, "hash": head.hash}), encoding="utf-8")
            temporary.replace(self._anchor)
        except OSError as error:  # the entry is committed; only its copy outside lags behind
            log.error("the audit head could not be kept outside the database (%s)", type(error).__name__)

    def _hash(
        self, seq: int, at: datetime, actor: str, action: str, ref: str, detail: Any, previous: str
    ) -> str:
        fields = [seq, at.isoformat(), actor, action, ref, detail, previous]
        canonical = json.dumps(fields, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return self._cipher.mac("audit", canonical.encode())


def _checked(detail: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in detail.items():
        if not isinstance(value, str | int | bool | None) or (
            isinstance(value, str) and len(value) > MAX_DETAIL_CHARS
        ):
            raise BadValue(f"detail.{key}", "must be a number, a flag, or an id or code")
    return dict(detail)
