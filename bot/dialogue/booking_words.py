"""Small understanding that booking needs: yes and no, "the second one", a name, and times put into words.

Sentences for patients live in the texts; here are only the words patients use and how times are written.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from zoneinfo import ZoneInfo

MAX_NAME = 80
_YES = re.compile(
    r"(?:yes|yeah|yep|yup|ya|sure|ok|okay|o\.?k\.?|please do|go ahead|correct|right|that'?s right|"
    r"that is right|confirm|confirmed|do it|book it|fine|perfect|great|sounds good|that works|works for me|i agree|"
    r"good|absolutely|of course|"
    r"definitely|please|y|move it|cancel it|all good|exactly|is right)"
)
_YES_ZH = re.compile(
    r"(?:是的?|好的?|好啊|好吧|可以的?|行|行吧|对的?|没错|没问题|嗯+|确定|确认|约吧|就这样约?|就这个|要的?|要|改吧|取消吧|确定取消|当然|中|成|同意)"
)
_NO = re.compile(
    r"(?:no|nope|nah|not really|don'?t|wrong|incorrect|that'?s wrong|no thanks|no thank you|n|keep it)"
)
_NO_ZH = re.compile(r"(?:不|不是|不对|不要|不用|不行|不好|不可以|错了|没有|别|不取消|算了)")
_STOP = re.compile(
    r"\b(?:stop|never ?mind|forget it|cancel (?:the )?booking|don'?t book|quit|leave it|"
    r"not (?:any ?more|now)|no longer)\b"
)
_STOP_ZH = re.compile(r"(?:不约了|算了|不预约了|不想约了|先不约|取消吧|停止|不用约了|退出)")
_BACK = re.compile(
    r"^(?:go )?back$|^(?:previous|go back(?: please)?|one step back|undo)$|^(?:返回|上一步|回到上一步|退回)$"
)
_BACKWARDS = re.compile(
    r"\b(?:back|previous|undo|before|last (?:one|question|step))\b|返回|上一|退|回|前一|前面|重新"
)
"""Words without which nothing is a wish to go back, whatever it was taken for ("Jack Baker" is a name)."""
_ASKS = re.compile(
    r"[?？]\s*$|^(?:(?:and|but|also|oh|ok|sorry|hey|btw)[, ]+)*(?:do|does|did|is|are|am|can|could|should|"
    r"will|would|must|what|where|why|who|how|which|when)(?:'s|s)? |[吗呢么嘛](?:[？?。~]|$)|"
    r"什么|怎么|多少|哪里|哪儿|在哪|要不要|需不需要|用不用|能不能|可不可以|是不是",
    re.I,
)
_BRING = re.compile(
    r"\b(?:bring|take|carry)\b.*\b(?:anything|something|with me|along|documents?|papers?|id|"
    r"card)\b|what (?:should|do|must) "
    r"i (?:need to )?(?:bring|prepare)|\bprepare (?:anything|for)|"
    r"(?:带|准备)(?:点|些|一些)?(?:什么|啥|哪些|身份证|病历|医保卡|材料|东西)|空腹|\b(?:fast|fasting|empty stomach)\b"
)
_VISIT = re.compile(
    r"\b(?:want|need|like|wanna|can i|could i|may i)\b(?: \w+){0,3} (?:see|book|an? appointment|come in)\b|"
    r"(?:想|要|能)(?!.*(?:吗|什么时候)).{0,8}(?:看医生|看大夫|预约|挂号|约个)"
)
_CANCEL_IT = re.compile(
    r"(?:please )?cancel(?: (?:it|that|this))?(?: please)?|(?:那就)?取消(?:吧|掉|它)?(?:预约)?"
)
_ASKS_TIMES = re.compile(
    r"\b(?:free|available|slots?|times?|appointments?|openings?|soon(?:er|est)?|earl(?:y|ier|iest)|later|gaps?|"
    r"fit me in|see me|squeeze)\b|空|有号|时间|时段|约|最早|早点|晚点|尽快"
)
_SOMEBODY_ELSE = re.compile(
    r"\b(?:for|its for|not (?:for )?me)\b[ ,]*(?:it'?s |for )?(?:my|our|his|her) (?:\w+ )?(?:son|daughter|child|kid|"
    r"baby|boy|girl|mum|mom|mother|dad|father|wife|husband|partner|grand\w+|nan|gran|brother|sister|friend|aunt|uncle|parents?)\b"
    r"|(?:给|帮|替|是)我?的?(?:儿子|女儿|孩子|小孩|宝宝|妈妈?|母亲|爸爸?|父亲|老婆|妻子|老公|丈夫|爱人|爷爷|奶奶|外公|外婆|姥姥|姥爷|"
    r"孙子|孙女|哥哥?|弟弟?|姐姐?|妹妹?|朋友|老人)(?!的?时间)"
)
_NAME_CHANGE = re.compile(
    r"^(?:(?:no|oh|sorry|wait|actually|oops|hang on|but|please|yes)[,.! ]+)*(?:(?:(?:my|the|his|her|their|full|"
    r"right|correct|real|change)[ ,]+)*name(?: to|'s| is|s| should be|:)|"
    r"put(?: it)?(?: under)?|book it (?:for|under)|under|it'?s for|"
    r"it should be|spell(?:ed|t)|change it to|for)\s+(?P<name>.+)$"
    r"|^(?:不对|不是|错了|不|哦|等等|等一下|对不起)?[，,。 ]*(?:我的?|患者|孩子|正确的?)?(?:姓名|名字)?"
    r"(?:是|叫做?|改成|换成|改为|应该是|写)(?P<zh>[^，,。]{2,5})$",
    re.I,
)
_OTHER = re.compile(
    r"none of (?:these|those|them)|other times?|another time|different time|something else|anything else|any others?|"
    r"more (?:times|options)|what else|(?:neither|none)\b|don'?t (?:work|suit)|"
    r"都不(?:行|合适|方便|可以)|换(?:个|一个|别的)?(?:时间|时段|日期)?|还有(?:别的|其他)|别的时间|其他时间|其它时间|有没有别的"
)
_ANY = re.compile(
    r"\b(?:not sure|don'?t know|no idea|don'?t mind|whatever|whenever|unsure|idk|dunno|no preference|doesn'?t matter|"
    r"you (?:choose|decide|pick)|up to you|(?:i'?m )?easy)\b"
    r"|^(?:any|any ?(?:time|day|one)(?: is| will| works)?(?: fine| ok| do)?|any of (?:them|these))$"
    r"|不知道|不清楚|不确定|都行|随便|都可以|都好|无所谓|看着办|你定|您定"
)
_ORDINALS = {
    1: r"first|1st|number one|no\.? ?1|#?1|one|第一|一|第1|1",
    2: r"second|2nd|number two|no\.? ?2|#?2|two|第二|二|第2|2",
    3: r"third|3rd|number three|no\.? ?3|#?3|three|第三|三|第3|3",
    4: r"fourth|4th|number four|no\.? ?4|#?4|four|第四|四|第4|4",
    5: r"fifth|5th|number five|no\.? ?5|#?5|five|第五|五|第5|5",
}
_ORDINAL = {
    n: re.compile(
        rf"(?:(?:i(?:'?ll| will|'?d like)? (?:take|have|like|want)? ?|can i (?:have|take) |let'?s (?:do|take|go for) )?"
        rf"(?:the |option |number )?(?:{words})(?: one| option| slot| time|\.)?(?: please| then)?|"
        rf"(?:我?(?:要|选|约)?)?(?:{words})(?:个|项|号|那个|这个)?(?:吧|时间|的|就行|可以)?)"
    )
    for n, words in _ORDINALS.items()
}
_LAST = re.compile(
    r"(?:the )?(?:last|latest)(?: one| option| slot)?(?: please)?|最后(?:一个|那个|的)?(?:吧)?"
)
_MIDDLE = re.compile(r"(?:the )?middle(?: one)?(?: please)?|中间(?:那个|的)?")
_LATER = re.compile(r"(?:anything |something |a bit |any )?later(?: please)?|(?:晚|迟)(?:一点|点)(?:的|吧)?")
_EARLIER = re.compile(
    r"(?:anything |something |a bit |any )?(?:earlier|sooner)(?: please)?|早(?:一点|点)(?:的|吧)?"
)
_NAME_LEAD = re.compile(
    r"^(?:(?:hi|hello|yes|ok|sure)[,. ]+)?(?:my (?:full )?name(?:'s| is)|name(?: is|:)|it'?s|it is|i'?m|i am|"
    r"this is|call me|"
    r"that(?:'s| is)|for|the name is|under)\s+",
    re.I,
)
_NAME_LEAD_ZH = re.compile(
    r"^(?:我的?(?:名字|姓名)?(?:叫做|叫|是)|姓名[:：是]?|名字[:：是]?|叫|患者(?:姓名)?(?:叫|是)?|我叫)"
)
_NOT_NAME = re.compile(
    r"\b(?:what|when|where|why|who|how|which|can|could|do|does|is|are|i|my|me|you|your|the|have|has|had|pain|hurt|hurts|"
    r"please|want|need|book|cancel|time|appointment|yes|no|ok|okay|not|sure|thanks|thank|hello|hi|it|dont|don't|know|tomorrow|"
    r"nothing|none|never|other|change|different|all|good|fine|later|earlier|maybe|sorry|wait|actually|general|practice|"
    r"anything|something|nope|yeah|yep|nah|idk|lol|hm+|um+|great|nice|"
    r"today|monday|tuesday|wednesday|thursday|friday|saturday|help|person|human|stop|back|and|why)\b",
    re.I,
)
_NEVER_NAME = re.compile(
    r"(?:what|when|where|why|who|how|which|can|could|do|does|is|are|i|my|the|it|yes|no|ok|okay|not|stop|help)\b",
    re.I,
)
_NOT_NAME_ZH = re.compile(
    r"[吗呢么啊吧的了疼痛病约号谁哪几我不有是在想要能会怎]|什么|可以|没有|你|医生|谢谢|人工|今天|明天|后天|上午|下午|星期"
    r"|周[一二三四五六日]|多少|地址|费用|价格|.钱|电话|头晕|发烧|咳嗽|时间"
)

WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS_EN = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def plain(text: str) -> str:
    """Lower case, one kind of quote, no closing punctuation: what the patterns are matched against."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.sub(r"\s+", " ", folded).strip(" \t\n.,!?;:。，！？；：~")


