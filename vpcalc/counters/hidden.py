"""Matrix products that no operator's name shows: ``(a * b).sum(axis)``, whatever the shapes and the spelling.

An elementwise product is free and so is a sum, but a product summed over an axis along which both of its factors
vary is what a matrix product does. So every elementwise product is followed, through views, casts, masks and
divisions, to the operator that sums it. Two things are known of each factor.

* *Along which axes it varies.* Along an axis where it repeats itself (a stride of 0, as ``expand`` leaves it, or
  what was computed from such a tensor) it comes out of the sum, and nothing is contracted.
* *What it was made of.* Each tensor carries the names of its sources: inputs, parameters, slices, results of
  matrix products. A factor without any is a constant of the program (a mask, a position, a fill), and two factors
  of the same sources, up to parameters, are a function of one tensor: a square, a norm, ``x * sigmoid(x)``. Those
  are elementwise work, and free.

Where each factor has an axis of its own, which is a table of all pairs, neither excuse is heard: a Gram matrix is
a product of a tensor with itself. While gradients propagate only such tables count, since the gradient of every
broadcast is an elementwise product and a sum.

Not seen, because no operator sums: a loop that multiplies and adds (``out = out + a[i] * b[i]``), and products
that are written piece by piece into a larger tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import chain, combinations, count
from math import prod
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn

from .policy import _MAKES, Rule
from .private import no_dispatch

Sources = frozenset[int]
"""What a tensor was made of. Names of parameters are negative; a constant has none."""

Axes = tuple[bool, ...]
"""For each axis, whether a tensor varies along it."""


class Step(Enum):
    """What an operator does to elements, as far as products and sums are concerned."""

    MAKE = auto()
    VIEW = auto()
    KEEP = auto()
    MUL = auto()
    ADD = auto()
    ADDCMUL = auto()
    SUM = auto()
    PREFIX = auto()
    SCATTER = auto()
    BAG = auto()
    REDUCE = auto()
    JOIN = auto()
    ARRANGE = auto()
    POINTWISE = auto()
    OTHER = auto()
    MATERIAL = auto()


_STEPS: dict[Step, str] = {
    Step.MAKE: f"{_MAKES} fill zero lift_fresh",
    Step.VIEW: "_unsafe_view _reshape_copy",
    Step.KEEP: "_to_copy clone div neg where masked_fill tril triu positive native_dropout _conj_physical",
    Step.MUL: "mul",
    Step.ADD: "add sub rsub",
    Step.ADDCMUL: "addcmul",
    Step.SUM: "sum mean nansum",
    Step.PREFIX: "cumsum",
    Step.SCATTER: "index_add scatter_add scatter_reduce index_reduce segment_reduce",
    Step.BAG: "_embedding_bag _embedding_bag_forward_only",
    Step.REDUCE: "amax amin linalg_vector_norm norm var std logsumexp prod all any",
    Step.JOIN: "cat stack",
    Step.ARRANGE: """
        roll flip rot90 gather index index_select index_put index_copy take embedding im2col col2im constant_pad_nd
        reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d
        repeat repeat_interleave masked_select masked_scatter scatter select_scatter slice_scatter sort topk
        pixel_shuffle pixel_unshuffle channel_shuffle as_strided
    """,
}
_BY_NAME = {name: step for step, names in _STEPS.items() for name in names.split()}


def step_of(func: Any, name: str, rule: Rule) -> Step:
    """The step of an operator overload."""
    if rule is not Rule.FREE:
        return Step.MATERIAL
    found = _BY_NAME.get(name.partition("::")[2])
    if found is not None:
        return found
    if getattr(func, "is_view", False):
        return Step.VIEW
    return Step.POINTWISE if "pointwise" in {tag.name for tag in getattr(func, "tags", ())} else Step.OTHER


@dataclass(slots=True)
class _Values:
    """The elements that a tensor and its views share; writing into one of them changes all."""

    sources: Sources
    size: int
    parts: dict[Any, int]


@dataclass(frozen=True, slots=True)
class _Factor:
    sources: Sources
    varies: Axes


@dataclass(frozen=True, slots=True)
class _Product:
    """A sum of terms, each an elementwise product of factors, and how many multiplications that was.

    It is not ``alone`` where something else was added.
    """

    terms: tuple[tuple[_Factor, ...], ...]
    macs: int
    alone: bool = True

    def mapped(self, axes: Callable[[Axes], Axes]) -> _Product:
        """The same with other axes."""
        terms = tuple(tuple(_Factor(f.sources, axes(f.varies)) for f in term) for term in self.terms)
        return replace(self, terms=terms)


@dataclass(frozen=True, slots=True)
class _Trace:
    """What is known of one tensor. ``varies`` is None where its strides say it all."""

    values: _Values
    varies: Axes | None = None
    product: _Product | None = None


class _Traces:
    """Traces by tensor, which they do not keep alive; the place of one that is gone is taken by the next.

    Every operator looks here several times, and a weak dictionary makes an object for each look.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[ReferenceType[Tensor], _Trace]] = {}

    def get(self, x: Tensor) -> _Trace | None:
        """The trace of this very tensor."""
        found = self._found.get(id(x))
        return found[1] if found is not None and found[0]() is x else None

    def __setitem__(self, x: Tensor, trace: _Trace) -> None:
        self._found[id(x)] = (ref(x), trace)


