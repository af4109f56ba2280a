"""Charts in characters: curves and points through uniplot, bars by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import ceil, floor, log, log10
from textwrap import wrap
from typing import Any

from ..optional import optional
from ..report import numbers
from .data import Bar, BarChart, BlockChart, BlockDiagram, Chart, LineChart, RegionChart, ScatterChart, Unit

_COLOURS = {"red": 31, "blue": 34, "green": 32, "cyan": 36, "magenta": 35, "yellow": 33}
_LAYERS = {"msa": "red", "wmsa": "blue", "sra": "green", "linear_sra": "cyan", "retention": "magenta"}
_OPERATORS = {"linear": ("█", "blue"), "matmul": ("▒", "red"), "conv": ("▓", "green")}
_OTHERS = ("░", "yellow")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SIGNS = "+xo*~.#%@&=:$^!?<>"
"""One for each series, in turn where there are more: no letters, which name points."""
_ROWS = 18
_BAR = 8

NARROWEST = 24
"""Columns below which uniplot draws nothing."""


def text(chart: Chart, width: int = 80, colour: bool = False) -> str:
    """The chart in at most ``width`` columns.

    Raises:
        InputError: curves or points are asked for, and uniplot is not installed.
    """
    width = max(width, NARROWEST)
    if isinstance(chart, LineChart):
        body = _curves(chart, width, colour)
    elif isinstance(chart, ScatterChart):
        body = _points(chart, width, colour)
    elif isinstance(chart, RegionChart):
        body = _cells(chart, width, colour)
    elif isinstance(chart, BarChart):
        body = _bars(chart.bars, width, colour, chart.shares)
    elif isinstance(chart, BlockDiagram):
        body = _bars(map(_piece_as_bar, [chart] * len(chart.pieces), range(len(chart.pieces))), width, colour)
    else:
        body = _bars(map(_as_bar, [chart] * len(chart.blocks), range(len(chart.blocks))), width, colour)
    return "\n".join([*wrap(chart.title, width), *wrap(_subtitle(chart), width), *body])


def _subtitle(chart: Chart) -> str:
    return "bars: MACs to scale" if isinstance(chart, (BlockChart, BlockDiagram)) else chart.subtitle


def _curves(chart: LineChart, width: int, colour: bool) -> list[str]:
    spare = [name for name in _COLOURS if name not in _LAYERS.values()] + list(_COLOURS)
    colours = [_LAYERS.get(line.key, spare[place % len(spare)]) for place, line in enumerate(chart.lines)]
    # Levels first: what is drawn later lies above.
    ends = (min(line.x[0] for line in chart.lines), max(line.x[-1] for line in chart.lines))
    drawn, cell = _plot(
        [*(ends for _ in chart.levels), *(line.x for line in chart.lines)],
        [*((level.y, level.y) for level in chart.levels), *(line.y for line in chart.lines)],
        [*(level.label for level in chart.levels), *(line.label for line in chart.lines)],
        [*("yellow" for _ in chart.levels), *colours] if colour else None,
        width,
        lines=True,
    )
    taken: set[tuple[int, int]] = set()
    for letter, mark in zip(_LETTERS, chart.marks, strict=False):
        row, column = cell(float(mark.x), float(mark.y))
        while (row, column) in taken:
            column += 1  # beside the letter that is there already
        taken.add((row, column))
        _write(drawn, row, column, letter, colour)
    names = [f"{letter}  {mark.label}" for letter, mark in zip(_LETTERS, chart.marks, strict=False)]
    axes = f"{chart.y_label} over {chart.x_label.partition('  ')[0]}"
    return [*_wrapped(axes, width), *drawn, *(line for name in names for line in _wrapped(name, width, 3))]


def _points(chart: ScatterChart, width: int, colour: bool) -> list[str]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for point in chart.points:
        groups.setdefault(point.group, []).append((point.x, point.y))
    colours = [list(_COLOURS)[place % len(_COLOURS)] for place in range(len(groups))]
    drawn, cell = _plot(
        [[x for x, _ in points] for points in groups.values()],
        [[y for _, y in points] for points in groups.values()],
        list(groups),
        colours if colour else None,
        width,
        lines=False,
        logs=(chart.x_unit is not Unit.PER_CENT, chart.y_unit is not Unit.PER_CENT),
    )
    named = list(zip(_LETTERS, chart.front, strict=False))
    for letter, point in reversed(named):
        row, column = _drawn_near(drawn, *cell(point.x, point.y))
        _write(drawn, row, column, letter, colour)
    front = ", ".join(f"{letter} {point.label}" for letter, point in named)
    names = _wrapped(f"front: {front}", width, 2) if named else []
    return [*_wrapped(f"{chart.y_label} over {chart.x_label}", width), *drawn, *names]


def _cells(chart: RegionChart, width: int, colour: bool) -> list[str]:
    """A sign for each outcome, rows downwards; of more cells than there is room for, evenly spaced ones."""
    looks = [(" ", "yellow"), ("█", "red"), ("░", "blue"), ("=", "green")]
    label = max(len(str(y)) for y in chart.y)
    across, up = (-(-len(places) // room) for places, room in ((chart.x, width - label - 1), (chart.y, _ROWS)))
    rows = list(zip(chart.y, chart.cells, strict=True))[::up][::-1]
    drawn = [
        f"{y:>{label}} " + "".join(_paint(looks[kind], 1, colour) for kind in row[::across]) for y, row in rows
    ]
    ends = f"{chart.x[0]}{chart.x[::across][-1]:>{max(1, len(chart.x[::across]) - len(str(chart.x[0])))}}"
    seen = {kind for row in chart.cells for kind in row}
    key = "   ".join(f"{looks[kind][0]} {name}" for kind, (_, name) in enumerate(chart.outcomes) if kind in seen)
    return [
        *_wrapped(f"{chart.y_label} over {chart.x_label}", width),
        *drawn,
        f"{'':>{label}} {ends}",
        *_wrapped(key, width),
    ]


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    return wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)


def _plot(
    xs: Any,
    ys: Any,
    names: list[str],
    colours: list[str] | None,
    width: int,
    *,
    lines: bool,
    logs: tuple[bool, bool] = (True, True),
) -> tuple[list[str], Any]:
    """uniplot's drawing as lines of text, and where in it a point lies: row, column."""
    uniplot = optional(
        "uniplot",
        "--terminal: curves need uniplot",
        'pip install "vpcalc[plot]", or write a picture with --output FILE.svg',
    )
    left, right = min(x for series in xs for x in series), max(x for series in xs for x in series)
    low, high = min(y for series in ys for y in series), max(y for series in ys for y in series)
    left, right = (left / 1.05, right * 1.05) if logs[0] else _wider(left, right)
    low, high = (low / (high / low) ** 0.04, high * (high / low) ** 0.04) if logs[1] else _wider(low, high)
    # With colours the finest dots; without them a sign of its own for each series.
    style = "braille" if colours and lines else "ascii"
    page = uniplot.plot_to_string(
        [[float(y) for y in series] for series in ys],
        [[float(x) for x in series] for series in xs],
        lines=lines,
        x_as_log=logs[0],
        y_as_log=logs[1],
        x_min=left,
        x_max=right,
        y_min=low,
        y_max=high,
        legend_labels=names,
        color=colours or False,
        character_set=style,
        force_ascii_characters=[_SIGNS[place % len(_SIGNS)] for place in range(len(xs))],
        width=width,
        height=_ROWS,
        line_length_hard_cap=width,
    )
    drawn = page.split("\n")
    inside = len(_ESCAPES.sub("", drawn[0]).strip()) - 2

    def cell(x: float, y: float) -> tuple[int, int]:
        across, up = _share(x, left, right, logs[0]), _share(y, low, high, logs[1])
        return 1 + int((1 - up) * _ROWS), 1 + int(across * inside)

    if _FRACTIONAL.search(drawn[_ROWS + 2]):  # 10^0.5 is no number that anybody knows
        drawn[_ROWS + 2] = _ticks(left, right, inside)
    return drawn, cell


