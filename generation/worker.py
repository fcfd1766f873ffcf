"""The child process that holds the model: JSON lines in on stdin, JSON lines out on stdout.

Started and watched by :mod:`generation.engine`; when it cannot go on it exits and is started anew. Knows tokenizer,
chat template and stop texts; no HTTP, no tokens of access. Writes nothing of any message anywhere but into its
answer.

In:  ``{"op":"generate","id",…}``, ``{"op":"cancel","id"}``, ``{"op":"ping"}``; end of input ends the process.
Out: ``ready``, ``text``, ``done``, ``error``, ``pong``, ``fatal`` events.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from generation.host import (
    CPU_CACHE_BYTES,
    GPU_CACHE_SHARE,
    BadIds,
    Host,
    HostDown,
    plan,
)
from generation.protocol import line

MAX_LINE_BYTES = 4 * 1024 * 1024
"""An escaped request of the largest body that the server accepts."""
WATCH_S = 0.25
"""How often the batching thread is looked at; the library does not tell when it dies."""
EXIT_HOST_DOWN = 3
EXIT_FATAL = 4


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What to load: a path or name of a causal chat model, and how much of it to serve."""

    model: str
    max_live: int = 32
    max_context: int = 4096
    threads: int | None = None


@dataclass(slots=True)
class TextStream:
    """Token ids to text, piece by piece: half characters and possible beginnings of a stop text are held back."""

    tokenizer: Any
    stop: Sequence[str]
    _ids: list[int] = field(default_factory=list)
    _prefix: int = 0
    _read: int = 0
    _held: str = ""
    stopped: bool = False

    def feed(self, ids: Sequence[int]) -> str:
        """The text that ``ids`` make certain. After a stop text has come, always empty."""
        if self.stopped:
            return ""
        self._ids += ids
        before = self._decode(self._prefix, self._read)
        now = self._decode(self._prefix, len(self._ids))
        if now.endswith("\ufffd") or len(now) <= len(before):
            return ""
        self._prefix, self._read = self._read, len(self._ids)
        return self._release(now[len(before) :])

    def flush(self) -> str:
        """What was held back, at the end."""
        if self.stopped:
            return ""
        rest = self._decode(self._prefix, len(self._ids))[len(self._decode(self._prefix, self._read)) :]
        out = self._release(rest.rstrip("\ufffd"))
        held, self._held = self._held, ""
        return out if self.stopped else out + held

    def _decode(self, begin: int, end: int) -> str:
        return str(self.tokenizer.decode(self._ids[begin:end], skip_special_tokens=True))

    def _release(self, piece: str) -> str:
        text = self._held + piece
        found = [i for i in (text.find(s) for s in self.stop) if i >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, s) for s in self.stop), default=0)
        self._held = text[len(text) - keep :] if keep else ""
        return text[: len(text) - keep] if keep else text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


