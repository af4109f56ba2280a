"""Results of the commonest operators on the meta device, by their shapes alone.

Torch computes the shape of a layer norm's result in Python, in most of a millisecond; counting a model is
hundreds of such calls. Here the plain cases have plain rules: floating-point tensors of one type, without gaps,
on the meta device. In every other case, and wherever shapes do not fit together, the answer is None and torch
is asked. The tests hold each result against torch's own, stride by stride.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .private import FakeTensor

Shortcut = Callable[[tuple[Any, ...], Mapping[str, Any]], Any]
"""Arguments and keywords to the result, or to None."""

_ELEMENTWISE = """
    add add_ clamp clamp_max clamp_min div div_ elu exp gelu gelu_backward hardsigmoid hardswish hardtanh
    hardtanh_backward leaky_relu mul mul_ neg pow reciprocal relu relu_ rsqrt sigmoid sigmoid_ sigmoid_backward
    silu silu_ silu_backward sqrt square sub sub_ tanh tanh_ tanh_backward threshold_backward
"""


def shortcut_of(func: Any) -> Shortcut | None:
    """The rule for an operator overload, where there is one."""
    name = str(getattr(func, "overloadpacket", ""))
    if func.__name__.endswith(("out", "grad_input")):
        return None
    return _RULES.get(name.removeprefix("aten."))


def _elementwise(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """One or two tensors, and real numbers. Tensors that are laid out alike give a result laid out like them."""
    tensors = _given(args)
    if kwargs.keys() - _HARMLESS or not _plain(tensors, contiguous=False) or len(tensors) > 2:
        return None
    if any(isinstance(arg, complex) for arg in args):
        return None
    first = tensors[0]
    if all(x.is_contiguous() for x in tensors):
        shape = _broadcast(first.shape, tensors[-1].shape)
        return None if shape is None else first.new_empty(shape)
    alike = first.shape == tensors[-1].shape and first.stride() == tensors[-1].stride()
    return _like(first) if alike else None


def _arithmetic(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Of two tensors that are laid out differently the first decides, where it is as large as the result."""
    result = _elementwise(args, kwargs)
    tensors = _given(args)
    if (
        result is not None
        or kwargs.keys() - _HARMLESS
        or len(tensors) != 2
        or not _plain(tensors, contiguous=False)
    ):
        return result
    fits = _broadcast(tensors[0].shape, tensors[1].shape) == tuple(tensors[0].shape)
    return _like(tensors[0]) if fits else None


_HARMLESS = {"alpha", "approximate"}


