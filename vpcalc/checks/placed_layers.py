"""A module of the reader's as a layer on one grid of tokens: its cost tree is read off its own run there.

One run on symbols gives the forms that hold on this grid, and the decisions that they hold on. The tidy forms that
papers print are those of grids that everything divides; what is said of them has these decisions beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING, Any

from ..algebra.domains import Domain, Where, at_least
from ..algebra.floors import Floor, on_lattice
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..cost import Cost, Quantity, Tiling
from ..errors import InputError, first_line
from ..everywhere import Condition, Regime
from ..placing import TOKENS, Placed
from ..symbolic import SYMBOL_OF, Form, condition, divided
from .crosscheck import Check, Report, compare
from .shapes import Letter, letters, read_argument
from .targets import Target, find_target

if TYPE_CHECKING:
    from ..execution.guards import Noted
    from ..execution.outcome import Execution
    from ..execution.program import Program

GRID = ("h", "w")

FLIPPED = 6
"""Decisions beyond which their other sides are not tried."""

LONGEST = 4096
"""Values up to which a decision is written as a condition."""


@dataclass(frozen=True)
class PlacedLayer:
    """What a row of the reader's costs on one grid.

    Args:
        row: what was asked for.
        point: the numbers of the grid's symbols that it depends on.
        execution: its run there, of one image.
        batched: its run there of the batch, and ``program`` what ran.
        unknown: operators without a price, with their calls: missing from every figure.
    """

    row: Placed
    point: Mapping[str, int]
    execution: Execution
    batched: Execution
    program: Program
    unknown: Mapping[str, int]

    @cached_property
    def cost(self) -> Cost:
        """The cost tree in numbers, of the batch."""
        return _tree(self.batched, self.row.name).mapped(lambda form: int(as_polynomial(form).at(self.point)))

    @cached_property
    def _tidy(self) -> _Tidied:
        return _tidied(_tree(self.execution, self.row.name), self.execution.held, self.point)

    @property
    def symbolic(self) -> Cost:
        """The cost tree of one image on grids that everything divides; its tilings say what."""
        return self._tidy.cost

    @cached_property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates."""
        tidy = self._tidy
        left = self._deciding(_left(self.execution.path, tidy.change))
        phrases = [condition(tidy.cost), *tidy.phrases, _region(left, self.point).text if left else ""]
        return Form(as_polynomial(tidy.cost.total(Quantity.MACS)), "; ".join(filter(None, phrases)))

    def _deciding(self, left: list[Noted]) -> list[Noted]:
        """Decisions without those of which the other side has the same form, for no other reason.

        That is so where a run there leaves nothing else to decide than what was decided alike here.
        """
        found = list(left)
        for noted in left if len(left) <= FLIPPED else []:
            others = [other for other in found if other is not noted]
            flipped = [n._replace(outcome=not n.outcome) if n is noted else n for n in self.execution.path]
            there = _cut(flipped, self.point).find(random.Random(0), self.point)
            if there is None:
                continue
            with suppress(Exception):  # the program may raise anything
                run = self.program.execute(there)
                if run.error is None and not run.held.keys() - self.execution.held.keys():
                    tidy = _tidied(_tree(run, self.row.name), self.execution.held, self.point)
                    again = {(each.guard, each.outcome) for each in _left(run.path, tidy.change)}
                    again -= {(noted.guard, not noted.outcome)}
                    same = tidy.cost.total(Quantity.MACS) == self.symbolic.total(Quantity.MACS)
                    if same and again <= {(each.guard, each.outcome) for each in others}:
                        found = others
        return found

    def around(self) -> Regime | None:
        """The form that holds on this grid, where the tidy one does not."""
        macs = self.execution.macs
        if self.form.gives(int(macs.at(self.point)), self.point):
            return None
        held = {letter: self.point[letter] for letter in self.execution.held}
        where = _where(list(self.execution.path), self.point)
        return Regime(Condition(where or _exactly(self.point)), Form(macs.subs(held) if held else macs))

    def report(self) -> Report:
        """Its module counted by fvcore, operator by operator, and by the dispatcher."""
        expected = self.cost.total(Quantity.MACS)
        counted = self.program.counts(self.point).macs
        own = Check("dispatch", Quantity.MACS.value, "all", expected, counted)
        missing = self.batched.missing.get("fvcore")
        if missing:
            return Report((own,), f"fvcore has no figure: {missing}")
        from ..counters import fvcore

        try:
            with self.program.plainly(self.point) as (module, args, kwargs):
                call = fvcore.Call(module, args, kwargs)
                report = compare(self.cost, fvcore.count(call, call.inputs, self.program.training))
        except Exception as error:  # a trace may fail in any way
            return Report((own,), f"fvcore cannot trace it: {first_line(error)}")
        return Report((*report.checks, own), report.reason)


