"""What one side of a comparison costs, whether it was recorded, counted at a size or derived on symbols."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from ..algebra.domains import Where
from ..algebra.floors import equal, on_lattice
from ..algebra.polynomial import Polynomial, as_polynomial, constant, symbol
from ..errors import InputError
from ..everywhere import Regime
from ..snapshots import Counted
from .diff_changes import Amount, Amounts, Place


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulates and trained parameters.

    ``places`` are the multiply-accumulates by module and operator, without those of modules within it. ``weights``
    are the parameters by module, ``unknown`` operators without a price with their calls; None where neither is
    known. On symbols ``regimes`` say which form holds where, ``ranges`` which sizes were asked about, and
    ``symbols`` what the letters mean; the amounts are those of the widest, for its ``condition``. At numbers
    ``inputs`` are the shapes that it was counted at, None where they are not known.
    """

    macs: Amount
    params: Amount
    places: Amounts
    weights: Amounts | None = None
    unknown: Mapping[str, int] | None = None
    symbols: Mapping[str, str] = field(default_factory=dict)
    regimes: tuple[Regime, ...] = ()
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    condition: str = ""
    notes: tuple[str, ...] = ()
    inputs: str | None = None


def recorded(snapshot: Counted) -> Cost:
    """The cost of a snapshot."""
    return Cost(snapshot.macs, snapshot.params, snapshot.places, inputs=snapshot.inputs)


def cost_of(target: object, **how: Any) -> Cost:
    """The cost of a target; ``how`` is what :func:`vpcalc.derive` takes. At numbers it is counted.

    Raises:
        InputError: it cannot be built or run, or has no closed form.
    """
    from .at_size import AtSize
    from .derive import derive
    from .executed import Executed

    found = derive(target, **how)
    if isinstance(found, AtSize):
        return _counted(found)
    if isinstance(found, Executed):
        return _executed(found)
    return _identified(found)


def _counted(found: Any) -> Cost:
    counts = found.measured.counts
    places = {(path, name): macs for path, done in counts.modules.items() for name, macs in done.items() if macs}
    weights = {(part.path, ""): part.own_params for part in found.measured.parts if part.own_params}
    return Cost(found.macs, found.params, places, weights, dict(counts.unknown), inputs=counts.inputs or None)


def _executed(found: Any) -> Cost:
    from ..execution.domains import where
    from .quantities import conditioned, regimes_of

    execution = found.explored.main.leader.execution
    divisors = _divisors(where(found.explored.main.regions))
    places: dict[Place, Amount] = {
        (path, name.strip("_")): _tidy(form, divisors)
        for (path, name), form in execution.calls["macs"].items()
        if form
    }
    weights: dict[Place, Amount] = {
        (path, ""): _tidy(form, divisors) for (path, _), form in execution.calls["params"].items() if form
    }
    notes = [f"not complete: {'; '.join(found.explored.open)}"] if found.explored.open else []
    return Cost(
        _tidy(execution.macs, divisors),
        _tidy(execution.params, divisors),
        places,
        weights,
        found.unknown,
        found.meanings,
        regimes_of(conditioned(found.explored.exploration)),
        dict(found.explored.exploration.range.bounds),
        found.domain.text,
        (*notes, *found.reservations("saved_bytes")),  # values at which it looked; what is unknown stands apart
    )


def _divisors(where: Where | None) -> dict[str, int]:
    """Numbers that divide letters all over a union of domains."""
    every = [
        {
            (letter, guard.divisor.terms[()])
            for guard in part.guards
            if guard.divisor is not None and not (guard.negated or guard.divisor.symbols)
            for letter in guard.form.letters
            if guard.form == symbol(letter)
        }
        for part in (where.parts if where is not None else ())
    ]
    found: dict[str, int] = {}
    for letter, number in set.intersection(*every) if every else ():
        found[letter] = lcm(found.get(letter, 1), number)
    return found


def _tidy(form: Polynomial, divisors: Mapping[str, int]) -> Polynomial:
    """Without floors, where all that they divide is divided."""
    tidy = on_lattice(form)
    if tidy is None or tidy.exact or any(divisors.get(name, 1) % step for name, step in tidy.strides.items()):
        return form
    return tidy.form


