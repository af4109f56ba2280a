"""Figures as data, and how they are drawn: to PNG, SVG or PDF through matplotlib, or as text.

matplotlib is imported where something is drawn and not before. Files of the same data are the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from pathlib import PurePath
from textwrap import wrap
from typing import Any

from ..errors import InputError
from ..optional import optional

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True, slots=True)
class Series:
    """A line. ``dashed`` is for bounds and predictions; lines of one ``group`` have one colour."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dashed: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False

    @property
    def finding(self) -> str:
        """What is seen at the right end: which line is highest there, which is lowest, and how far apart."""
        lines = [series for series in self.series if not series.dashed and series.x]
        end = max((series.x[-1] for series in lines), default=0.0)
        there = [(series.y[-1], series.label) for series in lines if series.x[-1] == end]
        if len(there) < 2:
            return self.title
        (low, least), (high, most) = min(there), max(there)
        return f"At {self.x_label} = {_short(end)}: {_short(high)} for {most}, {_short(low)} for {least}"


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

    @property
    def finding(self) -> str:
        """How many of its cells the last picture of each row shows, where that is least and most."""
        shown = []
        for row in self.pictures:
            cells = [value > 0 for line in row[-1].rows for value in line]
            shown.append((sum(cells) / len(cells), row[-1].title))
        (low, least), (high, most) = min(shown), max(shown)
        return f"{100 * low:.0f} % of the tokens with {least}, {100 * high:.0f} % with {most}"


Figure = Chart | Mosaic


