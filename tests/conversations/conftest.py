"""The same dialogue room as the dialogue's own tests: real model, real Redis, real calendar."""

from tests.dialogue.conftest import model, redis, sessions, world

__all__ = ["model", "redis", "sessions", "world"]
