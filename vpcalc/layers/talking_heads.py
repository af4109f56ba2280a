"""Talking-heads attention (Shazeer et al. 2020)."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import matmul, softmax
from ..abstract.modules import linear, module, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..dims import Dim
from .attention import merge_heads, split_heads
from .registry import layer


@module
@titled("talking_heads")
def talking_heads_attention(x: Tensor, heads: Dim) -> Tensor:
    """(batch, n, C) to the same."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    scores = matmul(q * 1.0, k.transpose(-2, -1), "QKᵀ", attention=True)
    scores = softmax(linear("logits", scores.permute(0, 2, 3, 1), heads, bias=False).permute(0, 3, 1, 2))
    scores = linear("weights", scores.permute(0, 2, 3, 1), heads, bias=False).permute(0, 3, 1, 2)
    return linear("proj", merge_heads(matmul(scores, v, "AV")), C)


@layer("talking_heads", "Talking-heads", "Shazeer et al. 2020 (Talking-Heads Attention), arXiv 2003.02436")
def _talking_heads(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """softmax(QKᵀ/√d_k · P_l) · P_w · V: the maps of all heads are mixed, before the softmax and after it.

    P_l and P_w are heads x heads matrices without bias. There are as many heads of keys, of maps and of values.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: attention heads; divides C.
        batch: images or sequences.
    """
    return talking_heads_attention("", given(tape, batch, h * w, C), heads)
