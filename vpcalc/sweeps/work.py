"""What is done with a stretch of the grid, wherever that is: it is evaluated, and what counts is kept."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy

from ..errors import InputError
from ..where import Expression
from ..where_arrays import holds
from .axes import Grid
from .blocks import Blocks, Piece
from .choosing import Choice, Rows, Sieve, put_together, rows_of
from .subjects import Subject

ABOUT = 1 << 19
"""Configurations of a stretch, about: few enough that their arrays stay small, and worth a run of Python's."""


class Stretch(NamedTuple):
    """What was found of the configurations from ``start`` to ``stop``.

    ``left`` says of how many there are no figures and why, ``unmet`` how many did not meet the condition; ``wide``
    counts those whose figures went through Python's integers.
    """

    start: int
    stop: int
    rows: Rows
    left: Mapping[str, int]
    unmet: int
    wide: int
    regimes: int
    confirmed: int


@dataclass
class Work:
    """A sweep as it is handed to whoever works: what is swept, over which grid, and what is kept of it."""

    subject: Subject
    grid: Grid
    columns: tuple[str, ...]
    where: Expression | None
    choice: Choice
    blocks: Blocks = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = Blocks(self.subject, self.grid, self.columns)
        self._sieve = Sieve(self.choice)
        self._names = [axis.name for axis in self.grid.axes]
        self._keys = [name for name in self.choice.columns if name in self._names]

    def sent(self) -> bytes:
        """It for another process: how it is made, without the forms that were found here.

        Raises:
            InputError: what is swept is an object of this process alone.
        """
        plugins = sys.modules.get("vpcalc.plugins")
        files = plugins.loaded() if plugins is not None else []
        try:
            return pickle.dumps((files, self.subject.asked, self.grid, self.columns, self.where, self.choice))
        except Exception as error:  # an object of the reader's may refuse in any way
            raise InputError(f"--backend: {self.subject.title} cannot be sent elsewhere: {error}") from None

    @staticmethod
    def received(sent: bytes) -> Work:
        """What was sent."""
        files, asked, *others = pickle.loads(sent)
        if files:
            from ..plugins import load

            load(*files)
        return Work(asked.subject(), *others)

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The figures that rows have: columns, and names that are chosen by."""
        return (*self.columns, *self._keys)

    def joined(self, parts: Sequence[Rows]) -> Rows:
        """The rows of several stretches that may be among the chosen of all; all where nothing is chosen."""
        rows = put_together(parts) if parts else self._nothing()
        return self.choice.chosen(rows.in_order(self.grid)) if self.choice else rows

    def stretch(self, start: int, stop: int) -> Stretch:
        """Its configurations from ``start`` up to ``stop``."""
        left: Counter[str] = Counter()
        kept: list[Rows] = []
        unmet = wide = 0
        for piece in self.blocks.pieces(start, stop):
            count = int(numpy.prod(piece.shape, dtype=object))
            if piece.refused:
                left[piece.refused] += count
                continue
            if any(numpy.asarray(figure).dtype.hasobject for figure in piece.figures.values()):
                wide += count
            mask = self._met(piece)
            if mask is not True:
                unmet += count - _count(mask, piece)
            figures = piece.figures
            if self.choice:
                figures = {**figures, **{name: piece.values[name] for name in self._keys}}
                mask = numpy.logical_and(mask, self._sieve.passing(figures, start))
            which = None if mask is True or numpy.all(mask) else _places(mask, piece)
            if which is None or len(which):
                rows = rows_of(piece, self._names, figures, which)
                kept.append(self.choice.chosen(rows.in_order(self.grid)) if self.choice else rows)
        rows = (put_together(kept) if kept else self._nothing()).in_order(self.grid)
        rows = self.choice.chosen(rows) if len(kept) > 1 else rows
        if self.choice:
            self._sieve.seen(rows, stop)
        return Stretch(start, stop, rows, left, unmet, wide, self.blocks.regimes, self.blocks.confirmed)

    def _met(self, piece: Piece) -> Any:
        if self.where is None:
            return True
        found = holds(self.where, {**piece.values, **piece.figures})
        return bool(found) if isinstance(found, (bool, numpy.bool_)) else found

    def _nothing(self) -> Rows:
        empty = numpy.zeros(0, numpy.int64)
        return Rows(dict.fromkeys(self._names, empty), dict.fromkeys([*self.columns, *self._keys], empty))


def _count(mask: Any, piece: Piece) -> int:
    if isinstance(mask, bool):
        return int(numpy.prod(piece.shape, dtype=object)) if mask else 0
    return int(numpy.count_nonzero(numpy.broadcast_to(mask, piece.shape)))


def _places(mask: Any, piece: Piece) -> Any:
    return numpy.flatnonzero(numpy.broadcast_to(mask, piece.shape))
