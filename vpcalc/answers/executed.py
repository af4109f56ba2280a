"""What ``vpcalc derive`` answers where the module was executed on symbols: regimes, and papers' tidy form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import symbols
from ..algebra.floors import Tidy, on_lattice
from ..algebra.polynomial import Polynomial, constant
from ..checks.agreement import Agreement
from ..checks.exploring import Explored
from ..checks.probing import ZEROS, spell_point
from ..checks.quantities import COMMON, MANY_RUNS, QUANTITIES, Quantities
from ..checks.shapes import Kind as What
from ..checks.shapes import Variable
from ..errors import InputError, first_line
from ..report import Caveat, Column, Kind, Table
from ..report.numbers import exact, how_many
from ..symbolic import Form, divisions
from .derived import ITSELF, Derived, forms_table, unpriced
from .quantities import Part, domain, in_full, overview, parts, pieces, seen_at, sheet, to_dict, written

if TYPE_CHECKING:
    from ..execution.domains import Domain
    from ..execution.regimes import Exploration, Regime

MOST_PIECES = 16
"""Pieces of one regime beyond which another quantity does not stand beside multiply-accumulates."""

_MEANS = {
    What.BATCH: "first side of the input",
    What.SEQUENCE: "side of the input",
    What.IMAGE: "side of the image",
    What.ARGUMENT: "argument of the factory",
}


@dataclass(frozen=True)
class Call:
    """Calls of a function on operands of one shape: the modules that made them, and their MACs together."""

    name: str
    operands: str
    result: str
    modules: tuple[str, ...]
    macs: Polynomial

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON object."""
        fields = {"operator": self.name, "operands": self.operands, "result": self.result}
        return {**fields, "modules": list(self.modules), "macs": Form(self.macs).to_dict()}


