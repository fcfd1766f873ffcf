# ruff: noqa: E501, SIM905 (word lists are read in rows)
"""Text to terms: English words lightly stemmed, Chinese character bigrams. Shared by retrieval and the guard.

Knows which words carry no topic ("what", "help me", 怎么办). Does not know any medicine: a term is a string. Pure.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable
from functools import lru_cache

_EN_PHRASE_RE = re.compile(
    r"\b(?:should|do|must|need)\s+(?:i|we|to)\s+(?:be\s+)?worr(?:y|ied)(?:\s+about)?\b"
)
"""Phrases whose words are topics elsewhere: "when should I worry" does not ask about worrying."""
_NUMBER_RE = re.compile(r"\d")
_WORD_RE = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?")
_KIND_RES = (
    (re.compile(r"\btype\s*(?:1|one|i)\b"), " typeone "),
    (re.compile(r"\btype\s*(?:2|two|ii)\b"), " typetwo "),
    (re.compile(r"\bhep(?:atitis)?[\s-]*([a-e])\b"), r" hepatitis hepatitis\1 "),
    (re.compile(r"\bvit(?:amin)?s?[\s-]*([a-ek])(?:[\s-]*(\d+))?\b"), r" vitamin vitamin\1\2 "),
    (re.compile(r"\bb[\s-]?12\b"), " vitamin vitaminb12 "),
    (re.compile(r"\bchicken\s+pox\b"), " chickenpox "),
)
"""Names whose number or letter is the topic: "type 1" is another illness than "type 2"."""
_ZH_KIND_RES = (
    (re.compile(r"(?:1|一|Ⅰ|i)\s*型"), "一型"),
    (re.compile(r"(?:2|二|Ⅱ|ii)\s*型"), "二型"),
    (re.compile(r"维(?:生素|他命)?\s*([a-ek])\s*(\d*)"), r"维生素 vitamin\1\2 "),
)
_CJK_RUN_RE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")

EN_STOP = frozenset(
    """a about above actually advice after again against ago all almost already also although always am an
    and another any anybody anymore anyone anything anyway are around as ask at away back be because become
    been before being below best better between both but by call came can cannot cause check come concern
    could day deal did difference do doctor does doing done down due during each either else end enough etc
    even ever every everyone everything explain fast feel rid adult few find first for from further gave get give go
    going gone good got great had happen hard has have having he hello help her here hers herself hey hi him
    himself his hope how however i if in info information inside instead into is it its itself just keep kind
    know last least less let like likely long look lot made make many matter may maybe me mean might mine
    minute moment month more most much must my myself need never new next night nobody none normal not
    nothing now of off often ok okay old on once one only onto or other our ourselves out over own part
    people perhaps person please possible problem properly put question quick quite rather read really reason
    recommend right said same say says see seem several she should show since so some somebody someone
    something sometimes soon sort still stop such suggest supposed sure take taking tell than thank thanks
    that the their them then there these they thing think this those though thought through till time to
    today together told tomorrow too took tried try type under until up upon us use used useful using usually
    various very via want was way we week well went were what whatever when where whether which while who
    whole whom whose why will wish with within without wonder work worse would wouldn yes yesterday yet
    you your yours yourself hour year tip option treat treatment cure remedy symptom sign medicine medication
    drug condition illness disease medical health medically avoid reduce prevent manage ease relieve relief
    handle safe safely dangerous serious bad mild severe common commonly main isn don doesn didn hasn haven
    aren wasn weren won can't don't doesn't didn't isn't aren't i'm i've i'd i'll it's that's what's you're he's she's there's won't wouldn't shouldn't couldn't haven't hasn't mum dad mother father husband wife friend partner""".split()
)
"""Words that say nothing about the topic of a question. Written for this project, not taken from a list."""

ZH_STOP = tuple(
    sorted(
        """怎么办 怎么回事 怎么样 怎么治 怎么 怎样 如何 什么时候 为什么 什么 哪些 哪种 哪个 哪里 是不是 有没有 能不能 可不可以
        可以 可能 应该 需要 需不需要 要不要 会不会 请问 你好 您好 谢谢 帮我 告诉我 告诉 想问 想知道 我想 问一下 一下 一直
        我们 你们 他们 我的 你的 他的 她的 我 你 您 他 她 它 这个 那个 这样 那样 这种 一种 一些 有些 有点 有时 有什么 没有 不是
        的话 如果 因为 所以 但是 或者 还是 以及 而且 已经 现在 今天 昨天 最近 时候 多久 多少 几天 几个
        是 的 了 吗 呢 吧 啊 呀 和 与 或 在 有 也 都 就 还 很 太 最 更 把 被 让 对 给 从 到 得 着 过 会 能 要 用 吃什么 做什么
        办法 方法 原因 症状 治疗 治好 缓解 处理 好转 建议 注意 情况 问题 东西 关于 介绍 引起 导致 造成 预防 避免 减轻
        去看医生 看医生 医生 就医 疾病 毛病 正常 严重 厉害 管用 有效 有用 好不好 行不行 老是 总是 经常 突然 感觉 觉得
        不舒服 一般 通常 早期 表现 知道 自己 是否 属于 好得快 快点 大人 成人 有没 多长时间 怎 吗 该 去 算 好""".split(),
        key=len,
        reverse=True,
    )
)
"""Chinese phrases without a topic, longest first, taken out before bigrams are made."""

