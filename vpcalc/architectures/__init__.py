"""Whole architectures as stages of layers, one family a file, and their registry.

A family is one function on abstract tensors and settings; its variants are rows of a table.
This room imports :mod:`vpcalc.layers` and below, and knows nothing of torch or of how things are printed.

To add a family: its function and table in a file here, its module in :mod:`vpcalc.reference` under
``@model_witness``. Both are found by themselves.
"""

from .registry import ARCHITECTURES, Architecture, Assumption, Family, register

__all__ = ["ARCHITECTURES", "Architecture", "Assumption", "Family", "register"]
