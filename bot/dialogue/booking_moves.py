"""What a booking does in the calendar, and what it then says: offer, hold, confirm, move, start again.

The steps behind :class:`bot.dialogue.booking.Booking`, which understands the patient's answers and calls them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence

from bot.appointments.calendar import Slot
from bot.appointments.errors import HoldExpired, NotOffered, SlotTaken, TooMany, UnknownAppointment
from bot.appointments.service import Calendar
from bot.appointments.service_types import Appointment, Offers
from bot.appointments.wish import Wish
from bot.clinic import Clinic
from bot.dialogue.booking_say import Say
from bot.dialogue.booking_state import wish_from, wish_json
from bot.dialogue.flow import State, Step
from bot.messages import Reply, now_utc
from bot.texts import Texts

Clock = Callable[[], dt.datetime]
OFFERS = 3
"""Times offered at once: enough for a choice, few enough to read on a phone."""


class BookingMoves:
    """Calendar, texts and clock of the flow, and every move it can make. Each gives the next :class:`Step`."""

    def __init__(self, calendar: Calendar, clinic: Clinic, texts: Texts, clock: Clock = now_utc) -> None:
        self._calendar = calendar
        self._clinic = clinic
        self._clock = clock
        self._say = Say(clinic, texts)

    async def _after_department(self, state: State, wish: Wish, lang: str) -> Step:
        if state.get("level") == "urgent":
            return await self._offer(state, wish, lang)
        if wish.understood:
            return await self._with_wish(state, wish, lang)
        return self._ask(state, "when", self._say.ask_when(lang))

    async def _with_wish(self, state: State, wish: Wish, lang: str) -> Step:
        """Ask back where the wish cannot be met as said, else look for times."""
        if state.get("level") == "urgent":
            return await self._offer(state, wish, lang)
        if wish.choices:
            state["readings"] = [
                [[w.day.isoformat(), w.start, w.end] for w in reading] for reading in wish.choices
            ]
            return self._ask(state, "reading", self._say.readings(wish.choices, lang))
        if wish.problems and not wish.windows:
            return self._ask(state, "when", self._say.problem(wish.problems[0], lang))
        return await self._offer(state, wish, lang)

    async def _offer(self, state: State, wish: Wish, lang: str, lead: str | None = None) -> Step:
        who = state.get("clinician")
        found = await self._look(state, wish, clinician=who)
        if who and not found.matched:
            everyone = await self._look(state, wish)
            if everyone.slots and (everyone.matched or not found.slots):
                found, lead, state["clinician"] = everyone, lead or self._say.others_have(who, lang), None
        general = self._clinic.departments[0].id
        if not found.slots and state.get("level") == "urgent" and state["department"] != general:
            # Today counts more than the department: a general doctor can look at it first.
            state["department"], state["clinician"] = general, None
            found = await self._look(state, wish)
        state["wish"] = wish_json(wish)
        return self._show(state, found, lang, lead)

    async def _look(
        self, state: State, wish: Wish, *, clinician: str | None = None, without: Sequence[Slot] = ()
    ) -> Offers:
        return await self._calendar.search(
            wish,
            state["department"],
            OFFERS,
            state.get("level"),
            clinician=clinician,
            without=without,
            conversation=state["conversation"],
        )

    def _show(self, state: State, found: Offers, lang: str, lead: str | None) -> Step:
        if not found.slots:
            return self._done(state, self._say.nothing(state["department"], state.get("level"), lang))
        state["offers"] = [slot.to_json() for slot in found.slots]
        state["shown"] = [*state.get("shown", []), *state["offers"]][-30:]
        urgent = state.get("level") == "urgent"
        reply = self._say.offer(found, state["department"], lang, lead=lead, urgent=urgent)
        return self._ask(state, "slot", reply)

    async def _offer_more(self, state: State, lang: str, shift: int) -> Step:
        """ "None of these", "later": others for the same wish; when there are none, the question when."""
        wish = wish_from(state.get("wish"))
        shown = [Slot.from_json(row) for row in state.get("shown", ())]
        found = await self._look(state, wish, clinician=state.get("clinician"), without=shown)
        if shift < 0 or not found.matched:
            if state.get("level") == "urgent":
                return self._done(state, self._say.nothing(state["department"], "urgent", lang))
            return self._ask(state, "when", self._say.ask_when(lang))
        return self._show(state, found, lang, self._say.more(lang))

    async def _take(self, state: State, slot: Slot, lang: str) -> Step:
        """The patient chose: keep the time, then ask for a name (or, when moving, for the yes)."""
        state["chosen"] = slot.to_json()
        if state["mode"] == "move":
            return await self._ask_confirm(state, lang)
        try:
            held = await self._calendar.hold(
                slot, state["conversation"], _key(state, slot), lang=lang, reason=state.get("reason")
            )
        except (SlotTaken, NotOffered):
            return await self._offer(state, wish_from(state.get("wish")), lang, self._say.taken(lang))
        except HoldExpired:
            state["attempt"] = int(state.get("attempt", 0)) + 1
            return await self._take(state, slot, lang)
        except TooMany:
            count = len(await self._calendar.list(state["conversation"]))
            return self._done(state, self._say.too_many(count, lang))
        before, state["hold"] = state.get("hold"), held.id
        name = held.name or await self._name_of(before, state["conversation"])
        if name is None:
            return self._ask(
                state, "name", self._say.ask_name(slot, lang, other=bool(state.get("for_other")))
            )
        await self._calendar.set_name(held.id, state["conversation"], name)
        return await self._ask_confirm(state, lang)

    async def _ask_confirm(self, state: State, lang: str) -> Step:
        slot = Slot.from_json(state["chosen"])
        id_ = state["appointment"] if state["mode"] == "move" else state["hold"]
        try:
            current = await self._calendar.get(id_, state["conversation"])
        except UnknownAppointment:
            return await self._lost(state, lang)
        if state["mode"] == "move":
            return self._ask(state, "confirm", self._say.confirm_move(current, slot, lang))
        return self._ask(state, "confirm", self._say.confirm(slot, current.name or "", lang))

    async def _book(self, state: State, lang: str) -> Step:
        try:
            booked = await self._calendar.confirm(state["hold"], state["conversation"], lang=lang)
        except HoldExpired:
            return await self._book_late(state, lang)
        except UnknownAppointment:
            return await self._lost(state, lang)
        return self._done(state, self._say.booked(booked, lang))

    async def _book_late(self, state: State, lang: str) -> Step:
        """The hold ran out before the yes. The time is still free: book it now. Else say so and offer others."""
        name = await self._name_of(state["hold"], state["conversation"])
        state["attempt"] = int(state.get("attempt", 0)) + 1
        slot = Slot.from_json(state["chosen"])
        try:
            held = await self._calendar.hold(
                slot, state["conversation"], _key(state, slot), lang=lang, reason=state.get("reason")
            )
            booked = await self._calendar.confirm(held.id, state["conversation"], name=name, lang=lang)
        except (SlotTaken, NotOffered, HoldExpired, UnknownAppointment):
            return await self._lost(state, lang)
        return self._done(state, self._say.booked(booked, lang))

    async def _move(self, state: State, lang: str) -> Step:
        slot = Slot.from_json(state["chosen"])
        try:
            moved = await self._calendar.move(state["appointment"], state["conversation"], slot)
        except (SlotTaken, NotOffered):
            return await self._offer(state, wish_from(state.get("wish")), lang, self._say.taken(lang))
        except UnknownAppointment:
            return self._done(state, self._say.listing((), lang))
        return self._done(state, self._say.moved(moved, lang))

    async def _lost(self, state: State, lang: str) -> Step:
        """The kept time ran out. If it is free it is kept again, else others are offered, and why is said."""
        state["attempt"] = int(state.get("attempt", 0)) + 1
        slot = Slot.from_json(state["chosen"])
        try:
            held = await self._calendar.hold(
                slot, state["conversation"], _key(state, slot), lang=lang, reason=state.get("reason")
            )
        except (SlotTaken, NotOffered, HoldExpired, TooMany):
            return await self._offer(state, wish_from(state.get("wish")), lang, self._say.hold_ended(lang))
        state["hold"] = held.id
        return self._ask(state, "name", self._say.ask_name(slot, lang, other=bool(state.get("for_other"))))

    async def _stop(self, state: State, lang: str) -> Step:
        await self._calendar.release(state["conversation"])
        kept: Appointment | None = None
        if state.get("appointment"):
            try:
                kept = await self._calendar.get(state["appointment"], state["conversation"])
            except UnknownAppointment:
                kept = None
        return self._done(state, self._say.stopped(kept, lang))

    async def _name_of(self, hold: str | None, conversation: str) -> str | None:
        if hold is None:
            return None
        try:
            return (await self._calendar.get(hold, conversation)).name
        except UnknownAppointment:
            return None

    def _ask(self, state: State, stage: str, reply: Reply) -> Step:
        if state.get("stage") != stage:
            state["again"] = 0
        state["stage"] = stage
        return Step(state, (reply,))

    def _done(self, state: State, reply: Reply) -> Step:
        state["stage"] = None
        return Step(state, (reply,), done=True)


def _key(state: State, slot: Slot) -> str:
    """The same choice in the same booking is the same hold, also when the message is handled twice."""
    raw = f"{state['nonce']}|{slot.start.isoformat()}|{slot.clinician}|{state.get('attempt', 0)}"
    return hashlib.sha256(raw.encode()).hexdigest()[:40]
