"""``vpcalc compare``: what each kind of attention costs on one token grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..abstract.tensor import FLOATS
from ..algebra.crossover import always_more, crossing
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..cost import Cost, Quantity
from ..errors import InputError, unknown
from ..inputs import whole
from ..layers import LAYERS
from ..report import Column, Kind, Table
from ..symbolic import SYMBOL_OF, Form, closed_form, condition, deviations, symbols_of
from .result import Result
from .verdicts import report_dict, verdict

if TYPE_CHECKING:
    from ..checks import Report
    from ..everywhere import Regime

ROWS = ("msa", "wmsa", "swmsa", "sra", "linear_sra", "retention")
"""The rows that are shown unless others are asked for."""

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

    id: str
    name: str
    cost: Cost
    form: Form
    ratio: float
    element_bytes: int
    around: Regime | None = None
    report: Report | None = None

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
            "fvcore": self.figure(Quantity.FVCORE),
            "attention_bytes": self.attention_bytes,
            "ratio": self.ratio,
            "notes": list(deviations(self.cost)),
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

    def to_dict(self) -> dict[str, Any]:
        """The command's JSON object."""
        return {
            "command": "compare",
            "inputs": self.inputs,
            "rows": [row.to_dict() for row in self.rows],
            "crossovers": [crossover.to_dict() for crossover in self.crossovers],
        }

    def checked(self, counted: Callable[[Comparison], None] | None = None) -> Comparison:
        """The same with every row's module counted; ``counted`` is called after each row."""
        from ..checks import check_layer

        result = self
        for index, row in enumerate(self.rows):
            report = check_layer(row.id, row.cost, LAYERS[row.id].pick(_dims(self.inputs)))
            rows = (*result.rows[:index], replace(row, report=report), *result.rows[index + 1 :])
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
        title = "{h}×{w} tokens, C = {C}, {heads} heads; M = {M}, R = {R}, P = {P}, {others}batch {batch}, "
        title += "maps in {dtype}"
        others = "".join(f"{name} = {self.inputs[name]}, " for name in self.others)
        columns = (
            Column("layer", "Layer", Kind.WORD),
            Column("formula", "MACs in closed form", Kind.FORMULA),
            Column("macs", "MACs", Kind.COUNT),
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
        names = {row.id: row.name for row in self.rows} | _PARTS
        return (
            compared,
            crossing_table(self, {c: f"{names[c.between[0]]} > {names[c.between[1]]}" for c in self.crossovers}),
        )

    def _notes(self) -> tuple[str, ...]:
        """What is to be said about rows, rows of which the same is to be said together."""
        names: dict[str, list[str]] = {}
        for row in self.rows:
            complaint = (str(row.report),) if row.report and row.report.verdict.value != "agrees" else ()
            for note in (*deviations(row.cost), *complaint):
                names.setdefault(note, []).append(row.name)
        return (*(f"{', '.join(rows)}: {note}" for note, rows in names.items()), *self.apart)


def crossing_table(comparison: Comparison, labels: Mapping[Crossover, str]) -> Table:
    """Where rows cross: the condition, and the tiles of which the grid's sides have to be multiples for it."""
    columns = (
        Column("costs_more", "Costs more", Kind.WORD),
        Column("condition", "exactly where", Kind.FORMULA),
        Column("at", "here: hw >", Kind.NUMBER),
        Column("tiles", "tiles", Kind.WORD),
    )
    rows = tuple((label, c, c.at, c.tiles) for c, label in labels.items())
    size = f"{comparison.inputs['h']}×{comparison.inputs['w']}"
    notes = ["exact on grids that are whole numbers of the row's tiles, if it names any"]
    notes = notes if any(c.tiles for c in labels) else []
    notes += [
        f"here: on grids of this shape, h to w as {c.sides[0]} to {c.sides[1]}: {label}"
        for c, label in labels.items()
        if c.sides
    ]
    notes += [
        f"not so on {size}, which {c.tiles} does not tile: {label}"
        for c, label in labels.items()
        if not c.holds_here
    ]
    return Table("Where they cross", columns, rows, tuple(notes))


_PARTS = {"msa:matmul": "MSA's quadratic term", "msa:linear": "its projections"}


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
    rows: Iterable[str] | None = None,
    check: bool = True,
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
        rows: ids of the layers to compare; :data:`ROWS` if None.
        check: count the instantiated modules with fvcore.

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
        "dtype": dtype,
    }
    if dtype not in DTYPES:
        raise unknown("--dtype", dtype, DTYPES)
    ids = _row_ids(rows, inputs, set or {})
    inputs |= {name: whole(f"--set {name}", value) for name, value in (set or {}).items()}
    if "sra" in ids and inputs["R"] > shorter:
        raise InputError(f"--R {inputs['R']}: larger than the grid; must be from 1 to {shorter}")
    costs = {id: LAYERS[id].build(**LAYERS[id].pick(_dims(inputs))) for id in ids}
    symbolic = {id: _at_ratio_one(id, inputs) or _on_symbols(id) for id in dict.fromkeys(("msa", *ids))}
    baseline = _msa_macs(inputs)
    crossovers = _crossovers(symbolic, ids, inputs, costs)
    result = Comparison(
        inputs,
        tuple(
            Row(
                id,
                LAYERS[id].name,
                cost,
                closed_form(symbolic[id], Quantity.MACS),
                cost.total(Quantity.MACS) / baseline,
                DTYPES[dtype],
                _around(id, cost, symbolic[id], inputs),
            )
            for id, cost in costs.items()
        ),
        crossovers,
        _apart(symbolic, ids, inputs, crossovers),
    )
    return result.checked() if check else result


