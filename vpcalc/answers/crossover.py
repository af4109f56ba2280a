"""``vpcalc crossover``: where one of two costs less than the other, as inequalities with their domains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from ..algebra import floors
from ..algebra.boundaries import both, everywhere, exceeds, guard_of, lattice_of
from ..algebra.crossover import Inequality
from ..algebra.domains import Where, left_on
from ..algebra.polynomial import Polynomial, as_polynomial
from ..everywhere import Condition
from ..layers import LAYERS
from ..placing import TOKENS
from ..report import Column, Kind, Table
from .meanings import GRID, meaning
from .result import Result
from .sides import EQUAL, FIRST, SECOND, UNKNOWN, Pair, Side, notes_of, pair

SHOWN = 16
"""Intervals that a table shows; JSON has all."""

RANGE = (1, 4096)
"""Sizes of the one letter that is left, unless others are asked for."""


PLAIN = (*GRID, *TOKENS)
"""Letters that need no legend."""


@dataclass(frozen=True)
class Boundary:
    """Among the sizes of ``when`` that side costs less exactly where ``condition`` holds; without one, at each.

    No side is ``cheaper`` where both cost the same. ``floored`` says that the condition holds where sizes do not
    divide, too, and has floors therefore.
    """

    cheaper: str | None
    condition: Inequality | None
    when: Condition
    floored: bool = False

    def spell(self, spelling: str) -> str:
        """The condition in one of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""
        return _ALWAYS[spelling] if self.condition is None else self.condition.spell(spelling)

    @property
    def latex(self) -> str:
        """LaTeX math without delimiters."""
        return self.spell("latex")

    @property
    def mathml(self) -> str:
        """A whole ``<math>`` element."""
        return self.spell("mathml")

    @property
    def typst(self) -> str:
        """Typst math without dollar signs."""
        return self.spell("typst")

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        spelled = {spelling: self.spell(spelling) for spelling in ("text", "latex", "python")}
        return {"cheaper": self.cheaper, "condition": spelled, "when": self.when.to_dict()}

    def __str__(self) -> str:
        return self.spell("text")


_ALWAYS = {
    "text": "always",
    "latex": r"\text{always}",
    "mathml": '<math xmlns="http://www.w3.org/1998/Math/MathML"><mtext>always</mtext></math>',
    "typst": '"always"',
    "python": "True",
}


