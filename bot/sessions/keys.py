"""Names of what is kept in Redis. One conversation's keys share a hash tag, so a cluster keeps them together."""

from __future__ import annotations

PREFIX = "careline"
SESSION_SECONDS = 30 * 24 * 3600
"""How long a silent conversation is kept: a patient may come back after days and go on where they were."""


def conversation_key(conversation: str, part: str) -> str:
    """E.g. ``careline:{c_12}:events``."""
    return f"{PREFIX}:{{{conversation}}}:{part}"


def channel_key(channel: str) -> str:
    """The pub/sub channel of live events, e.g. ``careline:live:queue``."""
    return f"{PREFIX}:live:{channel}"


def repeat_key(channel: str, message_id: str) -> str:
    """The mark that a channel's message has been taken."""
    return f"{PREFIX}:seen:{channel}:{message_id}"
