"""Attention in local windows (Liu et al. 2021, Swin Transformer), and by cosines (Liu et al. 2022, its V2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..abstract.functions import clamp, exp, normalize, relu, repeat, roll, rows_of, sigmoid
from ..abstract.modules import buffer, linear, module, parameter, titled
from ..abstract.tape import Tape
from ..abstract.tensor import INT64, Tensor, given
from ..cost import Tiling
from ..dims import Dim, ceil_div, smallest
from .attention import attend, merge_heads, mix_heads, split_heads
from .embedding import padded
from .registry import layer


def to_windows(x: Tensor, grid: tuple[Dim, Dim], M: Dim) -> Tensor:
    """(batch, rows * M, columns * M, C) to (batch * windows, M * M, C)."""
    batch, _, _, C = x.shape
    rows, columns = grid
    x = x.reshape(batch, rows, M, columns, M, C).transpose(2, 3)
    return x.reshape(batch * rows * columns, M * M, C)


def from_windows(x: Tensor, grid: tuple[Dim, Dim], M: Dim, batch: Dim) -> Tensor:
    """The inverse of :func:`to_windows`."""
    C = x.shape[-1]
    rows, columns = grid
    x = x.reshape(batch, rows, columns, M, M, C).transpose(2, 3)
    return x.reshape(batch, rows * M, columns * M, C)


class Kind(NamedTuple):
    """``mix`` is attention within windows, with biases (heads, M², M²) that ``biases(tape, M, heads)`` makes."""

    mix: Callable[..., Tensor]
    biases: Callable[[Tape, Dim, Dim], Tensor]


@module
def _cosine_attention(x: Tensor, heads: Dim, bias: Tensor) -> Tensor:
    """Cosines of queries and keys, which have no bias, times a learned temperature a head (V2, eq. 2)."""
    C = x.shape[-1]
    q, k, v = (split_heads(linear(name, x, C, bias=name != "k"), heads) for name in "qkv")
    temperature = exp(clamp(parameter(x.tape, heads, 1, 1, label="temperature")))
    q, k = normalize(q), normalize(k)
    return linear("proj", merge_heads(attend(q, k, v, bias, scaled=False, temperature=temperature)), C)


def _relative_position_bias(tape: Tape, M: Dim, heads: Dim) -> Tensor:
    """One learned bias per head and relative offset, (2M - 1)² of them (eq. 4), at each pair of tokens."""
    offsets = 2 * M - 1
    return _at_pairs(parameter(tape, offsets * offsets, heads, label="relative position bias"), M)


def _at_pairs(table: Tensor, M: Dim) -> Tensor:
    """(heads, M², M²): of a table of relative offsets what belongs to each pair of tokens."""
    pairs, heads = M * M, table.shape[1]
    index = buffer(table.tape, (pairs, pairs), INT64)
    return rows_of(table, index.reshape(pairs * pairs)).reshape(pairs, pairs, heads).permute(2, 0, 1)


def _continuous_position_bias(tape: Tape, M: Dim, heads: Dim) -> Tensor:
    """The same from the offsets themselves, by a network that knows no size of windows; 0 to 16 (V2, §3.3)."""
    offsets = 2 * M - 1
    return sigmoid(_at_pairs(_network("positions", buffer(tape, (offsets * offsets, 2)), heads), M)) * 16.0


@module
@titled("position_bias")
def _network(offsets: Tensor, heads: Dim) -> Tensor:
    return linear("fc2", relu(linear("fc1", offsets, 512)), heads, bias=False)


TABLE = Kind(module(mix_heads), _relative_position_bias)
COSINE = Kind(_cosine_attention, _continuous_position_bias)


def window_attention(name: str, x: Tensor, heads: Dim, M: Dim, shift: bool = False, kind: Kind = TABLE) -> Tensor:
    """(batch, h, w, C) to the same, within windows of M x M tokens; to ``shift`` they lie half a window off."""
    return (_shifted if shift else _plain)(name, x, heads, M, kind)


@module
@titled("wmsa")
def _plain(x: Tensor, heads: Dim, M: Dim, kind: Kind) -> Tensor:
    return _in_windows(x, heads, M, shift=False, kind=kind)


@module
@titled("swmsa")
def _shifted(x: Tensor, heads: Dim, M: Dim, kind: Kind) -> Tensor:
    _, h, w, _ = x.shape
    # half a window of one token is no shift; a ledger does not ask, since rolling and masks have no price
    shift = x.tape.ledger is not None or (h > M and w > M and M > 1)
    return _in_windows(x, heads, M, shift, kind)


def _in_windows(x: Tensor, heads: Dim, M: Dim, shift: bool, kind: Kind) -> Tensor:
    batch, h, w, _ = x.shape
    asked, M = M, smallest(M, h, w)
    x.tape.note(Tiling(M, h, "window"), Tiling(M, w, "window"), *_shrunk(asked, M))
    grid = ceil_div(h, M), ceil_div(w, M)
    x = padded(x, (0, 0, 0, grid[1] * M - w, 0, grid[0] * M - h))
    if shift:
        x = roll(x)
    tokens = to_windows(x, grid, M)
    masked = grid[0] * grid[1] if shift else None
    tokens = kind.mix("attention", tokens, heads, _masked(kind.biases(x.tape, M, heads)[None], batch, masked))
    x = from_windows(tokens, grid, M, batch)
    if shift:
        x = roll(x)
    return x[:, :h, :w]


def _shrunk(asked: Dim, used: Dim) -> tuple[str, ...]:
    if not (isinstance(asked, int) and isinstance(used, int)) or asked == used:
        return ()
    return (f"a window of {asked} is larger than the grid: {used} is used",)


def _masked(bias: Tensor, batch: Dim, masked: Dim | None) -> Tensor:
    """The bias of each head, (1, heads, M², M²), and for shifted windows the mask of each window."""
    if masked is None:
        return bias
    mask = buffer(bias.tape, (masked, 1, *bias.shape[2:]))
    return bias + repeat(mask, batch, 1, 1, 1)


@layer("wmsa", "W-MSA", "Liu et al. 2021 (Swin), eq. 2")
def _wmsa(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, M: Dim, *, batch: Dim = 1) -> Any:
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
    return window_attention("", given(tape, batch, h, w, C), heads, M)


@layer("swmsa", "SW-MSA", "Liu et al. 2021 (Swin), §3.2")
def _swmsa(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, M: Dim, *, batch: Dim = 1) -> Any:
    """Window attention on a grid that is rolled by M/2, with a mask between what was not adjacent.

    The cyclic shift keeps the number of windows, and the mask is added: the products are those of
    W-MSA (§3.2, "efficient batch computation").
    """
    return window_attention("", given(tape, batch, h, w, C), heads, M, shift=True)


@layer("relative_position_bias", "Relative position bias", "Liu et al. 2021 (Swin), eq. 4")
def _bias_layer(tape: Tape, M: Dim, heads: Dim) -> Any:
    """The table of (2M - 1)² offsets per head; looking it up and adding it are not products."""
    return given(tape, 1, heads, M * M, M * M) + _relative_position_bias(tape, M, heads)
