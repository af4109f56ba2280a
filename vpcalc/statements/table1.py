"""Table 1 of "Attention Is All You Need", derived: complexity, sequential operations, maximum path length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, product
from math import isqrt
from random import Random
from typing import Any

from ..algebra.interpolation import interpolate
from ..algebra.parser import parse
from ..algebra.polynomial import Monomial, Polynomial, as_polynomial, symbol
from ..checks.proof import PRODUCTS, counted_by_operator
from ..cost import Cost, Quantity
from ..dims import exact_div
from ..layers import LAYERS
from ..layers.attention import head_width
from ..ops import conv2d, linear, matmul
from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from ..symbolic import Form
from . import graphs
from .evidence import exact, identity, known, recovered
from .graphs import Graph, Layer, Nodes
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, Step, derivation, statement

PAPER = "Vaswani et al. 2017"
OURS = {"n": "N", "d": "C"}
"""The paper's letters in ours: n is the length there, d the width."""


# -- the layers -------------------------------------------------------------------------------------

N, C, k, r, a = (symbol(name) for name in ("N", "C", "k", "r", "a"))


def _restricted() -> Cost:
    """Every token attends to those of r tokens around it that there are: rn − (r² − 1)/4 pairs, for odd r ≤ n."""
    d, pairs = head_width(C, a), r * N - exact_div(r**2 - 1, 4)
    return Cost(
        "restricted",
        (
            linear("qkv", N, C, 3 * C),
            matmul("QKᵀ", a, 1, d, pairs, attention=True),  # (1 x d)(d x keys) a token and head
            matmul("AV", a, 1, pairs, d),
            linear("proj", N, C, C),
        ),
    )


def _convolution() -> Cost:
    """A kernel of k tokens."""
    return Cost("convolution", (conv2d("conv", 1, (1, N), C, C, (1, k)),))


def _separable() -> Cost:
    """A kernel of k tokens on each channel alone, then a linear layer on each token."""
    depthwise = conv2d("depth-wise", 1, (1, N), C, C, (1, k), groups=C)
    return Cost("separable", (depthwise, conv2d("point-wise", 1, (1, N), C, C, (1, 1))))


@dataclass(frozen=True)
class Row:
    """A line of the table.

    ``cost`` is the whole layer on symbols N and C; ``mixing`` the operators in which tokens meet, which is what
    the table prices. ``build`` gives the layer of a size (a kernel, a window, a chunk) by its number in a stack;
    ``sizes`` are those that are tried. A stack repeats itself every ``period`` layers; 0 if never. ``causal``: a
    token sees no later one.
    """

    name: str
    cost: Callable[[], Cost]
    mixing: tuple[str, ...]
    build: Callable[[int, int], Layer]
    sizes: tuple[int, ...] = (1,)
    causal: bool = False
    period: int = 1

    def whole(self) -> Polynomial:
        """Multiply-accumulates of the whole layer, in N and C; a grid of hw tokens is N."""
        return _flat(as_polynomial(self.cost().total(Quantity.MACS)))

    def mixed(self) -> Polynomial:
        """Of the operators in which tokens meet."""
        prices = self.cost().by_operator(Quantity.MACS)
        return _flat(as_polynomial(sum(prices[kind] for kind in self.mixing)))


def _flat(form: Polynomial) -> Polynomial:
    """hw as N. Forms here hold h and w as hw alone."""
    return form.subs({"h": N, "w": 1})


def _on_grid(id: str, *others: str) -> Callable[[], Cost]:
    return lambda: LAYERS[id].build(symbol("h"), symbol("w"), C, a, *(symbol(name) for name in others))


def _on_tokens(id: str, *others: str) -> Callable[[], Cost]:
    """N tokens are a grid of one row."""
    return lambda: LAYERS[id].build(1, N, C, a, *(symbol(name) for name in others))


def _always(layer: Layer) -> Callable[[int, int], Layer]:
    """A layer without a size, the same at every place of a stack."""
    return lambda size, number: layer


def _side(n: int) -> int:
    """A square grid of n tokens."""
    side = isqrt(n)
    if side * side != n:
        raise ValueError(f"{n} tokens are no square grid")
    return side


def _on_square(sees: Callable[[int], Callable[[Graph, Nodes], Nodes]]) -> Layer:
    """A layer that is made for the side of the grid it is given."""
    return lambda graph, xs: sees(_side(len(xs)))(graph, xs)


def _kernel(size: int, number: int) -> Layer:
    return graphs.gather(graphs.around(size))


def _dilated(size: int, number: int) -> Layer:
    return graphs.gather(graphs.before(size, size**number))


def _neighbourhood(size: int, number: int) -> Layer:
    return graphs.attend(graphs.around(size))


def _windows(size: int, number: int) -> Layer:
    return _on_square(lambda side: graphs.attend(graphs.window(side, side, size)))


def _shifted_in_turn(size: int, number: int) -> Layer:
    shift = size // 2 if number % 2 else 0
    return _on_square(lambda side: graphs.attend(graphs.window(side, side, size, shift)))


