"""``vpcalc formula``: one closed form, and how it adds up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..abstract.tensor import FLOAT32
from ..algebra.domains import Where, at_least
from ..algebra.forms import SHAPES, multiplied_out, naming
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.printers import PRINTERS
from ..architectures import ARCHITECTURES
from ..cost import Cost, Op, Quantity, Step
from ..errors import ALL, InputError, is_code, unknown
from ..inputs import read_ranges
from ..layers import LAYERS
from ..placing import in_brackets
from ..report import Caveat, Column, Kind, Table
from ..report.numbers import how_many
from ..storage.quantities import MemoryQuantity
from ..symbolic import SYMBOL_OF, Form, condition, layer_on_symbols, model_on_symbols, window_of
from ..symbols import GRID_MEANINGS, place
from .meanings import letters_in, meaning
from .result import Result

if TYPE_CHECKING:
    from ..everywhere import Regime
    from ..execution.regimes import Exploration
    from .executed_formula import Counted

QUANTITIES = tuple(quantity.value for quantity in Quantity)
MEMORY = tuple(quantity.value for quantity in MemoryQuantity)


@dataclass(frozen=True, slots=True)
class Formula(Result):
    """A closed form with what adds up to it, so that every term can be traced to its operator.

    ``regimes`` are there where the form was asked for everywhere: ``form`` is then that of the first, which holds
    at the largest sizes. ``meanings`` are those of a module's own letters, where it is not one of ours.
    ``explored`` are the sizes that were looked at, of what has no form at all sizes.
    """

    name: str
    title: str
    source: str
    quantity: Quantity | MemoryQuantity | Counted
    form: Form
    terms: tuple[Step, ...]
    assumptions: tuple[str, ...] = ()
    regimes: tuple[Regime, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    explored: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def spell(self, spelling: str = "text") -> str:
        """The formula alone, as text, latex, typst, mathml or python; with cases where it has several regimes."""
        if spelling not in PRINTERS:
            raise unknown("--format", spelling, PRINTERS)
        if self.regimes:
            from ..algebra import cases

            return cases.spell([regime.case for regime in self.regimes], spelling, dict(self.form.names))
        return self.form.spell(spelling)

    def stated(self, spelling: str = "text") -> str:
        """The formula; in LaTeX and Typst a module's own form with where it holds, as a paper has to say it."""
        from ..report.passages import STATED

        alone = self.spell(spelling)
        if not self.meanings or self.regimes or not self.form.valid or spelling not in STATED:
            return alone
        return STATED[spelling](alone, self.form.valid)

    def passage(self, spelling: str = "text") -> str:
        """The formula set apart, with its legend: text, latex, typst, mathml, python or markdown."""
        from ..report.passages import PASSAGES

        if spelling not in PASSAGES:
            raise unknown("--format", spelling, PASSAGES)
        printer = "latex" if spelling == "markdown" else spelling
        glossary = [
            (PRINTERS[printer](symbol(name)), meaning)
            for name, meaning in self.legend(units=True, conditions=True).items()
        ]
        return PASSAGES[spelling](self.spell(printer), glossary, "" if self.regimes else self.form.valid)

    def function(self, language: str = "python") -> str:
        """A function of the symbols that is exact: in Python, JavaScript or Rust; in a spreadsheet a formula."""
        from ..report.functions import FUNCTIONS, Function

        if language not in FUNCTIONS:
            raise unknown("--format", language, FUNCTIONS)
        shape = "" if self.form.shape == "expanded" else f"_{self.form.shape}"
        cases = tuple(regime.case for regime in self.regimes)
        first = f"    where {self.regimes[0].when.text}" if len(cases) > 1 else ""
        notes = [f"Holds for {self.form.valid}."] if self.form.valid and len(cases) < 2 else []
        return FUNCTIONS[language](
            Function(
                name=re.sub(r"\W+", "_", f"{self.name.rpartition('/')[2]}_{self.quantity.value}{shape}"),
                head=f"{self.title}: {self.quantity.meaning}.",
                about=(
                    f"{self.form.text}{first}    ({self.source})",
                    *notes,
                    *(f"{note[:1].upper()}{note[1:]}." for note in self.assumptions),
                ),
                letters=self.legend(units=True),
                expression=self.form.expression,
                cases=cases,
                names=dict(self.form.names),
            )
        )

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "formula",
            "name": self.name,
            "title": self.title,
            "quantity": self.quantity.value,
            "form": self.form.shape,
            "formula": self.form.to_dict(),
            **self._everywhere(),
            "typst": self.spell("typst"),
            "mathml": self.spell("mathml"),
            "symbols": self.legend(),
            "steps": [
                {
                    "module": module,
                    "operator": op.kind,
                    "label": op.label,
                    "shapes": self._shapes(op),
                    "times": times if isinstance(times, int) else self._spelled(times),
                    "term": self._written(term).text,
                }
                for module, op, times, term in self.steps()
            ],
            "source": self.source,
            "assumptions": list(self.assumptions),
        }

    def _everywhere(self) -> dict[str, Any]:
        """Where the form holds, and all regimes where there are several."""
        if not self.regimes:
            return {}
        when = {"when": self.regimes[0].when.to_dict(), "complete": all(map(_is_settled, self.regimes))}
        if len(self.regimes) == 1:
            return when
        return {**when, "regimes": [regime.to_dict(self.quantity.value) for regime in self.regimes]}

    def legend(self, units: bool = False, conditions: bool = False) -> dict[str, str]:
        """The symbols that occur, as they are written, and what they mean.

        ``units`` adds theirs, ``conditions`` those that only say where the form holds.
        """
        names = dict(self.form.names)
        occurring = multiplied_out(self.form.expression).letters.union(
            *(part.letters_said for regime in self.regimes for part in regime.when.where.parts),
        )
        if conditions and occurring and not names:
            occurring |= letters_in(self.form.valid)
        meanings = {names.get(name, name): said for name, said in self.meanings.items() if name in occurring}
        if self.meanings:
            return meanings
        for name in sorted(occurring, key=place):
            grid = next((pair for pair in GRID_MEANINGS if pair in names and name in pair), None)
            if grid is None:
                meanings[names.get(name, name)] = meaning(self.name, name, units)
            else:
                meanings[names[grid]] = GRID_MEANINGS[grid]
        return meanings

    def steps(self) -> tuple[Step, ...]:
        """Every operator that this quantity prices."""
        return self.terms

    def tables(self) -> tuple[Table, ...]:
        """How the formula adds up, operator by operator."""
        columns = (
            Column("operator", "Operator"),
            Column("kind", "Kind", Kind.WORD),
            Column("shapes", "Shapes"),
            Column("term", "Term", Kind.FORMULA),
        )
        rows = [
            (
                f"{module} · {op.label}" if module else op.label,
                op.kind,
                self._described(op, times),
                self._written(term),
            )
            for module, op, times, term in self.steps()
        ]
        rows.append(("total", "", "", self.form))
        notes: list[str] = [Caveat(f"holds for {self.form.valid}")] if self.form.valid else []
        notes += [f"{name}: {meaning}" for name, meaning in self.legend(conditions=True).items()]
        title = f"{self.title}: {self.quantity.meaning}"
        notes += [f"source: {self.source}", *self.assumptions]
        return (Table(title, columns, tuple(rows), tuple(notes), total=True),)

    def _written(self, term: Polynomial) -> Form:
        """A term of the derivation, in the names of the whole."""
        return Form(term, names=self.form.names)

    def _spelled(self, dim: Any) -> str:
        return self._written(as_polynomial(dim)).text

    def _described(self, op: Op, times: Any) -> str:
        repeat = "" if isinstance(times, int) and times == 1 else f"{self._spelled(times)} × "
        return repeat + self._shapes(op)

    def _shapes(self, op: Op) -> str:
        """Operands as a reader writes them: a · (h·w × C)(C × 3C)."""
        shapes = [[self._spelled(dim) for dim in shape] for shape in op.shapes]
        batched = len(shapes) == 2 and len(shapes[0]) == 3
        lead = f"{shapes[0][0]} · " if batched else ""
        return lead + "".join(f"({' × '.join(shape[1:] if batched else shape)})" for shape in shapes)

    def _repr_html_(self) -> str:
        from ..report.markup import html

        steps = "".join(map(html, self.tables()))
        return f"{self.passage('mathml')}<details><summary>How it adds up</summary>{steps}</details>"

    def _repr_markdown_(self) -> str:
        return self.passage("markdown")

    def _repr_latex_(self) -> str:
        return f"${self.form.latex}$"

    def __str__(self) -> str:
        return self.form.text

    def __repr__(self) -> str:
        return self.passage()


