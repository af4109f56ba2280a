"""What is known of the values of tensors that have none: all alike, or counting upwards along a side.

On the meta device a program cannot look at a value. Many look at one that their sizes decide: decoders ask whether
their positions, which they have just counted, jump anywhere. So some kinds of tensors are followed from where they
are made, at every size at once: :class:`Alike` (``zeros``, and what a comparison of such gives) and
:class:`Rising` (``arange``). Of small ones each element is (:mod:`vpcalc.execution.listed`). Anything else is not
known, and a program that looks at it raises as before. What is written into in place is forgotten, with all that
shares its memory: torch counts the writes of a memory (``Tensor._version``). What is asked for a check alone, an
assertion or a condition under which the program only raises, is taken to be as the check wants it.

Numbers are ints, bools or sizes with forms; floats are known where they are whole, or fractions of whole numbers
that are small enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..counters.kernels import looked_at
from .listed import COMPARISONS, OPERATIONS, PARTS, Listed, listed, parts, small
from .messages import if_it_goes_on, is_a_share
from .nodes import dressed, undressed
from .rules.registry import RULES, STRICTER, shape_of, tensors_in
from .sizes import Size, product

MARK = "_vpcalc_known"

EXACT = 1 << 24
"""Whole numbers below it are the same in single precision."""

SMALL = 1 << 20
"""Fractions of whole numbers below it are as far from any whole number as single precision tells."""


@dataclass(frozen=True)
class Alike:
    """Every element is this number."""

    number: Any


@dataclass(frozen=True)
class Rising:
    """``first + i`` at place i of a side, which is counted from the last one (-1)."""

    axis: int
    first: Any


Known = Alike | Rising | Listed


class UnknownValueError(Exception):
    """A question to a tensor whose values are not known."""


def known(tensor: Any) -> Known | None:
    """What is known of a tensor; a number is alike."""
    if not isinstance(tensor, Tensor):
        number = undressed(tensor)
        return Alike(number) if isinstance(number, (int, Size)) and not _is_float(number) else None
    found = tensor.__dict__.get(MARK)
    return found[0] if found is not None and found[1:] == _stamp(tensor) else None


def above(tensor: Tensor) -> Any:
    """The first number above all elements, where these are known."""
    found = known(tensor)
    if isinstance(found, Alike):
        return found.number + 1 if is_whole(found.number) else None
    if isinstance(found, Rising):
        return found.first + shape_of(tensor)[found.axis]
    return None if found is None or not found.numbers.size else max(found.numbers.flat) + 1


def _stamp(tensor: Tensor) -> tuple[int, int]:
    """Changes with every write into its memory; a copy has another one."""
    return tensor._version, id(tensor)


PATTERN = "_vpcalc_pattern"

PATTERNS: dict[str, Callable[..., Any]] = {}
"""Functions whose results are followed where they are not all alike (:mod:`vpcalc.execution.patterns`)."""


def pattern(tensor: Any) -> Any:
    """How the values of a tensor are laid out by sizes, where that is known."""
    found = tensor.__dict__.get(PATTERN) if isinstance(tensor, Tensor) else None
    return found[0] if found is not None and found[1:] == _stamp(tensor) else None


def pattern_before(tensor: Tensor) -> Any:
    """The same, or what else was known, before the one write that there was since it was noted."""
    found = tensor.__dict__.get(PATTERN) or tensor.__dict__.get(MARK)
    version, name = _stamp(tensor)
    return found[0] if found is not None and found[1:] == (version - 1, name) else None


def _is_marked(tensor: Tensor) -> bool:
    """Whether something was known of it once."""
    marks = tensor.__dict__
    return MARK in marks or PATTERN in marks


def forget(tensor: Tensor) -> None:
    """Its memory is handed out in a way that leaves no trace of writes (``Tensor.data``)."""
    tensor.__dict__.pop(MARK, None)
    tensor.__dict__.pop(PATTERN, None)


def _is_float(number: Any) -> bool:
    return isinstance(number, float) or (isinstance(number, Size) and number.floats)


def asked(name: str, args: Any, kwargs: Any) -> Any:
    """The answer to a question about values.

    Raises:
        UnknownValueError: it is no such question, or they are not known.
    """
    if name == "tolist":
        return _listing(args[0])
    if name in ("cpu", "cuda") and args[0].is_meta:
        return args[0]
    if name in _QUESTIONS and len(args) == 1 and not kwargs:
        found = known(args[0])
        is_float = name in ("item", "__float__") and args[0].is_floating_point()
        if found is not None and not is_float and is_equal(product(shape_of(args[0])), 1):  # torch refuses others
            return _QUESTIONS[name](found.first if isinstance(found, Rising) else found.number)  # type: ignore[union-attr]
        if found is None and args[0].is_meta and (name == "__bool__" or args[0].dtype is torch.bool):
            passed = if_it_goes_on() if is_equal(product(shape_of(args[0])), 1) else None
            if passed is not None:
                return passed
        if found is None and name == "__float__" and args[0].is_meta and is_a_share():
            return 1.0
    raise UnknownValueError


def _listing(tensor: Tensor) -> Any:
    """All elements."""
    if tensor.is_floating_point():
        raise UnknownValueError
    try:
        return Listed(_operand(tensor)).tolist()
    except ValueError:
        raise UnknownValueError from None


def _operand(value: Any) -> Any:
    """A tensor as an array of its elements, which must be known and few; a number as it is.

    Raises:
        ValueError: they are not.
    """
    if isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value):
        return type(value)(map(_operand, value))
    if not isinstance(value, Tensor):
        number = undressed(value)
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError("no whole number")
        return number
    found = known(value)
    if found is None or not small(shape_of(value)):
        raise ValueError("not known")
    if isinstance(found, Listed):
        return found.numbers
    if isinstance(found, Alike):
        if not is_whole(found.number):
            raise ValueError("a fraction")
        return numpy.full(tuple(value.shape), found.number, dtype=object)
    sides = [1] * value.dim()
    sides[found.axis] = value.shape[found.axis]
    rising = numpy.array([found.first + place for place in range(sides[found.axis])], dtype=object)
    return numpy.broadcast_to(rising.reshape(sides), tuple(value.shape))


_QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "__bool__": lambda number: bool(number != 0),
    "is_nonzero": lambda number: bool(number != 0),
    "item": dressed,
    "__float__": lambda number: float(_fixed(number)),
    "__int__": lambda number: int(_fixed(number)),
    "__index__": lambda number: int(_fixed(number)),
}
_ASKED = frozenset(("tolist", "cpu", "cuda", *_QUESTIONS))
"""Functions that :func:`asked` may answer."""


def _fixed(number: Any) -> Any:
    return number.fixed("a number that the program needs") if isinstance(number, Size) else number


def valued(name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments of a call with known numbers in the place of tensors, where a kernel would look at them.

    What is moved to another device stays on the meta device: it has no values anywhere.
    """
    if name in _OF_SIZES:
        first = 0 if name in _MAKERS else 1
        return (*args[:first], *map(_number, args[first:])), {key: _number(value) for key, value in kwargs.items()}
    if name == "__getitem__" and len(args) > 1:
        return (args[0], _place(args[1])), kwargs
    if name == "to" and isinstance(args[0], Tensor) and args[0].is_meta:
        return tuple(map(_on_meta, args)), {key: _on_meta(value) for key, value in kwargs.items()}
    if name == "repeat_interleave" and len(args) > 1 and kwargs.get("output_size") is None:
        found = known(args[1]) if isinstance(args[1], Tensor) else None
        if isinstance(found, Alike):
            return args, {**kwargs, "output_size": dressed(found.number * product(shape_of(args[1])))}
        if isinstance(found, Listed):
            return args, {**kwargs, "output_size": dressed(found.numbers.sum())}
    return args, kwargs


