"""The spool: a local append-only file that takes escalations while SQL is away, and gives them back later.

One line per record: ``{"v": 1, "id": …, "blob": base64}``; the blob is sealed, so that the file shows nothing
of a patient. ``append`` returns only after the line is on the disk. ``replay`` hands every record to a
callback and removes what was taken; a record may be handed over twice (a crash in between), so the callback
must be idempotent. One process per file.

    spool = Spool(data / "spool.jsonl", cipher)
    await spool.append(spooled(incoming, alarm, reply=reply, address=("telegram", "555", "en")))
    count = await spool.replay(Replayer(conversations, inbox, escalations))
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.escalation.model import Alarm
from bot.escalation.service import Escalations
from bot.messages import Incoming, Reply, new_id
from bot.records.conversations import Conversations
from bot.records.crypto import Cipher
from bot.records.errors import CipherError, RecordsError, UnknownRecord
from bot.records.inbox import Inbox
from bot.records.messages import reply_from_json, reply_to_json

log = logging.getLogger(__name__)

FORMAT = 1
COLUMN = "spool"


class SpoolUnavailable(OSError):
    """The spool's file cannot be written (disk full, read-only). The escalation is recorded nowhere."""


@dataclass(frozen=True, slots=True)
class _Line:
    raw: bytes
    record: Mapping[str, Any] | None
    """None when the line cannot be read: cut short by a crash, or damaged."""


class Spool:
    """The file at ``path``, and beside it ``path.replaying`` and ``path.damaged``."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        self.path, self._cipher = path, cipher
        self._replaying = path.with_name(path.name + ".replaying")
        self._damaged = path.with_name(path.name + ".damaged")
        self._file = asyncio.Lock()
        # A thread of its own: an emergency must not queue behind whatever else runs in the shared threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._replay = asyncio.Lock()

    async def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and wait until it is on the disk, or :class:`SpoolUnavailable`."""
        id_ = new_id("sp")
        blob = self._cipher.seal(json.dumps(dict(record)), record=id_, column=COLUMN)
        line = json.dumps({"v": FORMAT, "id": id_, "blob": base64.b64encode(blob).decode()}) + "\n"
        async with self._file:
            try:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, _append, self.path, line.encode())
            except OSError as error:
                raise SpoolUnavailable(error.errno, "the spool cannot be written") from None

    async def waiting(self) -> int:
        """How many records are in the files (a figure for readiness and the console)."""
        lines = [*await asyncio.to_thread(self._lines, self._replaying), *await self._fresh_lines()]
        return sum(line.record is not None for line in lines)

    async def replay(self, into: Callable[[Mapping[str, Any]], Awaitable[None]]) -> int:
        """Hand every record to ``into``, oldest first; returns how many were taken.

        Stops at the first :class:`RecordsError` that says to retry, raises it, and keeps that record and all
        after it. A record that can never be taken is moved to ``.damaged``, sealed as it is.
        """
        async with self._replay:
            async with self._file:  # appends go to a new file from here on and never wait for SQL
                await asyncio.to_thread(self._rotate)
            lines = await asyncio.to_thread(self._lines, self._replaying)
            taken, done = 0, 0
            try:
                for line in lines:
                    taken += await self._hand_over(line, into)
                    done += 1
            finally:
                await asyncio.to_thread(_rewrite, self._replaying, [line.raw for line in lines[done:]])
            return taken

    async def _hand_over(self, line: _Line, into: Callable[[Mapping[str, Any]], Awaitable[None]]) -> bool:
        problem = "unreadable"
        if line.record is not None:
            try:
                await into(line.record)
                return True
            except RecordsError as error:
                if error.retry:
                    raise
                problem = type(error).__name__
        log.error("a spooled escalation could not be replayed (%s); it is kept aside", problem)
        await asyncio.to_thread(_append, self._damaged, line.raw + b"\n")
        return False

    async def _fresh_lines(self) -> list[_Line]:
        async with self._file:
            return await asyncio.to_thread(self._lines, self.path)

    def _rotate(self) -> None:
        """Move new lines behind those that an earlier replay has left."""
        if not self.path.exists():
            return
        if self._replaying.exists():
            _append(self._replaying, self.path.read_bytes())
            self.path.unlink()
        else:
            self.path.replace(self._replaying)
        _sync_directory(self.path)

    def _lines(self, path: Path) -> list[_Line]:
        if not path.exists():
            return []
        return [_Line(raw, self._opened(raw)) for raw in path.read_bytes().split(b"\n") if raw.strip()]

    def _opened(self, raw: bytes) -> Mapping[str, Any] | None:
        try:
            line = json.loads(raw)
            blob = base64.b64decode(line["blob"], validate=True)
            record: Mapping[str, Any] = json.loads(self._cipher.open(blob, record=line["id"], column=COLUMN))
        except (ValueError, KeyError, TypeError, binascii.Error, CipherError):
            return None
        return record


def spooled(
    incoming: Incoming,
    alarm: Alarm,
    *,
    reply: Reply | None = None,
    address: tuple[str, str, str | None] | None = None,
) -> dict[str, Any]:
    """A record for :meth:`Spool.append`.

    ``alarm.message_id`` may be empty where SQL has not stored the message. ``address`` is (channel, address,
    lang) of the conversation, needed where SQL may not know the conversation either. ``reply`` is what the
    patient was told, so that staff read it too.
    """
    return {
        "incoming": {**asdict(incoming), "received_at": incoming.received_at.isoformat()},
        "alarm": alarm.to_json(),
        "reply": None if reply is None else reply_to_json(reply),
        "address": None if address is None else list(address),
    }


class Replayer:
    """Takes spooled records into SQL: conversation, message, escalation, each at most once."""

    def __init__(self, conversations: Conversations, inbox: Inbox, escalations: Escalations) -> None:
        self._conversations, self._inbox, self._escalations = conversations, inbox, escalations

    async def __call__(self, record: Mapping[str, Any]) -> None:
        """Replay one record; harmless when it was replayed, or had reached SQL, before."""
        fields = record["incoming"]
        received = datetime.fromisoformat(fields["received_at"])
        incoming = Incoming(**{**fields, "received_at": received})
        incoming = await self._in_known_conversation(incoming, record["address"])
        accepted = await self._inbox.accept(incoming)
        alarm = replace(
            Alarm.from_json(record["alarm"]),
            message_id=accepted.message_id,
            conversation_id=incoming.conversation,
        )
        reply = None if record["reply"] is None else reply_from_json(record["reply"])
        await self._escalations.raise_(alarm, reply=reply)
        if not accepted.repeat:  # SQL had not seen it, so no turn of it is waiting to be resumed
            await self._inbox.complete(accepted.message_id, [])

    async def _in_known_conversation(self, incoming: Incoming, address: Any) -> Incoming:
        try:
            await self._conversations.get(incoming.conversation)
        except UnknownRecord:
            if address is None:
                raise
            known = await self._conversations.ensure(incoming.conversation, *address)
            return replace(incoming, conversation=known.id)
        return incoming


def _append(path: Path, data: bytes) -> None:
    """Append whole lines and flush to the disk; after a line cut short by a crash a new one is begun."""
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync_directory(path)


def _rewrite(path: Path, lines: list[bytes]) -> None:
    """Put the remaining lines in place of the file, or remove it when none remain."""
    if not lines:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    _append(temporary, b"".join(line + b"\n" for line in lines))
    temporary.replace(path)
    _sync_directory(path)


def _sync_directory(path: Path) -> None:
    """Flush a directory, so that a new or renamed file is found after a power cut."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
