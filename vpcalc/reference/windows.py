"""Window attention with cyclic shift (Liu et al. 2021, §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import SelfAttention
from .embedding import padded
from .registry import Witness, layer_witness


def to_windows(x: Tensor, M: int, h: int, w: int) -> Tensor:
    """(batch, h, w, C), with sides that M divides, to (batch * windows, M * M, C)."""
    batch, _, _, C = x.shape
    x = x.reshape(batch, h // M, M, w // M, M, C).transpose(2, 3)
    return x.reshape(-1, M * M, C)


def from_windows(x: Tensor, M: int, h: int, w: int) -> Tensor:
    """The inverse of :func:`to_windows`."""
    C = x.shape[-1]
    x = x.reshape(-1, h // M, w // M, M, M, C).transpose(2, 3)
    return x.reshape(x.shape[0], h, w, C)


def relative_index(M: int) -> Tensor:
    """For each pair of tokens of a window, the row of the bias table: (M², M²)."""
    axis = torch.arange(M)
    y, x = (grid.reshape(-1) for grid in torch.meshgrid(axis, axis, indexing="ij"))
    dy = y[:, None] - y[None, :] + M - 1
    dx = x[:, None] - x[None, :] + M - 1
    return dy * (2 * M - 1) + dx


def shift_mask(h: int, w: int, M: int, shift: int) -> Tensor:
    """What to add to the scores so that tokens which only the roll made neighbours ignore each other.

    (windows, 1, M², M²), 0 or -inf. Regions are numbered along each axis: all but the last window, the
    part of the last window before the wrap, and the part after it.
    """

    def regions(side: int) -> Tensor:
        position = torch.arange(side)
        return (position >= side - M).long() + (position >= side - shift).long()

    grid = regions(h)[:, None] * 3 + regions(w)[None, :]
    windows = to_windows(grid.reshape(1, h, w, 1), M, h, w).squeeze(-1)
    apart = windows[:, None, :, None] != windows[:, None, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, float("-inf"))


class WindowAttention(nn.Module):
    """(batch, h, w, C) to the same; ``shift`` rolls the grid by M // 2 around the attention.

    The grid is padded with zeros, right and bottom, to whole windows. Where its shorter side is at most
    M, that side is the window and nothing is shifted. Made for one grid size, as the authors' module is.
    """

    index: Tensor
    mask: Tensor | None

    def __init__(self, h: int, w: int, C: int, heads: int, M: int, shift: bool = False) -> None:
        super().__init__()
        self.M = min(h, w, M)
        self.shift = self.M // 2 if shift and min(h, w) > M else 0
        self.padding = (-h % self.M, -w % self.M)
        self.attention = SelfAttention(C, heads)
        self.bias_table = nn.Parameter(torch.zeros((2 * self.M - 1) ** 2, heads))
        self.register_buffer("index", relative_index(self.M), persistent=False)
        mask = shift_mask(h + self.padding[0], w + self.padding[1], self.M, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, h, w, _ = x.shape
        bottom, right = self.padding
        sides = h + bottom, w + right
        x = padded(x, (0, 0, 0, right, 0, bottom))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        tokens = to_windows(x, self.M, *sides)
        tokens = self.attention(tokens, self._bias(batch))
        x = from_windows(tokens, self.M, *sides)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :h, :w]

    def _bias(self, batch: int) -> Tensor:
        pairs = self.M * self.M
        bias = self.bias_table[self.index.reshape(-1)].reshape(pairs, pairs, -1).permute(2, 0, 1)[None]
        if self.mask is None:
            return bias
        return bias + self.mask.repeat(batch, 1, 1, 1)


@layer_witness("wmsa")
def wmsa(h: int, w: int, C: int, heads: int, M: int, batch: int = 1) -> Witness:
    """Windows that stay."""
    return Witness(WindowAttention(h, w, C, heads, M), (torch.zeros(batch, h, w, C),))


@layer_witness("swmsa")
def swmsa(h: int, w: int, C: int, heads: int, M: int, batch: int = 1) -> Witness:
    """Windows that are shifted by half their side."""
    return Witness(WindowAttention(h, w, C, heads, M, shift=True), (torch.zeros(batch, h, w, C),))


class RelativePositionBias(nn.Module):
    """The table alone: scores (windows, heads, M², M²) plus one bias per head and relative offset."""

    index: Tensor

    def __init__(self, M: int, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros((2 * M - 1) ** 2, heads))
        self.register_buffer("index", relative_index(M), persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        return scores + self.table[self.index].permute(2, 0, 1)


@layer_witness("relative_position_bias")
def relative_position_bias(M: int, heads: int) -> Witness:
    """The bias on the scores of one window."""
    return Witness(RelativePositionBias(M, heads), (torch.zeros(1, heads, M * M, M * M),))
