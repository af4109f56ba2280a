"""How far a model goes along one symbol: the largest size that ran, and what was said at the next.

From a size that runs, four times as much is tried, and more, for as long as the steps of a run allow. Where a
run fails, the edge between the largest size that ran and the smallest that failed is found by bisection. So no
symbol stays near: what is not tried far away is said, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from .effort import operators
from .probing import BeyondTorchError, OutOfReachError, ProbeError, Prober
from .shapes import Point, Variable

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts

FARTHEST = 1 << 20
"""No size beyond this is tried."""

FACTOR = 4
"""How much farther each step goes; its square where the steps of a run do not grow with the size."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The sizes that may be counted, multiples of ``unit`` up to ``top``.

    ``fails`` is what the model said at the first size beyond, ``held_back`` why no larger one was tried.
    ``sporadic`` says that sizes fail below ``top`` as well, so that no edge can be named.
    """

    top: int
    unit: int = 1
    fails: str = ""
    held_back: str = ""
    sporadic: bool = False

    @property
    def is_edge(self) -> bool:
        """Whether the model runs up to ``top`` and no farther."""
        return bool(self.fails) and not self.sporadic


class Section:
    """The counts along one symbol while the others stand still."""

    def __init__(self, prober: Prober, v: Variable, others: Point) -> None:
        self.prober = prober
        self.v = v
        self.others = {name: size for name, size in others.items() if name != v.name}

    def point(self, size: int) -> dict[str, int]:
        """The point at a size."""
        return {**self.others, self.v.name: size}

    def counts(self, size: int, braked: bool = False) -> DispatchCounts:
        """The count at a size."""
        return self.prober.counts(self.point(size), braked)

    def macs(self, size: int) -> int:
        """Its total."""
        return self.counts(size).macs

    def runs(self, size: int) -> bool:
        """Whether the model runs there."""
        try:
            self.counts(size, braked=True)
        except ProbeError:
            return False
        return True


def explore(section: Section, anchor: int, random: Random) -> Reach:
    """Climb from a size that runs. Raises :class:`ProbeError` if that one does not."""
    most = FARTHEST if section.v.limit is None else section.v.limit
    size, before, held_back, stopped = anchor, None, "", False
    section.counts(size)
    while (larger := min(size * _factor(section, before, size), most // anchor * anchor)) > size:
        larger, why = _affordable(section, before, size, larger, anchor)
        if larger <= size:
            return Reach(size, held_back=why)
        try:
            section.counts(larger, braked=True)
        except OutOfReachError as error:
            held_back = "" if isinstance(error, BeyondTorchError) else str(error)
            most, stopped = larger // 2, True  # half as far, then no farther
            continue
        except ProbeError:
            return _edge(section, anchor, size, larger, random)
        size, before = larger, size
    if stopped or section.v.limit is None or size == most:
        return Reach(size, held_back=held_back)
    return Reach(most) if section.runs(most) else _edge(section, anchor, size, most, random)


def _factor(section: Section, before: int | None, now: int) -> int:
    if section.prober.is_real:
        return 2
    if before is None:
        return FACTOR
    grows = operators(section.counts(now)) > operators(section.counts(before))
    return FACTOR if grows else FACTOR**2


def _affordable(section: Section, before: int | None, now: int, larger: int, step: int) -> tuple[int, str]:
    """The largest of these sizes whose run, as runs grew so far, is not too much; and else why."""
    last = section.counts(now)
    first = last if before is None else section.counts(before)

    def grown(a: int, b: int, size: int) -> int:
        """On by the same factor for the same factor."""
        if before is None or b <= a or not a:
            return b
        extra = (b - a) * (size - now) // (now - before)  # a line
        return max(b + extra, b * b // a if size >= now * now // before else 0)

    why = ""
    while larger > now:
        steps = grown(operators(first), operators(last), larger)
        said = section.prober.too_much(
            macs=grown(first.macs, last.macs, larger),
            operators=steps if steps > operators(last) else 0,  # a model of many layers is no loop
            largest=grown(first.largest, last.largest, larger),
        )
        if not said:
            return larger, ""
        why = said
        larger = larger // 2 // step * step
    return now, why


def _edge(section: Section, anchor: int, runs: int, fails: int, random: Random) -> Reach:
    """Bisect, on the finest multiples on which the model runs at all."""
    unit = next(
        d for d in range(1, anchor + 1) if anchor % d == 0 and (d == anchor or _runs_in_steps(section, runs, d))
    )
    low, high = runs // unit, -(-fails // unit)
    why = _failure(section, high * unit)
    while high - low > 1:
        middle = (low + high) // 2
        if section.runs(middle * unit):
            low = middle
        else:
            high, why = middle, _failure(section, middle * unit)
    below = [unit * random.randint(max(1, anchor // unit), low) for _ in range(3)]
    beyond = min(section.v.limit or FARTHEST, fails * FACTOR) // unit
    above = [unit * random.randint(high, beyond) for _ in range(2)] if beyond > high else []
    sporadic = not all(map(section.runs, below)) or any(map(section.runs, above))
    return Reach(low * unit, unit, why, sporadic=sporadic)


def _runs_in_steps(section: Section, size: int, unit: int) -> bool:
    smaller = size - unit
    return section.runs(smaller if smaller > 0 else size + unit)


def _failure(section: Section, size: int) -> str:
    try:
        section.counts(size, braked=True)
    except ProbeError as error:
        return str(error)
    return ""  # it ran after all: another size of the same kind did not
