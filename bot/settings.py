"""Typed settings: every knob an operator has, read from ``CARELINE_*`` variables, ``.env`` is never read.

Nothing is opened here. A wrong or unknown variable is refused by name (:class:`SettingsError`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CARELINE_"
TOOL_VARIABLES = frozenset({"CARELINE_BENCH"})
"""Variables with our prefix that are read elsewhere (the benchmark runner) and are not settings."""


class SettingsError(ValueError):
    """A setting is wrong. The message names the variable and says what it should be."""


class Settings(BaseSettings):
    """All settings. Everything has a default under which the whole assistant runs embedded below ``data``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    data: Path = Path("var/demo")
    clinic: Path | None = None
    redis_url: str | None = None
    database_url: str | None = None
    key_file: Path | None = None
    model_dir: Path | None = None
    public_url: str | None = None
    proxies: int = Field(default=0, ge=0, le=10)
    allowed_origins: tuple[str, ...] = ()
    generator_url: str | None = None
    generator_model: str | None = None
    generator_token: SecretStr | None = None
    telegram_token: SecretStr | None = None
    telegram_secret: SecretStr | None = None
    telegram_api: str = "https://api.telegram.org"
    rest_key: SecretStr | None = None
    messages_per_s: float = Field(default=1.0, gt=0)
    messages_burst: int = Field(default=30, ge=1)
    address_per_s: float = Field(default=20.0, gt=0)
    address_burst: int = Field(default=120, ge=1)
    encoder: bool = True
    reader_encoder: Path | None = None
    log_level: str = "INFO"

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value and not value.startswith(("postgresql+asyncpg://", "postgresql://", "sqlite+aiosqlite://")):
            raise ValueError("must start with postgresql:// or sqlite+aiosqlite:///")
        return value.replace("postgresql://", "postgresql+asyncpg://", 1) if value else value

    @field_validator("generator_url", "public_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else value

    @property
    def sqlite_url(self) -> str:
        """The embedded database's URL, below ``data``."""
        return f"sqlite+aiosqlite:///{self.data / 'careline.sqlite3'}"

    @property
    def key_path(self) -> Path:
        """Where the encryption keys are; made on the first run, readable by the owner alone."""
        return self.key_file or self.data / "keys.json"

    @property
    def models(self) -> Path:
        """Where the trained dialogue model is, with its manifest."""
        return self.model_dir or Path("models")


def load_settings(**given: Any) -> Settings:
    """Settings from the environment, overridden by ``given`` values that are not None.

    Raises:
        SettingsError: naming the variable (``CARELINE_PORT``) and what is wrong with it.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | TOOL_VARIABLES
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name}: there is no such setting; known: {', '.join(sorted(known))}")
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        parts = [
            f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        raise SettingsError("; ".join(parts)) from None
