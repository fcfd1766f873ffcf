"""``careline evaluate answers``: does the right article come first, and is "I don't know" said at the right time.

Counts over our own questions (:mod:`generation.questions`): recall@5, mean reciprocal rank and the share of right
first articles over the covered ones, the shares answered and declined, all with intervals. The held-out half is
shown as figures only, so that nobody tunes to its sentences; the open half lists its misses.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from generation.encoder import EncoderUnavailable, MiniLmEncoder
from generation.passages import KNOWLEDGE_DIR, load_passages
from generation.questions import HALVES, LANGUAGES, QUESTIONS_DIR, Covered, Questions, load_questions
from generation.retrieval import Retrieval, Retriever
from generation.vectors import VectorCache

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 percent interval."""
RECALL_AT = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """One covered question and where its article came."""

    question: Covered
    found: tuple[str, ...]
    answered: bool

    @property
    def rank(self) -> int | None:
        """1 for the first; None where the article is not among those found."""
        return next((n for n, a in enumerate(self.found, 1) if a in self.question.articles), None)


@dataclass(frozen=True, slots=True)
class Report:
    """One language."""

    lang: str
    covered: tuple[Judged, ...]
    declined: tuple[bool, ...]
    wrongly: tuple[str, ...]


def judge(retriever: Retriever, lang: str, asked: Questions) -> Report:
    """Ask every question once."""
    covered = []
    for question in asked.covered:
        found = retriever.retrieve(question.text, lang, k=RECALL_AT)
        covered.append(Judged(question, articles(found), found.covered))
    declined = tuple(not retriever.retrieve(q, lang).covered for q in asked.uncovered)
    wrongly = tuple(q for q, no in zip(asked.uncovered, declined, strict=True) if not no)
    return Report(lang, tuple(covered), declined, wrongly)


def articles(found: Retrieval) -> tuple[str, ...]:
    """The articles of the passages found, each once, in order."""
    return tuple(dict.fromkeys(s.passage.article_id for s in found.passages))


def proportion(hits: Sequence[bool]) -> str:
    """A share with Wilson's 95 percent interval (Wilson 1927)."""
    n = len(hits)
    if not n:
        return "-"
    p = sum(hits) / n
    centre, scale = p + Z_95**2 / (2 * n), 1 + Z_95**2 / n
    half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n))
    low, high = max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
    return f"{p:.3f} [{low:.3f} {high:.3f}] {sum(hits):>4}/{n}"


def mean(values: Sequence[float]) -> str:
    """A mean with its normal 95 percent interval."""
    if len(values) < 2:
        return "-"
    m = statistics.fmean(values)
    half = Z_95 * statistics.stdev(values) / math.sqrt(len(values))
    return f"{m:.3f} [{m - half:.3f} {min(1.0, m + half):.3f}]"


def write(report: Report, out: TextIO, *, misses: bool) -> None:
    """The figures of one language, and what went wrong where that may be read."""
    ranks = [j.rank for j in report.covered]
    rows = (
        (f"recall@{RECALL_AT}", proportion([r is not None for r in ranks])),
        ("MRR", mean([1 / r if r else 0.0 for r in ranks])),
        ("right article first", proportion([r == 1 for r in ranks])),
        ("covered and answered", proportion([j.answered for j in report.covered])),
        ("... by the right article", proportion([j.answered and j.rank == 1 for j in report.covered])),
        ("uncovered and declined", proportion(report.declined)),
    )
    out.write(f"{report.lang}\n" + "".join(f"  {name:<26}{value}\n" for name, value in rows))
    if not misses:
        return
    for judged in report.covered:
        if judged.rank != 1 or not judged.answered:
            what = "declined" if not judged.answered else "answered"
            right = ",".join(sorted(judged.question.articles))
            out.write(
                f"    {what}, rank {judged.rank or '-'}: {judged.question.text} | {right} | {judged.found[:3]}\n"
            )
    for text in report.wrongly:
        out.write(f"    wrongly answered: {text}\n")


def run_evaluate(
    out: TextIO,
    half: str,
    *,
    encoder: bool,
    cache: Path | None = None,
    shipped: Path | None = None,
    knowledge: Path = KNOWLEDGE_DIR,
    folder: Path = QUESTIONS_DIR,
) -> int:
    """Print the figures of one half. Returns the exit status: 1 where that half is not there."""
    if half not in HALVES:
        raise ValueError(f"half: expected one of {', '.join(HALVES)}")
    retriever = Retriever(
        load_passages(knowledge),
        MiniLmEncoder() if encoder else None,
        VectorCache(cache, shipped) if cache else None,
    )
    try:
        retriever.warm()
    except EncoderUnavailable as error:
        out.write(f"without the sentence encoder: {error}\n")
    missing = 0
    for lang in LANGUAGES:
        asked = load_questions(lang, half, folder)
        if asked is None:
            out.write(f"{lang}: no {half} questions\n")
            missing = 1
        else:
            write(judge(retriever, lang, asked), out, misses=half == "open")
    return missing
