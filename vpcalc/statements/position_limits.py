"""What positions do not do: add for nothing, settle what was never seen, or fit another size."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from ..algebra.polynomial import symbols
from ..checks.proof import counted
from ..cost import Quantity
from ..ops import linear
from ..report import Column, Kind, Table
from . import graphs
from .evidence import close, exact, identity, letters
from .libraries import numpy, sympy, torch
from .positions import encoding, in_float64, never_a_turn
from .registry import Demonstration, derivation, statement
from .whole_numbers import numbers, whole

PAPER = "Vaswani et al. 2017"


# -- adding -----------------------------------------------------------------------------------------


@statement(
    "adding_ties",
    "What adding ties and loses",
    "W(x + e) = [W W][x; e]: added before a linear layer, positions of d channels have the tokens' weights, "
    "where concatenated ones have m·d of their own, for m outputs. Of x and e only the sum is left: (x + δ, e − "
    "δ) gives the same for every δ. In a score xAy, xAf, eAy and eAf share A = W_QᵀW_K. Where tokens and "
    "positions keep to channels of their own, nothing is lost: that is to concatenate",
    f"{PAPER}, §3.5; a lecture: addition ≈ concatenation",
)
def adding_ties(
    weights: Callable[[Any], tuple[Any, Any]] = lambda W: (W, W),
    lost: Callable[[Any], Any] = lambda delta: -delta,
    own: Callable[[Any, Any], Any] = lambda d, m: d * m,
    blocks: Callable[[Any], tuple[Any, ...]] = lambda A: (A, A, A, A),
    placed: Callable[[Any, Any, Any], tuple[Any, Any]] = lambda x, e, nothing: ((x, nothing), (nothing, e)),
) -> Demonstration:
    """Entry by entry on symbols; parameters of linear modules, concatenated and added."""
    of_any_size = _of_any_size(weights, lost, blocks)
    d_, m_ = symbols("d m")

    ties, same_sum, scores, apart = [], [], [], []
    for d in (1, 2, 3):
        W, x, e, delta = letters("W", 2, d), letters("x", d), letters("e", d), letters("t", d)
        for_tokens, for_places = weights(W)
        ties += list(W @ (x + e) - numpy.concatenate([for_tokens, for_places], 1) @ numpy.concatenate([x, e]))
        same_sum += list(W @ ((x + delta) + (e + lost(delta))) - W @ (x + e))
        A, y, f = letters("A", d, d), letters("y", d), letters("f", d)
        xy, xf, ey, ef = blocks(A)
        scores.append((x + e) @ A @ (y + f) - (x @ xy @ y + x @ xf @ f + e @ ey @ y + e @ ef @ f))
        nothing = numpy.zeros(d, dtype=object)
        one, other = placed(x, e, nothing)
        apart += list(numpy.concatenate(one) + numpy.concatenate(other) - numpy.concatenate([x, e]))
    counts = [
        counted(partial(_linear, 2 * d, m), quantity) - counted(partial(_linear, d, m), quantity) == own(d, m)
        for d, m in ((3, 5), (4, 4))
        for quantity in (Quantity.PARAMS, Quantity.MACS)
    ]
    return Demonstration(
        derivation(r"""
            A row of W meets x and e alike.
                W(x + e) = Wx + We = [W W][x; e]
                    W(x + e) = Wx + We = \begin{pmatrix} W & W \end{pmatrix} \begin{pmatrix} x \\ e \end{pmatrix}
            [W W] has d directions to lose among its 2d.
                [W W][δ; −δ] = 0
                    \begin{pmatrix} W & W \end{pmatrix} \begin{pmatrix} \delta \\ -\delta \end{pmatrix} = 0
            A score, with A = W_Qᵀ W_K; concatenated, each of the four has a block of its own.
                (x + e)ᵀA(y + f) = xᵀAy + xᵀAf + eᵀAy + eᵀAf
                    (x + e)^{\top} A (y + f) = x^{\top} A y + x^{\top} A f + e^{\top} A y + e^{\top} A f
            Vectors that share no channel are added by writing them side by side.
                [x; 0] + [0; e] = [x; e]
                    \begin{pmatrix} x \\ 0 \end{pmatrix} + \begin{pmatrix} 0 \\ e \end{pmatrix} = \begin{pmatrix} x
                    \\ e \end{pmatrix}
        """),
        {
            "W(x + e) = [W W][x; e]: added positions have the tokens' weights": (
                identity("for matrices of any size", [of_any_size[0]]),
                identity("entry by entry", ties, instances="widths 1, 2 and 3"),
            ),
            "concatenated ones have m·d of their own, for m outputs": (
                identity(
                    "products of a linear layer of twice the width, less those of one, on symbols",
                    [(linear("both", 1, 2 * d_, m_).macs - linear("one", 1, d_, m_).macs, own(d_, m_))],
                ),
                exact("weights and products a token that only concatenating has, on linear modules", counts),
            ),
            "of x and e only the sum is left": (
                identity("for matrices of any size", [of_any_size[1]]),
                identity("entry by entry", same_sum, instances="widths 1, 2 and 3"),
            ),
            "in a score xAy, xAf, eAy and eAf share A = W_QᵀW_K": (
                identity("for matrices of any size", [of_any_size[2]]),
                identity("entry by entry", scores, instances="widths 1, 2 and 3"),
            ),
            "where tokens and positions keep to channels of their own, to add is to concatenate": (
                identity("for blocks of any size", _added_blocks(placed)),
                identity("entry by entry", apart, instances="widths 1, 2 and 3"),
            ),
        },
    )


def _of_any_size(
    weights: Callable[[Any], tuple[Any, Any]], lost: Callable[[Any], Any], blocks: Callable[[Any], tuple[Any, ...]]
) -> list[tuple[Any, Any]]:
    """The same three with matrices of which SymPy knows no more than that their sides fit."""
    m, d = sympy.symbols("m d", integer=True, positive=True)
    W, A = sympy.MatrixSymbol("W", m, d), sympy.MatrixSymbol("A", d, d)
    x, e, y, f, delta = (sympy.MatrixSymbol(name, d, 1) for name in ("x", "e", "y", "f", "t"))
    for_tokens, for_places = weights(W)
    xy, xf, ey, ef = blocks(A)
    score = (x + e).T * A * (y + f)
    parts = x.T * xy * y + x.T * xf * f + e.T * ey * y + e.T * ef * f
    return [
        (W * (x + e), for_tokens * x + for_places * e),
        (W * (x + delta + e + lost(delta)), W * (x + e)),
        (score, parts),
    ]


def _added_blocks(placed: Callable[[Any, Any, Any], tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """[x; 0] + [0; e] = [x; e] for blocks of symbolic size."""
    d = sympy.Symbol("d", integer=True, positive=True)
    x, e = sympy.MatrixSymbol("x", d, 1), sympy.MatrixSymbol("e", d, 1)
    one, other = placed(x, e, sympy.ZeroMatrix(d, 1))
    return [(first + second, whole) for first, second, whole in zip(one, other, (x, e), strict=True)]


def _linear(d: int, m: int) -> Any:
    from ..reference.registry import Witness

    return Witness(torch.nn.Linear(d, m, bias=False), (torch.zeros(1, d),))


# -- beside the embeddings --------------------------------------------------------------------------


@statement(
    "positions_beside_tokens",
    "How long positions are beside tokens",
    "Token embeddings are multiplied by √d before positions are added: with entries of mean 0 and variance 1/d "
    "that makes E‖√d x‖² = d, twice the ‖PE‖² = d/2 of even d. Without the factor it would be 1, and positions "
    "the longer for d > 2; with entries of variance 1, d² against d/2",
    f"{PAPER}, §3.4: 'we multiply those weights by √d_model'; a lecture: positions do not dominate the embeddings",
)
def positions_beside_tokens(
    factor: Callable[[Any], Any] = lambda d: d ** Fraction(1, 2),
    tokens: Callable[[Any, Any], Any] = lambda d, variance: d * d * variance,
    positions: Callable[[Any], Any] = lambda d: d / 2,
) -> Demonstration:
    """Second moments on symbols; what the reference embedding adds up, bit by bit; its table's lengths."""
    from ..reference.transformer import Opening
    from .scaling import expectation

    variance = sympy.Symbol("v", positive=True)
    lengths, sums = [], []
    for d in (1, 2, 3, 4):
        x = sympy.symbols(f"x_1:{d + 1}")
        squares = sum((factor(sympy.Integer(d)) * one) ** 2 for one in x)
        lengths.append(expectation(squares, dict.fromkeys(x, (0, variance))) - tokens(d, variance))
    for d in (4, 16, 64):
        module = whole(Opening(torch.nn.Embedding(7, d), 7, "sinusoidal"))
        with in_float64():
            made = module(torch.arange(7)[None])[0]
        sums.append(torch.equal(made, module.tokens.weight * float(factor(d)) + encoding(7, d)))
    width, entry = sympy.symbols("d i", integer=True, positive=True)
    summed = sympy.summation(factor(width) ** 2 * variance, (entry, 1, width))
    table = encoding(1000, 64).square().sum(1)
    size = sympy.Symbol("d", positive=True)
    return Demonstration(
        derivation(r"""
            Entries of mean 0 and variance v.
                E‖√d x‖² = d Σ_i E x_i² = d²v: d for v = 1/d
                    \mathrm{E} \lVert \sqrt{d}\, x \rVert^2 = d \sum_i \mathrm{E}\, x_i^2 = d^2 v: \quad d \text{
                    for } v = 1/d
            Positions, of even d.
                ‖PE‖² = d/2
                    \lVert PE \rVert^2 = \frac{d}{2}
        """),
        {
            "token embeddings are multiplied by √d before positions are added": (
                exact(
                    "the reference embedding is √d times its weights plus the table (d = 4, 16, 64), bit by bit",
                    sums,
                ),
            ),
            "with entries of mean 0 and variance 1/d that makes E‖√d x‖² = d": (
                identity(
                    "a sum of d equal terms, d and the variance symbols",
                    [summed - tokens(width, variance), tokens(size, 1 / size) - size],
                ),
                identity("the same from moments", lengths, instances="d = 1 … 4"),
            ),
            "that is twice the ‖PE‖² = d/2 of even d": (
                identity("at variance 1/d", [tokens(size, 1 / size) - 2 * positions(size)]),
                close(
                    "‖PE‖² of 1,000 positions of 64 channels, float64",
                    float((table - positions(64)).abs().max()) / 32,
                    1e-12,
                    1000,
                ),
            ),
            "without the factor it would be 1, and positions the longer for d > 2": (
                identity(
                    "at variance 1/d, and what positions exceed it by at d = 2 + m",
                    [tokens(size, 1 / size) / size - 1, positions(2 + size) - 1 - size / 2],
                ),
            ),
            "with entries of variance 1 it is d² against d/2": (
                identity("at variance 1", [tokens(size, 1) - size**2]),
            ),
        },
    )


