"""From values to the one polynomial that has them, exactly, over the rationals.

On a tensor grid with degree + 1 nodes for each symbol the interpolating polynomial exists and is unique
(Newton's divided differences, one axis after the other). Whether it is the *right* one, no grid can say:
hold its values against points that it has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import lcm, prod

from .polynomial import Monomial, Polynomial

Point = Mapping[str, int]
"""A value for each symbol."""

Grid = Mapping[str, Sequence[int]]
"""For each symbol the distinct nodes at which it is sampled: one more than its degree."""


def points(grid: Grid) -> Iterator[dict[str, int]]:
    """Every point of the tensor grid, the last symbol fastest: the order that :func:`interpolate` expects."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def interpolate(grid: Grid, values: Sequence[int]) -> Polynomial:
    """The polynomial that takes ``values`` at :func:`points` of the grid.

    Raises:
        ValueError: the number of values is not that of the points, or a node occurs twice.
    """
    if len(values) != prod(len(nodes) for nodes in grid.values()):
        raise ValueError(
            f"{len(values)} values do not fill a grid of {[len(nodes) for nodes in grid.values()]} nodes"
        )
    rows: dict[Monomial, list[Fraction]] = {(): [Fraction(value) for value in values]}
    for name, nodes in grid.items():
        expanded: dict[Monomial, list[Fraction]] = {}
        for monomial, row in rows.items():
            rest = len(row) // len(nodes)
            columns = [monomial_coefficients(nodes, row[offset::rest]) for offset in range(rest)]
            for power in range(len(nodes)):
                key = (*monomial, (name, power)) if power else monomial
                expanded[key] = [column[power] for column in columns]
        rows = expanded
    coefficients = {tuple(sorted(monomial)): row[0] for monomial, row in rows.items()}
    common = lcm(*(c.denominator for c in coefficients.values()))
    return Polynomial({m: c.numerator * (common // c.denominator) for m, c in coefficients.items()}, common)


def monomial_coefficients(nodes: Sequence[int], values: Sequence[Fraction | int]) -> list[Fraction]:
    """Coefficients c₀, c₁, … of the polynomial through (node, value) in one variable.

    Raises:
        ValueError: a node occurs twice.
    """
    if len(set(nodes)) != len(nodes):
        raise ValueError(f"a node occurs twice among {list(nodes)}")
    newton = divided_differences(nodes, values)
    coefficients = [Fraction(0)] * len(nodes)
    for node, difference in zip(reversed(nodes), reversed(newton), strict=True):
        # Horner: multiply by (x - node), then add the next difference.
        for power in range(len(nodes) - 1, 0, -1):
            coefficients[power] = coefficients[power - 1] - node * coefficients[power]
        coefficients[0] = difference - node * coefficients[0]
    return coefficients


def divided_differences(nodes: Sequence[int], values: Sequence[Fraction | int]) -> list[Fraction]:
    """Newton's coefficients: value, slope, … over the first node, the first two, …"""
    table = [Fraction(value) for value in values]
    for order in range(1, len(nodes)):
        for index in range(len(nodes) - 1, order - 1, -1):
            table[index] = (table[index] - table[index - 1]) / (nodes[index] - nodes[index - order])
    return table


def value_at(polynomial: Polynomial, point: Point) -> Fraction:
    """The exact value at a point, whole or not."""
    total = Fraction(0)
    for monomial, number in polynomial.terms.items():
        over = prod(point[name] ** power for name, power in monomial if power > 0)
        under = prod(point[name] ** -power for name, power in monomial if power < 0)
        total += Fraction(number * over, polynomial.denominator * under)
    return total
