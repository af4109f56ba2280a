"""The shape of what a function of torch returns, from the shapes of what it is given: one rule a function.

A rule is called as the function is, after it ran, and answers the shape of its result: a list of ints and sizes,
one for each tensor where there are several. Its numbers are held against the shape that torch itself found, so
that a rule that is wrong at the sizes of the run cannot pass; and what the function demands of its sizes, the rule
demands of their forms, which notes it.

This file knows no prices.
"""

from __future__ import annotations

import torch

from . import elementwise, making, matrices, moving, products, reducing, windows
from .registry import MARK, RULES, STRICTER, KernelError, Rule, Shape, each_side, shape_of, tensors_in

__all__ = [
    "MARK",
    "STRICTER",
    "KernelError",
    "Rule",
    "Shape",
    "each_side",
    "rule_for",
    "shape_of",
    "tensors_in",
]

_FILES = (elementwise, making, matrices, moving, products, reducing, windows)
"""Each enters its rules as it is imported."""


def rule_for(name: str) -> Rule | None:
    """The rule of a function; one that torch itself tags as pointwise needs none of its own."""
    found = RULES.get(name)
    if found is None and _is_pointwise(name):
        found = RULES[name] = elementwise.pointwise
    return found


def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None) or getattr(torch.ops.aten, name.rstrip("_"), None)
    if packet is None:
        return False
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    return any(torch.Tag.pointwise in overload.tags for overload in overloads)
