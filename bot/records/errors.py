"""What can go wrong with records, by type: whether to try again, and what an operator should do.

Messages name columns, ids and revisions. They never hold a patient's words, an address or a key.
"""

from __future__ import annotations

MAX_ID_CHARS = 64
"""Longest id that any table holds."""


class RecordsError(Exception):
    """Base of everything the records raise. ``retry``: the same call may succeed later, unchanged."""

    retry = False


class RecordsUnavailable(RecordsError):
    """The database cannot be reached, is locked, read-only or full. Nothing was written."""

    retry = True


class NewerDatabase(RecordsError):
    """The database was written by a newer program than this one; opening it could destroy records."""

    def __init__(self, found: str, known: str) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"the database is at revision {found!r}, which this program does not know "
            f"(its newest is {known!r}). Install the newer version of careline that wrote it, "
            "or restore the backup made before that upgrade."
        )


class BadDatabaseUrl(RecordsError):
    """The address is neither a SQLite file nor PostgreSQL."""


class NestedTransaction(RecordsError):
    """A task that is inside ``begin()`` asked for a second transaction: it would wait for itself."""


class UnknownRecord(RecordsError):
    """No row has this id. ``kind`` is the table's noun, e.g. ``conversation``."""

    def __init__(self, kind: str, id_: str) -> None:
        self.kind, self.id = kind, id_
        super().__init__(f"there is no {kind} {id_[:MAX_ID_CHARS]!r}")


class BadValue(RecordsError):
    """A field of a value to be stored is not storable. ``field`` names it; the value is not repeated."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field}: {problem}")


class CipherError(RecordsError):
    """A stored value cannot be opened: unknown key, wrong place, or altered bytes."""


class KeyFileError(RecordsError):
    """The key file is missing, unreadable, open to others, or malformed. The message says how to mend it."""


def check_id(kind: str, id_: str) -> None:
    """Refuse what cannot be an id (too long, control characters, half a surrogate) as unknown.

    SQLite would answer "no such row", PostgreSQL would fail; an id from outside must never be a fault.
    """
    if not (0 < len(id_) <= MAX_ID_CHARS and id_.isascii() and id_.isprintable()):
        raise UnknownRecord(kind, id_)
