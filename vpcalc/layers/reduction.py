"""Attention to a reduced grid (Wang et al. 2021, PVT and PVT v2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..abstract.functions import gelu
from ..abstract.modules import conv, layer_norm, linear, module, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..cost import Tiling
from ..dims import Dim, is_number, smallest
from ..errors import InputError
from .attention import attend, merge_heads, split_heads
from .convolution import adaptive_avg_pool
from .registry import layer

Reduce = Callable[[Tensor], Tensor]
"""From a grid (batch, C, h, w) to tokens (batch, keys, C)."""


@module
@titled("sra")
def spatial_reduction_attention(x: Tensor, heads: Dim, R: Dim) -> Tensor:
    """(batch, h, w, C) to the same; keys and values from a grid reduced by a strided convolution."""
    _, h, w, _ = x.shape
    x.tape.note(*(Tiling(R, side, "reduction", drops=True, least=2) for side in (h, w)))
    return _reduced_attention(x, heads, partial(_strided, R=R))


@module
@titled("linear_sra")
def linear_spatial_reduction_attention(x: Tensor, heads: Dim, P: Dim) -> Tensor:
    """(batch, h, w, C) to the same; keys and values from a grid pooled to P x P."""
    return _reduced_attention(x, heads, partial(_pooled, P=P))


def _reduced_attention(x: Tensor, heads: Dim, reduce: Reduce) -> Tensor:
    """Queries from every token, keys and values from what ``reduce`` leaves of the grid."""
    batch, h, w, C = x.shape
    q = split_heads(linear("q", x.reshape(batch, h * w, C), C), heads)
    k, v = linear("kv", reduce(x.permute(0, 3, 1, 2)), 2 * C).chunk(2, dim=-1)
    y = merge_heads(attend(q, split_heads(k, heads), split_heads(v, heads)))
    return linear("proj", y, C).reshape(batch, h, w, C)


def _strided(grid: Tensor, R: Dim) -> Tensor:
    _, C, h, w = grid.shape
    if all(map(is_number, (h, w, R))) and (h < R or w < R):
        raise InputError(f"R = {R} is larger than the grid {h}x{w}: choose R from 1 to {smallest(h, w)}")
    if R == 1:  # decided on a ledger, too: without a reduction there is nothing to pay
        return grid.flatten(2).transpose(1, 2)
    shrunk = conv("convolution", grid, C, (R, R), stride=R)
    return layer_norm("norm", shrunk.flatten(2).transpose(1, 2))


def _pooled(grid: Tensor, P: Dim) -> Tensor:
    pooled = conv("convolution", adaptive_avg_pool("pool", grid, P), grid.shape[1], (1, 1))
    tokens = pooled.flatten(2).transpose(1, 2)
    return gelu(layer_norm("norm", tokens))


@layer("sra", "SRA", "Wang et al. 2021 (PVT), eq. 1-4")
def _sra(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, R: Dim, *, batch: Dim = 1) -> Any:
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
    return spatial_reduction_attention("", given(tape, batch, h, w, C), heads, R)


@layer("linear_sra", "Linear SRA", "Wang et al. 2022 (PVT v2), eq. 2")
def _linear_sra(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, P: Dim, *, batch: Dim = 1) -> Any:
    """Attention whose keys and values come from a grid pooled to P x P, whatever its size.

    Pooling, 1 x 1 convolution, layer norm and GELU, as in the authors' code.

    Args:
        h, w: the token grid.
        C: channels of a token.
        heads: attention heads; divides C.
        P: side of the pooled grid (7 in the paper).
        batch: images.
    """
    return linear_spatial_reduction_attention("", given(tape, batch, h, w, C), heads, P)