def format_of(path: str | PurePath) -> str:
    """The kind of picture that a file's suffix asks for.

    Raises:
        InputError: the suffix is none of :data:`FORMATS`.
    """
    suffix = PurePath(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{format}" for format in FORMATS)
        raise InputError(f"--plot {str(path)!r}: a picture's name must end with one of {known}")
    return suffix


def draw(figure: Figure, format: str, *, dark: bool = False) -> bytes:
    """The figure as the contents of a file of one of :data:`FORMATS`, its finding above it.

    Raises:
        InputError: matplotlib is not installed.
    """
    matplotlib = optional("matplotlib", "--plot: needs matplotlib", 'pip install "vpcalc[plot]"')
    from ..pictures.canvas import darken
    from ..pictures.style import LEFT, settings, title_lines

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's own style is for the user's own plots
        parameters: Any = settings(dark)
        matplotlib.rcParams.update(parameters)
        from matplotlib.figure import Figure as Canvas

        canvas = Canvas(figsize=_size(figure), layout="constrained")
        title = "\n".join(title_lines(figure.finding, canvas.get_figwidth()))
        size = matplotlib.rcParams["axes.titlesize"]
        canvas.suptitle(title, x=LEFT, ha="left", fontsize=size, weight="bold")
        if isinstance(figure, Chart):
            _draw_chart(canvas, figure)
        else:
            _draw_mosaic(canvas, figure)
        if dark:
            darken(canvas)
        page = io.BytesIO()
        # No date, so that a picture which did not change is a file which did not change.
        metadata = {
            "png": {"Software": None, "Title": figure.finding},
            "svg": {"Date": None, "Title": figure.finding},
            "pdf": {"CreationDate": None, "Title": figure.finding},
        }[format]
        canvas.savefig(page, format=format, dpi=200, metadata=metadata)
    return page.getvalue()


def text(figure: Figure, width: int = 72) -> str:
    """The figure in characters, ``width`` columns wide."""
    return _chart_text(figure, width) if isinstance(figure, Chart) else _mosaic_text(figure, width)


def bar(value: float, low: float, high: float, width: int = 24) -> str:
    """A horizontal bar from ``low`` to ``high``, to an eighth of a character."""
    if not low < high or value != value:
        return ""
    eighths = round(8 * width * min(max((value - low) / (high - low), 0.0), 1.0))
    whole, part = divmod(eighths, 8)
    return "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[part]


def _mosaic_text(mosaic: Mosaic, width: int) -> str:
    """As many pictures side by side as there is room for."""
    lines = [mosaic.title]
    for row in mosaic.pictures:
        blocks = [
            [picture.title, *("".join(_shade(value) for value in cells) for cells in picture.rows)]
            for picture in row
        ]
        columns = [max(map(len, block)) for block in blocks]
        fit = max(1, sum(sum(columns[: n + 1]) + 2 * n <= width for n in range(len(columns))))
        for start in range(0, len(blocks), fit):
            lines.append("")
            group = list(zip(blocks[start : start + fit], columns[start : start + fit], strict=True))
            height = max(len(block) for block, _ in group)
            for at in range(height):
                cells = [(block[at] if at < len(block) else "").ljust(room) for block, room in group]
                lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _chart_text(chart: Chart, width: int, height: int = 16) -> str:
    """Each series with a letter of its own; where two meet, the later one is seen."""
    points = [_drawable(series, chart) for series in chart.series]
    xs = [_scaled(x, chart.log_x) for line, _ in points for x in line]
    ys = [_scaled(y, chart.log_y) for _, line in points for y in line]
    if not xs:
        return chart.title
    low, high = (_number(value, chart.log_y) for value in (min(ys), max(ys)))
    room = max(len(low), len(high))
    whole, width = width, width - room - 2
    sheet = [[" "] * width for _ in range(height)]
    for letter, (x, y) in zip(_LETTERS, points, strict=False):
        for one, other in zip(x, y, strict=True):
            column = _place(_scaled(one, chart.log_x), min(xs), max(xs), width)
            row = height - 1 - _place(_scaled(other, chart.log_y), min(ys), max(ys), height)
            sheet[row][column] = letter
    labels = [high, *[""] * (height - 2), low]
    lines = wrap(f"{chart.title}: {chart.y_label} over {chart.x_label}", whole)
    lines += [f"{label.rjust(room)} │{''.join(row).rstrip()}" for label, row in zip(labels, sheet, strict=True)]
    left, right = (_number(value, chart.log_x) for value in (min(xs), max(xs)))
    lines.append(f"{' ' * room} └{'─' * width}")
    lines.append(f"{' ' * room}  {left}{right.rjust(width - len(left))}")
    inset = " " * (room + 2)
    for letter, series in zip(_LETTERS, chart.series, strict=False):
        said = f"{letter}  {series.label}"
        lines += wrap(said, whole, initial_indent=inset, subsequent_indent=f"{inset}   ")
    return "\n".join(lines)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _scaled(value: float, log: bool) -> float:
    return log10(value) if log else value


def _number(scaled: float, log: bool) -> str:
    return f"{10**scaled:.3g}" if log and abs(scaled) < 300 else f"1e{scaled:.0f}" if log else f"{scaled:.3g}"


def _place(value: float, low: float, high: float, count: int) -> int:
    return 0 if high <= low else round((value - low) / (high - low) * (count - 1))


_SHADES = ("··", "░░", "▒▒", "▓▓", "██")


def _shade(value: float) -> str:
    return _SHADES[min(int(value * len(_SHADES)), len(_SHADES) - 1)]


def _size(figure: Figure) -> tuple[float, float]:
    if isinstance(figure, Chart):
        return (6.9, 4.0)
    columns = max(len(row) for row in figure.pictures)
    return (1.6 * columns + 0.5, 1.75 * len(figure.pictures) + 0.6)


def _draw_chart(canvas: Any, chart: Chart) -> None:
    from ..pictures.style import CYCLE, MARKERS, QUIET, TYPE

    axes = canvas.add_subplot()
    groups: dict[str, int] = {}
    for series in chart.series:
        place = groups.setdefault(series.group or series.label, len(groups))
        # colour alone says nothing to some readers: each group has a mark of its own as well
        axes.plot(
            *_drawable(series, chart),
            color=CYCLE[place % len(CYCLE)],
            linestyle=(0, (2, 1.5)) if series.dashed else "-",
            marker=None if series.dashed else MARKERS[place % len(MARKERS)],
            markersize=4,
            markevery=max(1, len(series.x) // 8),
        )
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    axes.set_title(chart.title, fontsize=TYPE - 0.5, weight="normal", color=QUIET)
    axes.grid(True)
    _name_ends(axes, chart)


def _name_ends(axes: Any, chart: Chart) -> None:
    """Each line's name at its right end, moved apart where ends are close."""
    from ..pictures.placing import spread
    from ..pictures.style import TYPE, broken

    axes.figure.draw_without_rendering()
    drawn = zip(axes.lines, chart.series, strict=True)
    shown = [(line, series.label) for line, series in drawn if len(line.get_xdata())]
    ends = [(line.get_xdata()[-1], line.get_ydata()[-1]) for line, _ in shown]
    names = ["\n".join(broken(label, _LETTERS_OF_NAME)) for _, label in shown]
    dots = axes.figure.dpi / 72
    heights = [1.25 * (TYPE - 0.5) * dots * (1 + name.count("\n")) for name in names]
    pixels = axes.transData.transform(ends)
    right = max(x for x, _ in pixels)
    apart = spread([float(y) for _, y in pixels], heights)
    for (line, _), name, end, (x, y), goal in zip(shown, names, ends, pixels, apart, strict=True):
        axes.annotate(
            name,
            end,
            ((right - x) / dots + 6, (goal - y) / dots),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            fontsize=TYPE - 0.5,
            weight="bold",
            annotation_clip=False,
        )


_LETTERS_OF_NAME = 24
"""Letters of a line of a name beside its curve."""


def _short(value: float) -> str:
    """A number as a title has it: 0.044, 120, 3.9·10⁻⁶."""
    if value == round(value) and abs(value) < 100_000:
        return f"{value:,.0f}"
    if 0.001 <= abs(value) < 1000:
        return f"{value:.3g}"
    digits, power = f"{value:.1e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1.0" else f"{digits}·10{raised}"


def _drawable(series: Series, chart: Chart) -> tuple[Sequence[float], Sequence[float]]:
    """The points that the axes can show: a logarithm has no place for zero."""
    points = [
        (x, y)
        for x, y in zip(series.x, series.y, strict=True)
        if (x > 0 or not chart.log_x) and (y > 0 or not chart.log_y)
    ]
    return [x for x, _ in points], [y for _, y in points]


def _draw_mosaic(canvas: Any, mosaic: Mosaic) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    from ..pictures.style import DARK, INK, LEFT, PAPER, SKY, TYPE

    dark = canvas.get_facecolor()[:3] == to_rgb(DARK[PAPER])
    colours = [DARK[colour] if dark else colour for colour in (PAPER, SKY, INK)]
    shades = LinearSegmentedColormap.from_list("shades", colours)
    columns = max(len(row) for row in mosaic.pictures)
    canvas.supxlabel(mosaic.title, x=LEFT, ha="left", fontsize=TYPE)
    for place, row in enumerate(mosaic.pictures):
        for column, picture in enumerate(row):
            axes = canvas.add_subplot(len(mosaic.pictures), columns, place * columns + column + 1)
            axes.imshow(picture.rows, vmin=0, vmax=1, cmap=shades, interpolation="nearest", aspect="equal")
            axes.set_title(picture.title, fontsize=TYPE - 2)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(True)
