"""A program that is explored: what may be run again and again as if it were built anew each time.

Building a module takes longer than running it on sizes. So one that is the same at every size is kept, with all
that its forward may change noted before and put back after: where a forward does change something (transformers'
Swin overwrites its window), every other run sees the module as it was built.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from ..counters import live, saved
from ..counters.dispatch import DispatchCounts
from ..counters.dispatch import count as count_operators
from ..counters.given import (
    TYPES,
    Arguments,
    Described,
    Given,
    Objects,
    Pack,
    TensorShape,
    given,
    passed,
)
from ..counters.live import Live
from ..counters.meta import apart
from ..counters.saved import Saved
from ..counters.ways import Way, built, on_meta
from ..counters.weights import is_lazy
from ..inputs import LITERALS, NUMBER
from ..sources import quiet
from .constants import looked_up
from .guards import Path
from .hooks import looked_into, sources_of
from .nodes import dressed
from .outcome import BeyondError, Execution, Point
from .run import Memory, Side, Started, execute, letter, tensor
from .sizes import value_of
from .state import State
from .values import AskedError, Knowing, Watching

Counted = TypeVar("Counted")

Build = Callable[[Any], "tuple[nn.Module, Given | Sequence[TensorShape]]"]
"""A module at a point of its letters, and what it takes there."""


@dataclass(frozen=True)
class Input:
    """What a module is given: an element type, a keyword where it has one, and its sides.

    These are numbers, letters, or so many times a letter.
    """

    dims: tuple[Side, ...]
    dtype: str = "float32"
    keyword: str = ""

    def made(self, point: Point, path: Path, zeros: bool = False) -> Any:
        """The input itself, its letters as forms."""
        if self.dtype in LITERALS:
            return LITERALS[self.dtype]
        if self.dtype == NUMBER:
            side = letter(self.dims[0], point, path)
            return side if isinstance(side, int) else dressed(side)
        is_whole = not (TYPES[self.dtype].is_floating_point or TYPES[self.dtype].is_complex)
        return tensor(self.dims, self.dtype, point, path, zeros and is_whole)

    def at(self, point: Point) -> TensorShape:
        """The input at a point."""
        sides = tuple(value_of(letter(side, point, Path())) for side in self.dims)
        return TensorShape(sides, self.dtype, self.keyword)


@dataclass(frozen=True)
class Inputs:
    """What a module is given, by its sides. ``pack`` says how it is passed, if not by position and keyword.

    With ``zeros`` whole numbers are known to be 0 and masks to be false.
    """

    each: Sequence[Input]
    pack: Pack | None = None
    zeros: bool = False

    def on_path(self, point: Point, path: Path) -> Arguments:
        """Arguments on sizes with forms."""
        return passed(self.each, [spec.made(point, path, self.zeros) for spec in self.each], self.pack)

    def at(self, point: Point) -> Arguments:
        """Arguments on plain sizes."""
        return Described([spec.at(point) for spec in self.each], self.pack).on("meta", values=False)


@dataclass(frozen=True)
class MadeInputs:
    """What a function of the letters makes."""

    make: Callable[[Mapping[str, Any]], Arguments]

    def on_path(self, point: Point, path: Path) -> Arguments:
        """Arguments on sizes with forms."""
        return self.make({name: dressed(letter(name, point, path)) for name in point})

    def at(self, point: Point) -> Arguments:
        """Arguments on plain sizes."""
        return Objects(lambda: self.make(point)).on("meta", values=False)


class Program(ABC):
    """What may be run again and again, on sizes with forms and without; ``state`` is put back after each."""

    training: bool
    state: State
    asks = False
    """Whether it was seen to ask for values, which are followed then."""

    @abstractmethod
    def execute(self, point: Point, memory: Memory | None = None) -> Execution:
        """One run on sizes with forms, its building included; followed in bytes if that is asked for."""

    @abstractmethod
    def plainly(self, point: Point, values: Watching | Knowing | None = None) -> AbstractContextManager[Started]:
        """Within it, a module with arguments on the meta device, at the same sizes without forms.

        ``values`` are followed, unless it is only watched whether the program asks for some.
        """

    def _counted(self, point: Point, count: Callable[..., Counted]) -> Counted:
        """What a count gives. Values are followed only of a program that asks for them."""
        if not self.asks:
            watching = Watching()
            try:
                with self.plainly(point, watching) as (module, args, kwargs):
                    counted = count(module, args, kwargs)
            except (Exception, AskedError):
                if not watching.asked:
                    raise
            else:
                if not watching.asked:
                    return counted
            self.asks = True
        with self.plainly(point) as (module, args, kwargs):
            return count(module, args, kwargs)

    def counts(self, point: Point, products: bool = False, backward: bool = False) -> DispatchCounts:
        """What operators do where they reach their kernels; hidden products if asked for, and the backward pass.

        Raises:
            Exception: whatever the program raises.
        """
        return self._counted(
            point, partial(count_operators, products=products, backward=backward, training=self.training)
        )

    def saved(self, point: Point, backward: bool = False) -> Saved:
        """What autograd keeps of a forward pass; with ``backward`` also what operators do in both passes.

        Raises:
            Exception: whatever the program raises.
        """
        return self._counted(
            point, partial(saved.count, backward=backward, training=self.training, as_on_cpu=True)
        )

    def by_fvcore(self, point: Point) -> int:
        """What fvcore's FlopCountAnalysis reports.

        Raises:
            Exception: whatever the program raises, or fvcore where it cannot trace or count it.
        """
        from ..counters import fvcore  # it takes a while to import

        def count() -> int:
            with self.plainly(point) as (module, args, kwargs):
                call = fvcore.Call(module, args, kwargs)
                return sum(fvcore.count(call, call.inputs, self.training).flops.values())

        return apart(count)

    def live(self, point: Point) -> Live:
        """What is alive at once where nothing is kept.

        Raises:
            Exception: whatever the program raises.
        """
        return self._counted(point, partial(live.count, training=self.training, gradients=False, as_on_cpu=True))


class Fixed(Program):
    """One module at every size. ``modules`` are built at some sizes; they must not differ.

    Raises:
        BeyondError: they do.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        inputs: Inputs | MadeInputs,
        kwargs: Mapping[str, Any] | None = None,
        training: bool = False,
    ) -> None:
        self.module = modules[0].train(training)
        if len({tuple(p.shape for p in module.parameters()) for module in modules}) > 1:
            raise BeyondError("a lazy module has weights that follow the size of its input")
        self._inputs = inputs
        self._kwargs = dict(kwargs or {})
        self.training = training
        self.keys = looked_up(self.module)
        self.state = State(self.module, sources_of(self.module))

    def execute(self, point: Point, memory: Memory | None = None) -> Execution:
        """See :class:`Program`."""

        def start(path: Path) -> Started:
            args, kwargs = self._inputs.on_path(point, path)
            return self.module, args, {**self._kwargs, **kwargs}

        with self.state.kept():
            return execute(start, point, keys=self.keys, training=self.training, memory=memory)

    @contextmanager
    def plainly(self, point: Point, values: Watching | Knowing | None = None) -> Iterator[Started]:
        """See :class:`Program`."""
        with quiet(), self.state.kept(), looked_into(), values or Knowing(), torch.device("meta"):
            args, kwargs = self._inputs.at(point)
            yield self.module, args, {**self._kwargs, **kwargs}


