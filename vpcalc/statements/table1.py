"""Table 1 of "Attention Is All You Need", derived: complexity, sequential operations, maximum path length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..algebra.interpolation import interpolate
from ..algebra.parser import parse
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..cost import Cost, Quantity
from ..layers import attention, recurrence, reduction, retention, windows
from ..ops import conv2d, linear, matmul
from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from ..symbolic import Form
from . import graphs
from .evidence import exact, identity
from .graphs import Graph, Layer, Nodes
from .registry import Demonstration, Evidence, Method, Step, statement

PAPER = "Vaswani et al. 2017"
OURS = {"n": "N", "d": "C"}
"""The paper's letters in ours: n is the length there, d the width."""


# -- the layers -------------------------------------------------------------------------------------

N, C, k, r, a = (symbol(name) for name in ("N", "C", "k", "r", "a"))


def _on_tokens(cost: Cost) -> Cost:
    return cost


def _restricted() -> Cost:
    """Every token attends to r tokens around it."""
    d = attention.head_width(C, a)
    return Cost(
        "restricted",
        (
            linear("qkv", N, C, 3 * C),
            matmul("QKᵀ", N * a, 1, d, r, attention=True),  # (1 x d)(d x r) a token and head
            matmul("AV", N * a, 1, r, d),
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

    ``cost`` is the whole layer on symbols N and C; ``mixing`` the operators in which tokens meet, which is what the
    table prices. ``build`` gives layers by their number, on n tokens. ``causal``: a token sees no later one.
    """

    name: str
    cost: Callable[[], Cost]
    mixing: tuple[str, ...]
    build: Callable[[int], Layer]
    causal: bool = False
    paper: bool = True

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


def _grid_cost(build: Callable[..., Cost], *others: str) -> Callable[[], Cost]:
    return lambda: build(symbol("h"), symbol("w"), C, a, *(symbol(name) for name in others))


def _constant(layer: Layer) -> Callable[[int], Layer]:
    return lambda number: layer


KERNEL = 3
WINDOW = 4
REDUCTION = 2
POOL = 2
CHUNK = 4


def _side(n: int) -> int:
    """A square grid of n tokens."""
    side = round(n**0.5)
    if side * side != n:
        raise ValueError(f"{n} tokens are no square grid")
    return side


def _windows(shifted: bool) -> Callable[[int], Layer]:
    """Layers on a square grid; every second one is shifted by half a window."""

    def build(number: int) -> Layer:
        shift = WINDOW // 2 if shifted and number % 2 else 0

        def layer(graph: Graph, xs: Nodes) -> Nodes:
            side = _side(len(xs))
            return graphs.attend(graphs.window(side, side, WINDOW, shift))(graph, xs)

        return layer

    return build


def _reduced(blocks: Callable[[int, int, int], list[list[int]]], size: int) -> Callable[[int], Layer]:
    def layer(graph: Graph, xs: Nodes) -> Nodes:
        side = _side(len(xs))
        return graphs.attend_reduced(blocks(side, side, size))(graph, xs)

    return _constant(layer)


ROWS: Mapping[str, Row] = {
    "self_attention": Row(
        "Self-attention",
        lambda: attention.token_attention(N, C, a),
        ("matmul",),
        _constant(graphs.attend(graphs.everyone)),
    ),
    "recurrent": Row(
        "Recurrent", lambda: recurrence.recurrent(N, C, C), ("linear",), _constant(graphs.recurrence), causal=True
    ),
    "convolution": Row(
        "Convolution, contiguous", _convolution, ("conv",), _constant(graphs.gather(graphs.around(KERNEL)))
    ),
    "dilated": Row(
        "Convolution, dilated",
        _convolution,
        ("conv",),
        lambda number: graphs.gather(graphs.around(KERNEL, KERNEL**number)),
    ),
    "separable": Row(
        "Convolution, separable", _separable, ("conv",), _constant(graphs.gather(graphs.around(KERNEL)))
    ),
    "restricted": Row(
        "Self-attention, restricted", _restricted, ("matmul",), _constant(graphs.attend(graphs.around(KERNEL)))
    ),
    "wmsa": Row(
        "W-MSA", _grid_cost(windows.window_attention, "M"), ("matmul",), _windows(shifted=False), paper=False
    ),
    "swmsa": Row(
        "W-MSA and SW-MSA in turn",
        _grid_cost(windows.shifted_window_attention, "M"),
        ("matmul",),
        _windows(shifted=True),
        paper=False,
    ),
    "sra": Row(
        "SRA",
        _grid_cost(reduction.spatial_reduction_attention, "R"),
        ("matmul",),
        _reduced(graphs.strided_blocks, REDUCTION),
        paper=False,
    ),
    "linear_sra": Row(
        "Linear SRA",
        _grid_cost(reduction.linear_spatial_reduction_attention, "P"),
        ("matmul",),
        _reduced(graphs.pooled_blocks, POOL),
        paper=False,
    ),
    "retention": Row(
        "Retention, parallel",
        lambda: retention.token_retention(N, C, a),
        ("matmul",),
        _constant(graphs.attend(graphs.so_far)),
        causal=True,
        paper=False,
    ),
    "retention_recurrent": Row(
        "Retention, recurrent",
        lambda: retention.token_retention(N, C, a, form="recurrent"),
        ("matmul",),
        _constant(graphs.retention_recurrent),
        causal=True,
        paper=False,
    ),
    "retention_chunkwise": Row(
        "Retention, chunkwise",
        lambda: retention.token_retention(N, C, a, form="chunkwise", chunk=symbol("b")),
        ("matmul",),
        _constant(graphs.retention_chunkwise(CHUNK)),
        causal=True,
        paper=False,
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


def without_numbers(form: Polynomial) -> Polynomial:
    """Its monomials, each once: the inside of O(…)."""
    return Polynomial(dict.fromkeys(form.terms, 1))


def in_paper_letters(form: Polynomial) -> Form:
    """N and C as n and d, for reading next to the paper."""
    return Form(form.subs({ours: symbol(theirs) for theirs, ours in OURS.items()}))


@statement(
    "table1_complexity",
    "Table 1: complexity per layer",
    "Self-attention O(n²d), recurrent O(nd²), convolution O(knd²), restricted self-attention O(rnd), for the products in "
    "which tokens meet",
    f"{PAPER}, Table 1 and §4; windows, SRA and retention from their papers",
)
def table1_complexity(claimed: Mapping[str, str] = COMPLEXITY) -> Demonstration:
    """Our closed forms on symbols, their monomials, and their limits."""
    rows, held, limits = [], [], []
    for id, row in ROWS.items():
        whole, mixed = row.whole(), row.mixed()
        held.append(without_numbers(mixed) == parse(claimed[id], OURS))
        in_n, in_d = leading(whole, "N"), leading(whole, "C")
        limits += [_limit(whole, in_n, "N") - 1, _limit(whole, in_d, "C") - 1]
        rows.append(
            (
                row.name,
                f"O({in_paper_letters(without_numbers(mixed)).text})",
                in_paper_letters(mixed),
                in_paper_letters(whole),
                in_paper_letters(in_n),
                in_paper_letters(in_d),
            )
        )
    columns = (
        Column("layer", "Layer"),
        Column("order", "tokens meet in"),
        Column("mixing", "exactly", Kind.FORMULA),
        Column("whole", "whole layer", Kind.FORMULA),
        Column("in_n", "n → ∞", Kind.FORMULA, wide=True),
        Column("in_d", "d → ∞", Kind.FORMULA, wide=True),
    )
    attention_row, recurrent_row = ROWS["self_attention"], ROWS["recurrent"]
    return Demonstration(
        (
            Step(
                "QKᵀ and AV, for n tokens in heads of d/a channels.",
                "a·n·(d/a)·n + a·n·n·(d/a) = 2n²d",
                r"a \cdot n \cdot \tfrac{d}{a} \cdot n + a \cdot n \cdot n \cdot \tfrac{d}{a} = 2 n^2 d",
            ),
            Step("A recurrent layer: U x_t and W s_{t−1} at every step.", "n(d·d + d·d) = 2nd²", "n(d^2 + d^2) = 2nd^2"),
            Step("A kernel of k tokens, d channels to d.", "n·k·d·d = knd²", r"n \cdot k \cdot d \cdot d = k n d^2"),
            Step("r keys for each of n queries.", "2rnd", "2rnd"),
            Step(
                "What the table leaves out: the projections to queries, keys and values, and back.",
                f"{in_paper_letters(attention_row.whole()).text} in all",
                in_paper_letters(attention_row.whole()).latex,
            ),
        ),
        (
            exact("the products in which tokens meet have exactly the monomials that are claimed", held),
            identity("the leading terms are the layer's limit in n and in d", limits),
            exact(
                "whole layers: self-attention is not O(n²d) in d, where 4nd² leads",
                [leading(attention_row.whole(), "C") == parse("4nd²", OURS), recurrent_row.whole() == parse("2nd²", OURS)],
            ),
        ),
        Method.EXACT,
        tables=(Table("Complexity per layer, in multiply-accumulates; n tokens of d channels", columns, tuple(rows)),),
        correction="the table prices the products in which tokens meet and leaves the 4nd² of the projections out, "
        "which lead as long as n < 2d",
    )


def _limit(form: Polynomial, part: Polynomial, name: str) -> Any:
    import sympy

    variable = sympy.Symbol(name, integer=True, positive=True)
    return sympy.limit(sympy.cancel(form.to_sympy() / part.to_sympy()), variable, sympy.oo)


@statement(
    "attention_or_recurrence",
    "When self-attention is cheaper than recurrence",
    "The products in which tokens meet cost less than a recurrent layer exactly where n < d; with its projections the "
    "layer never does, and costs less than an LSTM exactly where n < 2d",
    f"{PAPER}, §4: 'self-attention layers are faster than recurrent layers when n is smaller than d'",
)
def attention_or_recurrence(
    bounds: Mapping[str, Callable[[Any], Any]] | None = None,
) -> Demonstration:
    """The sign of differences of closed forms, factored."""
    import sympy

    claimed = {"mixing": lambda d: d, "lstm": lambda d: 2 * d, "gru": lambda d: d} if bounds is None else bounds
    rnn = ROWS["recurrent"].whole()
    lstm = as_polynomial(recurrence.recurrent_lstm(N, C, C).total(Quantity.MACS))
    gru = as_polynomial(recurrence.recurrent_gru(N, C, C).total(Quantity.MACS))
    mixed, whole = ROWS["self_attention"].mixed(), ROWS["self_attention"].whole()
    n, d = (sympy.Symbol(name, integer=True, positive=True) for name in ("N", "C"))

    def crossing(attention: Polynomial, other: Polynomial) -> Any:
        return sympy.solve((attention - other).to_sympy() / n, n)

    found = {"mixing": crossing(mixed, rnn), "lstm": crossing(whole, lstm), "gru": crossing(whole, gru)}
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
        Column("attention", "attention", Kind.FORMULA),
        Column("recurrent", "recurrent", Kind.FORMULA),
        Column("where", "attention costs less where"),
    )
    return Demonstration(
        (
            Step("The products alone.", "2n²d < 2nd² ⟺ n < d", r"2n^2d < 2nd^2 \iff n < d"),
            Step(
                "The whole layer against a recurrent layer of one gate.",
                "4nd² + 2n²d − 2nd² = 2nd(n + d) > 0",
                r"4nd^2 + 2n^2d - 2nd^2 = 2nd(n + d) > 0",
            ),
            Step("Against an LSTM, four gates.", "4nd² + 2n²d < 8nd² ⟺ n < 2d", r"4nd^2 + 2n^2d < 8nd^2 \iff n < 2d"),
        ),
        (
            identity(
                "the forms cross at n = d, 2d (LSTM) and d (GRU), once each",
                [
                    (found[name][0] if len(found[name]) == 1 else sympy.oo) - bound(d)
                    for name, bound in claimed.items()
                ],
            ),
            identity("whole layer less RNN = 2nd(n + d)", [(whole - rnn).to_sympy() - 2 * n * d * (n + d)]),
        ),
        Method.SYMBOLIC,
        tables=(Table("n tokens of d channels; recurrent layers from d to d", columns, rows),),
        correction="read as whole layers the sentence does not hold for an RNN: the projections alone, 4nd², exceed 2nd²",
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
    rows, held, modules = [], [], []
    for id, row in ROWS.items():
        depth = _polynomial(lambda n, row=row: graphs.run([row.build(0)], n)[0].depth(), id)
        order = without_numbers(leading(depth, "n")) if depth is not None else None
        expected = parse(claimed[id])
        held.append(order is not None and order == expected.subs({"b": CHUNK}) / _number(expected))
        in_module = _polynomial(partial(_module_depth, id), id) if id in _MODULES else None
        if id in _MODULES:
            agrees = in_module is not None and in_module.degree("n") == expected.degree("n")
            modules.append(agrees)
        rows.append((row.name, f"O({claimed[id]})", _in_chunks(depth, id), _in_chunks(in_module, id)))
    columns = (
        Column("layer", "Layer"),
        Column("order", "sequential operations"),
        Column("chain", "longest chain of operations"),
        Column("autograd", "longest chain in autograd's graph of the module"),
    )
    note = "operations on vectors; a sum over tokens counts as one, as in the paper"
    return Demonstration(
        (
            Step(
                "A recurrent layer: s_t waits for s_{t−1}.",
                "x_1 → s_1 → s_2 → ⋯ → s_n",
                r"x_1 \to s_1 \to s_2 \to \cdots \to s_n",
            ),
            Step(
                "Self-attention: whatever the length, projection, scores, values, projection.",
                "x → q, k, v → softmax(QKᵀ) → AV → out",
                r"x \to q, k, v \to \operatorname{softmax}(QK^{\top}) \to AV \to \text{out}",
            ),
            Step(
                "Chunkwise retention: one step of the state for each chunk of b tokens.",
                "R_1 → R_2 → ⋯ → R_{n/b}",
                r"R_1 \to R_2 \to \cdots \to R_{n/b}",
            ),
        ),
        (
            exact("the longest chain in the layer's graph, recovered as a polynomial in n", held),
            exact("the longest chain in autograd's graph of the reference module is of the same degree", modules),
        ),
        Method.EXACT,
        tables=(Table(f"Sequential operations; chunks of b = {CHUNK}", columns, tuple(rows), (note,)),),
    )


def _number(form: Polynomial) -> Polynomial | int:
    """The number that is left of n/b with b as a number: O(n/4) is O(n)."""
    value = form.subs({"b": CHUNK})
    return Polynomial({(): next(iter(value.terms.values()))}, value.denominator)


def _in_chunks(depth: Polynomial | None, id: str) -> str:
    if depth is None:
        return "–" if id not in _MODULES else "no polynomial"
    return str(Form(depth.subs({"n": symbol("n") * 1})))


def _lengths(id: str) -> tuple[int, ...]:
    """Lengths on which the layer's size divides: two to fix a line, two to test it."""
    if id in ("wmsa", "swmsa", "sra", "linear_sra"):
        return (16, 64, 144, 256)
    return (8, 16, 24, 40)


def _polynomial(measure: Callable[[int], int], id: str) -> Polynomial | None:
    """The line through the first two lengths, if the others lie on it."""
    lengths = _lengths(id)
    values = [measure(n) for n in lengths]
    line = interpolate({"n": lengths[:2]}, values[:2])
    return line if all(line.subs({"n": n}) == value for n, value in zip(lengths, values, strict=True)) else None


def _module(id: str, n: int) -> Any:
    """The reference module of a row, and inputs of n tokens that want a gradient."""
    import torch

    from ..reference import LAYER_WITNESSES

    side = round(n**0.5)
    dims: dict[str, Any] = dict(_MODULES[id])
    layer = dims.pop("layer")
    if layer == "recurrent":
        dims["T"] = n
    elif id in ("wmsa", "swmsa", "sra", "linear_sra"):
        dims |= {"h": side, "w": side}
    else:
        dims |= {"h": 1, "w": n}
    witness = LAYER_WITNESSES[layer](**dims)
    shape = witness.inputs[0].shape
    return witness.module, torch.zeros(shape, requires_grad=True)


_MODULES: Mapping[str, Mapping[str, Any]] = {
    "self_attention": {"layer": "msa", "C": 4, "heads": 2},
    "recurrent": {"layer": "recurrent", "d": 3, "n": 4},
    "convolution": {"layer": "conv", "C": 2, "k": KERNEL},
    "wmsa": {"layer": "wmsa", "C": 4, "heads": 2, "M": WINDOW},
    "swmsa": {"layer": "swmsa", "C": 4, "heads": 2, "M": WINDOW},
    "sra": {"layer": "sra", "C": 4, "heads": 2, "R": REDUCTION},
    "linear_sra": {"layer": "linear_sra", "C": 4, "heads": 2, "P": POOL},
    "retention": {"layer": "retention", "C": 4, "heads": 2},
    "retention_recurrent": {"layer": "retention_recurrent", "C": 4, "heads": 2},
    "retention_chunkwise": {"layer": "retention_chunkwise", "C": 4, "heads": 2, "chunk": CHUNK},
}
"""Rows whose reference module is one layer."""


def _module_depth(id: str, n: int) -> int:
    """The longest chain of functions in autograd's graph."""
    module, x = _module(id, n)
    return autograd_depth(module(x))


def autograd_depth(output: Any) -> int:
    """Length of the longest path from an output back to a leaf, in autograd's graph."""
    depths: dict[Any, int] = {}
    stack = [output.grad_fn]
    while stack:
        node = stack[-1]
        waiting = [below for below, _ in node.next_functions if below is not None and below not in depths]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        depths[node] = 1 + max((depths[below] for below, _ in node.next_functions if below is not None), default=0)
    return depths[output.grad_fn]


# -- path length ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """What is claimed of a row's longest path: exactly, as a function of n, and its order.

    ``exactly`` is None where some tokens never meet. ``smooth`` is the same without rounding, on a SymPy symbol, and
    ``order`` the inside of O(…).
    """

    text: str
    exactly: Callable[[int], int] | None
    order_text: str
    smooth: Callable[[Any], Any] | None = None
    order: Callable[[Any], Any] | None = None


def _ceil_log(base: int, value: int) -> int:
    """⌈log_base(value)⌉ in integers."""
    power, count = 1, 0
    while power < value:
        power, count = power * base, count + 1
    return count


def _log(base: int, value: Any) -> Any:
    import sympy

    return sympy.log(value) / sympy.log(base)


def _root(value: Any) -> Any:
    import sympy

    return sympy.sqrt(value)


PATHS: Mapping[str, Path] = {
    "self_attention": Path("1", lambda n: 1, "1", lambda n: 1, lambda n: 1),
    "recurrent": Path("n", lambda n: n, "n", lambda n: n, lambda n: n),
    "convolution": Path(
        "⌈2(n − 1)/(k − 1)⌉",
        lambda n: -(-2 * (n - 1) // (KERNEL - 1)),
        "n/k",
        lambda n: 2 * (n - 1) / (KERNEL - 1),
        lambda n: n / KERNEL,
    ),
    "dilated": Path(
        "⌈log_k(2n − 1)⌉",
        lambda n: _ceil_log(KERNEL, 2 * n - 1),
        "log_k(n)",
        lambda n: _log(KERNEL, 2 * n - 1),
        lambda n: _log(KERNEL, n),
    ),
    "separable": Path(
        "⌈2(n − 1)/(k − 1)⌉",
        lambda n: -(-2 * (n - 1) // (KERNEL - 1)),
        "n/k",
        lambda n: 2 * (n - 1) / (KERNEL - 1),
        lambda n: n / KERNEL,
    ),
    "restricted": Path(
        "⌈2(n − 1)/(r − 1)⌉",
        lambda n: -(-2 * (n - 1) // (KERNEL - 1)),
        "n/r",
        lambda n: 2 * (n - 1) / (KERNEL - 1),
        lambda n: n / KERNEL,
    ),
    "wmsa": Path("none: windows never meet", None, "∞"),
    "swmsa": Path(
        "⌈2√n/M⌉ − 1",
        lambda n: -(-2 * _side(n) // WINDOW) - 1,
        "√n/M",
        lambda n: 2 * _root(n) / WINDOW - 1,
        lambda n: _root(n) / WINDOW,
    ),
    "sra": Path("2", lambda n: 2, "1", lambda n: 2, lambda n: 1),
    "linear_sra": Path("2", lambda n: 2, "1", lambda n: 2, lambda n: 1),
    "retention": Path("1", lambda n: 1, "1", lambda n: 1, lambda n: 1),
    "retention_recurrent": Path("n + 1", lambda n: n + 1, "n", lambda n: n + 1, lambda n: n),
    "retention_chunkwise": Path("n/b + 1", lambda n: n // CHUNK + 1, "n/b", lambda n: n / CHUNK + 1, lambda n: n / CHUNK),
}
"""By row: the first six as the paper prints their order, contiguous kernels in its text."""


@statement(
    "table1_path",
    "Table 1: maximum path length",
    "Between any two positions: self-attention O(1), recurrent O(n), convolution O(n/k) contiguous and O(log_k n) dilated, "
    "restricted self-attention O(n/r)",
    f"{PAPER}, Table 1 and §4; shifted windows: Liu et al. 2021 (Swin), §3.2",
)
def table1_path(claimed: Mapping[str, Path] = PATHS) -> Demonstration:
    """Shortest paths in the graph of as many layers as it takes; closed form at every length; its limit."""
    import sympy

    held, limits, rows = [], [], []
    n = sympy.Symbol("n", positive=True)
    for id, row in ROWS.items():
        path = claimed[id]
        measured = {length: measured_path(row, length) for length in _path_lengths(id)}
        held += [
            value == (None if path.exactly is None else path.exactly(length)) for length, value in measured.items()
        ]
        if path.smooth is not None and path.order is not None:
            ratio = sympy.limit(sympy.sympify(path.smooth(n) / path.order(n)), n, sympy.oo)
            limits.append(bool(ratio.is_finite and ratio.is_positive))
        longest = max(measured)
        rows.append((row.name, f"O({path.order_text})", path.text, longest, measured[longest]))
    columns = (
        Column("layer", "Layer"),
        Column("order", "maximum path"),
        Column("exactly", "exactly"),
        Column("n", "n", Kind.NUMBER),
        Column("measured", "measured", Kind.NUMBER),
    )
    note = f"k = r = {KERNEL}, M = {WINDOW}, b = {CHUNK}; layers are stacked until every pair is connected"
    return Demonstration(
        (
            Step(
                "Contiguous kernels: each layer reaches (k − 1)/2 tokens further to either side.",
                "L(k − 1)/2 ≥ n − 1 ⟺ L ≥ 2(n − 1)/(k − 1)",
                r"L\,\frac{k - 1}{2} \ge n - 1 \iff L \ge \frac{2(n - 1)}{k - 1}",
            ),
            Step(
                "Dilated kernels, k^l apart in layer l: a geometric sum, and every distance up to it occurs.",
                "Σ_{l<L} k^l (k − 1)/2 = (k^L − 1)/2 ≥ n − 1 ⟺ L ≥ log_k(2n − 1)",
                r"\sum_{l<L} k^l\,\frac{k - 1}{2} = \frac{k^L - 1}{2} \ge n - 1 \iff L \ge \log_k(2n - 1)",
            ),
            Step(
                "Windows that stay: a token reaches its own window and nothing else, in any number of layers.",
                "reach(L) = M for every L",
                r"\text{reach}(L) = M \text{ for every } L",
            ),
            Step(
                "Windows in turn with shifted ones: the first layer reaches M tokens from the border, each further one "
                "M/2 more, on a side of √n.",
                "M + (L − 1)M/2 ≥ √n ⟺ L ≥ 2√n/M − 1",
                r"M + (L - 1)\tfrac{M}{2} \ge \sqrt{n} \iff L \ge \frac{2\sqrt{n}}{M} - 1",
            ),
        ),
        (
            exact("the longest of all shortest paths, at every length that was run", held),
            _geometric_sum(),
            exact("exact length over order has a limit that is finite and not zero", limits),
        ),
        Method.EXACT,
        tables=(Table("Longest shortest path between two positions", columns, tuple(rows), (note,)),),
        figure=_path_chart(claimed),
    )


def measured_path(row: Row, n: int) -> int | None:
    """Mixing operations on the longest of the shortest paths, in the fewest layers that connect all pairs.

    A layer's scores are on a path too, but the path through its values is shorter.
    """
    layers = 1 if row.causal else graphs.layers_to_connect(row.build, n, most=n + 2)
    if layers is None:
        return None
    graph, sources, outputs = graphs.run([row.build(number) for number in range(layers)], n)
    return graphs.longest_distance(graph, sources, outputs, row.causal)


def _path_lengths(id: str) -> tuple[int, ...]:
    if id in ("wmsa", "swmsa", "sra", "linear_sra"):
        return (64, 100, 144)  # sides 8, 10, 12
    if id == "retention_chunkwise":
        return (8, 12, 24)
    return (2, 3, 5, 8, 13, 14, 15, 24)


def _geometric_sum() -> Evidence:
    import sympy

    kernel = sympy.Symbol("k", integer=True, positive=True)
    layers, number = sympy.symbols("L l", integer=True, nonnegative=True)
    # Σ k^l by its telescoping step, for a symbolic number of layers: F(L + 1) − F(L) = k^L (k − 1)/2, F(0) = 0
    reach = (kernel**number - 1) / 2
    step = reach.subs(number, layers + 1) - reach.subs(number, layers) - kernel**layers * (kernel - 1) / 2
    return identity("Σ_{l<L} k^l (k − 1)/2 = (k^L − 1)/2 for every k and L", [step, reach.subs(number, 0)])


def _path_chart(claimed: Mapping[str, Path]) -> Chart:
    lengths = [side * side for side in range(4, 101, 4)]
    series = []
    for id in ("recurrent", "convolution", "swmsa", "dilated", "self_attention"):
        exactly = claimed[id].exactly
        if exactly is not None:
            values = tuple(float(exactly(n)) for n in lengths)
            series.append(Series(ROWS[id].name, tuple(map(float, lengths)), values))
    return Chart("Longest path between two of n positions", "n", "operations", tuple(series), log_x=True, log_y=True)
