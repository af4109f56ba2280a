"""``vpcalc compare``: what each kind of attention costs on one token grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import words
from ..abstract.tensor import FLOATS
from ..algebra.crossover import always_more, crossing
from ..algebra.polynomial import Polynomial, as_polynomial
from ..cost import Cost, Quantity
from ..errors import InputError, unknown
from ..inputs import whole
from ..optional import counts
from ..report import About, Column, Kind, Table
from ..symbolic import Form
from .meanings import letters_in
from .result import Result
from .rows import ROWS, GridLayer, OurLayer, OwnLayer, on_grid, values_of
from .verdicts import report_dict, verdict

if TYPE_CHECKING:
    from ..checks import Report
    from ..everywhere import Regime
    from ..placing import Placed

DTYPES = {**{name: each.bytes for name, each in FLOATS.items()}, "float8": 1, "int8": 1}
"""Bytes of an element."""

SIDE = 65536
"""Longest side of a token grid: 4.3 billion tokens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One layer on the grid. ``report`` is None until its module has been counted.

    ``form`` is the tidy one, for grids that are tiled without a rest; ``around`` is the form that holds on this
    grid, where the tidy one does not.
    """

    layer: GridLayer
    ratio: float
    element_bytes: int
    report: Report | None = None

    @property
    def id(self) -> str:
        """The layer's id; of a module of the reader's what was written."""
        return self.layer.id

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.layer.name

    @property
    def cost(self) -> Cost:
        """Its cost tree in numbers."""
        return self.layer.cost

    @property
    def form(self) -> Form:
        """The tidy form of its multiply-accumulates."""
        return self.layer.form

    @property
    def around(self) -> Regime | None:
        """The form that holds on this grid, where the tidy one does not."""
        return self.layer.around

    def figure(self, quantity: Quantity) -> int:
        """One of its totals."""
        return int(self.cost.total(quantity))

    @property
    def form_here(self) -> Form:
        """The form whose value is this row's figure."""
        return self.form if self.around is None or self.around.form is None else self.around.form

    def _formula(self) -> dict[str, Any]:
        lattice = self.form.to_dict()
        if self.around is None:
            return lattice
        return {**lattice, "holds_here": False, "everywhere": self.around.form_dict()}

    @property
    def attention_bytes(self) -> int:
        """Bytes of the attention maps, all heads and windows at once."""
        return self.figure(Quantity.ATTENTION) * self.element_bytes

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        shown = (Quantity.MACS, Quantity.FLOPS, Quantity.PARAMS, Quantity.ACTIVATIONS, Quantity.ATTENTION)
        return {
            "id": self.id,
            "name": self.name,
            "formula": self._formula(),
            **{quantity.value: self.figure(quantity) for quantity in shown},
            "fvcore": None if self.layer.unpriced else self.figure(Quantity.FVCORE),
            "attention_bytes": self.attention_bytes,
            "ratio": self.ratio,
            "notes": list(self.layer.notes),
            **report_dict(self.report),
        }


