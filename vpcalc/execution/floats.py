"""What can still be said of a float that is no fraction of sizes: what it is as a whole number, how it compares.

Programs take such floats for a moment: ``int(n * 0.3)``, ``2 ** ceil(log2(n))``, ``h / w > 1.5``. Each kind knows
the whole sizes that it was made of, and answers in forms where that is exact for floats of 64 bits, else not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy

if TYPE_CHECKING:
    from .sizes import Size

FARTHEST = 1 << 20
"""Up to which number floats were compared with fractions, number by number, or are so by their 52 bits."""

WHOLE_BELOW = 1 << 52
"""Up to which numbers above and below a line the float of a quotient is not rounded to a whole number."""

SIMPLE = 1000
"""Denominators of fractions that people write as decimals."""

WHOLE: dict[str, tuple[Callable[[Any], Any], Callable[[Any, int], Any]]] = {
    "floor": (numpy.floor, lambda above, q: above // q),
    "ceil": (numpy.ceil, lambda above, q: -(-above // q)),
    "round": (numpy.rint, lambda above, q: (2 * above + q) // (2 * q) - _odd_halves(above, q)),
}
"""Ways to a whole number: of floats, and of fractions ``above/q`` exactly."""


def _odd_halves(above: Any, q: int) -> Any:
    """1 where the number above a half is odd."""
    return ((2 * above + q) % (2 * q) == 0) & ((2 * above + q) // (2 * q) % 2 == 1)


RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Python's comparisons."""

MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
"""A relation read from the other side."""


class Origin(Protocol):
    """What a float was made of."""

    def whole(self, way: str) -> Size | None:
        """The float as a whole number, by a way of :data:`WHOLE`; None where no form is known to be it."""

    def compared(self, relation: str, other: Any) -> bool | None:
        """How it compares with a number or size, noted; None where no comparison of sizes is known to be that."""


@dataclass(frozen=True)
class Scaled:
    """A size times a float, or divided by one."""

    size: Size
    times: float
    over: bool

    def whole(self, way: str) -> Size | None:
        """That of the fraction which gives the same whole numbers, for all sizes or for those around this one."""
        if not 0 <= self.size.value <= FARTHEST:
            return None
        piece = _piece_for(way, self.times, self.over, self.size.value)
        if piece is None:
            return None
        for relation, end in ((">=", piece.first), ("<=", piece.last)):
            self.size.compare(relation, end, "a float's product")
        assert self.size.form is not None
        above, below = self.size.form * piece.fraction.numerator + piece.shift, piece.fraction.denominator
        number = self.size.value * piece.fraction.numerator + piece.shift
        found: Size = getattr(self.size.like(number / below, above / below), way)()
        return found

    def compared(self, relation: str, other: Any) -> bool | None:
        """With a whole number or size as the fraction is, cross-multiplied; where both are equal, as rounded.

        ``1.4 * 45 < 63``: where ``7H = 5W`` the path says for which sizes the float is below, at or above.
        """
        simple, signs = _signs(self.times, self.over)
        is_whole = isinstance(other, int) or (isinstance(other, type(self.size)) and not other.floats)
        if not is_whole or signs is None or not 0 <= self.size.value <= FARTHEST:
            return None
        self.size.compare(">=", 0, "a float's product")
        self.size.compare("<=", FARTHEST, "a float's product")
        mine, theirs = self.size * simple.numerator, self.size * 0 + other * simple.denominator
        if mine.compare("!=", theirs, "a float's product"):
            return mine.compare(relation, theirs, "a float's product")
        place = self.size.value // simple.denominator
        changes = numpy.flatnonzero(numpy.diff(signs))
        before, after = changes[changes < place], changes[changes >= place]
        if len(before):
            self.size.compare(">=", (int(before[-1]) + 1) * simple.denominator, "a float's product")
        if len(after):
            self.size.compare("<=", int(after[0]) * simple.denominator, "a float's product")
        return bool(RELATIONS[relation](int(signs[place]), 0))


@lru_cache(maxsize=32)
def _signs(times: float, over: bool) -> tuple[Fraction, Any]:
    """The simple fraction next to a float, and for each multiple of its denominator whether the float's product is
    below, at or above the fraction's: -1, 0, 1.

    None in their place if other sizes' products are not between the same whole numbers.
    """
    fraction, low = _misses("floor", times, over, 0)
    _, high = _misses("ceil", times, over, 0)
    if not fraction or (low % fraction.denominator).any() or (high % fraction.denominator).any():
        return fraction, None
    whole = numpy.arange(0, FARTHEST + 1, fraction.denominator)
    return fraction, numpy.sign(
        (whole / times if over else whole * times) - whole // fraction.denominator * fraction.numerator
    )


class Piece(NamedTuple):
    """Sizes for which a float's product is, as a whole number, that of ``(size · p + shift) / q``, with p/q the
    fraction."""

    first: int
    last: int
    fraction: Fraction
    shift: int


def _piece_for(way: str, times: float, over: bool, size: int) -> Piece | None:
    """The widest of the pieces at a size."""
    fraction = _fraction_for(way, times, over)
    if fraction is not None:
        return Piece(0, FARTHEST, fraction, 0)
    if len(_misses(way, times, over, 0)[1]) > FARTHEST // 8:
        return None
    pieces = []
    for shift in (0, -1, 1):  # 0.7 · 90 is less than 63, as the product of floats
        simple, wrong = _misses(way, times, over, shift)
        place = int(numpy.searchsorted(wrong, size))
        if place < len(wrong) and wrong[place] == size:
            continue
        first = int(wrong[place - 1]) + 1 if place else 0
        last = int(wrong[place]) - 1 if place < len(wrong) else FARTHEST
        pieces.append(Piece(first, last, simple, shift))
    return max(pieces, key=lambda piece: piece.last - piece.first, default=None)


