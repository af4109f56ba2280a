"""How many bytes are alive at once, seen where PyTorch dispatches each operator.

A storage counts from the operator that returns it until its last owner lets go. Parameters, buffers and the
inputs are not counted, nor what a kernel allocates within itself and does not return.
"""

from __future__ import annotations

import weakref
from collections.abc import Container, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from .dispatch import counting, tensors_of
from .kernels import AsOnCpu, laid_out, moves, nothing_kept, once
from .policy import qualified_name
from .private import TorchDispatchMode, no_functions, storage_key, storages_of
from .saved import running


@dataclass(frozen=True, slots=True)
class Live:
    """The most bytes that were alive at once, and the module and operator that brought them there."""

    peak: int
    path: str
    operator: str
    by_module: Mapping[str, int] = field(default_factory=dict)
    """The same while a module's own operators ran, by its path."""
    moved: int = 0
    """Bytes that operators read and wrote: their operands and results, each once a call."""
    is_back: bool = False
    """Whether a backward pass ran, too."""


def count(
    module: nn.Module,
    inputs: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    training: bool = False,
    gradients: bool | None = None,
    backward: bool = False,
    gathering: bool = False,
    as_on_cpu: bool = False,
) -> Live:
    """Run one forward pass, for inference or, with ``training``, with autograd keeping what it needs.

    With ``backward`` the backward pass of the outputs' sum, too: the weights' gradients are then alive as well,
    unless each is let go as it comes, with ``gathering``, which is how they are added to wider ones. Of complex
    outputs it is the real part; where no output has a gradient there is no such pass.
    ``gradients`` says whether autograd keeps anything where that is not as in ``training``; ``as_on_cpu`` takes
    the kernels of meta modules to be those of the CPU (:mod:`vpcalc.counters.kernels`).
    """
    module.train(training)
    with no_functions():  # who follows a program's functions has no part in this
        module.zero_grad(set_to_none=True)
    kwargs = kwargs or {}
    given = tensors_of((inputs, kwargs))
    foreign = storages_of((*module.parameters(), *module.buffers(), *given))
    wanted = training if gradients is None else gradients
    trained = [weight for weight in module.parameters() if gathering and weight.requires_grad]
    hooks = [weight.register_post_accumulate_grad_hook(_let_go) for weight in trained]
    with (
        torch.set_grad_enabled(wanted),
        running(module) as place,
        AsOnCpu() if as_on_cpu else nullcontext(),
        counting(products=False),  # it knows shapes faster than torch does on meta
        _Tracker(foreign, place, as_on_cpu) as tracker,
    ):
        result = module(*inputs, **kwargs)
        outputs = [tensor for tensor in tensors_of(result) if tensor.requires_grad] if backward else []
        if outputs:
            loss = torch.stack([tensor.sum() for tensor in outputs]).sum()
            (loss.real if loss.is_complex() else loss).backward()
    is_back = bool(outputs)
    del result, outputs
    for hook in hooks:
        hook.remove()
    return replace(tracker.top, by_module=tracker.peaks, moved=tracker.moved, is_back=is_back)


def _let_go(weight: Tensor) -> None:
    weight.grad = None


class _Tracker(TorchDispatchMode):
    """Follows storages from birth to death."""

    def __init__(self, foreign: Container[int], place: list[str], as_on_cpu: bool) -> None:
        super().__init__()
        self.as_on_cpu = as_on_cpu
        self.foreign, self.place = foreign, place
        self.alive: dict[int, weakref.ref[Any]] = {}
        self.live = self.moved = 0
        self.top = Live(0, "", "")
        self.peaks: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        result = laid_out(func, args, result) if self.as_on_cpu else result
        empty = nothing_kept(func, args, result) if self.as_on_cpu else set()
        results = [tensor for tensor in tensors_of(result) if storage_key(tensor) not in empty]
        for tensor in results:
            self._meet(tensor, qualified_name(func))
        operands = tensors_of((args, kwargs or {}))
        if moves(func, operands, results):
            self.moved += sum(map(_extent, (*once(operands), *results)))
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


def _extent(tensor: Tensor) -> int:
    """Bytes of a tensor's elements, those that it has many times counted once."""
    spread = zip(tensor.size(), tensor.stride(), strict=True)
    return tensor.element_size() * prod(side for side, stride in spread if stride or side < 2)
