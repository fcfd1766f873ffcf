"""Attention over a paged cache, for NVIDIA GPUs: the cache is read where it lies, never copied together first.

Written in Triton, which comes with PyTorch's CUDA builds, so nothing has to be compiled at install. Knows tensors;
no model, no request, no text. Import it only where there is a CUDA device: elsewhere Triton is not installed.

Shapes: ``H`` query heads, ``G`` key/value heads, ``D`` head size, ``S`` sequences, ``N`` query tokens of all
sequences one after the other, ``P`` tokens a page.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl

DECODE_BLOCK = 64
"""Keys read at once by one program of the decode kernel."""
MIN_ROWS = 16
"""The matrix unit wants at least so many rows; fewer heads in a group are padded."""
FILL_PROGRAMS = 4 * 132
"""Programs that keep every multiprocessor of a large GPU busy; long sequences are split until there are as many."""
MAX_SPLITS = 32
PREFILL_ROWS = 64
PREFILL_KEYS = 64


@triton.jit
def _store_new(
    k,
    v,
    k_cache,
    v_cache,
    table,
    ends,
    table_row,
    page: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
):
    """Write the one new key and value of each sequence to its slot. One program a sequence."""
    s = tl.program_id(0)
    length = tl.load(ends + s + 1) - tl.load(ends + s)
    if length > 0:
        last = length - 1
        slot = tl.load(table + s * table_row + last // page).to(tl.int64) * page + last % page
        at = tl.arange(0, block)
        ok = at < width
        tl.store(k_cache + slot * width + at, tl.load(k + s * width + at, mask=ok), mask=ok)
        tl.store(v_cache + slot * width + at, tl.load(v + s * width + at, mask=ok), mask=ok)


@triton.jit
def _decode(
    q,
    k_cache,
    v_cache,
    table,
    ends,
    out,
    part,
    lse,
    scale,
    table_row,
    page: tl.constexpr,
    heads: tl.constexpr,
    groups: tl.constexpr,
    size: tl.constexpr,
    rows: tl.constexpr,
    keys: tl.constexpr,
    splits: tl.constexpr,
    early: tl.constexpr,
):
    """One query token a sequence against its pages. Program (sequence, key head, split)."""
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    s, g, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    each: tl.constexpr = heads // groups
    length = tl.load(ends + s + 1) - tl.load(ends + s)
    span = tl.cdiv(tl.cdiv(length, splits), keys) * keys
    begin = split * span
    end = tl.minimum(begin + span, length)
    row = tl.arange(0, rows)
    d = tl.arange(0, size)
    head = g * each + row
    row_ok = row < each
    query = tl.load(q + (s * heads + head)[:, None] * size + d[None, :], mask=row_ok[:, None], other=0.0)
    top = tl.full([rows], -1.0e30, tl.float32)
    weight = tl.zeros([rows], tl.float32)
    acc = tl.zeros([rows, size], tl.float32)
    for at in range(begin, end, keys):
        n = at + tl.arange(0, keys)
        ok = n < end
        pages = tl.load(table + s * table_row + n // page, mask=ok, other=0).to(tl.int64)
        spot = ((pages * page + n % page) * groups + g) * size
        key = tl.load(k_cache + spot[:, None] + d[None, :], mask=ok[:, None], other=0.0)
        fit = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        fit = tl.where(ok[None, :], fit, -1.0e30)
        higher = tl.maximum(top, tl.max(fit, 1))
        p = tl.exp2(fit - higher[:, None])
        fade = tl.exp2(top - higher)
        value = tl.load(v_cache + spot[:, None] + d[None, :], mask=ok[:, None], other=0.0)
        acc = acc * fade[:, None] + tl.dot(p.to(value.dtype), value, input_precision="ieee")
        weight = weight * fade + tl.sum(p, 1)
        top = higher
    safe = tl.where(weight > 0, weight, 1.0)
    acc = acc / safe[:, None]
    if splits == 1:
        tl.store(
            out + (s * heads + head)[:, None] * size + d[None, :],
            acc.to(out.dtype.element_ty),
            mask=row_ok[:, None],
        )
    else:
        place = (s * heads + head) * splits + split
        tl.store(part + place[:, None] * size + d[None, :], acc, mask=row_ok[:, None])
        tl.store(lse + place, tl.where(weight > 0, top + tl.log2(safe), -1.0e30), mask=row_ok)


@triton.jit
def _join(part, lse, out, size: tl.constexpr, splits: tl.constexpr, early: tl.constexpr):
    """Put the splits of one head of one sequence together. One program each."""
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    i = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, splits)
    d = tl.arange(0, size)
    sums = tl.load(lse + i * splits + j)
    w = tl.exp2(sums - tl.max(sums, 0))
    w = w / tl.sum(w, 0)
    parts = tl.load(part + (i * splits + j)[:, None] * size + d[None, :])
    tl.store(out + i * size + d, tl.sum(parts * w[:, None], 0).to(out.dtype.element_ty))


@triton.jit
def _varlen(
    q,
    k,
    v,
    index,
    q_ends,
    k_ends,
    out,
    scale,
    heads: tl.constexpr,
    groups: tl.constexpr,
    size: tl.constexpr,
    each: tl.constexpr,
    queries: tl.constexpr,
    rows: tl.constexpr,
    keys: tl.constexpr,
    indexed: tl.constexpr,
):
    """Many query tokens a sequence, causal. Program (tile of queries, sequence, key head); a row is (query, head).
    ``indexed``: key j of the batch lies at ``index[j]`` of the cache; else it lies at j."""
    tile, s, g = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    q_begin = tl.load(q_ends + s)
    q_len = tl.load(q_ends + s + 1) - q_begin
    first = tile * queries
    if first < q_len:
        k_begin = tl.load(k_ends + s)
        k_len = tl.load(k_ends + s + 1) - k_begin
        row = tl.arange(0, rows)
        d = tl.arange(0, size)
        token = first + row // each
        head = g * each + row % each
        row_ok = (token < q_len) & (row < queries * each)
        where = ((q_begin + token) * heads + head).to(tl.int64) * size
        query = tl.load(q + where[:, None] + d[None, :], mask=row_ok[:, None], other=0.0)
        position = k_len - q_len + token
        top = tl.full([rows], -1.0e30, tl.float32)
        weight = tl.zeros([rows], tl.float32)
        acc = tl.zeros([rows, size], tl.float32)
        last = tl.minimum(k_len, k_len - q_len + first + queries)
        for at in range(0, last, keys):
            n = at + tl.arange(0, keys)
            ok = n < last
            if indexed:  # noqa: SIM108 - decided when the kernel is compiled
                slot = tl.load(index + k_begin + n, mask=ok, other=0)
            else:
                slot = (k_begin + n).to(tl.int64)
            spot = (slot * groups + g) * size
            key = tl.load(k + spot[:, None] + d[None, :], mask=ok[:, None], other=0.0)
            fit = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
            fit = tl.where(ok[None, :] & (n[None, :] <= position[:, None]), fit, -1.0e30)
            higher = tl.maximum(top, tl.max(fit, 1))
            p = tl.exp2(fit - higher[:, None])
            fade = tl.exp2(top - higher)
            value = tl.load(v + spot[:, None] + d[None, :], mask=ok[:, None], other=0.0)
            acc = acc * fade[:, None] + tl.dot(p.to(value.dtype), value, input_precision="ieee")
            weight = weight * fade + tl.sum(p, 1)
            top = higher
        acc = acc / tl.where(weight > 0, weight, 1.0)[:, None]
        tl.store(out + where[:, None] + d[None, :], acc.to(out.dtype.element_ty), mask=row_ok[:, None])


LOG2_E = 1.4426950408889634


@cache
def starts_early(device: torch.device) -> bool:
    """Whether a kernel may begin while the one before it ends (compute capability 9 and later). It then waits by
    itself before it reads what that one wrote; what it reads of the weights it has begun to read by then."""
    return device.type == "cuda" and bool(torch.cuda.get_device_capability(device)[0] >= 9)


def splits_for(sequences: int, groups: int) -> int:
    """Into how many parts each sequence's keys are split: a power of two, from shapes alone (CUDA graphs)."""
    wanted = FILL_PROGRAMS // max(1, sequences * groups)
    return max(1, min(MAX_SPLITS, 1 << max(0, wanted.bit_length() - 1)))


