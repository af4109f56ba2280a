"""Where a form holds: guards on sizes, conjunctions of guards, and what follows from them.

A :class:`Guard` says that a form is at least 0, or that a number or a symbol divides it. A :class:`Domain` is a
conjunction of guards on positive integers. Guards that bound a letter or the difference of two (``H ≥ 193``,
``W > H``) are decided exactly, by shortest paths (Cormen et al., Introduction to Algorithms, §24.4); of any other
guard it is known only that it is among those given, or what bounds of its letters say, and where that does not
settle a question the answer is None.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import gcd, lcm

from .floors import Ceiling, Floor, Tidy, divided
from .polynomial import Atom, Polynomial, constant, symbol

TRIES = 2_000
"""Points that are tried where guards are not of the kind that is decided."""


@dataclass(frozen=True, slots=True)
class Guard:
    """``form ≥ 0``; with a ``divisor`` that it divides the form, or, ``negated``, that it does not."""

    form: Polynomial
    divisor: Polynomial | None = None
    negated: bool = False

    def negation(self) -> Guard:
        """What holds where this does not."""
        if self.divisor is None:
            return at_least(-self.form - 1)
        return Guard(self.form, self.divisor, not self.negated)

    def holds(self, point: Mapping[str, int]) -> bool:
        """Whether it holds at a point; it does not where it divides by 0."""
        try:
            value: int = self.form.at(point)
            if self.divisor is None:
                return value >= 0
            divided: bool = value % self.divisor.at(point) == 0
        except ZeroDivisionError:
            return False
        return divided != self.negated

    @property
    def letters(self) -> frozenset[str]:
        """The letters that it speaks of, those of the divisor, too: a | 96 is about a."""
        return self.form.letters if self.divisor is None else self.form.letters | self.divisor.letters

    @property
    def difference(self) -> tuple[str, str, int] | None:
        """``(x, y, c)`` where it says x − y ≤ c; a name is empty where it stands for 0. None for other guards."""
        if self.divisor is not None:
            return None
        upper = lower = ""
        constant = 0
        for monomial, number in self.form.terms.items():
            if not monomial:
                constant = number
            elif len(monomial) > 1 or monomial[0][1] != 1 or isinstance(monomial[0][0], Atom):
                return None
            elif number == 1 and not lower:
                lower = monomial[0][0]
            elif number == -1 and not upper:
                upper = monomial[0][0]
            else:
                return None
        return upper, lower, constant

    @property
    def multiple(self) -> tuple[str, str, int] | None:
        """The same of what divides a letter: a positive multiple is no less. None for other guards."""
        (letter, *others) = self.form.symbols or ("",)
        if self.divisor is None or self.negated or others or not letter or self.form != symbol(letter):
            return None
        if not self.divisor.symbols:
            return "", letter, -self.divisor.terms[()]
        (name, *others) = self.divisor.symbols
        return None if others or isinstance(name, Atom) or self.divisor != symbol(name) else (name, letter, 0)


def at_least(form: Polynomial) -> Guard:
    """``form ≥ 0`` on positive integers, with floors resolved and factors cancelled where that is possible."""
    form = without_line(form)
    while (simpler := _unfloored(form)) is not None:
        form = without_line(simpler)
    return Guard(_tightened(form))


def divides(divisor: Polynomial, form: Polynomial) -> Guard:
    """``divisor | form``."""
    if not divisor.symbols and form.denominator == 1:
        step = divisor.terms[()]
        form = Polynomial({monomial: number % step for monomial, number in form.terms.items()})
    return Guard(form, divisor)


def without_line(form: Polynomial) -> Polynomial:
    """The form times the positive term that it is divided by."""
    lows: dict[str, int] = {}
    for monomial in form.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    return form * Polynomial({under: form.denominator})


def _unfloored(form: Polynomial) -> Polynomial | None:
    """``c⌊n/d⌋ + r ≥ 0`` as a statement on n: ⌊n/d⌋ ≥ t where n ≥ td, and ⌊n/d⌋ ≤ t where n ≤ td + d − 1."""
    atoms = [name for name in form.symbols if isinstance(name, Atom)]
    if len(atoms) != 1 or not isinstance(atoms[0], Floor):
        return None
    floor = atoms[0]
    number = form.terms.get(((floor, 1),), 0)
    rest = form - symbol(floor) * number
    if not number or floor in rest.symbols or any(count < 0 for count in floor.divisor.terms.values()):
        return None
    if rest.symbols and abs(number) != 1:
        return None
    over, under = floor.numerator, floor.divisor
    # the least or the greatest whole number that the floor may be
    bound = rest if rest.symbols else constant(rest.terms.get((), 0) // abs(number))
    if number > 0:
        limit = -bound * under
        return over - limit + (under - 1 if isinstance(floor, Ceiling) else 0)
    limit = bound * under
    return limit - over + (0 if isinstance(floor, Ceiling) else under - 1)


def _tightened(form: Polynomial) -> Polynomial:
    """Without factors that are positive; on whole numbers 2H ≥ 5 is H ≥ 3."""
    powers = [dict(monomial) for monomial in form.terms]
    letters = {name for name in form.symbols if not isinstance(name, Atom)}  # a floor may be 0
    common = tuple((name, low) for name in sorted(letters) if (low := min(power.get(name, 0) for power in powers)))
    form = form / Polynomial({common: 1})
    step = gcd(*(number for monomial, number in form.terms.items() if monomial))
    if not step:
        return form
    return Polynomial({monomial: number // step for monomial, number in form.terms.items()})  # the constant down


@dataclass(frozen=True)
class Domain:
    """All guards together, on positive integers."""

    letters: tuple[str, ...]
    guards: tuple[Guard, ...] = ()

    def __and__(self, guard: Guard) -> Domain:
        return Domain(self.letters, (*self.guards, guard))

    def without(self, guard: Guard) -> Domain:
        """The same with one guard taken out."""
        return Domain(self.letters, tuple(other for other in self.guards if other != guard))

    @cached_property
    def _opaque(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if guard.difference is None)

    @cached_property
    def _bounds(self) -> dict[tuple[str, str], int] | None:
        """The least c with x − y ≤ c for pairs of letters; "" is 0. None where the guards contradict."""
        names = ("", *self.letters)
        least: dict[tuple[str, str], int] = {("", name): -1 for name in self.letters}
        for guard in self.guards:
            found = guard.difference or guard.multiple
            if found is not None:
                upper, lower, most = found
                if upper == lower:
                    if most < 0:
                        return None
                    continue
                least[upper, lower] = min(most, least.get((upper, lower), most))
        for middle in names:
            for upper in names:
                first = least.get((upper, middle))
                if first is None:
                    continue
                for lower in names:
                    second = least.get((middle, lower))
                    if second is not None and least.get((upper, lower), first + second) >= first + second:
                        least[upper, lower] = first + second
        return None if any(least.get((name, name), 0) < 0 for name in names) else least

    def low(self, letter: str) -> int:
        """The least value of a letter."""
        return 1 if self._bounds is None else -self._bounds["", letter]

    def high(self, letter: str) -> int | None:
        """The greatest value of a letter, if it is bounded."""
        return None if self._bounds is None else self._bounds.get((letter, ""))

    @property
    def letters_said(self) -> frozenset[str]:
        """Letters of which the guards speak."""
        return frozenset().union(*(guard.letters for guard in self.guards))

    @property
    def fixed(self) -> dict[str, int]:
        """Letters that have one value only."""
        return {letter: self.low(letter) for letter in self.letters if self.high(letter) == self.low(letter)}

    def single(self, dividing: Iterable[Guard] = ()) -> dict[str, int]:
        """The same with letters that have one multiple in their bounds, of what divides here or is given."""
        found = self.fixed
        for letter in self.letters:
            said = (
                g for g in (*self.guards, *dividing) if g.divisor and not g.negated and g.form == symbol(letter)
            )
            step = lcm(
                *(guard.divisor.terms.get((), 1) for guard in said if guard.divisor and not guard.divisor.letters)
            )
            first, high = -(-self.low(letter) // step) * step, self.high(letter)
            if high is not None and first <= high < first + step:
                found[letter] = first
        return found

    @cached_property
    def empty(self) -> bool | None:
        """Whether no point is in it; None where that is not known."""
        if self._bounds is None or any(self._contradicted(guard) for guard in self._opaque):
            return True
        return False if not self._opaque or self.point is not None else None

    @cached_property
    def point(self) -> dict[str, int] | None:
        """A point of it, if one is found."""
        if self._bounds is None:
            return None
        dice = random.Random(0)
        for turn in range(TRIES if self._opaque else 1):
            point = self._draw(dice, turn)
            if all(guard.holds(point) for guard in self._opaque):
                return point
        return None

    def _draw(self, dice: random.Random, turn: int) -> dict[str, int]:
        """A point where the guards that are decided hold: letters one by one, each within what is left to it."""
        assert self._bounds is not None
        point = {"": 0}
        for letter in dice.sample(self.letters, len(self.letters)):
            low = max(
                value - self._bounds[name, letter]
                for name, value in point.items()
                if (name, letter) in self._bounds
            )
            highs = [
                value + self._bounds[letter, name]
                for name, value in point.items()
                if (letter, name) in self._bounds
            ]
            spread = (0, 3, 12, 64, 500)[turn % 5]
            point[letter] = dice.randint(low, min([*highs, low + spread]))
        return {letter: point[letter] for letter in self.letters}

    def implies(self, guard: Guard) -> bool:
        """Whether a guard holds at every point of it, as far as that is seen."""
        if self._bounds is None or guard in self.guards:
            return True
        if guard.divisor is not None:
            if guard.negated:
                return False
            return not guard.form or divided(guard.form, guard.divisor) is not None
        found = guard.difference
        if found is not None:
            upper, lower, most = found
            return most >= 0 if upper == lower else self._bounds.get((upper, lower), most + 1) <= most
        low = self._least(guard.form)
        return low is not None and low >= 0

    def _contradicted(self, guard: Guard) -> bool:
        if guard.negation() in self.guards or self.implies(guard.negation()) or self._no_multiple(guard):
            return True
        return any(_never_both(guard, other) for other in self.guards)

    def _no_multiple(self, guard: Guard) -> bool:
        """Whether a letter is to be a multiple of a number and none is within its bounds, or of what is more."""
        (letter, *others) = guard.form.symbols or ("",)
        if guard.divisor is None or guard.negated or others:
            return False
        if letter not in self.letters or guard.form != symbol(letter):
            return False
        if guard.divisor.symbols:
            above = [each for each in self.letters if guard.divisor == symbol(each)]
            return any((self._bounds or {}).get((letter, each), 0) < 0 for each in above)
        high, step = self.high(letter), guard.divisor.terms[()]
        return high is not None and high // step * step < self.low(letter)

    def covers(self, other: Domain) -> bool:
        """Whether every point of the other is in it, as far as that is seen."""
        return all(other.implies(guard) for guard in self.guards)

    def _least(self, form: Polynomial) -> int | None:
        """A lower bound of a form from the bounds of its letters."""
        total = 0
        for monomial, number in form.terms.items():
            product: int | None = number
            for name, power in monomial:
                side = self._between(name)
                if side is None or power < 0 or side[0] < 0:
                    return None
                end = side[0] if number > 0 else side[1]
                product = None if product is None or end is None else product * end**power
            if product is None:
                return None
            total += product
        return total

    def _between(self, name: str) -> tuple[int, int | None] | None:
        if not isinstance(name, Atom):
            return self.low(name), self.high(name)
        if not isinstance(name, Floor) or name.divisor.symbols:
            return None
        step = name.divisor.terms[()]
        low, high = self._least(name.numerator), self._least(-name.numerator)
        return None if low is None else (low // step, None if high is None else -high // step)


# -- unions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Where:
    """A union of domains: where one form holds; or ``elsewhere``, in which no form does that is known."""

    parts: tuple[Domain, ...] = field(default=())
    elsewhere: bool = False

    def holds(self, point: Mapping[str, int]) -> bool:
        """Whether a point is in it."""
        return any(all(guard.holds(point) for guard in part.guards) for part in self.parts)


def dividing_on(tidy: Tidy) -> list[Guard]:
    """What divides on the lattice of a tidy form."""
    found = [divides(constant(step), symbol(name)) for name, step in tidy.strides.items() if step > 1]
    return found + [divides(below, above) for above, below in tidy.exact]


def left_on(where: Where, tidy: Tidy) -> Where:
    """What is left to say of a form's domain on its lattice, where what divides is said already."""
    dividing = dividing_on(tidy)
    wholes = _wholes(dividing)

    def left(part: Domain) -> Iterator[Domain]:
        one = part.single(dividing)
        guards = [_without_wholes(guard, *wholes) for guard in part.guards if not follows(guard, dividing)]
        if False not in guards:
            kept = [g for g in guards if isinstance(g, Guard) and (g.divisor or g.letters - set(one))]
            only = [at_least(sign * (symbol(name) - value)) for name, value in one.items() for sign in (1, -1)]
            yield Domain(part.letters, (*only, *kept))

    return union(each for part in where.parts for each in left(part))


