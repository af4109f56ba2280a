"""``vpcalc reproduce``: published figures beside ours, derived and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..architectures import ARCHITECTURES
from ..charges import MACS, UNEXPLAINED, Way, by_chance, charged, readings, ways
from ..cost import Quantity
from ..errors import unknown
from ..optional import counts
from ..printed import ROUNDED, Printed
from ..published import Published, figures
from ..report import Column, Kind, Table
from ..symbolic import Form
from .model import Model, our_model
from .result import Result

PRODUCTS = ("linear", "matmul", "conv")
"""fvcore's operators that are multiply-accumulates; norms and pooling are not."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One published figure: what is derived, and what fvcore counted of our module if it was asked.

    ``given`` is what every convention gives; ``way`` how it comes out in the convention of its table.
    """

    published: Published
    model: Model
    given: Mapping[str, int]
    way: Way = UNEXPLAINED

    @property
    def derived(self) -> int:
        """Our figure, in the quantity that the source names."""
        return self.given[MACS]

    @property
    def explained(self) -> bool:
        """Whether the figure comes out, rounded or otherwise cut, in the convention of its table."""
        return self.way.how is not None

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
        if self.explained:
            said = (self.way.convention if self.way.convention != MACS else "", self.way.how)
            return ", ".join(each for each in said if each and each != ROUNDED)
        if self.published.why:
            return self.published.why
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
            "explained": self.explained,
            "convention": self.way.convention,
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
        alone, moved = self.chance
        return {
            "command": "reproduce",
            "rows": [row.to_dict() for row in self.rows],
            "by_chance": {"explained": alone, "of": moved},
        }

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
        """One row a figure, and how many agree; one row a table of a source, and what it counts."""
        columns = (
            Column("model", "Model"),
            Column("input", "Input", Kind.WORD, wide=True),
            Column("quantity", "Of", Kind.WORD),
            Column("published", "Printed", Kind.WORD, kept=True),
            Column("derived", "Derived", Kind.COUNT, kept=True),
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
                "agrees" if row.agrees else "explained" if row.explained else "differs",
                row.why,
                "; ".join(sources),
            )
            for row, sources in self._by_figure()
        )
        agreeing = sum(row.agrees for row in self.rows)
        explained = sum(row.explained for row in self.rows)
        alone, moved = self.chance
        assuming = sum(bool(row.agrees and row.why) for row in self.rows)
        resting = f"; {assuming} of these only with a setting that we chose" if assuming else ""
        alike = "; sources that print the same share a row" if len(rows) < len(self.rows) else ""
        notes = (
            f"{agreeing} of {len(self.rows)} figures agree at the precision at which they are printed{resting}.",
            f"{explained} come out in one convention for the whole of their table, some with digits cut off; "
            f"of figures moved by 3 % the same search explains {alone} of {moved}.",
            f"A difference is a finding about the paper or its counter; ours are checked against modules{alike}.",
        )
        figures_table = Table("Published figures, reproduced", columns, rows, notes)
        found = (figures_table, self._by_source())
        if any(row.model.architecture.family.name == "pvt_v2" for row in self.rows):
            return (*found, _paper_terms())
        return found

    def _by_source(self) -> Table:
        columns = (
            Column("table", "Table"),
            Column("of", "Of", Kind.WORD),
            Column("figures", "Figures", Kind.NUMBER),
            Column("come_out", "Come out", Kind.NUMBER, kept=True),
            Column("convention", "In"),
        )
        rows = []
        for places in _tables(self.rows):
            first, found = self.rows[places[0]], sum(self.rows[place].explained for place in places)
            several = found and len(places) > 1 and first.published.quantity == Quantity.MACS.value
            way = first.way.convention if several else ""  # one figure may come out in many
            rows.append((first.published.source, first.published.quantity, len(places), found, way))
        return Table("What each table counts", columns, tuple(rows))

    @property
    def chance(self) -> tuple[int, int]:
        """How many figures, each moved up and down by 3 %, the same search would explain, and of how many."""
        return by_chance([_told(self.rows[place]) for place in places] for places in _tables(self.rows))

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
    mine = {(f.source, f.quantity) for f in figures() if family in (None, ARCHITECTURES[f.model].family.name)}
    rows = list(_derived(f for f in figures() if (f.source, f.quantity) in mine))
    for places in _tables(rows):
        for place, way in zip(places, ways([_told(rows[place]) for place in places]), strict=True):
            rows[place] = replace(rows[place], way=way)
    result = Reproduction(tuple(row for row in rows if family in (None, row.model.architecture.family.name)))
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


def _tables(rows: Sequence[Reproduced]) -> list[list[int]]:
    """The places of rows whose figures one source prints of one quantity."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault((row.published.source, row.published.quantity), []).append(place)
    return list(found.values())


def _told(row: Reproduced) -> tuple[Printed, Mapping[str, int]]:
    return row.published.figure, row.given


def _derived(chosen: Iterable[Published]) -> Iterator[Reproduced]:
    """The figures with what is derived; a model that has several is run once."""

    @cache
    def derived(name: str, input: str, settings: tuple[tuple[str, str], ...]) -> Model:
        return our_model(name, input=input or None, set=dict(settings))

    @cache
    def given(name: str, input: str, settings: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
        model = derived(name, input, settings)
        return readings(charged(model.architecture, model.sizes, model.config, model.cost))

    for figure in chosen:
        key = figure.model, figure.input, tuple(figure.changes.items())
        model, quantity = derived(*key), Quantity(figure.quantity)
        yield Reproduced(
            figure, model, given(*key) if quantity is Quantity.MACS else {MACS: model.figure(quantity)}
        )
