"""``vpcalc draw --block``: one block, as its own run has it.

What is drawn is read from a recorded run, of a description on a tape or of a reader's module in torch: each module
that the block holds is a box, sums and products of its own are signs, and arrows are what was read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..abstract.flow import INPUT, Flow, Step, between
from ..abstract.tape import Tape
from ..abstract.tensor import FLOAT32
from ..cost import Cost, Quantity
from ..errors import InputError, unknown
from ..layers import LAYERS
from ..pictures import BlockDiagram, Piece
from ..pictures.data import Bar
from ..report import Column, Kind, Table
from ..report.numbers import share
from .model import Model
from .own_model import OwnModel
from .plot import Plot
from .plot_models import amount, by_operator

_SIGNS = {"add": "+", "iadd": "+", "radd": "+", "mul": "×", "imul": "×", "rmul": "×", "sub": "−", "rsub": "−"}
_NAMED = re.compile(
    "linear|conv|norm|matmul|bmm|einsum|attention|softmax|gelu|relu|silu|elu|sigmoid|tanh|roll|pool|upsample|embedding"
)
"""Operators that a reader looks for; what only moves or reshapes is passed through."""
_BY_MODULE = re.compile("linear|conv|embedding")
"""Those that are called as the module that they are."""


def steps_of(model: Model) -> list[Step]:
    """The operators of a description's run, in order."""
    tape = Tape(FLOAT32, flow=Flow())
    assert tape.flow is not None
    model.architecture.family.start(tape, model.sizes, model.config, model.batch)
    return tape.flow.steps


def draw_block(found: Model | OwnModel, part: str | None = None) -> Plot:
    """One block of a model, or another ``part`` of it, by its path.

    Raises:
        InputError: no block repeats, or there is no such part.
    """
    ours = isinstance(found, Model)
    steps = steps_of(found) if isinstance(found, Model) else found.ran.steps()
    paths = dict.fromkeys(path for step in steps for path in step.modules)
    if part is not None and part not in paths:
        raise unknown("--part", part, paths)
    path = part or _first_block(found.id, steps, paths)
    inside = [number for number, step in enumerate(steps) if path in step.modules]
    keys = _keys(steps, inside, path)
    live = _live(steps)
    outside: dict[str, None] = {}

    def part_of(step: Step) -> str | None:
        number = numbers[id(step)]
        if path in step.modules:
            return keys.get(number)
        return _place(step, path, shared if ours else ()) if number in live else None

    numbers = {id(step): number for number, step in enumerate(steps)}
    shared = _shared(steps[number].titles for number in inside)
    flow = between(steps, part_of)
    pieces = {key: [steps[number] for number in inside if keys.get(number) == key] for key in keys.values()}
    if len(pieces) > _MOST:
        raise InputError(
            f"--part {path}: has {len(pieces)} pieces; a drawing shows at most {_MOST}; name a smaller one"
        )
    for key in pieces:
        outside |= dict.fromkeys(source for source in flow[key] if source not in pieces)
    if not outside:
        outside[INPUT] = None
    came, batch = _given(steps, inside), _batch(steps)
    made = [
        Piece(
            name,
            INPUT if not place else _words(name),
            (),
            _shape(came, batch) if not place else "",
            Bar(name, ()),
            0,
            (),
            outside=True,
        )
        for place, name in enumerate(outside)
    ]
    tree = None if isinstance(found, Model) else _node(found.ran.cost, path)
    spent: set[str] = set()
    for key, own in pieces.items():
        sign = _SIGNS.get(own[0].kind) if key.startswith(_OWN) and len(flow[key]) > 1 else None
        bar = _cost(key, own) if tree is None else _cost_in(tree, key, own[0].kind, path, spent)
        params = sum(int(step.params) for step in own)
        name = sign or _name(key, own, path, len(shared), ours)
        inner = () if sign or key.startswith(_OWN) else _inner(own, key)
        shape = _shape(_seen(steps, inside, keys, key, len(came)), batch)
        made.append(Piece(key, name, inner, shape, bar, params, flow[key], joins=bool(sign)))
    total = sum(piece.cost.total for piece in made)
    chart = BlockDiagram(
        f"{path} of {found.id} at {found.size}: {_dearest(made, total)}",
        "from its own run, top to bottom: bars the MACs, shapes without the batch",
        tuple(made),
    )
    inputs = {"model": found.id, "input": found.shape, "part": path}
    return Plot("block", inputs, chart, _table(chart), command="draw")


