"""What a priced model shows, ours or the reader's: stages, operators with counts, its form and where it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..cost import Cost, Quantity
from ..report import Caveat, Column, Kind, Table
from ..symbolic import Form
from .verdicts import verdict

if TYPE_CHECKING:
    from ..checks import Report
    from ..everywhere import Regime

FIGURES = (
    Column("params", "Params", Kind.COUNT),
    Column("macs", "MACs", Kind.COUNT),
    Column("share", "Share", Kind.SHARE),
    Column("activations", "Activations", Kind.COUNT, wide=True),
)
"""Columns of a stage's figures."""


def cells_of(whole: Cost) -> Callable[[Cost], tuple[Any, ...]]:
    """The cells of :data:`FIGURES` for a part of a tree."""
    total = whole.total(Quantity.MACS)

    def cells(node: Cost) -> tuple[Any, ...]:
        macs = node.total(Quantity.MACS)
        share = macs / total if total else 0.0
        return (node.total(Quantity.PARAMS), macs, share, node.total(Quantity.ACTIVATIONS))

    return cells


def parts_of(cost: Cost) -> tuple[Cost, ...]:
    """Backbone, neck and heads, where a tree has such parts: nodes that hold stages and are none."""
    holding = (node for node in cost.children if node.stage is None and any(node.stages()))
    return cost.children if any(holding) else ()


def part_table(cost: Cost) -> Table:
    """What each of these parts costs."""
    figures = cells_of(cost)
    rows = [(node.name, *figures(node)) for node in parts_of(cost)]
    columns = (Column("part", "Part", Kind.WORD), *FIGURES)
    return Table("By part", columns, (*rows, ("total", *figures(cost))), total=True)


def part_fields(node: Cost) -> dict[str, Any]:
    """A part in JSON."""
    shown = (Quantity.PARAMS, Quantity.MACS, Quantity.FVCORE, Quantity.ACTIVATIONS)
    return {"name": node.name, **{quantity.value: node.total(quantity) for quantity in shown}}


def stage_fields(node: Cost) -> dict[str, Any]:
    """A stage in JSON."""
    stage = node.stage
    assert stage is not None
    return {
        **part_fields(node),
        "resolution": list(stage.resolution),
        "channels": stage.channels,
        "depth": stage.depth,
        "heads": stage.heads,
    }


def formula_fields(form: Form, around: Regime | None) -> dict[str, Any]:
    """The form on its lattice; whether this size is on it; and the form that holds here where it is not."""
    lattice = {"valid": "", **form.to_dict(), "holds_here": around is None}
    return lattice if around is None else {**lattice, "everywhere": around.form_dict()}


def formula_notes(form: Form, around: Regime | None, here: str) -> list[str]:
    """The form that holds at this size, and where; the tidy one with its lattice."""
    if around is None:
        return [f"MACs = {form}" + (f"   ({form.valid})" if form.valid else "")]
    where = "" if around.when.always else f"   ({around.when})"
    lattice = f"for {form.valid}" if form.valid else "as a rule"
    return [f"MACs = {around.form}{where}", f"{lattice} {form}, which does not hold at {here}"]


def unpriced_notes(calls: Mapping[str, int]) -> list[str]:
    """Operators without a price, with their calls: every figure lacks them."""
    named = ", ".join(f"{name} ({number})" for name, number in calls.items())
    return [Caveat(f"not in its figures, because nobody here can price it: {named}")] if calls else []


def unpriced_words(calls: Mapping[str, int]) -> str:
    """The same in a few words, for a picture."""
    names = [name.replace("aten::", "") for name in calls]
    shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    return f"without {shown}, which nobody here can price" if calls else ""


def operator_table(cost: Cost, report: Report | None, convention: bool = True) -> Table:
    """A row for each operator that multiplies or that fvcore's convention prices, with its count if any.

    ``convention``: whether fvcore's has a figure; without one there is nothing of fvcore in the table.
    """
    if not convention:
        return _multiplying(cost, report)
    columns = [
        Column("operator", "Operator", Kind.WORD),
        Column("macs", "MACs", Kind.COUNT),
        Column("fvcore", "fvcore's convention", Kind.NUMBER, kept=True),
    ]
    macs, priced = cost.by_operator(Quantity.MACS), cost.by_operator(Quantity.FVCORE)
    kinds = sorted({kind for kind in (*macs, *priced) if macs.get(kind) or priced.get(kind)})
    rows: list[tuple[Any, ...]] = [(kind, macs.get(kind, 0), priced.get(kind, 0)) for kind in kinds]
    rows.append(("total", int(cost.total(Quantity.MACS)), int(cost.total(Quantity.FVCORE))))
    notes: tuple[str, ...] = ()
    if report is not None:
        columns += [Column("counted", "fvcore counted", Kind.NUMBER), Column("verdict", "Verdict", Kind.VERDICT)]
        counted = {c.operator: c.counted for c in report.checks if c.quantity == Quantity.FVCORE.value}
        rows += [(kind, 0, 0) for kind in counted if kind not in kinds]
        rows = [(*row, *_counted(report, row[0], row[2], counted)) for row in rows]
        notes = _notes(report)
    return Table("Operators", tuple(columns), tuple(rows), notes, total=True)


def _multiplying(cost: Cost, report: Report | None) -> Table:
    """A row for each operator that multiplies."""
    columns = (Column("operator", "Operator", Kind.WORD), Column("macs", "MACs", Kind.COUNT))
    rows = [(kind, macs) for kind, macs in sorted(cost.by_operator(Quantity.MACS).items()) if macs]
    total = ("total", int(cost.total(Quantity.MACS)))
    return Table("Operators", columns, (*rows, total), () if report is None else _notes(report), total=True)


def _counted(
    report: Report, kind: str, expected: int, counted: Mapping[str, int]
) -> tuple[int | None, str | None]:
    if not counted:
        return None, verdict(report)
    number = sum(counted.values()) if kind == "total" else counted.get(kind, 0)
    return number, "agrees" if number == expected else "differs"


def _notes(report: Report) -> tuple[str, ...]:
    if not report.checks or report.differing or report.reason:
        return (str(report),)
    held = {c.quantity for c in report.checks}
    also = [name for name in (Quantity.ACTIVATIONS.value, Quantity.PARAMS.value) if name in held]
    return (f"{' and '.join(also)} agree with the counted module to the unit, too",)
