"""Convolutions over a grid, the blocks of ResNet, and those of GCN and ExFuse.

Feature maps here are channels-first, (batch, C, h, w). Activations, products of equal maps, sub-pixel
rearrangement and additions are not products of matrices and cost nothing in any convention here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..abstract import functions
from ..abstract.functions import interpolate, pad
from ..abstract.modules import Step, batch_norm, conv, module, sequential, titled
from ..abstract.recompute import recomputable
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..cost import Tiling
from ..dims import Dim, floor_div
from .registry import layer

EXPANSION = 4
"""A bottleneck's output is this many times as wide as its 3 x 3 convolution (He et al. 2016, Table 1)."""

relu = module(functions.relu)
adaptive_avg_pool = module(functions.adaptive_avg_pool)
pixel_shuffle = module(functions.pixel_shuffle)


@module
def max_pool(x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
    """(batch, C, h, w) to (batch, C, h', w'); without padding, an incomplete window is dropped."""
    x.tape.note(*(Tiling(stride, side, "pooling", drops=padding == 0) for side in x.shape[2:]))
    return functions.max_pool(x, kernel, stride, padding)


@module
def convolution(x: Tensor, fan_out: Dim, kernel: tuple[Dim, Dim], groups: Dim = 1) -> Tensor:
    """A convolution of stride 1 that keeps the grid, (batch, fan_in, h, w) to (batch, fan_out, h, w)."""
    (top, bottom), (left, right) = (_around(side) for side in kernel)
    return conv("conv", pad(x, (left, right, top, bottom)), fan_out, kernel, groups=groups)


def _around(side: Dim) -> tuple[Dim, Dim]:
    """What a kernel needs before and after; one more after where it is even."""
    before = floor_div(side - 1, 2)
    return before, side - 1 - before


def conv_norm(c_out: Dim, kernel: int, stride: int = 1, groups: Dim = 1) -> Step:
    """A convolution without bias, padded to keep the grid but for its stride, and batch norm."""
    size = (kernel, kernel)
    pads = kernel // 2
    first = partial(conv, fan_out=c_out, kernel=size, stride=stride, padding=pads, groups=groups, bias=False)
    return _in_order(first, batch_norm)


def _in_order(*steps: Step) -> Step:
    """Modules one after the other, waiting for the name of the whole."""
    return partial(_through, steps=steps)


def _through(name: str, x: Tensor, steps: tuple[Step, ...]) -> Tensor:
    return sequential(name, x, *steps)


def note_stride(x: Tensor, stride: int) -> None:
    """Say that a stride pads what it does not divide."""
    if stride != 1:
        x.tape.note(*(Tiling(stride, side, "stride") for side in x.shape[2:]))


@module
def _zero_pad_shortcut(x: Tensor, c_out: Dim, stride: int) -> Tensor:
    """Every ``stride``-th position, and zeros for the channels that are missing (He et al., option A)."""
    missing = c_out - x.shape[1]
    return pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, missing))


@module
@recomputable
def _residual(x: Tensor, title: str, stride: int, body: Step, shortcut: Step) -> Tensor:
    """relu(body(x) + shortcut(x)) (He et al. 2016, eq. 1 and 2)."""
    with x.tape.node(title):
        note_stride(x, stride)
        return functions.relu(body("body", x) + shortcut("shortcut", x))


def basic(C: Dim, stride: int, project: bool) -> Step:
    """(batch, c_in, h, w) to (batch, C, h', w') through 3 x 3, 3 x 3."""
    body = (conv_norm(C, 3, stride), relu, conv_norm(C, 3))
    return _around_shortcut("basic block", C, stride, project, body)


def bottleneck(
    C: Dim, stride: int = 1, project: bool = False, version: str = "v1.5", widen: Dim = 1, groups: Dim = 1
) -> Step:
    """(batch, c_in, h, w) to (batch, 4C, h', w') through 1 x 1, 3 x 3, 1 x 1; v1 strides in the first.

    Wide ones have ``widen`` times as many channels inside; ResNeXt's 3 x 3 has ``groups``.
    """
    first, second = (stride, 1) if version == "v1" else (1, stride)
    inner = widen * C
    three = conv_norm(inner, 3, second, groups)
    body = (conv_norm(inner, 1, first), relu, three, relu, conv_norm(EXPANSION * C, 1))
    return _around_shortcut("bottleneck", EXPANSION * C, stride, project, body)


