"""Table 1 of "Attention Is All You Need" on a sequence: three convolutions, and restricted self-attention.

Tokens are (batch, n, C). Borders are padded with zeros by the convolutions; attention has no keys there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads
from .registry import Witness


class Convolution(nn.Module):
    """A kernel of k tokens, ``dilation`` apart; ``causal`` ones read no later token."""

    def __init__(self, C: int, k: int, groups: int = 1, dilation: int = 1, causal: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(C, C, k, groups=groups, dilation=dilation)
        reach = (k - 1) * dilation
        before = reach if causal else (k - 1) // 2 * dilation
        self.padding = (before, reach - before)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x.transpose(1, 2), self.padding))
        return out.transpose(1, 2)


class SeparableConvolution(nn.Module):
    """A kernel on each channel alone, then a linear layer on each token, as a kernel of one."""

    def __init__(self, C: int, k: int) -> None:
        super().__init__()
        self.depthwise, self.pointwise = Convolution(C, k, groups=C), Convolution(C, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class RestrictedAttention(nn.Module):
    """Each token attends to those of r around it that there are; an even r has one more after it."""

    def __init__(self, C: int, heads: int, r: int) -> None:
        super().__init__()
        self.heads, self.before, self.after = heads, (r - 1) // 2, r // 2
        self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        n, outputs = int(x.shape[1]), []
        for i in range(n):
            near = slice(max(i - self.before, 0), min(i + self.after + 1, n))
            outputs.append(attend(q[:, :, i : i + 1], k[:, :, near], v[:, :, near]))
        out: Tensor = self.proj(merge_heads(torch.cat(outputs, dim=2)))
        return out


SEQUENCE_WITNESSES: Mapping[str, Callable[[int, int, int, int], nn.Module]] = {
    "convolution": lambda C, size, heads, number: Convolution(C, size),
    "dilated": lambda C, size, heads, number: Convolution(C, size, dilation=size**number, causal=True),
    "separable": lambda C, size, heads, number: SeparableConvolution(C, size),
    "restricted": lambda C, size, heads, number: RestrictedAttention(C, heads, size),
}
"""Row of the table to a module of C channels: its kernel or neighbourhood, heads, and number in a stack."""


def sequence_witness(id: str, n: int, C: int, size: int, heads: int = 1, number: int = 0) -> Witness:
    """The module of a row, and n tokens."""
    return Witness(SEQUENCE_WITNESSES[id](C, size, heads, number), (torch.zeros(1, n, C),))
