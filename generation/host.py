"""Continuous batching with transformers, made safe to share: one model, many requests, one bad one harms nobody.

Runs inside the worker process. Knows token ids, not text: no HTTP, no tokenizer, no patient. What kills the batch
for everybody (a temperature of 0, a top_k above the vocabulary, an empty or too long prompt, an id twice) is
refused before the library sees it; the limits were found by trying.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from generation import sampling

PAGE_TOKENS = 32
"""Cache page: small, so that short prompts waste little."""
CPU_CACHE_BYTES = 512 * 1024 * 1024
"""A CPU serves small models for demonstration; its cache stays modest."""
GPU_CACHE_SHARE = 0.6
"""Share of the free GPU memory for the cache; the rest is for activations and masks."""
CPU_BATCH_TOKENS = 512
GPU_BATCH_TOKENS = 2048
"""Prompt tokens computed at once: enough to keep a large GPU's matrix units busy, few enough that the first of many
waiting requests gets its first token before the last one's prompt is read."""
MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 5.0


class HostDown(RuntimeError):
    """The batching thread has died: only a new process helps."""


class BadIds(ValueError):
    """The prompt or the sampling values would harm the batch. ``str()`` names which, without content."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the host was built for. ``pages`` of :data:`PAGE_TOKENS` tokens are the whole cache."""

    max_live: int
    max_context: int
    pages: int


def plan(config: Any, *, max_live: int, max_context: int, element_bytes: int, free_bytes: int) -> Limits:
    """Size the cache: keys and values of ``layers × kv heads × head size`` per token, within ``free_bytes``."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token_bytes = 2 * config.num_hidden_layers * heads * size * element_bytes
    context = min(max_context, int(getattr(config, "max_position_embeddings", max_context)))
    wanted = max_live * -(-context // PAGE_TOKENS)
    pages = max(2, min(wanted, free_bytes // (token_bytes * PAGE_TOKENS)))
    return Limits(max_live, min(context, (pages - 1) * PAGE_TOKENS), pages)


def _speed_up(model: Any) -> bool:
    """Our attention kernels and fused steps, where the model's attention is of the plain kind."""
    from generation import fused, paged

    if not paged.suits(model):
        return False
    fused.fuse(model)
    paged.install(model)
    return True


class Host:
    """Streams token ids from one model for up to ``limits.max_live`` requests at once."""

    def __init__(
        self,
        model: Any,
        eos: Sequence[int],
        pad: int | None,
        limits: Limits,
        *,
        cuda: bool,
        fast: bool = True,
    ) -> None:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        config = GenerationConfig(
            do_sample=True,
            temperature=0.7,  # values other than the defaults create the per-request processors
            top_k=50,
            top_p=0.95,
            max_new_tokens=256,
            eos_token_id=list(eos),
            pad_token_id=pad,
        )
        page = (
            "page_size" if "page_size" in ContinuousBatchingConfig.__dataclass_fields__ else "block_size"
        )  # renamed between transformers 5.17 and 5.20
        self.fast = cuda and fast and _speed_up(model)
        batching = ContinuousBatchingConfig(
            **{page: PAGE_TOKENS},
            num_blocks=limits.pages,
            max_batch_tokens=GPU_BATCH_TOKENS if cuda else CPU_BATCH_TOKENS,
            max_requests_per_batch=limits.max_live,
            per_request_processors=True,
            # Decode steps repeat the same shapes: recorded once, replayed without the CPU, while the CPU prepares the
            # next one. Prompts differ in length every time, so recording them would cost more than it saves.
            use_cuda_graph=(False, self.fast),
            use_async_batching=self.fast,
            max_blocks_per_request=-(-limits.max_context // PAGE_TOKENS) if self.fast else 0,
        )
        self._manager = model.init_continuous_batching(
            generation_config=config, continuous_batching_config=batching
        )
        sampling.install(self._manager)
        self._manager.warmup()
        self._manager.start()
        self.vocabulary = int(model.config.vocab_size)
        self.eos = frozenset(eos)
        self.limits = limits
        self._made = 0

    @property
    def ready(self) -> bool:
        """Whether the batching thread lives."""
        status = self._manager.background_thread_status
        return bool(self._manager.is_running()) and status.fatal_error is None

    def stop(self) -> None:
        """End the batching thread without waiting for requests."""
        self._manager.stop(block=True, timeout=3, hard_stop=True)

    def check(self, ids: Sequence[int], max_new: int) -> None:
        """Raise :class:`BadIds` for a prompt that does not fit."""
        if not ids or min(ids) < 0 or max(ids) >= self.vocabulary:
            raise BadIds("prompt: empty or outside the vocabulary")
        if len(ids) + max_new > self.limits.max_context:
            raise BadIds("prompt: longer than the context with max_tokens")

    async def stream(
        self, ids: Sequence[int], *, max_new: int, temperature: float, top_k: int, top_p: float
    ) -> AsyncGenerator[list[int]]:
        """Yield new token ids as they come, the end-of-text id included. Leaving early cancels the request."""
        self.check(ids, max_new)
        top_k = min(top_k, self.vocabulary)
        if not (
            max_new >= 1
            and MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE
            and top_k >= 1
            and 0 < top_p <= 1
        ):
            raise BadIds("sampling: outside what the batch survives")
        if not self.ready:
            raise HostDown
        self._made += 1
        request, seen, done = f"r{self._made}", 0, False  # an id of a client's could be there twice
        results: asyncio.Queue[Any] = asyncio.Queue()
        self._manager.register_result_handler(request, results.put_nowait)  # before add_request
        try:
            accepted = self._manager.add_request(
                list(ids),
                request_id=request,
                streaming=True,
                max_new_tokens=max_new,
                temperature=float(temperature),
                top_k=int(top_k),
                top_p=float(top_p),
            )
            if accepted is None:  # the library's only sign that its thread is gone
                raise HostDown
            while not done:
                output = await results.get()
                done = output.is_finished()
                if output.error:
                    raise HostDown
                if len(output.generated_tokens) > seen:  # the list is cumulative
                    yield list(output.generated_tokens[seen:])
                    seen = len(output.generated_tokens)
        finally:
            if not done:
                self._manager.cancel_request(request)  # sends no last callback and leaves the handler behind
            self._manager.output_router.result_handlers.pop(request, None)
