"""The witnesses: real ``torch.nn.Module`` networks, written from their papers.

Modules here mirror :mod:`vpcalc.layers` and :mod:`vpcalc.architectures` by name and know nothing of
formulas. They spell attention out as plain 4-D ``@`` on equal batch shapes, because fvcore prices fused
attention at nothing and forgets to broadcast. Input grids are channels-last: (batch, h, w, C).

This room and :mod:`vpcalc.counters` are the only ones that import torch. ``LAYER_WITNESSES`` and
``MODEL_WITNESSES`` map an id to a function of the same dimensions as the formula, which returns a module
and its inputs; nothing is run here, so both may be built on the meta device. A file here is imported, and torch
with it, when one of its modules is asked for.
"""

from .registry import (
    LAYER_WITNESSES,
    MODEL_WITNESSES,
    PYRAMIDS,
    Witness,
    backbone,
    layer_witness,
    model_witness,
    pyramid_witness,
)

__all__ = [
    "LAYER_WITNESSES",
    "MODEL_WITNESSES",
    "PYRAMIDS",
    "Witness",
    "backbone",
    "layer_witness",
    "model_witness",
    "pyramid_witness",
]