@in_brackets("name")
def formula(
    name: str,
    *,
    quantity: str = "macs",
    set: Mapping[str, object] | None = None,
    form: str = "expanded",
    symbols: Mapping[str, str] | None = None,
    everywhere: bool = False,
    range: Mapping[str, object] | None = None,
    input: str | None = None,
    args: Mapping[str, object] | None = None,
    vary: Iterable[str] = (),
) -> Formula:
    """The closed form of a layer in its dimensions, of a model in its input's sizes, or of a module of your own.

    Args:
        name: a layer (``msa``, ``wmsa``, ``sra`` …), a model (``swin_t`` …), or what :func:`vpcalc.derive` takes:
            ``attn.py:make``, ``package.module:factory``, ``transformers:NAME``, a module.
        quantity: ``macs``, ``flops``, ``fvcore``, ``params``, ``activations`` or ``attention_elements``; or of
            memory ``saved_bytes``, ``peak_bytes``, ``training_bytes`` …
            (:class:`vpcalc.storage.quantities.MemoryQuantity`).
        set: changes to a model's settings.
        form: ``expanded``, ``factored`` (common factors in front) or ``leading`` (what outgrows the rest).
        symbols: symbols to be written otherwise: ``{"C": "d_model"}``, or a whole grid, ``{"hw": "n"}``.
        everywhere: the form that holds at every size, with floors and, where sizes decide, in regimes; else
            the tidy form on the lattice where everything divides.
        range: sizes at which bytes, and modules of your own, are explored, by letter: ``{"H": "225:4096"}``.
        input, args: of a module of your own: the shape of its input, ``1,N,C``, and the factory's arguments.
        vary: settings of a model that are symbols, too: ``("C", "depths", "M")``.

    Raises:
        InputError: an unknown name, quantity, setting or form, or an unusable symbol.
    """
    if form not in SHAPES:
        raise unknown("--form", form, SHAPES)
    if vary:
        return _in_settings(name, tuple(vary), quantity, set, form, symbols or {}, everywhere)
    if is_code(name):
        if set:
            raise InputError(
                f"--set: only for our models; --arg {next(iter(set))}=VALUE gives a factory's argument"
            )
        from .executed_formula import executed_formula

        return executed_formula(
            name, input, args, quantity, form=form, names=symbols or {}, everywhere=everywhere, range=range
        )
    if input is not None or args:
        if name not in LAYERS and name not in ARCHITECTURES:
            raise unknown("formula", name, [*LAYERS, *ARCHITECTURES], ALL)
        raise InputError(f"--input and --arg: only for a module of your own; {name} has an input of its own")
    if quantity not in QUANTITIES + MEMORY:
        raise unknown("--quantity", quantity, QUANTITIES + MEMORY)
    if range and not (everywhere and quantity in MEMORY):
        raise InputError("--range: needs --everywhere and a --quantity of memory; other forms hold at all sizes")
    if everywhere:
        return _everywhere(name, quantity, set, form, symbols or {}, range or {})
    asked = _Asked(name, set)
    found, limits = (
        asked.in_bytes(MemoryQuantity(quantity)) if quantity in MEMORY else (asked.priced(Quantity(quantity)), ())
    )
    names = naming(found.form.polynomial, symbols or {})
    priced = None if quantity in MEMORY else Quantity(quantity)
    valid = (condition(asked.cost, asked.window, names, priced), *limits)
    return replace(
        found, form=Form(found.form.polynomial, "; ".join(filter(None, valid)), form, tuple(names.items()))
    )