# -- every length -----------------------------------------------------------------------------------


@statement(
    "defined_not_learned",
    "Defined at every length is not learned at every length",
    "For every N ≥ 1 and even d there is a ReLU unit on the sinusoidal code that is 0 at all positions before "
    "N, with no gradient to its input, its weights or its threshold, and at N a quarter of the squared distance "
    "to the nearest of them, which is not 0: codes before N give such a unit no gradient, however many there are",
    f"{PAPER}, §3.5: 'it may allow the model to extrapolate'; a lecture: 'can be applied to sequences of any "
    f"length'",
)
def defined_not_learned(
    threshold: Callable[[Any, Any], Any] = lambda largest, own: (largest + own) / 2,
    value: Callable[[Any], Any] = lambda square: square / 4,
    turn: Any = None,
) -> Demonstration:
    """Equal lengths, so the product with itself exceeds the others; the unit on the reference table."""
    length, gap = sympy.symbols("c g", positive=True)  # ‖PE‖², and ‖PE(N) − PE(p)‖² of the nearest
    largest = length - gap / 2
    at_n = length - threshold(largest, length)
    before = threshold(largest, length) - largest
    a, b = letters("a", 4), letters("b", 4)
    polar = ((a * a).sum() + (b * b).sum() - ((a - b) ** 2).sum()) / 2 - (a * b).sum()
    silent, fires = [], []
    for d, N in product((2, 8, 64), (1, 2, 17, 512)):
        table = encoding(N + 1, d)
        table.requires_grad_()
        own = table[N].detach().requires_grad_()
        largest_of = (table[:N].detach() @ own.detach()).max()
        bend = threshold(largest_of, (own @ own).detach()).requires_grad_()
        unit = (table @ own - bend).relu()
        gradients = torch.autograd.grad(unit[:N].sum(), (table, own, bend))
        silent.append(bool((unit[:N] == 0).all()) and not any(bool(one.any()) for one in gradients))
        fires.append(bool(unit[N] > 0))
    return Demonstration(
        derivation(r"""
            All codes have one length, ‖PE‖² = d/2, and no two are equal; so the product is largest with itself.
                PE(N)·PE(p) = d/2 − ‖PE(N) − PE(p)‖²/2 < d/2 for p ≠ N
                    PE_N \cdot PE_p = \frac{d}{2} - \frac{\lVert PE_N - PE_p \rVert^2}{2} < \frac{d}{2} \quad (p
                    \neq N)
            A unit with the weights PE(N) and a threshold half way between d/2 and the largest of the others.
                u(x) = max(0, PE(N)·x − θ), θ = (d/2 + max_{p<N} PE(N)·PE(p))/2
                    u(x) = \max(0, PE_N \cdot x - \theta), \quad \theta = \frac12 \Bigl(\frac{d}{2} + \max_{p<N}
                    PE_N \cdot PE_p\Bigr)
            Before N it is 0 and below its bend, at N it is not.
                u(PE(p)) = 0, ∂u/∂x = 0 for p < N; u(PE(N)) = min_{p<N} ‖PE(N) − PE(p)‖²/4 > 0
                    u(PE_p) = 0,\; \frac{\partial u}{\partial x} = 0 \text{ for } p < N; \quad u(PE_N) = \min_{p<N}
                    \tfrac14 \lVert PE_N - PE_p \rVert^2 > 0
        """),
        {
            "for every N ≥ 1 and even d there is a ReLU unit that is 0 at all positions before N, with no "
            "gradient": (
                identity("a product of two vectors by their lengths and their distance, of any width", [_polar()]),
                identity("how far below its bend it is at the nearest before", [before - value(gap)]),
                identity("the same product entry by entry", [polar], instances="width 4"),
                exact(
                    "the unit on the reference table is 0 before N and so are its gradients (d = 2, 8, 64; N up "
                    "to 512)",
                    silent,
                ),
            ),
            "at N it is a quarter of the squared distance to the nearest of them": (
                identity("by its threshold, between the two lengths", [at_n - value(gap)]),
            ),
            "which is not 0": (
                never_a_turn(2 * sympy.pi if turn is None else turn),
                exact("on the reference table it is not 0", fires),
            ),
        },
    )


