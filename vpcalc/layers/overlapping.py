"""Tokens that see their neighbours: overlapping patches and a convolution in the feed-forward (PVT v2)."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import gelu, relu
from ..abstract.modules import conv, layer_norm, linear, module, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..cost import Tiling
from ..dims import Dim
from .registry import layer


@module
@titled("overlap_patch_embedding")
def overlap_patch_embedding(x: Tensor, C: Dim, s: Dim) -> Tensor:
    """(batch, c, H, W) to grid (batch, ⌈H/s⌉, ⌈W/s⌉, C)."""
    _, _, H, W = x.shape
    x.tape.note(Tiling(s, H, "patch"), Tiling(s, W, "patch"))
    side = 2 * s - 1
    grid = conv("proj", x, C, (side, side), stride=s, padding=s - 1)
    return layer_norm("norm", grid.permute(0, 2, 3, 1))


@module
@titled("conv_ffn")
def convolutional_feed_forward(x: Tensor, hidden: Dim, rectified: bool = False) -> Tensor:
    """(batch, h, w, C) to the same through ``hidden`` channels, a depth-wise convolution and GELU.

    ``rectified`` adds a ReLU before the convolution, as in the linear variant of the authors' code.
    """
    C = x.shape[-1]
    x = linear("fc1", x, hidden)
    if rectified:
        x = relu(x)
    x = conv("depthwise", x.permute(0, 3, 1, 2), hidden, (3, 3), padding=1, groups=hidden).permute(0, 2, 3, 1)
    return linear("fc2", gelu(x), C)


@layer("overlap_patch_embedding", "Overlapping patch embedding", "Wang et al. 2022 (PVT v2), §3.3")
def _overlap_patch_embedding(
    tape: Tape, H: Dim, W: Dim, C: Dim, s: Dim, *, batch: Dim = 1, channels: Dim = 3
) -> Any:
    """A convolution of kernel 2s - 1, stride s and padding s - 1, and a layer norm.

    7 x 7 over 4 at the image, 3 x 3 over 2 between stages. Every s-th row begins a token, so a last row
    of fewer than s counts as one.

    Args:
        H, W: the image in pixels, or the grid before.
        C: channels of a token.
        s: stride, in pixels or tokens.
        batch: images.
        channels: of a pixel, or of a token before.
    """
    return overlap_patch_embedding("", given(tape, batch, channels, H, W), C, s)


@layer("conv_ffn", "Convolutional feed-forward", "Wang et al. 2022 (PVT v2), §3.4")
def _conv_ffn(tape: Tape, h: Dim, w: Dim, C: Dim, r: Dim, *, batch: Dim = 1) -> Any:
    """Feed-forward with a 3 x 3 depth-wise convolution before the GELU.

    Its zero padding tells a token where it is, in place of a position embedding.

    Args:
        h, w: the token grid.
        C: channels of a token.
        r: expansion ratio.
        batch: images.
    """
    return convolutional_feed_forward("", given(tape, batch, h, w, C), r * C)
