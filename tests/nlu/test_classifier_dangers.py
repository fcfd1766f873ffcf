"""The two dangers of an intent classifier in a clinic: shrugging a symptom off, and not hearing a cry for a person.

Messages here are no one's training data. Symptom talk goes the way of a real turn: classifier, findings, routing.
"""

from __future__ import annotations

import pytest

from nlu.classifier import IntentModel
from nlu.evaluate import fit
from nlu.examples import training
from nlu.findings import default_extractor
from nlu.ngrams import normalise
from nlu.routing import FALLBACK, THRESHOLD, route

SHRUGS = frozenset({"out_of_scope", "chitchat", FALLBACK, "abuse", "praise", "goodbye", "greet", "thank"})
SYMPTOMS = {
    "en": """
my chest hurts when i breathe in
got a splitting headache all day
im burning up and my throat is sore
my mum cant stop vomiting
there is blood in my poo
i feel dizzy whenever i stand
my knees are swollen and stiff
ive been wheezing since yesterday
my lips are tingling and puffy
cant move my left arm properly
my baby has diarrhea and wont drink
my back is agony
stomach cramps since lunch
i have a fever of 39
weird rash on my chest
my eye is really painful and blurry
i twisted my ankle playing football
my dad is coughing up blood
im short of breath lying down
i keep fainting
ears ringing nonstop
burning when i pee and its cloudy
i havent pooped in a week
my wound is oozing pus
my period is really heavy this month
swallowing is painful
my fingers have gone white and numb
itchy all over at night
nose wont stop running
my heart keeps skipping beats
my son has a temperature and a stiff neck
im 34 weeks pregnant and bleeding
toothache is driving me mad
my skin is peeling and sore
vomiting and cant keep anything down
i hit my head and feel sick
my wife has a lump in her breast
shoulder pain for three weeks
constant tiredness and night sweats
my legs are cramping badly
sore throat and white spots on tonsils
i think i have food poisoning, been sick all night
my hand is shaking all the time
face has drooped on one side
got bitten by a dog and its red
my little girl has earache
tight chest and wheezy
my gums are bleeding
heartburn after every meal
hip pain when walking
hey so um my belly really hurts on the right
pls my kid is breathing fast
bad cough 2 weeks
feverish and achy
nauseous all morning
rash, itchy, getting bigger
headache + vomiting
my nan fell and her hip hurts
ive got a stabbing pain in my side
sudden loss of vision in one eye
""",
    "zh": """
我一吸气胸口就疼
头疼了一整天
发高烧嗓子也疼
我妈一直吐个不停
拉的大便有血
一站起来就头晕
膝盖又肿又硬
从昨天开始喘
嘴唇发麻还肿了
左胳膊抬不起来了
宝宝拉肚子不肯喝水
后背疼得要命
中午开始肚子一阵一阵疼
体温39度
胸口起了奇怪的疹子
眼睛很痛还看不清
踢球把脚扭了
我爸咳血了
躺下就气短
老是晕倒
耳鸣一直不停
尿尿疼还浑浊
一个星期没大便
伤口流脓
这个月月经量特别大
咽口水疼
手指发白发麻
晚上全身发痒
一直流鼻涕
心脏老是漏跳
儿子发烧脖子硬
怀孕34周出血了
牙疼得受不了
皮肤脱皮还疼
一吃就吐什么都留不住
撞到头了想吐
我老婆乳房有肿块
肩膀疼了三周
总是累还盗汗
小腿抽筋很厉害
嗓子疼扁桃体有白点
好像食物中毒了吐了一夜
手一直抖
半边脸歪了
被狗咬了一口发红
小女儿耳朵疼
胸闷喘不过气
牙龈出血
吃完饭就烧心
走路髋部疼
那个 我右边肚子好疼啊
孩子呼吸特别快怎么办啊
咳嗽两个礼拜了
浑身发热酸痛
早上一直恶心
红疹 痒 越来越大
头痛加呕吐
奶奶摔倒了屁股疼
腰侧像针扎一样疼
一只眼睛突然看不见了
""",
}
PERSON = {
    "en": """
i want a human
give me a real person now
can i talk to a nurse please
i would like to speak to someone at the clinic
let me talk to a human being
i want to talk to a person not a machine
please connect me with a member of staff
could a real person answer me
speak to a human pls
i need to speak to a nurse
get me a person
can i speak with a member of staff
""",
    "zh": """
我要找真人
转人工客服
我想跟护士说话
请帮我接人工
我要和真人说话
不要机器人 我要真人
让工作人员来跟我说
能找个人跟我说吗
人工客服
我要找护士
叫个真人来
帮我转接人工
""",
}
DESPAIR = {
    "en": """
i want to kill myself
i dont want to live anymore
i feel completely hopeless
i cant go on
im thinking about ending my life
i feel so alone and desperate
nobody cares if i die
i hurt myself on purpose
im having a panic attack and i cant calm down
i am so depressed i want to give up
i wish i were dead
i cant cope with anything any more
""",
    "zh": """
我想自杀
我真的不想活下去了
我感觉特别绝望
我撑不下去了 真的
我想结束自己的生命
我好孤独好绝望
我死了也没人在乎
我故意弄伤自己
我恐慌发作 停不下来
我抑郁得想放弃一切
我宁愿死掉
我什么都承受不住了
""",
}


def messages(block: str) -> list[str]:
    return [line for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return fit()


def understood(model: IntentModel, text: str, lang: str) -> str:
    findings = [f.to_json() for f in default_extractor().extract(text, lang, ()).findings]
    return route(model.rank([text])[0], findings, THRESHOLD, model.known_share(text))[0].intent


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_messages_are_not_training_data_and_there_are_sixty(lang: str) -> None:
    trained = {normalise(e.text) for e in training(lang)}
    assert len(messages(SYMPTOMS[lang])) == 60
    assert {m for m in messages(SYMPTOMS[lang]) if normalise(m) in trained} == set()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_symptom_talk_is_never_shrugged_off(model: IntentModel, lang: str) -> None:
    read = {m: understood(model, m, lang) for m in messages(SYMPTOMS[lang])}
    assert {m: i for m, i in read.items() if i in SHRUGS} == {}
    assert sum(i.startswith("report_symptom") for i in read.values()) >= 56


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_symptom_talk_is_seldom_shrugged_off_without_any_finding(model: IntentModel, lang: str) -> None:
    """The lexicon may miss a word; the classifier alone is the second pair of eyes."""
    rows = [(model.rank([m])[0], model.known_share(m)) for m in messages(SYMPTOMS[lang])]
    shrugged = [route(r, (), THRESHOLD, known)[0].intent in SHRUGS for r, known in rows]
    assert sum(shrugged) <= 2


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("texts", "intent"), [(PERSON, "talk_to_human"), (DESPAIR, "distress")])
def test_a_wish_for_a_person_and_despair_are_heard(
    model: IntentModel, texts: dict[str, str], intent: str, lang: str
) -> None:
    read = {m: model.rank([m])[0][0].intent for m in messages(texts[lang])}
    assert {m: i for m, i in read.items() if i != intent} == {}
