"""The GPU kernels against plain arithmetic. Needs Triton, which PyTorch's CPU build lacks: with a GPU as they are,
elsewhere with ``pip install triton`` and TRITON_INTERPRET=1. ``make bench-gpu`` checks the whole on a GPU."""

from __future__ import annotations

import itertools
import os

import pytest
import torch

pytest.importorskip("triton")
CUDA = torch.cuda.is_available()
if not CUDA and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no GPU, and the interpreter is not switched on", allow_module_level=True)

from generation import kernels  # noqa: E402

DEVICE = "cuda" if CUDA else "cpu"
PAGE = 16
LENGTHS = [5, 33, 1, 70]


def expected(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Causal attention in float64. ``q`` (n, H, D), ``k`` and ``v`` (m, G, D)."""
    each = q.shape[1] // k.shape[1]
    keys, values = (x.repeat_interleave(each, 1).double() for x in (k, v))
    fit = torch.einsum("nhd,mhd->hnm", q.double(), keys) * q.shape[2] ** -0.5
    past = torch.ones(fit.shape[1:], dtype=torch.bool, device=q.device).tril(k.shape[0] - q.shape[0])
    return torch.einsum("hnm,mhd->nhd", fit.masked_fill(~past, float("-inf")).softmax(-1), values)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a.double() - b).norm() < 1e-5 * b.norm())


def ends(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32, device=DEVICE)


@pytest.fixture(params=[(8, 2, 32), (4, 4, 16), (14, 2, 64)], ids=str)
def case(request: pytest.FixtureRequest) -> tuple[torch.Tensor, ...]:
    """Caches and a table whose pages lie in no order; one row of padding at the end."""
    torch.manual_seed(0)
    _, groups, size = request.param
    pages = [-(-length // PAGE) for length in LENGTHS]
    order = torch.randperm(sum(pages) + 2).tolist()
    table = torch.full((len(LENGTHS) + 1, max(pages)), -1, dtype=torch.int32)
    for row, count in enumerate(pages):
        for column in range(count):
            table[row, column] = order.pop()
    keys = torch.randn((sum(pages) + 2) * PAGE, groups, size, device=DEVICE)
    heads = torch.zeros(request.param[0], device=DEVICE)
    return keys, torch.randn_like(keys), table.to(DEVICE), heads


def slots(table: torch.Tensor, row: int, length: int) -> torch.Tensor:
    places = [int(table[row, t // PAGE]) * PAGE + t % PAGE for t in range(length)]
    return torch.tensor(places, device=DEVICE)


def test_decode_stores_the_new_token_and_attends_to_all(case: tuple[torch.Tensor, ...]) -> None:
    keys, values, table, heads = case
    rows, groups, size = len(LENGTHS) + 1, *keys.shape[1:]
    q = torch.randn(rows, heads.numel(), size, device=DEVICE)
    k, v = torch.randn(2, rows, groups, size, device=DEVICE)
    lengths = ends([*LENGTHS, 0])
    kernels.store(k, v, keys, values, PAGE, table, lengths)
    pages = (-1, PAGE, groups, size)
    out = kernels.decode(q, keys.view(pages), values.view(pages), table, lengths, size**-0.5)
    for row, length in enumerate(LENGTHS):
        at = slots(table, row, length)
        assert torch.equal(keys[at[-1]], k[row]) and torch.equal(values[at[-1]], v[row])
        assert close(out[row : row + 1], expected(q[row : row + 1], keys[at], values[at]))
    assert torch.isfinite(out).all()


def test_a_mixed_batch_reads_each_sequence_through_the_index(case: tuple[torch.Tensor, ...]) -> None:
    keys, values, table, heads = case
    asked = [3, 17, 1, 40]
    index = torch.cat([slots(table, row, length) for row, length in enumerate(LENGTHS)])
    q = torch.randn(sum(asked) + 2, heads.numel(), keys.shape[2], device=DEVICE)
    q_ends, k_ends = ends([*asked, 0]), ends([*LENGTHS, 0])
    out = kernels.varlen(q, keys, values, index, q_ends, k_ends, q.shape[0], keys.shape[2] ** -0.5)
    for row, length in enumerate(LENGTHS):
        at = slots(table, row, length)
        mine = slice(int(q_ends[row]), int(q_ends[row + 1]))
        assert close(out[mine], expected(q[mine], keys[at], values[at]))


def test_the_number_of_splits_follows_from_shapes_alone() -> None:
    assert kernels.splits_for(1, 8) == 32
    assert kernels.splits_for(64, 8) == 1
    assert kernels.splits_for(0, 8) == 32