def _in_settings(
    name: str,
    vary: tuple[str, ...],
    quantity: str,
    set: Mapping[str, object] | None,
    form: str,
    symbols: Mapping[str, str],
    everywhere: bool,
) -> Formula:
    from ..sweeps.subjects import IN_BYTES, OurModel, Trained
    from .formula_settings import in_settings

    if is_code(name) or name in LAYERS:
        raise InputError(
            f"--vary {','.join(vary)}: of a model's settings; all dimensions of {name} are symbols already"
        )
    if name not in ARCHITECTURES:
        raise unknown("formula", name, [*LAYERS, *ARCHITECTURES], ALL)
    if quantity not in (*QUANTITIES, *IN_BYTES):
        raise unknown("--vary: --quantity", quantity, [*QUANTITIES, *IN_BYTES])
    model = ARCHITECTURES[name]
    counted = Quantity(quantity) if quantity in QUANTITIES else MemoryQuantity(quantity)
    asked = OurModel(model, model.changed(set or {}), model.sizes, 1, Trained())
    regime, rests = in_settings(asked, vary, quantity, everywhere)
    assert regime.form is not None
    total = regime.form.polynomial
    names = tuple(naming(total, symbols).items())
    valid = "" if regime.when.always else replace(regime.when, names=names).text
    written = Form(total, valid, form, names)
    terms = (Step("", Op("model", "total"), 1, total),)
    return Formula(model.id, model.id, model.source, counted, written, terms, (rests,) if rests else ())


