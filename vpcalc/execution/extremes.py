"""A condition on two products of sizes that only their largest ratio meets, in conditions on one letter each.

Pooling makes ``⌊h/8⌋`` rows, and a program asks whether ``64⌊h/8⌋⌊w/8⌋ = hw``. The product is never more, and as
much exactly where ``8⌊h/8⌋ = h`` and ``8⌊w/8⌋ = w``.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..algebra.floors import Floor
from ..algebra.polynomial import Polynomial, constant
from .guards import EQUAL, Guard, Path

_Sides = Mapping[str, tuple[Polynomial, Polynomial]]

MOST = 1 << 31
"""Sizes of a letter beyond which a product of two might not be a number of 64 bits."""


def equations(guard: Guard, values: Mapping[str, Any]) -> tuple[Guard, ...]:
    """Equations of one letter each that hold together exactly where a condition on several letters does.

    None of them if that is not known. ``values`` are those that each letter has.
    """
    products = _products(guard)
    if products is None or not all(len(values[letter]) for letter in guard.letters):
        return ()
    ratio, sides = products
    for least in (False, True) if guard.relation == EQUAL else (False,):
        found = _at_the_end(1 / ratio if least else ratio, sides, values, least)
        if found:
            return found
    return ()


def _at_the_end(ratio: Fraction, sides: _Sides, values: Mapping[str, Any], least: bool) -> tuple[Guard, ...]:
    """Where each letter has its largest ratio of two products, if all of these together make it 1."""
    asked = Path()
    for letter, (first, second) in sides.items():
        above, below = (second, first) if least else (first, second)
        ups, downs = (side.at({letter: values[letter]}) + 0 * values[letter] for side in (above, below))
        if downs.min() < 1 or ups.min() < 0 or max(ups.max(), downs.max()) >= MOST:
            return ()
        place = int((ups / downs).argmax())
        up, down = int(ups[place]), int(downs[place])
        if (ups * down > up * downs).any():
            return ()
        ratio *= Fraction(up, down)
        asked.equal(above * down - below * up, outcome=True)
    return tuple(noted.guard for noted in asked) if ratio == 1 else ()


@lru_cache(maxsize=1 << 12)
def _products(guard: Guard) -> tuple[Fraction, _Sides] | None:
    """A form that is one product less another: the ratio of their numbers, and what each has of a letter."""
    terms = sorted(guard.form.terms.items(), key=lambda term: term[1], reverse=True)
    if len(terms) != 2 or () in guard.form.terms or not terms[0][1] > 0 > terms[1][1]:
        return None
    sides = {letter: (constant(1), constant(1)) for letter in sorted(guard.letters)}
    for place, (monomial, _) in enumerate(terms):
        for name, power in monomial:
            letters = name.letters if isinstance(name, Floor) else {name}
            if len(letters) > 1 or power < 0:
                return None
            (letter,) = letters
            side = list(sides[letter])
            side[place] *= Polynomial({((name, power),): 1})
            sides[letter] = side[0], side[1]
    return Fraction(terms[0][1], -terms[1][1]), sides
