"""Closed forms of single calls: ``2N²C`` with N = 197 and C = 768.

A term is a polynomial in the alphabet with a value for each of its symbols; its figure is the polynomial at
those values and nothing else. Sides that are one are left out, and sides that are equal get one letter, so that
self-attention reads ``2N²C`` and not ``BaNSd_k + BaNSd_v``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from ..algebra import Polynomial
from ..algebra.polynomial import constant, symbol
from ..algebra.printers import text


@dataclass(frozen=True, slots=True)
class Term:
    """A closed form and the values of its symbols."""

    form: Polynomial
    values: tuple[tuple[str, int], ...] = ()

    @property
    def macs(self) -> int:
        """The form at the values."""
        return _value(self.form, self.values)

    @property
    def text(self) -> str:
        """The form alone: ``2N²C``."""
        return text(self.form)

    def __mul__(self, factor: int) -> Term:
        return Term(self.form * factor, self.values)

    __rmul__ = __mul__

    def over(self, divisor: int) -> Term:
        """The term divided by a number."""
        return Term(self.form / divisor, self.values) if divisor != 1 else self


@lru_cache(maxsize=4096)
def _value(form: Polynomial, values: tuple[tuple[str, int], ...]) -> int:
    return form.value(dict(values))


def number(macs: int) -> Term:
    """A figure without a form."""
    return Term(constant(macs))


def elements(shape: Sequence[int]) -> Term:
    """How many elements a tensor has: ``NC`` for rows of a width, otherwise ``x``."""
    if len(shape) in (2, 3):
        return sides(N=prod(shape[:-1]), C=shape[-1])
    return sides(x=prod(shape))


def grid(shape: Sequence[int]) -> Term:
    """How many elements an image has, (batch, C, h, w): ``hwC``."""
    if len(shape) == 4:
        return sides(B=shape[0], C=shape[1], h=shape[2], w=shape[3])
    return elements(shape)


def sides(**named: int) -> Term:
    """A product of sides, by the symbol of each; those that are one are left out."""
    kept = {name: side for name, side in named.items() if side != 1}
    return monomial(1, dict.fromkeys(kept, 1), kept)


def monomial(factor: int, powers: Mapping[str, int], values: Mapping[str, int]) -> Term:
    """``factor`` times powers of symbols."""
    form: Polynomial = constant(factor)
    for name, power in powers.items():
        form = form * symbol(name) ** power
    return Term(form, tuple(sorted((name, values[name]) for name in powers)))


@lru_cache(maxsize=4096)
def linear(rows: int, fan_in: int, fan_out: int) -> Term:
    """(rows, c_in)(c_in, c_out)."""
    if fan_in == fan_out:
        return _sized(rows, {"C": 2}, {"C": fan_in})
    return _sized(rows, {"c_in": 1, "c_out": 1}, {"c_in": fan_in, "c_out": fan_out})


@lru_cache(maxsize=4096)
def batched(batch: int, rows: int, inner: int, cols: int) -> Term:
    """``batch`` products (rows, inner)(inner, cols): ``aN²·d_k`` where two of the sides are equal."""
    powers, values = {"a": 1}, {"a": batch}
    if batch == 1:
        powers, values = {}, {}
    if rows == cols:
        found = {"N": 2, "d_k": 1}, {"N": rows, "d_k": inner}
    elif rows == inner:
        found = {"N": 2, "d_k": 1}, {"N": rows, "d_k": cols}
    else:
        found = {"N": 1, "c_in": 1, "c_out": 1}, {"N": rows, "c_in": inner, "c_out": cols}
    return monomial(1, powers | found[0], values | found[1])


@lru_cache(maxsize=4096)
def attention(
    batch: int, heads: int, n: int, m: int, key: int, value: int, scores: int = 1, mixes: int = 1
) -> Term:
    """``scores`` products (n, d_k)(d_k, m) and ``mixes`` products (n, m)(m, d_v), for every head."""
    values, powers = {"N": n}, {"N": 1}
    if m == n:
        powers["N"] = 2
    else:
        powers["S"], values["S"] = 1, m
    if batch != 1:
        powers["B"], values["B"] = 1, batch
    if key == value:
        powers["C"], values["C"] = 1, heads * key
        return monomial(scores + mixes, powers, values)
    powers["a"], values["a"] = 1, heads
    one = monomial(1, powers, values)
    form = one.form * (scores * symbol("d_k") + mixes * symbol("d_v"))
    return Term(form, tuple(sorted({**values, "d_k": key, "d_v": value}.items())))


@lru_cache(maxsize=4096)
def convolution(batch: int, grid: tuple[int, ...], kernel: tuple[int, ...], group: int, fan_out: int) -> Term:
    """``fan_out`` channels on a grid, each a sum over the kernel and the ``group`` channels that it reads."""
    powers: dict[str, int] = {}
    values: dict[str, int] = {}

    def side(name: str, size: int) -> None:
        if size != 1:
            powers[name], values[name] = powers.get(name, 0) + 1, size

    side("B", batch)
    if len(grid) == 2:
        side("h", grid[0])
        side("w", grid[1])
    else:
        side("N", prod(grid))
    if len(set(kernel)) == 1:
        if kernel[0] != 1:
            powers["k"], values["k"] = len(kernel), kernel[0]
    else:
        side("K", prod(kernel))
    if group == 1:
        side("C", fan_out)
    elif group == fan_out:
        powers["C"], values["C"] = 2, fan_out
    else:
        side("c_in", group)
        side("c_out", fan_out)
    return monomial(1, powers, values)


def added(*parts: Term) -> Term:
    """A sum in one form, where no symbol would have to mean two numbers; else the bare figure."""
    values: dict[str, int] = {}
    form: Polynomial = constant(0)
    for part in parts:
        form = form + part.form
        for name, value in part.values:
            if values.setdefault(name, value) != value:
                return number(total(parts))
    return Term(form, tuple(sorted((name, values[name]) for name in form.symbols)))


def total(terms: Sequence[Term]) -> int:
    """The sum of their figures."""
    return sum(term.macs for term in terms)


def _sized(rows: int, powers: Mapping[str, int], values: Mapping[str, int]) -> Term:
    """The same for each of ``rows`` rows."""
    if rows == 1:
        return monomial(1, powers, values)
    return monomial(1, {"N": 1, **powers}, {"N": rows, **values})
