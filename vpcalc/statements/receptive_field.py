"""How far information travels: reach on the token grid, layer by layer, and as gradients that are not zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from ..report import Column, Kind, Table
from ..report.plots_theory import Mosaic, Picture
from . import graphs
from .evidence import exact, identity, known
from .graphs import Layer
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, Step, derivation, statement

Reach = list[list[bool]]
"""Whether output j depends on input i: row i, column j."""


@dataclass(frozen=True)
class Sight:
    """A kind of layer: as a program on a grid, by its number in a stack, and as the reference module.

    ``side`` is what is claimed: how many of w columns a token far from the border sees through L layers.
    """

    name: str
    layer: Callable[[int, int, int, int], Layer]
    module: Callable[[int, int, int, int], tuple[Any, str]]
    size: int
    side: Callable[[int, int, int], int]
    said: str


def _windows(h: int, w: int, M: int, number: int) -> Layer:
    return graphs.attend(graphs.window(h, w, M))


def _in_turn(h: int, w: int, M: int, number: int) -> Layer:
    # where the window is the whole of the shorter side, nothing is shifted
    shift = M // 2 if number % 2 and min(h, w) > M else 0
    return graphs.attend(graphs.window(h, w, min(M, h, w), shift))


def _window_module(h: int, w: int, M: int, number: int) -> tuple[Any, str]:
    from ..reference.windows import WindowAttention

    return WindowAttention(h, w, 4, 2, M), "grid"


def _turn_module(h: int, w: int, M: int, number: int) -> tuple[Any, str]:
    from ..reference.windows import WindowAttention

    return WindowAttention(h, w, 4, 2, M, shift=bool(number % 2)), "grid"


def _attention_module(h: int, w: int, size: int, number: int) -> tuple[Any, str]:
    from ..reference.attention import SelfAttention

    return SelfAttention(4, 2), "tokens"


def _convolution_module(h: int, w: int, k: int, number: int) -> tuple[Any, str]:
    from ..reference.convolution import SameConv2d

    return SameConv2d(4, 4, (k, k)), "channels"


def _recurrent_module(h: int, w: int, size: int, number: int) -> tuple[Any, str]:
    from ..reference.recurrence import RecurrentLayer

    return RecurrentLayer("rnn", 4, 4), "tokens"


def _retention_module(h: int, w: int, size: int, number: int) -> tuple[Any, str]:
    from ..reference.retention import Retention

    return Retention(4, 2), "tokens"


def _reduction_module(h: int, w: int, R: int, number: int) -> tuple[Any, str]:
    from ..reference.reduction import SpatialReductionAttention

    return SpatialReductionAttention(4, 2, R), "grid"


def _pooled_module(h: int, w: int, P: int, number: int) -> tuple[Any, str]:
    from ..reference.reduction import LinearSpatialReductionAttention

    return LinearSpatialReductionAttention(4, 2, P), "grid"


SIGHTS: Mapping[str, Sight] = {
    "msa": Sight(
        "MSA",
        lambda h, w, size, number: graphs.attend(graphs.everyone),
        _attention_module,
        1,
        lambda L, size, w: w,
        "all",
    ),
    "wmsa": Sight("W-MSA", _windows, _window_module, 4, lambda L, M, w: M, "M"),
    "swmsa": Sight("W-MSA, SW-MSA in turn", _in_turn, _turn_module, 4, lambda L, M, w: L * M, "LM"),
    "conv": Sight(
        "Convolution",
        lambda h, w, k, number: graphs.gather(graphs.square(h, w, k)),
        _convolution_module,
        3,
        lambda L, k, w: L * (k - 1) + 1,
        "L(k − 1) + 1",
    ),
    "sra": Sight(
        "SRA",
        lambda h, w, R, number: graphs.attend_reduced(graphs.strided_blocks(h, w, R)),
        _reduction_module,
        2,
        lambda L, R, w: w // R * R,
        "R⌊h/R⌋ × R⌊w/R⌋",
    ),
    "linear_sra": Sight(
        "Linear SRA",
        lambda h, w, P, number: graphs.attend_reduced(graphs.pooled_blocks(h, w, P)),
        _pooled_module,
        3,
        lambda L, P, w: w,
        "all",
    ),
    "recurrent": Sight(
        "Recurrent",
        lambda h, w, size, number: graphs.recurrence,
        _recurrent_module,
        1,
        lambda L, size, w: w,
        "all before",
    ),
    "retention": Sight(
        "Retention",
        lambda h, w, size, number: graphs.attend(graphs.so_far),
        _retention_module,
        1,
        lambda L, size, w: w,
        "all before",
    ),
}
"""Sequences are the rows of the grid, read one after the other."""


@cache
def reach(kind: Sight, h: int, w: int, depth: int, size: int | None = None) -> Reach:
    """Reach through ``depth`` layers in the graph of the programs."""
    used = kind.size if size is None else size
    graph, sources, outputs = graphs.run([kind.layer(h, w, used, number) for number in range(depth)], h * w)
    return graph.reach(sources, outputs)


def measured_reach(kind: Sight, h: int, w: int, depth: int, size: int | None = None) -> Reach:
    """The same from the reference modules: which inputs get a gradient that is not zero."""
    used = kind.size if size is None else size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(h * 100 + w * 10 + depth)
        stack = [kind.module(h, w, used, number) for number in range(depth)]
        x = torch.randn(h * w, 4, dtype=torch.float64, requires_grad=True)
        weights = torch.randn(h * w, 4, dtype=torch.float64)
    tokens = x
    for module, layout in stack:
        tokens = _apply(module.double().eval(), layout, tokens, h, w)
    one_each = torch.diag_embed(weights.T).permute(1, 2, 0)  # (output, token, channel): one output's weights each
    (gradients,) = torch.autograd.grad(tokens, x, one_each, is_grads_batched=True)
    return [[bool(seen) for seen in row] for row in (gradients != 0).any(-1).T]


def _apply(module: Any, layout: str, tokens: Any, h: int, w: int) -> Any:
    """(h · w, C) to the same through a module that takes a sequence, a grid, or a grid with channels first."""
    C = tokens.shape[-1]
    if layout == "tokens":
        return module(tokens[None])[0]
    grid = tokens.reshape(1, h, w, C)
    if layout == "grid":
        return module(grid).reshape(h * w, C)
    return module(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(h * w, C)


# -- how far ----------------------------------------------------------------------------------------


@statement(
    "receptive_field",
    "How far a token sees",
    "Through L layers: MSA and linear SRA see all tokens, SRA those that its stride reads, R⌊h/R⌋ × R⌊w/R⌋ (all "
    "where "
    "R | h and R | w) beside the token itself; recurrence and retention all before, W-MSA a window of M, W-MSA "
    "and "
    "SW-MSA in turn LM, convolutions L(k − 1) + 1 tokens a side, M ≥ 2, k odd, far from the border",
    "Liu et al. 2021 (Swin), §3.2; Luo et al. 2016 (receptive fields of convolutions)",
)
def receptive_field(side: Mapping[str, Callable[[int, int, int], int]] | None = None) -> Demonstration:
    """Reach in the graph against the closed form, and against gradients of the reference modules."""
    claimed = {id: kind.side for id, kind in SIGHTS.items()} if side is None else side
    h, w, R = _DROPPED
    rows = []
    for kind in SIGHTS.values():
        seen = [_seen(reach(kind, *GRID, depth), _PLACE) for depth in DEPTHS]
        rows.append((kind.name, kind.said, *seen))
    columns = (
        Column("layer", "Layer"),
        Column("side", "Side seen through L layers"),
        *(Column(f"L{depth}", f"Tokens, L = {depth}", Kind.NUMBER) for depth in DEPTHS),
    )
    row, column = _PLACE
    note = f"the token of row {row + 1}, column {column + 1} of {GRID[0]}×{GRID[1]}; {_sizes(SIGHTS)}"
    return Demonstration(
        (
            *derivation(r"""
                One layer: output i depends on the tokens that it reads.
                    reach_1 = {(j, i): i reads j}
                        \rho_1 = \{(j, i) : i \text{ reads } j\}
                A stack: relations are composed.
                    reach_L = reach_1 ∘ reach_{L−1}
                        \rho_L = \rho_1 \circ \rho_{L-1}
                A convolution adds (k − 1)/2 to either side.
                    k + (L − 1)(k − 1) = L(k − 1) + 1
                        k + (L - 1)(k - 1) = L(k - 1) + 1
                A shifted window overlaps two windows, by ⌊M/2⌋ and ⌈M/2⌉: M more a layer, as long as the grid goes
                on.
                    M + (L − 1)(⌊M/2⌋ + ⌈M/2⌉) = LM
                        M + (L - 1)(\lfloor M/2 \rfloor + \lceil M/2 \rceil) = LM
            """),
            Step(
                "The convolution that reduces keys and values drops what its stride does not reach.",
                f"{h} × {w} tokens, R = {R}: {(h // R * R) * (w // R * R)} of {h * w} are read",
                rf"h = w = {h},\; R = {R}: \quad \bigl(R \lfloor h/R \rfloor\bigr)^2 = {(h // R * R) ** 2} "
                rf"\text{{ of }} {h * w}",
            ),
        ),
        {
            clause: (
                *(piece for id in ids for piece in (_sides(id, claimed[id]), _gradients(SIGHTS[id]))),
                *(_dropped(claimed[id]) for id in ids if id == "sra"),
            )
            for clause, ids in _CLAUSES.items()
        },
        tables=(Table("Tokens that one token sees", columns, tuple(rows), (note,)),),
        figure=picture(("msa", "wmsa", "swmsa", "conv", "recurrent")),
    )


_DROPPED = (7, 7, 2)
"""A grid that R does not divide: its last row and column are not read."""

GRID = (16, 16)
DEPTHS = (1, 2, 3, 4)
_PLACE = (9, 9)


def _seen(seen: Reach, place: tuple[int, int]) -> int:
    """How many inputs the output at a place depends on."""
    at = place[0] * GRID[1] + place[1]
    return sum(row[at] for row in seen)


_CLAUSES: Mapping[str, tuple[str, ...]] = {
    "MSA and linear SRA see all tokens": ("msa", "linear_sra"),
    "SRA sees R⌊h/R⌋ × R⌊w/R⌋ of them beside the token itself": ("sra",),
    "recurrence and retention see all before": ("recurrent", "retention"),
    "W-MSA sees a window of M": ("wmsa",),
    "W-MSA and SW-MSA in turn see LM a side": ("swmsa",),
    "convolutions see L(k − 1) + 1 a side": ("conv",),
}
"""What is claimed of which kinds of layer."""


def _sides(id: str, claimed: Callable[[int, int, int], int]) -> Evidence:
    """Of the square that is seen from the middle of a grid, along its longer axis."""
    held, kind = [], SIGHTS[id]
    sizes = {"wmsa": (2, 3, 4, 7), "swmsa": (2, 3, 4, 7), "conv": (1, 3, 5), "sra": (2, 3, 5)}.get(
        id, (kind.size,)
    )
    for size, depth in product(sizes, (1, 2, 3)):
        for h, w in ((6, 12), (6, 13)) if id in ("sra", "linear_sra") else ((2 * size, 48),):
            # the token itself is a query and counts, so one that the stride reads
            place = (h // 2 // size * size, w // 2 // size * size) if id == "sra" else (h // 2, w // 2)
            seen = reach(kind, h, w, depth, size)
            columns = {i % w for i, row in enumerate(seen) if row[place[0] * w + place[1]]}
            held.append(len(columns) == claimed(depth, size, w))
    tried = f", size {', '.join(map(str, sizes))}" if len(sizes) > 1 else ""
    return exact(f"{kind.name}: columns that are seen, in closed form (L = 1, 2, 3{tried})", held)


def _dropped(side: Callable[[int, int, int], int]) -> Evidence:
    """Keys and values of SRA are R⌊h/R⌋ × R⌊w/R⌋ tokens, in the graph and by gradients of the module."""
    h, w, R = _DROPPED
    kind, held = SIGHTS["sra"], []
    for seen in (reach(kind, h, w, 1, R), measured_reach(kind, h, w, 1, R)):
        held.append(sum(row[0] for row in seen) == side(1, R, h) * side(1, R, w))
        held.append(sum(row[-1] for row in seen) == side(1, R, h) * side(1, R, w) + 1)  # and itself
    return exact(f"SRA at {h}×{w}, R = {R}: tokens that the first and the last one see, and their gradients", held)


_TRIED = ((1, 8, 6, 4), (2, 6, 6, 3), (3, 8, 8, 4), (2, 5, 7, 3), (3, 4, 9, 2))
"""Depth, grid and size: also grids that the size does not divide, and odd windows; two keys at least."""


@cache
def _gradients(kind: Sight) -> Evidence:
    held = []
    for depth, h, w, size in _TRIED:
        used = size if kind.size > 1 else 1
        held.append(measured_reach(kind, h, w, depth, used) == reach(kind, h, w, depth, used))
    return exact(f"{kind.name}: which inputs get a gradient in the reference module, all pairs of tokens", held)


def picture(ids: Sequence[str]) -> Mosaic:
    """What the middle token sees, a row of pictures for each kind of layer."""
    h, w = GRID
    at = _PLACE[0] * w + _PLACE[1]
    rows = []
    for id in ids:
        kind, pictures = SIGHTS[id], []
        for depth in DEPTHS:
            seen = reach(kind, h, w, depth)
            cells = tuple(
                tuple(1.0 if y * w + x == at else 0.6 * seen[y * w + x][at] for x in range(w)) for y in range(h)
            )
            pictures.append(Picture(f"{kind.name}, L = {depth}", cells))
        rows.append(tuple(pictures))
    return Mosaic(f"Tokens that one token of {h} × {w} sees, {_sizes(ids)}", tuple(rows))


def _sizes(ids: Iterable[str]) -> str:
    """The sizes of these kinds of layers, each by its letter."""
    letters = {"wmsa": "M", "conv": "k", "sra": "R", "linear_sra": "P"}
    return ", ".join(f"{letters[id]} = {SIGHTS[id].size}" for id in ids if id in letters)


# -- windows ----------------------------------------------------------------------------------------


@statement(
    "windows_never_meet",
    "Why windows are shifted",
    "Windows that stay never meet: through any number of layers a token sees its own window. Shifted by ⌊M/2⌋, M "
    "≥ 2, in every second layer, all tokens meet",
    "Liu et al. 2021 (Swin), §3.2: 'lacks connections across windows'",
)
def windows_never_meet(
    shift: Callable[[Any], Any] = lambda M: M // 2, still: Callable[[Any], Any] = lambda M: 0
) -> Demonstration:
    """Windows are the classes of an equivalence, which composes to itself; with the shift, the classes join."""
    grids = [(h, w, M) for h, w, M in product((4, 6, 7, 9), (4, 8), (2, 3, 4)) if min(h, w) > M]
    stays, equivalences, meets = [], [], []
    for h, w, M in grids:
        once = reach(SIGHTS["wmsa"], h, w, 1, M)
        layers = [graphs.attend(graphs.window(h, w, M, still(M) * (number % 2))) for number in range(3)]
        graph, sources, outputs = graphs.run(layers, h * w)
        stays.append(graph.reach(sources, outputs) == once)
        equivalences.append(_is_equivalence(once) and not all(all(row) for row in once))
        pair = [graphs.attend(graphs.window(h, w, M)), graphs.attend(graphs.window(h, w, M, shift(M)))]
        most = 4 * max(h, w)
        in_turn = graphs.layers_to_connect((pair * most).__getitem__, h * w, most, period=2)
        meets.append(in_turn is not None)
    M_, s_, c_ = sympy.symbols("M s c", positive=True)
    m, p = sympy.Symbol("m", integer=True, positive=True), sympy.Symbol("p", integer=True)
    borders = [c_ * M_ - (s_ + (c_ - 1) * M_) - (M_ - s_), s_ + c_ * M_ - c_ * M_ - s_]
    torch_zero = [
        measured_reach(SIGHTS["wmsa"], h, w, 4, M) == reach(SIGHTS["wmsa"], h, w, 1, M)
        for h, w, M in ((8, 8, 4), (6, 9, 3))
    ]
    return Demonstration(
        derivation(r"""
            To be in one window is an equivalence: reflexive, symmetric, transitive.
                j ~ i ⟺ ⌊y_j/M⌋ = ⌊y_i/M⌋ and ⌊x_j/M⌋ = ⌊x_i/M⌋
                    j \sim i \iff \lfloor y_j/M \rfloor = \lfloor y_i/M \rfloor \text{ and } \lfloor x_j/M \rfloor
                    = \lfloor x_i/M \rfloor
            A transitive and reflexive relation composed with itself is itself, so by induction any number of
            layers reaches no further than one.
                (~) ∘ (~) = (~), reach_L = (~) for every L ≥ 1
                    {\sim} \circ {\sim} = {\sim}, \quad \rho_L = {\sim} \text{ for every } L \ge 1
            Shifted by s, 0 < s < M, windows have their borders at s + cM: every border cM between two windows lies
            strictly within a shifted one, which joins them.
                s + (c − 1)M < cM < s + cM
                    s + (c - 1)M < cM < s + cM
        """),
        {
            "windows that stay never meet, in any number of layers": (
                identity(
                    "windows have the same numbers in every layer, any p and M: what has a token's number depends "
                    "on what has it, by induction over layers",
                    [(sympy.floor((p - still(M_)) / M_), sympy.floor(p / M_))],
                ),
                exact(f"the relation is an equivalence and not everything, on {len(grids)} grids", equivalences),
                exact("three layers reach what one reaches, on the same grids", stays),
                exact("no gradient crosses a border in four layers of the reference module", torch_zero),
            ),
            "shifted by ⌊M/2⌋, M ≥ 2, in every second layer, all tokens meet": (
                identity("a border is M − s after one shifted border and s before the next", borders),
                known(
                    "M/2, rounded down, is between 0 and M for every even and every odd M ≥ 2",
                    [(part, "positive") for M in (2 * m, 2 * m + 1) for part in (shift(M), M - shift(M))],
                ),
                exact("on the same grids", meets),
            ),
        },
        figure=picture(("wmsa", "swmsa")),
    )


def _is_equivalence(relation: Reach) -> bool:
    n = len(relation)
    reflexive = all(relation[i][i] for i in range(n))
    symmetric = all(relation[i][j] == relation[j][i] for i in range(n) for j in range(i))
    # rows of equivalent elements are the same row
    transitive = all(relation[i] == relation[j] for i in range(n) for j in range(n) if relation[i][j])
    return reflexive and symmetric and transitive
