"""Pyramid Vision Transformer v2; see :mod:`vpcalc.reference.pvt_v2`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..functions import gelu, mean, relu
from ..modules import Step, conv, layer_norm, linear, module, sequential
from ..tape import Tape
from ..tensor import Tensor
from .recompute import recomputable
from .reduction import linear_spatial_reduction_attention, spatial_reduction_attention
from .registry import given, image, layer, model


@module
def overlap_patch_embedding(x: Tensor, C: Any, s: Any) -> Tensor:
    """Image to grid: kernel 2s - 1, stride s, padding s - 1."""
    side = 2 * s - 1
    grid = conv("proj", x, C, (side, side), stride=s, padding=s - 1)
    return layer_norm("norm", grid.permute(0, 2, 3, 1))


@module
def convolutional_feed_forward(x: Tensor, hidden: Any, rectified: bool = False) -> Tensor:
    """(batch, h, w, C) to the same through ``hidden`` channels, a depth-wise convolution and GELU."""
    C = x.shape[-1]
    x = linear("fc1", x, hidden)
    if rectified:
        x = relu(x)
    x = conv("depthwise", x.permute(0, 3, 1, 2), hidden, (3, 3), padding=1, groups=hidden).permute(0, 2, 3, 1)
    return linear("fc2", gelu(x), C)


@module
@recomputable
def block(x: Tensor, attention: Step, r: Any, rectified: bool) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + attention("attention", layer_norm("norm1", x))
    return x + convolutional_feed_forward("ffn", layer_norm("norm2", x), r * x.shape[-1], rectified)


@module
def stage(x: Tensor, C: Any, s: Any, blocks: list[Step]) -> Tensor:
    """Overlapping patches, blocks, a norm."""
    return layer_norm("norm", sequential("blocks", overlap_patch_embedding("patches", x, C, s), *blocks))


@model("pvt_v2", image)
def pvt_v2(
    images: Tensor,
    *,
    C: tuple[Any, ...],
    depths: tuple[int, ...],
    heads: tuple[Any, ...],
    R: tuple[Any, ...],
    r: tuple[Any, ...],
    S: tuple[Any, ...],
    linear: bool,
    P: Any,
    classes: Any,
) -> Tensor:
    """Image to classes."""
    x = images
    for number, c in enumerate(C):
        pooled = partial(linear_spatial_reduction_attention, heads=heads[number], P=P)
        strided = partial(spatial_reduction_attention, heads=heads[number], R=R[number])
        step = partial(block, attention=pooled if linear else strided, r=r[number], rectified=linear)
        x = stage(f"stages.{number}", x, c, S[number], [step] * depths[number]).permute(0, 3, 1, 2)
    return _head("head", mean(x, (2, 3)), classes)


_head = linear


@layer("overlap_patch_embedding")
def _overlap_patch_embedding(tape: Tape, H: Any, W: Any, C: Any, s: Any, batch: Any) -> Tensor:
    return overlap_patch_embedding("", given(tape, batch, 3, H, W), C, s)


@layer("conv_ffn")
def _conv_ffn(tape: Tape, h: Any, w: Any, C: Any, r: Any, batch: Any) -> Tensor:
    return convolutional_feed_forward("", given(tape, batch, h, w, C), r * C)
