# ruff: noqa: E501 (each alternative of a pattern is read on one line)
"""What a sentence says that a generated sentence may not say: doses, diagnoses, medicine instructions,
reassurance.

Patterns for English and Chinese, as pure functions of a sentence. They lean towards refusing: a refused
sentence is replaced by a passage's own words, a passed one is read by a patient. They know no passage and no
patient.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

TERMS_FILE = Path(__file__).parent / "guard_terms.yml"
_TERM_KEYS = frozenset({"medicines", "medicine_nouns", "red_flags"})


class GuardTermsError(ValueError):
    """The word lists cannot be used. The message names language and key."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The word lists of one language."""

    lang: str
    medicines: tuple[str, ...]
    medicine_nouns: tuple[str, ...]
    red_flags: tuple[str, ...]

    def medicines_in(self, text: str) -> frozenset[str]:
        """The medicines that ``text`` names, by list entry. ``text`` as :func:`fold` gives it."""
        if self.lang == "zh":
            return frozenset(m for m in self.medicines if m in text)
        return frozenset(m for m in self.medicines if re.search(rf"\b{re.escape(m)}(?:e?s)?\b", text))

    def medicine_pattern(self) -> str:
        """An alternation of all medicines and words for medicine."""
        return "|".join(
            re.escape(w) for w in sorted({*self.medicines, *self.medicine_nouns}, key=len, reverse=True)
        )


def load_terms(path: Path = TERMS_FILE) -> Mapping[str, Terms]:
    """Read the word lists, strictly. Raises :class:`GuardTermsError`."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, Mapping):
        raise GuardTermsError(f"{path.name}: expected a map of language to lists")
    return {lang: _language(path.name, lang, lists) for lang, lists in data.items()}


def _language(name: str, lang: str, lists: object) -> Terms:
    if not isinstance(lists, Mapping) or set(lists) != _TERM_KEYS:
        raise GuardTermsError(f"{name}: {lang}: expected exactly the keys {', '.join(sorted(_TERM_KEYS))}")
    for key, words in lists.items():
        if not isinstance(words, Sequence) or not words or not all(isinstance(w, str) for w in words):
            raise GuardTermsError(f"{name}: {lang}: key {key!r}: expected a list of words")
    return Terms(lang, *(tuple(lists[k]) for k in ("medicines", "medicine_nouns", "red_flags")))


def fold(text: str) -> str:
    """NFKC (full-width digits, ligatures, circled numbers), lower case, straight apostrophes, single
    blanks."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.sub(r"\s+", " ", folded).strip()


# --- doses ---