class Interval(NamedTuple):
    """Sizes of the one letter that is left, from the first to the last, at which that side costs less.

    ``outcome`` is ``cheaper``, ``equal``, or ``unknown`` where one of both is refused or has no form.
    """

    first: int
    last: int
    outcome: str
    cheaper: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON object."""
        return {"from": self.first, "to": self.last, "outcome": self.outcome, "cheaper": self.cheaper}


@dataclass(frozen=True)
class Crossovers(Result):
    """Where two forms cross. Where one letter is left, each size of its ``range`` is in one of ``intervals``."""

    sides: tuple[Side, Side]
    boundaries: tuple[Boundary, ...]
    at: Mapping[str, str] = field(default_factory=dict)
    letter: str = ""
    range: tuple[int, int] = RANGE
    intervals: tuple[Interval, ...] = ()
    everywhere: bool = False

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "crossover",
            "between": [side.name for side in self.sides],
            "quantities": [side.quantity for side in self.sides],
            "at": dict(self.at),
            "boundaries": [boundary.to_dict() for boundary in self.boundaries],
            **(
                {
                    "range": {self.letter: list(self.range)},
                    "intervals": [interval.to_dict() for interval in self.intervals],
                }
                if self.letter
                else {}
            ),
            "notes": list(self._notes()),
        }

    def tables(self) -> tuple[Table, ...]:
        """The boundaries; or, where one letter is left, who is cheaper at each of its sizes."""
        if self.letter:
            return (self._interval_table(),)
        columns = (
            Column("cheaper", "Cheaper", Kind.TEXT),
            Column("condition", "Exactly where", Kind.FORMULA),
            Column("when", "Among sizes with", Kind.FORMULA),
        )
        shown = [each for each in self.boundaries if self.everywhere or not each.floored]
        left = len(self.boundaries) - len(shown)
        notes = (
            *((f"where something does not divide, {left} more with floors: --everywhere",) if left else ()),
            *self._notes(),
        )
        rows = tuple((self._title(each.cheaper), each, each.when) for each in shown)
        return (Table(self._heading(), columns, rows, notes),)

    def _heading(self) -> str:
        sides = " and ".join(side.title for side in self.sides)
        if len({side.quantity for side in self.sides}) == 1:
            sides += f": {self.sides[0].quantity.replace('macs', 'MACs')}"
        return ", ".join((sides, *(f"{name} = {value}" for name, value in self.at.items())))

    def _interval_table(self) -> Table:
        columns = (
            Column("from", f"{self.letter} from", Kind.NUMBER),
            Column("to", "to", Kind.NUMBER),
            Column("cheaper", "Cheaper", Kind.TEXT),
        )
        words = {"equal": "both the same", "unknown": "not both have a cost"}
        rows = tuple(
            (each.first, each.last, words.get(each.outcome) or self._title(each.cheaper))
            for each in self.intervals[:SHOWN]
        )
        left = len(self.intervals) - SHOWN
        notes = (f"{left} more interval{'s' * (left > 1)}; --format json has all",) if left > 0 else ()
        low, high = self.range
        title = f"{self._heading()}; every {self.letter} from {low} to {high}"
        return Table(title, columns, rows, (*notes, *self._notes()))

    def _title(self, name: str | None) -> str:
        return next((side.title for side in self.sides if side.name == name), "both the same")

    def _notes(self) -> tuple[str, ...]:
        return (*notes_of(*self.sides), *self._legend())

    def _legend(self) -> tuple[str, ...]:
        """What letters of our layers mean, beside those of a grid and a sequence."""
        found = {
            letter: meaning(id, letter)
            for side in self.sides
            for letter in side.letters
            if (id := re.split(r"[(:]", side.name)[0]) in LAYERS and letter not in PLAIN
        }
        return ("; ".join(f"{letter}: {said}" for letter, said in found.items()),) if found else ()


def crossover(
    first: object,
    second: object,
    *,
    quantity: str = "macs",
    at: Mapping[str, object] | None = None,
    range: Mapping[str, object] | None = None,
    everywhere: bool = False,
) -> Crossovers:
    """Where one of two layers, models or modules of your own costs less than the other.

    Args:
        first, second: a layer or a model, with values of its symbols or settings in brackets, ``wmsa(M=7)``,
            ``vit_s_16(depth=8)``; or code with its arguments and the shape of its input,
            ``attn.py:X(dim=C)@1,hw,C``; or what :func:`vpcalc.placed` gives.
        quantity: what :func:`vpcalc.formula` knows; two apart by a comma are of the first and of the second.
        at: values of symbols, each a number or another symbol: ``{"C": 96, "w": "h"}``. Where one symbol is left,
            every size of its range is looked at.
        range: sizes that are asked about, by symbol; bytes and modules of your own are explored there.
        everywhere: show the inequalities with floors, too, that hold where sizes do not divide.

    Raises:
        InputError: an unknown name, quantity or symbol, or two that have no symbol in common.
    """
    sides = pair(first, second, quantity, at or {}, range or {})
    one, other = sides.one, sides.other
    found = tuple(each for where, form in sides.differences for each in _boundaries(where, form, one, other))
    given = {name: str(value) for name, value in (at or {}).items()}
    result = Crossovers((one, other), found, given, everywhere=everywhere)
    if len(sides.letters) != 1:
        return result
    (letter,) = sides.letters
    asked = sides.sizes(letter, RANGE)
    return replace(result, letter=letter, range=asked, intervals=tuple(_intervals(sides, asked)))


def _boundaries(where: Where, form: Polynomial, one: Side, other: Side) -> Iterable[Boundary]:
    """Of one difference: first where everything divides, then at every size."""
    tidy = floors.on_lattice(form) if any(isinstance(name, floors.Floor) for name in form.symbols) else None
    if tidy is None:
        yield from _of_piece(where, form, one, other, floored=False)
        return
    letters = where.parts[0].letters
    there, said = (both(each, lattice_of(tidy, letters), letters) for each in (where, left_on(where, tidy)))
    pieces = _of_piece(there, tidy.form, one, other, floored=False) if there.parts else ()
    lattice = [replace(each, when=Condition(said)) for each in pieces]
    whole = list(_of_piece(where, form, one, other, floored=True))
    if whole[0].condition is None:  # what always holds needs no lattice
        yield replace(whole[0], floored=False)
    else:
        yield from (*lattice, *whole)


def _of_piece(where: Where, form: Polynomial, one: Side, other: Side, *, floored: bool) -> Iterable[Boundary]:
    when, zero = Condition(where), as_polynomial(0)
    if not form or floors.equal(form, zero):
        yield Boundary(None, None, when, floored)
        return
    sides = ((other, exceeds(zero, form, where)), (one, exceeds(form, zero, where)))
    for cheaper, condition in sides:
        if everywhere(where, guard_of(condition)):
            yield Boundary(cheaper.name, None, when, floored)
            return
    for cheaper, condition in sides:
        if not everywhere(where, guard_of(condition).negation()):
            yield Boundary(cheaper.name, condition, when, floored)


def _intervals(pair: Pair, range: tuple[int, int]) -> Iterable[Interval]:
    """Every size of a range of the one letter, by what costs less there."""
    import numpy

    low, high = range
    (letter,) = pair.letters
    outcomes = pair.outcomes({letter: numpy.arange(low, high + 1).astype(object)})
    names = {FIRST: pair.one.name, SECOND: pair.other.name}
    words = {UNKNOWN: "unknown", EQUAL: "equal"}
    start = low
    for kind, group in groupby(outcomes.tolist()):
        count = len(list(group))
        yield Interval(start, start + count - 1, words.get(kind, "cheaper"), names.get(kind))
        start += count
