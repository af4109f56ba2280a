"""From pixels to tokens and from tokens to classes; see :mod:`vpcalc.reference.embedding`."""

from __future__ import annotations

from typing import Any

from ..functions import cat, interpolate, pad
from ..modules import conv, layer_norm, linear, module, parameter
from ..tape import Tape
from ..tensor import Tensor
from .registry import given, layer


def padded(x: Tensor, widths: tuple[Any, ...]) -> Tensor:
    """Zeros around it where there is something to add."""
    return pad(x, widths) if any(widths) else x


@module
def patch_embedding(image: Tensor, C: Any, P: Any, norm: bool = False, pads: bool = False) -> Tensor:
    """Image (batch, c, H, W) to grid (batch, h, w, C); what P does not divide is left out, or padded."""
    if pads:
        _, _, H, W = image.shape
        image = padded(image, (0, -W % P, 0, -H % P))
    grid = conv("proj", image, C, (P, P), stride=P).permute(0, 2, 3, 1)
    return layer_norm("norm", grid) if norm else grid


@module
def patch_merging(x: Tensor) -> Tensor:
    """(batch, h, w, C) to (batch, h/2, w/2, 2C)."""
    _, h, w, C = x.shape
    x = padded(x, (0, 0, 0, w % 2, 0, h % 2))
    corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    return linear("reduction", layer_norm("norm", cat(corners, dim=-1)), 2 * C, bias=False)


@module
def class_token(x: Tensor) -> Tensor:
    """(batch, n, C) to (batch, n + 1, C)."""
    token = parameter(x.tape, 1, 1, x.shape[-1])
    return cat((token.expand(x.shape[0], -1, -1), x), dim=1)


@module
def position_embedding(x: Tensor) -> Tensor:
    """Adds one learned vector to each position."""
    return x + parameter(x.tape, 1, *x.shape[1:])


@module
def resized_positions(x: Tensor, grid: tuple[Any, Any], table: tuple[Any, Any], first: int = 0) -> Tensor:
    """Adds one learned vector to each token; a table of another number of places is resized."""
    return x + _positions_of(x, grid, table, first)


def _positions_of(x: Tensor, grid: tuple[Any, Any], table: tuple[Any, Any], first: int) -> Tensor:
    positions = parameter(x.tape, 1, first + table[0] * table[1], x.shape[-1])
    if grid[0] * grid[1] == table[0] * table[1]:
        return positions.expand(-1, *x.shape[1:])  # no more than a name: on symbols the sum's sizes are those of x
    made = positions[:, first:].reshape(1, *table, -1).permute(0, 3, 1, 2)
    resized = interpolate(made, grid).flatten(2).transpose(1, 2)
    return cat((positions[:, :first], resized), dim=1) if first else resized


@layer("patch_embedding")
def _patch_embedding(tape: Tape, H: Any, W: Any, C: Any, P: Any, batch: Any) -> Tensor:
    return patch_embedding("", given(tape, batch, 3, H, W), C, P)


@layer("patch_merging")
def _patch_merging(tape: Tape, h: Any, w: Any, C: Any, batch: Any) -> Tensor:
    return patch_merging("", given(tape, batch, h, w, C))


@layer("class_token")
def _class_token(tape: Tape, C: Any) -> Tensor:
    return class_token("", given(tape, 1, 1, C))


@layer("position_embedding")
def _position_embedding(tape: Tape, N: Any, C: Any) -> Tensor:
    return position_embedding("", given(tape, 1, N, C))


@layer("head")
def _head(tape: Tape, C: Any, classes: Any, batch: Any) -> Tensor:
    return linear("", given(tape, batch, C), classes)