class Rebuilt(Program):
    """A module that is another one for each point: built anew for each run, on sizes with forms too."""

    def __init__(
        self,
        build: Build,
        kwargs: Mapping[str, Any] | None = None,
        sources: Sequence[Any] = (),
        training: bool = False,
    ) -> None:
        self._build = build
        self._kwargs = dict(kwargs or {})
        self._sources = tuple(sources)
        self.state = State(None, self._sources)
        self.training = training

    def execute(self, point: Point, memory: Memory | None = None) -> Execution:
        """See :class:`Program`."""

        def start(path: Path) -> Started:
            module, specs = self._build({name: dressed(letter(name, point, path)) for name in point})
            args, kwargs = given(specs).on("meta", values=False)
            return module, args, {**self._kwargs, **kwargs}

        with self.state.kept():
            return execute(start, point, self._sources, training=self.training, memory=memory)

    @contextmanager
    def plainly(self, point: Point, values: Watching | Knowing | None = None) -> Iterator[Started]:
        """See :class:`Program`."""
        with quiet(), self.state.kept(), looked_into(), values or Knowing(), torch.device("meta"):
            module, args, kwargs = built(Way.META, lambda: self._build(point))
            yield module, args, {**self._kwargs, **kwargs}


def built_on_meta(build: Build, points: Sequence[Point]) -> list[nn.Module]:
    """A module that does not depend on letters; a lazy one as it is at each of some points.

    Raises:
        Exception: whatever its factory raises.
    """
    with quiet(), Knowing():
        module, _ = on_meta(lambda: build({}))
        if not is_lazy(module):
            return [module]
        return [built(Way.META, partial(build, point))[0] for point in points]


def sources_where_built(build: Build, points: Sequence[Point]) -> list[Any]:
    """The Python modules of what is another module at each point, from the first at which it can be built."""
    for point in points:
        with suppress(Exception), quiet(), Knowing():
            return sources_of(on_meta(lambda: build(point))[0])  # noqa: B023
    return []
