"""Tracing on the meta device: shapes without memory.

``torch.jit.trace``, on which fvcore stands, runs on meta tensors except for convolutions: under torch
2.13 their meta kernel is Python code that asserts on sizes, and a tracer turns sizes into tensors ("cond
must be a bool, but got a Tensor"). :func:`meta_tracing` mends just that. Calls of convolutions go to
``aten::_convolution``, the operator that they become on a CPU and that fvcore prices, and its result is an
empty tensor of the right shape. Everything else, and all counting, is left to torch and fvcore. The
tests hold every count made this way against one made on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .private import TorchDispatchMode, convolution
from .remembered import remembered

T = TypeVar("T")


def apart(trace: Callable[[], T]) -> T:
    """What a trace returns, or raises, on a thread of its own: no modes of the caller's are at work there.

    Where a tensor stands for a size, torch sets its place in the trace aside, for the thread, before it reads the
    number. A meta tensor has none, and what was set aside stays: the next trace on that thread would take it from
    a graph that is gone, and end the process.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(trace).result()


@contextmanager
def meta_tracing() -> Iterator[None]:
    """Within it, a module on the meta device can be traced whole."""
    with _NumbersRefused(), _ConvolutionAsTraced(), _ConvolutionShape():
        yield


class _NumbersRefused(TorchFunctionMode):
    """Say what is wrong where a number of a tensor is read, whether by itself or as a size."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return func(*args, **(kwargs or {}))
        except (RuntimeError, TypeError) as error:
            if any(words in str(error) for words in _WANTS_A_NUMBER):
                name = getattr(func, "__name__", func)
                raise RuntimeError(f"{name} reads a number, which a trace on meta tensors has not") from error
            raise


_WANTS_A_NUMBER = ("cannot be called on meta tensors", "out of meta tensor", "but got Tensor")
"""What torch says of it: as such, where all elements are, and where a size is."""


class _ConvolutionAsTraced(TorchFunctionMode):
    """Send convolutions straight to the operator that a trace records."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _AXES and not _pads_by_name(*args, **(kwargs or {})):
            return _convolve(_AXES[func], *args, **(kwargs or {}))
        if func in _AXES_TRANSPOSED:
            return _spread_out(_AXES_TRANSPOSED[func], *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _pads_by_name(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, *args: Any, **kwargs: Any
) -> bool:
    """Whether it is ``same`` or ``valid``: that is another operator to a trace, of which fvcore knows nothing."""
    return isinstance(padding, str)


_CONVOLUTIONS = (torch.ops.aten._convolution.default, torch.ops.aten.convolution.default)
_AXES = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}
_AXES_TRANSPOSED = {torch.conv_transpose1d: 1, torch.conv_transpose2d: 2, torch.conv_transpose3d: 3}


class _ConvolutionShape(TorchDispatchMode):
    """The result of a convolution of meta tensors, with sizes as plain ints; of the rest what it gave before."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CONVOLUTIONS and args[0].is_meta:
            return _empty_result(*args[:9])
        return remembered(func, args, kwargs or {})


def _convolve(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    geometry = (_each(axes, stride), _each(axes, padding), _each(axes, dilation))
    return convolution(input, weight, bias, *geometry, False, (0,) * axes, groups, *_NO_LIBRARY)


def _spread_out(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    geometry = (_each(axes, stride), _each(axes, padding), _each(axes, dilation))
    return convolution(input, weight, bias, *geometry, True, _each(axes, output_padding), groups, *_NO_LIBRARY)


_NO_LIBRARY = (False, False, False, False)


def _each(axes: int, value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def _empty_result(
    x: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    more: Any,
    groups: int,
) -> Tensor:
    batch, _, *sides = (int(size) for size in x.size())
    channels, per_group, *kernel = (int(size) for size in weight.size())
    geometry = (stride, padding, dilation, more)
    stride, padding, dilation, more = (g * len(sides) if len(g) == 1 else g for g in geometry)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if transposed:
        channels = per_group * groups
        places = zip(sides, stride, padding, spans, more, strict=True)
        out = [(side - 1) * s - 2 * p + span + extra for side, s, p, span, extra in places]
    else:
        out = [
            (side + 2 * p - span) // s + 1 for side, s, p, span in zip(sides, stride, padding, spans, strict=True)
        ]
    if min(out) < 1:
        raise RuntimeError(f"kernel {kernel} does not fit into an input of {sides}")
    return x.new_empty([batch, channels, *out])
