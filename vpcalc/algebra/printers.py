"""How a closed form is written: text, LaTeX, Typst, MathML, Python.

The layout is decided once, in :func:`layout`: which terms, in which order, with which factors in the
numerator and the denominator, the grid kept together as the papers keep it ((hw)², never h²w²). A
printer only spells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import gcd
from typing import NamedTuple

from .. import symbols
from .floors import Ceiling, Floor, is_product
from .polynomial import Monomial, Polynomial

_GRID = frozenset(name for pair in symbols.GRIDS for name in pair)


@dataclass(frozen=True, slots=True)
class Product:
    """``single * brackets``: one term in front, then sums in brackets, each with its power."""

    single: Polynomial
    brackets: tuple[tuple[Polynomial, int], ...]


Expression = Polynomial | Product
"""What can be written: a sum of terms, or one product of sums."""

Names = Mapping[str, str]
"""Symbols that are written otherwise, by their own name; ``hw`` and ``HW`` stand for a whole grid."""


class Factor(NamedTuple):
    """A power of one symbol, of a grid such as hw, or of a sum in brackets."""

    names: tuple[str, ...]
    power: int
    inside: Polynomial | None = None


class Term(NamedTuple):
    """sign * number * factors / (divisor * under)."""

    negative: bool
    number: int
    factors: tuple[Factor, ...]
    divisor: int
    under: tuple[Factor, ...]


def reading_order(monomials: Iterable[Monomial]) -> list[Monomial]:
    """Monomials sorted for reading: by falling power of the widths, by falling degree, the grid first."""
    return sorted(monomials, key=_order)


def layout(expression: Expression, names: Names | None = None) -> list[Term]:
    """The terms in reading order; a product is a single one."""
    if isinstance(expression, Product):
        (front,) = layout(expression.single, names)
        behind = tuple(Factor((), power, bracket) for bracket, power in expression.brackets)
        return [front._replace(factors=front.factors + behind)]
    return [_renamed(term, names) if names else term for term in _terms(expression)]


def _renamed(term: Term, names: Names) -> Term:
    over, under = (
        tuple(factor._replace(names=_new_names(factor.names, names)) for factor in factors)
        for factors in (term.factors, term.under)
    )
    return term._replace(factors=over, under=under)


def _new_names(old: tuple[str, ...], names: Names) -> tuple[str, ...]:
    if any(isinstance(name, Floor) for name in old):
        return old  # its own letters are renamed where it is spelled
    whole = "".join(old)
    return (names[whole],) if whole in names else tuple(names.get(name, name) for name in old)


def _terms(polynomial: Polynomial) -> list[Term]:
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
    return (-width, -degree, -grid, sorted((_place(name), -power) for name, power in monomial))


def _place(name: str) -> tuple[int, str]:
    """Where a factor stands within a term; a floor where the first of its letters would."""
    if isinstance(name, Floor):
        step = 0 if name.divisor.symbols else name.divisor.terms[()]
        return (min((symbols.place(letter)[0] for letter in name.letters), default=0), f"~{step:09}{name}")
    return symbols.place(name)


def _factors(powers: Monomial) -> tuple[Factor, ...]:
    left = dict(powers)
    factors = []
    for name in sorted(left, key=_place):
        if name not in left:
            continue
        partner = next((pair[1] for pair in symbols.GRIDS if pair[0] == name), None)
        if partner in left and left[partner] == left[name]:
            factors.append(Factor((name, partner), left.pop(name)))
            left.pop(partner)
        else:
            factors.append(Factor((name,), left.pop(name)))
    return tuple(factors)


def _join(terms: Iterable[Term], spell: Callable[[Term], str], minus: str) -> str:
    parts: list[str] = []
    for term in terms:
        if parts:
            parts.append(f" {minus} " if term.negative else " + ")
        elif term.negative:
            parts.append(minus)
        parts.append(spell(term))
    return "".join(parts) or "0"


# -- text -------------------------------------------------------------------------------------------

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def text(expression: Expression, names: Names | None = None) -> str:
    """Unicode text, as in ``4hwC² + 2(hw)²C``."""
    return _join(layout(expression, names), partial(_text_term, names), "−")


def _text_term(names: Names | None, term: Term) -> str:
    over = _text_product(term.number, term.factors, names)
    if term.divisor == 1 and not term.under:
        return over
    under = _text_product(term.divisor, term.under, names)
    product = (term.divisor != 1) + len(term.under) > 1 or any(f.power == 1 and f.names[1:] for f in term.under)
    return f"{over}/({under})" if product else f"{over}/{under}"


def _text_product(number: int, factors: tuple[Factor, ...], names: Names | None) -> str:
    spelled = _number(number, factors)
    for factor in factors:
        grid = _run_together(_parts(factor.names, partial(_text_name, names)), "·")
        base = f"({text(factor.inside, names)})" if factor.inside else grid
        power = "" if factor.power == 1 else str(factor.power).translate(_SUPERSCRIPT)
        spelled.append((_powered(factor, base, power), _is_long(factor)))
    return _run_together(spelled, "·")


def _text_name(names: Names | None, name: str) -> str:
    if not isinstance(name, Floor):
        return name
    above, up = name.reading
    over = f"({text(above, names)})" if len(above.terms) > 1 else text(above, names)
    below = text(name.divisor, names)
    under = f"({below})" if is_product(name.divisor) else below
    return f"⌈{over}/{under}⌉" if up else f"⌊{over}/{under}⌋"


def _lone_bracket(term: Term) -> Polynomial | None:
    """The sum that stands alone above a fraction's line, where it needs no brackets."""
    alone = term.number == 1 and len(term.factors) == 1 and term.factors[0].power == 1
    return term.factors[0].inside if alone else None


