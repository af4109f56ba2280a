"""Orders of growth of polynomials in several symbols, each of them 1 or more and free of the others.

A monomial is bounded by a sum of others, up to a constant, exactly when no direction in which symbols grow takes
it beyond each of them: nd by n² + d², but nd² not by n²d, which a growing d leaves behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InputError
from .polynomial import Monomial, Polynomial

MOST = 2_000
"""Inequalities that a comparison may need."""

Inequality = tuple[dict[str, int], int]
"""``Σ coefficient·x ≥ bound``."""


def bounded(monomial: Monomial, by: Iterable[Monomial]) -> bool:
    """Whether a monomial is O of the sum of others.

    Raises:
        InputError: it would take more than :data:`MOST` inequalities to say.
    """
    mine = dict(monomial)
    by = list(by)
    if any(all(power <= dict(other).get(name, 0) for name, power in _all_powers(monomial, other)) for other in by):
        return True
    names = sorted({name for other in by for name, _ in other} | set(mine))
    demands: list[Inequality] = [({name: 1}, 0) for name in names]
    for other in by:
        powers = dict(other)
        demands.append(({name: mine.get(name, 0) - powers.get(name, 0) for name in names}, 1))
    return not _satisfiable(demands, names)


def dominant(polynomial: Polynomial) -> Polynomial:
    """The sum of the monomials that the others together do not bound: the order of a polynomial."""
    kept = sorted(polynomial.terms)
    for monomial in sorted(polynomial.terms):
        others = [other for other in kept if other != monomial]
        if others and bounded(monomial, others):
            kept = others
    return Polynomial(dict.fromkeys(kept, 1))


def beyond(left: Polynomial, right: Polynomial) -> tuple[Polynomial, ...]:
    """The monomials of ``left`` that are not O(right)."""
    return tuple(Polynomial({one: 1}) for one in sorted(left.terms) if not bounded(one, list(right.terms)))


def _all_powers(monomial: Monomial, other: Monomial) -> list[tuple[str, int]]:
    """The powers of a monomial, zeros for what occurs in the other alone."""
    mine = dict(monomial)
    return [(name, mine.get(name, 0)) for name in {*mine, *dict(other)}]


def _satisfiable(demands: list[Inequality], names: list[str]) -> bool:
    """Whether rational numbers meet all demands: Fourier and Motzkin's elimination, one symbol after the other."""
    for name in names:
        up = [one for one in demands if one[0].get(name, 0) > 0]
        down = [one for one in demands if one[0].get(name, 0) < 0]
        demands = [one for one in demands if not one[0].get(name, 0)]
        demands += [_without(name, low, high) for low in up for high in down]
        if len(demands) > MOST:
            raise InputError("formula: an order of so many terms cannot be compared")
        demands = list({(tuple(sorted(c.items())), b): (c, b) for c, b in demands}.values())
    return all(bound <= 0 for _, bound in demands)


def _without(name: str, low: Inequality, high: Inequality) -> Inequality:
    """The sum of two demands in which a symbol cancels."""
    first, second = -high[0][name], low[0][name]
    letters = set(low[0]) | set(high[0])
    added = {x: first * low[0].get(x, 0) + second * high[0].get(x, 0) for x in letters if x != name}
    return ({x: c for x, c in added.items() if c}, first * low[1] + second * high[1])
