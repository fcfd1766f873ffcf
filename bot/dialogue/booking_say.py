"""Every reply of the booking, built from the texts. It decides nothing; payloads are words that booking reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from bot.appointments.calendar import Slot
from bot.appointments.service_types import Appointment, Offers
from bot.appointments.wish import Problem, ProblemKind, Window
from bot.clinic import Clinic
from bot.dialogue.booking_words import day_words, time_words
from bot.messages import Attachment, Button, PhoneLink, Reply, ReplyKind
from bot.texts import Texts

ICS_TYPE = "text/calendar"


class Say:
    """Replies in a language, with times in the clinic's zone."""

    def __init__(self, clinic: Clinic, texts: Texts) -> None:
        self._clinic = clinic
        self._texts = texts

    def _t(self, key: str, lang: str, **fields: object) -> str:
        return self._texts(f"booking.{key}", lang, **fields)

    def _reply(
        self, text: str, lang: str, buttons: Sequence[Button] = (), kind: ReplyKind = ReplyKind.QUESTION
    ) -> Reply:
        return Reply(text=text, lang=lang, kind=kind, buttons=tuple(buttons))

    def _plain_button(self, key: str, lang: str) -> Button:
        title = self._t(key, lang)
        return Button(title, title)

    def _time(self, at: dt.datetime, lang: str) -> str:
        return time_words(at, lang, self._clinic.zone)

    def _who(self, clinician: str, lang: str) -> str:
        person = next((c for c in self._clinic.clinicians if c.id == clinician), None)
        return clinician if person is None else self._clinic.local(person.name, lang)

    def _where(self, department: str, lang: str) -> str:
        found = self._clinic.department(department)
        return department if found is None else self._clinic.local(found.name, lang)

    def _phone(self, lang: str) -> PhoneLink:
        return PhoneLink(self._t("call_clinic", lang), self._clinic.phone)

    # ---- questions --------------------------------------------------------------------------------------

    def departments(self, lang: str) -> Reply:
        """Which department, as buttons."""
        names = [self._clinic.local(d.name, lang) for d in self._clinic.departments]
        buttons = [Button(n, n) for n in names] + [self._plain_button("department_unsure", lang)]
        return self._reply(self._t("ask_department", lang), lang, buttons)

    def ask_when(self, lang: str) -> Reply:
        """When, with three quick answers."""
        keys = ("button_earliest", "button_this_week", "button_next_week")
        return self._reply(self._t("ask_when", lang), lang, [self._plain_button(k, lang) for k in keys])

    def ask_when_move(self, visit: Appointment, lang: str) -> Reply:
        """When instead, for a booked visit."""
        text = self._t("ask_when_move", lang, time=self._time(visit.starts_at, lang))
        return replace(self.ask_when(lang), text=text)

    def readings(self, readings: Sequence[Sequence[Window]], lang: str) -> Reply:
        """Which of two readings; a button carries the day, so that pressing it is unambiguous."""
        labels = [_span_words(sorted({w.day for w in reading}), lang) for reading in readings]
        joint = self._t("reading_join", lang)
        text = self._t("which_reading", lang, readings=(joint if lang == "zh" else f" {joint} ").join(labels))
        return self._reply(text, lang, [Button(x, x) for x in labels])

    def problem(self, problem: Problem, lang: str) -> Reply:
        """Why a day cannot be had, and the question for another."""
        if problem.kind is ProblemKind.IMPOSSIBLE or problem.day is None:
            text = self._t("impossible", lang, day=_impossible_words(problem.said, lang))
        elif problem.kind is ProblemKind.PAST:
            text = self._t("past", lang, day=day_words(problem.day, lang))
        else:
            text = self._t(problem.kind.value, lang, day=day_words(problem.day, lang))
        return replace(self.ask_when(lang), text=text)

    def offer(
        self, found: Offers, department: str, lang: str, *, lead: str | None = None, urgent: bool = False
    ) -> Reply:
        """The times, numbered, and as buttons."""
        where = self._where(department, lang)
        if urgent:
            text = self._t("offer_urgent", lang)
        elif not found.matched:
            text = self._t("offer_nearest", lang)
        else:
            text = self._t("offer_one" if len(found) == 1 else "offer", lang, department=where)
        head = f"{lead}\n{text}" if lead else text
        return self._slots(head, found.slots, lang)

    def which_slot(self, slots: Sequence[Slot], lang: str) -> Reply:
        """The same times again, asked otherwise."""
        return self._slots(self._t("which_slot", lang), slots, lang)

    def _slots(self, head: str, slots: Sequence[Slot], lang: str) -> Reply:
        lines = [
            self._t(
                "offer_line",
                lang,
                number=n,
                time=self._time(s.start, lang),
                clinician=self._who(s.clinician, lang),
            )
            for n, s in enumerate(slots, 1)
        ]
        times = [self._time(s.start, lang) for s in slots]
        buttons = [Button(t, t) for t in times] + [self._plain_button("button_other_times", lang)]
        return self._reply("\n".join([head, *lines]), lang, buttons)

    def for_other(self, lang: str) -> str:
        """It is for somebody else: understood."""
        return self._t("for_other", lang)

    def ask_name(self, slot: Slot, lang: str, *, other: bool = False) -> Reply:
        """The time is kept; for whom?"""
        text = self._t(
            "ask_name_of_other" if other else "ask_name",
            lang,
            time=self._time(slot.start, lang),
            clinician=self._who(slot.clinician, lang),
        )
        return self._reply(text, lang)

    def ask_new_name(self, lang: str) -> Reply:
        """The name again."""
        return self._reply(self._t("ask_new_name", lang), lang)

    def bring(self, lang: str) -> str:
        """What to bring to a visit."""
        return self._t("bring", lang)

    def ask_name_again(self, lang: str) -> Reply:
        """The name, asked in other words."""
        return self._reply(self._t("ask_name_again", lang), lang)

    def ask_other_name(self, lang: str) -> Reply:
        """The visit is for somebody else: whose name?"""
        return self._reply(self._t("ask_other_name", lang), lang)

    def department_is(self, department: str, lang: str) -> str:
        """Says that this department it is."""
        return self._t("department_is", lang, department=self._where(department, lang))

    def name_known(self, name: str, lang: str) -> str:
        """The same name again: it is there already."""
        return self._t("name_known", lang, name=name)

    def led(self, lead: str, reply: Reply, lang: str) -> Reply:
        """A reply with a sentence before it."""
        return replace(reply, text=f"{lead}{'' if lang == 'zh' else ' '}{reply.text}")

    def confirm(self, slot: Slot, name: str, lang: str) -> Reply:
        """Everything read back before it is booked."""
        text = self._t(
            "confirm",
            lang,
            time=self._time(slot.start, lang),
            clinician=self._who(slot.clinician, lang),
            department=self._where(slot.department, lang),
            name=name,
        )
        return self._reply(text, lang, [self._plain_button(k, lang) for k in ("button_yes", "button_no")])

    def confirm_move(self, visit: Appointment, slot: Slot, lang: str) -> Reply:
        """Old and new time read back."""
        text = self._t(
            "confirm_move",
            lang,
            old=self._time(visit.starts_at, lang),
            time=self._time(slot.start, lang),
            clinician=self._who(slot.clinician, lang),
        )
        return self._reply(
            text, lang, [self._plain_button(k, lang) for k in ("button_yes_move", "button_no")]
        )

    def what_to_change(self, lang: str, *, name: bool) -> Reply:
        """Time, name, or nothing after all."""
        keys = ["button_change_time", *(["button_change_name"] if name else []), "button_stop"]
        return self._reply(self._t("what_to_change", lang), lang, [self._plain_button(k, lang) for k in keys])

    def pick(self, booked: Sequence[Appointment], mode: str, lang: str) -> Reply:
        """Which of several visits."""
        times = [self._time(a.starts_at, lang) for a in booked]
        text = "\n".join([self._t(f"pick_{mode}", lang), *self._lines(booked, lang)])
        return self._reply(text, lang, [Button(t, t) for t in times])

    def confirm_cancel(self, visit: Appointment, lang: str) -> Reply:
        """A yes before a visit is given up."""
        text = self._t(
            "confirm_cancel",
            lang,
            time=self._time(visit.starts_at, lang),
            clinician=self._who(visit.clinician, lang),
        )
        return self._reply(
            text, lang, [self._plain_button(k, lang) for k in ("button_yes_cancel", "button_keep")]
        )

    def resume(self, replies: tuple[Reply, ...], times: int, lang: str) -> tuple[Reply, ...]:
        """The open question with a lead that changes, so that nobody reads the same sentence twice in a row."""
        lead = self._t("back_to" if times % 2 else "back_to_2", lang)
        return (
            replace(replies[0], text=f"{lead} {replies[0].text}" if lang != "zh" else lead + replies[0].text),
        )

    # ---- ends -------------------------------------------------------------------------------------------

    def booked(self, visit: Appointment, lang: str, key: str = "booked") -> Reply:
        """What is booked, where, and the calendar file."""
        text = self._t(
            key,
            lang,
            time=self._time(visit.starts_at, lang),
            clinician=self._who(visit.clinician, lang),
            department=self._where(visit.department, lang),
            clinic=self._clinic.local(self._clinic.name, lang),
            address=self._clinic.local(self._clinic.address, lang),
            phone=self._clinic.phone,
        )
        file = Attachment(self._t("ics_title", lang), visit.ics_path, ICS_TYPE)
        return replace(self._reply(text, lang, kind=ReplyKind.BOOKING), attachment=file)

    def moved(self, visit: Appointment, lang: str) -> Reply:
        """The new time and a newer calendar file with the same UID."""
        return self.booked(visit, lang, "moved")

    def cancelled(self, visit: Appointment, lang: str) -> Reply:
        """What is cancelled."""
        text = self._t("cancelled", lang, time=self._time(visit.starts_at, lang))
        book = Button(self._t("button_book", lang), self._t("book_payload", lang))
        return self._reply(text, lang, [book], ReplyKind.BOOKING)

    def listing(self, booked: Sequence[Appointment], lang: str) -> Reply:
        """The booked visits, or that there are none."""
        pairs = ("move", "cancel") if booked else ("book",)
        buttons = [Button(self._t(f"button_{k}", lang), self._t(f"{k}_payload", lang)) for k in pairs]
        if not booked:
            return self._reply(self._t("list_none", lang), lang, buttons, ReplyKind.TEXT)
        text = "\n".join([self._t("list_head", lang), *self._lines(booked, lang)])
        return self._reply(text, lang, buttons, ReplyKind.BOOKING)

    def _lines(self, booked: Sequence[Appointment], lang: str) -> list[str]:
        return [
            self._t(
                "list_line",
                lang,
                number=n,
                time=self._time(a.starts_at, lang),
                clinician=self._who(a.clinician, lang),
                department=self._where(a.department, lang),
            )
            for n, a in enumerate(booked, 1)
        ]

    def nothing(self, department: str, level: str | None, lang: str) -> Reply:
        """Nothing free: whom to call instead."""
        phones = [self._phone(lang)]
        numbers = self._clinic.numbers
        if level == "urgent":
            plain = numbers.nonurgent is None
            text = self._t(
                "nothing_today_plain" if plain else "nothing_today",
                lang,
                phone=self._clinic.phone,
                **({} if plain else {"nonurgent": numbers.nonurgent}),
            )
            if numbers.nonurgent:
                phones.append(
                    PhoneLink(self._t("emergency_call", lang, number=numbers.nonurgent), numbers.nonurgent)
                )
        else:
            text = self._t(
                "nothing_free", lang, department=self._where(department, lang), phone=self._clinic.phone
            )
        return replace(self._reply(text, lang, kind=ReplyKind.BOOKING), phones=tuple(phones))

    def emergency(self, lang: str) -> Reply:
        """An emergency books nothing."""
        number = self._clinic.numbers.ambulance
        link = PhoneLink(self._t("emergency_call", lang, number=number), number)
        text = self._t("emergency", lang, number=number)
        return replace(self._reply(text, lang, kind=ReplyKind.EMERGENCY), phones=(link,))

    def too_many(self, count: int, lang: str) -> Reply:
        """No more visits for this conversation."""
        text = self._t("too_many", lang, count=count, phone=self._clinic.phone)
        return replace(self._reply(text, lang, kind=ReplyKind.BOOKING), phones=(self._phone(lang),))

    def stopped(self, kept: Appointment | None, lang: str) -> Reply:
        """Nothing was booked, or the visit stays."""
        if kept is not None:
            text = self._t("kept", lang, time=self._time(kept.starts_at, lang))
        else:
            text = self._t("stopped", lang)
        return self._reply(text, lang, kind=ReplyKind.TEXT)

    # ---- leads ------------------------------------------------------------------------------------------

    def taken(self, lang: str) -> str:
        """Somebody was faster."""
        return self._t("taken", lang)

    def hold_ended(self, lang: str) -> str:
        """The kept time ran out and is gone."""
        return self._t("hold_ended", lang)

    def more(self, lang: str) -> str | None:
        """Before further times."""
        return None if lang not in ("en", "zh") else self._t("offer_more", lang)

    def others_have(self, clinician: str, lang: str) -> str:
        """The clinician asked for has nothing; others have."""
        return self._t("offer_other_clinician", lang, clinician=self._who(clinician, lang))


def _span_words(days: Sequence[dt.date], lang: str) -> str:
    if len(days) == 1:
        return day_words(days[0], lang)
    joint = "到" if lang == "zh" else " to "
    return day_words(days[0], lang) + joint + day_words(days[-1], lang)


def _impossible_words(said: str, lang: str) -> str:
    """ "30/2" → "30 February"; 2月30日."""
    parts = said.split("/")
    if len(parts) < 2 or not parts[1].isdigit() or not 1 <= int(parts[1]) <= 12:
        return said
    day, month = int(parts[0]), int(parts[1])
    if lang == "zh":
        return f"{month}月{day}日"
    return f"{day} {day_words(dt.date(2024, month, 1), 'en').split()[-1]}"