def place(row: Placed, dims: Mapping[str, int]) -> PlacedLayer:
    """Run a row on a grid, its symbols bound to the grid's numbers.

    Args:
        row: what was asked for.
        dims: every dimension of the comparison by name, its batch among them.

    Raises:
        InputError: it cannot be built or executed, an argument is not bound, or it refuses this grid.
    """
    if isinstance(row.target, str) and ":" not in row.target:
        raise InputError(
            f"--rows {row.text}: {row.target} is no code; a layer's id stands alone, and code is file.py:X"
        )
    values = {SYMBOL_OF.get(name, name): size for name, size in dims.items() if name != "batch"}
    arguments = {name: _bound(row, value, values) for name, value in row.arguments.items()}
    layout = _spelled(row, values)
    one = find_target(row.target, layout, arguments)
    _all_bound(row, one)
    used = {v.name for v in one.variables}
    point = {letter: size for letter, size in values.items() if letter in used}
    execution, program = _run(row, one, point)
    batched = execution
    if dims.get("batch", 1) != 1:
        several = find_target(row.target, _batch_of(layout, dims["batch"]), arguments)
        batched, program = _run(row, several, point)
    return PlacedLayer(row, point, execution, batched, program, program.counts(point, products=True).unknown)


def _bound(row: Placed, value: object, values: Mapping[str, int]) -> object:
    """An argument's value, a name of the grid as its symbol."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and SYMBOL_OF.get(text, text) in values:
        return Letter(SYMBOL_OF.get(text, text))
    read = read_argument("", text)
    for letter in letters(read):
        if letter not in values:
            raise _no_symbol(row, letter, values)
    return read


def _spelled(row: Placed, values: Mapping[str, int]) -> str:
    """The shape of its inputs, in symbols of the grid."""
    parts = []
    for part in row.layout.split(";"):
        keyword, equals, shape = part.rpartition("=")
        shape, colon, kind = shape.partition(":")
        sides = ["*".join(_factor(row, f.strip(), values) for f in side.split("*")) for side in shape.split(",")]
        parts.append(keyword + equals + ",".join(sides) + colon + kind)
    return ";".join(parts)


def _factor(row: Placed, factor: str, values: Mapping[str, int]) -> str:
    if factor.isdecimal():
        return factor
    found = TOKENS.get(factor, SYMBOL_OF.get(factor, factor))
    if found not in values and found not in TOKENS.values():
        raise _no_symbol(row, factor, values)
    return found


def _no_symbol(row: Placed, letter: str, values: Mapping[str, int]) -> InputError:
    known = ", ".join(sorted(values, key=str.lower))
    return InputError(f"--rows {row.text}: {letter!r} is no symbol of the grid; these are {known}, and hw")


def _batch_of(layout: str, batch: int) -> str:
    """The same shapes of so many images."""
    return ";".join(
        f"{keyword}{equals}{batch}{shape[1:]}" if shape.startswith("1,") else part
        for part in layout.split(";")
        for keyword, equals, shape in [part.rpartition("=")]
    )


def _all_bound(row: Placed, target: Target) -> None:
    """Refuse a factory whose arguments are not all given, by name.

    Raises:
        InputError: naming them.
    """
    missing = [name for name in target.required if name not in row.arguments]
    if missing:
        named, are = " and ".join(missing), "are" if len(missing) > 1 else "is"
        such = ", ".join(f"{name}=C" for name in missing)
        raise InputError(f"--rows {row.text}: {named} {are} not bound; give a symbol or a number, ({such})")


def _run(row: Placed, target: Target, point: Mapping[str, int]) -> tuple[Execution, Program]:
    from ..execution.outcome import BeyondError
    from .exploring import program_of

    errors: dict[str, None] = {}
    for variant in target.regimes:
        try:
            program = program_of(target, variant)
            execution = program.execute(point)
        except BeyondError as beyond:
            raise InputError(f"--rows {row.text}: cannot be executed on symbols: {beyond}") from beyond
        except InputError:
            raise
        except Exception as error:  # the program may raise anything
            errors[first_line(error)] = None
            continue
        if execution.error is None:
            return execution, program
        errors[first_line(execution.error)] = None
    sizes = ", ".join(f"{letter} = {size}" for letter, size in point.items())
    why = next(iter(errors))
    hint = "; give its numbers in place of symbols, such as 96 for C" if "SymInt" in why else ""
    raise InputError(f"--rows {row.text}: does not run at {sizes}: {why}{hint}")


def _tree(execution: Execution, name: str) -> Cost:
    from ..execution.tree import tree

    return tree(execution, name)


# -- tidy forms ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tidied:
    """A cost tree without floors, what it is tiled by, and how its forms were changed."""

    cost: Cost
    phrases: tuple[str, ...]
    change: Callable[[Polynomial], Polynomial]


def _tidied(cost: Cost, held: Mapping[str, str], point: Mapping[str, int]) -> _Tidied:
    """The tree where every floor divides. Letters that were held are numbers, and so is an odd kernel's side."""
    fixed = {letter: point[letter] for letter in held if letter in point}
    while True:
        strides, exact, tidy = _lattice(cost, fixed)
        odd = {x: point[x] for x, step in strides.items() if x not in GRID and x in point and point[x] % step}
        if not odd:
            break
        fixed |= odd
    if not tidy:
        strides, exact = {}, {}

    def change(form: Any) -> Polynomial:
        found = as_polynomial(form).subs(fixed) if fixed else as_polynomial(form)
        return _without_floors(found, strides) if tidy else found

    tilings = [Tiling(step, symbol(letter), "") for letter, step in strides.items() if letter in GRID and step > 1]
    tilings += [Tiling(under, above, "") for above, under in exact if above.letters & set(GRID)]
    others = [(above, under) for above, under in exact if not above.letters & set(GRID)]
    phrases = [f"{letter} = {size}" for letter, size in fixed.items()]
    phrases += divided({letter: step for letter, step in strides.items() if letter not in GRID})
    phrases += [f"{above} a multiple of {under}" for above, under in others]
    return _Tidied(replace(cost.mapped(change), tilings=tuple(tilings)), tuple(phrases), change)


