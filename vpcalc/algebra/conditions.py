"""How a domain is written: ``H ≥ 193, W ≥ 193`` in the spellings of :data:`vpcalc.algebra.code.SPELLINGS`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .code import SPELLINGS
from .domains import Domain, Guard, Where
from .polynomial import Polynomial, constant, symbol
from .printers import Names

SHORT = 3
"""Neighbours among remainders that are written one by one: 0, 1, 2; more are 0, …, 9."""


class _Relation(NamedTuple):
    left: Polynomial
    sign: str
    right: Polynomial
    least: Polynomial | None = None
    """Of what lies between two ends, the lower one."""


class _Rests(NamedTuple):
    """What a letter leaves divided by a number, where parts of a union differ in that alone."""

    letter: Polynomial
    step: Polynomial
    rests: tuple[int, ...]


class _Style(NamedTuple):
    signs: Mapping[str, str]
    both: str
    either: str
    always: str
    never: str
    divided: str = ""
    """Of code: how it asks whether one divides the other."""
    elsewhere: str = ""
    """For the sizes that no case before it has; code tries its conditions in order."""
    among: str = ""
    """For people: what is left of a letter is one of a set."""
    dots: str = ""

    @property
    def code(self) -> bool:
        """Whether it is written for a program, which has to be told what is one condition."""
        return bool(self.divided)


_SIGNS = {"≥": " >= ", "≤": " <= ", ">": " > ", "<": " < "}

STYLES = {
    "text": _Style(
        {"≥": " ≥ ", "≤": " ≤ ", ">": " > ", "<": " < ", "=": " = ", "|": " | ", "∤": " ∤ "},
        ", ",
        " or ",
        "every size",
        "no size",
        elsewhere="elsewhere",
        among="{letter} mod {step} ∈ {{{rests}}}",
        dots="…",
    ),
    "latex": _Style(
        {"≥": r" \ge ", "≤": r" \le ", ">": " > ", "<": " < ", "=": " = ", "|": r" \mid ", "∤": r" \not\mid "},
        ",\\ ",
        r" \text{ or } ",
        r"\text{every size}",
        r"\text{no size}",
        elsewhere=r"\text{elsewhere}",
        among=r"{letter} \bmod {step} \in \{{{rests}\}}",
        dots=r"\dots",
    ),
    "typst": _Style(
        {"≥": " >= ", "≤": " <= ", ">": " > ", "<": " < ", "=": " = ", "|": " divides ", "∤": " divides.not "},
        ' "and" ',
        ' "or" ',
        '"every size"',
        '"no size"',
        elsewhere='"elsewhere"',
        among="{letter} mod {step} in {{{rests}}}",
        dots="dots.h",
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
        elsewhere="<mtext>elsewhere</mtext>",
        among="{letter}<mo>mod</mo>{step}<mo>∈</mo><mo>{{</mo><mtext>{rests}</mtext><mo>}}</mo>",
        dots="…",
    ),
    "python": _Style(
        {**_SIGNS, "=": " == ", "∤": " != "}, " and ", " or ", "True", "False", "{over} % {under}{sign}0"
    ),
    "javascript": _Style(
        {**_SIGNS, "=": " === ", "∤": " !== "}, " && ", " || ", "true", "false", "{over} % {under}{sign}0n"
    ),
    "rust": _Style(
        {**_SIGNS, "=": " == ", "∤": " != "}, " && ", " || ", "true", "false", "{over} % {under}{sign}0"
    ),
    "excel": _Style(
        {"≥": ">=", "≤": "<=", ">": ">", "<": "<", "=": "=", "∤": "<>"},
        ",",
        ",",
        "TRUE",
        "FALSE",
        "MOD({over},{under}){sign}0",
    ),
}
"""Signs and words of each spelling."""


def spell(where: Where, spelling: str, names: Names | None = None) -> str:
    """A union of domains in one of the spellings; ``python`` is an expression that is true exactly there."""
    style = STYLES[spelling]
    if where.elsewhere:
        return style.elsewhere or style.always
    if not where.parts:
        return style.never
    parts = [_spell_domain(part, rests, spelling, names) for part, rests in _with_rests(where, style)]
    if spelling == "excel":
        return f"OR({','.join(parts)})" if len(parts) > 1 else parts[0]
    if style.code and len(parts) > 1:
        parts = [f"({part})" if style.both in part else part for part in parts]
    return style.either.join(parts)


def _with_rests(where: Where, style: _Style) -> Iterable[tuple[Domain, _Rests | None]]:
    """The parts; for people those that differ in what one letter leaves, divided by one number, as one."""
    together: dict[object, list[tuple[Domain, Guard | None, int]]] = {}
    for part in where.parts:
        left = [] if style.code else [(guard, rest) for guard in part.guards if (rest := _rest(guard)) is not None]
        if len(left) != 1:
            together[part] = [(part, None, 0)]
            continue
        ((guard, rest),) = left
        others = frozenset(part.guards) - {guard}
        together.setdefault((others, guard.letters, guard.divisor), []).append((part, guard, rest))
    for alike in together.values():
        part, said, _ = alike[0]
        if said is None or said.divisor is None or len(alike) == 1:
            yield part, None
            continue
        (letter,) = said.letters
        rests = _Rests(symbol(letter), said.divisor, tuple(sorted({rest for *_, rest in alike})))
        yield Domain(part.letters, tuple(each for each in part.guards if each != said)), rests


def _rest(guard: Guard) -> int | None:
    """What a letter leaves where a guard says that a number divides what is so much more or less than it."""
    if guard.divisor is None or guard.negated or guard.divisor.symbols or len(guard.form.symbols) != 1:
        return None
    (letter,) = guard.form.symbols
    more = guard.form - symbol(letter)
    if more.symbols or letter not in guard.form.letters:
        return None
    return int(-more.at({}) % guard.divisor.at({}))


def listed(rests: Sequence[int], dots: str) -> str:
    """Numbers in order; long runs by their ends: 0, 5, …, 59."""
    runs: list[list[int]] = []
    for rest in rests:
        if runs and rest == runs[-1][-1] + 1:
            runs[-1].append(rest)
        else:
            runs.append([rest])
    ways = (run if len(run) <= SHORT else (run[0], dots, run[-1]) for run in runs)
    return ", ".join(str(each) for way in ways for each in way)


def _spell_domain(domain: Domain, rests: _Rests | None, spelling: str, names: Names | None) -> str:
    fixed = domain.single()
    relations = [_Relation(symbol(name), "=", constant(value)) for name, value in sorted(fixed.items())]
    guards = sorted(domain.guards, key=lambda guard: _reading_order(guard, domain.letters))
    relations += dict.fromkeys(_relation(guard, domain) for guard in guards if guard.letters - set(fixed))
    style = STYLES[spelling]
    if not relations and rests is None:
        return style.always
    relations = relations if style.code else _between(relations)
    spelled = [_spell_relation(relation, spelling, names) for relation in relations]
    if rests is not None:
        letter, step = (_side(side, spelling, names) for side in (rests.letter, rests.step))
        spelled.append(style.among.format(letter=letter, step=step, rests=listed(rests.rests, style.dots)))
    if spelling == "excel" and len(spelled) > 1:
        return f"AND({','.join(spelled)})"
    return style.both.join(spelled)


def _between(relations: list[_Relation]) -> list[_Relation]:
    """Both ends of one thing as one relation, 225 ≤ H ≤ 900."""
    found: list[_Relation] = []
    for each in relations:
        before = found[-1] if found else each
        if (before.left, before.sign, each.sign) == (each.left, "≥", "≤") and not before.right.symbols:
            found[-1] = each._replace(least=before.right)
        else:
            found.append(each)
    return found


def _reading_order(guard: Guard, letters: tuple[str, ...]) -> tuple[bool, list[int], bool]:
    """What is said of one letter before what is said of two, its lower end before its upper one."""
    occurring = sorted(letters.index(letter) for letter in guard.form.letters)
    difference = guard.difference
    return guard.divisor is not None, [len(occurring), *occurring], difference is not None and difference[0] != ""


def _relation(guard: Guard, domain: Domain) -> _Relation:
    """The guard as it is written; two that say ≥ and ≤ of the same sides are one =."""
    if guard.divisor is not None:
        return _Relation(guard.divisor, "∤" if guard.negated else "|", guard.form)
    equal = Guard(-guard.form) in domain.guards
    terms = (min(guard.form, -guard.form, key=str) if equal else guard.form).terms
    left = Polynomial({monomial: number for monomial, number in terms.items() if monomial and number > 0})
    right = Polynomial({monomial: -number for monomial, number in terms.items() if monomial and number < 0})
    rest = terms.get((), 0)
    if not left:
        return _Relation(right, "=" if equal else "≤", constant(rest))
    if right and rest == -1 and not equal:
        return _Relation(left, ">", right)
    return _Relation(left, "=" if equal else "≥", right - rest)


def _spell_relation(relation: _Relation, spelling: str, names: Names | None) -> str:
    least, left, right = (_side(side, spelling, names) for side in (relation.least, relation.left, relation.right))
    style = STYLES[spelling]
    if style.code and relation.sign in "|∤":
        over = right if right.isidentifier() else f"({right})"
        under = left if left.isalnum() else f"({left})"
        return style.divided.format(over=over, under=under, sign=style.signs["=" if relation.sign == "|" else "∤"])
    return f"{least}{style.signs[relation.sign] if least else ''}{left}{style.signs[relation.sign]}{right}"


def _side(side: Polynomial | None, spelling: str, names: Names | None) -> str:
    """A form within a relation; of MathML without the element that stands around a whole one."""
    spelled = "" if side is None else SPELLINGS[spelling](side, names)
    return spelled.partition(">")[2].removesuffix("</math>") if spelling == "mathml" else spelled
