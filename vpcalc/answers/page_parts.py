"""What pages of all kinds are made of."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial
from ..cost import Cost, Op, Quantity, Step
from ..errors import InputError
from ..everywhere import Regime
from ..inputs import whole
from ..pages.script import SPELLINGS, Script
from ..plugins import OPTION, given_for
from ..symbolic import Form
from .compare import SIDE
from .formula import terms_of

Shown = tuple[str, str, str, Polynomial]
"""An operator: its name, its kind, the shapes of its operands, and what it adds."""

_BEGINS = {"h": 56, "w": 56, "C": 96, "H": 224, "W": 224, "N": 196, "T": 196, "S": 196, "B": 1}
_BEGINS |= {"M": 7, "R": 8, "P": 7, "a": 8, "k": 3, "r": 4, "b": 512, "u": 2, "s": 4}
_BEGINS |= {"d_model": 512, "d_ff": 2048, "K": 1000, "V": 32000}


def command(verb: str, target: object, given: Mapping[str, object]) -> str:
    """The line of a shell that asks for the same, with the files that bring what it names; what nobody gave is
    left out.
    """
    rows = given.get("rows")
    named = (str(target), *(rows if isinstance(rows, list) else ()))
    words = ["vpcalc", verb, str(target), *(word for file in given_for(named) for word in (OPTION, file))]
    for option, value in given.items():
        if isinstance(value, Mapping):
            pairs = ((name, _written(each)) for name, each in value.items())
            words += [word for name, each in pairs for word in (f"--{option}", f"{name}={each}")]
        elif value is not None and (option, str(value)) != ("batch", "1"):
            words += [f"--{option}", _written(value, "x" if option == "input" else ",")]
    return shlex.join(words)


def _written(value: object, between: str = ",") -> str:
    return between.join(map(str, value)) if isinstance(value, list | tuple) else str(value)


COLUMNS: tuple[dict[str, Any], ...] = (
    {"id": "macs", "label": "MACs", "kind": "count", "times": ["batch"]},
    {"id": "params", "label": "Params", "kind": "count", "times": []},
    {"id": "attention_elements", "label": "Attention maps", "kind": "bytes", "times": ["batch", "item"]},
)
"""Figures of a layer."""

NOTES = (
    "MACs are multiply–accumulates of matrix products and convolutions, what the papers print as FLOPs.",
    "The attention maps are those of all heads and windows at once, in the element type.",
)
"""What these figures are."""

AUTO = {"heads": "C/32", "R": "8, or what the grid allows"}
"""Dimensions that are chosen where nobody does, and how."""


def begin(letter: str) -> int:
    """What a letter begins with: the grid is that of Swin's first stage."""
    return _BEGINS.get(letter, 64)


def beginnings(given: Mapping[str, object]) -> dict[str, int]:
    """Values of dimensions that a page begins with, as they were asked for.

    Raises:
        InputError: one is no size.
    """
    return {
        name: whole("--batch" if name == "batch" else f"--set {name}", value, high=SIDE)
        for name, value in given.items()
    }


def parameter(name: str, letter: str, meaning: str, value: int, low: int, high: int) -> dict[str, Any]:
    """What can be set: by a slider, and to the unit in a field."""
    return {"name": name, "letter": letter, "meaning": meaning, "value": value, "min": low, "max": high, "step": 1}


def case_steps(cost: Cost, quantity: Quantity, names: Mapping[str, Polynomial]) -> list[Shown]:
    """How a quantity of a cost tree adds up; some letters are replaced. Equal steps of equal blocks are one."""
    found: dict[tuple[str, str, str], Polynomial] = {}
    for module, op, times, term in terms_of(cost, quantity):
        key = (path_of(module, op), op.kind, shapes_of(op, times, names))
        found[key] = found.get(key, as_polynomial(0)) + term.subs(names)
    return [(*key, term) for key, term in found.items()]


def path_of(module: str, op: Op) -> str:
    """What a step is called."""
    return f"{module} · {op.label}" if module else op.label


def stepped(
    script: Script, law: dict[str, Any], regimes: Sequence[Regime], names: Mapping[str, Polynomial]
) -> dict[str, Any]:
    """A law with what adds up to its form in each regime; some letters of layers are replaced."""
    for case, regime in zip(law["cases"], regimes, strict=True):
        if regime.cost is not None:
            case["steps"] = script.steps(case_steps(regime.cost, Quantity.MACS, names))
        elif regime.form is not None:
            case["steps"] = script.steps(map(_shown, regime.steps))
    return law


def _shown(step: Step) -> Shown:
    return path_of(step.module, step.op), step.op.kind, shapes_of(step.op, step.times, {}), step.term


def shapes_of(op: Op, times: Any, names: Mapping[str, Polynomial]) -> str:
    """Operands as a reader writes them: a · (h·w × C)(C × 3C)."""
    shapes = [[str(as_polynomial(side).subs(names)) for side in shape] for shape in op.shapes]
    batched = len(shapes) == 2 and len(shapes[0]) == 3
    lead = f"{shapes[0][0]} · " if batched else ""
    repeat = "" if isinstance(times, int) and times == 1 else f"{as_polynomial(times).subs(names)} × "
    return repeat + lead + "".join(f"({' × '.join(shape[1:] if batched else shape)})" for shape in shapes)


def layer_row(
    script: Script,
    who: tuple[str, str, str],
    regimes: Callable[[str], Sequence[Regime]],
    tidy: Form,
    names: Mapping[str, Polynomial],
) -> dict[str, Any]:
    """The row of a layer: its id, name and source, and its figures by what they are called.

    Its steps are in ``names`` for letters that are replaced.
    """
    id, name, source = who
    cells = {}
    for figure in (each["id"] for each in COLUMNS):
        main = figure == Quantity.MACS.value
        try:
            found = regimes(figure)
        except InputError:
            if main:
                raise
            continue
        cells[figure] = script.law(found, *((tidy, SPELLINGS) if main else (None, "")))
        if main:
            stepped(script, cells[figure], found, names)
    return {"id": id, "name": name, "source": source, "cells": cells}
