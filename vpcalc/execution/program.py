"""A program that is explored: what may be run again and again as if it were built anew each time.

Building a module takes longer than running it on sizes. So one that is the same at every size is kept, with all
that its forward may change noted before and put back after: where a forward does change something (transformers'
Swin overwrites its window), every other run sees the module as it was built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..counters.dispatch import DispatchCounts
from ..counters.dispatch import count as count_operators
from ..counters.ways import DTYPES, TensorShape, Way, quiet, run
from .guards import Path
from .nodes import dressed
from .run import Execution, Point, Started, execute, letter, tensor

Build = Callable[[Any], "tuple[nn.Module, Sequence[TensorShape]]"]
"""A module at a point of its letters, and what it takes there."""


@dataclass(frozen=True)
class Input:
    """What a module is given: sides that are numbers or letters, an element type, a keyword where it has one."""

    dims: tuple[int | str, ...]
    dtype: str = "float32"
    keyword: str = ""


class Fixed:
    """One module at every size."""

    def __init__(
        self, build: Callable[[], nn.Module], inputs: Sequence[Input], kwargs: Mapping[str, Any] | None = None
    ) -> None:
        with quiet(), torch.device("meta"):
            self.module = build().to("meta").eval()
        self._inputs = tuple(inputs)
        self._kwargs = dict(kwargs or {})

    def execute(self, point: Point) -> Execution:
        """One run on sizes with forms."""

        def start(path: Path) -> Started:
            made = [(spec.keyword, tensor(spec.dims, spec.dtype, point, path)) for spec in self._inputs]
            return self.module, *_by_keyword(made, self._kwargs)

        with _unchanged(self.module):
            return execute(start, point)

    def counts(self, point: Point) -> DispatchCounts:
        """The same at the same sizes, seen where operators reach their kernels.

        Raises:
            Exception: whatever the program raises.
        """
        made = []
        for spec in self._inputs:
            shape = [point[side] if isinstance(side, str) else side for side in spec.dims]
            made.append((spec.keyword, torch.zeros(shape, dtype=DTYPES[spec.dtype], device="meta")))
        args, kwargs = _by_keyword(made, self._kwargs)
        with quiet(), _unchanged(self.module):
            return count_operators(self.module, args, kwargs)


class Rebuilt:
    """A module that is another one for each point: built anew for each run, on sizes with forms too."""

    def __init__(self, build: Build, kwargs: Mapping[str, Any] | None = None, sources: Sequence[Any] = ()) -> None:
        self._build = build
        self._kwargs = dict(kwargs or {})
        self._sources = tuple(sources)

    def execute(self, point: Point) -> Execution:
        """One run on sizes with forms, its building included."""

        def start(path: Path) -> Started:
            module, specs = self._build({name: dressed(letter(name, point, path)) for name in point})
            made = [(spec.keyword, torch.empty(spec.shape, dtype=DTYPES[spec.dtype])) for spec in specs]
            return module, *_by_keyword(made, self._kwargs)

        return execute(start, point, self._sources)

    def counts(self, point: Point) -> DispatchCounts:
        """The same at the same sizes, seen where operators reach their kernels.

        Raises:
            Exception: whatever the program raises.
        """
        return run(Way.META, lambda: self._build(point), self._kwargs)


Program = Fixed | Rebuilt


def _by_keyword(
    made: Sequence[tuple[str, torch.Tensor]], kwargs: Mapping[str, Any]
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    unnamed = tuple(value for name, value in made if not name)
    return unnamed, {**kwargs, **{name: value for name, value in made if name}}


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Within it, a forward may change what it likes of a module; it is put back."""
    before = [(part, _kept(vars(part))) for part in module.modules()]
    try:
        yield
    finally:
        for part, state in before:
            now = vars(part)
            if now.keys() != state.keys() or any(not _is_same(now[name], state[name]) for name in state):
                now.clear()
                now.update(_kept(state))


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state whose containers are copies, so that they can be told from what became of them."""
    return {name: _copied(value) for name, value in state.items()}


def _copied(value: Any) -> Any:
    if type(value) in (list, dict, set) or type(value).__name__ == "OrderedDict":
        return value.copy()
    return value


def _is_same(now: Any, then: Any) -> bool:
    if type(then) in (list, dict, set) or type(then).__name__ == "OrderedDict":
        if type(now) is not type(then) or len(now) != len(then):
            return False
        pairs = (
            zip(now.values(), then.values(), strict=True) if isinstance(now, dict) else zip(now, then, strict=True)
        )
        return all(a is b for a, b in pairs)
    return now is then
