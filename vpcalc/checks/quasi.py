"""A form for every size where one polynomial holds on a lattice only: ``64N + 256⌈N/32⌉`` for chunks of 32.

What repeats itself with period p is a polynomial on each remainder. Most programs reach those by one rounding: the
count is a polynomial in N and ``⌈N/p⌉``, or ``⌊N/p⌋``. Its coefficients are found exactly from a few sizes; then
the form is held against sizes of every remainder, random and far ones, before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING

from ..algebra.floors import ceil_div, floor_div
from ..algebra.polynomial import Polynomial, constant, symbol
from .effort import operators
from .probing import OutOfReachError, ProbeError, Prober
from .shapes import Point

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts
    from .search import Found

LONGEST = 512
"""The longest period that is looked at."""

MOST_COUNTS = 700
"""Counts that a form may take, of modules of a few operators."""

MOST_TERMS = 48
"""Terms whose numbers are solved for together."""

MOST_STEPS = 60_000
"""Operators that they may take together."""

FAR = 16
"""Random sizes up to the farthest that were tried."""


@dataclass(frozen=True)
class Everywhere:
    """A form with floors, its operators, from where on it holds, and how many further counts agree."""

    macs: Polynomial
    operators: Mapping[str, Polynomial]
    since: Mapping[str, int]
    held_out: int


def everywhere(prober: Prober, found: Found, seed: str) -> Everywhere | None:
    """The form at every size, or None where no rounding of this kind gives the counts."""
    strides = {name: stride for name, stride in found.lattice.items() if name in found.macs.symbols}
    rounded = [name for name, stride in strides.items() if stride > 1]
    if not rounded or len(rounded) > 2 or max(strides.values()) > LONGEST:
        return None
    each = max(operators(prober.counts(found.start)), 1)
    left = min(MOST_COUNTS, MOST_STEPS // each) - sum(strides.values())
    random = Random(seed)
    for more, rounding in product((0, 1), (_ceilings, _floors, _both)):
        fit = _Fit(prober, found, rounding, more, random)
        if fit.terms > MOST_TERMS or len(fit.nodes) > left:
            continue
        left -= len(fit.nodes)
        form = fit.form()
        if form is not None:
            return form
    return None


Atoms = Callable[[str, int], list[Polynomial]]


def _ceilings(name: str, stride: int) -> list[Polynomial]:
    return [ceil_div(symbol(name), stride)]


def _floors(name: str, stride: int) -> list[Polynomial]:
    return [floor_div(symbol(name), stride)]


def _both(name: str, stride: int) -> list[Polynomial]:
    return [*_ceilings(name, stride), *_floors(name, stride)]


class _Fit:
    """The form of one kind of rounding.

    Its degree may be one more than on the lattice: the squares of a rest are not seen there.
    """

    def __init__(self, prober: Prober, found: Found, rounding: Atoms, more: int, random: Random) -> None:
        self._prober = prober
        self._found = found
        self._random = random
        self._more = more
        self._names = list(found.lattice)
        self._bases = {name: self._basis(name, rounding) for name in self._names}
        sizes = {name: self._sizes(name) for name in self._names}
        self.terms = prod(map(len, self._bases.values()))
        self.nodes = [dict(zip(sizes, values, strict=True)) for values in product(*sizes.values())]

    def form(self) -> Everywhere | None:
        """Fitted to a few sizes, and held against many others."""
        nodes = self.nodes
        try:
            counts = [self._prober.counts(point) for point in nodes]
        except ProbeError:
            return None
        basis = [_times(parts) for parts in product(*self._bases.values())]
        rows = [[term.at(point) for term in basis] for point in nodes]
        columns: dict[str, list[int]] = {"": [count.macs for count in counts]}
        names = dict.fromkeys(name for count in counts for name in count.operators)
        columns |= {name: [count.operators.get(name, 0) for count in counts] for name in names}
        solved = {name: solve(rows, column) for name, column in columns.items()}
        if solved[""] is None:
            return None
        forms = {name: _sum(basis, numbers) for name, numbers in solved.items() if numbers is not None}
        together = [name for name, numbers in solved.items() if numbers is None]
        macs = forms.pop("")
        if together:  # the same product as one operator or another
            rest = macs - sum(forms.values(), constant(0))
            forms[" or ".join(sorted(together))] = rest
        since = self._since(macs)
        held = self._held(macs, forms if not together else {}, since, nodes)
        return None if held is None else Everywhere(macs, forms, since, held)

    def _basis(self, name: str, rounding: Atoms) -> list[Polynomial]:
        """Products of a symbol and its roundings, up to the degree that the counts have in it."""
        degree = self._degree(name)
        atoms = [symbol(name)]
        if self._found.lattice[name] > 1 and degree:
            atoms += rounding(name, self._found.lattice[name])
        powers = [p for p in product(range(degree + 1), repeat=len(atoms)) if sum(p) <= degree]
        powers.sort(key=lambda p: (sum(p), p))
        return [_times([atom**power for atom, power in zip(atoms, each, strict=True) if power]) for each in powers]

    def _degree(self, name: str) -> int:
        degree = self._found.macs.degree(name)
        return degree + self._more if degree and self._found.lattice[name] > 1 else degree

    def _sizes(self, name: str) -> list[int]:
        """Sizes that tell the terms apart: several remainders of several multiples."""
        stride, first = self._found.lattice[name], self._found.start[name]
        wanted = len(self._bases[name]) + 1
        if stride == 1:
            return [first + step for step in range(wanted)]
        offsets = sorted({0, 1 % stride, stride // 2, stride - 1})
        degree = self._degree(name)
        return [first + stride * multiple + offset for multiple in range(degree + 1) for offset in offsets]

    def _since(self, form: Polynomial) -> dict[str, int]:
        """From which size of each symbol on it holds, the others at their first."""
        start = dict(self._found.start)
        for name, stride in self._found.lattice.items():
            if stride == 1:
                continue
            size = start[name]
            while size > 1 and start[name] - size < LONGEST and self._agrees(form, {**start, name: size - 1}):
                size -= 1
            start[name] = size
        return start

    def _agrees(self, form: Polynomial, point: Point) -> bool:
        try:
            return _value(form, point) == self._prober.macs(point)
        except ProbeError:
            return False

    def _held(
        self, macs: Polynomial, forms: Mapping[str, Polynomial], since: Point, nodes: Sequence[Point]
    ) -> int | None:
        """How many other sizes agree; None if one does not."""
        agree = 0
        for point in self._others(since):
            if point in nodes:
                continue
            try:
                counted = self._prober.counts(point)
            except OutOfReachError:
                continue
            except ProbeError:
                return None  # it does not run at every size
            if not _is_count(macs, forms, counted, point):
                return None
            agree += 1
        return agree or None

    def _others(self, since: Point) -> Iterator[dict[str, int]]:
        """Every remainder of each symbol, and random sizes as far as any were tried."""
        tried = self._found.tried
        for name, stride in self._found.lattice.items():
            for offset in range(stride if stride > 1 else 0):
                multiple = self._random.randint(0, 4)
                yield {**since, name: min(since[name] + stride * multiple + offset, tried[name])}
        for _ in range(FAR):
            yield {name: self._random.randint(since[name], tried[name]) for name in self._names}


def _value(form: Polynomial, point: Point) -> Fraction:
    """The exact value at a point, whole or not."""
    at = form.subs(point)
    return Fraction(at.terms.get((), 0), at.denominator)


def _is_count(macs: Polynomial, forms: Mapping[str, Polynomial], counted: DispatchCounts, point: Point) -> bool:
    if _value(macs, point) != counted.macs:
        return False
    return all(_value(form, point) == counted.operators.get(name, 0) for name, form in forms.items())


def _times(parts: Sequence[Polynomial]) -> Polynomial:
    made = constant(1)
    for part in parts:
        made = made * part
    return made


def _sum(basis: Sequence[Polynomial], numbers: Sequence[Fraction]) -> Polynomial:
    parts = [term * n.numerator / n.denominator for term, n in zip(basis, numbers, strict=True) if n]
    return sum(parts, constant(0))


def solve(rows: Sequence[Sequence[int]], values: Sequence[int]) -> list[Fraction] | None:
    """Numbers with which each row gives its value, exactly; 0 where they are free, None if there are none."""
    table = [[*map(Fraction, row), Fraction(value)] for row, value in zip(rows, values, strict=True)]
    width = len(rows[0])
    pivots: list[int] = []
    for column in range(width):
        place = next((i for i in range(len(pivots), len(table)) if table[i][column]), None)
        if place is None:
            continue
        top = len(pivots)
        table[top], table[place] = table[place], table[top]
        table[top] = [x / table[top][column] for x in table[top]]
        for i, row in enumerate(table):
            if i != top and row[column]:
                table[i] = [x - row[column] * y for x, y in zip(row, table[top], strict=True)]
        pivots.append(column)
    if any(row[width] for row in table[len(pivots) :]):
        return None
    found = [Fraction(0)] * width
    for i, column in enumerate(pivots):
        found[column] = table[i][width]
    return found