_Operands = Sequence[tuple[Tensor, _Trace]]

_MULTIPLY = (Step.MUL, Step.ADDCMUL, Step.BAG)
_SPREAD = (Step.KEEP, Step.MUL, Step.ADD, Step.ADDCMUL, Step.POINTWISE)

MOST_FACTORS = 4
"""Factors that are told apart in one product, and terms in one sum."""


class Products:
    """Follows the elementwise products of one run to their sums."""

    def __init__(self) -> None:
        self._traces = _Traces()
        self._names = count(1)

    def see(self, step: Step, func: Any, args: Any, kwargs: Mapping[str, Any], result: Any, outer: bool) -> int:
        """Take note of an operator; the multiply-accumulates that it completes by summing a product, mostly 0.

        With ``outer`` only tables of all pairs are looked for.
        """
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if not isinstance(first, Tensor):
            return 0
        given = {id(x): (x, self._trace(x)) for x in _flat((*args, *kwargs.values())) if _plain(x)}
        operands = list(given.values())
        if step is Step.VIEW and operands:
            self._view(func, args, kwargs, *operands[0], result)
            return 0
        product, macs = None, 0
        if step in _MULTIPLY or any(trace.product is not None for _, trace in operands):
            handle = _HANDLERS.get(step)
            if handle is not None and operands and _plain(first):
                product, macs = handle(self, _Call(func, args, kwargs, first, outer))
        varies = self._spread(step, func, args, kwargs, operands, first)
        # What a gradient was made of is never asked while gradients propagate.
        fresh = macs or outer or step in (Step.MATERIAL, Step.ARRANGE, Step.JOIN)
        self._enter(step, operands, result, varies, product, bool(fresh))
        return macs

    # -- what is known of a tensor ------------------------------------------------------------------------

    def _trace(self, x: Tensor) -> _Trace:
        found = self._traces.get(x)
        if found is None:
            found = _Trace(_Values(self._leaf(x), _elements(x), {}))
            self._traces[x] = found
        return found

    def _leaf(self, x: Tensor) -> Sources:
        """Of a tensor that no operator made here. Whole numbers and truth values are constants."""
        if not _numeric(x):
            return frozenset()
        name = next(self._names)
        return frozenset((-name if isinstance(x, nn.Parameter) else name,))

    def _sources(self, x: Tensor, values: _Values) -> Sources:
        """Those of a slice are a name of its own: queries and keys may be slices of one tensor."""
        if not values.sources or _elements(x) >= values.size:
            return values.sources
        return frozenset((self._part(x, values),))

    def _part(self, x: Tensor, values: _Values) -> int:
        span = sum((side - 1) * stride for side, stride in zip(x.shape, x.stride(), strict=True))
        place = (x.storage_offset(), _elements(x), span)
        if place not in values.parts:
            name = next(self._names)
            values.parts[place] = -name if max(values.sources) < 0 else name
        return values.parts[place]

    def _product(self, x: Any) -> _Product | None:
        found = self._traces.get(x) if isinstance(x, Tensor) else None
        return None if found is None else found.product

    def _factors(self, x: Tensor, dim: int) -> tuple[_Factor, ...]:
        """Those of a product, or the tensor itself."""
        product = self._product(x)
        if product is not None and product.alone and len(product.terms) == 1:
            return tuple(_Factor(f.sources, _padded(f.varies, dim)) for f in product.terms[0])
        trace = self._trace(x)
        return (_Factor(self._sources(x, trace.values), _padded(_varies(x, trace), dim)),)

    # -- what an operator makes ---------------------------------------------------------------------------

    def _view(
        self, func: Any, args: Any, kwargs: Mapping[str, Any], x: Tensor, trace: _Trace, result: Any
    ) -> None:
        for place, out in enumerate(_flat((result,))):
            if not _plain(out):
                continue

            def seen(axes: Axes, place: int = place, out: Tensor = out) -> Axes:
                return _through_view(func, args, kwargs, x, axes, place, out)

            varies = None if trace.varies is None else seen(trace.varies)
            product = None if trace.product is None else trace.product.mapped(seen)
            self._traces[out] = _Trace(trace.values, varies, product)

    def _spread(
        self, step: Step, func: Any, args: Any, kwargs: Mapping[str, Any], operands: _Operands, out: Any
    ) -> Axes | None:
        """Along which axes a result varies; None where it may along all of them."""
        if not operands or not _plain(out):
            return None
        if step in (Step.SUM, Step.REDUCE):
            x, trace = operands[0]
            if trace.varies is None and 0 not in x.stride():
                return None
            return _reduced(_varies(x, trace), _axes(func, args, kwargs, x), out.dim())
        if step not in _SPREAD:
            return None
        if any(x.shape == out.shape and trace.varies is None and 0 not in x.stride() for x, trace in operands):
            return None
        spread = [_padded(_varies(x, trace), out.dim()) for x, trace in operands if x.dim() <= out.dim()]
        return tuple(any(along) for along in zip(*spread, strict=True))

    def _enter(
        self,
        step: Step,
        operands: _Operands,
        result: Any,
        varies: Axes | None,
        product: _Product | None,
        fresh: bool,
    ) -> None:
        made_of: Sources = frozenset()
        if step is not Step.MAKE:
            constant = not any(trace.values.sources for _, trace in operands)
            if not operands or step is Step.MATERIAL or (fresh and not constant):
                made_of = frozenset((next(self._names),))  # also what is drawn at random
            elif not constant:
                parts = {self._sources(x, trace.values) for x, trace in operands}
                made_of = next(iter(parts)) if len(parts) == 1 else frozenset(chain.from_iterable(parts))
        for place, out in enumerate(_flat((result,))):
            if not _plain(out):
                continue
            mine = made_of if _numeric(out) else frozenset()
            values = next((trace.values for x, trace in operands if x is out), None)
            if values is None:
                values = _Values(mine, out.numel(), {})
            else:  # in place: whoever shares the elements shares the sources
                values.sources |= mine
            self._traces[out] = _Trace(values, varies if place == 0 else None, product if place == 0 else None)