_MAKERS = frozenset(("arange", "zeros", "ones", "empty", "full", "linspace", "tensor", "as_tensor"))
_SIZED = """
    pad constant_pad_nd view reshape expand repeat tile narrow unflatten split split_with_sizes new_zeros new_ones
    new_full new_empty interpolate upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d
    upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d
"""
_OF_SIZES = _MAKERS | frozenset(_SIZED.split())
"""Functions whose arguments, behind the first tensor if they make none, are sizes and amounts."""
_VALUED = _OF_SIZES | {"__getitem__", "to", "repeat_interleave"}
"""Functions whose arguments :func:`valued` may change."""


def _number(value: Any) -> Any:
    """A known number in the place of its tensor, in lists too; anything else as it is."""
    if type(value) in (tuple, list):
        return type(value)(map(_number, value))
    if not isinstance(value, Tensor) or value.dim():
        return value
    found = known(value)
    return dressed(found.number) if isinstance(found, Alike) and is_whole(found.number) else value


def _place(value: Any) -> Any:
    """An index with numbers where its slices begin and end."""
    if type(value) is tuple:
        return tuple(map(_place, value))
    if isinstance(value, slice):
        return slice(_number(value.start), _number(value.stop), _number(value.step))
    return value


def _on_meta(value: Any) -> Any:
    is_device = isinstance(value, torch.device) or (isinstance(value, str) and value in ("cpu", "cuda"))
    return torch.device("meta") if is_device else value


