"""Charts as data: exact numbers, and the words around them. Nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Unit(Enum):
    """What an axis counts, and so how its numbers are written."""

    COUNT = "count"
    BYTES = "bytes"
    PLAIN = "plain"
    PER_CENT = "per cent"


@dataclass(frozen=True, slots=True)
class Line:
    """A curve. ``key`` decides its colour, so that a layer has the same one in every chart."""

    key: str
    label: str
    x: tuple[float, ...]
    y: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point worth naming, such as where two curves cross."""

    label: str
    x: float
    y: Fraction


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line, such as the memory of a device."""

    label: str
    y: int


@dataclass(frozen=True, slots=True)
class Ridge:
    """A vertical line, such as where a device begins to compute rather than to wait."""

    label: str
    x: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Curves on a log–log sheet. ``x_ticks`` are named places of the horizontal axis."""

    title: str
    subtitle: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    ridges: tuple[Ridge, ...] = ()
    y_unit: Unit = Unit.COUNT
    x_unit: Unit = Unit.COUNT
    x_ticks: tuple[float, ...] = ()
    sides: bool = False
    """Whether x is a number of tokens, whose square root is the side of a grid and worth an axis of its own."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of stacked parts, named by operator."""

    label: str
    parts: tuple[tuple[str, int], ...]
    note: str = ""

    @property
    def total(self) -> int:
        """Length of the whole bar."""
        return sum(size for _, size in self.parts)


@dataclass(frozen=True, slots=True)
class BarChart:
    """Stacked bars, one below the other. As ``shares`` each is as long as the axis."""

    title: str
    subtitle: str
    x_label: str
    bars: tuple[Bar, ...]
    shares: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A model between its parameters and its cost or others, and what papers print of it as (x, y, source)."""

    label: str
    group: str
    x: float
    y: float
    published: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Points on a sheet, logarithmic but for per cents, coloured by group; ``front``: some, from left to right."""

    title: str
    subtitle: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    front: tuple[Point, ...] = ()
    x_unit: Unit = Unit.COUNT
    y_unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class RegionChart:
    """A sheet of cells over two symbols, rows upwards; each is a place in ``outcomes``, a key and a label each.

    An outcome without a key is nobody's: what is not known, and what is equal.
    """

    title: str
    subtitle: str
    x_label: str
    y_label: str
    x: tuple[int, ...]
    y: tuple[int, ...]
    cells: tuple[tuple[int, ...], ...]
    outcomes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A stage: its grid or length, its channels, how many blocks it repeats, and what they cost.

    ``sources`` are what it reads where that is not the stage before it and nothing else, ``through`` the lines
    that say how it reads the one before; ``given`` are inputs that enter here. ``parts`` are what its cost is made
    of, a block each.
    """

    name: str
    resolution: tuple[int, ...]
    channels: int
    depth: int
    cost: Bar
    sources: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    parts: tuple[Bar, ...] = ()

    @property
    def shape(self) -> str:
        """Its grid or its length, in words."""
        grid = "×".join(map(str, self.resolution))
        return grid if len(self.resolution) > 1 else f"{grid} token{'' if self.resolution == (1,) else 's'}"


@dataclass(frozen=True, slots=True)
class BlockChart:
    """An architecture as a row of stages."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a block: a module with what it computes, an operator of the block's own, or what comes in.

    ``steps`` are its operators in order, ``shape`` is that of its result; ``joins`` says that it is a sign such as
    +, and ``outside`` that it is no part of the block.
    """

    key: str
    name: str
    steps: tuple[str, ...]
    shape: str
    cost: Bar
    params: int
    sources: tuple[str, ...]
    joins: bool = False
    outside: bool = False


@dataclass(frozen=True, slots=True)
class BlockDiagram:
    """What one block does: its pieces in the order in which they run, each with what it reads."""

    title: str
    subtitle: str
    pieces: tuple[Piece, ...]


Chart = LineChart | BarChart | ScatterChart | RegionChart | BlockChart | BlockDiagram
