"""Curves on a log–log sheet, each named at its end, with the points where they cross."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

from .data import LineChart, Unit
from .placing import Placing, spread
from .style import DASHES, INK, LEFT, NARROW, QUIET, TYPE, colours_of_layers, subtitle_lines, written

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_KEY = 0.14
"""Inches of a line of the key to the marks."""
_FEW = 1000
"""Times that the highest cost is the lowest, below which powers of ten alone are too few ticks."""
_TICKS = 2.2
"""Named places to an inch of the axis, at most."""


def height(chart: LineChart, width: float) -> float:
    """Inches that the picture is high."""
    if width >= NARROW:
        return min(0.66 * width, 4.6)
    return 0.95 * width + _KEY * (len(chart.marks) + len(subtitle_lines(chart.subtitle, width)[1:]))


def draw(figure: Any, chart: LineChart) -> Any:
    """Draw the chart on an empty figure; return its subtitle."""
    axes = figure.add_subplot()
    colours = colours_of_layers([line.key for line in chart.lines])
    for place, line in enumerate(chart.lines):
        axes.plot(
            line.x,
            line.y,
            color=colours[place],
            linestyle=DASHES[place % len(DASHES)],
            label=line.label,
        )
    _axes(axes, chart)
    for level in chart.levels:
        axes.axhline(level.y, color=QUIET, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.annotate(
            level.label,
            (0, level.y),
            (2, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=QUIET,
            fontsize=TYPE - 1,
        )
    costs = [y for line in chart.lines for y in line.y]
    for ridge in chart.ridges:
        bottom, _ = axes.get_ylim()
        axes.vlines(ridge.x, bottom, max(costs), color=QUIET, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_ylim(bottom=bottom)
        (place, _) = axes.transAxes.inverted().transform(axes.transData.transform((ridge.x, 1)))
        axes.annotate(
            ridge.label if figure.get_figwidth() >= NARROW else ridge.label.replace(": ", ":\n"),
            (ridge.x, 0),
            (-4 if place > 0.5 else 4, 5),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if place > 0.5 else "left",
            color=QUIET,
            fontsize=TYPE - 1,
        )
    subtitle = axes.set_title(chart.subtitle, fontsize=TYPE - 0.5, weight="normal", color=QUIET)
    _name_ends(axes, chart)
    _mark(axes, chart)
    return subtitle


def _axes(axes: Any, chart: LineChart) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_xscale("log", base=2 if chart.x_ticks else 10)
    axes.set_yscale("log", base=1024 if chart.y_unit is Unit.BYTES else 10)
    axes.set_xlim(min(line.x[0] for line in chart.lines), max(line.x[-1] for line in chart.lines))
    axes.set_xlabel(chart.x_label if axes.figure.get_figwidth() >= NARROW else chart.x_label.replace("  ", "\n"))
    axes.set_ylabel(chart.y_label)
    axes.grid(True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: written(x, chart.x_unit)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: written(y, chart.y_unit)))
    if chart.x_ticks:
        axes.xaxis.set_major_locator(FixedLocator(_thinned(axes, chart.x_ticks)))
    axes.xaxis.set_minor_locator(NullLocator() if chart.x_ticks else LogLocator(subs=range(2, 10)))
    axes.yaxis.set_minor_locator(NullLocator())
    costs = [y for line in chart.lines for y in line.y]
    if chart.y_unit is not Unit.BYTES and max(costs) < _FEW * min(costs):
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if not chart.sides:
        return
    # The same tokens as the side of a square grid. Powers of two are the sides that people ask for.
    low, high = axes.get_xlim()
    sides = _thinned(axes, [2**power for power in range(17) if low <= 4**power <= high])
    above = axes.secondary_xaxis("top")
    above.xaxis.set_major_locator(FixedLocator([side * side for side in sides]))
    above.xaxis.set_minor_locator(NullLocator())
    above.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{isqrt(round(x))}²"))
    above.tick_params(labelsize=TYPE - 1, length=2)
    above.spines["top"].set_visible(False)


def _thinned(axes: Any, places: Sequence[float]) -> list[float]:
    """So many of the places, the last among them, as find room on the axis."""
    room = max(2, round((axes.figure.get_figwidth() - 1.8) * _TICKS))
    step = -(-len(places) // room)
    return list(places[::-1][::step][::-1])


def _name_ends(axes: Any, chart: LineChart) -> None:
    """Each curve's name at its right end, moved apart where ends are close."""
    axes.figure.draw_without_rendering()
    ends = [(line.x[-1], line.y[-1]) for line in chart.lines]
    pixels = axes.transData.transform(ends)
    dots = axes.figure.dpi / 72
    wide = axes.figure.get_figwidth() >= NARROW
    names = [line.label if wide else line.label.replace(", ", "\n") for line in chart.lines]
    if len(chart.lines) == 1 and ends[0][1] == chart.lines[0].y[-2]:  # flat: there is room above it
        style = {"color": axes.lines[0].get_color(), "weight": "bold", "ha": "right"}
        axes.annotate(names[0], ends[0], (0, 5), textcoords="offset points", **style)
        return
    heights = [1.3 * TYPE * dots * (1 + name.count("\n")) for name in names]
    apart = spread([float(y) for _, y in pixels], heights)
    for name, drawn, end, (_, y), goal in zip(names, axes.lines, ends, pixels, apart, strict=False):
        axes.annotate(
            name,
            end,
            (5, (goal - y) / dots),
            textcoords="offset points",
            va="center",
            color=drawn.get_color(),
            weight="bold",
            annotation_clip=False,
        )


def _mark(axes: Any, chart: LineChart) -> None:
    """A ring and a letter where curves cross; what the letters mean stands where no curve goes."""
    if not chart.marks:
        return
    spots = [(float(mark.x), float(mark.y)) for mark in chart.marks]
    axes.plot(*zip(*spots, strict=True), "o", ms=4, mfc="white", mec=INK, mew=0.9, zorder=5, label="_crossings")
    placing = Placing(axes, spots, 2, [(line.x, line.y) for line in chart.lines])
    for letter, spot in zip(_LETTERS, spots, strict=False):
        placing.label(spot, letter, always=True, fontsize=TYPE - 0.5, style="italic", weight="bold")
    text = "\n".join(f"{letter}  {mark.label}" for letter, mark in zip(_LETTERS, chart.marks, strict=False))
    style = {"fontsize": TYPE - 1, "linespacing": 1.4, "color": INK}
    if axes.figure.get_figwidth() < NARROW:
        axes.figure.supxlabel(text, x=LEFT, ha="left", **style)
    else:  # costs grow: no curve comes near the upper left corner
        axes.text(0.02, 0.97, text, transform=axes.transAxes, va="top", zorder=1, **style)