def _number(number: int, factors: tuple[Factor, ...]) -> list[tuple[str, bool]]:
    """The number in front of a product, unless it is a 1 that can be left out."""
    return [(str(number), False)] if number != 1 or not factors else []


def _parts(names: tuple[str, ...], spell: Callable[[str], str]) -> list[tuple[str, bool]]:
    return [(spell(name), _has_letters(name)) for name in names]


def _is_long(factor: Factor) -> bool:
    return any(map(_has_letters, factor.names))


def _has_letters(name: str) -> bool:
    """Whether a name is more than one letter; a floor has brackets of its own."""
    return len(name) > 1 and not isinstance(name, Floor)


def _powered(factor: Factor, base: str, power: str) -> str:
    """The base with its power; a grid, several names, gets brackets."""
    return f"({base}){power}" if power and len(factor.names) > 1 else f"{base}{power}"


def _run_together(parts: Iterable[tuple[str, bool]], between: str) -> str:
    """Letters stand side by side; names of several letters are set apart so that they can be read."""
    product = ""
    apart = False
    for part, long in parts:
        product += between + part if product and (long or apart) else part
        apart = long
    return product


# -- LaTeX ------------------------------------------------------------------------------------------


def latex(expression: Expression, names: Names | None = None) -> str:
    """LaTeX math, without delimiters."""
    return _join(layout(expression, names), partial(_tex_term, names), "-")


def _tex_term(names: Names | None, term: Term) -> str:
    over = _tex_product(term.number, term.factors, names)
    if term.divisor == 1 and not term.under:
        return over
    over = latex(inside, names) if (inside := _lone_bracket(term)) else over
    return rf"\frac{{{over}}}{{{_tex_product(term.divisor, term.under, names)}}}"


def _tex_product(number: int, factors: tuple[Factor, ...], names: Names | None) -> str:
    spelled = _number(number, factors)
    for factor in factors:
        grid = _run_together(_parts(factor.names, partial(_tex_name, names)), r" \, ")
        base = f"({latex(factor.inside, names)})" if factor.inside else grid
        power = "" if factor.power == 1 else f"^{{{factor.power}}}"
        spelled.append((_powered(factor, base, power), _is_long(factor)))
    return _run_together(spelled, r" \, ")


