"""Layers as plain functions on abstract tensors.

``window_attention("attention", x, heads, M)`` is the layer within a network: a module of :mod:`vpcalc.abstract`,
written as its torch module in :mod:`vpcalc.reference` is. A function under ``@layer`` beside it makes the layer's
inputs from its dimensions and runs it by itself: its docstring says what the dimensions are, and ``LAYERS[id]``
has it by name. One run is the cost tree, what autograd keeps, and what is alive; ints give numbers, symbols
closed forms, NumPy arrays a sweep.

To add one: the function and its ``@layer`` in a file here, its module in :mod:`vpcalc.reference`. Tables,
formulas, memory and checks have it from then on; docs/adding.md goes through it.
"""

from .registry import LAYERS, Layer, layer

__all__ = ["LAYERS", "Layer", "layer"]