# -- steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    func: Any
    args: Any
    kwargs: Mapping[str, Any]
    out: Tensor
    outer: bool


Made = tuple["_Product | None", int]
"""The product that a result is, and what was completed."""


def _mul(products: Products, call: _Call) -> Made:
    left, right = (*call.args, *call.kwargs.values())[:2]
    if not (_plain(left) and _plain(right)):
        return products._product(left), 0
    dim = call.out.dim()
    factors = _merged((*products._factors(left, dim), *products._factors(right, dim)))
    if len(factors) > 1:
        return _Product((factors,), call.out.numel()), 0
    mixed = [p for p in (products._product(left), products._product(right)) if p is not None and not p.alone]
    return (mixed[0].mapped(lambda axes: _padded(axes, dim)) if mixed else None), 0


def _addcmul(products: Products, call: _Call) -> Made:
    dim = call.out.dim()
    factors = _merged(tuple(f for x in call.args[1:3] for f in products._factors(x, dim)))
    return (_Product((factors,), call.out.numel(), alone=False) if len(factors) > 1 else None), 0


def _add(products: Products, call: _Call) -> Made:
    """Of two tensors the terms of both; what is added besides makes a product no longer alone."""
    operands = [x for x in call.args[:2] if isinstance(x, Tensor)]
    found = [product for x in operands if (product := products._product(x)) is not None]
    if not found or len(operands) == 1:
        return (found[0] if found else None), 0
    dim = call.out.dim()
    terms = [term for product in found for term in product.mapped(lambda axes: _padded(axes, dim)).terms]
    return _Product(tuple(terms[:MOST_FACTORS]), sum(product.macs for product in found), alone=False), 0


