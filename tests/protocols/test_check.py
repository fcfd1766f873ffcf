"""Named situations of the symptom check: what is known is not asked, corrections, other topics, the case's level."""

from __future__ import annotations

import pytest

from bot.dialogue.protocol_types import Protocols
from bot.dialogue.symptom_check import SymptomCheck
from bot.messages import ReplyKind
from tests.protocols.conftest import finding

THROAT = [finding("sore_throat", duration_hours=72.0), finding("fever", duration_hours=72.0)]


def test_a_sore_throat_and_a_fever_for_three_days(check: SymptomCheck) -> None:
    """One protocol leads, the other is folded in, and how long is not asked again."""
    step = check.start(THROAT, {}, {}, "en")
    assert (step.state["protocol"], step.state["others"]) == ("sore_throat", ["fever_adult"])
    assert "sore throat and fever" in step.replies[0].text
    assert {"stridor", "confusion"} <= set(step.screened)
    asked = []
    while not step.done:
        asked.append(step.state["current"])
        answers = {"temperature": "38.5", "severity": "mild", "pus": "no", "cough_too": "yes"}
        step = check.answer(step.state, answers.get(step.state["current"], "none of these"), [], {}, "en")
    assert "duration" not in asked and "temperature" in asked
    assert step.outcome is not None and step.outcome.level == "self_care"


def test_what_was_said_in_passing_is_not_asked(check: SymptomCheck) -> None:
    found = [finding("headache", duration_hours=24.0, severity="mild"), finding("vomiting", status="negated")]
    step = check.start(found, {"age_years": 30.0, "sex": "male"}, {}, "en")
    asked = []
    while not step.done:
        asked.append(step.state["current"])
        text = {"usual": "yes", "course": "better"}.get(step.state["current"], "none of these")
        step = check.answer(step.state, text, [], {}, "en")
    assert {"duration", "severity", "pregnant", "vomit"}.isdisjoint(asked)


def test_the_case_of_earlier_turns_counts(check: SymptomCheck) -> None:
    case = {"entries": [{"f": finding("cough", duration_hours=600.0), "turn": 1, "at": 0.0}]}
    step = check.start([], {}, case, "en")
    assert step.state["protocol"] == "cough_cold"
    assert step.state["answers"]["duration"] == 600.0


@pytest.mark.parametrize(
    ("lang", "text", "hours"),
    [
        ("en", "no, since Tuesday", 144.0),
        ("en", "actually it's been two weeks", 336.0),
        ("en", "sorry, I meant 5 days", 120.0),
        ("zh", "不对，从周二开始", 144.0),
        ("zh", "说错了，是两个星期", 336.0),
    ],
)
def test_a_correction_changes_the_earlier_answer(
    check: SymptomCheck, lang: str, text: str, hours: float
) -> None:
    step = check.start([finding("sore_throat", duration_hours=72.0)], {}, {}, lang)
    step = check.answer(step.state, {"en": "none", "zh": "都没有"}[lang], [], {}, lang)
    before = step.state["current"]
    step = check.answer(step.state, text, [], {}, lang)
    assert step.understood
    assert step.state["answers"]["duration"] == hours
    assert step.state["current"] == before


def test_back_asks_the_last_question_again_and_forgets_its_answer(check: SymptomCheck) -> None:
    step = check.start([finding("back_pain")], {}, {}, "en")
    step = check.answer(step.state, "none of these", [], {}, "en")
    step = check.answer(step.state, "a fever", [finding("fever")], {}, "en")
    assert "fever" in step.state["present"]
    step = check.answer(step.state, "go back", [], {}, "en")
    assert step.state["current"] == "screen_urgent"
    step = check.answer(step.state, "none of these", [], {}, "en")
    assert "screen_urgent" in step.state["answers"]


def test_another_question_is_not_an_answer_and_the_check_goes_on(check: SymptomCheck) -> None:
    step = check.start([finding("headache")], {}, {}, "en")
    other = check.answer(step.state, "what helps against hay fever?", [], {}, "en", intent="ask_self_care")
    assert not other.understood and other.replies == ()
    first, second = check.ask_again(other.state, "en"), None
    second = check.ask_again(first.state, "en")
    assert first.replies[0].text != step.replies[0].text
    assert first.replies[0].text != second.replies[0].text
    assert first.screened == step.screened