def follow(name: str, args: Any, kwargs: Any, result: Any) -> None:
    """Note what is known of a result. Its shape is kept already."""
    if isinstance(result, (tuple, list)):
        _follow_parts(name, args, kwargs, result)
        return
    if not isinstance(result, Tensor) or not (name in _FOLLOWERS or name in OPERATIONS or name in PATTERNS):
        return
    tensors = tensors_in((args, kwargs))
    if tensors and name not in _FROM_NOTHING and not any(map(_is_marked, tensors)):
        return  # most tensors by far: nothing is known of nothing
    found: Known | None = None
    if name in _FOLLOWERS and not any(isinstance(known(tensor), Listed) for tensor in tensors_in(args)):
        with suppress(TypeError, ValueError, IndexError, ZeroDivisionError):  # another form of the call
            found = _FOLLOWERS[name](result, *args, **kwargs)
    operands = list(map(known, tensors_in(args)))
    if found is None and operands and None not in operands and name in OPERATIONS and small(shape_of(result)):
        with suppress(TypeError, ValueError, IndexError, ZeroDivisionError):
            found = _listed(name, args, kwargs, result)
    found = _as_held(found, result)
    laid = None
    if not isinstance(found, Alike) and name in PATTERNS:  # of a list, too: what is computed of it may be no list
        with suppress(TypeError, ValueError, IndexError, ZeroDivisionError):
            laid = PATTERNS[name](result, *args, **kwargs)
    _note(result, _as_held(laid, result) if found is None and isinstance(laid, Alike) else found)
    if laid is not None and not isinstance(laid, Alike):
        setattr(result, PATTERN, (laid, *_stamp(result)))


def _note(result: Tensor, found: Known | None) -> None:
    forget(result)
    if found is not None:
        setattr(result, MARK, (found, *_stamp(result)))


def _as_held(found: Known | None, result: Tensor) -> Known | None:
    """What is known, if an element type holds these numbers as they are."""
    return found if found is not None and _is_exact(found, result) else None


def _listed(name: str, args: Any, kwargs: Any, result: Tensor) -> Known | None:
    """All elements of a result, if there are few."""
    shape = tuple(result.shape)
    operands = [_operand(arg) for arg in args]
    numbers = OPERATIONS[name](shape, *operands, **{key: _operand(value) for key, value in kwargs.items()})
    return _of_numbers(numbers, shape)


def _of_numbers(numbers: Any, shape: tuple[int, ...]) -> Known | None:
    found = numpy.asarray(numbers, dtype=object)
    if found.shape != shape or not found.size:
        return None
    return Alike(found.flat[0]) if found.size == 1 else Listed(found)


def _follow_parts(name: str, args: Any, kwargs: Any, results: Sequence[Any]) -> None:
    """The same of several results."""
    if name not in PARTS or not all(isinstance(result, Tensor) for result in results):
        return
    found = known(args[0])
    if isinstance(found, Alike):
        for result in results:
            _note(result, _as_held(found, result))
    if not isinstance(found, Listed):
        return
    dim = kwargs.get("dim", args[-1] if len(args) > 1 + (name != "unbind") else 0)
    shapes = [tuple(result.shape) for result in results]
    for result, numbers in zip(results, parts(name, found.numbers, shapes, dim), strict=True):
        _note(result, _as_held(_of_numbers(numbers, tuple(result.shape)), result))


