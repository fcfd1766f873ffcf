"""``careline triage`` (JSON lines in, JSON lines out) and ``careline rules check``.

One line per message, same order. A malformed line gets ``{"id", "error"}`` that names the field, and the exit
status is 1 at the end; nothing else is lost. Imports neither Rasa nor a numeric library.
"""

from __future__ import annotations

import io
import itertools
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bot.triage.assess import Assessment
from bot.triage.case import Case
from bot.triage.engine import TriageEngine, default_engine
from bot.triage.explain import explain_text
from bot.triage.ruleschecks import check_rules
from bot.triage.suspicion import SecondReader
from nlu.findings import ContextTurn, Profile

FIELDS = ("id", "text", "lang", "age", "sex", "pregnant", "context")
ROLES = ("assistant", "user")
MAX_AGE = 130
FEW = 100
"""Lines up to which children are not worth their start."""
PIECE, MOST_CHILDREN = 16, 8
"""Lines that a child takes at once; more children than that only wait for the reader."""
BATCH = 64
"""Lines that the second reader reads together; without it every line is answered at once."""
TURN_SECONDS = 60.0
"""Turns of a given context carry no time; they are taken to be a minute apart."""


class FieldError(ValueError):
    """A member of a request is wrong; the message names it and never repeats its content."""


def run_triage(
    stdin: TextIO,
    stdout: TextIO,
    explain: bool = False,
    cache_dir: Path | None = None,
    second: SecondReader | None = None,
) -> int:
    """Answer every line of ``stdin`` on ``stdout``; 0, or 1 where some line was malformed.

    With a ``second`` reader every assessment goes through it too; it can only raise.
    """
    engine = default_engine(cache_dir)
    if second is None and not explain and _at_length(stdin):
        return _spread(engine, _lines(stdin), stdout)
    status = 0
    waiting: list[_Line] = []
    for number, line in enumerate(_lines(stdin), 1):
        if not line.strip():
            continue
        read = _read(engine, line, number)
        status = max(status, int(read.error is not None))
        waiting.append(read)
        if second is None or len(waiting) == BATCH:
            _say(stdout, waiting, second, explain)
            waiting = []
    _say(stdout, waiting, second, explain)
    stdout.flush()
    return status


