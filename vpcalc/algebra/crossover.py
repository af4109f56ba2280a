"""Where one closed form overtakes another as the grid grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from .polynomial import Polynomial, as_polynomial
from .printers import PRINTERS

GRID = ("h", "w")


@dataclass(frozen=True, slots=True)
class Crossing:
    """``larger > smaller`` exactly when ``left > right``; numerically, when hw > ``at``."""

    swapped: bool
    left: Polynomial
    right: Polynomial
    at: int

    def spell(self, printer: str = "text") -> str:
        """The inequality in one of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""
        left, right = (PRINTERS[printer](side) for side in (self.left, self.right))
        if printer == "mathml":
            return f"{left.removesuffix('</math>')}<mo>&gt;</mo>{right.partition('>')[2]}"
        return f"{left} > {right}"


def crossing(first: Polynomial, second: Polynomial, values: Mapping[str, int]) -> Crossing | None:
    """The one grid size hw at which the costlier form changes, other symbols fixed at ``values``.

    The difference is divided by its common factors and its terms are sorted by sign: that is the
    condition. Descartes' rule says whether it has exactly one positive root in hw; if it has none or
    may have several, there is no such statement and the answer is None. ``swapped`` says that it is
    the second form that costs more on large grids.
    """
    difference = first - second
    if not difference:
        return None
    reduced = difference / difference.content()
    coefficients = _in_grid(reduced, values)
    if coefficients is None:
        return None
    signs = [c > 0 for _, c in sorted(coefficients.items(), reverse=True) if c]
    if sum(a != b for a, b in pairwise(signs)) != 1:
        return None
    swapped = not signs[0]
    if swapped:
        reduced = -reduced
        coefficients = {power: -c for power, c in coefficients.items()}
    positive = _sum(term for term in reduced.split() if next(iter(term.terms.values())) > 0)
    negative = _sum(-term for term in reduced.split() if next(iter(term.terms.values())) < 0)
    return Crossing(swapped, positive, negative, _last_not_above(coefficients))


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


def _last_not_above(coefficients: Mapping[int, int]) -> int:
    """The largest N >= 0 at which a polynomial with one sign change is not yet positive."""

    def positive(n: int) -> bool:
        value: int = sum(c * n**power for power, c in coefficients.items())
        return value > 0

    high = 1
    while not positive(high):
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if positive(middle) else (middle, high)
    return low


def _sum(terms: Iterable[Polynomial]) -> Polynomial:
    total = as_polynomial(0)
    for term in terms:
        total = total + term
    return total