_FRACTIONAL = re.compile(r"10\^-?\d+\.\d")


def _ticks(left: float, right: float, inside: int) -> str:
    """Round numbers below a logarithmic axis of less than a few powers of ten, where they have room."""
    line = ""
    for value in (
        digit * 10.0**power for power in range(floor(log10(left)), ceil(log10(right))) for digit in (1, 2, 5)
    ):
        column = 1 + int(_share(value, left, right, True) * inside)
        if left <= value <= right and len(line) < column <= inside + 2 - len(f"{value:g}"):
            line = f"{line:<{column}}{value:g} "
    return line.rstrip()


def _wider(low: float, high: float) -> tuple[float, float]:
    """A range with a margin on both sides; that of one value too."""
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _share(value: float, low: float, high: float, logarithmic: bool) -> float:
    """How far a value is along a range; in the middle of one that has no length."""
    if low == high:
        return 0.5
    return log(value / low) / log(high / low) if logarithmic else (value - low) / (high - low)


_ESCAPES = re.compile(r"\x1b\[[\d;]*m")
_CELL = re.compile(r"(?:\x1b\[[\d;]*m)?.(?:\x1b\[0m)?")


def _write(drawn: list[str], row: int, column: int, letter: str, colour: bool) -> None:
    """Put a letter over a character of the drawing."""
    cells = _CELL.findall(drawn[row])
    cells[min(column, len(cells) - 1)] = f"\x1b[1m{letter}\x1b[0m" if colour else letter
    drawn[row] = "".join(cells)


