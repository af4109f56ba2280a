"""Closed forms that hold at every size: layers and architectures run on traced sizes, regime by regime.

:mod:`vpcalc.symbolic` gives the tidy form on the lattice where everything divides. Here the same functions run on
sizes that are a number and a form at once (:mod:`vpcalc.algebra.traced`), so that what does not divide is in the
form as a floor, and what is decided by sizes is in the condition beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from .algebra import conditions
from .algebra.cases import Case
from .algebra.domains import Domain, Where, union
from .algebra.exploring import Leaf, explore, run_at
from .algebra.polynomial import Polynomial, as_polynomial
from .algebra.traced import Traced, form_of
from .architectures import Architecture
from .cost import Cost, Quantity, Step
from .errors import InputError
from .layers import LAYERS
from .symbolic import SYMBOL_OF, Form

Run = Callable[[dict[str, Traced]], Cost]


@dataclass(frozen=True)
class Condition:
    """Where a form holds, in the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""

    where: Where
    names: tuple[tuple[str, str], ...] = ()

    def spell(self, spelling: str) -> str:
        """One of the spellings; ``python`` is an expression that is true exactly there."""
        return conditions.spell(self.where, spelling, dict(self.names))

    @cached_property
    def text(self) -> str:
        """Unicode text."""
        return self.spell("text")

    @property
    def latex(self) -> str:
        """LaTeX math without delimiters."""
        return self.spell("latex")

    @property
    def mathml(self) -> str:
        """A whole ``<math>`` element."""
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{self.spell("mathml")}</math>'

    @property
    def typst(self) -> str:
        """Typst math without dollar signs."""
        return self.spell("typst")

    @property
    def always(self) -> bool:
        """Whether it holds at every size."""
        return any(not part.guards for part in self.where.parts)

    def to_dict(self) -> dict[str, str]:
        """Fields of the JSON contract."""
        return {spelling: self.spell(spelling) for spelling in ("text", "latex", "python")}

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Regime:
    """One form and where it holds; or ``refused``, why sizes there are; or ``undecided``.

    What adds up to the form is in the ``cost`` of a layer or a model, and in the ``steps`` of code.
    """

    when: Condition
    form: Form | None = None
    cost: Cost | None = None
    refused: str = ""
    steps: tuple[Step, ...] = ()

    def scaled(self, times: int) -> Regime:
        """As many times the form."""
        form = self.form and replace(self.form, polynomial=self.form.polynomial * times)
        return replace(self, form=form, steps=tuple(step._replace(term=step.term * times) for step in self.steps))

    def written(self, shape: str, names: tuple[tuple[str, str], ...]) -> Regime:
        """The same in another shape and with symbols written otherwise."""
        form = None if self.form is None else replace(self.form, shape=shape, names=names)
        return replace(self, when=replace(self.when, names=names), form=form)

    @property
    def case(self) -> Case:
        """The regime as a line of a formula with cases."""
        if self.form is not None:
            return Case(self.when.where, self.form.expression)
        return Case(self.when.where, None, f"refused: {self.refused}" if self.refused else "undecided")

    def form_dict(self) -> dict[str, Any]:
        """The form with where it holds, where it stands beside the form on a lattice."""
        assert self.form is not None
        return {**self.form.to_dict(), "when": self.when.to_dict()}

    def to_dict(self, quantity: str) -> dict[str, Any]:
        """Fields of the JSON contract."""
        when = {"when": self.when.to_dict()}
        if self.form is not None:
            return {**when, quantity: self.form.to_dict()}
        return {**when, "refused": self.refused} if self.refused else {**when, "undecided": True}


class Outcome(NamedTuple):
    """What one run gave: a tree of forms, or the reason why the sizes are refused."""

    cost: Cost | None
    refused: str


def layer_run(id: str) -> tuple[Run, tuple[str, ...]]:
    """A layer as a run on traced sizes, and the letters of its dimensions."""
    letters = {name: SYMBOL_OF.get(name, name) for name in LAYERS[id].dims}

    def run(sizes: dict[str, Traced]) -> Cost:
        return LAYERS[id].build(**{name: sizes[letter] for name, letter in letters.items()})

    return run, tuple(letters.values())


def model_run(
    architecture: Architecture, config: Mapping[str, Any], batch: int = 1
) -> tuple[Run, tuple[str, ...]]:
    """An architecture as a run on traced sizes, and the letters of its input."""
    axes = architecture.family.axes

    def run(sizes: dict[str, Traced]) -> Cost:
        return architecture.cost(tuple(sizes[axis] for axis in axes), config, batch)

    return run, axes


def regimes(run: Run, letters: tuple[str, ...], quantity: Quantity) -> tuple[Regime, ...]:
    """The forms of a quantity and where each holds; together they are every size, each once.

    The one that holds at the largest sizes comes first.
    """
    found = explore(lambda sizes: _outcome(run, sizes), letters)
    leaves = sorted(found.leaves, key=_generality)
    forms: dict[Polynomial | str, list[Leaf[Outcome]]] = {}
    for leaf in leaves:
        cost, refused = leaf.outcome
        key = refused if cost is None else _total(cost, quantity, leaf.domain)
        forms.setdefault(key, []).append(leaf)
    result = []
    for key, same in forms.items():
        when = Condition(union(leaf.domain for leaf in same))
        if isinstance(key, str):
            result.append(Regime(when, refused=key))
        else:
            result.append(Regime(when, Form(key), same[0].outcome.cost))
    if found.undecided:
        result.append(Regime(Condition(union(found.undecided))))
    return tuple(sorted(result, key=lambda regime: (regime.form is None, not regime.refused)))


def tree_at(run: Run, sizes: Mapping[str, int]) -> tuple[Domain, Cost]:
    """The cost tree of forms at these sizes, and where the same decisions are taken."""
    leaf = run_at(lambda traced: _outcome(run, traced), dict(sizes))
    assert leaf.outcome.cost is not None, leaf.outcome.refused
    return leaf.domain, leaf.outcome.cost


def form_at(run: Run, sizes: Mapping[str, int], quantity: Quantity) -> Regime:
    """The form that holds at these sizes, and around them as far as the same decisions are taken."""
    domain, cost = tree_at(run, sizes)
    return Regime(Condition(union([domain])), Form(_total(cost, quantity, domain)), cost)


def _total(cost: Cost, quantity: Quantity, domain: Domain) -> Polynomial:
    """The form of a quantity, with the numbers of letters that have one value in the domain."""
    total, fixed = as_polynomial(cost.total(quantity)), domain.fixed
    return total.subs(fixed) if fixed else total


def _outcome(run: Run, sizes: dict[str, Traced]) -> Outcome:
    try:
        return Outcome(of_forms(run(sizes)), "")
    except InputError as refusal:
        return Outcome(None, plainly(refusal))


def plainly(refusal: object) -> str:
    """A refusal on symbols: ``R = R`` says no more than R, ``heads = a`` no more than a."""
    return re.sub(r"\b(\w+) = \1\b", r"\1", str(refusal))


def _generality(leaf: Leaf[Outcome]) -> tuple[int, int]:
    """Domains that are bounded least come first: they hold the largest sizes."""
    domain: Domain = leaf.domain
    bounded = sum(domain.high(letter) is not None for letter in domain.letters)
    return bounded, len(domain.guards)


def of_forms(cost: Cost) -> Cost:
    """The tree with a form in place of each traced size. Its condition is that of its regime, not its tilings."""
    return replace(cost.mapped(_plain), tilings=())


def _plain(size: Any) -> Any:
    return form_of(size) if isinstance(size, Traced) else size