def store(
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    page: int,
    table: torch.Tensor,
    ends: torch.Tensor,
) -> None:
    """Put the one new key and value of each sequence, (S, G, D) each, where the table says its last token lies."""
    width = k.shape[1] * k.shape[2]
    _store_new[(k.shape[0],)](
        k, v, keys, values, table, ends, table.stride(0), page, width, triton.next_power_of_2(width)
    )


def decode(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    table: torch.Tensor,
    ends: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """Attention of one new token a sequence, whose key and value are already stored.

    ``q`` (S, H, D), caches (pages, P, G, D), ``table`` (S, pages a sequence) int32, ``ends`` (S + 1) int32: lengths
    summed up, the new token included; a length of 0 is padding. Returns (S, H, D). No value leaves the device, so a
    CUDA graph can hold it.
    """
    sequences, heads, size = q.shape
    groups, page = k_cache.shape[2], k_cache.shape[1]
    splits = splits_for(sequences, groups)
    early = starts_early(q.device)
    overlap = {"launch_pdl": True} if early else {}
    out = torch.empty_like(q)
    part = torch.empty(
        (sequences, heads, splits, size) if splits > 1 else (1,), dtype=torch.float32, device=q.device
    )
    lse = torch.empty(
        (sequences, heads, splits) if splits > 1 else (1,), dtype=torch.float32, device=q.device
    )
    rows = max(MIN_ROWS, triton.next_power_of_2(heads // groups))
    _decode[(sequences, groups, splits)](
        q,
        k_cache,
        v_cache,
        table,
        ends,
        out,
        part,
        lse,
        scale * LOG2_E,
        table.stride(0),
        page,
        heads,
        groups,
        size,
        rows,
        DECODE_BLOCK,
        splits,
        early,
        num_warps=4,
        num_stages=3,
        **overlap,
    )
    if splits > 1:
        _join[(sequences * heads,)](part, lse, out, size, splits, early, num_warps=2, **overlap)
    return out


def varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    index: torch.Tensor | None,
    q_ends: torch.Tensor,
    k_ends: torch.Tensor,
    longest_q: int,
    scale: float,
) -> torch.Tensor:
    """Causal attention of a mixed batch. ``q`` (N, H, D); ``k`` and ``v`` (tokens, G, D), read at ``index`` where it
    is given; ``q_ends``, ``k_ends`` (S + 1) int32 summed lengths; ``longest_q`` no query run is longer. (N, H, D)."""
    tokens, heads, size = q.shape
    groups = k.shape[1]
    each = heads // groups
    rows = max(PREFILL_ROWS, triton.next_power_of_2(each))
    queries = rows // each
    out = torch.zeros_like(q)
    tiles = triton.cdiv(min(longest_q, tokens), queries)
    given: Any = index if index is not None else q_ends
    _varlen[(tiles, q_ends.numel() - 1, groups)](
        q,
        k,
        v,
        given,
        q_ends,
        k_ends,
        out,
        scale * LOG2_E,
        heads,
        groups,
        size,
        each,
        queries,
        rows,
        PREFILL_KEYS,
        index is not None,
        num_warps=4,
        num_stages=2,
    )
    return out
