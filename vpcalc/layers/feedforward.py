"""Feed-forward layers."""

from __future__ import annotations

from ..cost import Cost
from ..dims import Dim
from ..ops import linear
from .registry import layer


@layer("ffn", "Feed-forward", "Vaswani et al. 2017, eq. 2")
def feed_forward(h: Dim, w: Dim, C: Dim, r: Dim, *, batch: Dim = 1) -> Cost:
    """Two linear layers with a non-linearity between them, C to rC and back.

    Args:
        h, w: the token grid.
        C: channels of a token.
        r: expansion ratio.
        batch: images or sequences.
    """
    return token_feed_forward(h * w, C, r * C, batch=batch)


def token_feed_forward(
    N: Dim, C: Dim, hidden: Dim, *, batch: Dim = 1, bias: bool = True, name: str = "ffn"
) -> Cost:
    """The same over N tokens, with the hidden width itself."""
    up, down = linear("fc1", batch * N, C, hidden, bias=bias), linear("fc2", batch * N, hidden, C, bias=bias)
    return Cost(name, (up, down))
