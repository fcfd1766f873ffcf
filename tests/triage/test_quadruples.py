"""X now, no X, X years ago, what if X: four messages that differ in nothing else, over many concepts a language.

The first must escalate, the others must not (facts of negation, time and hypothesis). Made from word lists, so that
a new concept costs one word here; shares below 1.0 allow for single idle words that read otherwise.
"""

from __future__ import annotations

import pytest

from bot.triage import Case, Level, TriageEngine

ENOUGH = 60
FLOOR = {"en": 0.98, "zh": 0.95}
FRAMES = {
    "en": {
        "now": ("I have {x} right now", "my dad has {x} now", "help, {x}, started just now"),
        "denied": ("I don't have {x}", "no {x} at all", "he hasn't got {x}", "I have never had {x}"),
        "past": (
            "I had {x} ten years ago and have been fine ever since",
            "when I was a child I had {x}",
            "my gran had {x} in 1998",
        ),
        "what_if": (
            "What if I get {x} one day?",
            "what are the signs of {x}?",
            "how do people prevent {x}?",
            "I'm giving a talk on {x} at the library",
        ),
    },
    "zh": {
        "now": ("我现在{x}", "我爸现在{x}", "救命，{x}，刚开始的"),
        "denied": ("我没有{x}", "他没{x}", "从来没有{x}过"),
        "past": ("我十年前{x}过，后来一直很好", "小时候{x}过", "我奶奶九几年{x}过"),
        "what_if": (
            "万一以后{x}怎么办",
            "{x}一般是什么引起的",
            "怎么预防{x}",
            "下周我要办一个讲座，内容是{x}",
        ),
    },
}
WORDS = {
    "en": """chest pain; crushing chest pain; chest tightness; trouble breathing; shortness of breath;
    a severe headache; a thunderclap headache; slurred speech; a droopy face; weakness on one side;
    a seizure; double vision; sudden vision loss; confusion; coughing up blood; blood in my vomit;
    black tarry stools; blood in my urine; blood in my stools; a swollen calf; a swollen tongue;
    swelling of the throat; a swollen face; a rash that doesn't fade; fainting spells;
    severe stomach pain; severe abdominal pain; jaundice; a broken leg; a fractured wrist; a deep cut;
    heavy vaginal bleeding; heavy bleeding; testicular pain; hallucinations; numbness in my groin;
    loss of bladder control; a stroke; a heart attack; meningitis; sepsis; appendicitis;
    an ectopic pregnancy; pneumonia; heat stroke; a miscarriage; a collapsed lung; shingles; cellulitis;
    sudden hearing loss; a hot swollen joint; an asthma attack; a severe allergic reaction; anaphylaxis;
    a head injury; a blood clot; carbon monoxide poisoning; a snake bite; an electric shock;
    a twisted testicle; a detached retina; a mini stroke; whooping cough; a chemical burn; measles;
    malaria; a stab wound; paralysis of one arm; chest pain going down the left arm; pre-eclampsia;
    a dislocated shoulder; a human bite; rigors; a spinal injury; dengue; mumps; scarlet fever""",
    "zh": """胸痛; 胸闷; 呼吸困难; 喘不上气; 剧烈头痛; 口齿不清; 嘴歪; 半边身子没力气; 抽搐;
    看东西重影; 突然看不见; 神志不清; 咳血; 吐血; 拉黑便; 尿血; 便血; 小腿肿; 舌头肿;
    喉咙肿; 脸肿; 晕倒; 昏迷; 肚子剧痛; 黄疸; 骨折; 大出血; 阴道大出血; 睾丸痛;
    幻觉; 中风; 脑梗; 心梗; 脑膜炎; 败血症; 阑尾炎; 宫外孕; 肺炎; 中暑; 流产;
    气胸; 带状疱疹; 蜂窝织炎; 突发耳聋; 哮喘发作; 严重过敏; 过敏性休克; 头部受伤; 血栓;
    煤气中毒; 被蛇咬; 触电; 睾丸扭转; 视网膜脱离; 百日咳; 麻疹; 疟疾; 偏瘫; 脱臼;
    登革热; 腮腺炎; 猩红热; 子痫; 窒息; 心绞痛; 脑出血; 休克; 溺水; 食物中毒;
    农药中毒; 一氧化碳中毒; 胃穿孔; 肺栓塞; 主动脉夹层; 酮症酸中毒""",
}


def _level(engine: TriageEngine, text: str, lang: str) -> Level:
    return engine.turn(Case(), text, 0.0, lang)[1].level


def _grave(engine: TriageEngine, lang: str) -> list[str]:
    """The words whose first present frame escalates: only of these the other frames say something."""
    words = [w.strip() for w in " ".join(WORDS[lang].split()).split(";")]
    return [w for w in words if _level(engine, FRAMES[lang]["now"][0].format(x=w), lang) >= Level.URGENT]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_there_are_enough_grave_words(engine: TriageEngine, lang: str) -> None:
    assert len(_grave(engine, lang)) >= ENOUGH


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", ["now", "denied", "past", "what_if"])
def test_one_word_changes_the_level(engine: TriageEngine, lang: str, kind: str) -> None:
    texts = [frame.format(x=word) for word in _grave(engine, lang) for frame in FRAMES[lang][kind]]
    wrong = [t for t in texts if (_level(engine, t, lang) >= Level.URGENT) is not (kind == "now")]
    assert len(wrong) <= (1 - FLOOR[lang]) * len(texts), wrong
