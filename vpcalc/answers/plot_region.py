"""``vpcalc plot region``: who costs less, over two symbols."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InputError
from ..pictures import RegionChart
from ..report import Column, Kind, Table
from ..report.numbers import percent
from .plot import Plot
from .sides import FIRST, SECOND, notes_of, pair

RANGE = (1, 64)
"""Sizes of a symbol, unless others are asked for."""

MOST = 128
"""Places along an axis; of more sizes evenly spaced ones are taken."""


def plot_region(
    first: object,
    second: object,
    *,
    quantity: str = "macs",
    at: Mapping[str, object] | None = None,
    range: Mapping[str, object] | None = None,
) -> Plot:
    """Where one of two costs less than the other, over the two symbols that are left.

    Args:
        first, second, quantity, at: as for :func:`vpcalc.crossover`; ``at`` has to leave two symbols.
        range: sizes along the axes, ``{"h": "7:112", "M": "2:16"}``; from 1 to 64 unless given.

    Raises:
        InputError: those of :func:`vpcalc.crossover`, or other than two symbols are left.
    """
    import numpy

    found = pair(first, second, quantity, at or {}, range or {})
    if len(found.letters) != 2:
        left = ", ".join(found.letters) or "none"
        raise InputError(f"--at: leaves {left}; a region is over two symbols, so give values of the others")
    sides = {letter: _places(*found.sizes(letter, RANGE)) for letter in found.letters}
    across, up = found.letters
    outcomes = found.outcomes(
        {
            across: numpy.array(sides[across], dtype=object)[None, :],
            up: numpy.array(sides[up], dtype=object)[:, None],
        }
    )
    cells = tuple(map(tuple, outcomes.tolist()))
    one, other = found.one, found.other
    share = {side.title: sum(row.count(kind) for row in cells) for side, kind in ((one, FIRST), (other, SECOND))}
    known = sum(map(len, cells))
    title = ", ".join(f"{name} costs less at {percent(count / known)}" for name, count in share.items())
    given = ", ".join(f"{name} = {value}" for name, value in (at or {}).items())
    chart = RegionChart(
        f"{title} of the sizes",
        "; ".join(filter(None, (f"{one.quantity}, every cell by its own exact figures", given))),
        across,
        up,
        sides[across],
        sides[up],
        cells,
        (
            ("", "not both have a cost"),
            (one.name, f"{one.title} costs less"),
            (other.name, f"{other.title} costs less"),
            ("", "both the same"),
        ),
    )
    names = ("unknown", one.name, other.name, "equal")
    columns = (Column(across, across, Kind.NUMBER), Column(up, up, Kind.NUMBER), Column("cheaper", "Cheaper"))
    rows = tuple(
        (x, y, names[kind])
        for y, row in zip(sides[up], cells, strict=True)
        for x, kind in zip(sides[across], row, strict=True)
    )
    inputs = {"between": [one.name, other.name], "at": {name: str(value) for name, value in (at or {}).items()}}
    return Plot("region", inputs, chart, Table(chart.title, columns, rows, notes_of(one, other)))


def _places(low: int, high: int) -> tuple[int, ...]:
    """Sizes from one end to the other, all of them or evenly spaced."""
    if low == high:
        raise InputError(f"--range: from {low} to {high} is one size, and an axis needs more; --at gives a value")
    step = -(-(high - low + 1) // MOST)
    return (*range(low, high + 1, step),)