_EN_NUMBER = (
    r"(?:\d+(?:[.,/]\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|fifty|hundred"
    r"|thousand|half(?: an?| of an?)?|an? (?:couple|few)(?: of)?|a quarter(?: of an?)?|several|½|¼)"
)
_EN_UNIT = (
    r"(?:mg|mcg|µg|μg|ug|g|grams?|grammes?|milligrams?|milligrammes?|micrograms?|ml|millilit(?:er|re)s?|cc|iu|units?"
    r"|tablets?|tabs?|capsules?|caplets?|pills?|puffs?|drops?|sprays?|teaspoons?|tablespoons?|tsp|tbsp|spoonfuls?|spoons?"
    r"|sachets?|lozenges?|suppositor(?:y|ies)|doses?|patches|mg/kg|percent solution)"
)
_EN_DOSE = re.compile(
    rf"(?<![\w.]){_EN_NUMBER}(?:\s*(?:-|–|to|or)\s*{_EN_NUMBER})?[\s-]*(?:\w+\s)?{_EN_UNIT}\b"
)
_EN_FREQUENCY = re.compile(
    rf"\bevery\s+(?:{_EN_NUMBER}\s*(?:-|–|to|or)?\s*)+(?:hours?|hrs?|h|minutes?|days?|weeks?)\b|\b(?:every hour|every other day|hourly)\b"
    rf"|\b(?:once|twice|thrice|{_EN_NUMBER} times)\s+(?:a|per|each|every|in a)?\s*(?:day|daily|week|night|hour)"
    r"|\b\d+\s*x\s*(?:a|per)?\s*(?:day|daily)\b|\b(?:bd|tds|qds|qid|tid|bid|prn)\b|\b\d+[-\s]?hourly\b"
)
_EN_AMOUNT = re.compile(
    r"\b(?:double|twice|triple|halve|half)\s+(?:the|your|a|that)\s+(?:\w+\s)?(?:dose|amount|dosage)\b"
)
_ZH_NUMBER = r"(?:\d+(?:\.\d+)?|[零一二两三四五六七八九十百千半几]+)"
_ZH_UNIT_SURE = r"(?:毫克|微克|克(?!服|制)|毫升|升|国际单位|单位|粒|胶囊|滴|喷|揿|支|瓶|袋|包|勺|匙|贴|丸|mg|ml|g\b|μg|ug|iu|cc)"
_ZH_DOSE = re.compile(
    rf"{_ZH_NUMBER}\s*(?:[-~到至或]\s*{_ZH_NUMBER})?\s*个?{_ZH_UNIT_SURE}|\d+(?:\.\d+)?\s*[片颗]"
)
_ZH_SOFT_DOSE = re.compile(r"[一二两三四五六七八九十半几]+\s*(?:到|至|或)?[一二两三四五六七八九十半]*[片颗]")
_ZH_FREQUENCY = re.compile(
    rf"每(?:隔)?{_ZH_NUMBER}(?:到|至|-|~)?{_ZH_NUMBER}?个?(?:小时|钟头)|(?:每|一)(?:天|日|晚|周)(?:吃|服|用|喝|打|喷|滴|涂)?{_ZH_NUMBER}(?:到|至|-|~)?{_ZH_NUMBER}?(?:次|回|顿)"
    rf"|{_ZH_NUMBER}次[/每一](?:天|日)|早晚各|早中晚各|{_ZH_NUMBER}个?小时(?:吃|服|用)?一次"
)
_ZH_AMOUNT = re.compile(r"(?:剂量|药量|用量|药)(?:加倍|翻倍|减半)|加倍(?:吃|服|用)|双倍|多吃一(?:片|次)")
_ZH_INTAKE = re.compile(r"吃|服|用|喝|口含|剂量|每次|一次")


def has_dose(text: str, terms: Terms) -> bool:
    """``"Take two tablets"``, ``"500 mg"``, ``"每次一片"``, ``"一天三次"`` of a medicine. ``text`` folded."""
    if terms.lang == "zh":
        if _ZH_DOSE.search(text) or _ZH_AMOUNT.search(text):
            return True
        soft = _ZH_SOFT_DOSE.search(text) or _ZH_FREQUENCY.search(text)
        return bool(soft and _ZH_INTAKE.search(text))
    if _EN_AMOUNT.search(text) or any(_is_amount(m.group()) for m in _EN_DOSE.finditer(text)):
        return True
    if not _EN_FREQUENCY.search(text):
        return False
    return bool(
        re.search(
            rf"\b(?:take|taken|taking|use|using|swallow|inhale|apply|{terms.medicine_pattern()})\b", text
        )
    )


def _is_amount(match: str) -> bool:
    """``"one of the tablets"`` and years are not amounts; the pattern lets one word stand before the unit."""
    return not re.match(r"\d{4}\b", match) or bool(re.search(r"\d\s*(?:mg|mcg|ml|g|iu|units?)\b", match))


# --- diagnosis of this patient ---

