"""Floors of polynomials as symbols, so that a form holds at sizes that do not divide.

``floor_div(H + 6, 7)`` is a polynomial in one new symbol, the :class:`Floor` whose name is ``⌈H/7⌉``. Everything
that holds of polynomials holds of it: sums, products, printers, substitution. Ceilings, remainders and paddings
are written by floors; minima and maxima are decisions, and whoever takes them notes a condition.

:func:`floor_div` writes what it is given in one way as far as rewriting goes: whole parts are taken out, common
factors cancelled, and a floor of a floor becomes one, ``⌊(⌊x/m⌋ + b)/n⌋ = ⌊(x + mb)/(mn)⌋`` (Graham, Knuth and
Patashnik 1994, eq. 3.11). What rewriting does not see, such as ``⌊x/2⌋ + ⌊(x+1)/2⌋ = x``, :func:`equal` decides: a
form in floors by constants is a polynomial on each class of residues, so that finitely many values settle it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from math import gcd, lcm, prod
from typing import Any, NamedTuple

from .polynomial import Atom, Monomial, Polynomial, Scalar, as_polynomial, constant, symbol

MOST_VALUES = 1 << 22
"""Values that :func:`equal` may look at; where more were needed its answer is None."""

FEW_VALUES = 1 << 10
"""So many are looked at one by one, which is sooner done than NumPy is imported."""


class Floor(Atom):
    """``⌊numerator / divisor⌋``, with whole coefficients above and a positive number or a polynomial below."""

    __slots__ = ("_letters", "divisor", "numerator")

    numerator: Polynomial
    divisor: Polynomial
    _letters: frozenset[str]

    def __new__(cls, numerator: Polynomial, divisor: Polynomial) -> Floor:  # its name is computed
        above, up = cls._read(numerator, divisor)
        over = f"({above})" if len(above.terms) > 1 else str(above)
        under = f"({divisor})" if is_product(divisor) else str(divisor)
        self = super().__new__(cls, f"⌈{over}/{under}⌉" if up else f"⌊{over}/{under}⌋")
        self.numerator, self.divisor = numerator, divisor
        self._letters = numerator.letters | divisor.letters
        return self

    @staticmethod
    def _read(numerator: Polynomial, divisor: Polynomial) -> tuple[Polynomial, bool]:
        if divisor.symbols:
            return numerator, False
        step, rest = divisor.terms[()], numerator.terms.get((), 0)
        return (numerator - (step - 1), True) if step - 1 - rest < rest else (numerator, False)

    def __getnewargs__(self) -> tuple[Polynomial, Polynomial]:  # type: ignore[override]
        return self.numerator, self.divisor

    @property
    def reading(self) -> tuple[Polynomial, bool]:
        """What stands above the line as people write it, and whether that is rounded up: ⌊(H+6)/7⌋ is ⌈H/7⌉."""
        return self._read(self.numerator, self.divisor)

    @property
    def letters(self) -> frozenset[str]:
        return self._letters

    def subs(self, values: Mapping[str, Any]) -> Scalar:
        return floor_div(self.numerator.subs(values), self.divisor.subs(values))

    def at(self, values: Mapping[str, Any]) -> Any:
        return self.numerator.at(values) // self.divisor.at(values)


class Ceiling(Floor):
    """``⌈numerator / divisor⌉`` by a symbol; by a number a ceiling is the floor of another numerator."""

    __slots__ = ()

    @staticmethod
    def _read(numerator: Polynomial, divisor: Polynomial) -> tuple[Polynomial, bool]:
        return numerator, True

    def subs(self, values: Mapping[str, Any]) -> Scalar:
        return ceil_div(self.numerator.subs(values), self.divisor.subs(values))

    def at(self, values: Mapping[str, Any]) -> Any:
        return -(-self.numerator.at(values) // self.divisor.at(values))


def is_product(divisor: Polynomial) -> bool:
    """Whether it needs brackets behind a slash: a sum, or more than one factor."""
    ((monomial, number), *others) = divisor.terms.items()
    return bool(others) or len(monomial) + (number != 1) > 1


def floor_div(above: Scalar, below: Scalar) -> Polynomial:
    """``⌊above / below⌋``, Python's ``//`` wherever ``below`` is not 0 and letters below a line are positive.

    Raises:
        ZeroDivisionError: ``below`` is 0.
    """
    return _floor_div(as_polynomial(above), as_polynomial(below))


@lru_cache(4096)  # the layers of one stage divide the same sizes by the same numbers
def _floor_div(above: Polynomial, below: Polynomial) -> Polynomial:
    if not below:
        raise ZeroDivisionError(f"⌊({above})/0⌋")
    above, below = above * below.denominator * above.denominator, below * below.denominator * above.denominator
    above, below = _without_line(above, below)
    quotient = divided(above, below) if below.symbols else None
    if quotient is not None:
        return quotient
    above, below = _cancelled(above, below)
    if not below.symbols:
        step = below.terms[()]
        return _floor(above, step) if step > 0 else _floor(-above, -step)
    if len(below.terms) > 1:  # a sum that is a factor of both, as ⌊(n(C + 1))/(M(C + 1))⌋ = ⌊n/M⌋
        common = below.content()
        quotient = divided(above, below / common)
        if quotient is not None:
            return floor_div(quotient, common)
    if below.terms[_leading(below)] < 0:
        above, below = -above, -below
    whole, above = _multiples(above, below)
    if _is_negative(above):  # ⌊−a/b⌋ = −⌈a/b⌉
        return whole - symbol(Ceiling(-above, below))
    if whole.terms.get((), 0) == 1 and _is_size(below):  # ⌊(a − 1)/b⌋ + 1 = ⌈a/b⌉ where b is positive
        return whole - 1 + symbol(Ceiling(above + 1, below))
    return whole + symbol(Floor(above, below))


def _is_size(below: Polynomial) -> bool:
    """Whether it is one product of letters, positive as sizes are; a floor or a difference may be below 0."""
    return len(below.terms) == 1 and not any(isinstance(name, Atom) for name in below.symbols)


def _is_negative(above: Polynomial) -> bool:
    """Whether more terms are below 0 than above; of as many the first in the alphabet decides."""
    signs = sum(1 if number > 0 else -1 for monomial, number in above.terms.items() if monomial)
    return signs < 0 if signs else above.terms.get(_leading(above), 0) < 0


def _multiples(above: Polynomial, below: Polynomial) -> tuple[Polynomial, Polynomial]:
    """``above = below·whole + rest``, term by term where a symbol divides that is one term."""
    if len(below.terms) > 1:
        return constant(0), above
    terms = [(term, divided(term, below)) for term in above.split()]
    whole = sum((quotient for _, quotient in terms if quotient is not None), constant(0))
    return whole, sum((term for term, quotient in terms if quotient is None), constant(0))


def _without_line(above: Polynomial, below: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Both times what their terms are divided by: ⌊N/(C/a)⌋ is ⌊aN/C⌋."""
    lows: dict[str, int] = {}
    for side in (above, below):
        for monomial in side.terms:
            for name, power in monomial:
                if power < 0:
                    lows[name] = min(lows.get(name, 0), power)
    if not lows:
        return above, below
    line = Polynomial({tuple(sorted((name, -low) for name, low in lows.items())): 1})
    return above * line, below * line


