"""``careline answer``: questions as JSON lines in, answers as JSON lines out, in the same order.

Knows the line format only; the answer itself is :func:`generation.answer.answer`. A malformed line gets an
error naming the field in its place, and the exit status is 1 at the end. Question text never appears in an
error.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from generation.answer import Answer, answer
from generation.client import GeneratorClient
from generation.encoder import MiniLmEncoder
from generation.passages import KNOWLEDGE_DIR, load_passages
from generation.retrieval import Retriever
from generation.tokens import language_of
from generation.vectors import VectorCache

MAX_QUESTION_CHARS = 20_000
"""The longest patient message that is read at all, as everywhere in the assistant."""
LANGUAGES = ("en", "zh")


class LineError(ValueError):
    """A line cannot be answered. The message names the field and what was expected, never the value."""


@dataclass(frozen=True, slots=True)
class AskedLine:
    """One question as it came in."""

    id: str | int
    question: str
    lang: str


def parse_line(line: str) -> AskedLine:
    """Read one JSON line. Raises :class:`LineError`."""
    record = _record(line)
    for key in record:
        if key not in {"id", "question", "lang"}:
            raise LineError(f"{key[:40]}: unknown field")
    question = record.get("question")
    if not isinstance(question, str) or not question.strip():
        raise LineError("question: expected a text that is not empty")
    if len(question) > MAX_QUESTION_CHARS:
        raise LineError(f"question: longer than {MAX_QUESTION_CHARS} characters")
    identity = record.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise LineError("id: expected a text or a whole number")
    lang = record.get("lang", language_of(question))
    if lang not in LANGUAGES:
        raise LineError(f"lang: expected one of {', '.join(LANGUAGES)}")
    return AskedLine(identity, question, lang)


def _record(line: str) -> Mapping[str, Any]:
    if any("\udc80" <= c <= "\udcff" for c in line):
        raise LineError("line: not UTF-8")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError("line: not JSON") from error
    if not isinstance(record, dict):
        raise LineError("line: expected a JSON object")
    return record


def _identity(line: str) -> str | int | None:
    """The id of a line that could not be read otherwise, so that its error can be matched to it."""
    try:
        identity = _record(line).get("id")
    except LineError:
        return None
    return identity if isinstance(identity, str | int) and not isinstance(identity, bool) else None


def as_record(identity: str | int, result: Answer) -> dict[str, Any]:
    """The output object of one answer."""
    return {
        "id": identity,
        "answer": result.text,
        "citations": [asdict(c) for c in result.citations],
        "abstained": result.abstained,
        "backend": result.backend.value,
    }


def run_answer(
    stdin: TextIO,
    stdout: TextIO,
    *,
    knowledge: Path = KNOWLEDGE_DIR,
    url: str | None = None,
    token: str | None = None,
    encoder: bool = False,
    cache: Path | None = None,
    shipped: Path | None = None,
) -> int:
    """Answer every line of ``stdin``. Without ``url`` no generator is asked; without ``encoder`` no torch is
    loaded; ``cache`` keeps the articles' vectors between runs, ``shipped`` has those that training made.

    Returns the exit status: 0, or 1 when any line was malformed.
    """
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # one bad line must not end the rest
    vectors = VectorCache(cache, shipped) if cache else None
    retriever = Retriever(load_passages(knowledge), MiniLmEncoder() if encoder else None, vectors)
    retriever.warm()
    return asyncio.run(_run(stdin, stdout, retriever, url, token))


async def _run(
    stdin: TextIO, stdout: TextIO, retriever: Retriever, url: str | None, token: str | None
) -> int:
    client = GeneratorClient(url, token) if url else None
    status = 0
    try:
        for line in stdin:
            if not line.strip():
                continue
            try:
                asked = parse_line(line)
            except LineError as error:
                status = 1
                record: dict[str, Any] = {"id": _identity(line), "error": str(error)}
            else:
                result = await answer(asked.question, asked.lang, retriever=retriever, client=client)
                record = as_record(asked.id, result)
            stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
            stdout.flush()
    finally:
        if client:
            await client.close()
    return status
