"""What one block does, from the top down: boxes in the order in which they run, and what flows between them.

What a piece reads of the one above comes down straight; what it reads of others comes along a rail beside the
boxes, as a residual does; what comes from outside of the block comes from the left. Bars are as long as the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from ..report import numbers
from .bars import look
from .blocks import legend
from .data import BlockDiagram, Piece
from .scene import Area, Label, Scene, Stroke, box
from .style import INK, LEFT, NARROW, QUIET, SKY, TYPE, subtitle_lines, title_lines

_LINE, _SMALL = 0.14, 0.12
"""Inches of a line of text, and of a smaller one."""
_GAP, _PAD, _ROUND = 0.28, 0.06, 0.09
"""Inches between boxes, within a box around its text, and of a circle's radius."""
_LANE, _BASE = 0.13, 0.42
_ASIDE = 12
"""Letters of a line that says what comes from the left."""
_LINES = 3
"""Lines of operators in a box, at most."""
_BAR, _BRANCH = 0.11, 0.06


def height(chart: BlockDiagram, width: float) -> float:
    """Inches that the picture is high."""
    lines = len(title_lines(chart.title, width)) + len(subtitle_lines(chart.subtitle, width))
    return _BASE + _column(chart, width) + 0.3 + _LINE * lines


def heading(chart: BlockDiagram, width: float, tall: float) -> Label:
    """The place of the subtitle."""
    under = tall - 0.15 - 1.2 * _LINE * len(title_lines(chart.title, width))
    return Label((LEFT * width, under), chart.subtitle, colour=QUIET, anchor="left", up="top")


def kinds(chart: BlockDiagram) -> list[str]:
    """The operators that occur, in the order in which they are stacked."""
    return list(dict.fromkeys(kind for piece in chart.pieces for kind, cost in piece.cost.parts if cost))


def scene(chart: BlockDiagram, width: float) -> Scene:
    """The picture, without its title."""
    rows = _rows(chart)
    aside = [piece for piece in chart.pieces if piece not in rows]
    lanes, used = _lanes(rows)
    letters = max((len(line) for piece in aside for line in wrap(piece.name, _ASIDE)), default=0)
    left = 0.06 + (0.36 + 0.062 * letters if aside else 0.0)
    wide = _wide(width)
    middle, right = left + wide / 2, left + wide
    tops: list[float] = []
    y = _BASE + _column(chart, width)
    for piece in rows:
        tops.append(y)
        y -= _high(piece, width) + _GAP
    places = {piece.key: number for number, piece in enumerate(rows)}
    marks: Scene = []
    shape = ""
    branches: dict[int, None] = {}
    for number, piece in enumerate(rows):
        top, high = tops[number], _high(piece, width)
        for source in piece.sources:
            start = places.get(source)
            if start is None or start == number - 1:
                continue
            lane = lanes[start, number]
            out, at = tops[start] - _high(rows[start], width) - _BRANCH, right + 0.12 + lane * _LANE
            into = top - high / 2 + (0.0 if piece.joins else 0.04 * (lane - used / 2))
            edge = middle + _ROUND if piece.joins else right
            marks.append(Stroke(((middle, out), (at, out), (at, into), (edge, into)), arrow=True))
            branches[start] = None
        if number and rows[number - 1].key in piece.sources:
            marks.append(
                Stroke(((middle, tops[number - 1] - _high(rows[number - 1], width)), (middle, top)), arrow=True)
            )
        for place, source in enumerate(each for each in piece.sources if each not in places):
            at = top - high / 2 + 0.12 * place
            marks.append(Stroke(((left - 0.3, at), (middle - _ROUND if piece.joins else left, at)), arrow=True))
            name = next(each.name for each in aside if each.key == source)
            lines = wrap(name, _ASIDE)
            for line, text in enumerate(lines):
                up = at + 0.1 * ((len(lines) - 1) / 2 - line)
                marks.append(Label((left - 0.33, up), text, TYPE - 1.5, colour=QUIET, anchor="right"))
        if piece.shape != shape or number == len(rows) - 1:
            shape = piece.shape
            marks.append(Label((middle + 0.07, top - high - 0.17), shape, TYPE - 1.5, colour=QUIET, anchor="left"))
        marks += _piece(piece, left, top, wide, width)
    for start in branches:
        bottom = tops[start] - _high(rows[start], width)
        marks.append(Stroke(((middle, bottom), (middle, bottom - _BRANCH))))
        marks.append(_disc(middle, bottom - _BRANCH, 0.018, QUIET))
    last = tops[-1] - _high(rows[-1], width)
    marks.append(Stroke(((middle, last), (middle, last - _GAP)), arrow=True))
    bars = right + 0.16 + used * _LANE
    return [*marks, *_bars(rows, tops, bars, width), *legend(kinds(chart), width)]


def _rows(chart: BlockDiagram) -> list[Piece]:
    """What stands below one another: all but what comes from outside beside the first input."""
    first = next((piece for piece in chart.pieces if piece.outside), None)
    return [piece for piece in chart.pieces if piece is first or not piece.outside]


