"""An architecture as a row of stages: solids to scale, and under each what it costs.

A solid is as high and as deep as its grid, and each of its slabs, one a block, as thick as its channels; grids and
channels have a scale each, the same for the whole picture. Below it stand bars as high as the cost of its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from ..report import numbers
from .bars import look
from .data import Bar, Block, BlockChart
from .scene import Area, Label, Scene, Stroke, box
from .style import BLUE, INK, LEFT, QUIET, SKY, TYPE, subtitle_lines, title_lines

_MARGIN = 0.12
_SOLID, _BAR = 1.45, 0.85
"""Inches that the highest solid and the highest bar are high."""
_SLANT = 0.28
"""How much of its depth a solid shows, upwards and to the right."""
_LINE = 0.14
"""Inches from one line of text to the next."""
_BASE = 0.42
"""Inches below the bars, for the legend."""
_THICKEST, _WIDEST = 0.9, 0.55
"""Inches of the thickest slab, and the share of the picture that the longest row of them takes."""
_THINNEST = 0.025
"""Inches below which bars of parts are one."""
_LEGIBLE = 5.0
"""Points that the type is large at least, if need be with stages in several rows."""
_SOURCES = 3
"""Lines that say from where a stage reads."""
_AROUND, _ACROSS = 0.16, 0.85
"""Inches between a solid and the next; where what flows between them is named."""


def height(chart: BlockChart, width: float) -> float:
    """Inches that the picture is high."""
    per_cell = _per_cell(chart)
    high = sum(_high(row, per_cell) for row in _rows(chart, width, per_cell))
    lines = len(title_lines(chart.title, width)) + len(subtitle_lines(chart.subtitle, width))
    return _BASE + high + _LINE * lines


def scene(chart: BlockChart, width: float) -> Scene:
    """The picture, without its title."""
    per_cell = _per_cell(chart)
    rows = _rows(chart, width, per_cell)
    laid = [_layout(row, width, per_cell) for row in rows]
    size, per_channel = min(size for size, _, _ in laid), min(per_channel for _, per_channel, _ in laid)
    bars = [block.parts or (block.cost,) for block in chart.blocks]
    columns = [column for _, _, found in laid for column in found]
    if any(0.9 * wide / (1.3 * len(each)) < _THINNEST for (_, wide), each in zip(columns, bars, strict=True)):
        bars = [(block.cost,) for block in chart.blocks]
    scale = _Scale(size, per_cell, per_channel, _BAR / max(part.total for each in bars for part in each))
    everything = sum(block.cost.total for block in chart.blocks)
    marks: Scene = []
    base = _BASE + sum(_high(row, per_cell) for row in rows)
    for row, (_, _, found) in zip(rows, laid, strict=True):
        base -= _high(row, per_cell)
        parts, bars = bars[: len(row)], bars[len(row) :]
        marks += _row(row, found, parts, everything, base, scale)
    return marks + _legend(chart, width)


class _Scale(NamedTuple):
    """The size of the type, and inches of a cell, of a channel and of a unit of cost: the same in all rows."""

    size: float
    per_cell: float
    per_channel: float
    per_mac: float


def _row(
    row: Sequence[Block],
    columns: Sequence[tuple[float, float]],
    bars: Sequence[Sequence[Bar]],
    everything: int,
    base: float,
    scale: _Scale,
) -> Scene:
    """Stages side by side, whose bars stand at a height."""
    size, per_cell, per_channel, per_mac = scale
    floor = base + _floor(row)
    marks: Scene = []
    ends: list[tuple[float, float]] = []
    for block, (left, wide), parts in zip(row, columns, bars, strict=True):
        middle = left + wide / 2
        long = max(block.depth, 1) * block.channels * per_channel
        x = middle - (long + _reach(block, per_cell)) / 2
        marks += _solid(block, x, floor, per_cell, per_channel)
        ends.append((x, x + long))
        top = floor + block.resolution[0] * per_cell + _reach(block, per_cell)
        for place, enters in enumerate(block.given):
            at = x + (place + 1) * (long + _reach(block, per_cell)) / (len(block.given) + 1)
            marks.append(Stroke(((at, top + 0.2), (at, top + 0.03)), arrow=True))
            marks.append(Label((at, top + 0.23), enters, size, up="bottom"))
        below = floor - 0.1
        for text, bold in _lines(block):
            marks.append(Label((middle, below), text, size, bold, up="top"))
            below -= _LINE
        marks += _bars(parts, middle, wide, per_mac, base)
        share = block.cost.total / everything if everything else 0.0
        above = base + per_mac * max(part.total for part in parts) + 0.03
        words = [numbers.share(share), numbers.short(block.cost.total)]
        marks += [
            Label((middle, above + place * 0.12), text, size - 0.5, up="bottom")
            for place, text in enumerate(words)
        ]
    for place, (before, block) in enumerate(pairwise(row), 1):
        if block.sources and before.name not in block.sources:
            continue  # nothing flows from one to the other
        start, end = ends[place - 1][1] + 0.1, ends[place][0] - 0.03
        y = floor + 0.06
        if block.through:
            y = floor + block.resolution[0] * per_cell / 2
            start += _reach(before, per_cell) - 0.06
        marks.append(Stroke(((start, y), (end, y)), arrow=True))
        for line, text in enumerate(reversed(block.through)):
            marks.append(Label(((start + end) / 2, y + 0.05 + line * 0.12), text, size - 0.5, up="bottom"))
    return marks


def _rows(chart: BlockChart, width: float, per_cell: float) -> list[list[Block]]:
    """Stages in as few rows as leave their type large enough to be read.

    The first of a row says what it reads: there is no arrow from one row to the next.
    """
    number = len(chart.blocks)
    for lines in range(1, number + 1):
        many = -(-number // lines)
        rows = [list(chart.blocks[start : start + many]) for start in range(0, number, many)]
        for before, row in pairwise(rows):
            row[0] = replace(row[0], sources=row[0].sources or (before[-1].name,))
        if min(_layout(row, width, per_cell)[0] for row in rows) >= _LEGIBLE:
            break
    return rows


def _high(row: Sequence[Block], per_cell: float) -> float:
    """Inches from where bars of a row stand to what is above its solids."""
    highest = max(block.resolution[0] * per_cell + _reach(block, per_cell) for block in row)
    given = 3 * _LINE if any(block.given for block in row) else 0
    return _floor(row) + highest + given + 0.3


def kinds(chart: BlockChart) -> list[str]:
    """The operators that occur, in the order in which they are stacked."""
    return list(dict.fromkeys(kind for block in chart.blocks for kind, cost in block.cost.parts if cost))


def _legend(chart: BlockChart, width: float) -> Scene:
    return legend(kinds(chart), width)


def legend(shown: list[str], width: float) -> Scene:
    """What the colours stand for, in the middle below."""
    words = [kind.replace("_", " ") for kind in shown]
    wides = [0.5 + 0.062 * len(word) for word in words]
    rows: list[list[int]] = [[]]
    for place in range(len(shown)):
        if sum(wides[each] for each in rows[-1]) + wides[place] > width - 0.2:
            rows.append([])
        rows[-1].append(place)
    marks: Scene = []
    for number, row in enumerate(rows):
        x, y = (width - sum(wides[each] for each in row)) / 2, 0.14 - 0.13 * (number - (len(rows) - 1) / 2)
        for each in row:
            marks.append(_filled(shown[each], x, y - 0.04, 0.22, 0.08))
            marks.append(Label((x + 0.28, y), words[each], anchor="left"))
            x += wides[each]
    return marks


def _filled(kind: str, x: float, y: float, wide: float, high: float) -> Area:
    """An operator's part of a bar; hatched where there is room for it."""
    style = look(kind)
    return box(x, y, wide, high, fill=style["facecolor"], hatch=style["hatch"] if min(wide, high) > 0.03 else "")


