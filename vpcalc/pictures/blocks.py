"""An architecture as a row of stages: solids to scale, and under each what it costs.

A solid is as high and as deep as its grid and as thick as its channels; grids and channels have a scale each, the
same for the whole picture. Below it stand one square for every block, and a bar as high as its cost.
"""

from __future__ import annotations

from typing import Any

from ..report import numbers
from .bars import legend, look
from .data import Block, BlockChart
from .style import BLUE, INK, LEFT, QUIET, SKY, TYPE, subtitle_lines, title_lines

_MARGIN = 0.12
_SOLID, _BAR = 1.45, 0.85
"""Inches that the highest solid and the highest bar are high."""
_SLANT = 0.28
"""How much of its depth a solid shows, upwards and to the right."""
_SQUARE, _PER_ROW = 0.075, 10
_LINE = 0.14
"""Inches from one line of text to the next."""
_BASE = 0.42
"""Inches below the bars, for the legend."""


def height(chart: BlockChart, width: float) -> float:
    """Inches that the picture is high."""
    per_cell = _per_cell(chart)
    highest = max(block.resolution[0] * per_cell + _reach(block, per_cell) for block in chart.blocks)
    lines = len(title_lines(chart.title, width)) + len(subtitle_lines(chart.subtitle, width))
    return _floor(chart) + highest + 0.3 + _LINE * lines


def draw(figure: Any, chart: BlockChart) -> Any:
    """Draw the chart on an empty figure, one unit of the axes an inch; return its subtitle."""
    figure.set_layout_engine("none")
    width, tall = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, tall))
    axes.axis("off")
    column = min((width - 2 * _MARGIN) / len(chart.blocks), 1.7)
    start = (width - column * len(chart.blocks)) / 2
    size = min(TYPE - 0.5, 15 * column)  # ten characters of a column's text fit into it
    per_cell, floor = _per_cell(chart), _floor(chart)
    per_channel = min((0.86 * column - _reach(block, per_cell)) / block.channels for block in chart.blocks)
    per_channel = min(per_channel, 0.9 / max(block.channels for block in chart.blocks))
    per_mac = _BAR / max(block.cost.total for block in chart.blocks)
    for place, block in enumerate(chart.blocks):
        left = start + place * column
        _solid(axes, block, left, column, floor, per_cell, per_channel)
        below = floor - 0.1
        for text, bold in _lines(block):
            axes.text(
                left + column / 2,
                below,
                text,
                ha="center",
                va="top",
                fontsize=size,
                weight="bold" if bold else "normal",
                color=INK,
            )
            below -= _LINE
        _squares(axes, block, left + column / 2, below - 0.05)
        _bar(axes, block, left + column / 2, min(0.34, 0.5 * column), per_mac, size, chart)
    for place in range(1, len(chart.blocks)):
        if chart.blocks[place].sources and chart.blocks[place - 1].name not in chart.blocks[place].sources:
            continue  # nothing flows from one to the other
        between = start + place * column
        axes.annotate(
            "",
            (between + 0.05 * column, floor + 0.06),
            (between - 0.05 * column, floor + 0.06),
            arrowprops={"arrowstyle": "->", "color": QUIET, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        )
    under = tall - 0.15 - 1.2 * _LINE * len(title_lines(chart.title, width))
    subtitle = axes.text(LEFT * width, under, chart.subtitle, fontsize=TYPE - 0.5, color=QUIET, va="top")
    kinds = list(dict.fromkeys(kind for block in chart.blocks for kind, cost in block.cost.parts if cost))
    legend(figure, kinds)
    return subtitle


def _per_cell(chart: BlockChart) -> float:
    """Inches for a cell of a grid, or for a token."""
    return _SOLID / max(max(block.resolution) for block in chart.blocks)


def _floor(chart: BlockChart) -> float:
    """Inches from the lower edge to where the solids stand: legend, bars with two lines, squares, text."""
    lines = max(len(_lines(block)) for block in chart.blocks)
    return _BASE + _BAR + 2 * _LINE + 0.12 + _depth_height(chart) + lines * _LINE + 0.15


_SOURCES = 3
"""Lines that say from where a stage reads."""


def _lines(block: Block) -> list[tuple[str, bool]]:
    named = list(block.sources[: _SOURCES if len(block.sources) <= _SOURCES else _SOURCES - 1])
    more = len(block.sources) - len(named)
    named += [f"{more} more"] if more else []
    sources = [(f"{'+' if place else 'from'} {name}", False) for place, name in enumerate(named)]
    return [(block.name, True), (block.shape, False), (f"{block.channels} ch.", False), *sources]


def _reach(block: Block, per_cell: float) -> float:
    """How far a solid reaches to the right beyond its front."""
    return _SLANT * per_cell * block.resolution[1] if len(block.resolution) > 1 else 0.06


def _solid(
    axes: Any, block: Block, left: float, column: float, floor: float, per_cell: float, per_channel: float
) -> None:
    from matplotlib.patches import Polygon

    high, thick, back = block.resolution[0] * per_cell, block.channels * per_channel, _reach(block, per_cell)
    x = left + (column - thick - back) / 2
    front = [(x, floor), (x + thick, floor), (x + thick, floor + high), (x, floor + high)]
    top = [front[3], front[2], (x + thick + back, floor + high + back), (x + back, floor + high + back)]
    side = [front[1], (x + thick + back, floor + back), top[2], front[2]]
    for corners, colour, shade in ((front, BLUE, 0.75), (top, SKY, 0.45), (side, SKY, 0.7)):
        axes.add_patch(Polygon(corners, facecolor=colour, alpha=shade, edgecolor="none"))
        axes.add_patch(Polygon(corners, fill=False, edgecolor=INK, linewidth=0.5, joinstyle="round"))


def _rows(block: Block) -> int:
    return -(-block.depth // _PER_ROW)


def _depth_height(chart: BlockChart) -> float:
    return 0.1 + _SQUARE * 1.35 * max(_rows(block) for block in chart.blocks)


def _squares(axes: Any, block: Block, middle: float, top: float) -> None:
    """One square for every block."""
    from matplotlib.patches import Rectangle

    step = _SQUARE * 1.35
    for number in range(block.depth):
        row, place = divmod(number, _PER_ROW)
        in_row = min(_PER_ROW, block.depth - row * _PER_ROW)
        x = middle - in_row * step / 2 + place * step
        axes.add_patch(
            Rectangle((x, top - row * step - _SQUARE), _SQUARE, _SQUARE, facecolor=INK, edgecolor="none")
        )


def _bar(
    axes: Any, block: Block, middle: float, thick: float, per_mac: float, size: float, chart: BlockChart
) -> None:
    from matplotlib.patches import Rectangle

    bottom = base = _BASE
    for kind, cost in block.cost.parts:
        high = cost * per_mac
        style = look(kind) if high > 0.03 else {**look(kind), "hatch": "", "linewidth": 0}
        axes.add_patch(Rectangle((middle - thick / 2, bottom), thick, high, **style))
        bottom += high
    axes.plot([middle - thick, middle + thick], [base, base], color=QUIET, linewidth=0.6)
    everything = sum(each.cost.total for each in chart.blocks)
    share = 100 * block.cost.total / everything if everything else 0.0
    text = f"{numbers.short(block.cost.total)}\n{share:.1f} %"
    axes.text(
        middle, bottom + 0.03, text, ha="center", va="bottom", fontsize=size - 0.5, linespacing=1.1, color=INK
    )
