"""Sums, extremes, sorting, losses."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, value_of
from .elementwise import pointwise
from .registry import Shape, axes_of, broadcast, fits, must, rule, same, shape_of, some, tensors_in


def _reduced(x: Tensor, dim: Any, keepdim: bool) -> Shape:
    shape = shape_of(x)
    axes = axes_of(dim, len(shape))
    return [1 if i in axes else side for i, side in enumerate(shape) if keepdim or i not in axes]


@rule("linalg_vector_norm linalg_norm norm")
def norm(x: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Shape:
    """The same; what comes first is which norm."""
    return _reduced(x, dim, keepdim)


@rule("dist")
def dist(x: Tensor, y: Tensor, p: Any = 2) -> Shape:
    """One number."""
    return []


@rule("mean sum prod nansum nanmean logsumexp count_nonzero all any median_ quantile_")
def reduced(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Sides that are summed away, or kept as 1."""
    dim, keep = _which(args, kwargs)
    return _reduced(x, dim, keep)


@rule("amax amin argmax argmin")
def extreme(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same where there has to be an element."""
    dim, keep = _which(args, kwargs)
    shape = shape_of(x)
    sides = [shape[axis] for axis in axes_of(dim, len(shape)) if shape]
    some(sides)
    must(all(map(value_of, sides)), "an extreme of no elements")
    return _reduced(x, dim, keep)


def _which(args: Any, kwargs: Any) -> tuple[Any, bool]:
    """The sides that are reduced, and whether they are kept."""
    dims = [a for a in args if isinstance(a, (int, tuple, list)) and not isinstance(a, bool)]
    dim = kwargs.get("dim", kwargs.get("axis", dims[-1] if dims else None))
    flags = [a for a in args if isinstance(a, bool)]
    keep = kwargs.get("keepdim", kwargs.get("keepdims", flags[-1] if flags else False))
    return dim, bool(keep)


@rule("var std")
def spread(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same. Of truth values that stand alone the first says by how many is divided."""
    dims = [a for a in args if not isinstance(a, bool)]
    flags = [a for a in args if isinstance(a, bool)]
    dim = kwargs.get("dim", dims[0] if dims else None)
    return _reduced(x, dim, bool(kwargs.get("keepdim", flags[1] if len(flags) > 1 else False)))


@rule("kthvalue")
def kthvalue(x: Tensor, k: Any, dim: int = -1, keepdim: bool = False) -> list[Shape]:
    """One along a side, and its place."""
    fits(undressed(k), shape_of(x)[dim], "as many as there are")
    return [_reduced(x, dim, keepdim)] * 2


@rule("max min aminmax")
def extremes(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Of all elements one; along a side, values and places; of two tensors the larger ones."""
    if args and isinstance(args[0], Tensor):
        return pointwise(x, *args)
    shape = extreme(x, *args, **kwargs)
    return [shape, shape] if args or kwargs else shape


@rule("median nanmedian")
def median(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The same, but that of no elements at all is no number."""
    return extremes(x, *args, **kwargs) if args or kwargs else []


@rule("mode")
def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> list[Shape]:
    """Along a side, values and places."""
    return [extreme(x, dim=dim, keepdim=keepdim)] * 2


@rule("quantile nanquantile")
def quantile(
    input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear"
) -> Shape:
    """One for each side that is left; of several quantiles, they come first."""
    shape = shape_of(input)
    some(shape[axis] for axis in axes_of(dim, len(shape)) if shape)
    several = shape_of(q) if isinstance(q, Tensor) else []
    return [*several, *_reduced(input, dim, keepdim)]


@rule("trapezoid trapz")
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Shape:
    """The area along a side."""
    return _reduced(_alike(y, x), dim, keepdim=False)


@rule("cumulative_trapezoid")
def areas(y: Tensor, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Shape:
    """The areas from the first place to each of the others."""
    return diff(_alike(y, x), dim=dim)


def _alike(y: Tensor, x: Any) -> Tensor:
    """The heights, if places are given for the one side or for all."""
    if x is not None and x.dim() not in (1, y.dim()):
        raise NotImplementedError("places that are spread over heights")
    return y


@rule("gradient")
def slopes(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> list[Shape]:
    """One for each place, along each of the sides."""
    shape = shape_of(input)
    axes = axes_of(dim, len(shape))
    for axis in axes:
        fits(edge_order + 1, shape[axis], "as many places as a slope at the edge takes")
    return [shape] * len(axes)


@rule("var_mean std_mean")
def reduced_to_pairs(x: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """Two numbers along a side, or of all elements."""
    return [spread(x, *args, **kwargs)] * 2


@rule("cummax cummin")
def cumulated(x: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """Values and places."""
    return [shape_of(x)] * 2


@rule("sort")
def sort(x: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """Values and places."""
    return [shape_of(x)] * 2


@rule("diff")
def diff(x: Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Shape:
    """One less along a side for each time, after what is put before and behind."""
    shape = shape_of(x)
    for more in (prepend, append) if n else ():
        if more is not None:
            shape[dim] = shape[dim] + shape_of(more)[dim]
    left = shape[dim] - n
    shape[dim] = left if left >= 0 else 0
    return shape


@rule("histc")
def histogram(x: Tensor, bins: Any = 100, *args: Any, **kwargs: Any) -> Shape:
    """As many as there are bins."""
    return [undressed(bins)]


@rule("_is_all_true _is_any_true equal")
def one_answer(*args: Any, **kwargs: Any) -> Shape:
    """Of all elements together."""
    return []


@rule("topk")
def topk(x: Tensor, k: Any, dim: int = -1, *args: Any, **kwargs: Any) -> list[Shape]:
    """The first k, values and places."""
    shape = shape_of(x)
    count = undressed(k)
    fits(count, shape[dim], "as many as topk takes")
    shape[dim] = count
    return [shape, shape]


@rule("cosine_similarity")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 0.0) -> Shape:
    """One number for each pair of vectors."""
    shape = broadcast((shape_of(x1), shape_of(x2)))
    del shape[dim]
    return shape


@rule("cdist")
def cdist(x1: Tensor, x2: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """All pairs; of more than 25 rows torch multiplies matrices, which it makes of them."""
    left, right = shape_of(x1), shape_of(x2)
    for rows in (left[-2], right[-2]):
        if isinstance(rows, Size):
            rows.compare(">", 25, "distances by a product of matrices")
    same(left[-1], right[-1])
    return [*broadcast((left[:-2], right[:-2])), left[-2], right[-2]]


@rule("pdist")
def pdist(input: Tensor, p: Any = 2) -> Shape:
    """One for each pair of different rows."""
    rows = shape_of(input)[0]
    return [rows * (rows - 1) // 2]


@rule("pairwise_distance")
def pairwise_distance(x1: Tensor, x2: Tensor, p: Any = 2, eps: Any = 0, keepdim: bool = False) -> Shape:
    """One for each pair of rows."""
    return broadcast((shape_of(x1), shape_of(x2)))[:-1] + [1] * keepdim


@rule("mse_loss l1_loss smooth_l1_loss binary_cross_entropy binary_cross_entropy_with_logits kl_div huber_loss")
def loss(*args: Any, **kwargs: Any) -> Shape:
    """One number, or one for each element."""
    if _is_reduced(args, kwargs):
        return []
    return broadcast([shape_of(tensor) for tensor in tensors_in(args[:2])])


@rule("poisson_nll_loss margin_ranking_loss hinge_embedding_loss soft_margin_loss")
def loss_with_a_margin(*args: Any, **kwargs: Any) -> Shape:
    """The same, where the way of reducing comes last."""
    if _is_reduced(args[::-1], kwargs):
        return []
    return broadcast([shape_of(tensor) for tensor in tensors_in(args[:3])])


@rule("multi_margin_loss multilabel_margin_loss")
def loss_of_margins(input: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """One number, or one for each row."""
    if _is_reduced(args[::-1], kwargs):
        return []
    return shape_of(input)[:-1]


@rule("ctc_loss")
def loss_of_alignments(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    reduction: int,
    *_: Any,
) -> Shape:
    """One number, or one for each sequence: (steps, sequences, classes), or without the second."""
    return [] if reduction else shape_of(log_probs)[1:-1]


@rule("triplet_margin_loss cosine_embedding_loss")
def loss_of_rows(first: Tensor, second: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """One number, or one for each pair of rows."""
    if _is_reduced(args[::-1], kwargs):
        return []
    rows = [shape_of(tensor) for tensor in tensors_in((first, second, args[0])) if tensor.dim() == first.dim()]
    return broadcast(rows)[:-1]


@rule("cross_entropy_loss nll_loss nll_loss_nd")
def loss_of_classes(input: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """One number, or one for each choice among classes, which are the second side."""
    shape = shape_of(input)
    choices = shape[:1] + shape[2:] if len(shape) > 1 else []
    if target.dim() == len(choices):
        fitting = [same(*sides) for sides in zip(choices, shape_of(target), strict=True)]
        must(all(fitting), f"classes for {list(map(value_of, choices))} choices, of which others are right")
    return [] if _is_reduced(args, kwargs) else choices


def _is_reduced(args: Any, kwargs: Any) -> bool:
    """Whether torch's number for the way of reducing, the first whole number of the call, is not 0."""
    numbers = (arg for arg in (*args, kwargs.get("reduction", 1)) if type(arg) is int)
    way = next(numbers, None)
    if way is None:
        raise NotImplementedError("a loss that is reduced in a way that is not known")
    return way != 0
