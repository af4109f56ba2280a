"""Which modules read what others made, seen in a run: what a drawing has arrows for.

A storage remembers which function wrote it last, so that a view and what is written in place are what they are of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from ..abstract.flow import Step, between
from .dispatch import tensors_of
from .private import storage_key

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

    def part_of(step: Step) -> str | None:
        within = next((path for path in step.modules if path in parts), None)
        return within or (itself if itself and step.kind in own else None)

    return between(record(module, args, kwargs, parts), part_of)


def record(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], prefer: Collection[str] = ()
) -> list[Step]:
    """Run a module, best without values: every function of torch that is called from Python, as a step.

    Titles are the classes of the modules that run. One module at several paths has that which is among those to
    ``prefer``, or else its first.
    """
    paths: dict[int, str] = {}
    for path, child in module.named_modules(remove_duplicate=False):
        if id(child) not in paths or path in prefer:
            paths[id(child)] = path
    mode = _Following()
    for tensor in tensors_of((args, dict(kwargs))):
        mode.written(tensor, -1)

    def enter(module: nn.Module, args: Any) -> None:
        mode.within.append((paths.get(id(module), ""), type(module).__name__))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        mode.within.pop()

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        with mode:
            module(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return mode.steps


class _Following(TorchFunctionMode):
    """Sees every function of torch that is called from Python, with its operands and results."""

    def __init__(self) -> None:
        super().__init__()
        self.within: list[tuple[str, str]] = []
        self.steps: list[Step] = []
        self._makers: dict[int, int] = {}
        self._used: set[int] = set()
        self._kept: list[Any] = []  # a key is a storage's own while that lives

    def written(self, tensor: Tensor, maker: int) -> None:
        """A tensor's storage is of this step, or of the input."""
        key = storage_key(tensor)
        if key not in self._makers:
            self._kept.append(tensor.untyped_storage())
        self._makers[key] = maker

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operands = tensors_of((args, kwargs))
        read = {self._makers[key]: tuple(x.shape) for x in operands if (key := storage_key(x)) in self._makers}
        result = func(*args, **kwargs)
        made = tensors_of(result)
        if func.__name__ == "__setitem__":  # it returns nothing, and the rest of its tensor stays what it was
            made = operands[:1]
        if not made:
            return result  # a look at a shape
        new = {id(x): x.numel() for x in operands if isinstance(x, nn.Parameter) and id(x) not in self._used}
        self._used |= new.keys()
        within = [(path, title) for path, title in self.within if path]
        kind = func.__name__.strip("_")
        self.steps.append(
            Step(
                kind,
                kind,
                tuple(path for path, _ in within),
                tuple(title for _, title in within),
                tuple(read),
                tuple(read.values()),
                tuple(made[0].shape),
                params=sum(new.values()),
            )
        )
        for tensor in made:
            self.written(tensor, len(self.steps) - 1)
        return result
