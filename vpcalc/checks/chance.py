"""The probability that a wrong form passed, over the draw of the points that it was held against.

Two different polynomials of total degree d agree on at most the fraction d/S of a box with S sizes in each symbol
(Schwartz and Zippel). So if the counts follow *some* polynomial of that degree, another one gives k points drawn
at random with a probability of at most (d/S)^k. That they follow one is the hypothesis, and is stated with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from .shapes import Point


@dataclass(frozen=True, slots=True)
class Chance:
    """``draws`` random points among ``sizes`` sizes in each symbol, and a polynomial of total ``degree``."""

    degree: int
    sizes: int
    draws: int

    @property
    def bound(self) -> Fraction:
        """The most that the probability of a wrong form can be."""
        return min(Fraction(self.degree, max(self.sizes, 1)), Fraction(1)) ** self.draws

    @property
    def spelled(self) -> str:
        """The same in the figures that it is made of; ``1`` where it says nothing."""
        return "1" if self.bound == 1 else f"({self.degree}/{self.sizes})^{self.draws}"


@dataclass(frozen=True, slots=True)
class Box:
    """Sizes from ``start`` to ``top`` in steps of the lattice, in each symbol."""

    start: Point
    top: Point
    lattice: Point

    @property
    def sizes(self) -> int:
        """The fewest sizes that a symbol has."""
        return min((self.top[name] - self.start[name]) // step + 1 for name, step in self.lattice.items())

    def draws(self, random: Random) -> Iterator[dict[str, int]]:
        """Points, uniform in the box and independent."""
        while True:
            yield {
                name: step * random.randint(self.start[name] // step, self.top[name] // step)
                for name, step in self.lattice.items()
            }

    def near(self, random: Random) -> Iterator[dict[str, int]]:
        """Points of which each power of two is as likely as the next, in each symbol."""
        while True:
            point = {}
            for name, step in self.lattice.items():
                first, last = self.start[name] // step, self.top[name] // step
                bits = random.randint(first.bit_length(), last.bit_length())
                point[name] = step * random.randint(max(first, 1 << (bits - 1)), min(last, (1 << bits) - 1))
            yield point

    def contains(self, point: Point) -> bool:
        """Whether a point is one of them."""
        return all(
            point[name] % step == 0 and self.start[name] <= point[name] <= self.top[name]
            for name, step in self.lattice.items()
        )
