"""Values that sizes lay out without being all alike: masks of what comes before, and places that are compared.

Two kinds more of what :mod:`vpcalc.execution.values` knows. They answer no question by themselves; what is
computed of them may be alike: torch compares the mask that an encoder is given with one of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .listed import COMPARISONS
from .nodes import undressed
from .rules.registry import shape_of
from .sizes import Size
from .values import PATTERNS, Alike, Rising, has_some, is_equal, is_whole, known, pattern, pattern_before

EXACT = 256
"""Whole numbers up to it are the same in every type of floats."""


@dataclass(frozen=True)
class Halves:
    """``above`` where a column is at least ``diagonal`` behind its row, ``below`` elsewhere.

    Rows and columns are the last two sides. Numbers are whole and small, or infinite.
    """

    diagonal: int
    above: Any
    below: Any

    @property
    def is_alike(self) -> bool:
        """Whether there is one number only."""
        return bool(self.above == self.below)


@dataclass(frozen=True)
class Compared:
    """What counts from ``first`` to ``last``, each compared with a number; ``no`` where that is denied."""

    first: Any
    last: Any
    relation: str
    number: Any
    no: bool = False

    def all(self) -> bool:
        """Whether it is so of all: the ends decide, and the path notes it."""
        return not self._any() if self.no else self._all()

    def any(self) -> bool:
        """Whether it is so of some."""
        return not self._all() if self.no else self._any()

    def _all(self) -> bool:
        if self.relation == "ne":
            return not replace(self, relation="eq")._any()
        return self._holds(self.first) and self._holds(self.last)

    def _any(self) -> bool:
        if self.relation == "ne":
            return not replace(self, relation="eq")._all()
        if self.relation == "eq":
            return bool(self.first <= self.number) and bool(self.last >= self.number)
        return self._holds(self.first) or self._holds(self.last)

    def _holds(self, number: Any) -> bool:
        return bool(_RELATIONS[self.relation](number, self.number))


_RELATIONS = {names.split()[0]: decide for names, decide in COMPARISONS.items()}
_TURNED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}

Pattern = Halves | Compared
Found = Pattern | Alike | None


def _laid(names: str) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    def register(function: Callable[..., Found]) -> Callable[..., Found]:
        for name in names.split():
            assert name not in PATTERNS, name
            PATTERNS[name] = lambda result, *args, **kwargs: _held(function(result, *args, **kwargs), result.dtype)
        return function

    return register


def _held(found: Found, dtype: torch.dtype) -> Found:
    """What is left of it in a type: truth values are two, and whole numbers are not infinite."""
    if not isinstance(found, Halves):
        return found
    if dtype is torch.bool:
        return _made(found.diagonal, found.above != 0, found.below != 0)
    if dtype.is_floating_point:
        return found
    is_finite = not (math.isinf(found.above) or math.isinf(found.below))
    return found if is_finite and dtype in (torch.int64, torch.int32) else None


def _number(value: Any) -> Any:
    """A number that every type holds as it is; None if it is none."""
    value = undressed(value)
    if isinstance(value, float) and (math.isinf(value) or value.is_integer()):
        value = value if math.isinf(value) else int(value)
    if not isinstance(value, (int, float)) or isinstance(value, Size) or math.isnan(value):
        return None
    return value if math.isinf(value) or (isinstance(value, int) and abs(value) <= EXACT) else None


def _alike(value: Any) -> Halves | None:
    number = _number(value)
    return None if number is None else Halves(0, number, number)


def _halves(x: Any) -> Halves | None:
    if not isinstance(x, Tensor):
        return _alike(x)
    found, one = pattern(x), known(x)
    if isinstance(found, Halves):
        return found
    return _alike(one.number) if isinstance(one, Alike) else None


def _made(diagonal: int, above: Any, below: Any) -> Halves | Alike | None:
    if math.isnan(above) or math.isnan(below):
        return None
    if above == below:
        return Halves(0, above, above) if isinstance(above, float) else Alike(above)
    return Halves(diagonal, above, below)


def _joined(result: Tensor, function: Callable[..., Any], *operands: tuple[Any, Halves | None]) -> Found:
    """Element by element, where all that have two halves have them at one diagonal."""
    halves = [half for _, half in operands if half is not None]
    if len(halves) < len(operands):
        return None
    apart = [(x, half) for x, half in operands if half is not None and not half.is_alike]
    diagonals = {half.diagonal for _, half in apart}
    if len(diagonals) > 1 or not all(_keeps_sides(x, result) for x, _ in apart):
        return None
    above, below = function(*(half.above for half in halves)), function(*(half.below for half in halves))
    return _made(diagonals.pop() if diagonals else 0, above, below)


def _keeps_sides(x: Tensor, result: Tensor) -> bool:
    """Whether rows and columns are those of an operand, not spread."""
    if x.dim() < 2 or result.dim() < 2 or x.shape[-2:] != result.shape[-2:]:
        return False
    pairs = zip(shape_of(x)[-2:], shape_of(result)[-2:], strict=True)
    return all(is_equal(one, other) for one, other in pairs)


@_laid("full full_like new_full")
def _full(result: Tensor, *args: Any, **kwargs: Any) -> Found:
    return _alike(kwargs.get("fill_value", args[-1] if args else None))


@_laid("triu")
def _upper(result: Tensor, x: Tensor, diagonal: Any = 0) -> Found:
    found, diagonal = _halves(x), undressed(diagonal)
    if found is None or not isinstance(diagonal, int) or not (found.is_alike or found.diagonal == diagonal):
        return None
    return _made(diagonal, found.above, 0)


@_laid("tril")
def _lower(result: Tensor, x: Tensor, diagonal: Any = 0) -> Found:
    found, diagonal = _halves(x), undressed(diagonal)
    if found is None or not isinstance(diagonal, int) or not (found.is_alike or found.diagonal == diagonal + 1):
        return None
    return _made(diagonal + 1, 0, found.below)


@_laid("transpose t swapaxes")
def _transposed(result: Tensor, x: Tensor, one: int = 0, other: int = 1) -> Found:
    found, rank = pattern(x), x.dim()
    if not isinstance(found, Halves) or {one % rank, other % rank} != {rank - 1, rank - 2}:
        return None
    return Halves(1 - found.diagonal, found.below, found.above)


@_laid("to long int bool float double half type type_as contiguous clone alias detach")
def _kept(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Found:
    found = pattern(x)
    return found if isinstance(found, Halves) or result.dtype is x.dtype else None


@_laid("unsqueeze expand expand_as broadcast_to")
def _spread(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Found:
    found = pattern(x)
    return found if isinstance(found, Halves) and _keeps_sides(x, result) else None


@_laid("mul __mul__ __rmul__ multiply")
def _multiplied(result: Tensor, x: Any, y: Any) -> Found:
    return _joined(result, lambda a, b: a * b, (x, _halves(x)), (y, _halves(y)))


@_laid("masked_fill")
def _filled(result: Tensor, x: Tensor, mask: Tensor, value: Any) -> Found:
    operands = ((x, _halves(x)), (mask, _halves(mask)), (value, _halves(value)))
    return _joined(result, lambda a, covered, b: b if covered else a, *operands)


@_laid("masked_fill_")
def _filled_in_place(result: Tensor, x: Tensor, mask: Tensor, value: Any) -> Found:
    """The same of a tensor that is written into: what was known of it before is asked for."""
    before = pattern_before(x)
    was = before if isinstance(before, Halves) else _alike(before.number) if isinstance(before, Alike) else None
    operands = ((x, was), (mask, _halves(mask)), (value, _halves(value)))
    return _joined(result, lambda a, covered, b: b if covered else a, *operands)


@_laid("where")
def _chosen(result: Tensor, mask: Tensor, x: Any, y: Any) -> Found:
    operands = ((mask, _halves(mask)), (x, _halves(x)), (y, _halves(y)))
    return _joined(result, lambda chosen, a, b: a if chosen else b, *operands)


def _comparing(relation: str) -> Callable[..., Found]:
    def compared(result: Tensor, x: Any, y: Any) -> Found:
        one, other = known(x), known(y)
        if isinstance(one, Rising) and isinstance(other, Alike) and is_whole(other.number):
            return _places(x, one, relation, other.number)
        if isinstance(one, Alike) and isinstance(other, Rising) and is_whole(one.number):
            return _places(y, other, _TURNED[relation], one.number)
        return _joined(result, _RELATIONS[relation], (x, _halves(x)), (y, _halves(y)))

    return compared


def _places(x: Tensor, rising: Rising, relation: str, number: Any) -> Compared:
    return Compared(rising.first, rising.first + shape_of(x)[rising.axis] - 1, relation, number)


for _names in COMPARISONS:
    _laid(_names)(_comparing(_names.split()[0]))


@_laid("logical_not __invert__ bitwise_not")
def _denied(result: Tensor, x: Tensor) -> Found:
    found, halves = pattern(x), _halves(x)
    if x.dtype is not torch.bool:
        return None
    if isinstance(found, Compared):
        return replace(found, no=not found.no)
    return None if halves is None else _made(halves.diagonal, not halves.above, not halves.below)


@_laid("all _is_all_true")
def _are_all(result: Tensor, x: Tensor) -> Found:
    found = pattern(x)
    return Alike(found.all()) if isinstance(found, Compared) and has_some(x) else None


@_laid("any _is_any_true")
def _are_any(result: Tensor, x: Tensor) -> Found:
    found = pattern(x)
    return Alike(found.any()) if isinstance(found, Compared) and has_some(x) else None