def _is_exact(found: Known, result: Tensor) -> bool:
    """Whether an element type holds these numbers as they are."""
    if isinstance(found, Listed):
        return not result.is_floating_point() and all(
            _is_exact(Alike(number), result) for number in _extremes(found.numbers.flat)
        )
    if result.dtype in _WHOLE:
        number = found.first if isinstance(found, Rising) else found.number
        if isinstance(number, Size) and result.dtype is torch.int64:
            return True  # no size is near the end of 64 bits
        return bool(-_WHOLE[result.dtype] <= number < _WHOLE[result.dtype])
    if isinstance(found, Rising):
        return False
    if isinstance(found.number, (Fraction, Size)):
        return result.dtype in _FLOATS and _is_small(found.number)
    if result.dtype is torch.bool:
        return found.number in (0, 1)
    return result.dtype in _FLOATS and abs(found.number) < EXACT


def _extremes(numbers: Iterable[Any]) -> list[Any]:
    """Of plain numbers the least and the largest; all others."""
    plain: list[int] = []
    others: list[Any] = []
    for number in numbers:
        (plain if type(number) in (int, bool) else others).append(number)
    return [min(plain), max(plain), *others] if plain else others


_WHOLE = {torch.int64: 1 << 63, torch.int32: 1 << 31}
"""Where whole numbers of some bits end."""

_FLOATS = (torch.float32, torch.float64)
"""Shorter floats round fractions to whole numbers."""


def _is_small(number: Fraction | Size) -> bool:
    """Whether a fraction is so small everywhere that it rounds to no whole number in single precision, noted."""
    if isinstance(number, Fraction):
        return abs(number.numerator) < SMALL
    if number.form is None or abs(number.value * number.form.denominator) >= SMALL:
        return False
    above = number * number.form.denominator
    return above.compare(">", -SMALL, "a value") and above.compare("<", SMALL, "a value")


_FOLLOWERS: dict[str, Callable[..., Known | None]] = {}


def _follower(names: str) -> Callable[[Callable[..., Known | None]], Callable[..., Known | None]]:
    def register(function: Callable[..., Known | None]) -> Callable[..., Known | None]:
        for name in names.split():
            assert name not in _FOLLOWERS, name
            _FOLLOWERS[name] = function
        return function

    return register


# -- making -------------------------------------------------------------------------------------------


@_follower("zeros zeros_like new_zeros")
def _zeros(result: Tensor, *args: Any, **kwargs: Any) -> Known:
    return Alike(0)


@_follower("ones ones_like new_ones")
def _ones(result: Tensor, *args: Any, **kwargs: Any) -> Known:
    return Alike(1)