def _wholes(dividing: Sequence[Guard]) -> tuple[dict[str, Polynomial], dict[str, Polynomial]]:
    """Letters in the whole numbers that they are multiples by, h = M · h', and those in letters, h' = h / M."""
    steps: dict[str, Polynomial] = {}
    for guard in dividing:
        letter, step = min(guard.form.letters, default=""), guard.divisor
        if step is None or guard.form != symbol(letter) or step.symbols != step.letters:
            continue
        if letter not in _under(step, steps) and (step.symbols or letter not in steps):
            steps[letter] = step

    def spelled(letter: str) -> Polynomial:
        step = steps.get(letter, constant(1))
        return step.subs({name: spelled(name) for name in step.letters}) * symbol(letter)

    return {letter: spelled(letter) for letter in steps}, {x: symbol(x) / step for x, step in steps.items()}


def _never_both(one: Guard, other: Guard) -> bool:
    """Whether numbers say of what a letter leaves what cannot be: 4 | h with 2 | h + 1, or with 2 ∤ h."""
    apart, step, by = one.form - other.form, one.divisor, other.divisor
    if one.negated or step is None or by is None or apart.symbols or step.symbols or by.symbols:
        return False
    left, whole, part = (int(form.at({})) for form in (apart, step, by))
    return whole % part == left % part == 0 if other.negated else left % gcd(whole, part) != 0


