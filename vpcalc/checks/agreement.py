"""Two derivations of one form: the module's own run on symbols, and its layers on traced sizes, without torch.

Both say where they hold. On every part of a regime in which a form of the layers holds, the two have to be one
element of the ring. That is decided wherever :func:`vpcalc.execution.regions.vanishes` decides, on the whole part;
what was only tried at sizes proves nothing. Where the forms differ, a count says which of them the module has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..algebra.floors import Floor, remainder, without_divisions
from ..algebra.polynomial import Polynomial, symbol
from ..cost import Cost, Quantity
from .shapes import Point

if TYPE_CHECKING:
    from ..algebra.domains import Domain
    from ..everywhere import Regime as Described
    from ..execution.regimes import Exploration, Regime
    from ..execution.regions import Range, Region

DRAWS = 400
"""Sizes among which one is looked for where two forms differ."""

Describe = Callable[[Mapping[str, Any]], Cost]
"""The layers of a target at sizes that are numbers or traced, by their letters."""

Count = Callable[[Point], "int | None"]
"""MACs of the module at a size, or None where it raises."""


@dataclass(frozen=True)
class Agreement:
    """Whether a regime's form is that of the layers on all of its domain.

    ``equal`` is True where that was decided, False where a size is known at which they differ, and None where it
    could not be decided or the layers give no form; ``why`` says so. ``at`` is a size at which they differ, with
    what each gives there: the run, the layers, the counter.
    """

    equal: bool | None
    why: str = ""
    at: Mapping[str, int] | None = None
    executed: int | None = None
    described: int | None = None
    counted: int | None = None

    @property
    def verdict(self) -> str:
        """``proved``, ``executed`` or ``unsettled``."""
        return {True: "proved", False: "unsettled", None: "executed"}[self.equal]

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        found: dict[str, Any] = {"equal": self.equal, "note": self.why}
        if self.at is None:
            return found
        values = {"executed": self.executed, "layers": self.described, "counted": self.counted}
        return {**found, "at": dict(self.at), **values}


def agreements(describe: Describe, exploration: Exploration, count: Count) -> dict[Regime, Agreement]:
    """For each regime that runs, whether the layers have its form everywhere on it."""
    from ..everywhere import regimes

    letters = tuple(exploration.range.bounds)
    described = regimes(describe, letters, Quantity.MACS)
    running = [regime for regime in exploration.regimes if not regime.refused]
    return {regime: _agreement(regime, described, count) for regime in running}


def described_parts(describe: Describe, extent: Range) -> list[Region]:
    """Where the layers have one form each: a first division of a range, which is run and counted, or divided."""
    from ..everywhere import regimes

    found = regimes(describe, tuple(extent.bounds), Quantity.MACS)
    whole = extent.whole()
    return [_within(whole, domain) for theirs in found for domain in theirs.when.where.parts]


def _agreement(regime: Regime, described: tuple[Described, ...], count: Count) -> Agreement:
    undecided: Agreement | None = None
    for theirs, part in _parts(regime, described):
        found = _on_part(regime.leader.execution.macs, theirs, part, count)
        if found.equal is False:
            return found
        if found.equal is None:
            undecided = undecided or found
    return undecided or Agreement(True)


def _parts(regime: Regime, described: tuple[Described, ...]) -> Iterator[tuple[Described, Region]]:
    """Where a regime meets those of the layers, which together are every size."""
    for theirs in described:
        for domain in theirs.when.where.parts:
            for region in regime.regions:
                part = _within(region, domain)
                if not part.surely_empty:
                    yield theirs, part


def _within(region: Region, domain: Domain) -> Region:
    """The part of a region in which a domain of the layers holds."""
    from ..execution.guards import AT_LEAST, EQUAL, Guard

    for guard in domain.guards:
        if guard.divisor is None:
            form, relation, outcome = guard.form, AT_LEAST, True
        else:
            form, relation, outcome = remainder(guard.form, guard.divisor), EQUAL, not guard.negated
        if form.symbols:
            region = region.where(Guard(form, relation), outcome)
        elif bool(form.value({}) == 0 if relation == EQUAL else form.value({}) >= 0) != outcome:
            return region.where(Guard(Polynomial({(): -1}), AT_LEAST), True)
    return region


def _on_part(executed: Polynomial, theirs: Described, part: Region, count: Count) -> Agreement:
    from ..execution.regions import vanishes

    if theirs.form is None:
        if part.empty():
            return Agreement(True)
        point = part.find(random.Random(3))
        if point is None:
            return Agreement(None, "whether the layers refuse some of it was not decided")
        said = f"the layers refuse: {theirs.refused}" if theirs.refused else "the layers were not decided there"
        return Agreement(None, f"at {_spell(point)} {said}")
    form = theirs.form.polynomial
    difference = without_divisions((executed - form).subs(_exact(part)))
    same = vanishes(difference, part, random.Random(7))
    if same is True:
        return Agreement(True)
    at = None if same is None else _where_not_zero(difference, part)
    if at is None:
        return Agreement(None, "equal to the layers' form at the sizes that were tried, which does not decide it")
    ours, layers, counted = executed.value(at), form.value(at), count(at)
    why = f"at {_spell(at)} the run gives {ours:,} and the layers {layers:,}; {_judged(ours, layers, counted)}"
    return Agreement(False, why, at, ours, layers, counted)


def _judged(ours: int, layers: int, counted: int | None) -> str:
    """What a count says of two figures that differ."""
    if counted is None:
        return "the module raises there where it is counted"
    side = {ours: "as the run", layers: "as the layers"}.get(counted, "as neither")
    return f"the module is counted at {counted:,}, {side}"


def _exact(part: Region) -> dict[str, Polynomial]:
    """Floors by symbols that divide on all of a part, as quotients: ⌊C/a⌋ is C/a where C = a⌊C/a⌋."""
    from ..execution.guards import EQUAL

    found: dict[str, Polynomial] = {}
    for guard, outcome in part.others:
        if guard.relation != EQUAL or not outcome:
            continue
        for name in guard.form.symbols:
            if isinstance(name, Floor) and len(name.divisor.terms) == 1:
                rest = name.numerator - name.divisor * symbol(name)
                if guard.form in (rest, -rest):
                    found[name] = name.numerator / name.divisor
    return found


def _where_not_zero(difference: Polynomial, part: Region) -> dict[str, int] | None:
    rng = random.Random(11)
    for _ in range(DRAWS):
        point = part.find(rng)
        with suppress(ZeroDivisionError):  # it has no value there
            if point is not None and difference.at(point):
                return point
    return None


def _spell(point: Point) -> str:
    return ", ".join(f"{name} = {size}" for name, size in point.items())