@lru_cache(maxsize=32)
def _misses(way: str, times: float, over: bool, shift: int, most: int = SIMPLE) -> tuple[Fraction, Any]:
    """The fraction next to a float of a denominator up to ``most``, and the sizes that it gives another number."""
    rounded, exact = WHOLE[way]
    sizes = numpy.arange(FARTHEST + 1)
    fraction = Fraction(times).limit_denominator(most)
    fraction = 1 / fraction if over and fraction else fraction
    found = rounded(sizes / times if over else sizes * times)
    return fraction, numpy.flatnonzero(exact(sizes * fraction.numerator + shift, fraction.denominator) != found)


@lru_cache(maxsize=256)
def _fraction_for(way: str, times: float, over: bool) -> Fraction | None:
    """The fraction that gives the same whole numbers as a float does, times a size or below it."""
    for most in (SIMPLE, 4 * FARTHEST):
        fraction, wrong = _misses(way, times, over, 0, most)
        if fraction > 0 and not len(wrong):
            return fraction
    return None


@dataclass(frozen=True)
class Ratio:
    """A size divided by another, ``times`` a number ``plus`` a number as that has been computed: ``value``.

    All floats on the way follow from the quotient, and this from the ratio of both sizes alone.
    """

    above: Size
    below: Size
    value: float
    times: Fraction = Fraction(1)
    plus: Fraction = Fraction(0)

    def then(self, value: float, times: Fraction, plus: Fraction) -> Ratio:
        """What comes of it by a further product and sum."""
        return Ratio(self.above, self.below, value, self.times * times, self.plus * times + plus)

    def whole(self, way: str) -> Size | None:
        """The whole number below or above, of a quotient that was scaled by powers of 2 alone: exactly."""
        up, down = self.times.numerator, self.times.denominator
        exact = self.plus == 0 and up > 0 and up & (up - 1) == 0 and down & (down - 1) == 0
        if way == "round" or not exact or not self._is_small(WHOLE_BELOW):
            return None
        above, below = self.above * up, self.below * down
        return above // below if way == "floor" else -((-above) // below)

    def compared(self, relation: str, other: Any) -> bool | None:
        """Cross-multiplied with the simple fraction at which both are equal, where there is one.

        Other ratios of sizes are farther from it than floats are rounded. Those that are equal to it all give the
        same float, so that what is decided here is so for them all.
        """
        number = getattr(other, "value", other)
        if getattr(other, "letters", None) or not math.isfinite(number) or relation not in RELATIONS:
            return None
        plain = self.times == 1 and self.plus == 0
        edge = (Fraction(number) - self.plus) / self.times
        fraction = edge.limit_denominator(SIMPLE if plain else SIMPLE // 10)
        close = float(fraction) == number if plain else abs(fraction - edge) < CLOSE
        usual = all(part <= SIMPLE for part in (abs(number), abs(self.plus), abs(self.times), 1 / abs(self.times)))
        if not (close and (plain or usual)) or not self._is_small(FARTHEST if plain else FARTHEST >> 4):
            return None
        mine, theirs = self.above * fraction.denominator, self.below * fraction.numerator
        if not plain and mine.compare("==", theirs, "a ratio"):
            return bool(RELATIONS[relation](self.value, number))
        return mine.compare(relation if self.times > 0 else MIRRORED[relation], theirs, "a ratio")

    def _is_small(self, most: int) -> bool:
        """Neither size is so large that floats hide a difference, which is noted."""
        if not (0 <= self.above.value <= most and 1 <= self.below.value <= most):
            return False
        for size, low in ((self.above, 0), (self.below, 1)):
            size.compare(">=", low, "a ratio")
            size.compare("<=", most, "a ratio")
        return True


CLOSE = Fraction(1, 10**12)
"""How near to a simple fraction a number is that stands for it: 0.1 + 1 for 11/10."""


@dataclass(frozen=True)
class Root:
    """The root of what is no square as a form."""

    NAME: ClassVar = "root of a side that is not written as a square (a*a)"

    def whole(self, way: str) -> Size | None:
        """Not known: there is no form of it."""
        return None

    def compared(self, relation: str, other: Any) -> bool | None:
        """Not known."""
        return None


@dataclass(frozen=True)
class Log2:
    """The binary logarithm of a size; floats of 64 bits have whole ones exactly."""

    size: Size

    def whole(self, way: str) -> Size | None:
        """Between two powers of two it is a number."""
        value = self.size.value
        if way == "round" or not 1 <= value <= FARTHEST:
            return None
        if way == "floor":
            found = value.bit_length() - 1
            low, high = 1 << found, (2 << found) - 1
        else:
            found = (value - 1).bit_length()
            low, high = (1 << found >> 1) + 1 if found else 1, 1 << found
        self.size.compare(">=", low, "a logarithm")
        self.size.compare("<=", high, "a logarithm")
        return self.size.like(found, self.size.form * 0 + found if self.size.form is not None else None)

    def compared(self, relation: str, other: Any) -> bool | None:
        """Not known."""
        return None


def log2(size: Size) -> Size:
    """The logarithm of a whole size."""
    found = size.like(math.log2(size.value), None)
    found.origin = Log2(size) if size.form is not None and size.form.denominator == 1 else None
    return found
