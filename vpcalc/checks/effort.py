"""How much work one count may be, measured in steps that a busy machine takes as well as an idle one.

Nothing here reads a clock: the same question has the same answer under load. The steps of a run are the
operators that it dispatches, which :class:`~vpcalc.counters.dispatch.DispatchCounts` knows afterwards. A run that
would not end (a constructor that makes a table of all pairs in Python) dispatches none, so it is stopped by the
number of its calls, Python's own among them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .shapes import Point

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts

MOST_OPERATORS = 2_500
"""Operators of one run beyond which no larger size is tried: a loop over tokens shows as operators growing."""

MOST_LOOPED = 3_000
"""The same where a form is known and is only tried."""

MOST_CALLS = 20_000_000
"""Calls of functions, Python's and C's, after which a run on the meta device is stopped."""

MOST_REAL_WORK = 10**11
"""Multiply-accumulates of a run that has to be real."""

MOST_REAL_ELEMENTS = 1 << 24
"""Elements of the largest tensor of such a run."""


class StoppedError(BaseException):
    """A run took too many steps. Not an ``Exception``: foreign code must not take it for one of its own."""


def operators(counts: DispatchCounts) -> int:
    """How many operators a run dispatched, priced, free and unknown; one that returns a list is one a part."""
    return sum(map(sum, (counts.calls.values(), counts.free.values(), counts.unknown.values()))) + counts.parts


_UNNUMBERED = ("Storage size calculation overflowed with sizes=", "numel: integer multiplication overflow")


def is_unnumbered(error: Exception) -> bool:
    """Whether PyTorch could not number the bytes of a tensor, so that the program itself was not asked."""
    return isinstance(error, RuntimeError) and str(error).startswith(_UNNUMBERED)


class Growth:
    """How the operators of a run grow with its sizes, from all that was counted: a loop over a side shows."""

    def __init__(self, count: Callable[[Point], DispatchCounts]) -> None:
        self._count = count
        self._counts: dict[tuple[tuple[str, int], ...], DispatchCounts] = {}
        self._steps: dict[int, int] = {}

    def counts(self, point: Point) -> DispatchCounts:
        """The count at a point, remembered."""
        key = tuple(sorted(point.items()))
        if key not in self._counts:
            self._counts[key] = self._count(point)
            self.note(point, self._counts[key])
        return self._counts[key]

    def note(self, point: Point, counts: DispatchCounts) -> None:
        """What was counted elsewhere."""
        self._steps[sum(point.values())] = operators(counts)

    def affordable(self, point: Point) -> bool:
        """Whether a run dispatches no more than :data:`MOST_LOOPED`, on the line through what was counted."""
        if len(self._steps) < 2:
            return True
        first, last = min(self._steps), max(self._steps)
        each = max(self._steps[last] - self._steps[first], 0) / (last - first)
        if 2 * self._steps[first] > self._steps[last]:
            return True  # a model of many layers is no loop
        return self._steps[last] + each * (sum(point.values()) - last) <= MOST_LOOPED


@contextmanager
def brake(most: int) -> Iterator[None]:
    """Within it, :class:`StoppedError` is raised after so many calls; a profiler outside is set aside."""
    left = most

    def step(frame: Any, event: str, arg: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoppedError

    outside = sys.getprofile()
    sys.setprofile(step)
    try:
        yield
    finally:
        sys.setprofile(outside)
