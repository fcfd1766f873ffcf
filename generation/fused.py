"""One transformer layer in few kernels, where the result is the same.

A decode step of a small batch is bound by reading the weights once; every kernel that only touches a few kilobytes
costs its start, and the small key and value projections cost more than their bytes. For layers of the common kind
(root-mean-square norms, grouped attention with rotary embedding and perhaps head norms, gated MLP) this puts a joined
form in their place, **kept only if both give the same numbers on random input**; other layers stay as they are.
CUDA only; knows no text and no request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl

from generation import kernels
from generation.paged import Layout, attend

TOLERANCE = 0.02
"""Relative error, between two ways of rounding to bfloat16 (about 0.004 a step)."""
SAMPLE_TOKENS = 7
SHORT_ROW, LONG_ROW = 3_072, 8_192
"""Numbers in a row of a weight; the pieces that are fastest up to these and beyond were swept on an H200."""


@triton.jit
def _rms(x, weight, out, eps, size: tl.constexpr, block: tl.constexpr):
    """out = x / sqrt(mean(x²) + eps) · weight, one row a program; rounded as the library does, before the weight."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, block)
    ok = at < size
    value = tl.load(x + row * size + at, mask=ok, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(value * value, 0) / size + eps)
    kind = out.dtype.element_ty
    w = tl.load(weight + at, mask=ok, other=0.0)
    tl.store(out + row * size + at, ((value * scale).to(kind) * w).to(kind), mask=ok)


