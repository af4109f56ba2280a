"""Who costs less over two symbols: a sheet of cells, coloured and hatched by outcome."""

from __future__ import annotations

from typing import Any

from .data import RegionChart
from .style import GRID, PAPER, QUIET, TYPE, colours_of_layers

_PALE = 0.75
"""Opacity of a field, so that the grid of the paper is seen."""

_HATCHES = ("xxxx", "////", "", "....")


def height(chart: RegionChart, width: float) -> float:
    """Inches that the picture is high."""
    return min(0.66 * width, 4.6) + 0.3


def draw(figure: Any, chart: RegionChart) -> Any:
    """Draw the chart on an empty figure; return its subtitle."""
    import numpy
    from matplotlib.patches import Patch

    axes = figure.add_subplot()
    cells = numpy.array(chart.cells)
    edges = [numpy.array([*places, 2 * places[-1] - places[-2]]) - 0.5 for places in (chart.x, chart.y)]
    keys = []
    colours = colours_of_layers([key for key, _ in chart.outcomes])
    for outcome, (key, label) in enumerate(chart.outcomes):
        there = cells == outcome
        if not there.any():
            continue
        colour = colours[outcome] if key else (GRID if outcome else PAPER)
        look = {"hatch": _HATCHES[outcome], "edgecolor": QUIET, "linewidth": 0.0}
        field = numpy.ma.masked_where(~there, there)
        axes.pcolor(*edges, field, cmap=_single(colour), alpha=_PALE, **look)
        keys.append(Patch(facecolor=colour, alpha=_PALE, label=label, hatch=_HATCHES[outcome], edgecolor=QUIET))
    axes.set_xlim(edges[0][0], edges[0][-1])
    axes.set_ylim(edges[1][0], edges[1][-1])
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=TYPE)
    return axes.set_title(chart.subtitle, fontsize=TYPE - 0.5, weight="normal", color=QUIET)


def _single(colour: str) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour])
