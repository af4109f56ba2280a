"""Convolutions, pooling, resizing, padding: functions of an image or a signal."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, product, value_of
from .registry import BETWEEN, RULES, Rule, Shape, divides, each_side, fits, must, rule, same, shape_of, some

EMPTY = "an empty image"


def window(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, ceil: bool = False) -> Any:
    """Positions of a window: ``⌊(size + 2p − d(k − 1) − 1)/s⌋ + 1``; rounded up, each begins within the input."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    if isinstance(reach, Size):
        reach.compare(">=", 0, "a window that fits")
    if not ceil:
        return (reach + stride) // stride
    found = (reach + (stride - 1)) // stride + 1
    begin = (found - 1) * stride
    late = (
        begin >= size + padding if isinstance(begin, Size) else bool(value_of(begin) >= value_of(size) + padding)
    )
    found = found - 1 if late else found
    fits(1, found, "a window that fits")
    return found


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
        strides, dilations = each_side(stride, rank), each_side(dilation, rank)
        must(some((*sides, weights[0], *weights[2:], *dilations)), "an empty image, kernel or dilation")
        same(front[-1], weights[1] * undressed(groups))
        divides(undressed(groups), weights[0])
        if padding == "same":
            return [*front[:-1], weights[0], *sides]
        paddings = each_side(0 if padding == "valid" else padding, rank)
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
        settings = (each_side(setting, rank) for setting in (stride, padding, output_padding, dilation))
        each = list(zip(sides, *settings, strict=True))
        must(some(weights), "an empty kernel")
        same(front[-1], weights[0])
        for side, s, _, o, d in each:
            must(some((side, s, d)), "an empty image, stride or dilation")
            less = fits(o + 1, s, "less than a stride") or fits(o + 1, d, "less than a dilation")
            must(less, "output padding that is no less than a stride or a dilation")
        found = [
            (side - 1) * s - 2 * p + d * (weights[2 + i] - 1) + o + 1 for i, (side, s, p, o, d) in enumerate(each)
        ]
        some(found)
        return [*front[:-1], weights[1] * undressed(groups), *found]

    return convolution


def _pooled(input: Tensor, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any) -> Shape:
    front, sides = _spatial(input, rank)
    kernels, paddings, dilations = (each_side(setting, rank) for setting in (kernel, padding, dilation))
    strides = kernels if stride is None or stride == [] or stride == () else each_side(stride, rank)
    for pad, window_side in zip(paddings, kernels, strict=True):
        fits(2 * pad, window_side, "padding that is at most half a window")
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
        if rank == 3:  # whatever is padded
            for side, kernel in zip(_spatial(input, rank)[1], each_side(kernel_size, rank), strict=True):
                fits(kernel, side, "an image as large as a window")
        return _pooled(input, rank, kernel_size, stride, padding, 1, ceil_mode)

    return pool


def _twice(rule: Rule) -> Rule:
    """A result and, for each of its elements, where it came from."""
    return lambda *args, **kwargs: [rule(*args, **kwargs)] * 2


@rule("max_unpool2d max_unpool3d")
def max_unpool(input: Tensor, indices: Tensor, output_size: Any, *args: Any) -> Shape:
    """Back to where they came from."""
    wanted = [undressed(side) for side in output_size]
    some(wanted)
    return [*shape_of(input)[: -len(wanted)], *wanted]


@rule("affine_grid_generator")
def affine_grid(theta: Tensor, size: Any, align_corners: bool) -> Shape:
    """(batch, 2, 3) and (batch, C, h, w) to the places (batch, h, w, 2), or one side more of each."""
    batch, _, *sides = (undressed(side) for side in size)
    same(shape_of(theta)[0], batch, "one map for each image")
    return [batch, *sides, len(sides)]


for _rank in (1, 2, 3):
    RULES[f"conv{_rank}d"] = _convolution(_rank)
    RULES[f"conv_transpose{_rank}d"] = _transposed(_rank)
    RULES[f"max_pool{_rank}d"] = _max_pooling(_rank)
    RULES[f"max_pool{_rank}d_with_indices"] = _twice(_max_pooling(_rank))
    RULES[f"avg_pool{_rank}d"] = _average_pooling(_rank)


def _adaptive(rank: int) -> Rule:
    def pool(input: Tensor, output_size: Any, *args: Any) -> Shape:
        front, sides = _spatial(input, rank)
        must(some((front[-1], *sides)), EMPTY)
        wanted = each_side(output_size, rank)
        return front + [side if want is None else want for side, want in zip(sides, wanted, strict=True)]

    return pool


def _fractional(rank: int) -> Rule:
    def pool(input: Tensor, kernel_size: Any, output_size: Any, *args: Any, **kwargs: Any) -> list[Shape]:
        front, sides = _spatial(input, rank)
        wanted, kernels = each_side(output_size, rank), each_side(kernel_size, rank)
        for side, want, kernel in zip(sides, wanted, kernels, strict=True):
            fits(want + kernel - 1, side, "windows that fit")
        return [[*front, *wanted]] * 2

    return pool


