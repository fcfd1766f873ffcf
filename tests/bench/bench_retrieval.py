"""How long finding passages takes: ``python -m tests.bench retrieval``. Figures go to the note; no test times it.

The open questions over the shipped articles, then over 100,000 passages made from them: every article copied under
new ids, with a fifth of its names and one sentence in three replaced by invented words, so that no two are alike.
Processor time of one core: lexical for both languages, and with the sentence encoder for English (its vectors of the
copies are random; the question is really encoded).
"""

from __future__ import annotations

import dataclasses
import random
import sys
import time
from collections.abc import Sequence

import numpy as np

from generation.encoder import EncoderUnavailable, MiniLmEncoder, Vectors
from generation.passages import Passage, load_passages
from generation.questions import load_questions
from generation.retrieval import Retriever

MANY = 100_000
ASKED = 200
SYLLABLES = {
    "en": ("bra", "tol", "mi", "ker", "pan", "sul", "do", "ve", "rin", "gas", "tro", "lem"),
    "zh": tuple("晓岚桐舟棠霁澜溪砚筠檀芜"),
}


def main() -> None:
    """Print the figures."""
    passages = load_passages()
    for lang in ("en", "zh"):
        shipped = [p for p in passages if p.lang == lang]
        show(f"{lang} {len(shipped):>7} passages, lexical", Retriever(shipped), lang)
        many = copies(shipped, MANY)
        began = time.process_time()
        large = Retriever(many)
        print(f"{lang} {len(many):>7} passages, index built in {time.process_time() - began:.0f} s")
        show(f"{lang} {len(many):>7} passages, lexical", large, lang)
        if lang == "en":
            try:
                encoder = Half(MiniLmEncoder())
            except EncoderUnavailable as error:
                print(error)
                continue
            del large
            for some in (shipped, many):
                retriever = Retriever(some, encoder)
                retriever.warm()
                show(f"{lang} {len(some):>7} passages, encoder", retriever, lang)
    sys.stdout.flush()


def show(name: str, retriever: Retriever, lang: str) -> None:
    """One line: median and 95th percentile of a question, in ms of one core."""
    asked = load_questions(lang, "open")
    assert asked is not None
    texts = [q.text for q in asked.covered[:ASKED]]
    for text in texts[:5]:
        retriever.retrieve(text, lang)
    times = []
    for text in texts:
        start = time.process_time()
        retriever.retrieve(text, lang)
        times.append(1000 * (time.process_time() - start))
    times.sort()
    print(
        f"{name}: p50 {times[len(times) // 2]:.1f} ms, p95 {times[int(0.95 * len(times))]:.1f} ms", flush=True
    )


def copies(passages: Sequence[Passage], wanted: int) -> list[Passage]:
    """At least ``wanted`` passages; the first ones are the given ones themselves."""
    dice = random.Random(7)
    out = list(passages)
    n = 0
    while len(out) < wanted:
        n += 1
        names: dict[str, tuple[str, tuple[str, ...]]] = {}
        for p in passages:
            if p.article_id not in names:
                kept = tuple(s if dice.random() > 0.2 else invented(p.lang, dice) for s in p.synonyms)
                names[p.article_id] = (f"{p.title} {invented(p.lang, dice)}", tuple(dict.fromkeys(kept)))
            title, synonyms = names[p.article_id]
            parts = p.text.split("。" if p.lang == "zh" else ". ")
            text = ". ".join(s if dice.random() > 0.33 else invented(p.lang, dice) for s in parts)
            article = f"{p.article_id}-{n}"
            out.append(
                dataclasses.replace(
                    p,
                    id=f"{article}.{p.section.value}",
                    article_id=article,
                    title=title,
                    synonyms=synonyms,
                    text=text,
                )
            )
    return out


def invented(lang: str, dice: random.Random) -> str:
    """A word that stands nowhere else."""
    return "".join(dice.choices(SYLLABLES[lang], k=4))


class Half:
    """Really encodes single questions; many texts at once get random vectors, since encoding them takes an hour."""

    languages = frozenset({"en"})
    name = "random"

    def __init__(self, encoder: MiniLmEncoder) -> None:
        self._encoder = encoder
        self._dice = np.random.default_rng(7)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See :class:`generation.encoder.Encoder`."""
        if len(texts) == 1:
            return self._encoder.encode(texts)
        rows = self._dice.standard_normal((len(texts), 384), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        vectors: Vectors = rows
        return vectors


if __name__ == "__main__":
    main()