_ZH_FUNCTION = frozenset(
    "的了呢吧啊呀吗地得着过您你他她它们可以能会就都也还很要请让一些点有在和与或是把被对为从到时候后个这那所因如果用"
)
_ZH_PARTICLE_RE = re.compile(r"[的了呢吧啊呀吗地得着过]|您|你|他|她|它|们")
_ZH_STOP_RE = re.compile("|".join(map(re.escape, ZH_STOP)))

_SPELLINGS = {
    "diarrhea": "diarrhoea",
    "diarrheal": "diarrhoea",
    "pediatric": "paediatric",
    "anemia": "anaemia",
    "acetaminophen": "paracetamol",
    "tylenol": "paracetamol",
    "panadol": "paracetamol",
    "calpol": "paracetamol",
    "advil": "ibuprofen",
    "nurofen": "ibuprofen",
    "motrin": "ibuprofen",
    "asleep": "sleep",
    "slept": "sleep",
    "sleepless": "insomnia",
    "kid": "child",
    "kids": "child",
    "children": "child",
    "toddler": "child",
    "son": "child",
    "daughter": "child",
    "babies": "baby",
    "infant": "baby",
    "newborn": "baby",
    "throwing": "vomit",
    "puking": "vomit",
    "puke": "vomit",
    "pooing": "diarrhoea",
    "flu": "influenza",
    "jab": "vaccine",
    "shot": "vaccine",
    "vaccination": "vaccine",
    "vaccinated": "vaccine",
    "immunisation": "vaccine",
    "tablets": "tablet",
    "pill": "tablet",
    "pills": "tablet",
    "burnt": "burn",
    "feet": "foot",
    "hayfever": "hay fever",
    "tummy": "stomach",
    "belly": "stomach",
    "earache": "ear ache",
    "backache": "back ache",
    "pee": "urine",
    "peeing": "urine",
    "wee": "urine",
    "weeing": "urine",
    "urinating": "urine",
    "urination": "urine",
    "urinary": "urine",
    "bp": "blood pressure",
    "uti": "urine infection",
    "hypertension": "high blood pressure",
    "pregnant": "pregnancy",
    "depressed": "depression",
    "anxious": "anxiety",
    "itchy": "itch",
    "runny": "run",
    "swollen": "swell",
    "bleed": "bleed",
    "bled": "bleed",
    "contagious": "catching",
    "infectious": "catching",
    "addictive": "dependent",
    "addicted": "dependent",
    "feverish": "fever",
    "nausea": "sick",
    "nauseous": "sick",
}


