"""Operators on abstract tensors: what each makes and what autograd keeps of it.

Each function follows its operator in PyTorch: temporaries that ATen's composite operators make (a contiguous
copy before a batched product) are made and freed here, too. What is kept is what ``derivatives.yaml`` says. What
a kernel allocates within itself (a convolution's workspace) is not a tensor and is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import ops
from ..cost import Op, Tiling
from ..dims import Dim, conv_size, floor_div, is_number, is_one, is_symbolic
from . import layout
from .layout import FREE, Sizes, product
from .tape import ACTIVATION, Rule, Tape
from .tensor import (
    BOOL,
    FLOAT32,
    FLOATS,
    INT64,
    Saves,
    Tensor,
    Type,
    alike,
    elementwise,
    fresh,
    make,
    passed,
    promoted,
)

Operands = tuple[Tensor, ...]
Grads = list[Any]
Wanted = tuple[bool, ...]

STATISTICS = ("mean", "deviation")
"""What a norm keeps of each row, map or group."""


def narrowed(*tensors: Tensor | None) -> tuple[Any, ...]:
    """Operands as autocast gives them to what it runs in 16 bits, the last one first.

    What it made of a weight is kept until the forward pass is over.
    """
    return tuple(x if x is None else _narrowed(x) for x in tensors[::-1])[::-1]


def _narrowed(x: Tensor) -> Tensor:
    tape = x.tape
    if tape.amp is None or tape.ledger is not None or x.item != FLOAT32:
        return x
    if id(x) in tape.casts:
        return tape.casts[id(x)][1]
    made = converted(x, tape.amp)
    if x.leaf:
        tape.casts[id(x)] = x, made
    return made


def widened(x: Tensor) -> Tensor:
    """An operand as autocast gives it to what it runs in float32."""
    return x if _summed(x) == x.item else converted(x, FLOAT32)


def _summed(x: Tensor) -> Type:
    """The type of a softmax or a sum: autocast asks these for float32, and they take what they are given."""
    tape = x.tape
    wide = tape.amp is not None and tape.ledger is None and tape.kernels.wide_lists and x.item == tape.amp
    return FLOAT32 if wide else x.item


def matmul(a: Tensor, b: Tensor, label: str, attention: bool = False) -> Tensor:
    """Batched products (…, n, k)(…, k, m): both operands are brought into the layout that ``bmm`` takes.

    ``label`` is the product's name in a derivation; ``attention`` says that its result is an attention map.
    """
    batch, (n, k), m = a.shape[:-2], a.shape[-2:], b.shape[-1]
    count = product(batch)
    first, second = narrowed(a, b)  # held until the product is there
    left: Tensor = first.reshape(count, n, k)
    right: Tensor = second.reshape(count, k, m)
    saves: Saves = (("left operand", left),) if right.learns else ()
    if left.learns:
        saves = (*saves, ("right operand", right))

    def price(_: str) -> Op:
        return ops.matmul(label, count, n, k, m, attention=attention)

    shape = (count, n, m)
    rule = partial(_of_matmul, shape=shape)
    return make("matmul", (*batch, n, m), left.item, (left, right), saves=saves, price=price, rule=rule)


def _of_matmul(operands: Operands, grads: Grads, wanted: Wanted, *, shape: Sizes) -> Grads:
    """AᵀG for the right operand, GBᵀ for the left."""
    a, b = operands
    grads[0] = grad = grads[0].reshape(*shape)
    right = make("matmul", b.shape, b.item, (a, grad)) if wanted[1] else None
    return [make("matmul", a.shape, a.item, (grad, b)) if wanted[0] else None, right]


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(…, fan_in) times a weight (fan_out, fan_in): one product over all rows.

    Where the rows do not lie one after the other they are copied, and the bias is added apart.
    """
    rows, matrix, offset = narrowed(x, weight, bias)
    if bias is not None and len(x.shape) > 2 and not rows.is_contiguous():
        made: Tensor = _rows_times(rows, matrix, None) + offset
        return made
    return _rows_times(rows, matrix, offset)


