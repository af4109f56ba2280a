"""Pictures: charts as data, and how they are drawn in a file or in the terminal.

A chart (:mod:`vpcalc.pictures.data`) holds exact integers and the words around them; the answers make it from
cost trees and closed forms. The other modules here only draw it: one file a kind of chart, colours and type in
:mod:`vpcalc.pictures.style`, nothing computed but positions on paper. matplotlib is imported by what draws with
it, uniplot by :mod:`vpcalc.pictures.terminal`, both inside functions.
"""

from .canvas import FORMATS, WIDTH, draw, format_of
from .data import (
    Bar,
    BarChart,
    Block,
    BlockChart,
    BlockDiagram,
    Chart,
    Level,
    Line,
    LineChart,
    Mark,
    Piece,
    Point,
    RegionChart,
    Ridge,
    ScatterChart,
)

__all__ = [
    "FORMATS",
    "WIDTH",
    "Bar",
    "BarChart",
    "Block",
    "BlockChart",
    "BlockDiagram",
    "Chart",
    "Level",
    "Line",
    "LineChart",
    "Mark",
    "Piece",
    "Point",
    "RegionChart",
    "Ridge",
    "ScatterChart",
    "draw",
    "format_of",
]
