"""Layers as plain functions of their dimensions.

``window_attention(h, w, C, heads, M)`` walks through primitive operators and returns their
:class:`~vpcalc.cost.Cost`. The same lines serve ints (a number), symbols (a closed form) and NumPy arrays
(a sweep). A layer imports :mod:`vpcalc.ops`, :mod:`vpcalc.cost` and :mod:`vpcalc.dims`, and other layers.

To add one: write the function here under ``@layer``, its module in :mod:`vpcalc.reference`; tables,
formulas and checks have it from then on. A common mistake: ``/`` or ``//`` on a dimension. Say what is
meant with ``exact_div``, ``ceil_div`` or ``floor_div``, and record what has to divide as a ``Tiling``.
"""

from .attention import self_attention
from .embedding import class_token, classification_head, patch_embedding, patch_merging, position_embedding
from .feedforward import feed_forward
from .reduction import linear_spatial_reduction_attention, spatial_reduction_attention
from .registry import LAYERS, Layer
from .retention import retention
from .windows import relative_position_bias, shifted_window_attention, window_attention

__all__ = [
    "LAYERS",
    "Layer",
    "class_token",
    "classification_head",
    "feed_forward",
    "linear_spatial_reduction_attention",
    "patch_embedding",
    "patch_merging",
    "position_embedding",
    "relative_position_bias",
    "retention",
    "self_attention",
    "shifted_window_attention",
    "spatial_reduction_attention",
    "window_attention",
]
