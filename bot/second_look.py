"""The second reader's place in a turn: after the rules, beside the event loop, within a limit, raising only.

A strong suspicion is an escalation like any other. A weaker one is one question, asked at most once per family in a
conversation; the message that it is about is held, so that after "no" the dialogue takes it up as if nothing had been
asked. The answer itself is read by the rules. It decides no level and keeps nothing between turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from bot.messages import Button, Incoming, Reply, ReplyKind
from bot.texts import Texts
from bot.triage.assess import Assessment
from bot.triage.level import Level
from bot.triage.suspicion import Step, SuspicionRules, recalled
from bot.triage_reader import Reading
from bot.triage_reply import TriageReplies
from bot.turn_ports import Doubt
from nlu.findings import Status

AWAY = "second_reader"
"""Named in the record of a decision that was taken without the second reader."""


class Second(Protocol):
    """The second reader, run aside."""

    async def read(self, text: str, assessment: Assessment) -> Assessment | None:
        """The assessment as it is or raised, within the limit; None where the reader is away or too slow."""


class SecondLook:
    """What the turn asks of the second reader. Built once by the composition root."""

    def __init__(self, second: Second, rules: SuspicionRules, texts: Texts, replies: TriageReplies) -> None:
        self._second, self._rules, self._texts, self._replies = second, rules, texts, replies

    async def look(self, reading: Reading, doubt: Doubt) -> Reading:
        """The reading, raised where the reader is sure. An emergency of the rules waits for nothing (law 3)."""
        assessment = recalled(reading.assessment, doubt.raised, self._rules)
        reading = replace(reading, assessment=assessment)
        if assessment.level is Level.EMERGENCY or not reading.supported:
            return reading
        after = await self._second.read(reading.text, assessment)
        if after is None:
            return replace(reading, degraded=(*reading.degraded, AWAY))
        by_rules = assessment if after.level > assessment.level else None
        handled = reading.handled and by_rules is None
        return replace(reading, assessment=after, by_rules=by_rules, handled=handled)

    def follow(self, incoming: Incoming, reading: Reading, doubt: Doubt, *, may_ask: bool) -> Doubt:
        """What is remembered after this message: families raised, and the question that it leads to, if any."""
        suspected = reading.assessment.suspected
        after = Doubt(raised=doubt.raised, asked=doubt.asked)
        if suspected is None:
            return after
        if reading.by_rules is not None:
            return replace(after, raised=_higher(doubt.raised, suspected.family, suspected.level))
        again = doubt.message == incoming.message_id  # a crash cut the turn off before the question was said
        if not asks(reading) or not may_ask or (suspected.family in doubt.asked and not again):
            return after
        asked = tuple(dict.fromkeys((*doubt.asked, suspected.family)))
        return replace(
            after, asked=asked, open=suspected.family, held=incoming.text, message=incoming.message_id
        )

    def screened(self, doubt: Doubt) -> tuple[str, ...]:
        """The concepts that "yes" to the open question affirms."""
        return self._rules.families[doubt.open].screened if doubt.open else ()

    def question(self, doubt: Doubt, lang: str, *, first: bool) -> Reply | None:
        """The open question in the patient's language; the notice of law 10 goes with a conversation's first reply."""
        if not doubt.open:
            return None
        parts = [self._replies.ai_notice(lang)] if first else []
        parts += [self._texts("suspicion.lead", lang), self._texts(f"suspicion.{doubt.open}", lang)]
        answers = [self._texts(f"suspicion.answer_{key}", lang) for key in ("yes", "no")]
        return Reply(
            "\n\n".join(parts), lang, ReplyKind.QUESTION, tuple(Button(answer, answer) for answer in answers)
        )


def asks(reading: Reading) -> bool:
    """Whether the reader would ask a question about this message."""
    suspected = reading.assessment.suspected
    return suspected is not None and suspected.step == Step.ASK.value


def released(reading: Reading, doubt: Doubt) -> str:
    """The held message, once the question about it has been answered with no; else nothing.

    "No, not at all" releases it; "no, but my arm is numb" speaks for itself.
    """
    if not doubt.held or reading.assessment.level >= Level.URGENT:
        return ""
    found = reading.assessment.findings
    denied = bool(found) and all(f.answered and f.status is Status.NEGATED for f in found)
    return doubt.held if denied else ""


def _higher(raised: Mapping[str, str], family: str, level: Level) -> dict[str, str]:
    before = raised.get(family)
    top = level if before is None else max(level, Level.from_code(before))
    return {**raised, family: top.code}
