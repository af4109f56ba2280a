"""Every size of a description: run on traced sizes, and again beyond each decision that it took.

A decision is noted as a :class:`~vpcalc.algebra.domains.Guard`. What comes out of a run holds at every size at
which all its guards hold, since there the very same lines run. :func:`explore` runs it beyond each guard until no
size is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from .domains import Domain, Guard, at_least, divides, positive
from .elimination import impossible
from .polynomial import symbol
from .traced import Silent, Traced, form_of

T = TypeVar("T")

MOST_RUNS = 400
"""Runs of one description; what is not reached with so many is undecided."""

NEAR, WALK = 3000, 30
"""Points near another one that are tried, and after how many the search begins there again."""


class Tape(Silent):
    """The decisions of one run, each noted once."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.domain = positive(sizes)

    def at_least(self, high: int | Traced, low: int | Traced) -> bool:
        """``high ≥ low``, decided and noted."""
        return self.note(at_least(form_of(high) - form_of(low)), super().at_least(high, low))

    def equal(self, one: int | Traced, other: int | Traced) -> bool:
        """``one = other``, decided and noted."""
        return self.at_least(other, one) and self.at_least(one, other)

    def divides(self, divisor: int | Traced, size: int | Traced) -> bool:
        """``divisor | size``, decided and noted."""
        return self.note(divides(form_of(divisor), form_of(size)), super().divides(divisor, size))

    def note(self, guard: Guard, truth: bool) -> bool:
        """Note how a guard was decided, unless that follows from those before; the decision itself."""
        taken = guard if truth else guard.negation()
        asked = taken.form.symbols or (taken.divisor is not None and taken.divisor.symbols)  # a | 96 is of a
        if asked and not self.domain.implies(taken):
            self.domain = self.domain & taken
        return truth


@dataclass(frozen=True)
class Leaf(Generic[T]):
    """What one run gave, and where every run takes the same decisions."""

    domain: Domain
    outcome: T


@dataclass(frozen=True)
class Explored(Generic[T]):
    """All runs; ``undecided`` are domains of which it is not known whether they have a point."""

    leaves: tuple[Leaf[T], ...]
    undecided: tuple[Domain, ...]


def explore(
    run: Callable[[dict[str, Traced]], T],
    letters: tuple[str, ...],
    start: Mapping[str, int] | None = None,
    most: int = MOST_RUNS,
) -> Explored[T]:
    """Run a description on traced sizes, at one point of each domain that its decisions cut out.

    ``run`` takes the traced size of each letter and must decide by these alone. With a ``start`` it begins there,
    and points beyond a decision are looked for near the point at which that was taken: where much has to divide
    much, others are hard to find.
    """
    leaves: list[Leaf[T]] = []
    undecided: list[Domain] = []
    waiting: list[tuple[Domain, Mapping[str, int] | None]] = [(positive(letters), start)]
    while waiting:
        domain, other = waiting.pop()
        if domain.empty is True if other is None else _contradictory(domain):
            continue
        point = domain.point if other is None else _near(domain, other)
        if point is None or len(leaves) >= most:
            undecided.append(domain)
            continue
        leaf = run_at(run, point)
        leaves.append(leaf)
        seen = positive(letters)
        for guard in leaf.domain.guards:
            if guard not in domain.guards:
                waiting.append((_joined(domain, seen) & guard.negation(), start and point))
            seen = seen & guard
    return Explored(tuple(leaves), tuple(undecided))


def _contradictory(domain: Domain) -> bool:
    """Whether bounds of sums alone leave no point to it."""
    bounds = [symbol(letter) - 1 for letter in domain.letters]
    return impossible([*bounds, *(guard.form for guard in domain.guards if guard.divisor is None)])


def _near(domain: Domain, point: Mapping[str, int]) -> dict[str, int] | None:
    """A point of a domain that is reached from another one by mending what does not hold, if one is found."""
    dice, found = random.Random(0), dict(point)
    for turn in range(1, NEAR):
        broken = [guard for guard in domain.guards if not guard.holds(found)]
        if not broken:
            return found
        if turn % WALK == 0:
            found = dict(point)
        about = sorted(dice.choice(broken).letters)
        letter, other = dice.choice(about), dice.choice(about)
        scaled = found[other] * dice.choice((1, 1, 2, 4, 8, 16, 32)) // dice.choice((1, 1, 2, 4, 8, 16, 32))
        found[letter] = max(1, dice.choice((scaled + dice.randint(-3, 3), int(2 ** (12 * dice.random())))))
    return None


def run_at(run: Callable[[dict[str, Traced]], T], point: dict[str, int]) -> Leaf[T]:
    """One run at a point."""
    tape = Tape(point)
    outcome = run({letter: Traced(value, symbol(letter), tape) for letter, value in point.items()})
    return Leaf(tape.domain, outcome)


def _joined(first: Domain, second: Domain) -> Domain:
    for guard in second.guards:
        if guard not in first.guards:
            first = first & guard
    return first
