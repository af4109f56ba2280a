"""A target run once on symbols, at numbers: its cost tree in both, where its forms hold, and its check.

One run gives the forms that hold at these numbers, and the decisions that they hold on. The tidy forms that papers
print are those of sizes that everything divides; what is said of them has these decisions beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy

from ..algebra.domains import Domain, Where, at_least, divides, dividing_on, follows, union
from ..algebra.floors import Floor, Tidy, as_remainder, on_lattice
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..cost import Cost, Quantity, Tiling
from ..errors import InputError, first_line
from ..everywhere import Condition, Regime
from ..inputs import MOST_SIZE
from ..symbolic import Form, condition, divided, lattice
from .crosscheck import DISPATCH, Check, Report, compare
from .targets import Target

if TYPE_CHECKING:
    from ..abstract.flow import Step
    from ..execution.guards import Noted
    from ..execution.outcome import Execution
    from ..execution.program import Program

FLIPPED = 6
"""Decisions beyond which their other sides are not tried."""

LONGEST = 4096
"""Values up to which, at least, a decision is written as a condition."""


class NotRunError(Exception):
    """It does not run at these numbers, or its run cannot be followed; its text says why."""


@dataclass(frozen=True)
class Ran:
    """What a target costs at the numbers of its symbols.

    Args:
        name: what it is called in its tree.
        sides: the symbols of which the tiles of a tree are said; of others in the form's condition only.
        execution: its run there, of one image.
        batched: its run there of the batch, and ``program`` what ran.
    """

    name: str
    sides: tuple[str, ...]
    execution: Execution
    batched: Execution
    program: Program

    @property
    def point(self) -> Mapping[str, int]:
        """The numbers of its symbols."""
        return self.execution.point

    @cached_property
    def unknown(self) -> Mapping[str, int]:
        """Operators without a price, with their calls: missing from every figure."""
        return self.program.counts(self.point, products=True).unknown

    @cached_property
    def frozen(self) -> int:
        """Its parameters that are not trained."""
        with self.program.plainly(self.point) as (module, _, _):
            return sum(weight.numel() for weight in module.parameters() if not weight.requires_grad)

    @cached_property
    def cost(self) -> Cost:
        """The cost tree in numbers, of the batch."""
        return _tree(self.batched, self.name).mapped(lambda form: int(as_polynomial(form).at(self.point)))

    @cached_property
    def _tidy(self) -> _Tidied:
        return _tidied(_tree(self.execution, self.name), self.execution.held, self.point, self.sides)

    def tidied(self, size: Polynomial | int) -> Polynomial:
        """A size of its tree as the tidy tree has it."""
        return self._tidy.change(as_polynomial(size))

    @property
    def symbolic(self) -> Cost:
        """The cost tree of one image at sizes that everything divides; its tilings say what."""
        return self._tidy.cost

    @cached_property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates."""
        from ..execution.guards import AT_LEAST, positive

        tidy = self._tidy
        steps = {letter: symbol(letter) * step for letter, step in lattice(tidy.cost).items()}
        exact = [*tidy.others, *((as_polynomial(t.size), as_polynomial(t.tile)) for t in tidy.cost.tilings)]
        dividing = [divides(under, above) for above, under in exact]

        def is_taken(noted: Noted) -> bool:
            """Where 8 divides H, H is at least 4, and never less; where M and R divide h, M⌈h/M⌉ is at least R."""
            if noted.guard.relation != AT_LEAST:
                return False
            form = noted.guard.form if noted.outcome else -noted.guard.form - 1
            return follows(at_least(form), dividing) or positive(tidy.change(form).subs(steps) + 1)

        left = [each for each in _left(self.execution.path, tidy.change) if not is_taken(each)]
        left = self._deciding(left)
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
                    tidy = _tidied(_tree(run, self.name), self.execution.held, self.point, self.sides)
                    again = {(each.guard, each.outcome) for each in _left(run.path, tidy.change)}
                    again -= {(noted.guard, not noted.outcome)}
                    same = tidy.cost.total(Quantity.MACS) == self.symbolic.total(Quantity.MACS)
                    if same and again <= {(each.guard, each.outcome) for each in others}:
                        found = others
        return found

    def around(self) -> Regime | None:
        """The form that holds at these numbers, where the tidy one does not."""
        macs = self.execution.macs
        if self.form.gives(int(macs.at(self.point)), self.point):
            return None
        held = {letter: self.point[letter] for letter in self.execution.held}
        whole = [pair for pair in self._tidy.others if not pair[0].at(self.point) % pair[1].at(self.point)]
        exact: dict[Any, Any] = {Floor(above, under): above / under for above, under in whole}
        path = _left(self.execution.path, lambda form: form.subs(exact)) if exact else list(self.execution.path)
        no_more = {above - under for above, under in whole}  # what divides is no more than what it divides
        path = [each for each in path if each.guard.form not in no_more and not _is_sure(each)]
        where = _where([_with(noted, exact) for noted in path], self.point)
        if where is None:
            where, exact = _exactly(self.point), {}
        elif exact:
            guards = tuple(divides(under, above) for above, under in whole)
            where = union(Domain(part.letters, guards + part.guards) for part in where.parts)
        return Regime(Condition(where), Form(macs.subs(exact | held)))

    def flow(self, parts: Sequence[str], itself: str) -> Mapping[str, tuple[str, ...]]:
        """Which of the modules at some paths reads what others made; empty where that cannot be seen.

        What its own forward multiplies outside of them is called ``itself``.
        """
        from ..counters.flow import follow

        macs = self.execution.calls["macs"]
        own = {name.strip("_") for (path, name), form in macs.items() if not path and form}
        try:
            with self.program.plainly(self.point) as (module, args, kwargs):
                return follow(module.train(self.program.training), args, kwargs, parts, own, itself)
        except Exception:  # a program may do what a look from outside disturbs
            return {}

    def steps(self) -> list[Step]:
        """Every function of torch that it calls, with what it reads, where that can be seen.

        Raises:
            InputError: it cannot be run so.
        """
        from ..counters.flow import record

        try:
            with self.program.plainly(self.point) as (module, args, kwargs):
                return record(module.train(self.program.training), args, kwargs)
        except Exception as error:  # a program may do what a look from outside disturbs
            raise InputError(f"{self.name}: its run cannot be followed: {first_line(error)}") from error

    def report(self) -> Report:
        """Its module counted by fvcore, operator by operator, and by the dispatcher."""
        expected = self.cost.total(Quantity.MACS)
        counted = self.program.counts(self.point).macs
        own = Check(DISPATCH, Quantity.MACS.value, "all", expected, counted)
        missing = self.batched.missing.get("fvcore")
        if missing:
            return Report((own,), f"fvcore has no figure: {missing}")
        try:
            report = self._by_fvcore()
        except Exception as error:  # a trace may fail in any way
            return Report((own,), f"fvcore cannot trace it: {first_line(error)}")
        if report.differing:
            with suppress(Exception):
                if not self._by_fvcore(whole=True).differing:
                    return Report((own,), f"fvcore leaves out what no result needs: {report.differences}")
        return Report((*report.checks, own), report.reason)

    def _by_fvcore(self, whole: bool = False) -> Report:
        from ..counters import fvcore

        with self.program.plainly(self.point) as (module, args, kwargs):
            call = fvcore.Call(module, args, kwargs, whole)
            return compare(self.cost, fvcore.count(call, call.inputs, self.program.training))


