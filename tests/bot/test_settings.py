"""Settings: typed, refused by the variable's name, and a password never shown."""

from __future__ import annotations

import pytest

from bot.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CARELINE_PORT", "many", "CARELINE_PORT: "),
        ("CARELINE_PORT", "70000", "CARELINE_PORT: "),
        ("CARELINE_REDIS_URL", "localhost:6379", "CARELINE_REDIS_URL: .*redis://"),
        ("CARELINE_DATABASE_URL", "mysql://x", "CARELINE_DATABASE_URL: .*postgresql://"),
        ("CARELINE_GENERATOR_URL", "gpu:8000", "CARELINE_GENERATOR_URL: .*https://"),
        ("CARELINE_PROT", "8080", "CARELINE_PROT: there is no such setting"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_what_is_given_on_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_PORT", "9000")
    assert load_settings().port == 9000
    assert load_settings(port=9001).port == 9001
    assert load_settings(port=None).port == 9000


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_TELEGRAM_TOKEN", "123:canary")
    assert "canary" not in repr(load_settings())
