"""Memory behind the tensors of a run: when it is made and let go, what autograd keeps, how large it is as a form.

Operators are seen where they are dispatched, with sizes that are numbers; forms are known of the tensors that the
program itself sees, one call of torch above. What operators make within such a call gets its forms from theirs:
the statistics of a layer norm have a side for each of its rows.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from torch import Tensor

from ..abstract.layout import is_dense
from ..algebra.polynomial import Polynomial, constant
from ..counters.kernels import laid_out, moves, nothing_kept, once
from ..counters.private import Uncompiled, no_functions, storage_key, storages_of
from ..counters.saved import ungraphed
from .nodes import undressed
from .outcome import Passes, Place, highest
from .rules import shape_of, tensors_in
from .sizes import Size, form_of, value_of

Axes = Sequence[tuple[Any, ...]]
"""For each side the operand and the place that it comes from, and what is added to it if anything is: numbers, and
sides of operands, each with its place."""

WINDOWS = ("hann_window", "hamming_window", "blackman_window", "bartlett_window")
"""Operators that make one weight more than they return, for a period of several."""

_PRODUCTS: dict[str, Axes] = {
    "mm": ((0, 0), (1, 1)),
    "addmm": ((1, 0), (2, 1)),
    "bmm": ((0, 0), (0, 1), (1, 2)),
    "baddbmm": ((1, 0), (1, 1), (2, 2)),
    "_scaled_dot_product_flash_attention_for_cpu": ((0, 0), (0, 1), (0, 2), (2, 3)),
}
"""Of what attention returns beside its result, a logarithm for each query, these are the first sides."""


def _axes(name: str, args: Any) -> Axes | None:
    """Where the sides of an operator's result come from."""
    if name == "permute":
        return [(0, axis % args[0].dim()) for axis in args[1]]
    if name in ("transpose", "t"):
        order = list(range(args[0].dim()))
        one, other = args[1:] if name == "transpose" else (0, -1)
        if order:
            order[one], order[other] = order[other], order[one]
        return [(0, axis) for axis in order]
    if name == "cat":
        tensors, dim = args[0], args[1] if len(args) > 1 else 0
        rank = tensors[0].dim()
        if any(tensor.dim() != rank for tensor in tensors):  # empty ones may have one side
            return None
        others = [(place, dim % rank) for place in range(1, len(tensors))]
        return [(0, axis, *(others if axis == dim % rank else ())) for axis in range(rank)]
    if name == "slice":
        return _sliced(*args)
    if name == "constant_pad_nd":  # as a convolution pads that keeps its sides
        first = args[0].dim() - len(args[1]) // 2
        pairs = [args[1][place : place + 2] for place in range(len(args[1]) - 2, -1, -2)]
        return [(0, axis, *(pairs[axis - first] if axis >= first else ())) for axis in range(args[0].dim())]
    return _PRODUCTS.get(name)


