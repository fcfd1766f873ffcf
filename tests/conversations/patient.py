"""A scripted patient with a will of their own: answers, but also interrupts, corrects,
           mistypes and changes their mind.

Reads the last reply as a person does (its buttons, its question) and picks what to write next from a seeded
source of chance. It knows nothing of the dialogue's inside.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bot.messages import Reply

GOALS = {
    "en": ("i have a cough", "my back hurts since monday", "I want to book an appointment",
           "can I see a gp tomorrow",
           "my son has a fever", "i have a rash and want to see someone friday",
           "please call me back", "hello"),
    "zh": ("我咳嗽", "周一开始腰疼", "我要预约", "我想约明天看全科", "我儿子发烧了",
           "起疹子了，想周五看医生", "请给我打电话", "您好"),
}  # fmt: skip
ANSWERS = {
    "en": ("no", "yes", "none", "dunno", "2", "the first one", "38.2", "a bit", "quite bad",
           "since yesterday",
           "tomorrow", "friday afternoon", "Tom Baker", "he is 5", "07700 900123",
           "as soon as possible", "34"),
    "zh": ("没有", "有", "都没有", "不知道", "2", "第一个", "38.2", "有点", "不严重", "昨天开始的",
           "明天", "周五下午", "王小明", "他5岁", "07700 900123", "越快越好", "34"),
}  # fmt: skip
INTERRUPTIONS = {
    "en": ("what does it cost?", "where can I park", "do I need to bring anything?", "are you real?",
           "what helps against hay fever?", "I want a human", "repeat please", "go back", "thanks",
           "🙂", "you are useless", "my knee hurts too", "when is my appointment"),
    "zh": ("多少钱？", "停车场在哪", "要带什么吗", "你是真人吗", "花粉症怎么办？", "我要找人工",
           "再说一遍", "上一步", "谢谢", "🙂", "你真没用", "我膝盖也疼", "我的预约是什么时候"),
}  # fmt: skip
CORRECTIONS = {
    "en": ("no, since tuesday", "actually friday is better", "sorry, I meant 2 weeks",
           "no wait, book it for my son", "no, it's 37.5"),
    "zh": ("不对，周二开始的", "换成周五吧", "说错了，两个星期", "给我儿子约", "不是，37度5"),
}  # fmt: skip
STOP = {"en": "stop", "zh": "停"}


class Patient:
    """One person. ``chance`` decides everything."""

    def __init__(self, chance: random.Random, lang: str) -> None:
        self._chance, self._lang = chance, lang

    def opening(self) -> str:
        """What they come for."""
        return self._chance.choice(GOALS[self._lang])

    def next(self, replies: Sequence[Reply]) -> str:
        """What they write after these replies."""
        lang = self._lang
        if self._chance.random() < 0.03:
            lang = "zh" if lang == "en" else "en"
        draw = self._chance.random()
        buttons = [b.payload for reply in replies for b in reply.buttons]
        if draw < 0.45 and buttons:
            return self._chance.choice(buttons)
        if draw < 0.75:
            return self._mistyped(self._chance.choice(ANSWERS[lang]))
        if draw < 0.90:
            return self._chance.choice(INTERRUPTIONS[lang])
        return self._chance.choice(CORRECTIONS[lang])

    def _mistyped(self, text: str) -> str:
        """One time in eight with two neighbouring letters exchanged."""
        if len(text) < 4 or self._chance.random() > 0.125:
            return text
        at = self._chance.randrange(len(text) - 1)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
