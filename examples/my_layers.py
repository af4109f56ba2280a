"""Multi-query attention, described outside vpcalc: ``vpcalc --load my_layers.py formula mqa``.

Its module of PyTorch is in my_modules.py, which is imported when something is counted and not before.
"""

from __future__ import annotations

from typing import Any

from vpcalc.abstract.modules import linear, module, titled
from vpcalc.abstract.tape import Tape
from vpcalc.abstract.tensor import Tensor, given
from vpcalc.dims import Dim
from vpcalc.layers import layer
from vpcalc.layers.attention import attend, head_width, merge_heads, split_heads
from vpcalc.plugins import witnesses_in

witnesses_in("my_modules.py")


@module
@titled("mqa")
def multi_query_attention(x: Tensor, heads: Dim) -> Tensor:
    """(batch, n, C) to the same: all heads of queries share one head of keys and values."""
    batch, n, C = x.shape
    d = head_width(C, heads)
    q = split_heads(linear("q", x, C), heads).reshape(batch, 1, heads * n, d)
    k, v = (linear(name, x, d).reshape(batch, 1, n, d) for name in "kv")
    return linear("proj", merge_heads(attend(q, k, v).reshape(batch, heads, n, d)), C)


@layer("mqa", "MQA", "Shazeer 2019, arXiv 1911.02150, §3")
def _mqa(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """Multi-query attention over all tokens of a grid.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: heads of queries; divides C.
        batch: images or sequences.
    """
    return multi_query_attention("", given(tape, batch, h * w, C), heads)
