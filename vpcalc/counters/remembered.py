"""What an operator gives of meta tensors, which is a matter of sizes, remembered: equal blocks ask the same again.

Many of torch's meta kernels are Python code that takes a hundred times as long as making the tensor that comes
out. What depends on nothing but sizes, strides, types and other arguments is asked once. Operators that write,
that give a view, or that take or give anything but plain meta tensors are left alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .private import TorchDispatchMode

MOST = 10_000
"""Results that are remembered; beyond, all are forgotten."""

_Made = tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]

_seen: dict[Any, _Made] = {}


def remembered(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``func(*args, **kwargs)``, as new tensors of the same sizes, strides and types."""
    if not _is_function(func):
        return func(*args, **kwargs)
    try:
        named = tuple((name, _of(value)) for name, value in kwargs.items())
        key = func, _of(args), named, torch.get_default_dtype()  # what makes a tensor of nothing asks for that
        made = _seen.get(key)
    except _NotPlainError:
        return func(*args, **kwargs)
    if made is not None:
        again = tuple(
            torch.empty_strided(size, stride, dtype=dtype, device="meta") for size, stride, dtype in made
        )
        return again if len(func._schema.returns) > 1 else again[0]
    result = func(*args, **kwargs)
    results = result if isinstance(result, tuple) else (result,)
    if all(type(one) is Tensor and one.is_meta and _is_whole(one) for one in results):
        if len(_seen) >= MOST:
            _seen.clear()
        _seen[key] = tuple((one.size(), one.stride(), one.dtype) for one in results)
    return result


def _is_whole(tensor: Tensor) -> bool:
    """Whether its memory holds it and no more: a window is a part of one that is longer."""
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


class Remembering(TorchDispatchMode):
    """Within it, operators on meta tensors give what they gave before: for building modules, of equal blocks.

    ``lacked`` says that one has no kernel for them, which a factory may pass over: parametrizations of torch do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lacked = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return remembered(func, args, kwargs or {})
        except NotImplementedError:
            self.lacked = True
            raise


class _NotPlainError(Exception):
    """An argument that a key cannot hold."""


def _of(value: Any) -> Any:
    """What an argument is to a kernel of meta tensors; numbers with their type: 1 and 1.0 promote differently."""
    if isinstance(value, Tensor):
        if not value.is_meta or type(value) not in (Tensor, torch.nn.Parameter):
            raise _NotPlainError
        return value.size(), value.stride(), value.dtype
    if isinstance(value, (list, tuple)):
        return tuple(map(_of, value))
    if value is None or isinstance(value, _PLAIN):
        return type(value), value
    raise _NotPlainError


_PLAIN = (bool, int, float, str, torch.dtype, torch.device, torch.layout, torch.memory_format)


@cache
def _is_function(func: Any) -> bool:
    """Whether an operator writes nothing and gives new tensors alone, as its schema says."""
    schema = getattr(func, "_schema", None)  # one that takes functions has none
    if schema is None:
        return False
    if "_unsafe_view" in schema.name:  # its schema does not say that it is one
        return False
    plain = all(part.alias_info is None for part in (*schema.arguments, *schema.returns))
    return plain and bool(schema.returns) and all(str(part.type) == "Tensor" for part in schema.returns)
