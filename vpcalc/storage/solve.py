"""Which size of a network is asked for, and where to look for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..architectures import Architecture
from ..architectures.axes import PIXELS
from ..errors import InputError, unknown
from ..inputs import LARGEST
from ..report.numbers import size
from .fit import Fit, by_form, first_taken, fit
from .forms import LONGEST, Forms
from .plan import Plan

SOLVES = ("batch", "input", "tokens")
"""What may be looked for: images or sequences, the side of a square image, the length of all sequences alike."""

Planned = Callable[[tuple[int, ...], int], Plan]
"""The plan at an input's sizes and a batch."""


def read_solve(architecture: Architecture, solve: str | None) -> str:
    """What is looked for.

    Raises:
        InputError: it is not known, or not of this architecture.
    """
    if solve is None:
        return "batch"
    if solve not in SOLVES:
        raise unknown("--solve", solve, SOLVES)
    own = architecture.family.axes.equal
    if solve not in ("batch", own):
        raise InputError(f"--solve {solve}: must be batch or {own} for {architecture.id}")
    return solve


def at(solved: str, answer: int, sizes: tuple[int, ...], batch: int) -> tuple[tuple[int, ...], int]:
    """Sizes and batch with an answer in its place."""
    return (sizes, answer) if solved == "batch" else ((answer,) * len(sizes), batch)


def largest(
    architecture: Architecture,
    solved: str,
    budget: int,
    sizes: tuple[int, ...],
    batch: int,
    planned: Planned,
    forms: Forms | None,
) -> Fit:
    """The largest that fits into a budget: a guess by the closed form, then for certain by the plan itself."""

    def total(number: int) -> int:
        return int(planned(*at(solved, number, sizes, batch)).needed[1])

    plan = planned(sizes, batch)
    weights = int(plan.footprint.weights)
    if weights > budget:
        short = size(weights - budget)
        raise InputError(
            f"--fit {size(budget)}: the weights alone take {size(weights)} ({weights:,} bytes): {short} short"
        )
    counted = forms is not None and bool(forms.length) and solved == "tokens"
    highest = PIXELS if solved == "input" else LONGEST if counted else LARGEST
    guess = None if forms is None else _guess(architecture, forms, plan, solved, sizes, batch)
    found = replace(fit(solved, budget, total, highest, guess, first_taken(total, highest)), of=plan.needed[0])
    return replace(found, asked=batch, asked_bytes=total(batch)) if solved == "batch" else found


def _guess(
    architecture: Architecture, forms: Forms, plan: Plan, solved: str, sizes: tuple[int, ...], batch: int
) -> Callable[[int], int] | None:
    """The total by its closed form, where it has one."""
    axes = architecture.family.axes
    known = axes.point(sizes) if solved == "batch" else {"B": batch}
    try:
        form = forms.of(lambda footprint: replace(plan, footprint=footprint).total)
    except InputError:
        return None
    return by_form(form.subs(known), ("B",) if solved == "batch" else axes)
