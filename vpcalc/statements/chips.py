"""A chip that counts the words it moves from and to a large memory, and what it holds: on numbers, on symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

from .libraries import numpy


class Chip:
    """Counts words that are moved between its memory and a large one, and what it holds as it computes."""

    def __init__(self) -> None:
        self.words: Any = 0
        self.held: list[Any] = []

    def blocks(self, size: int, block: int) -> Iterator[Any]:
        """Where the rows of each block are; the block divides the size."""
        for start in range(0, size, block):
            yield slice(start, start + block)

    def read(self, array: Any, *parts: Any) -> Any:
        """A part of an array, on the chip: blocks of its first axes, and all of the others."""
        tile = array[parts].copy()
        self.words += tile.size
        return tile

    def write(self, tile: Any, array: Any, *parts: Any) -> None:
        """A part of an array, from the chip."""
        array[parts] = tile
        self.words += tile.size

    def tile(self, *shape: int, filled: float = 0.0) -> Any:
        """Room on the chip."""
        return numpy.full(shape, filled)

    def run(self, work: Callable[..., None], *tiles: Any) -> Any:
        """Compute on what the chip holds; the last of it is the result."""
        self.held.append(sum(tile.size for tile in tiles))
        work(*tiles)
        return tiles[-1]


class Shape(NamedTuple):
    """An array of symbolic sizes, without what is in it."""

    shape: tuple[Any, ...]

    @property
    def size(self) -> Any:
        """How many numbers it has."""
        return prod(self.shape)


class SymbolicChip(Chip):
    """The same of arrays of symbolic sizes: a loop's body is gone through once, for all times."""

    def __init__(self) -> None:
        super().__init__()
        self._times: Any = 1

    def blocks(self, size: Any, block: Any) -> Iterator[Any]:
        """How many rows each block has, once."""
        self._times = self._times * (size / block)
        yield block
        self._times = self._times / (size / block)

    def read(self, array: Any, *parts: Any) -> Any:
        """Blocks are their numbers of rows here."""
        tile = Shape((*parts, *array.shape[len(parts) :]))
        self.words += self._times * tile.size
        return tile

    def write(self, tile: Any, array: Any, *parts: Any) -> None:
        """As many words as it has numbers, each time."""
        self.words += self._times * tile.size

    def tile(self, *shape: Any, filled: float = 0.0) -> Any:
        """Its shape alone."""
        return Shape(shape)

    def run(self, work: Callable[..., None], *tiles: Any) -> Any:
        """What is held, and nothing computed."""
        self.held.append(sum(tile.size for tile in tiles))
        return tiles[-1]