_ADVERB = (
    r"(?:(?:probably|likely|most likely|definitely|certainly|clearly|almost certainly|surely|obviously|possibly|perhaps"
    r"|may|might|must|could|seem to|appear to|just|simply|really|only|do|also|still|now|don't|do not|won't)\s+)*"
)
_EN_HAVE = re.compile(
    rf"\byou(?:'ve got|'ve|\s+{_ADVERB}have got|\s+{_ADVERB}have|\s+{_ADVERB}got|\s+{_ADVERB}suffer from)\s+"
    r"(?!(?:to|any|questions?|the right|time|a (?:right|choice|question|booking|appointment))\b)"
)
_EN_ARE = re.compile(
    r"\byou(?:'re| are| seem| appear)\s+(?:(?:probably|likely|definitely|clearly|almost certainly|just|possibly|not|to be)\s+)*"
    r"(?:having (?:an?|the)\b|suffering|infected|diabetic|asthmatic|depressed|pregnant|an(?:a)?emic|dehydrated|allergic"
    r"|hypertensive|suicidal|ill with|sick with|contagious|in labou?r)"
)
_EN_OTHER = re.compile(
    r"\byour (?:symptoms?|condition|pain|cough|fever|rash|headache|illness|problem|results?)\s+(?:\w+\s+)?"
    r"(?:is|are|was|were|means?|suggests?|indicates?|points?|sounds?|looks?|comes?|shows?)\b"
    r"|\b(?:sounds|looks|seems) (?:very )?(?:like|as if|to be)\b|\bbased on (?:your|what you)\b|\b(?:my|the|your) diagnosis\b"
    r"|\bi (?:diagnose|believe you|think you|think (?:this|it) is|suspect)\b|\b(?:this|it|that)(?:'s| is)\s+"
    r"(?:probably|likely|most likely|definitely|certainly|clearly|almost certainly|obviously|just|only|surely)\s+"
    r"(?:an?\b|the\b|your\b|\w+itis\b|\w+ia\b)|\bin your case\b|\byour (?:asthma|diabetes|depression|cancer|infection|pneumonia)\s+is\b"
)
_EN_CONDITIONAL = re.compile(
    r"\b(?:if|when|whenever|whether|unless|in case|once|until|while|where|because|that|people|person|someone|anyone|those"
    r"|after|before|do|did|should|as soon as|as long as|provided)\b"
)
_ZH_MAYBE = (
    r"(?:可能|应该|肯定|大概|很可能|估计|多半|八成|一定|恐怕|显然|其实|已经|就|也许|并|并没|没|没有|不)*"
)
_ZH_HAVE = re.compile(
    rf"[你您]{_ZH_MAYBE}(?:得了|得的|得上|患了|患有|患的|患上|是得了|感染了|有(?!任何|没有|问题|疑问|权|时间|需要|什么|事|空|哪|帮助|好处|影响|用)|怀孕了"
    r"|是(?:糖尿病|高血压|抑郁|焦虑|过敏|感冒|流感|偏头痛|哮喘|中风|心梗|癌|肺炎|[\u4e00-\u9fff]{1,4}(?:病|炎|症|癌)))"
)
_ZH_OTHER = re.compile(
    r"[你您]的(?:症状|情况|病|疼痛|咳嗽|发烧|皮疹|头疼|头痛|检查结果|问题)[^，。；]{0,6}(?:是|说明|提示|符合|属于|表明|像|就是)"
    r"|(?:这|那|它)(?:应该|可能|肯定|很可能|就|多半|八成|一定|大概|显然)+是|诊断为|确诊|看(?:起来|上去|样子)[^，。；]{0,6}(?:是|像)|听起来[^，。；]{0,6}(?:是|像)"
    r"|我(?:认为|觉得|判断|怀疑|诊断)|根据[你您](?:的|说|描述)|说明[你您]|[你您](?:这|那)(?:就|应该|可能|肯定)?是"
)
_ZH_CONDITIONAL = re.compile(
    r"如果|要是|假如|若|一旦|万一|是否|有没有|当[你您]|的时候|时候|只要|除非|的话|凡是|或者[你您]有"
)


