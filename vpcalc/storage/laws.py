"""Laws of the field on the memory of training, as our own dataflow has them.

Korthikanti et al. 2022 (arXiv 2205.05198), in bytes a layer, with s tokens, b sequences, hidden size h and a
heads; activations of 2 bytes, dropout masks of 1::

    attention  11sbh + 5as²b   the product's input 2, Q and K 4, V 2, the result's input 2, its mask 1;
                               softmax 2as²b, its mask as²b, what it left over 2as²b
    MLP        19sbh           the first product's input 2, GELU's 8, the second product's 8, a mask 1
    norms      4sbh            the inputs of two norms

Beside these a layer keeps mean and deviation of each token, in float32 and for both norms: 16sb, which the paper
leaves out as small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..abstract.tensor import given
from ..algebra.polynomial import Polynomial
from ..algebra.traced import form_of, silently
from ..layers.gpt import stack
from .footprint import Footprint, Way, footprint, total

SAMPLE = {"N": 12, "B": 2, "d_model": 24, "a": 4}
"""Sizes at which the layer is traced."""


def gpt_layer(recompute: str = "none", part: str = "") -> Polynomial:
    """Bytes that one more layer keeps, in tokens N, sequences B, hidden size d_model and heads a.

    Args:
        recompute: what is computed again: none, attention (the paper's selective) or block (its full).
        part: attention, ffn or norm alone.
    """
    way = Way("bfloat16", recompute=recompute)
    return _layers(2, part, way) - _layers(1, part, way)


def _layers(layers: int, part: str, way: Way) -> Polynomial:
    N, B, C, a = silently(SAMPLE).values()

    def start(tape: Any) -> tuple[tuple[()], Any]:
        return (), stack(given(tape, B, N, C), layers, a)

    return form_of(kept_by(footprint(start, way), inside(part)))


def inside(part: str) -> Callable[[str], bool]:
    """Whether a module of a stack belongs to a part of its layer."""
    return lambda path: not part or path.partition(".")[2].startswith(part)


def kept_by(found: Footprint, counts: Callable[[str], bool]) -> Any:
    """Bytes that some modules keep."""
    return total(size for path, size in found.by_module().items() if counts(path))
