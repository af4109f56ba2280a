"""Modules of a description: parameters, buffers, and the names by which a network's modules are found.

A module is a function whose first argument is its name in the module above it and whose second is a tensor:
``linear("proj", x, C)``. Names are those of the reference modules, so that bytes can be compared layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ..algebra.traced import count
from ..dims import exact_div, floor_div
from . import functions
from .layout import Sizes
from .repeating import rounds
from .tape import BUFFER, PARAMETER, Tape
from .tensor import INT64, Tensor, Type, fresh
from .tuning import BASE, DOWN, UP

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Step = Callable[[str, Tensor], Tensor]
"""A module of one tensor, waiting for its name."""


def module(describe: Callable[P, T]) -> Callable[Concatenate[str, P], T]:
    """Make a description a module: it is called with its name first."""

    @wraps(describe)
    def call(name: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        tape: Tape = args[0].tape  # type: ignore[attr-defined]
        with tape.inside(name):
            return tape.call(describe, args, kwargs)

    return call


def titled(title: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Give what a description runs a node of its own in the cost tree."""

    def decorate(describe: Callable[P, T]) -> Callable[P, T]:
        @wraps(describe)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            tape: Tape = args[0].tape  # type: ignore[attr-defined]
            if tape.ledger is None and tape.flow is None:
                return describe(*args, **kwargs)
            with tape.node(title):
                return describe(*args, **kwargs)

        return run

    return decorate


def parameter(tape: Tape, *shape: Any, label: str = "") -> Tensor:
    """A weight, which is trained unless the run says otherwise.

    ``label`` is what a learned table is called; by default as its module.
    """
    trained = tape.tuning is None or tape.tuning.trains(tape.place)
    found = fresh(tape, shape, tape.item, PARAMETER, leaf=trained)
    if tape.ledger is not None:
        tape.ledger.owed[id(found.storage)] = found, label
    if tape.registering:
        tape.parameters.append(found)
    return found


def buffer(tape: Tape, shape: Sizes, item: Type | None = None) -> Tensor:
    """A tensor that belongs to a module and is not trained."""
    found = fresh(tape, shape, item or tape.item, BUFFER)
    if tape.registering:
        tape.buffers.append(found)
    return found


@module
def linear(x: Tensor, fan_out: Any, bias: bool = True) -> Tensor:
    """(…, fan_in) to (…, fan_out); where it is adapted, with two layers of low rank beside it."""
    tuning = x.tape.tuning
    if tuning is None or not tuning.adapts(x.tape.place):
        return _times(x, fan_out, bias)
    result = _layer(BASE, x, fan_out, bias)
    return result + _layer(UP, _layer(DOWN, x, tuning.rank, False), fan_out, False) * 2.0


def _times(x: Tensor, fan_out: Any, bias: bool) -> Tensor:
    weight = parameter(x.tape, fan_out, x.shape[-1])
    return functions.affine(x, weight, parameter(x.tape, fan_out) if bias else None)


_layer = module(_times)


@module
def layer_norm(x: Tensor) -> Tensor:
    """Over the last dimension, with affine parameters."""
    weight, bias = parameter(x.tape, x.shape[-1]), parameter(x.tape, x.shape[-1])
    return functions.layer_norm(x, weight, bias)


@module
def batch_norm(x: Tensor) -> Tensor:
    """Over all but the channels, with affine parameters and running statistics."""
    tape, channels = x.tape, x.shape[1]
    weight, bias = parameter(tape, channels), parameter(tape, channels)
    batch_statistics(tape, channels)
    return functions.batch_norm(x, weight, bias)


def batch_statistics(tape: Tape, channels: Any) -> None:
    """What batch norm remembers: a mean and a variance a channel, and how many batches it has seen."""
    buffer(tape, (channels,)), buffer(tape, (channels,)), buffer(tape, (), INT64)


@module
def conv(
    x: Tensor,
    fan_out: Any,
    kernel: tuple[Any, Any],
    *,
    stride: Any = 1,
    padding: Any = 0,
    groups: Any = 1,
    bias: bool = True,
) -> Tensor:
    """(batch, fan_in, h, w) to (batch, fan_out, h', w')."""
    weight = parameter(x.tape, fan_out, exact_div(x.shape[1], groups, "groups", "input channels"), *kernel)
    offset = parameter(x.tape, fan_out) if bias else None
    return functions.convolve(x, weight, offset, (stride, stride), (padding, padding), groups)


