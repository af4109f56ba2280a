"""Attention maps that a call computes, as forms: what passes a softmax, and what fused attention never writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..algebra.polynomial import Polynomial
from .prices import elements
from .rules.registry import Shape, shape_of


def _fused(out: Shape, query: Tensor, key: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """One score for each query and key, in each head: fused or not, they are computed."""
    return elements(shape_of(query)[:-1]) * elements([shape_of(key)[-2]])


def _softmax(out: Shape, *args: Any, **kwargs: Any) -> Polynomial:
    return elements(out)


MAPS: Mapping[str, Callable[..., Polynomial]] = {
    "softmax": _softmax,
    "_softmax": _softmax,
    "scaled_dot_product_attention": _fused,
}
"""By the name of the function or method, called as it is with the shape of its result in front."""
