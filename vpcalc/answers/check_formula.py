"""``vpcalc check``: a reader's formula against the derived one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any

from ..algebra import Polynomial
from ..algebra.equations import WORD, equation
from ..algebra.floors import Floor, equal
from ..algebra.parser import LIKELY, parse
from ..algebra.polynomial import as_polynomial
from ..algebra.printers import reading_order
from ..algebra.roles import LETTERS, Reading, renamed, role_of
from ..architectures import ARCHITECTURES
from ..checks.proof import Difference, differences, explain, term_by_term
from ..cost import Quantity
from ..errors import ALL, InputError, is_code, unknown
from ..layers import LAYERS
from ..placing import in_brackets
from ..report import Column, Kind, Table
from ..symbolic import SYMBOL_OF, Form, symbols_of
from .check_order import OrderCheck, check_order
from .check_reading import Fits, changed, headline, in_order, reading_of, refuse_unread, unread
from .check_ties import Tie, tied, ties
from .formula import QUANTITIES, Formula
from .formula import formula as derive
from .result import Result

CONVENTIONS = ("macs", "flops")
"""How a reader counts: 1 or 2 per multiply-accumulate."""

SHOWN = 4
"""Operators that a table names for one term."""


@dataclass(frozen=True)
class FormulaCheck(Result):
    """A formula as it was given, the derived one, and where they differ.

    ``ours`` and ``theirs`` are in the same convention. ``sources`` says for each monomial of ours which operators
    contribute how much of it. ``multiple`` is the factor between the two, where there is one; ``without`` are the
    sets of operators that the given formula leaves out, where that explains all of the difference. Of an equation
    ``theirs`` is the first side that differs, or else the last. ``renaming`` is what the reader's letters were
    found to stand for; ``where`` says which letters are tied, and so narrows ``ours``.
    """

    text: str
    name: str
    quantity: Quantity
    convention: str
    ours: Form
    theirs: Form
    sources: Mapping[Polynomial, tuple[tuple[str, Polynomial], ...]]
    notes: tuple[str, ...] = ()
    multiple: Polynomial | None = None
    without: tuple[tuple[str, ...], ...] = ()
    renaming: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether the two are equal."""
        return _same(self.ours.polynomial, self.theirs.polynomial)

    @property
    def verdict(self) -> str:
        """One word."""
        return "equal" if self.ok else "different"

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The terms that differ."""
        return differences(self.ours.polynomial, self.theirs.polynomial)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "check",
            "formula": self.text,
            "against": self.name,
            "quantity": self.quantity.value,
            "convention": self.convention,
            "verdict": self.verdict,
            "given": self.theirs.to_dict(),
            "derived": self.ours.to_dict(),
            "differences": [
                {
                    "term": Form(d.term).to_dict(),
                    "given": Form(d.theirs).to_dict(),
                    "derived": Form(d.ours).to_dict(),
                    "delta": Form(d.delta).to_dict(),
                    "from": [
                        {"operator": operator, "amount": Form(amount).to_dict()}
                        for operator, amount in self.sources.get(d.term, ())
                    ],
                }
                for d in self.differences
            ],
            "multiple": None if self.multiple is None else Form(self.multiple).to_dict(),
            "without": [list(labels) for labels in self.without],
            "renaming": dict(self.renaming),
            "notes": list(self.notes),
        }

    def tables(self) -> tuple[Table, ...]:
        """Every term of either formula: what each holds of it, and where ours comes from."""
        columns = (
            Column("term", "Term", Kind.FORMULA),
            Column("given", "Given", Kind.FORMULA),
            Column("derived", "Derived", Kind.FORMULA),
            Column("delta", "Given − derived", Kind.FORMULA),
            Column("verdict", "Verdict", Kind.VERDICT),
            Column("from", "From"),
        )
        rows = [
            (
                Form(entry.term),
                Form(entry.theirs),
                Form(entry.ours),
                Form(entry.delta),
                "differs" if entry.delta else "agrees",
                self._origin(entry.term),
            )
            for entry in term_by_term(self.ours.polynomial, self.theirs.polynomial)
        ]
        verdict = tied(self.verdict, self.where)
        title = headline(str(self.theirs), self.name, verdict, self.renaming, self.quantity, self.convention)
        notes = [f"derived: {self.ours}" + (f"   ({self.ours.valid})" if self.ours.valid else "")]
        notes += [explain(self.differences)] if self.differences and not self.ok else []
        return (Table(title, columns, tuple(rows), (*notes, *self.notes)),)

    def _origin(self, term: Polynomial) -> str:
        named = [f"{operator}: {amount}" for operator, amount in self.sources.get(term, ())]
        more = f"; {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        return "; ".join(named[:SHOWN]) + more


@in_brackets("against", ours="args")
def check_formula(
    formula: str,
    against: str,
    quantity: str = "macs",
    convention: str = "macs",
    rename: Mapping[str, str] | None = None,
    *,
    input: str | None = None,
    args: Mapping[str, object] | None = None,
) -> FormulaCheck | OrderCheck:
    """Hold a formula, as a paper or a script spells it, against the derived one.

    Args:
        formula: ``4*h*w*C^2 + 2*(h*w)^2*C``, ``4hwC² + 2(hw)²C``, LaTeX; an equation, of which all sides are
            compared; or an order, ``O(n^2 d)``, of which the growth is. Letters may be others than ours where they
            keep their role (:data:`vpcalc.algebra.roles.ROLES`): n for the tokens and d for the width.
        against: a layer (``msa`` …) on symbols for all its dimensions, or a model (``swin_t`` …) at its own
            settings in the sizes of its input, or a module of your own, ``attn.py:make``.
        quantity: what the formula counts: ``macs``, ``params``, ``activations`` …
        convention: ``flops`` if the formula counts 2 per multiply-accumulate.
        rename: the reader's letters and what they stand for: ``{"c": "C", "n": "h*w"}``.

        input, args: of a module of your own: the shape of its input, and the factory's arguments.

    Raises:
        InputError: not a formula, or an unknown name, quantity or convention.
    """
    if not is_code(against) and against not in LAYERS and against not in ARCHITECTURES:
        raise unknown("--against", against, [*LAYERS, *ARCHITECTURES], ALL)
    if quantity not in QUANTITIES:
        raise unknown("--quantity", quantity, QUANTITIES)
    if quantity == Quantity.ATTENTION.value and is_code(against):
        known = ", ".join(each for each in QUANTITIES if each != quantity)
        raise InputError(f"--quantity {quantity}: is of layers and models of ours; of code it may be {known}")
    if convention not in CONVENTIONS:
        raise unknown("--convention", convention, CONVENTIONS)
    if convention == "flops" and quantity not in ("macs", "flops"):
        raise InputError(
            f"--convention flops: tells how products are counted; with --quantity {quantity} leave it out"
        )
    read = equation(formula)
    own_letters = symbols_of(against) if against in LAYERS else {}  # a layer of the reader's may have such
    letters = [*LETTERS, *map(str, own_letters.values())]
    given = _formulas(read.sides, {**SYMBOL_OF, **(rename or {})}, letters, _likely(against))
    counted = Quantity.FLOPS.value if convention == "flops" else quantity
    own = any(isinstance(name, Floor) for side in given for name in side.symbols) and is_code(against)
    derived = derive(against, quantity=counted, input=input, args=args, everywhere=own)
    if read.order:
        return check_order(formula, given[0], derived, Quantity(quantity), convention)
    return _check_form(formula, given, derived, Quantity(quantity), convention)


def _likely(against: str) -> Sequence[str]:
    """What letters of a formula stand for that is held against this, in a layer or a model of ours."""
    if against in LAYERS:
        return list(map(str, symbols_of(against).values()))
    return LIKELY if is_code(against) else list(ARCHITECTURES[against].family.axes)


def _formulas(
    sides: Sequence[str], rename: Mapping[str, str], letters: Sequence[str], likely: Sequence[str]
) -> list[Polynomial]:
    """The sides as polynomials in the reader's letters; a word on the left that is no formula is a name."""
    if len(sides) > 1 and WORD.fullmatch(sides[0]):
        try:
            parse(sides[0], rename)
        except InputError:
            sides = sides[1:]
    return [parse(side, rename, letters=letters, likely=likely) for side in sides]


