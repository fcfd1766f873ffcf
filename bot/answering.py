"""Free questions to cited answers: joins retrieval, the generator's client and the guard for the dialogue.

The articles and the index are read at start; the sentence encoder is loaded in the background, and until it is
there retrieval is lexical. It knows nothing of conversations.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from bot.dialogue.services import Findings
from bot.generator_child import Generator
from bot.messages import Citation
from generation.answer import Answer, answer
from generation.client import GeneratorClient
from generation.encoder import Encoder
from generation.passages import load_passages
from generation.prompt import PatientFacts
from generation.retrieval import Retriever
from generation.vectors import VectorCache

log = logging.getLogger("careline.answers")

OnPartial = Callable[[str], Awaitable[None]]


class CitedAnswer:
    """A :class:`bot.dialogue.services.Answered`: the generation room's answer with our citation type."""

    def __init__(self, answer: Answer) -> None:
        self.text = answer.text
        self.citations: Sequence[Citation] = tuple(
            Citation(c.id, c.title, c.url, c.quote) for c in answer.citations
        )
        self.abstained = answer.abstained
        self.backend = answer.backend.value


class CitedAnswers:
    """Callable as the dialogue's answerer; owns the index, the client and the generator process."""

    def __init__(
        self,
        own_articles: Path,
        generator: Generator | None,
        *,
        encoder: Encoder | None,
        vectors: Path | None = None,
        shipped: Path | None = None,
    ) -> None:
        self._own_articles, self._generator, self._encoder = own_articles, generator, encoder
        self._vectors = VectorCache(vectors, shipped) if vectors else None
        self._retriever: Retriever | None = None
        self._client: GeneratorClient | None = None
        self._warming: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the articles, start the generator where one is configured, load the encoder behind."""
        passages = load_passages()
        if self._own_articles.is_dir():
            passages = (*passages, *load_passages(self._own_articles))
        self._retriever = await asyncio.to_thread(Retriever, passages, self._encoder, self._vectors)
        if self._generator is not None:
            if self._generator.child is not None:
                self._generator.child.start()
            self._client = GeneratorClient(
                self._generator.url, self._generator.token, model=self._generator.model
            )
        if self._encoder is not None:
            self._warming = asyncio.create_task(self._warm(self._retriever), name="encoder")

    async def close(self) -> None:
        """End the generator process and the client."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        if self._client is not None:
            await self._client.close()
        if self._generator is not None and self._generator.child is not None:
            await self._generator.child.close()

    async def __call__(
        self,
        question: str,
        lang: str,
        findings: Findings = (),
        level: str = "none",
        facts: Mapping[str, str] | None = None,
        on_partial: OnPartial | None = None,
    ) -> CitedAnswer:
        """A cited answer, an honest quote, or an honest "I don't know"."""
        if self._retriever is None:
            raise RuntimeError("start() has not been called")
        found = await answer(
            question,
            lang,
            retriever=self._retriever,
            client=self._client,
            findings=[str(f["id"]) for f in findings],
            level=level,
            facts=patient_facts(findings),
            on_partial=on_partial,
        )
        if found.fault:
            log.warning("generator fault: %s", found.fault)
        return CitedAnswer(found)

    async def _warm(self, retriever: Retriever) -> None:
        """Load the encoder and encode the articles beside the lexical index, which answers until then."""
        try:
            await asyncio.to_thread(retriever.warm)
        except (OSError, ImportError, RuntimeError) as error:
            log.warning("the sentence encoder cannot be loaded: %s", type(error).__name__)


def patient_facts(findings: Findings) -> PatientFacts:
    """What the generator may know: conditions and medicines as ids, never a name or a free text."""
    present = [f for f in findings if f.get("status") == "present"]
    return PatientFacts(
        conditions=tuple(str(f["id"]) for f in present if f.get("kind") in ("condition", "risk")),
        medicines=tuple(str(f["id"]) for f in present if f.get("kind") == "medicine"),
        allergies=(),
    )
