"""Figures as data, and how they are drawn: to PNG, SVG or PDF through matplotlib, or as text.

matplotlib is imported where something is drawn and not before. Files of the same data are the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True, slots=True)
class Series:
    """A line. ``dashed`` is for bounds and predictions, solid for what was measured."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A grid of numbers from 0 to 1."""

    title: str
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Pictures in rows, as a reader compares them."""

    title: str
    pictures: tuple[tuple[Picture, ...], ...]


Figure = Chart | Mosaic


def draw(figure: Figure, format: str) -> bytes:
    """The figure as a file's contents.

    Raises:
        InputError: a format that is none of :data:`FORMATS`, or no matplotlib.
    """
    if format not in FORMATS:
        raise InputError(
            f"--plot: {format or 'no ending'!r} is not a known kind of file; must be .png, .svg or .pdf"
        )
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise InputError("--plot: needs matplotlib, which is not installed (pip install matplotlib)") from None
    with matplotlib.rc_context({"svg.hashsalt": "vpcalc", "font.size": 10}):
        canvas = Canvas(figsize=_size(figure), layout="constrained")
        if isinstance(figure, Chart):
            _draw_chart(canvas, figure)
        else:
            _draw_mosaic(canvas, figure)
        page = io.BytesIO()
        # No date: a figure that did not change is a file that did not change.
        metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[format]
        canvas.savefig(page, format=format, dpi=150, metadata=metadata)
    return page.getvalue()


def text(picture: Picture) -> str:
    """A picture in characters, two a cell so that it is as wide as high."""
    return "\n".join("".join(_SHADES[_shade(value)] * 2 for value in row) for row in picture.rows)


def bar(value: float, low: float, high: float, width: int = 24) -> str:
    """A horizontal bar from ``low`` to ``high``, to an eighth of a character."""
    if not low < high or value != value:
        return ""
    eighths = round(8 * width * min(max((value - low) / (high - low), 0.0), 1.0))
    whole, part = divmod(eighths, 8)
    return "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[part]


_SHADES = "·░▒▓█"


def _shade(value: float) -> int:
    return min(int(value * len(_SHADES)), len(_SHADES) - 1) if value > 0 else 0


def _size(figure: Figure) -> tuple[float, float]:
    if isinstance(figure, Chart):
        return (6.4, 4.0)
    columns = max(len(row) for row in figure.pictures)
    return (1.9 * columns + 0.4, 2.1 * len(figure.pictures) + 0.5)


def _draw_chart(canvas: Any, chart: Chart) -> None:
    axes = canvas.add_subplot()
    for series in chart.series:
        axes.plot(*_drawable(series, chart), linestyle="--" if series.dashed else "-", label=series.label)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _drawable(series: Series, chart: Chart) -> tuple[Sequence[float], Sequence[float]]:
    """The points that the axes can show: a logarithm has no place for zero."""
    points = [
        (x, y)
        for x, y in zip(series.x, series.y, strict=True)
        if (x > 0 or not chart.log_x) and (y > 0 or not chart.log_y)
    ]
    return [x for x, _ in points], [y for _, y in points]


def _draw_mosaic(canvas: Any, mosaic: Mosaic) -> None:
    columns = max(len(row) for row in mosaic.pictures)
    canvas.suptitle(mosaic.title)
    for place, row in enumerate(mosaic.pictures):
        for column, picture in enumerate(row):
            axes = canvas.add_subplot(len(mosaic.pictures), columns, place * columns + column + 1)
            axes.imshow(picture.rows, vmin=0, vmax=1, cmap="Blues", aspect="equal")
            axes.set_title(picture.title, fontsize=8)
            axes.set_xticks([])
            axes.set_yticks([])
