"""Booking, moving and cancelling a visit, one question at a time. No Rasa, no storage of its own.

"Can I see someone next Tuesday after work?" → which Tuesday → three times → a name → yes → booked, with a
calendar file. What is asked next is in the state; times are kept by the calendar, names lie sealed there.
A message about something else comes back as ``understood=False``; then ``ask_again`` picks the thread up.

    booking = Booking(calendar, clinic, texts)
    step = await booking.start(conversation, "en", level="routine", findings=findings, text=text)
    step = await booking.answer(step.state, "the second one", "en")
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bot.appointments.calendar import Slot
from bot.appointments.errors import HoldExpired, UnknownAppointment
from bot.appointments.search import suits
from bot.appointments.service import Calendar
from bot.appointments.service_types import Appointment
from bot.appointments.times import understand
from bot.appointments.wish import Wish
from bot.clinic import Clinic
from bot.dialogue import booking_words as words
from bot.dialogue.booking_moves import BookingMoves, Clock
from bot.dialogue.booking_state import (
    clinician_said,
    counting,
    department_for,
    department_named,
    department_said,
    offers,
    windows_from,
    wish_from,
    wish_json,
)
from bot.dialogue.flow import State, Step, highest, not_understood
from bot.messages import Reply, now_utc
from bot.texts import Texts

MAX_ANSWER_CHARS = 500
"""An answer is short; of a longer message only the beginning is read here."""
ELSEWHERE = frozenset(
    {
        *("report_symptom", "ask_self_care", "ask_health", "ask_medicine", "ask_side_effect", "ask_price"),
        *("ask_location", "ask_hours", "talk_to_human", "request_callback", "distress", "bot_challenge"),
        *("ask_privacy", "complain"),
    }
)
"""Intents that are about something else whatever words they use; a name is not read out of them."""


class Booking(BookingMoves):
    """The flow. Every method returns a :class:`Step`; what it needs next time is in ``step.state``."""

    def __init__(self, calendar: Calendar, clinic: Clinic, texts: Texts, clock: Clock = now_utc) -> None:
        super().__init__(calendar, clinic, texts, clock)
        self._stages: Mapping[str, Callable[[State, str, str, str | None], Awaitable[Step]]] = {
            "department": self._at_department,
            "when": self._at_when,
            "reading": self._at_reading,
            "slot": self._at_slot,
            "name": self._at_name,
            "confirm": self._at_confirm,
            "change": self._at_change,
            "pick": self._at_pick,
            "cancel": self._at_cancel,
        }

    # ---- beginnings -------------------------------------------------------------------------------------

    async def start(
        self,
        conversation: str,
        lang: str,
        level: str | None = None,
        findings: Sequence[Mapping[str, Any] | str] = (),
        text: str = "",
        profile: Mapping[str, Any] | None = None,
    ) -> Step:
        """Begin a booking. Uses what ``text`` already says (day, department, clinician).

        ``level`` is the case's triage level: ``emergency`` books nothing, ``urgent`` sees today only.
        """
        state = self._new(conversation, "book", level)
        if level == "emergency":
            return self._done(state, self._say.emergency(lang))
        ids = counting(findings)
        department = department_for(self._clinic, ids, profile, text)
        state["clinician"] = clinician_said(self._clinic, text, department)
        if department is None and state["clinician"]:
            department = self._departments_of(state["clinician"])[0]
        state["for_other"] = words.somebody_else(text)
        state["reason"] = ",".join(dict.fromkeys(ids))[:200] or None
        wish = understand(text, self._clinic, self._clock()) if text else Wish()
        if department is None and level == "urgent":
            department = self._clinic.departments[0].id
        if department is None:
            state["wish"] = wish_json(wish) if wish.windows or wish.choices or wish.earliest else None
            return self._ask(state, "department", self._say.departments(lang))
        state["department"] = department
        return await self._after_department(state, wish, lang)

    async def list(self, conversation: str, lang: str) -> Step:
        """Say which visits are booked."""
        booked = await self._calendar.list(conversation)
        return self._done(self._new(conversation, "list", None), self._say.listing(booked, lang))

    async def cancel_start(self, conversation: str, lang: str, text: str = "") -> Step:
        """Begin to cancel: which visit, then a yes."""
        return await self._pick_start("cancel", conversation, lang, text)

    async def move_start(self, conversation: str, lang: str, text: str = "") -> Step:
        """Begin to move: which visit, then a new time, then a yes."""
        return await self._pick_start("move", conversation, lang, text)

    async def answer(
        self, state: State, text: str, lang: str, intent: str | None = None, level: str | None = None
    ) -> Step:
        """Go on with the patient's answer. ``level`` is the case's level now; it only ever raises."""
        text = text[:MAX_ANSWER_CHARS]
        state = dict(state)
        state["level"] = highest(state.get("level"), level)
        if state.get("level") == "emergency":
            await self._calendar.release(state["conversation"])
            return self._done(state, self._say.emergency(lang))
        if self._stops(state, text, intent):
            return await self._stop(state, lang)
        if words.said_back(text, intent):
            return await self._back(state, lang)
        if words.asks_what_to_bring(text):
            step = await self._repeat(state, lang)
            return Step(
                step.state, tuple(self._say.led(self._say.bring(lang), r, lang) for r in step.replies)
            )
        if state["mode"] == "move" and words.said_cancel(text):
            return not_understood(state)  # the visit itself is to be cancelled: that is another flow
        stage = self._stages.get(str(state.get("stage")))
        return not_understood(state) if stage is None else await stage(state, text, lang, intent)

    async def ask_again(self, state: State, lang: str) -> Step:
        """The open question once more, in other words than last time (after something else was answered)."""
        state = dict(state)
        state["again"] = int(state.get("again", 0)) + 1
        step = await self._repeat(state, lang)
        if step.done or not step.replies:
            return step
        return Step(step.state, self._say.resume(step.replies, state["again"], lang))

    # ---- stages -----------------------------------------------------------------------------------------

    async def _at_department(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        index = words.ordinal(text, len(self._clinic.departments))
        department = department_said(self._clinic, text)
        if department is None and index is not None:
            department = self._clinic.departments[index].id
        if department is None and words.said_any(text, intent):
            department = self._clinic.departments[0].id
        wish = understand(text, self._clinic, self._clock())
        if department is None:
            return not_understood(state)
        state["department"] = department
        if not wish.understood and state.get("wish"):
            wish = wish_from(state["wish"])
        return await self._after_department(state, wish, lang)

    async def _at_when(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        who = clinician_said(self._clinic, text, state["department"])
        state["clinician"] = who or state.get("clinician")
        wish = understand(text, self._clinic, self._clock())
        if not wish.understood or wish.any_day:
            if words.asks(text):
                return not_understood(state)
            moved = await self._other_department(state, text, wish, lang, intent)
            if moved is not None:
                return moved
        if not wish.understood and words.somebody_else(text):
            return self._for_other(state, self._say.ask_when(lang), lang)
        if not wish.understood:
            if who:
                return self._ask(state, "when", self._say.ask_when(lang))
            if intent == "affirm" or words.said_any(text, intent):
                wish = Wish(earliest=True)
            else:
                return not_understood(state)
        return await self._with_wish(state, wish, lang)

    async def _at_reading(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        """Two readings of a day were offered ("next Tuesday"): which one?"""
        readings = [windows_from(rows) for rows in state["readings"]]
        index = words.ordinal(text, len(readings))
        wish = understand(text, self._clinic, self._clock())
        if index is None and wish.windows:
            days = {w.day for w in wish.windows}
            fits = [n for n, reading in enumerate(readings) if days & {w.day for w in reading}]
            index = fits[0] if len(fits) == 1 else None
        if index is None and words.said_yes(text, intent):
            index = 0
        if index is not None:
            return await self._with_wish(state, Wish(windows=readings[index]), lang)
        return await self._with_wish(state, wish, lang) if wish.understood else not_understood(state)

    async def _at_slot(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        offered = offers(state)
        slot = self._pick_slot(offered, text, intent)
        if slot is not None:
            return await self._take(state, slot, lang)
        shift = words.said_later(text)
        if shift or words.said_other(text) or words.said_no(text, intent):
            wish = understand(text, self._clinic, self._clock())
            if wish.windows and not wish.any_day:
                return await self._with_wish(state, wish, lang)
            return await self._offer_more(state, lang, shift)
        if words.somebody_else(text) and not understand(text, self._clinic, self._clock()).windows:
            return self._for_other(state, self._say.which_slot(offered, lang), lang)
        clinician = clinician_said(self._clinic, text, state["department"])
        wish = understand(text, self._clinic, self._clock())
        if not wish.understood or wish.any_day:
            if words.asks(text) and not clinician:
                return not_understood(state)
            moved = await self._other_department(state, text, wish, lang, intent)
            if moved is not None:
                return moved
        if clinician and not wish.understood:
            return await self._offer({**state, "clinician": clinician}, wish_from(state.get("wish")), lang)
        if wish.understood:
            return await self._with_wish(
                {**state, "clinician": clinician or state.get("clinician")}, wish, lang
            )
        if words.said_any(text, intent):
            return await self._take(state, offered[0], lang)
        if words.said_yes(text, intent):
            return self._ask(state, "slot", self._say.which_slot(offered, lang))
        return not_understood(state)

    async def _at_name(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        if words.said_other(text):
            return await self._offer_more(state, lang, 0)
        moved = await self._other_department(state, text, Wish(), lang, intent)
        if moved is not None:
            return moved
        told = words.new_name(text)
        if told is None and words.somebody_else(text):
            return self._ask(state, "name", self._say.ask_other_name(lang))
        # Asked for a second time, a name may be any words: nobody must be stuck because of an unusual one.
        sure = int(state.get("again", 0)) == 0
        name = told or (None if intent in ELSEWHERE else words.read_name(text, lenient=not sure))
        if name is None:
            wish = understand(text, self._clinic, self._clock())
            if wish.windows and not wish.any_day and intent not in ELSEWHERE:
                return await self._with_wish(state, wish, lang)
            return not_understood(state)
        return await self._named(state, name, lang)

    async def _named(self, state: State, name: str, lang: str) -> Step:
        try:
            await self._calendar.set_name(state["hold"], state["conversation"], name)
        except (HoldExpired, UnknownAppointment):
            return await self._lost(state, lang)
        return await self._ask_confirm(state, lang)

    async def _at_confirm(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        wish = understand(text, self._clinic, self._clock())
        another = wish.windows and not wish.any_day and not self._is_chosen(state, wish)
        if another and not words.asks(text):
            return await self._with_wish(state, wish, lang)
        if words.said_yes(text, intent) and not another:
            return await (self._move(state, lang) if state["mode"] == "move" else self._book(state, lang))
        if state["mode"] == "book":
            named = await self._renamed(state, text, lang, intent)
            if named is not None:
                return named
        moved = None if words.asks(text) else await self._other_department(state, text, Wish(), lang, intent)
        if moved is not None:
            return moved
        if words.said_other(text):
            return await self._offer_more(state, lang, 0)
        if words.said_no(text, intent):
            return self._ask(state, "change", self._say.what_to_change(lang, name=state["mode"] == "book"))
        return not_understood(state)

    async def _at_change(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        said = words.plain(text)
        wish = understand(text, self._clinic, self._clock())
        index = words.ordinal(text, 3)
        if wish.windows and not wish.any_day:
            return await self._with_wish(state, wish, lang)
        if "name" in said or "名" in said or (index == 1 and state["mode"] == "book"):
            return self._ask(state, "name", self._say.ask_new_name(lang))
        if words.said_other(text) or "time" in said or "时间" in said or index == 0:
            return self._ask(state, "when", self._say.ask_when(lang))
        if words.said_yes(text, intent):
            return await self._ask_confirm(state, lang)
        if state["mode"] == "book":
            named = await self._renamed(state, text, lang, intent)
            if named is not None:
                return named
            name = None if intent in ELSEWHERE or words.said_no(text, intent) else words.read_name(text)
            if name is not None:
                return await self._named(state, name, lang)
        if words.said_no(text, intent) or index == 2:
            return await self._stop(state, lang)
        return not_understood(state)

    async def _at_pick(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        """Which of several booked visits is meant."""
        booked = await self._calendar.list(state["conversation"])
        index = words.ordinal(text, len(booked))
        if index is None:
            fits = self._visits_meant(booked, text)
            index = booked.index(fits[0]) if len(fits) == 1 else None
        if index is None:
            return not_understood(state)
        return await self._picked(state, booked[index], lang, "")

    async def _at_cancel(self, state: State, text: str, lang: str, intent: str | None) -> Step:
        if words.said_no(text, intent):
            return await self._stop(state, lang)
        if not (words.said_yes(text, intent) or words.said_stop(text) or words.said_cancel(text)):
            return not_understood(state)
        try:
            gone = await self._calendar.cancel(state["appointment"], state["conversation"])
        except UnknownAppointment:
            return self._done(state, self._say.listing((), lang))
        return self._done(state, self._say.cancelled(gone, lang))

    async def _back(self, state: State, lang: str) -> Step:
        stage = state.get("stage")
        if stage == "confirm" and state["mode"] == "book":
            return self._ask(state, "name", self._say.ask_new_name(lang))
        if stage in ("name", "confirm", "change") and state.get("offers"):
            return await self._offer(state, wish_from(state.get("wish")), lang)
        if stage in ("slot", "reading") and state.get("level") != "urgent":
            return self._ask(state, "when", self._say.ask_when(lang))
        if state["mode"] == "book" and stage == "when":
            return self._ask(state, "department", self._say.departments(lang))
        return await self.ask_again(state, lang)

    async def _repeat(self, state: State, lang: str) -> Step:
        slot = Slot.from_json(state["chosen"]) if state.get("chosen") else None
        match state.get("stage"):
            case "department":
                return self._ask(state, "department", self._say.departments(lang))
            case "when":
                return self._ask(state, "when", self._say.ask_when(lang))
            case "reading":
                readings = [windows_from(rows) for rows in state["readings"]]
                return self._ask(state, "reading", self._say.readings(readings, lang))
            case "slot":
                return self._ask(state, "slot", self._say.which_slot(offers(state), lang))
            case "name" if slot is not None:
                return self._ask(state, "name", self._say.ask_name_again(lang))
            case "confirm":
                return await self._ask_confirm(state, lang)
            case "change":
                return self._ask(
                    state, "change", self._say.what_to_change(lang, name=state["mode"] == "book")
                )
            case "pick":
                booked = await self._calendar.list(state["conversation"])
                return self._ask(state, "pick", self._say.pick(booked, state["mode"], lang))
            case "cancel":
                try:
                    current = await self._calendar.get(state["appointment"], state["conversation"])
                except UnknownAppointment:
                    return self._done(state, self._say.listing((), lang))
                return self._ask(state, "cancel", self._say.confirm_cancel(current, lang))
        return not_understood(state)

    async def _pick_start(self, mode: str, conversation: str, lang: str, text: str) -> Step:
        state = self._new(conversation, mode, None)
        booked = await self._calendar.list(conversation)
        if not booked:
            return self._done(state, self._say.listing((), lang))
        meant = self._visits_meant(booked, text) if mode == "cancel" else ()
        if len(booked) == 1 or len(meant) == 1:
            return await self._picked(state, (meant or booked)[0], lang, text)
        return self._ask(state, "pick", self._say.pick(booked, mode, lang))

    async def _picked(self, state: State, visit: Appointment, lang: str, text: str) -> Step:
        state["appointment"] = visit.id
        state["department"] = visit.department
        if state["mode"] == "cancel":
            return self._ask(state, "cancel", self._say.confirm_cancel(visit, lang))
        wish = understand(text, self._clinic, self._clock()) if text else Wish()
        if wish.understood:
            return await self._with_wish(state, wish, lang)
        return self._ask(state, "when", self._say.ask_when_move(visit, lang))

    # ---- a changed mind ---------------------------------------------------------------------------------

    async def _other_department(
        self, state: State, text: str, wish: Wish, lang: str, intent: str | None
    ) -> Step | None:
        """ "general practice" said to another question: that department from now on; None where none is named."""
        named = department_named(self._clinic, text)
        if named is None or state["mode"] != "book" or intent in ELSEWHERE:
            return None
        lead = self._say.department_is(named, lang)
        same, stage = named == state["department"], state.get("stage")
        state["department"] = named
        if not same:
            state["clinician"] = clinician_said(self._clinic, text, named)
        if same and stage == "name":
            return None
        if stage == "when" and not wish.understood and state.get("level") != "urgent":
            return self._ask(state, "when", self._say.led(lead, self._say.ask_when(lang), lang))
        if same and stage == "slot":
            return self._ask(
                state, "slot", self._say.led(lead, self._say.which_slot(offers(state), lang), lang)
            )
        if same:
            return await self._ask_confirm(state, lang)
        kept = wish if wish.understood else wish_from(state.get("wish"))
        return await self._offer(state, kept, lang)

    def _for_other(self, state: State, reply: Reply, lang: str) -> Step:
        """ "It's for my son", before a name was asked for: kept, and the question stays."""
        state["for_other"] = True
        return self._ask(state, str(state["stage"]), self._say.led(self._say.for_other(lang), reply, lang))

    async def _renamed(self, state: State, text: str, lang: str, intent: str | None) -> Step | None:
        """At the last question: another name, somebody else, or the same name once more. None: none of these."""
        name = words.new_name(text)
        if name is not None:
            return await self._named(state, name, lang)
        if words.somebody_else(text):
            return self._ask(state, "name", self._say.ask_other_name(lang))
        held = await self._name_of(state.get("hold"), state["conversation"])
        if held is not None and words.fold_name(held) in words.fold_name(text):
            step = await self._ask_confirm(state, lang)
            lead = self._say.name_known(held, lang)
            return Step(step.state, (self._say.led(lead, step.replies[0], lang), *step.replies[1:]))
        written = words.read_name(text) if text.istitle() and len(text.split()) > 1 else None
        return await self._named(state, written, lang) if written and intent not in ELSEWHERE else None

    def _is_chosen(self, state: State, wish: Wish) -> bool:
        """The time that is said is the one on the table ("yes, Tuesday is fine")."""
        chosen = state.get("chosen")
        return chosen is not None and suits(Slot.from_json(chosen), Wish(windows=wish.windows), self._clinic)

    def _stops(self, state: State, text: str, intent: str | None) -> bool:
        """A wish to stop. Asked for a name, a name is not one, whatever it was taken for."""
        if state["mode"] == "book" and words.said_cancel(text):
            return True
        if self._is_a_no(state, text) or not words.said_stop(text, intent):
            return False
        named = state.get("stage") in ("name", "change", "confirm") and words.read_name(text) is not None
        return not named or words.said_stop(text)

    # ---- small things -----------------------------------------------------------------------------------

    def _pick_slot(self, offered: Sequence[Slot], text: str, intent: str | None) -> Slot | None:
        """The offered visit that is meant: "the second one", "the 9:30 one", "Tuesday", "with Dr Chen"."""
        index = words.ordinal(text, len(offered))
        if index is not None:
            return offered[index]
        if len(offered) == 1 and words.said_yes(text, intent):
            return offered[0]
        fits = list(offered)
        wish = understand(text, self._clinic, self._clock())
        clinician = clinician_said(self._clinic, text, None)
        for windows in wish.choices or ((wish.windows,) if wish.windows else ()):
            here = [
                s for s in offered if suits(s, Wish(windows=windows, excluded=wish.excluded), self._clinic)
            ]
            if here:
                fits = here
                break
        else:
            if wish.understood or not clinician:
                return None
        if clinician:
            fits = [s for s in fits if s.clinician == clinician]
        return fits[0] if len(fits) == 1 else None

    def _visits_meant(self, booked: Sequence[Appointment], text: str) -> tuple[Appointment, ...]:
        """Which booked visits a text names ("the one on Tuesday", "with Dr Chen")."""
        wish = understand(text, self._clinic, self._clock()) if text else Wish()
        readings = wish.choices or ((wish.windows,) if wish.windows and not wish.any_day else ())
        windows = tuple(w for reading in readings for w in reading)
        who = clinician_said(self._clinic, text, None)
        if not windows and not who:
            return ()
        return tuple(
            a
            for a in booked
            if (not windows or suits(a.slot, Wish(windows=windows), self._clinic))
            and who in (None, a.clinician)
        )

    def _is_a_no(self, state: State, text: str) -> bool:
        """ "cancel it" while cancelling is the yes, not a wish to stop; "取消吧" likewise."""
        return state.get("stage") == "cancel" and (
            words.said_yes(text) or words.said_no(text) or words.said_cancel(text)
        )

    def _departments_of(self, clinician: str) -> tuple[str, ...]:
        return next(c.departments for c in self._clinic.clinicians if c.id == clinician)

    def _new(self, conversation: str, mode: str, level: str | None) -> State:
        return {
            "flow": "booking",
            "mode": mode,
            "stage": None,
            "conversation": conversation,
            "level": level,
            "nonce": secrets.token_hex(8),
        }
