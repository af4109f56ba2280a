"""Convolutions over a grid, the blocks of ResNet, and those of GCN and ExFuse.

Batch norm is in eval mode, as it runs. Activations, products of equal maps, sub-pixel rearrangement and
additions are not products of matrices and cost nothing in any convention here.
"""

from __future__ import annotations

from ..cost import Cost, Op, Tiling
from ..dims import Dim, ceil_div
from ..ops import batch_norm, conv2d, upsample_bilinear2d
from .registry import layer

EXPANSION = 4
"""A bottleneck's output is this many times as wide as its 3 x 3 convolution (He et al. 2016, Table 1)."""


@layer("conv", "Convolution", "Vaswani et al. 2017, Table 1 (a k x k kernel over a grid)")
def convolution(h: Dim, w: Dim, C: Dim, k: Dim, *, batch: Dim = 1) -> Cost:
    """A k x k convolution with bias and stride 1, C to C, on a grid that keeps its size.

    An odd k pads (k - 1)/2 on every side; an even k pads one more right and bottom than left and top.

    Args:
        h, w: the token grid.
        C: channels of a token.
        k: side of the kernel, in tokens.
        batch: images.
    """
    return Cost("conv", (conv2d("conv", batch, (h, w), C, C, (k, k)),))


@layer("depthwise_conv", "Depth-wise convolution", "Vaswani et al. 2017, §4 (the first half of a separable one)")
def depthwise_convolution(h: Dim, w: Dim, C: Dim, k: Dim, *, batch: Dim = 1) -> Cost:
    """A k x k convolution of each channel on its own, with bias; padded as :func:`convolution` is.

    Args:
        h, w: the token grid.
        C: channels of a token, each of which is a group.
        k: side of the kernel, in tokens.
        batch: images.
    """
    return Cost("depthwise_conv", (conv2d("conv", batch, (h, w), C, C, (k, k), groups=C),))


def conv_norm(
    number: str, batch: Dim, out: tuple[Dim, Dim], fan_in: Dim, fan_out: Dim, k: int, *, bias: bool = False
) -> tuple[Op, Op]:
    """A k x k convolution that writes a grid ``out``, and batch norm."""
    return (
        conv2d(f"conv{number}", batch, out, fan_in, fan_out, (k, k), bias=bias),
        batch_norm(f"norm{number}", batch * out[0] * out[1], fan_out),
    )


@layer("basic_block", "Basic block", "He et al. 2016 (ResNet), Figure 5 left")
def basic_block(
    h: Dim, w: Dim, C: Dim, *, c_in: Dim | None = None, stride: int = 1, project: bool = False, batch: Dim = 1
) -> Cost:
    """Two 3 x 3 convolutions with batch norm, and a shortcut around them.

    Args:
        h, w: the grid that comes in; a stride that does not divide it is padded by the convolution.
        C: channels of both convolutions.
        c_in: channels that come in, where these are not C.
        stride: of the first convolution.
        project: the shortcut is a 1 x 1 convolution with batch norm; else it costs nothing.
        batch: images.
    """
    c_in = C if c_in is None else c_in
    out = _strided(h, w, stride)
    ops = (*conv_norm("1", batch, out, c_in, C, 3), *conv_norm("2", batch, out, C, C, 3))
    shortcut = conv_norm(" shortcut", batch, out, c_in, C, 1) if project else ()
    return Cost("basic block", (*ops, *shortcut), tilings=_stride_tilings(h, w, stride))