def _sliced(
    x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Axes | None:
    """Of what is cut off at both ends by so much; a stretch from one place to another has a number of places."""
    first, length = start or 0, x.size(dim)
    last = 0 if end is None or end >= length else end
    if step != 1 or first < 0 or last > 0 or first >= length + last:
        return None
    return [(0, axis, last - first) if axis == dim % x.dim() else (0, axis) for axis in range(x.dim())]


def _numbers(name: str, given: Any) -> dict[int, Polynomial]:
    """Sizes among the arguments of a call, ``n=2 * N``, by their numbers; as spectra they have half, and one."""
    sizes = list(_sizes(given))
    if name.startswith(("fft_irfft", "fft_hfft")):
        sizes = [size // 2 + 1 for size in sizes]
    return {value_of(size): form_of(size) for size in sizes}


def _sizes(given: Any) -> Iterator[Size]:
    if isinstance(given, (tuple, list, dict)):
        for part in given.values() if isinstance(given, dict) else given:
            yield from _sizes(part)
    elif isinstance(size := undressed(given), Size) and not size.floats:
        yield size


View = tuple[tuple[int, ...], tuple[int, ...]]
"""What tells views of one memory apart: sides and, where two of them are alike, strides."""


def _view(tensor: Tensor) -> View:
    sides, strides = tuple(tensor.size()), tensor.stride()
    long = [(side, stride) for side, stride in zip(sides, strides, strict=True) if side > 1]
    return sides, tuple(stride for _, stride in long) if len({side for side, _ in long}) < len(long) else ()


class Extent(NamedTuple):
    """A tensor as an operator sees it: its sides, which of them are spread, an element's bytes, its memory."""

    sides: tuple[int, ...]
    spread: tuple[bool, ...]
    item: int
    key: int
    view: View

    @classmethod
    def of(cls, tensor: Tensor) -> Extent:
        """Of a tensor."""
        sides = tuple(tensor.size())
        spread = tuple(not stride and side > 1 for side, stride in zip(sides, tensor.stride(), strict=True))
        return cls(sides, spread, tensor.element_size(), storage_key(tensor), _view(tensor))


class _Call(NamedTuple):
    """A call of an operator, with the numbers of what it made, and what it reads and writes.

    ``axes`` says where the sides of its result come from, by operand and place, where that is certain; ``more`` is
    how many elements it makes that its result does not show.
    """

    given: list[Extent]
    made: list[tuple[Extent, int | None]]
    moved: list[Extent]
    axes: Axes | None
    more: int = 0


@dataclass
class _Made:
    """Memory that an operator made. ``form`` is its bytes once the call around it is over."""

    nbytes: int
    form: Polynomial
    place: Place = ("", "")


class _Kept:
    """A tensor in the hands of autograd's graph."""

    __slots__ = ("__weakref__", "made", "tensor")

    def __init__(self, tensor: Tensor, made: int | None) -> None:
        self.tensor, self.made = tensor, made


class Storages(Uncompiled):
    """Follows memory that is not a module's own and not its input's, in bytes.

    ``within`` counts the calls of torch that are going on. Where the run ``goes_back`` forms of what is alive are
    remembered for that. Then ``node`` is where the node of the graph was made that runs, ``shapes`` those that its
    gradients have, and ``is_adding`` that it is over, so that what is seen before the next are sums of gradients
    that meet (:mod:`vpcalc.execution.passes`).
    """

    def __init__(self, own: Iterable[Tensor], goes_back: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._own = storages_of(own)
        self.goes_back = goes_back
        self._alive: dict[int, tuple[int, Any]] = {}
        self._made: list[_Made] = []
        self._events: list[tuple[int, bool]] = []
        self._calls: list[_Call] = []
        self._kept: list[weakref.ref[_Kept]] = []
        self._sum: tuple[int, int] | None = None
        self._in_place: dict[int, int] = {}
        self._forms: dict[int, dict[View, Sides]] = {}
        self.within = 0
        self.node: Place | None = None
        self.shapes: Sequence[tuple[tuple[int, ...], Sides]] = ()
        self.is_adding = False
        self.moved: defaultdict[Place, Polynomial] = defaultdict(lambda: constant(0))

    # -- what is seen -------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._see_sum()
        result = laid_out(func, args, func(*args, **(kwargs or {})))
        nothing = nothing_kept(func, args, result)
        made: list[tuple[Extent, int | None]] = []
        results = [tensor for tensor in tensors_in(result) if storage_key(tensor) not in nothing]
        for tensor in results:
            extent = Extent.of(tensor)
            is_new = extent.key not in self._own and extent.key not in self._alive
            made.append((extent, self._meet(tensor, extent.key) if is_new else None))
        operands = list(tensors_in((args, kwargs or {})))
        read = [Extent.of(tensor) for tensor in once(operands)] if moves(func, operands, results) else None
        moved = [] if read is None else [*read, *(extent for extent, _ in made)]
        name = func.overloadpacket.__name__
        axes = _axes(name, args)
        more = int(name in WINDOWS and any(self._has_one_more(extent, number) for extent, number in made))
        self._calls.append(_Call(list(map(Extent.of, operands)), made, moved, axes, more))
        if self.is_adding and name == "add":
            self._meet_sum(args[0], args[1], made[0][1])
        if self.node is not None and not self.within:  # what it was given may be gone when its node is over
            self._settled(self.node, _Known(self._forms, {}, self.shapes))
        return result

    def _meet_sum(self, one: Tensor, other: Tensor, made: int | None) -> None:
        """Gradients met. Where nobody looks on the second is added to the first, if that has no other owner.

        As ``accumulate`` of ``torch/csrc/autograd/input_buffer.cpp`` has it, which an observer keeps from that.
        """
        first = self._alive.get(storage_key(one)) if is_dense(one.size(), one.stride()) else None
        if first is not None and made is not None and storage_key(one) != storage_key(other):
            self._sum = made, first[0]

    def _see_sum(self) -> None:
        """If the first of two gradients is gone when something else is done, it had no other owner."""
        if self._sum is not None:
            made, first = self._sum
            self._sum = None
            if all(number != first for number, _ in self._alive.values()):
                self._in_place[made] = first

    def _has_one_more(self, extent: Extent, number: int | None) -> bool:
        return number is not None and self._made[number].nbytes == (prod(extent.sides) + 1) * extent.item

    def _meet(self, tensor: Tensor, key: int) -> int:
        number, storage = len(self._made), tensor.untyped_storage()

        def gone(_: Any) -> None:
            del self._alive[key]
            self._forms.pop(key, None)
            self._events.append((number, False))

        self._alive[key] = number, weakref.ref(storage, gone)
        self._made.append(_Made(storage.nbytes(), constant(storage.nbytes()), self.node or ("", "")))
        self._events.append((number, True))
        return number

    def pack(self, tensor: Tensor) -> _Kept:
        """What autograd keeps instead of a tensor: nobody asks here, though a checkpoint does it in a call."""
        with no_functions():
            found = self._alive.get(storage_key(tensor))
        kept = _Kept(ungraphed(tensor), None if found is None else found[0])
        if found is not None:
            self._kept.append(weakref.ref(kept))
        return kept

    @staticmethod
    def unpack(kept: _Kept) -> Tensor:
        """The tensor."""
        return kept.tensor

    # -- forms --------------------------------------------------------------------------------------

    def settle(self, place: Place, given: Any, result: Any) -> set[Polynomial]:
        """A call of the program is over: what operators met within it gets its form from the call's tensors.

        Sides are returned that are 1 here, so that nothing tells them from a number 1.
        """
        if not self._calls:
            return set()
        pairs = [(tensor, shape_of(tensor)) for tensor in (*tensors_in(result), *tensors_in(given))]
        known = _Known({} if self.node is None else self._forms, _numbers(place[1], given))
        if any(isinstance(side, Size) for _, shape in pairs for side in shape):
            for tensor, shape in pairs:
                known.see(storage_key(tensor), _view(tensor), [form_of(side) for side in shape])
        return self._settled(place, known)

    def _settled(self, place: Place, known: _Known) -> set[Polynomial]:
        for call in self._calls:
            for extent, number in call.made:
                sides = known.meet(extent, call.given, call.axes)
                if number is not None:
                    made = self._made[number]
                    made.place = place
                    for like, forms in ((extent, sides), *((given, known.sides(given)) for given in call.given)):
                        if made.nbytes == (prod(like.sides) + call.more) * like.item:
                            made.form = (_product(forms) + call.more) * like.item
                            break  # it is without gaps, or as much as an operand
            for extent in call.moved:
                apart = (s for s, spread in zip(known.sides(extent), extent.spread, strict=True) if not spread)
                self.moved[place] += _product(apart) * extent.item
        self._calls.clear()
        for (key, view), forms in known.found.items() if self.goes_back else ():
            if key in self._own or key in self._alive:
                self._forms.setdefault(key, {})[view] = forms
        return known.ones

    def saved(self) -> dict[Place, Polynomial]:
        """What autograd keeps now, each storage once, where it was made."""
        live = (reference() for reference in self._kept)
        found: defaultdict[Place, Polynomial] = defaultdict(lambda: constant(0))
        for number in dict.fromkeys(kept.made for kept in live if kept is not None):
            made = self._made[number]  # type: ignore[index]
            found[made.place] += made.form
        return dict(found)

    def peaks(self) -> dict[Polynomial, Place]:
        """Bytes alive at once, the most first, and at other times that may have more at other sizes; and where."""
        times: dict[Polynomial, tuple[int, Place]] = {}
        for now, live, place in self._times():
            if place is not None:
                times.setdefault(live, (now, place))
        return highest(times)

    def passes(self) -> Passes:
        """The most alive in both passes of a step, which are over, and what is left of them."""
        self._see_sum()
        most, left = _most(self._times(alone=True))
        observed, _ = _most(self._times())
        return Passes(most, observed, left)

    def _times(self, alone: bool = False) -> Iterator[tuple[int, Polynomial, Place | None]]:
        """Bytes alive after each event, as a number and as a form; with the place where something was made there.

        Gradients that meet have a sum beside them, but where the program is ``alone`` it has the place of one.
        """
        now, live = 0, constant(0)
        heirs = self._in_place if alone else {}
        replaced = set(heirs.values())
        for number, born in self._events:
            if born and number in heirs:
                continue
            if not born and number in replaced:
                continue
            while not born and number in heirs:
                number = heirs[number]
            made = self._made[number]
            now += made.nbytes if born else -made.nbytes
            live = live + made.form if born else live - made.form
            yield now, live, made.place if born else None


def _most(times: Iterable[tuple[int, Polynomial, Place | None]]) -> tuple[tuple[Polynomial, Place], Polynomial]:
    """The form of the most, with its place, and that of the last."""
    most, top, left = 0, (constant(0), ("", "")), constant(0)
    for now, left, place in times:
        if now > most and place is not None:
            most, top = now, (left, place)
    return top, left


Sides = Sequence[Polynomial]


class _Known:
    """Forms of the sides of all tensors that operators meet within one call of the program.

    Those of the call's own tensors are known. A tensor that an operator makes has them from what it was given: a
    side at the same place in a tensor of as many, a product of sides that follow each other. Where several are as
    long, operands that are laid out alike come first. A side that none of them has is a size among the call's
    arguments (``n=2 * N``), or else a number.
    """

    def __init__(
        self,
        earlier: Mapping[int, Mapping[View, Sides]],
        numbers: Mapping[int, Polynomial],
        first: Iterable[tuple[tuple[int, ...], Sides]] = (),
    ) -> None:
        self._earlier, self._numbers = earlier, numbers
        self.ones: set[Polynomial] = set()
        self.found: dict[tuple[int, View], Sides] = {}
        self._first = list(first)

    def see(self, key: int, view: View, forms: Sides) -> None:
        """One of the call's own tensors."""
        self._first.append((view[0], forms))
        self.found.setdefault((key, view), forms)

    def _known(self, extent: Extent) -> Sides | None:
        found = self.found.get((extent.key, extent.view))
        return found or self._earlier.get(extent.key, {}).get(extent.view)

    def sides(self, extent: Extent) -> Sides:
        """The forms of a tensor's sides, as numbers if nothing is known of it."""
        return self._known(extent) or [constant(side) for side in extent.sides]

    def meet(self, extent: Extent, given: Sequence[Extent], axes: Axes | None) -> Sides:
        """The same of one that an operator made of others."""
        place = extent.key, extent.view
        if not (self._first or self._earlier):
            return self.sides(extent)
        found = self._known(extent)
        if found is not None and (axes is None or 1 not in extent.sides):
            return found
        operands = [(other.sides, self.sides(other)) for other in given]
        if axes is not None:
            sides: Sides = [
                self._joined(side, [operands[operand][1][axis], *added], operands)
                for side, (operand, axis, *added) in zip(extent.sides, axes[: len(extent.sides)], strict=True)
            ]
        else:
            sides = self._inferred(extent.sides, operands)
        if found is not None:  # a matrix of one element lies as the same transposed
            for side, one, other in zip(extent.sides, found, sides, strict=True):
                if side == 1 and one != other:
                    self.ones |= {form for form in (one, other) if form.symbols}
            return found
        self.found[place] = sides
        return sides

    def _joined(
        self, side: int, parts: Sequence[Any], operands: Sequence[tuple[tuple[int, ...], Sides]]
    ) -> Polynomial:
        """A side with what is added to it: others, or as much as makes a size that the call was given."""
        forms = [operands[part[0]][1][part[1]] if isinstance(part, tuple) else part for part in parts]
        is_filled = any(isinstance(part, int) and part for part in parts)
        whole = sum(forms[1:], forms[0])
        return self._numbers.get(side, whole) if is_filled else whole

    def _inferred(self, sides: tuple[int, ...], operands: Sequence[tuple[tuple[int, ...], Sides]]) -> Sides:
        for known, forms in operands:  # whole, or summed along some sides
            if len(known) == len(sides) and all(
                side in (1, whole) for side, whole in zip(sides, known, strict=True)
            ):
                self.ones |= {form for side, form in zip(known, forms, strict=True) if side == 1 and form.symbols}
                kept = zip(sides, known, forms, strict=True)
                return [form if side == whole else constant(1) for side, whole, form in kept]
        for known, forms in operands:
            if prod(known) == prod(sides):
                return _regrouped(known, forms, sides)
        pairs = (*operands, *self._first)
        found: list[Polynomial] = []
        for place, side in enumerate(sides):
            same = (
                forms[place]
                for known, forms in pairs
                if known[place : place + 1] == (side,) and (len(known) == len(sides) or place == 0)
            )
            form = next(same, None)
            if form is None and side > 1:
                form = next((form for known, forms in pairs for form in _products(known, forms, side)), None)
            found.append(self._numbers.get(side, constant(side)) if form is None else form)
        return found


def _regrouped(known: tuple[int, ...], forms: Sides, sides: tuple[int, ...]) -> Sides:
    """The same elements in another shape: sides that are joined or split, from the first to the last.

    Of a side that is split the first part has the form of the whole, over the numbers of the others. One of none
    takes the sides up to the one that makes it so.
    """
    found: list[Polynomial] = []
    old = new = 0
    while new < len(sides):
        first, length, form = new, sides[new], constant(1)
        here, new = 1, new + 1
        while length == 1 and old < len(known) and known[old] == 1:
            form, old = form * forms[old], old + 1
            if len(known) - old <= len(sides) - new:
                break
        while (here < length or 0 == length < here) and old < len(known):
            here, form, old = here * known[old], form * forms[old], old + 1
            while 0 < length < here and new < len(sides):
                length, new = length * sides[new], new + 1
        if new == len(sides):
            form = form * _product(forms[old:])
        others = prod(sides[first + 1 : new])
        found += [form / constant(others) if others > 1 else form, *map(constant, sides[first + 1 : new])]
    return found


def _products(known: tuple[int, ...], forms: Sides, side: int) -> Iterator[Polynomial]:
    """Sides that follow each other and are together as long as another."""
    for length in range(1, len(known) + 1):
        for start in range(len(known) - length + 1):
            if prod(known[start : start + length]) == side:
                form = _product(forms[start : start + length])
                if form.symbols:
                    yield form


def _product(forms: Iterable[Polynomial]) -> Polynomial:
    total = constant(1)
    for form in forms:
        total = total * form
    return total
