"""Swin Transformer (Liu et al. 2021, arXiv 2103.14030)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cost import Cost, Stage, Tiling
from ..dims import Dim, ceil_div
from ..errors import InputError
from ..inputs import on_grid
from ..layers.embedding import classification_head, patch_embedding, patch_merging
from ..layers.feedforward import token_feed_forward
from ..layers.windows import shifted_window_attention, window_attention
from ..ops import layer_norm
from .registry import Family, register


def swin(
    H: Dim,
    W: Dim,
    *,
    C: Dim,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    M: Dim | str,
    P: Dim,
    r: Dim,
    classes: Dim,
    batch: Dim = 1,
) -> Cost:
    """Stages of window attention; each but the first opens with patch merging (Figure 3).

    M may be an expression of a stage's grid, ``"h/8"``: then the window grows with the resolution.
    """
    h, w = ceil_div(H, P), ceil_div(W, P)
    opening = patch_embedding(H, W, C, P, batch=batch, norm=True, pads=True)
    stages = []
    for number, (depth, a) in enumerate(zip(depths, heads, strict=True), start=1):
        if number > 1:
            opening = patch_merging(h, w, C, batch=batch)
            h, w, C = ceil_div(h, 2), ceil_div(w, 2), 2 * C
        window = on_grid("--set M", M, h, w)
        blocks = _blocks(h, w, C, depth, a, window, r, batch)
        stages.append(
            Cost(
                f"stage {number}",
                children=(opening, *blocks),
                tilings=(Tiling(1, window, "window"),),
                stage=Stage((h, w), C, depth, a),
            )
        )
    head = Cost(
        "head",
        (layer_norm("norm", batch * h * w, C),),
        (classification_head(C, classes, batch=batch),),
        stage=Stage((h, w), C),
    )
    return Cost("swin", children=(*stages, head))


def _blocks(h: Dim, w: Dim, C: Dim, depth: int, heads: int, M: Dim, r: Dim, batch: Dim) -> list[Cost]:
    """Blocks alternate between windows and shifted windows; a grid of one window has nothing to shift."""
    # only ints: where sizes are symbols, traced or arrays, both kinds of block stand for one another, at one cost
    one_window = all(isinstance(side, int) for side in (h, w, M)) and (h <= M or w <= M)
    shifted = 0 if one_window else depth // 2
    plain = window_attention(h, w, C, heads, M, batch=batch)
    rolled = shifted_window_attention(h, w, C, heads, M, batch=batch)
    kinds = ((plain, depth - shifted), (rolled, shifted))
    return [_block(attention, h * w, C, r, batch) * times for attention, times in kinds if times]


def _block(attention: Cost, N: Dim, C: Dim, r: Dim, batch: Dim) -> Cost:
    norms = (layer_norm("norm1", batch * N, C), layer_norm("norm2", batch * N, C))
    return Cost(f"{attention.name} block", norms, (attention, token_feed_forward(N, C, r * C, batch=batch)))


def _check(config: Mapping[str, Any]) -> None:
    if len(config["depths"]) != len(config["heads"]):
        stages, heads = len(config["depths"]), len(config["heads"])
        raise InputError(f"--set depths has {stages} stages and heads {heads}: give as many of each")


SWIN = Family(
    "swin",
    swin,
    "Liu et al. 2021, arXiv 2103.14030",
    meanings={
        "C": "channels of the first stage",
        "depths": "blocks of each stage",
        "heads": "attention heads of each stage",
        "M": "window side in tokens, or an expression of the stage's grid such as h/8",
        "P": "patch side in pixels",
        "r": "feed-forward expansion",
        "classes": "outputs of the head",
    },
    check=_check,
    expressions=frozenset({"M"}),
)

for _id, _C, _depths, _heads, _M, _size, _alias in (
    ("swin_t", 96, (2, 2, 6, 2), (3, 6, 12, 24), 7, 224, "swin_tiny_patch4_window7_224"),
    ("swin_s", 96, (2, 2, 18, 2), (3, 6, 12, 24), 7, 224, "swin_small_patch4_window7_224"),
    ("swin_b", 128, (2, 2, 18, 2), (4, 8, 16, 32), 7, 224, "swin_base_patch4_window7_224"),
    ("swin_l", 192, (2, 2, 18, 2), (6, 12, 24, 48), 7, 224, "swin_large_patch4_window7_224"),
    ("swin_b_384", 128, (2, 2, 18, 2), (4, 8, 16, 32), 12, 384, "swin_base_patch4_window12_384"),
    ("swin_l_384", 192, (2, 2, 18, 2), (6, 12, 24, 48), 12, 384, "swin_large_patch4_window12_384"),
):
    register(
        SWIN,
        _id,
        sizes=(_size, _size),
        aliases=(_alias,),
        C=_C,
        depths=_depths,
        heads=_heads,
        M=_M,
        P=4,
        r=4,
        classes=1000,
    )