@dataclass(frozen=True, slots=True)
class Crossover:
    """``between`` the first costs more than the second exactly where the condition holds: hw > ``at``.

    That is so on grids whose sides are multiples of ``tiles``, which is what ``valid`` says in words; elsewhere
    padding and dropped rows count too, and ``holds_here`` says whether it is so on the grid of the comparison.
    Where h and w count apart, ``at`` is for grids of this one's shape, whose ``sides`` are as h to w.
    The condition is spelled in several ways, as a closed form is.
    """

    between: tuple[str, str]
    text: str
    latex: str
    mathml: str
    typst: str
    at: int
    tiles: str = ""
    valid: str = ""
    holds_here: bool = True
    sides: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        spelled = {"condition": self.text, "latex": self.latex}
        where: dict[str, Any] = {"valid": self.valid, "holds_here": self.holds_here}
        if self.sides is not None:
            where["sides"] = list(self.sides)
        return {"between": list(self.between), **spelled, "at": self.at, **where}

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Comparison(Result):
    """The rows at one grid, and where they cross as the grid grows."""

    inputs: dict[str, Any]
    rows: tuple[Row, ...]
    crossovers: tuple[Crossover, ...]
    apart: tuple[str, ...] = ()
    """Where no two rows cross, what is known instead, pair by pair."""

    @property
    def alike(self) -> tuple[str, ...]:
        """Rows that cost what an earlier one costs, and so cross where that does."""
        names: dict[Polynomial, list[str]] = {}
        for row in self.rows:
            names.setdefault(as_polynomial(row.layer.symbolic.total(Quantity.MACS)), []).append(row.name)
        return tuple(
            f"{' and '.join(others)} cost{'s' * (len(others) == 1)} what {first} costs"
            for first, *others in names.values()
            if others
        )

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "compare",
            "inputs": self.inputs,
            "rows": [row.to_dict() for row in self.rows],
            "crossovers": [crossover.to_dict() for crossover in self.crossovers],
        }

    def checked(self, counted: Callable[[Comparison], None] | None = None) -> Comparison:
        """The same with every row's module counted; ``counted`` is called after each row."""
        result = self
        for index, row in enumerate(self.rows):
            checked = replace(row, report=row.layer.report())
            rows = (*result.rows[:index], checked, *result.rows[index + 1 :])
            result = replace(result, rows=rows)
            if counted is not None:
                counted(result)
        return result

    @property
    def others(self) -> tuple[str, ...]:
        """Dimensions of its rows that are no options of a comparison."""
        return tuple(name for name in self.inputs if name not in signature(compare).parameters)

    @property
    def ok(self) -> bool:
        """Whether no check differs."""
        return not any(row.report and row.report.differing for row in self.rows)

    def tables(self) -> tuple[Table, ...]:
        """The rows, and below them where they cross."""
        title = (
            "{h}×{w} tokens, C = {C}, "
            + ("a = " if self._has_heads else "")
            + "{heads} "
            + ("head" if self.inputs["heads"] == 1 else "heads")
            + "; M = {M}, R = {R}, P = {P}, {others}batch {batch}, "
        )
        title += "maps in {dtype}"
        others = "".join(f"{name} = {self.inputs[name]}, " for name in self.others)
        columns = (
            Column("layer", "Layer", Kind.WORD),
            Column("formula", "MACs in closed form", Kind.FORMULA),
            Column("macs", "MACs", Kind.COUNT, kept=True),
            Column("ratio", "× MSA", Kind.RATIO),
            Column("params", "Params", Kind.COUNT),
            Column("attention_elements", "Map elements", Kind.COUNT, wide=True),
            Column("attention_bytes", "Map size", Kind.BYTES),
            Column("fvcore", "fvcore", Kind.VERDICT),
        )
        rows = tuple(
            (
                row.name,
                row.form_here,
                row.figure(Quantity.MACS),
                row.ratio,
                row.figure(Quantity.PARAMS),
                row.figure(Quantity.ATTENTION),
                row.attention_bytes,
                verdict(row.report),
            )
            for row in self.rows
        )
        compared = Table(title.format(others=others, **self.inputs), columns, rows, self._notes())
        if not self.crossovers:
            return (compared,)
        names = {row.id: row.name for row in self.rows} | PARTS
        return (
            compared,
            crossing_table(self, {c: f"{names[c.between[0]]} > {names[c.between[1]]}" for c in self.crossovers}),
        )

    @property
    def _has_heads(self) -> bool:
        """Whether the number of heads stands as a letter in a form or in where one holds."""
        said = (letter for row in self.rows for letter in row.form_here.polynomial.letters)
        return "a" in {*said, *(letter for row in self.rows for letter in letters_in(row.form.valid))}

    def _notes(self) -> tuple[str, ...]:
        """What is to be said about rows, rows of which the same is to be said together."""
        names: dict[str, list[str]] = {}
        for row in self.rows:
            complaint = (str(row.report),) if row.report and row.report.verdict.value != "agrees" else ()
            for note in (*row.layer.notes, *complaint):
                names.setdefault(note, []).append(row.name)
        batch = self.inputs["batch"]
        of_one = (f"closed forms are of one image, figures of the batch of {batch}",) if batch > 1 else ()
        said = [(f"{', '.join(rows)}: {note}", note) for note, rows in names.items()]
        on_rows = (About(text, note.key) if isinstance(note, About) else text for text, note in said)
        return (*of_one, *on_rows, *self.apart)


