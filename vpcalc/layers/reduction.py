"""Attention to a reduced grid (Wang et al. 2021, PVT and PVT v2)."""

from __future__ import annotations

from ..cost import Cost, Op, Tiling
from ..dims import Dim, floor_div, is_number, smallest
from ..errors import InputError
from ..ops import adaptive_avg_pool2d, conv2d, layer_norm, linear
from .attention import head_width, scaled_dot_product
from .registry import layer


@layer("sra", "SRA", "Wang et al. 2021 (PVT), eq. 1-4")
def spatial_reduction_attention(
    h: Dim, w: Dim, C: Dim, heads: Dim, R: Dim, *, batch: Dim = 1, name: str = "sra"
) -> Cost:
    """Attention whose keys and values come from a grid reduced R times in each direction.

    The reduction is a convolution of kernel and stride R and a layer norm, as in the authors' code;
    with R = 1 there is none. Rows and columns that R does not divide are dropped by that convolution.

    Args:
        h, w: the token grid.
        C: channels of a token.
        heads: attention heads; divides C.
        R: reduction ratio, at most the grid's shorter side.
        batch: images.
    """
    d = head_width(C, heads)
    reduced = (floor_div(h, R), floor_div(w, R))
    if all(map(is_number, (h, w, R))) and (h < R or w < R):
        raise InputError(f"R = {R} is larger than the grid {h}x{w}: choose R from 1 to {smallest(h, w)}")
    keys = reduced[0] * reduced[1]
    reduction: tuple[Op, ...] = ()
    if R != 1:
        reduction = (
            conv2d("reduce", batch, reduced, C, C, (R, R)),
            layer_norm("norm", batch * keys, C),
        )
    return Cost(
        name,
        (
            linear("q", batch * h * w, C, C),
            *reduction,
            linear("kv", batch * keys, C, 2 * C),
            *scaled_dot_product(batch, heads, h * w, keys, d, d),
            linear("proj", batch * h * w, C, C),
        ),
        tilings=(Tiling(R, h, "reduction", drops=True), Tiling(R, w, "reduction", drops=True)),
    )


@layer("linear_sra", "Linear SRA", "Wang et al. 2022 (PVT v2), eq. 2")
def linear_spatial_reduction_attention(
    h: Dim, w: Dim, C: Dim, heads: Dim, P: Dim, *, batch: Dim = 1, name: str = "linear_sra"
) -> Cost:
    """Attention whose keys and values come from a grid pooled to P x P, whatever its size.

    Pooling, 1 x 1 convolution, layer norm and GELU, as in the authors' code.

    Args:
        h, w: the token grid.
        C: channels of a token.
        heads: attention heads; divides C.
        P: side of the pooled grid (7 in the paper).
        batch: images.
    """
    d = head_width(C, heads)
    keys = P * P
    return Cost(
        name,
        (
            linear("q", batch * h * w, C, C),
            adaptive_avg_pool2d("pool", batch, (h, w), C),
            conv2d("1x1", batch, (P, P), C, C, (1, 1)),
            layer_norm("norm", batch * keys, C),
            linear("kv", batch * keys, C, 2 * C),
            *scaled_dot_product(batch, heads, h * w, keys, d, d),
            linear("proj", batch * h * w, C, C),
        ),
    )