def _drawn_near(drawn: list[str], row: int, column: int) -> tuple[int, int]:
    """Where a point's sign is: uniplot rounds it to a cell that may be the next to ours."""
    places = [(row + up, column + across) for up in (0, 1, -1) for across in (0, 1, -1)]
    return next((place for place in places if _sign_at(drawn, *place)), (row, column))


def _sign_at(drawn: list[str], row: int, column: int) -> bool:
    cells = _CELL.findall(drawn[row])
    return 0 < column < len(cells) and _ESCAPES.sub("", cells[column]) in {*_SIGNS}


def _as_bar(chart: BlockChart, place: int) -> Bar:
    """A stage as a bar, named with its shape."""
    block = chart.blocks[place]
    names = max(len(each.name) for each in chart.blocks)
    depth = f" ×{block.depth}" if block.depth else ""
    sources = f" from {' + '.join(block.sources)}" if block.sources else ""
    return Bar(f"{block.name:<{names}}  {block.shape}, {block.channels} ch.{depth}{sources}", block.cost.parts)


def _piece_as_bar(chart: BlockDiagram, place: int) -> Bar:
    """A piece of a block as a bar, named with its number and the numbers of what it reads."""
    piece, numbered = chart.pieces[place], {each.key: number for number, each in enumerate(chart.pieces)}
    names = max(len(each.name) for each in chart.pieces)
    reads = f"  reads {' + '.join(str(numbered[source]) for source in piece.sources)}" if piece.sources else ""
    return Bar(f"{place:>2} {piece.name:<{names}}{reads}", piece.cost.parts)


def _bars(bars: Iterable[Bar], width: int, colour: bool, shares: bool = False) -> list[str]:
    """One line a bar, its operators one beside the other, and what the signs stand for; two where it is narrow."""
    bars = tuple(bars)
    label = max(len(bar.label) for bar in bars)
    amounts = [f"{numbers.short(bar.total)}  {bar.note}".rstrip() for bar in bars]
    room = width - max(map(len, amounts)) - label - 3
    apart = room < _BAR  # names on lines of their own
    room = room + label if apart else room
    longest = max(bar.total for bar in bars) or 1
    found = []
    for bar, amount in zip(bars, amounts, strict=True):
        whole = (bar.total or 1) if shares else longest
        drawn, until, done = "", 0, 0
        for kind, size in bar.parts:
            # Each part ends where the sum so far ends, so that rounding never adds up.
            done += size
            end = round(room * done / whole)
            drawn += _paint(_OPERATORS.get(kind, _OTHERS), end - until, colour)
            until = end
        found += (
            [*wrap(bar.label, width), f" {drawn} {amount}"]
            if apart
            else [f"{bar.label:<{label}} {drawn} {amount}"]
        )
    kinds = dict.fromkeys(kind for bar in bars for kind, size in bar.parts if size)
    known = [f"{_paint(_OPERATORS[kind], 2, colour)} {kind}" for kind in kinds if kind in _OPERATORS]
    others = [kind.replace("_", " ") for kind in kinds if kind not in _OPERATORS]
    if others:
        known.append(f"{_paint(_OTHERS, 2, colour)} {', '.join(others)}")
    return [*found, "   ".join(known)]


def _paint(look: tuple[str, str], length: int, colour: bool) -> str:
    sign, name = look
    return f"\x1b[{_COLOURS[name]}m{sign * length}\x1b[0m" if colour and length else sign * length