@layer("bottleneck", "Bottleneck", "He et al. 2016 (ResNet), Figure 5 right")
def bottleneck(
    h: Dim,
    w: Dim,
    C: Dim,
    *,
    c_in: Dim | None = None,
    stride: int = 1,
    project: bool = False,
    version: str = "v1.5",
    batch: Dim = 1,
) -> Cost:
    """1 x 1 down to C channels, 3 x 3, 1 x 1 up to 4C, each with batch norm, and a shortcut around them.

    Args:
        h, w: the grid that comes in; a stride that does not divide it is padded by the convolution.
        C: channels of the 3 x 3 convolution.
        c_in: channels that come in, where these are not 4C.
        stride: of the 3 x 3 convolution in version v1.5, of the first 1 x 1 in the paper's v1.
        project: the shortcut is a 1 x 1 convolution with batch norm; else it costs nothing.
        version: v1.5 or v1.
        batch: images.
    """
    wide = EXPANSION * C
    c_in = wide if c_in is None else c_in
    out = _strided(h, w, stride)
    inner = out if version == "v1" else (h, w)
    ops = (
        *conv_norm("1", batch, inner, c_in, C, 1),
        *conv_norm("2", batch, out, C, C, 3),
        *conv_norm("3", batch, out, C, wide, 1),
    )
    shortcut = conv_norm(" shortcut", batch, out, c_in, wide, 1) if project else ()
    return Cost("bottleneck", (*ops, *shortcut), tilings=_stride_tilings(h, w, stride))


def _strided(h: Dim, w: Dim, stride: int) -> tuple[Dim, Dim]:
    # floor((x + 2p - k)/s) + 1 with k = 2p + 1, as in all of ResNet, is x/s rounded up
    return ceil_div(h, stride), ceil_div(w, stride)


def _stride_tilings(h: Dim, w: Dim, stride: int) -> tuple[Tiling, ...]:
    return () if stride == 1 else (Tiling(stride, h, "stride"), Tiling(stride, w, "stride"))


@layer("gcn", "GCN block", "Peng et al. 2017 (Global Convolutional Network)")
def global_convolution(h: Dim, w: Dim, c_in: Dim, c_out: Dim, k: Dim, *, batch: Dim = 1) -> Cost:
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
    grid = (h, w)
    return Cost(
        "gcn",
        (
            conv2d("left k x 1", batch, grid, c_in, c_out, (k, 1)),
            conv2d("left 1 x k", batch, grid, c_out, c_out, (1, k)),
            conv2d("right 1 x k", batch, grid, c_in, c_out, (1, k)),
            conv2d("right k x 1", batch, grid, c_out, c_out, (k, 1)),
        ),
    )


@layer("seb", "Semantic embedding branch", "Zhang et al. 2018 (ExFuse)")
def semantic_embedding(
    h: Dim, w: Dim, c_in: Dim, c_out: Dim, u: Dim, *, out: tuple[Dim, Dim] | None = None, batch: Dim = 1
) -> Cost:
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
    return Cost(
        "seb",
        (
            conv2d("conv", batch, (h, w), c_in, c_out, (3, 3)),
            upsample_bilinear2d("upsample", batch, out or (u * h, u * w), c_out),
        ),
    )


@layer("ecre", "Explicit channel resolution embedding", "Zhang et al. 2018 (ExFuse)")
def channel_resolution_embedding(
    h: Dim, w: Dim, c_in: Dim, c_out: Dim, u: Dim, *, name: str = "ecre", batch: Dim = 1
) -> Cost:
    """Sub-pixel upsampling: a 3 x 3 convolution to u² c_out channels, rearranged to a map u times as large.

    The kernel of 3 x 3 and the bias are choices of ours.

    Args:
        h, w: the feature map that comes in.
        c_in: its channels.
        c_out: channels that go out.
        u: upsampling factor.
        batch: images.
    """
    return Cost(name, (conv2d("conv", batch, (h, w), c_in, u * u * c_out, (3, 3)),))


@layer("dap", "Densely adjacent prediction", "Zhang et al. 2018 (ExFuse)")
def adjacent_prediction(h: Dim, w: Dim, c_in: Dim, classes: Dim, k: Dim, *, batch: Dim = 1) -> Cost:
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
    return Cost("dap", (conv2d("conv", batch, (h, w), c_in, k * k * classes, (3, 3)),))
