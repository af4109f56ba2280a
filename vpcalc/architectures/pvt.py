"""Pyramid Vision Transformer (Wang et al. 2021, arXiv 2102.12122)."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from ..cost import Cost, Stage
from ..dims import Dim, floor_div, require_side
from ..errors import InputError
from ..layers.embedding import class_token, classification_head, patch_embedding, resized_positions
from ..layers.feedforward import token_feed_forward
from ..layers.reduction import spatial_reduction_attention
from ..ops import layer_norm
from .registry import Assumption, Family, register


def pvt(
    H: Dim,
    W: Dim,
    *,
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    P: tuple[int, ...],
    trained_at: tuple[int, int],
    classes: Dim,
    batch: Dim = 1,
) -> Cost:
    """Stages of spatial-reduction attention; each opens with patches and positions of its own (Figure 3).

    The class token joins the last stage, whose attention is not reduced: N = hw + 1 tokens. Rows and
    columns that a patch does not divide are dropped, as the authors' convolution without padding drops
    them. The tables of positions are those of an image of ``trained_at``; a stage that has another number
    of tokens resizes its own, as the authors' detectors do at 800 x 1333. (Their code asks the first stage's
    number in every stage, so that it resizes in the others at 224 x 224 too, to the size they have, and
    stops at 448 x 448, where the second stage has that number. Here each stage asks its own.)
    """
    step, least = 1, 1
    for side, ratio in zip(P, R, strict=True):
        step *= side
        least = max(least, step * ratio)  # floor(H / step) >= R
    require_side((H, W), least, "patches and R")

    h, w, channels = H, W, 3
    table = trained_at
    stages = []
    for number, (c, depth, a, ratio, expansion, side) in enumerate(
        zip(C, depths, heads, R, r, P, strict=True), start=1
    ):
        patches = patch_embedding(h, w, c, side, batch=batch, channels=channels, norm=True)
        h, w, channels = floor_div(h, side), floor_div(w, side), c
        table = (table[0] // side, table[1] // side)
        last = number == len(depths)
        grid = (h * w + 1, 1) if last else (h, w)  # with a class token the tokens are a sequence
        positions = resized_positions(h, w, c, table, first=1 if last else 0)
        opening = (patches, *((class_token(c),) if last else ()), positions)
        block = _block(grid, c, a, ratio, expansion, batch)
        stages.append(
            Cost(f"stage {number}", children=(*opening, block * depth), stage=Stage((h, w), c, depth, a))
        )
    head = Cost(
        "head",
        (layer_norm("norm", batch * (h * w + 1), channels),),
        (classification_head(channels, classes, batch=batch),),
        stage=Stage((h, w), channels),
    )
    return Cost("pvt", children=(*stages, head))


def _block(grid: tuple[Dim, Dim], C: Dim, heads: Dim, R: Dim, r: Dim, batch: Dim) -> Cost:
    """Pre-norm attention and feed-forward, as in a Transformer encoder."""
    N = grid[0] * grid[1]
    return Cost(
        "block",
        (layer_norm("norm1", batch * N, C), layer_norm("norm2", batch * N, C)),
        (
            spatial_reduction_attention(*grid, C, heads, R, batch=batch),
            token_feed_forward(N, C, r * C, batch=batch),
        ),
    )


def same_stages(config: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuse settings that speak of different numbers of stages."""
    stages = len(config["depths"])
    for name in names:
        if len(config[name]) != stages:
            raise InputError(
                f"--set {name} has {len(config[name])} values and depths {stages}: give one for each stage"
            )


def _check(config: Mapping[str, Any]) -> None:
    same_stages(config, ("C", "heads", "R", "r", "P"))
    if config["R"][-1] != 1:
        raise InputError(
            f"--set R ends with {config['R'][-1]}: the last stage holds the class token, so end with 1"
        )
    least, given = prod(config["P"]), config["trained_at"]
    if len(given) != 2 or min(given) < least:
        raise InputError(
            f"--set trained_at={','.join(map(str, given))}: give height and width, at least {least} pixels each"
        )


PVT = Family(
    "pvt",
    pvt,
    "Wang et al. 2021, arXiv 2102.12122",
    meanings={
        "C": "channels of each stage",
        "depths": "blocks of each stage",
        "heads": "attention heads of each stage",
        "R": "spatial reduction ratio of each stage; 1 in the last",
        "r": "feed-forward expansion of each stage",
        "P": "patch side of each stage, in pixels or tokens of the stage before",
        "trained_at": "image that the positions were made for; at another size they are resized",
        "classes": "outputs of the head",
    },
    check=_check,
)


def as_in_the_code(*printed: int) -> tuple[Assumption, ...]:
    """Depths that Table 1 of a paper prints, where its authors' code has others."""
    return (Assumption("depths", printed, "the authors' code has these, Table 1 of their paper prints others"),)


for _id, _depths, _assumptions in (
    ("pvt_tiny", (2, 2, 2, 2), ()),
    ("pvt_small", (3, 4, 6, 3), as_in_the_code(3, 3, 6, 3)),
    ("pvt_medium", (3, 4, 18, 3), as_in_the_code(3, 3, 18, 3)),
    ("pvt_large", (3, 8, 27, 3), ()),
):
    register(
        PVT,
        _id,
        sizes=(224, 224),
        assumptions=_assumptions,
        C=(64, 128, 320, 512),
        depths=_depths,
        heads=(1, 2, 5, 8),
        R=(8, 4, 2, 1),
        r=(8, 8, 4, 4),
        P=(4, 2, 2, 2),
        trained_at=(224, 224),
        classes=1000,
    )