def _keep(products: Products, call: _Call) -> Made:
    """Signs, casts, copies, divisions and masks: what was a product still is one."""
    kept = call.args[1:3] if "where" in call.func.__name__ else call.args[:1]
    found = [product for x in kept if (product := products._product(x)) is not None]
    return (found[0].mapped(lambda axes: _padded(axes, call.out.dim())) if found else None), 0


def _sum(products: Products, call: _Call) -> Made:
    x = call.args[0]
    product = products._product(x)
    if product is None:
        return None, 0
    axes = _axes(call.func, call.args, call.kwargs, x)
    # An average over every element is a loss, one that keeps its axis pools or is a norm's, spelled out.
    excused = len(axes) == x.dim() or call.out.dim() == x.dim() or not product.alone
    outer = call.outer or ("mean" in str(call.func) and excused)
    if any(_contracts(term, axes, x.shape, outer) for term in product.terms):
        return None, product.macs
    return product.mapped(lambda varies: _reduced(varies, axes, call.out.dim())), 0


def _prefix(products: Products, call: _Call) -> Made:
    x, product = call.args[0], products._product(call.args[0])
    if product is None:
        return None, 0
    axis = call.args[1] if len(call.args) > 1 else call.kwargs["dim"]
    hit = any(_contracts(term, {axis % max(x.dim(), 1)}, x.shape, call.outer) for term in product.terms)
    return (None, product.macs) if hit else (product, 0)


def _scatter(products: Products, call: _Call) -> Made:
    """Products that are added where an index says."""
    operands = dict(zip((a.name for a in call.func._schema.arguments), call.args, strict=False))
    operands.update(call.kwargs)
    source: Any = operands.get("source", operands.get("src", operands.get("data")))
    product = products._product(source)
    if product is None or str(operands.get("reduce", "sum")) not in ("sum", "mean"):
        return None, 0
    axis = operands.get("dim", operands.get("axis", 0))
    hit = any(_contracts(t, {axis % max(source.dim(), 1)}, source.shape, call.outer) for t in product.terms)
    return None, product.macs if hit else 0


def _join(products: Products, call: _Call) -> Made:
    """Products side by side vary along the axis on which they were joined."""
    pieces = list(call.args[0])
    found = [products._product(x) for x in pieces]
    if not found or any(product is None for product in found):
        return None, 0
    known = [product for product in found if product is not None]
    axis = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % max(call.out.dim(), 1)
    stacked = pieces[0].dim() < call.out.dim()

    def joined(axes: Axes) -> Axes:
        return (*axes[:axis], call.out.shape[axis] > 1, *axes[axis + (not stacked) :])

    macs = sum(product.macs for product in known)
    alone = all(product.alone for product in known)
    return replace(known[0].mapped(joined), macs=macs, alone=alone), 0


def _arrange(products: Products, call: _Call) -> Made:
    """The same elements in another order, as many axes as before."""
    x = call.args[0]
    product = products._product(x) if isinstance(x, Tensor) and x.dim() == call.out.dim() else None
    return product, 0


def _bag(products: Products, call: _Call) -> Made:
    """Rows of a table that one operator weights and adds up in bags."""
    weights = call.args[6] if len(call.args) > 6 else call.kwargs.get("per_sample_weights")
    if weights is None or call.outer or not products._trace(weights).values.sources:
        return None, 0
    return None, weights.numel() * call.out.shape[-1]


_HANDLERS: dict[Step, Callable[[Products, _Call], Made]] = {
    Step.MUL: _mul,
    Step.ADD: _add,
    Step.ADDCMUL: _addcmul,
    Step.KEEP: _keep,
    Step.SUM: _sum,
    Step.PREFIX: _prefix,
    Step.SCATTER: _scatter,
    Step.BAG: _bag,
    Step.JOIN: _join,
    Step.ARRANGE: _arrange,
}


# -- factors ----------------------------------------------------------------------------------------------


