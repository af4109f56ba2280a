"""The witnesses: real ``torch.nn.Module`` networks, written from their papers.

Modules here mirror :mod:`vpcalc.layers` and :mod:`vpcalc.architectures` by name and know nothing of
formulas. They spell attention out as plain 4-D ``@`` on equal batch shapes, because fvcore prices fused
attention at nothing and forgets to broadcast. Input grids are channels-last: (batch, h, w, C).

This room and :mod:`vpcalc.counters` are the only ones that import torch. ``LAYER_WITNESSES`` and
``MODEL_WITNESSES`` map an id to a function of the same dimensions as the formula, which returns a module
and its inputs; nothing is run here, so both may be built on the meta device.
"""

from . import (  # noqa: F401
    attention,
    convolution,
    embedding,
    exfuse,
    feedforward,
    linear_attention,
    pvt,
    pvt_v2,
    recurrence,
    recurrent,
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
from .registry import LAYER_WITNESSES, MODEL_WITNESSES, Witness

__all__ = ["LAYER_WITNESSES", "MODEL_WITNESSES", "Witness"]
