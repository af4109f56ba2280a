"""What pages of all kinds are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial
from ..cost import Cost, Op, Quantity
from .formula import Step, terms_of

Shown = tuple[str, str, str, Polynomial]
"""An operator: its name, its kind, the shapes of its operands, and what it adds."""


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


def shown_shapes(step: Step) -> str:
    """The operands of a step of a formula."""
    return shapes_of(step.op, step.times, {})


def shapes_of(op: Op, times: Any, names: Mapping[str, Polynomial]) -> str:
    """Operands as a reader writes them: a · (h·w × C)(C × 3C)."""
    shapes = [[str(as_polynomial(side).subs(names)) for side in shape] for shape in op.shapes]
    batched = len(shapes) == 2 and len(shapes[0]) == 3
    lead = f"{shapes[0][0]} · " if batched else ""
    repeat = "" if isinstance(times, int) and times == 1 else f"{as_polynomial(times).subs(names)} × "
    return repeat + lead + "".join(f"({' × '.join(shape[1:] if batched else shape)})" for shape in shapes)
