"""Two layers, models or modules of the reader's: their forms at every size, and what one costs more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..algebra.boundaries import both, with_values
from ..algebra.domains import Where, union, without_line
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import ARCHITECTURES
from ..errors import ALL, InputError, is_code, unknown
from ..everywhere import Condition, Regime
from ..inputs import MOST_SIZE, read_ranges, whole
from ..layers import LAYERS
from ..placing import TOKENS, Placed, as_placed
from ..storage.quantities import MemoryQuantity
from ..symbolic import SYMBOL_OF
from .formula import MEMORY, formula, within

MOST_PAIRS = 400
"""Pairs of regimes that are looked at."""

UNKNOWN, FIRST, SECOND, EQUAL = range(4)
"""Who costs less at a size; unknown where one of both is refused or has no form."""


@dataclass(frozen=True)
class Side:
    """One of both: its name, its form in each regime, what is counted of it, and which sizes were explored."""

    name: str
    title: str
    quantity: str
    regimes: tuple[Regime, ...]
    notes: tuple[str, ...] = ()
    explored: Mapping[str, tuple[int, int]] = field(default_factory=dict)

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


def notes_of(*sides: Side) -> tuple[str, ...]:
    """Where sides are refused or have no form, and what was noted of them."""
    refused = {
        f"{side.title} refuses {regime.when.text}: {regime.refused}"
        for side in sides
        for regime in side.regimes
        if regime.refused
    }
    unknown = [
        f"{side.title} has no settled form {_where(regime.when)}"
        for side in sides
        for regime in side.regimes
        if regime.form is None and not regime.refused
    ]
    return (*sorted(refused), *unknown, *(note for side in sides for note in side.notes))


def _where(when: Condition) -> str:
    """Sizes that were left open; those that no condition describes stand as every size."""
    return "at some sizes" if when.always else f"where {when.text}"


class Pair(NamedTuple):
    """Both, in common letters, and what the second costs more than the first, with where that is so.

    ``asked`` are the sizes that are asked about, and ``explored`` those that were looked at, of some letters.
    """

    one: Side
    other: Side
    letters: tuple[str, ...]
    differences: list[tuple[Where, Polynomial]]
    asked: Mapping[str, tuple[int, int]]
    explored: Mapping[str, tuple[int, int]]

    def sizes(self, letter: str, usual: tuple[int, int]) -> tuple[int, int]:
        """The first and the last size of a letter: what is asked, else the usual as far as it was explored."""
        asked = self.asked.get(letter, usual)
        return _common([{letter: asked}, {letter: self.explored.get(letter, asked)}])[letter]

    def outcomes(self, point: Mapping[str, Any]) -> Any:
        """Who costs less at many sizes: an array of :data:`UNKNOWN` … for arrays of Python's integers."""
        import numpy

        shape = numpy.broadcast_shapes(*(sizes.shape for sizes in point.values()))
        found = numpy.full(shape, UNKNOWN)
        for where, difference in self.differences:
            form = without_line(difference)  # which of both is less it says as well, in whole numbers
            inside = numpy.zeros(shape, dtype=bool)
            for part in where.parts:
                holds = numpy.ones(shape, dtype=bool)
                for guard in part.guards:
                    holds &= numpy.broadcast_to(numpy.asarray(guard.holds(point)).astype(bool), shape)
                inside |= holds
            here = {letter: numpy.broadcast_to(sizes, shape)[inside] for letter, sizes in point.items()}
            values: Any = numpy.broadcast_to(numpy.asarray(form.at(here), dtype=object), (int(inside.sum()),))
            found[inside] = [FIRST if value > 0 else SECOND if value < 0 else EQUAL for value in values]
        return found


def pair(
    first: object, second: object, quantity: str, at: Mapping[str, object], range: Mapping[str, object]
) -> Pair:
    """Both; arguments and errors are those of :func:`vpcalc.crossover`."""
    quantities = [each.strip() for each in quantity.split(",")]
    if len(quantities) > 2:
        raise InputError(f"--quantity {quantity}: must be one, or two apart by a comma")
    narrowed = _narrowed(range, at)
    sides = [
        side(each, counted, narrowed) for each, counted in zip((first, second), (quantities * 2)[:2], strict=True)
    ]
    if len(set(quantities)) == 2:
        sides = [
            replace(each, name=f"{each.name}:{each.quantity}", title=f"{each.quantity} of {each.title}")
            for each in sides
        ]
    if sides[0].name == sides[1].name:
        raise InputError(f"crossover {sides[0].title}: both are the same")
    if sides[0].title == sides[1].title:
        sides = [replace(each, title=each.name) for each in sides]
    asked = read_ranges(range, sorted({letter for each in sides for letter in each.letters}))
    sides = [replace(each, regimes=within(each.regimes, _of(asked, each.letters))) for each in sides]
    if {"h", "w"} & {letter for each in sides for letter in each.letters}:
        sides = [_on_grid(each) for each in sides]
    values = read_values(at, {letter for each in sides for letter in each.letters})
    one, other = (each.at(values) for each in sides)
    if not set(one.letters) & set(other.letters) and one.letters and other.letters:
        raise InputError(
            f"crossover: {one.title} is in {', '.join(one.letters)} and {other.title} in "
            f"{', '.join(other.letters)}: no symbol in common; --at {one.letters[0]}={other.letters[0]} ties two"
        )
    letters = tuple(dict.fromkeys((*one.letters, *other.letters)))
    found = _differences(one, other, letters)
    if not found:
        raise InputError(f"crossover: no size at which both {one.title} and {other.title} have a form")
    explored = _common(_tied(each.explored, values) for each in sides)
    return Pair(one, other, letters, found, _tied(asked, values), explored)


