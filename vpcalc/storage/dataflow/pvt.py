"""Pyramid Vision Transformer; see :mod:`vpcalc.reference.pvt`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..modules import Step, layer_norm, linear, module, sequential
from ..tensor import Tensor
from .attention import feed_forward
from .embedding import class_token, patch_embedding, resized_positions
from .recompute import recomputable
from .reduction import spatial_reduction_attention
from .registry import image, model


@module
@recomputable
def block(x: Tensor, heads: Any, R: Any, r: Any) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + spatial_reduction_attention("attention", layer_norm("norm1", x), heads, R)
    return x + feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1])


@module
def stage(x: Tensor, C: Any, P: Any, table: tuple[Any, Any], last: bool, blocks: Sequence[Step]) -> Tensor:
    """Patches, positions and blocks; in the last stage a class token goes first."""
    y = patch_embedding("patches", x, C, P, norm=True)
    grid = (y.shape[1], y.shape[2])
    tokens = y.flatten(1, 2)
    if last:
        y = resized_positions("positions", class_token("class_token", tokens), grid, table, 1).unsqueeze(2)
    else:
        y = resized_positions("positions", tokens, grid, table).reshape(*y.shape)
    return sequential("blocks", y, *blocks)


@model("pvt", image)
def pvt(
    images: Tensor,
    *,
    C: tuple[Any, ...],
    depths: tuple[int, ...],
    heads: tuple[Any, ...],
    R: tuple[Any, ...],
    r: tuple[Any, ...],
    P: tuple[Any, ...],
    trained_at: tuple[Any, Any],
    classes: Any,
) -> Tensor:
    """Image to classes."""
    stages: list[Step] = []
    table = trained_at
    for number, c in enumerate(C):
        blocks = [partial(block, heads=heads[number], R=R[number], r=r[number]) for _ in range(depths[number])]
        table = (table[0] // P[number], table[1] // P[number])
        last = number == len(C) - 1
        stages.append(partial(stage, C=c, P=P[number], table=table, last=last, blocks=blocks))
    x = images
    for number, step in enumerate(stages[:-1]):
        x = step(f"stages.{number}", x).permute(0, 3, 1, 2)
    tokens = layer_norm("norm", stages[-1](f"stages.{len(C) - 1}", x))[:, 0, 0]
    return linear("head", tokens, classes)