def _dims(inputs: dict[str, Any]) -> dict[str, int]:
    """Every dimension that a row may ask for: the options, and the grid read as a sequence."""
    given = {name: value for name, value in inputs.items() if name != "dtype"}
    tokens = inputs["h"] * inputs["w"]
    return {**given, "N": tokens, "T": tokens, "d": inputs["C"], "n": inputs["C"]}


def _values(inputs: dict[str, Any]) -> dict[str, int]:
    """The number of each symbol of the closed forms."""
    return {SYMBOL_OF.get(name, name): value for name, value in _dims(inputs).items()}


def _around(id: str, cost: Cost, symbolic: Cost, inputs: dict[str, Any]) -> Regime | None:
    """The form that holds on this grid, where that on the lattice does not; both are of one image."""
    total = int(cost.total(Quantity.MACS)) // inputs["batch"]
    values = _values(inputs)
    if closed_form(symbolic, Quantity.MACS).gives(total, values):
        return None
    from ..everywhere import form_at

    letters = {name: SYMBOL_OF.get(name, name) for name in LAYERS[id].dims if name not in _AS_SEQUENCE}

    def run(sizes: dict[str, Any]) -> Cost:
        given = {name: sizes[letter] for name, letter in letters.items()}
        if any(name in _AS_SEQUENCE for name in LAYERS[id].dims):
            given |= {name: value for name, value in _sequence(sizes).items() if name in LAYERS[id].dims}
        return LAYERS[id].build(**given)

    return form_at(run, {letter: values[letter] for letter in ("h", "w", "C", *letters.values())}, Quantity.MACS)


def _on_symbols(id: str, **fixed: Any) -> Cost:
    """A layer with a symbol for each dimension of the grid; a sequence layer runs over its hw tokens."""
    as_sequence = _sequence({name: symbol(name) for name in ("h", "w", "C")})
    dims = {name: as_sequence.get(name, own) for name, own in symbols_of(id).items()}
    return LAYERS[id].build(**{**dims, **fixed})


_AS_SEQUENCE = ("N", "T", "d", "n")


