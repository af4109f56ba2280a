"""Reference modules whose weights are whole numbers: in float64 their products are exact, in whatever order.

A softmax of whole numbers is not whole. :func:`sharpened` multiplies queries by a power of two, so that scores
that differ do so by more than float64's exponents can tell: the weights are then 0 and 1, exactly, and attention
picks for each token the one with the highest score.
"""

from __future__ import annotations

from typing import Any

from .libraries import torch

SHARP = 2.0**12
"""With whole scores and heads of four channels, half of it at least lies between two scores; exp(−746) is 0."""


def whole(module: Any, seed: int = 0, most: int = 9) -> Any:
    """The module in float64 and in eval mode, every parameter drawn from the whole numbers up to ±most."""
    draw = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randint(-most, most + 1, parameter.shape, generator=draw))
    return module


def numbers(*shape: int, seed: int = 0, most: int = 99) -> Any:
    """Whole numbers up to ±most, in float64."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(-most, most + 1, shape, generator=draw).double()


def sharpened(attention: Any) -> Any:
    """A reference :class:`SelfAttention` with whole weights, its queries so long that it picks one token."""
    width = attention.proj.in_features
    with torch.no_grad():
        attention.qkv.weight[:width] *= SHARP
        attention.qkv.bias[:width] *= SHARP
    return attention
