"""Where one closed form overtakes another as the grid grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import NamedTuple

from .polynomial import Polynomial
from .printers import PRINTERS, Names

GRID = ("h", "w")


class Inequality(NamedTuple):
    """``left > right``, both sums without differences."""

    left: Polynomial
    right: Polynomial

    def spell(self, printer: str, names: Names | None = None) -> str:
        """In one of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""
        number_first = not self.left.symbols
        left, right = (PRINTERS[printer](side, names) for side in (self[::-1] if number_first else self))
        if printer == "mathml":
            sign = "&lt;" if number_first else "&gt;"
            return f"{left.removesuffix('</math>')}<mo>{sign}</mo>{right.partition('>')[2]}"
        return f"{left} {'<' if number_first else '>'} {right}"


def inequality(difference: Polynomial) -> Inequality:
    """``difference > 0``, its terms on the side where they are positive."""
    terms, line = difference.terms, difference.denominator
    left = Polynomial({monomial: number for monomial, number in terms.items() if number > 0}, line)
    right = Polynomial({monomial: -number for monomial, number in terms.items() if number < 0}, line)
    return Inequality(left, right)


@dataclass(frozen=True, slots=True)
class Crossing:
    """``larger > smaller`` exactly when ``left > right``; numerically, when hw > ``at``.

    Where h and w do not come as hw, that number is one for grids whose sides are as ``sides``, h to w.
    """

    swapped: bool
    left: Polynomial
    right: Polynomial
    at: int
    sides: tuple[int, int] | None = None

    def spell(self, printer: str = "text") -> str:
        """The inequality in one of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""
        return Inequality(self.left, self.right).spell(printer)


def crossing(first: Polynomial, second: Polynomial, values: Mapping[str, int]) -> Crossing | None:
    """The one grid size hw at which the costlier form changes, other symbols fixed at ``values``.

    Where h and w do not come as hw, grids are followed that have the shape of the one among ``values``.
    The difference is divided by its common factors and its terms are sorted by sign: that is the
    condition. Descartes' rule says whether it has exactly one positive root in hw; if it has none or
    may have several, there is no such statement and the answer is None. ``swapped`` says that it is
    the second form that costs more on large grids.
    """
    difference = first - second
    if not difference:
        return None
    reduced = difference / difference.content()
    sides = None
    coefficients = _in_grid(reduced, values)
    if coefficients is None:
        sides = _shape(values)
        coefficients = _along(reduced, values, sides) if sides else None
    if coefficients is None:
        return None
    signs = _signs(coefficients)
    if sum(a != b for a, b in pairwise(signs)) != 1:
        return None
    swapped = not signs[0]
    if swapped:
        reduced = -reduced
        coefficients = {power: -c for power, c in coefficients.items()}
    return Crossing(swapped, *inequality(reduced), _last_not_above(coefficients, sides), sides)


def always_more(first: Polynomial, second: Polynomial, values: Mapping[str, int]) -> bool:
    """Whether signs say that the first form is larger on every grid of the shape of the one in ``values``."""
    sides = _shape(values)
    signs = _signs((sides and _along(first - second, values, sides)) or {})
    return bool(signs) and all(signs)


def _signs(coefficients: Mapping[int, int]) -> list[bool]:
    """Of the coefficients that are not zero, the highest power first, which are positive."""
    return [c > 0 for _, c in sorted(coefficients.items(), reverse=True) if c]


def _shape(values: Mapping[str, int]) -> tuple[int, int] | None:
    if not all(name in values for name in GRID):
        return None
    h, w = (values[name] for name in GRID)
    return h // gcd(h, w), w // gcd(h, w)


def _in_grid(polynomial: Polynomial, values: Mapping[str, int]) -> dict[int, int] | None:
    """Integer coefficients by power of hw, or None where h and w do not come as hw."""
    known = {name: value for name, value in values.items() if name not in GRID}
    coefficients: dict[int, int] = {}
    for monomial, number in polynomial.subs(known).terms.items():
        powers = dict(monomial)
        power = powers.pop(GRID[0], 0)
        if powers.pop(GRID[1], 0) != power or powers or power < 0:
            return None
        coefficients[power] = number
    return coefficients


def _along(polynomial: Polynomial, values: Mapping[str, int], sides: tuple[int, int]) -> dict[int, int] | None:
    """Coefficients by power of t on the grids of h = t · sides[0], w = t · sides[1]; whole if scaled alike."""
    known = {name: value for name, value in values.items() if name not in GRID}
    coefficients: dict[int, int] = {}
    for monomial, number in polynomial.subs(known).terms.items():
        powers = dict(monomial)
        h, w = (powers.pop(name, 0) for name in GRID)
        if powers or h < 0 or w < 0:
            return None
        coefficients[h + w] = coefficients.get(h + w, 0) + number * sides[0] ** h * sides[1] ** w
    return coefficients


def _last_not_above(coefficients: Mapping[int, int], sides: tuple[int, int] | None) -> int:
    """The largest N >= 0 at which a polynomial with one sign change is not yet positive.

    With ``sides`` its powers are those of t, where N is t² times their product.
    """

    def positive(n: int) -> bool:
        if sides is None:
            value: int = sum(c * n**power for power, c in coefficients.items())
            return value > 0
        square = Fraction(n, sides[0] * sides[1])
        parts = [Fraction(0), Fraction(0)]
        for power, c in coefficients.items():
            parts[power % 2] += c * square ** (power // 2)
        even, odd = parts
        return even * abs(even) + odd * abs(odd) * square > 0  # as even + odd·t is, where t² is square

    high = 1
    while not positive(high):
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if positive(middle) else (middle, high)
    return low