def heading(chart: BlockChart, width: float, tall: float) -> Label:
    """The place of the subtitle."""
    under = tall - 0.15 - 1.2 * _LINE * len(title_lines(chart.title, width))
    return Label((LEFT * width, under), chart.subtitle, colour=QUIET, anchor="left", up="top")


def _layout(row: Sequence[Block], width: float, per_cell: float) -> tuple[float, float, list[tuple[float, float]]]:
    """The size of the type, inches of a channel, and where each column begins and how wide it is."""
    room = width - 2 * _MARGIN
    gaps = [0.0, *(_ACROSS if block.through else 0.0 for block in row[1:])]
    size = TYPE - 0.5

    def texts() -> list[float]:
        lines = [[text for text, _ in _lines(block)] + [f"{numbers.short(block.cost.total)}"] for block in row]
        return [0.0087 * size * max(map(len, each)) + 0.06 for each in lines]

    def wides(per_channel: float) -> list[float]:
        solids = [
            max(block.depth, 1) * block.channels * per_channel + _reach(block, per_cell) + _AROUND for block in row
        ]
        return list(map(max, solids, texts()))

    while size > 3 and sum(wides(0)) + sum(gaps) > 0.85 * room:
        size -= 0.25
    longest = max(max(block.depth, 1) * block.channels for block in row)
    low = 0.0
    high = min(_THICKEST / max(1, *(block.channels for block in row)), _WIDEST * width / max(1, longest))
    for _ in range(40):
        middle = (low + high) / 2
        fits = sum(wides(middle)) + sum(gaps) <= room
        low, high = (middle, high) if fits else (low, middle)
    found = wides(low)
    spare = min((room - sum(found) - sum(gaps)) / len(found), 0.6)
    x = (width - sum(found) - sum(gaps) - spare * len(found)) / 2
    columns = []
    for wide, gap in zip(found, gaps, strict=True):
        x += gap
        columns.append((x, wide + spare))
        x += wide + spare
    return size, low, columns


