"""``make bench-gpu``: the generator's speed on one GPU, beside its peers and the roofline, in one table.

Random weights of a real model's shape give that model's speed, so nothing is downloaded. Each request has a prompt of
PROMPT tokens, the first SHARED of them common to all (the system prompt), and makes NEW tokens. Measured through the
host that serves (:mod:`generation.host`); peers are the library's own continuous batching with its attention for
machines without flash kernels, and ``model.generate`` over a padded batch.

Needs PyTorch and transformers only. Without a GPU it runs a tiny model, to show that it works:
``python -m tests.bench.bench_gpu --shape tiny --concurrency 1,4``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import torch

PROMPT, SHARED, NEW = 1_000, 600, 128
BYTES_PER_S = {"H200": 4.3e12, "H100": 3.0e12}
"""Device memory, read plus written, measured by copying (design facts and the first lines of this table)."""
SHAPES: dict[str, dict[str, int]] = {
    "4b": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936},
    "8b": {"hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936},
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """One row: seconds to the first token (median), tokens a second while all decode, and over the whole run."""

    first_p50: float
    decode_rate: float
    whole_rate: float


def build(shape: str, device: str, dtype: torch.dtype) -> Any:
    """A Qwen3 of this shape with random weights."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            config = Qwen3Config(
                **SHAPES[shape], max_position_embeddings=8_192, tie_word_embeddings=shape == "4b",
                eos_token_id=2, pad_token_id=0, bos_token_id=None, attn_implementation="sdpa",
            )  # fmt: skip
            return Qwen3ForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(before)


def prompts(count: int, vocabulary: int, salt: int) -> list[list[int]]:
    """``count`` prompts that begin alike; the beginning is the same in every round, the rest is new."""
    common = torch.randint(3, vocabulary, (SHARED,), generator=torch.Generator().manual_seed(1)).tolist()
    rng = torch.Generator().manual_seed(1_000 + salt)
    return [
        common + torch.randint(3, vocabulary, (PROMPT - SHARED,), generator=rng).tolist()
        for _ in range(count)
    ]