def said_yes(text: str, intent: str | None = None) -> bool:
    """ "yes please", "go ahead", 可以, 就这样约."""
    words = plain(text)
    parts = [p for p in re.split(r"[,，。.!！]+ ?| and ", words) if p]
    both = re.compile(
        rf"(?:{_YES.pattern}|{_YES_ZH.pattern})(?: (?:please|thanks|thank you|it|do|then|{_YES.pattern}))*"
    )
    if both.fullmatch(words) or (parts and all(both.fullmatch(p) or p in ("thanks", "谢谢") for p in parts)):
        return True
    return intent == "affirm" and not said_no(text)


def said_no(text: str, intent: str | None = None) -> bool:
    """ "no", "no thanks", 不对, 不要."""
    words = plain(text)
    head = re.split(r"[,，。.! ]", words)[0]
    if re.fullmatch(rf"{_NO.pattern}|{_NO_ZH.pattern}", words) or head in (
        "no",
        "nope",
        "不",
        "不是",
        "不对",
    ):
        return True
    return intent == "deny"


def said_stop(text: str, intent: str | None = None) -> bool:
    """ "never mind", "don't book", 不约了, 算了."""
    words = plain(text)
    return intent == "stop" or bool(_STOP.search(words) or _STOP_ZH.search(words))


