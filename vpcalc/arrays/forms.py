"""A polynomial with floors as a function of arrays, in 64-bit integers where nothing can pass them.

What is compiled is an order of summation. Sizes come as arrays that broadcast together, as ``numpy.ix_`` makes
them: a letter has an axis of its own, or shares one with others. The polynomial is split by what depends on one,

    4hwC² + 2(hw)²C  =  [4hw] · C²  +  [2(hw)²] · C

so that brackets, which are split again, are arrays without that axis: small ones. The axis to split by is the one
that leaves the least to be done (:func:`_work`). Floors are computed where their letters lie.

**Exact.** Before anything is computed, :meth:`Compiled.largest` bounds every intermediate from the ends of the
letters: each partial sum and product is at most the sum of all terms' absolute values with no factor below 1.
Where that bound passes 2⁶³ − 1 the arrays hold Python's integers, which have no end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy

from ..algebra.floors import Ceiling, Floor
from ..algebra.polynomial import Monomial, Polynomial

Array = Any
"""A NumPy array of int64, or of Python's integers."""

Sizes = Mapping[str, Array]
"""The sizes of each letter, in arrays of one number of axes that broadcast together."""

Ends = Mapping[str, tuple[int, int]]
"""The least and the greatest size of each letter."""

MOST = (1 << 63) - 1
"""The largest number of 64 bits."""


def ends_of(sizes: Sizes) -> dict[str, tuple[int, int]]:
    """Where the sizes of each letter begin and end."""
    return {letter: (int(array.min()), int(array.max())) for letter, array in sizes.items()}


class Axes(NamedTuple):
    """How letters lie: on which axes each varies, and about how long these are (as powers of 2)."""

    of: tuple[tuple[str, int], ...]
    lengths: tuple[int, ...]


def axes_of(sizes: Sizes) -> Axes:
    """How the letters of some arrays lie; the axes of a letter are the bits of a number."""
    shapes = {letter: array.shape for letter, array in sizes.items()}
    lengths = [max(sides) for sides in zip(*shapes.values(), strict=True)]
    of = ((letter, sum(1 << at for at, side in enumerate(shape) if side > 1)) for letter, shape in shapes.items())
    return Axes(tuple(sorted(of)), tuple(length.bit_length() - 1 for length in lengths))


