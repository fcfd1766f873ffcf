"""The next token is drawn from the library's candidates with the library's chances, without sorting the vocabulary."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    Qwen3Config,
    Qwen3ForCausalLM,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.continuous_batching import cb_logits_processors as library

from generation.host import Host, Limits
from generation.sampling import MAX_TOP_K, top_k, top_p


@pytest.mark.parametrize("vocabulary", [90, 1_000])
def test_the_candidates_are_the_librarys(vocabulary: int) -> None:
    torch.manual_seed(1)
    scores = 3 * torch.randn(40, vocabulary)
    ks = torch.randint(1, min(MAX_TOP_K, vocabulary), (40,), dtype=torch.int32)
    ps = torch.rand(40)
    masked = library.ContinuousBatchingTopKLogitsWarper(TopKLogitsWarper(5))(scores, ks)
    masked = library.ContinuousBatchingTopPLogitsWarper(TopPLogitsWarper(0.5))(masked, ps.view(torch.int32))
    best, ids = top_k(scores, ks)
    best = top_p(best, ps)
    ours = torch.full_like(scores, float("-inf")).scatter(1, ids, best)
    assert torch.allclose(ours.softmax(-1), masked.softmax(-1), atol=1e-6)


def test_equal_scores_and_extreme_values_keep_a_candidate() -> None:
    best, _ = top_k(torch.zeros(2, 300), torch.tensor([1, 128]))
    assert torch.isfinite(top_p(best, torch.tensor([1e-6, 1.0]))).any(-1).all()


async def first_tokens(host: Host, count: int, asked: int) -> list[int]:
    out = []
    for _ in range(count):
        stream = host.stream([5, 6, 7], max_new=1, temperature=1.0, top_k=asked, top_p=1.0)
        async with aclosing(stream) as tokens:
            async for new in tokens:
                out += new
    return out


def test_requests_are_drawn_from_their_own_candidates() -> None:
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                    num_attention_heads=2, num_key_value_heads=1, head_dim=16, attn_implementation="sdpa")
    ).eval()  # fmt: skip
    with torch.no_grad():
        likely = model(torch.tensor([[5, 6, 7]])).logits[0, -1].topk(4).indices.tolist()
    host = Host(model, [99], 0, Limits(4, 64, 16), cuda=False)
    try:
        drawn = asyncio.run(first_tokens(host, 60, 4))
        assert set(drawn) <= set(likely) and len(set(drawn)) >= 3
        assert set(asyncio.run(first_tokens(host, 5, 1))) == {likely[0]}
        assert not host.fast
    finally:
        host.stop()


def test_other_processors_than_ours_are_not_taken_over_silently() -> None:
    from generation.sampling import install

    class Manager:
        logit_processor = library.ContinuousBatchingLogitsProcessorList(LogitsProcessorList())

    with pytest.raises(RuntimeError, match="other logits processors"):
        install(Manager())
