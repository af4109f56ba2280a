"""``vpcalc plot models --pareto a,b``: models between two quantities, and those that no other beats in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import InputError, unknown
from ..pictures import Point, ScatterChart
from ..pictures.data import Unit
from ..report import Column, Kind, Table
from .candidates import QUANTITIES, Candidate
from .models import Models, models
from .plot import Plot

MORE_IS_BETTER = ("top1",)
"""Of all other quantities less is better."""

_UNITS = {Kind.COUNT: Unit.COUNT, Kind.BYTES: Unit.BYTES, Kind.RATIO: Unit.PER_CENT}
_MEASURED = tuple(name for name, measure in QUANTITIES.items() if measure.kind in _UNITS)


def plot_front(pareto: str, families: Iterable[str] | None = None, **asked: Any) -> Plot:
    """Models between two quantities, with the front of those that no other is at least as good as in both.

    Args:
        pareto: two quantities, such as ``"macs,top1"``.
        families: only these; all if None.
        asked: ``input``, ``set``, ``batch``, ``dtype``, ``where`` and the others of :func:`vpcalc.models`.

    Raises:
        InputError: a name that is not known, or no model of which both quantities are.
    """
    x, y = _axes(pareto)
    wanted = None if families is None else {*families}
    chosen = models(**asked, show=[x, y])
    known = [
        candidate
        for candidate in chosen.candidates
        if (wanted is None or candidate["family"] in wanted)
        and candidate[x] is not None
        and candidate[y] is not None
    ]
    if not known:
        raise InputError(f"--pareto {pareto}: no model is left of which {x} and {y} are known")
    front = set(pareto_front([(_cost(each, x), _cost(each, y)) for each in known]))
    points = tuple(_point(each, x, y) for each in known)
    on = sorted((points[place] for place in front), key=lambda point: (point.x, point.y))
    several = f"{len(on)} of {len(known)} models {'are' if len(on) > 1 else 'is'}"
    title = f"{several} on the front: no other has {_BETTER[x]} and {_BETTER[y]}"
    chart = ScatterChart(
        title, _subtitle(chosen, known), _label(x), _label(y), points, tuple(on), _unit(x), _unit(y)
    )
    return Plot("models", {**chosen.given, "pareto": [x, y]}, chart, _table(title, known, front, x, y))


def pareto_front(costs: Sequence[tuple[Any, Any]]) -> list[int]:
    """The places of those pairs that no other is at most as large as in both, and smaller in one.

    One pass in order: a pair is on the front if its second is below all seconds of smaller firsts.
    """
    order = sorted(range(len(costs)), key=lambda place: costs[place])
    found: list[int] = []
    for place in order:
        if not found or costs[place][1] < costs[found[-1]][1] or costs[place] == costs[found[-1]]:
            found.append(place)
    return found


def _axes(pareto: str) -> tuple[str, str]:
    names = [name.strip() for name in str(pareto).split(",")]
    for name in names:
        if name not in _MEASURED:
            raise unknown("--pareto", name, _MEASURED)
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"--pareto {pareto!r}: must be two quantities, such as macs,top1")
    return names[0], names[1]


def _cost(candidate: Candidate, name: str) -> Any:
    """What less is better of."""
    value: Any = candidate[name]
    return -value if name in MORE_IS_BETTER else value


def _point(candidate: Candidate, x: str, y: str) -> Point:
    accuracy = candidate.accuracy
    apart = {x, y} & {*MORE_IS_BETTER} and accuracy is not None and accuracy.apart
    values: list[Any] = [candidate[name] for name in (x, y)]
    plain = [float(value) if name in MORE_IS_BETTER else value for name, value in zip((x, y), values, strict=True)]
    return Point(f"{candidate['id']}{'*' if apart else ''}", str(candidate["family"]), plain[0], plain[1])


_BETTER = {
    "params": "fewer parameters",
    "macs": "fewer MACs",
    "flops": "fewer FLOPs",
    "fvcore": "fewer operations",
    "activations": "fewer activations",
    "attention_elements": "smaller attention maps",
    "weights_bytes": "smaller weights",
    "saved_bytes": "less kept by autograd",
    "inference_bytes": "less memory to run",
    "training_bytes": "less memory to train",
    "step_peak_bytes": "less memory in a step",
    "top1": "a higher accuracy",
}
"""What a better model has, in a title."""


def _label(name: str) -> str:
    return "accuracy on ImageNet in per cent" if name == "top1" else QUANTITIES[name].meaning


def _unit(name: str) -> Unit:
    return _UNITS[QUANTITIES[name].kind]


def _subtitle(chosen: Models, known: Sequence[Candidate]) -> str:
    """How all were asked; what an asterisk means."""
    asked = chosen.asked or "each model at its native input, batch 1"
    unlike = any(each.accuracy is not None and each.accuracy.apart for each in known)
    return f"{asked}; * trained on more, or measured otherwise" if unlike else asked


def _table(title: str, known: Sequence[Candidate], front: set[int], x: str, y: str) -> Table:
    columns = (
        Column("model", "Model", Kind.WORD),
        Column("family", "Family", Kind.WORD, wide=True),
        *(Column(name, QUANTITIES[name].header, QUANTITIES[name].kind) for name in (x, y)),
        Column("front", "On the front", Kind.WORD),
        Column("top1_source", "Top-1 from", wide=True),
    )
    rows = []
    for place, each in enumerate(known):
        source = each.accuracy.says if each.accuracy is not None and "top1" in (x, y) else ""
        figures: list[Any] = [each[x], each[y]]
        plain = [float(v) if name in MORE_IS_BETTER else v for name, v in zip((x, y), figures, strict=True)]
        rows.append((each["id"], each["family"], *plain, "yes" if place in front else "no", source))
    return Table(title, columns, tuple(rows))
