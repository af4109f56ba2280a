"""What autograd keeps of a forward pass, seen through ``torch.autograd.graph.saved_tensors_hooks``.

Storages are counted once, however many tensors view them; parameters, buffers and the inputs are not counted.
What was kept for a branch that leads to no output is gone with the branch and is not counted either.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .dispatch import tensors_of


@dataclass(frozen=True, slots=True)
class Saved:
    """Bytes by the path of the module in which they were kept first, and the inputs' own bytes."""

    by_module: Mapping[str, int]
    inputs: int
    weights: int
    buffers: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_module.values())


class _Held:
    """A tensor in the hands of the graph."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def count(module: nn.Module, inputs: tuple[Any, ...]) -> Saved:
    """Count one forward pass in training mode. Meta modules take no memory and no time to compute."""
    module.train()
    given = list(tensors_of(inputs))
    foreign = {key(tensor) for tensor in (*module.parameters(), *module.buffers(), *given)}
    held: list[tuple[str, weakref.ref[_Held]]] = []
    with running(module) as place:

        def pack(tensor: Tensor) -> _Held:
            found = _Held(tensor)
            held.append((place[-1], weakref.ref(found)))
            return found

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda found: found.tensor):
            result = module(*inputs)
    by_module: dict[str, int] = {}
    seen = set(foreign)
    for path, reference in held:
        found = reference()
        if found is not None and key(found.tensor) not in seen:
            seen.add(key(found.tensor))
            by_module[path] = by_module.get(path, 0) + found.tensor.untyped_storage().nbytes()
    del result
    return Saved(by_module, _bytes(given), _bytes(module.parameters()), _bytes(module.buffers()))


@contextmanager
def running(module: nn.Module) -> Iterator[list[str]]:
    """Within it, the last entry of the list is the path of the submodule that runs."""
    place = [""]
    hooks = []
    for path, child in module.named_modules():

        def enter(_: Any, __: Any, path: str = path) -> None:
            place.append(path)

        def leave(*_: Any) -> None:
            place.pop()

        hooks += [child.register_forward_pre_hook(enter), child.register_forward_hook(leave)]
    try:
        yield place
    finally:
        for hook in hooks:
            hook.remove()


def key(tensor: Tensor) -> int:
    """What tells a storage from others while both live."""
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensors: Any) -> int:
    sizes = {key(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(sizes.values())