def once(target: Target, point: Mapping[str, int]) -> tuple[Execution, Program]:
    """A run at some numbers of its symbols, in the first way in which it runs.

    Raises:
        NotRunError: it runs in none.
        InputError: its factory made no module.
    """
    from ..execution.outcome import BeyondError
    from .exploring import program_of

    errors: dict[str, None] = {}
    for variant in target.regimes:
        tied = target.tied(variant)
        if any(point[side] != point[first] for side, first in tied.items()):
            errors["it takes squares only"] = None
            continue
        try:
            program = program_of(target, variant)
            execution = program.execute({letter: size for letter, size in point.items() if letter not in tied})
        except BeyondError as beyond:
            raise NotRunError(f"cannot be executed on symbols: {beyond}") from beyond
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
    raise NotRunError(f"does not run{f' at {sizes}' if sizes else ''}: {why}")


def settles(execution: Execution) -> bool:
    """Whether a run holds at one number of a letter only, as where it is the width of a weight."""
    from ..execution.guards import EQUAL

    return any(
        noted.outcome and noted.guard.relation == EQUAL and noted.guard.form.symbols == noted.guard.letters
        for noted in execution.path
        if len(noted.guard.letters) == 1
    )


def _tree(execution: Execution, name: str) -> Cost:
    from ..execution.tree import tree

    return tree(execution, name)


# -- tidy forms ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tidied:
    """A cost tree without floors, what it is tiled by, what else divides, and how its forms were changed."""

    cost: Cost
    phrases: tuple[str, ...]
    others: tuple[tuple[Polynomial, Polynomial], ...]
    change: Callable[[Polynomial], Polynomial]


def _tidied(cost: Cost, held: Mapping[str, str], point: Mapping[str, int], sides: tuple[str, ...]) -> _Tidied:
    """The tree where every floor divides. Letters that were held are numbers, and others that do not divide."""
    fixed = {letter: point[letter] for letter in held if letter in point}
    while True:
        strides, exact, tidy = _lattice(cost, fixed)
        odd = {x: point[x] for x, step in strides.items() if x not in sides and x in point and point[x] % step}
        if not odd:
            break
        fixed |= odd
    if not tidy:
        strides, exact = {}, {}
    exact = _irredundant(exact)

    def change(form: Any) -> Polynomial:
        found = as_polynomial(form).subs(fixed) if fixed else as_polynomial(form)
        return _without_floors(found, strides) if tidy else found

    tilings = [
        Tiling(step, symbol(letter), "") for letter, step in strides.items() if letter in sides and step > 1
    ]
    tilings += [Tiling(under, above, "") for above, under in exact if above.letters & set(sides)]
    others = [(above, under) for above, under in exact if not above.letters & set(sides)]
    phrases = [f"{letter} = {size}" for letter, size in fixed.items()]
    phrases += divided({letter: step for letter, step in strides.items() if letter not in sides})
    phrases += [f"{above} a multiple of {under}" for above, under in others]
    return _Tidied(replace(cost.mapped(change), tilings=tuple(tilings)), tuple(phrases), tuple(others), change)


