"""``vpcalc sweep --pareto a,b -o front.svg``: what was chosen, between two quantities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..pictures import Point, ScatterChart
from ..pictures.data import Unit
from ..report import Kind
from .plot import Plot
from .sweep import Sweep

SUFFIXES = (".svg", ".pdf", ".png")

NAMED = 12
"""Points that have their values beside them."""

_UNITS = {Kind.COUNT: Unit.COUNT, Kind.BYTES: Unit.BYTES}


def plot_sweep(sweep: Sweep) -> Plot:
    """A Pareto front in two keys as points, in the colours of the values that vary slowest.

    Raises:
        InputError: no front in two keys was asked for, or nothing is on it.
    """
    keys = sweep.work.choice.pareto
    if len(keys) != 2:
        raise InputError("--output: a picture needs --pareto with two keys, such as macs,params")
    x, y = (key.column for key in keys)
    table = sweep.sheet()
    rows = sweep.to_dict()["rows"]
    if not rows:
        raise InputError("--output: no configuration is left to draw")
    every = -(-len(rows) // NAMED)
    points = tuple(_point(sweep, row, x, y, place % every == 0) for place, row in enumerate(rows))
    columns = {column.key: column for column in table.columns}
    less = not any(key.largest for key in keys)
    front = tuple(sorted(points, key=lambda point: (point.x, point.y))) if less else ()
    chart = ScatterChart(
        table.title,
        sweep.given["where"] or "all configurations",
        columns[x].header,
        columns[y].header,
        points,
        front,
        *(_UNITS.get(columns[name].kind, Unit.PLAIN) for name in (x, y)),
    )
    return Plot("sweep", sweep.given, chart, table, command="sweep")


def _point(sweep: Sweep, row: Mapping[str, Any], x: str, y: str, named: bool) -> Point:
    first, *others = (axis.name for axis in sweep.work.grid.axes)
    label = ", ".join(f"{name} {row[name]}" for name in others or [first]) if named else ""
    return Point(label, f"{first} = {row[first]}", row[x], row[y])