def _check_form(
    text: str, given: Sequence[Polynomial], derived: Formula, quantity: Quantity, convention: str
) -> FormulaCheck:
    if any(isinstance(name, Floor) for formula in given for name in formula.symbols) and not derived.meanings:
        derived = _everywhere(derived)
    whole = derived.form.polynomial
    tie, fits, reading = _read(given, derived)
    refuse_unread(reading, whole)
    derived = tie.of(derived)
    ours = derived.form.polynomial
    sides = [renamed(one, reading).subs(tie.values) for one in given]
    theirs = next((side for side in sides if not _same(ours, side)), sides[-1])
    notes = _between(sides)
    multiple = _multiple(ours, theirs)
    without = _without(derived, theirs) if multiple is None and not _same(ours, theirs) else ()
    if without:
        notes.append(f"equal to the derived form without {'; or without '.join(map(', '.join, without[:SHOWN]))}")
    if multiple is not None:
        notes.append(_in_words(multiple, quantity, convention))
    elif strange := sorted(theirs.symbols - ours.symbols - tie.letters):
        known = ", ".join(sorted(ours.symbols)) or "none"
        occur = "does not occur" if len(strange) == 1 else "do not occur"
        notes.append(f"{' and '.join(strange)} {occur} in the derived form (its symbols: {known})")
    if {"H", "W"} <= theirs.symbols - ours.symbols and {"h", "w"} <= ours.symbols:
        notes.append(
            "H and W are an image's pixels, h and w rows and columns of tokens: --rename H=h --rename W=w"
        )
    if not _same(ours, theirs):
        notes += _exchanged(reading, fits)
    return FormulaCheck(
        text,
        derived.name,
        quantity,
        convention,
        derived.form,
        Form(theirs),
        _sources(derived),
        tuple(notes),
        multiple,
        without,
        changed(reading),
        tie.where,
    )


