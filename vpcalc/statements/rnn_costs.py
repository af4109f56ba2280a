"""What the gradient of a recurrent network costs, in each of the ways to compute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import chain
from random import Random
from typing import Any

from ..algebra.parser import parse
from ..algebra.polynomial import Polynomial, as_polynomial, symbol, symbols
from ..checks.proof import Domain, Interpolation
from ..cost import Quantity
from ..findings import Finding
from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from ..symbolic import Form
from .evidence import exact, identity
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, Method, derivation, statement
from .rnn_algorithms import TEXTBOOK, WAYS, Tally, memory, problem, run


def macs_form(way: str) -> Polynomial:
    """Multiply-accumulates in T, n and d (and b), from the formula run on symbols."""
    return as_polynomial(WAYS[way][1](*_dims(way)).total(Quantity.MACS))


def memory_form(way: str) -> Polynomial:
    """Elements kept, in the same symbols."""
    T, n, d = symbols("T n d")
    return as_polynomial(memory(way, T, n, d, symbol("b")))


def cost_table(T: int, n: int, d: int) -> Table:
    """All ways, in closed form and at one size; checkpoints at the divisor of T that is nearest to its root."""
    b = nearest_root(T)
    rows = []
    for way, (title, _) in WAYS.items():
        at = {"T": T, "n": n, "d": d, "b": b}
        macs, kept = macs_form(way), memory_form(way)
        name = f"{title}, b = {b}" if way == "checkpointed" else title
        rows.append((name, Form(macs), Form(kept), macs.value(at), kept.value(at)))
    columns = (
        Column("way", "Way"),
        Column("formula", "MACs in closed form", Kind.FORMULA),
        Column("kept_formula", "Elements kept", Kind.FORMULA),
        Column("macs", "MACs", Kind.COUNT),
        Column("kept", "Kept", Kind.COUNT),
    )
    note = "T ≥ 2; the forward pass, T(nd + n²), is common to all and not counted"
    return Table(f"Cost of dL/dU from ∂L/∂s_T: T = {T}, n = {n}, d = {d}", columns, tuple(rows), (note,))


def nearest_root(T: int) -> int:
    """The divisor of T for which T/b + b is least."""
    return min((b for b in range(1, T + 1) if T % b == 0), key=lambda b: (T // b + b, b))


def _dims(way: str) -> tuple[Any, ...]:
    names = "T n d b" if way == "checkpointed" else "T n d"
    return symbols(names)


# -- the ways ---------------------------------------------------------------------------------------


@statement(
    "bptt_cost",
    "Cost of the gradient through time",
    "Over T ≥ 2 steps the sum as printed takes a product for every k and is quadratic in T; reverse accumulation "
    "takes (T − 1)n² + Tnd multiply-accumulates and is linear",
    "Werbos 1990; Williams & Zipser 1989 (forward mode); Griewank & Walther 2008, §12 (checkpoints)",
)
def bptt_cost(printed: Mapping[str, tuple[str, str]] = TEXTBOOK) -> Demonstration:
    """Formula, count of running code recovered by interpolation, and hand count, for every way; far counts."""
    from .table1 import leading  # whose statements are listed after these

    of_way = {}
    for way in WAYS:
        macs, kept = printed[way]
        of_way[way] = (
            _recovered(f"{WAYS[way][0]}: {macs} MACs", way, macs, macs_form, _count, cubic=True),
            _recovered(f"{WAYS[way][0]}: {kept} elements", way, kept, memory_form, _peak),
            _far(way, macs, kept),
        )
    as_printed, reverse = of_way.pop("as_printed"), of_way.pop("reverse")
    return Demonstration(
        derivation(r"""
            As printed: T − k Jacobians take T − k − 1 products of matrices, for every k; then a row and an outer
            product.
                Σ_{k=1..T−1} (T − k − 1) n³ + (T − 1) n² + T nd = (T − 1)(T − 2)n³/2 + (T − 1)n² + Tnd
                    \sum_{k=1}^{T-1} (T - k - 1) n^3 + (T - 1) n^2 + T n d = \tfrac12 (T - 1)(T - 2) n^3 + (T - 1)
                    n^2 + T n d
            Shared: the product for k is the one for k + 1 times one more Jacobian.
                (T − 2)n³ + (T − 1)n² + Tnd
                    (T - 2) n^3 + (T - 1) n^2 + T n d
            Reverse: multiplication is associative. The row is taken first, and shared too.
                δ_{k} = δ_{k+1} J_{k+1}: (T − 1)n² + Tnd
                    \delta_k = \delta_{k+1} J_{k+1}: \quad (T - 1) n^2 + T n d
            Forward: ds_t/dU has n · nd elements and meets a Jacobian every step; no state is kept.
                ds_t/dU = J_t ds_{t−1}/dU + ∂⁺s_t/∂U: (T − 1)n³d + Tnd + n²d
                    \frac{ds_t}{dU} = J_t \frac{ds_{t-1}}{dU} + \frac{\partial^+ s_t}{\partial U}: \quad (T - 1)
                    n^3 d + T n d + n^2 d
            For W in place of U, d becomes n: the outer product is with s_{k−1}.
                (T − 1)n² + Tn² in reverse
                    (T - 1) n^2 + T n^2
        """),
        {
            "as printed, with a product for every k, it takes n³(T − 1)(T − 2)/2 + (T − 1)n² + Tnd": as_printed,
            "reverse accumulation takes (T − 1)n² + Tnd": (
                *reverse,
                _autograd_does_the_same(printed["reverse"][0]),
            ),
            "the first is quadratic in T, the second linear": (
                identity(
                    "what leads in T, of the two counts",
                    [(leading(parse(printed[way][0]), "T"), parse(part)) for way, part in LEADS.items()],
                ),
            ),
            "the other ways take what is derived of them": tuple(chain.from_iterable(of_way.values())),
        },
        (_same_gradient(),),
        tables=(cost_table(100, 64, 32),),
        figure=_chart(),
    )


LEADS = {"as_printed": "T²n³/2", "reverse": "T(n² + nd)"}
"""The terms of the highest power of T."""

_FEW = dict.fromkeys("Tbnd", 24)
"""Real runs, of as many steps and with Jacobians of n²d: they stay small."""


def _domain(way: str, cubic: bool) -> Domain:
    if way == "checkpointed":
        return Domain({"T": 1, "b": 1, "n": 2, "d": 1}, {"T": "b"}, held_out=3, most=_FEW)
    if cubic:
        return Domain({"T": 2, "n": 3, "d": 1}, start={"T": 2}, held_out=3, most=_FEW)
    return Domain({"T": 1, "n": 2, "d": 1}, start={"T": 2}, held_out=3, most=_FEW)


def _recovered(
    what: str,
    way: str,
    printed: str,
    form: Callable[[str], Polynomial],
    count: Callable[[str, Mapping[str, int]], int],
    cubic: bool = False,
) -> Evidence:
    """The count of the running program as a polynomial: equal to our formula and to the hand count."""
    found = Interpolation(partial(form, way), partial(count, way), _domain(way, cubic), printed).settle()
    return Evidence(what, Method.INTERPOLATION, found.verdict is Finding.IDENTIFIED, found.points + found.held_out)


def _far(way: str, macs: str, kept: str) -> Evidence:
    """Counts of the running program where each size in turn is drawn beyond 100, against the hand count."""
    draw = Random(way)
    points = [
        {"T": draw.randrange(101, 400), "n": 2, "d": 1},
        {"T": 3, "n": draw.randrange(101, 130), "d": 1},
        {"T": 3, "n": 2, "d": draw.randrange(101, 400)},
    ]
    if way == "checkpointed":
        b = draw.randrange(101, 200)
        points = [{**at, "T": 3 * at["T"], "b": 3} for at in points] + [{"T": 4 * b, "n": 2, "d": 1, "b": b}]
    held = []
    for expected, count in ((parse(macs), _count), (parse(kept), _peak)):
        held += [expected.subs(at) == count(way, at) for at in points]
    names = [name for name in ("T", "n", "d", "b") if name in points[0]]
    reach = ", ".join(f"{name} = {max(at[name] for at in points)}" for name in names)
    return exact(f"{WAYS[way][0]}: both at drawn sizes, as far as {reach}", held)


def _count(way: str, sizes: Mapping[str, int]) -> int:
    return _ran(way, sizes["T"], sizes["n"], sizes["d"], sizes.get("b", 1)).macs


def _peak(way: str, sizes: Mapping[str, int]) -> int:
    return _ran(way, sizes["T"], sizes["n"], sizes["d"], sizes.get("b", 1)).peak


@cache
def _ran(way: str, T: int, n: int, d: int, b: int) -> Tally:
    """What running the program took; it depends on the sizes alone."""
    return run(way, problem(T, n, d), b)[1]


def _same_gradient() -> Evidence:
    agree = []
    for T, n, d, b in ((2, 3, 2, 1), (6, 3, 2, 3), (8, 2, 4, 2)):
        given = problem(T, n, d, seed=T)
        results = [run(way, given, b)[0] for way in WAYS]
        agree += [result == results[0] for result in results[1:]]
    return exact("all ways give the same gradient, in integers modulo a prime", agree)


def _autograd_does_the_same(printed: str) -> Evidence:
    """The multiply-accumulates of torch's own backward pass, where U alone is trained."""
    from ..counters.dispatch import counting

    expected, held = parse(printed), []
    for T, n, d in ((2, 3, 2), (7, 5, 3), (20, 8, 6)):
        U = torch.ones(n, d, requires_grad=True)
        W, state = torch.ones(n, n), torch.zeros(1, n)
        for _ in range(T):
            state = torch.tanh(torch.ones(1, d) @ U.T + state @ W.T)
        with counting() as counter:
            torch.autograd.backward(state, torch.ones(1, n))
        held.append(as_polynomial(counter.counts().macs) == expected.subs({"T": T, "n": n, "d": d}))
    return exact("torch's backward pass takes as many as reverse accumulation", held)