def test_another_symptom_is_noted_and_its_warning_signs_are_asked(check: SymptomCheck) -> None:
    step = check.start([finding("rash")], {"age_years": 30.0}, {}, "en")
    step = check.answer(
        step.state, "I also have a bad headache", [finding("headache", severity="severe")], {}, "en"
    )
    assert step.understood and "headache" in step.state["others"]
    assert "noted" in step.replies[0].text


def test_a_bare_yes_to_warning_signs_is_followed_up_and_then_taken_seriously(check: SymptomCheck) -> None:
    step = check.start([finding("cough")], {}, {}, "en")
    step = check.answer(step.state, "yes", [], {}, "en")
    assert not step.done and "Which of these" in step.replies[0].text
    step = check.answer(step.state, "yes", [], {}, "en")
    assert step.done and step.outcome is not None and step.outcome.level == "emergency"


@pytest.mark.parametrize(
    ("text", "signs"), [("1 and 3", 2), ("both of them", 7), ("2", 1), ("第二个", 1), ("都有", 7)]
)
def test_warning_signs_are_picked_by_number(
    check: SymptomCheck, protocols: Protocols, text: str, signs: int
) -> None:
    step = check.start([finding("cough")], {}, {}, "en")
    assert len(step.screened) == 7
    step = check.answer(step.state, text, [], {}, "en")
    assert step.done
    assert len(set(step.state["present"]) - {"cough"}) == signs


def test_free_words_come_with_findings(check: SymptomCheck) -> None:
    """ "no fever, but my neck is stiff" : the finding decides, not the "no"."""
    step = check.start([finding("headache")], {}, {}, "en")
    found = [finding("fever", status="negated"), finding("neck_stiffness")]
    step = check.answer(step.state, "no fever, but my neck is stiff", found, {}, "en")
    assert step.outcome is not None and step.outcome.level == "emergency"


@pytest.mark.parametrize("floor", ["routine", "urgent", "emergency"])
def test_the_level_never_falls_below_the_rules(check: SymptomCheck, floor: str) -> None:
    step = check.start([finding("cough")], {}, {}, "en", level=floor)
    while not step.done:
        text = {"duration": "2 days", "temperature": "37", "severity": "mild", "phlegm": "dry"}
        step = check.answer(step.state, text.get(step.state["current"], "none"), [], {}, "en")
    assert step.outcome is not None and step.outcome.level == floor


def test_an_age_told_later_makes_it_the_childs_protocol(check: SymptomCheck) -> None:
    step = check.start([finding("fever")], {}, {}, "zh")
    assert step.state["current"] == "age"
    step = check.answer(step.state, "8个月", [], {}, "zh")
    assert step.state["protocol"] == "fever_baby"
    assert "bulging_fontanelle" in step.screened


@pytest.mark.parametrize(
    ("age", "temperature", "level"),
    [
        ("2 months", "38", "emergency"),
        ("2 months", "37.9", "urgent"),
        ("4 months", "39", "urgent"),
        ("4 months", "38.9", "self_care"),
    ],
)
def test_a_babys_fever_on_both_sides_of_each_limit(
    check: SymptomCheck, age: str, temperature: str, level: str
) -> None:
    step = check.start([finding("fever")], {}, {}, "en")
    while not step.done:
        text = {"age": age, "temperature": temperature, "duration": "1 day", "drinking": "well"}
        step = check.answer(step.state, text.get(step.state["current"], "none"), [], {}, "en")
    assert step.outcome is not None and step.outcome.level == level


