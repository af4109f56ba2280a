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
from .values import Knowing

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
        with quiet(), torch.device("meta"), Knowing():
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

    def counts(self, point: Point, products: bool = False) -> DispatchCounts:
        """The same at the same sizes, seen where operators reach their kernels; hidden products if asked for.

        Raises:
            Exception: whatever the program raises.
        """
        made = []
        for spec in self._inputs:
            shape = [point[side] if isinstance(side, str) else side for side in spec.dims]
            made.append((spec.keyword, torch.zeros(shape, dtype=DTYPES[spec.dtype], device="meta")))
        args, kwargs = _by_keyword(made, self._kwargs)
        with quiet(), _unchanged(self.module), Knowing():
            return count_operators(self.module, args, kwargs, products=products)


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

    def counts(self, point: Point, products: bool = False) -> DispatchCounts:
        """The same at the same sizes, seen where operators reach their kernels; hidden products if asked for.

        Raises:
            Exception: whatever the program raises.
        """
        with Knowing():
            return run(Way.META, lambda: self._build(point), self._kwargs, products=products)


Program = Fixed | Rebuilt


def _by_keyword(
    made: Sequence[tuple[str, torch.Tensor]], kwargs: Mapping[str, Any]
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    unnamed = tuple(value for name, value in made if not name)
    return unnamed, {**kwargs, **{name: value for name, value in made if name}}


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Within it, a forward may change what it likes of a module; it is put back."""
    before = [(vars(part), vars(part).copy(), _contents(vars(part))) for part in module.modules()]
    try:
        yield
    finally:
        for now, state, contents in before:
            if _identities(now) != _identities(state):
                now.clear()
                now.update(state)
            for container, content in contents:
                if _identities(container) != _identities(content):
                    _put_back(container, content)


def _contents(state: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The containers of a state, each with a copy of what it holds."""
    return [(value, value.copy()) for value in state.values() if isinstance(value, (list, dict, set))]


def _identities(container: Any) -> tuple[Any, ...]:
    """What tells whether a container holds the very same things."""
    if isinstance(container, dict):
        return (*container, *map(id, container.values()))
    return tuple(sorted(map(id, container)) if isinstance(container, set) else map(id, container))


def _put_back(container: Any, content: Any) -> None:
    container.clear()
    (container.extend if isinstance(container, list) else container.update)(content)
