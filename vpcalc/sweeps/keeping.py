"""Which configurations of a design are kept: the nearest to its budgets, or a Pareto front under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy

from ..arrays.forms import Array
from ..errors import InputError
from .choosing import Key
from .levers import FREE

ROUNDING = 1e-9
"""Shares are compared as floats where they differ by more, and exactly elsewhere."""

MOST = 5000
"""Rows of a front that are held."""

POINTS = 128
"""Rows of a front that boxes are held against, about."""

Figures = Mapping[str, Any]


class Row(NamedTuple):
    """A configuration by the places of its levers' values, and its figures; the least ``order`` comes first."""

    order: tuple[Any, ...]
    at: Mapping[str, int]
    figures: Mapping[str, int]


class Nearest:
    """Those that use most of the limit of which they use least.

    Of equal ones those that use more of all limits together; of these the first in the order of levers' values.
    """

    def __init__(self, aims: Sequence[tuple[str, int]], top: int) -> None:
        self.aims, self.top = aims, top
        self.rows: list[Row] = []

    def _shares(self, figures: Figures) -> Array:
        shares = [numpy.asarray(figures[name] / most, dtype=float) for name, most in self.aims]
        return reduce(numpy.minimum, shares)

    def loses(self, low: Figures, high: Figures, places: Array) -> Array:
        """Where no configuration that fits into a box can be kept: what it takes at least, and at most.

        ``places`` are those of the levers' values at its low corner, the first of the box.
        """
        if len(self.rows) < self.top:
            return numpy.zeros(len(places), bool)
        share, total, last = self.rows[-1].order
        shares = self._shares(high)
        found: Array = shares < float(-share) * (1 - ROUNDING)
        near = numpy.flatnonzero(~found & (shares <= float(-share) * (1 + ROUNDING)))
        figures = [(high[name][near].astype(object), aim) for name, aim in self.aims]
        below = _any(most * share.denominator < -share.numerator * aim for most, aim in figures)
        at_most = _any(most * share.denominator <= -share.numerator * aim for most, aim in figures)
        whole = prod(aim for _, aim in self.aims)
        sums = sum(most * (whole // aim) for most, aim in figures)
        second = sums < -total * whole
        third = (sums == -total * whole) & _not_before(places[near], last)
        found[near] = below | (at_most & (second | third))
        return found

    def order(self, figures: Mapping[str, int], places: tuple[int, ...]) -> tuple[Any, ...]:
        """What rows are sorted by."""
        shares = [Fraction(figures[name], most) for name, most in self.aims]
        return (-min(shares), -sum(shares), places)

    def in_turn(self, figures: Figures) -> Array:
        """Places of configurations in the order in which they are offered."""
        return numpy.argsort(-self._shares(figures), kind="stable")

    def past(self, row: Row) -> bool:
        """Whether neither it nor any later in turn would be kept."""
        return len(self.rows) == self.top and row.order[0] > self.rows[-1].order[0] * (1 - Fraction(ROUNDING))

    def wants(self, row: Row) -> bool:
        """Whether it would be kept."""
        return len(self.rows) < self.top or row.order < self.rows[-1].order

    def keep(self, row: Row) -> None:
        """Keep it, and let go of the last if there are too many."""
        self.rows = sorted([*self.rows, row])[: self.top]

    def ended(self) -> list[Row]:
        """What is kept, in order."""
        return self.rows


class Front:
    """The Pareto front in some keys; of configurations that are equal in all the first."""

    def __init__(self, keys: Sequence[Key], top: int | None) -> None:
        self.keys, self.top = keys, top
        self.rows: list[Row] = []

    def loses(self, low: Figures, high: Figures, places: Array) -> Array:
        """See :meth:`Nearest.loses`."""
        best = [-high[key.column] if key.largest else low[key.column] for key in self.keys]
        found = numpy.zeros(len(best[0]), bool)
        for row in self.rows[:: max(1, len(self.rows) // POINTS)]:
            sides = [*zip(row.order, best, strict=False)]
            below = reduce(numpy.logical_and, [side <= at for side, at in sides])
            found |= below & reduce(numpy.logical_or, [side < at for side, at in sides])
        return found

    def order(self, figures: Mapping[str, int], places: tuple[int, ...]) -> tuple[Any, ...]:
        """See :meth:`Nearest.order`."""
        return (*(key.of(figures) for key in self.keys), places)

    def in_turn(self, figures: Figures) -> Array:
        """See :meth:`Nearest.in_turn`."""
        return numpy.lexsort([key.of(figures) for key in reversed(self.keys)])

    def past(self, row: Row) -> bool:
        """See :meth:`Nearest.past`."""
        return False

    def wants(self, row: Row) -> bool:
        """See :meth:`Nearest.wants`."""
        return not any(_at_most(other.order, row.order) for other in self.rows)

    def keep(self, row: Row) -> None:
        """See :meth:`Nearest.keep`."""
        self.rows = sorted([other for other in self.rows if not _at_most(row.order, other.order)] + [row])
        if len(self.rows) > MOST:
            raise InputError(f"--pareto: more than {MOST} rows in the front; give narrower ranges to {FREE}")

    def ended(self) -> list[Row]:
        """See :meth:`Nearest.ended`."""
        return self.rows[: self.top]


def _any(truths: Iterable[Any]) -> Array:
    return reduce(numpy.logical_or, [numpy.asarray(truth, bool) for truth in truths])


def _not_before(places: Array, last: tuple[int, ...]) -> Array:
    """Which rows of places come last in order, or are the last."""
    found = numpy.ones(len(places), bool)
    for column, place in zip(reversed(places.T), reversed(last), strict=True):
        found = (column > place) | ((column == place) & found)
    return found


def _at_most(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether one of two orders is no worse in any key and, where all are equal, the first."""
    keys, others = one[:-1], other[:-1]
    return all(a <= b for a, b in zip(keys, others, strict=True)) and (keys != others or one[-1] <= other[-1])
