"""What fvcore's FlopCountAnalysis charges for the functions of torch, as forms.

Matrix products and convolutions as it counts them, and what it adds: norms, pooling and resizing. What else
multiplies (fused attention, recurrent layers, ``mv``, ``baddbmm``) has no handle there and is free in silence.
fvcore itself, on a trace of the program, is the witness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..algebra.polynomial import Polynomial, constant
from .prices import elements
from .rules.registry import Shape, shape_of
from .sizes import form_of

Handle = Callable[..., Polynomial]
"""Called as the function is, with the shape of its result in front.

It raises NotImplementedError where fvcore's own handle fails, or has a figure that is no function of the sizes.
"""


def _linear(out: Shape, x: Tensor, weight: Tensor, bias: Any = None) -> Polynomial:
    return elements(shape_of(x)) * form_of(shape_of(weight)[0])


def _matmul(out: Shape, x: Tensor, y: Tensor, **kwargs: Any) -> Polynomial:
    """The first operand by the last side of the second, whatever is broadcast."""
    if y.dim() < 2:
        raise NotImplementedError("fvcore fails where a matrix is multiplied by a vector")
    return elements(shape_of(x)) * form_of(shape_of(y)[-1])


def _reflected(out: Shape, x: Tensor, y: Tensor) -> Polynomial:
    return _matmul(out, y, x)


def _added(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Polynomial:
    return _matmul(out, x, y)


def _convolution(
    out: Shape,
    x: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    *args: Any,
    **kwargs: Any,
) -> Polynomial:
    """The batch, the weights and the grid of the result; nothing where padding has a name, which is not seen."""
    if isinstance(padding, str):
        return constant(0)
    if len(out) == weight.dim() - 1:
        raise NotImplementedError("fvcore takes the channels of an input without a batch for its batch")
    return elements([out[0], *out[2:]]) * elements(shape_of(weight))


def _transposed(out: Shape, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    return _convolution(shape_of(x), x, weight)


def _einsum(out: Shape, equation: str, *operands: Any, **kwargs: Any) -> Polynomial:
    """Two equations have a rule; others are read from NumPy's report."""
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    names = {letter: chr(97 + place) for place, letter in enumerate(letters)}
    renamed = "".join(names.get(letter, letter) for letter in equation.replace(" ", ""))
    if renamed not in ("abc,abd->acd", "abc,adc->adb"):
        raise NotImplementedError("fvcore reads what einsum takes from a report, rounded to four digits")
    x, y = operands[0] if isinstance(operands[0], (tuple, list)) else operands
    return elements(shape_of(x)) * form_of(shape_of(y)[-1 if renamed == "abc,abd->acd" else 1])


def _normed(x: Tensor, factor: int) -> Polynomial:
    return elements(shape_of(x)) * factor


def _norm(x: Tensor, weight: Any) -> Polynomial:
    if not 2 <= x.dim() <= 5:
        raise NotImplementedError(f"fvcore fails at a norm of {x.dim()} sides")
    return _normed(x, 4 if weight is None else 5)


def _layer_norm(
    out: Shape, input: Tensor, sides: Any, weight: Any = None, bias: Any = None, eps: float = 0.0, *args: Any
) -> Polynomial:
    """Or a group norm, whose number of groups stands where the sides do."""
    return _norm(input, weight)


def _instance_norm(out: Shape, input: Tensor, weight: Any, *args: Any) -> Polynomial:
    return _norm(input, weight)


def _batch_norm(
    out: Shape,
    input: Tensor,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Polynomial:
    if len(args) > 2:  # torch.batch_norm, where the weights come first
        weight = mean
    return _norm(input, weight) if training else _normed(input, 1 if weight is None else 2)


def _pooled(out: Shape, input: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    return elements(shape_of(input))


def _times(factor: int) -> Handle:
    """So much for each element of the result."""
    return lambda out, *args, **kwargs: elements(out) * factor


HANDLES: Mapping[str, Handle] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "__matmul__", "mm", "bmm"), _matmul),
    "__rmatmul__": _reflected,
    "addmm": _added,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "einsum": _einsum,
    "layer_norm": _layer_norm,
    "group_norm": _layer_norm,
    "instance_norm": _instance_norm,
    "batch_norm": _batch_norm,
    "adaptive_avg_pool2d": _pooled,
    "upsample_nearest2d": _times(1),
    **dict.fromkeys(("upsample_bilinear2d", "grid_sampler"), _times(4)),
}
"""By the name of the function or method; every other function is free."""