def test_the_note_for_staff_is_in_their_language_and_the_patients(check: SymptomCheck) -> None:
    step = check.start([finding("sore_throat")], {"age_years": 34.0}, {}, "zh", level="urgent")
    while not step.done:
        text = {
            "temperature": "38度5",
            "duration": "三天",
            "severity": "中等",
            "pus": "没有",
            "cough_too": "没有",
        }
        step = check.answer(step.state, text.get(step.state["current"], "都没有"), [], {}, "zh")
    assert step.outcome is not None
    note = step.outcome.summary_for_staff
    assert "patient-reported" in note and "患者自述" in note
    for part in ("38.5", "age 34", "3 days", "urgent"):
        assert part in note
    assert step.outcome.offer_booking == "urgent"
    assert step.replies[0].buttons == ()  # the dialogue offers the visit, once


def test_an_unknown_complaint_gets_the_generic_protocol(check: SymptomCheck) -> None:
    assert check.start([finding("hiccups")], {}, {}, "en").state["protocol"] == "generic"
    assert check.start([], {}, {}, "zh").state["protocol"] == "generic"


def test_a_foreign_message_changes_nothing(check: SymptomCheck) -> None:
    step = check.start([finding("headache")], {}, {}, "en")
    for text in ("", "asdf qwer", "🙂", "x" * 20_000, "\x00\x01"):
        other = check.answer(step.state, text, [], {}, "en")
        assert not other.understood and other.state["answers"] == step.state["answers"]


def test_how_long_said_to_another_question_is_kept(check: SymptomCheck) -> None:
    step = check.start([finding("back_pain")], {}, {}, "en")
    step = check.answer(step.state, "it started yesterday", [], {}, "en")
    assert step.understood and step.state["answers"]["duration"] == 24.0
    assert step.state["current"] == "screen_emergency"


def test_a_sick_child_is_not_given_the_writers_age(check: SymptomCheck) -> None:
    """ "My daughter is 8 months old and has a fever": her age counts, also when the mother tells hers."""
    hers = finding("fever", subject="other", person="daughter")
    case = {
        "entries": [{"f": hers, "turn": 1, "at": 0.0}, {"f": finding("back_pain"), "turn": 1, "at": 0.0}],
        "focus": "daughter",
        "people": {"daughter": {"age_years": 0.67}, "patient": {"age_years": 34.0}},
    }
    step = check.start([hers], {"age_years": 34.0}, case, "en")
    assert step.state["protocol"] == "fever_baby" and "back_pain" not in step.state["present"]
    step = check.answer(step.state, "none of these", [], {"age_years": 34.0}, "en")
    assert step.state["profile"]["age_years"] == 0.67


def test_what_a_sign_implies_counts(check: SymptomCheck) -> None:
    """A sudden worst headache is a headache, and needs no second telling."""
    step = check.start([finding("thunderclap_headache")], {}, {}, "en")
    assert step.state["protocol"] == "headache"
    assert step.done and step.outcome is not None and step.outcome.level == "emergency"


def test_no_thermometer_is_an_answer(check: SymptomCheck) -> None:
    step = check.start([finding("sore_throat", duration_hours=24.0)], {}, {}, "zh")
    step = check.answer(step.state, "都没有", [], {}, "zh")
    step = check.answer(step.state, "没有", [], {}, "zh")
    assert step.state["current"] == "temperature"
    step = check.answer(step.state, "没有", [], {}, "zh")
    assert step.state["answers"]["temperature"] == "unknown"


def test_without_a_clinic_no_number_is_guessed(protocols: Protocols) -> None:
    from bot.texts import Texts

    check = SymptomCheck(protocols, Texts())
    step = check.start([finding("thunderclap_headache")], {}, {}, "en")
    assert step.replies[0].phones == () and "emergency number" in step.replies[0].text


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "Thoughts of ending one's life"), ("zh", "有结束生命的想法")]
)
def test_a_crisis_gets_gentle_words_and_the_crisis_line(check: SymptomCheck, lang: str, text: str) -> None:
    step = check.start([finding("low_mood")], {}, {}, lang)
    step = check.answer(step.state, text, [], {}, lang)
    assert step.done and step.replies[0].kind is ReplyKind.CRISIS
    assert {"en": "not alone", "zh": "不是一个人"}[lang] in step.replies[0].text
    numbers = [p.number for p in step.replies[0].phones]
    assert numbers[0] == "999" and all(n.strip("+").isdigit() for n in numbers)


