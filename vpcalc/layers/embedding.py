"""From pixels to tokens and from tokens to classes."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import cat, interpolate, pad
from ..abstract.modules import conv, layer_norm, linear, module, parameter, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..cost import Resizing, Tiling
from ..dims import Dim, ceil_div, require_side, unequal
from .registry import layer


def missing(size: Dim, tile: Dim) -> Dim:
    """What the last tile of a size lacks."""
    return ceil_div(size, tile) * tile - size


def padded(x: Tensor, widths: tuple[Dim, ...]) -> Tensor:
    """Zeros around it where there is something to add; a ledger does not ask, since that has no price."""
    return pad(x, widths) if x.tape.ledger is not None or any(widths) else x


@module
@titled("patch_embedding")
def patch_embedding(image: Tensor, C: Dim, P: Dim, norm: bool = False, pads: bool = False) -> Tensor:
    """Image (batch, c, H, W) to grid (batch, h, w, C); what P does not divide is left out, or padded."""
    _, _, H, W = image.shape
    image.tape.note(Tiling(P, H, "patch", not pads), Tiling(P, W, "patch", not pads))
    if pads:
        image = padded(image, (0, missing(W, P), 0, missing(H, P)))
    else:
        require_side((H, W), P, "whole patches")
    grid = conv("proj", image, C, (P, P), stride=P).permute(0, 2, 3, 1)
    return layer_norm("norm", grid) if norm else grid


@module
@titled("patch_merging")
def patch_merging(x: Tensor, norm_last: bool = False) -> Tensor:
    """(batch, h, w, C) to (batch, h/2, w/2, 2C), with a norm before the projection or after it."""
    _, h, w, C = x.shape
    x.tape.note(Tiling(2, h, "merging"), Tiling(2, w, "merging"))
    x = padded(x, (0, 0, 0, missing(w, 2), 0, missing(h, 2)))
    corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    if norm_last:
        return layer_norm("norm", linear("reduction", cat(corners, dim=-1), 2 * C, bias=False))
    return linear("reduction", layer_norm("norm", cat(corners, dim=-1)), 2 * C, bias=False)


@module
@titled("class_token")
def class_token(x: Tensor, count: int = 1) -> Tensor:
    """(batch, n, C) to (batch, n + 1, C); a token of distillation makes it two."""
    token = parameter(x.tape, 1, count, x.shape[-1], label="class token")
    return cat((token.expand(x.shape[0], -1, -1), x), dim=1)


@module
@titled("registers")
def register_tokens(x: Tensor, count: Dim, first: int) -> Tensor:
    """``count`` more learned tokens, after the ``first`` ones."""
    token = parameter(x.tape, 1, count, x.shape[-1], label="registers").expand(x.shape[0], -1, -1)
    return cat((x[:, :first], token, x[:, first:]), dim=1)


@module
@titled("position_embedding")
def position_embedding(x: Tensor) -> Tensor:
    """Adds one learned vector to each position."""
    return x + parameter(x.tape, 1, *x.shape[1:], label="positions")


@module
@titled("position_embedding")
def resized_positions(x: Tensor, grid: tuple[Dim, Dim], table: tuple[Dim, Dim], first: int = 0) -> Tensor:
    """Adds one learned vector to each token; a table of another number of places is resized bilinearly.

    The table is resized once for all images of a batch; ``first`` places before those of the grid, such as a class
    token's, stay as they are.
    """
    x.tape.note(Resizing(table, grid))
    return x + _positions_of(x, grid, table, first)


def _positions_of(x: Tensor, grid: tuple[Dim, Dim], table: tuple[Dim, Dim], first: int) -> Tensor:
    positions = parameter(x.tape, 1, first + table[0] * table[1], x.shape[-1], label="positions")
    places, learned = grid[0] * grid[1], table[0] * table[1]
    # a ledger does not decide, since the price has both in one form
    times = unequal(places, learned) if x.tape.ledger is not None else int(bool(places != learned))
    if isinstance(times, int) and times == 0:
        return positions.expand(-1, *x.shape[1:])  # no more than a name: on symbols the sum's sizes are those of x
    made = positions[:, first:].reshape(1, *table, x.shape[-1]).permute(0, 3, 1, 2)
    resized = interpolate(made, grid, "resize", times).flatten(2).transpose(1, 2)
    return cat((positions[:, :first], resized), dim=1) if first else resized


@module
@titled("head")
def classification_head(x: Tensor, classes: Dim) -> Tensor:
    """(batch, C) to (batch, classes)."""
    return linear("", x, classes)


def classifier(name: str, x: Tensor, classes: Dim) -> Tensor:
    """The head of a network; with no classes it is a backbone, and the vector that a head would read comes out."""
    return x if isinstance(classes, int) and classes == 0 else classification_head(name, x, classes)


@layer("patch_embedding", "Patch embedding", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def _patch_embedding(
    tape: Tape,
    H: Dim,
    W: Dim,
    C: Dim,
    P: Dim,
    *,
    batch: Dim = 1,
    channels: Dim = 3,
    norm: bool = False,
    pads: bool = False,
) -> Any:
    """A convolution of kernel and stride P without padding: what P does not divide is dropped, right and bottom.

    Args:
        H, W: the image in pixels.
        C: channels of a token.
        P: side of a patch in pixels.
        batch: images.
        channels: of a pixel.
        norm: layer norm afterwards, as in Swin and PVT.
        pads: the image is padded to whole patches instead, as in Swin.
    """
    return patch_embedding("", given(tape, batch, channels, H, W), C, P, norm, pads)


@layer("patch_merging", "Patch merging", "Liu et al. 2021 (Swin), §3.1")
def _patch_merging(tape: Tape, h: Dim, w: Dim, C: Dim, *, batch: Dim = 1) -> Any:
    """Each 2 x 2 neighbours are concatenated, normalised and projected from 4C to 2C.

    An odd side is padded. The projection has no bias.

    Args:
        h, w: the token grid before merging.
        C: channels before merging.
        batch: images.
    """
    return patch_merging("", given(tape, batch, h, w, C))


@layer("class_token", "Class token", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def _class_token(tape: Tape, C: Dim) -> Any:
    """One learned token, put before the patches."""
    return class_token("", given(tape, 1, 1, C))


@layer("position_embedding", "Position embedding", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def _position_embedding(tape: Tape, N: Dim, C: Dim) -> Any:
    """One learned vector for each of N positions; adding it is not a product."""
    return position_embedding("", given(tape, 1, N, C))


@layer("head", "Classification head", "Dosovitskiy et al. 2021 (ViT), §3.1")
def _head(tape: Tape, C: Dim, classes: Dim, *, batch: Dim = 1) -> Any:
    """One linear layer from the pooled or class token to the classes."""
    return classification_head("", given(tape, batch, C), classes)