def _tex_name(names: Names | None, name: str) -> str:
    if isinstance(name, Floor):
        above, up = name.reading
        side = "ceil" if up else "floor"
        fraction = rf"\frac{{{latex(above, names)}}}{{{latex(name.divisor, names)}}}"
        return rf"{{\left\l{side} {fraction} \right\r{side}}}"
    known = _known(name)
    if known is not None and known.latex:
        return known.latex
    base, _, index = name.partition("_")
    spelled = _tex_word(base)
    return f"{spelled}_{{{_tex_word(index)}}}" if index else spelled


def _tex_word(word: str) -> str:
    if word in GREEK:
        return rf"\{GREEK[word]}"
    return rf"\text{{{word}}}" if len(word) > 1 and not word.isdecimal() else word


_GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _GREEK_NAMES.split(), strict=True))
"""Greek letters and their names in LaTeX."""


# -- Typst ------------------------------------------------------------------------------------------


def typst(expression: Expression, names: Names | None = None) -> str:
    """Typst math, without dollar signs. Letters are set apart: Typst reads ``hw`` as one name."""
    return _join(layout(expression, names), partial(_typst_term, names), "-")


def _typst_term(names: Names | None, term: Term) -> str:
    over = _typst_product(term.number, term.factors, names)
    if term.divisor == 1 and not term.under:
        return over
    over = typst(inside, names) if (inside := _lone_bracket(term)) else over
    return f"({over}) / ({_typst_product(term.divisor, term.under, names)})"


def _typst_product(number: int, factors: tuple[Factor, ...], names: Names | None) -> str:
    spelled = [part for part, _ in _number(number, factors)]
    for factor in factors:
        grid = " ".join(_typst_name(name, names) for name in factor.names)
        base = f"({typst(factor.inside, names)})" if factor.inside else grid
        spelled.append(_powered(factor, base, "" if factor.power == 1 else f"^{factor.power}"))
    return " ".join(spelled)


def _typst_name(name: str, names: Names | None = None) -> str:
    if isinstance(name, Floor):
        above, up = name.reading
        return f"{'ceil' if up else 'floor'}(({typst(above, names)}) / ({typst(name.divisor, names)}))"
    known = _known(name)
    if known is not None and known.typst:
        return known.typst
    base, _, index = name.partition("_")
    spelled = _typst_word(base)
    return f"{spelled}_{_typst_word(index)}" if index else spelled


def _typst_word(word: str) -> str:
    return f'"{word}"' if len(word) > 1 and not word.isdecimal() else word


# -- MathML -----------------------------------------------------------------------------------------


def mathml(expression: Expression, names: Names | None = None) -> str:
    """Presentation MathML, a whole ``<math>`` element."""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{_mathml_sum(expression, names)}</math>'


def _mathml_sum(expression: Expression, names: Names | None) -> str:
    cells: list[str] = []
    for term in layout(expression, names):
        if cells:
            cells.append("<mo>−</mo>" if term.negative else "<mo>+</mo>")
        elif term.negative:
            cells.append("<mo>−</mo>")
        over = _mathml_product(term.number, term.factors, names)
        if term.divisor == 1 and not term.under:
            cells.append(over)
        else:
            over = _mathml_sum(inside, names) if (inside := _lone_bracket(term)) else over
            cells.append(f"<mfrac>{over}{_mathml_product(term.divisor, term.under, names)}</mfrac>")
    return _mathml_row(cells or ["<mn>0</mn>"])


def _mathml_row(cells: list[str]) -> str:
    """One element, as a fraction wants above and below."""
    return cells[0] if len(cells) == 1 else f"<mrow>{''.join(cells)}</mrow>"


