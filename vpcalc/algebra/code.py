"""How a closed form is written as code: JavaScript's BigInt, Rust's i128, a formula of a spreadsheet.

The layout is that of :mod:`vpcalc.algebra.printers`; a :class:`Dialect` says how numbers, products, sums and
floors are written. Each is exact or fails: BigInt has no end, Rust's operations are checked, and a
spreadsheet's doubles are asked first how large a sum is (:func:`within_doubles`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .floors import Ceiling, Floor
from .polynomial import Polynomial
from .printers import PRINTERS, Expression, Factor, Names, Term, layout, without_line

Signed = Sequence[tuple[bool, str]]
"""Terms, each with whether it is taken away."""


class Dialect(NamedTuple):
    """How a language writes what a form is made of. ``is_taken`` says which names a symbol cannot have there."""

    number: Callable[[int], str]
    power: Callable[[str, int], list[str]]
    product: Callable[[list[str]], str]
    total: Callable[[Signed], str]
    floor: Callable[[str, str], str]
    negative: Callable[[str], str]
    is_taken: Callable[[str], object]

    def name(self, symbol: str) -> str:
        """A symbol as a name of the language; one that is taken gets a line behind it."""
        return f"{symbol}_" if self.is_taken(symbol) else symbol


def spell(dialect: Dialect, expression: Expression, names: Names | None = None) -> str:
    """An expression as code; divisions are gathered into one, which leaves no rest where the form holds."""
    whole, divisor = without_line(expression)
    above = _total(dialect, whole, names)
    return above if divisor == 1 else dialect.floor(above, _total(dialect, divisor, names))


def _total(dialect: Dialect, whole: Expression, names: Names | None) -> str:
    terms = [(term.negative, _term(dialect, term, names)) for term in layout(whole, names)]
    return dialect.total(terms) if terms else dialect.number(0)


def _term(dialect: Dialect, term: Term, names: Names | None) -> str:
    number = [dialect.number(term.number)] if term.number != 1 or not term.factors else []
    factors = [part for factor in term.factors for part in _factor(dialect, factor, names)]
    return dialect.product(number + factors)


def _factor(dialect: Dialect, factor: Factor, names: Names | None) -> list[str]:
    if factor.inside:
        inside = f"({spell(dialect, factor.inside, names)})"
        return [inside] if factor.power == 1 else dialect.power(inside, factor.power)
    parts = [_name(dialect, name, names) for name in factor.names]
    if factor.power == 1:
        return parts
    return dialect.power(
        dialect.product(parts) if len(parts) == 1 else f"({dialect.product(parts)})", factor.power
    )


def _name(dialect: Dialect, name: str, names: Names | None) -> str:
    if not isinstance(name, Floor):
        return dialect.name(name)
    below = spell(dialect, name.divisor, names)
    if isinstance(name, Ceiling):
        return dialect.negative(dialect.floor(spell(dialect, -name.numerator, names), below))
    return dialect.floor(spell(dialect, name.numerator, names), below)


def _signed(terms: Signed, lead: Callable[[str], str]) -> str:
    """Terms with their signs between them; ``lead`` is how one is taken away that has nothing before it."""
    (negative, term), *rest = terms
    head = lead(term) if negative else term
    return head + "".join(f" {'-' if taken else '+'} {other}" for taken, other in rest)


# -- JavaScript -------------------------------------------------------------------------------------

FLOORDIV = """\
function floordiv(above, below) { // rounds down, where BigInt's own division rounds towards 0
  const quotient = above / below;
  return above % below !== 0n && above < 0n !== below < 0n ? quotient - 1n : quotient;
}"""
"""What JavaScript's spelling calls for a floor."""

_JAVASCRIPT = """
    arguments await break case catch class const continue debugger default delete do else enum eval export extends
    false finally floordiv for function if implements import in instanceof interface let new null package private
    protected public return static super switch this throw true try typeof undefined var void while with yield
    BigInt Infinity NaN Object Array RangeError
"""

JAVASCRIPT = Dialect(
    number=lambda number: f"{number}n",
    power=lambda base, power: [f"{base}**{power}n"],
    product="*".join,
    total=lambda terms: _signed(terms, lambda term: f"-({term})" if "**" in term else f"-{term}"),  # no -C**2n
    floor=lambda above, below: f"floordiv({above}, {below})",
    negative=lambda inside: f"(-{inside})",
    is_taken=frozenset(_JAVASCRIPT.split()).__contains__,
)


def javascript(expression: Expression, names: Names | None = None) -> str:
    """JavaScript on BigInts; floors call ``floordiv`` (:data:`FLOORDIV`)."""
    return spell(JAVASCRIPT, expression, names)


# -- Rust -------------------------------------------------------------------------------------------

