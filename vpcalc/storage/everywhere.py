"""Closed forms of memory at every size: descriptions run on noted sizes, and explored as modules are.

What decides by sizes is noted (:class:`Noting`), and :mod:`vpcalc.execution.regimes` runs the other sides until
every size of a range has its form or its refusal. How tensors lie in memory is noted apart: it seldom matters, so
that it is left to counts, which are the same description on plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..algebra import floors
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.traced import Silent, Traced, UnrolledError, form_of, value_of
from ..architectures import Architecture
from ..errors import InputError
from ..execution.guards import Path
from ..execution.outcome import LIES, BeyondError, Execution, Place, Point, highest
from ..execution.regimes import Exploration, Explorer, HeldError
from ..execution.regions import Range
from ..layers import LAYERS
from ..symbolic import SYMBOL_OF
from .footprint import Footprint, layer_footprint, model_footprint
from .forms import sample_of
from .parts import PEAKS, figure, is_of_inference
from .quantities import MemoryQuantity

Footprints = Callable[[Mapping[str, Any]], Footprint]
"""What a network takes where letters have sizes."""

MOST_FORMS, MOST_RUNS = 32, 48
"""Regimes that are looked for, and runs that are spent on them."""

LONGEST, MANY = 4096, 512
"""Up to where a side or a length is explored, and any other dimension."""

SIDES = frozenset("hwHWNTS")
"""Letters of sides and lengths."""


class Noting(Silent):
    """Notes decisions on a run's path; those of layout apart, which seldom change anything."""

    divides_exactly = False

    def __init__(self, sizes: Mapping[str, int], path: Path, why: str = "") -> None:
        self.sizes, self.path, self.why = sizes, path, why

    def at_least(self, high: int | Traced, low: int | Traced) -> bool:
        """``high ≥ low``, decided and noted."""
        truth = super().at_least(high, low)
        self.path.at_least(form_of(high) - form_of(low), truth, self.why)
        return truth

    def equal(self, one: int | Traced, other: int | Traced) -> bool:
        """``one = other``, decided and noted."""
        truth = super().equal(one, other)
        self.path.equal(form_of(one) - form_of(other), truth, self.why)
        return truth

    def divides(self, divisor: int | Traced, size: int | Traced) -> bool:
        """``divisor | size``, decided and noted."""
        truth = super().divides(divisor, size)
        self.path.equal(floors.remainder(form_of(size), form_of(divisor)), truth, self.why)
        return truth

    def of_layout(self, size: Traced) -> Traced:
        """The same size, whose decisions are noted as those of layout."""
        return Traced(size.value, size.form, Noting(self.sizes, self.path, LIES))


Ranges = Mapping[str, tuple[int, int]]
"""From where to where letters go, where not as far as is usual."""


def model_everywhere(
    architecture: Architecture, config: Mapping[str, Any], quantity: MemoryQuantity, ranges: Ranges
) -> Exploration:
    """A quantity of an architecture at every size of its input, for one image or sequence."""
    axes, family = architecture.family.axes, architecture.family
    inference = is_of_inference(quantity)

    def at(sizes: Mapping[str, Any]) -> Footprint:
        of_input = tuple(sizes[axis] for axis in axes)
        return model_footprint(family, of_input, config, 1, times=True, inference=inference)

    start = {axis: 2 * size for axis, size in axes.point(architecture.sizes).items()}
    return explored(at, figure(quantity), PEAKS.get(quantity, ""), start, ranges)


def layer_everywhere(id: str, quantity: MemoryQuantity, ranges: Ranges) -> Exploration:
    """A quantity of a layer at all its dimensions."""
    letters = {name: SYMBOL_OF.get(name, name) for name in LAYERS[id].dims}
    inference = is_of_inference(quantity)

    def at(sizes: Mapping[str, Any]) -> Footprint:
        dims = {name: sizes[letter] for name, letter in letters.items()}
        return layer_footprint(id, dims, times=True, inference=inference)

    start = {letters[name]: size for name, size in sample_of(id).items()}
    return explored(at, figure(quantity), PEAKS.get(quantity, ""), start, ranges)


def explored(
    at: Footprints, asked: Callable[[Footprint], Any], peak: str, start: Point, ranges: Ranges
) -> Exploration:
    """Every size of a range, with the form of a figure or the refusal.

    Args:
        at: the network.
        asked: the figure that is asked of it.
        peak: the field of the footprint with the maximum that the figure holds, if it holds one.
        start: sizes to begin at.
        ranges: the sizes that are asked about.

    Raises:
        InputError: the network counts through a size, or is refused at every one.
    """
    name = "peak_bytes" if peak else "saved_bytes"

    def execute(point: Point) -> Execution:
        path = Path()
        error: Exception | None = None
        times: dict[Polynomial, tuple[int, Place]] = {as_polynomial(0): (0, ("", ""))}
        try:
            found = at(
                {letter: Traced(size, symbol(letter), Noting(point, path)) for letter, size in point.items()}
            )
            times = _times(found, asked, peak)
        except InputError as refusal:
            error = refusal
        peaks = highest(times)
        return Execution(
            point=dict(point),
            path=path,
            calls={name: {place: form for form, place in list(peaks.items())[:1]}},
            error=error,
            steps=0,
            seconds=0.0,
            peaks=peaks,
        )

    def count(point: Point) -> int | None:
        try:
            return int(asked(at(dict(point))))
        except InputError:
            return None

    bounds = {letter: ranges.get(letter, (1, LONGEST if letter in SIDES else MANY)) for letter in start}
    start = {letter: min(max(size, bounds[letter][0]), bounds[letter][1]) for letter, size in start.items()}
    try:
        return Explorer(execute, count, Range(bounds), MOST_FORMS, MOST_RUNS, quantity=name).explore([start])
    except UnrolledError as loop:
        raise InputError(f"--everywhere: it takes {loop}, so that it has no form at every size") from None
    except (BeyondError, HeldError) as beyond:
        raise InputError(f"--everywhere: {beyond}") from None


def _times(found: Footprint, asked: Callable[[Footprint], Any], peak: str) -> dict[Polynomial, tuple[int, Place]]:
    """The figure's form; where it holds a maximum, its forms at all times, with the numbers and places."""
    if not peak:
        whole = asked(found)
        return {form_of(whole): (value_of(whole), ("", ""))}
    most = getattr(found, peak)
    times: dict[Polynomial, tuple[int, Place]] = {}
    for live, path, kind in most.others:
        whole = asked(replace(found, **{peak: most._replace(bytes=live)}))
        times.setdefault(form_of(whole), (value_of(whole), (path, kind)))
    return times
