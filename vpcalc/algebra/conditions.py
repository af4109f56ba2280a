"""How a domain is written: ``H ≥ 193, W ≥ 193`` in the spellings of :mod:`vpcalc.algebra.printers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .domains import Domain, Guard, Where
from .polynomial import Polynomial, constant, symbol
from .printers import PRINTERS, Names


class _Relation(NamedTuple):
    left: Polynomial
    sign: str
    right: Polynomial


class _Style(NamedTuple):
    signs: Mapping[str, str]
    both: str
    either: str
    always: str
    never: str


STYLES = {
    "text": _Style(
        {"≥": " ≥ ", "≤": " ≤ ", ">": " > ", "<": " < ", "=": " = ", "|": " | ", "∤": " ∤ "},
        ", ",
        " or ",
        "every size",
        "no size",
    ),
    "latex": _Style(
        {"≥": r" \ge ", "≤": r" \le ", ">": " > ", "<": " < ", "=": " = ", "|": r" \mid ", "∤": r" \not\mid "},
        ",\\ ",
        r" \text{ or } ",
        r"\text{every size}",
        r"\text{no size}",
    ),
    "typst": _Style(
        {"≥": " >= ", "≤": " <= ", ">": " > ", "<": " < ", "=": " = ", "|": " divides ", "∤": " divides.not "},
        ' "and" ',
        ' "or" ',
        '"every size"',
        '"no size"',
    ),
    "mathml": _Style(
        {
            "≥": "<mo>≥</mo>",
            "≤": "<mo>≤</mo>",
            ">": "<mo>&gt;</mo>",
            "<": "<mo>&lt;</mo>",
            "=": "<mo>=</mo>",
            "|": "<mo>∣</mo>",
            "∤": "<mo>∤</mo>",
        },
        "<mo>,</mo>",
        "<mtext> or </mtext>",
        "<mtext>every size</mtext>",
        "<mtext>no size</mtext>",
    ),
    "python": _Style(
        {"≥": " >= ", "≤": " <= ", ">": " > ", "<": " < ", "=": " == "}, " and ", " or ", "True", "False"
    ),
}
"""Signs and words of each spelling."""


def spell(where: Where, spelling: str, names: Names | None = None) -> str:
    """A union of domains in one of the spellings; ``python`` is an expression that is true exactly there."""
    style = STYLES[spelling]
    if not where.parts:
        return style.never
    parts = [_spell_domain(part, spelling, names) for part in where.parts]
    if spelling == "python" and len(parts) > 1:
        parts = [f"({part})" if " and " in part else part for part in parts]
    return style.either.join(parts)


def _spell_domain(domain: Domain, spelling: str, names: Names | None) -> str:
    fixed = domain.fixed
    relations = [_Relation(symbol(name), "=", constant(value)) for name, value in sorted(fixed.items())]
    guards = sorted(domain.guards, key=lambda guard: _reading_order(guard, domain.letters))
    relations += [_relation(guard) for guard in guards if guard.letters - set(fixed)]
    style = STYLES[spelling]
    if not relations:
        return style.always
    return style.both.join(_spell_relation(relation, spelling, names) for relation in relations)


def _reading_order(guard: Guard, letters: tuple[str, ...]) -> tuple[bool, list[int], bool]:
    """What is said of one letter before what is said of two, its lower end before its upper one."""
    occurring = sorted(letters.index(letter) for letter in guard.form.letters)
    difference = guard.difference
    return guard.divisor is not None, [len(occurring), *occurring], difference is not None and difference[0] != ""


def _relation(guard: Guard) -> _Relation:
    if guard.divisor is not None:
        return _Relation(guard.divisor, "∤" if guard.negated else "|", guard.form)
    terms = guard.form.terms
    left = Polynomial({monomial: number for monomial, number in terms.items() if monomial and number > 0})
    right = Polynomial({monomial: -number for monomial, number in terms.items() if monomial and number < 0})
    rest = terms.get((), 0)
    if not left:
        return _Relation(right, "≤", constant(rest))
    if right and rest == -1:
        return _Relation(left, ">", right)
    return _Relation(left, "≥", right - rest)


def _spell_relation(relation: _Relation, spelling: str, names: Names | None) -> str:
    left, right = (PRINTERS[spelling](side, names) for side in (relation.left, relation.right))
    if spelling == "python" and relation.sign in "|∤":
        over = right if right.isidentifier() else f"({right})"
        under = left if left.isalnum() else f"({left})"
        return f"{over} % {under} {'==' if relation.sign == '|' else '!='} 0"
    if spelling == "mathml":
        left, right = (side.partition(">")[2].removesuffix("</math>") for side in (left, right))
    return f"{left}{STYLES[spelling].signs[relation.sign]}{right}"
