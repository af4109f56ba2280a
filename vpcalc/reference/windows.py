"""Window attention with cyclic shift (Liu et al. 2021, §3.2), and that of V2 (Liu et al. 2022, §3.2 and 3.3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import SelfAttention, attend, merge_heads, split_heads
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
        self.register_buffer("index", relative_index(self.M), persistent=False)
        self.build(C, heads)
        mask = shift_mask(h + self.padding[0], w + self.padding[1], self.M, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def build(self, C: int, heads: int) -> None:
        """What attends within a window, and what its biases are made of."""
        self.attention: nn.Module = SelfAttention(C, heads)
        self.bias_table = nn.Parameter(torch.zeros((2 * self.M - 1) ** 2, heads))

    def biases(self) -> Tensor:
        """Of each head, for each pair of tokens: (heads, M², M²)."""
        return self.at_pairs(self.bias_table)

    def at_pairs(self, table: Tensor) -> Tensor:
        """Of a table of relative offsets what belongs to each pair of tokens."""
        pairs = self.M * self.M
        return table[self.index.reshape(-1)].reshape(pairs, pairs, -1).permute(2, 0, 1)

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
        bias = self.biases()[None]
        if self.mask is None:
            return bias
        return bias + self.mask.repeat(batch, 1, 1, 1)


class CosineAttention(nn.Module):
    """(batch, n, C) to the same: scores are cosines times a temperature a head, 100 at most; keys have no bias."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))
        self.q, self.k, self.v = nn.Linear(C, C), nn.Linear(C, C, bias=False), nn.Linear(C, C)
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (split_heads(project(x), self.heads) for project in (self.q, self.k, self.v))
        temperature = self.temperature.clamp(max=math.log(100)).exp()
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return self.proj(merge_heads(attend(q, k, v, bias, scaled=False, temperature=temperature)))


class PositionNetwork(nn.Module):
    """Relative offsets (n, 2) to a number for each head."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2, 512), nn.Linear(512, heads, bias=False)

    def forward(self, offsets: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(offsets)))


class CosineWindowAttention(WindowAttention):
    """The window attention of Swin V2: by cosines, with biases from a network of log-spaced offsets."""

    offsets: Tensor

    def build(self, C: int, heads: int) -> None:
        """The attention, and the network with its offsets: from -8 to 8, and then their logarithms to base 8."""
        self.attention = CosineAttention(C, heads)
        self.positions = PositionNetwork(heads)
        axis = torch.arange(1 - self.M, self.M) * (8 / max(self.M - 1, 1))
        axis = axis.sign() * (axis.abs() + 1).log2() / 3
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        self.register_buffer("offsets", grid.reshape(-1, 2), persistent=False)

    def biases(self) -> Tensor:
        """Each from 0 to 16."""
        return 16 * self.at_pairs(self.positions(self.offsets)).sigmoid()


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
