"""The registry of rules, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, value_of

Shape = list[Any]
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""By the name of the function or method."""

MARK = "_vpcalc_shape"


_EXTREMES = ("max", "min", "aminmax", "median", "mode", "amax", "amin", "argmax", "argmin")
_WRITING = ("__setitem__", "index_put", "index_put_")
_LOSSES = ("cross_entropy_loss", "nll_loss", "nll_loss_nd")
_CONVOLVING = [f"conv{way}{rank}d" for way in ("", "_transpose") for rank in (1, 2, 3)]
BETWEEN = {"linear1d": 1, "bilinear2d": 2, "bicubic2d": 2, "trilinear3d": 3}
"""Ways to resize that look between places, and how many sides they resize."""
_RESIZING = [f"{front}upsample_{name}{end}" for name in BETWEEN for front, end in (("", ""), ("_", "_aa"))]
_RESIZING += ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "grid_sampler"]
_OTHERS = ("as_strided", "multinomial", "one_hot", "scaled_dot_product_attention")
STRICTER = frozenset((*_EXTREMES, *_WRITING, *_LOSSES, *_CONVOLVING, *_RESIZING, *_OTHERS))
"""Functions whose kernels refuse sizes that the meta device lets pass; their rules say so of plain sizes too."""


class KernelError(IndexError):
    """Sizes that a kernel refuses, and the meta device lets pass."""


def shape_of(tensor: Tensor) -> Shape:
    """A tensor's shape, with forms where it has them."""
    found = tensor.__dict__.get(MARK)
    return list(found) if found is not None else list(tensor.size())


R = TypeVar("R", bound=Rule)


def rule(names: str) -> Callable[[R], R]:
    """Enter a rule for several functions."""

    def register(function: R) -> R:
        for name in names.split():
            if name in RULES:
                raise ValueError(f"{name} has a rule already")
            RULES[name] = function
        return function

    return register


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor among arguments, in order."""
    found: list[Tensor] = []
    _gather((value,), found)
    return found


def _gather(values: Iterable[Any], found: list[Tensor]) -> None:
    for value in values:
        kind = type(value)  # of every call that a program makes: what is most by far comes first
        if kind in _NO_TENSORS:
            continue
        if kind is tuple or kind is list:
            _gather(value, found)
        elif isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, dict):
            _gather(value.values(), found)
        elif isinstance(value, (tuple, list)):
            _gather(value, found)


_NO_TENSORS = frozenset((int, float, bool, str, type(None), torch.SymInt, torch.dtype, torch.device))


def same(left: Any, right: Any, why: str = "sizes that must be equal") -> bool:
    """Whether two sizes are equal, noted."""
    if isinstance(left, Size):
        return left.compare("==", right, why)
    if isinstance(right, Size):
        return right.compare("==", left, why)
    return bool(left == right)


def fits(part: Any, whole: Any, why: str) -> bool:
    """Whether a size is at most another, noted: torch refuses more."""
    room = whole - part
    return bool(room.compare(">=", 0, why) if isinstance(room, Size) else room >= 0)


def must(holds: bool, what: str) -> None:
    """What a kernel asks for and the meta device does not.

    Raises:
        KernelError: it does not hold.
    """
    if not holds:
        raise KernelError(what)


def divides(part: Any, whole: Any, why: str = "a side that divides") -> None:
    """A size of which another is a multiple, noted: torch refuses what leaves a remainder."""
    same(whole % part, 0, why)


def some(sides: Iterable[Any], why: str = "a side that is not empty") -> bool:
    """Whether all sides have at least one place, noted: torch refuses empty ones."""
    return not [side for side in sides if not fits(1, side, why)]


def is_one(side: Any) -> bool:
    """Whether a side is 1, noted."""
    return same(side, 1, "a side that is spread")


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The common shape of operands that work element by element."""
    shapes = list(shapes)
    found: Shape = []
    for place in range(-max(map(len, shapes), default=0), 0):
        side: Any = 1
        for shape in shapes:
            if -place <= len(shape):
                side = wider(side, shape[place])
        found.append(side)
    return found


def wider(one: Any, other: Any) -> Any:
    """The side in which two sides fit."""
    if isinstance(one, int) and isinstance(other, int):
        return other if one == 1 else one
    if isinstance(one, int) and one == 1:
        return other
    if isinstance(other, int) and other == 1:
        return one
    if value_of(one) == value_of(other):
        if isinstance(one, Size) and isinstance(other, Size) and one.form == other.form:
            return one
        same(one, other)
        return one if isinstance(one, int) else other if isinstance(other, int) else one
    if value_of(one) == 1:
        same(one, 1)
        return other
    if not same(one, other) and not same(other, 1):
        same(one, 1)  # torch has refused this, unless either is 1
    return one


def sizes_of(args: Sequence[Any]) -> Shape:
    """Sizes given one by one or as a sequence."""
    sizes = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    return [undressed(size) for size in sizes]


def each_side(value: Any, count: int) -> list[Any]:
    """A setting for each spatial side."""
    if isinstance(value, (tuple, list)):
        return [undressed(v) for v in (value if len(value) == count else list(value) * count)]
    return [undressed(value)] * count


def axes_of(dim: Any, rank: int) -> list[int]:
    """Places of sides that are named from either end; all where none is."""
    if dim is None:
        return list(range(rank))
    axes = dim if isinstance(dim, (tuple, list)) else (dim,)
    return [int(axis) % max(rank, 1) for axis in axes] or list(range(rank))
