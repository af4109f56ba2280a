"""GPT's layer with dropout; see :mod:`vpcalc.reference.gpt`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..abstract import functions
from ..abstract.functions import gelu, matmul, softmax
from ..abstract.modules import layer_norm, linear, module, sequential
from ..abstract.recompute import checkpoint, recomputable
from ..abstract.tensor import Tensor
from .attention import merge_heads, split_heads

dropout = module(functions.dropout)


@module
def attention(x: Tensor, heads: Any) -> Tensor:
    """(batch, n, C) to the same; dropout on the map and on the result."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    mixed = checkpoint(_core, q, k, v) if x.tape.recompute == "attention" else _core(q, k, v)
    return dropout("dropped", linear("proj", merge_heads(mixed), C))


def _core(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = matmul(q * 1.0, k.transpose(-2, -1), "QKᵀ", attention=True)
    return matmul(dropout("dropped_map", softmax(scores)), v, "AV")


@module
def feed_forward(x: Tensor) -> Tensor:
    """(batch, n, C) to the same through 4C channels; dropout on the result."""
    C = x.shape[-1]
    return dropout("dropped", linear("fc2", gelu(linear("fc1", x, 4 * C)), C))


@module
@recomputable
def layer(x: Tensor, heads: Any) -> Tensor:
    """Attention and feed-forward, each after a norm and with a residual."""
    x = x + attention("attention", layer_norm("norm1", x), heads)
    return x + feed_forward("ffn", layer_norm("norm2", x))


def stack(x: Tensor, layers: int, heads: Any) -> Tensor:
    """Several layers."""
    return sequential("", x, *[partial(layer, heads=heads)] * layers)
