"""The shape of what a function of torch returns, from the shapes of what it is given: one rule a function.

A rule is called as the function is, after it ran, and answers the shape of its result: a list of ints and sizes, one
for each tensor where there are several. Its numbers are held against the shape that torch itself found, so that a rule
that is wrong at the sizes of the run cannot pass; and what the function demands of its sizes, the rule demands of their
forms, which notes it.

This file knows no prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from .nodes import undressed
from .sizes import Size, product, value_of

Shape = list[Any]
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""By the name of the function or method."""

MARK = "_vpcalc_shape"


def shape_of(tensor: Tensor) -> Shape:
    """A tensor's shape, with forms where it has them."""
    found = tensor.__dict__.get(MARK)
    return list(found) if found is not None else list(tensor.size())


def rule(names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for several functions."""

    def register(function: Rule) -> Rule:
        for name in names.split():
            if name in RULES:
                raise ValueError(f"{name} has a rule already")
            RULES[name] = function
        return function

    return register


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor among arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)


def same(left: Any, right: Any, why: str = "sizes that must be equal") -> bool:
    """Whether two sizes are equal, noted."""
    if isinstance(left, Size):
        return left.compare("==", right, why)
    if isinstance(right, Size):
        return right.compare("==", left, why)
    return bool(left == right)


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The common shape of operands that work element by element."""
    shapes = list(shapes)
    found: Shape = []
    for place in range(-max(map(len, shapes), default=0), 0):
        side: Any = 1
        for shape in shapes:
            if -place <= len(shape):
                side = _wider(side, shape[place])
        found.append(side)
    return found


def _wider(one: Any, other: Any) -> Any:
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
    if not same(one, other):  # torch has refused this, unless the other is 1
        same(other, 1)
    return one


def _sizes(args: Sequence[Any]) -> Shape:
    """Sizes given one by one or as a sequence."""
    sizes = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    return [undressed(size) for size in sizes]


def _each(value: Any, count: int) -> list[Any]:
    """A setting for each spatial side."""
    if isinstance(value, (tuple, list)):
        return [undressed(v) for v in (value if len(value) == count else list(value) * count)]
    return [undressed(value)] * count


def _axes(dim: Any, rank: int) -> list[int]:
    if dim is None:
        return list(range(rank))
    axes = dim if isinstance(dim, (tuple, list)) else (dim,)
    return [int(axis) % max(rank, 1) for axis in axes] or list(range(rank))


# -- element by element -------------------------------------------------------------------------------


@rule("batch_norm native_batch_norm layer_norm native_layer_norm group_norm instance_norm rms_norm normalize")
@rule(
    "softmax log_softmax _softmax _log_softmax cumsum cumprod logcumsumexp contiguous clone detach to type_as float"
)
@rule(
    "half bfloat16 double long int bool short type cpu cuda requires_grad_ dropout feature_dropout alpha_dropout"
)
@rule("dropout_ roll flip tril triu fill_ zero_ normal_ uniform_ renorm alias lift_fresh positive detach_ data")
@rule(
    "ones_like zeros_like empty_like full_like rand_like randn_like randint_like rrelu argsort softmin channel_shuffle"
)
@rule(
    "channel_shuffle_ resolve_conj resolve_neg native_channel_shuffle bernoulli bernoulli_ fliplr flipud pixel_norm"
)
@rule("masked_scatter masked_scatter_ index_fill index_fill_ index_copy index_copy_ index_add index_add_ scatter")
@rule(
    "scatter_ scatter_add scatter_add_ scatter_reduce index_put index_put_ _index_put_impl_ tril_ triu_ nan_to_num_"
)
@rule(
    "local_response_norm prelu triu_indices_ conj real imag celu_ selu_ fft_fftshift fft_ifftshift fft_fft fft_ifft"
)
@rule("fft_fftn fft_ifftn fft_fft2 fft_ifft2 mvlgamma fake_quantize_per_tensor_affine bincount_ rsub isin")
def as_first(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the first operand."""
    return shape_of(x)


def pointwise(*args: Any, **kwargs: Any) -> Shape:
    """The shape in which all operands fit."""
    operands = [
        *tensors_in(args),
        *(kwargs[name] for name in kwargs if name != "out" and _is_tensor(kwargs[name])),
    ]
    return broadcast(shape_of(tensor) for tensor in operands)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


@rule(
    "where masked_fill masked_fill_ addcmul addcdiv addcmul_ addcdiv_ lerp lerp_ clamp clamp_ clip clip_ true_divide"
)
@rule("__add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__")
@rule(
    "__itruediv__ __div__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __pow__ __rpow__ __ipow__ __eq__ __ne__ __lt__"
)
@rule(
    "__le__ __gt__ __ge__ __and__ __or__ __xor__ __iand__ __ior__ __rand__ __ror__ __invert__ __neg__ __abs__ __pos__"
)
@rule("subtract multiply divide negative absolute greater greater_equal less less_equal not_equal floor_divide")
def _pointwise(*args: Any, **kwargs: Any) -> Shape:
    return pointwise(*args, **kwargs)


def rule_for(name: str) -> Rule | None:
    """The rule of a function; one that torch itself tags as pointwise needs none of its own."""
    found = RULES.get(name)
    if found is None and _is_pointwise(name):
        found = RULES[name] = pointwise
    return found


def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None) or getattr(torch.ops.aten, name.rstrip("_"), None)
    if packet is None:
        return False
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    return any(torch.Tag.pointwise in overload.tags for overload in overloads)


# -- products -----------------------------------------------------------------------------------------


@rule("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Shape:
    """(…, k)(n, k)ᵀ."""
    shape, weights = shape_of(x), shape_of(weight)
    same(shape[-1], weights[-1])
    return [*shape[:-1], *weights[:-1]]


@rule("matmul __matmul__ mm bmm __rmatmul__ mv dot")
def matmul(x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """(…, m, k)(…, k, n), vectors as torch takes them."""
    left, right = shape_of(x), shape_of(y)
    row, column = len(left) == 1, len(right) == 1
    left, right = [1, *left] if row else left, [*right, 1] if column else right
    same(left[-1], right[-2])
    found = broadcast((left[:-2], right[:-2])) + [left[-2], right[-1]]
    if row:
        del found[-2]
    if column:
        del found[-1]
    return found


@rule("addmm addmm_ addbmm")
def addmm(bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """bias + (m, k)(k, n)."""
    return matmul(x, y)[-2:]


@rule("baddbmm baddbmm_")
def baddbmm(bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """bias + (b, m, k)(b, k, n)."""
    return matmul(x, y)


@rule("outer ger")
def outer(x: Tensor, y: Tensor) -> Shape:
    """(m)(n)."""
    return shape_of(x) + shape_of(y)


@rule("bilinear")
def bilinear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Shape:
    """(…, i)(n, i, j)(…, j)."""
    return [*shape_of(x)[:-1], shape_of(weight)[0]]


@rule("einsum")
def einsum(equation: str, *operands: Any, **kwargs: Any) -> Shape:
    """The sides that the letters behind the arrow name."""
    sides, ahead, behind = _einsum_sides(equation, operands)
    return [*ahead, *(sides[letter] for letter in behind)]


def _einsum_sides(equation: str, operands: Any) -> tuple[dict[str, Any], Shape, str]:
    """The side of each letter, the sides under an ellipsis, and the letters of the result."""
    tensors = list(tensors_in(operands))
    terms, arrow, behind = equation.replace(" ", "").partition("->")
    sides: dict[str, Any] = {}
    under: list[Shape] = []
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        shape = shape_of(tensor)
        before, dots, after = term.partition("...")
        covered = len(shape) - len(before) - len(after)
        under.append(shape[len(before) : len(before) + covered] if dots else [])
        own = [*shape[: len(before)], *shape[len(shape) - len(after) :]] if dots else shape
        for letter, side in zip(before + after, own, strict=True):
            sides[letter] = _wider(sides[letter], side) if letter in sides else side
    if not arrow:
        once = [letter for letter in sorted(sides) if terms.count(letter) == 1]
        behind = "..." * ("..." in terms) + "".join(once)
    ahead = broadcast(under) if "..." in behind else []
    return sides, ahead, behind.replace("...", "")


@rule("scaled_dot_product_attention _native_scaled_dot_product_attention")
def attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """(…, n, d)(…, m, d)ᵀ, then (…, n, m)(…, m, v)."""
    q, k, v = map(shape_of, (query, key, value))
    same(q[-1], k[-1])
    same(k[-2], v[-2])
    return [*q[:-1], v[-1]]


# -- windows ------------------------------------------------------------------------------------------


def window(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, ceil: bool = False) -> Any:
    """Positions of a window: ``⌊(size + 2p − d(k − 1) − 1)/s⌋ + 1``; rounded up, the last begins within the input."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    if isinstance(reach, Size):
        reach.compare(">=", 0, "a window that fits")
    if not ceil:
        return reach // stride + 1
    found = (reach + (stride - 1)) // stride + 1
    begin = (found - 1) * stride
    late = (
        begin >= size + padding if isinstance(begin, Size) else bool(value_of(begin) >= value_of(size) + padding)
    )
    return found - 1 if late else found


def _spatial(x: Tensor, rank: int) -> tuple[Shape, Shape]:
    shape = shape_of(x)
    return shape[:-rank], shape[-rank:]


def _convolution(rank: int) -> Rule:
    def convolution(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
    ) -> Shape:
        front, sides = _spatial(input, rank)
        weights = shape_of(weight)
        same(front[-1], weights[1] * undressed(groups))
        strides, dilations = _each(stride, rank), _each(dilation, rank)
        if padding == "same":
            return [*front[:-1], weights[0], *sides]
        paddings = _each(0 if padding == "valid" else padding, rank)
        found = [
            window(side, weights[2 + i], strides[i], paddings[i], dilations[i]) for i, side in enumerate(sides)
        ]
        return [*front[:-1], weights[0], *found]

    return convolution


def _transposed(rank: int) -> Rule:
    def convolution(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: Any = 1,
        dilation: Any = 1,
    ) -> Shape:
        front, sides = _spatial(input, rank)
        weights = shape_of(weight)
        settings = (_each(setting, rank) for setting in (stride, padding, output_padding, dilation))
        found = [
            (side - 1) * s - 2 * p + d * (weights[2 + i] - 1) + o + 1
            for i, (side, s, p, o, d) in enumerate(zip(sides, *settings, strict=True))
        ]
        return [*front[:-1], weights[1] * undressed(groups), *found]

    return convolution


def _pooled(input: Tensor, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any) -> Shape:
    front, sides = _spatial(input, rank)
    kernels, paddings, dilations = (_each(setting, rank) for setting in (kernel, padding, dilation))
    strides = kernels if stride is None or stride == [] or stride == () else _each(stride, rank)
    return front + [
        window(side, kernels[i], strides[i], paddings[i], dilations[i], bool(ceil)) for i, side in enumerate(sides)
    ]


def _max_pooling(rank: int) -> Rule:
    def pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: Any = False,
        **kwargs: Any,
    ) -> Shape:
        return _pooled(input, rank, kernel_size, stride, padding, dilation, ceil_mode)

    return pool


def _average_pooling(rank: int) -> Rule:
    def pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: Any = False,
        *args: Any,
        **kwargs: Any,
    ) -> Shape:
        return _pooled(input, rank, kernel_size, stride, padding, 1, ceil_mode)

    return pool