def _strided(size: int, number: int) -> Layer:
    return _on_square(lambda side: graphs.attend_reduced(graphs.strided_blocks(side, side, size)))


def _pooled(size: int, number: int) -> Layer:
    return _on_square(lambda side: graphs.attend_reduced(graphs.pooled_blocks(side, side, size)))


def _chunks(size: int, number: int) -> Layer:
    return graphs.retention_chunkwise(size)


_KERNELS = (2, 3, 4, 5, 7)
_WINDOWS = (2, 3, 4, 6)
_CHUNKS = (2, 4)

ROWS: Mapping[str, Row] = {
    "self_attention": Row(
        "Self-attention", _on_tokens("msa"), ("matmul",), _always(graphs.attend(graphs.everyone))
    ),
    "recurrent": Row(
        "Recurrent",
        lambda: LAYERS["recurrent"].build(N, C, C),
        ("linear",),
        _always(graphs.recurrence),
        causal=True,
    ),
    "convolution": Row("Convolution, contiguous", _convolution, ("conv",), _kernel, _KERNELS),
    "dilated": Row("Convolution, dilated", _convolution, ("conv",), _dilated, _KERNELS, causal=True, period=0),
    "separable": Row("Convolution, separable", _separable, ("conv",), _kernel, _KERNELS),
    "restricted": Row("Self-attention, restricted", _restricted, ("matmul",), _neighbourhood, _KERNELS),
    "wmsa": Row("W-MSA", _on_grid("wmsa", "M"), ("matmul",), _windows, _WINDOWS),
    "swmsa": Row(
        "W-MSA, SW-MSA in turn", _on_grid("swmsa", "M"), ("matmul",), _shifted_in_turn, _WINDOWS, period=2
    ),
    "sra": Row("SRA", _on_grid("sra", "R"), ("matmul",), _strided, (2,)),
    "linear_sra": Row("Linear SRA", _on_grid("linear_sra", "P"), ("matmul",), _pooled, (2, 3)),
    "retention": Row(
        "Retention, parallel",
        _on_tokens("retention"),
        ("matmul",),
        _always(graphs.attend(graphs.so_far)),
        causal=True,
    ),
    "retention_recurrent": Row(
        "Retention, recurrent",
        _on_tokens("retention_recurrent"),
        ("matmul",),
        _always(graphs.retention_recurrent),
        causal=True,
    ),
    "retention_chunkwise": Row(
        "Retention, chunkwise", _on_tokens("retention_chunkwise", "b"), ("matmul",), _chunks, _CHUNKS, causal=True
    ),
}
"""The paper's layers first, then those that came after it."""


# -- complexity -------------------------------------------------------------------------------------

COMPLEXITY: Mapping[str, str] = {
    "self_attention": "n²d",
    "recurrent": "nd²",
    "convolution": "knd²",
    "dilated": "knd²",
    "separable": "knd + nd²",
    "restricted": "rnd",
    "wmsa": "M²nd",
    "swmsa": "M²nd",
    "sra": "n²d/R²",
    "linear_sra": "P²nd",
    "retention": "n²d",
    "retention_recurrent": "nd²/a",
    "retention_chunkwise": "bnd + nd²/a",
}
"""O(…) by row: the first six as the paper prints them, in its letters."""


def leading(form: Polynomial, name: str) -> Polynomial:
    """The terms of the highest power of one symbol: what is left of the form as it goes to infinity."""
    degree = form.degree(name)
    kept = {monomial: number for monomial, number in form.terms.items() if dict(monomial).get(name, 0) == degree}
    return Polynomial(kept, form.denominator)


def order(form: Polynomial) -> Polynomial:
    """The inside of O(…): monomials without numbers, less those that others exceed, as r ≤ n."""
    kept = Polynomial(dict.fromkeys(form.terms, 1))
    return Polynomial({one: 1 for one in kept.terms if not any(_exceeds(other, one) for other in kept.terms)})


def _exceeds(larger: Monomial, smaller: Monomial) -> bool:
    """Whether one monomial is another times powers of numbers that are at least 1, n/r among them."""
    ratio = Counter(dict(larger))
    ratio.subtract(dict(smaller))
    swapped = max(-ratio["r"], 0)
    ratio["r"] += swapped
    ratio["N"] -= swapped
    return larger != smaller and all(power >= 0 for power in ratio.values())


def in_paper_letters(form: Polynomial) -> Form:
    """N and C as n and d, for reading next to the paper."""
    return Form(form, names=tuple((ours, theirs) for theirs, ours in OURS.items()))


