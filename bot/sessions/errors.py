"""What can go wrong with the session store. Messages name operations, never contents."""

from __future__ import annotations


class SessionsError(Exception):
    """Base of the session store's errors."""


class SessionsDown(SessionsError):
    """Redis cannot be reached or does not answer in time. Retry later; the turn goes on without memory."""

    retry = True


class SessionConflict(SessionsDown):
    """Somebody else has written this conversation meanwhile (a lease ran out). Nothing was written."""


class SessionUnreadable(SessionsError):
    """Stored data cannot be opened (a foreign key, or altered). Nothing is guessed in its place."""

    retry = False


class SessionStartError(SessionsError):
    """The embedded Redis does not start. The message says why and what to do."""

    retry = False
