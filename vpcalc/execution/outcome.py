"""What one run gave: forms by place, the path that they hold on, or what the program raised.

Imports no torch: a description that ran on forms (:mod:`vpcalc.storage.everywhere`) is explored as a module is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import NamedTuple

from ..algebra.floors import Floor
from ..algebra.polynomial import Polynomial, constant
from .guards import Path, not_negative

Point = Mapping[str, int]

Place = tuple[str, str]
"""The path of the module that runs and the function that it calls."""

LIES = "how a tensor lies in memory"
"""Why a run in bytes asks whether sides are 1."""


class TableEndError(IndexError):
    """An index beyond its table, which tensors without values would let pass."""

    known_as = "IndexError"


Sides = tuple["Polynomial | int", ...]
"""A shape, its sides as forms where they are not numbers."""


class Operation(NamedTuple):
    """A priced call: the module that made it, its function, the shapes of its operands and of its result."""

    path: str
    name: str
    operands: tuple[Sides, ...]
    result: Sides


class TooLargeError(Exception):
    """A count of a size at which PyTorch cannot number the bytes of a tensor, so that the program is not asked."""


class BeyondError(Exception):
    """The run cannot be followed: a function without a rule, or a rule that torch contradicts."""


class Passes(NamedTuple):
    """Both passes of a step of training that begins without gradients, in bytes.

    ``most`` is what is alive at most, and where; ``observed`` the same where somebody looks on, so that gradients
    that meet have a sum beside them; ``left`` are outputs and gradients when they are over. ``weights`` are shapes
    of weights that got a gradient, in the module's order.
    """

    most: tuple[Polynomial, Place]
    observed: tuple[Polynomial, Place]
    left: Polynomial
    weights: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Execution:
    """What one run gave.

    ``steps`` are the calls that were followed. ``error`` is what the program raised, in which case the path says
    when. ``calls`` has for each quantity that the run saw what the calls of a function within a module add to it;
    ``missing`` says why others are not there. ``operations`` are the priced calls with their MACs. ``peaks`` are
    bytes alive at times of which others may have the most at other sizes, the most here first. ``outputs`` are
    the shapes that modules near the top return. ``passes`` are those of a step of training, if one was run.
    ``held`` are letters that had to be taken as numbers, with the
    reason.
    """

    point: Point
    path: Path
    calls: Mapping[str, Mapping[Place, Polynomial]]
    error: Exception | None
    steps: int
    seconds: float
    missing: Mapping[str, str] = field(default_factory=dict)
    operations: Sequence[tuple[Operation, Polynomial]] = ()
    peaks: Mapping[Polynomial, Place] = field(default_factory=dict)
    outputs: Mapping[str, Sides] = field(default_factory=dict)
    passes: Passes | None = None

    @property
    def macs(self) -> Polynomial:
        """Multiply-accumulates."""
        return self.totals["macs"]

    @property
    def params(self) -> Polynomial:
        """Trained parameters."""
        return self.totals.get("params", constant(0))

    @cached_property
    def totals(self) -> Mapping[str, Polynomial]:
        """All of each quantity."""
        return {quantity: sum(parts.values(), constant(0)) for quantity, parts in self.calls.items()}

    def written(self, otherwise: Callable[[Polynomial], Polynomial]) -> Execution:
        """The same with its forms written otherwise, which are equal to them where it is spoken of."""
        anew = cache(otherwise)  # equal blocks have equal forms
        calls = {
            quantity: {place: anew(form) for place, form in parts.items()}
            for quantity, parts in self.calls.items()
        }
        peaks = {anew(form): place for form, place in self.peaks.items()}
        done = [(operation, anew(macs)) for operation, macs in self.operations]
        return replace(self, calls=calls, peaks=peaks, operations=done)

    @property
    def held(self) -> Mapping[str, str]:
        """Letters of which the run knows one value only."""
        return self.path.held

    def operators(self, quantity: str = "macs") -> dict[str, Polynomial]:
        """A quantity by function."""
        return _summed((name, form) for (_, name), form in self.calls[quantity].items())

    def modules(self, quantity: str = "macs") -> dict[str, Polynomial]:
        """A quantity by module path, each with its children."""
        parts = self.calls[quantity].items()
        return _summed((parent, form) for (path, _), form in parts for parent in _parents(path))


def _summed(parts: Iterable[tuple[str, Polynomial]]) -> dict[str, Polynomial]:
    totals: dict[str, Polynomial] = {}
    for name, form in parts:
        totals[name] = totals[name] + form if name in totals else form
    return totals


def _parents(path: str) -> Iterator[str]:
    parts = path.split(".") if path else []
    for depth in range(len(parts) + 1):
        yield ".".join(parts[:depth])


def highest(times: Mapping[Polynomial, tuple[int, Place]]) -> dict[Polynomial, Place]:
    """Bytes alive at once, the most first, and at other times that may have more at other sizes; and where.

    ``times`` has the number that each form has here, and the place.
    """
    left: list[Polynomial] = []
    for form in sorted(times, key=lambda form: -times[form][0]):
        if not any(_is_at_most(form, other) for other in left):
            left = [other for other in left if not _is_at_most(other, form)] + [form]
    return {form: times[form][1] for form in left} or {constant(0): ("", "")}


def _is_at_most(form: Polynomial, other: Polynomial) -> bool:
    """Whether every term is at least as much in the other."""
    difference = other - form
    return all(number >= 0 for number in difference.terms.values()) and all(
        not isinstance(name, Floor) or not_negative(name) for name in difference.symbols
    )