def _at_length(stdin: TextIO) -> bool:
    """Whether the lines may be read ahead: they come from a file or a pipe, and there is more than one processor."""
    try:
        return not stdin.isatty() and stdin.fileno() >= 0 and _processors() > 1
    except (OSError, ValueError):  # not a real stream
        return False


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _spread(engine: TriageEngine, lines: Iterable[str], stdout: TextIO) -> int:
    """:func:`run_triage` on every processor: children of this process, which share the lexicon, in the same order."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = list(itertools.islice(numbered, FEW))
    if len(first) < FEW:
        done = [_answered(engine, *item) for item in first]
        for text, _ in done:
            _put(stdout, text)
        stdout.flush()
        return int(any(bad for _, bad in done))
    global _shared
    _shared, status = engine, 0
    stdout.flush()  # what is buffered would be written by every child
    with multiprocessing.get_context("fork").Pool(min(_processors(), MOST_CHILDREN)) as pool:
        for text, bad in pool.imap(_by_child, itertools.chain(first, numbered), chunksize=PIECE):
            _put(stdout, text)
            status = max(status, int(bad))
    stdout.flush()
    return status


_shared: TriageEngine | None = None
"""The engine that a child has from its parent."""


def _by_child(item: tuple[int, str]) -> tuple[str, bool]:
    assert _shared is not None
    return _answered(_shared, *item)


def _answered(engine: TriageEngine, number: int, line: str) -> tuple[str, bool]:
    """The line of the answer, and whether it tells an error."""
    read, out = _read(engine, line, number), io.StringIO()
    _say(out, [read], None, False)
    return out.getvalue(), read.error is not None


@dataclass(frozen=True, slots=True)
class _Line:
    """One line, read: an assessment with its text, or the error that is said in its place."""

    ident: Any
    text: str = ""
    assessment: Assessment | None = None
    error: str | None = None


def _read(engine: TriageEngine, line: str, number: int) -> _Line:
    request: Any = None
    try:
        request = _parse(line, number)
        assessment, text = answer(engine, request)
    except FieldError as error:
        ident = request.get("id") if isinstance(request, dict) else _rescue_id(line)
        return _Line(ident, error=str(error))
    return _Line(request["id"], text, assessment)


def _say(stdout: TextIO, lines: Sequence[_Line], second: SecondReader | None, explain: bool) -> None:
    found = [(line.text, line.assessment) for line in lines if line.assessment is not None]
    assessments = [assessment for _, assessment in found]
    if second is not None and found:
        assessments = second.read([text for text, _ in found], assessments)
    rest = iter(assessments)
    for line in lines:
        if line.assessment is None:
            _write(stdout, {"id": line.ident, "error": line.error})
            continue
        assessment = next(rest)
        if explain:
            stdout.write(explain_text(assessment, line.text, _colour(stdout)) + "\n")
        else:
            _write(stdout, to_line(line.ident, assessment, second))


def answer(engine: TriageEngine, request: Mapping[str, Any]) -> tuple[Assessment, str]:
    """Assess one request: user turns of its context feed the case, the last assistant turn is the question."""
    fields = _checked(request)
    case = Case()
    context: Sequence[ContextTurn] = fields["context"]
    profile: Profile = fields["profile"]
    for i, turn in enumerate(context):
        if turn.role == "user":
            extraction = engine.extract(turn.text, fields["lang"], context[:i])
            case = engine.merge(case, extraction, i * TURN_SECONDS)
    at = len(context) * TURN_SECONDS
    _, assessment = engine.turn(case, fields["text"], at, fields["lang"], context, profile=profile)
    return assessment, fields["text"]


def to_line(ident: Any, assessment: Assessment, second: SecondReader | None = None) -> dict[str, Any]:
    """The answer in the form that others test against; with a second reader also what it made of the message,
    and beside the ruleset the hash of model and rules that judged (``semantic``)."""
    suspected = assessment.suspected
    return {
        "id": ident,
        "level": assessment.level.code,
        "rules": [
            {"id": h.id, "level": h.level.code, "source": h.source, "spans": [list(s) for s in h.spans]}
            for h in assessment.hits
            if h.new
        ],
        "findings": [
            {
                "id": f.id,
                "status": f.status.value,
                "subject": f.subject.value,
                "time": f.time.value,
                "span": list(f.span),
                **({} if f.value is None else {"value": f.value, "unit": f.unit}),
            }
            for f in assessment.findings
        ],
        "ruleset": assessment.ruleset,
        **({} if suspected is None else {"suspected": suspected.to_json()}),
        **({} if second is None else {"semantic": second.digest}),
    }


def run_rules_check(stdout: TextIO, tests_dir: Path | None = None) -> int:
    """Print what is wrong with rules, vocabulary and lexicon; 0 where nothing is."""
    faults = check_rules(tests_dir)
    for fault in faults:
        stdout.write(f"{fault}\n")
    stdout.write(f"{len(faults)} faults\n" if faults else "rules: all well\n")
    return 1 if faults else 0


def _lines(stdin: TextIO) -> Iterable[str]:
    """Lines, read as UTF-8 with undecodable bytes replaced where the stream lets us."""
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        yield from stdin
        return
    for raw in buffer:
        yield raw.decode("utf-8", "replace")


def _parse(line: str, number: int) -> dict[str, Any]:
    try:
        request = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        raise FieldError(f"line {number}: not valid JSON") from None
    if not isinstance(request, dict):
        raise FieldError(f"line {number}: expected a JSON object")
    return request


def _rescue_id(line: str) -> Any:
    """The id of a line that is JSON but no object: none."""
    return None


def _checked(request: Mapping[str, Any]) -> dict[str, Any]:
    for key in request:
        if key not in FIELDS:
            raise FieldError(f"{key[:40]!r}: unknown field; allowed: {', '.join(FIELDS)}")
    if "id" not in request:
        raise FieldError("id: is missing")
    if isinstance(request["id"], dict | list):
        raise FieldError("id: expected text or a number")
    if "text" not in request:
        raise FieldError("text: is missing")
    if not isinstance(request["text"], str):
        raise FieldError("text: expected text")
    lang = request.get("lang")
    if lang is not None and not isinstance(lang, str):
        raise FieldError("lang: expected a language code")
    return {
        "text": request["text"],
        "lang": None if lang is None else lang.split("-")[0].lower(),
        "profile": _profile(request),
        "context": _context(request.get("context")),
    }


def _profile(request: Mapping[str, Any]) -> Profile:
    age, sex, pregnant = (request.get(k) for k in ("age", "sex", "pregnant"))
    if age is not None and (
        isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age <= MAX_AGE
    ):
        raise FieldError(f"age: expected years between 0 and {MAX_AGE}")
    if sex is not None:
        if not isinstance(sex, str):
            raise FieldError("sex: expected female, male or other")
        sex = {"f": "female", "m": "male", "女": "female", "男": "male"}.get(sex.lower(), sex.lower())
        if sex not in ("female", "male", "other", "unknown"):
            raise FieldError("sex: expected female, male or other")
    if pregnant is not None and not isinstance(pregnant, bool):
        raise FieldError("pregnant: expected true or false")
    return Profile(age_years=None if age is None else float(age), sex=sex if sex in ("female", "male") else None,
                   pregnant=pregnant)  # fmt: skip


def _context(value: Any) -> tuple[ContextTurn, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise FieldError("context: expected a list of turns")
    turns = []
    for i, turn in enumerate(value):
        if not isinstance(turn, dict):
            raise FieldError(f"context[{i}]: expected an object")
        if turn.get("role") not in ROLES:
            raise FieldError(f"context[{i}].role: expected assistant or user")
        if not isinstance(turn.get("text"), str):
            raise FieldError(f"context[{i}].text: expected text")
        turns.append(ContextTurn(turn["role"], turn["text"]))
    return tuple(turns)


def _write(stdout: TextIO, data: Mapping[str, Any]) -> None:
    _put(stdout, json.dumps(data, ensure_ascii=False) + "\n")


def _put(stdout: TextIO, line: str) -> None:
    try:
        stdout.write(line)
    except UnicodeEncodeError:
        stdout.write(json.dumps(json.loads(line)) + "\n")


def _colour(stdout: TextIO) -> bool:
    return bool(getattr(stdout, "isatty", lambda: False)())


def main(argv: Sequence[str]) -> int:
    """``python -m bot.triage [--json] [--plain] [TEXT …]``: with texts an explanation of each for a person."""
    options = [a for a in argv if a in ("--json", "--plain", "--check", "--explain")]
    texts = [a for a in argv if a not in options]
    if "--check" in options:
        return run_rules_check(sys.stdout)
    if not texts:
        return run_triage(sys.stdin, sys.stdout, explain="--explain" in options)
    engine = default_engine()
    for n, text in enumerate(texts):
        assessment, _ = answer(engine, {"id": n, "text": text})
        if "--json" in options:
            _write(sys.stdout, to_line(n, assessment))
        else:
            sys.stdout.write(explain_text(assessment, text, "--plain" not in options) + "\n")
    return 0
