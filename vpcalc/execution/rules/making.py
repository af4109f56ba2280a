"""Functions that make tensors: of sizes, of numbers, of other tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, product, value_of
from .registry import Shape, broadcast, fits, is_one, must, rule, shape_of, sizes_of, some, tensors_in


@rule("zeros ones empty rand randn")
def made(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for, none of which is below 0."""
    sizes = sizes_of(args) if args else sizes_of((kwargs["size"],))
    for size in sizes:
        fits(0, size, "a side that is there")
    return sizes


@rule("empty_strided")
def made_with_strides(size: Any, *args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for."""
    return made(size)


@rule("new_empty_strided")
def made_like_with_strides(x: Tensor, size: Any, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return made(size)


@rule("new_zeros new_ones new_empty")
def made_like(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return made(*args, **kwargs)


@rule("full")
def full(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for."""
    return made(args[0] if args else kwargs["size"])


@rule("new_full")
def full_like(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return full(*args, **kwargs)


@rule("randint")
def random_made(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for, the last of the arguments."""
    return made(kwargs.get("size", next((a for a in reversed(args) if isinstance(a, (tuple, list))), None)))


@rule("normal")
def normal(mean: Any, std: Any = 1.0, size: Any = None, **kwargs: Any) -> Shape:
    """The sizes that were asked for; without them those of the means and deviations."""
    return broadcast(map(shape_of, tensors_in((mean, std)))) if size is None else made(size)


@rule("randperm")
def randperm(n: Any, **kwargs: Any) -> Shape:
    """An order of n."""
    return [undressed(n)]


@rule("eye")
def eye(n: Any, m: Any = None, **kwargs: Any) -> Shape:
    """Ones on the diagonal."""
    return [undressed(n), undressed(n if m is None or not isinstance(m, (int, torch.SymInt)) else m)]


@rule("arange range")
def arange(*args: Any, **kwargs: Any) -> Shape:
    """From start to before end."""
    numbers = [undressed(a) for a in args]
    start = undressed(kwargs.get("start", numbers[0] if len(numbers) > 1 else 0))
    end = undressed(kwargs.get("end", numbers[1] if len(numbers) > 1 else numbers[0] if numbers else 0))
    step = undressed(kwargs.get("step", numbers[2] if len(numbers) > 2 else 1))
    length = end - start
    fits(0, length if step > 0 else -length, "a range that goes the way of its steps")
    if isinstance(step, int) and step == 1 and not isinstance(length, float):
        found = length
    elif isinstance(step, float) or isinstance(length, float):
        found = -((-length) // step)
        found = found.trunc() if isinstance(found, Size) else int(found)
    else:
        found = -((-length) // step)
    if isinstance(found, Size) and found.floats:
        found = found.ceil()
    return [found if found >= 0 else 0]


@rule("triu_indices")
def triu_indices(row: Any, col: Any, offset: int = 0, **kwargs: Any) -> Shape:
    """Row and column of each place on and above a diagonal of a square."""
    return [2, _above(undressed(row), undressed(col), offset)]


@rule("tril_indices")
def tril_indices(row: Any, col: Any, offset: int = 0, **kwargs: Any) -> Shape:
    """Row and column of each place on and below a diagonal of a square."""
    return [2, _above(undressed(row), undressed(col), -offset)]


def _above(side: Any, other: Any, offset: int) -> Any:
    """Places of a square on and above a diagonal: as many as on and below the opposite one."""
    if side != other:
        raise NotImplementedError("places of a triangle in what is no square")
    if offset < 0:
        return side * side - _above(side, other, 1 - offset)
    left = side - offset
    return left * (left + 1) // 2 if left > 0 else 0


@rule("hann_window hamming_window blackman_window bartlett_window")
def window(window_length: Any, *args: Any, **kwargs: Any) -> Shape:
    """As many weights as asked for. One alone is made apart, and without the one more that a period has."""
    length = undressed(window_length)
    is_one(length)
    return [length]


@rule("linspace logspace")
def linspace(start: Any, end: Any, steps: Any = None, *args: Any, **kwargs: Any) -> Shape:
    """As many steps as asked for."""
    return [undressed(steps)]


@rule("meshgrid")
def meshgrid(*tensors: Any, **kwargs: Any) -> list[Shape]:
    """Every tensor over the grid of all."""
    sides = [product(shape_of(tensor)) for tensor in tensors_in(tensors)]
    if kwargs.get("indexing") == "xy" and len(sides) > 1:
        sides[0], sides[1] = sides[1], sides[0]
    return [list(sides)] * len(sides)


@rule("broadcast_tensors")
def broadcast_tensors(*tensors: Any) -> list[Shape]:
    """All in their common shape."""
    operands = list(tensors_in(tensors))
    return [broadcast(map(shape_of, operands))] * len(operands)


@rule("embedding")
def embedding(weight: Tensor, indices: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """A row for each index."""
    return [*shape_of(indices), *shape_of(weight)[1:]]


@rule("one_hot")
def one_hot(x: Tensor, num_classes: Any = -1) -> Shape:
    """A side of classes more, which are as many as there are if it is -1."""
    classes = undressed(num_classes)
    if value_of(classes) >= 0:
        must(some((classes,)), "no class")
    return [*shape_of(x), classes]


@rule("tensor as_tensor asarray scalar_tensor")
def from_numbers(data: Any = None, *args: Any, **kwargs: Any) -> Shape:
    """Nested lists of numbers."""
    if isinstance(data, Tensor):
        return shape_of(data)
    shape = []
    while isinstance(data, (tuple, list)):
        shape.append(len(data))
        data = data[0] if data else None
        if isinstance(data, Tensor):
            return shape + shape_of(data)
    return shape


@rule("new_tensor")
def from_numbers_like(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return from_numbers(*args, **kwargs)


@rule("as_strided")
def as_strided(x: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Shape:
    """The sizes that were asked for, within the memory of the tensor, where it is known how much that is."""
    sizes = sizes_of((size,))
    must(all(fits(0, side, "a side") for side in sizes), "a side of less than 0")
    whole = x if x._base is None else x._base
    known = whole.untyped_storage().nbytes() == whole.numel() * whole.element_size()
    if known and all(map(value_of, sizes)):
        offset = x.storage_offset() if storage_offset is None else undressed(storage_offset)
        last = sum((side - 1) * undressed(step) for side, step in zip(sizes, stride, strict=True))
        room = product(shape_of(whole))
        must(
            fits(last + offset + 1, room, "within memory"),
            f"a view beyond the {value_of(room)} elements in memory",
        )
    return sizes


@rule("view_as_real")
def view_as_real(x: Tensor) -> Shape:
    """Real and imaginary parts apart."""
    return [*shape_of(x), 2]


@rule("view_as_complex")
def view_as_complex(x: Tensor) -> Shape:
    """And together."""
    return shape_of(x)[:-1]
