"""Spatial-reduction attention and its linear form; see :mod:`vpcalc.reference.reduction`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..functions import gelu
from ..modules import conv, layer_norm, linear, module
from ..tape import Tape
from ..tensor import Tensor
from .attention import attend, merge_heads, split_heads
from .convolution import adaptive_avg_pool
from .registry import given, layer

Reduce = Callable[[Tensor], Tensor]


def _reduced_attention(x: Tensor, heads: Any, reduce: Reduce) -> Tensor:
    """Queries from every token, keys and values from what ``reduce`` leaves of the grid."""
    batch, h, w, C = x.shape
    q = split_heads(linear("q", x.reshape(batch, h * w, C), C), heads)
    k, v = linear("kv", reduce(x.permute(0, 3, 1, 2)), 2 * C).chunk(2, dim=-1)
    y = merge_heads(attend(q, split_heads(k, heads), split_heads(v, heads)))
    return linear("proj", y, C).reshape(batch, h, w, C)


@module
def spatial_reduction_attention(x: Tensor, heads: Any, R: Any) -> Tensor:
    """Keys and values from a grid reduced by a strided convolution."""
    return _reduced_attention(x, heads, partial(_strided, R=R))


def _strided(grid: Tensor, R: Any) -> Tensor:
    if R == 1:
        return grid.flatten(2).transpose(1, 2)
    shrunk = conv("convolution", grid, grid.shape[1], (R, R), stride=R)
    return layer_norm("norm", shrunk.flatten(2).transpose(1, 2))


@module
def linear_spatial_reduction_attention(x: Tensor, heads: Any, P: Any) -> Tensor:
    """Keys and values from a grid pooled to P x P."""
    return _reduced_attention(x, heads, partial(_pooled, P=P))


def _pooled(grid: Tensor, P: Any) -> Tensor:
    pooled = conv("convolution", adaptive_avg_pool("pool", grid, P), grid.shape[1], (1, 1))
    tokens = pooled.flatten(2).transpose(1, 2)
    return gelu(layer_norm("norm", tokens))


@layer("sra")
def _sra(tape: Tape, h: Any, w: Any, C: Any, heads: Any, R: Any, batch: Any) -> Tensor:
    return spatial_reduction_attention("", given(tape, batch, h, w, C), heads, R)


@layer("linear_sra")
def _linear_sra(tape: Tape, h: Any, w: Any, C: Any, heads: Any, P: Any, batch: Any) -> Tensor:
    return linear_spatial_reduction_attention("", given(tape, batch, h, w, C), heads, P)