@dataclass(frozen=True, kw_only=True)
class Executed(Derived):
    """Closed forms that were read off the program's own run, each with its domain.

    Args:
        explored: the regimes and the evidence for them.
        agreements: for each regime that runs whether its form is that of the layers; empty where there are none.
        variables: the symbols.
        way: how one description covers all sizes: one model, or one rebuilt for each size.
        tied: symbols that equal another one (squares only).
        on_lattice: whether tables show the tidy forms of the lattice instead of those of every size.
        seconds: how long it took.
        quantities: what it costs beside multiply-accumulates, each found when it is first asked for.
    """

    explored: Explored
    agreements: Mapping[Regime, Agreement]
    variables: tuple[Variable, ...]
    way: str
    tied: Mapping[str, str]
    on_lattice: bool
    seconds: float
    quantities: Quantities

    @property
    def verdict(self) -> str:
        """That of the main regime; ``unsettled`` where any regime is, or a real run counts another figure."""
        found = {each.verdict for each in self.agreements.values()}
        return "unsettled" if "unsettled" in found else self._verdict(self.explored.main)

    @property
    def refuted(self) -> bool:
        """Whether a real run counted another figure: on the meta device the program took another branch."""
        return self.explored.real.agrees is False and self.explored.real.fails_at is None

    def _verdict(self, regime: Regime) -> str:
        if self.refuted:
            return "unsettled"
        return self.agreements[regime].verdict if regime in self.agreements else "executed"

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Those that run first, then refusals."""
        return self.explored.exploration.regimes

    @property
    def regime(self) -> str:
        """How one description covers all sizes, as where it is counted."""
        return self.way

    @cached_property
    def _tidy(self) -> Tidy | None:
        leader = self.explored.main.leader
        ran = (run.macs for run in self.explored.exploration.executions if run.point == leader.point)
        return on_lattice(next(ran, leader.execution.macs))  # with the floors that say what has to divide

    @property
    def everywhere(self) -> Form:
        """The form of the main regime, at every size of its domain."""
        return Form(self.explored.main.leader.execution.macs, self.domain.text)

    @property
    def macs(self) -> Form:
        """The tidy form, on its lattice within the main regime; with floors where there is none."""
        return self.everywhere if self._tidy is None else Form(self._tidy.form, self.condition)

    @property
    def lattice(self) -> dict[str, int]:
        """What each symbol has to be a multiple of for the tidy form."""
        every = dict.fromkeys(self.explored.exploration.range.bounds, 1)
        return every if self._tidy is None else {**every, **self._tidy.strides}

    @cached_property
    def domain(self) -> Domain:
        """Where the main regime holds, within the range."""
        return domain(self.explored.main.regions)

    @property
    def condition(self) -> str:
        """Where the tidy form holds, in words."""
        phrases = [] if self._tidy is None else divisions(self._tidy, self.lattice)
        phrases += [self.domain.text] if self.domain.text else []
        phrases += [f"{name} = {other}" for name, other in self.tied.items()]
        return "; ".join(phrases)

    @property
    def unknown(self) -> dict[str, int]:
        """Operators that do arithmetic which nobody here can price, with their calls: missing from the total."""
        return dict(self.explored.unknown)

    @property
    def ok(self) -> bool:
        """Whether the real run, where there was one, agrees, and so do the layers."""
        return self.explored.real.agrees is not False and self.verdict != "unsettled"

    def operators(self) -> dict[str, Form]:
        """The form of each operator of the main regime, by its name in ATen."""
        return {name: self._shown(form) for name, form in _by_operator(self.explored.main).items()}

    def modules(self) -> dict[str, Form]:
        """The form of each module that computes anything, with its children, to the given depth."""
        forms = self.explored.main.leader.execution.modules()
        return {path: self._shown(form) for path, form in forms.items() if self.within(path) and form}

    def _itself(self) -> dict[str, Form]:
        """What the whole computes outside of all modules, without which their rows would not add up to it."""
        parts = self.explored.main.leader.execution.calls["macs"].items()
        own = sum((form for (path, _), form in parts if not path), constant(0))
        return {ITSELF: self._shown(own)} if own else {}

    def calls(self) -> tuple[Call, ...]:
        """Products with the shapes of their operands, those of one kind together, in the order of the first."""
        found: dict[tuple[str, str, str], list[tuple[str, Polynomial]]] = {}
        for operation, macs in self.explored.main.leader.execution.operations:
            operands = " · ".join(map(_spelled, operation.operands))
            found.setdefault((operation.name.strip("_"), operands, _spelled(operation.result)), []).append(
                (operation.path, macs)
            )
        return tuple(
            Call(name, operands, result, tuple(path for path, _ in made), sum((m for _, m in made), constant(0)))
            for (name, operands, result), made in found.items()
        )

    def _shown(self, form: Polynomial) -> Form:
        tidy = on_lattice(form) if self.on_lattice and self._tidy is not None else None
        return written(form, self.explored.main.regions) if tidy is None else Form(tidy.form)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        explored, main = self.explored, self.explored.main
        extent = explored.exploration.range.bounds
        macs = self.macs.to_dict()
        params = written(main.leader.execution.params, main.regions).to_dict()
        return {
            **self.asked,
            "symbols": self.meanings,
            "regimes": [field for regime in self.regimes for field in self._regime(regime)],
            "quantities": {id: to_dict(QUANTITIES[id], found) for id, found in self._further.items()},
            "complete": explored.complete,
            "open": list(explored.open),
            "range": {name: list(bounds) for name, bounds in extent.items()},
            "lattice": {"macs": macs, "valid": self.lattice} if self._tidy is not None else None,
            "macs": macs,
            "valid": self.lattice,
            "condition": self.condition,
            "verdict": self.verdict,
            "params": params,
            "operators": {name: form.to_dict() for name, form in self.operators().items()},
            "modules": {path: form.to_dict() for path, form in self.modules().items()},
            "calls": [call.to_dict() for call in self.calls()],
            "fixed": {},
            "unknown": self.unknown,
            "zeros": explored.zeros,
            "too_large": explored.exploration.too_large,
            "limits": dict(explored.limits),
            "from": {name: int(main.regions[0].values(name)[0]) for name in extent},
            "regime": self.way,
            "method": "execution",
            "backward": False,
            "points": explored.exploration.runs,
            "held_out": len(main.confirmed),
            "held_out_points": [dict(point) for point in main.confirmed],
            "real_run": {"agrees": explored.real.agrees, "note": explored.real.note},
            "failed": [],
            "seconds": round(self.seconds, 3),
        }

    @property
    def meanings(self) -> dict[str, str]:
        """What each letter stands for."""
        return {v.name: self._meaning(v) for v in self.variables}

    def _meaning(self, v: Variable) -> str:
        known = next((s for s in symbols.ALPHABET if s.name == v.name), None)
        if v.argument and not (known and known.width):  # a letter of the factory's, whatever it is in our layers
            return f"argument {v.argument} of the factory"
        return _MEANS[v.kind] if known is None or v.kind is What.BATCH else known.meaning

    def completed(self, told: Callable[[int, int, str], None] | None = None) -> Executed:
        """See :class:`Result`: other quantities."""
        asked = self._asked
        for done, id in enumerate(asked, start=1):  # multiply-accumulates are done
            if told is not None:
                told(done, len(asked) + 1, QUANTITIES[id].name)
            self._explored(id)
        return self

    @property
    def _asked(self) -> tuple[str, ...]:
        """What is asked for beside multiply-accumulates; the common quantities unless one was chosen."""
        every: tuple[str, ...] = (*COMMON, "bytes_moved", "fvcore", "attention_elements")
        asked = {"": COMMON, "all": every}.get(self.quantity, (self.quantity,))
        return tuple(id for id in asked if id not in ("macs", "params"))

    def _explored(self, id: str) -> Exploration | str:
        runs = self.explored.exploration.runs
        if self.quantity == "" and runs > MANY_RUNS:
            return f"{runs} runs were needed already: --quantity NAME explores it"
        return self.quantities.exploration(id)

    @cached_property
    def _further(self) -> dict[str, Exploration | str]:
        return {id: self._explored(id) for id in self._asked}

    @cached_property
    def _parts(self) -> dict[str, list[Part]]:
        return {id: parts(found) for id, found in self._further.items() if not isinstance(found, str)}

    def _regime(self, regime: Regime) -> list[dict[str, Any]]:
        """A regime, in pieces if other quantities have several forms on it."""
        execution = regime.leader.execution
        if execution.error is not None:
            when = domain(regime.regions).to_dict()
            return [{"when": when, "refused": first_line(execution.error), "held_out": len(regime.confirmed)}]
        return [
            {
                "when": domain(piece.regions).to_dict(),
                "macs": written(execution.macs, piece.regions).to_dict(),
                "params": written(execution.params, piece.regions).to_dict(),
                **{
                    id: written(part.form, piece.regions).to_dict()
                    for id, part in piece.forms.items()
                    if part.form is not None
                },
                "verdict": self._verdict(regime),
                **({"layers": self.agreements[regime].to_dict()} if regime in self.agreements else {}),
                "held_out": len(regime.confirmed),
                "tried": regime.tried,
            }
            for piece in pieces(regime, self._parts, MOST_PIECES)
        ]

    def tables(self) -> tuple[Table, ...]:
        """Operators and modules of the main regime, and all regimes where there are several."""
        if self.quantity == "all":
            main = self.explored.main
            whole = Part(main.regions, main.leader.execution.macs, main)
            shown = overview(f"{self.title}: every quantity", whole, main.leader.execution.params, self._further)
            return (replace(shown, notes=(*shown.notes, *self._of_training("saved_bytes"), *self._notes())),)
        if self.quantity == "params":
            return (self._params_table(),)
        if self.quantity not in ("", "macs"):
            first, *others = in_full(self.target, QUANTITIES[self.quantity], self._one, self.depth, self.by)
            return (replace(first, notes=(*first.notes, *self._of_training(self.quantity))), *others)
        title = f"{self.title}: multiply-accumulates, forward"
        total = self.macs if self.on_lattice else self._shown(self.everywhere.polynomial)
        found = []
        if self.by == "operator":
            found.append(self._calls_table(title, total))
        elif not self.by:
            found.append(forms_table("operator", "Operator", title, self.operators(), total, self._notes()))
        if len(self.regimes) > 1 or self.explored.exploration.open:
            found.append(self._regimes_table())
        modules = self.modules()
        rows = {**modules, **self._itself()} if modules else modules
        if self.by == "module":
            found.insert(0, forms_table("module", "Module", title, rows, total, self._notes()))
        elif len(rows) > 1 and not self.by:
            found.append(forms_table("module", "Module", "By module", rows, total, ()))
        return tuple(found)

    @property
    def _one(self) -> Exploration:
        """The quantity that was asked for alone.

        Raises:
            InputError: it has no form.
        """
        (explored,) = self._further.values()
        if isinstance(explored, str):
            raise InputError(f"--quantity {self.quantity}: {self.target} has no form of it: {explored}")
        return explored

    def _params_table(self) -> Table:
        columns = (Column("when", "Where"), Column("params", "Parameters", Kind.FORMULA))
        rows = tuple(
            (domain(regime.regions).text or "every size", written(regime.leader.execution.params, regime.regions))
            for regime in self.regimes
            if not regime.refused
        )
        return Table(f"{self.target}: parameters that are trained", columns, rows, self._notes())

    def _calls_table(self, title: str, total: Form) -> Table:
        columns = (
            Column("operator", "Function"),
            Column("operands", "Operands"),
            Column("result", "Result"),
            Column("calls", "Calls", Kind.NUMBER),
            Column("module", "First in", wide=True),
            Column("macs", "MACs of all", Kind.FORMULA),
        )
        rows: list[tuple[Any, ...]] = [
            (call.name, call.operands, call.result, len(call.modules), call.modules[0], self._shown(call.macs))
            for call in self.calls()
        ]
        rows.append(("total", "", "", sum(len(call.modules) for call in self.calls()), "", total))
        return Table(title, columns, tuple(rows), self._notes(), total=True)

    def sheet(self) -> Table:
        """Operators of every regime, and what refuses elsewhere; or the one table that was asked for."""
        if self.quantity in ("all", "params") or self.by:
            return self.tables()[0]
        if self.quantity not in ("", "macs"):
            return sheet(self.target, QUANTITIES[self.quantity], self._one)
        columns = (
            Column("when", "Where"),
            Column("operator", "Operator"),
            Column("macs", "MACs in closed form", Kind.FORMULA),
            Column("refused", "Refused"),
        )
        rows: list[tuple[Any, ...]] = []
        for regime in self.regimes:
            where, execution = domain(regime.regions).text, regime.leader.execution
            if execution.error is not None:
                rows.append((where, "", None, first_line(execution.error)))
                continue
            forms = {**_by_operator(regime), "total": execution.macs}
            rows += [(where, name, written(form, regime.regions), "") for name, form in forms.items()]
        return Table(self.target, columns, tuple(rows), ())

    def beside_the_sheet(self) -> tuple[Table, ...]:
        """Modules; and regimes where one table alone was asked for, since others stand there with theirs."""
        others = super().beside_the_sheet()
        return others if self.by else tuple(table for table in others if table.columns[0].key == "module")

    def _regimes_table(self) -> Table:
        columns = (
            Column("when", "Where"),
            Column("macs", "MACs in closed form", Kind.FORMULA),
            Column("checked", "Counts", Kind.NUMBER),
            *((Column("verdict", "Verdict", Kind.VERDICT),) if self.agreements else ()),
        )
        rows: list[tuple[Any, ...]] = []
        for regime in self.regimes:
            execution = regime.leader.execution
            where = domain(regime.regions).text or "elsewhere"
            if execution.error is None:
                said: Form | str = written(execution.macs, regime.regions)
            else:
                said = f"refused: {seen_at(first_line(execution.error), regime)}"
            verdict = "" if regime.refused else self._verdict(regime)
            rows.append((where, said, len(regime.confirmed), *((verdict,) if self.agreements else ())))
        return Table(f"Regimes of {self.target}", columns, tuple(rows), ())

    def _notes(self) -> tuple[str, ...]:
        explored = self.explored
        extent = ", ".join(
            f"{name} from {low} to {high:,}" for name, (low, high) in explored.exploration.range.bounds.items()
        )
        holds = "does not hold for real" if self.refuted else f"holds for {self.domain.text or 'every size'}"
        notes: list[str] = [Caveat(f"{self.verdict}: {holds}; asked about {extent}")]
        notes += self._of_layers()
        notes += [*self.circumstances, *self._of_values()]
        if explored.main.tried:
            notes.append("equal forms or conditions on several symbols at once were tried at sizes, not decided")
        if (largest := explored.exploration.too_large) is not None:
            notes.append(f"left out: sizes whose tensors PyTorch cannot number, as {spell_point(largest)}")
        if explored.open:
            notes.append(f"not complete: {'; '.join(explored.open)}")
        if self._tidy is not None and any(stride > 1 for stride in self.lattice.values()):
            notes.append(f"for {self.condition}: {self.macs}")
        far = max(explored.main.confirmed, key=lambda point: sum(point.values()), default={})
        counts = len(explored.main.confirmed)
        runs = f"{how_many(explored.exploration.runs, 'run')} on symbols"
        notes.append(f"{self.way}; {runs}, {how_many(counts, 'count agree')}, up to {spell_point(far)}")
        notes.append(f"parameters: {self._params()}")
        sides = (v.name for v in self.variables if v.kind is not What.ARGUMENT)
        several = (n for n in sides if n in explored.exploration.range.bounds and explored.main.varies(n))
        idle = sorted(set(several) - self.everywhere.polynomial.letters)
        alone = sum(not regime.refused for regime in explored.exploration.regimes) == 1  # else it may decide which
        if idle and alone and not explored.unknown:
            notes.append(f"{' and '.join(idle)} does not occur: the model works at a size of its own")
        if explored.limits:
            bounds = " and ".join(f"{name} ≤ {most}" for name, most in explored.limits.items())
            notes.append(f"its configuration takes {bounds}")
        if explored.real.note:
            notes.append(
                explored.real.note if explored.real.agrees is not None else f"meta only; {explored.real.note}"
            )
        return (*notes, *unpriced(self.unknown))

    def _params(self) -> str:
        form = written(self.explored.main.leader.execution.params, self.explored.main.regions)
        return str(form) if form.polynomial.letters else exact(int(form.polynomial.at({})))

    def reservations(self, quantity: str) -> tuple[str, ...]:
        """What must be said wherever a form of a quantity stands; memory needs no prices."""
        return (*self._of_values(), *(unpriced(self.unknown) if QUANTITIES[quantity].unit == "MACs" else ()))

    def _of_values(self) -> list[str]:
        return [f"it looks at values: {ZEROS}"] if self.explored.zeros else []

    def _of_training(self, quantity: str) -> list[str]:
        """What is kept for a backward pass depends on the mode."""
        if self.train_mode or quantity not in ("saved_bytes", "backward_macs"):
            return []
        return [
            "for backward: of a pass in eval mode; --train-mode has what dropout and batch norms keep in training"
        ]

    def _of_layers(self) -> list[str]:
        """What the layers, which know nothing of torch, say of the run's forms."""
        if not self.agreements:
            return []
        if all(each.equal for each in self.agreements.values()):
            return ["the layers' form, which was derived without torch, is the same element of the ring there"]
        differing = [each.why for each in self.agreements.values() if each.equal is False]
        open_ = [each.why for each in self.agreements.values() if each.equal is None]
        return [f"layers and module disagree: {why}" for why in differing] + [
            f"not proved everywhere: {why}" for why in open_[:1]
        ]

    def _repr_latex_(self) -> str:
        return f"${self.everywhere.latex}$"

    def __str__(self) -> str:
        return str(self.macs)


def _spelled(sides: Sequence[Polynomial | int]) -> str:
    """``1×N×768``; sums in parentheses."""
    each = [str(side) for side in sides]
    return (
        "×".join(f"({side})" if " " in side and not side.startswith(("⌈", "⌊")) else side for side in each) or "1"
    )


def _by_operator(regime: Regime) -> dict[str, Polynomial]:
    """The form of each operator, by its name in ATen."""
    forms: dict[str, Polynomial] = {}
    for name, form in regime.leader.execution.operators().items():
        known = f"aten::{name.strip('_')}"
        forms[known] = forms[known] + form if known in forms else form
    return dict(sorted(forms.items()))
