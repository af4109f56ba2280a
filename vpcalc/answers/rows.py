"""The rows of a comparison: layers of ours, and modules of the reader's, each on one grid of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import symbol
from ..cost import Cost, Quantity
from ..errors import LAYERS as LISTED
from ..errors import InputError, unknown
from ..layers import LAYERS
from ..placing import Placed, as_placed, is_placed
from ..report import About
from ..symbolic import SYMBOL_OF, Form, closed_form, deviations, symbols_of

if TYPE_CHECKING:
    from ..checks import Report
    from ..checks.ran import Ran
    from ..everywhere import Regime

ROWS = ("msa", "wmsa", "swmsa", "sra", "linear_sra", "retention")
"""The rows that are shown unless others are asked for."""

AS_SEQUENCE = ("N", "T", "d", "n")
"""Dimensions of a layer over a sequence: the grid's tokens, and their channels."""


@dataclass(frozen=True)
class OurLayer:
    """A layer by its id, on the grid of a comparison's inputs."""

    id: str
    inputs: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """What tables call it."""
        return LAYERS[self.id].name

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions that it has."""
        return LAYERS[self.id].dims

    @property
    def _own(self) -> dict[str, Any]:
        return LAYERS[self.id].pick(dims_of(self.inputs))

    @cached_property
    def cost(self) -> Cost:
        """The cost tree in numbers."""
        return LAYERS[self.id].build(**self._own)

    @cached_property
    def symbolic(self) -> Cost:
        """The cost tree of one image on grids that are tiled without a rest.

        SRA with R = 1 has no reduction at all: another regime, with a form of its own.
        """
        return on_symbols(self.id, **({"R": 1} if self.id == "sra" and self.inputs["R"] == 1 else {}))

    @cached_property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates."""
        return closed_form(self.symbolic, Quantity.MACS)

    @cached_property
    def around(self) -> Regime | None:
        """The form that holds on this grid, where the tidy one does not; both are of one image."""
        values = values_of(self.inputs)
        if self.form.gives(int(self.cost.total(Quantity.MACS)) // self.inputs["batch"], values):
            return None
        from ..everywhere import form_at

        letters = {name: SYMBOL_OF.get(name, name) for name in self.dims if name not in AS_SEQUENCE}

        def run(sizes: dict[str, Any]) -> Cost:
            given = {name: sizes[letter] for name, letter in letters.items()}
            given |= {name: value for name, value in as_sequence(sizes).items() if name in self.dims}
            return LAYERS[self.id].build(**given)

        start = {letter: values[letter] for letter in ("h", "w", "C", *letters.values())}
        return form_at(run, start, Quantity.MACS)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was padded or dropped."""
        return deviations(self.cost)

    unpriced = ""

    @property
    def unknown(self) -> Mapping[str, int]:
        """Operators without a price: ours have none."""
        return {}

    def report(self) -> Report:
        """Its module counted."""
        from ..checks import check_layer

        return check_layer(self.id, self.cost, self._own)


@dataclass(frozen=True)
class OwnLayer:
    """A module of the reader's, on the grid of a comparison's inputs."""

    row: Placed
    inputs: Mapping[str, Any] = field(repr=False)
    title: str = ""

    @property
    def id(self) -> str:
        """As it was written."""
        return self.row.text

    @property
    def name(self) -> str:
        """The factory's own name, unless it has a ``title``."""
        return self.title or self.row.name

    @cached_property
    def _placed(self) -> Ran:
        from ..checks.placed_layers import place

        return place(self.row, dims_of(self.inputs))

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions of the grid that it depends on."""
        return tuple(name for name in self.inputs if SYMBOL_OF.get(name, name) in self._placed.point)

    @property
    def cost(self) -> Cost:
        """The cost tree in numbers."""
        return self._placed.cost

    @property
    def symbolic(self) -> Cost:
        """The cost tree of one image on grids that everything divides."""
        return self._placed.symbolic

    @property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates."""
        return self._placed.form

    @cached_property
    def around(self) -> Regime | None:
        """The form that holds on this grid, where the tidy one does not."""
        return self._placed.around()

    @property
    def unknown(self) -> Mapping[str, int]:
        """Operators without a price, with their calls."""
        return self._placed.unknown

    @property
    def notes(self) -> tuple[str, ...]:
        """What nobody can price, and what its map elements are."""
        from .priced import unpriced_notes

        notes = unpriced_notes(self.unknown)
        if self.around is None:
            notes += [f"its form holds for {self.form.valid}"] if self.form.valid else []
        else:
            when = self.around.when
            notes += [] if when.always else [f"its form holds for {when}"]
            notes += [f"for {self.form.valid} it is {self.form}"] if self.form.valid else []
        if self.cost.total(Quantity.ATTENTION):
            on = "its map elements are what softmax returns and fused attention computes"
            notes.append(About(on, "attention_elements attention_bytes"))
        return tuple(notes)

    @property
    def unpriced(self) -> str:
        """Why fvcore has no figure of it; empty where it has."""
        return self._placed.batched.missing.get("fvcore", "")

    def report(self) -> Report:
        """Its module counted."""
        return self._placed.report()


GridLayer = OurLayer | OwnLayer


def on_grid(
    rows: Iterable[str | Placed] | None,
    inputs: Mapping[str, Any],
    options: Iterable[str],
    others: Mapping[str, object],
) -> tuple[GridLayer, ...]:
    """The rows that are asked for. Their dimensions are ``options`` or ``others``, and of these each has a row.

    Raises:
        InputError: an unknown row, a dimension that is missing, or one that no row has.
    """
    asked = ROWS if rows is None else tuple(dict.fromkeys(rows))
    given = {*options, *AS_SEQUENCE}
    if not asked:
        known = [id for id in LAYERS if {*LAYERS[id].dims} <= given]
        raise InputError(f"--rows: give at least one of {', '.join(known)}")
    make = partial(_layer, inputs=inputs, given=given, others=others)
    layers = _told_apart(tuple(map(make, asked)))
    for name in others:
        if name in AS_SEQUENCE:
            raise InputError(f"--set {name}: is hw or C")
        if name in given:
            raise InputError(f"--set {name}: is an option, --{name}")
        if not any(name in layer.dims for layer in layers):
            raise InputError(f"--set {name}: no row has such a dimension")
    return layers


def _told_apart(layers: tuple[GridLayer, ...]) -> tuple[GridLayer, ...]:
    """Modules of the reader's that have the name of another row: with the arguments in which they differ.

    Raises:
        InputError: the reader gave one of them that name.
    """
    alike: dict[str, list[GridLayer]] = {}
    for layer in layers:
        alike.setdefault(layer.name, []).append(layer)

    def titled(layer: GridLayer) -> GridLayer:
        others = [other for other in alike[layer.name] if other is not layer]
        if not others or not isinstance(layer, OwnLayer):
            return layer
        if layer.row.title:
            raise InputError(f"--rows {layer.id}: another row is called {layer.name}, too")
        rows = [other.row for other in others if isinstance(other, OwnLayer)]
        differing = [
            f"{name}={value}" for name, value in layer.row.arguments.items() if _differs(rows, name, value)
        ]
        if len(rows) == len(others) and differing:
            return replace(layer, title=f"{layer.name}({', '.join(differing)})")
        whole = layer.id.partition("@")[0]
        return replace(layer, title=whole if rows else whole.partition("(")[0])

    return tuple(map(titled, layers))


def _differs(rows: Iterable[Placed], name: str, value: object) -> bool:
    return any(row.arguments.get(name) != value for row in rows)


def _layer(
    row: str | Placed, inputs: Mapping[str, Any], given: set[str], others: Mapping[str, object]
) -> GridLayer:
    if isinstance(row, Placed) or is_placed(row):
        return OwnLayer(as_placed(row, "--rows", shown=True), inputs)
    if row not in LAYERS:
        raise unknown("--rows", row, tuple(LAYERS), LISTED)
    missing = [name for name in LAYERS[row].dims if name not in given and name not in others]
    if missing:
        wanted = " ".join(f"--set {name}=NUMBER" for name in missing)
        raise InputError(f"--rows {row}: has dimensions that are no options here: {wanted} is missing")
    return OurLayer(row, inputs)


def dims_of(inputs: Mapping[str, Any]) -> dict[str, int]:
    """Every dimension that a row may ask for: the options, and the grid read as a sequence."""
    given = {name: value for name, value in inputs.items() if name != "dtype"}
    tokens = inputs["h"] * inputs["w"]
    return {**given, "N": tokens, "T": tokens, "d": inputs["C"], "n": inputs["C"]}


def values_of(inputs: Mapping[str, Any]) -> dict[str, int]:
    """The number of each symbol of the closed forms."""
    return {SYMBOL_OF.get(name, name): value for name, value in dims_of(inputs).items()}


def on_symbols(id: str, **fixed: Any) -> Cost:
    """A layer with a symbol for each dimension of the grid; a sequence layer runs over its hw tokens."""
    grid = as_sequence({name: symbol(name) for name in ("h", "w", "C")})
    dims = {name: grid.get(name, own) for name, own in symbols_of(id).items()}
    return LAYERS[id].build(**{**dims, **fixed})


def as_sequence(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The dimensions of a layer over a sequence, from those of a grid."""
    tokens = sizes["h"] * sizes["w"]
    return dict(zip(AS_SEQUENCE, (tokens, tokens, sizes["C"], sizes["C"]), strict=True))
