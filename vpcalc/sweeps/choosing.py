"""The choice among configurations: a condition, the first few by a figure, Pareto fronts.

What is kept of a stretch of the grid are :class:`Rows`. A choice is made stretch by stretch and joined
(:meth:`Choice.joined`): what loses within its stretch loses among all, so that stretches may come in any order. Of
configurations with the same figures the first in the grid's order is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy

from ..arrays.forms import MOST, Array
from ..errors import InputError, unknown
from ..inputs import whole
from .axes import Grid
from .blocks import Piece


class Rows(NamedTuple):
    """Some configurations: the place of each along every axis of the grid, and its figures."""

    at: Mapping[str, Array]
    figures: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter((*self.at.values(), *self.figures.values())), ()))

    def taken(self, which: Array) -> Rows:
        """Some of them, in this order."""
        return Rows(
            {name: array[which] for name, array in self.at.items()},
            {name: array[which] for name, array in self.figures.items()},
        )

    def in_order(self, grid: Grid) -> Rows:
        """The same in the grid's order."""
        if len(self) < 2 or not self.at:
            return self
        if grid.size > LARGEST_PLACE:
            return self.taken(numpy.lexsort([*self.at.values()][::-1]))
        place: Any = 0
        for array, side in zip(self.at.values(), grid.shape, strict=True):
            place = place * side + array
        if numpy.all(place[1:] > place[:-1]):
            return self
        low, high = int(place.min()), int(place.max())
        if high - low > MOST_SPREAD * len(self):
            return self.taken(numpy.argsort(place))
        found = numpy.full(high - low + 1, -1)  # places are all different, so that nothing need be compared
        found[place - low] = numpy.arange(len(self))
        return self.taken(found[found >= 0])


LARGEST_PLACE = 1 << 62
MOST_SPREAD = 16


def put_together(parts: Sequence[Rows]) -> Rows:
    """All rows of several."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Rows(
        {name: numpy.concatenate([part.at[name] for part in parts]) for name in first.at},
        {name: numpy.concatenate([part.figures[name] for part in parts]) for name in first.figures},
    )


def rows_of(piece: Piece, names: Iterable[str], figures: Mapping[str, Any], which: Array | None) -> Rows:
    """Configurations of a piece: all, or those at ``which`` places of its flat arrays, with some figures."""

    def flat(array: Any) -> Array:
        spread = numpy.broadcast_to(array, piece.shape)
        return spread.reshape(-1) if which is None else spread[numpy.unravel_index(which, piece.shape)]

    return Rows(
        {name: flat(piece.at[name]) for name in names},
        {name: flat(_array(array)) for name, array in figures.items()},
    )


def _array(figure: Any) -> Array:
    return (
        numpy.asarray(figure, dtype=object) if isinstance(figure, int) and figure > MOST else numpy.asarray(figure)
    )


class Key(NamedTuple):
    """A column to choose by: less is better unless it is the ``largest`` that is."""

    column: str
    largest: bool = False

    def of(self, figures: Mapping[str, Any]) -> Any:
        """Its values, less being better."""
        found = figures[self.column]
        return -found if self.largest else found

    def __str__(self) -> str:
        return f"-{self.column}" if self.largest else self.column


@dataclass(frozen=True)
class Choice:
    """The Pareto front in some keys, if there are any, and of that, or of all, the first ``top`` by another."""

    pareto: tuple[Key, ...] = ()
    top: int | None = None
    by: Key | None = None

    def __bool__(self) -> bool:
        return bool(self.pareto) or self.top is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """What it chooses by."""
        return tuple(dict.fromkeys(key.column for key in (*self.pareto, *([self.by] if self.by else []))))

    @property
    def options(self) -> dict[str, str]:
        """It as it is given."""
        pareto = {"pareto": ",".join(map(str, self.pareto))} if self.pareto else {}
        return {**pareto, **{name: str(v) for name, v in (("top", self.top), ("by", self.by)) if v is not None}}

    def chosen(self, rows: Rows) -> Rows:
        """Those of some rows that may be among the chosen of all."""
        if self.pareto:
            return rows.taken(front([key.of(rows.figures) for key in self.pareto]))
        if self.top is not None and self.by is not None:
            return rows.taken(first(self.by.of(rows.figures), self.top))
        return rows

    def ended(self, found: Rows) -> Rows:
        """Of what may be chosen of all what is, in the order in which it is shown."""
        key = self.by or (self.pareto[0] if self.pareto else None)
        if key is None:
            return found
        most = len(found) if self.top is None else self.top
        return found.taken(first(key.of(found.figures), most))


def read_choice(pareto: str | Iterable[str] | None, top: object, by: str | None, columns: Iterable[str]) -> Choice:
    """A choice from what users give; columns of a front are apart by commas, or several.

    Raises:
        InputError: a column that is not known, or one option without the other.
    """
    known = [*columns]
    if pareto is not None and not isinstance(pareto, str):
        pareto = ",".join(map(str, pareto))
    keys = tuple(_key("--pareto", text, known) for text in pareto.split(",")) if pareto is not None else ()
    if len({key.column for key in keys}) < len(keys):
        raise InputError(f"--pareto {pareto}: a column stands twice")
    if len(keys) == 1:
        raise InputError(
            f"--pareto {pareto}: needs two columns or more; --top 1 --by {keys[0]} is the best by one"
        )
    if top is None and by is not None and not keys:
        raise InputError(f"--by {by}: needs --top, such as --top 10")
    if top is not None and by is None and not keys:
        raise InputError(f"--top {top}: needs --by, such as --by {known[0]}")
    number = None if top is None else whole("--top", top)
    return Choice(keys, number, None if by is None else _key("--by", by, known))


def _key(option: str, text: str, known: Sequence[str]) -> Key:
    name = text.strip()
    largest, name = name.startswith("-"), name.removeprefix("-")
    if name not in known:
        raise unknown(f"{option}: column", name, known)
    return Key(name, largest)


# -- the first ----------------------------------------------------------------------------------------------


def first(values: Array, most: int) -> Array:
    """Places of the least values, in order; of equal ones the first come first."""
    if most < len(values) and values.dtype != object:
        bound = numpy.partition(values, most - 1)[most - 1]
        below = numpy.flatnonzero(values <= bound)
        return below[numpy.argsort(values[below], kind="stable")][:most]
    return numpy.argsort(values, kind="stable")[:most]


# -- Pareto fronts ------------------------------------------------------------------------------------------


def front(keys: Sequence[Array]) -> Array:
    """Places, in order, of what nothing is below or equal to in all keys but a later equal one."""
    if len(keys[0]) == 0:
        return numpy.zeros(0, numpy.int64)
    left = numpy.arange(len(keys[0]))
    order = numpy.lexsort([*reversed(keys)]) if all(key.dtype != object for key in keys) else _sorted(keys)
    keys = [key[order] for key in keys]
    found = _of_two(keys) if len(keys) == 2 else _of_several(keys)
    return numpy.sort(left[order[found]])


def _sorted(keys: Sequence[Array]) -> Array:
    """As lexsort, for Python's integers."""
    return numpy.asarray(sorted(range(len(keys[0])), key=lambda at: tuple(key[at] for key in keys)))