def _of(asked: Mapping[str, Any], letters: Iterable[str]) -> dict[str, Any]:
    """What is asked of these letters."""
    return {letter: asked[letter] for letter in letters if letter in asked}


def _narrowed(range: Mapping[str, object], at: Mapping[str, object]) -> dict[str, object]:
    """The range with what ``at`` says of it, so that no other sizes are explored: ``C=96`` is from 96 to 96."""
    given = {SYMBOL_OF.get(name, name): str(value).strip() for name, value in at.items()}
    found = {name: f"{value}:{value}" for name, value in given.items() if value.isdecimal()}
    for name, value in given.items():
        other = SYMBOL_OF.get(value, value)
        if other in range and other not in found:
            found[name] = range[other]  # type: ignore[assignment]
        elif name in range:
            found[other] = range[name]  # type: ignore[assignment]
    return {**found, **range}


def _tied(
    asked: Mapping[str, tuple[int, int]], values: Mapping[str, Polynomial | int]
) -> dict[str, tuple[int, int]]:
    """Sizes of letters as those of the letters that they are tied to."""
    tied = [
        {letter: ends}
        for name, ends in asked.items()
        for letter in as_polynomial(values.get(name, symbol(name))).letters
    ]
    return _common(tied)


def _common(bounds: Iterable[Mapping[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    """Sizes that are within all bounds."""
    found: dict[str, tuple[int, int]] = {}
    for each in bounds:
        for letter, (low, high) in each.items():
            first, last = found.get(letter, (low, high))
            found[letter] = max(first, low), min(last, high)
    return found


def side(given: object, quantity: str, range: Mapping[str, object]) -> Side:
    """A layer, a model or a module of the reader's with its forms at every size."""
    row = as_placed(given, "crossover", shown=True)
    if not is_code(row.target):
        return _ours(row, quantity, range)
    from ..checks.placed_layers import find_placed

    target, arguments = find_placed(row, "crossover")
    found = formula(
        row.target,  # type: ignore[arg-type]  # a module or a factory, too
        quantity=quantity,
        everywhere=True,
        input=target.spelled,
        args=arguments,
        range=_of(range, [variable.name for variable in target.variables]),
    )
    return Side(row.text, row.name, quantity, found.regimes, found.assumptions, found.explored)


def _ours(row: Placed, quantity: str, range: Mapping[str, object]) -> Side:
    name, given, written = str(row.target), dict(row.arguments), row.text
    if name not in LAYERS and name not in ARCHITECTURES:
        raise unknown("crossover", name, [*LAYERS, *ARCHITECTURES], ALL)
    title = LAYERS[name].name if name in LAYERS else name
    explored = quantity in MEMORY and quantity != MemoryQuantity.ATTENTION.value
    if given:
        title += f" ({', '.join(f'{key}={value}' for key, value in given.items())})"
    if name in ARCHITECTURES and name not in LAYERS:
        axes = ARCHITECTURES[name].family.axes
        found = formula(
            name, quantity=quantity, set=given, everywhere=True, range=_of(range, axes) if explored else None
        )
        return Side(written, title, quantity, found.regimes, found.assumptions, found.explored)
    letters = [SYMBOL_OF.get(dim, dim) for dim in LAYERS[name].dims]
    found = formula(name, quantity=quantity, everywhere=True, range=_of(range, letters) if explored else None)
    bare = Side(written, title, quantity, found.regimes, found.assumptions, found.explored)
    return bare.at(read_values(given, bare.letters, f"crossover {written}:"))


def _on_grid(side: Side) -> Side:
    """A sequence's side in the letters of a grid, which is said; any other as it is."""
    grid = _as_grid(side.letters)
    if not grid:
        return side
    said = ", ".join(f"{letter} = {form}" for letter, form in grid.items())
    return replace(side.at(grid), notes=(*side.notes, f"{side.title} is taken on the grid: {said}"))


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
        if letter in found:
            raise InputError(f"{option} {name}={text}: {letter} is given a value twice")
        if text.isidentifier():
            if SYMBOL_OF.get(text, text) == letter:
                raise InputError(f"{option} {name}={text}: is the symbol itself")
            found[letter] = symbol(SYMBOL_OF.get(text, text))
        else:
            found[letter] = whole(f"{option} {name}", value, high=MOST_SIZE)
    chained = [name for name, value in found.items() if set(as_polynomial(value).letters) & set(found)]
    if chained:
        raise InputError(f"{option} {chained[0]}={found[chained[0]]}: that symbol is given a value itself")
    return found


def _differences(one: Side, other: Side, letters: tuple[str, ...]) -> list[tuple[Where, Polynomial]]:
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
