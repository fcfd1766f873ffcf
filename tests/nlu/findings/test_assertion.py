"""What is said of a concept: each line is a patient's sentence and its expected reading.

``+`` counts, ``-`` negated, ``?`` hypothetical, ``~`` resolved, ``p`` past, ``f`` family, ``x`` fiction or animal.
"""

from __future__ import annotations

import pytest

from nlu.findings import Extraction, Extractor, Status, Subject, Time

ENGLISH = """
I have a fever | fever+
no fever | fever-
dont have fever | fever-
I don't have a fever | fever-
I haven't had any fever | fever-
no fever, cough or chest pain | fever- cough- chest_pain-
no cough no fever no chest pain | cough- fever- chest_pain-
no fever but the rash is spreading | fever- rash+
no chest pain, just a runny nose | chest_pain- runny_nose+
no fever, my chest hurts | fever- chest_pain+
I am not vomiting, not dizzy, my chest hurts | vomiting- dizziness- chest_pain+
denies chest pain, cough, vomiting | chest_pain- cough- vomiting-
without any fever | fever-
neither fever nor cough | fever- cough-
Never had a seizure | seizure-
chest pain? no | chest_pain-
fever? no. cough? yes | fever- cough+
fever: no, cough: yes | fever- cough+
Doctor: any chest pain? Me: no, just a cough | chest_pain- cough+
my chest is not in pain and I cough |  cough+
I'm not sure if it's chest pain | chest_pain+
it might be chest pain, I think | chest_pain+
probably nothing but I have chest pain | chest_pain+
it's not that I don't have chest pain | chest_pain+
my chest pain hasn't gone away | chest_pain+
the fever is not going down | fever+
the headache is not getting better | headache+
no relief from the headache | headache+
nothing helps my headache | headache+
I can't stop coughing | cough+
I can't stop vomiting | vomiting+
I have no feeling in my leg | limb_numbness+
I can't breathe | breathlessness+
I don't know why I have chest pain | chest_pain+
I can't sleep because of the cough | cough+
never had chest pain like this before | chest_pain+
not only fever but also a rash | fever+ rash+
nothing but chest pain | chest_pain+
what if I get chest pain | chest_pain?
if I get a fever should I come in | fever?
what are the signs of a heart attack | heart_attack?
how do I know if I have diabetes | diabetes?
can stress cause headaches? | headache?
side effects may include vomiting and rash | vomiting? rash?
is it normal to have chest pain after running | chest_pain+
should I worry about my chest pain | chest_pain+
should I wait? my chest hurts | chest_pain+
what if it's a heart attack, my chest hurts | heart_attack? chest_pain+
I had a heart attack in 2010 | heart_attackp
I had a seizure ten years ago | seizurep
I used to get headaches | headachep
in 2010 I had a heart attack and now my chest hurts | heart_attackp chest_pain+
I had chest pain 3 days ago | chest_pain+
chest pain again, same as in 2010 | chest_pain+
I have had diabetes since 2010 | diabetes+
I was diagnosed with diabetes in 2010 | diabetes+
I had a fever last week but it's gone | fever~
the fever is gone but I still cough | fever~ cough+
I had a headache. It's gone now. | headache~
the vomiting has stopped | vomiting~
I had chest pain an hour ago but it's gone now | chest_pain+
the headache went away but came back | headache+
My grandad had a heart attack in 2010, can I book a check-up? | heart_attackf
heart attacks run in my family | heart_attackf
family history of diabetes | diabetesf
my mum has diabetes | diabetesf
my mum has diabetes and is vomiting | diabetes+ vomiting+
my dad died of a heart attack | heart_attackf
My dad has chest pain | chest_pain+
my father is having a seizure | seizure+
my husband had a seizure what do i do | seizure+
my mum says it's nothing but my chest hurts | chest_pain+
my friend's having a heart attack | heart_attack+
in the movie the man has a heart attack | heart_attackx
my dog is vomiting | vomitingx
I'm writing a novel where she has a seizure | seizurex
I'm dying to see you |
my chest is tight and my dog is vomiting in the kitchen |
"""
CHINESE = """
我发烧了 | fever+
没有发烧 | fever-
没发烧 | fever-
不发烧也不咳嗽 | fever- cough-
没有发烧、咳嗽、胸痛 | fever- cough- chest_pain-
没有发烧和咳嗽 | fever- cough-
否认胸痛，咳嗽，呕吐 | chest_pain- cough- vomiting-
没有胸痛，就是流鼻涕 | chest_pain- runny_nose+
没发烧，但是胸口疼 | fever- chest_pain+
不咳嗽但是气短 | cough- breathlessness+
咳嗽没有，就是头疼 | cough- headache+
胸痛？没有。 | chest_pain-
发烧：无，咳嗽：有 | fever- cough+
胸口不疼 | chest_pain-
胸口疼不疼我说不清 | chest_pain+
不是不疼，胸口疼得厉害 | chest_pain+
胸口不是不疼 | chest_pain+
我腿没有知觉 | limb_numbness+
喘不上气 | breathlessness+
头疼没有好转 | headache+
咳嗽不见好 | cough+
从来没有这么头疼过 | headache+
不光发烧，还起疹子 | fever+ rash+
不知道是不是胸痛 | chest_pain+
可能是胸痛吧 | chest_pain+
应该没什么事，就是胸口有点疼 | chest_pain+
如果胸痛怎么办 | chest_pain?
万一心梗了呢 | heart_attack?
心梗有哪些症状 | heart_attack?
心梗的早期症状是什么 | heart_attack?
怎么预防糖尿病 | diabetes?
压力大会引起头痛吗 | headache?
胸口疼是怎么回事 | chest_pain+
胸口疼正常吗 | chest_pain+
胸口疼要不要去医院 | chest_pain+
我2010年得过心梗 | heart_attackp
十年前抽搐过 | seizurep
小时候经常头痛 | headachep
去年心梗过，现在胸口又疼了 | heart_attackp chest_pain+
三天前开始胸口疼 | chest_pain+
我有糖尿病十年了 | diabetes+
上周发烧现在好了 | fever~
烧退了，昨天发烧的 | fever+
头疼已经好了 | headache~
昨天胸口疼，现在不疼了 | chest_pain+
我爷爷2010年得过心梗，我想约个体检 | heart_attackf
家族史有心梗 | heart_attackf
我妈有糖尿病 | diabetesf
我爸爸胸口疼 | chest_pain+
我妈说没事，可是我胸口很疼 | chest_pain+
我儿子抽搐了怎么办 | seizure+
电视剧里主角心梗了 | heart_attackx
我家狗吐了 | vomitingx
做梦梦到自己心梗了 | heart_attackx
想死你了 |
頭痛發燒 | headache+ fever+
"""
SIGNS = {
    "+": "counts",
    "-": "negated",
    "?": "hypothetical",
    "~": "resolved",
    "p": "past",
    "f": "family",
    "x": "fiction",
}


def reading_of(extraction: Extraction) -> dict[str, str]:
    """Concept → how it was read; a counting mention outranks the others."""
    out: dict[str, str] = {}
    for f in extraction.findings:
        if f.counts:
            out[f.id] = "counts"
        elif f.subject in (Subject.FAMILY, Subject.FICTION):
            out.setdefault(f.id, f.subject.value)
        elif f.status in (Status.PRESENT, Status.POSSIBLE) and f.time is Time.PAST:
            out.setdefault(f.id, "past")
        else:
            out.setdefault(f.id, f.status.value)
    return out


def _table(text: str) -> list[tuple[str, dict[str, str]]]:
    rows = []
    for line in text.strip().splitlines():
        sentence, _, expected = line.partition("|")
        rows.append((sentence.strip(), {e[:-1]: SIGNS[e[-1]] for e in expected.split()}))
    return rows


@pytest.mark.parametrize(("sentence", "expected"), _table(ENGLISH) + _table(CHINESE))
def test_reading(extractor: Extractor, sentence: str, expected: dict[str, str]) -> None:
    got = reading_of(extractor.extract(sentence))
    assert {k: got.get(k) for k in expected} == expected
