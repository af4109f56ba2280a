"""``vpcalc model`` of a module of the reader's: its top modules, operators, closed form, and their counts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import as_polynomial
from ..checks.ran import NotRunError, Ran, once, settles
from ..checks.shapes import InputShape
from ..checks.targets import find_target, settled
from ..cost import Cost, Quantity, Stage
from ..errors import InputError
from ..inputs import whole
from ..report import Column, Kind, Table
from ..symbolic import Form
from .derived import ITSELF
from .own_inputs import in_words, name_of, refuse_letters, shapes_of, sides_of, with_letters
from .priced import FIGURES, cells_of, formula_fields, formula_notes, operator_table, stage_fields, unpriced_notes
from .result import Result
from .verdicts import report_dict

if TYPE_CHECKING:
    from ..checks import Report
    from ..everywhere import Regime
    from ..execution.outcome import Execution
    from ..execution.program import Program

DEEPEST = 2
"""How deep a module may lie that stands in the table: one that holds all others shows what it holds."""


@dataclass(frozen=True)
class OwnModel(Result):
    """A module of the reader's at one input size. ``report`` is None until it has been counted.

    Args:
        id: what was asked for, as it was written.
        inputs: the shapes of its inputs, in numbers.
        arguments: those of its factory.
        ran: its run on symbols there.
        unlettered: why its sizes could not be symbols, so that there is no closed form; empty where there is one.
        built: which class was built, where its name leaves that open.
    """

    id: str
    inputs: tuple[InputShape, ...]
    arguments: Mapping[str, object]
    ran: Ran
    unlettered: str = ""
    built: str = ""
    report: Report | None = None

    def figure(self, quantity: Quantity) -> int:
        """One of its totals."""
        return int(self.cost.total(quantity))

    @cached_property
    def cost(self) -> Cost:
        """The cost tree, its top modules as stages."""
        return _staged(self.ran.cost, self.ran)

    @cached_property
    def flow(self) -> Mapping[str, tuple[str, ...]]:
        """For each stage, in the order in which they run, the stages that it reads from, or the input."""
        return self.ran.flow([node.name for node in self.cost.stages()], ITSELF)

    @property
    def unknown(self) -> Mapping[str, int]:
        """Operators without a price, with their calls: missing from every figure."""
        return self.ran.unknown

    @property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates, and where it holds."""
        return self.ran.form

    @cached_property
    def around(self) -> Regime | None:
        """The form that holds at this size, where the tidy one does not."""
        return self.ran.around()

    @property
    def shape(self) -> list[Any]:
        """Shape of the input; of all of them where there are several."""
        return sides_of(self.inputs)

    @property
    def size(self) -> str:
        """The input's size in words: 224×224 of a batch of images, or whole shapes."""
        return in_words(self.inputs)

    @property
    def batch(self) -> int:
        """Images or sequences, as the first side of the first input says."""
        first = self.inputs[0].dims
        return int(first[0]) if first else 1  # type: ignore[arg-type]  # its sides are numbers

    @property
    def at(self) -> dict[str, Any]:
        """Its inputs and the arguments of its factory."""
        return {"input": self.size, **self.arguments}

    source = "its own run on symbols"
    published = ()
    assumptions = ()

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        shown = (Quantity.PARAMS, Quantity.MACS, Quantity.FLOPS, Quantity.FVCORE, Quantity.ACTIVATIONS)
        figures: dict[str, Any] = {quantity.value: self.figure(quantity) for quantity in shown}
        if self.no_fvcore:
            figures[Quantity.FVCORE.value] = None
        return {
            "command": "model",
            "model": self.id,
            "family": "own",
            "built": self.built,
            "input": self.shape,
            "config": {name: str(value) for name, value in self.arguments.items()},
            **figures,
            "frozen_params": self.ran.frozen,
            "attention_elements": self.figure(Quantity.ATTENTION),
            "formula": {"macs": formula_fields(self.form, self.around)},
            "stages": [stage_fields(stage) for stage in self.cost.stages()],
            "operators": {} if self.no_fvcore else self.cost.by_operator(Quantity.FVCORE),
            "unknown": dict(self.unknown),
            "facts": {},
            "notes": list(self.notes),
            "assumptions": [],
            "published": [],
            **report_dict(self.report),
        }

    @property
    def no_fvcore(self) -> str:
        """Why fvcore's convention has no figure of it; empty where it has."""
        return self.ran.batched.missing.get("fvcore", "")

    def checked(self) -> OwnModel:
        """The same with the module counted, by fvcore and by the dispatcher."""
        return replace(self, report=self.ran.report())

    def tables(self) -> tuple[Table, ...]:
        """Its top modules, and operators against fvcore's count."""
        return (self._module_table(), operator_table(self.cost, self.report, not self.no_fvcore))

    def _module_table(self) -> Table:
        columns = (Column("module", "Module", Kind.WORD), Column("output", "Output", Kind.WORD), *FIGURES)
        figures = cells_of(self.cost)
        rows: list[tuple[Any, ...]] = []
        for node in self.cost.stages():
            assert node.stage is not None
            rows.append((node.name, _output(node.stage), *figures(node)))
        rows.append(("total", "", *figures(self.cost)))
        given = ", ".join(f"{name} = {value}" for name, value in self.arguments.items())
        title = f"{self.id} at {self.size}, batch {self.batch}{f' ({given})' if given else ''}"
        return Table(title, columns, tuple(rows), (*self._formula_notes(), *self.notes), total=True)

    def _formula_notes(self) -> list[str]:
        if self.unlettered:
            return [f"no closed form: {self.unlettered}"]
        return formula_notes(self.form, self.around, self.size)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was built, and what nobody can price."""
        notes = [f"built: {self.built}"] if self.built else []
        if frozen := self.ran.frozen:
            trained = self.figure(Quantity.PARAMS)
            notes.append(f"{trained:,} of {trained + frozen:,} parameters are trained; params are these")
        return (*notes, *unpriced_notes(self.unknown))


def own_model(
    target: object,
    *,
    input: object = None,
    tokens: object = None,
    args: Mapping[str, object] | None = None,
    batch: object = 1,
    title: str = "",
) -> OwnModel:
    """The cost of a module of the reader's at an input size.

    Args:
        target, args: as :func:`vpcalc.derive` has them; arguments are numbers and words here.
        input: side of a square image, ``"HxW"``, or a whole shape: ``"1,3,224,224"``, ``"1,128:long"``.
        tokens: length of a sequence of ids.
        batch: images or sequences, where no whole shape is given.
        title: what it is called, if not by its own name.

    Raises:
        InputError: it cannot be built or run at this size.
    """
    name = title or name_of(target)
    shapes = shapes_of(name, input, tokens, whole("--batch", batch))
    given = args or {}
    refuse_letters("a figure", shapes, given)
    target = settled(target)
    numbers = find_target(target, ";".join(map(str, shapes)), given)
    lettered, point = with_letters(shapes)
    shapes = numbers.inputs
    why = ""

    def run(lettered: tuple[InputShape, ...], point: Mapping[str, int]) -> tuple[Execution, Program]:
        return once(find_target(target, ";".join(map(str, lettered)), given), point)

    try:
        execution, program = run(lettered, point)
        others = with_letters(shapes, otherwise=True)
        if settles(execution) and others[0] != lettered:  # it lies otherwise
            with suppress(NotRunError):
                again = run(*others)
                execution, program = (execution, program) if settles(again[0]) else again
    except NotRunError as error:
        why = str(error)
        try:
            execution, program = once(numbers, {})
        except NotRunError as error:
            hint = "; vpcalc derive may count it with values" if "on symbols" in str(error) else ""
            raise InputError(f"model {name}: {error}{hint}") from error
    found = Ran(name, tuple(execution.point), execution, execution, program)
    return OwnModel(name, shapes, given, found, why, numbers.built)


def top_modules(cost: Cost, ran: Ran, path: str = "", depth: int = 1) -> dict[str, Cost]:
    """The nodes of its top modules by their paths; what only holds others shows what it holds."""
    found: dict[str, Cost] = {}
    for child in cost.children:
        below = f"{path}.{child.name}" if path else child.name
        alone = len(cost.children) == 1 or below not in ran.execution.outputs
        if alone and child.children and not child.ops and depth < DEEPEST:
            found |= top_modules(child, ran, below, depth + 1)
        else:
            found[below] = child
    return found


def _staged(cost: Cost, ran: Ran) -> Cost:
    """The tree with its top modules as stages."""
    stages = [replace(node, name=p, stage=_stage(p, ran)) for p, node in top_modules(cost, ran).items()]
    if any(Cost("", cost.ops).total(quantity) for quantity in Quantity):
        stages.append(Cost(ITSELF, cost.ops, stage=_stage("", ran)))
    return replace(cost, ops=(), children=tuple(stages))


def _stage(path: str, ran: Ran) -> Stage:
    forms = [as_polynomial(side) for side in ran.execution.outputs.get(path, ())][1:]
    sides = [int(form.at(ran.point)) for form in forms]
    grow = [bool(form.symbols) for form in forms]  # channels do not grow with the image
    first = not grow[0] if len(sides) > 1 and grow[0] != grow[-1] else len(sides) > 2
    if not first:
        return Stage(tuple(sides[:-1]), sides[-1] if sides else 0)
    return Stage(tuple(sides[1:]), sides[0])


def _output(stage: Stage) -> str:
    if not stage.channels:
        return ""
    return " · ".join(filter(None, ["×".join(map(str, stage.resolution)), f"{stage.channels}"]))
