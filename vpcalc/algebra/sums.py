"""Sums of powers: 1^p + 2^p + … + x^p is a polynomial in x, by Faulhaber's formula."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb

MOST = 24
"""Highest power that is summed."""


@cache
def bernoulli(k: int) -> Fraction:
    """The Bernoulli number B_k, with B_1 = +1/2 (Graham, Knuth and Patashnik 1994, eq. 6.79)."""
    return 1 - sum((comb(k, j) * bernoulli(j) / (k - j + 1) for j in range(k)), Fraction(0))


@cache
def power_sum(power: int) -> tuple[Fraction, ...]:
    """Coefficients of Σ_{i=1..x} i^power, of x^0 first; the identity in x holds for every integer x ≥ 0."""
    rising = [comb(power + 1, k) * bernoulli(k) / (power + 1) for k in range(power, -1, -1)]
    return (Fraction(0), *rising)
