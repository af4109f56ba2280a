"""Sizes that are a number and a form at once, and the decisions that were taken on them.

A description of a network decides by numbers: does the window fit, does the ratio divide. Run on :class:`Traced`
sizes it decides as it does at those numbers and carries the form with floors beside each. What it decides is noted
by a tape, if it has one that does (:mod:`vpcalc.algebra.exploring`, :mod:`vpcalc.storage.everywhere`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import floors
from .polynomial import Polynomial, as_polynomial, symbol


class Silent:
    """Leaves no notes: what comes out holds at these sizes for certain, and where the same lines run.

    ``sizes`` are those of the letters, for tapes that note. ``divides_exactly``: C/a may stand for ⌊C/a⌋ where a
    divides C; it has no value elsewhere.
    """

    divides_exactly = True
    sizes: Mapping[str, int] = {}

    def at_least(self, high: int | Traced, low: int | Traced) -> bool:
        """``high ≥ low``, decided by their numbers."""
        return value_of(high) >= value_of(low)

    def equal(self, one: int | Traced, other: int | Traced) -> bool:
        """``one = other``, decided by their numbers."""
        return value_of(one) == value_of(other)

    def divides(self, divisor: int | Traced, size: int | Traced) -> bool:
        """``divisor | size``, decided by their numbers."""
        return value_of(size) % value_of(divisor) == 0

    def of_layout(self, size: Traced) -> int | Traced:
        """What decides in its place how a tensor lies in memory: its number."""
        return size.value


SILENT = Silent()


class Traced:
    """``value`` decides, ``form`` is carried along, ``tape`` takes the notes."""

    __slots__ = ("form", "tape", "value")

    __hash__ = None  # type: ignore[assignment]  # a set or a dictionary would decide by it and leave no note

    def __init__(self, value: int, form: Polynomial, tape: Silent) -> None:
        self.value = value
        self.form = form
        self.tape = tape

    def _with(self, value: int, form: Polynomial) -> Traced:
        return Traced(value, form, self.tape)

    def __add__(self, other: Any) -> Traced:
        if not isinstance(other, (int, Traced)):
            return NotImplemented
        return self._with(self.value + value_of(other), self.form + form_of(other))

    __radd__ = __add__

    def __neg__(self) -> Traced:
        return self._with(-self.value, -self.form)

    def __sub__(self, other: Any) -> Traced:
        if not isinstance(other, (int, Traced)):
            return NotImplemented
        return self._with(self.value - value_of(other), self.form - form_of(other))

    def __rsub__(self, other: int) -> Traced:
        return -self + other

    def __mul__(self, other: Any) -> Traced:
        if not isinstance(other, (int, Traced)):
            return NotImplemented
        by = other.form if isinstance(other, Traced) else other
        return self._with(self.value * value_of(other), self.form * by)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Traced:
        return self._with(self.value**exponent, self.form**exponent)

    def __floordiv__(self, other: Any) -> Traced:
        if not isinstance(other, (int, Traced)):
            return NotImplemented
        return self._with(self.value // value_of(other), floors.floor_div(self.form, form_of(other)))

    def __rfloordiv__(self, other: int) -> Traced:
        return self._with(other // self.value, floors.floor_div(other, self.form))

    def __mod__(self, other: Any) -> Traced:
        if not isinstance(other, (int, Traced)):
            return NotImplemented
        return self._with(self.value % value_of(other), floors.remainder(self.form, form_of(other)))

    def __rmod__(self, other: int) -> Traced:
        return self._with(other % self.value, floors.remainder(other, self.form))

    # -- decisions ------------------------------------------------------------------------------

    def __ge__(self, other: int | Traced) -> bool:
        return self.tape.at_least(self, other)

    def __le__(self, other: int | Traced) -> bool:
        return self.tape.at_least(other, self)

    def __gt__(self, other: int | Traced) -> bool:
        return not self <= other

    def __lt__(self, other: int | Traced) -> bool:
        return not self >= other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, Traced)) and self.tape.equal(self, other)

    def __bool__(self) -> bool:
        return self != 0

    def __str__(self) -> str:
        return str(self.form)

    def __repr__(self) -> str:
        return f"{self.form} = {self.value}"


def silently(point: Mapping[str, int]) -> dict[str, Traced]:
    """A traced size for each letter, of which nobody notes what is decided by it."""
    return {letter: Traced(value, symbol(letter), SILENT) for letter, value in point.items()}


def value_of(size: int | Traced) -> int:
    """The number, whichever it is."""
    return size.value if isinstance(size, Traced) else size


def form_of(size: Any) -> Polynomial:
    """The form, whichever it is."""
    return size.form if isinstance(size, Traced) else as_polynomial(size)


def decisive(size: Any) -> Any:
    """What decides in its place how a tensor lies in memory."""
    return size.tape.of_layout(size) if isinstance(size, Traced) else size


class UnrolledError(TypeError):
    """A loop runs as often as a symbol says: the form of one size says nothing about others."""


def count(number: int | Traced) -> int:
    """A number of rounds.

    Raises:
        UnrolledError: it is a symbol.
    """
    if form_of(number).symbols:
        raise UnrolledError(f"as many rounds as {form_of(number)}")
    return value_of(number)


def is_divided(size: int | Traced, by: int | Traced) -> bool:
    """Whether ``by`` divides ``size``: a decision."""
    return (_tape(size, by) or SILENT).divides(by, size)


def quotient(size: int | Traced, by: int | Traced) -> Traced:
    """``size / by`` where it has been decided that it is whole."""
    tape = _tape(size, by)
    assert tape is not None
    over, under = form_of(size), form_of(by)
    form = floors.divided(over, under)
    if form is None:
        form = over / under if tape.divides_exactly and len(under.terms) == 1 else floors.floor_div(over, under)
    return Traced(value_of(size) // value_of(by), form, tape)


def lowest(first: int | Traced, *rest: int | Traced) -> int | Traced:
    """The minimum: a decision. Of one and the same growing function of two letters the letters decide."""
    low = first
    for other in rest:
        if not _not_above(low, other):
            low = other
    return low


def _not_above(one: int | Traced, other: int | Traced) -> bool:
    """Whether the one may stand for the smaller of the two; ⌈H/4⌉ may for ⌈W/4⌉ where H ≤ W."""
    if isinstance(one, Traced) and isinstance(other, Traced) and one.tape is not SILENT:
        mine, theirs = one.form.letters, other.form.letters
        if len(mine) == len(theirs) == 1 and mine != theirs and _grows(one.form):
            (a,), (b,) = mine, theirs
            if one.form.subs({a: symbol(b)}) == other.form:
                return one.tape.at_least(*(Traced(one.tape.sizes[n], symbol(n), one.tape) for n in (b, a)))
    return bool(one <= other)


def _grows(form: Polynomial) -> bool:
    """Whether a form of one letter never falls as the letter grows: only sums of floors of such, added."""
    return all(
        number > 0
        and all(
            power > 0 and (not isinstance(name, floors.Floor) or _grows_inside(name)) for name, power in monomial
        )
        for monomial, number in form.terms.items()
        if monomial
    )


def _grows_inside(floor: floors.Floor) -> bool:
    return not floor.divisor.symbols and _grows(floor.numerator)


def _tape(*sizes: int | Traced) -> Silent | None:
    return next((size.tape for size in sizes if isinstance(size, Traced)), None)
