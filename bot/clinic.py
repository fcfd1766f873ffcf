"""The clinic file: who the clinic is, when it is open, who works there, and which emergency numbers apply.

The country is required, because it picks the emergency and crisis numbers; one whose numbers we have not
confirmed is refused rather than guessed. It knows nothing of bookings or staff accounts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

NUMBERS_FILE = Path(__file__).parent / "emergency_numbers.yml"
DEMO_CLINIC = Path(__file__).parent / "demo_clinic.yml"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LocalText = dict[str, str]


class ClinicFileError(ValueError):
    """The clinic file cannot be used. The message names the field and says how to mend it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hours(_Strict):
    """One opening period of a day, local wall-clock time, end exclusive."""

    start: dt.time = Field(alias="from")
    end: dt.time = Field(alias="to")

    @field_validator("start", "end", mode="before")
    @classmethod
    def _quoted_time(cls, value: object) -> object:
        if isinstance(value, int):  # YAML 1.1 reads an unquoted 08:30 as the number 510
            raise ValueError('write times in quotes, e.g. "08:30"')
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Hours:
        if self.end <= self.start:
            raise ValueError("'to' must be later than 'from'")
        return self


class Department(_Strict):
    """A department that patients can book. ``findings`` are concept ids that point to it."""

    id: str
    name: LocalText
    visit_minutes: int = Field(default=15, ge=5, le=240)
    findings: tuple[str, ...] = ()


class Clinician(_Strict):
    """A clinician with the departments and weekly hours in which they see patients."""

    id: str
    name: LocalText
    departments: tuple[str, ...] = Field(min_length=1)
    hours: dict[Weekday, tuple[Hours, ...]]
    leave: tuple[dt.date, ...] = ()


class Duty(_Strict):
    """When staff look at escalations: weekdays and hours, and who it is in plain words."""

    days: tuple[Weekday, ...] = Field(min_length=1)
    hours: tuple[Hours, ...] = Field(min_length=1)
    who: LocalText


class EmergencyNumbers(_Strict):
    """Numbers of one country, from ``emergency_numbers.yml`` (each with its source)."""

    country: LocalText
    emergency: str
    ambulance: str
    police: str
    crisis_line: str | None = None
    crisis_name: LocalText | None = None
    nonurgent: str | None = None
    source: str
    date: dt.date


class Clinic(_Strict):
    """A whole clinic file, checked."""

    id: str = Field(pattern=r"^[a-z0-9-]{2,40}$")
    name: LocalText
    country: str = Field(pattern=r"^[A-Z]{2}$")
    time_zone: str
    languages: tuple[str, ...] = Field(min_length=1)
    phone: str
    address: LocalText
    opening_hours: dict[Weekday, tuple[Hours, ...]]
    holidays: tuple[dt.date, ...] = ()
    departments: tuple[Department, ...] = Field(min_length=1)
    clinicians: tuple[Clinician, ...] = Field(min_length=1)
    duty: tuple[Duty, ...] = Field(min_length=1)
    info: dict[str, LocalText] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, e.g. Europe/London")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Clinic:
        known = {d.id for d in self.departments}
        for person in self.clinicians:
            for dep in person.departments:
                if dep not in known:
                    raise ValueError(f"clinician {person.id!r} works in unknown department {dep!r}")
        for lang in self.languages:
            if lang not in self.name:
                raise ValueError(f"name: the language {lang!r} is missing")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The clinic's time zone; every time that a patient sees is in it."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def numbers(self) -> EmergencyNumbers:
        """The emergency numbers of the clinic's country."""
        return load_numbers()[self.country]

    def local(self, text: Mapping[str, str], lang: str) -> str:
        """A text in the asked language, else in the clinic's first language that has it."""
        for code in (lang, *self.languages, "en"):
            if code in text:
                return text[code]
        return next(iter(text.values()))

    def department(self, department_id: str) -> Department | None:
        """The department with this id, or None."""
        return next((d for d in self.departments if d.id == department_id), None)

    def is_open(self, at: dt.datetime) -> bool:
        """Whether the clinic is open at an aware instant."""
        local = at.astimezone(self.zone)
        return local.date() not in self.holidays and _within(
            self.opening_hours.get(_weekday(local), ()), local.time()
        )

    def on_duty(self, at: dt.datetime) -> Duty | None:
        """Who looks at escalations at an aware instant, or None when nobody does."""
        local = at.astimezone(self.zone)
        for duty in self.duty:
            if (
                _weekday(local) in duty.days
                and _within(duty.hours, local.time())
                and local.date() not in self.holidays
            ):
                return duty
        return None

    def next_duty(self, at: dt.datetime) -> tuple[dt.datetime, Duty] | None:
        """The next start of a duty period strictly after ``at`` (aware, clinic's zone), within 14 days."""
        local = at.astimezone(self.zone)
        starts: list[tuple[dt.datetime, Duty]] = []
        for offset in range(15):
            day = local.date() + dt.timedelta(days=offset)
            if day in self.holidays:
                continue
            for duty in self.duty:
                if WEEKDAYS[day.weekday()] not in duty.days:
                    continue
                for hours in duty.hours:
                    start = dt.datetime.combine(day, hours.start, tzinfo=self.zone)
                    if start > local:
                        starts.append((start, duty))
        return min(starts, key=lambda pair: pair[0]) if starts else None


def _weekday(local: dt.datetime) -> Weekday:
    return WEEKDAYS[local.weekday()]  # type: ignore[return-value]


def _within(periods: tuple[Hours, ...], at: dt.time) -> bool:
    return any(p.start <= at < p.end for p in periods)


def load_numbers(path: Path = NUMBERS_FILE) -> dict[str, EmergencyNumbers]:
    """All countries whose numbers are confirmed, by ISO 3166 code."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {code: EmergencyNumbers.model_validate(row) for code, row in data.items()}


def load_clinic(path: Path = DEMO_CLINIC) -> Clinic:
    """Read and check a clinic file.

    Raises:
        ClinicFileError: naming the file, the field and what to write instead.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ClinicFileError(f"{path}: there is no such clinic file; give one with --clinic FILE") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClinicFileError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(data, Mapping):
        raise ClinicFileError(f"{path}: expected a map of fields (name, country, …)")
    if "country" not in data:
        raise ClinicFileError(
            f"{path}: field 'country' is missing. It picks the emergency numbers; add e.g. 'country: GB'"
        )
    try:
        clinic = Clinic.model_validate(data)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors(include_url=False)]
        raise ClinicFileError(f"{path}: " + "; ".join(lines)) from None
    known = load_numbers()
    if clinic.country not in known:
        raise ClinicFileError(
            f"{path}: field 'country': we have no confirmed emergency numbers for {clinic.country!r}; "
            f"known: {', '.join(sorted(known))}. Add the country, with its source, to {NUMBERS_FILE.name}"
        )
    return clinic


def _explain(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "file"
    if item["type"] == "extra_forbidden":
        return f"field '{where}': unknown key; check its spelling or remove it"
    if item["type"] == "missing":
        return f"field '{where}': is missing"
    return f"field '{where}': {item['msg']}"
