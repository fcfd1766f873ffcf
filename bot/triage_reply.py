"""What a patient is told because of the triage level: fixed sentences, the clinic's numbers, only true statements.

Pure: it is told whether the escalation was recorded and who is on duty, and it says no more than that (law 4).
It decides no level.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

from bot.clinic import Clinic
from bot.messages import PhoneLink, Reply, ReplyKind
from bot.texts import Texts
from bot.triage.assess import Assessment
from bot.triage.level import Level

MAX_REASONS = 3
"""More reasons than this make an emergency text slow to read; staff see all of them."""


class Recorded(enum.Enum):
    """Whether the escalation is safely stored where staff will see it."""

    YES = "yes"
    SPOOLED = "spooled"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is true at the moment of the reply."""

    lang: str
    recorded: Recorded
    at: dt.datetime


class TriageReplies:
    """Composes the fixed replies of laws 1 to 4 for one clinic."""

    def __init__(self, texts: Texts, clinic: Clinic) -> None:
        self._texts = texts
        self._clinic = clinic

    def compose(self, assessment: Assessment, situation: Situation) -> Reply:
        """The reply that an assessment of level urgent or above demands.

        Raises:
            ValueError: for a level below urgent, about which the dialogue speaks, not this module.
        """
        if assessment.level is Level.EMERGENCY:
            return self._emergency(assessment, situation)
        if assessment.level is Level.URGENT:
            return self._urgent(assessment, situation)
        raise ValueError(f"no fixed reply for level {assessment.level.code}")

    def fields(self, lang: str) -> dict[str, str]:
        """Names and numbers that fixed sentences may hold."""
        numbers = self._clinic.numbers
        return {
            "ambulance": numbers.ambulance,
            "police": numbers.police,
            "crisis_line": numbers.crisis_line or "",
            "crisis_name": self._clinic.local(numbers.crisis_name, lang) if numbers.crisis_name else "",
            "nonurgent": numbers.nonurgent or "",
            "phone": self._clinic.phone,
            "clinic": self._clinic.local(self._clinic.name, lang),
        }

    def ai_notice(self, lang: str) -> str:
        """Law 10, for replies that go out before the dialogue has introduced itself."""
        return self._texts("turn.ai_notice", lang, **self.fields(lang))

    def _emergency(self, assessment: Assessment, situation: Situation) -> Reply:
        lang, fields = situation.lang, self.fields(situation.lang)
        path = assessment.path
        has_line = bool(fields["crisis_line"])
        key = {
            "crisis": "crisis" if has_line else "crisis_no_line",
            "abuse": "discreet",
            "poisoning": "poisoning",
            "maternity": "maternity",
        }.get(path or "", "emergency")
        parts = [self._texts(f"emergency.{key}", lang, **fields)]
        if path not in ("crisis", "abuse"):
            parts += self._why(assessment, lang)
        if path != "abuse":
            parts.append(self._record_line("emergency.recorded", "emergency.not_recorded", situation))
        kind = {"crisis": ReplyKind.CRISIS, "abuse": ReplyKind.DISCREET}.get(path or "", ReplyKind.EMERGENCY)
        return Reply("\n\n".join(parts), lang, kind, phones=self._phones(path, lang), at=situation.at)

    def _urgent(self, assessment: Assessment, situation: Situation) -> Reply:
        lang, fields = situation.lang, self.fields(situation.lang)
        record = self._record_line("turn.urgent_recorded", "turn.urgent_not_recorded", situation)
        if assessment.path == "abuse":
            text = self._texts("emergency.discreet", lang, **fields)
            return Reply(text, lang, ReplyKind.DISCREET, phones=self._phones("abuse", lang), at=situation.at)
        if assessment.path == "crisis":
            key = "crisis_urgent" if fields["crisis_line"] else "crisis_urgent_no_line"
            text = "\n\n".join([self._texts(f"emergency.{key}", lang, **fields), record])
            return Reply(text, lang, ReplyKind.CRISIS, phones=self._phones("crisis", lang), at=situation.at)
        if assessment.path == "maternity":
            parts = [self._texts("emergency.maternity_urgent", lang, **fields)]
        else:
            parts = [self._texts("turn.urgent", lang), self._today(situation)]
        parts = [*parts, *self._why(assessment, lang), record]
        return Reply(
            "\n\n".join(parts), lang, ReplyKind.URGENT, phones=self._phones("urgent", lang), at=situation.at
        )

    def _today(self, situation: Situation) -> str:
        fields = self.fields(situation.lang)
        if self._clinic.is_open(situation.at):
            return self._texts("turn.urgent_open", situation.lang, **fields)
        line = (
            self._texts("turn.urgent_nonurgent_line", situation.lang, **fields) if fields["nonurgent"] else ""
        )
        return self._texts("turn.urgent_closed", situation.lang, **{**fields, "nonurgent": line})

    def _why(self, assessment: Assessment, lang: str) -> list[str]:
        reasons: list[str] = []
        for hit in assessment.hits:
            reason = hit.reason.get(lang) or hit.reason.get("en", "")
            if hit.level is assessment.level and reason and reason not in reasons:
                reasons.append(reason)
        if not reasons:
            return []
        joined = ("" if lang == "zh" else " ").join(reasons[:MAX_REASONS])
        return [self._texts("emergency.why", lang, reasons=joined)]

    def _record_line(self, recorded: str, not_recorded: str, situation: Situation) -> str:
        lang, fields = situation.lang, self.fields(situation.lang)
        if situation.recorded is Recorded.NO:
            return self._texts(not_recorded, lang, **fields)
        if situation.recorded is Recorded.SPOOLED:
            return self._texts(f"{recorded}_unseen", lang, **fields)
        duty = self._clinic.on_duty(situation.at)
        if duty is not None:
            who = self._clinic.local(duty.who, lang)
            return self._texts(f"{recorded}_on_duty", lang, **fields, who=who)
        upcoming = self._clinic.next_duty(situation.at)
        if upcoming is None:
            return self._texts(f"{recorded}_nobody", lang, **fields)
        start, next_duty = upcoming
        who = self._clinic.local(next_duty.who, lang)
        return self._texts(
            f"{recorded}_no_duty", lang, **fields, who=who, when=say_when(start, situation.at, lang)
        )

    def _phones(self, path: str | None, lang: str) -> tuple[PhoneLink, ...]:
        numbers, fields = self._clinic.numbers, self.fields(lang)
        call = PhoneLink(
            self._texts("emergency.call_label", lang, number=numbers.ambulance), numbers.ambulance
        )
        clinic = PhoneLink(
            self._texts("emergency.call_clinic_label", lang, number=self._clinic.phone), self._clinic.phone
        )
        if path == "crisis" and numbers.crisis_line:
            label = self._texts(
                "emergency.call_crisis_label", lang, name=fields["crisis_name"], number=numbers.crisis_line
            )
            return call, PhoneLink(label, numbers.crisis_line)
        if path == "abuse":
            label = self._texts("emergency.call_label", lang, number=numbers.police)
            return (
                (call, PhoneLink(label, numbers.police)) if numbers.police != numbers.ambulance else (call,)
            )
        if path == "urgent":
            return clinic, call
        return (call,)


WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}


def say_when(start: dt.datetime, now: dt.datetime, lang: str) -> str:
    """A start of duty as people say it, in the start's own zone: "at 8am today", 明天上午8点.

    ``start`` and ``now`` are aware; within a week only the weekday is named.
    """
    local = now.astimezone(start.tzinfo)
    days = (start.date() - local.date()).days
    clock = _clock(start, lang)
    if lang == "zh":
        day = {0: "今天", 1: "明天"}.get(days, WEEKDAYS["zh"][start.weekday()])
        return f"{day}{clock}"
    day = {0: "today", 1: "tomorrow"}.get(days, f"on {WEEKDAYS['en'][start.weekday()]}")
    return f"at {clock} {day}"


def _clock(at: dt.datetime, lang: str) -> str:
    minute = f":{at.minute:02d}" if at.minute else ""
    if lang == "zh":
        part = "上午" if at.hour < 12 else "下午" if at.hour < 18 else "晚上"
        hour = at.hour if at.hour <= 12 else at.hour - 12
        return f"{part}{hour}点" + (f"{at.minute}分" if at.minute else "")
    if at.hour == 12 and not at.minute:
        return "midday"
    return f"{at.hour % 12 or 12}{minute}{'am' if at.hour < 12 else 'pm'}"