def _in_place(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    result = _elementwise(args, kwargs)
    return args[0] if result is not None and result.shape == args[0].shape else None


def _layer_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result, the means and the reciprocal deviations of the rows."""
    x, sides = args[0], tuple(args[1])
    cut = x.dim() - len(sides)
    if kwargs or not _plain(_given(args), contiguous=False) or cut < 0 or tuple(x.shape[cut:]) != sides:
        return None
    if x.dtype not in _WHOLE or any(tuple(weight.shape) != sides for weight in _given(args)[1:]):
        return None
    rows = (*x.shape[:cut], *(1 for _ in sides))
    return x.new_empty(x.shape), x.new_empty(rows), x.new_empty(rows)


def _batch_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """In eval mode: the result, and on this device a mean and a deviation for each channel."""
    x = args[0]
    if kwargs or args[5] or not _plain(_given(args)) or x.dim() < 2:
        return None
    if x.dtype not in _WHOLE or any(tuple(row.shape) != (x.shape[1],) for row in _given(args)[1:]):
        return None
    return x.new_empty(x.shape), x.new_empty((x.shape[1],)), x.new_empty((x.shape[1],))


def _layer_norm_backward(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The gradients that are asked for: of what is normalised, of the weights and of the biases."""
    grad, x, sides, _, _, weight, bias, wanted = args
    shape, rows = tuple(x.shape), tuple(x.shape[: x.dim() - len(sides)])
    if kwargs or not _plain(_given(args), contiguous=False) or x.dtype not in _WHOLE or not x.numel():
        return None
    if not grad.is_contiguous() or shape != (*rows, *sides) or tuple(grad.shape) != shape:
        return None
    if any(part is not None and tuple(part.shape) != tuple(sides) for part in (weight, bias)):
        return None
    return _asked(x, (shape, weight is not None and sides, bias is not None and sides), wanted)


def _batch_norm_backward(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The same in eval mode: the statistics are those that were given."""
    grad, x, weight, mean, variance, _, _, train, _, wanted = args
    if kwargs or train or not _plain(_given(args[:5])) or x.dtype not in _WHOLE or not x.numel() or x.dim() < 2:
        return None
    if mean is None or variance is None or grad.shape != x.shape:
        return None
    row = (x.shape[1],)
    if any(part is not None and tuple(part.shape) != row for part in (weight, mean, variance)):
        return None
    return _asked(x, (tuple(x.shape), row, row), (True, *wanted[1:]))


def _group_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result, the means and the reciprocal deviations of the groups."""
    x, weight, bias, batch, channels, rest, groups, _ = args
    if kwargs or not _plain(_given(args)) or x.dtype not in _WHOLE or not x.numel() or channels % groups:
        return None
    if x.numel() != batch * channels * rest or tuple(x.shape[:2]) != (batch, channels):
        return None
    if any(part is not None and tuple(part.shape) != (channels,) for part in (weight, bias)):
        return None
    return x.new_empty(x.shape), x.new_empty((batch, groups)), x.new_empty((batch, groups))


def _group_norm_backward(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The gradients that are asked for."""
    grad, x, mean, deviation, weight, batch, channels, rest, groups, wanted = args
    if kwargs or not _plain(_given(args)) or x.dtype not in _WHOLE or not x.numel() or channels % groups:
        return None
    if grad.shape != x.shape or x.numel() != batch * channels * rest:
        return None
    if tuple(mean.shape) != (batch, groups) or mean.shape != deviation.shape:
        return None
    if weight is not None and tuple(weight.shape) != (channels,):
        return None
    return _asked(x, (tuple(x.shape), (channels,), (channels,)), wanted)


def _asked(like: Tensor, shapes: Sequence[Any], wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
    pairs = zip(shapes, wanted, strict=True)
    return tuple(like.new_empty(shape) if asked and shape is not False else None for shape, asked in pairs)


def _softmax_backward(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Without a change of type."""
    grad, result, axis, dtype = args
    if kwargs or not _plain([grad, result]) or grad.dtype is not dtype or grad.shape != result.shape:
        return None
    return grad.new_empty(grad.shape) if -grad.dim() <= axis < grad.dim() else None


def _product(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """mm and bmm. What is multiplied may be transposed: the result is contiguous."""
    left, right = args[0], args[1]
    if kwargs or len(args) > 2 or not _plain([left, right], contiguous=False):
        return None
    if left.dim() != right.dim() or left.shape[-1] != right.shape[-2] or left.shape[:-2] != right.shape[:-2]:
        return None
    return left.new_empty((*left.shape[:-1], right.shape[-1]))


def _added_product(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """addmm."""
    if kwargs.keys() - {"alpha", "beta"} or len(args) > 3 or not _plain([args[0]]):
        return None
    result = _product(args[1:], {})
    if result is None or result.dtype != args[0].dtype or result.dim() != 2:
        return None
    return result if _broadcast(args[0].shape, result.shape) == tuple(result.shape) else None


def _softmax(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Without a change of type."""
    x, axis, half_to_float = args
    if half_to_float or not _plain([x], contiguous=False) or not -x.dim() <= axis < x.dim():
        return None
    return x.new_empty(x.shape)


def _reduction(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Sums and means over some axes."""
    if kwargs or len(args) < 2 or not _plain([args[0]]) or not isinstance(args[1], (list, tuple)) or not args[1]:
        return None
    x, keep = args[0], len(args) > 2 and args[2]
    if any(not -x.dim() <= axis < x.dim() for axis in args[1]):
        return None
    gone = {axis % x.dim() for axis in args[1]}
    return x.new_empty([1 if axis in gone else n for axis, n in enumerate(x.shape) if keep or axis not in gone])


def _vector_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x, axes, keep = args[0], args[2] if len(args) > 2 else None, len(args) > 3 and args[3]
    return _reduction((x, axes, keep), kwargs) if x.numel() else None


def _resized(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """To sides that are given."""
    x, sides = args[0], args[1]
    if kwargs or not _plain([x]) or x.dim() != 4 or not x.numel() or not isinstance(sides, (list, tuple)):
        return None
    return x.new_empty((*x.shape[:2], *sides)) if len(sides) == 2 and min(sides) > 0 else None


def _roll(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x, axes = args[0], args[2] if len(args) > 2 else ()
    if kwargs or not _simple([x]) or len(axes) != len(args[1]):
        return None
    return x.new_empty(x.shape) if all(-x.dim() <= axis < x.dim() for axis in axes) else None


def _filled(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """With a number, where a mask is true."""
    x, mask, value = args
    if kwargs or isinstance(value, (Tensor, complex)) or not _simple([x, mask]) or mask.dtype is not torch.bool:
        return None
    fits = x.dtype.is_floating_point and _broadcast(x.shape, mask.shape) == tuple(x.shape)
    return x.new_empty(x.shape) if fits else None


def _comparison(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Truth values of two tensors, or of one and a number."""
    tensors = _given(args)
    if kwargs or not _simple(tensors) or not isinstance(args[0], Tensor):
        return None
    shape = _broadcast(tensors[0].shape, tensors[-1].shape)
    return None if shape is None else tensors[0].new_empty(shape, dtype=torch.bool)


def _grouped(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Also under FakeTensorMode: torch's rule for the shape refuses all types but bfloat16."""
    left, right, *rest = args
    offsets = rest[0] if rest else kwargs.get("offs")
    if left.device.type != "meta" and not isinstance(left, FakeTensor):
        return None
    sides = [left.shape[-2], right.shape[-1]]
    if left.dim() == right.dim():
        sides.insert(0, left.shape[0] if left.dim() == 3 else 0 if offsets is None else offsets.shape[0])
    return left.new_empty(sides, dtype=kwargs.get("out_dtype") or left.dtype)


_RULES: dict[str, Shortcut] = {
    **{name: _in_place if name.endswith("_") else _elementwise for name in _ELEMENTWISE.split()},
    **dict.fromkeys(("add", "div", "gelu_backward", "mul", "sub"), _arithmetic),
    "native_layer_norm": _layer_norm,
    "native_layer_norm_backward": _layer_norm_backward,
    "native_batch_norm": _batch_norm,
    "native_batch_norm_backward": _batch_norm_backward,
    "native_group_norm": _group_norm,
    "native_group_norm_backward": _group_norm_backward,
    "mm": _product,
    "bmm": _product,
    "addmm": _added_product,
    "_softmax": _softmax,
    "_softmax_backward_data": _softmax_backward,
    "mean": _reduction,
    "sum": _reduction,
    "linalg_vector_norm": _vector_norm,
    **dict.fromkeys(("upsample_bicubic2d", "upsample_bilinear2d", "upsample_nearest2d"), _resized),
    "roll": _roll,
    "masked_fill": _filled,
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _comparison),
    "_grouped_mm": _grouped,
}


def _plain(tensors: list[Tensor], contiguous: bool = True) -> bool:
    """Whether these are what the rules are for."""
    if not tensors or not tensors[0].dtype.is_floating_point:
        return False
    dtype = tensors[0].dtype
    return all(
        type(x) in _KINDS and x.is_meta and x.dtype is dtype and (not contiguous or x.is_contiguous())
        for x in tensors
    )


def _simple(tensors: list[Tensor]) -> bool:
    """The same of tensors of any types, without gaps."""
    return all(type(x) in _KINDS and x.is_meta and x.is_contiguous() and not x.is_complex() for x in tensors)


def _like(x: Tensor) -> Tensor | None:
    """A result without gaps whose axes lie in the order of a tensor's, if its strides say which that is."""
    order = sorted(zip(x.stride(), x.shape, range(x.dim()), strict=True))
    strides, expected, before = [0] * x.dim(), 1, 0
    for stride, side, axis in order:
        if not stride or (side != 1 and stride == before):
            return None
        strides[axis], expected = expected, expected * side
        before = stride if side != 1 else before
    return x.new_empty_strided(x.shape, strides) if expected else None


_WHOLE = (torch.float32, torch.float64)
"""Types whose statistics are kept in the same type."""

_KINDS = (Tensor, torch.nn.Parameter)


def _given(args: tuple[Any, ...]) -> list[Tensor]:
    return [arg for arg in args if isinstance(arg, Tensor)]


def _broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...] | None:
    """The common shape, or None."""
    if left == right:
        return tuple(left)
    long, short = (left, right) if len(left) >= len(right) else (right, left)
    shape = list(long)
    for place, side in enumerate(short, start=len(long) - len(short)):
        if shape[place] == 1:
            shape[place] = side
        elif side not in (1, shape[place]):
            return None
    return tuple(shape)
