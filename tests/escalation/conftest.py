"""The tests of escalations run over the shared stores."""

from tests.stores import cipher, clock, database, database_url, empty_database_url, postgres_server, stores

__all__ = ["cipher", "clock", "database", "database_url", "empty_database_url", "postgres_server", "stores"]
