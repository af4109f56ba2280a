"""``vpcalc model``: one architecture, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..architectures import ARCHITECTURES, Architecture
from ..architectures.registry import listed, spelled
from ..cost import Cost, Quantity
from ..errors import InputError, is_code
from ..inputs import whole
from ..optional import counts
from ..placing import in_brackets
from ..published import Published, figures
from ..report import Column, Kind, Table
from ..report.numbers import short
from ..report.table import write
from ..symbolic import Form, closed_form, deviations, model_on_symbols, window_of
from .assumed import Assumed, assumed
from .priced import (
    FIGURES,
    cells_of,
    formula_fields,
    formula_notes,
    operator_table,
    part_fields,
    part_table,
    parts_of,
    stage_fields,
)
from .result import Result
from .verdicts import report_dict

if TYPE_CHECKING:
    from ..checks import Report
    from ..everywhere import Regime
    from .own_model import OwnModel
    from .own_symbols import SymbolicModel


@dataclass(frozen=True)
class Model(Result):
    """An architecture at one input size. ``report`` is None until its module has been counted."""

    architecture: Architecture
    sizes: tuple[int, ...]
    config: Mapping[str, Any]
    batch: int
    cost: Cost
    published: tuple[Published, ...]
    report: Report | None = None

    @property
    def id(self) -> str:
        """Its name."""
        return self.architecture.id

    @property
    def source(self) -> str:
        """The paper that it is from."""
        return self.architecture.source

    @property
    def at(self) -> dict[str, Any]:
        """Its input's sizes and the batch, by name."""
        return {**self.architecture.family.axes.point(self.sizes), "batch": self.batch}

    def figure(self, quantity: Quantity) -> int:
        """One of its totals."""
        return int(self.cost.total(quantity))

    @cached_property
    def form(self) -> Form:
        """The tidy form, on the lattice where everything divides."""
        on_symbols = model_on_symbols(self.architecture, self.config, self.batch)
        return closed_form(on_symbols, Quantity.MACS, window_of(self.config))

    @cached_property
    def around(self) -> Regime | None:
        """The form that holds at this size, where the tidy one does not."""
        point = self.architecture.family.axes.point(self.sizes)
        if self.form.gives(self.figure(Quantity.MACS), point):
            return None
        from ..everywhere import form_at, model_run

        return form_at(model_run(self.architecture, self.config, self.batch)[0], point, Quantity.MACS)

    @property
    def shape(self) -> list[Any]:
        """Shape of the input tensor; of both tensors for a source and a target."""
        return self.architecture.family.axes.shape(self.sizes, self.batch)

    @property
    def size(self) -> str:
        """The input's size in words: 224×224, or 128 and 128 tokens."""
        return self.architecture.family.axes.words(self.sizes)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        shown = (Quantity.PARAMS, Quantity.MACS, Quantity.FLOPS, Quantity.FVCORE, Quantity.ACTIVATIONS)
        family = self.architecture.family
        return {
            "command": "model",
            "model": self.architecture.id,
            "family": family.name,
            "input": self.shape,
            "config": {name: listed(value) for name, value in self.config.items()},
            **{quantity.value: self.figure(quantity) for quantity in shown},
            "attention_elements": self.figure(Quantity.ATTENTION),
            "formula": {"macs": formula_fields(self.form, self.around)},
            "stages": [stage_fields(stage) for stage in self.cost.stages()],
            **({"parts": [part_fields(part) for part in parts]} if (parts := parts_of(self.cost)) else {}),
            "operators": self.cost.by_operator(Quantity.FVCORE),
            "facts": dict(self._facts()),
            "notes": list(self.notes),
            "assumptions": [each.to_dict() for each in self.assumptions],
            "published": [self._published_dict(figure) for figure in self.published],
            **report_dict(self.report),
        }

    def checked(self) -> Model:
        """The same with the instantiated module counted by fvcore."""
        from ..checks import check_model

        family = self.architecture.family.name
        return replace(self, report=check_model(family, self.cost, self.sizes, self.config, self.batch))

    def tables(self) -> tuple[Table, ...]:
        """Stages, what they are parts of, operators against fvcore's count, and published figures."""
        found = [self._stage_table(), operator_table(self.cost, self.report)]
        if parts_of(self.cost):
            found.insert(1, part_table(self.cost))
        if self.published:
            found.append(self._published_table())
        return tuple(found)

    def _stage_table(self) -> Table:
        columns = (
            Column("stage", "Stage", Kind.WORD),
            Column("resolution", "Resolution" if self.architecture.family.axes.pixels else "Tokens", Kind.WORD),
            Column("channels", "Channels", Kind.NUMBER),
            Column("depth", "Depth", Kind.NUMBER),
            Column("heads", "Heads", Kind.NUMBER),
            *FIGURES,
        )
        figures = cells_of(self.cost)
        rows: list[tuple[Any, ...]] = []
        for node in self.cost.stages():
            stage = node.stage
            assert stage is not None
            size = "×".join(map(str, stage.resolution))
            rows.append((node.name, size, stage.channels, stage.depth or None, stage.heads, *figures(node)))
        rows.append(("total", "", None, None, None, *figures(self.cost)))
        notes = formula_notes(self.form, self.around, self._size())
        notes += [
            f"{name.replace('_', ' ').replace('macs', 'MACs')}: {write(value, Kind.NUMBER)}"
            for name, value in self._facts()
        ]
        notes += self.notes
        said = self.architecture.family.said(self.config)
        settings = ", ".join(f"{name} = {spelled(value)}" for name, value in said.items())
        title = f"{self.architecture.id} at {self._size()}, batch {self.batch} ({settings})"
        return Table(title, columns, tuple(rows), tuple(notes), total=True)

    def _published_table(self) -> Table:
        columns = (
            Column("quantity", "Published", Kind.WORD),
            Column("value", "Printed", Kind.WORD, kept=True),
            Column("derived", "Derived", Kind.NUMBER, kept=True),
            Column("verdict", "Verdict", Kind.VERDICT),
            Column("source", "Source"),
        )
        rows: dict[tuple[Any, ...], list[str]] = {}
        notes: dict[str, None] = {}
        for figure in sorted(self.published, key=lambda figure: figure.quantity, reverse=True):
            derived = self._derived(figure)
            outcome = "agrees" if figure.agrees(derived) else "differs"
            rows.setdefault((figure.quantity, figure.printed, derived, outcome), []).append(figure.source)
            why = self.why(figure) if outcome == "agrees" else figure.why
            if why:
                notes[f"{figure.printed}: {why}"] = None
        if any(outcome == "differs" for *_, outcome in rows):
            notes[f"what others count: vpcalc reproduce {self.architecture.family.name}"] = None
        merged = tuple(
            (*row, first + f" and {len(more)} more" * bool(more)) for row, (first, *more) in rows.items()
        )
        return Table("Published figures", columns, merged, tuple(notes))

    @cached_property
    def assumptions(self) -> tuple[Assumed, ...]:
        """What we chose where the sources are silent or at odds, as far as nobody has changed it."""
        return assumed(self.architecture, self.sizes, self.config, self.batch)

    def why(self, figure: Published) -> str:
        """On which assumptions it rests that a printed figure agrees; empty where on none."""
        if not figure.agrees(self._derived(figure)):
            return ""
        quantity = Quantity(figure.quantity)
        others = [(each, each.figure(quantity)) for each in self.assumptions]
        return "; ".join(each.only(short(other)) for each, other in others if not figure.agrees(other))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was padded or shrunk, and what is assumed."""
        assumptions = [each.note(self.cost) for each in self.assumptions]
        return (*deviations(self.cost), *filter(None, assumptions))

    def _published_dict(self, figure: Published) -> dict[str, Any]:
        fields = figure.to_dict(self._derived(figure))
        why = self.why(figure)
        return {**fields, "why": why} if why else fields

    def _derived(self, figure: Published) -> int:
        return self.figure(Quantity(figure.quantity))

    def _size(self) -> str:
        """The input's sizes; an axis on which nothing depends (a decoder's, in an encoder alone) is left out."""
        return self.architecture.family.axes.spell(self.sizes, self.form.polynomial.symbols)

    def _facts(self) -> list[tuple[str, Any]]:
        facts = self.architecture.family.facts
        return list(facts(*self.sizes, **self.config).items()) if facts else []


@in_brackets("name")
def model(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = 1,
    args: Mapping[str, object] | None = None,
    title: str = "",
    check: bool | None = None,
) -> Model | OwnModel | SymbolicModel:
    """The cost of an architecture at an input size.

    Args:
        name: an id or alias that :func:`vpcalc.models` lists; or a module of your own: ``file.py:factory``,
            ``package.module:factory``, ``transformers:NAME``, a module, or a function that makes one.
        input: side of a square image in pixels, or ``"HxW"``, or a pair; the native size if None.
        tokens: length of a sequence, for models of one sequence.
        src, tgt: lengths of source and target, for encoder-decoders.
        set: changes to the architecture's settings, by name.
        batch: images or sequences.
        args: arguments of the factory of a module of your own, whose ``input`` may be a whole shape:
            ``"1,3,224,224"``, ``"1,128:long"``; with a letter among them, ``"1,3,H,W"``, forms are the answer.
        title: what a module of your own is called in tables; before its name, ``"ours=file.py:factory"``, too.
        check: count the instantiated module with fvcore; if left out, where torch and fvcore are installed.

    Raises:
        InputError: an unknown name or setting, or a value that is not usable.
    """
    asked: dict[str, Any] = {
        "input": input,
        "tokens": tokens,
        "set": set,
        "batch": batch,
        "args": args,
        "title": title,
    }
    found = _in_letters(name, input, args, title) or sized(name, src=src, tgt=tgt, **asked)
    return found.checked() if counts(check) else found


@in_brackets("name")
def sized(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = 1,
    args: Mapping[str, object] | None = None,
    title: str = "",
) -> Model | OwnModel:
    """The same in numbers, and not counted: for figures and pictures."""
    if not is_code(name):
        if title:
            raise InputError(f"{title}=: a name is given to code; {name} is one of ours and has its own")
        if args:
            raise InputError(f"--arg: {name} is one of ours; its settings are given by --set")
        return our_model(name, input=input, tokens=tokens, src=src, tgt=tgt, set=set, batch=batch)
    from .own_inputs import refuse_of_code
    from .own_model import own_model

    refuse_of_code({"set": set, "src": src, "tgt": tgt})
    return own_model(name, input=input, tokens=tokens, batch=batch, args=args, title=title)


def our_model(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = 1,
) -> Model:
    """An architecture of ours, as :func:`model` has it; not counted."""
    architecture = ARCHITECTURES[name]
    sizes = architecture.read(input=input, tokens=tokens, src=src, tgt=tgt)
    config = architecture.configure(set or {})
    number = whole("--batch", batch)
    cost = architecture.cost(sizes, config, number)
    published = _published(architecture, sizes, config) if number == 1 else ()
    return Model(architecture, sizes, config, number, cost, published)


def _published(
    architecture: Architecture, sizes: tuple[int, ...], config: Mapping[str, Any]
) -> tuple[Published, ...]:
    """What is printed of these very settings, at this input or at any."""
    input = "x".join(map(str, sizes))
    own = (figure for figure in figures(architecture.id) if figure.input in ("", input))
    return tuple(figure for figure in own if architecture.configure(figure.changes) == config)


def _in_letters(
    name: object, input: object, args: Mapping[str, object] | None, title: str
) -> SymbolicModel | None:
    """A module of the reader's where a letter stands among its sizes or arguments."""
    if not (is_code(name) and (args or (isinstance(input, str) and "," in input))):
        return None
    from .own_inputs import letter_in, shapes_of
    from .own_symbols import symbolic_model

    shapes = shapes_of("", input, None, 1) if input is not None else ()
    return symbolic_model(name, shapes, args or {}, title) if letter_in(shapes, args or {}) else None
