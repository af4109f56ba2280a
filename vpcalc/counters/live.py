"""How many bytes are alive at once, seen where PyTorch dispatches each operator.

A storage counts from the operator that returns it until its last owner lets go. Parameters, buffers and the
inputs are not counted, nor what a kernel allocates within itself and does not return.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from .dispatch import tensors_of
from .policy import qualified_name
from .private import TorchDispatchMode, storage_key
from .saved import running


@dataclass(frozen=True, slots=True)
class Live:
    """The most bytes that were alive at once, and the module and operator that brought them there."""

    peak: int
    path: str
    operator: str
    by_module: Mapping[str, int] = field(default_factory=dict)
    """The same while a module's own operators ran, by its path."""


def count(module: nn.Module, inputs: tuple[Any, ...], *, training: bool = False, backward: bool = False) -> Live:
    """Run one forward pass, for inference or, with ``training``, with autograd keeping what it needs.

    With ``backward`` the backward pass of the outputs' sum, too: the weights' gradients are then alive as well.
    """
    module.train(training)
    module.zero_grad(set_to_none=True)
    foreign = {storage_key(tensor) for tensor in (*module.parameters(), *module.buffers(), *tensors_of(inputs))}
    with torch.set_grad_enabled(training), running(module) as place, _Tracker(foreign, place) as tracker:
        result = module(*inputs)
        if backward:
            torch.stack([tensor.sum() for tensor in tensors_of(result)]).sum().backward()
    del result
    return replace(tracker.top, by_module=tracker.peaks)


class _Tracker(TorchDispatchMode):
    """Follows storages from birth to death."""

    def __init__(self, foreign: set[int], place: list[str]) -> None:
        super().__init__()
        self.foreign, self.place = foreign, place
        self.alive: dict[int, weakref.ref[Any]] = {}
        self.live = 0
        self.top = Live(0, "", "")
        self.peaks: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tensors_of(result):
            self._meet(tensor, qualified_name(func))
        return result

    def _meet(self, tensor: Tensor, operator: str) -> None:
        storage = tensor.untyped_storage()
        name, size = storage_key(tensor), storage.nbytes()
        if name in self.foreign or name in self.alive or not size:
            return

        def gone(_: Any) -> None:
            del self.alive[name]
            self.live -= size

        self.alive[name] = weakref.ref(storage, gone)
        self.live += size
        place = self.place[-1]
        self.peaks[place] = max(self.live, self.peaks.get(place, 0))
        if self.live > self.top.peak:
            self.top = Live(self.live, place, operator)
