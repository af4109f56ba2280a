"""Attention in time linear in the tokens; see :mod:`vpcalc.reference.linear_attention`."""

from __future__ import annotations

from typing import Any

from ..functions import elu, total
from ..modules import linear, module
from ..tape import Tape
from ..tensor import Tensor
from .attention import merge_heads, split_heads
from .registry import given, layer


@module
def linear_attention(x: Tensor, heads: Any) -> Tensor:
    """(batch, n, C) to the same."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    q, k = elu(q) + 1, elu(k) + 1
    weights = total(q * total(k, -2, keepdim=True), -1, keepdim=True)
    return linear("proj", merge_heads(q @ (k.transpose(-2, -1) @ v) / weights), C)


@layer("linear_attention")
def _linear_attention(tape: Tape, h: Any, w: Any, C: Any, heads: Any, batch: Any) -> Tensor:
    return linear_attention("", given(tape, batch, h * w, C), heads)
