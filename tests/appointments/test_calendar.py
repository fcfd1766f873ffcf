"""The timetable across clock changes, leap days, holidays and leave."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from bot.appointments.calendar import (
    Slot,
    SlotError,
    is_offered,
    local_minute,
    slots_on,
    to_utc,
    working_minutes,
)
from bot.clinic import Clinic, load_clinic


def clinic_in(zone: str, start: str = "09:00", end: str = "12:00") -> Clinic:
    """The demo clinic in another zone, open every day, one clinician."""
    hours = {d: [{"from": start, "to": end}] for d in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    base = load_clinic()
    data = base.model_dump(mode="json", by_alias=True)
    data |= {"time_zone": zone, "opening_hours": hours, "holidays": []}
    data["departments"] = [{"id": "general", "name": {"en": "GP", "zh": "全科"}, "visit_minutes": 30}]
    data["clinicians"] = [
        {"id": "a", "name": {"en": "Dr A", "zh": "甲"}, "departments": ["general"], "hours": hours}
    ]
    return Clinic.model_validate(data)


@pytest.mark.parametrize(
    ("zone", "before", "after", "hours"),
    [
        ("Europe/London", (2026, 3, 28), (2026, 3, 29), 23),
        ("Europe/London", (2026, 10, 24), (2026, 10, 25), 25),
        ("America/New_York", (2026, 3, 7), (2026, 3, 8), 23),
        ("America/New_York", (2026, 10, 31), (2026, 11, 1), 25),
        ("Australia/Sydney", (2026, 4, 4), (2026, 4, 5), 25),
        ("Australia/Sydney", (2026, 10, 3), (2026, 10, 4), 23),
    ],
)
def test_nine_oclock_stays_nine_oclock_when_the_clocks_change(
    zone: str, before: tuple[int, int, int], after: tuple[int, int, int], hours: int
) -> None:
    clinic = clinic_in(zone)
    first = min(slots_on(clinic, "general", dt.date(*before)))
    second = min(slots_on(clinic, "general", dt.date(*after)))
    for slot in (first, second):
        assert local_minute(slot.start, clinic.zone)[1] == 540
    assert second.start - first.start == dt.timedelta(hours=hours)
    assert len(list(slots_on(clinic, "general", dt.date(*after)))) == 6


def test_a_minute_that_the_clocks_jump_over_is_no_slot() -> None:
    clinic = clinic_in("Europe/London", "00:00", "04:00")
    spring = [
        local_minute(s.start, clinic.zone)[1] for s in slots_on(clinic, "general", dt.date(2026, 3, 29))
    ]
    assert spring == [0, 30, 120, 150, 180, 210]
    autumn = sorted(slots_on(clinic, "general", dt.date(2026, 10, 25)))
    assert len({s.start for s in autumn}) == len(autumn) == 8
    cells = [c for s in autumn for c in s.cells]
    assert len(cells) == len(set(cells))


def test_to_utc_of_gap_and_fold() -> None:
    london = ZoneInfo("Europe/London")
    assert to_utc(dt.date(2026, 3, 29), 90, london) is None
    assert to_utc(dt.date(2026, 10, 25), 90, london) == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)


def test_the_leap_day_has_slots() -> None:
    assert list(slots_on(clinic_in("Europe/London"), "general", dt.date(2028, 2, 29)))


def test_holidays_leave_and_closing_time_take_slots_away() -> None:
    clinic = load_clinic()
    assert list(slots_on(clinic, "general", dt.date(2026, 12, 25))) == []
    assert list(slots_on(clinic, "general", dt.date(2026, 11, 29))) == []
    away = clinic.clinicians[0].model_copy(update={"leave": (dt.date(2026, 11, 23),)})
    assert working_minutes(clinic, away, dt.date(2026, 11, 23)) == ()
    longer = clinic.clinicians[0].model_copy(update={"hours": {"mon": clinic.opening_hours["thu"]}})
    assert working_minutes(clinic, longer, dt.date(2026, 11, 23)) == ((480, 1110),)
    last = max(s.start for s in slots_on(clinic, "paediatrics", dt.date(2026, 11, 24)))
    assert last + dt.timedelta(minutes=20) <= dt.datetime(2026, 11, 24, 17, 30, tzinfo=dt.UTC)


def test_slots_of_one_clinician_never_overlap() -> None:
    clinic = load_clinic()
    for offset in range(28):
        day = dt.date(2026, 11, 23) + dt.timedelta(days=offset)
        for department in clinic.departments:
            cells = [(s.clinician, c) for s in slots_on(clinic, department.id, day) for c in s.cells]
            assert len(cells) == len(set(cells))


def test_a_slot_survives_json_and_foreign_json_is_refused() -> None:
    slot = next(slots_on(load_clinic(), "general", dt.date(2026, 11, 24)))
    assert Slot.from_json(slot.to_json()) == slot and is_offered(load_clinic(), slot)
    for bad in (
        {},
        {"start": "soon", "clinician": "a", "department": "b", "minutes": 15},
        {**slot.to_json(), "minutes": "x"},
    ):
        with pytest.raises(SlotError):
            Slot.from_json(bad)
