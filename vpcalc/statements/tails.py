"""How likely a score is large: the law of q·k for independent standard normal entries, and its limit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, erfc, exp, factorial, inf, lgamma, log, sqrt
from typing import Any


def normal_tail(score: float) -> float:
    """P(z > score) of a normal z of mean 0 and variance 1."""
    return 0.5 * erfc(score / sqrt(2))


def score_tail(d_k: int, score: float) -> float:
    """P(q·k > score) for any d_k: given k, q·k is normal of variance |k|², which is χ² of d_k degrees.

    ∫ f_χ²(x) ½ erfc(score/√(2x)) dx, by the trapezoidal rule in ln x, where the integrand has one peak and falls
    off faster than exponentially on both sides: the error is that of floating point.
    """

    def log_integrand(u: float) -> float:
        x = exp(u)
        tail = normal_tail(score / sqrt(x))
        if tail == 0:
            return -inf
        density = d_k / 2 * (u - log(2)) - x / 2 - lgamma(d_k / 2)  # f_χ²(x) dx = exp(density) du
        return density + log(tail)

    return _over_one_peak(log_integrand, log(max(d_k, score)), 1 / sqrt(max(d_k, score)))


def _over_one_peak(log_integrand: Callable[[float], float], start: float, width: float) -> float:
    """∫ exp(log_integrand) over the reals, of one peak that ``width`` resolves."""
    step = width / 8
    at, here = start, log_integrand(start)
    for move in (step, -step):
        while (there := log_integrand(at + move)) > here:
            at, here = at + move, there
    total = 1.0
    for move in (step, -step):
        number = 1
        while (part := log_integrand(at + number * move) - here) > -45:
            total += exp(part)
            number += 1
    return step * exp(here) * total


def erlang_tail(d_k: int, score: Any) -> Any:
    """The same for even d_k and score ≥ 0, in another way: q·k is the difference of two Erlang variables.

    q·k = X − Y with X = |q + k|²/4 and Y = |q − k|²/4 independent, each half a χ² of d_k degrees: Erlang of order
    m = d_k/2. P(X − Y > c) = e^{−c} Σ_{j<m} Σ_{l≤j} c^{j−l}/(j − l)! · C(m + l − 1, l)/2^{m+l}. In exact rationals
    where c is zero.
    """
    m = d_k // 2
    total: Any = 0
    for degree in range(m if score else 1):
        # the coefficient of c^degree/degree!: Σ over l with j = degree + l < m
        weight = sum(Fraction(comb(m + rest - 1, rest), 2 ** (m + rest)) for rest in range(m - degree))
        total += weight if degree == 0 else float(weight * Fraction(score) ** degree / factorial(degree))
    return total if score == 0 else exp(-score) * total
