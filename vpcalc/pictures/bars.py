"""Stacked horizontal bars, their parts named by operator."""

from __future__ import annotations

from typing import Any

from ..report.numbers import share
from .data import BarChart, Unit
from .style import HATCHES, NARROW, QUIET, TYPE, colour_of_operator, written

_THICK = 0.62
"""Share of a bar's row that the bar fills."""


def height(chart: BarChart, width: float) -> float:
    """Inches that the picture is high."""
    return (1.35 if width >= NARROW else 1.6) + 0.27 * len(chart.bars)


def draw(figure: Any, chart: BarChart) -> Any:
    """Draw the chart on an empty figure; return its subtitle."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    axes = figure.add_subplot()
    kinds = operators(chart)
    longest = max(bar.total for bar in chart.bars)
    for row, bar in enumerate(chart.bars):
        whole = (bar.total or 1) if chart.shares else 1
        left = 0.0
        for kind, size in bar.parts:
            length = size / whole
            axes.barh(row, length, _THICK, left, **look(kind))
            if length * figure.get_figwidth() > 0.45 * (1 if chart.shares else longest):  # wide enough to hold it
                _write_share(axes, row, left + length / 2, size / bar.total)
            left += length
        axes.annotate(
            f"{written(bar.total, Unit.COUNT)}{bar.note and '  ' + bar.note}",
            (left, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1 if chart.shares else longest)
    axes.xaxis.set_major_formatter(
        PercentFormatter(1) if chart.shares else FuncFormatter(lambda x, _: written(x, Unit.COUNT))
    )
    axes.set_xlabel(chart.x_label)
    subtitle = axes.set_title(chart.subtitle, fontsize=TYPE - 0.5, weight="normal", color=QUIET)
    axes.grid(True, axis="x")
    axes.spines["left"].set_visible(False)
    legend(figure, kinds)
    return subtitle


def operators(chart: BarChart) -> list[str]:
    """The operators that occur, in the order in which they are stacked."""
    return list(dict.fromkeys(kind for bar in chart.bars for kind, size in bar.parts if size))


def look(kind: str) -> dict[str, Any]:
    """Colour and hatching of an operator's part."""
    return {
        "facecolor": colour_of_operator(kind),
        "edgecolor": "white",
        "linewidth": 0.4,
        "hatch": HATCHES.get(kind, ""),
    }


def legend(figure: Any, kinds: list[str]) -> None:
    """What the colours stand for, below the picture."""
    from matplotlib.patches import Patch

    patches = [Patch(**look(kind), label=kind.replace("_", " ")) for kind in kinds]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(kinds), 4), handlelength=1.8)


def _write_share(axes: Any, row: int, middle: float, part: float) -> None:
    """A part's share of its bar."""
    axes.text(
        middle,
        row,
        share(part, 0),
        ha="center",
        va="center",
        fontsize=TYPE - 1,
        color="black",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
    )
