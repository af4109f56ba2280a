"""Functions that move elements and compute nothing: views, slices, parts, repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, product, value_of
from .elementwise import filled
from .registry import (
    Shape,
    axes_of,
    broadcast,
    divides,
    fits,
    must,
    rule,
    same,
    shape_of,
    sizes_of,
    some,
    tensors_in,
    wider,
)
from .windows import window


@rule("view reshape _unsafe_view")
def view(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The sides that were asked for; one of them may be what is left."""
    if args and isinstance(args[0], torch.dtype):
        shape = shape_of(x)
        return [*shape[:-1], shape[-1] * x.element_size() // _item(args[0])] if shape else shape
    wanted = sizes_of(args or (kwargs.get("shape", kwargs.get("size")),))
    whole = shape_of(x)
    open_places = [i for i, size in enumerate(wanted) if value_of(size) == -1]
    if not open_places:
        same(product(whole), product(wanted))
        return wanted
    (place,) = open_places
    rest = product(wanted[:place] + wanted[place + 1 :])
    some([rest])  # what is left of nothing could be any side
    wanted[place] = _share(product(whole), rest)
    return wanted


def _share(total: Any, part: Any) -> Any:
    """``total / part``, which must be whole."""
    if not isinstance(total, Size) and not isinstance(part, Size):
        return total // part if part else 0
    found = total // part
    if not isinstance(found, Size) or (found * part).form != (total.form if isinstance(total, Size) else total):
        same(found * part, total)
    return found


def _item(dtype: torch.dtype) -> int:
    return int(torch.empty((), dtype=dtype, device="meta").element_size())


@rule("unflatten")
def unflatten(x: Tensor, dim: Any, sizes: Any) -> Shape:
    """One side as several."""
    shape = shape_of(x)
    axis = int(dim) % len(shape)
    wanted = sizes_of((sizes,))
    for place, size in enumerate(wanted):
        if value_of(size) == -1:
            wanted[place] = _share(shape[axis], product(wanted[:place] + wanted[place + 1 :]))
    same(product(wanted), shape[axis])
    return shape[:axis] + wanted + shape[axis + 1 :]


@rule("flatten")
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Shape:
    """Several sides as one."""
    shape = shape_of(x)
    if not shape:
        return [1]
    first, last = start_dim % len(shape), end_dim % len(shape)
    return [*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]]


@rule("ravel")
def ravel(x: Tensor) -> Shape:
    """All sides as one."""
    return [product(shape_of(x))]


