"""``vpcalc plot``: what all plots have in common, and the curves over resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import isqrt, lcm, sqrt
from pathlib import Path
from typing import Any

from .. import files
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..architectures import ARCHITECTURES, Architecture
from ..cost import Cost, Quantity
from ..dims import is_symbolic
from ..errors import InputError, is_code, unwritable
from ..inputs import whole
from ..pictures import WIDTH, Chart, Level, Line, LineChart, Mark, draw, format_of
from ..pictures.data import Unit
from ..pictures.style import written
from ..placing import Placed, as_placed, is_placed
from ..report import Column, Kind, Table
from ..report.numbers import exact, ratio
from ..storage.optimizers import read_bytes
from ..symbolic import divides, lattice
from .compare import DTYPES, PARTS, SIDE, Comparison, Crossover, Row, compare, crossing_table, tiles_of
from .priced import unpriced_words
from .result import Result
from .rows import OwnLayer, values_of

SAMPLES = 48
"""Points of a curve, evenly spaced on a logarithmic axis before they are moved to where its form is exact."""

FROM, TO = 4, 512
"""Sides of the smallest and the largest grid: 512 × 512 is every pixel of a small photograph a token."""


@dataclass(frozen=True, slots=True)
class Plot(Result):
    """A chart and the numbers in it. ``data`` is its first table and, row by row, its JSON."""

    kind: str
    inputs: Mapping[str, Any]
    chart: Chart
    data: Table
    more: tuple[Table, ...] = ()
    command: str = "plot"

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        from ..report.table import records

        found: dict[str, Any] = {"command": self.command, "kind": self.kind, "inputs": dict(self.inputs)}
        found |= {"title": self.chart.title, "subtitle": self.chart.subtitle}
        for name, table in zip(("data", *_MORE), (self.data, *self.more), strict=False):
            found[name] = [{key: _plain(value) for key, value in row.items()} for row in records(table)]
        return found | {"notes": [str(note) for note in self.data.notes]}

    def tables(self) -> tuple[Table, ...]:
        """The numbers of the chart."""
        return (self.data, *self.more)

    def draw(self, format: str = "svg", *, width: float = WIDTH, title: bool = True, dark: bool = False) -> bytes:
        """The picture as the contents of an ``svg``, ``pdf``, ``png`` or ``tikz``; ``width`` in inches."""
        return draw(self.chart, format, width=width, title=title, dark=dark)

    def save(self, path: str | Path, *, width: float = WIDTH, title: bool = True, dark: bool = False) -> None:
        """Write the picture; the name's suffix says of which kind.

        Raises:
            InputError: an unknown suffix, no matplotlib, or a file that cannot be written.
        """
        picture = self.draw(format_of(path), width=width, title=title, dark=dark)
        try:
            files.replace(Path(path), picture)
        except OSError as error:
            raise unwritable("--output", path, error) from None

    def terminal(self, width: int = 80, colour: bool = False) -> str:
        """The chart in characters, ``width`` columns wide."""
        from ..pictures.terminal import text

        return text(self.chart, width, colour)

    def _repr_html_(self) -> str:
        """The picture in a notebook; its numbers where matplotlib is not installed."""
        try:
            picture = self.draw("svg").decode()
        except InputError:
            return Result._repr_html_(self)
        return picture[picture.index("<svg") :]


_MORE = ("crossovers",)


def _plain(value: Any) -> Any:
    return getattr(value, "text", value)


def plot_crossover(
    C: object = 96,
    M: object = 7,
    *,
    R: object = 8,
    P: object = 7,
    heads: object = None,
    chunk: object = None,
    set: Mapping[str, object] | None = None,
    rows: Iterable[str] | None = None,
    low: object = FROM,
    high: object = TO,
) -> Plot:
    """Cost of each kind of attention against the number of tokens, and where the curves cross.

    Every point is a grid that the layer's windows and reductions tile exactly, so that it lies on the closed form
    and costs what the layer costs.

    Args:
        C: channels of a token.
        M: side of a window.
        R: reduction ratio.
        P: side of the pooled grid.
        heads: attention heads; C/32 where that is whole, else 1.
        chunk: tokens of a chunk, where chunkwise retention is asked for.
        set: other dimensions that rows have, by name.
        rows: ids of the layers; those of :func:`vpcalc.compare` if None.
        low, high: sides of the smallest and the largest grid.

    Raises:
        InputError: a value is not usable; the message says which and what is allowed.
    """
    ends = _ends(low, high)
    largest = _largest(ends, C, M, R=R, P=P, heads=heads, chunk=chunk, set=set, rows=rows)
    curves = _curves(largest, Quantity.MACS, ends)
    marks, labels = _marks(largest, curves)
    title = _first_crossing(largest, curves)
    chart = LineChart(
        title,
        "; ".join((_settings(largest), *_on_squares(curves), *_on_tiles(largest, curves), *_unpriced(largest))),
        "tokens hw  (above: side of a square grid)",
        "multiply-accumulates",
        tuple(line for line, _ in curves.values()),
        marks=marks,
        sides=True,
    )
    more = (crossing_table(largest, labels),)
    inputs = {**largest.inputs, "low": ends[0], "high": ends[1]}
    return Plot("crossover", inputs, chart, _long_table(title, chart.lines, "macs", "MACs", Kind.COUNT), more)


def plot_memory(
    C: object = 96,
    M: object = 7,
    *,
    R: object = 8,
    P: object = 7,
    heads: object = None,
    chunk: object = None,
    set: Mapping[str, object] | None = None,
    rows: Iterable[str] | None = None,
    dtype: str = "float32",
    fit: str = "24GiB",
    low: object = FROM,
    high: object = TO,
) -> Plot:
    """Bytes of each kind's attention maps against the number of tokens, and where they fill a device.

    Args:
        C, M, R, P, heads, chunk, set, low, high: as for :func:`plot_crossover`.
        rows: ids of the layers; those that have no map are left out.
        dtype: element type of the maps.
        fit: the device's memory, such as ``24GiB`` or ``80GB``.

    Raises:
        InputError: a value is not usable; the message says which and what is allowed.
    """
    ends = _ends(low, high)
    room = read_bytes("--fit", fit)
    largest = _largest(ends, C, M, R=R, P=P, heads=heads, chunk=chunk, set=set, rows=rows, dtype=dtype)
    curves = _curves(largest, Quantity.ATTENTION, ends, DTYPES[largest.inputs["dtype"]])
    if not curves:
        raise InputError("--rows: none of these layers has an attention map")
    device = written(room, Unit.BYTES)
    title = _first_filled(curves, room, device)
    chart = LineChart(
        title,
        "; ".join((f"{_settings(largest)}, {largest.inputs['dtype']}", *_on_squares(curves))),
        "tokens hw  (above: side of a square grid)",
        "bytes of the attention maps",
        tuple(line for line, _ in curves.values()),
        levels=(Level(device, room),),
        y_unit=Unit.BYTES,
        sides=True,
    )
    inputs = {**largest.inputs, "fit": room, "low": ends[0], "high": ends[1]}
    return Plot("memory", inputs, chart, _long_table(title, chart.lines, "bytes", "Bytes", Kind.BYTES))


MOST_SIDES = 2000
"""Points of a curve: more than a picture has dots."""


def plot_resolution(
    models: Iterable[str] = ("vit_b_16", "swin_t", "pvt_small", "pvt_v2_b2_li", "resnet50"),
    *,
    low: object = 64,
    high: object = 1280,
    step: object = 32,
) -> Plot:
    """Cost of whole models against the side of a square image, padding included.

    Args:
        models: ids or aliases of image models, and modules of your own: ``file.py:factory``.
        low, high, step: sides in pixels.

    Raises:
        InputError: an unknown model, one that reads no image, or a size that is not usable.
    """
    chosen = _image_models(models)
    bounds = [
        whole(f"--{name}", value, high=SIDE) for name, value in (("from", low), ("to", high), ("step", step))
    ]
    sides = tuple(range(bounds[0], bounds[1] + 1, bounds[2]))
    if len(sides) < 2:
        raise InputError(f"--to {bounds[1]}: must be at least one --step of {bounds[2]} above --from {bounds[0]}")
    if len(sides) > MOST_SIDES:
        enough = -(-(sides[-1] - sides[0]) // (MOST_SIDES - 1))
        raise InputError(
            f"--step {bounds[2]}: makes {len(sides):,} sides; must make at most {MOST_SIDES:,}, as --step {enough}"
        )
    lines = []
    for name, macs_at in chosen.items():
        lines.append(Line(name, name, sides, tuple(map(macs_at, sides))))
    growth = {line.label: line.y[-1] / line.y[0] for line in lines}
    most, least = max(growth, key=growth.__getitem__), min(growth, key=growth.__getitem__)
    title = f"From {sides[0]}² to {sides[-1]}² pixels {most} grows {ratio(growth[most])}-fold"
    if least != most:
        title += f", {least} {ratio(growth[least])}-fold"
    chart = LineChart(
        title,
        f"the image has {ratio((sides[-1] / sides[0]) ** 2)} times as many pixels; batch 1, padding counted",
        "side of a square image, in pixels",
        "multiply-accumulates",
        tuple(lines),
        x_unit=Unit.PLAIN,
        x_ticks=tuple(side for side in (32, 64, 128, 224, 384, 512, 768, 1024, 1280, 2048) if side in sides),
    )
    inputs = {"models": list(chosen), "low": sides[0], "high": sides[-1], "step": bounds[2]}
    return Plot("resolution", inputs, chart, _long_table(title, chart.lines, "macs", "MACs", Kind.COUNT, "side"))


def _ends(low: object, high: object) -> tuple[int, int]:
    ends = whole("--from", low, high=SIDE), whole("--to", high, high=SIDE)
    if ends[0] >= ends[1]:
        raise InputError(f"--to {ends[1]}: must be larger than --from {ends[0]}")
    return ends


def _largest(
    ends: tuple[int, int], C: object, M: object, *, rows: Iterable[str | Placed] | None, **options: Any
) -> Comparison:
    """The comparison at the largest grid: it reads the options, and knows the closed forms and the crossovers.

    Where a module of the reader's refuses that grid, as one of windows may, it is the largest that they tile.
    """
    rows = None if rows is None else tuple(rows)
    try:
        return compare(ends[1], ends[1], C, M, rows=rows, **options, check=False)
    except InputError as refused:
        numbers = {"M": M, **options, **(options["set"] or {}), str(C): 1}  # as many channels are no tile
        tile = _tile_of(rows or (), numbers)
        side = ends[1] // tile * tile
        if side in (0, ends[1]):
            raise
        try:
            return compare(side, side, C, M, rows=rows, **options, check=False)
        except InputError:
            raise refused from None


def _tile_of(rows: Iterable[str | Placed], numbers: Mapping[str, object]) -> int:
    """What the numbers of windows, reductions and the like divide that the reader's own rows are given."""
    tile = 1
    for row in rows:
        if is_placed(row):
            given = as_placed(row, "--rows", shown=True).arguments.values()
            found = [str(numbers.get(str(value), value)) for value in given]
            tile = lcm(tile, *(int(number) for number in found if number.isdecimal() and int(number)))
    return tile


