"""Primitive operators: shapes in, prices out.

Every figure of vpcalc comes from these functions and from nowhere else. Each returns one
:class:`~vpcalc.cost.Op` priced in all conventions at once: multiply-accumulates of the product
itself, what fvcore adds for norms and pooling, the parameters, and the output elements. Dimensions
may be ints, symbols or arrays (:mod:`vpcalc.dims`).

fvcore's prices (``fvcore/nn/flop_count.py`` and ``jit_handles.py``, 0.1.5): bias free; layer and
group norm 5 per element with affine parameters, 4 without; batch norm in eval mode 2 with, 1
without; adaptive average pooling 1 per input element; bilinear upsampling and sampling 4 and
nearest upsampling 1 per output element; softmax, activations and additions nothing.
"""

from __future__ import annotations

from .cost import Op, Shape
from .dims import Dim, exact_div


def linear(label: str, rows: Dim, fan_in: Dim, fan_out: Dim, *, bias: bool = True, shared: bool = False) -> Op:
    """(rows x fan_in) times a weight (fan_in x fan_out). A ``shared`` weight is counted where it is owned."""
    params = 0 if shared else fan_in * fan_out + (fan_out if bias else 0)
    return Op(
        "linear",
        label,
        macs=rows * fan_in * fan_out,
        params=params,
        activations=rows * fan_out,
        shapes=((rows, fan_in), (fan_in, fan_out)),
    )


def matmul(label: str, batch: Dim, rows: Dim, inner: Dim, cols: Dim, *, attention: bool = False) -> Op:
    """``batch`` products (rows x inner)(inner x cols). ``attention`` marks the one whose result is the map."""
    outputs = batch * rows * cols
    return Op(
        "matmul",
        label,
        macs=batch * rows * inner * cols,
        activations=outputs,
        attention=outputs if attention else 0,
        shapes=((batch, rows, inner), (batch, inner, cols)),
    )


def conv2d(
    label: str,
    batch: Dim,
    out: tuple[Dim, Dim],
    fan_in: Dim,
    fan_out: Dim,
    kernel: tuple[Dim, Dim],
    *,
    groups: Dim = 1,
    bias: bool = True,
) -> Op:
    """A convolution that writes a grid ``out`` of ``fan_out`` channels."""
    taps = kernel[0] * kernel[1] * exact_div(fan_in, groups, "groups", "input channels")
    outputs = batch * out[0] * out[1] * fan_out
    return Op(
        "conv",
        label,
        macs=outputs * taps,
        params=fan_out * taps + (fan_out if bias else 0),
        activations=outputs,
        shapes=((batch * out[0] * out[1], taps), (taps, fan_out)),
    )


def conv_transpose2d(label: str, batch: Dim, grid: tuple[Dim, Dim], fan_in: Dim, fan_out: Dim, side: Dim) -> Op:
    """A transposed convolution with bias that makes side x side places of each of a ``grid``."""
    places, taps = batch * grid[0] * grid[1], side * side * fan_out
    return Op(
        "conv",
        label,
        macs=places * fan_in * taps,
        params=fan_in * taps + fan_out,
        activations=places * taps,
        shapes=((places, fan_in), (fan_in, taps)),
    )


def layer_norm(label: str, rows: Dim, width: Dim, *, affine: bool = True) -> Op:
    """Normalisation over the last ``width`` elements of each row."""
    return _norm("layer_norm", label, rows * width, 2 * width if affine else 0, 5 if affine else 4, (rows, width))


def group_norm(label: str, rows: Dim, width: Dim, *, affine: bool = True) -> Op:
    """Normalisation of each row in groups of its ``width`` channels; the number of groups costs nothing."""
    return _norm("group_norm", label, rows * width, 2 * width if affine else 0, 5 if affine else 4, (rows, width))


def batch_norm(label: str, rows: Dim, width: Dim, *, affine: bool = True) -> Op:
    """Batch normalisation in eval mode, with running statistics; ``rows`` is batch times positions."""
    return _norm("batch_norm", label, rows * width, 2 * width if affine else 0, 2 if affine else 1, (rows, width))


def rms_norm(label: str, rows: Dim, width: Dim, affine: bool = True) -> Op:
    """Each row over its root mean square, times a learned scale if ``affine``. fvcore has no price for it."""
    return Op("rms_norm", label, params=width if affine else 0, shapes=((rows, width),))


def adaptive_avg_pool2d(label: str, batch: Dim, size: tuple[Dim, Dim], width: Dim) -> Op:
    """Average pooling to a fixed grid: priced by its input."""
    return _norm("adaptive_avg_pool2d", label, batch * size[0] * size[1] * width, 0, 1, (size[0] * size[1], width))


def upsample_bilinear2d(label: str, batch: Dim, out: tuple[Dim, Dim], width: Dim) -> Op:
    """Bilinear resizing: priced by its output, 4 per element."""
    return _norm("upsample_bilinear2d", label, batch * out[0] * out[1] * width, 0, 4, (out[0] * out[1], width))


def upsample_nearest2d(label: str, batch: Dim, out: tuple[Dim, Dim], width: Dim) -> Op:
    """Resizing by copies: priced by its output, 1 per element."""
    return _norm("upsample_nearest2d", label, batch * out[0] * out[1] * width, 0, 1, (out[0] * out[1], width))


def grid_sampler(label: str, points: Dim, width: Dim) -> Op:
    """Bilinear sampling at any points: priced by its output, 4 per element."""
    return _norm("grid_sampler", label, points * width, 0, 4, (points, width))


def table(label: str, rows: Dim, width: Dim) -> Op:
    """A learned table (positions, class token, relative bias, vocabulary): parameters and no arithmetic."""
    return Op("table", label, params=rows * width, shapes=((rows, width),))


def _norm(kind: str, label: str, elements: Dim, params: Dim, price: int, shape: Shape) -> Op:
    return Op(kind, label, other=price * elements, params=params, shapes=(shape,))