def crossing_table(comparison: Comparison, labels: Mapping[Crossover, str]) -> Table:
    """Where rows cross: the condition, and the tiles of which the grid's sides have to be multiples for it."""
    columns = (
        Column("costs_more", "Costs more", Kind.WORD),
        Column("condition", "Where", Kind.FORMULA),
        Column("at", "Here: hw >", Kind.NUMBER, kept=True),
        Column("tiles", "Tiles", Kind.SYMBOLS),
    )
    rows = tuple((label, c, c.at, c.tiles) for c, label in labels.items())
    size = f"{comparison.inputs['h']}×{comparison.inputs['w']}"
    letters = sorted({letter for c in labels for letter in c.tiles.split(", ") if letter})
    notes: list[str] = []
    if letters:
        exact = "exact where h and w are multiples of"
        notes.append(About(f"{exact} the row's tiles, if it has any", "tiles", f"{exact} {' and '.join(letters)}"))
    notes += [
        f"here: on grids with h to w as {c.sides[0]} to {c.sides[1]}: {label}"
        for c, label in labels.items()
        if c.sides
    ]
    notes += comparison.alike
    untiled: dict[str, list[str]] = {}
    for c, label in labels.items():
        if not c.holds_here:
            untiled.setdefault(c.tiles, []).append(label)
    notes += [
        f"not so on {size}, which {tiles} does not tile: {'; '.join(not_so)}" for tiles, not_so in untiled.items()
    ]
    return Table("Where they cross", columns, rows, tuple(notes))


PARTS = {"msa:matmul": "MSA's quadratic term", "msa:linear": "its projections"}
"""Parts of a layer that cross, and how they are called."""


def compare(
    h: object,
    w: object,
    C: object,
    M: object = 7,
    *,
    R: object = None,
    P: object = 7,
    heads: object = None,
    k: object = 3,
    r: object = 4,
    chunk: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = 1,
    dtype: str = "float32",
    rows: Iterable[str | Placed] | None = None,
    check: bool | None = None,
) -> Comparison:
    """Compare layers on a grid of h x w tokens of C channels.

    Args:
        h, w: the token grid.
        C: channels of a token.
        M: side of a window (W-MSA, SW-MSA).
        R: reduction ratio (SRA); 8, or the grid's shorter side where that is less.
        P: side of the pooled grid (linear SRA).
        heads: attention heads; C/32 where that is whole, else 1.
        k: kernel side of convolutions, where such a row is asked for.
        r: expansion of feed-forward layers, where such a row is asked for.
        chunk: tokens of a chunk (chunkwise retention); 512, or the grid's tokens where these are fewer.
        set: other dimensions that rows have, by name.
        batch: images.
        dtype: element type of the attention maps, for their bytes.
        rows: ids of the layers to compare, and modules of your own: ``attn.py:X(dim=C,window=M)@1,hw,C``, or
            :func:`vpcalc.placed`; MSA, W-MSA, SW-MSA, SRA, linear SRA and retention if None.
        check: count the instantiated modules with fvcore; if left out, where torch and fvcore are installed.

    Raises:
        InputError: a value is not usable; the message says which and what is allowed.
    """
    width = whole("--C", C)
    sides = (whole("--h", h, high=SIDE), whole("--w", w, high=SIDE))
    shorter, tokens = min(sides), sides[0] * sides[1]
    inputs: dict[str, Any] = {
        "h": whole("--h", h, high=SIDE),
        "w": whole("--w", w, high=SIDE),
        "C": width,
        "M": whole("--M", M, high=SIDE),
        "R": min(8, shorter) if R is None else whole("--R", R, high=SIDE),
        "P": whole("--P", P, high=SIDE),
        "heads": _heads(heads, width),
        "k": whole("--k", k, high=SIDE),
        "r": whole("--r", r),
        "chunk": min(512, tokens) if chunk is None else whole("--chunk", chunk),
        "batch": whole("--batch", batch),
        "dtype": words.dtype(dtype),
    }
    if inputs["dtype"] not in DTYPES:
        raise unknown("--dtype", dtype, DTYPES)
    others = {name: whole(f"--set {name}", value) for name, value in (set or {}).items()}
    options, inputs = tuple(inputs), {**inputs, **others}
    layers = on_grid(rows, inputs, options, others)
    if inputs["R"] > shorter and any(layer.id == "sra" for layer in layers):
        raise InputError(f"--R {inputs['R']}: larger than the grid; must be from 1 to {shorter}")
    baseline = int(OurLayer("msa", inputs).cost.total(Quantity.MACS))
    crossovers = _crossovers(layers, inputs)
    result = Comparison(
        inputs,
        tuple(Row(layer, layer.cost.total(Quantity.MACS) / baseline, DTYPES[inputs["dtype"]]) for layer in layers),
        crossovers,
        _apart(layers, inputs, crossovers),
    )
    return result.checked() if counts(check) else result


