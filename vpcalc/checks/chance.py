"""The probability that a wrong form passed, over the draw of the points that it was held against.

Two different polynomials of degree d_i in each symbol agree on at most the fraction Σ d_i/S_i of a box with S_i
sizes in that symbol (Schwartz and Zippel, symbol by symbol). So if the counts follow *some* polynomial of these
degrees, another one gives k points drawn at random with a probability of at most (Σ d_i/S_i)^k. That they follow
one is the hypothesis, and is stated with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from .shapes import Point


@dataclass(frozen=True, slots=True)
class Chance:
    """``draws`` random points among so many ``sizes`` in each symbol, and a polynomial of these ``degrees``."""

    degrees: Point
    sizes: Point
    draws: int

    @property
    def bound(self) -> Fraction:
        """The most that the probability of a wrong form can be."""
        share = sum(Fraction(degree, max(self.sizes[name], 1)) for name, degree in self.degrees.items())
        return min(Fraction(share), Fraction(1)) ** self.draws

    @property
    def spelled(self) -> str:
        """The same in the figures that it is made of; ``1`` where it says nothing."""
        together = Counter[int]()  # degrees in symbols of as many sizes
        for name, degree in self.degrees.items():
            together[self.sizes[name]] += degree
        shares = " + ".join(f"{degree}/{sizes}" for sizes, degree in sorted(together.items()))
        return "1" if self.bound == 1 else f"({shares})^{self.draws}"


@dataclass(frozen=True, slots=True)
class Box:
    """Sizes from ``start`` to ``top`` in steps of the lattice, in each symbol."""

    start: Point
    top: Point
    lattice: Point

    @property
    def sizes(self) -> dict[str, int]:
        """How many sizes each symbol has."""
        return {name: (self.top[name] - self.start[name]) // step + 1 for name, step in self.lattice.items()}

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
