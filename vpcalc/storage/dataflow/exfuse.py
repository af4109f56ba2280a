"""ExFuse; see :mod:`vpcalc.reference.exfuse`."""

from __future__ import annotations

from typing import Any

from ..functions import cat, interpolate
from ..modules import linear, module, sequential
from ..tensor import Tensor
from .convolution import (
    adaptive_avg_pool,
    adjacent_prediction,
    channel_resolution_embedding,
    conv_norm,
    global_convolution,
    relu,
    semantic_embedding,
)
from .registry import image, model
from .resnet import residual_stages, stem


@module
def auxiliary_classifier(x: Tensor, classes: Any = 1000) -> Tensor:
    """(batch, C, h, w) to the classes of the pre-training."""
    C = x.shape[1]
    x_ = sequential("body", x, conv_norm(C, 3), relu, conv_norm(C, 3), relu)
    return linear("fc", adaptive_avg_pool("pool", x_, 1).flatten(1), classes)


@model("exfuse", image, attends=False)
def exfuse(
    images: Tensor,
    *,
    C: Any,
    depths: tuple[int, ...],
    block: str,
    version: str,
    k: Any,
    dap: int,
    classes: Any,
    supervision: bool,
) -> tuple[Tensor, ...]:
    """Image to scores of every pixel, and the auxiliary scores if there are any."""
    features = _encode(images, C, residual_stages(C, depths, block, version, "B"))
    supervised = features[:-1] if supervision else []
    auxiliary = [auxiliary_classifier(f"supervision.{level}", x) for level, x in enumerate(supervised)]
    last = len(features) - 1
    scores = global_convolution(f"gcn.{last}", features[-1], classes, k)
    for level in range(last - 1, -1, -1):
        low = features[level]
        size = low.shape[2:]
        if level == last - 1:
            scores = channel_resolution_embedding("ecre", scores, classes, 2)[:, :, : size[0], : size[1]]
        else:
            scores = interpolate(scores, size)
        scores = scores + global_convolution(f"gcn.{level}", _embed(level, features), classes, k)
    return (interpolate(adjacent_prediction("dap", scores, classes, dap), images.shape[2:]), *auxiliary)


def _encode(images: Tensor, C: Any, stages: list[Any]) -> list[Tensor]:
    x = sequential("stem", images, *stem(C))
    features = []
    for number, blocks in enumerate(stages):
        x = sequential(f"stages.{number}", x, *blocks)
        features.append(x)
    return features


def _embed(level: int, features: list[Tensor]) -> Tensor:
    high = features[level + 1]
    higher = [interpolate(x, high.shape[2:]) for x in features[level + 2 :]]
    return semantic_embedding(f"embeddings.{level}", features[level], cat((high, *higher), dim=1))