@triton.jit
def _silu_mul(both, out, size, block: tl.constexpr):
    """out = silu(gate) · up, where a row of ``both`` is gate then up. Program (row, part of the row)."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * block + tl.arange(0, block)
    ok = at < size
    gate = tl.load(both + row * 2 * size + at, mask=ok, other=0.0).to(tl.float32)
    up = tl.load(both + row * 2 * size + size + at, mask=ok, other=0.0)
    kind = out.dtype.element_ty
    tl.store(out + row * size + at, (gate * tl.sigmoid(gate)).to(kind) * up, mask=ok)


@triton.jit
def _heads(
    qkv,
    q_weight,
    k_weight,
    cos,
    sin,
    q_out,
    k_cache,
    v_cache,
    slots,
    table,
    ends,
    eps,
    table_row,
    heads: tl.constexpr,
    groups: tl.constexpr,
    half: tl.constexpr,
    page: tl.constexpr,
    normed: tl.constexpr,
    paged: tl.constexpr,
    early: tl.constexpr,
):
    """One head of one token of the joined projection: norm, rotate; queries go out, keys and values to the cache.
    ``paged``: the slot follows from table and length (decode); else it is ``slots[token]``."""
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    size: tl.constexpr = 2 * half
    at = tl.arange(0, half)
    kind = q_out.dtype.element_ty
    source = qkv + (token * (heads + 2 * groups) + head) * size
    low, high = tl.load(source + at), tl.load(source + half + at)
    if head < heads + groups:
        if normed:
            weight = q_weight if head < heads else k_weight
            a, b = low.to(tl.float32), high.to(tl.float32)
            scale = tl.rsqrt((tl.sum(a * a, 0) + tl.sum(b * b, 0)) / size + eps)
            low = ((a * scale).to(kind) * tl.load(weight + at)).to(kind)
            high = ((b * scale).to(kind) * tl.load(weight + half + at)).to(kind)
        a, b = low.to(tl.float32), high.to(tl.float32)
        c = cos + token * size
        s = sin + token * size
        low = (a * tl.load(c + at) - b * tl.load(s + at)).to(kind)
        high = (b * tl.load(c + half + at) + a * tl.load(s + half + at)).to(kind)
    if head < heads:
        goal = q_out + (token * heads + head) * size
        tl.store(goal + at, low)
        tl.store(goal + half + at, high)
    else:
        valid = True
        if paged:
            length = tl.load(ends + token + 1) - tl.load(ends + token)
            valid = length > 0
            last = tl.maximum(length - 1, 0)
            slot = (
                tl.load(table + token * table_row + last // page, mask=valid, other=0).to(tl.int64) * page
                + last % page
            )
        else:
            slot = tl.load(slots + token)
        g = (head - heads) % groups
        cache = k_cache if head < heads + groups else v_cache
        goal = cache + (slot * groups + g) * size
        tl.store(goal + at, low, mask=valid)
        tl.store(goal + half + at, high, mask=valid)


@triton.jit
def _gemv(
    x,
    w,
    bias,
    norm,
    residual,
    out,
    eps,
    rows_total,
    width: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
    normed: tl.constexpr,
    gated: tl.constexpr,
    added: tl.constexpr,
    biased: tl.constexpr,
    early: tl.constexpr,
):
    """out = W·x for one token, every weight read once. ``normed``: x is normalised on the way; ``gated``: the rows of
    W are gate then up, and silu(gate)·up comes out; ``added``: residual is added."""
    r = tl.program_id(0) * rows + tl.arange(0, rows)
    ok_r = r < rows_total
    row = r.to(tl.int64)
    at = tl.arange(0, block)
    mask = ok_r[:, None] & (at < width)[None, :]
    acc = tl.load(w + row[:, None] * width + at[None, :], mask=mask, other=0.0).to(tl.float32)
    other = acc
    if gated:
        other = tl.load(w + (row + rows_total)[:, None] * width + at[None, :], mask=mask, other=0.0).to(
            tl.float32
        )
    if early:  # the first weights are on their way; x is what the kernel before this one writes
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    value = tl.load(x + at, mask=at < width, other=0.0).to(tl.float32)
    squares = value * value
    if normed:
        value *= tl.load(norm + at, mask=at < width, other=0.0).to(tl.float32)
    acc *= value[None, :]
    other *= value[None, :]
    for begin in range(block, width, block):
        at = begin + tl.arange(0, block)
        ok = at < width
        value = tl.load(x + at, mask=ok, other=0.0).to(tl.float32)
        if normed:
            squares += value * value
            value *= tl.load(norm + at, mask=ok, other=0.0).to(tl.float32)
        mask = ok_r[:, None] & ok[None, :]
        acc += (
            tl.load(w + row[:, None] * width + at[None, :], mask=mask, other=0.0).to(tl.float32)
            * value[None, :]
        )
        if gated:
            second = w + (row + rows_total)[:, None] * width + at[None, :]
            other += tl.load(second, mask=mask, other=0.0).to(tl.float32) * value[None, :]
    kind = out.dtype.element_ty
    y = tl.sum(acc, 1)
    if normed:
        scale = tl.rsqrt(tl.sum(squares, 0) / width + eps)
        y = y * scale
    if biased:
        y = y + tl.load(bias + r, mask=ok_r, other=0.0).to(tl.float32)
    y = y.to(kind)
    if gated:
        up = tl.sum(other, 1)
        if normed:
            up = up * scale
        gate = y.to(tl.float32)
        y = (gate * tl.sigmoid(gate)).to(kind) * up.to(kind)
    if added:
        y = y + tl.load(residual + r, mask=ok_r, other=0.0)
    tl.store(out + r, y.to(kind), mask=ok_r)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Root-mean-square norm over the last axis of contiguous ``x``."""
    size = x.shape[-1]
    out = torch.empty_like(x)
    _rms[(x.numel() // size,)](x, weight, out, eps, size, triton.next_power_of_2(size), num_warps=4)
    return out


def silu_mul(both: torch.Tensor) -> torch.Tensor:
    """(N, 2·size) → (N, size)."""
    size = both.shape[-1] // 2
    out = torch.empty((both.shape[0], size), dtype=both.dtype, device=both.device)
    _silu_mul[(both.shape[0], triton.cdiv(size, 1024))](both, out, size, 1024)
    return out


def gemv(
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    norm: torch.Tensor | None = None,
    eps: float = 0.0,
    gated: bool = False,
    residual: torch.Tensor | None = None,
) -> torch.Tensor:
    """``x`` (1, K) times ``w`` (R, K), with what comes before and after joined in; returns (1, R), or (1, R/2)."""
    total = w.shape[0] // (2 if gated else 1)
    out = torch.empty((1, total), dtype=x.dtype, device=x.device)
    if w.shape[1] <= SHORT_ROW:
        rows, block, warps = (4, 256, 2) if gated else (8, 256, 4)
    else:
        rows, block, warps = (4, 1024, 8) if w.shape[1] <= LONG_ROW else (2, 1024, 4)
    early = kernels.starts_early(x.device)
    _gemv[(triton.cdiv(total, rows),)](
        x,
        w,
        x if bias is None else bias,
        x if norm is None else norm,
        x if residual is None else residual,
        out,
        eps,
        total,
        w.shape[1],
        rows,
        block,
        norm is not None,
        gated,
        residual is not None,
        bias is not None,
        early,
        num_warps=warps,
        **({"launch_pdl": True} if early else {}),
    )
    return out


@dataclass(slots=True, eq=False)
class FusedLayer:
    """The weights of one layer, the three first projections and the two of the MLP each laid together."""

    heads: int
    groups: int
    size: int
    scale: float
    number: int
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    gate_up: torch.Tensor
    down: torch.Tensor
    norms: tuple[torch.Tensor, torch.Tensor]
    head_norms: tuple[torch.Tensor, torch.Tensor] | None
    eps: float

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, layout: Layout) -> torch.Tensor:
        """``x`` (N, hidden), ``cos`` and ``sin`` (N, size); returns (N, hidden)."""
        linear = torch.nn.functional.linear
        alone = x.shape[0] == 1
        if alone:
            qkv = gemv(x, self.qkv, self.qkv_bias, norm=self.norms[0], eps=self.eps)
        else:
            qkv = linear(rms_norm(x, self.norms[0], self.eps), self.qkv, self.qkv_bias)
        q = self._split(qkv, cos, sin, layout)
        seen = attend(q, layout, self.scale).view(x.shape[0], -1)
        if alone:
            x = gemv(seen, self.out, self.out_bias, residual=x)
            return gemv(
                gemv(x, self.gate_up, norm=self.norms[1], eps=self.eps, gated=True), self.down, residual=x
            )
        if self.out_bias is not None:
            x = x + self.out_bias
        x = torch.addmm(x, seen, self.out.t())
        hidden = silu_mul(linear(rms_norm(x, self.norms[1], self.eps), self.gate_up))
        return x.addmm_(hidden, self.down.t())

    def _split(self, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Queries (N, heads, size), ready; keys and values are in the cache afterwards."""
        tokens = qkv.shape[0]
        q = torch.empty((tokens, self.heads, self.size), dtype=qkv.dtype, device=qkv.device)
        k_cache, v_cache = layout.keys, layout.values
        q_weight, k_weight = self.head_norms or (qkv, qkv)
        paged = layout.table is not None
        early = kernels.starts_early(qkv.device)
        table = layout.table if layout.table is not None else layout.ends_k
        slots = layout.write if layout.write is not None else layout.ends_k
        _heads[(tokens, self.heads + 2 * self.groups)](
            qkv,
            q_weight,
            k_weight,
            cos,
            sin,
            q,
            k_cache,
            v_cache,
            slots,
            table,
            layout.ends_k,
            self.eps,
            table.stride(0),
            self.heads,
            self.groups,
            self.size // 2,
            layout.page,
            self.head_norms is not None,
            paged,
            early,
            num_warps=1,
            **({"launch_pdl": True} if early else {}),
        )
        return q


_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")
_NORMS = ("input_layernorm", "post_attention_layernorm")


def fuse(model: Any) -> int:
    """Join the layers of ``model`` in place; call before :func:`generation.paged.install`. Returns how many."""
    taken = 0
    for layer in getattr(getattr(model, "model", None), "layers", ()):
        joined = _join(layer)
        if joined is not None and _equal(model, layer, joined):
            layer.forward = _forward(joined)
            taken += 1
    return taken


def _join(layer: Any) -> FusedLayer | None:
    attention: Any = getattr(layer, "self_attn", None)
    mlp: Any = getattr(layer, "mlp", None)
    parts = [getattr(attention, n, None) for n in _ATTENTION] + [getattr(mlp, n, None) for n in _MLP]
    norms: list[Any] = [getattr(layer, n, None) for n in _NORMS]
    if not all(isinstance(p, torch.nn.Linear) for p in parts) or not all(hasattr(n, "weight") for n in norms):
        return None
    q, k, v, o, gate, up, down = (p for p in parts if p is not None)
    size = int(getattr(attention, "head_dim", 0))
    eps = getattr(norms[0], "variance_epsilon", None)
    if size < 16 or size & (size - 1) or eps is None or any(p.bias is not None for p in (gate, up, down)):
        return None
    head_norms: tuple[Any, Any] = (getattr(attention, "q_norm", None), getattr(attention, "k_norm", None))
    biases = [p.bias for p in (q, k, v)]
    return FusedLayer(
        heads=q.out_features // size, groups=k.out_features // size, size=size, scale=float(attention.scaling),
        number=attention.layer_idx, qkv=_together(q, k, v),
        qkv_bias=None if None in biases else torch.cat([b.data for b in biases]),
        out=o.weight.data, out_bias=None if o.bias is None else o.bias.data,
        gate_up=_together(gate, up), down=down.weight.data,
        norms=(norms[0].weight.data, norms[1].weight.data),
        head_norms=None if None in head_norms else (head_norms[0].weight.data, head_norms[1].weight.data),
        eps=float(eps),
    )  # fmt: skip


def _together(*parts: torch.nn.Linear) -> torch.Tensor:
    """The weights one after the other; the parts become views of it, so that they are held once."""
    whole = torch.cat([p.weight.data for p in parts])
    at = 0
    for p in parts:
        p.weight.data = whole[at : at + p.out_features]
        at += p.out_features
    return whole


@torch.no_grad()
def _equal(model: Any, layer: Any, joined: FusedLayer) -> bool:
    """Whether both forms say the same of several tokens, and of one."""
    weight = joined.out
    for tokens in (SAMPLE_TOKENS, 1):
        x = torch.randn(1, tokens, joined.qkv.shape[1], device=weight.device, dtype=weight.dtype)
        places = torch.arange(tokens, device=weight.device)
        cos, sin = model.model.rotary_emb(x, places[None])
        if cos.shape[-1] != joined.size:
            return False
        wanted = layer(x, attention_mask=None, position_ids=places[None], position_embeddings=(cos, sin))
        ends = torch.tensor([0, tokens], dtype=torch.int32, device=weight.device)
        room = torch.zeros((tokens, joined.groups, joined.size), device=weight.device, dtype=weight.dtype)
        layout = Layout(room, room.clone(), 1, ends, ends, tokens, None, places, None)
        made = joined.forward(x[0], cos[0].contiguous(), sin[0].contiguous(), layout)
        if not isinstance(wanted, torch.Tensor) or not same(made[None], wanted):
            return False
    return True


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two results are one, but for rounding. NaN never is."""
    difference = (a.float() - b.float()).norm() / b.float().norm().clamp_min(1e-6)
    return bool(a.shape == b.shape and difference < TOLERANCE)


def _forward(joined: FusedLayer) -> Callable[..., torch.Tensor]:
    def forward(
        hidden_states: torch.Tensor,
        *_: Any,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **kwargs: Any,
    ) -> torch.Tensor:
        cos, sin = position_embeddings
        layout = Layout.of(joined.number, kwargs)
        return joined.forward(hidden_states[0], cos[0], sin[0], layout)[None]

    return forward
