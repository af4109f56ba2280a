"""From a chart to the bytes of a file, through matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from ..errors import InputError
from ..optional import optional
from . import bars, blocks, lines, regions, scatter
from .data import BarChart, BlockChart, Chart, LineChart, RegionChart, ScatterChart
from .seal import line, sealed, shown
from .style import LEFT, SETTINGS, subtitle_lines, title_lines

FORMATS = ("svg", "pdf", "png")
"""Kinds of file, which are also their suffixes."""

WIDTH = 6.9
"""Inches: the text width of a two-column page."""

DPI = 200

_DRAW: dict[type, Callable[[Any, Any], Any]] = {
    LineChart: lines.draw,
    BarChart: bars.draw,
    ScatterChart: scatter.draw,
    RegionChart: regions.draw,
    BlockChart: blocks.draw,
}
"""Each draws on an empty figure and returns the text that is the subtitle."""

_HEIGHT: dict[type, Callable[[Any, float], float]] = {
    LineChart: lines.height,
    BarChart: bars.height,
    ScatterChart: scatter.height,
    RegionChart: regions.height,
    BlockChart: blocks.height,
}


def format_of(path: str | PurePath) -> str:
    """The kind of picture that a file's suffix asks for.

    Raises:
        InputError: the suffix is none of :data:`FORMATS`.
    """
    suffix = PurePath(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{format}" for format in FORMATS)
        raise InputError(f"--output {str(path)!r}: a picture's name must end with one of {known}")
    return suffix


def draw(chart: Chart, format: str, *, width: float = WIDTH, dpi: int = DPI, title: bool = True) -> bytes:
    """A chart as the contents of a file.

    Args:
        chart: what to draw.
        format: ``svg``, ``pdf`` or ``png``.
        width: inches; the type keeps its size, so that a narrow picture stays legible.
        dpi: dots per inch of a ``png``.
        title: whether title and subtitle are drawn; a paper's caption may say it instead.

    Raises:
        InputError: matplotlib is not installed.
    """
    with _settings():
        figure = figure_of(chart, width, title)
        page = io.BytesIO()
        # No date, so that a picture which did not change is a file which did not change.
        shows = line(shown(chart, format, width, title))
        metadata = {
            "svg": {"Date": None, "Title": chart.title, "Identifier": shows},
            "pdf": {"CreationDate": None, "Title": chart.title, "Keywords": shows},
            "png": {"Software": None, "Title": chart.title, "Comment": shows},
        }[format]
        figure.savefig(page, format=format, dpi=dpi, metadata=metadata)
    return sealed(page.getvalue())


def figure_of(chart: Chart, width: float = WIDTH, title: bool = True) -> Any:
    """A chart as a matplotlib ``Figure``, for those who want to change it before they save it."""
    with _settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, _HEIGHT[type(chart)](chart, width)), layout="constrained")
        if title:
            text = "\n".join(title_lines(chart.title, width))
            figure.suptitle(text, x=LEFT, ha="left", fontsize=SETTINGS["axes.titlesize"], weight="bold")
        subtitle = _DRAW[type(chart)](figure, chart)
        subtitle.set_text("\n".join(subtitle_lines(chart.subtitle, width)))
        if not title:
            subtitle.set_text("")
        elif type(chart) is not BlockChart:
            _align(subtitle)
    return figure


@contextmanager
def _settings() -> Iterator[None]:
    """matplotlib set as :mod:`vpcalc.pictures.style` says; a user's own style is for the user's own plots."""
    matplotlib = optional(
        "matplotlib",
        "--output: pictures need matplotlib",
        'pip install "vpcalc[plot]", or see the plot with --terminal',
    )
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams
        parameters.update(SETTINGS)
        yield


def _align(subtitle: Any) -> None:
    """Begin the subtitle of an axes where the picture's title begins."""
    subtitle.figure.draw_without_rendering()
    frame = subtitle.axes.get_position()
    subtitle.set_x((LEFT - frame.x0) / frame.width)