@statement(
    "table1_complexity",
    "Table 1: complexity per layer",
    "Self-attention O(n²d), recurrent O(nd²), convolution O(knd²), restricted self-attention O(rnd), "
    "r ≤ n, for the products in which tokens meet",
    f"{PAPER}, Table 1 and §4; windows, SRA and retention from their papers",
)
def table1_complexity(
    claimed: Mapping[str, str] = COMPLEXITY,
    pairs: Callable[[Any, Any], Any] = lambda n, r: r * n - r * r // 4,
    leads: str = "4nd²",
) -> Demonstration:
    """Our closed forms on symbols, their monomials, their limits; counts of modules and of neighbours."""
    rows, held, limits = [], [], []
    for id, row in ROWS.items():
        whole, mixed = row.whole(), row.mixed()
        held.append((order(mixed), parse(claimed[id], OURS)))
        in_n, in_d = leading(whole, "N"), leading(whole, "C")
        limits += [_limit(whole, in_n, "N") - 1, _limit(whole, in_d, "C") - 1]
        rows.append(
            (
                row.name,
                f"O({in_paper_letters(order(mixed)).text})",
                in_paper_letters(mixed),
                in_paper_letters(whole),
                in_paper_letters(in_n),
                in_paper_letters(in_d),
            )
        )
    columns = (
        Column("layer", "Layer"),
        Column("order", "Tokens meet in"),
        Column("mixing", "Exactly", Kind.FORMULA),
        Column("whole", "Whole layer", Kind.FORMULA),
        Column("in_n", "n → ∞", Kind.FORMULA, wide=True),
        Column("in_d", "d → ∞", Kind.FORMULA, wide=True),
    )
    attention_row = ROWS["self_attention"]
    return Demonstration(
        (
            *derivation(r"""
                QKᵀ and AV, for n tokens in heads of d/a channels.
                    a·n·(d/a)·n + a·n·n·(d/a) = 2n²d
                        a \cdot n \cdot \tfrac{d}{a} \cdot n + a \cdot n \cdot n \cdot \tfrac{d}{a} = 2 n^2 d
                A recurrent layer: U x_t and W s_{t−1} at every step.
                    n(d·d + d·d) = 2nd²
                        n(d^2 + d^2) = 2nd^2
                A kernel of k tokens, d channels to d.
                    n·k·d·d = knd²
                        n \cdot k \cdot d \cdot d = k n d^2
                r keys for each of n queries on a ring. At a border keys are missing: ⌊(r − 1)/2⌋ to the first
                token, one less to the next, and so on; ⌊r/2⌋ to the last.
                    rn − ⌊r²/4⌋ pairs for r ≤ n; for odd r that is rn − (r² − 1)/4, and 2d(rn − (r² − 1)/4)
                        rn - \lfloor r^2/4 \rfloor \text{ pairs}; \quad 2d\Bigl(rn - \frac{r^2 - 1}{4}\Bigr) \text{
                        for odd } r
            """),
            Step(
                "What the table leaves out: the projections to queries, keys and values, and back.",
                f"{in_paper_letters(attention_row.whole()).text} in all",
                in_paper_letters(attention_row.whole()).latex,
            ),
        ),
        {
            "the products in which tokens meet are of the orders that the table prints": (
                identity("exactly these monomials, less what others exceed (r ≤ n)", held),
                *(_module_costs(id) for id in _SEQUENCES),
            ),
            "r ≤ n keys for each of n tokens are rn − ⌊r²/4⌋ pairs, as some are missing at the borders": (
                _missing_at_borders(pairs),
                _neighbours(pairs),
            ),
            "of the whole layer the table leaves 4nd² out, which lead as d grows": (
                identity(
                    "what leads in d, of the layer on symbols",
                    [(leading(attention_row.whole(), "C"), parse(leads, OURS))],
                ),
                identity("the leading terms are the layer's limit in n and in d", limits),
            ),
        },
        tables=(
            Table(
                "Complexity per layer, in multiply-accumulates; n tokens of d channels",
                columns,
                tuple(rows),
                (
                    "restricted: odd r ≤ n, with borders; on a ring 2rnd",
                    "where M and R divide the sides of the grid, R ≥ 2, and b divides n",
                ),
            ),
        ),
        correction="the table prices the products in which tokens meet and leaves the 4nd² of the projections "
        "out, "
        "which lead as long as n < 2d",
    )


_SEQUENCES = ("convolution", "dilated", "separable", "restricted")
"""Rows that are no layer of the registry: what is written above of their operators is held against modules."""


def _module_costs(id: str) -> Evidence:
    """What fvcore counts of the module, as a polynomial in n, d and the size, and beyond the grid."""
    row = ROWS[id]
    size = "r" if id == "restricted" else "k"
    grid = {"N": (5, 6), "C": (2, 4, 6), size: (1, 3, 5)}
    draw = Random(id)
    beyond = [(7, 10, 7, 2, 1), (9, 8, 9, 4, 2), (320, 2, 3, 1, 1)]
    beyond += [(draw.randrange(8, 200), 2 * draw.randrange(4, 40), 7, 2, 1)]
    held = []
    for form, operators in ((row.mixed(), row.mixing), (row.whole(), PRODUCTS)):
        found = interpolate(grid, [_module_count(id, operators, *at) for at in product(*grid.values())])
        held.append(found == form)
        held += [
            found.subs({"N": at[0], "C": at[1], size: at[2]}) == _module_count(id, operators, *at) for at in beyond
        ]
    name = row.name[0].lower() + row.name[1:]
    return recovered(f"{name}: fvcore's counts of the module are that form, up to 320 tokens", held)


