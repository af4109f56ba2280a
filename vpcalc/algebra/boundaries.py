"""Where one closed form exceeds another: one inequality without common factors, and what a domain says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .crossover import Inequality, inequality
from .domains import Domain, Guard, Where, at_least, divides, positive, union
from .floors import Floor, Tidy
from .polynomial import Atom, Polynomial, as_polynomial, constant, symbol

Values = Mapping[str, Polynomial | int]


def guard_of(inequality: Inequality) -> Guard:
    """The same as a guard."""
    return at_least(inequality.left - inequality.right - 1)


def exceeds(more: Polynomial, less: Polynomial, where: Where) -> Inequality:
    """``more > less`` on some domains of positive integers, divided by what both sides share and is positive."""
    difference = more - less
    content = difference.content()
    ((monomial, number),) = content.terms.items()
    shared = tuple(
        (name, power)
        for name, power in monomial
        if not isinstance(name, Atom) or everywhere(where, at_least(symbol(name) - 1))
    )
    return inequality(difference / Polynomial({shared: number}, content.denominator))


def always(domain: Domain, guard: Guard) -> bool:
    """Whether a guard holds all over a domain, as far as that is seen; a yes is a proof.

    Letters are written as what bounds them from below and a rest that is at least 0, ``h = M + x`` where h ≥ M.
    If no coefficient of what comes out is negative, neither is the form.
    """
    if domain.implies(guard):
        return True
    if guard.divisor is not None:
        return False
    shifted = guard.form.subs(_shifts(domain))
    return all(number >= 0 for number in shifted.terms.values()) and all(map(_is_count, shifted.symbols))


def _is_count(name: str) -> bool:
    """Whether a symbol is never negative: a letter, or a floor of a sum without differences."""
    if not isinstance(name, Atom):
        return True
    sides = (name.numerator, name.divisor) if isinstance(name, Floor) else ()
    return bool(sides) and all(
        all(number >= 0 for number in side.terms.values()) and all(map(_is_count, side.symbols)) for side in sides
    )


def _shifts(domain: Domain) -> dict[str, Polynomial]:
    """Each letter as its lower bound, a number or another letter, and a rest that is at least 0, named alike."""
    low = {letter: domain.low(letter) for letter in domain.letters}
    above: dict[str, tuple[str, int]] = {}
    for guard in domain.guards:
        found = guard.difference or guard.multiple
        if found is None or not (found[0] and found[1]) or found[2] > 0:
            continue
        lower, letter, most = found  # lower − letter ≤ most
        if letter not in above and letter not in _chain(above, lower):
            above[letter] = lower, -most
    shifts: dict[str, Polynomial] = {}

    def shift(letter: str) -> Polynomial:
        if letter not in shifts:
            under, least = above.get(letter, ("", low[letter]))
            shifts[letter] = (shift(under) if under else constant(0)) + least + symbol(letter)
        return shifts[letter]

    return {letter: shift(letter) for letter in domain.letters}


def _chain(above: Mapping[str, tuple[str, int]], letter: str) -> set[str]:
    found = {letter}
    while letter in above:
        letter = above[letter][0]
        found.add(letter)
    return found


def everywhere(where: Where, guard: Guard) -> bool:
    """Whether a guard holds all over a union of domains, as far as that is seen."""
    return all(always(part, guard) for part in where.parts)


def both(first: Where, second: Where, letters: Iterable[str]) -> Where:
    """What is in both, in some letters; parts that are seen to be empty are left out."""
    letters = tuple(letters)
    guards = (dict.fromkeys((*a.guards, *b.guards)) for a in first.parts for b in second.parts)
    return _inhabited(Domain(letters, tuple(each)) for each in guards)


def _inhabited(parts: Iterable[Domain]) -> Where:
    return union(part for part in parts if part.empty is not True)


def with_values(where: Where, values: Values) -> Where:
    """A union of domains with letters replaced by numbers or by other forms."""
    parts = []
    for part in where.parts:
        left = tuple(letter for letter in part.letters if letter not in values)
        new = dict.fromkeys(letter for value in values.values() for letter in as_polynomial(value).letters)
        guards = [_with_values(guard, values) for guard in part.guards]
        if False not in guards:
            kept = dict.fromkeys(guard for guard in guards if isinstance(guard, Guard))
            parts.append(Domain(tuple(dict.fromkeys((*left, *new))), tuple(kept)))
    return _inhabited(parts)


def _with_values(guard: Guard, values: Values) -> Guard | bool:
    form = as_polynomial(guard.form.subs(values))
    if guard.divisor is None:
        return at_least(form) if form.symbols else form.at({}) >= 0
    divisor = as_polynomial(guard.divisor.subs(values))
    if not form.symbols and not divisor.symbols:
        return Guard(form, divisor, guard.negated).holds({})
    found = divides(divisor, form)
    return Guard(found.form, found.divisor, guard.negated) if found.form else not guard.negated


def lattice_of(tidy: Tidy, letters: Iterable[str]) -> Where:
    """Where a tidy form is the form: what has to divide does."""
    strides = [divides(constant(step), symbol(letter)) for letter, step in tidy.strides.items() if step > 1]
    exact = [divides(below, above) for above, below in tidy.exact]
    domain = positive(letters)
    for guard in dict.fromkeys([*strides, *exact]):
        domain = domain & guard
    return Where((domain,))
