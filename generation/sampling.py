"""Draws the next token for many requests at once, without sorting the vocabulary.

The library sorts the whole vocabulary twice a step and draws from all of it (152,000 numbers a request), which takes
a tenth of a step and more. No request may ask for more than :data:`MAX_TOP_K` candidates, so only those are looked
at. The same candidates with the same chances as the library's, which the tests compare. Knows logits; no text.
"""

from __future__ import annotations

from typing import Any

MAX_TOP_K = 128
"""Most candidates a request may sample from; the protocol refuses more."""


def top_k(scores: Any, asked: Any) -> tuple[Any, Any]:
    """The best of each row of ``scores`` (B, V), falling, and their token ids, (B, MAX_TOP_K) each; those beyond the
    row's ``asked`` (B,) have minus infinity, but for equals of the last."""
    best, ids = scores.topk(min(MAX_TOP_K, scores.size(-1)), dim=-1)
    least = best.gather(-1, (asked.long() - 1).clamp(0, best.size(-1) - 1).unsqueeze(-1))
    return best.masked_fill(best < least, float("-inf")), ids


def top_p(best: Any, asked: Any) -> Any:
    """``best`` (B, K), falling, with the tail beyond ``asked`` (B,) of the probability set to minus infinity. The
    likeliest always stays."""
    share = best.softmax(-1)
    dropped = share.cumsum(-1) - share >= asked.unsqueeze(-1)
    dropped[:, 0] = False
    return best.masked_fill(dropped, float("-inf"))


def install(manager: Any) -> None:
    """Put them in the place of the library's, in a manager of continuous batching whose requests all name a
    temperature, a top_k and a top_p. Call before its warm-up."""
    import torch
    from transformers.generation.continuous_batching import cb_logits_processors as library

    class TopK(library.ContinuousBatchingTopKLogitsWarper):  # type: ignore[misc]
        best: Any = None
        ids: Any = None

        def __init__(self, other: Any) -> None:
            self.__dict__.update(other.__dict__)

        def __call__(self, scores: Any, tensor_arg: Any) -> Any:
            self.best, self.ids = top_k(scores, tensor_arg[: scores.size(0)])
            return scores

    class TopP(library.ContinuousBatchingTopPLogitsWarper):  # type: ignore[misc]
        def __init__(self, other: Any, before: TopK) -> None:
            self.__dict__.update(other.__dict__)
            self.before = before

        def __call__(self, scores: Any, tensor_arg: Any) -> Any:
            asked = tensor_arg[: scores.size(0)].view(dtype=torch.float32)
            self.before.best = top_p(self.before.best, asked)
            return scores

    kinds = (
        library.ContinuousBatchingTemperatureLogitsWarper,
        library.ContinuousBatchingTopKLogitsWarper,
        library.ContinuousBatchingTopPLogitsWarper,
    )
    chain = manager.logit_processor.logits_processor
    if [type(p) for p in chain] != list(kinds):
        raise RuntimeError("continuous batching: other logits processors than temperature, top-k and top-p")
    first = chain[1] = TopK(chain[1])
    chain[2] = TopP(chain[2], first)

    def sample(scores: Any, output_ids: Any) -> None:
        drawn = torch.multinomial(first.best.softmax(-1), num_samples=1)
        chosen = first.ids.gather(-1, drawn).squeeze(-1)
        output_ids[0, : chosen.size(0)].copy_(chosen)

    make = manager._create_batch_processor

    def make_and_replace() -> Any:
        processor = make()
        processor.model_runner._sample = sample
        return processor

    manager._create_batch_processor = make_and_replace