def _settings(comparison: Comparison) -> str:
    """The settings that the rows depend on."""
    used = {"C", *(name for row in comparison.rows for name in row.layer.dims)}
    asked = ("C", "M", "R", "P", "k", "r", "chunk", *comparison.others)
    named = [f"{name} = {comparison.inputs[name]}" for name in asked if name in used]
    heads = comparison.inputs["heads"]
    if "heads" in used:
        named.append(f"{heads} head{'s' if heads > 1 else ''}")
    return ", ".join(named)


def _unpriced(comparison: Comparison) -> list[str]:
    """Rows of which some operators have no price."""
    found = ((row.name, unpriced_words(row.layer.unknown)) for row in comparison.rows)
    return [f"{name} {words}" for name, words in found if words]


def _curves(
    comparison: Comparison, quantity: Quantity, ends: tuple[int, int], scale: int = 1
) -> dict[str, tuple[Line, Polynomial]]:
    """For each row its curve and its form, in tokens N or a square's side S. Those of one form share a curve."""
    found: dict[str, tuple[Line, Polynomial]] = {}
    by_form: dict[Polynomial, str] = {}
    for row in comparison.rows:
        form, x = _on_axis(row, comparison, quantity, ends)
        if not form:
            continue
        form = form * scale
        if form in by_form:
            line, _ = found[by_form[form]]
            found[by_form[form]] = Line(line.key, f"{line.label}, {row.name}", line.x, line.y), form
            continue
        if not x:
            raise InputError(f"--to {ends[1]}: {row.name} has no grid up to there that it tiles exactly")
        by_form[form] = row.id
        found[row.id] = Line(row.id, row.name, x, tuple(int(_at(form, tokens)) for tokens in x)), form
    return found


