"""Which modules read what others made, seen in a run: what a drawing has arrows for.

A storage remembers who wrote it last, so that a view and what is written in place are what they are of. What
a function makes outside of the modules is of all of whom its operands are; within one it is that module's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .dispatch import tensors_of
from .private import storage_key

INPUT = "input"

Flow = Mapping[str, tuple[str, ...]]
"""For each module, in the order in which they first run, the modules whose results it reads, or the input."""


def follow(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    parts: Collection[str],
    own: Collection[str] = (),
    itself: str = "",
) -> Flow:
    """Run a module, best without values, and see what flows between the modules at some paths.

    Functions named in ``own`` that run outside of these are one more part, ``itself``.
    """
    paths = {id(child): path for path, child in module.named_modules(remove_duplicate=False) if path in parts}
    mode = _Following(own, itself)
    for tensor in tensors_of((args, dict(kwargs))):
        mode.written(tensor, {INPUT})

    def enter(module: nn.Module, args: Any) -> None:
        mode.within.append(mode.within[-1] or paths.get(id(module), ""))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        mode.within.pop()

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        with mode:
            module(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: tuple(sources) for path, sources in mode.flow.items()}


class _Following(TorchFunctionMode):
    """Sees every function of torch that is called from Python, with its operands and results."""

    def __init__(self, own: Collection[str], itself: str) -> None:
        super().__init__()
        self.own, self.itself = own, itself
        self.within = [""]
        self.flow: dict[str, dict[str, None]] = {}
        self._makers: dict[int, set[str]] = {}
        self._kept: list[Any] = []  # a key is a storage's own while that lives

    def written(self, tensor: Tensor, makers: set[str]) -> None:
        """A tensor's storage is of these."""
        key = storage_key(tensor)
        if key not in self._makers:
            self._kept.append(tensor.untyped_storage())
        self._makers[key] = makers

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operands = tensors_of((args, kwargs))
        read = {maker: None for x in operands for maker in sorted(self._makers.get(storage_key(x), ()))}
        result = func(*args, **kwargs)
        made = tensors_of(result)
        if func.__name__ == "__setitem__":  # it returns nothing, and the rest of its tensor stays what it was
            made = operands[:1]
        if not made:
            return result  # a look at a shape
        part = self.within[-1] or (self.itself if func.__name__.strip("_") in self.own else "")
        if part:
            sources = self.flow.setdefault(part, {})
            sources.update({maker: None for maker in read if maker != part})
        for tensor in made:
            self.written(tensor, {part} if part else set(read))
        return result
