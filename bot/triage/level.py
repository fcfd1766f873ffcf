"""How soon a person needs care. A closed, ordered set; it knows nothing of why."""

from __future__ import annotations

import enum


class Level(enum.IntEnum):
    """Compare by severity: ``Level.EMERGENCY > Level.URGENT > … > Level.NONE``."""

    NONE = 0
    SELF_CARE = 1
    ROUTINE = 2
    URGENT = 3
    EMERGENCY = 4

    @property
    def code(self) -> str:
        """The written name, e.g. ``self_care``."""
        return self.name.lower()

    @classmethod
    def from_code(cls, code: str) -> Level:
        """The inverse of :attr:`code`. Raises ValueError on an unknown name."""
        try:
            return cls[code.upper()]
        except KeyError:
            raise ValueError(f"unknown level {code!r}") from None
