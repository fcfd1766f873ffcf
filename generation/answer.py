"""From a question to an answer that rests on the clinic's articles: generated and checked, quoted, or "I
don't know".

The one call that the dialogue and ``careline answer`` make. It knows retrieval, the guard and a client that
streams text; it does not know who asks, where it is shown, or how a model runs. Nothing unchecked leaves it:
generated text passes the guard sentence by sentence, and whatever goes wrong ends in quoted passages.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from generation.client import GeneratorError, Message
from generation.guard import Guard, GuardContext, Reason
from generation.passages import Passage, Section
from generation.prompt import MAX_PASSAGES, PatientFacts, messages
from generation.quoting import HELP_LEVELS, Citation, cite, quote_blocks, safety_net, select
from generation.retrieval import Retrieval, Retriever
from generation.sentences import SentenceStream, is_complete
from generation.wording import Wording

OnPartial = Callable[[str], Awaitable[None]]
"""Receives the whole checked text so far; each call's text begins with the one before."""

FIRST_SENTENCE_S = 1.5
"""The patient reads something by then: a checked sentence, or quotes (reliability goal R3)."""
WHOLE_ANSWER_S = 15.0
"""What has been said by then stands as the answer."""
OWN_PASSAGES = 3
"""Sections of the best article that the model is shown first; the rest are the best of other articles."""
MAX_SENTENCES = 6
"""The prompt asks for four; a model that goes on is stopped."""
MAX_REFUSED = 4
"""A model that is refused this often in one answer is not listened to any longer."""


class Backend(enum.StrEnum):
    """Where an answer's words come from."""

    GENERATOR = "generator"
    QUOTES = "quotes"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the patient reads. ``abstained`` asks the dialogue to offer a person; ``citations`` are in text
    order.

    ``refused`` counts what the guard refused, by reason, and ``fault`` is the code of what kept the
    generator from answering: for metrics, without any text.
    """

    text: str
    citations: tuple[Citation, ...]
    abstained: bool
    backend: Backend
    refused: tuple[tuple[str, int], ...] = ()
    fault: str | None = None


class Streams(Protocol):
    """What is needed of a generator client."""

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = ..., temperature: float = ...
    ) -> AsyncGenerator[str]:
        """Yield pieces of text; raises :class:`GeneratorError`."""


@lru_cache(maxsize=1)
def default_wording() -> Wording:
    """The shipped sentences, read once."""
    return Wording()


@lru_cache(maxsize=1)
def default_guard() -> Guard:
    """The guard over the shipped word lists, read once."""
    return Guard.shipped()


async def answer(
    question: str,
    lang: str,
    *,
    retriever: Retriever,
    client: Streams | None = None,
    findings: Sequence[str] = (),
    level: str | None = None,
    facts: PatientFacts | None = None,
    on_partial: OnPartial | None = None,
    deadline: float = FIRST_SENTENCE_S,
    wording: Wording | None = None,
    guard: Guard | None = None,
) -> Answer:
    """Answer ``question`` in ``lang`` from the articles.

    ``level`` is the triage level of the turn: at ``emergency`` and ``urgent`` no generator is asked.
    ``deadline`` is in seconds from the call to the first checked sentence; without one by then the passages
    are quoted. Raises nothing of the generator's: every failure of it ends in quotes.
    """
    started = asyncio.get_running_loop().time()
    words = wording or default_wording()
    retrieval = await _retrieve(retriever, question, lang, findings)
    if not retrieval.covered:
        return Answer(words("unknown", lang), (), True, Backend.NONE)
    draft = _Draft(retrieval, lang, level, guard or default_guard(), words, on_partial)
    fault = None
    if client is not None and level not in HELP_LEVELS:
        fault = await _generate(draft, question, client, facts, started + deadline)
    if draft.sentences:
        return await draft.finish(_help_passage(retriever, retrieval, lang) if fault else None, fault)
    return await _quoted(draft, retriever, fault)


async def _retrieve(retriever: Retriever, question: str, lang: str, findings: Sequence[str]) -> Retrieval:
    if not retriever.uses_encoder:
        return retriever.retrieve(question, lang, findings=findings)
    return await asyncio.to_thread(retriever.retrieve, question, lang, findings=findings)


def _help_passage(retriever: Retriever, retrieval: Retrieval, lang: str) -> Passage:
    topic = retrieval.best[0].passage.article_id
    return next(p for p in retriever.passages(lang) if p.article_id == topic and p.section is Section.HELP)


@dataclass(slots=True)
class _Draft:
    """A generated answer while it grows: only checked sentences get in."""

    retrieval: Retrieval
    lang: str
    level: str | None
    guard: Guard
    wording: Wording
    on_partial: OnPartial | None
    sentences: list[str] = field(default_factory=list)
    cited: list[Passage] = field(default_factory=list)
    refused: Counter[Reason] = field(default_factory=Counter)

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages the model is shown, in the order of their numbers."""
        own = [s.passage for s in self.retrieval.best[:OWN_PASSAGES]]
        others = [s.passage for s in self.retrieval.passages if s.passage not in own]
        return tuple([*own, *others][:MAX_PASSAGES])

    @property
    def full(self) -> bool:
        """Whether the model is not listened to any longer."""
        return len(self.sentences) >= MAX_SENTENCES or sum(self.refused.values()) >= MAX_REFUSED

    async def add(self, sentence: str) -> None:
        """Check one sentence of the model; take it, or the passage's own words for it, or neither."""
        context = GuardContext(self.lang, self.passages, self.level)
        verdict = self.guard.check(sentence, context)
        if verdict.reason is not None:
            self.refused[verdict.reason] += 1
            verdict = self.guard.replacement(sentence, context, tuple(self.sentences))
        if verdict.allowed and verdict.passage is not None:
            await self._take(verdict.text, verdict.passage)

    async def _take(self, text: str, passage: Passage) -> None:
        if passage not in self.cited:
            self.cited.append(passage)
        marked = (
            f"{text}[{self.cited.index(passage) + 1}]"
            if self.lang == "zh"
            else (f"{text} [{self.cited.index(passage) + 1}]")
        )
        if marked in self.sentences:
            return  # a model that repeats itself
        self.sentences.append(marked)
        if self.on_partial:
            await self.on_partial(self._body())

    def _body(self) -> str:
        return ("" if self.lang == "zh" else " ").join(self.sentences)

    async def finish(self, help_passage: Passage | None, fault: str | None) -> Answer:
        """The whole answer; one that broke off gets the passage on getting help, and always the safety
        net."""
        blocks = [self._body()]
        if help_passage is not None and help_passage not in self.cited:
            self.cited.append(help_passage)
            blocks.append(self.wording("quote_intro", self.lang))
            blocks.append(
                self.wording(
                    "passage", self.lang, label=help_passage.label, text=help_passage.text, n=len(self.cited)
                )
            )
        blocks.append(safety_net(self.lang, self.level, self.wording))
        citations = tuple(map(cite, self.cited))
        return Answer("\n\n".join(blocks), citations, False, Backend.GENERATOR, self.refusals(), fault)

    def refusals(self) -> tuple[tuple[str, int], ...]:
        """What was refused, by reason."""
        return tuple(sorted((reason.value, n) for reason, n in self.refused.items()))