def _polar() -> tuple[Any, Any]:
    """‖a − b‖² = ‖a‖² + ‖b‖² − aᵀb − bᵀa for vectors of symbolic width."""
    d = sympy.Symbol("d", integer=True, positive=True)
    a, b = sympy.MatrixSymbol("a", d, 1), sympy.MatrixSymbol("b", d, 1)
    return (a - b).T * (a - b), a.T * a + b.T * b - a.T * b - b.T * a


# -- another size -----------------------------------------------------------------------------------


def _table(h: int, w: int, C: int = 3) -> Any:
    """A reference table of learned positions for a grid of h × w, with whole numbers."""
    from ..reference.embedding import ResizedPositions

    module = ResizedPositions((h, w), C).double()
    with torch.no_grad():
        module.positions.copy_(numbers(1, h * w, C))
    return module


def rows_read(times: int) -> int:
    """Rows of a table, times as high as the grid, that each row of the grid reads."""
    return 1 if times % 2 else 2


@statement(
    "positions_resized",
    "A table of positions at another size",
    "PVT v1's table is added as it is on the grid it was made for. Each token of a grid of another number of "
    "tokens gets a bilinear mean of at most four learned vectors; a grid whose sides are 1/f of the table's, f "
    "≥ 2, reads 1 row and column of f for odd f and 2 for even f, so that most vectors are unused from f = 3 "
    "on. Where only the shape is another and the number the same, the first stage's table is taken as it is, its "
    "rows torn: place (y, x) of w columns gets what was learned for place y·w + x in the table's order. The keys "
    "and values of SRA leave out the last h mod R rows and w mod R columns, positions and all",
    "Wang et al. 2021 (PVT), authors' code (pvt.py, _get_pos_embed); Wang et al. 2022 (PVT v2), §3.1, on "
    "positions of a fixed size",
)
def positions_resized(
    read: Callable[[int], int] = rows_read,
    torn: Callable[[int, int, int, int], tuple[int, int]] = lambda y, x, grid, table: divmod(y * grid + x, table),
    at_most: int = 4,
    dropped: Callable[[int, int], int] = lambda side, R: side % R,
    own: tuple[int, int] = (6, 8),
) -> Demonstration:
    """The reference table, by its gradients and bit by bit; what the strided convolution of SRA reads."""
    exactly, means, sums, rows, tears = [], [], [], [], []
    module = _table(6, 8)
    exactly.append(torch.equal(module.at(own), module.positions))
    for grid in ((3, 4), (7, 9), (12, 16), (5, 8), (1, 1)):
        places = _vectors_read(module, grid)
        means.append(max(map(len, places)) <= at_most)
        sums += [abs(sum(weights) - 1) for weights in places]
    means.append(max(map(len, _vectors_read(module, (7, 9)))) == at_most)
    for times in (2, 3, 4, 5, 8):
        tall = _table(3 * times, 3)
        rows.append(_rows_read(tall, (3, 3)) == 3 * read(times))
    for grid in ((4, 12), (3, 16), (8, 6)):
        at = module.at(grid).reshape(*grid, -1)
        made = module.positions.reshape(6, 8, -1)
        tears.append(
            all(
                torch.equal(at[y, x], made[torn(y, x, grid[1], 8)])
                for y, x in product(range(grid[0]), range(grid[1]))
            )
        )
    sizes = ((200, 333, 8), (100, 166, 4), (50, 83, 2), (56, 56, 8), (28, 28, 4), (14, 14, 2))
    drops, shown = [], []
    for h, w, R in sizes:
        tokens = sum(map(len, graphs.strided_blocks(h, w, R)))
        drops.append(tokens == (h - dropped(h, R)) * (w - dropped(w, R)))
        shown.append((f"{h} × {w}", R, tokens, h * w - tokens))
    columns = (
        Column("grid", "Grid"),
        Column("R", "R", Kind.NUMBER),
        Column("read", "Tokens that keys come from", Kind.NUMBER),
        Column("dropped", "Tokens dropped", Kind.NUMBER),
    )
    return Demonstration(
        derivation(r"""
            Bilinear, without anti-aliasing: row i of g reads between two rows of the table's t.
                y = (i + 1/2) t/g − 1/2, rows ⌊y⌋ and ⌊y⌋ + 1
                    y = (i + \tfrac12)\,\frac{t}{g} - \tfrac12: \quad \text{rows } \lfloor y \rfloor, \lfloor y
                    \rfloor + 1
            For t = fg that is f·i + (f − 1)/2: a row itself for odd f, the mean of two for even f.
                g rows of fg, or 2g
                    y = fi + \frac{f - 1}{2}: \quad g \text{ rows of } fg \text{ (odd } f), \quad 2g \text{ (even }
                    f)
            The code compares numbers of tokens, not sides, and in every stage with the number of the first: at
            such a shape the other tables are resized, and at 448 × 448, where the second stage has the first one's
            56 × 56, it stops.
                h′w′ = hw: E(y, x) = table at ⌊(yw′ + x)/w⌋, (yw′ + x) mod w
                    h'w' = hw: \quad E(y, x) = \text{table}\bigl(\lfloor (yw' + x)/w \rfloor, (yw' + x) \bmod
                    w\bigr)
        """),
        {
            "the table is added as it is on the grid it was made for": (exact("bit by bit", exactly),),
            "a token of a grid of another number of tokens gets a bilinear mean of at most four vectors": (
                exact("at most four, and four somewhere (6 × 8 to five grids)", means),
                close("whose weights add up to 1, float64", max(sums), 1e-12, len(sums)),
            ),
            "at 1/f of its sides 1 row of f is read for odd f and 2 for even f: most are unused from f = 3 on": (
                exact("rows that have a gradient, for tables 2, 3, 4, 5 and 8 times as high as the grid", rows),
                exact(
                    "the share that is read, of rows and columns, is below a half exactly from f = 3 on, to 64",
                    [(2 * read(times) ** 2 < times**2) == (times >= 3) for times in range(2, 65)],
                ),
            ),
            "where the number is the same, the first stage's table is taken as it is, its rows torn": (
                exact("6 × 8 at 4 × 12, 3 × 16 and 8 × 6: every place, bit by bit", tears),
            ),
            "keys and values of SRA leave out the last h mod R rows and w mod R columns": (
                exact("tokens that its convolution reads, of PVT's grids at 800 × 1333 and at 224 × 224", drops),
            ),
        },
        tables=(Table("Keys of PVT v1 at 800 × 1333 and 224 × 224, stages 1 to 3", columns, tuple(shown)),),
    )


def _vectors_read(module: Any, grid: tuple[int, int]) -> list[list[float]]:
    """For each place of a grid the weights, not 0, of the learned vectors that it gets."""
    found = []
    for place in module.at(grid)[0, :, 0]:
        (gradient,) = torch.autograd.grad(place, module.positions, retain_graph=True)
        weights = gradient[0, :, 0]
        found.append(weights[weights != 0].tolist())
    return found


def _rows_read(module: Any, grid: tuple[int, int]) -> int:
    """Rows of the table that any place of the grid reads."""
    (gradient,) = torch.autograd.grad(module.at(grid).sum(), module.positions)
    return int((gradient[0].reshape(*module.table, -1) != 0).any(-1).any(-1).sum())
