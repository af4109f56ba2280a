"""Tracing on the meta device: shapes without memory.

``torch.jit.trace``, on which fvcore stands, runs on meta tensors except for convolutions: under torch
2.13 their meta kernel is Python code that asserts on sizes, and a tracer turns sizes into tensors ("cond
must be a bool, but got a Tensor"). :func:`meta_tracing` mends just that. Calls of ``conv1d``/``conv2d`` go to
``aten::_convolution``, the operator that they become on a CPU and that fvcore prices, and its result is an
empty tensor of the right shape. Everything else, and all counting, is left to torch and fvcore. The
tests hold every count made this way against one made on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .private import TorchDispatchMode, convolution


@contextmanager
def meta_tracing() -> Iterator[None]:
    """Within it, a module on the meta device can be traced whole."""
    with _ConvolutionAsTraced(), _ConvolutionShape():
        yield


class _ConvolutionAsTraced(TorchFunctionMode):
    """Send conv1d and conv2d straight to the operator that a trace records."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d:
            return _convolve(2, *args, **(kwargs or {}))
        if func is torch.conv1d:
            return _convolve(1, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class _ConvolutionShape(TorchDispatchMode):
    """The result of a convolution of meta tensors, with sizes as plain ints."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._convolution.default and args[0].is_meta:
            return _empty_result(*args[:6])
        return func(*args, **(kwargs or {}))


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
    def spread(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes

    if isinstance(padding, str):
        raise NotImplementedError(f"padding={padding!r} on the meta device: give it as numbers")
    geometry = (spread(stride), spread(padding), spread(dilation))
    flags = (False, False, False, False)
    return convolution(input, weight, bias, *geometry, False, (0,) * axes, groups, *flags)


def _empty_result(x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any) -> Tensor:
    batch, _, *sides = (int(size) for size in x.size())
    channels, _, *kernel = (int(size) for size in weight.size())
    out = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, p, d, s in zip(sides, kernel, padding, dilation, stride, strict=True)
    ]
    if min(out) < 1:
        raise RuntimeError(f"kernel {kernel} does not fit into an input of {sides}")
    return x.new_empty([batch, channels, *out])
