"""How a closed form is written: text, LaTeX, Typst, MathML, Python.

The layout is decided once, in :func:`layout`: which terms, in which order, with which factors in the
numerator and the denominator, the grid kept together as the papers keep it ((hw)², never h²w²). A
printer only spells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import gcd

from .. import symbols
from .polynomial import Monomial, Polynomial

_GRID = frozenset(name for pair in symbols.GRIDS for name in pair)


@dataclass(frozen=True, slots=True)
class Factor:
    """A power of one symbol, or of a grid such as hw."""

    names: tuple[str, ...]
    power: int


@dataclass(frozen=True, slots=True)
class Term:
    """sign * number * factors / (divisor * under)."""

    negative: bool
    number: int
    factors: tuple[Factor, ...]
    divisor: int
    under: tuple[Factor, ...]


def reading_order(monomials: Iterable[Monomial]) -> list[Monomial]:
    """Monomials sorted for reading: by falling power of the widths, by falling degree, the grid first."""
    return sorted(monomials, key=_order)


def layout(polynomial: Polynomial) -> list[Term]:
    """The terms in reading order."""
    terms = []
    for monomial in reading_order(polynomial.terms):
        number = polynomial.terms[monomial]
        common = gcd(number, polynomial.denominator)
        over = tuple((name, power) for name, power in monomial if power > 0)
        under = tuple((name, -power) for name, power in monomial if power < 0)
        terms.append(
            Term(
                number < 0,
                abs(number) // common,
                _factors(over),
                polynomial.denominator // common,
                _factors(under),
            )
        )
    return terms


def _order(monomial: Monomial) -> tuple[int, int, int, list[tuple[tuple[int, str], int]]]:
    width = sum(power for name, power in monomial if symbols.is_width(name))
    degree = sum(power for _, power in monomial)
    grid = sum(power for name, power in monomial if name in _GRID)
    return (-width, -degree, -grid, sorted((symbols.place(name), -power) for name, power in monomial))


def _factors(powers: Monomial) -> tuple[Factor, ...]:
    left = dict(powers)
    factors = []
    for name in sorted(left, key=symbols.place):
        if name not in left:
            continue
        partner = next((pair[1] for pair in symbols.GRIDS if pair[0] == name), None)
        if partner in left and left[partner] == left[name]:
            factors.append(Factor((name, partner), left.pop(name)))
            left.pop(partner)
        else:
            factors.append(Factor((name,), left.pop(name)))
    return tuple(factors)


def _join(polynomial: Polynomial, spell: Callable[[Term], str], minus: str) -> str:
    parts: list[str] = []
    for term in layout(polynomial):
        if parts:
            parts.append(f" {minus} " if term.negative else " + ")
        elif term.negative:
            parts.append(minus)
        parts.append(spell(term))
    return "".join(parts) or "0"


# -- text -------------------------------------------------------------------------------------------

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def text(polynomial: Polynomial) -> str:
    """Unicode text, as in ``4hwC² + 2(hw)²C``."""
    return _join(polynomial, _text_term, "−")


def _text_term(term: Term) -> str:
    over = _text_product(term.number, term.factors)
    if term.divisor == 1 and not term.under:
        return over
    under = _text_product(term.divisor, term.under)
    product = (term.divisor != 1) + len(term.under) > 1 or any(f.power == 1 and f.names[1:] for f in term.under)
    return f"{over}/({under})" if product else f"{over}/{under}"


def _text_product(number: int, factors: tuple[Factor, ...]) -> str:
    spelled = []
    for factor in factors:
        base = "".join(factor.names)
        power = "" if factor.power == 1 else str(factor.power).translate(_SUPERSCRIPT)
        spelled.append(f"({base}){power}" if power and len(factor.names) > 1 else f"{base}{power}")
    lead = [str(number)] if number != 1 or not factors else []
    return _run_together(lead + spelled, "·")


def _run_together(parts: list[str], between: str) -> str:
    """Letters stand side by side; names of several letters are set apart so that they can be read."""
    product = ""
    apart = False
    for part in parts:
        long = "_" in part
        product += between + part if product and (long or apart) else part
        apart = long
    return product


# -- LaTeX ------------------------------------------------------------------------------------------


def latex(polynomial: Polynomial) -> str:
    """LaTeX math, without delimiters."""
    return _join(polynomial, lambda term: _tex_term(term), "-")


def _tex_term(term: Term) -> str:
    over = _tex_product(term.number, term.factors)
    if term.divisor == 1 and not term.under:
        return over
    return rf"\frac{{{over}}}{{{_tex_product(term.divisor, term.under)}}}"


def _tex_product(number: int, factors: tuple[Factor, ...]) -> str:
    spelled = [str(number)] if number != 1 or not factors else []
    for factor in factors:
        base = "".join(_tex_name(name) for name in factor.names)
        power = "" if factor.power == 1 else f"^{{{factor.power}}}"
        spelled.append(f"({base}){power}" if power and len(factor.names) > 1 else f"{base}{power}")
    return _run_together(spelled, r" \, ")


def _tex_name(name: str) -> str:
    known = _known(name)
    if known is not None and known.latex:
        return known.latex
    base, _, index = name.partition("_")
    return f"{base}_{{{index}}}" if index else base


# -- Typst ------------------------------------------------------------------------------------------


def typst(polynomial: Polynomial) -> str:
    """Typst math, without dollar signs. Letters are set apart: Typst reads ``hw`` as one name."""
    return _join(polynomial, _typst_term, "-")


def _typst_term(term: Term) -> str:
    over = _typst_product(term.number, term.factors)
    if term.divisor == 1 and not term.under:
        return over
    return f"({over}) / ({_typst_product(term.divisor, term.under)})"


def _typst_product(number: int, factors: tuple[Factor, ...]) -> str:
    spelled = [str(number)] if number != 1 or not factors else []
    for factor in factors:
        base = " ".join(_typst_name(name) for name in factor.names)
        power = "" if factor.power == 1 else f"^{factor.power}"
        spelled.append(f"({base}){power}" if power and len(factor.names) > 1 else f"{base}{power}")
    return " ".join(spelled)


def _typst_name(name: str) -> str:
    known = _known(name)
    if known is not None and known.typst:
        return known.typst
    base, _, index = name.partition("_")
    return f'{base}_"{index}"' if index else base


# -- MathML -----------------------------------------------------------------------------------------


def mathml(polynomial: Polynomial) -> str:
    """Presentation MathML, a whole ``<math>`` element."""
    cells: list[str] = []
    for term in layout(polynomial):
        if cells:
            cells.append("<mo>−</mo>" if term.negative else "<mo>+</mo>")
        elif term.negative:
            cells.append("<mo>−</mo>")
        over = _mathml_product(term.number, term.factors)
        if term.divisor == 1 and not term.under:
            cells.append(over)
        else:
            cells.append(f"<mfrac>{over}{_mathml_product(term.divisor, term.under)}</mfrac>")
    body = "".join(cells) or "<mn>0</mn>"
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow>{body}</mrow></math>'


def _mathml_product(number: int, factors: tuple[Factor, ...]) -> str:
    cells = [f"<mn>{number}</mn>"] if number != 1 or not factors else []
    for factor in factors:
        base = "".join(_mathml_name(name) for name in factor.names)
        if len(factor.names) > 1 and factor.power != 1:
            base = f"<mrow><mo>(</mo>{base}<mo>)</mo></mrow>"
        cells.append(base if factor.power == 1 else f"<msup>{base}<mn>{factor.power}</mn></msup>")
    return f"<mrow>{''.join(cells)}</mrow>"


def _mathml_name(name: str) -> str:
    base, _, index = name.partition("_")
    return f"<msub><mi>{base}</mi><mi>{index}</mi></msub>" if index else f"<mi>{base}</mi>"


# -- Python -----------------------------------------------------------------------------------------


def python(polynomial: Polynomial) -> str:
    """An expression in Python's own integers: exact at every point of the lattice.

    Divisions are gathered into one floor division, which is exact because the sum is whole there
    even where its terms are not.
    """
    lows: dict[str, int] = {}
    for monomial in polynomial.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    divisor = Polynomial({under: polynomial.denominator})
    whole = _join(polynomial * divisor, _python_term, "-")
    if divisor == 1:
        return whole
    spelled = _python_term(layout(divisor)[0])
    simple = "*" not in spelled.replace("**", "")
    return f"({whole})//{spelled}" if simple else f"({whole})//({spelled})"


def _python_term(term: Term) -> str:
    spelled = [str(term.number)] if term.number != 1 or not term.factors else []
    for factor in term.factors:
        base = "*".join(factor.names)
        if factor.power == 1:
            spelled.append(base)
        else:
            spelled.append(f"({base})**{factor.power}" if len(factor.names) > 1 else f"{base}**{factor.power}")
    return "*".join(spelled)


PRINTERS: dict[str, Callable[[Polynomial], str]] = {
    "text": text,
    "latex": latex,
    "typst": typst,
    "mathml": mathml,
    "python": python,
}
"""The spellings by name."""


def _known(name: str) -> symbols.Symbol | None:
    return next((symbol for symbol in symbols.ALPHABET if symbol.name == name), None)