def _around_shortcut(title: str, c_out: Dim, stride: int, project: bool, body: tuple[Step, ...]) -> Step:
    pads = partial(_zero_pad_shortcut, c_out=c_out, stride=stride)
    shortcut = conv_norm(c_out, 1, stride) if project else pads
    return partial(_residual, title=title, stride=stride, body=_in_order(*body), shortcut=shortcut)


@module
@titled("gcn")
def global_convolution(x: Tensor, c_out: Dim, k: Dim) -> Tensor:
    """(batch, c_in, h, w) to (batch, c_out, h, w) through two separable large kernels, added."""
    tall: Callable[..., Tensor] = partial(convolution, fan_out=c_out, kernel=(k, 1))
    wide: Callable[..., Tensor] = partial(convolution, fan_out=c_out, kernel=(1, k))
    return sequential("left", x, tall, wide) + sequential("right", x, wide, tall)


@module
@titled("seb")
def semantic_embedding(low: Tensor, high: Tensor) -> Tensor:
    """low x upsample(conv(high)): (batch, C, H, W) and (batch, c_in, h, w) to (batch, C, H, W)."""
    return low * interpolate(conv("conv", high, low.shape[1], (3, 3), padding=1), low.shape[2:])


@module
@titled("ecre")
def channel_resolution_embedding(x: Tensor, c_out: Dim, u: Dim) -> Tensor:
    """(batch, c_in, h, w) to (batch, c_out, uh, uw)."""
    return pixel_shuffle("shuffle", conv("conv", x, u * u * c_out, (3, 3), padding=1), u)


@module
@titled("dap")
def adjacent_prediction(x: Tensor, classes: Dim, k: Dim) -> Tensor:
    """(batch, c_in, h, w) to scores (batch, classes, h, w) averaged over what k x k neighbours predict."""
    return _neighbour_mean(conv("conv", x, k * k * classes, (3, 3), padding=1), classes, k)


def _neighbour_mean(x: Tensor, classes: Dim, k: Dim) -> Tensor:
    """(batch, k² classes, h, w) to (batch, classes, h, w)."""
    if x.tape.ledger is not None:
        return x.taken(1, classes)  # k² additions without a price; k may be a symbol
    _, _, h, w = x.shape
    before, after = k // 2, (k - 1) // 2
    padded = pad(x, (before, after, before, after))
    groups = padded.split(classes, dim=1)
    shifts = [(row, column) for row in range(k) for column in range(k)]
    read = [
        maps[:, :, row : row + h, column : column + w] for maps, (row, column) in zip(groups, shifts, strict=True)
    ]
    return functions.total(functions.stack(read), 0) / len(shifts)


@layer("conv", "Convolution", "Vaswani et al. 2017, Table 1 (a k x k kernel over a grid)")
def _conv(tape: Tape, h: Dim, w: Dim, C: Dim, k: Dim, *, batch: Dim = 1) -> Any:
    """A k x k convolution with bias and stride 1, C to C, on a grid that keeps its size.

    An odd k pads (k - 1)/2 on every side; an even k pads one more right and bottom than left and top.

    Args:
        h, w: the token grid.
        C: channels of a token.
        k: side of the kernel, in tokens.
        batch: images.
    """
    with tape.node("conv"):
        return convolution("", given(tape, batch, C, h, w), C, (k, k))


@layer("depthwise_conv", "Depth-wise convolution", "Vaswani et al. 2017, §4 (the first half of a separable one)")
def _depthwise_conv(tape: Tape, h: Dim, w: Dim, C: Dim, k: Dim, *, batch: Dim = 1) -> Any:
    """A k x k convolution of each channel on its own, with bias; padded as :func:`convolution` is.

    Args:
        h, w: the token grid.
        C: channels of a token, each of which is a group.
        k: side of the kernel, in tokens.
        batch: images.
    """
    with tape.node("depthwise_conv"):
        return convolution("", given(tape, batch, C, h, w), C, (k, k), groups=C)


@layer("basic_block", "Basic block", "He et al. 2016 (ResNet), Figure 5 left")
def _basic_block(
    tape: Tape,
    h: Dim,
    w: Dim,
    C: Dim,
    *,
    c_in: Dim | None = None,
    stride: int = 1,
    project: bool = False,
    batch: Dim = 1,
) -> Any:
    """Two 3 x 3 convolutions with batch norm, and a shortcut around them.

    Batch norm is in eval mode, as it runs.

    Args:
        h, w: the grid that comes in; a stride that does not divide it is padded by the convolution.
        C: channels of both convolutions.
        c_in: channels that come in, where these are not C.
        stride: of the first convolution.
        project: the shortcut is a 1 x 1 convolution with batch norm; else it costs nothing.
        batch: images.
    """
    return basic(C, stride, project)("", given(tape, batch, C if c_in is None else c_in, h, w))


