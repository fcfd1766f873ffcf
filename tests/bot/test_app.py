"""Small decisions of the composition root."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from bot.app import behind, worker_name


@pytest.mark.parametrize(
    ("proxies", "header", "expected"),
    [
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "spoofed, 203.0.113.9", "203.0.113.9"),
        (2, "spoofed, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
    ],
)
def test_behind_proxies_only_what_they_wrote_is_believed(proxies: int, header: str, expected: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": header})
    assert behind(proxies)(request) == expected


def test_without_proxies_the_header_is_not_read() -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert behind(0)(request) != "203.0.113.9"


def test_the_workers_name_is_stable_and_differs_between_installations(tmp_path: Path) -> None:
    assert worker_name(tmp_path / "a") == worker_name(tmp_path / "a")
    assert worker_name(tmp_path / "a") != worker_name(tmp_path / "b")
