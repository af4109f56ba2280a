"""The comparisons that a run makes of its sizes, in order: the path that it took, and so the domain of its form.

A :class:`Guard` is a question about sizes, ``form == 0`` or ``form ≥ 0``, written in one way whichever way round
the program asked it. A :class:`Path` notes the first answer to each, with why it was asked. What no size of at
least 1 can change is not noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import gcd
from typing import Any, ClassVar, NamedTuple

import numpy

from ..algebra.domains import at_least
from ..algebra.floors import Ceiling, Floor, as_remainder, remainder
from ..algebra.polynomial import Polynomial, constant, symbol

EQUAL, AT_LEAST = "==", ">="

MOST_KEYS = 64
"""Keys beyond which a size that is looked up among them is a number that the program needs."""


class Guard(NamedTuple):
    """``form == 0`` or ``form >= 0``, where ``form`` has whole coefficients."""

    form: Polynomial
    relation: str

    @property
    def letters(self) -> frozenset[str]:
        """The symbols that it asks about."""
        return self.form.letters

    def holds(self, values: Any) -> Any:
        """The answer where letters have numbers, or an array of answers.

        A quotient by 0 counts as 0, so that there is an answer where no program would ask.
        """
        with numpy.errstate(divide="ignore"):
            try:
                size = self.form.at(values)
            except ZeroDivisionError:
                size = self.form.at({name: numpy.asarray(v, numpy.int64) for name, v in values.items()})
        return size == 0 if self.relation == EQUAL else size >= 0


class Noted(NamedTuple):
    """A guard, what the run answered, why, and its answer where the program's own question is true."""

    guard: Guard
    outcome: bool
    why: str
    asked: bool = True


class Near(NamedTuple):
    """Numbers and pairs that a program may look up at a place of its own."""

    keys: frozenset[int]
    pairs: frozenset[tuple[int, int]]
    place: object = None


NOTHING = Near(frozenset(), frozenset())


class Path:
    """What one run has decided so far.

    ``held`` are letters that had to be taken as numbers, each with the reason: the run says nothing of other
    values. ``keys`` are numbers that the program's sets and mappings hold, ``pairs`` equations of two sizes that
    were looked up together. A path that is ``closed`` is that of an earlier run, whose sizes come back from
    somewhere: ``strays`` says so to the run that is going on.
    """

    strays: ClassVar[list[Path]] = []

    def __init__(self, keys: Sequence[int] = ()) -> None:
        self._noted: dict[Guard, Noted] = {}
        self._heard: set[Guard] = set()
        self.held: dict[str, str] = {}
        self.closed = False
        self.pairs: dict[tuple[Guard, Guard], None] = {}
        self._keys: list[tuple[Polynomial, int]] = [(constant(key), key) for key in keys]
        self._pair: tuple[object, Polynomial, int] | None = None

    def __iter__(self) -> Iterator[Noted]:
        return iter(self._noted.values())

    def equal(self, difference: Polynomial, outcome: bool, why: str = "", asked: bool = True) -> None:
        """``difference == 0`` was answered; the program ``asked`` whether it is so or whether not."""
        self._note(difference, EQUAL, outcome, why, asked)

    def at_least(self, difference: Polynomial, outcome: bool, why: str = "", asked: bool = True) -> None:
        """``difference >= 0`` was answered, of whole numbers."""
        self._note(difference, AT_LEAST, outcome, why, asked)

    def hold(self, letters: Iterable[str], why: str) -> None:
        """Some letters were taken as numbers."""
        self._still_open()
        for letter in letters:
            self.held.setdefault(letter, why)

    def look_up(self, form: Polynomial, value: int, near: Near = NOTHING) -> None:
        """A size was looked up by hash, which compares nothing: with the keys, and with all looked up before.

        ``near`` are others that the program may mean at this place. Two sizes that are hashed there one after the
        other may be looked up as a pair.
        """
        known = {number for key, number in self._keys if not key.symbols}
        self._keys += [(constant(key), key) for key in sorted(near.keys - known)]
        before, self._pair = self._pair, (near.place, form, value)
        if before is not None and before[0] is not None and before[0] == near.place:
            for one, two in sorted(near.pairs):
                self.pairs[Guard(before[1] - one, EQUAL), Guard(form - two, EQUAL)] = None
                if (before[2], value) == (one, two):
                    self.equal(before[1] - one, True, "looked up")
                    self.equal(form - two, True, "looked up")
        if len(self._keys) > MOST_KEYS:
            self.equal(form - value, True, "a number that the program needs")
            return
        for key, number in self._keys:
            self.equal(form - key, value == number, "looked up")
        if form.symbols and all(form != key for key, _ in self._keys):
            self._keys.append((form, value))

    def _still_open(self) -> None:
        if self.closed:
            Path.strays.append(self)

    def _note(self, form: Polynomial, relation: str, outcome: bool, why: str, asked: bool) -> None:
        self._still_open()
        if (question := Guard(form, relation)) in self._heard:  # equal blocks ask the same
            return
        self._heard.add(question)
        form = Polynomial(form.terms)  # the sign is that of the numerator
        if relation == AT_LEAST:
            form = _without_positive_factors(form)
            if _is_remainder(-form):  # -(n mod d) >= 0 is n mod d == 0
                relation = EQUAL
            elif _is_remainder(form + 1):
                form, relation, outcome, asked = form + 1, EQUAL, not outcome, not asked
        if relation == EQUAL:
            form = _rounded_down(form)
            if _is_floor_of_several(form):  # ⌊C/a⌋ == 0 is not C >= a
                form, relation, outcome, asked = form - 1, AT_LEAST, not outcome, not asked
        if relation == AT_LEAST and len(form.letters) > 1:
            form = at_least(form).form
        if not form.symbols or positive(form) or positive(-form) or (relation == AT_LEAST and positive(form + 1)):
            return
        if form.terms[min(monomial for monomial in form.terms if monomial)] < 0:
            if relation == EQUAL:
                form = -form
            else:  # f >= 0 is not (-f - 1 >= 0)
                form, outcome, asked = -form - 1, not outcome, not asked
        for part in _parts(form, relation, outcome):
            if relation == EQUAL and _is_floor_of_several(part):
                self._note(part, relation, outcome, why, asked)
                continue
            guard = Guard(part, relation)
            self._noted.setdefault(guard, Noted(guard, outcome, why, asked))