def said_back(text: str, intent: str | None = None) -> bool:
    """ "go back", 上一步."""
    words = plain(text)
    return bool(_BACK.match(words)) or (intent == "go_back" and bool(_BACKWARDS.search(words)))


def asks(text: str) -> bool:
    """A question about something else than free times: "do I need to bring anything?", 要带什么吗？"""
    words = unicodedata.normalize("NFKC", text).strip().lower().replace("’", "'")
    return bool(_ASKS.search(words)) and not _ASKS_TIMES.search(words)


def asks_what_to_bring(text: str) -> bool:
    """ "do I need to bring anything?", 要带什么吗？"""
    return bool(_BRING.search(plain(text))) and (asks(text) or len(plain(text)) < 25)


def said_cancel(text: str) -> bool:
    """ "cancel it", 取消吧: what is being done now, or the booked visit, depending on what runs."""
    return bool(_CANCEL_IT.fullmatch(plain(text)))


def wants_visit(text: str) -> bool:
    """ "I have a rash and want to see someone Friday": the wish for a visit beside a complaint."""
    return bool(_VISIT.search(plain(text)))


def somebody_else(text: str) -> bool:
    """ "no wait, book it for my son", 是给我妈妈约的."""
    return bool(_SOMEBODY_ELSE.search(plain(text)))


def new_name(text: str) -> str | None:
    """The other name that the text asks for: "no, it's for Jack Baker", 名字改成王芳; None without such words."""
    found = _NAME_CHANGE.match(unicodedata.normalize("NFC", text).strip().strip(".!。！"))
    return read_name((found["name"] or found["zh"]).strip()) if found else None