class Values(dict[str, Array]):
    """The values of letters and of floors, each found once, for all forms at the same sizes."""

    def __init__(self, sizes: Sizes, axes: Axes) -> None:
        super().__init__(sizes)
        self.axes = axes

    def __missing__(self, name: str) -> Array:
        assert isinstance(name, Floor), name
        numerator, divisor = _sides_of(name)
        above, below = numerator.value(self), divisor.value(self)
        if not isinstance(below, int) and below.dtype == object:
            below = numpy.where(below == 0, 1, below)  # only where the form does not hold; int64 gives 0 there
        found = -(-above // below) if isinstance(name, Ceiling) else above // below
        self[name] = found
        return found


class Compiled:
    """A form as a function of arrays. It may be a quotient by a product, whole wherever it is asked for."""

    def __init__(self, form: Polynomial) -> None:
        self.form = form
        self.below = line(form)
        self.above = form * self.below
        self._plans: dict[Axes, tuple[Sum | int, Sum | int]] = {}

    def largest(self, ends: Ends) -> int:
        """A bound of every intermediate on the way to its values between these ends."""
        return max(_bound(self.above, ends), _bound(self.below, ends))

    def at(self, sizes: Sizes) -> Array:
        """Its values: int64, or Python's integers where anything on the way to one may pass 64 bits."""
        return self.value(prepared([self], sizes))

    def value(self, values: Values) -> Array:
        """Its values where the kind of integers has been settled (:func:`prepared`)."""
        above, below = self._plan(values.axes)
        found = _summed(above, values)
        return found if below == 1 else found // _summed(below, values)

    def _plan(self, axes: Axes) -> tuple[Sum | int, Sum | int]:
        if axes not in self._plans:
            of = dict(axes.of)
            lies = {name: _lies(name, of) for name in self.form.symbols}
            above, below = (_split(side.terms, lies, axes.lengths) for side in (self.above, self.below))
            self._plans[axes] = above, below
        return self._plans[axes]


@lru_cache(maxsize=1 << 14)
def _sides_of(name: Floor) -> tuple[Compiled, Compiled]:
    return Compiled(name.numerator), Compiled(name.divisor)


def line(form: Polynomial) -> Polynomial:
    """The product by which a form is divided."""
    lows: dict[str, int] = {}
    for monomial in form.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    return Polynomial({under: form.denominator})


class Most:
    """The greatest of several forms at each size, as a peak is of what is live at several times."""

    def __init__(self, forms: Iterable[Compiled]) -> None:
        self.forms = tuple(forms)

    def largest(self, ends: Ends) -> int:
        """A bound as :meth:`Compiled.largest` is."""
        return max(form.largest(ends) for form in self.forms)

    def value(self, values: Values) -> Array:
        """Its values where the kind of integers has been settled."""
        first, *rest = self.forms
        found = first.value(values)
        for form in rest:
            found = numpy.maximum(found, form.value(values))
        return found


class Added:
    """A sum of so many times each part, over a number and rounded down."""

    def __init__(self, parts: Iterable[tuple[Compiled | Most, int]], divisor: int) -> None:
        self.parts, self.divisor = tuple(parts), divisor

    def largest(self, ends: Ends) -> int:
        """A bound as :meth:`Compiled.largest` is."""
        return sum(times * part.largest(ends) for part, times in self.parts)

    def value(self, values: Values) -> Array:
        """Its values where the kind of integers has been settled."""
        found: Array = 0
        for part, times in self.parts:
            found = found + times * part.value(values)
        return found // self.divisor


Function = Compiled | Most | Added
"""What a column is on arrays."""


def prepared(forms: Iterable[Function], sizes: Sizes, exact: bool = False) -> Values:
    """Sizes in a kind of integers in which all these forms are ``exact``, if it is not known that 64 bits are."""
    if not exact and not fits(forms, ends_of(sizes)):
        sizes = {letter: array.astype(object) for letter, array in sizes.items()}
    return Values(sizes, axes_of(sizes))


def fits(forms: Iterable[Function], ends: Ends) -> bool:
    """Whether nothing on the way to the values of some forms between these ends can pass 64 bits."""
    return all(form.largest(ends) <= MOST for form in forms)


def whole_numbers(values: list[int]) -> Array:
    """An array of numbers: int64, or Python's integers where one passes 64 bits."""
    return numpy.asarray(values, dtype=numpy.int64 if max(map(abs, values), default=0) <= MOST else object)


# -- bounds -------------------------------------------------------------------------------------------------


def _bound(form: Polynomial, ends: Ends) -> int:
    """What no partial sum or product of a form, of its floors' sides included, is beyond."""
    inside = [_bound(side, ends) for name in _floors_of(form) for side in (name.numerator, name.divisor)]
    return max([_sum_of_terms(form, ends), *inside])


def _sum_of_terms(form: Polynomial, ends: Ends) -> int:
    total = 0
    for monomial, number in form.terms.items():
        term = abs(number)
        for name, power in monomial:
            term *= max(1, _size(name, ends)) ** power
        total += term
    return total


def _size(name: str, ends: Ends) -> int:
    """A bound of a letter or a floor, whatever its sign."""
    if not isinstance(name, Floor):
        low, high = ends[name]
        return max(abs(low), abs(high))
    least = 1 if name.divisor.symbols else int(name.divisor.terms[()])
    return _sum_of_terms(name.numerator, ends) // least + 1


def _floors_of(form: Polynomial) -> Iterable[Floor]:
    return (name for name in form.symbols if isinstance(name, Floor))


# -- orders of summation ------------------------------------------------------------------------------------


class Group(NamedTuple):
    """``factors`` times the sum ``inner``, which has one axis less."""

    factors: tuple[tuple[str, int], ...]
    inner: Sum | int


class Sum(NamedTuple):
    """Groups to be added up."""

    groups: tuple[Group, ...]


def _lies(name: str, of: Mapping[str, int]) -> int:
    """On which axes a letter or a floor varies."""
    if not isinstance(name, Floor):
        return of[name]
    found = 0
    for letter in name.letters:
        found |= of[letter]
    return found


def _split(terms: Mapping[Monomial, int], lies: Mapping[str, int], lengths: tuple[int, ...]) -> Sum | int:
    """The order in which terms are added up."""
    if all(not monomial for monomial in terms):
        return sum(terms.values())
    used = _axes_of_terms(terms, lies)
    ways = [at for at in range(len(lengths)) if used >> at & 1]
    if not ways:  # letters of one size each
        return Sum(tuple(Group(monomial, number) for monomial, number in terms.items()))
    best = min((_grouped(terms, lies, at) for at in ways), key=lambda groups: _work(groups, lies, lengths))
    parts = sorted(best.items(), key=lambda part: _elements(_axes_of_part(part, lies), lengths))
    return Sum(tuple(Group(factors, _split(inner, lies, lengths)) for factors, inner in parts))


def _grouped(
    terms: Mapping[Monomial, int], lies: Mapping[str, int], at: int
) -> dict[Monomial, dict[Monomial, int]]:
    """The terms by their factors that vary along one axis."""
    found: dict[Monomial, dict[Monomial, int]] = {}
    for monomial, number in terms.items():
        along = tuple(factor for factor in monomial if lies[factor[0]] >> at & 1)
        rest = tuple(factor for factor in monomial if not lies[factor[0]] >> at & 1)
        found.setdefault(along, {})[rest] = number
    return found


def _work(
    groups: Mapping[Monomial, Mapping[Monomial, int]], lies: Mapping[str, int], lengths: tuple[int, ...]
) -> float:
    """About how many operations on how many elements a way of splitting takes."""
    total, added = 0.0, 0
    for factors, inner in sorted(groups.items(), key=lambda part: _elements(_axes_of_part(part, lies), lengths)):
        axes = _axes_of_part((factors, inner), lies)
        added |= axes
        total += _elements(axes, lengths) + _elements(added, lengths)
        total += len(factors) * _elements(_axes_of_terms([factors], lies), lengths)
        total += 2 * len(inner) * _elements(_axes_of_terms(inner, lies), lengths)
    return total


def _elements(axes: int, lengths: tuple[int, ...]) -> int:
    """About how many there are along some axes."""
    return 1 << sum(length for at, length in enumerate(lengths) if axes >> at & 1)


def _axes_of_part(part: tuple[Monomial, Iterable[Monomial]], lies: Mapping[str, int]) -> int:
    factors, inner = part
    return _axes_of_terms([factors], lies) | _axes_of_terms(inner, lies)


def _axes_of_terms(terms: Iterable[Monomial], lies: Mapping[str, int]) -> int:
    found = 0
    for monomial in terms:
        for name, _ in monomial:
            found |= lies[name]
    return found


def _summed(plan: Sum | int, values: Values) -> Array:
    if isinstance(plan, int):
        return plan
    total: Array = None
    own = False  # whether nobody else has the array
    for factors, inner in plan.groups:
        term = _product(factors, inner, values)
        if total is None:
            total = term
            own = bool(factors) and (len(factors) > 1 or factors[0][1] > 1 or inner != 1)
        elif own and not isinstance(total, int) and total.shape == numpy.shape(term):
            total += term
        else:
            total = total + term
            own = True
    return 0 if total is None else total


def _product(factors: tuple[tuple[str, int], ...], inner: Sum | int, values: Values) -> Array:
    """Small arrays are multiplied first."""
    parts = [_power(values[name], power) for name, power in factors]
    scale = 1
    if isinstance(inner, int):
        scale = inner
    else:
        parts.append(_summed(inner, values))
    parts.sort(key=numpy.size)
    if not parts:
        return scale
    found, *rest = parts
    if scale != 1:
        found = found * scale
    for part in rest:
        found = found * part
    return found


def _power(array: Array, power: int) -> Array:
    """By multiplication, which is exact and quicker than ``**`` on integers."""
    found = array
    for _ in range(power - 1):
        found = found * array
    return found