def _of_two(keys: Sequence[Array]) -> Array:
    """Of values sorted by the first key, then the second: whose second is below all before."""
    second = keys[1]
    before = numpy.minimum.accumulate(second)
    kept = numpy.ones(len(second), bool)
    kept[1:] = second[1:] < before[:-1]
    return numpy.flatnonzero(kept)


def _of_several(keys: Sequence[Array]) -> Array:
    """Of values sorted by all keys in turn: the first is kept, what it beats or equals falls, and so on."""
    left = numpy.arange(len(keys[0]))
    kept = []
    while len(left):
        place = left[0]
        kept.append(place)
        left = left[1:]
        worse = reduce(numpy.logical_and, [key[left] >= key[place] for key in keys])
        left = left[~worse]
    return numpy.asarray(kept, dtype=numpy.int64)


# -- what is known to lose before it is looked at -----------------------------------------------------------


class Sieve:
    """Lets pass what may be chosen, as far as configurations that came before tell.

    What is no better than one that stands earlier in the grid is never chosen. Rows that were ``seen`` are used
    for later stretches only.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._points: list[tuple[Any, ...]] = []
        self._bound: Any = None
        self._best: Rows | None = None
        self._upto = 0

    def passing(self, figures: Mapping[str, Any], start: int) -> Any:
        """Where something of a stretch that begins at ``start`` may be chosen: truths, or True for all."""
        if start < self._upto:
            return True
        if self._bound is not None:
            assert self._choice.by is not None
            return self._choice.by.of(figures) < self._bound
        keys = [key.of(figures) for key in self._choice.pareto]
        found: Any = True
        for point in self._points:
            better = reduce(numpy.logical_or, [key < side for key, side in zip(keys, point, strict=True)])
            found = numpy.logical_and(found, better)
        return found

    def seen(self, rows: Rows, stop: int) -> None:
        """Chosen rows of a stretch up to ``stop``."""
        if stop < self._upto or not len(rows):
            return
        self._upto = stop
        self._best = self._choice.chosen(rows if self._best is None else put_together([self._best, rows]))
        if self._choice.pareto:
            self._points = _strong([key.of(self._best.figures) for key in self._choice.pareto])
        elif self._choice.by is not None and len(self._best) == self._choice.top:
            self._bound = self._choice.by.of(self._best.figures).max()


def _strong(keys: Sequence[Array]) -> list[tuple[Any, ...]]:
    """Some points of a front that beat many others: the least by several weightings of logarithms."""
    logs = [numpy.log2((key - key.min() + 1).astype(float)) for key in keys]
    ways = [
        [weight if at == place else 1.0 for at in range(len(keys))]
        for place in range(len(keys))
        for weight in WEIGHTS
    ]
    places = {
        int(numpy.argmin(reduce(numpy.add, [w * log for w, log in zip(way, logs, strict=True)]))) for way in ways
    }
    return [tuple(key[place] for key in keys) for place in places]


WEIGHTS = (1.0, 3.0, 9.0)
