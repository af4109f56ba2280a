"""Whether some forms can all be at least 0: variables are eliminated one by one (Fourier and Motzkin).

Each product counts as a variable of its own, of which it is known that (f − 1)(g − 1) ≥ 0 where f and g are at
least 1; of floors it is known what they are between. A yes to :func:`impossible` is a proof, a no is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import gcd

from .domains import without_line
from .floors import Ceiling, Floor
from .polynomial import Monomial, Polynomial, symbol

MOST = 500
"""Inequalities with which it is given up."""

Row = Mapping[Monomial, int]
"""A sum of variables, by their numbers; a constant has none."""


def impossible(forms: Iterable[Polynomial]) -> bool:
    """Whether sums of the forms show that at whole sizes they are not all at least 0."""
    known = list(_with_floors(forms))
    if _contradict(known):
        return True
    products = list(_products(known))
    return bool(products) and _contradict([*known, *products])


def _products(forms: Sequence[Polynomial]) -> Iterator[Polynomial]:
    """Of products of two sizes that are at least 1, what that says of them."""
    pairs = {monomial for form in forms for monomial in form.terms if len(monomial) == 2}
    for (one, first), (other, second) in sorted(pairs):
        sides = symbol(one), symbol(other)
        if first == second == 1 and all(_contradict([*forms, -side]) for side in sides):
            yield (sides[0] - 1) * (sides[1] - 1)


def _contradict(forms: Iterable[Polynomial]) -> bool:
    """The same, of what is given alone."""
    rows = _least(form.terms for form in forms)
    while rows is not None and len(rows) <= MOST:
        sides: dict[Monomial, tuple[list[Row], list[Row]]] = {}
        for row in rows:
            for variable, number in row.items():
                if variable:
                    sides.setdefault(variable, ([], []))[number < 0].append(row)
        if not sides:
            return False
        variable = min(sides, key=lambda each: len(sides[each][0]) * len(sides[each][1]))
        above, below = sides[variable]
        left = [row for row in rows if variable not in row]
        rows = _least([*left, *(_without(variable, high, low) for high in above for low in below)])
    return rows is None


def _with_floors(forms: Iterable[Polynomial]) -> Iterator[Polynomial]:
    """The forms, and for each floor f of n/d that n − d < df ≤ n; for a ceiling that n ≤ df < n + d."""
    waiting, known = list(forms), set[str]()
    for form in waiting:
        yield form
        for floor in sorted(form.symbols - known):
            known.add(floor)
            if isinstance(floor, Floor):
                rest = floor.numerator - floor.divisor * symbol(floor)
                rest = -rest if isinstance(floor, Ceiling) else rest
                waiting += [rest, floor.divisor - 1 - rest] if rest == without_line(rest) else []


def _without(variable: Monomial, high: Row, low: Row) -> Row:
    """The sum of multiples of two inequalities in which a variable is no more."""
    up, down = high[variable], -low[variable]
    both = {each: high.get(each, 0) * down + low.get(each, 0) * up for each in {**high, **low}}
    return {each: number for each, number in both.items() if number}


def _least(rows: Iterable[Row]) -> list[Row] | None:
    """Of inequalities that differ in their constant the strongest; None where one of them is false."""
    found: dict[frozenset[tuple[Monomial, int]], int] = {}
    for row in rows:
        step = gcd(*(number for variable, number in row.items() if variable))
        constant = row.get((), 0)
        if not step:
            if constant < 0:
                return None
            continue
        key = frozenset((variable, number // step) for variable, number in row.items() if variable)
        found[key] = min(constant // step, found.get(key, constant // step))
    return [{**dict(key), (): constant} for key, constant in found.items()]