async def _generate(
    draft: _Draft, question: str, client: Streams, facts: PatientFacts | None, first_at: float
) -> str | None:
    """Fill ``draft`` from the generator. Returns the code of what went wrong, None when it ended by
    itself."""
    prompt = messages(question, draft.lang, draft.passages, facts=facts, level=draft.level)
    try:
        async with asyncio.timeout_at(first_at) as timer:
            await _listen(draft, client, prompt, timer, first_at + WHOLE_ANSWER_S)
    except TimeoutError:
        return "deadline"
    except GeneratorError as error:
        return error.code
    return None if draft.sentences else "refused_all"


async def _listen(
    draft: _Draft, client: Streams, prompt: Sequence[Message], timer: asyncio.Timeout, end_at: float
) -> None:
    sentences = SentenceStream()
    async with aclosing(client.stream(prompt)) as pieces:
        async for piece in pieces:
            for sentence in sentences.feed(piece):
                await draft.add(sentence)
                if draft.sentences:
                    timer.reschedule(end_at)
                if draft.full:
                    return
    for sentence in sentences.flush():
        if is_complete(sentence):  # one cut off by the token limit may have lost its "not"
            await draft.add(sentence)


async def _quoted(draft: _Draft, retriever: Retriever, fault: str | None) -> Answer:
    passages = select(draft.retrieval, retriever.passages(draft.lang))
    blocks = quote_blocks(passages, draft.lang, draft.level, draft.wording)
    if draft.on_partial:
        for n in range(1, len(blocks)):
            await draft.on_partial("\n\n".join(blocks[:n]))
            await asyncio.sleep(0)  # let the channel send each passage before the next one is added
    return Answer(
        "\n\n".join(blocks), tuple(map(cite, passages)), False, Backend.QUOTES, draft.refusals(), fault
    )