def _identified(found: Any) -> Cost:
    """From counts alone: forms of modules with all within them, of which some may have none."""
    from ..checks.search import NotFound

    if isinstance(found.found, NotFound):
        raise InputError(f"has no closed form: {found.found.reason}; give numbers in --input")
    within = {path: form for path, form in found.found.modules.items() if form is not None}
    places: dict[Place, Amount] = {}
    for path, form in within.items():
        children = (other for child, other in within.items() if child and child.rpartition(".")[0] == path)
        if own := form - sum(children, constant(0)):
            places[path, ""] = own
    return Cost(
        found.found.macs,
        constant(0) if found.found.params is None else found.found.params,
        places,
        None,
        found.unknown,
        dict.fromkeys(found.lattice, ""),
        condition=found.condition,
        notes=("identified from counts, not executed on symbols",),
    )


# -- whether two are equal -------------------------------------------------------------------------------------

DRAWS = 400
"""Sizes at which two forms are compared that are not seen to be equal."""

STEPS = (1, 1, 2, 3, 4, 8, 12, 32, 56, 224)
"""What sizes are multiples of that are drawn: what programs divide by."""


@dataclass(frozen=True)
class Verdict:
    """Whether two amounts are equal. ``at`` is a size at which they differ, ``tried`` how many decided it.

    ``fewer`` is a size at which one of them refuses and the other runs: they are equal where both run.
    """

    equal: bool
    at: Mapping[str, int] | None = None
    tried: int = 0
    fewer: Mapping[str, int] | None = None


def same_macs(base: Cost, head: Cost) -> Verdict:
    """Whether multiply-accumulates are equal at every size of the range at which both run."""
    alike = len(base.regimes) == len(head.regimes) and all(
        one.when.text == other.when.text and _same_form(one, other)
        for one, other in zip(base.regimes, head.regimes, strict=True)
    )
    if alike and base.condition == head.condition and equal(base.macs, head.macs):
        return Verdict(True)
    if not base.regimes or not head.regimes:
        return _tried(base, head, lambda side, point: _at(side.macs, point))
    return _tried(base, head, macs_at)


def same_params(base: Cost, head: Cost) -> Verdict:
    """Whether parameters are equal."""
    if equal(base.params, head.params):
        return Verdict(True)
    return _tried(base, head, lambda side, point: _at(side.params, point))


def _same_form(one: Regime, other: Regime) -> bool:
    if one.form is None or other.form is None:
        return one.form is other.form
    return equal(one.form.polynomial, other.form.polynomial) is True


def _tried(base: Cost, head: Cost, value: Any) -> Verdict:
    """Look for a size at which a figure differs; where one of them is not known nothing is."""
    tried, fewer = 0, None
    for point in _points(base, head):
        one, other = value(base, point), value(head, point)
        if one is None or other is None or one == other == REFUSED:
            continue
        if REFUSED in (one, other):
            fewer = fewer or point
        elif one != other:
            return Verdict(False, point)
        else:
            tried += 1
    return Verdict(tried > 0, tried=tried, fewer=fewer)


REFUSED = -1
"""In the place of a figure where the program refuses a size."""


def macs_at(side: Cost, point: Mapping[str, int]) -> int | None:
    """The figure at a size, None where it is not known."""
    for regime in side.regimes:
        if regime.when.where.holds(point):
            if regime.form is not None:
                return _at(regime.form.polynomial, point)
            return REFUSED if regime.refused else None
    return None


def _at(form: Amount, point: Mapping[str, int]) -> int | None:
    """A form's value, None off its lattice."""
    try:
        return int(as_polynomial(form).at(point))
    except (ValueError, ZeroDivisionError):
        return None


def _points(base: Cost, head: Cost) -> Iterator[dict[str, int]]:
    ranges = {**{name: (1, 4096) for side in (base, head) for name in side.symbols}, **base.ranges, **head.ranges}
    dice = random.Random(0)
    for regime in (*base.regimes, *head.regimes):
        for part in regime.when.where.parts:
            if part.point is not None:
                yield {**{name: low for name, (low, _) in ranges.items()}, **part.point}
    for _ in range(DRAWS if ranges else 0):
        yield {name: _drawn(dice, low, high) for name, (low, high) in ranges.items()}


def _drawn(dice: random.Random, low: int, high: int) -> int:
    step = dice.choice(STEPS)
    most = max(1, high // step)
    size = step * dice.randint(1, min(most, dice.choice((4, 64, most))))
    return min(max(size, low), high)