_MOST = 40
"""Pieces that a drawing of a block has at most: a loop over time has more."""

_OWN = "#"
"""Begins the key of an operator of the block's own forward."""


def _first_block(id: str, steps: Sequence[Step], paths: Iterable[str]) -> str:
    """The first module with a number for its name that adds what it was given to what it made."""
    live = _live(steps)
    signs = Counter(step.path for step in steps if step.kind in _SIGNS)
    for step in steps:
        name = step.path.rpartition(".")[2]
        read = [source for source in step.sources if source < 0 or source in live]
        if name.isdecimal() and step.kind in _SIGNS and len(read) > 1 and signs[step.path] <= _MOST:
            return step.path
    raise InputError(
        f"--block: {id} has no block with a residual; --part names any module, such as {next(iter(paths))}"
    )


def _live(steps: Sequence[Step]) -> set[int]:
    """The steps that depend on an input or a weight, which constants do not."""
    found: set[int] = set()
    for number, step in enumerate(steps):
        if step.params or any(source < 0 or source in found for source in step.sources):
            found.add(number)
    return found


def _keys(steps: Sequence[Step], inside: Iterable[int], path: str) -> dict[int, str]:
    """The piece that each step within a block is of: one of its modules, or itself, or none."""
    found = {}
    for number in inside:
        step = steps[number]
        below = step.modules[step.modules.index(path) + 1 :]
        if below:
            found[number] = below[0]
        elif (
            step.macs or step.params or _NAMED.search(step.kind) or (step.kind in _SIGNS and len(step.sources) > 1)
        ):
            found[number] = f"{_OWN}{number}"
    return found


def _place(step: Step, path: str, titles: Sequence[str]) -> str:
    """What made something outside of a block: what stands beside the block, or beside what holds it.

    It is called by its title where that differs, or else by its path.
    """
    alike = len(_shared((step.titles, titles)))
    if alike < min(len(step.titles), len(titles)):
        return step.titles[alike]
    names = step.path.split(".")
    return ".".join(names[: len(_shared((names, path.split(".")))) + 1]) or INPUT


def _seen(
    steps: Sequence[Step], inside: Sequence[int], keys: Mapping[int, str], key: str, rank: int
) -> tuple[int, ...]:
    """The shape of a piece's result: as it was made or as others read it, with as many sides as what came in."""
    own = [number for number in inside if keys.get(number) == key]
    found = [steps[own[-1]].shape]
    for number in range(own[0] + 1, len(steps)):
        reads = zip(steps[number].sources, steps[number].seen, strict=True)
        found += [shape for source, shape in reads if keys.get(source) == key and keys.get(number) != key]
    return next((shape for shape in found if len(shape) == rank), found[0])


def _given(steps: Sequence[Step], inside: Sequence[int]) -> tuple[int, ...]:
    """The shape of what comes in first."""
    within = set(inside)
    for number in inside:
        for source, shape in zip(steps[number].sources, steps[number].seen, strict=True):
            if source not in within:
                return shape
    return ()


def _batch(steps: Sequence[Step]) -> int:
    """How many images or sequences are run at once: the first side of the first input."""
    reads = (read for step in steps for read in zip(step.sources, step.seen, strict=True))
    return int(next(shape[0] for source, shape in reads if source < 0))