def _on_axis(
    row: Row, comparison: Comparison, quantity: Quantity, ends: tuple[int, int]
) -> tuple[Polynomial, tuple[int, ...]]:
    """A row's total in tokens N, or in a square's side S where shapes count, and tokens of grids that it tiles."""
    values = {letter: size for letter, size in values_of(comparison.inputs).items() if letter not in ("h", "w")}
    cost = row.layer.symbolic.at(values)
    total = as_polynomial(cost.total(quantity))
    if _even(total):
        form = total.subs({"h": symbol("N"), "w": 1})
        return form, _samples(ends[0] ** 2, ends[1] ** 2, _tokens_of_a_tile(cost)) if form else ()
    unit = lcm(*(lattice(cost).get(side, 1) for side in ("h", "w")))
    sides = [side for side in _samples(*ends, unit) if divides(cost, {"h": side, "w": side})]
    return total.subs({"h": symbol("S"), "w": symbol("S")}), tuple(side * side for side in sides)


def _on_squares(curves: Mapping[str, tuple[Line, Polynomial]]) -> list[str]:
    """Curves of which the shape of a grid counts."""
    found = [line.label for line, form in curves.values() if "S" in form.letters]
    return [f"{', '.join(found)} on square grids"] if found else []


def _on_tiles(comparison: Comparison, curves: Mapping[str, tuple[Line, Polynomial]]) -> list[str]:
    """Grids that the curves and their crossings are of, and whether the finding's figure is of another one."""
    tiles = tiles_of(row.layer.symbolic for row in comparison.rows)
    if not tiles:
        return []
    said = [f"curves on grids that {' and '.join(tiles)} tile{'s' if len(tiles) == 1 else ''}"]
    side = comparison.inputs["h"]
    if any(line.x[-1] != side * side for line, _ in curves.values()):
        said.append(f"{side}×{side} padded or cut")
    return said