def _per_cell(chart: BlockChart) -> float:
    """Inches for a cell of a grid, or for a token."""
    return _SOLID / max(max(block.resolution) for block in chart.blocks)


def _floor(row: Sequence[Block]) -> float:
    """Inches from where the bars of a row stand to where its solids do: bars with two lines, text."""
    lines = max(len(_lines(block)) for block in row)
    return _BAR + 2 * _LINE + 0.12 + lines * _LINE + 0.15


def _lines(block: Block) -> list[tuple[str, bool]]:
    named = list(block.sources[: _SOURCES if len(block.sources) <= _SOURCES else _SOURCES - 1])
    more = len(block.sources) - len(named)
    named += [f"{more} more"] if more else []
    sources = [(f"{'+' if place else 'from'} {name}", False) for place, name in enumerate(named)]
    depth = [(f"{block.depth} block{'s' if block.depth > 1 else ''}", False)] if block.depth else []
    return [(block.name, True), (block.shape, False), (f"{block.channels} ch.", False), *depth, *sources]


def _reach(block: Block, per_cell: float) -> float:
    """How far a solid reaches to the right beyond its front."""
    return _SLANT * per_cell * block.resolution[1] if len(block.resolution) > 1 else 0.06


def _solid(block: Block, x: float, floor: float, per_cell: float, per_channel: float) -> Scene:
    """Slabs side by side; what one hides of another is not drawn."""
    high, back, slabs = block.resolution[0] * per_cell, _reach(block, per_cell), max(block.depth, 1)
    thick, roof = block.channels * per_channel, floor + block.resolution[0] * per_cell
    end = x + slabs * thick
    marks: Scene = []
    for slab in range(slabs):
        start = x + slab * thick
        top = (
            (start, roof),
            (start + thick, roof),
            (start + thick + back, roof + back),
            (start + back, roof + back),
        )
        marks.append(box(start, floor, thick, high, fill=BLUE, shade=0.75, edge=INK))
        marks.append(Area(top, fill=SKY, shade=0.45, edge=INK))
    side = ((end, floor), (end + back, floor + back), (end + back, roof + back), (end, roof))
    return [*marks, Area(side, fill=SKY, shade=0.7, edge=INK)]


def _bars(parts: Sequence[Bar], middle: float, room: float, per_mac: float, base: float) -> Scene:
    """The cost of each part, split by operator."""
    step = min(0.9 * room / len(parts), 0.3)
    wide = step / 1.3
    x = middle - step * (len(parts) - 1) / 2 - wide / 2
    ends = (x - 0.06, x + step * (len(parts) - 1) + wide + 0.06)
    marks: Scene = []
    for part in parts:
        bottom = base
        for kind, cost in part.parts:
            if cost:
                marks.append(_filled(kind, x, bottom, wide, cost * per_mac))
                bottom += cost * per_mac
        x += step
    return [*marks, Stroke(((ends[0], base), (ends[1], base)), thick=0.6)]