def _module_count(
    id: str, operators: tuple[str, ...], n: int, d: int, size: int, heads: int = 1, number: int = 0
) -> int:
    by_operator = _module_counts(id, n, d, size, heads, number)
    return sum(by_operator.get(operator, 0) for operator in operators)


@cache
def _module_counts(id: str, n: int, d: int, size: int, heads: int, number: int) -> Mapping[str, int]:
    from ..reference.sequences import sequence_witness

    return counted_by_operator(lambda: sequence_witness(id, n, d, size, heads, number))


def _neighbours(pairs: Callable[[int, int], int]) -> Evidence:
    """Pairs of tokens with a score, counted one by one in the layer's graph; on a ring there are rn."""
    held = []
    far = Random("pairs").randrange(200, 2000)
    for size in range(1, 9):
        for n in (size, size + 1, 24, far):
            sees = graphs.around(size)
            held.append(sum(len(list(sees(i, n))) for i in range(n)) == pairs(n, size))
            held.append(sum(len({j % n for j in range(i, i + size)}) for i in range(n)) == size * n)
    return exact(f"pairs counted one by one, with borders and on a ring, r = 1 … 8, n = r … {far}", held)


def _missing_at_borders(pairs: Callable[[Any, Any], Any]) -> Evidence:
    m, j, n = sympy.symbols("m j n", integer=True, positive=True)
    odd, even = ((size, sympy.expand(size * n - pairs(n, size))) for size in (2 * m + 1, 2 * m))
    before, after = sympy.summation(j, (j, 1, m - 1)), sympy.summation(j, (j, 1, m))
    return identity(
        "keys missing at both ends, 1 + 2 + … at each: for every odd r and for every even r",
        [2 * after - sympy.expand(odd[1]), before + after - sympy.expand(even[1])],
    )


def _limit(form: Polynomial, part: Polynomial, name: str) -> Any:
    variable = sympy.Symbol(name, integer=True, positive=True)
    return sympy.limit(sympy.cancel(form.to_sympy() / part.to_sympy()), variable, sympy.oo)


BOUNDS: Mapping[str, Callable[[Any], Any]] = {"mixing": lambda d: d, "lstm": lambda d: 2 * d, "gru": lambda d: d}
"""Lengths below which attention costs less: its products than an RNN, the whole layer than an LSTM and a GRU."""


@statement(
    "attention_or_recurrence",
    "When self-attention is cheaper than recurrence",
    "The products in which tokens meet cost less than a recurrent layer exactly where n < d; with its "
    "projections the "
    "layer never does, and costs less than an LSTM exactly where n < 2d",
    f"{PAPER}, §4: self-attention layers are faster than recurrent ones where the length n is below the width d",
)
def attention_or_recurrence(
    bounds: Mapping[str, Callable[[Any], Any]] | None = None,
    excess: Callable[[Any, Any], Any] = lambda n, d: 2 * n * d * (n + d),
) -> Demonstration:
    """The sign of differences of closed forms, factored."""
    claimed = {**BOUNDS, **(bounds or {})}
    rnn = ROWS["recurrent"].whole()
    lstm = as_polynomial(LAYERS["recurrent_lstm"].build(N, C, C).total(Quantity.MACS))
    gru = as_polynomial(LAYERS["recurrent_gru"].build(N, C, C).total(Quantity.MACS))
    mixed, whole = ROWS["self_attention"].mixed(), ROWS["self_attention"].whole()
    n, d = (sympy.Symbol(name, integer=True, positive=True) for name in ("N", "C"))

    def factored(name: str, attention: Polynomial, other: Polynomial) -> Evidence:
        return identity(
            "the difference is 2dn > 0, times what n is less or more than that",
            [((attention - other).to_sympy(), 2 * n * d * (n - claimed[name](d)))],
        )

    rows = tuple(
        (name, in_paper_letters(left), in_paper_letters(right), where)
        for name, left, right, where in (
            ("QKᵀ and AV against an RNN", mixed, rnn, "n < d"),
            ("whole layer against an RNN", whole, rnn, "never"),
            ("whole layer against a GRU", whole, gru, "n < d"),
            ("whole layer against an LSTM", whole, lstm, "n < 2d"),
        )
    )
    columns = (
        Column("compared", "Compared"),
        Column("attention", "Attention", Kind.FORMULA),
        Column("recurrent", "Recurrent", Kind.FORMULA),
        Column("where", "Attention costs less where"),
    )
    return Demonstration(
        derivation(r"""
            The products alone.
                2n²d < 2nd² ⟺ n < d
                    2n^2d < 2nd^2 \iff n < d
            The whole layer against a recurrent layer of one gate.
                4nd² + 2n²d − 2nd² = 2nd(n + d) > 0
                    4nd^2 + 2n^2d - 2nd^2 = 2nd(n + d) > 0
            Against an LSTM, four gates.
                4nd² + 2n²d < 8nd² ⟺ n < 2d
                    4nd^2 + 2n^2d < 8nd^2 \iff n < 2d
        """),
        {
            "the products in which tokens meet cost less than a recurrent layer exactly where n < d": (
                factored("mixing", mixed, rnn),
            ),
            "with its projections the layer never does": (
                identity("whole layer less RNN", [((whole - rnn).to_sympy(), excess(n, d))]),
                known("the difference is positive", [(excess(n, d), "positive")]),
            ),
            "it costs less than an LSTM exactly where n < 2d": (factored("lstm", whole, lstm),),
        },
        (factored("gru", whole, gru),),
        tables=(Table("n tokens of d channels; recurrent layers from d to d", columns, rows),),
        correction="read as whole layers the sentence does not hold for an RNN: the projections alone, 4nd², "
        "exceed 2nd²",
    )