def said_any(text: str, intent: str | None = None) -> bool:
    """ "whenever", "I don't mind", 都可以: every time is as good."""
    return intent == "unsure" or bool(_ANY.search(plain(text)))


def said_other(text: str) -> bool:
    """ "none of these", "other times", 换个时间."""
    return bool(_OTHER.search(plain(text)))


def said_later(text: str) -> int:
    """1 for "later", -1 for "earlier", 0 for neither."""
    words = plain(text)
    return 1 if _LATER.fullmatch(words) else -1 if _EARLIER.fullmatch(words) else 0


def ordinal(text: str, count: int) -> int | None:
    """ "the second one", "2", 第二个, "the last one" → index from 0, or None."""
    words = plain(text)
    if _LAST.fullmatch(words) and count:
        return count - 1
    if _MIDDLE.fullmatch(words) and count == 3:
        return 1
    for number, pattern in _ORDINAL.items():
        if number <= count and pattern.fullmatch(words):
            return number - 1
    return None


def read_name(text: str, *, lenient: bool = False) -> str | None:
    """A person's name, or None where the text is something else ("what does it cost?", "my leg hurts").

    ``lenient`` takes words that are also names ("Will May"); questions, numbers and yes or no never are one.
    """
    raw = unicodedata.normalize("NFC", text).strip().strip(".。!！,，")
    chinese = any("一" <= c <= "鿿" for c in raw)
    name = (_NAME_LEAD_ZH if chinese else _NAME_LEAD).sub("", raw).strip()
    if not name or len(name) > MAX_NAME or re.search(r"[\d?？@#/\\<>{}\[\]_=+]|[\n\t]", name):
        return None
    if chinese:
        other = said_yes(name) or said_no(name) if lenient else _NOT_NAME_ZH.search(name)
        good = (
            2 <= len(name) <= (5 if lenient else 12) and not other and not re.search(r"[，,。吗呢疼痛]", name)
        )
        return name if good else None
    words = name.split()
    other = _NEVER_NAME.match(name) if lenient else _NOT_NAME.search(name)
    if not 1 <= len(words) <= 5 or other:
        return None
    return name if all(re.fullmatch(r"[^\W\d_][\w'’.\-]*", w) for w in words) and len(name) > 1 else None


# ---- times in words -------------------------------------------------------------------------------------


def day_words(day: dt.date, lang: str) -> str:
    """ "Tuesday 24 November"; 11月24日（周二）."""
    if lang == "zh":
        return f"{day.month}月{day.day}日（周{'一二三四五六日'[day.weekday()]}）"
    return f"{WEEKDAYS_EN[day.weekday()]} {day.day} {MONTHS_EN[day.month - 1]}"


def clock_words(hour: int, minute: int, lang: str) -> str:
    """ "9:30am", "midday", "2pm"; 上午9点30分, 下午2点."""
    if lang == "zh":
        part = "上午" if hour < 12 else "中午" if hour == 12 else "下午" if hour < 18 else "晚上"
        return f"{part}{hour if hour <= 12 else hour - 12}点" + (f"{minute:02d}分" if minute else "")
    if (hour, minute) == (12, 0):
        return "midday"
    shown = f"{hour % 12 or 12}" + (f":{minute:02d}" if minute else "")
    return shown + ("am" if hour < 12 else "pm")


def time_words(at: dt.datetime, lang: str, zone: ZoneInfo) -> str:
    """An instant in the clinic's zone: "Tuesday 24 November at 9:30am"; 11月24日（周二）上午9点30分."""
    local = at.astimezone(zone)
    joint = "" if lang == "zh" else " at "
    return day_words(local.date(), lang) + joint + clock_words(local.hour, local.minute, lang)


def fold_name(text: str) -> str:
    """For comparing names: lower case without spaces and dots."""
    return re.sub(r"[\s.·]", "", plain(text))


def mentions(text: str, names: Sequence[str]) -> bool:
    """Whether one of these names is said ("with Dr Patel", 陈医生 for 陈伟医生)."""
    words = plain(text)
    for name in names:
        bare = re.sub(r"^(?:dr|doctor|prof)\.? ", "", plain(name))
        if any("一" <= c <= "鿿" for c in bare):
            person = bare.removesuffix("医生")
            if (
                f"{person}医生" in words
                or (len(person) > 1 and person in words)
                or f"{person[0]}医生" in words
            ):
                return True
        elif re.search(rf"\b{re.escape(bare)}\b|\b(?:dr|doctor)\.? {re.escape(bare.split()[-1])}\b", words):
            return True
    return False