def _shape(sides: tuple[int, ...], batch: int) -> str:
    """A shape without its batch; where that is within another side, the whole."""
    return "×".join(map(str, sides[1:] if sides[:1] == (batch,) else sides))


def _shared(every: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """What some rows of titles begin with alike."""
    found: list[str] = []
    for names in zip(*every, strict=False):
        if len(set(names)) > 1:
            break
        found.append(names[0])
    return tuple(found)


def _name(key: str, own: Sequence[Step], path: str, common: int, ours: bool) -> str:
    """What a piece is called: by the layer that it is, or else its operator, or its own name."""
    if key.startswith(_OWN):
        return own[0].label.replace("_", " ")
    name = key.removeprefix(f"{path}.")
    if not ours:
        return f"{name} ({own[0].titles[own[0].modules.index(key)]})"
    titles = _shared(step.titles for step in own)[common:]
    if titles:
        title = next((title for title in titles if title in LAYERS), titles[-1])
        return LAYERS[title].name if title in LAYERS else title.replace("_", " ")
    return own[0].kind.replace("_", " ") if len(own) == 1 else name


def _inner(own: Sequence[Step], key: str) -> tuple[str, ...]:
    """A module's operators that a reader looks for, by the names that they have in a derivation."""
    found = []
    for step in own:
        if step.macs or _NAMED.search(step.kind):
            named = step.path != key and step.kind == step.label and _BY_MODULE.search(step.kind)
            label = step.path.rpartition(".")[2] if named else step.label
            found.append((step.kind if label.isdecimal() else label).replace("_", " "))
    return tuple(found) if len(found) > 1 else ()


def _words(place: str) -> str:
    return place.rpartition(".")[2].replace("_", " ")


def _cost(key: str, own: Iterable[Step]) -> Bar:
    kinds: dict[str, int] = {}
    for step in own:
        if step.macs:
            kinds[step.kind] = kinds.get(step.kind, 0) + int(step.macs)
    order = [kind for kind in ("linear", "matmul", "conv") if kind in kinds]
    return Bar(key, tuple((kind, kinds[kind]) for kind in (*order, *sorted(kinds.keys() - set(order)))))


def _node(cost: Cost, path: str) -> Cost:
    """The node of a module, by its path; one without cost where there is none."""
    for name in path.split("."):
        cost = next((child for child in cost.children if child.name == name), Cost(name))
    return cost


def _cost_in(tree: Cost, key: str, kind: str, path: str, spent: set[str]) -> Bar:
    """The cost of a module of a reader's block, or of the operators of a kind in its own forward, once."""
    if not key.startswith(_OWN):
        cost = _node(tree, key.removeprefix(f"{path}."))
    else:
        cost = Cost(kind, tuple(op for op in tree.ops if op.label == kind and kind not in spent))
        spent.add(kind)
    return Bar(key, by_operator(cost, Quantity.MACS))


def _dearest(pieces: Sequence[Piece], total: int) -> str:
    if not total:
        return "nothing that multiplies"
    most = max(pieces, key=lambda piece: piece.cost.total)
    return f"{most.name} takes {share(most.cost.total / total, 0)} of {amount(total, Quantity.MACS)}"


def _table(chart: BlockDiagram) -> Table:
    names: Mapping[str, str] = {piece.key: piece.name for piece in chart.pieces}
    columns = (
        Column("piece", "Piece", Kind.WORD),
        Column("reads", "Reads", Kind.WORD),
        Column("operators", "Operators", Kind.WORD, wide=True),
        Column("output", "Output", Kind.WORD),
        Column("macs", "MACs", Kind.COUNT),
        Column("params", "Params", Kind.COUNT),
    )
    rows = tuple(
        (
            piece.name,
            " + ".join(names[source] for source in piece.sources),
            " · ".join(piece.steps),
            piece.shape,
            piece.cost.total,
            piece.params,
        )
        for piece in chart.pieces
    )
    return Table(chart.title, columns, rows)
