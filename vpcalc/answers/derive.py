"""``vpcalc derive``: the closed form of any PyTorch module, found by counting and tried where it may fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import Polynomial, constant
from ..checks.agreement import agreements
from ..checks.derivation import find_form
from ..checks.exploring import Explored, NotExecutedError, explore
from ..checks.input_functions import input_function
from ..checks.measured import FURTHER, further, measure
from ..checks.prices import read_prices
from ..checks.probing import spell_point
from ..checks.quantities import QUANTITIES, Quantities
from ..checks.search import Found, NotFound, Residual
from ..checks.targets import Target, find_target
from ..counters.pricing import announced, supplied
from ..errors import InputError, unknown
from ..inputs import read_ranges, whole
from ..optional import require_torch
from ..placing import in_brackets
from ..report import Caveat, Column, Kind, Table
from ..report.numbers import how_many
from ..symbolic import Form
from .at_size import AtSize
from .derived import ITSELF, Derived, forms_table, unpriced
from .executed import Executed
from .own_inputs import whole_shape

if TYPE_CHECKING:
    from ..checks.agreement import Agreement
    from ..execution.regimes import Regime

DEGREE = 6
"""Highest power of one symbol that may be allowed."""


@dataclass(frozen=True, kw_only=True)
class Derivation(Derived):
    """A closed form with the evidence for it, or what was tried in vain.

    Args:
        found: the verified polynomials and how they were verified, or why there are none.
        regime: how one description covers all sizes: one model, or one rebuilt for each size.
        tied: symbols that equal another one in this regime (squares only).
        backward: whether the gradients are counted too.
        seconds: how long it took.
        fixed: symbols that a run on symbols would take as numbers, with why.
        why: why it was not executed on symbols; empty where nobody asked for that.
        sources: operators whose price is not ours, and whose it is: ``user`` or ``torch``.
    """

    found: Found | NotFound
    regime: str
    tied: Mapping[str, str]
    backward: bool
    seconds: float
    fixed: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def macs(self) -> Form | None:
        """Multiply-accumulates in closed form; None where no polynomial was found."""
        return self._form(self.found.macs) if isinstance(self.found, Found) else None

    @property
    def everywhere(self) -> Form | None:
        """The form with floors that holds at every size, where one was found beside the tidy one."""
        found = self.found.everywhere if isinstance(self.found, Found) else None
        return None if found is None else Form(found.macs, _bounds(found.since, self._most())[0])

    @property
    def lattice(self) -> dict[str, int]:
        """What each symbol has to be a multiple of."""
        return dict(self.found.lattice) if isinstance(self.found, Found) else {}

    @property
    def unknown(self) -> dict[str, int]:
        """Operators that do arithmetic which nobody here can price, with their calls: missing from the total."""
        return dict(self.found.unknown)

    @property
    def condition(self) -> str:
        """Where the form holds, in words."""
        if not isinstance(self.found, Found):
            return ""
        by_multiple: dict[int, list[str]] = {}
        for name, stride in self.found.lattice.items():
            by_multiple.setdefault(stride, []).append(name)
        phrases = [
            f"{' and '.join(names)} {'multiples' if len(names) > 1 else 'a multiple'} of {stride}"
            for stride, names in by_multiple.items()
            if stride > 1
        ]
        phrases += [
            f"{name} ≥ {first}" for name, first in self.found.start.items() if first > self.found.lattice[name]
        ]
        phrases += [f"{name} ≤ {size}" for name, size in self._most().items()]
        phrases += [f"{name} = {other}" for name, other in self.tied.items()]
        return "; ".join(phrases)

    def _most(self) -> dict[str, int]:
        """The largest size of each symbol for which anything is said, where there is one."""
        assert isinstance(self.found, Found)
        most = dict(self.found.limits)
        for name in self.found.held_back:
            most[name] = min(self.found.tried[name], most.get(name, self.found.tried[name]))
        return most

    @property
    def ok(self) -> bool:
        """Whether there is a formula and the real run, where there was one, agrees with it."""
        return isinstance(self.found, Found) and self.found.real.agrees is not False

    def operators(self) -> dict[str, Form | None]:
        """The form of each operator, by the name under which PyTorch dispatches it."""
        return self._forms(self.found.operators) if isinstance(self.found, Found) else {}

    def modules(self) -> dict[str, Form | None]:
        """The form of each module that computes anything, with its children, to the given depth."""
        if not isinstance(self.found, Found):
            return {}
        shown = {path: form for path, form in self.found.modules.items() if self.within(path)}
        return self._forms({path: form for path, form in shown.items() if form is None or form})

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        found = self.found
        macs = self.macs
        fields: dict[str, Any] = {
            **self.asked,
            "macs": macs and macs.to_dict(),
            "valid": self.lattice,
            "condition": self.condition,
            "operators": {name: form and form.to_dict() for name, form in self.operators().items()},
            "modules": {path: form and form.to_dict() for path, form in self.modules().items()},
            "unknown": self.unknown,
            "fixed": dict(self.fixed),
            "not_executed": self.why,
            "verdict": "identified" if isinstance(found, Found) else None,
            "complete": False,
            "sources": dict(self.sources),
            "regime": self.regime,
            "method": found.way and found.way.value,
            "backward": self.backward,
            "seconds": round(self.seconds, 3),
        }
        if isinstance(found, Found):
            return {
                **fields,
                "regimes": self._regimes(found),
                "from": dict(found.start),
                "limits": dict(found.limits),
                "params": None if found.params is None else Form(found.params).to_dict(),
                **({"backward_macs": Form(found.backward).to_dict()} if self.backward else {}),
                "points": found.points,
                "held_out": len(found.held_out),
                "tried": dict(found.tried),
                "edges": dict(found.edges),
                "held_back": dict(found.held_back),
                "degree": dict(found.degree),
                "draws": found.chance.draws,
                "error_bound": found.error_bound,
                "held_out_points": [dict(point) for point in found.held_out],
                "real_run": {"agrees": found.real.agrees, "note": found.real.note},
                "failed": list(found.failed),
            }
        return {**fields, "points": 0, "held_out": 0, "reason": found.reason, "residuals": self._residuals()}

    def _regimes(self, found: Found) -> list[dict[str, Any]]:
        """The form that holds at every size, as where a module is executed."""
        if found.everywhere is None:
            return []
        text, latex, python = _bounds(found.everywhere.since, self._most())
        when = {"text": text, "latex": latex, "python": python}
        macs = Form(found.everywhere.macs).to_dict()
        return [{"when": when, "macs": macs, "verdict": "identified", "held_out": found.everywhere.held_out}]

    def tables(self) -> tuple[Table, ...]:
        """Operators and modules, each with its form; or the points that refute every polynomial."""
        if isinstance(self.found, NotFound):
            return (self._refuted(self.found),)
        passes = "forward and backward" if self.backward else "forward"
        title = f"{self.title}: multiply-accumulates, {passes}"
        operators, total = self.operators(), self.macs
        if self.found.everywhere is not None:
            operators, total = self._forms(self.found.everywhere.operators), self.everywhere
        by_operator = forms_table("operator", "Operator", title, operators, total, self._notes(self.found))
        modules = self.modules()
        if len(modules) < 2:
            return (by_operator,)
        by_module = f"By module, for {self.condition}" if self.found.everywhere is not None else "By module"
        known = {path: form for path, form in modules.items() if form is not None}
        without = [path for path in modules if path not in known]
        named = ", ".join(without[:3]) + " …" * (len(without) > 3)
        top = [form for path, form in self.found.modules.items() if path and "." not in path]
        if not self.backward and all(form is not None for form in top):
            own = self.found.macs - sum((form for form in top if form is not None), constant(0))
            known |= {ITSELF: Form(own)} if own else {}
        left = [f"without a form of its own: {how_many(len(without), 'module')}, {named}"] if without else []
        return (by_operator, forms_table("module", "Module", by_module, known, self.macs, left))

    def _notes(self, found: Found) -> tuple[str, ...]:
        farthest = max(found.held_out, key=lambda point: sum(point.values()), default={})
        where = spell_point(farthest)
        holds = f"holds for {self.condition}" if self.condition else "holds for every size that was tried"
        if found.everywhere is not None and self.everywhere is not None:
            extent, held = self.everywhere.valid or "every size", found.everywhere.held_out
            holds = f"holds for {extent}; {held} more counts agree, at every remainder of the lattice; for "
            holds += f"{self.condition}: {self.macs}"
        agree = how_many(len(found.held_out), "other agree")
        notes: list[str] = [
            Caveat(holds),
            f"{self.regime}; fixed by {how_many(found.points, 'count')}, {agree}, up to {where}",
            f"identified: {_hypothesis(found)}",
            f"parameters: {found.params}" if found.params is not None else "the parameters follow no polynomial",
        ]
        notes += self.circumstances
        notes += [
            f"beyond {name} = {found.limits[name]} it does not run: {said}" for name, said in found.edges.items()
        ]
        notes += [
            f"{name} was tried up to {found.tried[name]} only: {why}" for name, why in found.held_back.items()
        ]
        if (idle := sorted(set(found.lattice) - found.macs.symbols)) and not found.unknown:
            notes.append(f"{' and '.join(idle)} does not occur: the model works at a size of its own")
        if self.backward:
            notes.append(f"of this backward: {found.backward}")
        if found.real.agrees is None:
            notes.append(f"{found.way.value} only; {found.real.note}")
        elif found.real.note:
            notes.append(found.real.note)
        if self.why:
            notes.append(f"identified from counts, since it cannot be executed on symbols: {self.why}")
        if found.failed:
            sizes = how_many(len(found.failed), "size")
            notes.append(f"it did not run at {sizes} of the lattice, such as {found.failed[0]}")
        return (*notes, *announced(self.sources), *unpriced(self.unknown))

    def _refuted(self, found: NotFound) -> Table:
        columns = (
            Column("point", "At"),
            Column("expected", "A polynomial gives"),
            Column("counted", "Counted", Kind.NUMBER),
            Column("difference", "Difference"),
        )
        rows = tuple((spell_point(r.point), str(r.expected), r.counted, _difference(r)) for r in found.residuals)
        notes = [self.regime]
        if self.why:
            notes.append(f"it cannot be executed on symbols: {self.why}")
        if found.unknown:
            notes.append(f"operators without a price: {', '.join(found.unknown)}")
        return Table(f"{self.target}, input {self.inputs}: {found.reason}", columns, rows, tuple(notes))

    def _residuals(self) -> list[dict[str, Any]]:
        if isinstance(self.found, Found):
            return []
        return [
            {"at": r.point, "expected": str(r.expected), "counted": r.counted, "difference": _difference(r)}
            for r in self.found.residuals
        ]

    def _form(self, polynomial: Polynomial) -> Form:
        return Form(polynomial, self.condition)

    def _forms(self, polynomials: Mapping[str, Polynomial | None]) -> dict[str, Form | None]:
        return {name: None if form is None else Form(form) for name, form in polynomials.items()}

    def _repr_latex_(self) -> str:
        return super()._repr_latex_() if self.macs is None else f"${self.macs.latex}$"

    def __str__(self) -> str:
        return self.found.reason if isinstance(self.found, NotFound) else str(self.macs)


@in_brackets("target", ours="args")
def derive(
    target: object,
    input: str | None = None,
    args: Mapping[str, object] | None = None,
    *,
    backward: bool = False,
    strict: bool = False,
    degree: object = None,
    depth: object = 1,
    range: Mapping[str, object] | None = None,
    regimes: object = 32,
    lattice: bool = False,
    counting: bool = False,
    prices: Mapping[str, object] | None = None,
    inputs: object = None,
    train_mode: bool = False,
    quantity: str | None = None,
    by: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Executed | Derivation | AtSize:
    """Find the multiply-accumulates of a module in closed form.

    The module is executed on symbols: its form is read off its own run, for every size of a range. Where that
    cannot be done, and for the backward pass, it is counted at chosen sizes and the form found from counts.
    Without a letter in its input it is counted at that size, and the answer has numbers for each module.

    Args:
        target: a registry id, ``file.py:factory``, ``package.module:factory``, ``timm:NAME``,
            ``torchvision:NAME``, ``transformers:NAME`` (a model type or a class), a module, or a function that
            returns one.
        input: the shape of its input, letters being symbols: ``1,3,H,W``; ``1,N:long`` for integers; several
            inputs apart by ``;``, by keyword where needed; ``64`` and ``800x1280`` are the sides of an image, and
            ``64:float`` is a vector. A registry id has an input of its own.
        args: arguments of the factory; a value that is a letter is a symbol (``{"dim": "C", "num_heads": 3}``).
        backward: add the gradients of the sum of the outputs.
        strict: an operator without a price is an error.
        degree: highest power of a symbol that counting tries; from the shape if None.
        depth: how deep the modules are shown.
        range: for each symbol the sizes that are asked about, ``{"H": "1:4096"}``; 1 to 4096 for images and 1 to
            65536 for sequences unless said.
        regimes: as many regimes at most.
        lattice: show the tidy forms of the lattice on which everything divides.
        counting: from counts alone.
        prices: multiply-accumulates of operators that nobody else can price, by ``library::operator``: a function
            of the operator's arguments by name and of its result, or ``file.py:function``.
        inputs: in the place of ``input``, a function of the symbols that makes the inputs with their values, or
            ``file.py:function``.
        train_mode: as in training, where dropout and auxiliary heads are at work, instead of in eval mode.
        quantity: what tables show: ``macs``, ``params``, ``activations``, ``backward_macs``, ``saved_bytes``,
            ``peak_bytes``, ``bytes_moved``, ``fvcore``, ``attention_elements`` or ``all``; multiply-accumulates
            unless said.
        by: ``operator`` or ``module``: the one table only.
        progress: told after each run on symbols how many there were, and how many there may be.

    Raises:
        InputError: the target, its input or its arguments cannot be used, or ``strict`` and something is unknown.
    """
    begin = time.perf_counter()
    power = None if degree is None else whole("--degree", degree, high=DEGREE)
    levels = whole("--depth", depth, high=99)
    most = whole("--regimes", regimes, high=1024)
    shown = "" if quantity is None else _one_of("value of --quantity", quantity, (*QUANTITIES, "all"))
    table = "" if by is None else _one_of("value of --by", by, ("operator", "module"))
    if input is not None and inputs is not None:
        raise InputError(f"--inputs {inputs}: give either --input or --inputs")
    require_torch("derive")
    asked = whole_shape(target, input) if inputs is None else input_function(inputs)
    resolved = find_target(target, asked, args, training=train_mode)
    fixed: Mapping[str, str] = {}
    why = ""
    named: Any = {"target": resolved.name, "inputs": resolved.spelled, "depth": levels, "built": resolved.built}
    named |= {"train_mode": train_mode, "quantity": shown, "by": table}
    with supplied(read_prices(prices)) as given:
        if not resolved.variables:
            idle = {
                "--lattice": lattice,
                "--range": bool(range),
                "--counting": counting,
                "--degree": degree is not None,
            }
            for option in (each for each, said in idle.items() if said):
                raise InputError(f"{option}: changes nothing where the input has no letter, such as 1,3,H,W")
            measured = measure(resolved, backward)
            _strictly(strict, resolved.name, measured.counts.unknown)
            given.check_all_asked()
            asked_too = [name for name in FURTHER if name != "fvcore" or shown in ("all", "fvcore")]
            return AtSize(
                **named,
                measured=measured,
                backward=backward,
                sources={name: source.value for name, source in sorted(given.elsewhere.items())},
                further=partial(further, measured, asked_too, train_mode),
            )
        extent = read_ranges(range or {}, [variable.name for variable in resolved.variables])
        if not (counting or backward or degree is not None):
            try:
                variant, explored = explore(resolved, extent, most, progress)
            except NotExecutedError as error:
                why, fixed = str(error), error.fixed
            else:
                _strictly(strict, resolved.name, explored.unknown)
                given.check_all_asked()
                return Executed(
                    **named,
                    explored=explored,
                    agreements=_agreements(resolved, explored),
                    variables=resolved.variables,
                    way=variant.text,
                    tied=resolved.tied(variant),
                    on_lattice=lattice,
                    seconds=time.perf_counter() - begin,
                    quantities=Quantities(
                        explored.program,
                        explored.exploration,
                        explored.growth,
                        most,
                        explored.real_bytes,
                        partial(supplied, given.by_name),
                    ),
                )
        if shown not in ("", "macs"):
            why = why or "it is counted"
            raise InputError(
                f"--quantity {shown}: only of what can be executed on symbols; {resolved.name}: {why}"
            )
        regime, found = find_form(_within(resolved, extent), backward=backward, degree=power)
    given.check_all_asked()
    _strictly(strict, resolved.name, found.unknown)
    return Derivation(
        **named,
        found=found,
        regime=regime.text,
        tied=resolved.tied(regime),
        backward=backward,
        seconds=time.perf_counter() - begin,
        fixed=fixed,
        why=why,
        sources={name: source.value for name, source in sorted(given.elsewhere.items())},
    )


def _agreements(target: Target, explored: Explored) -> dict[Regime, Agreement]:
    """Whether the run's forms are those of the layers, for a target that is made of ours."""
    if target.describe is None:
        return {}
    return agreements(target.describe, explored.exploration, explored.count)