def _merged(factors: Sequence[_Factor]) -> tuple[_Factor, ...]:
    """Factors of the same sources as one, unless each has an axis of its own; those that vary nowhere are gone."""
    kept: list[_Factor] = []
    for factor in factors:
        if not any(factor.varies):
            continue
        for place, other in enumerate(kept):
            if (_same(factor.sources, other.sources) and not _apart(factor, other)) or len(kept) == MOST_FACTORS:
                both = tuple(a or b for a, b in zip(factor.varies, other.varies, strict=True))
                kept[place] = _Factor(factor.sources | other.sources, both)
                break
        else:
            kept.append(factor)
    return tuple(kept)


def _contracts(term: Sequence[_Factor], axes: Iterable[int], shape: Sequence[int], outer: bool) -> bool:
    """Whether a sum over these axes contracts two factors."""
    summed = [axis for axis in axes if shape[axis] > 1]
    for left, right in combinations(term, 2):
        if any(left.varies[axis] and right.varies[axis] for axis in summed):
            different = left.sources and right.sources and not _same(left.sources, right.sources)
            if _apart(left, right) or (different and not outer):
                return True
    return False


def _apart(left: _Factor, right: _Factor) -> bool:
    """Whether each has an axis of its own, so that their product is a table of pairs."""
    sides = list(zip(left.varies, right.varies, strict=True))
    return (True, False) in sides and (False, True) in sides


def _same(left: Sources, right: Sources) -> bool:
    """Whether one is a function of the other alone, up to parameters."""
    if left is right or left == right:
        return True
    fewer, more = (left, right) if len(left) < len(right) else (right, left)
    return bool(fewer) and fewer < more and all(name < 0 for name in more - fewer)


# -- axes -------------------------------------------------------------------------------------------------


def _varies(x: Tensor, trace: _Trace) -> Axes:
    return _by_strides(x) if trace.varies is None else trace.varies


def _by_strides(x: Tensor) -> Axes:
    return tuple(side > 1 and stride != 0 for side, stride in zip(x.shape, x.stride(), strict=True))


def _elements(x: Tensor) -> int:
    """Without the copies that an axis of stride 0 makes."""
    return prod(side for side, stride in zip(x.shape, x.stride(), strict=True) if stride != 0 or side == 0)


def _padded(axes: Axes, dim: int) -> Axes:
    """Broadcast to more axes."""
    return (False,) * (dim - len(axes)) + axes


def _axes(func: Any, args: Any, kwargs: Mapping[str, Any], x: Tensor) -> tuple[int, ...]:
    """The axes of a reduction, which is over all of them where none is named."""
    named = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False))
    named.update(kwargs)
    axes = named.get("dim")
    axes = (axes,) if isinstance(axes, int) else axes
    return tuple(axis % max(x.dim(), 1) for axis in axes) if axes else tuple(range(x.dim()))


def _reduced(varies: Axes, axes: Iterable[int], dim: int) -> Axes:
    """After a reduction to so many axes: with or without those that are gone."""
    gone = set(axes)
    if dim == len(varies):
        return tuple(v and axis not in gone for axis, v in enumerate(varies))
    return _padded(tuple(v for axis, v in enumerate(varies) if axis not in gone), dim)[-dim:] if dim else ()


def _through_view(
    func: Any, args: Any, kwargs: Mapping[str, Any], x: Tensor, axes: Axes, place: int, out: Tensor
) -> Axes:
    """Where the axes of a view come from, found by taking the same view of a tensor with strides of 0."""
    everywhere = tuple(side > 1 for side in out.shape)
    if all(v or side == 1 for v, side in zip(axes, x.shape, strict=True)):
        return everywhere
    strides = [stride if v else 0 for v, stride in zip(axes, x.stride(), strict=True)]
    try:
        with no_dispatch():
            hollow = torch.empty_strided(x.shape, strides, device="meta", dtype=x.dtype)
            seen = list(_flat((func(hollow, *args[1:], **kwargs),)))[place]
    except RuntimeError:
        return everywhere  # an axis that varies and one that does not have become one
    return tuple(v and stays for v, stays in zip(_by_strides(seen), everywhere, strict=True))


# -- tensors ----------------------------------------------------------------------------------------------


def _plain(x: Any) -> bool:
    """Whether strides can be read."""
    return isinstance(x, Tensor) and not x.is_nested and x.layout is torch.strided


def _numeric(x: Tensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value