def is_diagnosis(text: str, lang: str) -> bool:
    """``"You probably have migraine."`` yes; ``"If you have a fever, rest."`` no. ``text`` folded.

    A condition ("if", 如果) excuses only its own clause: ``"If I may say so, you have cancer"`` is a diagnosis.
    """
    if lang == "zh":
        return bool(_ZH_OTHER.search(text)) or any(
            not _ZH_CONDITIONAL.search(_clause(text, m.start(), m.end())) for m in _ZH_HAVE.finditer(text)
        )
    if _EN_OTHER.search(text):
        return True
    claims = [*_EN_HAVE.finditer(text), *_EN_ARE.finditer(text)]
    return any(not _EN_CONDITIONAL.search(_clause(text, m.start(), m.start())) for m in claims)


def _clause(text: str, start: int, end: int) -> str:
    """From the start of the clause that holds ``start`` up to ``end``; a clause that begins with "or"/"and"
    (或/和) continues the one before it."""
    bounds = [0, *(m.end() for m in re.finditer(r"[,;:，；：、。.!?！？]\s*", text[:start]))]
    begin = bounds.pop()
    while bounds and re.match(r"(?:or|and|或|和|还|也|并且|而且|同时)", text[begin:]):
        begin = bounds.pop()
    return text[begin:end]


# --- starting and stopping medicines ---

_EN_CHANGE = (
    r"(?:stop|stopping|quit|start|starting|begin|increase|reduce|lower|raise|double|halve|skip|change|switch|come off"
    r"|discontinue|restart|resume|cut down|cut out|wean|go without|throw away|leave out|miss|add|replace)"
)
_EN_TAKE = r"(?:take|use|swallow|apply|inhale|inject|try|have|keep taking|keep using|continue(?: with| taking)?|go on)"
_ZH_CHANGE = re.compile(
    r"停(?:掉|用|止|了|吃|服|下)*[^，。；]{0,8}药|停药|断药|换药|加量|减量|加大[^，。；]{0,4}量|减少[^，。；]{0,4}药|改(?:吃|用|服)|换(?:成|用|吃)"
    r"|(?:不要|别|不用|不必|无需|不需要)(?:再|继续)?(?:吃|服|用)[^，。；]{0,8}药|开始(?:吃|服|用)|(?:不要|别|不用)再(?:吃|服|打)"
)
_ZH_NEGATED_CHANGE = re.compile(
    r"(?:不要|别|不能|不可|切勿|勿|不应|不得)(?:自己|自行|随便|随意|擅自|突然|轻易|私自|马上)*[^，。；]{0,3}(?:停|断|换|加|减|改)"
)


def is_medicine_instruction(text: str, terms: Terms) -> bool:
    """An order to this patient to start, stop or change a medicine. ``text`` folded.

    ``"Stop taking your tablets."`` yes; ``"Do not stop a medicine without asking."`` no (it asks to keep
    things as they are); ``"Ibuprofen can ease pain."`` no (it describes).
    """
    if terms.lang == "zh":
        return _zh_instruction(text, terms)
    medicine = rf"\b(?:{terms.medicine_pattern()})(?:e?s)?\b"
    change = rf"\b{_EN_CHANGE}\s+(?:\w+\s+){{0,4}}?(?:{medicine})|\b{_EN_CHANGE}\s+(?:taking|using)\b"
    for match in re.finditer(change, text):
        before = text[max(0, match.start() - 24) : match.start()]
        if not re.search(
            r"\b(?:don't|do not|never|not|without|before you|should not|must not|before)\s+(?:\w+\s+)?$",
            before,
        ):
            return True
    must = r"(?:should|must|need to|have to|can|could|may|ought to|might want to|are advised to|'d better)"
    imperative = (
        rf"(?:^|[,;:.]\s*(?:and |then |so )?|\band then |\bthen |\bplease |\bjust |\band |\byou {must} (?:also |always |just )?"
        rf"|\brecommend (?:that )?you |\badvise you to |\btry to )(?:don't |do not |never )?{_EN_TAKE}\s+(?:\w+\s+){{0,3}}?{medicine}"
    )
    return any(not _follows_condition(text, m.start()) for m in re.finditer(imperative, text))


