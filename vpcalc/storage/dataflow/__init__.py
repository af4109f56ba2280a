"""The dataflow of every network, on abstract tensors: the same functions as in :mod:`vpcalc.reference`.

A description mirrors its module line by line, local variables included, because a tensor lives as long as a
variable holds it. Sizes may be ints or traced symbols. To add a family: write its functions here under the
names of the reference modules and register the whole with ``@model``; the checks compare it with PyTorch layer
by layer.
"""

from . import (  # noqa: F401
    attention,
    convolution,
    embedding,
    exfuse,
    linear_attention,
    pvt,
    pvt_v2,
    recurrence,
    reduction,
    resnet,
    retention,
    retnet,
    swin,
    t5,
    transformer,
    vgg,
    vit,
    windows,
)
from .registry import LAYERS, MODELS, Description

__all__ = ["LAYERS", "MODELS", "Description"]