def roofline(shape: str, batch: int, rate: float) -> float:
    """Tokens a second if a step only read every weight and the cache of every request once."""
    s = SHAPES[shape]
    q, kv = s["num_attention_heads"] * s["head_dim"], s["num_key_value_heads"] * s["head_dim"]
    layer = s["hidden_size"] * (2 * q + 2 * kv + 3 * s["intermediate_size"])
    weights = 2 * (layer * s["num_hidden_layers"] + s["hidden_size"] * s["vocab_size"])
    cache = 2 * 2 * s["num_hidden_layers"] * kv * (PROMPT + NEW // 2)
    return batch * rate / (weights + batch * cache)


async def served(host: Any, count: int, salt: int, top_k: int, temperature: float) -> Figures:
    """``count`` requests at once through the host."""
    texts = prompts(count, host.vocabulary, salt)
    began = time.perf_counter()
    stamps: list[list[float]] = [[] for _ in texts]

    async def one(number: int) -> None:
        made = 0
        stream = host.stream(texts[number], max_new=NEW, temperature=temperature, top_k=top_k, top_p=0.95)
        async with aclosing(stream) as tokens:
            async for new in tokens:
                made += len(new)
                stamps[number].append(time.perf_counter())
        assert made == NEW, made

    await asyncio.gather(*(one(i) for i in range(count)))
    firsts = [s[0] for s in stamps]
    low, high = max(firsts), min(s[-1] for s in stamps)
    inside = sum(low < t <= high for s in stamps for t in s)
    whole = count * NEW / (max(s[-1] for s in stamps) - began)
    return Figures(
        statistics.median(firsts) - began, inside / (high - low) if high > low else float("nan"), whole
    )


def host_figures(model: Any, counts: Sequence[int], *, fast: bool, sample: bool) -> dict[int, Figures]:
    """Every count through one host, twice; the second time counts."""
    from generation.host import Host, Limits

    cuda = model.device.type == "cuda"
    most = max(counts)
    pages = most * (-(-(PROMPT + NEW) // 32) + 1) + 64
    began = time.perf_counter()
    host = Host(
        model, [model.config.vocab_size + 7], 0, Limits(most, PROMPT + NEW + 32, pages), cuda=cuda, fast=fast
    )
    say(f"host ready in {time.perf_counter() - began:.1f} s (fast: {host.fast})")
    out = {}
    try:
        for count in counts:
            for turn in range(2):
                top_k, temperature = (50, 0.7) if sample else (1, 1.0)
                out[count] = asyncio.run(served(host, count, 10 * count + turn, top_k, temperature))
            say(f"{count}: {out[count]}")
    finally:
        host.stop()
    return out


@torch.no_grad()
def generate_figures(model: Any, counts: Sequence[int]) -> dict[int, Figures]:
    """``model.generate`` over a batch: all prompts in full, all tokens at the end."""
    out = {}
    for count in counts:
        ids = torch.tensor(prompts(count, model.config.vocab_size, count)).to(model.device)
        options: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        model.generate(ids, max_new_tokens=2, **options)
        began = time.perf_counter()
        model.generate(ids, max_new_tokens=1, **options)
        first = time.perf_counter() - began
        began = time.perf_counter()
        model.generate(ids, max_new_tokens=NEW, **options)
        whole = time.perf_counter() - began
        out[count] = Figures(first, count * (NEW - 1) / (whole - first), count * NEW / whole)
        say(f"{count}: {out[count]}")
    return out


@torch.no_grad()
def exactness(device: str) -> str:
    """Greedy output beside ``generate`` in float32, and logits beside it in the serving type."""
    from generation.host import Host, Limits

    model = build("tiny", device, torch.float32)
    texts = [torch.randint(3, 500, (n,)).tolist() for n in (5, 33, 90, 700, 64, 257)]
    wanted = [
        model.generate(torch.tensor([t]).to(device), max_new_tokens=24, do_sample=False, eos_token_id=None,
                       pad_token_id=0)[0, len(t):].tolist() for t in texts
    ]  # fmt: skip
    host = Host(model, [9_999], 0, Limits(8, 1_024, 400), cuda=device == "cuda")

    async def one(text: list[int]) -> list[int]:
        made: list[int] = []
        async with aclosing(host.stream(text, max_new=24, temperature=1.0, top_k=1, top_p=1.0)) as tokens:
            async for new in tokens:
                made += new
        return made

    async def everything() -> list[list[int]]:
        first = await asyncio.gather(*(one(t) for t in texts))
        again = await asyncio.gather(*(one(t) for t in texts))  # from the cached beginnings
        assert first == again, "the cache changed an answer"
        return first

    made = asyncio.run(everything())
    host.stop()
    equal = sum(a == b for a, b in zip(made, wanted, strict=True))
    return f"greedy output equal to generate: {equal} of {len(texts)} prompts (float32, fast: {host.fast})"


def say(line: str) -> None:
    """Progress."""
    print(f"   {line}", flush=True)


def fresh(shape: str, device: str) -> Any:
    """A new model with nothing of the last one left."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return build(shape, device, torch.bfloat16 if device == "cuda" else torch.float32)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_gpu")
    parser.add_argument("--shape", choices=SHAPES, default="4b" if cuda else "tiny")
    parser.add_argument("--concurrency", default="1,16,64,256" if cuda else "1,4")
    parser.add_argument("--peers", default="stock,generate")
    parser.add_argument("--sample", action="store_true", help="top-k and top-p sampling instead of greedy")
    arguments = parser.parse_args(argv)
    device = "cuda" if cuda else "cpu"
    counts = [int(n) for n in arguments.concurrency.split(",")]
    name = torch.cuda.get_device_name(0) if cuda else "CPU"
    rate = next((r for key, r in BYTES_PER_S.items() if key in name), float("nan"))
    print(
        f"{name}, torch {torch.__version__}, {arguments.shape}, prompt {PROMPT} (shared {SHARED}), new {NEW}",
        flush=True,
    )
    say(exactness(device))
    rows: dict[str, dict[int, Figures]] = {}
    say("careline")
    rows["careline"] = host_figures(
        fresh(arguments.shape, device), counts, fast=True, sample=arguments.sample
    )
    peers = [p for p in arguments.peers.split(",") if p]
    if "stock" in peers:
        say("stock continuous batching")
        rows["stock"] = host_figures(
            fresh(arguments.shape, device), counts, fast=False, sample=arguments.sample
        )
    if "generate" in peers:
        say("model.generate")
        rows["generate"] = generate_figures(fresh(arguments.shape, device), counts)
    print(
        f"\n{'':12}{'at once':>8}{'first token ms':>16}{'decode tok/s':>14}{'of roofline':>13}{'whole tok/s':>13}"
    )
    for label, figures in rows.items():
        for count, f in figures.items():
            part = f.decode_rate / roofline(arguments.shape, count, rate)
            rates = f"{f.decode_rate:>14,.0f}{part:>13.0%}{f.whole_rate:>13,.0f}"
            print(f"{label:12}{count:>8}{1000 * f.first_p50:>16.0f}{rates}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