class _Asked:
    """A layer on symbols, or a model on those of its input.

    Raises:
        InputError: it is not known, or a setting is not usable.
    """

    def __init__(self, name: str, set: Mapping[str, object] | None) -> None:
        if name in LAYERS and set:
            raise InputError(
                f"--set {next(iter(set))}: all dimensions of {name} are symbols here; vpcalc figure takes numbers"
            )
        self.layer = LAYERS[name] if name in LAYERS and not set else None
        if self.layer is not None:
            self.window = None
            self.cost = layer_on_symbols(name)
            return
        if name not in ARCHITECTURES:
            raise unknown("formula", name, [*LAYERS, *ARCHITECTURES], ALL)
        self.model = ARCHITECTURES[name]
        self.config = self.model.configure(set or {})
        self.window = window_of(self.config)
        self.cost = model_on_symbols(self.model, self.config)

    def priced(self, counted: Quantity) -> Formula:
        """A quantity of the cost tree."""
        return self._formula(
            counted,
            terms_of(self.cost, counted),
            lambda other: as_polynomial(model_on_symbols(self.model, other).total(counted)),
        )

    def in_bytes(self, counted: MemoryQuantity) -> tuple[Formula, tuple[str, ...]]:
        """A quantity of memory, and where else than on the lattice its form does not hold."""
        from ..storage.parts import layer_parts, model_parts

        if self.layer is not None:
            parts = layer_parts(self.layer.id, counted)
        else:
            parts = model_parts(self.model, self.config, counted)
        terms = tuple(Step("", op, 1, form) for op, form in parts.terms if form)
        found = self._formula(counted, terms, lambda other: model_parts(self.model, other, counted).total)
        limits = ("every size at least 2",) if found.form.polynomial.symbols else ()
        return found, (*limits, parts.place)

    def _formula(
        self,
        counted: Quantity | MemoryQuantity,
        terms: tuple[Step, ...],
        derived: Callable[[Mapping[str, Any]], Polynomial],
    ) -> Formula:
        """The sum of some terms, with the assumptions of ours without which the form would be another."""
        total = sum((step.term for step in terms), as_polynomial(0))
        if self.layer is not None:
            return Formula(self.layer.id, self.layer.name, self.layer.source, counted, Form(total), terms)
        model, config = self.model, self.config
        rests = tuple(
            each.text(config[each.setting])
            for each in model.assumed(config)
            if derived({**config, each.setting: each.other}) != total
        )
        return Formula(model.id, model.id, model.source, counted, Form(total), terms, rests)

    def regimes(self, counted: Quantity) -> tuple[Regime, ...]:
        """A quantity of the cost tree at every size."""
        from ..everywhere import layer_run, model_run, regimes

        run = layer_run(self.layer.id) if self.layer is not None else model_run(self.model, self.config)
        return regimes(*run, counted)

    def explored(self, counted: MemoryQuantity, range: Mapping[str, object]) -> Exploration:
        """A quantity of memory at every size of a range."""
        from ..storage.everywhere import layer_everywhere, model_everywhere

        if self.layer is not None:
            letters = [SYMBOL_OF.get(dim, dim) for dim in self.layer.dims]
            return layer_everywhere(self.layer.id, counted, read_ranges(range, letters))
        return model_everywhere(self.model, self.config, counted, read_ranges(range, self.model.family.axes))


