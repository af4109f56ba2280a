"""Pyramid Vision Transformer (Wang et al. 2021, arXiv 2102.12122)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import Any

from ..abstract.modules import Copies, Step, layer_norm, module, repeat, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim, floor_div, require_side
from ..errors import InputError
from ..layers.embedding import class_token, classifier, patch_embedding, resized_positions
from ..layers.feedforward import feed_forward
from ..layers.reduction import spatial_reduction_attention
from .backbones import maps_in_turn
from .registry import Assumption, Family, register


def pvt(
    images: Tensor,
    *,
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    P: tuple[int, ...],
    trained_at: tuple[int, int],
    classes: Dim,
) -> Tensor:
    """Stages of spatial-reduction attention; each opens with patches and positions of its own (Figure 3).

    The class token joins the last stage, whose attention is not reduced: N = hw + 1 tokens. Rows and
    columns that a patch does not divide are dropped, as the authors' convolution without padding drops
    them. The tables of positions are those of an image of ``trained_at``; a stage that has another number
    of tokens resizes its own, as the authors' detectors do at 800 x 1333. (Their code asks the first stage's
    number in every stage, so that it resizes in the others at 224 x 224 too, to the size they have, and
    stops at 448 x 448, where the second stage has that number. Here each stage asks its own.)
    """
    x = images
    for number, stage in enumerate(_stages(images, C, depths, heads, R, r, P, trained_at, classifies=True)):
        x = stage(f"stages.{number}", x)
    with x.tape.node("head") as head:
        head.stage = Stage(_grid(images.shape[2:], P), C[-1])
        return classifier("head", layer_norm("norm", x)[:, 0, 0], classes)


def pyramid(images: Tensor, first: int, *, classes: Dim, **settings: Any) -> tuple[Tensor, ...]:
    """The map of each stage as it is, as the authors' detectors have it: no class token, no norm after the last.

    (Their table of the last stage keeps the class token's place, which nothing reads: C parameters more.)
    """
    return maps_in_turn(images, first, _stages(images, **settings))


def _stages(
    images: Tensor,
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    P: tuple[int, ...],
    trained_at: tuple[int, int],
    classifies: bool = False,
) -> list[Step]:
    """The stages for these images, each a module; where it ``classifies`` the last one has the class token."""
    require_side(images.shape[2:], _least_side(P, R), "patches and R")
    found: list[Step] = []
    for number, (c, depth, a, ratio, expansion, side) in enumerate(
        zip(C, depths, heads, R, r, P, strict=True), start=1
    ):
        block = partial(_block, heads=a, R=ratio, r=expansion)
        table = _grid(trained_at, P[:number])
        last = classifies and number == len(C)
        found.append(
            partial(_stage, number=number, C=c, P=side, a=a, table=table, last=last, blocks=Copies(block, depth))
        )
    return found


def _grid(sides: tuple[Dim, ...], P: tuple[int, ...]) -> tuple[Dim, Dim]:
    """The grid that is left of an image by one patch after the other."""
    h, w = sides
    for side in P:
        h, w = floor_div(h, side), floor_div(w, side)
    return h, w


def _least_side(P: tuple[int, ...], R: tuple[int, ...]) -> int:
    """Pixels with which every stage has at least R rows of tokens."""
    step, least = 1, 1
    for side, ratio in zip(P, R, strict=True):
        step *= side
        least = max(least, step * ratio)  # floor(H / step) >= R
    return least


@module
def _stage(
    x: Tensor, number: int, C: Dim, P: Dim, a: Dim, table: tuple[Dim, Dim], last: bool, blocks: Copies[Step]
) -> Tensor:
    """(batch, c, H, W) to (batch, C, h, w); with a class token, in the last stage, to (batch, hw + 1, 1, C)."""
    with x.tape.node(f"stage {number}") as stage:
        y = patch_embedding("patches", x, C, P, norm=True)
        grid = (y.shape[1], y.shape[2])
        stage.stage = Stage(grid, C, blocks.times, a)
        tokens = y.flatten(1, 2)
        if last:
            y = resized_positions("positions", class_token("class_token", tokens), grid, table, 1).unsqueeze(2)
        else:
            y = resized_positions("positions", tokens, grid, table).reshape(*y.shape)
        y = repeat("blocks", y, blocks)
        return y if last else y.permute(0, 3, 1, 2)


@module
@recomputable
@titled("block")
def _block(x: Tensor, heads: Dim, R: Dim, r: Dim) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + spatial_reduction_attention("attention", layer_norm("norm1", x), heads, R)
    return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


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
        "classes": "outputs of the head; 0 leaves it out, and so does head=false",
    },
    classifies=True,
    pyramid=pyramid,
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