@pytest.mark.parametrize(("lang", "none", "yes"), [("en", "none", "yes"), ("zh", "都没有", "有")])
def test_a_bare_yes_to_a_mixed_list_is_no_sign_for_triage(
    check: SymptomCheck, lang: str, none: str, yes: str
) -> None:
    """The list of emergency signs is screened; of the mixed list triage learns nothing until it is known which."""
    step = check.start([finding("cough")], {}, {}, lang)
    assert len(step.screened) == 7
    step = check.answer(step.state, none, [], {}, lang)
    assert step.state["current"] == "screen_urgent" and step.screened == ()
    step = check.answer(step.state, yes, [], {}, lang)
    assert step.state["current"] == "screen_urgent" and not step.done


FIRED = {"level": "urgent", "reason": {"en": "A named reason.", "zh": "一个理由。"}}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_fired_rule_is_a_floor_with_its_own_reason_and_a_mention_is_none(
    check: SymptomCheck, lang: str
) -> None:
    reached = []
    for rules in ([], [FIRED]):
        step = check.start(
            [finding("runny_nose")], {"age_years": 30.0}, {"case_level": "routine"}, lang, None, rules
        )
        while not step.done:
            text = {"duration": "2 days", "temperature": "37.1", "severity": "mild", "phlegm": "dry"}
            step = check.answer(step.state, text.get(step.state["current"], "none"), [], {}, lang)
        assert step.outcome is not None
        reached.append((step.outcome.level, FIRED["reason"][lang] in step.replies[0].text))  # type: ignore[index]
    assert reached == [("self_care", False), ("urgent", True)]


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "it's 38.2 since yesterday"), ("zh", "38.2度，昨天开始的")]
)
def test_answers_given_early_are_kept_and_not_asked(check: SymptomCheck, lang: str, text: str) -> None:
    step = check.start([finding("cough")], {}, {}, lang)
    step = check.answer(step.state, text, [], {}, lang)
    assert step.understood and step.state["current"] == "screen_emergency"
    assert (step.state["answers"]["temperature"], step.state["answers"]["duration"]) == (38.2, 24.0)
    asked = set()
    while not step.done:
        asked.add(step.state["current"])
        step = check.answer(step.state, "none" if lang == "en" else "没有", [], {}, lang)
    assert not asked & {"temperature", "duration"}


@pytest.mark.parametrize(
    ("lang", "text", "value"),
    [
        ("zh", "轻", "mild"), ("zh", "中", "moderate"), ("zh", "重", "severe"), ("zh", "有点", "mild"),
        ("zh", "没有", "mild"), ("zh", "还好", "mild"), ("zh", "不严重", "mild"), ("zh", "有点严重", "moderate"),
        ("zh", "很严重", "severe"), ("zh", "不知道啊", "unknown"),
        ("en", "a bit", "mild"), ("en", "quite bad", "moderate"), ("en", "not too bad", "mild"),
        ("en", "bad", "severe"),
        ("en", "2", "moderate"), ("en", "dunno", "unknown"), ("en", "no clue mate", "unknown"),
    ],
)  # fmt: skip
def test_short_answers_to_how_bad(check: SymptomCheck, lang: str, text: str, value: str) -> None:
    step = check.start(
        [finding("cough", duration_hours=24.0), finding("temperature", value=37.0)], {}, {}, lang
    )
    while step.state["current"] != "severity":
        step = check.answer(step.state, "none", [], {}, lang)
    step = check.answer(step.state, text, [], {}, lang)
    assert step.state["answers"].get("severity") == value


@pytest.mark.parametrize(
    ("lang", "text", "value"), [("en", "nah", "dry"), ("en", "yep", "coloured"), ("zh", "没有", "dry")]
)
def test_yes_and_no_to_a_choice(check: SymptomCheck, lang: str, text: str, value: str) -> None:
    step = check.start([finding("cough", duration_hours=24.0, severity="mild")], {}, {}, lang)
    while step.state["current"] != "phlegm":
        step = check.answer(step.state, "none", [], {}, lang)
    step = check.answer(step.state, text, [], {}, lang)
    assert step.state["answers"].get("phlegm") == value
