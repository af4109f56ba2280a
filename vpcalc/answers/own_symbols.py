"""``vpcalc model`` of a module of the reader's in letters: its top modules and operators in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial
from ..checks.exploring import RANGES, starts
from ..checks.probing import spell_point
from ..checks.ran import NotRunError, Ran, once
from ..checks.shapes import InputShape
from ..checks.targets import Target, find_target
from ..cost import Cost, Quantity
from ..errors import InputError
from ..report import Caveat, Column, Kind, Table
from ..symbolic import Form
from .derived import ITSELF
from .own_inputs import name_of
from .own_model import top_modules
from .priced import unpriced_notes
from .result import Result
from .verdicts import report_dict

if TYPE_CHECKING:
    from ..checks import Report

SHOWN = (Quantity.PARAMS, Quantity.MACS, Quantity.FLOPS, Quantity.FVCORE, Quantity.ACTIVATIONS)


@dataclass(frozen=True)
class SymbolicModel(Result):
    """A module of the reader's in letters, where everything divides. ``report`` is None until it has been counted.

    Args:
        id, inputs, arguments: what was asked for, as it was written.
        ran: its run on symbols, at numbers that are only to decide its branches.
        built: which class was built, where its name leaves that open.
    """

    id: str
    inputs: str
    arguments: Mapping[str, object]
    ran: Ran
    built: str = ""
    report: Report | None = None

    @cached_property
    def cost(self) -> Cost:
        """The cost tree in letters."""
        return self.ran.symbolic

    @property
    def form(self) -> Form:
        """Multiply-accumulates, and where all forms hold."""
        return self.ran.form

    def figure(self, quantity: Quantity) -> Form:
        """One of its totals."""
        return _form(self.cost, quantity)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object: forms in the place of figures."""
        return {
            "command": "model",
            "model": self.id,
            "family": "own",
            "built": self.built,
            "input": self.inputs,
            "config": {name: str(value) for name, value in self.arguments.items()},
            **{quantity.value: self.figure(quantity).to_dict() for quantity in SHOWN},
            "formula": {"macs": {"valid": "", **self.form.to_dict()}},
            "stages": [
                {
                    "name": path,
                    "output": self._output(path),
                    **{quantity.value: _form(node, quantity).to_dict() for quantity in SHOWN},
                }
                for path, node in self._modules.items()
            ],
            "operators": {kind: _written(form).to_dict() for kind, form in self._operators.items()},
            "unknown": dict(self.ran.unknown),
            "counted_at": dict(self.ran.point),
            **report_dict(self.report),
        }

    def checked(self) -> SymbolicModel:
        """The same with the module counted where it ran."""
        return replace(self, report=self.ran.report())

    def tables(self) -> tuple[Table, ...]:
        """Its top modules, and its operators."""
        columns = (
            Column("module", "Module", Kind.WORD),
            Column("output", "Output", Kind.WORD),
            Column("params", "Params", Kind.FORMULA),
            Column("macs", "MACs", Kind.FORMULA),
        )
        rows = [
            (path, " × ".join(self._output(path)), _form(node, Quantity.PARAMS), _form(node, Quantity.MACS))
            for path, node in self._modules.items()
        ]
        rows.append(("total", "", self.figure(Quantity.PARAMS), self.figure(Quantity.MACS)))
        given = ", ".join(f"{name} = {value}" for name, value in self.arguments.items())
        title = f"{self.id}, input {self.inputs}{f' ({given})' if given else ''}"
        whole = Table(title, columns, tuple(rows), self._notes(), total=True)
        kinds = (Column("operator", "Operator", Kind.WORD), Column("macs", "MACs", Kind.FORMULA))
        operators = tuple((kind, _written(form)) for kind, form in self._operators.items())
        where = spell_point(self.ran.point)
        counted = () if self.report is None else (f"counted at {where}: {self.report}",)
        return (whole, Table("Operators", kinds, operators, counted))

    @cached_property
    def _modules(self) -> dict[str, Cost]:
        own = Cost("", self.cost.ops)
        found = top_modules(self.cost, self.ran)
        return {**found, ITSELF: own} if own.total(Quantity.MACS) or own.total(Quantity.PARAMS) else found

    @property
    def _operators(self) -> dict[str, Any]:
        found = self.cost.by_operator(Quantity.MACS)
        return {kind: form for kind, form in sorted(found.items()) if as_polynomial(form).terms}

    def _output(self, path: str) -> list[str]:
        returned = self.ran.execution.outputs.get("" if path == ITSELF else path, ())
        return [str(self.ran.tidied(side)) for side in returned]

    def _notes(self) -> tuple[str, ...]:
        notes: list[str] = [Caveat(f"holds for {self.form.valid}")] if self.form.valid else []
        notes += [f"built: {self.built}"] if self.built else []
        where = spell_point(self.ran.point)
        notes.append(f"one run on symbols, at {where}; vpcalc derive explores all sizes")
        return (*notes, *unpriced_notes(self.ran.unknown))


def symbolic_model(
    target: object, shapes: tuple[InputShape, ...], args: Mapping[str, object], title: str = ""
) -> SymbolicModel:
    """The cost of a module of the reader's in letters of its input and of its factory's arguments.

    ``title`` is what it is called, if not by its own name.

    Raises:
        InputError: it cannot be built, or run on symbols at any size where that is tried.
    """
    name, text = title or name_of(target), ";".join(map(str, shapes))
    found = find_target(target, text, args)
    execution, program = _first(name, found)
    ran = Ran(name, tuple(execution.point), execution, execution, program)
    return SymbolicModel(name, found.spelled, args, ran, found.built)


def _first(name: str, target: Target) -> tuple[Any, Any]:
    why: NotRunError | None = None
    for point in starts(list(target.variables), {v.name: (1, RANGES[v.kind]) for v in target.variables}):
        try:
            return once(target, point)
        except NotRunError as error:  # noqa: PERF203  # a handful of points
            why = why or error
    raise InputError(f"model {name}: {why}; give numbers such as 1,3,224,224")


def _form(cost: Cost, quantity: Quantity) -> Form:
    return _written(cost.total(quantity))


def _written(size: Any) -> Form:
    return Form(as_polynomial(size))