def _mathml_product(number: int, factors: tuple[Factor, ...], names: Names | None) -> str:
    cells = [(f"<mn>{part}</mn>", False) for part, _ in _number(number, factors)]
    for factor in factors:
        parts = [(_mathml_name(name, names), _is_word(name)) for name in factor.names]
        if factor.inside:
            parts = [(_mathml_brackets(_mathml_sum(factor.inside, names)), False)]
        elif len(parts) > 1 and factor.power != 1:
            parts = [(_mathml_brackets(_run_together(parts, _MATHML_APART)), False)]
        if factor.power != 1:
            parts = [(f"<msup>{parts[0][0]}<mn>{factor.power}</mn></msup>", parts[0][1])]
        cells += parts
    together = _run_together(cells, _MATHML_APART)
    return f"<mrow>{together}</mrow>" if len(cells) > 1 else together


_MATHML_APART = '<mspace width="0.167em"/>'
"""Between a word and what stands beside it."""


def _is_word(name: str) -> bool:
    """Whether a name is set in several letters: what is below one of them is a subscript."""
    return len(name.partition("_")[0]) > 1 and not isinstance(name, Floor)


def _mathml_brackets(inside: str) -> str:
    """Brackets that do not stretch: a browser sets those that do apart."""
    return f'<mrow><mo stretchy="false">(</mo>{inside}<mo stretchy="false">)</mo></mrow>'


def _mathml_name(name: str, names: Names | None = None) -> str:
    if isinstance(name, Floor):
        above, up = name.reading
        left, right = "⌈⌉" if up else "⌊⌋"
        fraction = f"<mfrac>{_mathml_sum(above, names)}{_mathml_sum(name.divisor, names)}</mfrac>"
        return f"<mrow><mo>{left}</mo>{fraction}<mo>{right}</mo></mrow>"
    base, _, index = name.partition("_")
    return f"<msub><mi>{base}</mi><mi>{index}</mi></msub>" if index else f"<mi>{base}</mi>"


# -- Python -----------------------------------------------------------------------------------------


def python(expression: Expression, names: Names | None = None) -> str:
    """An expression in Python's own integers: exact at every point of the lattice.

    Divisions are gathered into one floor division, which is exact because the whole is whole there
    even where its terms are not.
    """
    whole, divisor = without_line(expression)
    spelled = _join(layout(whole, names), partial(_python_term, names), "-")
    if divisor == 1:
        return spelled
    under = _python_term(names, layout(divisor, names)[0])
    simple = "*" not in under.replace("**", "")
    first = layout(expression)[0]
    if (inside := _lone_bracket(first)) and not first.negative:
        spelled = python(inside, names)
    return f"({spelled})//{under}" if simple else f"({spelled})//({under})"


def without_line(expression: Expression) -> tuple[Expression, Polynomial]:
    """What stands above one line for the whole, and the smallest term that can stand below it."""
    terms = expression.single if isinstance(expression, Product) else expression
    lows: dict[str, int] = {}
    for monomial in terms.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    divisor = Polynomial({under: terms.denominator})
    if isinstance(expression, Product):
        return Product(expression.single * divisor, expression.brackets), divisor
    return expression * divisor, divisor


def _python_term(names: Names | None, term: Term) -> str:
    spelled = [part for part, _ in _number(term.number, term.factors)]
    for factor in term.factors:
        grid = "*".join(_python_name(name, names) for name in factor.names)
        base = f"({python(factor.inside, names)})" if factor.inside else grid
        spelled.append(_powered(factor, base, "" if factor.power == 1 else f"**{factor.power}"))
    return "*".join(spelled)


def _python_name(name: str, names: Names | None) -> str:
    if not isinstance(name, Floor):
        return name
    up = isinstance(name, Ceiling)
    over, under = python(-name.numerator if up else name.numerator, names), python(name.divisor, names)
    over = over if over.isidentifier() else f"({over})"
    under = under if under.isalnum() else f"({under})"
    return f"(-({over}//{under}))" if up else f"({over}//{under})"


PRINTERS: dict[str, Callable[..., str]] = {
    "text": text,
    "latex": latex,
    "typst": typst,
    "mathml": mathml,
    "python": python,
}
"""The spellings by name: each takes an expression and, if need be, other names for its symbols."""


def _known(name: str) -> symbols.Symbol | None:
    return next((symbol for symbol in symbols.ALPHABET if symbol.name == name), None)