CHECKED = {
    "sum": "fn sum(terms: &[i128]) -> Option<i128> {\n"
    "    terms.iter().try_fold(0i128, |all, &each| all.checked_add(each))\n}",
    "product": "fn product(factors: &[i128]) -> Option<i128> {\n"
    "    factors.iter().try_fold(1i128, |all, &each| all.checked_mul(each))\n}",
    "floor_div": "fn floor_div(above: i128, below: i128) -> Option<i128> {\n"
    "    let quotient = above.checked_div(below)?;\n"
    "    Some(if above % below != 0 && (above < 0) != (below < 0) { quotient - 1 } else { quotient })\n}",
}
"""What Rust's spelling calls: None where 128 bits are too few."""

_RUST = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if
    impl in let loop macro match mod move mut override priv pub ref return self Self static struct super trait true
    try type typeof unsafe unsized use virtual where while yield sum product floor_div i128 bool Some None Option
"""


def _rust_total(terms: Signed) -> str:
    parts = [_rust_negative(term) if negative else term for negative, term in terms]
    return parts[0] if len(parts) == 1 else f"sum(&[{', '.join(parts)}])?"


def _rust_product(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"product(&[{', '.join(parts)}])?"


def _rust_negative(inside: str) -> str:
    if inside.startswith("product(&["):
        return inside.replace("product(&[", "product(&[-1, ", 1)
    return f"-{inside}" if inside.isalnum() else f"-({inside})"


RUST = Dialect(
    number=str,
    power=lambda base, power: [_unwrapped(base)] * power,
    product=_rust_product,
    total=_rust_total,
    floor=lambda above, below: f"floor_div({above}, {below})?",
    negative=lambda inside: f"-{inside}",
    is_taken=frozenset(_RUST.split()).__contains__,
)


def _unwrapped(base: str) -> str:
    """Without the brackets that a list of factors does not need."""
    return base[1:-1] if base.startswith("(") else base


def rust(expression: Expression, names: Names | None = None) -> str:
    """Rust on i128, to stand in a function that returns an Option; it calls :data:`CHECKED`."""
    return spell(RUST, expression, names)


# -- a spreadsheet ----------------------------------------------------------------------------------

MOST_EXACT = 10**15
"""Sums that a spreadsheet shows to the unit: it computes in doubles, and shows 15 digits of them."""

_A_CELL = re.compile(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*[Cc]?[0-9]*|[Cc][0-9]*|true|false", re.IGNORECASE)
"""Names that cells cannot have: those of other cells (H1), and R and C, which are rows and columns."""


def _set_apart(side: str) -> str:
    return side if re.fullmatch(r"-?\w+", side) else f"({side})"


EXCEL = Dialect(  # to which -C^2 is (-C)^2
    number=str,
    power=lambda base, power: [f"{base}^{power}"],
    product="*".join,
    total=lambda terms: _signed(terms, lambda term: f"-1*{term}" if "^" in term else f"-{term}").replace(" ", ""),
    floor=lambda above, below: f"INT({_set_apart(above)}/{_set_apart(below)})",
    negative=lambda inside: f"(-{inside})",
    is_taken=_A_CELL.fullmatch,
)


def excel(expression: Expression, names: Names | None = None) -> str:
    """A spreadsheet's expression over named cells, without the sign before it; its numbers are doubles."""
    return spell(EXCEL, expression, names)


def within_doubles(expression: Expression, names: Names | None = None) -> str:
    """The same where all that is summed is below :data:`MOST_EXACT`, also above a line, and #N/A elsewhere."""
    whole, _ = without_line(expression)
    reaches = [_reach(whole, names), *(_reach(above, names) for above in dict.fromkeys(_numerators(whole)))]
    reach = reaches[0] if len(reaches) == 1 else f"MAX({','.join(reaches)})"
    return f"IF({reach}<1E+15,{excel(expression, names)},NA())"


def _reach(whole: Expression, names: Names | None) -> str:
    """What no partial sum exceeds: the terms, none of them taken away."""
    terms = [(False, _absolute(term, _term(EXCEL, term, names))) for term in layout(whole, names)]
    return EXCEL.total(terms) if terms else "0"


def _absolute(term: Term, spelled: str) -> str:
    """A term without its sign; only a difference has one that sizes do not tell."""
    inside = [factor.inside for factor in term.factors if factor.inside]
    inside += [name.numerator for factor in term.factors for name in factor.names if isinstance(name, Floor)]
    signed = any(number < 0 for polynomial in inside for number in polynomial.terms.values())
    return f"ABS({spelled})" if signed else spelled


def _numerators(whole: Expression) -> Iterator[Polynomial]:
    """What stands above the lines of its floors, unless it is a letter and a number: sizes are far below."""
    sums = [whole] if isinstance(whole, Polynomial) else [whole.single, *(inside for inside, _ in whole.brackets)]
    for each in sums:
        for name in each.symbols:
            if not isinstance(name, Floor):
                continue
            yield from _numerators(name.numerator)
            if any(sum(power for _, power in monomial) > 1 for monomial in name.numerator.terms):
                yield name.numerator


SPELLINGS: dict[str, Callable[..., str]] = {
    **PRINTERS,
    "javascript": javascript,
    "rust": rust,
    "excel": excel,
}
"""The printers of mathematics and of code, by name."""
