"""Convolutions over a grid, residual blocks, and the blocks of GCN and ExFuse, written from their papers.

Feature maps here are channels-first, (batch, C, h, w), as ``nn.Conv2d`` takes them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .registry import Witness, layer_witness


class SameConv2d(nn.Module):
    """A convolution of stride 1 that keeps the grid; an even kernel pads one more right and bottom."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int], groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, groups=groups)
        tall, wide = kernel
        self.padding = ((wide - 1) // 2, wide // 2, (tall - 1) // 2, tall // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.padding))


def conv_norm(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, padded to keep the grid but for its stride, and batch norm."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class ZeroPadShortcut(nn.Module):
    """Every ``stride``-th position, and zeros for the channels that are missing (He et al., option A)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.missing = c_out - c_in
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))


class ResidualBlock(nn.Module):
    """relu(body(x) + shortcut(x)) (He et al. 2016, eq. 1 and 2)."""

    def __init__(self, body: nn.Module, c_in: int, c_out: int, stride: int, project: bool) -> None:
        super().__init__()
        self.body = body
        self.shortcut = conv_norm(c_in, c_out, 1, stride) if project else ZeroPadShortcut(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def basic(c_in: int, C: int, stride: int = 1, project: bool = False) -> ResidualBlock:
    """3 x 3, 3 x 3 (He et al. 2016, Figure 5 left)."""
    body = nn.Sequential(conv_norm(c_in, C, 3, stride), nn.ReLU(), conv_norm(C, C, 3))
    return ResidualBlock(body, c_in, C, stride, project)


def bottleneck(
    c_in: int,
    C: int,
    stride: int = 1,
    project: bool = False,
    stride_in_first: bool = False,
    widen: int = 1,
    groups: int = 1,
) -> ResidualBlock:
    """1 x 1, 3 x 3, 1 x 1 (He et al. 2016, Figure 5 right); v1 strides in the first, v1.5 in the second.

    ``widen`` times as many channels inside (Zagoruyko and Komodakis 2016), 3 x 3 in ``groups`` (Xie et al. 2017).
    """
    first, second = (stride, 1) if stride_in_first else (1, stride)
    inner = widen * C
    body = nn.Sequential(
        conv_norm(c_in, inner, 1, first),
        nn.ReLU(),
        conv_norm(inner, inner, 3, second, groups),
        nn.ReLU(),
        conv_norm(inner, 4 * C, 1),
    )
    return ResidualBlock(body, c_in, 4 * C, stride, project)


class GlobalConvolution(nn.Module):
    """Two separable large kernels, one for each order of the directions, added (Peng et al. 2017)."""

    def __init__(self, c_in: int, c_out: int, k: int) -> None:
        super().__init__()
        self.left = nn.Sequential(SameConv2d(c_in, c_out, (k, 1)), SameConv2d(c_out, c_out, (1, k)))
        self.right = nn.Sequential(SameConv2d(c_in, c_out, (1, k)), SameConv2d(c_out, c_out, (k, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) + self.right(x)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation to a size."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class SemanticEmbedding(nn.Module):
    """low x upsample(conv(high)) (Zhang et al. 2018)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        return low * resize(self.conv(high), (int(low.shape[2]), int(low.shape[3])))


class ChannelResolutionEmbedding(nn.Module):
    """(batch, c_in, h, w) to (batch, c_out, uh, uw), by a convolution and rearrangement."""

    def __init__(self, c_in: int, c_out: int, u: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, u * u * c_out, 3, padding=1)
        self.shuffle = nn.PixelShuffle(u)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.conv(x))


def neighbour_mean(x: Tensor, k: int) -> Tensor:
    """(batch, k² K, h, w) to (batch, K, h, w): the mean of what k x k neighbours predict for a position.

    Maps come in k² groups of K. Group l k + m is read at (i + l - ⌊k/2⌋, j + m - ⌊k/2⌋); what lies outside
    the map counts as zero.
    """
    _, channels, h, w = x.shape
    before, after = k // 2, (k - 1) // 2
    padded = F.pad(x, (before, after, before, after))
    groups = padded.split(channels // (k * k), dim=1)
    shifts = [(row, column) for row in range(k) for column in range(k)]
    read = [
        maps[:, :, row : row + h, column : column + w] for maps, (row, column) in zip(groups, shifts, strict=True)
    ]
    return torch.stack(read).sum(dim=0) / (k * k)


class AdjacentPrediction(nn.Module):
    """(batch, c_in, h, w) to scores (batch, classes, h, w) averaged over k x k neighbours."""

    def __init__(self, c_in: int, classes: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.conv = nn.Conv2d(c_in, k * k * classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return neighbour_mean(self.conv(x), self.k)


@layer_witness("conv")
def conv(h: int, w: int, C: int, k: int, batch: int = 1) -> Witness:
    """A k x k convolution."""
    return Witness(SameConv2d(C, C, (k, k)), (torch.zeros(batch, C, h, w),))


@layer_witness("depthwise_conv")
def depthwise_conv(h: int, w: int, C: int, k: int, batch: int = 1) -> Witness:
    """A k x k convolution of each channel."""
    return Witness(SameConv2d(C, C, (k, k), groups=C), (torch.zeros(batch, C, h, w),))


@layer_witness("basic_block")
def basic_block(h: int, w: int, C: int, batch: int = 1) -> Witness:
    """A basic block with an identity shortcut."""
    return Witness(basic(C, C), (torch.zeros(batch, C, h, w),))


@layer_witness("bottleneck")
def bottleneck_block(h: int, w: int, C: int, batch: int = 1) -> Witness:
    """A bottleneck with an identity shortcut."""
    return Witness(bottleneck(4 * C, C), (torch.zeros(batch, 4 * C, h, w),))


@layer_witness("gcn")
def gcn(h: int, w: int, c_in: int, c_out: int, k: int, batch: int = 1) -> Witness:
    """A large separable kernel."""
    return Witness(GlobalConvolution(c_in, c_out, k), (torch.zeros(batch, c_in, h, w),))


@layer_witness("seb")
def seb(h: int, w: int, c_in: int, c_out: int, u: int, batch: int = 1) -> Witness:
    """High-level features on (h, w) into low-level ones on (uh, uw)."""
    low, high = torch.zeros(batch, c_out, u * h, u * w), torch.zeros(batch, c_in, h, w)
    return Witness(SemanticEmbedding(c_in, c_out), (low, high))


@layer_witness("ecre")
def ecre(h: int, w: int, c_in: int, c_out: int, u: int, batch: int = 1) -> Witness:
    """Sub-pixel upsampling."""
    return Witness(ChannelResolutionEmbedding(c_in, c_out, u), (torch.zeros(batch, c_in, h, w),))


@layer_witness("dap")
def dap(h: int, w: int, c_in: int, classes: int, k: int, batch: int = 1) -> Witness:
    """Prediction of one's neighbours."""
    return Witness(AdjacentPrediction(c_in, classes, k), (torch.zeros(batch, c_in, h, w),))
