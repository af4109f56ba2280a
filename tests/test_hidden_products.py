"""Matrix products spelled as elementwise products and sums: named whatever their shapes, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcalc.answers.derive import derive
from vpcalc.architectures import ARCHITECTURES
from vpcalc.counters import hidden
from vpcalc.counters.dispatch import HIDDEN_PRODUCT, DispatchCounts, count, counting
from vpcalc.errors import InputError
from vpcalc.reference import MODEL_WITNESSES


def some(*shape: int, **kwargs: Any) -> Tensor:
    return torch.empty(shape, device="meta", **kwargs)


# Inputs: tensors that were there before. N rows of a, M of b, k columns; tokens x and y; a mask of whole numbers.
N, M, K = 3, 5, 8
A, B = some(1, N, K), some(1, M, K)
T, C = 7, 8
X, Y = some(2, T, C), some(2, T, C)
WEIGHT = nn.Parameter(some(C))
MASK = some(2, T, dtype=torch.int64)
STATE, READ = some(2, 8, 4), some(2, 3, 4)
QKV = some(2, T, 3 * C)
PICTURE, GATE = some(2, C, 4, 4), some(2, C, 1, 1)
ROWS, EACH = some(T, dtype=torch.int64), some(T, 1)
SIGNAL, KERNEL = some(2, 8, 9), nn.Parameter(some(8, 1, 3))
PAIRS = N * M * K
TOKENS = 2 * T * C


def left() -> Tensor:
    return A[:, :, None].expand(1, N, M, K)


def right() -> Tensor:
    return B[:, None].expand(1, N, M, K)


def products() -> Tensor:
    return A[:, :, None] * B[:, None]


def in_place() -> Tensor:
    x = X.clone()
    return x.mul_(Y).sum(-1)


def stacked() -> Tensor:
    return torch.stack([X[:, t] * Y[:, t] for t in range(T)], 1).sum(1)


def filled() -> Tensor:
    """A constant into which something was written is none any more."""
    x = torch.zeros(2, T, C, device="meta")
    x[:, 1:] = Y[:, 1:]
    return (X * x).sum(1)


def heads() -> Tensor:
    q, k, _ = (part.view(2, T, 2, 4) for part in QKV.chunk(3, -1))
    return (q * k).sum(-1)


def bags(weights: Tensor | None) -> Tensor:
    return F.embedding_bag(ROWS.view(1, T), some(9, C), mode="sum", per_sample_weights=weights)


# Spelling, and the multiply-accumulates that the product would be.
HIDDEN: dict[str, tuple[Callable[[], Any], int]] = {
    "pairs": (lambda: products().sum(-1), PAIRS),
    "both expanded before": (lambda: (left() * right()).sum(-1), PAIRS),
    "expanded and copied": (lambda: (left().contiguous() * right().contiguous()).sum(-1), PAIRS),
    "cosine similarity of all pairs": (lambda: F.cosine_similarity(A[:, :, None], B[:, None], dim=-1), PAIRS),
    "of a tensor with itself": (lambda: F.cosine_similarity(A[:, :, None], A[:, None], dim=-1), N * N * K),
    "a Gram matrix": (lambda: (X[:, :, None] * X[:, None]).sum(-1), 2 * T * T * C),
    "as large as a factor": (lambda: (STATE * READ[:, 0, None, :]).sum(-1), 2 * 8 * 4),
    "rows with rows": (lambda: (X * Y).sum(-1), TOKENS),
    "vecdot": (lambda: torch.linalg.vecdot(X, Y), TOKENS),
    "by keyword": (lambda: torch.sum(torch.mul(X, other=Y), dim=-1), TOKENS),
    "a Linear with one output": (lambda: (X * WEIGHT).sum(-1), TOKENS),
    "a weighted sum": (lambda: (X[..., :1].softmax(1) * X).sum(1), TOKENS),
    "a mean": (lambda: (X * Y).mean(1), TOKENS),
    "over everything": (lambda: (X * Y).sum(), TOKENS),
    "in place": (in_place, TOKENS),
    "into a result": (lambda: torch.mul(X, Y, out=torch.empty_like(X)).sum(-1), TOKENS),
    "written into": (filled, TOKENS),
    "slices of one tensor": (lambda: (QKV[..., :C] * QKV[..., C : 2 * C]).sum(-1), TOKENS),
    "heads of one tensor": (heads, TOKENS),
    "neighbours": (lambda: (X[:, 1:] * X[:, :-1]).sum(-1), 2 * (T - 1) * C),
    "a shift": (lambda: (X * X.roll(1, 1)).sum(-1), TOKENS),
    "then a view": (lambda: products().view(N * M, K).sum(-1), PAIRS),
    "then a transposition": (lambda: products().transpose(1, -1).sum(1), PAIRS),
    "then flattened": (lambda: (STATE * READ[:, 0, None, :]).unsqueeze(1).flatten(1, 2).sum(-1), 2 * 8 * 4),
    "then a cast": (lambda: products().double().sum(-1), PAIRS),
    "then a copy": (lambda: products().transpose(1, 2).contiguous().sum(-1), PAIRS),
    "then a sign and a scale": (lambda: (-(X * Y) / 3).sum(-1), TOKENS),
    "then divided": (lambda: (X * Y / X.norm()).sum(-1), TOKENS),
    "then masked": (lambda: (X * Y).masked_fill(MASK[..., None] == 0, 0).sum(1), TOKENS),
    "then where": (lambda: torch.where(MASK[..., None] == 0, X * Y, 0.0).sum(1), TOKENS),
    "times a mask": (lambda: (X * Y * MASK[..., None]).sum(1), TOKENS),
    "then reordered": (lambda: (X[0] * EACH)[ROWS].view(T, C).sum(0), T * C),
    "then a sum elsewhere": (lambda: products().sum(1).sum(-1), PAIRS),
    "joined": (stacked, TOKENS),
    "added to something": (lambda: torch.addcmul(QKV[..., :C], X, Y).sum(-1), TOKENS),
    "complex numbers by hand": (lambda: (X * Y - QKV[..., :C] * QKV[..., C : 2 * C]).sum(-1), 2 * TOKENS),
    "running sums": (lambda: (X * Y).cumsum(1), TOKENS),
    "added by index": (lambda: some(3, C).index_add(0, ROWS, X[0] * Y[0]), T * C),
    "scattered": (lambda: some(3, C).scatter_add(0, ROWS[:, None].expand(T, C), X[0] * Y[0]), T * C),
    "a convolution by hand": (lambda: (SIGNAL.unfold(-1, 3, 1) * KERNEL).sum(-1), 2 * 8 * 7 * 3),
    "bags of weighted rows": (lambda: bags(EACH.view(1, T)), T * C),
    "the trapezoid rule": (lambda: torch.trapezoid(X, Y), 2 * T * (C - 1)),
}


def counted(what: Callable[[], Any]) -> DispatchCounts:
    with torch.no_grad(), counting() as counter:
        what()
    return counter.counts()


@pytest.mark.parametrize("case", HIDDEN)
def test_a_product_is_named_with_what_it_would_be(case: str) -> None:
    call, macs = HIDDEN[case]
    counts = counted(call)
    assert counts.unknown == {HIDDEN_PRODUCT: 1}
    assert counts.hidden == {"": macs}
    assert counts.macs == 0


def rms_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * WEIGHT


def layer_norm(x: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) * (x - mean)).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * WEIGHT + WEIGHT


def group_norm(x: Tensor) -> Tensor:
    grouped = x.view(2, T, 2, C // 2)
    mean = grouped.mean((1, 3), keepdim=True)
    variance = (grouped - mean).pow(2).mean((1, 3), keepdim=True)
    return ((grouped - mean) * torch.rsqrt(variance)).reshape(2, T, C) * WEIGHT + WEIGHT


def response_norm(x: Tensor) -> Tensor:
    size = x.norm(dim=1, keepdim=True)
    return WEIGHT * (x * (size / (size.mean(-1, keepdim=True) + 1e-6))) + WEIGHT + x


def rotary(x: Tensor) -> Tensor:
    angles = torch.arange(T, device="meta")[:, None] * torch.arange(C, device="meta")
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat((-second, first), -1) * angles.sin()


def standardised(weight: Tensor) -> Tensor:
    centred = weight - weight.mean(1, keepdim=True)
    return (centred * centred).sum(1)


PLAIN: dict[str, Callable[[], Any]] = {
    "a square": lambda: (X * X).sum(-1),
    "a power": lambda: X.pow(2).sum(-1),
    "RMSNorm by hand": lambda: rms_norm(X),
    "RMSNorm by hand, pooled": lambda: rms_norm(X).mean(1),
    "two of them": lambda: rms_norm(rms_norm(X)),
    "RMSNorm": lambda: F.rms_norm(X, (C,), WEIGHT).sum(1),
    "LayerNorm by hand": lambda: layer_norm(layer_norm(X)),
    "LayerNorm by hand, pooled": lambda: layer_norm(X).sum(1),
    "GroupNorm by hand": lambda: group_norm(X).mean(1),
    "response normalisation": lambda: layer_norm(response_norm(X)),
    "normalised weights": lambda: standardised(WEIGHT[:, None].expand(C, 4) * 1),
    "LayerScale": lambda: (X + Y * WEIGHT).mean(1),
    "LayerScale and LayerNorm by hand": lambda: layer_norm(X + Y * WEIGHT),
    "a scale, pooled": lambda: (X * WEIGHT).sum(1),
    "an average with a mask": lambda: (X * MASK[..., None].float()).sum(1) / MASK.sum(1, keepdim=True),
    "an expanded mask": lambda: (X * MASK[..., None].expand(2, T, C).to(X.dtype)).sum(1),
    "a comparison": lambda: (X * (MASK[..., None] > 0)).sum(1),
    "what a mask leaves out": lambda: (X * (1 - MASK[..., None].to(X.dtype))).sum(1),
    "positions": lambda: (X * torch.arange(T, device="meta")[:, None]).sum(1),
    "rotary embeddings": lambda: rotary(X).sum(1),
    "SiLU by hand, pooled": lambda: (X * torch.sigmoid(X)).mean(1),
    "GELU by hand, pooled": lambda: (0.5 * X * (1 + torch.erf(X / 2**0.5))).sum(1),
    "squeeze and excite, pooled": lambda: (PICTURE * GATE).mean((2, 3)),
    "the same expanded": lambda: (PICTURE * GATE.expand_as(PICTURE)).sum((2, 3)),
    "a gate, pooled": lambda: F.adaptive_avg_pool2d(PICTURE * PICTURE.roll(1).sigmoid(), 1),
    "softmax by hand": lambda: X.exp() / X.exp().sum(-1, keepdim=True),
    "an entropy": lambda: (X.softmax(-1) * X.log_softmax(-1)).sum(-1),
    "a loss": lambda: (X * Y).mean(),
    "a distance": lambda: (X - Y).abs().sum(-1),
    "an outer product": lambda: X[:, :, None] * Y[:, None],
    "bags of rows": lambda: bags(None),
    "bags of rows with a mask": lambda: bags((ROWS > 0).float().view(1, T)),
    "each side by itself": lambda: (A[0, :, None, :1] * B[0, None, :, :1]).sum(0),
}


@pytest.mark.parametrize("case", PLAIN)
def test_elementwise_work_is_not_named(case: str) -> None:
    counts = counted(PLAIN[case])
    assert (counts.unknown, counts.hidden) == ({}, {})


def test_planted_mistakes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either half of the rule one of the tables above is wrong."""

    def named(table: Any) -> set[str]:
        calls = {case: call[0] if isinstance(call, tuple) else call for case, call in table.items()}
        return {case for case, call in calls.items() if counted(call).unknown}

    with monkeypatch.context() as patch:
        patch.setattr(hidden, "_same", lambda left, right: False)
        assert {"RMSNorm by hand, pooled", "SiLU by hand, pooled", "an entropy"} <= named(PLAIN)
    with monkeypatch.context() as patch:
        patch.setattr(hidden, "_by_strides", lambda x: tuple(side > 1 for side in x.shape))
        assert "the same expanded" in named(PLAIN)
    with monkeypatch.context() as patch:
        patch.setattr(hidden, "_apart", lambda left, right: False)
        assert "a Gram matrix" not in named(HIDDEN)