# -- sequential operations --------------------------------------------------------------------------

SEQUENTIAL: Mapping[str, str] = {
    **dict.fromkeys(ROWS, "1"),
    "recurrent": "n",
    "retention_recurrent": "n",
    "retention_chunkwise": "n/b",
}
"""O(…) by row."""


@statement(
    "table1_sequential",
    "Table 1: sequential operations",
    "Self-attention and convolutions take O(1) operations one after the other, recurrent layers O(n)",
    f"{PAPER}, Table 1; retention: Sun et al. 2023, Table 1",
)
def table1_sequential(claimed: Mapping[str, str] = SEQUENTIAL) -> Demonstration:
    """The longest chain in the layer's graph as a polynomial in n, and in the autograd graph of the module."""
    rows, held, modules = [], {}, {}
    for id, row in ROWS.items():
        expected = parse(claimed[id])
        size = row.sizes[-1]
        longest = line(partial(_chain, row, size), _lengths(id))
        held[id] = longest is not None and _same_order(longest, expected, size)
        in_module = None
        if id in _MODULES:
            in_module = line(partial(_module_depth, id), _lengths(id))
            modules[id] = in_module is not None and _same_order(in_module, expected, size, factor=None)
        rows.append(
            (row.name, f"O({claimed[id]})", size if len(row.sizes) > 1 else None, _text(longest), _text(in_module))
        )
    columns = (
        Column("layer", "Layer"),
        Column("order", "Sequential operations"),
        Column("size", "k, r, M, R, P, b", Kind.NUMBER),
        Column("chain", "Longest chain of operations"),
        Column("autograd", "In autograd's graph"),
    )
    note = "operations on vectors; a sum over tokens counts as one, as in the paper"
    return Demonstration(
        derivation(r"""
            A recurrent layer: s_t waits for s_{t−1}.
                x_1 → s_1 → s_2 → ⋯ → s_n
                    x_1 \to s_1 \to s_2 \to \cdots \to s_n
            Self-attention: whatever the length, projections, scores, values, projection.
                x → q, k, v → softmax(QKᵀ) → AV → out
                    x \to q, k, v \to \operatorname{softmax}(QK^{\top}) \to AV \to \text{out}
            Chunkwise retention: one step of the state for each chunk of b tokens.
                R_1 → R_2 → ⋯ → R_{n/b}
                    R_1 \to R_2 \to \cdots \to R_{n/b}
        """),
        {
            clause: (
                recovered(
                    "the longest chain in the layer's graph is a polynomial in n, of this leading term",
                    [held[id] for id in ids],
                ),
                exact(
                    "the longest chain in autograd's graph of the reference module grows alike",
                    [modules[id] for id in ids if id in modules],
                ),
            )
            for clause, ids in _WAITING.items()
        },
        tables=(Table("Sequential operations", columns, tuple(rows), (note,)),),
    )


_WAITING: Mapping[str, tuple[str, ...]] = {
    "self-attention takes O(1) operations one after the other": ("self_attention", "restricted"),
    "so do convolutions": ("convolution", "dilated", "separable"),
    "recurrent layers take O(n)": ("recurrent", "retention_recurrent"),
    "windows, SRA and parallel retention take O(1)": ("wmsa", "swmsa", "sra", "linear_sra", "retention"),
    "chunkwise retention takes O(n/b)": ("retention_chunkwise",),
}
"""What is claimed of which rows; the restricted, dilated and separable ones have no module of one layer."""


def line(measure: Callable[[int], int], lengths: tuple[int, ...]) -> Polynomial | None:
    """The line in n through the first two lengths, if the others lie on it."""
    values = [measure(n) for n in lengths]
    found = interpolate({"n": lengths[:2]}, values[:2])
    return found if all(found.subs({"n": n}) == value for n, value in zip(lengths, values, strict=True)) else None


def _same_order(chain: Polynomial, expected: Polynomial, size: int, factor: int | None = 1) -> bool:
    """Whether the leading term in n is the expected one; ``factor`` None lets its number be any."""
    top, other = leading(chain, "n"), expected.subs({"b": size})
    if chain.degree("n") != other.degree("n"):
        return False
    return chain.degree("n") == 0 or factor is None or top == other * factor


