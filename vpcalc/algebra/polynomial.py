"""Exact Laurent polynomials over the rationals, in canonical form.

Layers are run on these symbols to derive their closed form. A polynomial is a map from monomials to
integer numerators over one positive common denominator, with nothing to cancel; so two of them
are equal exactly when they are the same function. Division is by a monomial (R², H/32): that is
all that layers need.

SymPy can do this and much more, and 200 times slower to start; the tests run every layer on both
and compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import gcd, lcm
from typing import Any, Union

Monomial = tuple[tuple[str, int], ...]
"""Powers of the symbols that occur, sorted by name, without zero exponents."""

Scalar = Union[int, "Polynomial"]

_ONE: Monomial = ()


class Atom(str):
    """A symbol that stands for a function of other symbols, and whose name says which.

    It takes a symbol's place in a monomial. Two atoms are equal exactly when their names are.
    """

    __slots__ = ()

    @property
    def letters(self) -> frozenset[str]:
        """The plain symbols that it depends on."""
        raise NotImplementedError

    def subs(self, values: Mapping[str, Any]) -> Scalar:
        """What it becomes where symbols are replaced by ints or polynomials."""
        raise NotImplementedError

    def at(self, values: Mapping[str, Any]) -> Any:
        """Its value where every letter has a number, or an array of numbers."""
        raise NotImplementedError


class Polynomial:
    """``sum of numerator * monomial, over denominator``. Immutable and hashable."""

    __slots__ = ("_hash", "_letters", "_symbols", "denominator", "terms")

    terms: Mapping[Monomial, int]
    denominator: int
    _hash: int
    _letters: frozenset[str]
    _symbols: frozenset[str]

    def __init__(self, terms: Mapping[Monomial, int], denominator: int = 1) -> None:
        kept = dict(terms) if all(terms.values()) else {m: number for m, number in terms.items() if number}
        common = 1 if denominator == 1 else gcd(denominator, *kept.values())
        if denominator < 0:
            common = -common
        if common != 1:
            kept = {monomial: number // common for monomial, number in kept.items()}
            denominator //= common
        object.__setattr__(self, "terms", kept)
        object.__setattr__(self, "denominator", denominator if kept else 1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Polynomial does not change")

    def __reduce__(self) -> tuple[type[Polynomial], tuple[dict[Monomial, int], int]]:
        return Polynomial, (dict(self.terms), self.denominator)

    # -- arithmetic -----------------------------------------------------------------------------

    def __add__(self, other: Scalar) -> Polynomial:
        if not isinstance(other, (Polynomial, int)):
            return NotImplemented
        return self._plus(as_polynomial(other), 1)

    __radd__ = __add__

    def _plus(self, other: Polynomial, times: int) -> Polynomial:
        common = lcm(self.denominator, other.denominator)
        mine, theirs = common // self.denominator, common // other.denominator * times
        terms = dict(self.terms) if mine == 1 else {m: number * mine for m, number in self.terms.items()}
        for monomial, number in other.terms.items():
            terms[monomial] = terms.get(monomial, 0) + number * theirs
        return Polynomial(terms, common)

    def __neg__(self) -> Polynomial:
        return Polynomial({monomial: -number for monomial, number in self.terms.items()}, self.denominator)

    def __sub__(self, other: Scalar) -> Polynomial:
        if not isinstance(other, (Polynomial, int)):
            return NotImplemented
        return self._plus(as_polynomial(other), -1)

    def __rsub__(self, other: Scalar) -> Polynomial:
        return -self + other

    def __mul__(self, other: Scalar) -> Polynomial:
        if isinstance(other, int):
            if other == 1:
                return self
            return Polynomial({m: number * other for m, number in self.terms.items()}, self.denominator)
        if not isinstance(other, Polynomial):
            return NotImplemented
        terms: dict[Monomial, int] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                monomial = _times(left, right)
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Polynomial(terms, self.denominator * other.denominator)

    __rmul__ = __mul__

    def __truediv__(self, other: Scalar) -> Polynomial:
        if not isinstance(other, (Polynomial, int)):
            return NotImplemented
        return self * as_polynomial(other).reciprocal()

    def __rtruediv__(self, other: int) -> Polynomial:
        return self.reciprocal() * other

    def __pow__(self, exponent: int) -> Polynomial:
        if exponent < 0:
            return self.reciprocal() ** -exponent
        power = constant(1)
        for _ in range(exponent):
            power = power * self
        return power

    def reciprocal(self) -> Polynomial:
        """One over a monomial; anything else has no reciprocal here."""
        if len(self.terms) != 1:
            raise ZeroDivisionError(f"can divide by a single term only, not by {self}")
        ((monomial, number),) = self.terms.items()
        inverse = tuple((name, -power) for name, power in monomial)
        return Polynomial({inverse: self.denominator}, number)

    # -- comparison -----------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            other = constant(other)
        if not isinstance(other, Polynomial):
            return NotImplemented
        return self.denominator == other.denominator and self.terms == other.terms

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", self._hashed())
            return self._hash

    def _hashed(self) -> int:
        if not self.symbols:
            return (
                hash(self.terms.get(_ONE, 0))
                if self.denominator == 1
                else hash((self.denominator, self.terms[_ONE]))
            )
        return hash((self.denominator, frozenset(self.terms.items())))

    def __bool__(self) -> bool:
        return bool(self.terms)

    # -- views ----------------------------------------------------------------------------------

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the symbols that occur."""
        try:
            return self._symbols
        except AttributeError:
            found = frozenset(name for monomial in self.terms for name, _ in monomial)
            object.__setattr__(self, "_symbols", found)
            return found

    @property
    def letters(self) -> frozenset[str]:
        """The plain symbols that occur, those within atoms included."""
        try:
            return self._letters
        except AttributeError:
            found = (name.letters if isinstance(name, Atom) else (name,) for name in self.symbols)
            object.__setattr__(self, "_letters", frozenset(letter for letters in found for letter in letters))
            return self._letters

    def degree(self, name: str) -> int:
        """Highest power of one symbol."""
        return max((dict(monomial).get(name, 0) for monomial in self.terms), default=0)

    def split(self) -> Iterable[Polynomial]:
        """Its terms, each a polynomial of its own."""
        return (Polynomial({monomial: number}, self.denominator) for monomial, number in self.terms.items())

    def content(self) -> Polynomial:
        """The largest positive monomial factor: the common powers and the common number of all terms."""
        if not self.terms:
            return constant(1)
        powers = [dict(monomial) for monomial in self.terms]
        common = {
            name: low for name in sorted(self.symbols) if (low := min(power.get(name, 0) for power in powers))
        }
        return Polynomial({tuple(common.items()): gcd(*self.terms.values())}, self.denominator)

    def subs(self, values: Mapping[str, Any]) -> Polynomial:
        """Replace symbols by ints or polynomials."""
        replaced: dict[str, Polynomial] = {}
        for name in self.symbols:
            if name in values:
                replaced[name] = as_polynomial(values[name])
            elif isinstance(name, Atom) and (inner := as_polynomial(name.subs(values))) != symbol(name):
                replaced[name] = inner
        if not replaced:
            return self
        parts = []
        for monomial, number in self.terms.items():
            left = tuple((name, power) for name, power in monomial if name not in replaced)
            term = Polynomial({left: number}, self.denominator)
            for name, power in monomial:
                if name in replaced:
                    term = term * replaced[name] ** power
            parts.append(term)
        return _sum(parts)

    def at(self, values: Mapping[str, Any]) -> Any:
        """The whole number where every letter has one; an array where letters have arrays.

        Raises:
            ValueError: the result is not whole, or a letter stands in a denominator.
        """
        total: Any = 0
        for monomial, number in self.terms.items():
            term: Any = number
            for name, power in monomial:
                if power < 0:
                    raise ValueError(f"{self} divides by {name}")
                size = name.at(values) if isinstance(name, Atom) else values[name]
                term = term * (size if power == 1 else size**power)
            total = total + term
        if self.denominator == 1:
            return total
        rest = total % self.denominator
        if (rest != 0) if isinstance(rest, int) else (rest != 0).any():
            raise ValueError(f"{self} is not a whole number at {dict(values)}")
        return total // self.denominator

    def value(self, values: Mapping[str, int]) -> int:
        """The integer at a point of the lattice.

        Raises:
            ValueError: a symbol has no value, or the result is not whole (a point off the lattice).
        """
        missing = sorted(self.letters - set(values))
        if missing:
            raise ValueError(f"no value for {', '.join(missing)}")
        result = self.subs(values)
        if result.denominator != 1:
            raise ValueError(f"{self} is not a whole number at {dict(values)}")
        return result.terms.get(_ONE, 0)

    def to_sympy(self) -> Any:
        """The same expression in SymPy, with positive integer symbols."""
        import sympy

        total = sympy.Integer(0)
        for monomial, number in self.terms.items():
            term = sympy.Rational(number, self.denominator)
            for name, power in monomial:
                term *= sympy.Symbol(name, integer=True, positive=True) ** power
            total += term
        return total

    def __str__(self) -> str:
        from .printers import text

        return text(self)

    def __repr__(self) -> str:
        return f"Polynomial({self})"


