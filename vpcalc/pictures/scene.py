"""Drawings as a few kinds of marks in inches, which matplotlib draws and TikZ is written from.

The origin is the lower left corner of the paper. What is later in a scene lies above what is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..report.tex import escape_tex
from .style import DARK, INK, PAPER, QUIET, TYPE

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon: its fill, which may be hatched and let through what lies below, and its edge."""

    corners: tuple[Point, ...]
    fill: str = ""
    shade: float = 1.0
    hatch: str = ""
    edge: str = ""
    thick: float = 0.5


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line along some points, which may end in an arrow or be dashed."""

    points: tuple[Point, ...]
    colour: str = QUIET
    thick: float = 0.7
    arrow: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text. ``anchor`` is its left end, middle or right end, ``up`` its bottom, middle or top."""

    at: Point
    text: str
    size: float = TYPE - 0.5
    bold: bool = False
    colour: str = INK
    anchor: str = "center"
    up: str = "center"


Scene = list[Area | Stroke | Label]


def box(x: float, y: float, wide: float, high: float, **looks: Any) -> Area:
    """A rectangle by its lower left corner."""
    return Area(((x, y), (x + wide, y), (x + wide, y + high), (x, y + high)), **looks)


def draw(axes: Any, scene: Scene) -> None:
    """Draw a scene on axes of which one unit is an inch."""
    from matplotlib.patches import Polygon

    for mark in scene:
        if isinstance(mark, Area):
            if mark.fill:
                look: dict[str, Any] = {"facecolor": mark.fill, "alpha": mark.shade, "linewidth": 0}
                look |= {"edgecolor": PAPER if mark.hatch else "none", "hatch": mark.hatch}
                axes.add_patch(Polygon(mark.corners, **look))
            if mark.edge:
                look = {"edgecolor": mark.edge, "linewidth": mark.thick, "joinstyle": "round"}
                axes.add_patch(Polygon(mark.corners, fill=False, **look))
        elif isinstance(mark, Stroke):
            style = {"color": mark.colour, "linewidth": mark.thick, "linestyle": "--" if mark.dashed else "-"}
            axes.plot(*zip(*mark.points, strict=True), solid_joinstyle="round", **style)
            if mark.arrow:
                arrow = {
                    "arrowstyle": "->",
                    "color": mark.colour,
                    "linewidth": mark.thick,
                    "shrinkA": 0,
                    "shrinkB": 0,
                }
                axes.annotate("", mark.points[-1], mark.points[-2], arrowprops=arrow)
        else:
            axes.text(
                *mark.at,
                mark.text,
                ha=mark.anchor,
                va=mark.up,
                fontsize=mark.size,
                weight="bold" if mark.bold else "normal",
                color=mark.colour,
            )


_PATTERNS = {"////": "north east lines", "....": "dots", "xxxx": "crosshatch"}
_ANCHORS = {"left": "west", "center": "", "right": "east"}
_UP = {"bottom": "south", "center": "", "top": "north"}


def tikz(scene: Scene, comments: list[str], dark: bool = False) -> str:
    r"""A scene as a ``tikzpicture``, to be read by ``\input``; its type and paper are the document's own."""
    seen = {colour: DARK.get(colour.upper(), colour) if dark else colour for colour in (*_colours(scene), PAPER)}
    colours = {colour: f"vpcalc{place}" for place, colour in enumerate(_colours(scene))}
    lines = [*(f"% {line}" for line in comments), r"% needs \usepackage{tikz} and \usetikzlibrary{patterns}"]
    lines += [rf"\definecolor{{{name}}}{{HTML}}{{{seen[colour][1:].upper()}}}" for colour, name in colours.items()]
    paper = "vpcalcpaper" if dark else "white"
    lines += [rf"\definecolor{{{paper}}}{{HTML}}{{{seen[PAPER][1:].upper()}}}"] if dark else []
    lines.append(r"\begin{tikzpicture}[x=1in, y=1in, inner sep=0pt]")
    for mark in scene:
        if isinstance(mark, Area):
            path = " -- ".join(map(_point, mark.corners)) + " -- cycle;"
            if mark.fill:
                lines.append(rf"  \fill[{colours[mark.fill]}, fill opacity={mark.shade:g}] {path}")
            if mark.fill and mark.hatch:
                lines.append(rf"  \fill[pattern={_PATTERNS[mark.hatch]}, pattern color={paper}] {path}")
            if mark.edge:
                lines.append(
                    rf"  \draw[{colours[mark.edge]}, line width={mark.thick:g}pt, line join=round] {path}"
                )
        elif isinstance(mark, Stroke):
            look = [colours[mark.colour], f"line width={mark.thick:g}pt", "line join=round"]
            look += [*(["->"] if mark.arrow else []), *(["dashed"] if mark.dashed else [])]
            lines.append(rf"  \draw[{', '.join(look)}] {' -- '.join(map(_point, mark.points))};")
        else:
            anchor = " ".join(filter(None, (_UP[mark.up], _ANCHORS[mark.anchor]))) or "center"
            font = rf"\fontsize{{{mark.size:g}}}{{{1.2 * mark.size:g}}}\selectfont" + r"\bfseries" * mark.bold
            look = [colours[mark.colour], f"anchor={anchor}", f"font={font}"]
            lines.append(rf"  \node[{', '.join(look)}] at {_point(mark.at)} {{{escape_tex(mark.text)}}};")
    return "\n".join([*lines, r"\end{tikzpicture}", ""])


def _colours(scene: Scene) -> list[str]:
    found: dict[str, None] = {}
    for mark in scene:
        used = (mark.fill, mark.edge) if isinstance(mark, Area) else (mark.colour,)
        found |= dict.fromkeys(filter(None, used))
    return [*found]


def _point(point: Point) -> str:
    return f"({point[0]:.3f}, {point[1]:.3f})"
