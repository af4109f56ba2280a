"""VGG; see :mod:`vpcalc.reference.vgg`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..modules import Step, batch_norm, conv, linear, sequential
from ..tensor import Tensor
from .convolution import adaptive_avg_pool, max_pool, relu
from .registry import image, model


@model("vgg", image, blocks=False, attends=False)
def vgg(
    images: Tensor, *, C: Any, depths: tuple[int, ...], norm: bool, P: int, hidden: Any, classes: Any
) -> Tensor:
    """Image to classes."""
    layers: list[Step] = []
    for stage, depth in enumerate(depths):
        c_out = C * min(2**stage, 8)
        for _ in range(depth):
            layers.append(partial(conv, fan_out=c_out, kernel=(3, 3), padding=1))
            if norm:
                layers.append(batch_norm)
            layers.append(relu)
        layers.append(partial(max_pool, kernel=2, stride=2))
    wide, last = partial(linear, fan_out=hidden), partial(linear, fan_out=classes)
    features = adaptive_avg_pool("pool", sequential("features", images, *layers), P).flatten(1)
    return sequential("classifier", features, wide, relu, wide, relu, last)
