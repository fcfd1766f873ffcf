"""The second reader in the turn: it raises and asks, never lowers, blocks or talks over staff.

The rules are the real ones. The reader's scores are given by the tests, so that each situation is the one it names;
what the real model hears is measured by ``careline evaluate triage --semantic``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.clinic import load_clinic
from bot.memory import RedisMemories
from bot.messages import Incoming, ReplyKind
from bot.second_look import AWAY, SecondLook
from bot.stateless import StatelessReplies
from bot.suspicion.aside import LIMIT_S, Aside
from bot.suspicion.train import SuspicionMissing
from bot.texts import Texts
from bot.triage.assess import Assessment, Suspected
from bot.triage.case import Case
from bot.triage.engine import default_engine
from bot.triage.level import Level
from bot.triage.suspicion import load_suspicion_rules, raised, weigh
from bot.triage_reader import TriageReader
from bot.triage_reply import TriageReplies
from bot.turn import Turn
from bot.turn_ports import Doubt, Memory
from tests.bot.fakes import (
    FakeDialogue,
    FakeLive,
    FakeLocks,
    FakeMemories,
    FakeSpool,
    FakeStore,
    HeardSink,
)

RULES = load_suspicion_rules()
ODD = {"en": "it is as if Wilhelmina the cow were lying upon me", "zh": "像有头老黄牛趴在我身上"}
"""Words that no lexicon knows; the rules say nothing about them."""
LOOSE = {"en": "can you tell me your opening hours", "zh": "你们几点开门"}
EMERGENCY = {"en": "my chest feels tight and my left arm has gone numb", "zh": "我胸口很闷，左胳膊也麻了"}
URGENT = {"en": "a cat bit my hand and broke the skin", "zh": "被猫咬破手了"}
YES, NO = {"en": "yes", "zh": "是"}, {"en": "no", "zh": "不是"}


@dataclass
class Scored:
    """A second reader with one opinion of odd messages; what becomes of it is decided by the real code."""

    score: float = 0.0
    family: str = "chest"
    level: Level = Level.EMERGENCY
    away: bool = False
    seen: list[str] = field(default_factory=list)

    async def read(self, text: str, assessment: Assessment) -> Assessment | None:
        self.seen.append(text)
        if self.away:
            return None
        score = self.score if text in (*ODD.values(), *URGENT.values()) else 0.0
        suspected = Suspected(self.family, score, self.level, "quiet", "model", "ngrams")
        step = weigh(assessment, suspected, suspicion=0.5, strong=0.9)
        return raised(assessment, replace(suspected, step=step.value), RULES)


class World:
    """A turn with a second reader and everything else around it."""

    def __init__(self, second: Any) -> None:
        self.journal: list[str] = []
        self.store, self.spool = FakeStore(self.journal), FakeSpool(self.journal)
        self.memories, self.dialogue = FakeMemories(), FakeDialogue(self.journal)
        self.sink = HeardSink(self.journal)
        clinic, texts = load_clinic(), Texts()
        replies = TriageReplies(texts, clinic)
        self.turn = Turn(
            reader=TriageReader(default_engine(), clinic.languages),
            store=self.store,
            spool=self.spool,
            memories=self.memories,
            locks=FakeLocks(),
            dialogue=self.dialogue,
            stateless=StatelessReplies(texts, replies),
            replies=replies,
            live=FakeLive(),
            second=SecondLook(second, RULES, texts, replies),
        )
        self.count = 0

    async def say(self, text: str, message_id: str = ""):
        self.count += 1
        return await self.turn.run(Incoming("web", "c1", text, message_id or str(self.count)), self.sink)

    @property
    def last(self):
        return self.sink.heard[-1]


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_suspicion_question_yes_emergency(lang: str) -> None:
    world = World(Scored(0.7))
    first = await world.say(ODD[lang])
    assert first.level < Level.URGENT
    assert (world.last.kind, world.last.lang) == (ReplyKind.QUESTION, lang)
    assert Texts()("suspicion.chest", lang) in world.last.text
    assert [b.payload for b in world.last.buttons] == [
        Texts()("suspicion.answer_yes", lang),
        Texts()("suspicion.answer_no", lang),
    ]
    assert world.dialogue.turns == [] and world.store.escalations == {}
    second = await world.say(world.last.buttons[0].payload)
    assert second.level is Level.EMERGENCY
    assert ReplyKind.EMERGENCY in {r.kind for r in world.sink.heard}
    (escalation,) = world.store.escalations.values()
    assert {h.id for h in escalation.reading.assessment.hits if h.new} & {"CARD-101", "RF001"}


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_suspicion_question_no_quiet_and_the_held_message_goes_on(lang: str) -> None:
    world = World(Scored(0.7))
    await world.say(ODD[lang])
    result = await world.say(world.last.buttons[1].payload)
    assert result.level is Level.NONE
    assert world.store.escalations == {}
    (turn,) = world.dialogue.turns
    assert turn.text == ODD[lang]
    assert world.memories.kept["c1"].doubt.held == ""


async def test_a_question_is_asked_at_most_once_per_family() -> None:
    reader = Scored(0.7)
    world = World(reader)
    await world.say(ODD["en"])
    await world.say(NO["en"])
    await world.say(ODD["en"])
    questions = [r for r in world.sink.heard if r.kind is ReplyKind.QUESTION]
    assert len(questions) == 1
    reader.family = "breathing"
    await world.say(ODD["en"])
    assert sum(r.kind is ReplyKind.QUESTION for r in world.sink.heard) == 2


async def test_another_message_instead_of_an_answer_speaks_for_itself() -> None:
    world = World(Scored(0.7))
    await world.say(ODD["en"])
    await world.say(LOOSE["en"])
    assert [t.text for t in world.dialogue.turns] == [LOOSE["en"]]
    assert world.memories.kept["c1"].doubt == Doubt(asked=("chest",))
    result = await world.say(EMERGENCY["en"])
    assert result.level is Level.EMERGENCY


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_a_strong_suspicion_is_written_and_told_like_any_other(lang: str) -> None:
    world = World(Scored(0.95))
    result = await world.say(ODD[lang])
    assert result.level is Level.EMERGENCY
    assert world.journal.index("escalate") < world.journal.index("say:emergency")
    (escalation,) = world.store.escalations.values()
    (hit,) = [h for h in escalation.reading.assessment.hits if h.new]
    assert (hit.id, hit.spans) == ("SR-CHEST", ())
    assert RULES.families["chest"].reason[lang] in world.sink.heard[0].text
    assert "999" in world.sink.heard[0].text


async def test_a_crisis_that_only_the_reader_hears_gets_the_crisis_text() -> None:
    world = World(Scored(0.95, "crisis"))
    await world.say(ODD["en"])
    assert world.sink.heard[0].kind is ReplyKind.CRISIS


async def test_what_was_raised_binds_the_conversation_until_staff_have_dealt_with_it() -> None:
    world = World(Scored(0.95))
    await world.say(ODD["en"])
    await world.say(LOOSE["en"])
    assert world.dialogue.turns[-1].assessment["case_level"] == "emergency"
    assert len(world.store.escalations) == 1
    world.memories.kept["c1"] = replace(world.memories.kept["c1"], handled=True)
    await world.say(LOOSE["en"])
    assert world.dialogue.turns[-1].assessment["case_level"] == "none"


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_urgent_by_the_rules_may_become_an_emergency_and_is_never_asked(lang: str) -> None:
    weak, strong, mild = World(Scored(0.7)), World(Scored(0.95)), World(Scored(0.95, level=Level.URGENT))
    for world, level in ((weak, Level.URGENT), (strong, Level.EMERGENCY), (mild, Level.URGENT)):
        assert (await world.say(URGENT[lang])).level is level
        assert all(r.kind is not ReplyKind.QUESTION for r in world.sink.heard)


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_law_1_an_emergency_of_the_rules_never_asks_the_reader(lang: str) -> None:
    reader = Scored(0.95)
    await World(reader).say(EMERGENCY[lang])
    assert reader.seen == []


async def test_law_5_while_staff_speak_it_neither_asks_nor_tells_and_still_escalates() -> None:
    asking, telling = World(Scored(0.7)), World(Scored(0.95))
    for world in (asking, telling):
        world.store.state = "staff"
        await world.say(ODD["en"])
        assert world.sink.heard == [] and world.dialogue.turns == []
        assert "relay" in world.journal
    assert asking.store.escalations == {}
    (escalation,) = telling.store.escalations.values()
    assert escalation.level == "emergency"


async def test_law_5_while_staff_speak_the_rules_still_tell_what_they_say_themselves() -> None:
    world = World(Scored(0.95))
    world.store.state = "staff"
    await world.say(URGENT["en"])
    assert [r.kind for r in world.sink.heard] == [ReplyKind.URGENT]
    (escalation,) = world.store.escalations.values()
    assert escalation.level == "emergency"


async def test_law_10_a_question_as_first_reply_says_that_a_machine_speaks() -> None:
    world = World(Scored(0.7))
    await world.say(ODD["en"])
    assert "not a doctor or a nurse" in world.last.text


async def test_without_memory_nothing_is_asked_and_strong_suspicions_still_count() -> None:
    asking, telling = World(Scored(0.7)), World(Scored(0.95))
    for world in (asking, telling):
        world.memories.away.mode = "away"
        await world.say(ODD["en"])
    assert all(r.kind is not ReplyKind.QUESTION for r in asking.sink.heard)
    assert len(telling.store.escalations) == 1


async def test_the_reader_away_is_recorded_and_the_turn_goes_on() -> None:
    world = World(Scored(away=True))
    await world.say(LOOSE["en"])
    assert world.dialogue.turns[0].degraded == frozenset({AWAY})


async def test_a_turn_cut_off_before_its_question_asks_it_when_it_is_finished() -> None:
    world = World(Scored(0.7))
    await world.say(ODD["en"], "7")
    world.store.processed.clear()
    world.store.answers.clear()
    await world.say(ODD["en"], "7")
    first, again = world.sink.heard
    assert (first.kind, first.id, first.text) == (again.kind, again.id, again.text)


class Cases:
    """A case store that keeps what it is given as JSON."""

    def __init__(self) -> None:
        self.kept = ""

    async def get(self, conversation: str) -> Any:
        return json.loads(self.kept) if self.kept else None

    async def put(self, conversation: str, case: Any) -> None:
        self.kept = json.dumps(case)


async def test_doubts_are_remembered_and_a_memory_from_before_has_none() -> None:
    cases = Cases()
    memories = RedisMemories(cases)  # type: ignore[arg-type]
    memory = Memory(doubt=Doubt({"chest": "emergency"}, ("eye",), "eye", ODD["zh"], "7"))
    await memories.save("c", memory)
    assert await memories.load("c") == memory
    old = json.loads(cases.kept)
    del old["doubt"]
    cases.kept = json.dumps(old)
    assert (await memories.load("c")).doubt == Doubt()


# -- beside the event loop ------------------------------------------------------------------------------------


class Slow:
    """A reader whose words or vectors hang until they are let go."""

    def __init__(self, *, words: bool = False, vectors: bool = False, fault: bool = False) -> None:
        self.let_go = threading.Event()
        self.words, self.hangs, self.fault = words, vectors, fault
        self.encoder = object() if vectors else None
        self.warm = True

    def suspect(self, text: str, assessment: Assessment, vector: object = None) -> Assessment:
        if self.fault:
            raise ValueError(text)
        if self.words:
            self.let_go.wait(5)
        mode = "ngrams" if vector is None else "encoder"
        return replace(assessment, suspected=Suspected("chest", 0.1, Level.URGENT, "quiet", "m", mode))

    def encodes(self, assessment: Assessment) -> bool:
        return self.encoder is not None

    def vectors(self, texts: list[str]) -> list[object]:
        if self.hangs and not self.warm:
            self.let_go.wait(5)
        return [object()]


def nothing() -> Assessment:
    return default_engine().turn(Case(), ODD["en"], 0.0)[1]


async def started(reader: Any, limit_s: float = LIMIT_S) -> Aside:
    aside = Aside(lambda: reader, limit_s=limit_s)
    await aside.start()
    while aside._warm is not None and not aside._warm.done():
        await asyncio.sleep(0.001)
    return aside


async def test_a_reader_that_hangs_costs_the_limit_and_no_more() -> None:
    reader = Slow(words=True)
    aside = await started(reader, 0.05)
    began = time.monotonic()
    assert await aside.read(ODD["en"], nothing()) is None
    assert time.monotonic() - began < 1.0
    reader.let_go.set()
    await aside.close()


async def test_the_event_loop_turns_while_the_reader_works() -> None:
    reader = Slow(words=True)
    aside = await started(reader, 5.0)
    reading = asyncio.create_task(aside.read(ODD["en"], nothing()))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not reading.done()
    reader.let_go.set()
    assert await reading is not None
    await aside.close()


async def test_a_slow_encoder_leaves_the_answer_by_words_and_is_not_waited_for_again() -> None:
    reader = Slow(vectors=True)
    aside = await started(reader, 1.0)
    quick = await aside.read(ODD["en"], nothing())
    assert quick is not None and quick.suspected is not None and quick.suspected.mode == "encoder"
    reader.warm = False
    slow = await aside.read(ODD["en"], nothing())
    assert slow is not None and slow.suspected is not None and slow.suspected.mode == "ngrams"
    began = time.monotonic()
    assert await aside.read(ODD["en"], nothing()) is not None
    assert time.monotonic() - began < 0.5
    reader.let_go.set()
    await aside.close()


async def test_a_fault_and_a_missing_model_leave_the_rules_alone_and_log_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = await started(Slow(fault=True))
    assert await broken.read(ODD["en"], nothing()) is None
    assert "ValueError" in caplog.text and "Wilhelmina" not in caplog.text

    def missing() -> Any:
        raise SuspicionMissing("there is no second reader; run `careline train`")

    aside = Aside(missing)
    await aside.start()
    assert not aside.healthy() and "careline train" in aside.state
    assert await aside.read(ODD["en"], nothing()) is None
    for one in (broken, aside):
        await one.close()


def test_the_limit_leaves_room_in_the_promise_of_law_3() -> None:
    assert LIMIT_S <= 0.15
