"""``vpcalc check`` of an order of growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import symbols
from ..algebra import Polynomial, orders
from ..algebra.forms import SIZES, leading, multiplied_out
from ..algebra.parser import parts_of
from ..algebra.polynomial import Monomial
from ..algebra.roles import Reading, others_for, renamed
from ..cost import Quantity
from ..errors import InputError, either
from ..report import Column, Kind, Table
from ..symbolic import Form
from .check_reading import changed, headline, reading_of, refuse_unread
from .check_ties import Tie, tied, ties
from .formula import Formula
from .result import Result

Alike = Callable[[Polynomial, Polynomial], bool]

MOST = 60
"""Terms of an order that is given."""


@dataclass(frozen=True)
class OrderCheck(Result):
    """An order of growth as it was given, and the derived form's.

    ``given`` and ``order`` hold each monomial once, without constants: what bounds the whole as its symbols grow,
    each free of the others. ``verdict`` is ``same order``, or ``same order as the input grows`` where the two
    leading parts agree once widths and settings are held fixed, or ``another order``.
    """

    text: str
    name: str
    quantity: Quantity
    convention: str
    derived: Form
    given: Form
    order: Form
    verdict: str
    renaming: Mapping[str, str]
    notes: tuple[str, ...]
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether the order is the derived form's, in one of the two senses."""
        return self.verdict != "another order"

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "check",
            "formula": self.text,
            "against": self.name,
            "quantity": self.quantity.value,
            "convention": self.convention,
            "verdict": self.verdict,
            "given": self.given.to_dict(),
            "derived": self.derived.to_dict(),
            "order": self.order.to_dict(),
            "renaming": dict(self.renaming),
            "notes": list(self.notes),
        }

    def tables(self) -> tuple[Table, ...]:
        """The two orders and the form from which ours is taken."""
        columns = (Column("what", ""), Column("form", "Form", Kind.FORMULA))
        rows = (
            ("given, as an order", self.given),
            ("derived, as an order", self.order),
            ("derived", self.derived),
        )
        given = f"O({self.given})"
        verdict = tied(self.verdict, self.where)
        title = headline(given, self.name, verdict, self.renaming, self.quantity, self.convention)
        return (Table(title, columns, rows, self.notes),)


def check_order(text: str, given: Polynomial, derived: Formula, quantity: Quantity, convention: str) -> OrderCheck:
    """Hold an order, in the reader's letters and with constants or without, against that of the derived form.

    Raises:
        InputError: a letter that means nothing here, or more terms than can be compared.
    """
    if len(given.terms) > MOST:
        raise InputError(f"formula: an order of {len(given.terms)} terms; must be at most {MOST}")
    verdict, tie, reading = _read(given, derived)
    refuse_unread(reading, derived.form.polynomial)
    derived = tie.of(derived)
    ours, theirs = derived.form.polynomial, renamed(given, reading).subs(tie.values)
    notes = _of_orders(ours, theirs, verdict)
    if verdict == "another order":
        taken = {*reading.values()}
        notes += [
            _as_ours(letter, free[0])
            for letter, own in reading.items()
            if letter == own and (free := [other for other in others_for(own, ours) if other not in taken])
        ]
    forms = derived.form, Form(orders.dominant(theirs)), Form(orders.dominant(ours))
    return OrderCheck(
        text, derived.name, quantity, convention, *forms, verdict, changed(reading), tuple(notes), tie.where
    )


def _read(given: Polynomial, derived: Formula) -> tuple[str, Tie, Reading]:
    """How the order ends, and how letters are tied and read for that; or else so that fewest terms are apart."""
    found = []
    for word, alike in (("same order", _grows_alike), ("same order as the input grows", _leads_alike)):
        for tie in ties([given], derived):
            ours = derived.form.polynomial.subs(tie.values)

            def fits(reading: Reading, ours: Polynomial = ours, tie: Tie = tie, alike: Alike = alike) -> bool:
                return alike(ours, renamed(given, reading).subs(tie.values))

            reading = reading_of([given], ours + tie.spoken, fits)
            if fits(reading):
                return word, tie, reading
            theirs = renamed(given, reading).subs(tie.values)
            found.append((len(orders.beyond(ours, theirs)) + len(orders.beyond(theirs, ours)), tie, reading))
    return "another order", *min(found, key=lambda each: each[0])[1:]