Pairs = dict[tuple[Polynomial, Polynomial], None]


def _lattice(cost: Cost, fixed: Mapping[str, int]) -> tuple[dict[str, int], Pairs, bool]:
    """What has to divide for every form of a tree to be tidy, and whether that is enough."""
    strides: dict[str, int] = {}
    exact: Pairs = {}
    for op, _ in cost.walk():
        for form in (op.macs, op.other, op.params, op.activations, op.attention):
            found = on_lattice(as_polynomial(form).subs(fixed) if fixed else as_polynomial(form))
            if found is None:
                return {}, {}, False
            strides |= {letter: lcm(strides.get(letter, 1), step) for letter, step in found.strides.items()}
            exact |= dict.fromkeys(found.exact)
    return strides, exact, True


def _without_floors(form: Polynomial, strides: Mapping[str, int]) -> Polynomial:
    """A form on the lattice of its tree, which may be coarser than its own."""
    found = on_lattice(form.subs({x: symbol(x) * step for x, step in strides.items()}))
    return form if found is None else found.form.subs({x: symbol(x) / step for x, step in strides.items()})


# -- where forms hold ---------------------------------------------------------------------------------------


def _left(path: Any, change: Callable[[Polynomial], Polynomial]) -> list[Noted]:
    """Decisions of a run that grids which everything divides may take otherwise."""
    from ..execution.guards import EQUAL, positive

    left = []
    for noted in path:
        form = change(noted.guard.form)
        if any(isinstance(name, Floor) for name in form.symbols):
            left.append(noted)
        elif noted.guard.relation == EQUAL:
            settled = not form.terms if noted.outcome else positive(form) or positive(-form)
            left += [] if settled else [noted]
        elif not positive(form + 1 if noted.outcome else -form):
            left.append(noted)
    return left


def _region(noted: list[Noted], point: Mapping[str, int]) -> Any:
    from ..execution.domains import domain

    return domain([_cut(noted, point)])


def _where(noted: list[Noted], point: Mapping[str, int]) -> Where | None:
    from ..execution.domains import where

    return where([_cut(noted, point)])


def _cut(noted: list[Noted], point: Mapping[str, int]) -> Any:
    from ..execution.regions import Range

    region = Range({letter: (1, max(LONGEST, 2 * size)) for letter, size in point.items()}).whole()
    for each in noted:
        region = region.where(each.guard, each.outcome)
    return region


def _exactly(point: Mapping[str, int]) -> Where:
    """One size, where nothing else can be said."""
    guards = [at_least(sign * (symbol(letter) - size)) for letter, size in point.items() for sign in (1, -1)]
    return Where((Domain(tuple(point), tuple(guards)),))