class Worker:
    """Serves requests from one loaded model until its input ends or its batching thread dies."""

    def __init__(self, tokenizer: Any, host: Host, out: asyncio.StreamWriter) -> None:
        self._tokenizer = tokenizer
        self._host = host
        self._out = out
        self._running: dict[int, asyncio.Task[None]] = {}
        self._controls = sorted(
            {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True
        )

    def send(self, record: Mapping[str, Any]) -> None:
        """Write one event."""
        self._out.write(line(record))

    async def serve(self, source: asyncio.StreamReader) -> int:
        """Read and serve until the end. Returns the exit status."""
        watch = asyncio.create_task(self._watch())
        reading = asyncio.create_task(self._read(source))
        done, _ = await asyncio.wait({watch, reading}, return_when=asyncio.FIRST_COMPLETED)
        return EXIT_HOST_DOWN if watch in done else 0

    async def _watch(self) -> None:
        while self._host.ready:  # noqa: ASYNC110 - the library offers nothing to wait for
            await asyncio.sleep(WATCH_S)

    async def _read(self, source: asyncio.StreamReader) -> None:
        while raw := await source.readline():
            record = json.loads(raw)
            match record["op"]:
                case "generate":
                    number = record["id"]
                    task = asyncio.create_task(self._generate(record))
                    self._running[number] = task
                    task.add_done_callback(partial(self._forget, number))
                case "cancel":
                    task_or_none = self._running.get(record["id"])
                    if task_or_none:
                        task_or_none.cancel()
                case "ping":
                    self.send({"event": "pong"})

    def _forget(self, number: int, _: asyncio.Task[None]) -> None:
        self._running.pop(number, None)

    async def _generate(self, record: Mapping[str, Any]) -> None:
        number = record["id"]
        try:
            ids = self._prompt(record["messages"])
            await self._stream(number, ids, record)
        except BadIds as error:
            self.send({"event": "error", "id": number, "code": "too_long", "detail": str(error)})
        except HostDown:
            self.send({"event": "error", "id": number, "code": "engine_down", "detail": ""})

    def _prompt(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of the chat. Control tokens written out in a message are broken up: text cannot open a turn."""
        plain = [{"role": m["role"], "content": self._tame(m["content"])} for m in messages]
        try:
            text = self._tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's author and may raise anything
            raise BadIds("messages: refused by the model's chat template") from error
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [int(i) for i in ids]

    def _tame(self, content: str) -> str:
        for token in self._controls:
            if len(token) > 1 and token in content:
                content = content.replace(token, f"{token[0]} {token[1:]}")
        return content

    async def _stream(self, number: int, ids: list[int], record: Mapping[str, Any]) -> None:
        text, made, reason = TextStream(self._tokenizer, record["stop"]), 0, "length"
        tokens = self._host.stream(
            ids,
            max_new=record["max_tokens"],
            temperature=record["temperature"],
            top_k=record["top_k"],
            top_p=record["top_p"],
        )
        async with aclosing(tokens):
            async for new in tokens:
                made += len(new)
                if new[-1] in self._host.eos:
                    reason = "stop"
                piece = text.feed([i for i in new if i not in self._host.eos])
                if piece:
                    self.send({"event": "text", "id": number, "text": piece, "tokens": made})
                if text.stopped:
                    reason = "stop"
                    break
        rest = text.flush()
        if rest:
            self.send({"event": "text", "id": number, "text": rest, "tokens": made})
        self.send(
            {"event": "done", "id": number, "reason": reason, "prompt_tokens": len(ids), "tokens": made}
        )


def load(spec: WorkerSpec) -> tuple[Any, Host]:
    """Load tokenizer and model, on the GPU in bfloat16 where there is one, else on the CPU in float32. Minutes for a
    large model. Weights come from safetensors only and no code of a repository runs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if spec.threads:
        torch.set_num_threads(spec.threads)
    cuda = torch.cuda.is_available()
    local = Path(spec.model).is_dir()
    tokenizer = AutoTokenizer.from_pretrained(spec.model, local_files_only=local)
    if not tokenizer.chat_template:
        raise ValueError("the model has no chat template")
    model = AutoModelForCausalLM.from_pretrained(
        spec.model,
        dtype=torch.bfloat16 if cuda else torch.float32,
        attn_implementation="sdpa",
        local_files_only=local,
        use_safetensors=True,
    ).eval()
    model = model.to("cuda") if cuda else model
    free = int(torch.cuda.mem_get_info()[0] * GPU_CACHE_SHARE) if cuda else CPU_CACHE_BYTES
    limits = plan(
        model.config,
        max_live=spec.max_live,
        max_context=spec.max_context,
        element_bytes=2 if cuda else 4,
        free_bytes=free,
    )
    return tokenizer, Host(model, _eos(model, tokenizer), tokenizer.pad_token_id, limits, cuda=cuda)


def _eos(model: Any, tokenizer: Any) -> list[int]:
    named = model.generation_config.eos_token_id
    found = [named] if isinstance(named, int) else list(named or ())
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in found:
        found.append(tokenizer.eos_token_id)
    if not found:
        raise ValueError("the model names no end-of-text token")
    return found


async def warm_up(tokenizer: Any, host: Host) -> None:
    """Generate a few tokens, so that the first patient does not wait for lazy initialisation."""
    ids = tokenizer("ok", add_special_tokens=False)["input_ids"]
    async with aclosing(host.stream(ids, max_new=2, temperature=1.0, top_k=1, top_p=1.0)) as tokens:
        async for _ in tokens:
            pass


async def run(spec: WorkerSpec, commands: TextIO, events: TextIO) -> int:
    """Load, say ``ready``, serve. A model that cannot be loaded says ``fatal`` with the reason and ends."""
    loop = asyncio.get_running_loop()
    source = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(source), commands)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, events)
    out = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        tokenizer, host = await asyncio.to_thread(load, spec)
        await warm_up(tokenizer, host)
    except Exception as error:  # noqa: BLE001 - whatever a model's files do wrong has to reach the operator
        # No patient's text is in this process yet: the message is about files and devices.
        out.write(line({"event": "fatal", "detail": f"{type(error).__name__}: {error}"[:500]}))
        await out.drain()
        return EXIT_FATAL
    worker = Worker(tokenizer, host, out)
    worker.send({"event": "ready", "max_context": host.limits.max_context, "max_live": host.limits.max_live})
    return await worker.serve(source)


def main(argv: Sequence[str]) -> None:
    """Entry point: one argument, the :class:`WorkerSpec` as JSON."""
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not end up between the events
    status = asyncio.run(_main(WorkerSpec(**json.loads(argv[0])), events))
    os._exit(status)  # the batching thread would keep the interpreter alive


async def _main(spec: WorkerSpec, events: TextIO) -> int:
    return await run(spec, sys.stdin, events)


if __name__ == "__main__":
    main(sys.argv[1:])