@lru_cache(1 << 14, typed=True)
def symbol(name: str) -> Polynomial:
    """The polynomial that is one symbol."""
    return Polynomial({((name, 1),): 1})


def symbols(names: str) -> tuple[Polynomial, ...]:
    """Several symbols: ``h, w, C = symbols("h w C")``."""
    return tuple(symbol(name) for name in names.replace(",", " ").split())


@lru_cache(1024, typed=True)
def constant(number: int) -> Polynomial:
    """The polynomial that is one number."""
    return Polynomial({_ONE: number})


def as_polynomial(value: Any) -> Polynomial:
    """An int or a polynomial, as a polynomial."""
    return value if isinstance(value, Polynomial) else constant(value)


def _sum(parts: Sequence[Polynomial]) -> Polynomial:
    """All of them together, in one pass."""
    common = lcm(*(part.denominator for part in parts))
    terms: dict[Monomial, int] = {}
    for part in parts:
        times = common // part.denominator
        for monomial, number in part.terms.items():
            terms[monomial] = terms.get(monomial, 0) + number * times
    return Polynomial(terms, common)


@lru_cache(1 << 14)
def _times(left: Monomial, right: Monomial) -> Monomial:
    if not left:
        return right
    if not right:
        return left
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted((name, power) for name, power in powers.items() if power))
