"""The symptom check: a protocol's questions one by one, ending in a level, reasons, what to do, when to come back.

"I've had a sore throat and a fever for three days" → warning signs first, then what is not known yet → "You can
look after this at home for now", and when not. It gives no diagnosis. The level is never below what the triage
rules said. Pure: JSON state in and out.

    check = SymptomCheck(load_protocols(), texts, clinic)
    step = check.start(findings, profile, case, "en", level="routine")
    step = check.answer(step.state, "none of these", findings, profile, "en")
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.clinic import Clinic
from bot.dialogue import symptom_answers as read
from bot.dialogue import symptom_plan as planning
from bot.dialogue.booking_words import said_back
from bot.dialogue.flow import State, Step, highest, not_understood
from bot.dialogue.protocol_types import Protocols, Question
from bot.dialogue.symptom_conditions import DECLINED, UNKNOWN
from bot.dialogue.symptom_say import Say
from bot.messages import now_utc
from bot.texts import Texts

MAX_ANSWER_CHARS = 500
"""An answer is short. Of a longer message only the beginning is read here; its findings come from all of it."""
MAX_OPENING_CHARS = 80
"""In a short opening "since yesterday" is the complaint's; in a long story it may be anything's."""
_SINCE = re.compile(r"\b(?:for|since|started)\b|开始|[天周年月]了|星期了|礼拜了", re.I)
MAX_RULES = 8
"""More reasons than this are never told; the gravest stand first."""
Findings = Sequence[Mapping[str, Any]]
_CORRECTION = re.compile(
    r"^(?:no|nope|actually|sorry|wait|oops|correction|i mean|i meant|i was wrong|not quite|hang on)\b[,.: ]*"
    r"|^(?:不对|不是|说错了|我说错了|更正|等等|等一下|应该是|哦不)[，,。.：: ]*",
    re.I,
)
ASKING = frozenset(
    [
        "ask_self_care",
        "ask_health",
        "ask_medicine",
        "ask_side_effect",
        "ask_price",
        "ask_location",
        "ask_hours",
        "ask_test_result",
        "ask_vaccination",
        "ask_availability",
        "ask_privacy",
        "talk_to_human",
        "request_callback",
        "book_appointment",
        "move_appointment",
        "cancel_appointment",
        "list_appointments",
        "request_refill",
        "bot_challenge",
        "change_language",
        "help",
    ]
)
"""Intents that are about something else, even where a word of the message could be an answer."""


class SymptomCheck:
    """The flow. ``clinic`` gives the emergency number, the zone and the staff's language: give it in production.

    Without a clinic an emergency outcome names no number, because it would be a guess.
    """

    def __init__(
        self,
        protocols: Protocols,
        texts: Texts,
        clinic: Clinic | None = None,
        *,
        clock: Callable[[], dt.datetime] = now_utc,
    ) -> None:
        self._protocols = protocols
        self._clinic = clinic
        self._clock = clock
        self._say = Say(protocols, texts, clinic)

    def start(
        self,
        findings: Findings,
        profile: Mapping[str, Any],
        case: Mapping[str, Any],
        lang: str,
        level: str | None = None,
        rules: Findings = (),
        text: str = "",
    ) -> Step:
        """Begin a check with what is known: this message's findings and the case over all turns.

        ``level`` (or ``case["level"]``) is a level that the outcome never lies below; ``rules`` are the triage
        rules that fired over the case (``level``, ``reason`` per language): a floor that brings its own reason.
        ``text``: the message itself, for how long it has been so far as no finding says it.
        """
        state: State = {
            "flow": "symptom_check",
            "present": {},
            "negated": [],
            "skipped": [],
            "values": {},
            "profile": {},
            "answers": {},
            "asked": [],
            "current": None,
            "again": 0,
            "level": highest(level, case.get("level")),
            "rules": _rules(rules),
        }
        earlier = [entry["f"] for entry in case.get("entries", ())]
        about, profile = planning.about_whom([*earlier, *findings], profile, case)
        state["person"] = case.get("focus")
        planning.merge(state, about, profile)
        state["protocol"], state["others"] = planning.choose(self._protocols, state)
        if len(text) <= MAX_OPENING_CHARS and _SINCE.search(text):
            self._in_passing(state, planning.plan(self._protocols, state)[-1], text)
        return self._advance(state, lang, lead=self._say.opening(state, lang))

    def answer(
        self,
        state: State,
        text: str,
        findings: Findings,
        profile: Mapping[str, Any],
        lang: str,
        intent: str | None = None,
        level: str | None = None,
        rules: Findings = (),
    ) -> Step:
        """Go on with the patient's answer. ``findings`` are those of this message alone."""
        text = text[:MAX_ANSWER_CHARS]
        state = dict(state)
        state["level"] = highest(state.get("level"), level)
        state["rules"] = _rules([*state.get("rules", ()), *rules])
        question = self._current(state)
        if question is None:
            return not_understood(state)
        if said_back(text, intent):
            return self._back(state, lang)
        before = dict(state)
        # The writer's own age is not the child's: of somebody else only what the case said at the start counts.
        new = planning.merge(state, findings, {} if state.get("person") else profile)
        corrected = self._correct(state, question, text)
        if corrected is not None:
            planning.record(self._protocols, state, corrected[0], corrected[1])
            return self._advance(state, lang, lead=self._say.text("changed", lang))
        value = self._read(question, state, text, findings, lang, intent)
        age = state["profile"].get("age_years")
        if value is None and question.kind == "age" and age != before["profile"].get("age_years"):
            value = age
        if value is None or (
            intent in ASKING and not _is_button(text, self._say.button_payloads(question, state, lang))
        ):
            about_it = intent not in ASKING or intent == "help"
            if (about_it and self._in_passing(state, question, text)) or (new and intent not in ASKING):
                return self._noted(state, question, lang)
            return not_understood(before, self._screened(question, before))
        if value == planning.SOME and not state.get("which"):
            state["which"] = True
            return self._ask(state, question, lang, lead=self._say.text("which_of", lang), which=True)
        state["which"] = False
        planning.record(self._protocols, state, question, value)
        self._in_passing(state, question, text)
        return self._advance(state, lang)

    def ask_again(self, state: State, lang: str) -> Step:
        """The open question once more, after something else was answered; the lead changes each time."""
        state = dict(state)
        state["again"] = int(state.get("again", 0)) + 1
        question = self._current(state)
        if question is None:
            return self._advance(state, lang)
        lead = self._say.text("back_to" if state["again"] % 2 else "back_to_2", lang)
        if state["again"] % 3 == 2:
            lead = f"{lead}{'' if lang == 'zh' else ' '}{self._say.text('resumed', lang)}"
        return self._ask(state, question, lang, lead=lead)

    # ---- moves ------------------------------------------------------------------------------------------

    def _advance(self, state: State, lang: str, lead: str | None = None) -> Step:
        """Ask what is open, or come to the outcome; an emergency ends the questions at once."""
        state["protocol"] = planning.variant(self._protocols, state)
        planning.prefill(self._protocols, state)
        if planning.judge(self._protocols, state, final=False).level == "emergency":
            return self._finish(state, lang)
        question = planning.next_question(self._protocols, state)
        return self._finish(state, lang) if question is None else self._ask(state, question, lang, lead)

    def _ask(
        self, state: State, question: Question, lang: str, lead: str | None = None, *, which: bool = False
    ) -> Step:
        state["current"] = question.id
        more = question.kind == "multi" and question.id in state["answers"]
        reply = self._say.question(
            question,
            self._signs(question, state),
            lang,
            lead,
            more=more,
            which=which,
            own=not state.get("person"),
        )
        return Step(state, (reply,), screened=self._screened(question, state))

    def _noted(self, state: State, question: Question, lang: str) -> Step:
        """Another symptom instead of an answer: it is folded in, and the question stays."""
        main, others = state["protocol"], state["others"]
        first, found = planning.choose(self._protocols, state)
        state["others"] = [x for x in dict.fromkeys([*others, first, *found]) if x not in (main, "generic")]
        if planning.judge(self._protocols, state, final=False).level == "emergency":
            return self._finish(state, lang)
        state["noted"] = int(state.get("noted", 0)) + 1
        return self._ask(
            state, question, lang, self._say.text("noted" if state["noted"] % 2 else "noted_2", lang)
        )

    def _back(self, state: State, lang: str) -> Step:
        if state["asked"]:
            last = next(
                (q for q in planning.plan(self._protocols, state) if q.id == state["asked"][-1]), None
            )
            if last is not None:
                planning.retract(state, last)
                return self._ask(state, last, lang, lead=self._say.text("back", lang))
        again = self.ask_again(state, lang)
        first = self._current(again.state)
        return again if first is None else self._ask(again.state, first, lang, self._say.text("first", lang))

    def _correct(self, state: State, question: Question, text: str) -> tuple[Question, Any] | None:
        """ "no, since Tuesday" while something else is asked: the question it corrects, and the new answer."""
        lead = _CORRECTION.match(text.strip())
        rest = text.strip()[lead.end() :] if lead else ""
        if not rest:
            return None
        if self._strict(question, rest) is not None:
            return None
        for earlier in reversed(planning.plan(self._protocols, state)):
            if earlier.id in state["answers"] and earlier.id != question.id:
                value = self._strict(earlier, rest)
                if value is not None:
                    return earlier, value
        return None

    def _in_passing(self, state: State, question: Question, text: str) -> bool:
        """Keep answers to questions that were not asked yet: "38.2 since yesterday", said to the warning signs.

        Says whether there was one. Changes ``state``. "3 years" said to "How old?" is no duration.
        """
        if re.search(r"[?？]", text) or question.kind in ("age", "duration"):
            return False
        found = False
        age = read.age_said(text) if state["profile"].get("age_years") is None else None
        if age is not None:
            state["profile"] = {**state["profile"], "age_years": age}
            found = True
        for later in planning.plan(self._protocols, state):
            if later.id == question.id or later.id in state["answers"]:
                continue
            value = self._strict(later, text) if later.kind in ("duration", "temperature") else None
            if later.id in ("severity", "course") and question.kind != "choice":
                value = read.exact_option(text, later.options)
            if value is not None and (later.kind != "temperature" or read.is_measured(text)):
                planning.record(self._protocols, state, later, value)
                found = True
        return found

    def _strict(self, question: Question, text: str) -> Any:
        """An answer that can only belong to this kind of question."""
        match question.kind:
            case "duration":
                return read.duration_hours(text, self._local_now())
            case "temperature":
                return read.temperature_c(text)
            case "age":
                return read.age_years(text) if re.search(r"old|岁|个月|months?|years?", text) else None
            case "choice":
                options = [read.option_words(o, "en") for o in question.options]
                index = None if re.fullmatch(r"\W*\d?\W*", text) else read.option_index(text, options)
                return None if index is None else question.options[index].id
        return None

    def _finish(self, state: State, lang: str) -> Step:
        verdict = planning.judge(self._protocols, state, final=True)
        state["current"] = None
        reply, outcome = self._say.outcome(state, verdict, lang)
        return Step(state, (reply,), done=True, outcome=outcome)

    # ---- reading ----------------------------------------------------------------------------------------

    def _read(
        self, question: Question, state: State, text: str, findings: Findings, lang: str, intent: str | None
    ) -> Any:
        """The value of the answer, or None where the text is not one."""
        value = self._read_kind(question, state, text, findings, lang, intent)
        if value is not None:
            return value
        if read.declined(text):
            return DECLINED
        return UNKNOWN if read.unsure(text, intent) else None

    def _read_kind(
        self, question: Question, state: State, text: str, findings: Findings, lang: str, intent: str | None
    ) -> Any:
        match question.kind:
            case "multi":
                return self._read_signs(question, state, text, findings, lang, intent)
            case "duration":
                told = [f["duration_hours"] for f in findings if f.get("duration_hours") is not None]
                return read.duration_hours(text, self._local_now()) or max(told, default=None)
            case "temperature":
                told = [
                    f["value"] for f in findings if f["id"] == "temperature" and f.get("value") is not None
                ]
                value = told[-1] if told else read.temperature_c(text)
                return UNKNOWN if value is None and read.yes_no(text, intent) == "no" else value
            case "age":
                return read.age_years(text)
            case "yesno":
                if read.unsure(text, intent) or read.declined(text):
                    return None
                said = {f["id"]: f.get("status", "present") for f in findings}
                for sign in question.signs:
                    if sign in said:
                        return "no" if said[sign] == "negated" else "yes"
                return read.yes_no(text, intent)
        if read.unsure(text, None):
            return None
        options = [read.option_words(o, lang) for o in question.options]
        index = read.option_index(text, options)
        if index is None:
            index = read.yes_no_index(text, intent, options)
        if index is None:
            said_now = {f["id"] for f in findings if f.get("status", "present") in ("present", "possible")}
            said_now |= {str(f[question.id]) for f in findings if f.get(question.id) is not None}
            hits = [o.id for o in question.options if o.concept in said_now or o.id in said_now]
            return hits[0] if len(hits) == 1 else None
        return question.options[index].id

    def _read_signs(
        self, question: Question, state: State, text: str, findings: Findings, lang: str, intent: str | None
    ) -> list[str] | str | None:
        asked = self._signs(question, state) or question.signs
        counting: set[str] = {
            f["id"] for f in findings if f.get("status", "present") in ("present", "possible")
        }
        negated: set[str] = {f["id"] for f in findings if f.get("status") == "negated"}
        labels = [(s, self._protocols.signs[s]["zh" if lang == "zh" else "en"]) for s in asked]
        if read.unsure(text, intent) and not counting & set(question.signs):
            return None
        known = [s for s in question.signs if s in state["present"]]
        signs = [(s, self._protocols.signs[s][lang if lang in ("en", "zh") else "en"]) for s in known]
        labels = [(s, label) for s, label in labels if s not in known]
        told = read.signs_said(text, [*labels, *signs], frozenset(counting), frozenset(negated), intent)
        return [*dict.fromkeys([*known, *told])] if isinstance(told, list) else told

    def _signs(self, question: Question, state: State) -> tuple[str, ...]:
        if question.kind == "multi":
            return planning.open_signs(self._protocols, question, state)
        return question.signs

    def _screened(self, question: Question, state: State) -> tuple[str, ...]:
        """The signs that a bare "yes" stands for: one sign alone, or a list where each is an emergency by itself.

        To a mixed list "yes" says nothing yet: the check asks which, and triage must not take it for all of them.
        """
        signs = self._signs(question, state)
        grave = question.kind == "multi" and question.level == "emergency"
        return signs if grave or len(signs) == 1 else ()

    def _current(self, state: State) -> Question | None:
        return next((q for q in planning.plan(self._protocols, state) if q.id == state.get("current")), None)

    def _local_now(self) -> dt.datetime:
        now = self._clock()
        return now if self._clinic is None else now.astimezone(self._clinic.zone)


def _rules(rules: Findings) -> list[dict[str, Any]]:
    """Each rule once, as JSON for the state."""
    out: list[dict[str, Any]] = []
    for rule in rules:
        row = {"level": str(rule["level"]), "reason": dict(rule["reason"])}
        if row not in out:
            out.append(row)
    return out[:MAX_RULES]


def _is_button(text: str, payloads: Sequence[str]) -> bool:
    return text.strip() in payloads
