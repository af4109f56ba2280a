"""Arithmetic of dimensions.

A dimension is a Python ``int``, a NumPy array of ints (a sweep), a traced size (an int with its form,
:mod:`vpcalc.algebra.traced`), or a symbol: a :class:`vpcalc.algebra.Polynomial` or a SymPy expression. ``+``,
``-`` and ``*`` mean the same for all of them; the functions here are the places where they differ.

* Numbers and arrays are rounded exactly as the architecture's code rounds; so are traced sizes, whose forms keep
  the floors and whose comparisons are noted.
* Symbols stand for sizes on the lattice where everything divides. What has to divide is recorded
  by the layer (:class:`vpcalc.cost.Tiling`), so that a closed form always comes with its condition.

NumPy's ``int64`` wraps beyond 2**63: sweep very large grids with ``dtype=object``.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

from .algebra.traced import Traced, is_divided, lowest, quotient
from .errors import InputError

Dim: TypeAlias = Any
"""An int, a NumPy array of ints, a traced size, a Polynomial or a SymPy expression."""


def is_number(x: Dim) -> bool:
    """Whether ``x`` is one number (of Python or NumPy, or traced) rather than a symbol or an array."""
    return isinstance(x, (int, Traced)) or (_is_numpy(x) and x.ndim == 0)


def is_symbolic(x: Dim) -> bool:
    """Whether ``x`` stands for any number of a lattice."""
    return not (isinstance(x, (int, Traced)) or _is_numpy(x))


def is_one(x: Dim) -> bool:
    """Whether ``x`` is known to be 1; of symbols, arrays and traced sizes it is not, and nothing is decided."""
    return isinstance(x, int) and x == 1


def exact_div(x: Dim, y: Dim, what: str = "the divisor", of: str = "the dimension") -> Dim:
    """``x / y`` where it must be whole; an :class:`InputError` names both where it is not."""
    if is_symbolic(x) or is_symbolic(y):
        return x / y
    if isinstance(x, Traced) or isinstance(y, Traced):
        if is_divided(x, y):
            return quotient(x, y)
        raise InputError(f"{what} = {y} does not divide {of} = {x}: choose a divisor of {x}")
    remainder = x % y
    if (remainder != 0) if isinstance(remainder, int) else bool((remainder != 0).any()):
        raise InputError(f"{what} = {y} does not divide {of} = {x}: choose a divisor of {x}")
    return x // y


def ceil_div(x: Dim, y: Dim) -> Dim:
    """How many tiles of side ``y`` cover ``x``."""
    if is_symbolic(x) or is_symbolic(y):
        return x / y
    return -(-x // y)


def floor_div(x: Dim, y: Dim) -> Dim:
    """How many whole tiles of side ``y`` fit into ``x``."""
    if is_symbolic(x) or is_symbolic(y):
        return x / y
    return x // y


def conv_size(x: Dim, kernel: Dim, stride: Dim, padding: Dim) -> Dim:
    """Side of a convolution's or pooling's output: floor((x + 2p - k) / s) + 1.

    For a symbolic ``x`` (a multiple of the stride) the constant part is rounded on its own, which
    is then exact. Of a symbolic stride the usual two cases are known: a kernel as large as the stride without
    padding, and one that keeps a side, padding apart (k = 2p + 1).
    """
    spare = 2 * padding - kernel
    if is_one(stride):
        return x + spare + 1
    if is_number(x) and x + 2 * padding < kernel:
        raise InputError(f"a side of {x} is too small for a {kernel}x{kernel} kernel with padding {padding}")
    if _is_constant(spare, -1):
        return ceil_div(x, stride)
    if _is_constant(spare + stride, 0):
        return floor_div(x, stride)
    if is_symbolic(x):
        return x / stride + spare // stride + 1
    return floor_div(x + spare, stride) + 1


def _is_constant(x: Dim, number: int) -> bool:
    """Whether ``x`` is this number by its form alone, so that nothing is decided."""
    if isinstance(x, Traced):
        return bool(x.form == number)
    return not _is_numpy(x) and bool(x == number)


def unequal(x: Dim, y: Dim) -> Dim:
    """1 where two dimensions differ and 0 where they do not; a symbol stands for any other number.

    Of a traced size it is a form, ``1 − ⌊1/(1 + (x − y)²)⌋``: no decision, since nothing else depends on it.
    """
    if is_symbolic(x) or is_symbolic(y):
        return int(bool(x != y))
    if isinstance(x, Traced) or isinstance(y, Traced):
        apart = x - y
        return 1 - 1 // (apart * apart + 1)
    differ = x != y
    return int(differ) if is_number(x) and is_number(y) else 1 * differ


def require_side(sides: tuple[Dim, ...], least: Dim, why: str) -> None:
    """Refuse an image (or a sweep of them) of which a grid would come out empty."""
    for side in sides:
        if is_symbolic(side) or is_symbolic(least):
            continue
        short = side < least
        if short if isinstance(short, bool) else bool(short.any()):
            lowest = side if is_number(side) else side.min()
            needed = least if is_number(least) else least.max()
            raise InputError(f"an input side of {lowest} is too small: {why} need at least {needed} pixels a side")


def smallest(first: Dim, *rest: Dim) -> Dim:
    """The minimum. Where a symbol takes part, the *first* argument is taken to be it."""
    if any(is_symbolic(x) for x in (first, *rest)):
        return first
    if any(_is_numpy(x) for x in (first, *rest)):
        import numpy

        low = first
        for x in rest:
            low = numpy.minimum(low, x)
        return low
    if any(isinstance(x, Traced) for x in (first, *rest)):
        return lowest(first, *rest)
    return min(first, *rest)


def _is_numpy(x: Dim) -> bool:
    numpy = sys.modules.get("numpy")  # nobody can hold an array without having imported numpy
    return numpy is not None and isinstance(x, (numpy.ndarray, numpy.generic))
