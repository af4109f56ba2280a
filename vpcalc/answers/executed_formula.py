"""The formula of a reader's own module: read off its run on symbols, at every size or on its lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..algebra import floors
from ..algebra.domains import Where, left_on
from ..algebra.polynomial import Polynomial, as_polynomial
from ..checks.quantities import QUANTITIES
from ..cost import Op, Quantity, Step
from ..errors import InputError, unknown
from ..inputs import read_ranges
from ..symbolic import Form, divisions
from .at_size import AtSize
from .derive import derive
from .executed import Executed
from .formula import Formula, how_explored, within
from .quantities import Part, conditioned, divided, regimes_of

COUNTED = tuple(QUANTITIES)
"""Quantities that a module's runs see."""

FOLLOWED = ("macs", "params")
"""Those that every run sees, so that nothing more is explored for them."""


class Counted(NamedTuple):
    """A quantity of a module: its name, and what it is."""

    value: str
    meaning: str


def executed_formula(
    target: object,
    input: str | None,
    args: Mapping[str, object] | None,
    quantity: str,
    *,
    form: str = "expanded",
    names: Mapping[str, str],
    everywhere: bool = False,
    range: Mapping[str, object] | None = None,
) -> Formula:
    """The closed form of a module of the reader's, with the operators that it adds up from.

    Args:
        target, input, args, range: as :func:`vpcalc.derive` has them.
        quantity: ``macs``, ``flops`` (twice these), ``activations``, ``saved_bytes`` …
        form, names, everywhere: as :func:`vpcalc.formula` has them.

    Raises:
        InputError: it cannot be built, cannot be executed on symbols, has no form, or has no such quantity.
    """
    if quantity != "flops" and quantity not in COUNTED:
        raise unknown("--quantity", quantity, ("flops", *COUNTED))
    found = executed(target, input, args, range)
    return formula_of(found, quantity, form=form, names=names, everywhere=everywhere, range=range)


def executed(
    target: object, input: str | None, args: Mapping[str, object] | None, range: Mapping[str, object] | None
) -> Executed:
    """The module's run on symbols; arguments and errors are those of :func:`executed_formula`."""
    found = derive(target, input, args, range=range)
    if isinstance(found, AtSize):
        raise InputError(
            f"--input {input}: has no letter, and a formula is one of letters, such as 1,3,H,W or 1,N,64"
        )
    if not isinstance(found, Executed):
        raise InputError(
            f"formula {_named(target)}: no run on symbols gives its form; vpcalc derive says what is known of it"
        )
    if found.refuted:
        raise InputError(f"formula {found.target}: its form does not hold for real: {found.explored.real.note}")
    return found


def formula_of(
    found: Executed,
    quantity: str,
    *,
    form: str = "expanded",
    names: Mapping[str, str],
    everywhere: bool = False,
    range: Mapping[str, object] | None = None,
) -> Formula:
    """A quantity of a module whose run on symbols is known; arguments are those of :func:`executed_formula`.

    Raises:
        InputError: it has no form of that quantity.
    """
    twice = quantity == "flops"
    counted = "macs" if twice else quantity
    here = counted in FOLLOWED
    exploration = found.explored.exploration if here else found.quantities.exploration(counted)
    if isinstance(exploration, str):
        raise InputError(f"--quantity {quantity}: {found.target} has no form of it: {exploration}")
    known = conditioned(exploration)
    every = regimes_of(known)
    if counted == "params":
        runs = [part.regime.leader.execution if part.regime else None for part, _ in known]
        every = tuple(
            replace(regime, form=Form(run.params)) if regime.form and run else regime
            for regime, run in zip(every, runs, strict=True)
        )
    every = tuple(
        replace(regime, steps=_steps(part, where, counted)) if regime.form else regime
        for regime, (part, where) in zip(every, known, strict=True)
    )
    every = within(every, read_ranges(range or {}, tuple(exploration.range.bounds)))
    main = every[0]
    if main.form is None:
        raise InputError(f"formula {found.target}: no size was settled; vpcalc derive says why")
    written = tuple(names.items())
    times = 2 if twice else 1
    every = tuple(
        (regime if regime.form is None else regime.scaled(times)).written(form, written) for regime in every
    )
    whole = main.form.polynomial * times
    tidy = None if everywhere else floors.on_lattice(whole)
    when = every[0].when
    if tidy is not None:
        whole, when = tidy.form, replace(when, where=left_on(when.where, tidy))
    valid = "" if when.always else when.text
    if tidy is not None:
        valid = "; ".join(filter(None, (*divisions(tidy, found.meanings, names), valid)))
    about = QUANTITIES[counted]
    notes = [how_explored(exploration)]
    notes += [f"not settled at every size: {why}" for _, why in exploration.open[:1]]
    notes += found.reservations(counted)
    return Formula(
        name=found.target,
        title=f"{found.target}, input {found.inputs}",
        source=f"{found.verdict}: its own run on symbols",
        quantity=Quantity(quantity)
        if quantity in ("macs", "flops")
        else Counted(quantity, f"{about.unit} {about.counts}"),
        form=Form(whole, valid, form, written),
        terms=every[0].steps if tidy is None else tuple(map(_tidied, every[0].steps)),
        assumptions=tuple(notes),
        regimes=every if everywhere else (),
        meanings=found.meanings,
        explored=exploration.range.bounds,
    )


def _named(target: object) -> str:
    return target if isinstance(target, str) else type(target).__name__


def _steps(part: Part, where: Where, quantity: str) -> tuple[Step, ...]:
    """What adds up to the form of a part, by the run that has it: none where it does not."""
    assert part.regime is not None
    assert part.form is not None
    execution = part.regime.leader.execution
    if quantity == "peak_bytes":  # a maximum, not a sum
        path, name = execution.peaks.get(part.form, ("", ""))
        said = f"alive at once in {name.strip('_')}" if name else "alive at once"
        return (Step(path, Op("memory", said), 1, divided(part.form, where)),)
    if quantity == "macs":
        done = [(each.path, each.name.strip("_"), each.operands, macs) for each, macs in execution.operations]
    else:
        done = [(*place, (), term) for place, term in execution.calls.get(quantity, {}).items()]
    whole = execution.params if quantity == "params" else part.form
    if sum((term for *_, term in done), as_polynomial(0)) != whole:
        return ()
    return tuple(
        Step(path, Op(name, name, shapes=shapes), 1, divided(term, where))
        for path, name, shapes, term in done
        if term
    )


def _tidied(step: Step) -> Step:
    shapes = tuple(tuple(map(_tidy, sides)) for sides in step.op.shapes)
    return step._replace(term=_tidy(step.term), op=replace(step.op, shapes=shapes))


def _tidy(size: Polynomial | int) -> Polynomial:
    form = as_polynomial(size)
    tidy = floors.on_lattice(form)
    return form if tidy is None else tidy.form
