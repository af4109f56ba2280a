"""From a chart to the bytes of a file, through matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ..errors import InputError
from ..optional import optional
from . import bars, blocks, diagram, lines, regions, scatter
from . import scene as scenes
from .data import BarChart, BlockChart, BlockDiagram, Chart, LineChart, RegionChart, ScatterChart
from .seal import line, sealed, shown
from .style import DARK, LEFT, PAPER, SETTINGS, settings, subtitle_lines, title_lines

FORMATS = ("svg", "pdf", "png", "tikz")
"""Kinds of file, which are also their suffixes; TikZ is written of drawings, not of plots."""

WIDTH = 6.9
"""Inches: the text width of a two-column page."""

DPI = 200

_DRAW: dict[type, Callable[[Any, Any], Any]] = {
    LineChart: lines.draw,
    BarChart: bars.draw,
    ScatterChart: scatter.draw,
    RegionChart: regions.draw,
}
"""Each draws on an empty figure and returns the text that is the subtitle."""

_HEIGHT: dict[type, Callable[[Any, float], float]] = {
    LineChart: lines.height,
    BarChart: bars.height,
    ScatterChart: scatter.height,
    RegionChart: regions.height,
    BlockChart: blocks.height,
    BlockDiagram: diagram.height,
}

_DRAWN: dict[type, Any] = {BlockChart: blocks, BlockDiagram: diagram}
"""What is drawn in inches, mark by mark."""


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


def draw(
    chart: Chart, format: str, *, width: float = WIDTH, dpi: int = DPI, title: bool = True, dark: bool = False
) -> bytes:
    """A chart as the contents of a file.

    Args:
        chart: what to draw.
        format: ``svg``, ``pdf``, ``png`` or, of a drawing, ``tikz``.
        width: inches; the type keeps its size, so that a narrow picture stays legible.
        dpi: dots per inch of a ``png``.
        title: whether title and subtitle are drawn; a paper's caption may say it instead.
        dark: whether it is drawn for dark paper.

    Raises:
        InputError: matplotlib is not installed, or a plot is asked for in TikZ.
    """
    shows = line(shown(chart, format, width, title, dark))
    if format == "tikz":
        return sealed(_tikz(chart, width, shows, dark).encode())
    with _settings(dark):
        figure = figure_of(chart, width, title, dark)
        page = io.BytesIO()
        # No date, so that a picture which did not change is a file which did not change.
        metadata = {
            "svg": {"Date": None, "Title": chart.title, "Identifier": shows},
            "pdf": {"CreationDate": None, "Title": chart.title, "Keywords": shows},
            "png": {"Software": None, "Title": chart.title, "Comment": shows},
        }[format]
        figure.savefig(page, format=format, dpi=dpi, metadata=metadata)
    return sealed(page.getvalue())


def _tikz(chart: Chart, width: float, shows: str, dark: bool) -> str:
    """A drawing as a ``tikzpicture``; what it finds is said in a comment, for a caption."""
    drawn = _DRAWN.get(type(chart))
    if drawn is None:
        raise InputError("--format tikz: is for what vpcalc draw draws; a plot is an .svg, .pdf or .png")
    return scenes.tikz(drawn.scene(chart, width), [shows, chart.title, chart.subtitle], dark)


def figure_of(chart: Chart, width: float = WIDTH, title: bool = True, dark: bool = False) -> Any:
    """A chart as a matplotlib ``Figure``, for those who want to change it before they save it."""
    with _settings(dark):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, _HEIGHT[type(chart)](chart, width)), layout="constrained")
        if title:
            text = "\n".join(title_lines(chart.title, width))
            top = {"y": 1 - 0.07 / figure.get_figheight()} if type(chart) in _DRAWN else {}
            figure.suptitle(
                text, x=LEFT, **top, ha="left", va="top", fontsize=SETTINGS["axes.titlesize"], weight="bold"
            )
        # Broken before anything is placed, since what comes above the axes moves them.
        below = replace(chart, subtitle="\n".join(subtitle_lines(chart.subtitle, width)) if title else "")
        subtitle = _in_inches(figure, below) if type(chart) in _DRAWN else _DRAW[type(chart)](figure, below)
        if title and type(chart) not in _DRAWN:
            _align(subtitle)
        if dark:
            darken(figure)
    return figure


def darken(figure: Any) -> None:
    """Exchange every colour that a figure was given for the one that stands for it on dark paper."""
    from matplotlib.colors import ListedColormap, to_hex

    artists: list[Any] = figure.findobj()
    texts = [artist for artist in artists if hasattr(artist, "get_bbox_patch")]
    artists += [
        part for text in texts for part in (text.get_bbox_patch(), getattr(text, "arrow_patch", None)) if part
    ]
    for artist in artists:
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            value: Any = getattr(artist, f"get_{name}", lambda: None)()
            value = tuple(value[0]) if getattr(value, "shape", ()) == (1, 4) else value
            if not isinstance(value, (str, tuple)) or value in ("none", "", ()) or value[3:4] == (0.0,):
                continue  # nothing is seen of it
            colour = DARK.get(to_hex(value).upper())
            if colour is not None:
                getattr(artist, f"set_{name}")(colour)
        colours = getattr(artist, "cmap", None)
        if colours is not None and colours.N == 1:  # of a field; where nothing is mapped it is a default with many
            artist.set_cmap(ListedColormap([DARK.get(to_hex(colours(0)).upper(), PAPER)]))


def _in_inches(figure: Any, chart: Any) -> Any:
    """Draw the marks of a chart, one unit of the axes an inch; return its subtitle."""
    figure.set_layout_engine("none")
    width, tall = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, tall))
    axes.axis("off")
    drawn = _DRAWN[type(chart)]
    scenes.draw(axes, [*drawn.scene(chart, width), drawn.heading(chart, width, tall)])
    return axes.texts[-1]


@contextmanager
def _settings(dark: bool = False) -> Iterator[None]:
    """matplotlib set as :mod:`vpcalc.pictures.style` says; a user's own style is for the user's own plots."""
    matplotlib = optional(
        "matplotlib",
        "--output: pictures need matplotlib",
        'pip install "vpcalc[plot]", or see the plot with --terminal',
    )
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams
        parameters.update(settings(dark))
        yield


def _align(subtitle: Any) -> None:
    """Begin the subtitle of an axes where the picture's title begins."""
    subtitle.figure.draw_without_rendering()
    frame = subtitle.axes.get_position()
    subtitle.set_x((LEFT - frame.x0) / frame.width)