def _under(step: Polynomial, steps: Mapping[str, Polynomial]) -> set[str]:
    """The letters of a step, and those of what these are multiples of."""
    return {*step.letters}.union(*(_under(steps[name], steps) for name in step.letters if name in steps))


def _without_wholes(guard: Guard, whole: Mapping[str, Polynomial], back: Mapping[str, Polynomial]) -> Guard | bool:
    """A guard with its floors resolved where letters are multiples; whether it holds if that is seen."""
    form = guard.form.subs(whole)
    if guard.divisor is not None:
        quotient = divided(form, guard.divisor.subs(whole))
        return guard if quotient is None or quotient.denominator != 1 else not guard.negated
    if form.symbols != form.letters:
        return guard
    numbers = form.subs({name: symbol(name) + 1 for name in form.letters}).terms
    if all(number >= 0 for number in numbers.values()):
        return True
    if numbers.get((), 0) < 0 and all(number <= 0 for number in numbers.values()):
        return False
    more = form.terms.get((), 0) == -1  # than 0, whatever positive it is divided by
    return at_least(at_least((form + 1).subs(back)).form - 1) if more else at_least(form.subs(back))


def follows(guard: Guard, dividing: Sequence[Guard]) -> bool:
    """Whether a guard says no more than what divides: h ≥ M where M divides h, and ⌊h/M⌋M ≥ h."""
    if guard.divisor is not None:
        return any(guard == other or is_multiple(other, guard) for other in dividing) and not guard.negated
    form = guard.form
    while whole := {name: quotient for name in form.symbols if (quotient := _whole(name, dividing)) is not None}:
        form = form.subs(whole)
    if all(number >= 0 for number in form.terms.values()):
        return True
    differences = [each.form - each.divisor for each in dividing if each.divisor is not None]
    return any(
        rest.denominator == 1 and not rest.symbols and rest.terms.get((), 0) >= 0
        for rest in (form - difference for difference in differences)
    )