def _follows_condition(text: str, start: int) -> bool:
    """``"Ask a pharmacist before you take …"``: a condition for asking, not an order."""
    return bool(
        re.search(
            r"\b(?:before you|whether you|if you|when you|ask (?:\w+ ){1,4}before you)\s*$", text[:start]
        )
    )


def _zh_instruction(text: str, terms: Terms) -> bool:
    for match in _ZH_CHANGE.finditer(text):
        around = text[max(0, match.start() - 10) : match.end()]
        if not _ZH_NEGATED_CHANGE.search(around) and "是否" not in around:
            return True
    medicine = "|".join(map(re.escape, terms.medicines))
    order = (
        rf"(?:^|[，。；：]|请|[你您])(?:先|再|就|应该|应当|必须|需要|要|可以|得|最好|马上|立刻|赶紧|每天|坚持|继续|还是)*(?:吃|服用|服|用|喝|打|注射|涂|试试)"
        rf"(?:点|些|一些|一点|一下|上)?[^，。；]{{0,6}}(?:{medicine})"
    )
    return bool(re.search(order, text))


# --- reassurance, contradiction of a level ---

_EN_REASSURE = re.compile(
    r"\bno need to (?:worry|see|call|go|visit|seek|contact|ask)|\bneedn't\b|\bdon't worry\b|\bdo not worry\b|\bnothing (?:to worry|serious)"
    r"|\byou(?:'ll| will| are going to)(?: soon| probably)? be (?:fine|ok|okay|all right|alright|well|better)\b|\byou(?:'re| are) (?:fine|ok|okay|safe|healthy)\b"
    r"|\b(?:don't|do not|doesn't|does not|won't) need (?:to (?:see|call|go|visit|worry)|an? (?:doctor|ambulance|clinician|hospital))"
    r"|\bnot an emergency\b|\bcan (?:safely )?(?:ignore|wait)\b|\bperfectly (?:safe|normal|fine)\b|\bcompletely (?:safe|harmless|normal)\b"
    r"|\brest assured\b|\bno cause for (?:concern|alarm)\b|\bnot (?:dangerous|serious|worrying)\b|\bharmless\b|\bsafe to (?:ignore|wait)\b"
)
_EN_SOFT = re.compile(
    r"\b(?:go(?:es)? away|get(?:s)? better|clear(?:s)? up|pass(?:es)?) (?:by|on) (?:it|them)(?:self|selves|s own)?|\bon (?:its|their) own\b|\b(?:usually|often) (?:mild|harmless|not)\b|\bwait (?:and|a few|until|to see)|\bat home\b"
)
_ZH_REASSURE = re.compile(
    r"不用(?:太)?(?:担心|紧张|害怕|去医院|看医生|就医|管)|不必(?:担心|去医院|看医生|就医|惊慌)|无需(?:担心|就医|去医院)|没(?:有)?(?:什么)?(?:大)?(?:事|问题|大碍|危险)(?!如|的时候)"
    r"|放心(?:吧|，|。|$)|别担心|别怕|不(?:是|算)(?:急症|大病|紧急)|不要紧|不碍事|不(?:严重|危险)|不需要(?:看医生|去医院|就医|担心)|很快就(?:会)?好|完全(?:安全|正常|没)|可以不(?:管|理)"
)
_ZH_SOFT = re.compile(r"自己(?:就)?(?:会)?好|自愈|在家|观察几天|等几天|先等等|过几天|多数(?:不|没)")
HELP_LEVELS = frozenset({"emergency", "urgent"})


