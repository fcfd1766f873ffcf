"""Every reply of the symptom check, and the note for staff, built from texts and protocols. It decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from bot.clinic import Clinic
from bot.dialogue import symptom_plan as planning
from bot.dialogue.flow import Outcome, State
from bot.dialogue.protocol_types import LocalText, Protocols, Question
from bot.dialogue.symptom_conditions import DECLINED, UNKNOWN
from bot.dialogue.symptom_plan import Reason, Verdict
from bot.messages import Button, PhoneLink, Reply, ReplyKind
from bot.texts import Texts

MAX_REASONS = 4
MAX_ADVICE = 6
MAX_COME_BACK = 6
"""Longer lists are not read on a phone; the most important sentences stand first in the protocols."""
CRISIS_SIGNS = frozenset(
    {"suicidal_thoughts", "self_harm", "harm_others", "command_voices", "harm_baby_thoughts"}
)
"""Warning signs that get gentler words and the crisis line beside the emergency number."""
DURATIONS = tuple(f"duration_{n}" for n in range(1, 6))


class Say:
    """Replies in a language."""

    def __init__(self, protocols: Protocols, texts: Texts, clinic: Clinic | None) -> None:
        self._protocols = protocols
        self._texts = texts
        self._clinic = clinic

    def text(self, key: str, lang: str, **fields: object) -> str:
        """A sentence of ``symptom.yml``."""
        return self._texts(f"symptom.{key}", lang, **fields)

    def opening(self, state: State, lang: str) -> str:
        """What the check is about, in the patient's words for it."""
        names = self._complaints(state, lang)
        if not names:
            return self.text("opening_generic", lang)
        return self.text("opening", lang, complaints=self._join(names, lang))

    def _join(self, names: Sequence[str], lang: str) -> str:
        joint = self.text("complaint_join", lang)
        if len(names) > 2:
            names = [("、" if lang == "zh" else ", ").join(names[:-1]), names[-1]]
        return (joint if lang == "zh" else f" {joint} ").join(names)

    def _complaints(self, state: State, lang: str) -> list[str]:
        running = planning.active(self._protocols, state)
        if running[0] is self._protocols.generic:
            return [self._name(c, lang) for c in list(state["present"])[:3]]
        return [_in(p.name, lang) for p in running]

    def _name(self, concept: str, lang: str) -> str:
        found = self._protocols.names.get(concept) or self._protocols.signs.get(concept)
        return _in(found, lang) if found else concept.replace("_", " ")

    # ---- questions --------------------------------------------------------------------------------------

    def question(
        self,
        question: Question,
        signs: Sequence[str],
        lang: str,
        lead: str | None,
        *,
        more: bool = False,
        which: bool = False,
        own: bool = False,
    ) -> Reply:
        """One question with its quick answers; warning signs are listed and numbered.

        ``more``: the rest of them; ``which``: the lead has asked already, only the list follows;
        ``own``: it is about the writer.
        """
        lines = [] if which else [self.text("more_signs", lang) if more else _in(question.ask, lang)]
        if own and question.id == "age":
            lines = [self.text("age_own", lang)]
        if question.kind == "multi":
            lines += [f"{n}. {_in(self._protocols.signs[s], lang)}" for n, s in enumerate(signs, 1)]
        text = "\n".join(lines)
        if lead:
            text = f"{lead}\n{text}"
        buttons = tuple(Button(t, t) for t in self._answers(question, signs, lang))
        return Reply(text=text, lang=lang, kind=ReplyKind.QUESTION, buttons=buttons)

    def button_payloads(self, question: Question, state: State, lang: str) -> list[str]:
        """What the buttons of this question send."""
        return self._answers(question, planning.open_signs(self._protocols, question, state), lang)

    def _answers(self, question: Question, signs: Sequence[str], lang: str) -> list[str]:
        sure = self.text("not_sure", lang)
        match question.kind:
            case "multi":
                labels = [_in(self._protocols.signs[s], lang) for s in signs]
                return [*labels, self.text("none_of_these", lang), sure]
            case "duration":
                return [*(self.text(key, lang) for key in DURATIONS), sure]
            case "temperature":
                return [self.text("not_measured", lang)]
            case "age":
                return []
            case "yesno":
                return [self.text("answer_yes", lang), self.text("answer_no", lang), sure]
        return [*(_in(o.label, lang) for o in question.options), sure]

    # ---- outcome ----------------------------------------------------------------------------------------

    def outcome(self, state: State, verdict: Verdict, lang: str) -> tuple[Reply, Outcome]:
        """The reply that ends the check, and the same as values for the record and for staff."""
        level = verdict.level if verdict.level != "none" else "self_care"
        running = planning.active(self._protocols, state)
        reasons = tuple(dict.fromkeys(self.reason(r, lang) for r in verdict.reasons))[:MAX_REASONS]
        emergency = level == "emergency"
        crisis = any(r.sign in CRISIS_SIGNS for r in verdict.reasons)
        own = [v for p in running for v in planning.variants(self._protocols, state, p)]
        # What is said to somebody like this person stands first.
        advised = [*(v.advice for v in own), *(p.advice for p in running)]
        watch = [*(v.come_back for v in own), *(p.come_back for p in running)]
        told = [*(v.tell for v in own), running[0].tell]
        advice = () if emergency else _sentences(advised, lang, MAX_ADVICE)
        come_back = () if emergency else _sentences(watch, lang, MAX_COME_BACK)
        tell = () if level in ("emergency", "self_care") else _sentences(told, lang, MAX_ADVICE)
        parts = [self._heading(level, lang)]
        parts += self._block("why", reasons, lang)
        parts += self._block("meanwhile" if level == "urgent" else "do_now", advice, lang)
        parts += self._block("come_back_if" if level == "self_care" else "help_if", come_back, lang)
        parts += self._block("tell", tell, lang)
        if not emergency:
            parts.append(self.text("source", lang, source=running[0].source.name))
        booking = {"urgent": "urgent", "routine": "routine", "self_care": "routine"}.get(level)
        reply = Reply(
            text="\n".join(parts),
            lang=lang,
            kind=ReplyKind.OUTCOME if not emergency else ReplyKind.CRISIS if crisis else ReplyKind.EMERGENCY,
            # What needs a visit is offered one by the dialogue, with buttons of its own: once, not twice.
            buttons=self._outcome_buttons(level, lang) if level == "self_care" else (),
            phones=self._phones(lang, crisis=crisis) if emergency else (),
        )
        offer = None if level == "self_care" else booking
        summary = self.summary(state, verdict, level, lang)
        return reply, Outcome(level, reasons, advice, come_back, summary, offer)

    def _block(self, title: str, lines: Sequence[str], lang: str) -> list[str]:
        if not lines:
            return []
        return [self.text(title, lang), *(self.text("bullet", lang, text=line) for line in lines)]

    def _outcome_buttons(self, level: str, lang: str) -> tuple[Button, ...]:
        kind = "urgent" if level == "urgent" else "routine"
        return (
            Button(self.text(f"book_{kind}", lang), self.text(f"book_{kind}_payload", lang)),
            Button(self.text("person", lang), self.text("person_payload", lang)),
        )

    def reason(self, reason: Reason, lang: str) -> str:
        """One reason as a sentence."""
        if reason.text is not None:
            return _in(reason.text, lang)
        if reason.sign in CRISIS_SIGNS:
            return self.text("reason_crisis", lang)
        if reason.sign is not None:
            return self.text(
                f"reason_sign_{reason.level}", lang, sign=_in(self._protocols.signs[reason.sign], lang)
            )
        if reason.code == "rules" and reason.level in ("urgent", "emergency"):
            return self.text(f"reason_rules_{reason.level}", lang)
        return self.text(f"reason_{reason.code}", lang)

    def _heading(self, level: str, lang: str) -> str:
        if self._clinic is None:
            return self.text("level_emergency_unknown" if level == "emergency" else f"level_{level}", lang)
        return self.text(f"level_{level}", lang, number=self._clinic.numbers.ambulance)

    def _phones(self, lang: str, *, crisis: bool) -> tuple[PhoneLink, ...]:
        if self._clinic is None:
            return ()
        numbers = [self._clinic.numbers.ambulance]
        if crisis and self._clinic.numbers.crisis_line:
            numbers.append(self._clinic.numbers.crisis_line)
        return tuple(
            PhoneLink(self.text("call_number", lang, number=n), re.sub(r"[^\d+]", "", n)) for n in numbers
        )

    # ---- for staff --------------------------------------------------------------------------------------

    def summary(self, state: State, verdict: Verdict, level: str, lang: str) -> str:
        """SBAR in the clinic's first language, and in the patient's below it where that differs."""
        staff = self._clinic.languages[0] if self._clinic is not None else lang
        notes = [self._sbar(state, verdict, level, staff)]
        if lang != staff:
            notes.append(self._sbar(state, verdict, level, lang))
        return "\n\n".join(notes)

    def _sbar(self, state: State, verdict: Verdict, level: str, lang: str) -> str:
        plan = planning.plan(self._protocols, state)
        gap = "" if lang == "zh" else " "
        told = [self._name(c, lang) for c in state["present"]]
        details = gap.join(x for x in (self._answer_note(q, state, lang) for q in plan) if x)
        unknown = [
            _in(q.ask, lang)
            for q in plan
            if q.kind != "multi" and state["answers"].get(q.id) in (UNKNOWN, DECLINED)
        ]
        none = self.text("sbar_none", lang)
        comma = "、" if lang == "zh" else ", "
        return "\n".join(
            (
                self.text("sbar_s", lang, complaints=comma.join(told) or none, details=details),
                self.text("sbar_b", lang, background=self._background(state, lang)),
                self.text(
                    "sbar_a",
                    lang,
                    level=level,
                    protocol=comma.join([state["protocol"], *state["others"]]),
                    reasons=" ".join(self.reason(r, lang) for r in verdict.reasons).rstrip(".。") or none,
                    denied=comma.join(self._name(c, lang) for c in state["negated"]) or none,
                    # Warning signs by name: which were left open matters more than that a question was.
                    unknown=gap.join(
                        [comma.join(self._name(c, lang) for c in state["skipped"]), *unknown]
                    ).strip()
                    or none,
                ),
                self.text("sbar_r", lang, action=self.text(f"action_{level}", lang)),
            )
        )

    def _answer_note(self, question: Question, state: State, lang: str) -> str:
        given: Any = state["answers"].get(question.id)
        if given is None or given in (UNKNOWN, DECLINED) or question.kind in ("multi", "age"):
            return ""
        if question.kind == "duration":
            return self.text("sbar_duration", lang, duration=self._hours(float(given), lang))
        if question.kind == "temperature":
            return self.text("sbar_temperature", lang, value=given)
        if question.kind == "yesno":
            return self.text(
                "sbar_answer",
                lang,
                question=_in(question.ask, lang),
                answer=self.text(f"answer_{given}", lang),
            )
        option = next((o for o in question.options if o.id == given), None)
        if option is None:
            return ""
        return self.text(
            "sbar_answer", lang, question=_in(question.ask, lang), answer=_in(option.label, lang)
        )

    def _hours(self, hours: float, lang: str) -> str:
        for unit, size in (("months", 60 * 24), ("weeks", 14 * 24), ("days", 24)):
            if hours >= size:
                per = {"months": 30 * 24, "weeks": 7 * 24, "days": 24}[unit]
                return self.text(unit, lang, n=round(hours / per))
        return self.text("hours", lang, n=max(1, round(hours)))

    def _background(self, state: State, lang: str) -> str:
        profile = state["profile"]
        said = []
        age = profile.get("age_years")
        if age is not None:
            key, value = ("sbar_age_months", round(age * 12)) if age < 2 else ("sbar_age", int(age))
            said.append(self.text(key, lang, age=value))
        if profile.get("sex"):
            said.append(self.text(f"sbar_{profile['sex']}", lang))
        if profile.get("pregnant"):
            said.append(self.text("sbar_pregnant", lang))
        return ("、" if lang == "zh" else ", ").join(said) or self.text("sbar_nothing", lang)


def _in(text: LocalText, lang: str) -> str:
    return text.get(lang) or text["en"]


def _sentences(lists: Iterable[Sequence[LocalText]], lang: str, limit: int) -> tuple[str, ...]:
    """Sentences of all protocols, each once, the main protocol's first."""
    return tuple(dict.fromkeys(_in(row, lang) for rows in lists for row in rows))[:limit]