def _text(form: Polynomial | None) -> str:
    return "–" if form is None else str(form)


def _lengths(id: str) -> tuple[int, ...]:
    """Lengths that the layer's size divides, of more than one window: two to fix a line, the others to test it.

    The last but one is drawn, the last is far: what is another line in between or beyond is none.
    """
    if id in _GRIDS:
        return (144, 324, 576, 1296)
    return (8, 16, 24, 40, 4 * Random(id).randrange(11, 150), 640)


_GRIDS = ("wmsa", "swmsa", "sra", "linear_sra")


def _chain(row: Row, size: int, n: int) -> int:
    return graphs.run([row.build(size, 0)], n)[0].depth()


def _module_depth(id: str, n: int) -> int:
    """The longest chain of functions in autograd's graph of the reference module."""
    from ..reference import LAYER_WITNESSES

    layer, dims = _MODULES[id]
    side = _side(n) if id in _GRIDS else 0
    length = {"T": n} if id == "recurrent" else {"h": side or 1, "w": side or n}
    witness = LAYER_WITNESSES[layer](**dims, **length)
    return autograd_depth(witness.module(torch.zeros(witness.inputs[0].shape, requires_grad=True)))


_MODULES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "self_attention": ("msa", {"C": 4, "heads": 2}),
    "recurrent": ("recurrent", {"d": 3, "n": 4}),
    "convolution": ("conv", {"C": 2, "k": _KERNELS[-1]}),
    "wmsa": ("wmsa", {"C": 4, "heads": 2, "M": _WINDOWS[-1]}),
    "swmsa": ("swmsa", {"C": 4, "heads": 2, "M": _WINDOWS[-1]}),
    "sra": ("sra", {"C": 4, "heads": 2, "R": 2}),
    "linear_sra": ("linear_sra", {"C": 4, "heads": 2, "P": 3}),
    "retention": ("retention", {"C": 4, "heads": 2}),
    "retention_recurrent": ("retention_recurrent", {"C": 4, "heads": 2}),
    "retention_chunkwise": ("retention_chunkwise", {"C": 4, "heads": 2, "chunk": _CHUNKS[-1]}),
}
"""Rows whose reference module is one layer, and its dimensions beside the length."""


def autograd_depth(output: Any) -> int:
    """Length of the longest path from an output back to a leaf, in autograd's graph."""
    depths: dict[Any, int] = {}
    stack = [output.grad_fn]
    while stack:
        node = stack[-1]
        below = [one for one, _ in node.next_functions if one is not None]
        waiting = [one for one in below if one not in depths]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        depths[node] = 1 + max((depths[one] for one in below), default=0)
    return depths[output.grad_fn]


