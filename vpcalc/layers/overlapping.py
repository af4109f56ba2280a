"""Tokens that see their neighbours: overlapping patches and a convolution in the feed-forward (PVT v2)."""

from __future__ import annotations

from ..cost import Cost, Tiling
from ..dims import Dim, ceil_div
from ..ops import conv2d, layer_norm, linear
from .registry import layer


@layer("overlap_patch_embedding", "Overlapping patch embedding", "Wang et al. 2022 (PVT v2), §3.3")
def overlap_patch_embedding(H: Dim, W: Dim, C: Dim, s: Dim, *, batch: Dim = 1, channels: Dim = 3) -> Cost:
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
    h, w = ceil_div(H, s), ceil_div(W, s)  # floor((H + 2(s - 1) - (2s - 1)) / s) + 1 = ceil(H / s)
    kernel = 2 * s - 1
    return Cost(
        "overlap_patch_embedding",
        (
            conv2d("proj", batch, (h, w), channels, C, (kernel, kernel)),
            layer_norm("norm", batch * h * w, C),
        ),
        tilings=(Tiling(s, H, "patch"), Tiling(s, W, "patch")),
    )


@layer("conv_ffn", "Convolutional feed-forward", "Wang et al. 2022 (PVT v2), §3.4")
def convolutional_feed_forward(h: Dim, w: Dim, C: Dim, r: Dim, *, batch: Dim = 1) -> Cost:
    """Feed-forward with a 3 x 3 depth-wise convolution before the GELU.

    Its zero padding tells a token where it is, in place of a position embedding.

    Args:
        h, w: the token grid.
        C: channels of a token.
        r: expansion ratio.
        batch: images.
    """
    hidden = r * C
    return Cost(
        "conv_ffn",
        (
            linear("fc1", batch * h * w, C, hidden),
            conv2d("depth-wise", batch, (h, w), hidden, hidden, (3, 3), groups=hidden),
            linear("fc2", batch * h * w, hidden, C),
        ),
    )
