"""One closed form in the shapes that papers print: multiplied out, factored, or its leading part alone.

Names are changed where a form is written, not in the polynomial, so that the order of its terms stays
that of the papers: with C called d, 4hwC² + 2(hw)²C becomes 4hwd² + 2(hw)²d.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from math import prod

from .. import symbols
from ..errors import InputError, unknown
from .floors import Floor
from .polynomial import Polynomial, as_polynomial, constant
from .printers import Expression, Product, reading_order

SIZES = frozenset(("h", "w", "H", "W", "N", "T", "S"))
"""Symbols of an input's size. Everything else is the architecture's."""

WIDTHS = frozenset(symbol.name for symbol in symbols.ALPHABET if symbol.width)
"""Symbols of a model's width."""

NAME = re.compile(r"[^\W\d_]{1,20}(?:_[A-Za-z0-9]{1,20})?")
"""A symbol's name: letters, and an index after an underscore."""


def expanded(polynomial: Polynomial) -> Expression:
    """The sum of its terms, which a polynomial already is."""
    return polynomial


def factored(polynomial: Polynomial) -> Expression:
    """Common factors in front, then what SymPy finds: ``4hwC² + 2(hw)²C`` is ``2hwC(2C + hw)``."""
    if len(polynomial.terms) < 2:
        return polynomial
    content = polynomial.content()
    brackets = []
    for factor, power in _irreducible(polynomial / content):
        if factor.terms[reading_order(factor.terms)[0]] < 0:
            factor, content = -factor, content * (-1) ** power
        if len(factor.terms) > 1:
            brackets.append((factor, power))
        else:
            content = content * factor**power
    brackets.sort(key=lambda bracket: (len(bracket[0].terms), str(bracket[0])))
    if content == 1 and len(brackets) == 1 and brackets[0][1] == 1:
        return polynomial
    return Product(content, tuple(brackets))


def leading(polynomial: Polynomial) -> Expression:
    """The terms that outgrow the others as the input grows; as the model widens where no input's size occurs."""
    growing = polynomial.symbols & SIZES or polynomial.symbols & WIDTHS or polynomial.symbols
    degrees = {
        monomial: sum(power for name, power in monomial if name in growing) for monomial in polynomial.terms
    }
    highest = max(degrees.values(), default=0)
    terms = {monomial: polynomial.terms[monomial] for monomial, degree in degrees.items() if degree == highest}
    return Polynomial(terms, polynomial.denominator)


SHAPES: dict[str, Callable[[Polynomial], Expression]] = {
    "expanded": expanded,
    "factored": factored,
    "leading": leading,
}
"""The shapes by name."""


def multiplied_out(expression: Expression) -> Polynomial:
    """The polynomial that an expression is."""
    if isinstance(expression, Polynomial):
        return expression
    return prod((bracket**power for bracket, power in expression.brackets), start=expression.single)


def naming(polynomial: Polynomial, names: Mapping[str, str]) -> dict[str, str]:
    """New names for symbols, found usable for this polynomial.

    Args:
        polynomial: what will be written with them.
        names: old name to new; ``hw`` and ``HW`` stand for the whole grid, so ``{"hw": "n"}`` gives 4nC² + 2n²C.

    Raises:
        InputError: an unknown old name, an unusable new one, or two things of one name.
    """
    grids = {"".join(pair): pair for pair in symbols.GRIDS}
    known = [*(symbol.name for symbol in symbols.ALPHABET), *grids]
    for old, new in names.items():
        if old not in known and old not in polynomial.letters:
            raise unknown(f"--symbol {old}={new}: symbol", old, [*sorted(polynomial.letters), *grids])
        if not NAME.fullmatch(new) or keyword.iskeyword(new):
            raise InputError(
                f"--symbol {old}={new[:40]}: a name is letters, with an index after _ if need be, such as d_model"
            )
        if old in grids:
            _whole_grid(polynomial, old, grids[old], names)
    written: dict[str, str] = {}
    covered = {part: grid for grid, pair in grids.items() if grid in names for part in pair}
    for name in sorted(polynomial.letters):
        old = covered.get(name, name)
        new = names.get(old, old)
        if written.setdefault(new, old) != old:
            raise InputError(f"--symbol: {written[new]} and {old} would both be written {new}; must differ")
    return dict(names)


def _whole_grid(polynomial: Polynomial, grid: str, pair: tuple[str, str], names: Mapping[str, str]) -> None:
    if any(name in names for name in pair):
        raise InputError(
            f"--symbol {grid}={names[grid]}: {' and '.join(pair)} cannot have names of their own then"
        )
    if not together(polynomial, pair):
        raise InputError(f"--symbol {grid}={names[grid]}: {pair[0]} and {pair[1]} stand apart in this formula")


def together(polynomial: Polynomial, pair: tuple[str, str]) -> bool:
    """Whether two letters occur as their product alone, within floors too."""
    powers = [dict(monomial) for monomial in polynomial.terms]
    floors = [name for name in polynomial.symbols if isinstance(name, Floor)]
    return all(power.get(pair[0], 0) == power.get(pair[1], 0) for power in powers) and all(
        together(floor.numerator, pair) and together(floor.divisor, pair) for floor in floors
    )


def _irreducible(polynomial: Polynomial) -> list[tuple[Polynomial, int]]:
    """Factors over the integers, by SymPy, of a polynomial without common factors or negative powers."""
    import sympy

    names = sorted(polynomial.symbols, key=symbols.place)
    generators = [sympy.Symbol(name) for name in names]
    exponents = {
        tuple(dict(monomial).get(name, 0) for name in names): number
        for monomial, number in polynomial.terms.items()
    }
    number, found = sympy.Poly.from_dict(exponents, *generators).factor_list()
    factors = [(constant(int(number)), 1)] if number != 1 else []
    for factor, power in found:
        terms = {
            tuple(sorted((name, int(p)) for name, p in zip(names, powers, strict=True) if p)): int(coefficient)
            for powers, coefficient in factor.terms()
        }
        factors.append((as_polynomial(Polynomial(terms)), int(power)))
    return factors
