"""RetNet; see :mod:`vpcalc.reference.retnet`."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..functions import gelu
from ..modules import embedding, layer_norm, linear, module, parameter, sequential
from ..tensor import Tensor
from .recompute import recomputable
from .registry import model, words
from .retention import retention, whole_chunks
from .transformer import vocabulary


@module
@recomputable
def block(x: Tensor, heads: Any, form: str, chunk: Any) -> Tensor:
    """Retention and feed-forward, each after a norm and with a residual; products without bias."""
    d_model = x.shape[-1]
    x = x + retention("retention", layer_norm("norm1", x), heads, form, chunk)
    # no local variables here: what a call has consumed is freed within the line
    return x + linear(
        "fc2",
        gelu(linear("fc1", layer_norm("norm2", x), 2 * d_model, bias=False)),
        d_model,
        bias=False,
    )


@model("retnet", words, attends=False)
def retnet(
    ids: Tensor, *, d_model: Any, layers: int, heads: Any, vocab: Any, form: str, chunk: Any, head: bool
) -> Tensor:
    """Words to scores, or without a head to features."""
    table = parameter(ids.tape, vocab, d_model)
    x = embedding("words", ids, table)
    if form == "chunkwise":
        x = whole_chunks(x, chunk)
    steps = [partial(block, heads=heads, form=form, chunk=chunk)] * layers
    x = layer_norm("norm", sequential("blocks", x, *steps)[:, : ids.shape[1]])
    return _scores(x, table) if head else x


def _scores(x: Tensor, table: Tensor) -> Tensor:
    return vocabulary("", x, table)