@_follower("full full_like new_full")
def _full(result: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    number = kwargs.get("fill_value", args[-1] if "fill_value" not in kwargs else None)
    return known(number)


@_follower("tensor as_tensor asarray scalar_tensor")
def _of_number(result: Tensor, data: Any, *args: Any, **kwargs: Any) -> Known | None:
    if not isinstance(data, (list, tuple)):
        return known(data)
    return _of_numbers(listed(data), tuple(result.shape)) if small(shape_of(result)) else None


@_follower("arange")
def _arange(result: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    numbers = [undressed(a) for a in args]
    start = undressed(kwargs.get("start", numbers[0] if len(numbers) > 1 else 0))
    step = undressed(kwargs.get("step", numbers[2] if len(numbers) > 2 else 1))
    is_whole = isinstance(start, (int, Size)) and not _is_float(start)
    return Rising(-1, start) if is_whole and isinstance(step, int) and step == 1 else None


_FROM_NOTHING = frozenset(_FOLLOWERS)
"""Functions whose result is known whatever is known of their arguments."""


# -- moving -------------------------------------------------------------------------------------------


@_follower("to long int bool float double type type_as contiguous clone alias detach")
def _kept(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    found = known(x)
    if not isinstance(found, Alike) or result.is_floating_point():
        return found
    if result.dtype is torch.bool:
        return Alike(bool(found.number != 0))
    return Alike(found.number.trunc() if isinstance(found.number, Size) else math.trunc(found.number))


@_follower("view reshape flatten ravel permute transpose squeeze unflatten t movedim narrow")
def _moved(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    found = known(x)
    if isinstance(found, Alike):
        return found if result.dtype is x.dtype else None
    before, after = shape_of(x), shape_of(result)
    if isinstance(found, Rising) and len(before) == 1 and _all_ones(after[:-1]) and len(after) > 1:
        return Rising(-1, found.first) if result.dtype is x.dtype else None  # (n) as (1, …, 1, n)
    return None


@_follower("expand expand_as broadcast_to")
def _broadcast(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    return _spread(result, x)


@_follower("repeat")
def _repeated(result: Tensor, x: Tensor, *times: Any, **kwargs: Any) -> Known | None:
    """Several times along other sides than the one that rises."""
    found = known(x)
    times = tuple(times[0]) if times and isinstance(times[0], (tuple, list)) else times
    if isinstance(found, Rising):
        return found if isinstance(times[found.axis], int) and times[found.axis] == 1 else None
    return found


def _spread(result: Tensor, x: Tensor) -> Known | None:
    """Repeated along sides of 1, or new ones in front; not along the side that rises."""
    found = known(x)
    if isinstance(found, Rising):
        return found if is_equal(shape_of(x)[found.axis], shape_of(result)[found.axis]) else None
    return found


@_follower("unsqueeze")
def _unsqueezed(result: Tensor, x: Tensor, dim: int) -> Known | None:
    found = known(x)
    if isinstance(found, Rising):
        place = dim % result.dim()  # of the new side
        mine = x.dim() + found.axis
        return Rising((mine + (place <= mine)) - result.dim(), found.first)
    return found


@_follower("__getitem__")
def _indexed(result: Tensor, x: Tensor, index: Any) -> Known | None:
    found = known(x)
    if not isinstance(found, Rising):
        return found
    places = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(place, (Tensor, list, range, bool)) for place in places):
        return None
    shape = shape_of(x)
    whole = [slice(None)] * (len(shape) - sum(place is not None and place is not Ellipsis for place in places))
    dots = next((i for i, place in enumerate(places) if place is Ellipsis), None)
    places = places + whole if dots is None else places[:dots] + whole + places[dots + 1 :]
    axis, behind, mine = len(shape) + found.axis, 0, None
    at = -1
    for place in places:
        if place is None:
            behind += mine is not None
            continue
        at += 1
        if at == axis:
            mine = place
        elif mine is not None:
            behind += isinstance(place, slice)
    if isinstance(mine, slice):
        start, _, step = (undressed(part) for part in (mine.start, mine.stop, mine.step))
        if step not in (None, 1) or (start is not None and start < 0):
            return None
        return Rising(-1 - behind, found.first if start is None else found.first + start)
    number = undressed(mine)
    return Alike(found.first + number if number >= 0 else found.first + shape[axis] + number)


# -- arithmetic ---------------------------------------------------------------------------------------


def _shifted(result: Tensor, x: Any, y: Any, sign: int) -> Known | None:
    one, other = known(x), known(y)
    if one is None or other is None:
        return None
    if isinstance(one, Alike) and isinstance(other, Alike):
        once = is_whole(one.number) or is_whole(other.number)  # two that were rounded may not add up
        return Alike(one.number + sign * other.number) if once else None
    if isinstance(one, Rising) and isinstance(other, Alike):
        spread = _spread(result, x)
        return None if spread is None else Rising(one.axis, one.first + sign * other.number)
    if isinstance(one, Alike) and isinstance(other, Rising) and sign == 1:
        return _shifted(result, y, x, 1)
    return None  # two that rise are no longer counted upwards by 1


@_follower("add __add__ __radd__")
def _sum(result: Tensor, x: Any, y: Any) -> Known | None:
    return _shifted(result, x, y, 1)


@_follower("sub __sub__ subtract")
def _difference(result: Tensor, x: Any, y: Any) -> Known | None:
    return _shifted(result, x, y, -1)


@_follower("__rsub__ rsub")
def _difference_from(result: Tensor, x: Any, y: Any) -> Known | None:
    return _shifted(result, y, x, -1)


@_follower("div __truediv__ true_divide divide")
def _quotient(result: Tensor, x: Any, y: Any, *, rounding_mode: str | None = None) -> Known | None:
    """Of whole numbers, which is rounded once."""
    one, other = known(x), known(y)
    if rounding_mode is not None:
        return _divided(result, x, y) if rounding_mode == "floor" else None
    if not (isinstance(one, Alike) and isinstance(other, Alike)):
        return None
    if not (is_whole(one.number) and is_whole(other.number)):
        return None
    if isinstance(one.number, int) and isinstance(other.number, int):
        fraction = Fraction(one.number) / other.number
        return Alike(int(fraction) if fraction.denominator == 1 else fraction)
    found = one.number / other.number
    return Alike(found) if isinstance(found, Size) and found.form is not None else None


def is_whole(number: Any) -> bool:
    """Whether a number is whole at every size."""
    if isinstance(number, Size):
        return number.form is not None and number.form.denominator == 1
    return isinstance(number, int)


def _rounding(way: str) -> Callable[..., Known | None]:
    def rounded(result: Tensor, x: Tensor) -> Known | None:
        found = known(x)
        if not isinstance(found, Alike):
            return None
        number = found.number
        return Alike(getattr(number, way)() if isinstance(number, Size) else getattr(math, way)(number))

    return rounded


for _way in ("ceil", "floor"):
    _follower(_way)(_rounding(_way))


@_follower("repeat_interleave")
def _interleaved(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    return known(x) if isinstance(known(x), Alike) else None


@_follower("mul __mul__ __rmul__ multiply")
def _multiplied(result: Tensor, x: Any, y: Any) -> Known | None:
    one, other = known(x), known(y)
    if not (isinstance(one, Alike) and isinstance(other, Alike)):
        return None
    once = is_whole(one.number) and is_whole(other.number)  # a fraction was rounded already
    return Alike(one.number * other.number) if once else None


@_follower("floor_divide __floordiv__")
def _divided(result: Tensor, x: Any, y: Any) -> Known | None:
    one, other = known(x), known(y)
    if not (isinstance(one, Alike) and isinstance(other, Alike)):
        return None
    return Alike(one.number // other.number) if is_whole(one.number) and is_whole(other.number) else None


@_follower("diff")
def _steps(
    result: Tensor, x: Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None
) -> Known | None:
    """Neighbours of what rises differ by 1, if what is put before it ends one below."""
    found = known(x)
    axis = dim if dim < 0 else dim - x.dim()
    if n != 1 or append is not None or not isinstance(found, Rising) or found.axis != axis:
        return None
    if prepend is not None:
        before = known(prepend)
        length = shape_of(prepend)[axis]
        if isinstance(before, Rising) and before.axis == axis:
            if not is_equal(before.first + length, found.first):
                return None
        elif not (isinstance(before, Alike) and is_equal(length, 1) and is_equal(before.number + 1, found.first)):
            return None
    return Alike(1)


@_follower("cumsum")
def _cumulated(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    """Of nothing but zeros."""
    return Alike(0) if known(x) == Alike(0) else None


def _compared(decide: Callable[[Any, Any], Any]) -> Callable[..., Known | None]:
    def compared(result: Tensor, x: Any, y: Any) -> Known | None:
        one, other = known(x), known(y)
        if isinstance(one, Alike) and isinstance(other, Alike):
            near = not (is_whole(one.number) or is_whole(other.number))  # as rounded, they may be equal
            return None if near else Alike(bool(decide(one.number, other.number)))
        return None

    return compared


for _names, _decide in {
    **COMPARISONS,
    "logical_and": lambda a, b: bool(a) and bool(b),
    "logical_or": lambda a, b: bool(a) or bool(b),
}.items():
    _follower(_names)(_compared(_decide))


@_follower("logical_not")
def _negated(result: Tensor, x: Tensor) -> Known | None:
    found = known(x)
    return Alike(not bool(found.number)) if isinstance(found, Alike) else None


@_follower("all any _is_all_true _is_any_true")
def _quantified(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    """Of elements that are alike, of which there are some."""
    found = known(x)
    if not isinstance(found, Alike) or not has_some(x):
        return None
    return Alike(bool(found.number != 0))


@_follower("sum")
def _added_up(result: Tensor, x: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Known | None:
    """Along one side of elements that are alike."""
    found = known(x)
    if not isinstance(found, Alike) or result.is_floating_point():
        return None
    count = product(shape_of(x)) if dim is None else shape_of(x)[dim] if isinstance(dim, int) else None
    return None if count is None else Alike(found.number * count)


@_follower("max_pool1d max_pool2d max_pool3d")
def _pooled(result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Known | None:
    """The largest of elements that are alike; nothing that is padded is larger."""
    return known(x) if isinstance(known(x), Alike) else None


@_follower("max amax")
def _largest(result: Tensor, x: Tensor) -> Known | None:
    """Of all elements together."""
    found = known(x) if has_some(x) else None
    return Alike(found.first + shape_of(x)[found.axis] - 1) if isinstance(found, Rising) else found


@_follower("min amin")
def _smallest(result: Tensor, x: Tensor) -> Known | None:
    """Of all elements together."""
    found = known(x) if has_some(x) else None
    return Alike(found.first) if isinstance(found, Rising) else found


def has_some(x: Tensor) -> bool:
    """Whether a tensor has elements at every size at which the program comes here: the path notes it."""
    count = product(shape_of(x))
    return bool(count >= 1)


def is_equal(one: Any, other: Any) -> bool:
    """Whether two numbers are equal at every size at which the program comes here: the path notes it."""
    return bool(one == other)


def _all_ones(sides: Iterable[Any]) -> bool:
    return all(isinstance(side, int) and side == 1 for side in sides)


def read(name: str, args: Any, kwargs: Any) -> Any:
    """The answer to a question, which whoever watches operators sees as the CPU would ask it (:func:`asked`).

    Raises:
        UnknownValueError: it is no such question, or its answer is not known.
    """
    answer = asked(name, args, kwargs)
    if name in _QUESTIONS:
        looked_at(args[0])
    return answer


def read_sizes(name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments with known numbers for tensors (:func:`valued`), which are seen to be read."""
    if name not in _VALUED:
        return args, kwargs
    found = valued(name, args, kwargs)
    if name in _OF_SIZES or name == "__getitem__":
        among = _within(args[name not in _MAKERS :]) + _within(kwargs)
        if among:
            left = set(map(id, _within(found)))
            for tensor in among:
                if id(tensor) not in left:
                    looked_at(tensor)
    return found


def _within(value: Any) -> list[Tensor]:
    """Tensors among arguments, where slices begin and end too."""
    if type(value) is int or value is None:
        return []
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    elif isinstance(value, dict):
        value = tuple(value.values())
    return [t for part in value for t in _within(part)] if type(value) in (tuple, list) else []


class AskedError(BaseException):
    """A program asks for values where none are followed. Not an ``Exception``: it must not take it for its own."""


class Watching(TorchFunctionMode):
    """Sees whether a program asks for values at all, ``asked``: following them takes as long as counting does.

    It refuses what kernels do and the meta device does not.
    """

    asked = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__
        if name in _ASKED or (name in _VALUED and _may_be_read(name, args, kwargs)):
            self.asked = True
            raise AskedError(name)
        if name == "to":
            args, kwargs = valued(name, args, kwargs)
        if name in STRICTER:
            _refuse(name, args, kwargs)
        return func(*args, **kwargs)


def _may_be_read(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call would have numbers in the place of tensors, were they known."""
    if name in _OF_SIZES:
        return bool(tensors_in((args[name not in _MAKERS :], kwargs)))
    if name == "__getitem__":
        slices = [place for place in (args[1] if type(args[1]) is tuple else args[1:]) if isinstance(place, slice)]
        return bool(_within(slices))
    return name == "repeat_interleave"


def _refuse(name: str, args: Any, kwargs: Any) -> None:
    """Raise what a kernel would of these sizes."""
    with suppress(TypeError, ValueError, KeyError, NotImplementedError):  # another form of the call
        RULES[name](*args, **kwargs)


class Knowing(TorchFunctionMode):
    """Follows values where nothing else is followed: while a module is built, or counted at numbers.

    It refuses what kernels do and the meta device does not.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__
        if name in _ASKED:
            with suppress(UnknownValueError):
                return read(name, args, kwargs)
        args, kwargs = read_sizes(name, args, kwargs)
        if name in STRICTER:
            _refuse(name, args, kwargs)
        result = func(*args, **kwargs)
        if name == "__get__":
            if func.__self__.__name__ == "data":
                forget(args[0])
        else:
            follow(name, args, kwargs, result)
        return result
