"""Feed-forward layers."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import gelu
from ..abstract.modules import linear, module, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..dims import Dim
from .registry import layer


@module
@titled("ffn")
def feed_forward(x: Tensor, hidden: Dim, bias: bool = True) -> Tensor:
    """(batch, n, C) to the same through ``hidden`` channels and GELU."""
    return linear("fc2", gelu(linear("fc1", x, hidden, bias)), x.shape[-1], bias)


@layer("ffn", "Feed-forward", "Vaswani et al. 2017, eq. 2")
def _ffn(tape: Tape, h: Dim, w: Dim, C: Dim, r: Dim, *, batch: Dim = 1) -> Any:
    """Two linear layers with a non-linearity between them, C to rC and back.

    Args:
        h, w: the token grid.
        C: channels of a token.
        r: expansion ratio.
        batch: images or sequences.
    """
    return feed_forward("", given(tape, batch, h * w, C), r * C)
