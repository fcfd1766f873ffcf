"""The answer without a model: which passages to quote, and how. Pure.

Knows retrieval results and the fixed sentences; no generator, no clock. It quotes whole passages word for
word and says that it quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.passages import Passage, Section
from generation.retrieval import Retrieval
from generation.wording import Wording

MAX_QUOTED = 3
"""What a person reads in a chat window: two passages on the question and when to get help."""
SECOND_SHARE = 0.7
"""A second passage is quoted when its score is at least this share of the best one's."""
HELP_LEVELS = frozenset({"emergency", "urgent"})
"""Levels at which getting help comes before any reading."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer quotes or rests on. ``url`` is empty where the source has no known address."""

    id: str
    title: str
    url: str
    quote: str


def cite(passage: Passage) -> Citation:
    """The citation of a passage; the title names article, section and source."""
    title = (
        f"{passage.label}（{passage.source_name}）"
        if passage.lang == "zh"
        else (f"{passage.label} ({passage.source_name})")
    )
    return Citation(passage.id, title, passage.source_url, passage.text)


def select(retrieval: Retrieval, all_passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages to quote: the best, perhaps a second of the same article, and its "when to get help"."""
    best = retrieval.best[0]
    chosen = [best.passage]
    for scored in retrieval.best[1:]:
        if scored.score >= SECOND_SHARE * best.score:
            chosen.append(scored.passage)
            break
    for passage in all_passages:
        is_help = passage.article_id == best.passage.article_id and passage.section is Section.HELP
        if is_help and passage.lang == best.passage.lang and passage not in chosen:
            chosen.append(passage)
    return tuple(chosen[:MAX_QUOTED])


def quote_blocks(
    passages: Sequence[Passage], lang: str, level: str | None, wording: Wording
) -> tuple[str, ...]:
    """The answer's paragraphs in order: an introduction that says it quotes, the passages, the safety net."""
    first = (wording("help_first", lang),) if level == "emergency" else ()
    quoted = tuple(
        wording("passage", lang, label=p.label, text=p.text, n=n) for n, p in enumerate(passages, 1)
    )
    return (*first, wording("quote_intro", lang), *quoted, safety_net(lang, level, wording))


def safety_net(lang: str, level: str | None, wording: Wording) -> str:
    """The line that ends every health answer; at an urgent level it repeats that help is needed."""
    return wording("safety_net_urgent" if level in HELP_LEVELS else "safety_net", lang)
