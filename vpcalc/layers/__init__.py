"""Layers as plain functions of their dimensions.

``window_attention(h, w, C, heads, M)`` walks through primitive operators and returns their
:class:`~vpcalc.cost.Cost`. The same lines serve ints (a number), symbols (a closed form) and NumPy arrays
(a sweep). A layer imports :mod:`vpcalc.ops`, :mod:`vpcalc.cost` and :mod:`vpcalc.dims`, and other layers.

To add one: write the function here under ``@layer``, its module in :mod:`vpcalc.reference`; tables,
formulas and checks have it from then on. A common mistake: ``/`` or ``//`` on a dimension. Say what is
meant with ``exact_div``, ``ceil_div`` or ``floor_div``, and record what has to divide as a ``Tiling``.
"""

from .attention import self_attention
from .convolution import (
    adjacent_prediction,
    basic_block,
    bottleneck,
    channel_resolution_embedding,
    convolution,
    depthwise_convolution,
    global_convolution,
    semantic_embedding,
)
from .embedding import class_token, classification_head, patch_embedding, patch_merging, position_embedding
from .feedforward import feed_forward
from .linear_attention import linear_attention
from .overlapping import convolutional_feed_forward, overlap_patch_embedding
from .recurrence import gru_cell, lstm_cell, recurrent, recurrent_gru, recurrent_lstm, rnn_cell
from .reduction import linear_spatial_reduction_attention, spatial_reduction_attention
from .registry import LAYERS, Layer
from .retention import retention, retention_chunkwise, retention_recurrent
from .transformer import (
    causal_attention,
    multi_head_attention,
    position_wise_feed_forward,
    positional_encoding,
    token_embedding,
    vocabulary_projection,
)
from .windows import relative_position_bias, shifted_window_attention, window_attention

__all__ = [
    "LAYERS",
    "Layer",
    "adjacent_prediction",
    "basic_block",
    "bottleneck",
    "causal_attention",
    "channel_resolution_embedding",
    "class_token",
    "classification_head",
    "convolution",
    "convolutional_feed_forward",
    "depthwise_convolution",
    "feed_forward",
    "global_convolution",
    "gru_cell",
    "linear_attention",
    "linear_spatial_reduction_attention",
    "lstm_cell",
    "multi_head_attention",
    "overlap_patch_embedding",
    "patch_embedding",
    "patch_merging",
    "position_embedding",
    "position_wise_feed_forward",
    "positional_encoding",
    "recurrent",
    "recurrent_gru",
    "recurrent_lstm",
    "relative_position_bias",
    "retention",
    "retention_chunkwise",
    "retention_recurrent",
    "rnn_cell",
    "self_attention",
    "semantic_embedding",
    "shifted_window_attention",
    "spatial_reduction_attention",
    "token_embedding",
    "vocabulary_projection",
    "window_attention",
]
