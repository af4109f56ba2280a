"""Small tensors of which every element is known: lengths of sequences, sides of grids, where parts begin.

``torch.tensor([[1, H, W]])`` holds sizes. What a program computes of such a tensor is computed here on NumPy's
arrays of objects, whose elements are numbers or sizes with forms, by the function of the same name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from .nodes import dressed, undressed
from .sizes import Size

MOST = 64
"""Elements of the largest tensor that is listed."""

Numbers = Any
"""An array of objects: ints, bools or sizes."""


@dataclass(frozen=True, eq=False)
class Listed:
    """All elements, in the tensor's shape."""

    numbers: Numbers

    def tolist(self) -> Any:
        """As a program gets them."""
        return _dressed(self.numbers.tolist())


def listed(data: Any) -> Numbers:
    """Numbers in nested sequences as an array.

    Raises:
        TypeError: something else is among them, or floats.
    """
    found = numpy.array(_undressed(data), dtype=object)
    for number in found.flat:
        if not isinstance(number, (int, Size)) or (isinstance(number, Size) and number.floats):
            raise TypeError
    return found


def _undressed(value: Any) -> Any:
    return [_undressed(part) for part in value] if isinstance(value, (tuple, list)) else undressed(value)


def _dressed(value: Any) -> Any:
    return [_dressed(part) for part in value] if isinstance(value, list) else dressed(value)