for _rank in (2, 3):
    RULES[f"fractional_max_pool{_rank}d"] = _fractional(_rank)
for _rank in (1, 2, 3):
    RULES[f"adaptive_avg_pool{_rank}d"] = _adaptive(_rank)
    RULES[f"adaptive_max_pool{_rank}d"] = _twice(_adaptive(_rank))


def _resized(rank: int, between: bool = False) -> Rule:
    """Of what lies ``between`` places nothing may be empty, channels neither."""

    def resized(input: Tensor, output_size: Any = None, *settings: Any, **kwargs: Any) -> Shape:
        front, sides = _spatial(input, rank)
        if output_size is not None:
            found = each_side(output_size, rank)
        else:
            listed = (*reversed(settings), kwargs.get("scale_factors"))
            scales = next(setting for setting in listed if isinstance(setting, (list, tuple)))
            found = [_scaled(side, scale) for side, scale in zip(sides, scales, strict=True)]
        there = some((*sides, *found))
        if between:
            must(some(front[-1:]) and there, EMPTY)
        return front + found

    return resized


def _scaled(side: Any, scale: Any) -> Any:
    scaled = side * undressed(scale)
    return scaled.floor() if isinstance(scaled, Size) else int(scaled)


for _name in ("nearest", "_nearest_exact"):
    for _rank in (1, 2, 3):
        RULES[f"{'_' * _name.startswith('_')}upsample_{_name.lstrip('_')}{_rank}d"] = _resized(_rank)
for _name, _rank in BETWEEN.items():
    RULES[f"upsample_{_name}"] = RULES[f"_upsample_{_name}_aa"] = _resized(_rank, between=True)


@rule("im2col unfold_windows")
def im2col(input: Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Shape:
    """Every window as a column."""
    front, sides = _spatial(input, 2)
    kernels, dilations, paddings, strides = (each_side(s, 2) for s in (kernel_size, dilation, padding, stride))
    found = [window(side, kernels[i], strides[i], paddings[i], dilations[i]) for i, side in enumerate(sides)]
    return [*front[:-1], front[-1] * kernels[0] * kernels[1], product(found)]


@rule("col2im")
def col2im(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Shape:
    """Columns back to an image: one for each window that fits."""
    *front, rows, columns = shape_of(input)
    wanted = each_side(output_size, 2)
    kernels, dilations, paddings, strides = (each_side(s, 2) for s in (kernel_size, dilation, padding, stride))
    found = [window(side, kernels[i], strides[i], paddings[i], dilations[i]) for i, side in enumerate(wanted)]
    divides(kernels[0] * kernels[1], rows)
    same(columns, product(found), "a column for each window")
    return [*front, rows // (kernels[0] * kernels[1]), *wanted]


def _pads(names: str, fixed: str = "") -> None:
    @rule(names)
    def pad(input: Tensor, pad: Any, mode: Any = "constant", *args: Any, **kwargs: Any) -> Shape:
        """The last sides grow (or shrink) by pairs. What is reflected or repeated has to be there."""
        shape = shape_of(input)
        amounts = each_side(pad, 1) if not isinstance(pad, (tuple, list)) else [undressed(p) for p in pad]
        most = {"reflect": -1, "circular": 0}.get(fixed or mode)
        for i in range(len(amounts) // 2):
            side, before, after = shape[-1 - i], amounts[2 * i], amounts[2 * i + 1]
            for amount in (before, after) if most is not None else ():
                fits(amount, side + most, "a padding that is there")
            shape[-1 - i] = side + before + after
            if any(isinstance(amount, Size) or amount < 0 for amount in (before, after)):
                fits(0, shape[-1 - i], "a side that is left")
        return shape


_pads("pad constant_pad_nd replication_pad1d replication_pad2d replication_pad3d")
_pads("reflection_pad1d reflection_pad2d reflection_pad3d", "reflect")


@rule("pixel_shuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Shape:
    """(…, Cr², h, w) to (…, C, hr, wr)."""
    *front, channels, h, w = shape_of(input)
    r = undressed(upscale_factor)
    divides(r * r, channels)
    return [*front, channels // (r * r), h * r, w * r]


@rule("pixel_unshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Shape:
    """The way back."""
    *front, channels, h, w = shape_of(input)
    r = undressed(downscale_factor)
    for side in (h, w):
        divides(r, side)
    return [*front, channels * r * r, h // r, w // r]


@rule("grid_sampler grid_sampler_2d grid_sampler_3d")
def grid_sampler(input: Tensor, grid: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """Channels of the input at the places of the grid."""
    shape, places = shape_of(input), shape_of(grid)
    same(shape[0], places[0])
    must(some(shape[2:]), EMPTY)
    return shape[:2] + places[1:-1]