@module
def conv_transpose(x: Tensor, fan_out: Any, side: int) -> Tensor:
    """(batch, fan_in, h, w) to (batch, fan_out, side·h, side·w): each place becomes a square of its own."""
    weight = parameter(x.tape, x.shape[1], fan_out, side, side)
    return functions.spread(x, weight, parameter(x.tape, fan_out))


def embedding(name: str, ids: Tensor, table: Tensor) -> Tensor:
    """The rows of a table (words, width) for each id. Who shares a table shares the module."""
    tape = ids.tape
    with tape.setting(_path=[tape.home(name, table)]):
        return functions.embedding(table, ids)


@module
def sequential(x: Tensor, *steps: Step) -> Tensor:
    """One after the other; what a step has consumed is freed after it."""
    for number, step in enumerate(steps):
        x = step(str(number), x)
    return x


@dataclass(frozen=True, slots=True)
class Copies(Generic[T_co]):
    """A step as often as ``times`` says, which on a ledger may be a symbol; each has weights of its own.

    With an ``other`` one the two take turns.
    """

    step: T_co
    times: Any
    other: T_co | None = None

    def listed(self) -> list[T_co]:
        """Each as it comes."""
        turns = [self.step] if self.other is None else [self.step, self.other]
        return [turns[place % len(turns)] for place in range(count(self.times))]

    def often(self) -> Iterator[tuple[T_co, Any]]:
        """How often each comes."""
        others = 0 if self.other is None else floor_div(self.times, 2)
        yield self.step, self.times - others
        if self.other is not None:
            yield self.other, others


Steps = Sequence[T | Copies[T]] | Copies[T]
"""What is done one after the other."""


def each(tape: Tape, steps: Steps[T], first: int = 0, names: int = 1) -> Iterator[tuple[str, T]]:
    """Steps that each keep the shape, with their names from ``first`` on; of a step of several modules the first
    of its ``names``.

    To be run as ``for name, step in each(…): x = step(name, x)``. On a ledger equal ones are run once, and counted
    as often as they come; in bytes they are run as long as they differ (:mod:`vpcalc.abstract.repeating`).
    """
    parts = [part if isinstance(part, Copies) else Copies(part, 1) for part in _several(steps)]
    if tape.ledger is None:
        listed = [step for part in parts for step in tape.turns(part)]
        yield from rounds(tape, listed, first, names)
        return
    often: dict[T, Any] = {}
    for part in parts:
        for step, times in part.often():
            often[step] = often.get(step, 0) + times
    for step, times in often.items():
        if not (isinstance(times, int) and times == 0):
            with tape.ledger.times(times):
                yield "0", step


def _several(steps: Steps[T]) -> Sequence[T | Copies[T]]:
    return [steps] if isinstance(steps, Copies) else steps


@module
def repeat(x: Tensor, steps: Steps[Step]) -> Tensor:
    """One after the other, as :func:`each` runs them; what a step has consumed is freed after it."""
    for name, step in each(x.tape, steps):
        x = step(name, x)
    return x


class Loop:
    """Steps that wait for one another, with the same weights: ``for step in Loop(tape, T)``.

    On a ledger one step is run, and counted as often as there are steps, which may be a symbol.
    """

    def __init__(self, tape: Tape, rounds: Any) -> None:
        self.tape, self.rounds, self.ran = tape, rounds, 0

    def __iter__(self) -> Iterator[int]:
        if self.tape.ledger is None:
            for step in self.tape.steps(self.rounds):
                self.ran += 1
                yield step
            return
        with self.tape.ledger.loop(self.rounds):
            yield 0

    def through(self, x: Tensor, dim: int, keep: bool = False) -> tuple[Tensor, ...]:
        """What each step takes along a dimension, which it may ``keep``; to be zipped with the steps."""
        if self.tape.ledger is not None:
            return (x.taken(dim, 1) if keep else x.select(dim),)
        return x.split(1, dim) if keep else x.unbind(dim)

    def stack(self, outputs: Sequence[Tensor], dim: int) -> Tensor:
        """What every step made, after what there was before the first, along a new dimension."""
        if self.tape.ledger is None:
            return functions.stack(outputs, dim, self.rounds + (len(outputs) - self.ran))
        return functions.stack(outputs[-1:], dim).taken(dim, self.rounds + (len(outputs) - 1))

    def cat(self, outputs: Sequence[Tensor], dim: int) -> Tensor:
        """What every step made, along a dimension that each has."""
        if self.tape.ledger is None:
            return functions.cat(outputs, dim)
        return outputs[0].taken(dim, self.rounds * outputs[0].shape[dim])