@lru_cache(1 << 12)
def tidied(form: Polynomial) -> Polynomial:
    """``y − ⌊y/2⌋`` as ``⌊(y + 1)/2⌋``, in every term that holds it alone: a size that is padded to be even."""
    if form.denominator != 1:
        return form
    for name in sorted(form.symbols):
        number = -form.terms.get(((name, 1),), 0)
        if not number or not isinstance(name, Floor) or name.divisor.symbols or name.divisor.terms[()] % 2:
            continue
        whole = floor_div(name.numerator, name.divisor.terms[()] // 2)
        found = form - (whole - symbol(name)) * number
        if whole.symbols and len(found.terms) <= len(form.terms) - 2 + (
            () not in form.terms and () in found.terms
        ):
            return tidied(found + floor_div(whole + 1, 2) * number)
    return form


def remainder(above: Scalar, below: Scalar) -> Polynomial:
    """``above mod below`` as Python's ``%``."""
    return as_polynomial(above) - floor_div(above, below) * as_polynomial(below)


@lru_cache(1 << 12)
def as_remainder(form: Polynomial) -> tuple[Polynomial, Polynomial] | None:
    """``(n, d)`` where a form is ``n mod d`` or ``−n mod d``, which is 0 where d divides n; None for others."""
    for name in sorted(form.symbols):
        if not isinstance(name, Floor):
            continue
        above, up = name.reading
        ways = [(above, -1 if up else 1), *([] if isinstance(name, Ceiling) else [(name.numerator, 1)])]
        for over, sign in ways:
            if (over - symbol(name) * name.divisor) * sign == form:
                return over, name.divisor
    return None


def ceil_div(above: Scalar, below: Scalar) -> Polynomial:
    """``⌈above / below⌉``."""
    return -floor_div(-as_polynomial(above), below)


def _floor(above: Polynomial, step: int) -> Polynomial:
    """By a positive number: whole parts out, the leading sign positive, factors cancelled, inner floors joined."""
    whole, rest = _split(above, step)
    if not rest.symbols:
        return whole + rest.terms.get((), 0) // step
    if rest.terms[_leading(rest)] < 0:  # ⌊(−A)/m⌋ = −⌈A/m⌉
        return whole - _floor(step - 1 - rest, step)
    offset = rest.terms.get((), 0)
    common = gcd(step, *(number for monomial, number in rest.terms.items() if monomial))
    if common > 1:  # ⌊(gA + b)/(gm)⌋ = ⌊(A + ⌊b/g⌋)/m⌋
        inner = Polynomial({m: n // common for m, n in rest.terms.items() if m}) + offset // common
        return whole + _floor(inner, step // common)
    joined = _joined(rest, step)
    return whole + (joined if joined is not None else symbol(Floor(rest, constant(step))))


def _split(above: Polynomial, step: int) -> tuple[Polynomial, Polynomial]:
    """``above = step·whole + rest``; numbers of the rest nearest to 0, its constant from 0 to ``step - 1``.

    A half keeps its sign: ⌊−x/2⌋ is −⌈x/2⌉ and not ⌊x/2⌋ − x, so that ⌈⌈x/4⌉/2⌉ is one floor.
    """
    whole, rest = {}, {}
    for monomial, number in above.terms.items():
        quotient, left = divmod(number, step)
        if monomial and (2 * left > step or (2 * left == step and number < 0)):
            quotient, left = quotient + 1, left - step
        whole[monomial], rest[monomial] = quotient, left
    return Polynomial(whole), Polynomial(rest)


def _leading(polynomial: Polynomial) -> Monomial:
    """The term whose sign is made positive: the first in the alphabet, the constant where it is alone."""
    return min((monomial for monomial in polynomial.terms if monomial), default=())


def _joined(above: Polynomial, step: int) -> Polynomial | None:
    """``⌊(⌊x/m⌋ + b)/n⌋ = ⌊(x + mb)/(mn)⌋``, where one inner floor by a number stands alone with a 1 or −1."""
    for monomial, number in above.terms.items():
        if len(monomial) != 1 or abs(number) != 1 or monomial[0][1] != 1:
            continue
        (inner, _) = monomial[0]
        if not isinstance(inner, Floor) or inner.divisor.symbols:
            continue
        others = above - symbol(inner) * number
        if any(isinstance(name, Atom) for name in others.symbols):
            continue  # one floor stays either way: leave the shorter
        by = inner.divisor.terms[()]
        x = inner.numerator if number == 1 else by - 1 - inner.numerator
        return _floor(x + others * by, by * step)
    return None


def _cancelled(above: Polynomial, below: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Without the factors that every term of both has: ``⌊(ka)/(kb)⌋ = ⌊a/b⌋`` for every k that is not 0."""
    if not above:
        return above, below
    common = Polynomial({**above.terms, **{(("", 0), *m): n for m, n in below.terms.items()}})
    number = gcd(*above.terms.values(), *below.terms.values())
    powers: dict[str, int] = {}
    for name in above.symbols & below.symbols:
        low = min(dict(monomial).get(name, 0) for monomial in common.terms)
        if low:
            powers[name] = low
    factor = Polynomial({tuple(sorted(powers.items())): number})
    return above / factor, below / factor


def divided(above: Polynomial, below: Polynomial) -> Polynomial | None:
    """The polynomial ``above / below`` with whole coefficients, or None where there is none."""
    names = sorted(above.symbols | below.symbols)

    def order(monomial: Monomial) -> tuple[int, tuple[int, ...]]:
        powers = dict(monomial)
        return sum(powers.values()), tuple(powers.get(name, 0) for name in names)

    lead = max(below.terms, key=order)
    first, powers = below.terms[lead], dict(lead)
    left, quotient = above, constant(0)
    while left:
        top = max(left.terms, key=order)
        number, over = left.terms[top], dict(top)
        if number % first or any(over.get(name, 0) < power for name, power in powers.items()):
            return None
        rest = tuple((name, power - powers.get(name, 0)) for name, power in top)
        term = Polynomial({tuple((name, power) for name, power in rest if power): number // first})
        quotient, left = quotient + term, left - term * below
    return quotient


class Tidy(NamedTuple):
    """A form without floors: for letters that are multiples of ``strides``, ``exact`` seconds dividing firsts."""

    form: Polynomial
    strides: dict[str, int]
    exact: tuple[tuple[Polynomial, Polynomial], ...]


def on_lattice(form: Polynomial) -> Tidy | None:
    """The form where every floor divides; None if some floor stays."""
    strides = dict.fromkeys(sorted(form.letters), 1)
    for floor in floors_in(form):
        if not floor.divisor.symbols and not _is_of_product(floor):
            for letter in floor.letters:
                strides[letter] = lcm(strides[letter], _stride(floor))
    tidy = form.subs({letter: symbol(letter) * stride for letter, stride in strides.items()})
    back = {letter: symbol(letter) / stride for letter, stride in strides.items()}
    exact: dict[tuple[Polynomial, Polynomial], None] = {}
    while (inner := _innermost(tidy)) is not None:
        pair = inner.numerator, inner.divisor
        nested = inner not in tidy.symbols or bool(exact)
        if len(inner.divisor.terms) != 1 or (nested and len(inner.numerator.terms) != 1 and pair not in exact):
            return None
        exact[pair] = None
        tidy = tidy.subs({inner: inner.numerator / inner.divisor})
    pairs = (_whole(above.subs(back), below.subs(back)) for above, below in exact)
    return Tidy(tidy.subs(back), strides, tuple(pairs))


def _is_of_product(floor: Floor) -> bool:
    """Whether it is of a product of letters, which its divisor may divide where it divides neither."""
    return len(floor.numerator.terms) == 1 and floor.numerator.symbols == floor.letters and len(floor.letters) > 1


def _whole(above: Polynomial, below: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Both sides of a line with whole coefficients, without what they have in common."""
    above, below = above * below.denominator * above.denominator, below * below.denominator * above.denominator
    return _cancelled(above, below)


def _innermost(form: Polynomial) -> Floor | None:
    """A floor within which there is none: by that of the outer one, a⌊C/a⌋ is C, and divides what C does."""
    found = (
        floor
        for floor in floors_in(form)
        if not any(isinstance(name, Atom) for side in (floor.numerator, floor.divisor) for name in side.symbols)
    )
    return min(found, default=None)


def where_divided(form: Polynomial, point: Mapping[str, int]) -> tuple[Polynomial, int]:
    """A form for letters that are all divided as they are at a point, and what divides them.

    At 800 and 1280, ⌊H/4⌋⌊W/4⌋ is HW/16; and where H is a multiple of 4, ⌈(H − 3)/8⌉ is ⌈H/8⌉.
    """
    letters, step = form.letters, 1
    for floor in floors_in(form):
        alone = any(floor.numerator == symbol(letter) for letter in letters) and not floor.divisor.symbols
        if alone and not any(point[letter] % floor.divisor.terms[()] for letter in letters):
            step = lcm(step, floor.divisor.terms[()])
    found = form.subs({letter: symbol(letter) * step for letter in letters})
    return _rounded_again(found, {letter: symbol(letter) / step for letter in letters}), step


def _rounded_again(form: Polynomial, whole: Mapping[str, Polynomial]) -> Polynomial:
    """Letters as whole numbers of others, floors rounded in the direction in which people read them."""
    values: dict[str, Polynomial] = dict(whole)
    for name in form.symbols:
        if isinstance(name, Floor):
            above, up = name.reading
            over, under = _rounded_again(above, whole), _rounded_again(name.divisor, whole)
            values[name] = ceil_div(over, under) if up else floor_div(over, under)
    return form.subs(values)


def floors_in(form: Polynomial) -> Iterator[Floor]:
    """Floors of a form, and those within them."""
    for name in sorted(form.symbols):
        if isinstance(name, Floor):
            yield name
            yield from floors_in(name.numerator)
            yield from floors_in(name.divisor)


def _stride(floor: Floor) -> int:
    """What letters have to be multiples of, so that a floor by numbers is a polynomial."""
    inner = [_stride(name) for name in floor.numerator.symbols if isinstance(name, Floor)]
    return lcm(1, *inner) * (1 if floor.divisor.symbols else floor.divisor.terms[()])


# -- equality -----------------------------------------------------------------------------------------


def equal(left: Scalar, right: Scalar) -> bool | None:
    """Whether two forms have one value at every point of positive integers; None where it cannot be decided.

    Decided for floors by numbers, nested and multiplied: their difference is a polynomial on each class of
    residues, of a degree and a period that can be read off it: it is 0 everywhere when it is 0 on a grid of
    (degree + 1) · period values a letter. For floors by symbols a difference is found by trying sizes; sameness
    only where the forms are written alike.
    """
    difference = without_divisions(as_polynomial(left) - as_polynomial(right))
    if not difference:
        return True
    letters = sorted(difference.letters)
    if any(_differs(difference, dict(zip(letters, point, strict=True))) for point in _some_points(len(letters))):
        return False
    shape: dict[str, int] = {}
    for letter in letters:
        extent = _extent(difference, letter)
        if extent is None:
            return None
        shape[letter] = extent
    if prod(shape.values()) > MOST_VALUES:
        return None
    return _zero_on_grid(difference, shape)


def _differs(difference: Polynomial, point: Mapping[str, int]) -> bool:
    """Whether it has a value there and that is not 0; a symbol below a line may be 0."""
    try:
        return bool(difference.at(point))
    except ZeroDivisionError:
        return False


def without_divisions(form: Polynomial) -> Polynomial:
    """The form times what it is divided by: 0 exactly where the form is."""
    lows: dict[str, int] = {}
    for monomial in form.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    return form * Polynomial({under: form.denominator})


def _some_points(letters: int) -> list[tuple[int, ...]]:
    """A few sizes that most differences show at."""
    rows = ((1, 2, 3, 5, 7), (223, 1021, 64, 97, 11), (31, 48, 1000, 6, 2), (512, 225, 77, 13, 4), (1, 1, 1, 1, 1))
    return [tuple(row[place % 5] + place // 5 for place in range(letters)) for row in rows]


class _Course(NamedTuple):
    """How a form runs along one letter, the others fixed: a polynomial on each class of residues."""

    degree: int
    period: int
    denominator: int
    """What clears the polynomials' coefficients."""
    growth: int | None
    """By how much it grows over a period, wherever it starts; None where that varies."""


def _extent(form: Polynomial, letter: str) -> int | None:
    """How many values of a letter settle whether a form is 0; None where it is no quasi-polynomial in it."""
    course = _course(form, letter)
    return None if course is None else (course.degree + 1) * course.period


def _course(form: Polynomial, letter: str) -> _Course | None:
    degree, period, denominator = 0, 1, 1
    growths: list[tuple[int, int]] | None = []  # of each term: over which shift, by how much
    for monomial, number in form.terms.items():
        above, below, factors = 0, 1, 0
        for name, power in monomial:
            course = _course_of(name, letter)
            if course is None:
                return None
            above, below = above + power * course.degree, below * course.denominator**power
            period = lcm(period, course.period)
            if course.degree:
                factors += power
                if factors > 1 or len(monomial) > 1 or course.growth is None:
                    growths = None
                elif growths is not None:
                    growths.append((course.period, number * course.growth))
        degree, denominator = max(degree, above), lcm(denominator, below)
    growth = None if growths is None else sum(period // shift * each for shift, each in growths)
    return _Course(degree, period, denominator, growth)


def _course_of(name: str, letter: str) -> _Course | None:
    if not isinstance(name, Floor):
        return _Course(1, 1, 1, 1) if name == letter else _Course(0, 1, 1, 0)
    if letter not in name.letters:
        return _Course(0, 1, 1, 0)
    inner = None if name.divisor.symbols else _course(name.numerator, letter)
    if inner is None:
        return None
    step = name.divisor.terms[()]
    denominator = step * inner.denominator
    if inner.growth is None:  # D·p(t) has whole coefficients, so that p(t + mD) and p(t) leave the same rest by m
        return _Course(inner.degree, inner.period * denominator, denominator, None)
    times = step // gcd(step, inner.growth)
    return _Course(inner.degree, inner.period * times, denominator, inner.growth * times // step)


def _zero_on_grid(form: Polynomial, shape: Mapping[str, int]) -> bool:
    """Whether a form is 0 at every point of a grid that begins at 1 in every letter."""
    if _largest(form, shape) < 1 << 62 and prod(shape.values()) > FEW_VALUES:
        import numpy

        axes = numpy.meshgrid(*(numpy.arange(1, size + 1) for size in shape.values()), indexing="ij", sparse=True)
        return not numpy.any(form.at(dict(zip(shape, axes, strict=True))))
    ranges = (range(1, size + 1) for size in shape.values())
    return not any(form.at(dict(zip(shape, point, strict=True))) for point in product(*ranges))


def _largest(form: Polynomial, shape: Mapping[str, int]) -> int:
    """A bound on what occurs where a form is evaluated on that grid, whatever its terms' signs."""
    total = 0
    for monomial, number in form.terms.items():
        total += abs(number) * prod(
            (_largest(name.numerator, shape) + 1 if isinstance(name, Floor) else shape[name]) ** power
            for name, power in monomial
        )
    return total
