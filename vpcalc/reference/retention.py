"""Gated multi-scale retention (Sun et al. 2023, RetNet, eq. 5 and 8)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import merge_heads, split_heads
from .registry import Witness, layer_witness


def decays(heads: int) -> Tensor:
    """One decay per head, γ = 1 - 2^(-5 - i) (eq. 8)."""
    return 1 - 2.0 ** (-5 - torch.arange(heads))


def decay_mask(n: int, gamma: Tensor) -> Tensor:
    """D of eq. 5: γ^(n - m) where n >= m, else 0; (heads, n, n)."""
    position = torch.arange(n, device=gamma.device)
    distance = position[:, None] - position[None, :]
    weight = gamma[:, None, None] ** distance.clamp(min=0)
    return weight * (distance >= 0)


def rotate(x: Tensor) -> Tensor:
    """Multiply each pair of channels by e^{inθ}: the complex rotation Θ of eq. 5, in real numbers."""
    *_, n, d = x.shape
    pairs = d // 2
    theta = 10000.0 ** -(torch.arange(pairs, device=x.device) / max(pairs, 1))
    angle = torch.arange(n, device=x.device)[:, None] * theta[None, :]
    even, odd = x[..., : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    turned = torch.stack(
        (even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), dim=-1
    ).flatten(-2)
    return torch.cat((turned, x[..., 2 * pairs :]), dim=-1)


class Retention(nn.Module):
    """(batch, n, C) to the same, parallel form: (QKᵀ ⊙ D)V, normalised per head, gated by swish."""

    gamma: Tensor

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("gamma", decays(heads), persistent=False)
        self.q = nn.Linear(C, C, bias=False)
        self.k = nn.Linear(C, C, bias=False)
        self.v = nn.Linear(C, 2 * C, bias=False)
        self.gate = nn.Linear(C, 2 * C, bias=False)
        self.norm = nn.GroupNorm(heads, 2 * C, affine=False)
        self.out = nn.Linear(2 * C, C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, n, C = x.shape
        q = rotate(split_heads(self.q(x), self.heads))
        k = rotate(split_heads(self.k(x), self.heads)) * (C // self.heads) ** -0.5
        v = split_heads(self.v(x), self.heads)
        scores = (q @ k.transpose(-2, -1)) * decay_mask(n, self.gamma)
        y = merge_heads(scores @ v)
        y = self.norm(y.reshape(batch * n, 2 * C)).reshape(batch, n, 2 * C)
        return self.out(F.silu(self.gate(x)) * y)


@layer_witness("retention")
def retention(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Retention over the flattened grid."""
    return Witness(Retention(C, heads), (torch.zeros(batch, h * w, C),))
