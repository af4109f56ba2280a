"""How a tensor lies in memory: strides, and when PyTorch has to copy.

Sizes may be traced (:mod:`vpcalc.algebra.traced`); strides, in elements, decide and are never paid for, so that
they are plain numbers where nobody notes decisions. The rules are those of ATen: ``computeStride`` for views,
``TensorIterator`` for the results of elementwise operators.
"""

from __future__ import annotations

from typing import Any

from ..algebra.traced import decisive
from ..dims import is_one

Sizes = tuple[Any, ...]


class _Free:
    """A stride that nobody follows, whatever it is multiplied with: every view is possible."""

    __array_ufunc__ = None  # arrays leave the product to it

    def __mul__(self, other: Any) -> _Free:
        return self

    __rmul__ = __mul__


FREE = _Free()


def product(sizes: Sizes) -> Any:
    """Elements of a shape."""
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def contiguous(shape: Sizes) -> Sizes:
    """Strides with the last dimension running fastest."""
    return dense(shape, range(len(shape) - 1, -1, -1))


def channels_last(shape: Sizes) -> Sizes:
    """Strides of a map (batch, C, h, w) whose channels run fastest."""
    return dense(shape, (1, 3, 2, 0))


def dense(shape: Sizes, order: Any) -> Sizes:
    """Strides without gaps; ``order`` names the dimensions from the fastest to the slowest."""
    strides: list[Any] = [1] * len(shape)
    step: Any = 1
    for dimension in order:
        strides[dimension] = step
        step *= decisive(shape[dimension])
    return tuple(strides)


def reach(size: Any, stride: Any) -> Any:
    """Elements from the beginning of a dimension to its end."""
    return FREE if stride is FREE else stride * decisive(size)


def is_contiguous(shape: Sizes, strides: Sizes) -> bool:
    """Whether the last dimension runs fastest and there are no gaps."""
    if FREE in strides:
        return True
    step: Any = 1
    for size, stride in zip(map(decisive, reversed(shape)), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def is_channels_last(shape: Sizes, strides: Sizes) -> bool:
    """Whether a map of four dimensions runs through its channels first; no where it could be either."""
    if len(shape) != 4 or FREE in strides or strides[1] == 0:
        return False
    low: Any = 0
    for dimension in (1, 3, 2, 0):
        if strides[dimension] < low or (dimension == 0 and low == strides[1]):
            return False
        low = reach(shape[dimension], strides[dimension])
    return True


def view(shape: Sizes, strides: Sizes, new: Sizes) -> Sizes | None:
    """Strides of the same elements in another shape, or None where they have to be copied."""
    if FREE in strides:
        return (FREE,) * len(new)
    shape, new = tuple(map(decisive, shape)), tuple(map(decisive, new))
    found: list[Any] = [0] * len(new)
    at = len(new) - 1
    base: Any = strides[-1] if strides else 1
    chunk: Any = 1
    taken: Any = 1
    for dimension in range(len(shape) - 1, -1, -1):
        chunk *= shape[dimension]
        ends = dimension == 0 or (shape[dimension - 1] != 1 and strides[dimension - 1] != chunk * base)
        if not ends:
            continue
        while at >= 0 and (taken < chunk or new[at] == 1):
            found[at] = taken * base
            taken *= new[at]
            at -= 1
        if taken != chunk:
            return None
        if dimension > 0:
            base, chunk, taken = strides[dimension - 1], 1, 1
    return tuple(found) if at == -1 else None


def broadcast(first: Sizes, second: Sizes) -> Sizes:
    """The common shape of two operands."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    padded = (1,) * (len(longer) - len(shorter)) + shorter
    return tuple(a if is_one(b) else b for a, b in zip(longer, padded, strict=True))


def expanded(shape: Sizes, strides: Sizes, to: Sizes) -> Sizes:
    """Strides of an operand in the common shape: 0 where it is repeated."""
    if FREE in strides:
        return (FREE,) * len(to)
    missing = len(to) - len(shape)
    own = zip(map(decisive, shape), strides, map(decisive, to[missing:]), strict=True)
    return (0,) * missing + tuple(0 if size == 1 and size != full else stride for size, stride, full in own)


def elementwise(shape: Sizes, operands: list[Sizes]) -> Sizes:
    """Strides of a result: dimensions in the order in which the operands run through them."""
    if any(FREE in strides for strides in operands):
        return (FREE,) * len(shape)
    shape = tuple(map(decisive, shape))
    order = list(range(len(shape) - 1, -1, -1))
    for start in range(1, len(order)):
        later = start
        for earlier in range(start - 1, -1, -1):
            sign = _compare(shape, operands, order[earlier], order[later])
            if sign > 0:
                order[earlier], order[later] = order[later], order[earlier]
                later = earlier
            elif sign < 0:
                break
    return dense(shape, order)


def _compare(shape: Sizes, operands: list[Sizes], first: int, second: int) -> int:
    """Negative where ``first`` runs faster than ``second``, positive where slower, 0 where nothing tells."""
    for strides in operands:
        a, b = strides[first], strides[second]
        if a == 0 or b == 0:
            continue
        if a != b:
            return -1 if a < b else 1
        if shape[first] > shape[second]:
            return 1
    return 0


def is_dense(shape: Sizes, strides: Sizes) -> bool:
    """Whether the elements of a tensor fill a piece of memory, each once."""
    expected: Any = 1
    for stride, size in sorted(zip(strides, map(decisive, shape), strict=True)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True