def _lanes(rows: Sequence[Piece]) -> tuple[dict[tuple[int, int], int], int]:
    """A rail for each flow past some pieces, the shortest nearest, and how many rails there are."""
    places = {piece.key: number for number, piece in enumerate(rows)}
    past = {
        (places[source], number)
        for number, piece in enumerate(rows)
        for source in piece.sources
        if source in places and places[source] != number - 1
    }
    taken: list[list[tuple[int, int]]] = []
    found = {}
    for start, end in sorted(past, key=lambda span: (abs(span[1] - span[0]), span)):
        top, bottom = min(start, end), max(start, end)  # a step of a loop reads what stands below it
        lane = next(
            (lane for lane, spans in enumerate(taken) if all(bottom <= a or b <= top for a, b in spans)),
            len(taken),
        )
        taken += [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], (top, bottom)]
        found[start, end] = lane
    return found, len(taken)


def _wide(width: float) -> float:
    """Inches of a box."""
    return 2.6 if width >= NARROW else 0.3 * width


def _steps(piece: Piece, width: float) -> list[str]:
    """The operators of a piece, in lines."""
    lines = wrap(" · ".join(step.replace(" ", "\u00a0") for step in piece.steps), int(_wide(width) * 15))
    lines = [line.removeprefix("· ").removesuffix(" ·") for line in lines]
    return [*lines[: _LINES - 1], f"{lines[_LINES - 1].rstrip()} …"] if len(lines) > _LINES else lines


def _name(piece: Piece, width: float) -> list[str]:
    """What a piece is called, in lines that its box is wide enough for."""
    return wrap(piece.name, max(int((_wide(width) - 2 * _PAD) / 0.073), 4), break_long_words=False)


def _high(piece: Piece, width: float) -> float:
    """Inches that a piece is high."""
    if piece.joins:
        return 2 * _ROUND
    if piece.outside:
        return _LINE
    return 2 * _PAD + _LINE * len(_name(piece, width)) + _SMALL * len(_steps(piece, width))


def _column(chart: BlockDiagram, width: float) -> float:
    """Inches of all rows, and of the arrow that leaves below."""
    return sum(_high(piece, width) + _GAP for piece in _rows(chart))


def _piece(piece: Piece, left: float, top: float, wide: float, width: float) -> Scene:
    middle, high = left + wide / 2, _high(piece, width)
    if piece.joins:
        centre = top - _ROUND
        return [
            _disc(middle, centre, _ROUND, "", INK),
            Label((middle, centre), piece.name, TYPE, bold=True),
        ]
    if piece.outside:
        return [Label((middle, top - high / 2), piece.name, colour=QUIET)]
    marks: Scene = [box(left, top - high, wide, high, fill=SKY, shade=0.25, edge=INK)]
    y = top - _PAD - _LINE / 2
    for line in _name(piece, width):
        marks.append(Label((middle, y), line, bold=True))
        y -= _LINE
    y += (_LINE - _SMALL) / 2
    for line in _steps(piece, width):
        marks.append(Label((middle, y), line, TYPE - 1.5))
        y -= _SMALL
    return marks


def _disc(x: float, y: float, radius: float, fill: str, edge: str = "") -> Area:
    """A circle, as a polygon of many sides."""
    from math import cos, pi, sin

    corners = tuple((x + radius * cos(pi * k / 16), y + radius * sin(pi * k / 16)) for k in range(32))
    return Area(corners, fill=fill, edge=edge)


def _bars(rows: Sequence[Piece], tops: Sequence[float], x: float, width: float) -> Scene:
    """What each piece costs, to scale, with its share of the whole."""
    total = sum(piece.cost.total for piece in rows)
    longest = max(1, *(piece.cost.total for piece in rows))
    words = {piece.key: _words(piece, total) for piece in rows}
    room = (
        width
        - x
        - 0.15
        - 0.0086 * (TYPE - 1) * max(len(line) for lines in words.values() for line in [*lines, ""])
    )
    marks: Scene = []
    for piece, top in zip(rows, tops, strict=True):
        if piece.outside or not (piece.cost.total or piece.params):
            continue
        y, at = top - _high(piece, width) / 2, x
        for kind, cost in piece.cost.parts:
            if cost:
                long = max(room, 0.1) * cost / longest
                hatch = look(kind)["hatch"] if long > 0.03 else ""
                marks.append(box(at, y - _BAR / 2, long, _BAR, fill=look(kind)["facecolor"], hatch=hatch))
                at += long
        for line, text in enumerate(words[piece.key]):
            up = y + _SMALL * ((len(words[piece.key]) - 1) / 2 - line)
            marks.append(Label((at + 0.05, up), text, TYPE - 1, colour=INK if line == 0 else QUIET, anchor="left"))
    return marks


def _words(piece: Piece, total: int) -> list[str]:
    """What stands at the end of a piece's bar."""
    found = []
    if piece.cost.total:
        found.append(f"{numbers.short(piece.cost.total)}  {numbers.share(piece.cost.total / total)}")
    if piece.params:
        found.append(f"{numbers.short(piece.params)} params")
    return found
