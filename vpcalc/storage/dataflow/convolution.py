"""Convolutions over a grid and the blocks made of them; see :mod:`vpcalc.reference.convolution`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import functions
from ..functions import pad
from ..modules import Step, batch_norm, conv, module, sequential
from ..tape import Tape
from ..tensor import Tensor
from .recompute import recomputable
from .registry import given, layer

relu = module(functions.relu)
max_pool = module(functions.max_pool)
adaptive_avg_pool = module(functions.adaptive_avg_pool)
pixel_shuffle = module(functions.pixel_shuffle)


@module
def same_conv(x: Tensor, fan_out: Any, kernel: tuple[Any, Any], groups: Any = 1) -> Tensor:
    """A convolution of stride 1 that keeps the grid."""
    (top, bottom), (left, right) = (_around(side) for side in kernel)
    return conv("conv", pad(x, (left, right, top, bottom)), fan_out, kernel, groups=groups)


def _around(side: Any) -> tuple[Any, Any]:
    """What a kernel needs before and after; one more after where it is even."""
    before = (side - 1) // 2
    return before, side - 1 - before


def conv_norm(c_out: Any, kernel: int, stride: int = 1) -> Step:
    """A convolution without bias, and batch norm."""
    size = (kernel, kernel)
    first = partial(conv, fan_out=c_out, kernel=size, stride=stride, padding=kernel // 2, bias=False)
    return _in_order(first, batch_norm)


def _in_order(*steps: Step) -> Step:
    """Modules one after the other, waiting for the name of the whole."""
    return lambda name, x: sequential(name, x, *steps)


@module
def zero_pad_shortcut(x: Tensor, c_out: Any, stride: int) -> Tensor:
    """Every ``stride``-th position, and zeros for the channels that are missing."""
    missing = c_out - x.shape[1]
    return pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, missing))


@module
@recomputable
def residual(x: Tensor, body: Step, shortcut: Step) -> Tensor:
    """relu(body(x) + shortcut(x))."""
    return functions.relu(body("body", x) + shortcut("shortcut", x))


def basic(C: Any, stride: int = 1, project: bool = False) -> Step:
    """3 x 3, 3 x 3."""
    return _residual(C, stride, project, conv_norm(C, 3, stride), relu, conv_norm(C, 3))


def bottleneck(C: Any, stride: int = 1, project: bool = False, stride_in_first: bool = False) -> Step:
    """1 x 1, 3 x 3, 1 x 1."""
    first, second = (stride, 1) if stride_in_first else (1, stride)
    body = (conv_norm(C, 1, first), relu, conv_norm(C, 3, second), relu, conv_norm(4 * C, 1))
    return _residual(4 * C, stride, project, *body)


def _residual(c_out: Any, stride: int, project: bool, *body: Step) -> Step:
    pads = partial(zero_pad_shortcut, c_out=c_out, stride=stride)
    shortcut = conv_norm(c_out, 1, stride) if project else pads
    return partial(residual, body=_in_order(*body), shortcut=shortcut)


@module
def global_convolution(x: Tensor, c_out: Any, k: Any) -> Tensor:
    """Two separable large kernels, added."""
    tall: Callable[..., Tensor] = partial(same_conv, fan_out=c_out, kernel=(k, 1))
    wide: Callable[..., Tensor] = partial(same_conv, fan_out=c_out, kernel=(1, k))
    return sequential("left", x, tall, wide) + sequential("right", x, wide, tall)


@module
def semantic_embedding(low: Tensor, high: Tensor) -> Tensor:
    """low x upsample(conv(high))."""
    return low * functions.interpolate(conv("conv", high, low.shape[1], (3, 3), padding=1), low.shape[2:])


@module
def channel_resolution_embedding(x: Tensor, c_out: Any, u: Any) -> Tensor:
    """(batch, c_in, h, w) to (batch, c_out, uh, uw)."""
    return pixel_shuffle("shuffle", conv("conv", x, u * u * c_out, (3, 3), padding=1), u)


@module
def adjacent_prediction(x: Tensor, classes: Any, k: int) -> Tensor:
    """Scores averaged over what k x k neighbours predict."""
    return neighbour_mean(conv("conv", x, k * k * classes, (3, 3), padding=1), k)


def neighbour_mean(x: Tensor, k: int) -> Tensor:
    """(batch, k² K, h, w) to (batch, K, h, w)."""
    _, channels, h, w = x.shape
    before, after = k // 2, (k - 1) // 2
    padded = pad(x, (before, after, before, after))
    groups = padded.split(channels // (k * k), dim=1)
    shifts = [(row, column) for row in range(k) for column in range(k)]
    read = [
        maps[:, :, row : row + h, column : column + w] for maps, (row, column) in zip(groups, shifts, strict=True)
    ]
    return functions.total(functions.stack(read), 0) / (k * k)


@layer("conv")
def _conv(tape: Tape, h: Any, w: Any, C: Any, k: Any, batch: Any) -> Tensor:
    return same_conv("", given(tape, batch, C, h, w), C, (k, k))


@layer("depthwise_conv")
def _depthwise_conv(tape: Tape, h: Any, w: Any, C: Any, k: Any, batch: Any) -> Tensor:
    return same_conv("", given(tape, batch, C, h, w), C, (k, k), groups=C)


@layer("basic_block")
def _basic_block(tape: Tape, h: Any, w: Any, C: Any, batch: Any) -> Tensor:
    return basic(C)("", given(tape, batch, C, h, w))


@layer("bottleneck")
def _bottleneck(tape: Tape, h: Any, w: Any, C: Any, batch: Any) -> Tensor:
    return bottleneck(C)("", given(tape, batch, 4 * C, h, w))


@layer("gcn")
def _gcn(tape: Tape, h: Any, w: Any, c_in: Any, c_out: Any, k: Any, batch: Any) -> Tensor:
    return global_convolution("", given(tape, batch, c_in, h, w), c_out, k)


@layer("seb")
def _seb(tape: Tape, h: Any, w: Any, c_in: Any, c_out: Any, u: Any, batch: Any) -> Tensor:
    low = given(tape, batch, c_out, u * h, u * w)
    return semantic_embedding("", low, given(tape, batch, c_in, h, w))


@layer("ecre")
def _ecre(tape: Tape, h: Any, w: Any, c_in: Any, c_out: Any, u: Any, batch: Any) -> Tensor:
    return channel_resolution_embedding("", given(tape, batch, c_in, h, w), c_out, u)


@layer("dap")
def _dap(tape: Tape, h: Any, w: Any, c_in: Any, classes: Any, k: int, batch: Any) -> Tensor:
    return adjacent_prediction("", given(tape, batch, c_in, h, w), classes, k)
