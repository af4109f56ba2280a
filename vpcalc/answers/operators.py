"""A model's operators: multiply-accumulates, fvcore's convention, and fvcore's count beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..cost import Cost, Quantity
from ..report import Column, Kind, Table
from .verdicts import verdict

if TYPE_CHECKING:
    from ..checks import Report


def operator_table(cost: Cost, report: Report | None) -> Table:
    """A row for each operator that multiplies or that fvcore's convention prices, with its count if any."""
    columns = [
        Column("operator", "Operator", Kind.WORD),
        Column("macs", "MACs", Kind.COUNT),
        Column("fvcore", "fvcore's convention", Kind.NUMBER),
    ]
    macs, priced = cost.by_operator(Quantity.MACS), cost.by_operator(Quantity.FVCORE)
    kinds = sorted({kind for kind in (*macs, *priced) if macs.get(kind) or priced.get(kind)})
    rows: list[tuple[Any, ...]] = [(kind, macs.get(kind, 0), priced.get(kind, 0)) for kind in kinds]
    rows.append(("total", int(cost.total(Quantity.MACS)), int(cost.total(Quantity.FVCORE))))
    notes: tuple[str, ...] = ()
    if report is not None:
        columns += [
            Column("counted", "fvcore counted", Kind.NUMBER),
            Column("verdict", "Verdict", Kind.VERDICT),
        ]
        counted = {c.operator: c.counted for c in report.checks if c.quantity == Quantity.FVCORE.value}
        rows += [(kind, 0, 0) for kind in counted if kind not in kinds]
        rows = [(*row, *_counted(report, row[0], row[2], counted)) for row in rows]
        notes = _notes(report)
    return Table("Operators", tuple(columns), tuple(rows), notes, total=True)


def _counted(report: Report, kind: str, expected: int, counted: Mapping[str, int]) -> tuple[int | None, str]:
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