def _strictly(strict: bool, name: str, unknown: Mapping[str, int]) -> None:
    if strict and unknown:
        named = ", ".join(f"{operator} ({how_many(calls, 'call')})" for operator, calls in unknown.items())
        raise InputError(f"--strict: {name} runs operators that have no price: {named}")


def _one_of(what: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise unknown(what, name, known)
    return name


def _within(target: Target, ranges: Mapping[str, tuple[int, int]]) -> Target:
    """A target that is counted no farther than was asked about."""
    ends = {
        v.name: min(filter(None, (v.limit, ranges.get(v.name, (0, 0))[1])), default=None) for v in target.variables
    }
    return replace(target, variables=tuple(replace(v, limit=ends[v.name]) for v in target.variables))


def _bounds(since: Mapping[str, int], most: Mapping[str, int]) -> tuple[str, str, str]:
    """From where to where a form holds, in words, in LaTeX and in Python."""
    low = [(name, "≥", first) for name, first in since.items() if first > 1]
    each = low + [(name, "≤", last) for name, last in most.items()]
    text = ", ".join(f"{name} {sign} {size}" for name, sign, size in each)
    latex = ",\\ ".join(rf"{name} \{'geq' if sign == '≥' else 'leq'} {size}" for name, sign, size in each)
    python = " and ".join(f"{name} {'>=' if sign == '≥' else '<='} {size}" for name, sign, size in each)
    return text, latex, python or "True"


def _hypothesis(found: Found) -> str:
    """What the form rests on, and how likely a wrong one would have passed."""
    powers = " and ".join(f"{power} in {name}" for name, power in found.degree.items())
    rests = f"if the counts are a polynomial of degree at most {powers} there"
    if found.error_bound == "1":
        return f"{rests}; too few sizes, or too many at which it does not run, to bound an error by chance"
    agrees = f"another agrees at {found.chance.draws} random points with a probability of at most"
    return f"{rests}, {agrees} {found.error_bound}"


def _difference(residual: Residual) -> str:
    return str(residual.counted - residual.expected)
