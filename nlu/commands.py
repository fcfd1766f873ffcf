"""``careline parse``: JSON lines of messages to intents, confidences and findings, without starting Rasa.

It reads the classifier out of the verified model archive, so that it answers exactly as the dialogue would.
A malformed line gets ``{"id", "error"}`` in its place and exit status 1 at the end; nothing else is lost.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from bot.dialogue.model import ModelRefused, read_manifest, verify_model
from nlu.classifier import IntentModel, Ranked
from nlu.findings import ContextTurn, Extraction, Finding, default_extractor
from nlu.routing import FALLBACK, THRESHOLD, route, wordless

FIELDS = ("id", "text", "lang", "context")
ROLES = ("assistant", "user")
RANKING = 5
MODEL_FILES = ("intents.json", "intents.npz")
DIGITS = 4
OUT_OF_SCOPE = "out_of_scope"


class LineError(ValueError):
    """A line is malformed; the message names the field and never repeats its content."""


def load_intents(directory: Path) -> IntentModel:
    """The classifier inside the archive that the manifest of a model folder names. Raises ModelRefused."""
    manifest = read_manifest(directory)
    archive = directory / (manifest.archive if manifest else "dialogue.tar.gz")
    verify_model(archive)
    with tempfile.TemporaryDirectory(prefix="careline-parse-") as folder, tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            source = tar.extractfile(member) if name in MODEL_FILES and member.isfile() else None
            if source is not None:
                (Path(folder) / name).write_bytes(source.read())
        return IntentModel.load(Path(folder))


def run_parse(stdin: TextIO, stdout: TextIO, model_path: Path) -> int:
    """Answer every line; 0, 1 where a line was malformed, 2 where there is no model (said on ``stdout``)."""
    try:
        model = load_intents(model_path)
    except ModelRefused as error:
        _write(stdout, {"id": None, "error": f"model: {error}"})
        return 2
    status = 0
    for line in _lines(stdin):
        if not line.strip():
            continue
        request: Any = None
        try:
            request = _request(line)
            _write(stdout, parse(model, request))
        except LineError as error:
            status = 1
            ident = request.get("id") if isinstance(request, dict) else None
            _write(stdout, {"id": ident, "error": str(error)})
    stdout.flush()
    return status


def parse(model: IntentModel, request: Mapping[str, Any]) -> dict[str, Any]:
    """One message to its line of output. Raises LineError."""
    text, lang, context = _checked(request)
    extraction: Extraction = default_extractor().extract(text, lang, context)
    findings = [f.to_json() for f in extraction.findings]
    ranking = (
        route(model.rank([text])[0], findings, THRESHOLD, model.known_share(text))
        if not wordless(text)
        else route([], findings, THRESHOLD)
    )
    wanted = ranking[0].intent.split("+")
    rows = [
        {"intent": r.intent, "confidence": round(r.confidence, DIGITS)} for r in _named(ranking)[:RANKING]
    ]
    return {
        "id": request["id"],
        **rows[0],
        "ranking": rows,
        "entities": [_entity(f) for f in extraction.findings if f.value is not None],
        "findings": findings,
        **({"also": wanted[:-1]} if len(wanted) > 1 else {}),
    }


def _named(ranking: Sequence[Ranked]) -> list[Ranked]:
    """The ranking in the issued names alone: a fallback is out of scope; of a double wish the booking leads."""
    names = [OUT_OF_SCOPE if r.intent == FALLBACK else r.intent.split("+")[-1] for r in ranking]
    first = {name: r.confidence for name, r in reversed(list(zip(names, ranking, strict=True)))}
    return [Ranked(name, first[name]) for name in dict.fromkeys(names)]


def _entity(finding: Finding) -> dict[str, Any]:
    return {
        "entity": finding.id,
        "value": finding.value,
        "unit": finding.unit,
        "start": finding.span[0],
        "end": finding.span[1],
    }


def _request(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        raise LineError("line: not valid JSON") from None
    if not isinstance(request, dict):
        raise LineError("line: expected a JSON object")
    return request


def _checked(request: Mapping[str, Any]) -> tuple[str, str | None, tuple[ContextTurn, ...]]:
    for key in request:
        if key not in FIELDS:
            raise LineError(f"{key[:40]!r}: unknown field; allowed: {', '.join(FIELDS)}")
    if "id" not in request:
        raise LineError("id: is missing")
    if isinstance(request["id"], dict | list):
        raise LineError("id: expected text or a number")
    if not isinstance(request.get("text"), str):
        raise LineError("text: expected text" if "text" in request else "text: is missing")
    lang = request.get("lang")
    if lang is not None and not isinstance(lang, str):
        raise LineError("lang: expected a language code")
    return request["text"], lang.split("-")[0].lower() if lang else None, _context(request.get("context"))


def _context(context: Any) -> tuple[ContextTurn, ...]:
    if context is None:
        return ()
    if not isinstance(context, list):
        raise LineError("context: expected a list of turns")
    turns = []
    for i, turn in enumerate(context):
        known = isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("text"), str)
        if not known:
            raise LineError(f"context[{i}]: expected role (assistant or user) and text")
        turns.append(ContextTurn(turn["role"], turn["text"]))
    return tuple(turns)


def _lines(stdin: TextIO) -> Iterable[str]:
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        yield from stdin
        return
    for raw in buffer:
        yield raw.decode("utf-8", "replace")


def _write(stdout: TextIO, row: Mapping[str, Any]) -> None:
    stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