def is_reassurance(text: str, terms: Terms, level: str | None) -> bool:
    """Comfort that only a clinician may give. At an urgent level, or beside a red flag, also the mild kind
    ("gets better by itself"). ``text`` folded."""
    hard, soft = (_ZH_REASSURE, _ZH_SOFT) if terms.lang == "zh" else (_EN_REASSURE, _EN_SOFT)
    if hard.search(text):
        return True
    grave = level in HELP_LEVELS or any(flag in text for flag in terms.red_flags)
    return bool(grave and soft.search(text))


# --- links, identifiers, other voices ---

_LINK = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}://|www\.|\]\s*\(|!\[|\[[^\]\d][^\]]*\]|<\s*/?\s*[a-z!]|&#?\w+;|javascript:|data:\w|mailto:|tel:|@[\w-]+\.\w|`"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\s?(?:\.|\[\.\]|\(dot\)| dot )\s?(?:com|org|net|io|cn|co|uk|info|biz|ru|xyz|top|app|dev|me|ly|gov|edu|shop|site|online|link|click)\b"
)
_IDENTIFIER = re.compile(
    r"\d[\d\s()-]{5,}\d|\b[a-z0-9._%+-]+@[a-z0-9.-]+\b|\b(?=\w*\d)(?=\w*[a-f])[0-9a-f]{16,}\b"
)
_VOICE = re.compile(
    r"<\||\|>|<<<|>>>|\b(?:system|assistant|user|human|developer)\s*:|\bas an? (?:ai|a\.i\.|large|language|artificial)|\blanguage model\b|\b(?:system )?prompt\b|\bmy (?:instructions|rules|guidelines|training)\b"
    r"|\bignore (?:all|any|the|previous|your)\b.{0,30}\b(?:rules?|instructions?)|\bpassages?\b|\bi(?:'m| am) (?:an? |your |the )?(?:\w+ )?(?:doctor|nurse|clinician|physician|gp|human|person|pharmacist)\b"
    r"|\bi(?:'ve| have| will|'ll| am|'m)\s+(?:now |already |just )?(?:book|cancel|mov|transfer|call|contact|notif|inform|record|sen[dt]|schedul|prescri|connect|forward|alert)\w*"
    r"|\b(?:a |the |our )?(?:doctor|nurse|clinician|staff) (?:has|have|saw|is|are|will)\b.{0,20}\b(?:seen|saw|review|read|call|looking|contact|informed|on (?:the|their) way)|\bambulance (?:is|has been)\b"
    r"|作为(?:一个|一名)?(?:ai|人工智能|语言模型|医生|护士|大夫)|语言模型|提示词|系统(?:提示|指令|消息)|(?:忽略|无视)[^，。]{0,12}(?:规则|指令|要求)|我是(?:一名|一个|您的|你的)?(?:\w{0,4})?(?:医生|护士|大夫|药师|真人|人类|ai|人工智能)"
    r"|我(?:已经|已|刚刚|会|马上|来|现在)*(?:帮|替|为|给)?[你您]?(?:预约|取消|转接|联系|通知|呼叫|叫了|报告|记录|开药|开了|发送|安排)(?:好|了|一|给|到|医|护|救)|(?:医生|护士|工作人员)(?:已经|已|刚刚|马上|正在)(?:看|读|联系|收到|审核|处理|赶)|救护车(?:已|正|马上)"
)


def has_link(text: str) -> bool:
    """A link, image, HTML, Markdown link, bare domain or e-mail address. ``text`` folded, citation marks
    taken out."""
    return bool(_LINK.search(text))


def has_identifier(text: str) -> bool:
    """A telephone, record or card number, an e-mail address, a long hexadecimal id."""
    return bool(_IDENTIFIER.search(text))


def is_other_voice(text: str) -> bool:
    """The sentence speaks as a model, a clinician or a template, or claims that something was done ("I have
    booked you in", "a nurse has seen this"): only code may say such things (laws 4, 6, 10)."""
    return bool(_VOICE.search(text))
