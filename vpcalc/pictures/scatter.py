"""Models between two quantities, with a ring for each published point, and a line along a front."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .data import Point, ScatterChart, Unit
from .placing import Placing
from .style import CYCLE, INK, MARKERS, NARROW, QUIET, TYPE, written


def height(chart: ScatterChart, width: float) -> float:
    """Inches that the picture is high."""
    groups = len({point.group for point in chart.points}) + 2
    return min(0.72 * width, 5.0) + 0.5 + 0.17 * (groups // _columns(width) if width < NARROW else 0)


def _columns(width: float) -> int:
    """Keys of the legend in a row."""
    return max(3, round(width / 1.1))


def _stairs(chart: ScatterChart) -> tuple[list[float], list[float]]:
    """The front's line, corner by corner."""
    corners = [(chart.front[0].x, chart.front[0].y)]
    for before, point in pairwise(chart.front):
        turn = (before.x, point.y) if chart.x_unit is Unit.PER_CENT else (point.x, before.y)
        corners += [turn, (point.x, point.y)]
    return [x for x, _ in corners], [y for _, y in corners]


def draw(figure: Any, chart: ScatterChart) -> Any:
    """Draw the chart on an empty figure; return its subtitle."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = figure.add_subplot()
    groups: dict[str, list[Point]] = {}
    for point in chart.points:
        groups.setdefault(point.group, []).append(point)
    for place, (group, points) in enumerate(groups.items()):
        axes.plot(
            [point.x for point in points],
            [point.y for point in points],
            MARKERS[place % len(MARKERS)],
            color=CYCLE[place % len(CYCLE)],
            ms=5.5 if MARKERS[place % len(MARKERS)] in "*Xx" else 4.5,
            mec="white",
            mew=0.3,
            label=group,
            zorder=3,
        )
    printed = [(x, y) for point in chart.points for x, y, _ in point.published]
    if printed:
        axes.plot(
            *zip(*printed, strict=True), "o", ms=8, mfc="none", mec=INK, mew=0.8, label="as published", zorder=4
        )
    apart = [([point.x, x], [point.y, y]) for point in chart.points for x, y, _ in point.published]
    for line in apart:
        axes.plot(*line, color=INK, linewidth=0.7, label="_apart", zorder=2)
    curves = apart
    if chart.front:
        front = list(zip(*((point.x, point.y) for point in chart.front), strict=True))
        curves = [*apart, _stairs(chart)]
        # of per cents more is better: what a share takes at least is what the next better takes
        where = "pre" if chart.x_unit is Unit.PER_CENT else "post"
        axes.step(*front, where=where, color=QUIET, linewidth=0.9, label="Pareto front", zorder=2)
    axes.margins(0.06)
    sides = ((axes.xaxis, axes.set_xscale, chart.x_unit), (axes.yaxis, axes.set_yscale, chart.y_unit))
    for axis, scale, unit in sides:
        if unit is not Unit.PER_CENT:
            scale("log")
            axis.set_minor_locator(LogLocator(subs=range(2, 10)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _, unit=unit: written(value, unit)))
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    subtitle = axes.set_title(chart.subtitle, fontsize=TYPE - 0.5, weight="normal", color=QUIET)
    axes.grid(True)
    columns = _columns(figure.get_figwidth())
    figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.2, columnspacing=1.0)
    placing = Placing(axes, [*((point.x, point.y) for point in chart.points), *printed], 3.5, curves)
    limits = axes.axis()
    # What is published first: those are the names that readers look for.
    for point in sorted(chart.points, key=lambda point: not point.published):
        placing.label((point.x, point.y), point.label, led=True, fontsize=TYPE - 2.5, color=INK)
    axes.axis(limits)
    return subtitle