def _read(given: Sequence[Polynomial], derived: Formula) -> tuple[Tie, Fits, Reading]:
    """How letters are tied and read, so that all formulas are ours; or else so that few terms differ."""
    found = []
    for tie in ties(given, derived):
        narrowed = derived.form.polynomial.subs(tie.values)
        fits = _fits(given, narrowed, tie)
        reading = reading_of(given, narrowed + tie.spoken, fits)
        if fits(reading):
            return tie, fits, reading
        sides = [renamed(one, reading).subs(tie.values) for one in given]
        apart = sum(len(differences(narrowed, side)) for side in sides)
        found.append(((len(unread(reading, narrowed + tie.spoken)), apart), tie, fits, reading))
    return min(found, key=lambda each: each[0])[1:]


def _same(ours: Polynomial, theirs: Polynomial) -> bool:
    """One element of the ring, floors included; what is not decided is not the same."""
    return ours == theirs or bool(_floored(ours) and _floored(theirs) and equal(ours, theirs))


def _floored(form: Polynomial) -> bool:
    return any(isinstance(name, Floor) for name in form.symbols)


def _everywhere(derived: Formula) -> Formula:
    """The form at every size, of the first of its regimes, where it has floors; else that of the lattice."""
    found = derive(derived.name, quantity=derived.quantity.value, everywhere=True)
    return found if _floored(found.form.polynomial) else derived


def _between(sides: Sequence[Polynomial]) -> list[str]:
    """What is to be said of the sides of an equation among themselves."""
    if len(sides) < 2:
        return []
    apart = next(((a, b) for a, b in pairwise(sides) if not _same(a, b)), None)
    if apart is None:
        return ["the sides are equal to each other"]
    return [f"the sides differ from each other: {apart[0]} on the left, {apart[1]} on the right"]


def _fits(given: Sequence[Polynomial], ours: Polynomial, tie: Tie) -> Fits:
    """Whether all formulas are ours under a renaming, which keeps how many terms each has where none is tied."""
    if not tie.values and any(len(one.terms) != len(ours.terms) and not _floored(one) for one in given):
        return lambda reading: False
    return lambda reading: all(_same(ours, renamed(one, reading).subs(tie.values)) for one in given)


def _exchanged(reading: Reading, fits: Fits) -> list[str]:
    """Two letters in each other's place, if that is all that is wrong."""
    for one, other in combinations(in_order(reading), 2):
        swapped = {**reading, one: reading[other], other: reading[one]}
        if fits(swapped):
            roles = f"{one} is read as {role_of(reading[one])}, {other} as {role_of(reading[other])}"
            return [f"with {one} and {other} exchanged it would be equal; {roles}"]
    return []


def _sources(derived: Formula) -> dict[Polynomial, tuple[tuple[str, Polynomial], ...]]:
    """For each monomial the operators that contribute to it, and how much."""
    found: dict[Polynomial, list[tuple[str, Polynomial]]] = {}
    for module, op, _, term in derived.steps():
        for part in term.split():
            monomial = Polynomial(dict.fromkeys(part.terms, 1))
            found.setdefault(monomial, []).append((f"{module} · {op.label}" if module else op.label, part))
    return {monomial: tuple(parts) for monomial, parts in found.items()}


def _multiple(ours: Polynomial, theirs: Polynomial) -> Polynomial | None:
    """The single term, other than 1, that turns ours into theirs: 2, or B for a batch."""
    if ours == theirs or len(ours.terms) != len(theirs.terms) or not ours:
        return None
    (first, *_), (second, *_) = reading_order(ours.terms), reading_order(theirs.terms)
    above = Polynomial({second: theirs.terms[second]}, theirs.denominator)
    factor = above / Polynomial({first: ours.terms[first]}, ours.denominator)
    return factor if ours * factor == theirs else None


def _in_words(multiple: Polynomial, quantity: Quantity, convention: str) -> str:
    products = quantity is Quantity.MACS
    if multiple == 2 and products and convention == "macs":
        return "exactly twice the derived form: FLOPs, 2 per multiply-accumulate (--convention flops says so)"
    if multiple * 2 == 1 and products and convention == "flops":
        return "exactly half the derived form: multiply-accumulates, not FLOPs (--convention macs says so)"
    return f"exactly {multiple} times the derived form"


def _without(derived: Formula, theirs: Polynomial) -> tuple[tuple[str, ...], ...]:
    """The fewest operators without which the derived form is the given one, in all ways, for a layer."""
    steps = derived.steps()
    if derived.name not in LAYERS or not theirs:
        return ()
    missing = derived.form.polynomial - theirs
    for count in range(1, len(steps)):
        fitting = [some for some in combinations(steps, count) if _added(step[3] for step in some) == missing]
        if fitting:
            return tuple(tuple(op.label for _, op, _, _ in some) for some in fitting)
    return ()


def _added(terms: Iterable[Polynomial]) -> Polynomial:
    return sum(terms, as_polynomial(0))
