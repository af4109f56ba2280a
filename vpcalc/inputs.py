"""Reading what users give: numbers, never code."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from .algebra.traced import Traced, is_divided, quotient
from .dims import Dim, is_symbolic
from .errors import InputError

if TYPE_CHECKING:
    from .algebra import Polynomial

LARGEST = 1_000_000
"""Upper end of every size and setting: far beyond any network, and safe from absurd input."""


def whole(option: str, value: object, low: int = 1, high: int = LARGEST) -> int:
    """A whole number within bounds, from an int or its decimal digits.

    Raises:
        InputError: naming the option, the value and what is allowed.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise InputError(f"{option} {text[:40]!r}: must be a whole number from {low} to {high}")
    number = int(text)
    if not low <= number <= high:
        raise InputError(f"{option} {number}: must be a whole number from {low} to {high}")
    return number


def grid_expression(option: str, text: str) -> str:
    """An expression of the grid such as ``h/8`` or ``2*w``, refused where it is anything else.

    It is one term: a closed form divides by the window, and a polynomial can be divided by a single term only.

    Raises:
        InputError: it does not parse, is a sum, or uses other symbols than h and w.
    """
    from .algebra.parser import parse

    refusal = (
        f"{option} {text[:40]!r}: must be a whole number, or one term in the grid's sides h and w such as h/8"
    )
    try:
        formula = parse(text)
    except InputError:
        raise InputError(refusal) from None
    if len(formula.terms) != 1 or not formula.symbols or formula.symbols - {"h", "w"}:
        raise InputError(refusal)
    return text.strip()


def on_grid(option: str, value: int | str, h: Dim, w: Dim) -> Dim:
    """A number as it is; an expression of the grid at the grid h x w, where it has to be whole.

    Raises:
        InputError: it is no positive whole number there.
    """
    if not isinstance(value, str):
        return value
    from .algebra.parser import parse

    if isinstance(h, Traced) or isinstance(w, Traced):
        return _on_traced_grid(f"{option} {value}", parse(value), {"h": h, "w": w})
    formula = parse(value).subs({"h": h, "w": w})
    if is_symbolic(h) or is_symbolic(w):
        return formula
    number = formula.terms.get((), 0)
    if formula.denominator != 1 or number < 1:
        raise InputError(
            f"{option} {value}: is {formula} on a grid of {h}x{w}; must be whole and positive on every grid"
        )
    return number


def _on_traced_grid(said: str, formula: Polynomial, grid: Mapping[str, Dim]) -> Dim:
    """The same where the grid is traced: whether it is whole and positive there is a decision."""
    from .algebra.parser import parts_of

    above, below = (
        sum(
            number * prod(grid[name] ** power for name, power in monomial)
            for monomial, number in part.terms.items()
        )
        for part in parts_of(formula)
    )
    if not is_divided(above, below) or above < below:
        raise InputError(f"{said}: is {above}/{below} on this grid; must be whole and positive on every grid")
    return quotient(above, below)