def _irredundant(exact: Pairs) -> Pairs:
    """What divides, without what follows: where M divides h and w, M² divides hw."""
    quotients = {pair: pair[0] / pair[1] for pair in exact}

    def follows(pair: tuple[Polynomial, Polynomial]) -> bool:
        others = [quotient for other, quotient in quotients.items() if other != pair]
        return any(a * b == quotients[pair] for a, b in combinations(others, 2))

    return {pair: None for pair in exact if not follows(pair)}


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


def _is_sure(noted: Noted) -> bool:
    """Whether a decision is taken so at every size: that a remainder is not negative, as padding is not."""
    from ..execution.guards import AT_LEAST

    return noted.guard.relation == AT_LEAST and noted.outcome and as_remainder(noted.guard.form) is not None


def _with(noted: Noted, exact: Mapping[Any, Polynomial]) -> Noted:
    """A decision with floors that are exact as quotients, where it is one on whole numbers still."""
    form = noted.guard.form.subs(exact)
    if form.denominator != 1 or any(power < 0 for monomial in form.terms for _, power in monomial):
        return noted
    return noted._replace(guard=noted.guard._replace(form=form))


def written(path: Iterable[Noted], point: Mapping[str, int]) -> str:
    """Where decisions are taken alike, in words."""
    text: str = _region(list(path), point).text
    return text


def left_of(path: Sequence[Noted], point: Mapping[str, int], tidy: Tidy) -> tuple[Noted, ...]:
    """Decisions that are not taken by what divides on the lattice of a tidy form.

    Those on one letter stay together, with its least size on the lattice: H ≥ 64 may be said by two.
    """
    from ..execution.guards import AT_LEAST, EQUAL, Guard, Noted, positive

    dividing = dividing_on(tidy)
    steps = {letter: symbol(letter) * step for letter, step in tidy.strides.items()}

    def is_taken(noted: Noted) -> bool:
        form, (letter, *others) = noted.guard.form, noted.guard.letters or ("",)
        step = tidy.strides.get(letter, 1)
        if step > 1 and not others:
            values = numpy.arange(step, _most([noted], point) + 1, step)
            return bool((noted.guard.holds({letter: values}) == noted.outcome).all())
        if noted.guard.relation == AT_LEAST:
            return follows(at_least(form if noted.outcome else -form - 1), dividing)
        if noted.guard.relation == EQUAL and not noted.outcome:  # where 14 divides H and W, ⌈H/7⌉⌈W/7⌉ is never 1
            return any(positive(sign * form.subs(steps)) for sign in (1, -1))
        is_equal = noted.guard.relation == EQUAL
        return is_equal and all(follows(at_least(sign * form), dividing) for sign in (1, -1))

    left = [noted for noted in path if not is_taken(noted)]
    undecided = {noted.guard.letters for noted in left if len(noted.guard.letters) == 1}
    least = [
        Noted(Guard(symbol(letter) - step, AT_LEAST), True, "what divides")
        for letter, step in tidy.strides.items()
        if step > 1 and {letter} in undecided
    ]
    return (*(noted for noted in path if noted in left or noted.guard.letters in undecided), *least)


def _region(noted: list[Noted], point: Mapping[str, int]) -> Any:
    from ..execution.domains import domain

    return domain([_cut(noted, point)])


def _where(noted: list[Noted], point: Mapping[str, int]) -> Where | None:
    from ..execution.domains import where

    return where([_cut(noted, point)])


def _cut(noted: list[Noted], point: Mapping[str, int]) -> Any:
    from ..execution.regions import Range

    region = Range(dict.fromkeys(point, (1, _most(noted, point)))).whole()
    for each in noted:
        region = region.where(each.guard, each.outcome)
    return region


def _most(noted: Sequence[Noted], point: Mapping[str, int]) -> int:
    """A size beyond every number that a decision names."""
    named = (abs(number) for each in noted for number in each.guard.form.terms.values())
    return min(2 * max(LONGEST, *point.values(), *named), MOST_SIZE)


def _exactly(point: Mapping[str, int]) -> Where:
    """One size, where nothing else can be said."""
    guards = [at_least(sign * (symbol(letter) - size)) for letter, size in point.items() for sign in (1, -1)]
    return Where((Domain(tuple(point), tuple(guards)),))