for _rank in (1, 2, 3):
    RULES[f"conv{_rank}d"] = _convolution(_rank)
    RULES[f"conv_transpose{_rank}d"] = _transposed(_rank)
    RULES[f"max_pool{_rank}d"] = RULES[f"max_pool{_rank}d_with_indices"] = _max_pooling(_rank)
    RULES[f"avg_pool{_rank}d"] = _average_pooling(_rank)


def _adaptive(rank: int) -> Rule:
    def pool(input: Tensor, output_size: Any, *args: Any) -> Shape:
        front, sides = _spatial(input, rank)
        wanted = _each(output_size, rank)
        return front + [side if want is None else want for side, want in zip(sides, wanted, strict=True)]

    return pool


for _rank in (1, 2, 3):
    for _name in ("avg", "max"):
        RULES[f"adaptive_{_name}_pool{_rank}d"] = _adaptive(_rank)


def _resized(rank: int) -> Rule:
    def resized(input: Tensor, output_size: Any = None, *settings: Any, **kwargs: Any) -> Shape:
        front, sides = _spatial(input, rank)
        if output_size is not None:
            return front + _each(output_size, rank)
        scales = next(
            (s for s in (*reversed(settings), kwargs.get("scale_factors")) if isinstance(s, (list, tuple))), None
        )
        assert scales is not None
        found = []
        for side, scale in zip(sides, scales, strict=True):
            exact = Fraction(value_of(undressed(scale)))
            found.append(side * exact.numerator // exact.denominator)
        return front + found

    return resized


for _name in ("nearest", "_nearest_exact"):
    for _rank in (1, 2, 3):
        RULES[f"{'_' * _name.startswith('_')}upsample_{_name.lstrip('_')}{_rank}d"] = _resized(_rank)
for _name, _rank in (("linear1d", 1), ("bilinear2d", 2), ("bicubic2d", 2), ("trilinear3d", 3)):
    RULES[f"upsample_{_name}"] = RULES[f"_upsample_{_name}_aa"] = _resized(_rank)


@rule("im2col unfold_windows")
def im2col(input: Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Shape:
    """Every window as a column."""
    front, sides = _spatial(input, 2)
    kernels, dilations, paddings, strides = (_each(s, 2) for s in (kernel_size, dilation, padding, stride))
    found = [window(side, kernels[i], strides[i], paddings[i], dilations[i]) for i, side in enumerate(sides)]
    return [*front[:-1], front[-1] * kernels[0] * kernels[1], product(found)]


@rule("col2im")
def col2im(input: Tensor, output_size: Any, kernel_size: Any, *args: Any, **kwargs: Any) -> Shape:
    """Columns back to an image."""
    shape, kernels = shape_of(input), _each(kernel_size, 2)
    return [*shape[:-2], shape[-2] // (kernels[0] * kernels[1]), *_each(output_size, 2)]


@rule("pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d")
def pad(input: Tensor, pad: Any, *args: Any, **kwargs: Any) -> Shape:
    """The last sides grow (or shrink) by pairs."""
    shape = shape_of(input)
    amounts = _each(pad, 1) if not isinstance(pad, (tuple, list)) else [undressed(p) for p in pad]
    for i in range(len(amounts) // 2):
        shape[-1 - i] = shape[-1 - i] + amounts[2 * i] + amounts[2 * i + 1]
    return shape


@rule("pixel_shuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Shape:
    """(…, Cr², h, w) to (…, C, hr, wr)."""
    *front, channels, h, w = shape_of(input)
    r = undressed(upscale_factor)
    return [*front, channels // (r * r), h * r, w * r]


@rule("pixel_unshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Shape:
    """The way back."""
    *front, channels, h, w = shape_of(input)
    r = undressed(downscale_factor)
    return [*front, channels * r * r, h // r, w // r]


@rule("grid_sampler grid_sampler_2d")
def grid_sampler(input: Tensor, grid: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Channels of the input at the places of the grid."""
    return shape_of(input)[:2] + shape_of(grid)[1:-1]


# -- moving -------------------------------------------------------------------------------------------


@rule("view reshape _unsafe_view")
def view(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The sides that were asked for; one of them may be what is left."""
    if args and isinstance(args[0], torch.dtype):
        shape = shape_of(x)
        return [*shape[:-1], shape[-1] * x.element_size() // _item(args[0])] if shape else shape
    wanted = _sizes(args or (kwargs.get("shape", kwargs.get("size")),))
    whole = shape_of(x)
    open_places = [i for i, size in enumerate(wanted) if value_of(size) == -1]
    if not open_places:
        same(product(whole), product(wanted))
        return wanted
    (place,) = open_places
    rest = product(wanted[:place] + wanted[place + 1 :])
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
    wanted = _sizes((sizes,))
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
    return [shape[int(i)] for i in _sizes(args or (kwargs["dims"],))]


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
    froms, tos = _axes(source, len(shape)), _axes(destination, len(shape))
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
    axes = _axes(dims, len(shape))
    return [side for i, side in enumerate(shape) if i not in axes or not same(side, 1, "squeezed")]


@rule("expand broadcast_to")
def expand(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Sides of 1 repeated."""
    wanted = _sizes(args or (kwargs["size"],))
    shape = [1] * (len(wanted) - len(shape_of(x))) + shape_of(x)
    found = []
    for want, side in zip(wanted, shape, strict=True):
        if value_of(want) == -1:
            found.append(side)
        elif isinstance(side, int) and side == 1:
            found.append(want)
        else:
            found.append(_wider(side, want))
    return found


@rule("expand_as view_as reshape_as")
def as_other(x: Tensor, other: Tensor) -> Shape:
    """The shape of another tensor."""
    return shape_of(other)


@rule("repeat tile")
def repeat(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Each side several times."""
    times = _sizes(args or (kwargs.get("repeats", kwargs.get("dims")),))
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
    axis = kwargs.get("axis", dim)
    shapes = [s for s in map(shape_of, tensors) if s != [0]]
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


@rule("vstack hstack dstack")
def stacked_otherwise(tensors: Sequence[Tensor]) -> Shape:
    """Rules for these are not worth having."""
    raise NotImplementedError("vstack, hstack, dstack")


@rule("chunk tensor_split unsafe_chunk")
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
    return _parts(shape, axis, step, chunks)


def _parts(shape: Shape, axis: int, step: Any, most: int | None = None) -> list[Shape]:
    """A side in parts of a step, as many as the run has."""
    side = shape[axis]
    count = -(-value_of(side) // value_of(step))
    if isinstance(side, Size) or isinstance(step, Size):
        same((side + (step - 1)) // step, count, "a number of parts")
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
        given = _sizes((sizes,))
        same(shape[axis], sum(given[1:], given[0]))
        return [[*shape[:axis], size, *shape[axis + 1 :]] for size in given]
    return _parts(shape, axis, undressed(sizes))


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
    shape[dim] = undressed(length)
    return shape


@rule("unfold")
def unfold(x: Tensor, dimension: int, size: Any, step: Any) -> Shape:
    """Windows along a side, as a side of their own."""
    shape = shape_of(x)
    length, step = undressed(size), undressed(step)
    shape[dimension] = window(shape[dimension], length, step, 0)
    return [*shape, length]


@rule("gather take_along_dim")
def gather(x: Tensor, dim: int, index: Tensor, **kwargs: Any) -> Shape:
    """As many as there are places to look at."""
    return shape_of(index)


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
    first, second = shape[dim1], shape[dim2]
    rest = [side for i, side in enumerate(shape) if i not in {dim1 % len(shape), dim2 % len(shape)}]
    if offset:
        raise NotImplementedError("diagonal beside the main one")
    return [*rest, first if first <= second else second]


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
        elif isinstance(place, Tensor) and place.dim() > 0 or isinstance(place, (list, range)):
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


# -- reductions ---------------------------------------------------------------------------------------


def _reduced(x: Tensor, dim: Any, keepdim: bool) -> Shape:
    shape = shape_of(x)
    axes = _axes(dim, len(shape))
    return [1 if i in axes else side for i, side in enumerate(shape) if keepdim or i not in axes]


@rule("mean sum amax amin prod nansum nanmean logsumexp count_nonzero var std all any argmax argmin norm")
@rule("linalg_vector_norm linalg_norm median_ quantile_")
def reduced(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Sides that are summed away, or kept as 1."""
    dims = [a for a in args if isinstance(a, (int, tuple, list)) and not isinstance(a, bool)]
    dim = kwargs.get("dim", kwargs.get("axis", dims[-1] if dims else None))
    flags = [a for a in args if isinstance(a, bool)]
    keep = kwargs.get("keepdim", kwargs.get("keepdims", flags[-1] if flags else False))
    return _reduced(x, dim, bool(keep))


@rule("max min median mode kthvalue aminmax var_mean std_mean cummax cummin")
def reduced_to_pairs(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Of all elements one; along a side, values and places; of two tensors the larger ones."""
    if args and isinstance(args[0], Tensor):
        return pointwise(x, *args)
    if not args and not kwargs:
        return []
    shape = reduced(x, *args, **kwargs)
    return [shape, shape]


@rule("sort msort")
def sort(x: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """Values and places."""
    return [shape_of(x)] * 2


@rule("topk")
def topk(x: Tensor, k: Any, dim: int = -1, *args: Any, **kwargs: Any) -> list[Shape]:
    """The first k, values and places."""
    shape = shape_of(x)
    count = undressed(k)
    if isinstance(shape[dim], Size):
        shape[dim].compare(">=", count, "as many as topk takes")
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
    """All pairs."""
    left, right = shape_of(x1), shape_of(x2)
    return broadcast((left[:-2], right[:-2])) + [left[-2], right[-2]]


@rule("mse_loss l1_loss smooth_l1_loss cross_entropy_loss nll_loss nll_loss_nd binary_cross_entropy")
@rule("binary_cross_entropy_with_logits kl_div huber_loss")
def loss(*args: Any, **kwargs: Any) -> Shape:
    """One number."""
    return []


# -- making -------------------------------------------------------------------------------------------


@rule("zeros ones empty rand randn")
def made(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for."""
    return _sizes(args) if args else _sizes((kwargs["size"],))


@rule("new_zeros new_ones new_empty")
def made_like(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return made(*args, **kwargs)


@rule("full")
def full(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for."""
    return _sizes((args[0] if args else kwargs["size"],))


@rule("new_full")
def full_like(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The same, of a tensor's type."""
    return full(*args, **kwargs)


@rule("randint normal")
def random_made(*args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for, the last of the arguments."""
    return _sizes((kwargs.get("size") or next(a for a in reversed(args) if isinstance(a, (tuple, list))),))


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
    """A side of classes more."""
    return [*shape_of(x), undressed(num_classes)]


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


@rule("as_strided")
def as_strided(x: Tensor, size: Any, *args: Any, **kwargs: Any) -> Shape:
    """The sizes that were asked for."""
    return _sizes((size,))


@rule("view_as_real")
def view_as_real(x: Tensor) -> Shape:
    """Real and imaginary parts apart."""
    return [*shape_of(x), 2]


@rule("view_as_complex")
def view_as_complex(x: Tensor) -> Shape:
    """And together."""
    return shape_of(x)[:-1]


@rule("fft_rfft")
def rfft(x: Tensor, n: Any = None, dim: int = -1, norm: Any = None) -> Shape:
    """Half of the frequencies, and one."""
    shape = shape_of(x)
    side = shape[dim] if n is None else undressed(n)
    shape[dim] = side // 2 + 1
    return shape


@rule("fft_irfft")
def irfft(x: Tensor, n: Any = None, dim: int = -1, norm: Any = None) -> Shape:
    """The way back."""
    shape = shape_of(x)
    shape[dim] = (shape[dim] - 1) * 2 if n is None else undressed(n)
    return shape


@rule("lstm gru rnn_tanh rnn_relu")
def recurrent(x: Tensor, states: Any, weights: Any, *args: Any, **kwargs: Any) -> list[Shape]:
    """Of padded sequences: outputs, and the last states as they came in."""
    if isinstance(weights, Tensor):
        raise NotImplementedError("packed sequences")
    bidirectional = bool(args[4]) if len(args) > 4 else False
    firsts = states if isinstance(states, (tuple, list)) else (states,)
    shape = shape_of(x)
    projected = shape_of(firsts[0])[-1]
    return [[*shape[:-1], projected * (1 + bidirectional)], *map(shape_of, firsts)]