def normalise(text: str, lang: str) -> str:
    """NFKC, lower case, no invisible characters; Chinese also to simplified characters."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    folded = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Co"} else c for c in folded)
    if lang == "zh" and _CJK_RUN_RE.search(folded):
        folded = _simplified(folded)
    return folded


def is_invisible(char: str) -> bool:
    """Whether a character takes part in no visible text: controls, format and bidi marks, tags, private
    use."""
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Cn"} and char not in "\n\t"


def visible(text: str) -> str:
    """``text`` without its invisible characters."""
    return "".join(c for c in text if not is_invisible(c))


def _simplified(text: str) -> str:
    return str(_converter()(text, "zh-hans"))


@lru_cache(maxsize=1)
def _converter() -> Callable[[str, str], str]:
    """zhconv, imported when first needed: loading its tables costs, and English never needs them. It warns about its
    own way of reading them, which is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zhconv

        zhconv.convert("试", "zh-hans")
    convert: Callable[[str, str], str] = zhconv.convert
    return convert


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A light English stem: plural, -ing, -ed, -ly and a last e go. ``"coughing" → "cough"``. Not a
    dictionary."""
    w = word.split("'")[0]
    if len(w) > 4 and w.endswith("ies"):
        w = w[:-3] + "y"
    elif len(w) > 4 and re.search(r"(?:s|x|z|ch|sh)es$", w):
        w = w[:-2]
    elif len(w) > 3 and w.endswith("s") and not re.search(r"(?:ss|us|is)$", w):
        w = w[:-1]
    if len(w) > 4 and w.endswith("ied"):
        w = w[:-3] + "y"
    for suffix in ("ing", "ed", "ly"):
        if (
            w.endswith(suffix)
            and not w.endswith("eed")
            and len(w) - len(suffix) >= 3
            and re.search(r"[aeiouy]", w[: -len(suffix)])
        ):
            w = w[: -len(suffix)]
            if len(w) > 3 and w[-1] == w[-2] and w[-1] not in "lsz":
                w = w[:-1]
            break
    return w[:-1] if len(w) > 4 and w.endswith("e") else w


EN_FUNCTION = frozenset(
    """a an the and or but of to in on at for with from by as is are was were be been being am do does did
    done has have had having it its this that these those you your yours they them their he she his her we
    our us i me my so if when than then there which who what while can could may might will would shall
    should also very just some any such not no n't don't doesn't isn't aren't can't cannot won't into out up down about over under s t
    help helps helping helped feel feels feeling keep keeps keeping make makes get gets getting getting""".split()
)
"""Words without a claim of their own; the guard counts every other word. Smaller than :data:`EN_STOP` on
purpose."""

_STOP_STEMS = frozenset(stem(w) for w in EN_STOP)


def _kinds(text: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, joined in patterns:
        text = pattern.sub(joined, text)
    return text


def _english_words(text: str) -> list[str]:
    """Words in our spelling; names with a number or a letter are one word."""
    words: list[str] = []
    for word in re.findall(r"[a-z]+\d+|[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?", _kinds(text, _KIND_RES)):
        words += _SPELLINGS.get(word, word).split()
    return words


def _english(text: str, keep_stop: bool) -> list[str]:
    words = _english_words(_EN_PHRASE_RE.sub(" ", text))
    terms = []
    for word in words:
        if not keep_stop and (
            word in EN_STOP or stem(word) in _STOP_STEMS or len(word) == 1 or _NUMBER_RE.match(word)
        ):
            continue
        terms.append(stem(word))
    return terms


def _chinese(text: str, keep_stop: bool) -> list[str]:
    terms: list[str] = []
    text = _kinds(text, _ZH_KIND_RES)
    stripped = text if keep_stop else _ZH_STOP_RE.sub(" ", text)
    for run in _CJK_RUN_RE.findall(stripped):
        terms += [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
    return terms + _english(text, keep_stop=False)


def chinese_topic(text: str) -> list[str]:
    """The runs of Chinese characters and Latin words that are left when phrases without a topic are taken
    out."""
    folded = _kinds(normalise(text, "zh"), _ZH_KIND_RES)
    return _CJK_RUN_RE.findall(_ZH_STOP_RE.sub(" ", folded)) + _english(folded, keep_stop=False)


def language_of(text: str) -> str:
    """``"zh"`` where at least a fifth of the letters are Chinese characters, else ``"en"``. Digits do not
    count."""
    letters = [c for c in text if c.isalpha()]
    chinese = sum(bool(_CJK_RUN_RE.match(c)) for c in letters)
    return "zh" if chinese and chinese * 5 >= len(letters) else "en"


def content_terms(text: str, lang: str) -> list[str]:
    """The terms that carry what a sentence claims: all but function words. Used by the guard."""
    folded = normalise(text, lang)
    if lang == "zh":
        return _chinese(_ZH_PARTICLE_RE.sub("", folded), keep_stop=True)
    words = [w for found in _WORD_RE.findall(folded) for w in _SPELLINGS.get(found, found).split()]
    return [stem(w) for w in words if w not in EN_FUNCTION]


def claim_characters(text: str) -> frozenset[str]:
    """The Chinese characters that carry what a sentence claims. Bigrams break at every reworded character, single
    characters do not: the guard takes the mean of both."""
    return frozenset(c for c in normalise(text, "zh") if _CJK_RUN_RE.match(c)) - _ZH_FUNCTION


def terms(text: str, lang: str) -> list[str]:
    """The terms of ``text`` that may name a topic, in order, repeats kept; numbers name none. ``lang`` other than
    ``zh`` is read as English."""
    folded = normalise(text, lang)
    return _chinese(folded, keep_stop=False) if lang == "zh" else _english(folded, keep_stop=False)


def all_terms(text: str, lang: str) -> list[str]:
    """Every term of ``text``, filler too: "why can't I get pregnant" is more than "pregnant". English stems; Chinese
    characters and pairs of neighbours."""
    folded = normalise(text, lang)
    if lang != "zh":
        return [stem(w) for w in _english_words(folded)]
    folded = _kinds(folded, _ZH_KIND_RES)
    found: list[str] = []
    for run in _CJK_RUN_RE.findall(folded):
        found += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
    return found + _english(folded, keep_stop=True)


def document_terms(text: str, lang: str) -> list[str]:
    """The terms of a text that is searched: Chinese also by single characters, so that a question's lone character
    (吐, 咳) finds it."""
    found = terms(text, lang)
    if lang != "zh":
        return found
    return found + [c for run in _CJK_RUN_RE.findall(normalise(text, lang)) for c in run]
