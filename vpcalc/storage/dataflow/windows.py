"""Window attention with cyclic shift; see :mod:`vpcalc.reference.windows`."""

from __future__ import annotations

from typing import Any

from ..functions import repeat, roll, rows_of
from ..modules import buffer, module, parameter
from ..tape import Tape
from ..tensor import INT64, Tensor
from .attention import self_attention
from .embedding import padded
from .registry import given, layer


def to_windows(x: Tensor, M: Any) -> Tensor:
    """(batch, h, w, C) to (batch * windows, M * M, C)."""
    batch, h, w, C = x.shape
    x = x.reshape(batch, h // M, M, w // M, M, C).transpose(2, 3)
    return x.reshape(-1, M * M, C)


def from_windows(x: Tensor, M: Any, h: Any, w: Any) -> Tensor:
    """The inverse of :func:`to_windows`."""
    C = x.shape[-1]
    x = x.reshape(-1, h // M, w // M, M, M, C).transpose(2, 3)
    return x.reshape(-1, h, w, C)


@module
def window_attention(x: Tensor, heads: Any, M: Any, shift: bool = False) -> Tensor:
    """(batch, h, w, C) to the same."""
    _, h, w, _ = x.shape
    shift = shift and min(h, w) > M > 1  # half a window of one token is no shift
    M = min(M, h, w)
    bottom, right = -h % M, -w % M
    x = padded(x, (0, 0, 0, right, 0, bottom))
    if shift:
        x = roll(x)
    tokens = to_windows(x, M)
    mask = (h + bottom) // M * ((w + right) // M) if shift else None
    tokens = self_attention("attention", tokens, heads, _bias(x, tokens.shape[0], heads, M, mask))
    x = from_windows(tokens, M, h + bottom, w + right)
    if shift:
        x = roll(x)
    return x[:, :h, :w]


def _bias(x: Tensor, windows: Any, heads: Any, M: Any, masked: Any | None) -> Tensor:
    """Learned bias of each head, (1, heads, M², M²), and for shifted windows the mask of each window."""
    tape, pairs = x.tape, M * M
    table = parameter(tape, (2 * M - 1) * (2 * M - 1), heads)
    index = buffer(tape, (pairs, pairs), INT64)
    bias = rows_of(table, index.reshape(-1)).reshape(pairs, pairs, -1).permute(2, 0, 1)[None]
    if masked is None:
        return bias
    mask = buffer(tape, (masked, 1, pairs, pairs))
    return bias + repeat(mask, windows // masked, 1, 1, 1)


@layer("wmsa")
def _wmsa(tape: Tape, h: Any, w: Any, C: Any, heads: Any, M: Any, batch: Any) -> Tensor:
    return window_attention("", given(tape, batch, h, w, C), heads, M)


@layer("swmsa")
def _swmsa(tape: Tape, h: Any, w: Any, C: Any, heads: Any, M: Any, batch: Any) -> Tensor:
    return window_attention("", given(tape, batch, h, w, C), heads, M, shift=True)


@layer("relative_position_bias")
def _relative_position_bias(tape: Tape, M: Any, heads: Any) -> Tensor:
    table = parameter(tape, (2 * M - 1) * (2 * M - 1), heads)
    index = buffer(tape, (M * M, M * M), INT64)
    return given(tape, 1, heads, M * M, M * M) + rows_of(table, index).permute(2, 0, 1)