def _chart() -> Chart:
    lengths = tuple(range(2, 401, 2))
    series = []
    for way in ("as_printed", "row_first", "shared_products", "reverse", "forward_mode"):
        form = macs_form(way)
        values = tuple(float(form.value({"T": T, "n": 64, "d": 32})) for T in lengths)
        series.append(Series(WAYS[way][0], tuple(map(float, lengths)), values, dashed=way == "forward_mode"))
    return Chart("MACs of dL/dU, n = 64, d = 32", "T", "MACs", tuple(series), log_y=True)


# -- checkpoints ------------------------------------------------------------------------------------


@statement(
    "checkpointing",
    "Memory by checkpoints",
    "Keeping every b-th of T states, b | T, takes (T/b + b)n elements, the row that is carried back among them, "
    "least where b = √T is whole: 2√T·n in place of (T + 1)n, for less than one more forward pass",
    "Griewank & Walther 2008, §12; Chen et al. 2016",
)
def checkpointing(
    best: Callable[[Any], Any] | None = None,
    least: Callable[[Any, Any], Any] | None = None,
    keeps: Callable[[Any, Any, Any], Any] = lambda T, b, n: (T / b + b) * n,
    repeated: Callable[[Any, Any], Any] = lambda forward, b: forward - forward / b,
    otherwise: Callable[[Any, Any], Any] = lambda T, n: (T + 1) * n,
) -> Demonstration:
    """The minimum by completing the square; the best divisor by running all of them."""
    T, n, b = sympy.symbols("T n b", positive=True)
    kept = keeps(T, b, n)
    claimed_best = sympy.sqrt(T) if best is None else best(T)
    claimed_least = 2 * sympy.sqrt(T) * n if least is None else least(T, n)
    square = (sympy.sqrt(T / b) - sympy.sqrt(b)) ** 2 * n
    form = memory_form("checkpointed").to_sympy()
    ours = form.subs({s: sympy.Symbol(s.name, positive=True) for s in form.free_symbols})
    again = macs_form("checkpointed") - macs_form("reverse")
    forward = symbol("T") * symbol("n") * (symbol("d") + symbol("n"))
    runs = []
    for steps in (4, 12, 16, 36):
        peaks = {
            c: run("checkpointed", problem(steps, 2, 1), c)[1].peak for c in range(1, steps + 1) if steps % c == 0
        }
        runs.append(peaks[nearest_root(steps)] == min(peaks.values()))
        runs.append(min(peaks.values()) >= 2 * steps**0.5 * 2 - 1e-9)
    return Demonstration(
        derivation(r"""
            T/b states at the ends of segments, b − 1 within the segment that is gone through, and the row δ.
                (T/b + b)n
                    \Bigl(\frac{T}{b} + b\Bigr) n
            Complete the square.
                T/b + b = 2√T + (√(T/b) − √b)² ≥ 2√T, with equality at b = √T
                    \frac{T}{b} + b = 2\sqrt{T} + \Bigl(\sqrt{T/b} - \sqrt{b}\Bigr)^2 \ge 2\sqrt{T}
            What is computed again: b − 1 of b steps.
                (T − T/b)(nd + n²) < T(nd + n²)
                    \Bigl(T - \frac{T}{b}\Bigr)(nd + n^2) < T(nd + n^2)
        """),
        {
            "to keep every b-th state takes n(T/b + b) elements": (
                identity("the formula is what the way keeps", [(ours, kept)]),
            ),
            "that is never less than 2√T·n, which it is at b = √T": (
                identity("kept elements exceed 2√T·n by a square", [(kept, claimed_least + square)]),
                identity("the square is zero at b = √T", [square.subs(b, claimed_best)]),
                exact(
                    "of all divisors of T = 4, 12, 16, 36, the one nearest to √T keeps least when it is run", runs
                ),
            ),
            "all states and the row take (T + 1)n": (
                identity(
                    "what reverse accumulation keeps", [(memory_form("reverse"), otherwise(*symbols("T n")))]
                ),
            ),
            "less than one more forward pass is computed again": (
                identity("it is the forward pass less its b-th part", [(again, repeated(forward, symbol("b")))]),
            ),
        },
    )
