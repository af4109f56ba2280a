"""What autograd keeps of a forward pass, seen through ``torch.autograd.graph.saved_tensors_hooks``.

Storages are counted once, however many tensors view them; parameters, buffers and the inputs are not counted.
What was kept for a branch that leads to no output is gone with the branch and is not counted either.
"""

from __future__ import annotations

import weakref
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .dispatch import DispatchCounts, counting, propagate, tensors_of
from .kernels import FUSED, AsOnCpu, is_one_kernel, laid_out, nothing_kept
from .private import TorchDispatchMode, no_functions, storage_key, storages_of


@dataclass(frozen=True, slots=True)
class Saved:
    """Bytes by the path of the module in which they were kept first; ``most`` is the most at any time.

    ``inputs``, ``weights`` and ``buffers`` are the bytes of these, ``trained`` those of weights with a gradient.
    ``counts`` are what operators did in both passes, where a backward pass ran and attention was not fused, which
    is counted otherwise.
    """

    by_module: Mapping[str, int]
    most: int
    inputs: int
    weights: int
    buffers: int
    trained: int
    counts: DispatchCounts | None = None

    @property
    def total(self) -> int:
        """All that is kept when the forward pass is over."""
        return sum(self.by_module.values())


def ungraphed(tensor: Tensor) -> Tensor:
    """A tensor that a graph is to keep, without the graph that it comes from.

    An operator's own result would hold the operator, which holds it, and neither would ever be let go, though
    nobody leads to them any more: ``(x.sigmoid() > 0.5)`` keeps nothing. Autograd puts back the graph that it was.
    """
    if not tensor.requires_grad:
        return tensor
    with no_functions():
        return tensor.detach()


class _Held:
    """A tensor in the hands of the graph."""

    __slots__ = ("__weakref__", "path", "tensor", "version")

    def __init__(self, tensor: Tensor, path: str) -> None:
        self.tensor, self.path, self.version = ungraphed(tensor), path, tensor._version

    def unpacked(self) -> Tensor:
        """The tensor, if nobody wrote over it, which autograd does not ask where there are hooks.

        Raises:
            RuntimeError: somebody did.
        """
        if self.tensor._version != self.version:
            raise RuntimeError(
                "a variable needed for gradient computation has been modified by an inplace operation"
            )
        return self.tensor


class _Keeper:
    """Follows what the graph holds, from the time that it is packed until the graph lets go."""

    def __init__(self, foreign: Container[int]) -> None:
        self.foreign = foreign
        self.empty: set[int] = set()
        self.held: dict[int, weakref.ref[_Held]] = {}
        self.holders: dict[int, int] = {}
        self.now = self.most = 0

    def pack(self, tensor: Tensor, path: str) -> _Held:
        """Note a tensor that the graph takes."""
        name, size = storage_key(tensor), tensor.untyped_storage().nbytes()
        found = _Held(tensor, path)
        if name in self.foreign or name in self.empty:
            return found
        place = len(self.held)

        def gone(_: Any) -> None:
            self.holders[name] -= 1
            if not self.holders[name]:
                self.now -= size

        self.held[place] = weakref.ref(found, gone)
        self.holders[name] = self.holders.get(name, 0) + 1
        if self.holders[name] == 1:
            self.now += size
            self.most = max(self.most, self.now)
        return found

    def by_module(self) -> dict[str, int]:
        """What is held now, each storage where it was first."""
        found: dict[str, int] = {}
        seen: set[int] = set()
        with no_functions():
            for reference in self.held.values():
                held = reference()
                if held is not None and storage_key(held.tensor) not in seen:
                    seen.add(storage_key(held.tensor))
                    found[held.path] = found.get(held.path, 0) + held.tensor.untyped_storage().nbytes()
        return found


def count(
    module: nn.Module,
    inputs: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    backward: bool = False,
    training: bool = True,
    as_on_cpu: bool = False,
) -> Saved:
    """Count one forward pass, in training mode unless said.

    With ``backward`` the backward pass runs, too, for ``most`` and ``counts``. Meta modules take no memory and
    compute nothing; ``as_on_cpu`` takes their kernels to be those of the CPU (:mod:`vpcalc.counters.kernels`).
    """
    module.train(training)
    kwargs = kwargs or {}
    given = list(tensors_of((inputs, kwargs)))
    keeper = _Keeper(storages_of((*module.parameters(), *module.buffers(), *given)))
    with (
        torch.enable_grad(),
        running(module) as place,
        AsOnCpu() if as_on_cpu else nullcontext(),
        counting(products=False) as counter,  # it knows shapes faster than torch does on meta
        _Empty(keeper.empty) if as_on_cpu else nullcontext(),
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: keeper.pack(tensor, place[-1]), _Held.unpacked),
    ):
        results = tensors_of(module(*inputs, **kwargs))
        by_module = keeper.by_module()
        if backward:
            propagate(results)
    counts = counter.counts() if backward else None
    return Saved(
        by_module,
        keeper.most,
        _bytes(given),
        _bytes(module.parameters()),
        _bytes(module.buffers()),
        _bytes(weight for weight in module.parameters() if weight.requires_grad),
        None if counts is None or FUSED in counts.calls else counts,
    )


class _Empty(TorchDispatchMode):
    """Notes memory that is made on meta only, and keeps it: another tensor could have its place.

    Results lie in memory as on the CPU.
    """

    def __init__(self, empty: set[int]) -> None:
        super().__init__()
        self._empty = empty
        self._kept: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = laid_out(func, args, func(*args, **(kwargs or {})))
        nothing = nothing_kept(func, args, result)
        if nothing:
            self._empty |= nothing
            self._kept.append(result[1:])
        return result


@contextmanager
def running(module: nn.Module) -> Iterator[list[str]]:
    """Within it, the last entry of the list is the path of the submodule that runs.

    Attention that is one kernel on the CPU is one there only where nobody looks into it.
    """
    place = [""]
    hooks = []
    closed: set[nn.Module] = set()
    for path, child in module.named_modules():
        if child in closed or (not torch.is_grad_enabled() and is_one_kernel(child)):
            closed.update(child.modules())
            continue

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


def _bytes(tensors: Any) -> int:
    with no_functions():
        sizes = {storage_key(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(sizes.values())
