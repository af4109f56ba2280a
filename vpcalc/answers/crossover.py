"""``vpcalc crossover``: where one of two costs less than the other, as inequalities with their domains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from ..algebra import floors
from ..algebra.boundaries import Inequality, both, everywhere, exceeds, lattice_of, with_values
from ..algebra.domains import Where, union
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import ARCHITECTURES
from ..errors import InputError, is_code, unknown
from ..everywhere import Condition, Regime
from ..inputs import MOST_SIZE, read_ranges, whole
from ..layers import LAYERS
from ..placing import TOKENS, Placed, is_placed, read_placed
from ..report import Column, Kind, Table
from ..symbolic import SYMBOL_OF
from .formula import MEMORY, formula
from .result import Result

MOST_PAIRS = 400
"""Pairs of regimes that are looked at."""

SHOWN = 16
"""Intervals that a table shows; JSON has all."""

RANGE = (1, 4096)
"""Sizes of the one letter that is left, unless others are asked for."""


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
class Side:
    """One of both: its name, its form in each regime, and what is counted of it."""

    name: str
    title: str
    quantity: str
    regimes: tuple[Regime, ...]
    notes: tuple[str, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        """The symbols that it depends on."""
        found: dict[str, None] = {}
        for regime in self.regimes:
            for part in regime.when.where.parts:
                found |= dict.fromkeys(part.letters)
            if regime.form is not None:
                found |= dict.fromkeys(sorted(regime.form.polynomial.letters))
        return tuple(found)

    def at(self, values: Mapping[str, Polynomial | int]) -> Side:
        """The same with letters replaced."""
        found = []
        for regime in self.regimes:
            where = with_values(regime.when.where, values)
            form = regime.form and replace(regime.form, polynomial=regime.form.polynomial.subs(values))
            if where.parts:
                found.append(replace(regime, when=Condition(where), form=form))
        return replace(self, regimes=tuple(found))


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
            sides += f": {self.sides[0].quantity}"
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
        notes = (f"{left} more intervals; --format json has all",) if left > 0 else ()
        low, high = self.range
        title = f"{self._heading()}; every {self.letter} from {low} to {high}"
        return Table(title, columns, rows, (*notes, *self._notes()))

    def _title(self, name: str | None) -> str:
        return next((side.title for side in self.sides if side.name == name), "both the same")

    def _notes(self) -> tuple[str, ...]:
        refused = {
            f"{side.title} refuses {regime.when.text}: {regime.refused}"
            for side in self.sides
            for regime in side.regimes
            if regime.refused
        }
        unknown = [
            f"{side.title} has no settled form where {regime.when.text}"
            for side in self.sides
            for regime in side.regimes
            if regime.form is None and not regime.refused
        ]
        return (*sorted(refused), *unknown, *(note for side in self.sides for note in side.notes))


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
    quantities = [each.strip() for each in quantity.split(",")]
    if len(quantities) > 2:
        raise InputError(f"--quantity {quantity}: must be one, or two apart by a comma")
    ranges = dict(range or {})
    sides = [
        side(each, counted, ranges) for each, counted in zip((first, second), (quantities * 2)[:2], strict=True)
    ]
    if len(set(quantities)) == 2:
        sides = [
            replace(each, name=f"{each.name}:{each.quantity}", title=f"{each.quantity} of {each.title}")
            for each in sides
        ]
    if sides[0].name == sides[1].name:
        raise InputError(f"crossover {sides[0].title}: both are the same")
    if {"h", "w"} & {letter for each in sides for letter in each.letters}:
        sides = [each.at(_as_grid(each.letters)) for each in sides]
    values = read_values(at or {}, {letter for each in sides for letter in each.letters})
    sides = [each.at(values) for each in sides]
    one, other = sides
    letters = tuple(dict.fromkeys((*one.letters, *other.letters)))
    if not set(one.letters) & set(other.letters) and one.letters and other.letters:
        raise InputError(
            f"crossover: {one.title} is in {', '.join(one.letters)} and {other.title} in "
            f"{', '.join(other.letters)}: no symbol in common; --at {one.letters[0]}={other.letters[0]} ties two"
        )
    pairs = differences(one, other, letters)
    if not pairs:
        raise InputError(f"crossover: no size at which both {one.title} and {other.title} have a form")
    found = tuple(boundary for where, form in pairs for boundary in _boundaries(where, form, one, other))
    given = {name: str(value) for name, value in (at or {}).items()}
    result = Crossovers((one, other), found, given, everywhere=everywhere)
    if len(letters) != 1:
        return result
    (letter,) = letters
    asked = read_ranges({name: text for name, text in ranges.items() if name == letter}, letters).get(
        letter, RANGE
    )
    intervals = tuple(_intervals(letter, asked, pairs, one, other))
    return replace(result, letter=letter, range=asked, intervals=intervals)


def side(given: object, quantity: str, range: Mapping[str, object]) -> Side:
    """A layer, a model or a module of the reader's with its forms at every size."""
    row = None
    if isinstance(given, str):
        row = read_placed(given, "crossover") if is_placed(given) else None
    else:
        row = given if isinstance(given, Placed) else Placed("", given)
    explored = range if quantity in MEMORY else {}
    if row is None or (isinstance(row.target, str) and not is_code(row.target)):
        return _ours(str(given if row is None else row.target), row, quantity, explored)
    shape = ";".join(_sequence_of(part) for part in row.layout.split(";"))
    found = formula(
        row.target,  # type: ignore[arg-type]  # a module or a factory, too
        quantity=quantity,
        everywhere=True,
        input=shape,
        args=row.arguments,
        range=range,
    )
    return Side(row.text or row.name, row.name, quantity, found.regimes, found.assumptions)