def _grows_alike(ours: Polynomial, theirs: Polynomial) -> bool:
    """Whether each is O of the other as any of the symbols grow."""
    return bool(ours and theirs) and not orders.beyond(ours, theirs) and not orders.beyond(theirs, ours)


def _leads_alike(ours: Polynomial, theirs: Polynomial) -> bool:
    """The same of what leads as the input grows, where both grow with it."""
    if not (ours.symbols & SIZES and theirs.symbols & SIZES):
        return False
    return _grows_alike(multiplied_out(leading(ours)), multiplied_out(leading(theirs)))


def _as_ours(letter: str, other: str) -> str:
    """What a letter is here that elsewhere may stand for another symbol."""
    meaning = next((one.meaning for one in symbols.ALPHABET if one.name == letter), "a symbol of its own")
    return f"{letter} is read as {meaning}; --rename {letter}={other} reads it otherwise"


def _of_sizes(form: Polynomial) -> Polynomial:
    """What is left where all that is no size of an input is a constant."""
    return form.subs(dict.fromkeys(form.symbols - SIZES, 1))


def _idle(ours: Polynomial, theirs: Polynomial, too_much: Sequence[Polynomial]) -> list[str]:
    """Terms that are given and say nothing: others bound them, or terms that the derived form has instead."""
    leads, found = orders.dominant(theirs), dict[str, list[str]]()
    for one in Polynomial(dict.fromkeys(theirs.terms, 1)).split():
        (monomial,) = one.terms
        if monomial not in leads.terms:
            why = f"adds nothing: {_bounding(monomial, leads)} bounds it"
        elif monomial not in ours.terms and one not in too_much:
            why = f"is no term of the derived form, whose {_bounding(monomial, ours)} bounds it"
        else:
            continue
        found.setdefault(why, []).append(str(one))
    return [f"{either(each)} {why}" for why, each in found.items()]


def _bounding(monomial: Monomial, by: Polynomial) -> Polynomial:
    """The first term that alone bounds a monomial, or else all of them."""
    return next((one for one in by.split() if orders.bounded(monomial, one.terms)), by)


def _of_orders(ours: Polynomial, theirs: Polynomial, verdict: str) -> list[str]:
    """Which terms make the two orders differ, and where they matter."""
    left_out, too_much = orders.beyond(orders.dominant(ours), theirs), orders.beyond(theirs, ours)
    notes = [f"{one} is too much: it outgrows the derived form" for one in too_much]
    notes += _idle(ours, theirs, too_much)
    for one in left_out:
        monomial = next(iter(one.terms))
        term = Polynomial({monomial: ours.terms[monomial]}, ours.denominator)
        lead = multiplied_out(leading(ours))
        if verdict == "another order":
            notes.append(f"{term} is left out, and outgrows it")
        elif len(lead.terms) == 1:
            over, under = parts_of(term / lead)
            notes.append(f"{term} is left out, and is more than {lead} where {under} < {over}")
        else:
            notes.append(f"{term} is left out")
    sizes = ", ".join(sorted(ours.symbols & SIZES))
    grow = "grow" if "," in sizes else "grows"
    if verdict == "another order" and _leads_alike(*map(_of_sizes, (ours, theirs))):
        notes.append(f"as {sizes} alone {grow} it is this one, with all else as its constant")
    if verdict == "same order as the input grows":
        notes.append(f"the same as {sizes} {grow} and all else is fixed; not where the other symbols grow too")
    return notes
