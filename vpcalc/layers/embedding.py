"""From pixels to tokens and from tokens to classes."""

from __future__ import annotations

from ..cost import Cost, Resizing, Tiling
from ..dims import Dim, ceil_div, floor_div, require_side, unequal
from ..ops import conv2d, layer_norm, linear, upsample_bilinear2d
from ..ops import table as _table
from .registry import layer


@layer("patch_embedding", "Patch embedding", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def patch_embedding(
    H: Dim,
    W: Dim,
    C: Dim,
    P: Dim,
    *,
    batch: Dim = 1,
    channels: Dim = 3,
    norm: bool = False,
    pads: bool = False,
) -> Cost:
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
    if not pads:
        require_side((H, W), P, "whole patches")
    patches = ceil_div if pads else floor_div
    h, w = patches(H, P), patches(W, P)
    projection = conv2d("proj", batch, (h, w), channels, C, (P, P))
    after = (layer_norm("norm", batch * h * w, C),) if norm else ()
    tilings = (Tiling(P, H, "patch", not pads), Tiling(P, W, "patch", not pads))
    return Cost("patch_embedding", (projection, *after), tilings=tilings)


@layer("patch_merging", "Patch merging", "Liu et al. 2021 (Swin), §3.1")
def patch_merging(h: Dim, w: Dim, C: Dim, *, batch: Dim = 1) -> Cost:
    """Each 2 x 2 neighbours are concatenated, normalised and projected from 4C to 2C.

    An odd side is padded. The projection has no bias.

    Args:
        h, w: the token grid before merging.
        C: channels before merging.
        batch: images.
    """
    rows = batch * ceil_div(h, 2) * ceil_div(w, 2)
    return Cost(
        "patch_merging",
        (layer_norm("norm", rows, 4 * C), linear("reduction", rows, 4 * C, 2 * C, bias=False)),
        tilings=(Tiling(2, h, "merging"), Tiling(2, w, "merging")),
    )


@layer("class_token", "Class token", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def class_token(C: Dim) -> Cost:
    """One learned token, put before the patches."""
    return Cost("class_token", (_table("class token", 1, C),))


@layer("position_embedding", "Position embedding", "Dosovitskiy et al. 2021 (ViT), eq. 1")
def position_embedding(N: Dim, C: Dim) -> Cost:
    """One learned vector for each of N positions; adding it is not a product."""
    return Cost("position_embedding", (_table("positions", N, C),))


def resized_positions(h: Dim, w: Dim, C: Dim, table: tuple[Dim, Dim], *, first: Dim = 0) -> Cost:
    """Learned positions of a grid, resized bilinearly to h x w unless that is as many.

    The table is resized once for all images of a batch.

    Args:
        h, w: the token grid that needs them.
        C: channels of a token.
        table: the grid that they were made for.
        first: positions before those of the grid, such as a class token's, which stay as they are.
    """
    made = table[0] * table[1]
    times = unequal(h * w, made)
    never = isinstance(times, int) and times == 0
    resize = () if never else (upsample_bilinear2d("resize", times, (h, w), C),)
    return Cost(
        "position_embedding",
        (_table("positions", made + first, C), *resize),
        resizings=(Resizing(table, (h, w)),),
    )


@layer("head", "Classification head", "Dosovitskiy et al. 2021 (ViT), §3.1")
def classification_head(C: Dim, classes: Dim, *, batch: Dim = 1) -> Cost:
    """One linear layer from the pooled or class token to the classes."""
    return Cost("head", (linear("head", batch, C, classes),))
