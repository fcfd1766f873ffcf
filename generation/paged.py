"""Lets transformers' continuous batching use our attention kernels, through the doors it has for flash attention.

Two doors: an attention function under a name that holds "flash" and a version (then no mask over the whole cache is
built, CUDA graphs and the block table are allowed), and the pair of functions that the library would import for that
name. Everything that differs between transformers 5.17 and 5.20 stands here. CUDA only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from generation import kernels

NAME = "careline_flash2"
"""Read by the library as "flash attention, version 2"; the digits decide what it offers."""


@dataclass(slots=True)
class Layout:
    """Where one layer's keys and values lie, and whose they are.

    ``keys``, ``values`` (slots, G, D), ``page`` slots each; ``ends_q``, ``ends_k`` (S + 1) int32 summed lengths; no
    query run is longer than ``longest``. Decode: ``table`` (S, pages). Else ``write``: the slot of each new token,
    and ``read``: the slots of all keys, sequence after sequence (None: those just written).
    """

    keys: torch.Tensor
    values: torch.Tensor
    page: int
    ends_q: torch.Tensor
    ends_k: torch.Tensor
    longest: int
    table: torch.Tensor | None
    write: torch.Tensor | None
    read: torch.Tensor | None

    @classmethod
    def of(cls, layer: int, given: Mapping[str, Any]) -> Layout:
        """From what the library hands to a layer's attention."""
        cache = given["cache"]
        if hasattr(cache, "layer_to_allocator"):  # from 5.20
            allocator = cache.layer_to_allocator[layer]
            group = allocator.index
            keys, values = allocator.get_cache_for_block_table(layer)
            page = int(keys.shape[1])
        else:
            group, place = cache.layer_index_to_group_indices[layer]
            keys, values, page = cache.key_cache[place], cache.value_cache[place], cache.block_size
        shape = (-1, *keys.shape[-2:])
        ends_k = given["cu_seq_lens_k"]
        if isinstance(ends_k, dict):
            ends_k = ends_k["full_attention"]
        table = given.get("block_table")
        read = None if table is not None else given["read_index"][group]
        return cls(
            keys.view(shape), values.view(shape), page, given["cu_seq_lens_q"], ends_k,
            given["max_length_q"] if "max_length_q" in given else given["max_seqlen_q"],
            None if table is None else table[group],
            None if table is not None else given["write_index"][group],
            read if read is not None and read.numel() else None,
        )  # fmt: skip


def attend(q: torch.Tensor, layout: Layout, scale: float) -> torch.Tensor:
    """Attention of ``q`` (N, H, D) over what the cache holds, the new tokens included. Returns (N, H, D)."""
    if layout.table is not None:
        pages = (-1, layout.page, *layout.keys.shape[-2:])
        return kernels.decode(
            q, layout.keys.view(pages), layout.values.view(pages), layout.table, layout.ends_k, scale
        )
    index = layout.read if layout.read is not None else layout.write
    assert index is not None
    return kernels.varlen(
        q, layout.keys, layout.values, index, layout.ends_q, layout.ends_k, layout.longest, scale
    )


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """One layer over the batch, for layers that were not fused. ``query`` (1, H, N, D), ``key`` and ``value``
    (1, G, N, D); returns (1, N, H, D)."""
    layout = Layout.of(module.layer_idx, kwargs)
    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    if layout.table is not None:
        kernels.store(k, v, layout.keys, layout.values, layout.page, layout.table, layout.ends_k)
    else:
        layout.keys.index_copy_(0, layout.write, k)
        layout.values.index_copy_(0, layout.write, v)
    return attend(q, layout, float(kwargs.get("scaling") or module.scaling))[None], None


def suits(model: Any) -> bool:
    """Whether the model's attention is plain: no window, no soft cap, which the kernels do not know."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    caps = any(getattr(config, key, None) for key in ("attn_logit_softcapping", "final_logit_softcapping"))
    return kinds == {"full_attention"} and not caps and not getattr(config, "use_sliding_window", False)


def install(model: Any) -> None:
    """Make ``model`` use the kernels."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers import modeling_flash_attention_utils as doors
    from transformers.masking_utils import flash_attention_mask

    for name in (NAME, f"paged|{NAME}"):
        AttentionInterface.register(name, attention)
        AttentionMaskInterface.register(name, flash_attention_mask)
    # What the library would import for the name; it only asks whether the last is there.
    doors._loaded_implementation = f"paged|{NAME}"
    doors._flash_fn = doors._flash_varlen_fn = kernels.varlen
    doors._flash_with_kvcache_fn = kernels.decode
    doors._process_flash_kwargs_fn = None
    model.config.get_text_config()._attn_implementation = f"paged|{NAME}"
    model.config._attn_implementation = f"paged|{NAME}"