def _ours(name: str, row: Placed | None, quantity: str, range: Mapping[str, object]) -> Side:
    if name not in LAYERS and name not in ARCHITECTURES:
        raise unknown("crossover", name, [*LAYERS, *ARCHITECTURES])
    given = {} if row is None else dict(row.arguments)
    written = name if row is None else row.text
    title = LAYERS[name].name if name in LAYERS else name
    if given:
        title += f" ({', '.join(f'{key}={value}' for key, value in given.items())})"
    if name in ARCHITECTURES and name not in LAYERS:
        found = formula(name, quantity=quantity, set=given, everywhere=True, range=range)
        return Side(written, title, quantity, found.regimes, found.assumptions)
    found = formula(name, quantity=quantity, everywhere=True, range=range)
    bare = Side(written, title, quantity, found.regimes, found.assumptions)
    return bare.at(read_values(given, bare.letters, f"crossover {written}:"))


def _sequence_of(shape: str) -> str:
    """A layout with the grid's tokens as a product of its sides."""
    return ",".join("h*w" if part == "hw" else part for part in shape.split(","))


def _as_grid(letters: Iterable[str]) -> dict[str, Polynomial]:
    """The letters of a sequence as those of a grid, where none of the grid is there."""
    if {"h", "w"} & set(letters):
        return {}
    grid = {"h*w": symbol("h") * symbol("w"), "C": symbol("C")}
    return {letter: grid[TOKENS[letter]] for letter in letters if letter in TOKENS}


def read_values(
    given: Mapping[str, object], known: Iterable[str], option: str = "--at"
) -> dict[str, Polynomial | int]:
    """``{"C": "96", "w": "h"}`` as numbers and symbols.

    Raises:
        InputError: a symbol that is not there, or a value that is neither a whole number nor a symbol.
    """
    known = sorted(known)
    found: dict[str, Polynomial | int] = {}
    for name, value in given.items():
        letter = SYMBOL_OF.get(name, name)
        if letter not in known:
            raise unknown(f"symbol of {option}", name, known)
        text = str(value).strip()
        if text.isidentifier():
            if SYMBOL_OF.get(text, text) == letter:
                raise InputError(f"{option} {name}={text}: is the symbol itself")
            found[letter] = symbol(SYMBOL_OF.get(text, text))
        else:
            found[letter] = whole(f"{option} {name}", value, high=MOST_SIZE)
    chained = [name for name, value in found.items() if set(as_polynomial(value).letters) & set(found)]
    if chained:
        raise InputError(f"{option} {chained[0]}={given.get(chained[0])}: that symbol is given a value itself")
    return found


def differences(one: Side, other: Side, letters: tuple[str, ...]) -> list[tuple[Where, Polynomial]]:
    """What the second costs more than the first, and where; in as few pieces as there are differences."""
    found: dict[Polynomial, list[Where]] = {}
    pairs = [(a, b) for a in one.regimes for b in other.regimes if a.form is not None and b.form is not None]
    if len(pairs) > MOST_PAIRS:
        raise InputError(
            f"crossover: {len(one.regimes)} regimes beside {len(other.regimes)}: too many; a narrower --range"
        )
    for a, b in pairs:
        where = both(a.when.where, b.when.where, letters)
        if where.parts and a.form is not None and b.form is not None:
            form = b.form.polynomial - a.form.polynomial
            found.setdefault(form, []).append(where)
    return [(union(part for where in parts for part in where.parts), form) for form, parts in found.items()]


def _boundaries(where: Where, form: Polynomial, one: Side, other: Side) -> Iterable[Boundary]:
    """Of one difference: first where everything divides, then at every size."""
    tidy = floors.on_lattice(form) if any(isinstance(name, floors.Floor) for name in form.symbols) else None
    if tidy is None:
        yield from _of_piece(where, form, one, other, floored=False)
        return
    letters = where.parts[0].letters
    there = both(where, lattice_of(tidy, letters), letters)
    lattice = list(_of_piece(there, tidy.form, one, other, floored=False)) if there.parts else []
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
        if everywhere(where, condition.guard):
            yield Boundary(cheaper.name, None, when, floored)
            return
    for cheaper, condition in sides:
        if not everywhere(where, condition.guard.negation()):
            yield Boundary(cheaper.name, condition, when, floored)


def _intervals(
    letter: str, range: tuple[int, int], pairs: list[tuple[Where, Polynomial]], one: Side, other: Side
) -> Iterable[Interval]:
    """Every size of a range, by what costs less there."""
    import numpy

    low, high = range
    sizes: Any = numpy.arange(low, high + 1).astype(object)
    outcome = numpy.zeros(len(sizes), dtype=int)
    for where, form in pairs:
        inside = numpy.zeros(len(sizes), dtype=bool)
        for part in where.parts:
            holds = numpy.ones(len(sizes), dtype=bool)
            for guard in part.guards:
                holds &= numpy.asarray(guard.holds({letter: sizes})).astype(bool)
            inside |= holds
        values = numpy.broadcast_to(numpy.asarray(form.at({letter: sizes[inside]}), dtype=object), inside.sum())
        outcome[inside] = [1 if value > 0 else 2 if value < 0 else 3 for value in values]
    kinds = {0: ("unknown", None), 1: ("cheaper", one.name), 2: ("cheaper", other.name), 3: ("equal", None)}
    start = low
    for kind, group in groupby(outcome):
        count = len(list(group))
        yield Interval(start, start + count - 1, *kinds[int(kind)])
        start += count
