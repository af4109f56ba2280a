"""Pyramid Vision Transformer; see :mod:`vpcalc.reference.pvt`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..modules import Step, layer_norm, linear, module, sequential
from ..tensor import Tensor
from .attention import feed_forward
from .embedding import class_token, patch_embedding, position_embedding
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
def stage(x: Tensor, C: Any, P: Any, last: bool, blocks: Sequence[Step]) -> Tensor:
    """Patches, positions and blocks; in the last stage a class token goes first."""
    y = patch_embedding("patches", x, C, P, norm=True)
    tokens = y.flatten(1, 2)
    if last:
        y = position_embedding("positions", class_token("class_token", tokens)).unsqueeze(2)
    else:
        y = position_embedding("positions", tokens).reshape(*y.shape)
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
    classes: Any,
) -> Tensor:
    """Image to classes."""
    stages: list[Step] = []
    for number, c in enumerate(C):
        blocks = [partial(block, heads=heads[number], R=R[number], r=r[number]) for _ in range(depths[number])]
        stages.append(partial(stage, C=c, P=P[number], last=number == len(C) - 1, blocks=blocks))
    x = images
    for number, step in enumerate(stages[:-1]):
        x = step(f"stages.{number}", x).permute(0, 3, 1, 2)
    tokens = layer_norm("norm", stages[-1](f"stages.{len(C) - 1}", x))[:, 0, 0]
    return linear("head", tokens, classes)
