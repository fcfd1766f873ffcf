"""The turn and the laws that it carries: order, write before reply, one voice, true statements, no part needed.

The rule layer is the real one; SQL, Redis and the dialogue are stand-ins that can be away or hang.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field, replace

import pytest

from bot.clinic import load_clinic
from bot.messages import Incoming, Reply, ReplyKind
from bot.stateless import StatelessReplies
from bot.texts import Texts
from bot.triage.engine import default_engine
from bot.triage.level import Level
from bot.triage_reader import TriageReader, reply_language
from bot.triage_reply import Recorded, TriageReplies, say_when
from bot.turn import EMERGENCY_ACCEPT_S, Turn
from bot.turn_escalation import EMERGENCY_RECORD_S
from tests.bot.fakes import (
    FakeDialogue,
    FakeLive,
    FakeLocks,
    FakeMemories,
    FakeSpool,
    FakeStore,
    HeardSink,
)

MONDAY_NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
SUNDAY_NIGHT = dt.datetime(2026, 11, 22, 23, 0, tzinfo=dt.UTC)
EMERGENCY = {
    "en": "actually my chest feels tight and my left arm has gone numb",
    "zh": "我胸口很闷，左胳膊也麻了",
}
TIGHT_CHEST = "my chest feels tight"
HARMLESS = {"en": "hello, what are your opening hours?", "zh": "你好，请问你们几点开门？"}


@dataclass
class World:
    """A turn with everything around it."""

    now: dt.datetime = MONDAY_NOON
    push: tuple[str, ...] = ()
    journal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = FakeStore(self.journal)
        self.spool = FakeSpool(self.journal)
        self.memories = FakeMemories()
        self.dialogue = FakeDialogue(self.journal)
        self.live = FakeLive()
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
            live=self.live,
            push_channels=self.push,
            clock=lambda: self.now,
        )

    async def say(self, text: str, message_id: str = "1", lang: str | None = None, channel: str = "web"):
        incoming = Incoming(channel, "c1", text, message_id, lang)
        return await self.turn.run(incoming, self.sink)

    @property
    def told(self) -> str:
        return "\n".join(reply.text for reply in self.sink.heard)


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_an_ordinary_message_goes_through_every_step_in_order(lang: str) -> None:
    world = World()
    result = await world.say(HARMLESS[lang])
    assert world.journal == ["accept", "dialogue", "say:text", "complete"]
    assert result.level < Level.URGENT
    assert world.store.escalations == {}


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_law_2_the_escalation_is_committed_before_the_patient_is_told(lang: str) -> None:
    world = World()
    result = await world.say(EMERGENCY[lang])
    assert result.level is Level.EMERGENCY
    assert world.journal.index("escalate") < world.journal.index("say:emergency")
    assert "999" in world.told
    assert world.sink.heard[0].lang == lang
    assert [phone.number for phone in world.sink.heard[0].phones] == ["999"]


@pytest.mark.parametrize("state", ["bot", "waiting", "staff", "closed"])
@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_law_1_the_rules_read_every_message_in_every_state(state: str, lang: str) -> None:
    world = World()
    world.store.state = state
    await world.say(EMERGENCY[lang])
    assert len(world.store.escalations) == 1
    assert world.sink.heard[0].kind is ReplyKind.EMERGENCY


async def test_law_5_the_assistant_is_silent_while_staff_hold_the_conversation() -> None:
    world = World()
    world.store.state = "staff"
    await world.say(HARMLESS["en"])
    assert world.sink.heard == []
    assert world.dialogue.turns == []
    assert "relay" in world.journal


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_law_3_the_emergency_answer_arrives_with_every_part_down(lang: str, how: str) -> None:
    """Redis, SQL and the dialogue engine are gone; the spool keeps the escalation."""
    world = World()
    world.store.away.mode = world.memories.away.mode = how
    world.dialogue.away = True
    await world.say(EMERGENCY[lang])
    assert world.sink.heard[0].kind is ReplyKind.EMERGENCY
    assert "999" in world.sink.heard[0].text
    assert len(world.spool.kept) == 1


def test_law_3_the_waits_before_an_emergency_answer_leave_room_in_300_ms() -> None:
    assert EMERGENCY_ACCEPT_S + EMERGENCY_RECORD_S <= 0.25


async def test_law_3_an_emergency_does_not_wait_behind_a_long_answer() -> None:
    world = World()
    world.dialogue.gate = asyncio.Event()
    slow = asyncio.create_task(world.say(HARMLESS["en"], "1"))
    while not world.dialogue.turns:
        await asyncio.sleep(0)
    urgent = asyncio.create_task(world.say(EMERGENCY["en"], "2"))
    while not world.sink.heard:
        await asyncio.sleep(0.001)
    assert world.sink.heard[0].kind is ReplyKind.EMERGENCY
    assert not slow.done()
    world.dialogue.gate.set()
    await asyncio.gather(slow, urgent)


async def test_law_4_only_what_is_true_is_said_about_the_record() -> None:
    on_duty, at_night, unwritten, nowhere = World(), World(SUNDAY_NIGHT), World(), World()
    unwritten.store.escalate_away.mode = "away"
    nowhere.store.escalate_away.mode = "away"
    nowhere.spool.broken = True
    for world in (on_duty, at_night, unwritten, nowhere):
        await world.say(EMERGENCY["en"])
    assert "top of the list for our duty nurse" in on_duty.told
    assert "nobody there is looking at messages now" in at_night.told
    assert "at 8am tomorrow" in at_night.told
    assert "the clinic cannot see it yet" in unwritten.told
    assert "could not save your message" in nowhere.told
    assert "on the list" not in unwritten.told + nowhere.told


async def test_sql_away_an_ordinary_message_is_not_pretended_to_be_recorded() -> None:
    world = World()
    world.store.away.mode = "away"
    await world.say(HARMLESS["en"])
    assert "I could not save your message" in world.told
    assert "+442079460000" in world.told
    assert world.dialogue.turns == []


async def test_c_the_combination_fires_over_two_messages() -> None:
    """ "Chest tightness", a turn later "and I'm sweating a lot"."""
    for first, second in (
        ("my chest feels a bit tight", "and now I'm sweating a lot"),
        ("胸口有点闷", "还一直出冷汗"),
    ):
        world = World()
        await world.say(first, "1")
        result = await world.say(second, "2")
        assert result.level is Level.EMERGENCY, second
        assert len(world.store.escalations) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "My grandad had a heart attack in 2010, can I book a check-up?",
        "no chest pain, just a runny nose",
        "我爷爷2010年得过心梗，我想预约体检",
        "没有胸痛，就是流鼻涕",
    ],
)
async def test_d_no_alarm_for_history_and_negation(text: str) -> None:
    world = World()
    result = await world.say(text)
    assert result.level < Level.URGENT
    assert world.store.escalations == {}
    assert len(world.dialogue.turns) == 1


async def test_a_repeat_is_answered_from_the_record_under_the_same_ids() -> None:
    world = World()
    await world.say(HARMLESS["en"])
    first = [reply.id for reply in world.sink.heard]
    result = await world.say(HARMLESS["en"])
    assert result.repeat
    assert [reply.id for reply in world.sink.heard] == first * 2
    assert len(world.dialogue.turns) == 1


async def test_a_turn_cut_off_by_a_crash_says_the_same_ids_when_it_is_finished() -> None:
    """The process died after the reply was shown and before it was stored: the client drops the double."""
    before, after = World(), World()
    await before.say(HARMLESS["en"])
    after.store.unfinished = [Incoming("web", "c1", HARMLESS["en"], "1")]
    assert await after.turn.resume(lambda incoming: after.sink) == 1
    assert [r.id for r in after.sink.heard] == [r.id for r in before.sink.heard]


async def test_an_emergency_is_escalated_once_however_often_it_is_delivered() -> None:
    world = World()
    await asyncio.gather(*(world.say(EMERGENCY["en"]) for _ in range(5)))
    assert len(world.store.escalations) == 1
    assert len({reply.id for reply in world.sink.heard if reply.kind is ReplyKind.EMERGENCY}) == 1


async def test_the_dialogue_away_offers_a_menu_and_puts_the_message_before_staff() -> None:
    world = World()
    world.dialogue.away = True
    await world.say(HARMLESS["zh"])
    assert world.store.asked_for == ["assistant_unavailable"]
    assert [button.title for button in world.sink.heard[0].buttons] == [
        "我有急症",
        "请给我回电话",
        "电话号码",
    ]


async def test_a_fault_inside_the_dialogue_leaves_nobody_without_a_word() -> None:
    world = World()

    async def broken(turn, sink):
        raise ZeroDivisionError

    world.dialogue.handle = broken  # type: ignore[method-assign]
    await world.say(HARMLESS["en"])
    assert world.store.asked_for == ["assistant_unavailable"]
    assert "saved your message for the clinic's staff" in world.told


async def test_redis_away_the_record_says_so_and_the_message_alone_is_read() -> None:
    world = World()
    world.memories.away.mode = "away"
    await world.say(EMERGENCY["en"])
    (escalation,) = world.store.escalations.values()
    assert escalation.reading.degraded == ("redis",)


async def test_a_push_channel_is_told_by_the_outbox_and_directly_only_without_a_store() -> None:
    stored, unstored = World(push=("telegram",)), World(push=("telegram",))
    unstored.store.away.mode = "away"
    for world in (stored, unstored):
        await world.say(EMERGENCY["en"], channel="telegram")
    assert stored.sink.heard == []
    assert ReplyKind.EMERGENCY in {reply.kind for reply in stored.store.answers["m1"]}
    assert unstored.sink.heard[0].kind is ReplyKind.EMERGENCY


async def test_a_stream_ends_under_the_id_that_it_grew_under() -> None:
    world = World()

    async def stream(turn, sink):
        reply = Reply("All of it.", "en", ReplyKind.ANSWER)
        await sink.partial(reply.id, "All", "en")
        await sink.reply(reply)

    world.dialogue.handle = stream  # type: ignore[method-assign]
    await world.say(HARMLESS["en"])
    assert world.sink.partials[0][0] == world.sink.heard[0].id


@pytest.mark.parametrize(
    ("emergency", "yes"), [(EMERGENCY["en"], "yes, they are coming"), (EMERGENCY["zh"], "是的，他们在路上")]
)
async def test_a_yes_after_an_emergency_text_does_not_raise_the_alarm_again(emergency: str, yes: str) -> None:
    """The reasons in the text name chest pain; "yes, they are coming" is no answer to them."""
    world = World()
    await world.say(emergency, "1")
    await world.say(yes, "2")
    assert len(world.store.escalations) == 1


async def test_what_staff_have_handled_allows_booking_and_still_adds_up_with_new_signs() -> None:
    world = World()
    await world.say(TIGHT_CHEST, "1")
    kept = world.memories.kept["c1"]
    await world.say("can I book an appointment?", "2")
    assert world.dialogue.turns[-1].assessment["case_level"] == "emergency"
    world.memories.kept["c1"] = replace(kept, handled=True)
    await world.say("can I book an appointment?", "3")
    assert world.dialogue.turns[-1].assessment["case_level"] == "none"
    result = await world.say("and now I'm sweating a lot", "4")
    assert result.level is Level.EMERGENCY
    assert not world.memories.kept["c1"].handled


async def test_law_10_an_emergency_as_first_message_says_that_a_machine_speaks() -> None:
    world = World()
    await world.say(EMERGENCY["en"])
    assert "not a doctor or a nurse" in world.sink.heard[0].text


async def test_crisis_gets_the_crisis_line_and_no_reasons() -> None:
    for text, line in (
        ("I want to kill myself tonight, I have the pills here", "116123"),
        ("我不想活了，药都准备好了", "116123"),
    ):
        world = World()
        await world.say(text)
        reply = world.sink.heard[0]
        assert reply.kind is ReplyKind.CRISIS
        assert line in {phone.number for phone in reply.phones}


def test_the_reply_language_is_the_one_written_in() -> None:
    languages = ("en", "zh")
    assert reply_language("我头疼", "en", languages) == "zh"
    assert reply_language("I have had a headache since Monday", "zh", languages) == "en"
    assert reply_language("ok", "zh", languages) == "zh"
    assert reply_language("🙂", None, languages) == "en"
    assert reply_language("38.2", "en", languages, before="zh") == "zh"
    assert reply_language("yes", None, languages) == "en"


def test_times_of_duty_are_said_as_people_say_them() -> None:
    zone = load_clinic().zone
    start = dt.datetime(2026, 11, 23, 8, 0, tzinfo=zone)
    assert say_when(start, SUNDAY_NIGHT, "en") == "at 8am tomorrow"
    assert say_when(start, SUNDAY_NIGHT, "zh") == "明天上午8点"
    assert say_when(start.replace(hour=12), SUNDAY_NIGHT, "en") == "at midday tomorrow"


def test_recorded_is_a_closed_set() -> None:
    assert {member.name for member in Recorded} == {"YES", "SPOOLED", "NO"}
