"""Modules whose weights take neither time nor memory.

A count looks at shapes, so no value of a weight matters: nothing is initialised, and a module that has to be run
for real gets weights that all look at the same zeros.
"""

from __future__ import annotations

import copy
import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode


def without_weights(module: nn.Module) -> nn.Module:
    """A copy of a module whose parameters are on the meta device, so that nothing large is copied."""
    return copy.deepcopy(module, {id(parameter): _bare(parameter) for parameter in module.parameters()})


def _bare(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad)


def sharing_weights(module: nn.Module) -> nn.Module:
    """A copy of a module that reads the same parameters: nothing large is copied, and values stay."""
    kept: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        if is_uninitialized(tensor):  # there is nothing to share; it is made on the device that is asked for
            kind: Any = type(tensor)
            kept[id(tensor)] = kind(tensor.requires_grad, dtype=tensor.dtype)
        elif isinstance(tensor, nn.Parameter):
            kept[id(tensor)] = nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
    return copy.deepcopy(module, kept)


class TooLargeError(RuntimeError):
    """A real run would take more memory than is allowed."""


@contextmanager
def at_most(room: int) -> Iterator[None]:
    """Within it, :class:`TooLargeError` is raised once modules have more bytes of parameters than that."""
    original = nn.Module.register_parameter
    taken: dict[int, nn.Parameter] = {}  # alive, so that ids stay theirs
    size = 0

    def register(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        nonlocal size
        if param is not None and id(param) not in taken and not is_uninitialized(param):
            taken[id(param)] = param
            size += param.numel() * param.element_size()
            if size > room:
                raise TooLargeError(f"a real run needs more than {room:,} bytes for its weights")
        original(self, name, param)

    nn.Module.register_parameter = register  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = original  # type: ignore[method-assign]


def is_uninitialized(tensor: Tensor) -> bool:
    """Whether a parameter or buffer of a lazy module has no shape yet."""
    return isinstance(tensor, (UninitializedParameter, UninitializedBuffer))


def is_lazy(module: nn.Module) -> bool:
    """Whether a module finds sides of its weights at its first forward pass."""
    return any(map(is_uninitialized, (*module.parameters(), *module.buffers())))


def materialize(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], device: str) -> None:
    """Run a lazy module once, which gives its weights their shapes."""
    with torch.no_grad(), torch.device(device):
        module.eval()(*args, **kwargs)


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Within it, a parameter moves to the meta device when its module takes it; all else is real.

    Nothing initialises it there: ``normal_`` on the meta device is Python, and imports SymPy.
    """
    original = nn.Module.register_parameter

    def register(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if type(param) is nn.Parameter and param.layout is torch.strided and param.device.type != "meta":
            param = _bare(param)  # where another layout is, no zeros can stand for values
        original(self, name, param)

    nn.Module.register_parameter = register  # type: ignore[method-assign]
    try:
        with _NoInitialisers():
            yield
    finally:
        nn.Module.register_parameter = original  # type: ignore[method-assign]


class _NoInitialisers(TorchFunctionMode):
    """``torch.nn.init`` leaves a tensor on the meta device as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__ and named["tensor"].is_meta:
            return named["tensor"]
        return func(*args, **named)


def filled(module: nn.Module, make: Callable[[torch.Size, torch.dtype], Tensor]) -> nn.Module:
    """Put tensors in the place of those on the meta device; what was shared stays shared."""
    made: dict[int, Any] = {}
    keep = [*module.parameters(), *module.buffers()]  # ids stay theirs while they live
    for child in list(module.modules()):
        for name, parameter in list(child._parameters.items()):
            if parameter is not None and parameter.device.type == "meta" and not is_uninitialized(parameter):
                if id(parameter) not in made:
                    tensor = make(parameter.shape, parameter.dtype)
                    made[id(parameter)] = nn.Parameter(tensor, requires_grad=parameter.requires_grad)
                setattr(child, name, made[id(parameter)])
        for name, buffer in list(child._buffers.items()):
            if buffer is not None and buffer.device.type == "meta" and not is_uninitialized(buffer):
                child._buffers[name] = made.setdefault(id(buffer), make(buffer.shape, buffer.dtype))
    del keep
    return module


class Zeros:
    """Weights of nothing: all of them look at the same zeros, which a forward pass reads and does not write."""

    def __init__(self, module: nn.Module) -> None:
        tensors = [t for t in (*module.parameters(), *module.buffers()) if not is_uninitialized(t)]
        size = max((tensor.numel() * tensor.element_size() for tensor in tensors), default=0)
        self._pages = mmap.mmap(-1, max(size, 1))

    def __call__(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """A tensor of this shape."""
        count = math.prod(shape)
        if not count:
            return torch.zeros(shape, dtype=dtype)
        return torch.frombuffer(self._pages, dtype=dtype, count=count).reshape(shape)