def _everywhere(
    name: str,
    quantity: str,
    set: Mapping[str, object] | None,
    form: str,
    symbols: Mapping[str, str],
    range: Mapping[str, object],
) -> Formula:
    if form == "leading":
        raise InputError("--everywhere: --form leading leaves out terms, which floors do not rank; give expanded")
    asked = _Asked(name, set)
    if quantity in MEMORY:
        found, every = _memory_everywhere(asked, MemoryQuantity(quantity), range)
    else:
        found = asked.priced(Quantity(quantity))
        every = asked.regimes(Quantity(quantity))
    main = every[0]
    if main.form is None:
        why = f"refused at every size: {main.refused}" if main.refused else "no size was settled"
        raise InputError(f"{name}: {why}")
    spoken = [regime.form.polynomial for regime in every if regime.form]
    spoken += [guard.form for regime in every for part in regime.when.where.parts for guard in part.guards]
    for polynomial in spoken:
        naming(polynomial, symbols)
    named = tuple(symbols.items())
    every = tuple(regime.written(form, named) for regime in every)
    valid = "" if every[0].when.always else every[0].when.text
    whole = Form(main.form.polynomial, valid, form, named)
    terms: tuple[Step, ...] = (Step("", Op("memory", "total"), 1, whole.polynomial),)
    if main.cost is not None and quantity not in MEMORY:
        terms = terms_of(main.cost, Quantity(quantity))
    return replace(found, form=whole, terms=terms, regimes=every)


def _memory_everywhere(
    asked: _Asked, quantity: MemoryQuantity, range: Mapping[str, object]
) -> tuple[Formula, tuple[Regime, ...]]:
    """Bytes at every size; those of attention maps are priced, all others explored."""
    found = replace(asked.priced(Quantity.ATTENTION), quantity=quantity)
    if quantity is MemoryQuantity.ATTENTION:
        if range:
            raise InputError("--range: attention maps have forms at all sizes, which nothing explores")
        every = asked.regimes(Quantity.ATTENTION)
        in_bytes = (regime.form and Form(regime.form.polynomial * FLOAT32.bytes) for regime in every)
        return found, tuple(replace(regime, form=form) for regime, form in zip(every, in_bytes, strict=True))
    from .quantities import conditioned, regimes_of

    exploration = asked.explored(quantity, range)
    how = f"batch 1; {how_explored(exploration)}"
    left = "some sizes are left undecided; a narrower --range such as H=225:4096 leaves fewer"
    every = within(regimes_of(conditioned(exploration)), read_ranges(range, tuple(exploration.range.bounds)))
    notes = (how, *((left,) if exploration.open else ()))
    return replace(found, assumptions=notes, explored=exploration.range.bounds), every


def how_explored(exploration: Exploration) -> str:
    """The sizes that were looked at, and on what a form rests."""
    sizes = ", ".join(f"{letter} from {low} to {high}" for letter, (low, high) in exploration.range.bounds.items())
    confirmed = sum(len(regime.confirmed) for regime in exploration.regimes)
    runs, agree = how_many(exploration.runs, "run"), how_many(confirmed, "count agree")
    return f"explored for {sizes}: {runs} on symbols, {agree}"


def within(regimes: tuple[Regime, ...], ranges: Mapping[str, tuple[int, int]]) -> tuple[Regime, ...]:
    """The sizes that were asked about, said in every condition: beyond them the forms may be others."""
    return tuple(
        replace(regime, when=replace(regime.when, where=_between(regime.when.where, ranges))) for regime in regimes
    )


def _between(where: Where, ranges: Mapping[str, tuple[int, int]]) -> Where:
    parts = []
    for part in where.parts:
        for letter, (low, high) in ranges.items():
            for guard in (at_least(symbol(letter) - low), at_least(high - symbol(letter))):
                part = part if part.implies(guard) else part & guard
        parts.append(part)
    return replace(where, parts=tuple(parts))


def _is_settled(regime: Regime) -> bool:
    return regime.form is not None or bool(regime.refused)


def terms_of(cost: Cost, counted: Quantity) -> tuple[Step, ...]:
    """Every operator of a symbolic cost tree that a quantity prices."""
    steps = (
        Step(module, op, times, as_polynomial(times * counted.of(op))) for module, op, times in _walk(cost, "", 1)
    )
    return tuple(step for step in steps if step.term)


def _walk(cost: Cost, path: str, times: Any) -> list[tuple[str, Op, Any]]:
    times = times * cost.times
    found = [(path, op, times) for op in cost.ops]
    for child in cost.children:
        found += _walk(child, f"{path} · {child.name}" if path else child.name, times)
    return found
