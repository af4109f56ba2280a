"""Forms on a region in which something divides: there ``a⌊C/a⌋`` is C, and ``3⌈C/3⌉`` too."""

from __future__ import annotations

from collections.abc import Sequence

from ..algebra.domains import without_line
from ..algebra.floors import Ceiling, Floor, as_remainder, ceil_div, floor_div
from ..algebra.polynomial import Polynomial, symbol
from .guards import EQUAL, Guard, Noted, Path
from .regions import Region, fits


def quotients(form: Polynomial, regions: Sequence[Region]) -> dict[str, tuple[Polynomial, Polynomial]]:
    """Floors of a form that are quotients all over some regions, each with what stands above and below."""
    found: dict[str, tuple[Polynomial, Polynomial]] = {}
    for name in sorted(form.symbols):  # what is taken first decides how the form is written
        if isinstance(name, Floor) and all(_divides(name, region) for region in regions):
            found[name] = name.reading[0], name.divisor
    return found


def _divides(name: Floor, region: Region) -> bool:
    """Whether nothing remains, by the values of its one letter or because a condition says so."""
    above = name.reading[0]
    if len(name.letters) == 1:
        (letter,) = name.letters
        every = region.values(letter)
        if len(every) and not fits((above, name.divisor), {letter: int(every[-1])}):
            every = every.astype(object)
        return all(  # most are none at once
            bool((above.at(values) == name.divisor.at(values) * name.at(values)).all())
            for values in ({letter: every[:8]}, {letter: every})
        )
    equations = (guard.form for guard, outcome in region.others if guard.relation == EQUAL and outcome)
    return any((above, name.divisor) in (as_remainder(form), as_remainder(-form)) for form in equations)


def divided(form: Polynomial, regions: Sequence[Region]) -> Polynomial:
    """The same on some regions, with fewer floors: times what divides one, it is what stands above."""
    if not any(isinstance(name, Floor) for name in form.symbols) or any(r.surely_empty for r in regions):
        return form
    inner = {name: _within(name, regions) for name in form.symbols if isinstance(name, Floor)}
    form = form.subs({name: value for name, value in inner.items() if value is not None})
    known = quotients(form, regions)
    while (better := _multiplied(form, known)) is not None:
        form = better
    return form


def _within(name: Floor, regions: Sequence[Region]) -> Polynomial | None:
    """A floor with fewer floors inside; None where these stay."""
    above, below = divided(name.numerator, regions), divided(name.divisor, regions)
    if (above, below) == (name.numerator, name.divisor):
        return None
    found = ceil_div(above, below) if isinstance(name, Ceiling) else floor_div(above, below)
    return divided(found, regions)


def _multiplied(form: Polynomial, known: dict[str, tuple[Polynomial, Polynomial]]) -> Polynomial | None:
    """With one quotient less, in one term that has its divisor as a factor; None where no term has."""
    for term in form.split():
        ((monomial, number),) = term.terms.items()
        powers = dict(monomial)
        for name, (above, below) in known.items():
            if name not in powers or len(below.terms) > 1:
                continue
            ((factors, step),) = below.terms.items()
            if number % step or any(powers.get(factor, 0) < power for factor, power in factors):
                continue
            return form - term + term / symbol(name) / below * above
    return None


def _without_factors(guard: Guard, path: Region) -> Polynomial:
    """Of an equation without the floors that all its terms have and that are not 0 on a path."""
    form = guard.form
    for name in form.content().symbols if guard.relation == EQUAL else ():
        if isinstance(name, Floor):
            question = Path()
            question.equal(symbol(name), outcome=False)
            if all(path.always(one.guard, one.outcome) for one in question):
                form = form / symbol(name)
    return form


def asked(noted: Noted, path: Region) -> list[Noted]:
    """A question on a path where something divides: what is left of it if that has fewer letters, else itself.

    ``⌊H/P⌋⌊W/P⌋(C − 8⌊C/8⌋) = 0`` is ``8 | C`` where P divides both sides, ``⌊N/c⌋ = 0`` none where c divides N.
    """
    guard, outcome, why, yes = noted
    form = _without_factors(guard, path)
    found = quotients(form, [path])
    exact = {name: above / below for name, (above, below) in found.items() if len(below.terms) == 1}
    if not exact and form == guard.form:
        return [noted]
    form, left = without_line(form.subs(exact)), Path()
    if guard.relation == EQUAL:
        left.equal(form, outcome, why, yes)
    else:
        left.at_least(form, outcome, why, yes)
    return list(left) if all(one.guard.letters < guard.letters for one in left) or not exact else [noted]