def _sequence(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The dimensions of a layer over a sequence, from those of a grid."""
    tokens = sizes["h"] * sizes["w"]
    return dict(zip(_AS_SEQUENCE, (tokens, tokens, sizes["C"], sizes["C"]), strict=True))


def _heads(heads: object, C: int) -> int:
    if heads is None:
        return C // 32 if C % 32 == 0 else 1
    number = whole("--heads", heads)
    if C % number:
        raise InputError(f"--heads {number}: does not divide C = {C}; must be a divisor of it")
    return number


def _row_ids(
    rows: Iterable[str] | None, options: Mapping[str, Any], others: Mapping[str, object]
) -> tuple[str, ...]:
    """The rows that are asked for. Their dimensions are options or ``others``, and of these each has a row."""
    given = {*options, *_AS_SEQUENCE}
    ids = ROWS if rows is None else tuple(dict.fromkeys(rows))
    known = [id for id in LAYERS if {*LAYERS[id].dims} <= given]
    if not ids:
        raise InputError(f"--rows: give at least one of {', '.join(known)}")
    for id in ids:
        if id not in LAYERS:
            raise unknown("--rows", id, tuple(LAYERS))
        missing = [name for name in LAYERS[id].dims if name not in given and name not in others]
        if missing:
            wanted = " ".join(f"--set {name}=NUMBER" for name in missing)
            raise InputError(f"--rows {id}: has dimensions that are no options here: {wanted} is missing")
    for name in others:
        if name in given:
            raise InputError(
                f"--set {name}: is an option, --{name}" if name in options else f"--set {name}: is hw or C"
            )
        if not any(name in LAYERS[id].dims for id in ids):
            raise InputError(f"--set {name}: no row has such a dimension")
    return ids


def _at_ratio_one(id: str, inputs: dict[str, Any]) -> Cost | None:
    """SRA with R = 1 has no reduction at all: another regime, with a form of its own."""
    if id != "sra" or inputs["R"] != 1:
        return None
    return _on_symbols(id, R=1)


def _msa_macs(inputs: dict[str, Any]) -> int:
    return int(LAYERS["msa"].build(**LAYERS["msa"].pick(_dims(inputs))).total(Quantity.MACS))


def _where(
    symbolic: dict[str, Cost], costs: dict[str, Cost], between: tuple[str, str], at: int, values: dict[str, int]
) -> tuple[str, str, bool]:
    """On multiples of what a crossing is exact, in short and in words, and whether it is so on this very grid."""
    if between[0].partition(":")[0] == between[1].partition(":")[0]:
        return "", "", True  # two parts of one layer, which tiles nothing
    trees = [symbolic[id] for id in between]
    tilings = [tiling for tree in trees for node in tree.nodes() for tiling in node.tilings]
    tiles = dict.fromkeys(str(tiling.tile) for tiling in tilings if not isinstance(tiling.tile, int))
    valid = "; ".join(dict.fromkeys(words for tree in trees if (words := condition(tree))))
    more, less = (costs[id].total(Quantity.MACS) for id in between)
    return ", ".join(tiles), valid, (more > less) == (values["h"] * values["w"] > at)


def _crossovers(
    symbolic: dict[str, Cost], ids: tuple[str, ...], inputs: dict[str, Any], costs: dict[str, Cost]
) -> tuple[Crossover, ...]:
    values = _values(inputs)
    forms = {id: as_polynomial(symbolic[id].total(Quantity.MACS)) for id in ids}
    pairs: list[tuple[str, Polynomial, str, Polynomial]] = []
    if "msa" in ids:
        parts = symbolic["msa"].by_operator(Quantity.MACS)
        pairs.append(("msa:matmul", parts["matmul"], "msa:linear", parts["linear"]))
    distinct: dict[Polynomial, str] = {}
    for id in ids:
        distinct.setdefault(forms[id], id)
    names = list(distinct.values())
    for index, a in enumerate(names):
        # Every row against the first; the rest among themselves only where they are the usual few.
        others = [b for b in names[index + 1 :] if index == 0 or (a in ROWS and b in ROWS)]
        pairs += [(a, forms[a], b, forms[b]) for b in others]
    found = []
    for a, first, b, second in pairs:
        cross = crossing(first, second, values)
        if cross is not None and cross.at > 0:
            between = (b, a) if cross.swapped else (a, b)
            text, latex, mathml, typst = map(cross.spell, ("text", "latex", "mathml", "typst"))
            where = _where(symbolic, costs, between, cross.at, values)
            found.append(Crossover(between, text, latex, mathml, typst, cross.at, *where, cross.sides))
    return tuple(found)


def _apart(
    symbolic: dict[str, Cost], ids: tuple[str, ...], inputs: dict[str, Any], crossovers: tuple[Crossover, ...]
) -> tuple[str, ...]:
    """What is known of rows where no two cross: of the first and each other, as it is asked for crossings."""
    if any(":" not in crossover.between[0] for crossover in crossovers):
        return ()
    values = _values(inputs)
    first, *others = ((LAYERS[id].name, as_polynomial(symbolic[id].total(Quantity.MACS))) for id in ids)
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