def test_gradients_of_a_broadcast_are_no_products() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.inner = nn.Parameter(some(C)), nn.Linear(C, C, device="meta")

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) * self.scale + x

    assert count(Scaled(), (X,), backward=True).unknown == {}


def test_gradients_of_a_table_of_pairs_are_as_hidden_as_it_is() -> None:
    class Pairs(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a[:, :, None] * b[:, None]).sum(-1)

    a, b = (some(*x.shape, requires_grad=True) for x in (A, B))
    counts = count(Pairs(), (a, b), backward=True)
    assert counts.unknown == {HIDDEN_PRODUCT: 3}
    assert counts.hidden == {"": 3 * PAIRS}


def test_a_hidden_product_belongs_to_its_module() -> None:
    class Pairs(nn.Module):
        def forward(self, a: Tensor) -> Tensor:
            return (a[:, :, None] * a[:, None]).sum(-1)

    assert count(nn.Sequential(nn.Identity(), Pairs()), (A,)).hidden == {"1": N * N * K}


class Scan(nn.Module):
    """A state for every token, read by a product that is as large as the state."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(8, 4))

    def forward(self, u: Tensor, b: Tensor, c: Tensor) -> Tensor:
        h, out = torch.zeros(u.shape[0], 8, 4), []
        for i in range(u.shape[1]):
            h = h * self.a.exp() + u[:, i, :, None] * b[:, i, None, :]
            out.append((h * c[:, i, None, :]).sum(-1))
        return torch.stack(out, 1)


def test_every_step_of_a_scan_is_named() -> None:
    module, inputs = Scan().to("meta"), (some(1, T, 8), some(1, T, 4), some(1, T, 4))
    with torch.device("meta"):
        counts = count(module, inputs)
    assert counts.unknown == {HIDDEN_PRODUCT: T}
    assert counts.hidden == {"": 32 * T}


def test_derive_refuses_a_hidden_product_where_it_is_strict() -> None:
    with pytest.raises(InputError, match="spelled as a broadcast"):
        derive(Scan, "1,L,8;1,L,4;1,L,4", strict=True)


@pytest.mark.parametrize("name", ["swin_t", "pvt_v2_b2_li", "t5_small", "gru", "retnet_1_3b"])
@pytest.mark.parametrize("backward", [False, True])
def test_no_model_of_the_registry_hides_a_product(name: str, backward: bool) -> None:
    architecture = ARCHITECTURES[name]
    sizes = architecture.sizes if architecture.family.axes[0] == "H" else (12, 10)[: len(architecture.family.axes)]
    with torch.device("meta"):
        module, inputs = MODEL_WITNESSES[architecture.family.name](sizes, architecture.config)
    assert count(module, inputs, backward=backward).unknown == {}
