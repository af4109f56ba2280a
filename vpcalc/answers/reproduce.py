"""``vpcalc reproduce``: published figures beside ours, derived and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..architectures import ARCHITECTURES
from ..cost import Quantity
from ..errors import unknown
from ..optional import counts
from ..published import Published, figures
from ..report import Column, Kind, Table
from ..symbolic import Form
from .model import Model, our_model
from .result import Result

PRODUCTS = ("linear", "matmul", "conv")
"""fvcore's operators that are multiply-accumulates; norms and pooling are not."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One published figure: what is derived, and what fvcore counted of our module if it was asked."""

    published: Published
    model: Model
    derived: int

    @property
    def agrees(self) -> bool:
        """Whether the derived figure rounds to the printed one."""
        return self.published.agrees(self.derived)

    @property
    def counted(self) -> int | None:
        """The same quantity counted on the instantiated module."""
        if self.model.report is None or not self.model.report.checks:
            return None
        checks = self.model.report.checks
        if self.published.quantity == Quantity.PARAMS.value:
            return next(check.counted for check in checks if check.quantity == Quantity.PARAMS.value)
        products = [c for c in checks if c.quantity == Quantity.FVCORE.value and c.operator in PRODUCTS]
        return sum(check.counted for check in products)

    @property
    def why(self) -> str:
        """What is known about a difference, or on which assumption of ours an agreement rests."""
        if self.agrees:
            return self.model.why(self.published)
        if self.published.why:
            return self.published.why
        if self.published.truncates(self.derived):
            return "cut off, not rounded"
        return f"{100 * (self.derived / self.published.value - 1):+.1f} %, not explained"

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        return {
            "model": self.published.model,
            "settings": self.published.changes,
            "input": self.published.input,
            "quantity": self.published.quantity,
            "published": self.published.value,
            "printed": self.published.printed,
            "derived": self.derived,
            "counted": self.counted,
            "agrees": self.agrees,
            "why": self.why,
            "assumed": [each.assumption.setting for each in self.model.assumptions if self.agrees and self.why],
            "source": self.published.source,
        }


@dataclass(frozen=True, slots=True)
class Reproduction(Result):
    """Every published figure of a family, or of all."""

    rows: tuple[Reproduced, ...]

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {"command": "reproduce", "rows": [row.to_dict() for row in self.rows]}

    def checked(self, counted: Callable[[int, int], None] | None = None) -> Reproduction:
        """The same with each distinct model counted once; ``counted(done, all)`` is called after each."""
        keys = [(row.published.model, row.model.sizes, row.published.settings) for row in self.rows]
        distinct = dict(zip(keys, self.rows, strict=True))
        models = {}
        for done, (key, row) in enumerate(distinct.items(), start=1):
            models[key] = row.model.checked()
            if counted is not None:
                counted(done, len(distinct))
        return Reproduction(
            tuple(replace(row, model=models[key]) for key, row in zip(keys, self.rows, strict=True))
        )

    def tables(self) -> tuple[Table, ...]:
        """One row a figure, and how many agree."""
        columns = (
            Column("model", "Model"),
            Column("input", "Input", Kind.WORD, wide=True),
            Column("quantity", "Of", Kind.WORD),
            Column("published", "Printed", Kind.WORD),
            Column("derived", "Derived", Kind.COUNT),
            Column("counted", "Counted", Kind.COUNT, wide=True),
            Column("verdict", "Verdict", Kind.VERDICT),
            Column("why", "Why"),
            Column("source", "Source", wide=True),
        )
        rows = tuple(
            (
                " ".join([row.published.model, *row.published.settings.split(";")]).strip(),
                row.published.input or "any",
                row.published.quantity,
                row.published.printed,
                row.derived,
                row.counted,
                "agrees" if row.agrees else "differs",
                row.why,
                "; ".join(sources),
            )
            for row, sources in self._by_figure()
        )
        agreeing = sum(row.agrees for row in self.rows)
        assuming = sum(bool(row.agrees and row.why) for row in self.rows)
        resting = f"; {assuming} of these only with a setting that we chose" if assuming else ""
        alike = "; sources that print the same share a row" if len(rows) < len(self.rows) else ""
        notes = (
            f"{agreeing} of {len(self.rows)} figures agree at the precision at which they are printed{resting}.",
            f"A difference is a finding about the paper or its counter; ours are checked against modules{alike}.",
        )
        figures_table = Table("Published figures, reproduced", columns, rows, notes)
        if any(row.model.architecture.family.name == "pvt_v2" for row in self.rows):
            return (figures_table, _paper_terms())
        return (figures_table,)

    def _by_figure(self) -> list[tuple[Reproduced, list[str]]]:
        """Sources that print the same figure, together."""
        merged: dict[tuple[str, ...], tuple[Reproduced, list[str]]] = {}
        for row in self.rows:
            p = row.published
            key = (p.model, p.settings, p.input, p.quantity, p.digits)
            merged.setdefault(key, (row, []))[1].append(p.source)
        return list(merged.values())

    @property
    def ok(self) -> bool:
        """Whether our own figures hold: a difference with a paper is a finding, not a failure."""
        return all(row.model.ok for row in self.rows)


def reproduce(
    family: str | None = None, *, check: bool | None = None, progress: Callable[[int, int], None] | None = None
) -> Reproduction:
    """Derive every figure that a paper prints for the known architectures.

    Args:
        family: only this family.
        check: count each instantiated module with fvcore, too; if left out, where torch and fvcore are installed.
        progress: called with how many models have been counted, and of how many.

    Raises:
        InputError: an unknown family.
    """
    families = {ARCHITECTURES[id].family.name for id in ARCHITECTURES}
    if family is not None and family not in families:
        raise unknown("family", family, families)
    chosen = [f for f in figures() if family in (None, ARCHITECTURES[f.model].family.name)]
    result = Reproduction(tuple(map(_derive, chosen)))
    return result.checked(progress) if counts(check) else result


def _paper_terms() -> Table:
    """PVT v2's printed complexities against the layers' operators, term by term."""
    from ..architectures.pvt_v2 import paper_terms

    columns = (
        Column("layer", "Layer", Kind.WORD),
        Column("term", "Term"),
        Column("ours", "Its operators", Kind.FORMULA),
        Column("paper", "Printed", Kind.FORMULA),
        Column("verdict", "Verdict", Kind.VERDICT),
        Column("remark", "Remark", wide=True),
    )
    rows = tuple(
        (t.layer, t.term, Form(t.ours), Form(t.paper) if t.paper else None, t.verdict, t.remark)
        for t in paper_terms()
    )
    return Table("Ω(SRA) and Ω(Linear SRA) of PVT v2, eq. 1 and 2, term by term", columns, rows)


def _derive(figure: Published) -> Reproduced:
    sizes = figure.input or None
    found = our_model(figure.model, input=sizes, set=figure.changes)
    return Reproduced(figure, found, found.figure(Quantity(figure.quantity)))
