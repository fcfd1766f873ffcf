"""The clinic file: what it must hold, what it refuses, and who is on duty when."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clinic import DEMO_CLINIC, ClinicFileError, load_clinic, load_numbers

DEMO: dict[str, Any] = yaml.safe_load(DEMO_CLINIC.read_text(encoding="utf-8"))


def write(path: Path, **changes: Any) -> Path:
    data = {**DEMO, **changes}
    data = {key: value for key, value in data.items() if value is not None}
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"country": None}, "'country' is missing. It picks the emergency numbers"),
        ({"country": "XX"}, "no confirmed emergency numbers for 'XX'"),
        ({"colour": "blue"}, "field 'colour': unknown key"),
        ({"time_zone": "London"}, "'London' is not an IANA time zone"),
        ({"name": {"en": "Only English"}}, "the language 'zh' is missing"),
        ({"opening_hours": {"mon": [{"from": "18:00", "to": "09:00"}]}}, "'to' must be later than 'from'"),
        ({"opening_hours": {"mon": [{"from": 510, "to": "09:00"}]}}, "write times in quotes"),
        ({"departments": []}, "field 'departments'"),
        ({"clinicians": [{**DEMO["clinicians"][0], "departments": ["moon"]}]}, "unknown department 'moon'"),
    ],
)
def test_a_wrong_clinic_file_is_refused_with_the_field_named(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ClinicFileError, match=re.escape(said)):
        load_clinic(write(tmp_path / "clinic.yml", **changes))


def test_a_file_that_is_no_yaml_and_one_that_is_not_there_say_so(tmp_path: Path) -> None:
    broken = tmp_path / "clinic.yml"
    broken.write_bytes(b"\xff\xfe name: [")
    with pytest.raises(ClinicFileError, match="not readable as YAML"):
        load_clinic(broken)
    with pytest.raises(ClinicFileError, match="there is no such clinic file"):
        load_clinic(tmp_path / "absent.yml")


@pytest.mark.parametrize("country", sorted(load_numbers()))
def test_every_country_that_ships_has_dialable_numbers_with_a_source(country: str) -> None:
    numbers = load_numbers()[country]
    for number in (numbers.emergency, numbers.ambulance, numbers.police):
        assert re.fullmatch(r"\d{2,4}", number)
    assert numbers.crisis_line is None or re.fullmatch(r"\d{3,11}", numbers.crisis_line)
    assert numbers.source and {"en", "zh"} <= set(numbers.country)


def test_duty_follows_the_clinics_own_clock_over_a_change_to_summer_time() -> None:
    """8 o'clock in London is 8 UTC in winter and 7 UTC in summer."""
    clinic = load_clinic()
    friday_evening = dt.datetime(2027, 3, 26, 22, 0, tzinfo=dt.UTC)
    saturday, _ = clinic.next_duty(friday_evening) or pytest.fail("no duty")
    monday, _ = clinic.next_duty(saturday + dt.timedelta(hours=4)) or pytest.fail("no duty")
    assert saturday.astimezone(dt.UTC).hour == 9
    assert monday.astimezone(dt.UTC) == dt.datetime(2027, 3, 29, 7, 0, tzinfo=dt.UTC)
    assert clinic.on_duty(monday) is not None
    assert clinic.on_duty(monday - dt.timedelta(minutes=1)) is None


def test_a_holiday_has_nobody_on_duty() -> None:
    clinic = load_clinic()
    christmas = dt.datetime(2026, 12, 25, 12, 0, tzinfo=dt.UTC)
    assert clinic.on_duty(christmas) is None
    assert not clinic.is_open(christmas)