@layer("bottleneck", "Bottleneck", "He et al. 2016 (ResNet), Figure 5 right")
def _bottleneck(
    tape: Tape,
    h: Dim,
    w: Dim,
    C: Dim,
    *,
    c_in: Dim | None = None,
    stride: int = 1,
    project: bool = False,
    version: str = "v1.5",
    batch: Dim = 1,
) -> Any:
    """1 x 1 down to C channels, 3 x 3, 1 x 1 up to 4C, each with batch norm, and a shortcut around them.

    Batch norm is in eval mode, as it runs.

    Args:
        h, w: the grid that comes in; a stride that does not divide it is padded by the convolution.
        C: channels of the 3 x 3 convolution.
        c_in: channels that come in, where these are not 4C.
        stride: of the 3 x 3 convolution in version v1.5, of the first 1 x 1 in the paper's v1.
        project: the shortcut is a 1 x 1 convolution with batch norm; else it costs nothing.
        version: v1.5 or v1.
        batch: images.
    """
    x = given(tape, batch, EXPANSION * C if c_in is None else c_in, h, w)
    return bottleneck(C, stride, project, version)("", x)


@layer("gcn", "GCN block", "Peng et al. 2017 (Global Convolutional Network)")
def _gcn(tape: Tape, h: Dim, w: Dim, c_in: Dim, c_out: Dim, k: Dim, *, batch: Dim = 1) -> Any:
    """A large k x k kernel in separable form: (k x 1, then 1 x k) plus (1 x k, then k x 1).

    The four convolutions have a bias and, as in the paper, no activation between them. They are padded as
    :func:`convolution` is.

    Args:
        h, w: the feature map.
        c_in: channels that come in.
        c_out: channels that go out, as many as classes in both papers.
        k: the long side of the kernels (15 in Peng et al. for 512 x 512 images).
        batch: images.
    """
    return global_convolution("", given(tape, batch, c_in, h, w), c_out, k)


@layer("seb", "Semantic embedding branch", "Zhang et al. 2018 (ExFuse)")
def _seb(
    tape: Tape,
    h: Dim,
    w: Dim,
    c_in: Dim,
    c_out: Dim,
    u: Dim,
    *,
    out: tuple[Dim, Dim] | None = None,
    batch: Dim = 1,
) -> Any:
    """Low-level features times the upsampled 3 x 3 convolution of higher-level ones, element by element.

    The product is one multiplication per element of the result, which no convention prices. Bilinear
    upsampling and the bias are choices of ours.

    Args:
        h, w: the higher-level feature map.
        c_in: its channels; several higher levels are concatenated.
        c_out: channels of the low-level features.
        u: the low-level map is u times as high and wide.
        out: the low-level map where it is not (uh, uw).
        batch: images.
    """
    low = given(tape, batch, c_out, *((u * h, u * w) if out is None else out))
    return semantic_embedding("", low, given(tape, batch, c_in, h, w))


@layer("ecre", "Explicit channel resolution embedding", "Zhang et al. 2018 (ExFuse)")
def _ecre(tape: Tape, h: Dim, w: Dim, c_in: Dim, c_out: Dim, u: Dim, *, batch: Dim = 1) -> Any:
    """Sub-pixel upsampling: a 3 x 3 convolution to u² c_out channels, rearranged to a map u times as large.

    The kernel of 3 x 3 and the bias are choices of ours.

    Args:
        h, w: the feature map that comes in.
        c_in: its channels.
        c_out: channels that go out.
        u: upsampling factor.
        batch: images.
    """
    return channel_resolution_embedding("", given(tape, batch, c_in, h, w), c_out, u)


@layer("dap", "Densely adjacent prediction", "Zhang et al. 2018 (ExFuse)")
def _dap(tape: Tape, h: Dim, w: Dim, c_in: Dim, classes: Dim, k: Dim, *, batch: Dim = 1) -> Any:
    """Every position predicts its k x k neighbours, and every score is the mean of what they predict for it.

    A 3 x 3 convolution (its kernel and bias are choices of ours) to k² maps of classes; map (l, m) is read
    one neighbour further. The mean adds k² shifted maps: additions, which no convention prices.

    Args:
        h, w: the feature map.
        c_in: its channels.
        classes: classes of a pixel.
        k: side of the neighbourhood (3 in the paper).
        batch: images.
    """
    return adjacent_prediction("", given(tape, batch, c_in, h, w), classes, k)