def _rows_times(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    fan_in, fan_out = x.shape[-1], weight.shape[0]
    count = product(x.shape[:-1])
    rows = x if len(x.shape) == 2 else x.reshape(count, fan_in)
    operands = (rows, weight) if bias is None else (bias, rows, weight)
    saves: Saves = (("input", rows),) if weight.learns else ()
    saves = (*saves, ("weight", weight)) if rows.learns else saves

    def price(label: str) -> Op:
        return ops.linear(label, count, fan_in, fan_out, bias=bias is not None)

    rule = partial(_of_linear, shape=(count, fan_out))
    return make("linear", (*x.shape[:-1], fan_out), x.item, operands, saves=saves, price=price, rule=rule)


def _of_linear(operands: Operands, grads: Grads, wanted: Wanted, *, shape: Sizes) -> Grads:
    """GW for the input, GᵀX for the weight; the bias's, which comes first, is G, and the engine sums it."""
    *bias, x, weight = operands
    grads[0] = grad = grads[0].reshape(*shape)
    first = make("linear", x.shape, x.item, (grad, weight)) if wanted[-2] else None
    second = make("linear", weight.shape, weight.item, (grad, x)) if wanted[-1] else None
    return [*(grad for _ in bias), first, second]


def gelu(x: Tensor) -> Tensor:
    """Keeps its input."""
    return elementwise("gelu", x, saves=(("input", x),), rule=alike)


def silu(x: Tensor) -> Tensor:
    """Keeps its input."""
    return elementwise("silu", x, saves=(("input", x),), rule=alike)


def elu(x: Tensor) -> Tensor:
    """Keeps its input."""
    return elementwise("elu", x, saves=(("input", x),), rule=alike)


def square(x: Tensor) -> Tensor:
    """Keeps its input."""
    x = widened(x)
    return elementwise("square", x, saves=(("input", x),), rule=_of_square)


def _of_square(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """G·(2·x¹), as PyTorch has it for any power."""
    power = pointwise("pow", operands[0])
    twice = power * 2
    return [grads[0] * twice]


def relu(x: Tensor) -> Tensor:
    """Keeps its result."""
    return elementwise("relu", x, saves_result=True, rule=alike)


def sigmoid(x: Tensor) -> Tensor:
    """Keeps its result."""
    return elementwise("sigmoid", x, saves_result=True, rule=alike)


def tanh(x: Tensor) -> Tensor:
    """Keeps its result."""
    return elementwise("tanh", x, saves_result=True, rule=alike)


def sqrt(x: Tensor) -> Tensor:
    """Keeps its result."""
    return elementwise("sqrt", x, saves_result=True, rule=_of_sqrt)


def _of_sqrt(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """G/(2√x)."""
    twice = operands[0] * 2
    return [grads[0] / twice]


def exp(x: Tensor) -> Tensor:
    """Keeps its result."""
    x = widened(x)
    return elementwise("exp", x, saves_result=True, rule=alike)


def clamp(x: Tensor) -> Tensor:
    """No less, or no more, than a number. Keeps its input."""
    return elementwise("clamp", x, saves=(("input", x),), rule=_of_clamp)


def _of_clamp(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """The gradient where nothing was cut, and elsewhere a zero that is a tensor, too."""
    (x,), grad = operands, grads[0]
    inside, zero = pointwise("compare", x, item=BOOL), constant(x.tape, item=grad.item)
    return [pointwise("choose", inside, grad, zero, item=grad.item)]


def normalize(x: Tensor) -> Tensor:
    """To length 1 over the last dimension. Keeps itself, and each length before and after it is kept from 0."""
    return x / clamp(_lengths(x)).expand(*x.shape)


def _lengths(x: Tensor) -> Tensor:
    x = widened(x)
    shape = (*x.shape[:-1], 1)
    return make("norm", shape, x.item, (x,), saves=(("input", x),), saves_result=True, rule=_of_lengths)


def _of_lengths(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """G·x/|x|, with 0 for x/|x| where the length is 0, which is held until all is done."""
    (x,), grad = operands, grads[0]
    unit, _nowhere = pointwise("div", x, grad), pointwise("compare", grad, item=BOOL)
    return [unit * grad]


def softmax(x: Tensor) -> Tensor:
    """Over the last dimension. Keeps its result: the attention map.

    In float32 under autocast: a kernel of CUDA's takes float16, what has bfloat16 is copied first (ATen's
    ``SoftMax.cpp``).
    """
    x = x if x.item == FLOATS["float16"] else widened(x)
    return make("softmax", x.shape, _summed(x), (x,), saves_result=True, rule=anew)


def anew(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """A gradient for each operand, laid out one element after the other, all made by one operator."""
    kind = "derivative"
    return [
        make(kind, x.shape, x.item, (grads[0],)) if want else None
        for x, want in zip(operands, wanted, strict=True)
    ]


def dropout(x: Tensor) -> Tensor:
    """Keeps a mask of one byte an element."""
    if not x.tape.training:
        return x
    mask = fresh(x.tape, x.shape, BOOL)
    return elementwise("dropout", x, saves=(("mask", mask),), rule=alike)


def total(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The sum over a dimension. Keeps nothing."""
    dim %= len(x.shape)
    shape = (*x.shape[:dim], *((1,) if keepdim else ()), *x.shape[dim + 1 :])
    return make("sum", shape, _summed(x), (x,), rule=partial(_repeated, dims=() if keepdim else (dim,)))


def _repeated(operands: Operands, grads: Grads, wanted: Wanted, *, dims: tuple[int, ...]) -> Grads:
    """The gradient of a sum, seen at all that was summed; ``dims`` are those that it has lost."""
    grad = grads[0]
    for dim in dims:
        grad = grad.unsqueeze(dim)
    return [grad.expand(*operands[0].shape)]


def _shared(operands: Operands, grads: Grads, wanted: Wanted, *, dims: tuple[int, ...]) -> Grads:
    """The same of a mean: divided by how many there were."""
    return [_repeated(operands, grads, wanted, dims=dims)[0] / 1]


def mean(x: Tensor, dims: Sequence[int], keepdim: bool = False) -> Tensor:
    """Keeps nothing."""
    reduced = {dim % len(x.shape) for dim in dims}
    sizes = enumerate(x.shape)
    shape = tuple(1 if dim in reduced else size for dim, size in sizes if keepdim or dim not in reduced)
    return make("mean", shape, x.item, (x,), rule=partial(_shared, dims=() if keepdim else tuple(sorted(reduced))))


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Over the last dimension. Keeps its input, and mean and inverse deviation of each row."""
    x = widened(x)
    statistics = _statistics(x, weight, (*x.shape[:-1], 1))
    operands = (x, weight) if bias is None else (x, weight, bias)

    def price(label: str) -> Op:
        return ops.layer_norm(label, product(x.shape[:-1]), x.shape[-1])

    saves = (("input", x), *statistics)
    return make("layer_norm", x.shape, x.item, operands, saves=saves, price=price, rule=anew)


def group_norm(x: Tensor, groups: Any) -> Tensor:
    """Over groups of channels, without affine parameters. Keeps its input and two numbers a group, in its type."""
    x = widened(x)
    x = x if x.is_contiguous() else x.contiguous_copy()
    statistics = tuple((name, fresh(x.tape, (x.shape[0], groups), x.item)) for name in STATISTICS)

    def price(label: str) -> Op:
        return ops.group_norm(label, x.shape[0], x.shape[1], affine=False)

    saves = (("input", x), *statistics)
    return make("group_norm", x.shape, x.item, (x,), saves=saves, price=price, rule=anew)


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over all but the channels. In training keeps its input and the batch's mean and inverse deviation.

    Of a map that could lie either way the result is contiguous, which it is not of a convolution.
    """
    plain = layout.is_contiguous(x.shape, x.strides) and FREE not in x.strides
    strides = layout.contiguous(x.shape) if plain else _map_strides(x, x.shape)
    statistics = _statistics(x, weight, (x.shape[1],)) if x.tape.training else ()
    saves = (("input", x), *statistics)

    def price(label: str) -> Op:
        return ops.batch_norm(label, x.shape[0] * product(x.shape[2:]), x.shape[1])

    operands = (x, weight, bias)
    return make("batch_norm", x.shape, x.item, operands, strides=strides, saves=saves, price=price, rule=mapped)


def mapped(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """A gradient for each operand, that of the first in its layout."""
    x, *others = operands
    strides = _map_strides(x, x.shape)
    first = make("derivative", x.shape, x.item, (grads[0],), strides=strides) if wanted[0] else None
    return [first, *anew(tuple(others), grads, wanted[1:])]


def _statistics(x: Tensor, weight: Tensor, shape: Sizes) -> Saves:
    """What a norm knows of its input; in float32 where its weight is, and on most devices where nothing is."""
    kernels = x.tape.kernels
    mixed = promoted(x, weight) if kernels.mixed_statistics else x.item
    item = _wide(x) if kernels.wide_statistics else mixed
    return tuple((name, fresh(x.tape, shape, item)) for name in STATISTICS)


def _wide(x: Tensor) -> Type:
    """The type in which sums over its elements are taken."""
    return max(x.item, FLOAT32, key=lambda item: item.rank)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[Any, Any],
    padding: tuple[Any, Any],
    groups: Any = 1,
) -> Tensor:
    """(batch, c, h, w) with a weight (C, c / groups, k, l). Keeps its input; a map channels-last stays so."""
    image, matrix, offset = narrowed(x, weight, bias)
    return _convolve(image, matrix, offset, stride, padding, groups)


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[Any, Any], padding: tuple[Any, Any], groups: Any
) -> Tensor:
    _note_steps(x, stride)
    kernel = weight.shape[2:]
    sides = tuple(
        conv_size(side, k, s, p) for side, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True)
    )
    shape = (x.shape[0], weight.shape[0], *sides)
    operands = (x, weight) if bias is None else (x, weight, bias)
    saves: Saves = (("input", x), ("weight", weight))
    strides = _map_strides(x, shape)

    def price(label: str) -> Op:
        (h, w), C = sides, weight.shape[0]
        bias_too = bias is not None
        return ops.conv2d(
            label, x.shape[0], (h, w), x.shape[1], C, (kernel[0], kernel[1]), groups=groups, bias=bias_too
        )

    return make("conv", shape, x.item, operands, strides=strides, saves=saves, price=price, rule=_of_conv)


def _note_steps(x: Tensor, strides: Sequence[Any]) -> None:
    """On symbols: that strides divide the sides is assumed; with numbers a layer says what it pads or drops."""
    steps = zip(strides, x.shape[2:], strict=True)
    x.tape.note(*(Tiling(s, side, "stride") for s, side in steps if is_symbolic(side) and not is_one(s)))


def _of_conv(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """Those of a map and of its weight are both channels-last where the map is."""
    x, weight, *bias = operands
    return [
        *mapped((x,), grads, wanted[:1]),
        *_like_map(x, weight, grads, wanted[1]),
        *anew((*bias,), grads, wanted[2:]),
    ]


def _like_map(x: Tensor, weight: Tensor, grads: Grads, wanted: bool) -> Grads:
    strides = _map_strides(x, weight.shape)
    return [make("derivative", weight.shape, weight.item, (grads[0],), strides=strides) if wanted else None]


def _map_strides(x: Tensor, shape: Sizes) -> Sizes:
    if FREE in x.strides:
        return (FREE,) * len(shape)
    last = layout.is_channels_last(x.shape, x.strides)
    return layout.channels_last(shape) if last else layout.contiguous(shape)


def spread(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A transposed convolution of stride s: (batch, c, h, w), by a weight (c, C, s, s), to (batch, C, sh, sw)."""
    x, weight, bias = narrowed(x, weight, bias)
    (batch, fan_in, h, w), (_, fan_out, side, _) = x.shape, weight.shape
    shape = (batch, fan_out, side * h, side * w)
    strides = _map_strides(x, shape)

    def price(label: str) -> Op:
        return ops.conv_transpose2d(label, batch, (h, w), fan_in, fan_out, side)

    saves = (("input", x), ("weight", weight))
    operands = (x, weight, bias)
    return make("conv", shape, x.item, operands, strides=strides, saves=saves, price=price, rule=_of_conv)


def sample(x: Tensor, grid: Tensor) -> Tensor:
    """(batch, C, h, w) at places (batch, n, m, 2), bilinearly: (batch, C, n, m). Keeps both."""
    item = promoted(x, grid)
    x = x if x.item == item else converted(x, item)
    batch, width = x.shape[:2]
    shape = (batch, width, *grid.shape[1:3])

    def price(label: str) -> Op:
        return ops.grid_sampler(label, product(grid.shape[:3]), width)

    saves = (("input", x), ("places", grid))
    return make("sample", shape, item, (x, grid), saves=saves, price=price, rule=_of_sample)


def _of_sample(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """That of the places is made whether or not it is asked for."""
    x, grid = operands
    return [*mapped((x,), grads, wanted[:1]), *anew((grid,), grads, (True,))]


def max_pool(x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
    """Keeps its input and, for each maximum, where it was: 8 bytes."""
    _note_steps(x, (stride, stride))
    sides = tuple(conv_size(side, kernel, stride, padding) for side in x.shape[2:])
    shape = (*x.shape[:2], *sides)
    places = fresh(x.tape, shape, INT64)
    strides = _map_strides(x, shape)
    return make(
        "max_pool", shape, x.item, (x,), strides=strides, saves=(("input", x), ("places", places)), rule=mapped
    )


def adaptive_avg_pool(x: Tensor, side: Any) -> Tensor:
    """To a grid of side x side. Keeps its input; to a single position it is a mean, which keeps nothing."""
    shape = (*x.shape[:2], side, side)
    strides = _map_strides(x, shape)

    def price(label: str) -> Op:
        batch, width, h, w = x.shape
        return ops.adaptive_avg_pool2d(label, batch, (h, w), width)

    # a cost tree does not decide, since both have one price
    if x.tape.ledger is None and is_number(side) and side == 1:
        rule = partial(_shared, dims=())
        return make("mean", shape, x.item, (x,), strides=strides, price=price, rule=rule)
    return make("pool", shape, x.item, (x,), strides=strides, saves=(("input", x),), price=price, rule=mapped)


def interpolate(
    x: Tensor, size: tuple[Any, Any], label: str = "upsample", times: Any = 1, nearest: bool = False
) -> Tensor:
    """Bilinear, or ``nearest``. Keeps nothing. ``times`` says how often it is run, where that depends on sizes."""
    x = widened(x)
    shape = (*x.shape[:2], *size)
    resized = ops.upsample_nearest2d if nearest else ops.upsample_bilinear2d

    def price(_: str) -> Op:
        return resized(label, times * x.shape[0], size, x.shape[1])

    return make("interpolate", shape, x.item, (x,), strides=_map_strides(x, shape), price=price, rule=_resized)


def _resized(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """A gradient that lies as the one it is made from, and not as the map that was resized."""
    shape = operands[0].shape
    return [make("derivative", shape, operands[0].item, (grads[0],), strides=_map_strides(grads[0], shape))]


def pixel_shuffle(x: Tensor, u: Any) -> Tensor:
    """(batch, u² C, h, w) to (batch, C, uh, uw). Keeps nothing."""
    batch, channels, h, w = x.shape
    return make("pixel_shuffle", (batch, floor_div(channels, u * u), h * u, w * u), x.item, (x,), rule=anew)


def cat(tensors: Sequence[Tensor], dim: int = -1) -> Tensor:
    """Joined along a dimension. Keeps nothing."""
    tensors = _alike(tensors)
    first = tensors[0]
    dim %= len(first.shape)
    total: Any = 0
    for tensor in tensors:
        total = total + tensor.shape[dim]
    shape = (*first.shape[:dim], total, *first.shape[dim + 1 :])
    last = all(layout.is_channels_last(t.shape, t.strides) for t in tensors)
    strides = layout.channels_last(shape) if last else None
    rule = partial(_cut, dim=dim)
    return make("cat", shape, promoted(*tensors), tuple(tensors), strides=strides, rule=rule)


def _cut(operands: Operands, grads: Grads, wanted: Wanted, *, dim: int) -> Grads:
    """Views of the gradient's parts."""
    grad = grads[0]
    return [
        grad.viewed(x.shape, grad.strides, passed) if want else None
        for x, want in zip(operands, wanted, strict=True)
    ]


def _alike(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """What is joined, in the widest type of all: autocast's list for the CPU brings it there first."""
    tape = tensors[0].tape
    if tape.amp is None or tape.ledger is not None or tape.kernels.wide_lists:
        return tensors
    item = promoted(*tensors)
    return [x if x.item == item else converted(x, item) for x in tensors]


def stack(tensors: Sequence[Tensor], dim: int = 0, many: Dim | None = None) -> Tensor:
    """Joined along a new dimension. Keeps nothing. These few may stand for ``many``."""
    tensors = _alike(tensors)
    first = tensors[0]
    dim %= len(first.shape) + 1
    shape = (*first.shape[:dim], len(tensors) if many is None else many, *first.shape[dim:])
    rule = partial(_unstacked, dim=dim)
    return make("stack", shape, promoted(*tensors), tuple(tensors), rule=rule)


def _unstacked(operands: Operands, grads: Grads, wanted: Wanted, *, dim: int) -> Grads:
    return [grads[0].select(dim) if want else None for want in wanted]


def pad(x: Tensor, widths: Sequence[Any]) -> Tensor:
    """Zeros around it, as ``torch.nn.functional.pad`` counts: from the last dimension, before and after.

    A copy even where nothing is added.
    """
    shape = list(x.shape)
    for place in range(0, len(widths), 2):
        dim = len(shape) - 1 - place // 2
        shape[dim] = shape[dim] + widths[place] + widths[place + 1]
    last = layout.is_channels_last(x.shape, x.strides)
    strides = layout.channels_last(tuple(shape)) if last else None
    return make("pad", tuple(shape), x.item, (x,), strides=strides, rule=alike)


def roll(x: Tensor) -> Tensor:
    """A cyclic shift. Keeps nothing."""
    return make("roll", x.shape, x.item, (x,), rule=anew)


def flip(x: Tensor) -> Tensor:
    """Keeps nothing."""
    return elementwise("flip", x, rule=alike)


def repeat(x: Tensor, *times: Any) -> Tensor:
    """Copies side by side. Keeps nothing."""
    own = (1,) * (len(times) - len(x.shape)) + x.shape
    return make("repeat", tuple(size * t for size, t in zip(own, times, strict=True)), x.item, (x,))


def embedding(table: Tensor, rows: Tensor, rule: Rule = anew) -> Tensor:
    """The rows of a table that integers name. Keeps the integers."""
    shape = (*rows.shape, *table.shape[1:])
    read = product(shape) * table.item.bytes + rows.elements * rows.item.bytes
    return make("lookup", shape, table.item, (table, rows), saves=(("rows", rows),), read=read, rule=rule)


def rows_of(table: Tensor, rows: Tensor) -> Tensor:
    """The same by an index in brackets, whose derivative is another operator."""
    return embedding(table, rows, _into_zeros)


def _into_zeros(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """Rows added up in a table of zeros, or in a copy of it."""
    zeros = anew(operands, grads, wanted)
    return zeros if operands[0].tape.kernels.adds_in_place else anew(operands, grads, wanted)


def filled(x: Tensor, where: Tensor) -> Tensor:
    """A constant where a condition holds."""
    saves: Saves = (("where", where),) if x.learns else ()
    return elementwise("fill", x, where, item=x.item, saves=saves, rule=_where)


def chosen(where: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where a condition holds and ``b`` elsewhere."""
    saves: Saves = (("where", where),) if a.learns or b.learns else ()
    return elementwise("choose", where, a, b, item=promoted(a, b), saves=saves, rule=_where)


def _where(operands: Operands, grads: Grads, wanted: Wanted) -> Grads:
    """Zero where it was not taken."""
    return [pointwise("choose", grads[0]) if want else None for want in wanted]


def converted(x: Tensor, item: Type) -> Tensor:
    """Another element type."""
    return elementwise("convert", x, item=item, rule=passed)  # the engine brings it into the operand's type


def constant(tape: Tape, *shape: Any, item: Type = INT64) -> Tensor:
    """Zeros, or the whole numbers from 0 on."""
    return fresh(tape, shape, item, ACTIVATION)


def pointwise(kind: str, x: Tensor, *others: Tensor, item: Type | None = None) -> Tensor:
    """A function of corresponding elements of constants, which keeps nothing."""
    return elementwise(kind, x, *others, item=item)


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaled: bool = True
) -> Tensor:
    """PyTorch's attention on a CPU: a fused kernel, or plain products where the mask is learned.

    The kernel keeps its operands, its result, and for each query the logarithm of its sum, in float32. It takes
    heads of one width only. What autocast made operands of lives until the call is over, and it looks no further.
    """
    operands = narrowed(q, k, v, mask)
    with q.tape.setting(amp=None):
        if (mask is not None and mask.learns) or q.shape[-1] != v.shape[-1]:
            return _plain_attention(*operands)
        return _fused_attention(*operands)


def _fused_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    shape = q.shape
    sums = fresh(q.tape, shape[:-1], _wide(q))
    saves: Saves = (("q", q), ("k", k), ("v", v), ("sums", sums))
    if mask is not None:
        saves = (*saves, ("mask", mask))
    operands = (q, k, v) if mask is None else (q, k, v, mask)
    strides = layout.elementwise(shape, [q.strides])

    def price(label: str) -> Op:
        return ops.matmul(label, 2 * product(shape[:-2]), shape[-2], shape[-1], k.shape[-2])

    return make(
        "attention",
        shape,
        q.item,
        operands,
        strides=strides,
        saves=saves,
        saves_result=True,
        price=price,
        rule=alike,
    )


def _plain_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """What it falls back to: in float32 at least, with both operands scaled by the square root each."""
    item, narrow = q.item, q.item.rank < FLOAT32.rank
    query, key, value = (converted(x, FLOAT32) if narrow else x for x in (q, k, v))
    scaled = query * 1.0
    scores = matmul(scaled, key.transpose(-2, -1) * 1.0, "QKᵀ")
    if mask is not None:
        scores = scores + mask
    scores = softmax(scores)
    if not narrow:
        return matmul(scores, value, "AV")
    unused = converted(scores, item)
    result = converted(matmul(scores, value, "AV"), item)
    del unused
    return result