# -- path length ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """What is claimed of a row's longest path, as functions of n and of the layer's size.

    ``exactly`` is in ints, None where some tokens never meet, and None itself if they do at no size. ``smooth``
    is the same without rounding, for a SymPy symbol n, and ``order`` the inside of O(…).
    """

    text: str
    order_text: str
    exactly: Callable[[int, int], int | None] | None = None
    smooth: Callable[[Any, int], Any] | None = None
    order: Callable[[Any, int], Any] | None = None


def ceil_log(base: int, value: int) -> int:
    """⌈log_base(value)⌉ in integers."""
    power, count = 1, 0
    while power < value:
        power, count = power * base, count + 1
    return count


def _log(base: int, value: Any) -> Any:
    return sympy.log(value) / sympy.log(base)


def _sqrt(value: Any) -> Any:
    return sympy.sqrt(value)


def _one(n: Any, size: int) -> Any:
    return 1


def _steps(letter: str) -> Path:
    """Layers that each reach ⌊(size − 1)/2⌋ tokens back, and at an even size one more ahead."""
    return Path(
        f"⌈(n − 1)/⌊({letter} − 1)/2⌋⌉, {letter} ≥ 3",
        f"n/{letter}",
        lambda n, size: -(-(n - 1) // ((size - 1) // 2)) if size > 2 else None,
        lambda n, size: (n - 1) / ((size - 1) // 2) if size > 2 else None,
        lambda n, size: n / size,
    )


def shifted_blocks(side: int, M: int) -> int | None:
    """2⌈side/M⌉ − 1: from the first window to the last, through a shifted one between each two.

    ``side`` is the longer side of the grid in tokens; both sides exceed M. Windows of one token cannot be shifted
    by half of it, and never meet.
    """
    return 2 * -(-side // M) - 1 if M >= 2 else None


PATHS: Mapping[str, Path] = {
    "self_attention": Path("1", "1", _one, _one, _one),
    "recurrent": Path("n", "n", lambda n, _: n, lambda n, _: n, lambda n, _: n),
    "convolution": _steps("k"),
    "dilated": Path(
        "⌈log_k(n)⌉", "log_k(n)", lambda n, k: ceil_log(k, n), lambda n, k: _log(k, n), lambda n, k: _log(k, n)
    ),
    "separable": _steps("k"),
    "restricted": _steps("r"),
    "wmsa": Path("windows never meet", ""),
    "swmsa": Path(
        "2⌈√n/M⌉ − 1, M ≥ 2",
        "√n/M",
        lambda n, M: shifted_blocks(_side(n), M),
        lambda n, M: 2 * _sqrt(n) / M - 1,
        lambda n, M: _sqrt(n) / M,
    ),
    "sra": Path("2", "1", lambda n, _: 2, lambda n, _: 2, _one),
    "linear_sra": Path("2", "1", lambda n, _: 2, lambda n, _: 2, _one),
    "retention": Path("1", "1", _one, _one, _one),
    "retention_recurrent": Path("n + 1", "n", lambda n, _: n + 1, lambda n, _: n + 1, lambda n, _: n),
    "retention_chunkwise": Path(
        "n/b + 1 for n > b", "n/b", lambda n, b: n // b + (n > b), lambda n, b: n / b + 1, lambda n, b: n / b
    ),
}
"""By row: the first six as the paper prints their order, contiguous kernels in its text."""


@statement(
    "table1_path",
    "Table 1: maximum path length",
    "Between any two positions: self-attention O(1), recurrent O(n), convolution O(n/k) contiguous and O(log_k "
    "n) dilated, "
    "restricted self-attention O(n/r); centred kernels of fewer than 3 tokens never connect, and shifted windows "
    "of M ≥ 2 take 2⌈side/M⌉ − 1 blocks on the longer side of a grid whose sides exceed M",
    f"{PAPER}, Table 1 and §4; shifted windows: Liu et al. 2021 (Swin), §3.2",
)
def table1_path(claimed: Mapping[str, Path] = PATHS) -> Demonstration:
    """Shortest paths in the graph of as many layers as it takes; closed form at every length; its limit."""
    lengths: dict[str, list[bool]] = {}
    limits: dict[str, list[bool]] = {}
    rows = []
    n = sympy.Symbol("n", positive=True)
    for id, row in ROWS.items():
        path, held = claimed[id], lengths.setdefault(id, [])
        for size in row.sizes:
            for length in _path_lengths(id, size):
                measured = measured_path(row, size, length)
                held.append(measured == (None if path.exactly is None else path.exactly(length, size)))
            smooth = None if path.smooth is None else path.smooth(n, size)
            if smooth is not None and path.order is not None:
                ratio = sympy.limit(sympy.sympify(smooth) / path.order(n, size), n, sympy.oo)
                limits.setdefault(id, []).append(bool(ratio.is_finite and ratio.is_positive))
        shown = size if len(row.sizes) > 1 else None
        order = f"O({path.order_text})" if path.order_text else "none"
        rows.append((row.name, order, path.text, shown, length, measured))
    columns = (
        Column("layer", "Layer"),
        Column("order", "Maximum path"),
        Column("exactly", "Exactly"),
        Column("size", "k, r, M, P, b", Kind.NUMBER),
        Column("n", "n", Kind.NUMBER),
        Column("measured", "Measured", Kind.NUMBER),
    )
    notes = (
        "operations that bring tokens together; layers are stacked until every pair is connected",
        "where R ≥ 2 divides the sides of the grid, and b divides n; elsewhere SRA never reads some tokens",
    )
    return Demonstration(
        derivation(r"""
            Contiguous kernels, padded with zeros: each layer reaches ⌊(k − 1)/2⌋ tokens further back; for odd k
            that is ⌈2(n − 1)/(k − 1)⌉ layers.
                L⌊(k − 1)/2⌋ ≥ n − 1 ⟺ L ≥ (n − 1)/⌊(k − 1)/2⌋, never for k < 3
                    L \lfloor \tfrac{k - 1}{2} \rfloor \ge n - 1 \iff L \ge \frac{n - 1}{\lfloor (k - 1)/2 \rfloor}
            Dilated causal kernels, k^l apart in layer l: the digits of the distance in base k, all of which occur.
                Σ_{l<L} k^l (k − 1) = k^L − 1 ≥ n − 1 ⟺ L ≥ log_k(n)
                    \sum_{l<L} k^l (k - 1) = k^L - 1 \ge n - 1 \iff L \ge \log_k n
            Windows that stay: a token reaches its own window and nothing else, in any number of layers.
                reach(L) = M for every L
                    \text{reach}(L) = M \text{ for every } L
            Windows in turn with shifted ones: ⌈side/M⌉ windows in a row along the longer side, and between each
            two of them a shifted one that joins them.
                ⌈side/M⌉ + (⌈side/M⌉ − 1) = 2⌈side/M⌉ − 1
                    \lceil \text{side}/M \rceil + (\lceil \text{side}/M \rceil - 1) = 2 \lceil \text{side}/M \rceil
                    - 1
        """),
        {
            clause: (
                exact(
                    "the longest of all shortest paths, at every length that was run",
                    chain.from_iterable(lengths[id] for id in ids),
                ),
                *(
                    exact("its exact length over the order has a limit that is finite and not zero", limits[id])
                    for id in ids
                    if id in limits
                ),
                *(_shifted_on_rectangles(claimed[id]) for id in ids if id == "swmsa"),
            )
            for clause, ids in _FAR.items()
        },
        (_geometric_sum(), _centred_dilation_leaves_gaps()),
        tables=(Table("Longest shortest path between two positions", columns, tuple(rows), notes),),
        figure=_path_chart(claimed),
    )


_FAR: Mapping[str, tuple[str, ...]] = {
    "self-attention connects any two positions in O(1)": ("self_attention", "sra", "linear_sra", "retention"),
    "recurrent layers in O(n)": ("recurrent", "retention_recurrent", "retention_chunkwise"),
    "contiguous convolutions in O(n/k), those of fewer than 3 tokens never": ("convolution", "separable"),
    "dilated ones in O(log_k n)": ("dilated",),
    "restricted self-attention in O(n/r)": ("restricted",),
    "shifted windows in 2⌈side/M⌉ − 1 blocks, M ≥ 2, those of one token never": ("swmsa",),
    "windows that stay never do": ("wmsa",),
}
"""What is claimed of which rows."""


@cache
def measured_path(row: Row, size: int, n: int) -> int | None:
    """Mixing operations on the longest of the shortest paths, in the fewest layers that connect all pairs.

    A layer's scores are on a path too, but the path through its values is shorter.
    """
    layers = graphs.layers_to_connect(partial(row.build, size), n, n, period=row.period, causal=row.causal)
    if layers is None:
        return None
    graph, sources, outputs = graphs.run([row.build(size, number) for number in range(layers)], n)
    return graphs.longest_distance(graph, sources, outputs, row.causal)


def _path_lengths(id: str, size: int) -> tuple[int, ...]:
    """Lengths to try: on grids, sides that exceed the window, or that the stride divides."""
    if id in ("wmsa", "swmsa"):
        return tuple(side * side for side in range(size + 1, 12, 2 if size > 2 else 3))
    if id in _GRIDS:
        return tuple(side * side for side in range(2 * size, 13, size))[-3:]
    return (8, 12, 24) if id == "retention_chunkwise" else (8, 13, 14, 15, 24)


def _shifted_on_rectangles(path: Path) -> Evidence:
    """Blocks until all tokens meet on h × w, the longer side being what counts; also where M divides neither."""
    held = []
    for h, w, M in ((8, 8, 7), (3, 9, 2), (4, 11, 3), (14, 5, 4), (9, 16, 7), (6, 12, 5), (2, 3, 1)):
        blocks = graphs.layers_to_connect(partial(_shifted_on, h, w, M), h * w, h * w, period=2)
        held.append(path.exactly is not None and blocks == path.exactly(max(h, w) ** 2, M))
    return exact("blocks of shifted windows on rectangles, M = 7 on 8×8 and M = 1 on 2×3 among them", held)


def _shifted_on(h: int, w: int, M: int, number: int) -> Layer:
    return graphs.attend(graphs.window(h, w, M, M // 2 if number % 2 else 0))


def _geometric_sum() -> Evidence:
    kernel = sympy.Symbol("k", integer=True, positive=True)
    layers, number = sympy.symbols("L l", integer=True, nonnegative=True)
    # Σ k^l by its telescoping step, for a symbolic number of layers: F(L + 1) − F(L) = k^L (k − 1), F(0) = 0
    reach = kernel**number - 1
    step = reach.subs(number, layers + 1) - reach.subs(number, layers) - kernel**layers * (kernel - 1)
    return identity("Σ_{l<L} k^l (k − 1) = k^L − 1 for every k and L", [step, reach.subs(number, 0)])


def _centred_dilation_leaves_gaps() -> Evidence:
    """With kernels centred and the border padded, some steps would lead out of the sequence."""
    never = []
    for k, n in ((3, 8), (3, 24), (5, 13)):
        layers = [graphs.gather(graphs.around(k, k**number)) for number in range(2 * n)]
        never.append(graphs.layers_to_connect(layers.__getitem__, n, 2 * n) is None)
    return exact("centred dilated kernels never connect some pairs near the border (k = 3 and 5)", never)


def _path_chart(claimed: Mapping[str, Path]) -> Chart:
    lengths = [side * side for side in range(4, 101, 4)]
    series = []
    for id in ("recurrent", "convolution", "swmsa", "dilated", "self_attention"):
        exactly = claimed[id].exactly
        if exactly is not None:
            size = {"convolution": 3, "dilated": 3, "swmsa": 4}.get(id, 1)
            found = [(float(n), float(steps)) for n in lengths if (steps := exactly(n, size)) is not None]
            series.append(Series(ROWS[id].name, tuple(n for n, _ in found), tuple(steps for _, steps in found)))
    return Chart(
        "Longest path between two of n positions (k = 3, M = 4)",
        "n",
        "operations",
        tuple(series),
        log_x=True,
        log_y=True,
    )