@rule("permute")
def permute(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Sides in another order."""
    shape = shape_of(x)
    return [shape[int(i)] for i in sizes_of(args or (kwargs["dims"],))]


@rule("transpose swapaxes swapdims transpose_")
def transpose(x: Tensor, dim0: int, dim1: int) -> Shape:
    """Two sides change places."""
    shape = shape_of(x)
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    return shape


@rule("t adjoint")
def transposed(x: Tensor) -> Shape:
    """The last two sides change places."""
    shape = shape_of(x)
    return [*shape[:-2], *reversed(shape[-2:])]


@rule("movedim moveaxis")
def movedim(x: Tensor, source: Any, destination: Any) -> Shape:
    """Sides at other places."""
    shape = shape_of(x)
    froms, tos = axes_of(source, len(shape)), axes_of(destination, len(shape))
    rest = iter(axis for axis in range(len(shape)) if axis not in froms)
    at = dict(zip(tos, froms, strict=True))
    return [shape[at[place] if place in at else next(rest)] for place in range(len(shape))]


@rule("unsqueeze unsqueeze_")
def unsqueeze(x: Tensor, dim: int) -> Shape:
    """A side of 1 more."""
    shape = shape_of(x)
    shape.insert(dim % (len(shape) + 1), 1)
    return shape


@rule("squeeze squeeze_")
def squeeze(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Without sides of 1."""
    shape = shape_of(x)
    dims = args[0] if args else kwargs.get("dim")
    axes = axes_of(dims, len(shape))
    return [side for i, side in enumerate(shape) if i not in axes or not same(side, 1, "squeezed")]


@rule("expand broadcast_to")
def expand(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Sides of 1 repeated."""
    wanted = sizes_of(args or (kwargs["size"],))
    shape = [1] * (len(wanted) - len(shape_of(x))) + shape_of(x)
    found = []
    for want, side in zip(wanted, shape, strict=True):
        if value_of(want) == -1:
            found.append(side)
        elif isinstance(side, int) and side == 1:
            found.append(want)
        else:
            found.append(wider(side, want))
    return found


@rule("expand_as")
def expand_as(x: Tensor, other: Tensor) -> Shape:
    """Sides of 1 repeated as in another tensor."""
    filled(shape_of(other), shape_of(x))
    return shape_of(other)


@rule("view_as reshape_as")
def as_other(x: Tensor, other: Tensor) -> Shape:
    """The shape of another tensor."""
    same(product(shape_of(x)), product(shape_of(other)))
    return shape_of(other)


@rule("repeat tile")
def repeat(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Each side several times."""
    times = sizes_of(args or (kwargs.get("repeats", kwargs.get("dims")),))
    shape = shape_of(x)
    rank = max(len(times), len(shape))
    times, shape = [1] * (rank - len(times)) + times, [1] * (rank - len(shape)) + shape
    return [side * n for side, n in zip(shape, times, strict=True)]


@rule("repeat_interleave")
def repeat_interleave(x: Tensor, repeats: Any, dim: int | None = None, **kwargs: Any) -> Shape:
    """One side with each of its elements several times."""
    if isinstance(repeats, Tensor):
        if kwargs.get("output_size") is None:
            raise NotImplementedError("repeat_interleave by a tensor")
        grown = undressed(kwargs["output_size"])
    else:
        grown = None
    shape = shape_of(x) if dim is not None else [product(shape_of(x))]
    axis = 0 if dim is None else dim % len(shape)
    shape[axis] = shape[axis] * undressed(repeats) if grown is None else grown
    return shape


@rule("cat concat concatenate")
def cat(tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Shape:
    """Side by side."""
    return _joined([s for s in map(shape_of, tensors) if s != [0]], kwargs.get("axis", dim))


def _joined(shapes: Sequence[Shape], axis: int) -> Shape:
    """Shapes side by side."""
    found = list(shapes[0])
    axis %= len(found)
    for shape in shapes[1:]:
        found[axis] = found[axis] + shape[axis]
        for i in range(len(found)):
            if i != axis:
                found[i] = _alike(found[i], shape[i])
    return found


def _alike(one: Any, other: Any) -> Any:
    """One of two sides that must be equal; the number if one is."""
    same(one, other)
    return other if isinstance(other, int) else one


@rule("stack")
def stack(tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Shape:
    """On top of each other."""
    shape = shape_of(tensors[0])
    for other in tensors[1:]:
        shape = [_alike(one, two) for one, two in zip(shape, shape_of(other), strict=True)]
    shape.insert(dim % (len(shape) + 1), len(tensors))
    return shape


def _at_least(shape: Shape, rank: int) -> Shape:
    """As torch adds sides of 1 to have one, two or three: before, but the third behind."""
    if rank == 3 and 0 < len(shape) < 3:
        return [*_at_least(shape, 2), 1]
    return [1] * (rank - len(shape)) + shape


def _each_of_rank(rank: int) -> None:
    @rule(f"atleast_{rank}d")
    def raised(*tensors: Any) -> Any:
        """One tensor, or all, with so many sides at least."""
        found = [_at_least(shape_of(tensor), rank) for tensor in tensors_in(tensors)]
        return found[0] if isinstance(tensors[0], Tensor) and len(tensors) == 1 else found


for _rank in (1, 2, 3):
    _each_of_rank(_rank)


@rule("vstack row_stack")
def vstack(tensors: Sequence[Tensor], **kwargs: Any) -> Shape:
    """One below the other: vectors are rows."""
    return _joined([_at_least(shape_of(tensor), 2) for tensor in tensors], 0)


@rule("hstack")
def hstack(tensors: Sequence[Tensor], **kwargs: Any) -> Shape:
    """One beside the other: vectors are joined."""
    shapes = [_at_least(shape_of(tensor), 1) for tensor in tensors]
    return _joined(shapes, min(len(shapes[0]) - 1, 1))


@rule("dstack")
def dstack(tensors: Sequence[Tensor], **kwargs: Any) -> Shape:
    """One behind the other."""
    return _joined([_at_least(shape_of(tensor), 3) for tensor in tensors], 2)


@rule("column_stack")
def column_stack(tensors: Sequence[Tensor], **kwargs: Any) -> Shape:
    """One beside the other: vectors are columns."""
    shapes = [shape_of(tensor) for tensor in tensors]
    return _joined([shape if len(shape) > 1 else [product(shape), 1] for shape in shapes], 1)


@rule("tensor_split")
def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> list[Shape]:
    """So many parts, the first ones longer by 1 where it does not divide; or cut at places."""
    shape = shape_of(x)
    axis, side = dim % len(shape), shape[dim]
    parts = undressed(indices_or_sections)
    if isinstance(parts, (tuple, list)):
        sizes = [_sliced(side, slice(a, b)) for a, b in zip((0, *parts), (*parts, None), strict=True)]
        return [[*shape[:axis], size, *shape[axis + 1 :]] for size in sizes]
    if not isinstance(parts, int):
        raise NotImplementedError("cut at places of a tensor")
    sizes = [(side + (parts - 1 - place)) // parts for place in range(parts)]
    return [[*shape[:axis], size, *shape[axis + 1 :]] for size in sizes]


@rule("vsplit")
def vsplit(x: Tensor, indices_or_sections: Any) -> list[Shape]:
    """Rows in equal parts, or cut at places."""
    return _split_evenly(x, indices_or_sections, 0)


@rule("hsplit")
def hsplit(x: Tensor, indices_or_sections: Any) -> list[Shape]:
    """The same of columns; of a vector, of its elements."""
    return _split_evenly(x, indices_or_sections, min(x.dim() - 1, 1))


@rule("dsplit")
def dsplit(x: Tensor, indices_or_sections: Any) -> list[Shape]:
    """The same of the third side."""
    return _split_evenly(x, indices_or_sections, 2)


def _split_evenly(x: Tensor, parts: Any, dim: int) -> list[Shape]:
    if isinstance(undressed(parts), int):
        divides(parts, shape_of(x)[dim], "parts that are equal")
    return tensor_split(x, parts, dim)


FEW_PARTS = 16
"""Parts up to which each smaller number of them is asked about: more are a loop."""


@rule("chunk unsafe_chunk")
def chunk(x: Tensor, chunks: int, dim: int = 0) -> list[Shape]:
    """Parts of ``⌈n/chunks⌉``, the last one what is left."""
    shape = shape_of(x)
    axis, side = dim % len(shape), shape_of(x)[dim]
    if not isinstance(side, Size):
        step = -(-side // chunks)
        return [[*shape[:axis], min(step, side - at), *shape[axis + 1 :]] for at in range(0, side, step)]
    step = (side + (chunks - 1)) // chunks
    if step.form is not None and (step * chunks).form == side.form:
        return [[*shape[:axis], step, *shape[axis + 1 :]]] * chunks
    if chunks > FEW_PARTS:
        return _parts(shape, axis, step)
    count = next(count for count in range(chunks, 0, -1) if count == 1 or side > step * (count - 1))
    return _cut(shape, axis, step, count)


def _parts(shape: Shape, axis: int, step: Any) -> list[Shape]:
    """A side in parts of a step, as many as the run has."""
    side = shape[axis]
    count = -(-value_of(side) // value_of(step))
    if isinstance(side, Size) or isinstance(step, Size):
        same((side + (step - 1)) // step, count, "a number of parts")
    return _cut(shape, axis, step, count)


def _cut(shape: Shape, axis: int, step: Any, count: int) -> list[Shape]:
    """A side in parts of a step, the last one what is left."""
    side = shape[axis]
    parts = [step] * (count - 1) + [side - step * (count - 1)]
    return [[*shape[:axis], part, *shape[axis + 1 :]] for part in parts]


@rule("split split_with_sizes unsafe_split")
def split(x: Tensor, split_size_or_sections: Any = None, dim: int = 0, **kwargs: Any) -> list[Shape]:
    """Parts of one size, or of given ones."""
    sizes = (
        split_size_or_sections
        if split_size_or_sections is not None
        else kwargs.get("split_size", kwargs.get("split_sizes"))
    )
    shape = shape_of(x)
    axis = dim % len(shape)
    if isinstance(sizes, (tuple, list)):
        given = sizes_of((sizes,))
        same(shape[axis], sum(given[1:], given[0]))
        for size in given:
            fits(0, size, "a part that is there")
        return [[*shape[:axis], size, *shape[axis + 1 :]] for size in given]
    size = undressed(sizes)
    return [shape] if same(size, 0) else _parts(shape, axis, size)  # an empty side only may have empty parts


@rule("glu")
def halved(x: Tensor, dim: int = -1) -> Shape:
    """One half of a side gates the other."""
    shape = shape_of(x)
    half = shape[dim] // 2
    same(half * 2, shape[dim])
    shape[dim] = half
    return shape


@rule("unbind __iter__")
def unbind(x: Tensor, dim: int = 0) -> list[Shape]:
    """One tensor for each place along a side, whose number is then fixed."""
    shape = shape_of(x)
    axis = dim % len(shape)
    count = shape[axis].fixed("a loop over a side") if isinstance(shape[axis], Size) else shape[axis]
    return [shape[:axis] + shape[axis + 1 :]] * count


@rule("select")
def select(x: Tensor, dim: int, index: Any) -> Shape:
    """One place along a side."""
    shape = shape_of(x)
    _within(shape.pop(dim % len(shape)), undressed(index))
    return shape


def _within(side: Any, index: Any) -> None:
    """Note that an index does not leave a side."""
    if isinstance(side, Size) or isinstance(index, Size):
        behind = side - index - 1 if value_of(index) >= 0 else side + index
        if isinstance(behind, Size):
            behind.compare(">=", 0, "an index within its side")


@rule("narrow")
def narrow(x: Tensor, dim: int, start: Any, length: Any) -> Shape:
    """A stretch of a side."""
    shape = shape_of(x)
    length, side = undressed(length), shape[dim]
    fits(0, length, "a stretch that is there")
    if isinstance(start, Tensor):
        start = 0
    begin = undressed(start)
    if begin < 0:
        begin = begin + side
        fits(0, begin, "a stretch that is there")
    fits(begin + length, side, "a stretch that is there")
    shape[dim] = length
    return shape


@rule("unfold")
def unfold(x: Tensor, dimension: int, size: Any, step: Any) -> Shape:
    """Windows along a side, as a side of their own."""
    shape = shape_of(x)
    length, step = undressed(size), undressed(step)
    shape[dimension] = window(shape[dimension], length, step, 0)
    return [*shape, length]


@rule("gather")
def gather(x: Tensor, dim: int, index: Tensor, **kwargs: Any) -> Shape:
    """As many as there are places to look at; beside the side that is looked along, no more than there are."""
    sides, places = shape_of(x), shape_of(index)
    _covers(sides, places, dim)
    return places


def _covers(sides: Shape, places: Shape, dim: int | None = None) -> None:
    """Note that there are no more places than elements along every side, but for one."""
    for axis, (side, place) in enumerate(zip(sides, places, strict=False)):
        if dim is None or axis != dim % len(sides):
            fits(place, side, "as many places as there are")


@rule("scatter scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_")
def scatter(x: Tensor, dim: int, index: Tensor, src: Any = None, *args: Any, **kwargs: Any) -> Shape:
    """The shape of what is written into; no more places than it has, nor than are written."""
    sides = shape_of(x)
    _covers(sides, shape_of(index), dim)
    if isinstance(src, Tensor):
        _covers(shape_of(src), shape_of(index))
    return sides


@rule("index_add index_add_ index_copy index_copy_ index_reduce index_reduce_")
def written_at(x: Tensor, dim: int, index: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of what is written into, along one side as much as there are places."""
    sides, own = shape_of(x), shape_of(source)
    for axis, (side, part) in enumerate(zip(sides, own, strict=False)):
        same(part, product(shape_of(index)) if axis == dim % len(sides) else side)
    return sides


@rule("take")
def take(x: Tensor, index: Tensor) -> Shape:
    """As many as there are places to look at."""
    return shape_of(index)


@rule("diagonal_scatter select_scatter slice_scatter as_strided_scatter")
def put_in(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of what is written into."""
    return shape_of(x)


@rule("sum_to_size")
def sum_to_size(x: Tensor, *args: Any) -> Shape:
    """The sizes that were asked for."""
    wanted = sizes_of(args)
    filled(shape_of(x), wanted)
    return wanted


@rule("cartesian_prod")
def cartesian_prod(*tensors: Any) -> Shape:
    """A row for each choice of one of every vector."""
    sides = [shape_of(tensor)[0] for tensor in tensors_in(tensors)]
    return [product(sides), len(sides)] if len(sides) > 1 else sides


@rule("take_along_dim")
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None, **kwargs: Any) -> Shape:
    """The same along one side, the others as they fit; without it, of all elements in a row."""
    if dim is None:
        return [product(shape_of(indices))]
    sides, places = shape_of(x), shape_of(indices)
    found = broadcast((sides[:dim], places[:dim])), broadcast((sides[dim:][1:], places[dim:][1:]))
    return [*found[0], places[dim], *found[1]]


@rule("searchsorted")
def searchsorted(ordered: Tensor, values: Tensor, **kwargs: Any) -> Shape:
    """A place for each value."""
    return shape_of(values)


@rule("multinomial")
def multinomial(x: Tensor, num_samples: Any, replacement: bool = False, **kwargs: Any) -> Shape:
    """As many draws from each row, at least one, which has so many where none is put back."""
    must(fits(1, undressed(num_samples), "a draw"), "no draw")
    if not replacement:
        enough = fits(undressed(num_samples), shape_of(x)[-1], "as many draws as there are")
        must(enough, "more draws than there are, and none is put back")
    return [*shape_of(x)[:-1], undressed(num_samples)]


@rule("segment_reduce")
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Any = None, offsets: Any = None, axis: int = 0, **kwargs: Any
) -> Shape:
    """One for each segment along a side."""
    segments = shape_of(lengths if offsets is None else offsets)
    segments[-1] = segments[-1] - (offsets is not None)
    return [*segments, *shape_of(data)[axis + 1 :]]


@rule("embedding_bag")
def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """A row for each bag; what else is returned is for the way back."""
    last = args[4] if len(args) > 4 else kwargs.get("include_last_offset", False)
    return [[shape_of(offsets)[0] - bool(last), shape_of(weight)[1]]]


@rule("index_select")
def index_select(x: Tensor, dim: int, index: Tensor) -> Shape:
    """Places along a side."""
    shape = shape_of(x)
    shape[dim] = product(shape_of(index))
    return shape


@rule("diagonal")
def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Shape:
    """The shorter of two sides."""
    shape = shape_of(x)
    rest = [side for i, side in enumerate(shape) if i not in {dim1 % len(shape), dim2 % len(shape)}]
    return [*rest, along_diagonal(shape[dim1], shape[dim2], offset)]


@rule("linalg_diagonal")
def diagonal_of_matrices(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Shape:
    """The same of the last two sides."""
    return diagonal(A, offset, dim1, dim2)


def along_diagonal(rows: Any, columns: Any, offset: int) -> Any:
    """Places of a diagonal, ``offset`` above the main one."""
    rows, columns = (rows, columns - offset) if offset >= 0 else (rows + offset, columns)
    shorter = rows if rows <= columns else columns
    return shorter if shorter >= 0 else 0


@rule("__getitem__")
def getitem(x: Tensor, index: Any) -> Shape:
    """Slices, places, new sides, and tensors of places."""
    places = list(index) if isinstance(index, tuple) else [index]
    shape = shape_of(x)
    used = sum(_consumes(place) for place in places)
    whole = [slice(None)] * (len(shape) - used)
    dots = next((i for i, place in enumerate(places) if place is Ellipsis), None)
    places = places + whole if dots is None else places[:dots] + whole + places[dots + 1 :]
    found: list[Any] = []
    picked: tuple[int, list[Shape]] | None = None
    sides = iter(shape)
    apart = False
    for place in places:
        if place is None:
            found.append(1)
        elif isinstance(place, slice):
            found.append(_sliced(next(sides), place))
            apart = apart or picked is not None
        elif (isinstance(place, Tensor) and place.dim() > 0) or isinstance(place, (list, range)):
            if isinstance(place, Tensor) and place.dtype in (torch.bool, torch.uint8):
                raise NotImplementedError("a mask as an index")
            next(sides)
            own = shape_of(place) if isinstance(place, Tensor) else [len(place)]
            if picked is None:
                picked = (len(found), [own])
            else:
                if apart:
                    picked = (0, picked[1])
                picked[1].append(own)
        elif isinstance(place, bool):
            raise NotImplementedError("a mask as an index")
        else:
            side = next(sides)
            if not isinstance(place, Tensor):
                _within(side, undressed(place))
    if picked is not None:
        found[picked[0] : picked[0]] = broadcast(picked[1])
    return found


@rule("__setitem__")
def setitem(x: Tensor, places: Any, value: Any) -> Shape:
    """The shape of what is written into: what is written has to fit there."""
    if isinstance(value, Tensor):
        with suppress(NotImplementedError):  # places that depend on values
            target, own = getitem(x, places), shape_of(value)
            filled(target, own)
            pairs = zip(reversed(list(map(value_of, target))), reversed(list(map(value_of, own))), strict=False)
            for side, part in pairs:
                must(part in (1, side), f"{part} elements for {side} places")
    return shape_of(x)


@rule("index_put index_put_")
def index_put(x: Tensor, indices: Any, values: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, at places for each side."""
    return setitem(x, tuple(slice(None) if place is None else place for place in indices), values)


def _consumes(place: Any) -> int:
    if place is None or place is Ellipsis or isinstance(place, bool):
        return 0
    if isinstance(place, Tensor) and place.dtype is torch.bool:
        return place.dim()
    return 1


def _sliced(side: Any, place: slice) -> Any:
    """The length of a slice, clipped as Python clips."""
    start, stop, step = (undressed(part) for part in (place.start, place.stop, place.step))
    step = 1 if step is None else step

    def clipped(at: Any, default: Any) -> Any:
        if at is None:
            return default
        if at < 0:
            at = at + side
            if at < 0:
                return 0
        return at if at <= side else side

    first, last = clipped(start, 0), clipped(stop, side)
    length = last - first
    if length < 0:
        return 0
    if isinstance(step, int) and step == 1:
        return length
    return (length + (step - 1)) // step


@rule("grad backward")
def gradients(*args: Any, **kwargs: Any) -> Shape:
    """Their products are those of a graph."""
    raise NotImplementedError("a gradient that the program itself asks for is not followed")


@rule("rot90")
def rot90(x: Tensor, k: int = 1, dims: Any = (0, 1)) -> Shape:
    """Two sides that change places, or are where they were."""
    shape = shape_of(x)
    one, other = dims
    if k % 2:
        shape[one], shape[other] = shape[other], shape[one]
    return shape
