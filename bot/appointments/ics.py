"""An appointment as an iCalendar file (RFC 5545): stable UID, growing SEQUENCE, zone included, private.

A shared calendar or a lock screen shows the title, so neither title nor place nor text says why the patient
comes, which department it is, or who the patient is.
"""

from __future__ import annotations

import datetime as dt

import icalendar

from bot.appointments.service_types import Appointment
from bot.clinic import Clinic

REMIND_BEFORE = dt.timedelta(days=1)
_SUMMARY = {"en": "Appointment at {clinic}", "zh": "{clinic}预约就诊"}
_NOTE = {"en": "To change or cancel, call {phone}.", "zh": "如需更改或取消，请致电 {phone}。"}


def to_ics(appointment: Appointment, clinic: Clinic) -> bytes:
    """The file's bytes. Times carry the clinic's zone with its rules (VTIMEZONE); never floating."""
    lang = appointment.lang if appointment.lang in _SUMMARY else "en"
    clinic_name = clinic.local(clinic.name, lang)
    event = icalendar.Event()
    event.add("uid", appointment.uid)
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", appointment.updated_at)
    event.add("dtstart", appointment.starts_at.astimezone(clinic.zone))
    event.add("dtend", appointment.ends_at.astimezone(clinic.zone))
    event.add("summary", _SUMMARY[lang].format(clinic=clinic_name))
    event.add("description", _NOTE[lang].format(phone=clinic.phone))
    event.add("location", clinic.local(clinic.address, lang))
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if appointment.status == "cancelled" else "CONFIRMED")
    if appointment.status != "cancelled":
        alarm = icalendar.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", -REMIND_BEFORE)
        alarm.add("description", _SUMMARY[lang].format(clinic=clinic_name))
        event.add_component(alarm)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Careline//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())
