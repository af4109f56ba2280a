"""ResNet; see :mod:`vpcalc.reference.resnet`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..modules import Step, linear, sequential
from ..tensor import Tensor
from .convolution import adaptive_avg_pool, basic, bottleneck, conv_norm, max_pool, relu
from .registry import image, model


def stem(C: Any) -> tuple[Step, ...]:
    """7 x 7 convolution and max pooling, each of stride 2."""
    return conv_norm(C, 7, 2), relu, partial(max_pool, kernel=3, stride=2, padding=1)


def residual_stages(C: Any, depths: tuple[int, ...], block: str, version: str, shortcut: str) -> list[list[Step]]:
    """The blocks of each stage."""
    stages = []
    c_in = C
    for stage, depth in enumerate(depths):
        inner = C * 2**stage
        c_out = 4 * inner if block == "bottleneck" else inner
        blocks = []
        for number in range(depth):
            stride = 2 if stage > 0 and number == 0 else 1
            project = shortcut == "C" or (shortcut == "B" and (stride == 2 or c_in != c_out))
            if block == "bottleneck":
                blocks.append(bottleneck(inner, stride, project, stride_in_first=version == "v1"))
            else:
                blocks.append(basic(inner, stride, project))
            c_in = c_out
        stages.append(blocks)
    return stages


def in_stages(stages: list[list[Step]]) -> list[Step]:
    """Each stage as one module."""
    return [lambda name, x, blocks=blocks: sequential(name, x, *blocks) for blocks in stages]  # type: ignore[misc]


@model("resnet", image, attends=False)
def resnet(
    images: Tensor, *, C: Any, depths: tuple[int, ...], block: str, version: str, shortcut: str, classes: Any
) -> Tensor:
    """Image to classes."""
    stages = in_stages(residual_stages(C, depths, block, version, shortcut))
    features = partial(sequential, "stages")
    pooled = adaptive_avg_pool("pool", features(sequential("stem", images, *stem(C)), *stages), 1)
    return linear("fc", pooled.flatten(1), classes)