def _is_remainder(form: Polynomial) -> bool:
    """Whether it is a remainder by something positive, and so not below 0."""
    found = as_remainder(form)
    return found is not None and positive(found[1])


def _rounded_down(form: Polynomial) -> Polynomial:
    """Where a symbol divides, by its floor: h = M⌈h/M⌉ is asked as h = M⌊h/M⌋."""
    found = as_remainder(form) or as_remainder(-form)
    return form if found is None or not found[1].symbols else remainder(*found)


def _is_floor_of_several(form: Polynomial) -> bool:
    """Whether it is a floor by itself that is not below 0, of several letters."""
    name = next(iter(form.symbols), None)
    return isinstance(name, Floor) and form == symbol(name) and len(name.letters) > 1 and not_negative(name)


def _without_positive_factors(form: Polynomial) -> Polynomial:
    """Without the factors of all its terms that are at least 1, letters among them: the rest has its sign."""
    if not form.terms or () in form.terms:
        return form
    factors = dict(form.content().terms).popitem()[0]
    common = tuple((name, power) for name, power in factors if not isinstance(name, Floor) or at_least_1(name))
    return form / Polynomial({common: 1}) if common else form


def _parts(form: Polynomial, relation: str, outcome: bool) -> Iterator[Polynomial]:
    """The same question in smaller ones that all have the same answer, where there are such."""
    offset = form.terms.get((), 0)
    common = gcd(*(number for monomial, number in form.terms.items() if monomial))
    if relation == EQUAL and offset % common:
        return  # never
    form = Polynomial({m: n // common for m, n in form.terms.items() if m}) + offset // common
    factors = dict(form.content().terms).popitem()[0]
    if relation == EQUAL and factors:
        rest = form / Polynomial({factors: 1})
        floors = [name for name, _ in factors if isinstance(name, Floor) and not at_least_1(name)]
        form = rest * Polynomial({tuple((name, power) for name, power in factors if name in floors): 1})
        if outcome and floors:
            yield form  # one of them is 0, or the rest
            return
        yield from (symbol(name) for name in floors)
        if rest.symbols:
            yield rest
    elif outcome and relation == AT_LEAST and len(form.terms) == 2 and offset // common == -1:
        ((monomial, number),) = (term for term in form.terms.items() if term[0])
        if number == 1 and all(not isinstance(name, Floor) or not_negative(name) for name, _ in monomial):
            yield from (symbol(name) - 1 for name, _ in monomial if isinstance(name, Floor))  # ab >= 1
        else:
            yield form
    else:
        yield form


def positive(form: Polynomial) -> bool:
    """Whether a form is above 0 wherever its letters are at least 1. A no is no answer."""
    low = form.terms.get((), 0)
    for monomial, number in form.terms.items():
        if (monomial and number < 0) or any(isinstance(n, Floor) and not not_negative(n) for n, _ in monomial):
            return False
        if monomial and all(not isinstance(name, Floor) or at_least_1(name) for name, _ in monomial):
            low += number
    return low > 0


def not_negative(floor: Floor) -> bool:
    """Whether a floor is at least 0 wherever its letters are at least 1. A no is no answer."""
    return positive(floor.numerator + 1) and positive(floor.divisor)


def at_least_1(floor: Floor) -> bool:
    """Whether a floor is at least 1 wherever its letters are, as ⌈h/M⌉ is. A no is no answer."""
    below = constant(1) if isinstance(floor, Ceiling) else floor.divisor
    return positive(floor.numerator - below + 1) and positive(floor.divisor)
