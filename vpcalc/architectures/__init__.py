"""Whole architectures as stages of layers, one family a file, and their registry.

A family is one function from input sizes and settings to a cost tree; its variants are rows of a table.
This room imports :mod:`vpcalc.layers` and below, and knows nothing of torch or of how things are printed.

To add a family: its function and table here, its module in :mod:`vpcalc.reference` under ``@model_witness``.
"""

from . import swin, vit  # noqa: F401  (their variants register themselves)
from .registry import ARCHITECTURES, Architecture, Family

__all__ = ["ARCHITECTURES", "Architecture", "Family"]