def _heads(heads: object, C: int) -> int:
    if heads is None:
        return C // 32 if C % 32 == 0 else 1
    number = whole("--heads", heads)
    if C % number:
        raise InputError(f"--heads {number}: does not divide C = {C}; must be a divisor of it")
    return number


def tiles_of(costs: Iterable[Cost]) -> tuple[str, ...]:
    """The symbols that have to divide something for the closed forms to hold."""
    tilings = (tiling for cost in costs for node in cost.nodes() for tiling in node.tilings)
    return tuple(dict.fromkeys(str(tiling.tile) for tiling in tilings if not isinstance(tiling.tile, int)))


def _where(pair: tuple[GridLayer, GridLayer], at: int, values: dict[str, int]) -> tuple[str, str, bool]:
    """On multiples of what a crossing is exact, in short and in words, and whether it is so on this very grid."""
    if pair[0] is pair[1]:
        return "", "", True  # two parts of one layer, which tiles nothing
    tiles = tiles_of(layer.symbolic for layer in pair)
    valid = "; ".join(dict.fromkeys(words for layer in pair if (words := layer.form.valid)))
    more, less = (layer.cost.total(Quantity.MACS) for layer in pair)
    return ", ".join(tiles), valid, (more > less) == (values["h"] * values["w"] > at)


def _crossovers(layers: tuple[GridLayer, ...], inputs: dict[str, Any]) -> tuple[Crossover, ...]:
    values = values_of(inputs)
    pairs: list[tuple[_Side, _Side]] = []
    for layer in layers:
        if layer.id == "msa":
            parts = layer.symbolic.by_operator(Quantity.MACS)
            quadratic, linear = (_Side(f"msa:{kind}", layer, parts[kind]) for kind in ("matmul", "linear"))
            pairs.append((quadratic, linear))
    distinct: dict[Polynomial, _Side] = {}
    for layer in layers:
        form = as_polynomial(layer.symbolic.total(Quantity.MACS))
        distinct.setdefault(form, _Side(layer.id, layer, form))
    sides = list(distinct.values())
    for index, a in enumerate(sides):
        # Every row against the first and the reader's own; others among themselves where they are the usual few.
        pairs += [(a, b) for b in sides[index + 1 :] if index == 0 or _of_interest(a, b)]
    found = []
    for first, second in pairs:
        cross = crossing(first.form, second.form, values)
        if cross is not None and cross.at > 0:
            more, less = (second, first) if cross.swapped else (first, second)
            text, latex, mathml, typst = map(cross.spell, ("text", "latex", "mathml", "typst"))
            where = _where((more.layer, less.layer), cross.at, values)
            between = (more.id, less.id)
            found.append(Crossover(between, text, latex, mathml, typst, cross.at, *where, cross.sides))
    return tuple(found)


def _of_interest(a: _Side, b: _Side) -> bool:
    own = any(isinstance(side.layer, OwnLayer) for side in (a, b))
    return own or (a.id in ROWS and b.id in ROWS)


class _Side(NamedTuple):
    """A row, or a part of one, by its form."""

    id: str
    layer: GridLayer
    form: Polynomial


def _apart(
    layers: tuple[GridLayer, ...], inputs: dict[str, Any], crossovers: tuple[Crossover, ...]
) -> tuple[str, ...]:
    """What is known of rows where no two cross: of the first and each other, as it is asked for crossings."""
    if any(crossover.between[0] not in PARTS for crossover in crossovers):
        return ()
    values = values_of(inputs)
    first, *others = ((layer.name, as_polynomial(layer.symbolic.total(Quantity.MACS))) for layer in layers)
    found = []
    for other in others:
        (a, mine), (b, its) = first, other
        if mine == its:
            found.append(f"{a} and {b} cost the same on every grid that both tile")
        elif always_more(mine, its, values):
            found.append(f"{a} costs more than {b} on every grid of this shape that both tile")
        elif always_more(its, mine, values):
            found.append(f"{b} costs more than {a} on every grid of this shape that both tile")
        else:
            found.append(f"{a} and {b}: no single crossing was found")
    return tuple(found)
