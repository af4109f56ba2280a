"""Every configuration of a stretch of the grid: its figures, or the reason why it has none.

Values that are sizes are letters of forms, and lie on axes of arrays. Values of which no form can be had, such as
the depths of stages, how many steps a loop takes, words and truths, are gone through one by one, each combination
with regimes of its own. Which is which shows where a description is first run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy

from ..arrays.forms import Array, Ends
from ..arrays.regimes import NO_FORM, NoFormError, Pace, Regimes
from .axes import Axis, Box, Grid
from .subjects import Subject, Values, entries_of


class Piece(NamedTuple):
    """Configurations of one regime: arrays that broadcast to ``shape``.

    ``at`` are the places of the values along each axis of the grid, ``values`` those of every name that conditions
    may speak of, ``figures`` the columns. Pieces that are ``refused`` have no figures.
    """

    shape: tuple[int, ...]
    at: Mapping[str, Array]
    values: Values
    figures: Mapping[str, Array]
    refused: str = ""


@dataclass
class Blocks:
    """The configurations of a subject on a grid, with these columns."""

    subject: Subject
    grid: Grid
    columns: tuple[str, ...]
    fixed: Values = field(init=False)
    ends: Ends = field(init=False)

    def __post_init__(self) -> None:
        self.varied = frozenset(axis.name for axis in self.grid.axes)
        self.fixed = self.subject.fixed([axis.name for axis in self.grid.axes])
        self.by_hand = {axis.name for axis in self.grid.axes if not axis.sizes}
        self.ends = {axis.name: _ends(axis) for axis in self.grid.axes if axis.sizes}
        self._regimes: dict[tuple[Any, ...], Regimes] = {}
        self._pace = Pace()

    @property
    def regimes(self) -> int:
        """How many forms were found."""
        return sum(len(found.found) for found in self._regimes.values())

    @property
    def confirmed(self) -> int:
        """How many counts were held against them."""
        return sum(found.confirmed for found in self._regimes.values())

    @property
    def counted(self) -> int:
        """How many configurations were counted instead."""
        return sum(found.counted for found in self._regimes.values())

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """The configurations from ``start`` up to ``stop``, regime by regime."""
        for box in self.grid.boxes(start, stop):
            yield from self._of_box(box)

    def _of_box(self, box: Box) -> Iterator[Piece]:
        while True:
            before = {*self.by_hand}
            try:
                yield from list(self._pieces(box))
            except _ByHandError:
                if self.by_hand == before:
                    raise
            else:
                return

    def _pieces(self, box: Box) -> Iterator[Piece]:
        axes = list(zip(self.grid.axes, box, strict=True))
        single = [
            (axis, range(*part.indices(len(axis.values)))) for axis, part in axes if axis.name in self.by_hand
        ]
        whole = [(axis, part) for axis, part in axes if axis.name not in self.by_hand]
        sizes = {
            axis.name: _sizes(axis, part).reshape([-1 if at == place else 1 for at in range(len(whole))])
            for place, (axis, part) in enumerate(whole)
        }
        for places in product(*(each for _, each in single)):
            values = {axis.name: axis.values[place] for (axis, _), place in zip(single, places, strict=True)}
            at = {axis.name: numpy.asarray(place) for (axis, _), place in zip(single, places, strict=True)}
            yield from self._of_sizes(values, at, sizes, [(axis.name, part.start) for axis, part in whole])

    def _of_sizes(
        self, values: Values, at: Mapping[str, Array], sizes: Mapping[str, Array], origins: list[tuple[str, int]]
    ) -> Iterator[Piece]:
        fixed = {**self.fixed, **values}
        key = tuple(values.items())
        if key not in self._regimes:
            description = self.subject.describe(fixed, self.varied, self.columns)
            self._regimes[key] = Regimes(description, self.ends, self._pace)
        try:
            for regime, part in self._regimes[key].parts(sizes):
                places = {name: place + origin for (name, origin), place in zip(origins, part.places, strict=True)}
                yield Piece(
                    part.shape,
                    {**at, **places},
                    {**fixed, **entries_of(values), **part.sizes},
                    {} if regime.refused else regime.evaluated(part.sizes),
                    regime.refused,
                )
        except NoFormError as none:
            self._take_apart(fixed, none)
            raise _ByHandError from None

    def _take_apart(self, fixed: Values, none: NoFormError) -> None:
        """Find the sizes of which no form can be had, each alone, and go through them by hand from now on."""
        found = set()
        for name, size in none.point.items():
            others = {other: size for other, size in none.point.items() if other != name}
            description = self.subject.describe({**fixed, **others}, self.varied, self.columns)
            try:
                description.at({name: size})
            except NO_FORM:
                found.add(name)
        if not found:
            raise none
        self.by_hand |= found
        self._regimes.clear()


class _ByHandError(Exception):
    """Some axes turned out to be no letters of forms."""


def _ends(axis: Axis) -> tuple[int, int]:
    return min(axis.values), max(axis.values)


def _sizes(axis: Axis, part: slice) -> Array:
    values = axis.values[part]
    if isinstance(values, range):
        return numpy.arange(values.start, values.stop, values.step, dtype=numpy.int64)
    return numpy.asarray(values, dtype=numpy.int64)
