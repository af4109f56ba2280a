"""A size of a tensor: a number and its form at once. The number decides, the form is carried.

Python's operators work on it, with ints, floats and each other. Floats are fractions of forms for as long as no
rounding shows, since programs halve sizes by ``int(h * 0.5)``; others (a root) have no form, only the letters that
they came from, and these are held where it becomes a size or decides a branch, unless one knows more
of its origin (:mod:`.floats`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..algebra.floors import Floor, floor_div, remainder, tidied
from ..algebra.polynomial import Polynomial, as_polynomial
from .constants import near
from .floats import MIRRORED, RELATIONS, Origin, Ratio, Root, Scaled
from .guards import Path, not_negative

MOST_REMEMBERED = 10_000
"""Products and differences that are remembered."""

MOST_EXACT = 1 << 20
"""Denominator of a float beyond which its products are not exact."""


class Size:
    """A number of the run and its form in the run's letters.

    ``form`` is None for a float that left the ring; ``letters`` are then what it depends on, ``origin`` what
    it was made of if that is known.
    """

    __slots__ = ("form", "letters_of", "origin", "path", "value")

    def __init__(
        self, value: Any, form: Polynomial | None, path: Path, letters: frozenset[str] = frozenset()
    ) -> None:
        self.value = value
        self.form = form
        self.path = path
        self.letters_of = letters
        self.origin: Origin | None = None

    @property
    def letters(self) -> frozenset[str]:
        """The letters that it depends on."""
        return self.letters_of if self.form is None else self.form.letters

    @property
    def floats(self) -> bool:
        """Whether the program holds a float."""
        return isinstance(self.value, float)

    def like(self, value: Any, form: Polynomial | None, *others: Any) -> Size:
        """Another size of the same run; ``others`` it depends on if it has no form."""
        letters = frozenset() if form is not None else self.letters.union(*(_letters(o) for o in others))
        return type(self)(value, form, self.path, letters)

    # -- arithmetic ---------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Size:
        return self._with(operator.add, other, not _both_rounded(self, other))._tidied()._then(self, plus=other)

    def __sub__(self, other: Any) -> Size:
        found = self._with(operator.sub, other, not _both_rounded(self, other))._tidied()
        return found._then(self, plus=-other)

    def _then(self, before: Size, times: Any = 1, plus: Any = 0, over: Any = 1) -> Size:
        """What came of a ratio by numbers is known by it."""
        numbers = (times, plus, over)
        if self.form is None and isinstance(before.origin, Ratio) and not any(map(_letters, numbers)):
            product, shift, divisor = (_exactly(number) for number in numbers)
            if product and divisor and shift is not None:
                self.origin = before.origin.then(self.value, product / divisor, shift)
        return self

    def _tidied(self) -> Size:
        if self.form is not None and len(self.form.terms) > 1:
            self.form = tidied(self.form)
        return self

    def __rsub__(self, other: Any) -> Size:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Size:
        size, times = (self, other) if self.letters else (other, self)
        found = self._with(operator.mul, other, _scales(self, other))._of(size, times, over=False)
        return found._then(self, times=other)

    def _of(self, size: Any, other: Any, over: bool) -> Size:
        """A product or quotient that has no form, with the whole size and what it was scaled by."""
        if self.form is None and _is_whole(size):
            whole, factor = size.like(int(size.value), size.form), _value(other)
            if over and _is_whole(other) and _letters(other):
                self.origin = Ratio(whole, other.like(int(factor), other.form), self.value)
            elif type(factor) is float and 0 < factor < math.inf and not _letters(other):
                self.origin = Scaled(whole, factor, over)
        return self

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Size:
        return self.like(-self.value, None if self.form is None else -self.form)._then(self, times=-1)

    def __abs__(self) -> Size:
        if self.form is None:
            known = None if self.origin is None else self.origin.compared(">=", 0)
            if known is None:
                return self.like(abs(self.value), None)
            return self if known else -self
        return self if self.compare(">=", 0, "a branch") else -self

    def _with(self, operation: Callable[[Any, Any], Any], other: Any, is_exact: bool) -> Size:
        mine, theirs = self.form, _form(other)
        form = None if mine is None or theirs is None or not is_exact else operation(mine, theirs)
        return self.like(operation(self.value, _value(other)), form, other)

    def __floordiv__(self, other: Any) -> Size:
        _not_zero(other)
        value = self.value // _value(other)
        mine, theirs = self.form, _form(other)
        if mine is None or theirs is None:
            return self.like(value, None, other)
        return self.like(value, floor_div(mine, theirs))

    def __rfloordiv__(self, other: Any) -> Size:
        return self._lifted(other) // self

    def __mod__(self, other: Any) -> Size:
        _not_zero(other)
        value = self.value % _value(other)
        mine, theirs = self.form, _form(other)
        if mine is None or theirs is None:
            return self.like(value, None, other)
        return self.like(value, remainder(mine, theirs))

    def __rmod__(self, other: Any) -> Size:
        return self._lifted(other) % self

    def __truediv__(self, other: Any) -> Size:
        _not_zero(other)
        value = self.value / _value(other)
        mine, theirs = self.form, _form(other)
        form = None
        if mine is not None and theirs is not None:
            form = _quotient(mine, theirs) if _scales(self, other) and not _is_rounded(theirs) else None
        return self.like(value, form, other)._of(self, other, over=True)._then(self, over=other)

    def __rtruediv__(self, other: Any) -> Size:
        return self._lifted(other) / self

    def __pow__(self, power: Any) -> Size:
        if _value(power) < 0:
            _not_zero(self)  # d ** -0.5
        exact = isinstance(power, int) and power >= 0 and self.form is not None and not _is_rounded(self.form)
        form = self.form**power if exact and self.form is not None else None
        return self.like(self.value ** _value(power), form, power)

    def __divmod__(self, other: Any) -> tuple[Size, Size]:
        return self // other, self % other

    def root(self) -> Size:
        """The square root: of a square, such as a side ``a*a`` has, that form, else a float without one."""
        side = None if self.form is None else _root(self.form)
        found = self.like(self.value**0.5, side)
        found.origin = None if side is not None else Root()
        return found

    def floor(self) -> Size:
        """The whole number below."""
        if self.origin is not None and (known := self.origin.whole("floor")) is not None:
            return known
        return self._rounded(math.floor(self.value), self.form)

    def ceil(self) -> Size:
        """The whole number above."""
        if self.origin is not None and (known := self.origin.whole("ceil")) is not None:
            return known
        below = None if self.form is None else -self.form
        return -self._rounded(math.floor(-self.value), below)

    def trunc(self) -> Size:
        """The whole number towards 0, as ``int`` takes it."""
        if not self.floats:
            return self
        if self.form is not None:
            self.path.at_least(self.form, self.value >= 0, "int of a float")
        return self.floor() if self.value >= 0 else self.ceil()

    def round(self) -> Size:
        """The nearest whole number; a half goes to the even one."""
        if not self.floats:
            return self
        if self.origin is not None and (known := self.origin.whole("round")) is not None:
            return known
        value = round(self.value)
        if self.form is None or self.form.denominator == 1:
            return self._rounded(value, self.form)
        whole = self.form.denominator
        twice = remainder(self.form * whole, whole) * 2 - whole  # twice the fraction, less one
        is_half = (
            twice.value({}) == 0 if not twice.symbols else abs(self.value - math.floor(self.value) - 0.5) == 0
        )
        self.path.equal(twice, is_half, "a half is rounded to the even number")
        up = self._rounded(math.floor(self.value + 0.5), self.form + Polynomial({(): 1}, 2))
        return up // 2 * 2 if is_half else up

    def is_whole(self) -> bool:
        """Whether a float is a whole number."""
        if self.form is None:
            self.path.hold(self.letters, "a float that is no fraction of sizes decides a branch")
            return bool(float(self.value).is_integer())
        step = self.form.denominator
        rest = remainder(Polynomial(self.form.terms), step) if step > 1 else as_polynomial(0)
        whole = float(self.value).is_integer()
        self.path.equal(rest, whole, "a whole number")
        return whole

    def _rounded(self, value: int, form: Polynomial | None) -> Size:
        if form is None:
            root = isinstance(self.origin, Root)
            self.path.hold(
                self.letters, f"a {Root.NAME if root else 'float that is no fraction of sizes'} becomes a size"
            )
            return self.like(value, as_polynomial(value))
        found = floor_div(Polynomial(form.terms), form.denominator)
        return self.like(value, found)

    # -- decisions ----------------------------------------------------------------------------------

    def compare(self, relation: str, other: Any, why: str = "") -> bool:
        """``self relation other`` as Python decides it, noted."""
        outcome = bool(RELATIONS[relation](self.value, _value(other)))
        if isinstance(other, float) and not math.isfinite(other) and self.form is not None:
            return outcome  # every size is below infinity
        mine, theirs = self.form, _form(other)
        if self.origin is not None:
            known = self.origin.compared(relation, other)
            if known is not None:
                return known
        elif isinstance(other, Size) and other.origin is not None and relation in MIRRORED:
            return other.compare(MIRRORED[relation], self, why)
        if mine is None or theirs is None:
            self.path.hold(self.letters | _letters(other), "a float that is no fraction of sizes decides a branch")
            return outcome
        difference = _difference(mine, theirs)
        if not difference.symbols:
            return outcome
        scale = difference.denominator
        whole = difference if scale == 1 else difference * scale
        if relation == "==":
            self.path.equal(whole, outcome, why)
        elif relation == "!=":
            self.path.equal(whole, not outcome, why, False)
        elif relation == ">=":
            self.path.at_least(whole, outcome, why)
        elif relation == "<":
            self.path.at_least(whole, not outcome, why, False)
        elif relation == ">":
            self.path.at_least(whole - 1, outcome, why)
        else:
            self.path.at_least(whole - 1, not outcome, why, False)
        return outcome

    def __eq__(self, other: object) -> bool:
        return self.compare("==", other) if isinstance(other, (Size, int, float)) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self.compare("!=", other) if isinstance(other, (Size, int, float)) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.compare("<", other)

    def __le__(self, other: Any) -> bool:
        return self.compare("<=", other)

    def __gt__(self, other: Any) -> bool:
        return self.compare(">", other)

    def __ge__(self, other: Any) -> bool:
        return self.compare(">=", other)

    def __hash__(self) -> int:
        return hash(self.value)

    def fixed(self, why: str) -> Any:
        """Its number, where the program needs one: a guard that says so."""
        if self.form is None or self.floats:
            self.path.hold(self.letters, why)
        elif self.form.symbols:
            self.path.equal(self.form - self.value, True, why)
        return self.value

    def looked_up(self) -> int:
        """Its hash, by which it is looked for in a set or mapping: compared with what may be in it."""
        if self.form is not None and not self.floats:
            self.path.look_up(self.form, self.value, near())
        return hash(self.value)

    def _lifted(self, other: Any) -> Size:
        return type(self)(other, _form(other), self.path)

    def __repr__(self) -> str:
        return f"{self.form} = {self.value}"


def value_of(size: Any) -> Any:
    """The number of a size, or a number as it is."""
    return size.value if isinstance(size, Size) else size


_value = value_of


def _not_zero(divisor: Any) -> None:
    """What Python asks before it divides. Asked first, since it may raise."""
    if isinstance(divisor, Size) and divisor.form is not None:
        divisor.compare("!=", 0, "a divisor")


def _is_whole(size: Any) -> bool:
    """Whether it is a size with a form of whole numbers."""
    return isinstance(size, Size) and size.form is not None and size.form.denominator == 1


def form_of(size: Any) -> Polynomial:
    """The form of a whole size."""
    if isinstance(size, Size):
        assert size.form is not None
        return size.form
    return as_polynomial(int(size))


def _form(size: Any) -> Polynomial | None:
    if isinstance(size, Size):
        return size.form
    if isinstance(size, float):
        if not math.isfinite(size):
            return None
        exact = Fraction(size)  # products with others (0.1, 1/7) are rounded, so that no exact form is theirs
        return Polynomial({(): exact.numerator}, exact.denominator) if exact.denominator <= MOST_EXACT else None
    return as_polynomial(int(size))


def _exactly(number: Any) -> Fraction | None:
    """A number of the program as a fraction."""
    value = _value(number)
    return Fraction(value) if math.isfinite(value) else None


def _is_rounded(form: Polynomial | None) -> bool:
    """Whether a float of this form is rounded: a fraction whose denominator is no power of 2.

    Rounded once, it is whole where the fraction is, and on the same side of every whole number. Rounded twice it
    may not be: ``29 / 7 * 7 > 29``.
    """
    return form is not None and form.denominator & (form.denominator - 1) != 0


def _both_rounded(one: Any, other: Any) -> bool:
    """Whether a sum of both would be of two rounded fractions."""
    return _is_rounded(_form(one)) and _is_rounded(_form(other))


def _scales(one: Any, other: Any) -> bool:
    """Whether a product or quotient of both is not rounded again: no fraction is, or it is by a power of 2."""
    if _is_whole(one) and _is_whole(other):
        return True
    pairs = ((_form(one), _form(other)), (_form(other), _form(one)))
    return all(not _is_rounded(form) or _is_power_of_2(by) for form, by in pairs)


def _is_power_of_2(form: Polynomial | None) -> bool:
    if form is None or form.symbols or form.denominator & (form.denominator - 1):
        return False
    number = abs(form.terms.get((), 0))
    return number & (number - 1) == 0


def _letters(size: Any) -> frozenset[str]:
    return size.letters if isinstance(size, Size) else frozenset()


def _quotient(above: Polynomial, below: Polynomial) -> Polynomial | None:
    """``above / below`` as a fraction with a number below, if it is one."""
    from ..algebra.floors import divided

    if not below.symbols:
        return above / below
    whole = divided(above * above.denominator, below * below.denominator)
    return None if whole is None else whole * below.denominator / above.denominator


def _root(form: Polynomial) -> Polynomial | None:
    """The square root of a square that is one term, of letters and of floors that are never negative."""
    if len(form.terms) != 1 or form.denominator != 1:
        return None
    ((monomial, number),) = form.terms.items()
    root = math.isqrt(max(number, 0))
    negative = any(isinstance(name, Floor) and not not_negative(name) for name, _ in monomial)
    if root * root != number or negative or any(power % 2 for _, power in monomial):
        return None
    return Polynomial({tuple((name, power // 2) for name, power in monomial): root})


def product(sizes: Any) -> Any:
    """The product of sizes: an int where all are."""
    sizes = tuple(sizes)
    first = next((size for size in sizes if isinstance(size, Size)), None)
    if first is not None and all(type(size) is int or _is_whole(size) for size in sizes):
        number = math.prod(size for size in sizes if type(size) is int)
        return first.like(
            math.prod(map(_value, sizes)),
            _multiplied(tuple(size.form for size in sizes if type(size) is not int), number),
        )
    total: Any = 1
    for size in sizes:
        total = size * total if isinstance(size, Size) else total * size
    return total


@lru_cache(maxsize=MOST_REMEMBERED)
def _multiplied(forms: tuple[Polynomial, ...], number: int) -> Polynomial:
    """All of them and a number: equal blocks ask the same again."""
    return math.prod(forms[1:], start=forms[0]) * number


@lru_cache(maxsize=MOST_REMEMBERED)
def _difference(one: Polynomial, other: Polynomial) -> Polynomial:
    return one - other
