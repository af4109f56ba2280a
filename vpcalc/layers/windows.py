"""Attention in local windows (Liu et al. 2021, Swin Transformer)."""

from __future__ import annotations

from ..cost import Cost, Op, Tiling
from ..dims import Dim, ceil_div, smallest
from ..ops import linear, table
from .attention import head_width, scaled_dot_product
from .registry import layer


def window_side(h: Dim, w: Dim, M: Dim) -> Dim:
    """The window that is used: never larger than the grid's shorter side."""
    return smallest(M, h, w)


def bias_table(M: Dim, heads: Dim) -> Op:
    """One learned bias per head and relative offset, (2M - 1)² of them (Liu et al. 2021, eq. 4)."""
    return table("relative position bias", (2 * M - 1) * (2 * M - 1), heads)


@layer("wmsa", "W-MSA", "Liu et al. 2021 (Swin), eq. 2")
def window_attention(h: Dim, w: Dim, C: Dim, heads: Dim, M: Dim, *, batch: Dim = 1, name: str = "wmsa") -> Cost:
    """Multi-head self-attention within windows of M x M tokens.

    A grid that M does not divide is padded, right and bottom, and the padding is computed and
    counted, projections included: the authors' code pads before it cuts windows. Where the grid's
    shorter side is at most M, it becomes the window.

    Args:
        h, w: the token grid.
        C: channels of a token.
        heads: attention heads; divides C.
        M: side of a window, in tokens.
        batch: images.
    """
    asked, M = M, window_side(h, w, M)
    d = head_width(C, heads)
    windows = batch * ceil_div(h, M) * ceil_div(w, M)
    tokens = M * M
    return Cost(
        name,
        (
            linear("qkv", windows * tokens, C, 3 * C),
            bias_table(M, heads),
            *scaled_dot_product(windows, heads, tokens, tokens, d, d),
            linear("proj", windows * tokens, C, C),
        ),
        tilings=(Tiling(M, h, "window"), Tiling(M, w, "window")),
        notes=_shrunk(asked, M),
    )


def _shrunk(asked: Dim, used: Dim) -> tuple[str, ...]:
    if not (isinstance(asked, int) and isinstance(used, int)) or asked == used:
        return ()
    return (f"a window of {asked} is larger than the grid: {used} is used",)


@layer("swmsa", "SW-MSA", "Liu et al. 2021 (Swin), §3.2")
def shifted_window_attention(
    h: Dim, w: Dim, C: Dim, heads: Dim, M: Dim, *, batch: Dim = 1, name: str = "swmsa"
) -> Cost:
    """Window attention on a grid that is rolled by M/2, with a mask between what was not adjacent.

    The cyclic shift keeps the number of windows, and the mask is added: the products are those of
    W-MSA (§3.2, "efficient batch computation").
    """
    return window_attention(h, w, C, heads, M, batch=batch, name=name)


@layer("relative_position_bias", "Relative position bias", "Liu et al. 2021 (Swin), eq. 4")
def relative_position_bias(M: Dim, heads: Dim) -> Cost:
    """The table of (2M - 1)² offsets per head; looking it up and adding it are not products."""
    return Cost("relative_position_bias", (bias_table(M, heads),))