def _even(total: Polynomial) -> bool:
    """Whether h and w come with the same power in each term."""
    return all(dict(term).get("h", 0) == dict(term).get("w", 0) for term in total.terms)


def _tokens_of_a_tile(cost: Cost) -> int:
    """How many tokens the smallest grid has that is tiled exactly; the others have a multiple."""
    sides = lattice(cost)
    unit = sides.get("h", 1) * sides.get("w", 1)
    grid = symbol("h") * symbol("w")
    chunks = [t.tile for node in cost.nodes() for t in node.tilings if is_symbolic(t.size) and t.size == grid]
    return lcm(unit, *chunks)


def _samples(low: int, high: int, unit: int) -> tuple[int, ...]:
    """Token counts from low to high, evenly spaced on a logarithmic axis and multiples of ``unit``."""
    wanted = (low * (high / low) ** (step / (SAMPLES - 1)) for step in range(SAMPLES))
    near = {unit * max(1, round(tokens / unit)) for tokens in wanted} | {
        unit * -(-low // unit),
        unit * (high // unit),
    }
    return tuple(sorted(tokens for tokens in near if low <= tokens <= high))


def _marks(
    comparison: Comparison, curves: Mapping[str, tuple[Line, Polynomial]]
) -> tuple[tuple[Mark, ...], dict[Crossover, str]]:
    """The crossovers that lie on the sheet, and what each of all is called."""
    names = {row.id: row.name for row in comparison.rows}
    marks, labels = [], {}
    for crossover in comparison.crossovers:
        more, less = (id.partition(":")[0] if id in PARTS else id for id in crossover.between)
        if more == less:
            label = f"{names[more]}'s quadratic term > its projections"
        else:
            label = f"{names[more]} > {names[less]}"
        labels[crossover] = label
        on_sheet = all(
            id in curves and curves[id][0].x[0] <= crossover.at <= curves[id][0].x[-1] for id in (more, less)
        )
        if on_sheet:
            height = _at(curves[more][1], crossover.at)
            marks.append(Mark(f"{label}: hw > {exact(crossover.at)}", crossover.at, height))
    return tuple(sorted(marks, key=lambda mark: mark.x)), labels


def _at(form: Polynomial, tokens: int) -> Fraction:
    """A curve's value; between whole sides of squares, where only marks stand, as nearly as floats are."""
    side = isqrt(tokens)
    root = side if side * side == tokens else Fraction(sqrt(tokens))
    at = {"S": as_polynomial(root)} if "S" in form.letters else {"N": as_polynomial(tokens)}
    value = form.subs(at)
    return Fraction(value.terms.get((), 0), value.denominator)


def _first_crossing(comparison: Comparison, curves: Mapping[str, tuple[Line, Polynomial]]) -> str:
    """The finding: where the first rows that cross do so, and how far apart they are at the largest grid.

    Where a row is the reader's own it is about that one.

    That grid is the user's own, so its figures are what the layers cost there, padding included.
    """
    grid = f"{comparison.inputs['h']}×{comparison.inputs['w']} tokens"
    macs = {row.id: row.figure(Quantity.MACS) for row in comparison.rows if row.id in curves}
    names = {id: _name(curves[id][0]) for id in macs}
    own = [row.id for row in comparison.rows if isinstance(row.layer, OwnLayer) and row.id in macs]
    others = [id for id in macs if id not in own]
    for crossover in comparison.crossovers:
        more, less = crossover.between
        if own and others and {more, less}.isdisjoint(own):
            continue
        if more in macs and less in macs:
            return (
                f"{names[more]} costs more than {names[less]} beyond {exact(crossover.at)} tokens, "
                f"{ratio(macs[more] / macs[less])} times as much at {grid}"
            )
    told = [own[0], others[0]] if own and others else list(macs)
    most, least = max(told, key=macs.__getitem__), min(told, key=macs.__getitem__)
    if most == least:
        return f"{names[most]} costs {exact(macs[most])} MACs at {grid}"
    return f"{names[most]} costs {ratio(macs[most] / macs[least])} times as much as {names[least]} at {grid}"


def _name(line: Line) -> str:
    """The first of the layers that share a curve."""
    return line.label.partition(",")[0]


def _first_filled(curves: Mapping[str, tuple[Line, Polynomial]], room: int, device: str) -> str:
    """The finding: where the first and the last of the maps that grow fill a device, and whose do not grow."""
    filled = {id: _last_within(form, room) for id, (_, form) in curves.items() if form.letters}
    same = [_name(line) for line, form in curves.values() if not form.letters]
    if not filled:
        return f"{' and '.join(same)}: maps of the same size at any number of tokens"
    first, last = min(filled, key=filled.__getitem__), max(filled, key=filled.__getitem__)
    title = f"One layer's maps fill {device}: {_name(curves[first][0])}'s beyond {exact(filled[first])} tokens"
    if last != first:
        title += f", {_name(curves[last][0])}'s beyond {exact(filled[last])}"
    return f"{title}; {' and '.join(same)}'s do not grow" if same else title


def _last_within(form: Polynomial, room: int) -> int:
    """The most tokens whose bytes, which grow, still fit; of square grids where only these have a form."""
    tokens: Callable[[int], int] = (lambda side: side * side) if "S" in form.letters else (lambda size: size)
    fits: Callable[[int], bool] = lambda size: _at(form, tokens(size)) <= room  # noqa: E731
    high = 1
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return tokens(low)


def _long_table(
    title: str, lines: Iterable[Line], key: str, header: str, kind: Kind, along: str = "tokens"
) -> Table:
    """One row a point: the form that spreadsheets and plotting libraries read best."""
    columns = (
        Column("series", "Series", Kind.WORD),
        Column(along, along.capitalize(), Kind.NUMBER),
        Column(key, header, kind),
    )
    rows = tuple((line.label, x, y) for line in lines for x, y in zip(line.x, line.y, strict=True))
    return Table(title, columns, rows)


def _image_models(models: Iterable[str]) -> dict[str, Callable[[int], int]]:
    """The MACs of each at a side of a square image, by its name."""
    chosen: dict[str, Callable[[int], int]] = {}
    for name in models:
        row = as_placed(name, "MODEL", shown=True)
        if is_code(name):
            chosen[row.title or name] = partial(_own_macs, name)
            continue
        model = ARCHITECTURES[str(row.target)]
        if not model.family.axes.pixels:
            raise InputError(f"MODEL {model.id!r}: reads a sequence; must be an image model such as swin_t")
        called = row.title or (row.text if row.arguments else model.id)
        chosen[called] = partial(_macs, model, model.configure(row.arguments))
    if not chosen:
        raise InputError("MODEL: give at least one; vpcalc models lists them")
    return chosen


def _macs(model: Architecture, config: Mapping[str, Any], side: int) -> int:
    return int(model.cost((side, side), config).total(Quantity.MACS))


def _own_macs(name: str, side: int) -> int:
    from .model import sized

    return sized(name, input=side).figure(Quantity.MACS)