def _whole(name: str, dividing: Sequence[Guard]) -> Polynomial | None:
    """The quotient that a floor is where nothing is left over; None for others and for letters."""
    if not isinstance(name, Floor):
        return None
    exact = divides(name.divisor, name.numerator)
    alike = any(exact == other or is_multiple(other, exact) for other in dividing)
    return name.numerator / name.divisor if alike else None


def is_multiple(one: Guard, other: Guard) -> bool:
    """Whether what the one says is divided by more than what the other says is."""
    if one.form != other.form or one.divisor is None or other.divisor is None:
        return False
    return divided(one.divisor, other.divisor) is not None


def union(parts: Iterable[Domain]) -> Where:
    """The domains together, said with as few words as are found."""
    domains = [_irredundant(part) for part in parts]
    while (merged := _merge_one(domains)) is not None:
        domains = merged
    domains = [_shortened(part, domains) for part in domains]
    kept: list[Domain] = []
    for place, part in enumerate(domains):
        if not any(other.covers(part) for other in (*kept, *domains[place + 1 :])):
            kept.append(part)
    return Where(tuple(kept))


def _irredundant(domain: Domain) -> Domain:
    for guard in domain.guards:
        rest = domain.without(guard)
        if rest.implies(guard):
            domain = rest
    return domain


def _merge_one(domains: list[Domain]) -> list[Domain] | None:
    """Two of them replaced by one that has their points and no others, if there are such."""
    for place, first in enumerate(domains):
        for second in domains[place + 1 :]:
            hull = _hull(first, second)
            if _is_union(hull, first, second):
                return [
                    _irredundant(hull),
                    *(part for part in domains if part is not first and part is not second),
                ]
    return None


def _hull(first: Domain, second: Domain) -> Domain:
    """What holds on both."""
    common = [guard for guard in first.guards if second.implies(guard)]
    common += [guard for guard in second.guards if guard not in common and first.implies(guard)]
    return Domain(first.letters, tuple(common))


def _is_union(hull: Domain, first: Domain, second: Domain) -> bool:
    outside = [hull & guard.negation() for guard in first.guards if guard not in hull.guards]
    return all(part.empty is True or second.covers(part) for part in outside)


def _shortened(domain: Domain, domains: list[Domain]) -> Domain:
    """Without guards that only keep it apart from the others."""
    for guard in domain.guards:
        rest = domain.without(guard)
        beyond = rest & guard.negation()
        if any(other.covers(beyond) for other in domains if other is not domain):
            domain = rest
    return domain


def positive(letters: Iterable[str]) -> Domain:
    """All positive integers."""
    return Domain(tuple(letters))