def _whole(value: Any) -> Any:
    """A place or an amount, which must be a plain number."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(_whole, value))
    if isinstance(value, slice):
        return slice(_whole(value.start), _whole(value.stop), _whole(value.step))
    if not (value is None or value is Ellipsis or isinstance(value, int)):
        raise TypeError
    return value


Operation = Callable[..., Numbers]
OPERATIONS: dict[str, Operation] = {}
"""By the name of torch's function or method. Each is given the shape of torch's result, and the operands."""


def _operation(names: str) -> Callable[[Operation], Operation]:
    def register(function: Operation) -> Operation:
        for name in names.split():
            OPERATIONS[name] = function
        return function

    return register


@_operation("to long int type type_as contiguous clone alias detach")
def _same(shape: Sequence[int], x: Numbers, *args: Any, **kwargs: Any) -> Numbers:
    return x


@_operation("bool")
def _truth(shape: Sequence[int], x: Numbers) -> Numbers:
    return x != 0


@_operation("view reshape flatten ravel unsqueeze squeeze unflatten view_as reshape_as")
def _reshaped(shape: Sequence[int], x: Numbers, *args: Any, **kwargs: Any) -> Numbers:
    return x.reshape(shape)


@_operation("expand expand_as broadcast_to")
def _spread(shape: Sequence[int], x: Numbers, *args: Any, **kwargs: Any) -> Numbers:
    return numpy.broadcast_to(x, shape)


@_operation("transpose swapaxes")
def _transposed(shape: Sequence[int], x: Numbers, one: int, other: int) -> Numbers:
    return x.swapaxes(one, other)


@_operation("t")
def _turned(shape: Sequence[int], x: Numbers) -> Numbers:
    return x.T


@_operation("__getitem__")
def _indexed(shape: Sequence[int], x: Numbers, index: Any) -> Numbers:
    return x[_whole(index)]


@_operation("cumsum")
def _cumulated(shape: Sequence[int], x: Numbers, dim: int, **kwargs: Any) -> Numbers:
    return numpy.cumsum(x, axis=dim)


@_operation("sum")
def _summed(shape: Sequence[int], x: Numbers, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Numbers:
    return numpy.sum(x, axis=dim, keepdims=keepdim)


@_operation("prod")
def _multiplied(shape: Sequence[int], x: Numbers, dim: Any = None, keepdim: bool = False) -> Numbers:
    return numpy.prod(x, axis=dim, keepdims=keepdim)


@_operation("max amax")
def _largest(shape: Sequence[int], x: Numbers) -> Numbers:
    return numpy.max(x)


@_operation("min amin")
def _smallest(shape: Sequence[int], x: Numbers) -> Numbers:
    return numpy.min(x)


@_operation("all _is_all_true")
def _every(shape: Sequence[int], x: Numbers) -> Numbers:
    return all(number != 0 for number in x.flat)


@_operation("any _is_any_true")
def _some(shape: Sequence[int], x: Numbers) -> Numbers:
    return any(number != 0 for number in x.flat)


@_operation("diff")
def _steps(shape: Sequence[int], x: Numbers, n: int = 1, dim: int = -1) -> Numbers:
    return numpy.diff(x, n, dim)


@_operation("pad constant_pad_nd")
def _padded(
    shape: Sequence[int], x: Numbers, amounts: Sequence[int], mode: Any = "constant", value: Any = 0
) -> Numbers:
    if mode not in ("constant", 0) or len(amounts) != 2:
        raise TypeError
    before, after = (numpy.full((*x.shape[:-1], _whole(n)), value or 0, dtype=object) for n in amounts)
    return numpy.concatenate([before, x, after], axis=-1)


@_operation("cat concat concatenate")
def _joined(shape: Sequence[int], parts: Sequence[Numbers], dim: int = 0) -> Numbers:
    return numpy.concatenate([numpy.asarray(part, dtype=object) for part in parts], axis=dim)


@_operation("stack")
def _stacked(shape: Sequence[int], parts: Sequence[Numbers], dim: int = 0) -> Numbers:
    return numpy.stack([numpy.asarray(part, dtype=object) for part in parts], axis=dim)


@_operation("repeat_interleave")
def _each_repeated(
    shape: Sequence[int], x: Numbers, repeats: Any, dim: int | None = None, **kwargs: Any
) -> Numbers:
    times = numpy.asarray(repeats, dtype=object)
    return numpy.repeat(x, [_whole(number) for number in times.flat] if times.ndim else _whole(repeats), axis=dim)


@_operation("flip")
def _flipped(shape: Sequence[int], x: Numbers, *dims: Any) -> Numbers:
    axes = dims[0] if dims and isinstance(dims[0], (tuple, list)) else dims
    return numpy.flip(x, tuple(axes))


def _between(names: str, function: Callable[[Any, Any], Any]) -> None:
    @_operation(names)
    def operation(shape: Sequence[int], x: Any, y: Any) -> Numbers:
        return function(numpy.asarray(x, dtype=object), numpy.asarray(y, dtype=object))


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq __eq__": operator.eq,
    "ne __ne__ not_equal": operator.ne,
    "lt __lt__ less": operator.lt,
    "le __le__ less_equal": operator.le,
    "gt __gt__ greater": operator.gt,
    "ge __ge__ greater_equal": operator.ge,
}
"""By torch's names for each."""

_BETWEEN: dict[str, Callable[[Any, Any], Any]] = {
    "add __add__ __radd__": operator.add,
    "sub __sub__ subtract": operator.sub,
    "rsub __rsub__": lambda a, b: b - a,
    "mul __mul__ __rmul__ multiply": operator.mul,
    "floor_divide __floordiv__": operator.floordiv,
    "remainder __mod__": operator.mod,
    "maximum": numpy.maximum,
    "minimum": numpy.minimum,
    **COMPARISONS,
}
for _names, _function in _BETWEEN.items():
    _between(_names, _function)


PARTS = frozenset(("unbind", "split", "split_with_sizes", "chunk", "tensor_split"))
"""Functions that return a tensor in parts."""


def parts(name: str, numbers: Numbers, shapes: Sequence[Sequence[int]], dim: int) -> list[Numbers]:
    """The numbers of each part, of these shapes."""
    if name == "unbind":
        return [numpy.take(numbers, place, axis=dim) for place in range(numbers.shape[dim])]
    return numpy.split(numbers, numpy.cumsum([shape[dim] for shape in shapes])[:-1], axis=dim)


def small(shape: Sequence[Any]) -> bool:
    """Whether a tensor of this shape may be listed."""
    return all(isinstance(side, int) for side in shape) and math.prod(shape) <= MOST
